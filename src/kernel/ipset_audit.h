/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Are the sets still what they were? Private to ipset.c.
 *
 * The kernel sends no events about sets. So a look, each IPSET_POLL_US, asks for the headers of all
 * sets, which carry the number of members, and then lists some of our sets and compares the sum of
 * their members' hashes: nothing is kept per member, and nobody is told anything unless there is a
 * difference. Then a dump finds what it is.
 *
 * Counts and sums follow what the tables were told and what operations did. While operations run, a
 * look proves nothing and is thrown away. A count that goes wrong all the same costs one dump,
 * which puts it right.
 */
#include "kernel/audit.h"
#include "kernel/ipset_apply.h"
#include "model/ipset.h"

struct ev_loop;
struct ev_timer;

#define IPSET_POLL_US (500 * US_PER_MS)
/*
 * The kernel counts a set with timeouts by walking it (50 ns a member seen), others' sets too. So a
 * look waits longer by this for each member there is: 2,000 are looked at each 0.7 s, and any
 * number at less than 0.1 % of a core.
 */
#define IPSET_POLL_MEMBER_US 100
/* Members listed in one look, on average; a cycle takes a look for each so many. */
#define IPSET_LIST_PER_LOOK 200
/* Looks in a row that find a difference: after the first few, each doubles the wait, so many times.
 */
#define IPSET_VAIN_FREE 4
#define IPSET_VAIN_MAX  6

struct ipset_audit_host {
	void *arg;
	bool (*is_ours)(void *arg, const char *name);
	bool (*is_dumping)(void *arg);
	/* The sets differ; else their members do. */
	void (*found)(void *arg, bool sets);
};

struct ipset_audit {
	struct ev_loop *loop;
	struct nl *dump;
	const struct ipset_applier *applier;
	struct ipset_audit_host host;
	struct ev_timer *timer;
	struct map prints; /* struct ipset_key -> struct ipset_print, owned */
	/* the look that runs */
	bool is_looking;
	uint64_t n_ops; /* of the applier, when it began */
	struct mono began;
	size_t n_members; /* of all sets, others' too */
	/* the set that is listed */
	struct ipset_key listed;
	size_t listed_n, listed_others;
	uint64_t listed_sum;
	size_t next;    /* of prints: the set to be listed next */
	int64_t budget; /* members; below 0: wait for the next looks */
	unsigned n_vain;
	struct audit_stats stats;
};

void ipset_audit_init(struct ipset_audit *a, struct ev_loop *loop,
		      const struct ipset_applier *applier, const struct ipset_audit_host *host);
void ipset_audit_fini(struct ipset_audit *a); /* the socket is gone already */
/* Both tables are known: looks begin. */
void ipset_audit_start(struct ipset_audit *a);

/* What the tables are told: forget, then each set, or each member. */
void ipset_audit_sets_forget(struct ipset_audit *a);
void ipset_audit_set(struct ipset_audit *a, const struct ipset_key *key,
		     const struct ipset_value *value); /* NULL: it is gone */
void ipset_audit_members_forget(struct ipset_audit *a);
void ipset_audit_member(struct ipset_audit *a, const struct ipset_member_key *key, bool is_there);
/* Members of a set that are there and that the table is not told of. */
void ipset_audit_others(struct ipset_audit *a, const char *name, size_t n);
