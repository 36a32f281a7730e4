/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's side of the speaker's process: binds the listeners, starts the process, keeps it
 * running, translates table rows into records and records into events.
 *
 * The listeners are bound here and passed on, and stay open here: connections queue while the
 * process restarts, and it needs no right to bind. When it ends, events.lost is called and it is
 * started again with back-off; the tables are then to be sent anew (engine_table_lost()).
 */
#include "model/bgp.h"
#include "model/reconcile.h"

struct ev_loop;
struct bgp_proc;

#define BGP_PROC_LISTEN_MAX 32

struct bgp_proc_conf {
	struct bgp_speaker_conf speaker;
	const struct ip_addr *listen;
	size_t n_listen;
	const char *program; /* file to execute; NULL: this one */
};

struct bgp_proc_events {
	void *arg;
	void (*best)(void *arg, const struct bgp_best *best);
	void (*best_gone)(void *arg, const struct ip_prefix *prefix);
	void (*peer)(void *arg, const struct bgp_peer_status *status);
	/* The process ended: what it told is old, what it was told is forgotten. */
	void (*lost)(void *arg);
	/*
	 * A process can be spoken to (again): what was refused with -EAGAIN meanwhile may be sent.
	 * May be NULL.
	 */
	void (*started)(void *arg);
};

struct bgp_proc *bgp_proc_new(struct ev_loop *loop, const struct bgp_proc_conf *conf,
			      const struct bgp_proc_events *events);
/* The process ends when its link closes, which this does. */
void bgp_proc_free(struct bgp_proc *p);

/* Binds the listeners; 0, or -errno with *ret_why, a text to free, naming the address. */
int bgp_proc_bind(struct bgp_proc *p, char **ret_why);
/* Starts the process; failures are retried. */
void bgp_proc_start(struct bgp_proc *p);
/* Ends the process in order (Cease to the peers); done comes when it is gone, at most 3 s later. */
void bgp_proc_stop(struct bgp_proc *p, void (*done)(void *arg), void *arg);

/* Key struct ip_addr, value struct bgp_peer_conf. */
struct reconciler bgp_proc_peers(struct bgp_proc *p);
/* Key struct ip_prefix, value struct bgp_announce. */
struct reconciler bgp_proc_announcements(struct bgp_proc *p);

/* Fresh counters of all peers: events.peer for each, then done. False: no process to ask. */
bool bgp_proc_report(struct bgp_proc *p, void (*done)(void *arg), void *arg);

int bgp_proc_pid(const struct bgp_proc *p);           /* 0: not running */
unsigned bgp_proc_restarts(const struct bgp_proc *p); /* since the start of the agent */
