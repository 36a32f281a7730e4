/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The seam below struct nl: datagrams out, datagrams in. The kernel's socket stands behind it in
 * the program, a script (nl/script.h) in tests, a model kernel in the simulator.
 */
#include <stddef.h>
#include <stdint.h>

struct nl_conf;

struct nl_recv {
	uint32_t sender;   /* port of the sender; 0 is the kernel */
	size_t len;        /* bytes of the datagram in the buffer */
	size_t full_bytes; /* of the datagram; more than len: it was cut */
};

struct nl_transport_ops {
	/* The whole datagram or nothing: 0, -EAGAIN, or another -errno. */
	int (*send)(void *self, const void *data, size_t len);
	/* 0, -EAGAIN (nothing there), -ENOBUFS (the kernel dropped some), or another -errno. */
	int (*recv)(void *self, void *buf, size_t cap, struct nl_recv *ret);
	void (*close)(void *self);
};

struct nl_transport {
	const struct nl_transport_ops *ops;
	void *self;
	int fd; /* what the event loop watches */
};

/* Opens the other end; NULL in place of an opener means the kernel's sockets. */
struct nl_opener {
	int (*open)(void *arg, const struct nl_conf *conf, struct nl_transport *ret);
	void *arg;
};

/*
 * A netlink socket of this network namespace: non-blocking, CLOEXEC, extended and capped acks,
 * strict checking (where the kernel has them), receive buffer raised, groups joined.
 */
int nl_socket_open(const struct nl_conf *conf, struct nl_transport *ret);
