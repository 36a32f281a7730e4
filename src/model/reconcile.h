/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The contract between the engine and whoever keeps one kind of kernel object (or BGP's child, or
 * a file) equal to its table. It lies in model/ because the two sides do not know each other: the
 * agent joins a table and a reconciler.
 *
 * A row is key bytes -> value bytes. The bytes are the open structs of model/ (struct route_key,
 * ...): without padding, unused bytes zero, so that equal means memcmp-equal.
 *
 * No value is data NULL; an empty value (a set's member: it is there or not) has data, and len 0.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct bytes {
	const void *data;
	size_t len;
};

enum row_op_kind {
	ROW_SET, /* make it so: add, or replace in place what `have` shows */
	ROW_DEL, /* remove what `have` shows */
};

struct row_op {
	enum row_op_kind kind;
	uint32_t tag; /* the engine's number for this operation */
	struct bytes key;
	struct bytes want; /* data NULL for ROW_DEL */
	struct bytes have; /* what is known to be there; data NULL: nothing */
};

/*
 * What a reconciler reports to. All functions may be called at any time after attach, also from
 * within apply and dump.
 */
struct row_sink {
	void *arg;
	/*
	 * Exactly once per operation. err is 0 or -errno; text names the cause for the log ("" if
	 * there is none; valid during the call). EEXIST on add and ENOENT on delete are success:
	 * the reconciler reports 0 for them.
	 */
	void (*result)(void *arg, uint32_t tag, int err, const char *text);
	/*
	 * A row of ours was seen, by a dump or by an event of the kernel. Echoes of our own
	 * operations are better left out: one that comes late counts as drift and costs a needless
	 * repair.
	 */
	void (*present)(void *arg, struct bytes key, struct bytes value);
	/* A row is known to be gone (event of the kernel). Unknown keys are ignored. */
	void (*absent)(void *arg, struct bytes key);
	/*
	 * A dump began / ended: rows present before dump_begin that were not seen again are absent.
	 * With err (-errno) nothing is concluded, and the engine asks for a dump again later. A
	 * reconciler may dump unasked (its audit, ENOBUFS).
	 */
	void (*dump_begin)(void *arg);
	void (*dump_end)(void *arg, int err);
	/*
	 * What made operations fail may be over (a link came up): rows that wait for their next try
	 * are tried now. Not for every event: each costs as many operations as rows wait.
	 */
	void (*retry)(void *arg);
};

struct reconciler_ops {
	/* Kept for the life of the reconciler; called once, before anything else. */
	void (*attach)(void *self, const struct row_sink *sink);
	/* The operations and the bytes they point to are valid during the call only. */
	void (*apply)(void *self, const struct row_op *ops, size_t n);
	/*
	 * Starts a dump; answers with dump_begin, present..., dump_end, now or later. Asked while a
	 * dump runs: begin again, or run another one after it.
	 */
	void (*dump)(void *self);
};

struct reconciler {
	const struct reconciler_ops *ops;
	void *self;
};
