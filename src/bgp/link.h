/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One end of the socketpair between agent and speaker process: sends records, several in a packet,
 * and hands in those received. Symmetric; both processes use it.
 */
#include "bgp/ipc.h"

struct ev_loop;
struct bgp_link;

struct bgp_link_events {
	void *arg;
	/* fd: the descriptor that came with a LISTEN, now the callee's; else -1. */
	void (*msg)(void *arg, const struct bgp_ipc_msg *m, int fd);
	/* The other end is gone or sent nonsense; once. The link may be freed in it. */
	void (*closed)(void *arg, const char *why);
};

/* Takes fd. At most this many bytes wait for a slow reader; past it the link is closed. */
#define BGP_LINK_QUEUE_MAX ((size_t)64 << 20)

/* Both ends, CLOEXEC, non-blocking, SOCK_SEQPACKET. */
int bgp_link_pair(int ret_fd[2]);

struct bgp_link *bgp_link_new(struct ev_loop *loop, int fd, const struct bgp_link_events *events);
void bgp_link_free(struct bgp_link *l);

/*
 * Queues a record; it leaves at the end of this turn of the loop, together with the others. fd
 * (or -1) is dup'ed and rides along; such a record travels alone.
 */
void bgp_link_send(struct bgp_link *l, const struct bgp_ipc_msg *m, int fd);
/* Sends what is queued, as far as the socket takes it without waiting (before leaving). */
void bgp_link_flush(struct bgp_link *l);
