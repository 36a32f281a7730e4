/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The BGP speaker: peers, sessions, RIB, decision, what is announced to whom. Runs in the child
 * process, or in a unit test's own process; it opens outgoing sockets, takes listening ones from
 * outside and talks to nobody but BGP peers.
 *
 *   bytes -> session -> fsm -> Adj-RIB-In -> decide -> Loc-RIB -+-> events.best / best_gone
 *   speaker_announce() ------------------------------^          +-> Adj-RIB-Out -> session -> bytes
 *
 * Every call takes effect at once where the protocol allows: peers and announcements may be set,
 * changed and removed at any time. Callbacks never come from within a call of this header.
 */
#include "model/bgp.h"

struct ev_loop;
struct bgp_speaker;

struct bgp_speaker_events {
	void *arg;
	void (*best)(void *arg, const struct bgp_best *best); /* new or changed */
	void (*best_gone)(void *arg, const struct ip_prefix *prefix);
	/* State or End-of-RIB changed. Counters are as of now. */
	void (*peer)(void *arg, const struct bgp_peer_status *status);
};

struct bgp_speaker *bgp_speaker_new(struct ev_loop *loop, const struct bgp_speaker_conf *conf,
				    const struct bgp_speaker_events *events);
/* Cease to established peers where a socket takes it without waiting; then everything goes. */
void bgp_speaker_free(struct bgp_speaker *s);

/* A listening, non-blocking TCP socket; the speaker owns it from now on. */
int bgp_speaker_listen(struct bgp_speaker *s, int fd);

/*
 * Adds a peer or changes it in place; a session is reset only where the protocol needs it (address,
 * ASN, local address, families, hold time). -EINVAL with *ret_why (constant text) naming the field.
 */
int bgp_speaker_peer_set(struct bgp_speaker *s, const struct bgp_peer_conf *conf,
			 const char **ret_why);
/* Cease/Peer De-configured; its routes go. -ENOENT if unknown. */
int bgp_speaker_peer_del(struct bgp_speaker *s, const struct ip_addr *addr);

int bgp_speaker_announce(struct bgp_speaker *s, const struct ip_prefix *prefix,
			 const struct bgp_announce *announce, const char **ret_why);
int bgp_speaker_withdraw(struct bgp_speaker *s, const struct ip_prefix *prefix);

/* Calls events.peer for every peer (a status request), before it returns: the one exception. */
void bgp_speaker_report(struct bgp_speaker *s);
