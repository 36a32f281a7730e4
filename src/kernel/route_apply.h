/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Carrying out operations on routes. Private to route.c.
 */
#include "base/list.h"
#include "kernel/route_own.h"
#include "model/reconcile.h"

struct route_applier {
	struct nl *request, *lookup; /* lookup: dumps of all protocols */
	struct nl *event;            /* read before the mirror is asked */
	struct route_mirror *mirror;
	bool is_frozen; /* the mirror must not change now: no events are read */
	const struct row_sink *sink;
	struct list running;
	uint64_t conflicts;
	struct map held; /* struct ip_prefix: destinations that another program's route holds */
};

/* More than these wait for their back-off when the other route goes. */
#define ROUTE_HELD_MAX 4096

/* Copies what it needs of ops; results go to the sink, never before this returns. */
void route_apply(struct route_applier *ra, const struct row_op *ops, size_t n);
/* Drops what runs, without results. The sockets are gone already. */
void route_applier_fini(struct route_applier *ra);
