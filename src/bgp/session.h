/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One connection to a peer: socket, timers, buffers, and the state machine of bgp/fsm.h that they
 * feed. Knows no RIB and no second connection; those are the owner's (bgp/peer.h).
 *
 * The outgoing session of a peer lives as long as the peer and cycles; an incoming one is made for
 * an accepted socket and ends with ops.closed.
 *
 * ops are called from the loop's callbacks and from within the calls below. The owner may stop a
 * session, and start another, in any of them; it must not free it there but later in the turn.
 */
#include "base/list.h"
#include "base/time.h"
#include "bgp/fsm.h"
#include "bgp/open.h"
#include "bgp/reader.h"

struct bgp_session;
struct bgp_update;
struct ev_loop;

/* Output that waits in a session: above high the producer stops, below low it is called again. */
#define BGP_OUT_HIGH_BYTES ((size_t)64 << 10)
#define BGP_OUT_LOW_BYTES  ((size_t)16 << 10)
/* Above high: one message that was begun below it, and the small ones that never wait. */
#define BGP_OUT_MAX_BYTES (BGP_OUT_HIGH_BYTES + BGP_MSG_MAX_EXTENDED + (size_t)BGP_MSG_MAX)

/* First retry and idle hold; doubled each time, up to the maximum. */
#define BGP_BACKOFF_MIN_US (1 * US_PER_S)
#define BGP_BACKOFF_MAX_US (30 * US_PER_S)
/* RFC 9687: the larger of this and twice the hold time without the peer taking a byte. */
#define BGP_SEND_HOLD_S 480
/* How long a good OPEN waits for the other connection, which is to be preferred. */
#define BGP_PARK_US (5 * US_PER_S)

enum bgp_verdict {
	BGP_VERDICT_GO,   /* the OPEN counts now */
	BGP_VERDICT_PARK, /* the owner calls bgp_session_resume() or _lose() later */
	BGP_VERDICT_LOST, /* connection collision */
};

struct bgp_session_ops {
	/* A connected or connecting socket, or -errno. */
	int (*dial)(void *arg, int *ret_fd);
	/* May the idle session start now? If not, the owner calls bgp_session_start() later. */
	bool (*may_start)(void *arg);
	/* A good OPEN came; s->theirs is set. */
	enum bgp_verdict (*open)(void *arg, struct bgp_session *s);
	/* Parked for BGP_PARK_US: the owner resumes or ends it. */
	void (*parked_long)(void *arg, struct bgp_session *s);
	void (*up)(void *arg, struct bgp_session *s); /* Established; s->neg is set */
	void (*update)(void *arg, struct bgp_session *s, const struct bgp_update *u);
	void (*refresh)(void *arg, struct bgp_session *s, unsigned family); /* BGP_AF_* */
	/* Output fell below the low mark. */
	void (*drained)(void *arg, struct bgp_session *s);
	void (*down)(void *arg, struct bgp_session *s); /* leaves Established; s->reason is set */
	/* The state, or the connection under it, changed; after up and down. */
	void (*changed)(void *arg, struct bgp_session *s);
};

/* What the session offers and wants; copied. */
struct bgp_session_conf {
	struct bgp_open ours;
	uint32_t remote_asn; /* 0: any */
	bool is_incoming;
};

struct bgp_session_counters {
	uint64_t msgs_in, msgs_out, updates_in, updates_out;
	uint64_t treat_as_withdraw;
};

/* Read freely; changed by session.c only. */
struct bgp_session {
	struct ev_loop *loop;
	struct bgp_reader *reader;
	const struct bgp_session_ops *ops;
	void *arg;
	struct bgp_session_conf conf;
	struct bgp_session_counters *counters; /* the owner's: they outlive an incoming session */

	enum bgp_state state;
	struct mono since; /* in this state */
	int64_t backoff_us;
	bool is_protocol_error; /* the last end was one side's NOTIFICATION other than Cease */
	bool is_parked;
	struct bgp_open theirs; /* valid from a good OPEN on */
	struct bgp_negotiated neg;
	char reason[BGP_REASON_MAX]; /* of the last end of the connection, "" if none */

	int fd; /* -1: none */
	bool is_connecting;
	unsigned conn; /* number of the connection: changes with each */
	struct ev_io *io;
	struct ev_timer *retry, *hold, *keepalive, *send_hold;
	struct bgp_reader_slot slot;
	uint8_t *in; /* an unfinished message */
	size_t in_len;
	uint8_t *out;
	size_t out_off, out_len, out_cap; /* out_off: sent; out_len: end of what is there */
	bool is_above;                    /* passed the high mark and not the low one since */

	/* For the actions of the step that is being carried out. */
	enum bgp_event queue[8];
	size_t n_queue;
	bool is_running;
	struct bgp_err err;
	uint8_t stop_subcode;
	const struct bgp_update *update;
	unsigned refresh_family;
};

struct bgp_session *bgp_session_new(struct ev_loop *loop, struct bgp_reader *reader,
				    const struct bgp_session_conf *conf,
				    struct bgp_session_counters *counters,
				    const struct bgp_session_ops *ops, void *arg);
void bgp_session_free(struct bgp_session *s); /* closes without a word: stop it first */

/* Outgoing: leaves Idle after this time. Does nothing when it is not idle. */
void bgp_session_start(struct bgp_session *s, int64_t after_us);
/* Incoming: takes the connected, non-blocking socket and sends OPEN. */
void bgp_session_accept(struct bgp_session *s, int fd);
/* NOTIFICATION Cease with this subcode where one is due; ends in Idle, not started again. */
void bgp_session_stop(struct bgp_session *s, enum bgp_cease_sub subcode);
/* The parked OPEN counts now. */
void bgp_session_resume(struct bgp_session *s);
void bgp_session_lose(struct bgp_session *s); /* connection collision */

/*
 * Output, in Established: begin gives room for one message of neg.wire.msg_max, end takes it over
 * (messages: how many UPDATEs it is), flush hands what waits to the socket.
 */
bool bgp_session_has_room(const struct bgp_session *s);
struct wr bgp_session_write_begin(struct bgp_session *s);
void bgp_session_write_end(struct bgp_session *s, const struct wr *w, size_t n_updates);
void bgp_session_flush(struct bgp_session *s);

/* The next wait: the back-off doubles. With jitter. */
int64_t bgp_session_backoff_us(struct bgp_session *s);

/* Between session.c and session_io.c. */
void bgp_session_event(struct bgp_session *s, enum bgp_event ev);
void bgp_session_reason_set(struct bgp_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void bgp_session_message(struct bgp_session *s, const struct bgp_msg *msg);
void bgp_session_io_open(struct bgp_session *s, int fd, bool is_connecting);
void bgp_session_io_close(struct bgp_session *s);
void bgp_session_io_init(struct bgp_session *s);
/* Reading stops while the session is parked; and goes on, with what is in the buffer first. */
void bgp_session_io_pause(struct bgp_session *s);
void bgp_session_io_resume(struct bgp_session *s);
/* Reads at once what already waits, if anything does; false if nothing did. */
bool bgp_session_io_read_now(struct bgp_session *s);
/* Room behind what waits, for a message of at most max bytes. */
struct wr bgp_session_io_begin(struct bgp_session *s, size_t max);
void bgp_session_io_end(struct bgp_session *s, const struct wr *w);
