/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A netlink socket on an event loop. Use one for requests, one for dumps, one for events:
 *
 *   batch:  b = nl_batch_new(); nl_batch_add(b, type, flags, tag); nl_put_...; nl_batch_send(nl, b)
 *   dump:   d = nl_dump_new(type, flags); the body into nl_dump_msg(d); nl_dump_send(nl, d, &spec)
 *   events: conf.groups and conf.on_event
 *
 * Batches and dumps of one socket run one after the other, in the order sent. Callbacks come from
 * the loop, never before the sending function returns, and may use or free anything, the nl too.
 */
#include <stdint.h>

#include "base/rd.h"
#include "nl/msg.h"
#include "nl/transport.h"

struct ev_loop;
struct nl;
struct nl_batch;
struct nl_dump;

#define NL_CHUNK_MSGS       64      /* messages a send; more gains nothing */
#define NL_CHUNK_BYTES      32768   /* bytes a send; a message that does not fit starts the next */
#define NL_BATCH_MAX        1048576 /* requests of a batch; what is past it gets -E2BIG */
#define NL_JOBS_MAX         1024    /* batches and dumps waiting on one socket */
#define NL_GROUPS_MAX       8
#define NL_RECV_BYTES       65536 /* a dump's datagram has at most 32 KB */
#define NL_RECV_PER_TURN    64    /* datagrams read before the rest of the loop has its turn */
#define NL_SEND_PER_TURN    32    /* chunks sent before the rest of the loop has its turn */
#define NL_DEADLINE_US      (5 * US_PER_S) /* an answer later than this does not count */
#define NL_DUMP_TRIES       30             /* of a dump interrupted by changes */
#define NL_DUMP_WAIT_MIN_US (1 * US_PER_MS)
#define NL_DUMP_WAIT_MAX_US (100 * US_PER_MS)
#define NL_RCVBUF_REQUEST   (1u << 20)
#define NL_RCVBUF_EVENTS    (8u << 20)

/* One message of a joined group. */
typedef void nl_event_fn(void *arg, const struct nl_head *head, struct rd body);
/* Messages were lost: what the events were followed for has to be dumped again. */
typedef void nl_overrun_fn(void *arg);

struct nl_conf {
	const char *name;               /* constant text, for the loop's records */
	int protocol;                   /* NETLINK_ROUTE, ... */
	uint32_t groups[NL_GROUPS_MAX]; /* RTNLGRP_*; 0 ends the list */
	uint32_t rcvbuf_bytes;          /* 0: NL_RCVBUF_REQUEST */
	bool is_for_batches;   /* no dumps, no groups: answers are small and read many at once */
	nl_event_fn *on_event; /* NULL without groups */
	nl_overrun_fn *on_overrun;
	void *arg;
};

struct nl_stats {
	uint64_t sends, recvs;     /* datagrams */
	uint64_t requests, errors; /* results, and those with an error */
	uint64_t no_answer;        /* requests whose answer was lost or late */
	uint64_t overruns;         /* ENOBUFS, or a datagram that was cut */
	uint64_t refused;          /* datagrams and messages of a wrong sender, sequence or form */
	uint64_t events;
	uint64_t dumps, dump_restarts;
};

/* opener NULL: the kernel. 0, or -errno of opening the socket. */
int nl_new(struct ev_loop *loop, const struct nl_conf *conf, const struct nl_opener *opener,
	   struct nl **ret);
/* What is queued is dropped without its callback. */
void nl_free(struct nl *nl);
/*
 * Reads the events that are there now, with their callbacks, before this returns: at most max
 * datagrams. The kernel queues an event before it answers the request that caused it, so after an
 * answer this brings a mirror up to date. True: all were read. False: there are more, or this is
 * called from within a callback of the same nl, and nothing was read.
 */
bool nl_drain(struct nl *nl, size_t max);
#define NL_DRAIN_MAX 16384 /* more than the largest receive buffer holds */
void nl_stats_get(const struct nl *nl, struct nl_stats *ret);

DEFINE_CLEANUP(struct nl *, nl_free)

/* ---- batches: exactly one result per request ---- */

struct nl_result {
	uint32_t tag;     /* the caller's number for this request */
	int err;          /* 0, -errno from the kernel, or one of those below */
	const char *text; /* extended ack text, "" if none; valid during the callback only */
};
/*
 * What err is when the kernel did not answer: -EMSGSIZE (longer than NL_MSG_MAX), -E2BIG (more than
 * NL_BATCH_MAX), -EBUSY (NL_JOBS_MAX): never sent. Another -errno of sending: never sent.
 * -ETIMEDOUT, -ENOBUFS: sent, the answer is lost; it may have been done.
 */
typedef void nl_batch_done_fn(void *arg, const struct nl_result *res, size_t n_res);

/* A batch is memory until it is sent: encoders can be tested without a socket. */
struct nl_batch *nl_batch_new(void);
void nl_batch_free(struct nl_batch *b); /* of one that was not sent */
/* NLM_F_REQUEST and NLM_F_ACK are added. The message is valid until the next add, or send. */
struct nl_msg *nl_batch_add(struct nl_batch *b, uint16_t type, uint16_t flags, uint32_t tag);
size_t nl_batch_count(const struct nl_batch *b);
/* Takes the batch. Results come in the order added, all at once; an empty batch also answers. */
void nl_batch_send(struct nl *nl, struct nl_batch *b, nl_batch_done_fn *done, void *arg);
/* The n-th buffer as it would be sent, sequence numbers 0; left 0 past the last. For tests. */
struct rd nl_batch_bytes(struct nl_batch *b, size_t n);

DEFINE_CLEANUP(struct nl_batch *, nl_batch_free)

/* ---- dumps, and queries with an answer ---- */

struct nl_dump_spec {
	void *arg;
	/* The dump begins; called again when it is restarted: forget what came. May be NULL. */
	void (*begin)(void *arg);
	/* One message. Anything but 0 ends the dump with that error. */
	int (*on_msg)(void *arg, const struct nl_head *head, struct rd body);
	/* Once. 0; -errno of the kernel with its text; -EINTR after NL_DUMP_TRIES; -ETIMEDOUT, ...
	 */
	void (*done)(void *arg, int err, const char *text);
};

/*
 * With NLM_F_DUMP in flags: all messages up to NLMSG_DONE. Without: a query; NLM_F_ACK is added and
 * ends it. NLM_F_REQUEST is added.
 */
struct nl_dump *nl_dump_new(uint16_t type, uint16_t flags);
void nl_dump_free(struct nl_dump *d); /* of one that was not sent */
struct nl_msg *nl_dump_msg(struct nl_dump *d);
/* Takes the dump; spec is copied. */
void nl_dump_send(struct nl *nl, struct nl_dump *d, const struct nl_dump_spec *spec);
/* The request as it would be sent, sequence number 0. For tests. */
struct rd nl_dump_bytes(struct nl_dump *d);
