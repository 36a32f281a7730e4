/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are gathered in an open packet; at the end of the turn it is closed and sent. When the
 * socket is full the closed packets wait in a list, and the loop tells when there is room. A packet
 * is sent whole or not at all (SOCK_SEQPACKET), so there is no partial state to keep.
 */
#include "bgp/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "ev/ev.h"

#define LINK_PACKETS_PER_TURN 16

struct packet {
	struct list in_queue;
	int fd; /* rides along, or -1 */
	size_t len;
	uint8_t data[];
};

struct bgp_link {
	struct bgp_link_events events;
	int fd;
	struct ev_io *io;
	struct ev_task *flush;
	struct list queue; /* of struct packet, closed */
	size_t queued_bytes;
	struct wr open;  /* the packet being filled */
	const char *why; /* set: closed() is due, from the task */
	bool told;
	uint8_t open_buf[BGP_IPC_PACKET_MAX];
	uint8_t in_buf[BGP_IPC_PACKET_MAX];
};

int bgp_link_pair(int ret_fd[2])
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -errno;
	ret_fd[0] = fd[0];
	ret_fd[1] = fd[1];
	return 0;
}

static void packet_free(struct packet *p)
{
	list_del(&p->in_queue);
	if (p->fd >= 0)
		(void)close(p->fd);
	free(p);
}

static void link_fail(struct bgp_link *l, const char *why)
{
	if (!l->why)
		l->why = why;
	ev_io_want(l->io, 0);
	ev_task_post(l->flush); /* closed() must not come on the stack of a send */
}

static void link_close_packet(struct bgp_link *l, int fd)
{
	struct packet *p;

	if (l->open.len == 0)
		return;
	if (l->queued_bytes + l->open.len > BGP_LINK_QUEUE_MAX) {
		l->open = wr_init(l->open_buf, sizeof(l->open_buf));
		link_fail(l, "the other end does not read");
		return;
	}
	p = xmalloc(sizeof(*p) + l->open.len);
	p->fd = fd;
	p->len = l->open.len;
	memcpy(p->data, l->open.data, l->open.len);
	list_init(&p->in_queue);
	list_add_tail(&l->queue, &p->in_queue);
	l->queued_bytes += p->len;
	l->open = wr_init(l->open_buf, sizeof(l->open_buf));
}

/* 0, or -errno: -EAGAIN when the socket is full. */
static int link_send_packet(struct bgp_link *l, struct packet *p)
{
	struct iovec iov = { .iov_base = p->data, .iov_len = p->len };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (p->fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &p->fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(l->fd, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

void bgp_link_flush(struct bgp_link *l)
{
	link_close_packet(l, -1);
	while (!l->why && !list_is_empty(&l->queue)) {
		struct packet *p = list_first(&l->queue, struct packet, in_queue);
		int r = link_send_packet(l, p);

		/* ENOBUFS: no kernel memory right now; the loop's next turn tries again. */
		if (r == -EAGAIN || r == -ENOBUFS)
			break;
		if (r < 0) {
			link_fail(l, "the other end is gone");
			break;
		}
		l->queued_bytes -= p->len;
		packet_free(p);
	}
	if (!l->why)
		ev_io_want(l->io, EV_READ | (list_is_empty(&l->queue) ? 0 : EV_WRITE));
}

static void on_flush(void *arg)
{
	struct bgp_link *l = arg;

	if (!l->why)
		bgp_link_flush(l);
	if (l->why && !l->told) {
		l->told = true;
		l->events.closed(l->events.arg, l->why); /* may free l */
	}
}

void bgp_link_send(struct bgp_link *l, const struct bgp_ipc_msg *m, int fd)
{
	size_t before = l->open.len;

	if (l->why)
		return;
	if (fd >= 0 || l->open.cap - l->open.len < 1024)
		link_close_packet(l, -1); /* no record is longer than 1 KiB (ipc_test) */
	bgp_ipc_encode(&l->open, m);
	if (l->open.overflow) {
		l->open.len = before;
		l->open.overflow = false;
		link_fail(l, "a record too long");
		return;
	}
	if (fd >= 0) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

		if (copy < 0) {
			link_fail(l, "no descriptor left to pass on");
			return;
		}
		link_close_packet(l, copy);
	}
	ev_task_post(l->flush);
}

/* The descriptor that came along, or -1; more than one is not sent, and closed if it comes. */
static int control_fd(struct msghdr *msg)
{
	int found = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (found < 0)
				found = fd;
			else
				(void)close(fd);
		}
	}
	return found;
}

/* Hands in the records of one packet. False when the link failed. */
static bool link_deliver(struct bgp_link *l, size_t len, int fd)
{
	struct rd r = rd_init(l->in_buf, len);
	struct bgp_ipc_msg m;
	int more;

	while ((more = bgp_ipc_decode(&r, &m)) > 0) {
		bool takes_fd = m.type == BGP_IPC_LISTEN;

		l->events.msg(l->events.arg, &m, takes_fd ? fd : -1);
		if (takes_fd)
			fd = -1;
	}
	if (fd >= 0)
		(void)close(fd);
	if (more < 0)
		link_fail(l, "a malformed record");
	return more == 0 && !l->why;
}

static void on_io(void *arg, unsigned events)
{
	struct bgp_link *l = arg;

	if (events & EV_WRITE)
		bgp_link_flush(l);
	if (!(events & EV_READ))
		return;
	for (int budget = LINK_PACKETS_PER_TURN; budget > 0 && !l->why; budget--) {
		struct iovec iov = { .iov_base = l->in_buf, .iov_len = sizeof(l->in_buf) };
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(l->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			link_fail(l, n == 0 ? "the other end closed" : "the other end is gone");
			return;
		}
		if (!link_deliver(l, (size_t)n, control_fd(&msg)))
			return;
	}
}

struct bgp_link *bgp_link_new(struct ev_loop *loop, int fd, const struct bgp_link_events *events)
{
	struct bgp_link *l = xcalloc(1, sizeof(*l));

	l->events = *events;
	l->fd = fd;
	l->open = wr_init(l->open_buf, sizeof(l->open_buf));
	list_init(&l->queue);
	l->io = ev_io_new(loop, "bgp-link", fd, on_io, l);
	l->flush = ev_task_new(loop, "bgp-link-flush", on_flush, l);
	ev_io_want(l->io, EV_READ);
	return l;
}

void bgp_link_free(struct bgp_link *l)
{
	if (!l)
		return;
	ev_task_free(l->flush);
	ev_io_free(l->io);
	while (!list_is_empty(&l->queue))
		packet_free(list_first(&l->queue, struct packet, in_queue));
	(void)close(l->fd);
	free(l);
}
