/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A reconciler for tests: its kernel is a map. Results come within apply, after a delay, or when
 * the test says so; operations fail as told; everything sent is written to a journal, one word per
 * apply:
 *
 *   routes(+10.0.0.0/8=a -10.1.0.0/16)
 *
 * Keys and values are texts without terminator.
 */
#include "base/map.h"
#include "base/str.h"
#include "ev/ev.h"
#include "model/reconcile.h"

struct fake_op;

struct fake_kernel {
	const char *name;
	struct ev_loop *loop;
	struct strbuf *journal; /* may be NULL; shared by several kernels */
	struct row_sink sink;
	struct map rows; /* key -> struct fake_value */

	/* How it answers. */
	int64_t delay_us; /* 0: within apply */
	int64_t delay_spread_us;
	bool hold;           /* results wait for fake_results() */
	bool effect_late;    /* the kernel changes with the result, else with apply */
	bool hold_dumps;     /* dump() only counts */
	int dump_err;        /* -errno: every dump fails */
	const char *bad_key; /* operations on it fail with bad_err */
	int bad_err;
	unsigned fail_percent;         /* of all operations */
	unsigned fail_applied_percent; /* of the failing: took effect all the same */
	bool echoes;                   /* reports its own operations as events, too */
	uint64_t (*random)(void *arg); /* for the three above */
	void *random_arg;

	/* What it saw. */
	size_t n_ops, n_applies, n_dumps, n_failed;
	size_t depth; /* of apply: must never nest */
	struct fake_op **ops;
	size_t n_waiting, ops_cap;
};

void fake_kernel_init(struct fake_kernel *f, const char *name, struct ev_loop *loop);
void fake_kernel_fini(struct fake_kernel *f);
struct reconciler fake_kernel_reconciler(struct fake_kernel *f);

/* Changes the kernel behind the engine's back; the second also tells. value NULL: removes. */
void fake_put(struct fake_kernel *f, const char *key, const char *value);
void fake_change(struct fake_kernel *f, const char *key, const char *value);
const char *fake_get(const struct fake_kernel *f, const char *key); /* NULL: not there */
void fake_dump(struct fake_kernel *f);                              /* unasked */
/* Answers the oldest n waiting operations, with err if not 0. */
void fake_results(struct fake_kernel *f, size_t n, int err);
uint32_t fake_tag(const struct fake_kernel *f, size_t i); /* of the i-th waiting */
struct bytes fake_bytes(const char *text);                /* NULL: data NULL */
