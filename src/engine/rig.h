/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the engine's tests stand on: a simulated loop, an engine, three tables over fake kernels,
 * and owners whose claims are a text that the test sets: "sets:k1=v1 chains:c1" -
 * table:key[=value].
 */
#include "base/test.h"
#include "engine/engine.h"
#include "engine/fake_kernel.h"
#include "ev/sim.h"

enum rig_table { RIG_SETS, RIG_CHAINS, RIG_ROUTES, RIG_N };

struct rig {
	struct ev_loop *loop;
	struct engine *e;
	struct owner_kind *kind;
	struct strbuf journal;
	struct fake_kernel kernels[RIG_N];
	struct table_desc descs[RIG_N];
	struct table *tables[RIG_N];
	struct map claims; /* owner -> text */
	unsigned n_ready, n_idle;
};

/* The descs may be changed between new and start. */
struct rig *rig_new(uint64_t seed);
void rig_build(struct rig *r); /* tables and owner kind; then engine_start() is the test's */
void rig_start(struct rig *r); /* build, start, settle */
void rig_free(struct rig *r);

/* Sets the claims of an owner (NULL: none) and marks it. */
void rig_want(struct rig *r, const char *owner, const char *claims);
void rig_pass(struct rig *r); /* lets 5 ms pass: one pass with what it brings at once */
void rig_ms(struct rig *r, int64_t ms);
/* What was sent since the last call. */
void rig_sent(struct rig *r, const char *name, const char *want);
struct table_stats rig_stats(const struct rig *r, enum rig_table t);
/* "want/have state" of a row; "-" for nothing. */
void rig_row(struct rig *r, const char *name, enum rig_table t, const char *key, const char *want);
/* All problems: "owner: text\n" each. */
void rig_problems(struct rig *r, const char *name, const char *want);
