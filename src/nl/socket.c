/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's end. A socket for requests gets one small datagram per request; those are read up to
 * RING_SLOTS in one system call and handed out one by one (10,000 routes: 157 calls, not 10,000).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "nl/nl.h"

#define RING_SLOTS NL_CHUNK_MSGS
#define RING_BYTES 1024 /* an answer has 36 bytes and, with an error, its text; more is cut */

struct ring {
	struct mmsghdr msgs[RING_SLOTS];
	struct iovec iov[RING_SLOTS];
	struct sockaddr_nl from[RING_SLOTS];
	uint8_t data[RING_SLOTS][RING_BYTES];
	unsigned n, next; /* read, and the first not yet handed out */
};

struct nl_socket {
	int fd;
	struct ring *ring; /* NULL: one datagram a call */
};

static int socket_send(void *self, const void *data, size_t len)
{
	const struct nl_socket *s = self;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(s->fd, data, len, 0, (const struct sockaddr *)&to, sizeof(to));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO; /* a datagram goes whole or not at all */
}

static int ring_fill(struct nl_socket *s)
{
	struct ring *ring = s->ring;
	int n;

	for (unsigned i = 0; i < RING_SLOTS; i++) {
		ring->iov[i] = (struct iovec){ ring->data[i], RING_BYTES };
		ring->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &ring->from[i],
							 .msg_namelen = sizeof(ring->from[i]),
							 .msg_iov = &ring->iov[i],
							 .msg_iovlen = 1 };
	}
	do {
		n = recvmmsg(s->fd, ring->msgs, RING_SLOTS, MSG_TRUNC | MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	ring->next = 0;
	ring->n = n > 0 ? (unsigned)n : 0;
	return n < 0 ? -errno : n > 0 ? 0 : -EAGAIN;
}

/* An error that comes after some datagrams is kept by the kernel for the next call. */
static int ring_recv(void *self, void *buf, size_t cap, struct nl_recv *ret)
{
	struct nl_socket *s = self;
	struct ring *ring = s->ring;
	unsigned i;
	int r;

	if (ring->next == ring->n) {
		r = ring_fill(s);
		if (r < 0)
			return r;
	}
	i = ring->next++;
	ret->sender = ring->from[i].nl_pid;
	ret->full_bytes = ring->msgs[i].msg_len;
	cap = MIN(cap, (size_t)RING_BYTES);
	ret->len = MIN(ret->full_bytes, cap);
	memcpy(buf, ring->data[i], ret->len);
	return 0;
}

static int socket_recv(void *self, void *buf, size_t cap, struct nl_recv *ret)
{
	const struct nl_socket *s = self;
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n;

	do { /* MSG_TRUNC: the full length, also when it does not fit */
		n = recvfrom(s->fd, buf, cap, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	ret->sender = from.nl_pid;
	ret->full_bytes = (size_t)n;
	ret->len = MIN((size_t)n, cap);
	return 0;
}

static void socket_close(void *self)
{
	struct nl_socket *s = self;

	(void)close(s->fd);
	free(s->ring);
	free(s);
}

static const struct nl_transport_ops socket_ops = {
	.send = socket_send,
	.recv = socket_recv,
	.close = socket_close,
};

static const struct nl_transport_ops ring_ops = {
	.send = socket_send,
	.recv = ring_recv,
	.close = socket_close,
};

static void option_on(int fd, int option)
{
	int on = 1;

	/* Missing before Linux 4.12 (extended ack) and 4.20 (strict checking): we do without. */
	(void)setsockopt(fd, SOL_NETLINK, option, &on, sizeof(on));
}

static void rcvbuf_raise(int fd, uint32_t want_bytes)
{
	int bytes = (int)MIN(want_bytes, (uint32_t)INT32_MAX);

	/* FORCE passes rmem_max and needs CAP_NET_ADMIN; without it we take what we are given. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int groups_join(int fd, const struct nl_conf *conf)
{
	for (size_t i = 0; i < NL_GROUPS_MAX && conf->groups[i] != 0; i++) {
		uint32_t group = conf->groups[i];

		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int nl_socket_open(const struct nl_conf *conf, struct nl_transport *ret)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, conf->protocol);
	struct nl_socket *s;
	int r = 0;

	if (fd < 0)
		return -errno;
	s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	option_on(fd, NETLINK_EXT_ACK);
	option_on(fd, NETLINK_CAP_ACK);
	option_on(fd, NETLINK_GET_STRICT_CHK);
	rcvbuf_raise(fd, conf->rcvbuf_bytes ? conf->rcvbuf_bytes : NL_RCVBUF_REQUEST);
	if (bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0)
		r = -errno;
	if (r == 0)
		r = groups_join(fd, conf);
	if (r < 0) {
		socket_close(s);
		return r;
	}
	if (conf->is_for_batches)
		s->ring = xcalloc(1, sizeof(*s->ring));
	*ret = (struct nl_transport){ .ops = s->ring ? &ring_ops : &socket_ops,
				      .self = s,
				      .fd = fd };
	return 0;
}
