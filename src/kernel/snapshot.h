/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A dump, merged with what happened while it ran.
 *
 * Dump, events and answers come over different sockets, so their order is lost: a dump may show a
 * row that an event, read before, has said to be gone. But whatever touched a row after the dump
 * began is newer than, or contained in, what the dump says about it. Hence the rule: the last touch
 * wins over the dump. Before snapshot_report() the events that wait must be read.
 */
#include "base/arena.h"
#include "base/map.h"
#include "model/reconcile.h"

struct snapshot {
	struct map rows; /* key -> struct snapshot_row */
	struct arena arena;
	size_t max;
	bool is_open; /* between begin and report or drop */
};

void snapshot_init(struct snapshot *s, size_t max);
void snapshot_fini(struct snapshot *s);

/* Also begins anew; what was collected is forgotten. */
void snapshot_begin(struct snapshot *s);
/* A row of the dump. 0, or -E2BIG past max. */
int snapshot_add(struct snapshot *s, struct bytes key, struct bytes value);
/* A row became present or absent; does nothing while no dump runs. */
void snapshot_touch(struct snapshot *s, struct bytes key, bool present, struct bytes value);
/* dump_begin, present for each row, dump_end. */
void snapshot_report(struct snapshot *s, const struct row_sink *sink);
/* The dump failed: dump_begin, dump_end with err. */
void snapshot_fail(struct snapshot *s, const struct row_sink *sink, int err);
