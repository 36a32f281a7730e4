/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A peer: its configuration, its one or two connections, what it sent (a source in the RIB) and
 * what it was sent (Adj-RIB-Out).
 *
 * The outgoing session exists as long as the peer; an incoming one is made for each accepted
 * connection. When both are up, bgp/fsm.h says which one stays.
 */
#include "base/list.h"
#include "bgp/rib.h"
#include "bgp/session.h"

struct bgp_adj_out;
struct bgp_attr_table;
struct bgp_peer;

/* First connection attempt: at once, but not all nodes of a cluster in the same instant. */
#define BGP_PEER_START_JITTER_US (100 * US_PER_MS)
/* After Cease/Maximum Number of Prefixes Reached the peer is left alone for this long. */
#define BGP_PEER_PREFIX_HOLD_US (300 * US_PER_S)
/* A session that comes up this long after the last loss starts the back-off anew. */
#define BGP_PEER_BACKOFF_FORGET_US (30 * US_PER_S)

/* What all peers of a speaker share. */
struct bgp_peer_host {
	struct ev_loop *loop;
	struct bgp_reader *reader;
	struct bgp_rib *rib;
	struct bgp_attr_table *attrs;
	struct bgp_speaker_conf conf;
	void *arg;
	/* A connecting, non-blocking socket, or -errno; tests hand in their own. */
	int (*dial)(void *arg, const struct bgp_peer *p, int *ret_fd);
	void (*changed)(void *arg, struct bgp_peer *p);  /* report it, at the end of the turn */
	void (*has_work)(void *arg, struct bgp_peer *p); /* bgp_peer_run(), soon */
};

struct bgp_peer {
	const struct bgp_peer_host *host;
	struct bgp_peer_conf conf; /* defaults filled in */
	struct bgp_session *out, *in;
	struct bgp_session *dead; /* an incoming one that ended; freed by bgp_peer_run() */
	struct bgp_session *up;   /* the established one, or NULL */
	struct bgp_rib_source *source;
	struct bgp_adj_out *adj_out;
	struct bgp_rib_cursor table; /* our announcements, while they are marked for it */
	struct bgp_session_counters counters;
	enum bgp_state state;   /* the further of the two sessions */
	struct mono since;      /* in that state */
	struct mono lost;       /* when it last left Established; 0: never */
	struct mono shut_until; /* no connection before: prefix limit, protocol error */
	struct ip_addr seen_local, seen_remote; /* ends of the established connection */
	uint16_t local_port, remote_port;
	uint32_t remote_asn, remote_id; /* of the last good OPEN */
	bool is_internal, got_open;
	uint8_t got_eor;  /* BGP_AF_* */
	uint8_t owes_eor; /* BGP_AF_* whose initial table is being sent */
	uint16_t hold_s, n_flaps;
	bool was_up; /* on_down() has told why */
	bool is_deleted;
	char reason[BGP_REASON_MAX];
	struct list report_link, work_link; /* the host's */
};

/* NULL, or the field that is wrong. Pure. */
const char *bgp_peer_conf_check(const struct bgp_peer_conf *c);
/* With defaults filled in. */
struct bgp_peer_conf bgp_peer_conf_full(const struct bgp_peer_conf *c);

bool bgp_peer_conf_needs_reset(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b);
void bgp_peer_socket_tune(const struct bgp_peer *p, int fd);

/* conf is full and checked. Starts connecting soon. */
struct bgp_peer *bgp_peer_new(const struct bgp_peer_host *host, const struct bgp_peer_conf *conf);
/* Cease with this subcode where due. Its routes die. Not from within a callback of its own. */
void bgp_peer_free(struct bgp_peer *p, enum bgp_cease_sub subcode);
void bgp_peer_conf_set(struct bgp_peer *p, const struct bgp_peer_conf *conf);

/* Opens a socket and starts connecting; what host->dial is outside of tests. */
int bgp_peer_socket(const struct bgp_peer *p, int *ret_fd);
/* Takes fd in any case; closes it where the connection is not wanted now. */
void bgp_peer_accept(struct bgp_peer *p, int fd);

/* Our announcement of this prefix changed, appeared or went. */
void bgp_peer_prefix_changed(struct bgp_peer *p, const struct ip_prefix *prefix);

/*
 * Sends, up to this many marks of the Adj-RIB-Out; returns how many it looked at. Calls
 * host->has_work again if there is more and the peer takes it.
 */
size_t bgp_peer_run(struct bgp_peer *p, size_t budget);

struct bgp_peer_status bgp_peer_status_get(const struct bgp_peer *p);
