/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Carrying out operations on ipsets and their members. Private to ipset.c.
 */
#include "base/list.h"
#include "kernel/ipset_msg.h"
#include "kernel/snapshot.h"

struct ipset_applier {
	struct nl *request;
	struct ipset_dialect dialect;
	int dialect_err; /* the kernel speaks none of our protocol versions */
	const struct row_sink *sets_sink, *members_sink;
	struct snapshot *sets, *members; /* told what we did while a dump runs */
	void (*on_emptied)(void *arg);   /* a set was made anew */
	/* An operation worked; value NULL: the set is gone. */
	void (*on_set)(void *arg, const struct ipset_key *key, const struct ipset_value *value);
	/* A member came or went that was not, or was, there before. */
	void (*on_member)(void *arg, const struct ipset_member_key *key, bool is_there);
	void *arg;
	struct list running;
	uint64_t n_ops; /* raised when operations begin and when they end */
};

void ipset_applier_init(struct ipset_applier *ia);
/* Drops what runs, without results. The sockets are gone already. */
void ipset_applier_fini(struct ipset_applier *ia);
/* Both copy what they need of ops; results go to the sinks, never before this returns. */
void ipset_apply_sets(struct ipset_applier *ia, const struct row_op *ops, size_t n);
void ipset_apply_members(struct ipset_applier *ia, const struct row_op *ops, size_t n);
