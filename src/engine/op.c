/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations in flight, found by their tag. A tag is a slot number and a generation of that slot,
 * so that a result which comes late or twice meets nothing.
 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

#define SLOT_BITS 21
#define SLOT_MASK ((1u << SLOT_BITS) - 1)
#define GEN_MASK  ((1u << (32 - SLOT_BITS)) - 1)

/* Every row, claimed or not, may be in flight. */
static_assert(2 * ENGINE_ROWS_MAX <= (size_t)1 << SLOT_BITS, "tags have a slot for each row");

static uint32_t slot_take(struct table *t)
{
	if (t->n_op_free > 0)
		return t->op_free[--t->n_op_free];
	if (t->n_ops == t->ops_cap) {
		t->ops_cap = t->ops_cap ? 2 * t->ops_cap : 16;
		t->ops = xreallocarray(t->ops, t->ops_cap, sizeof(struct engine_op *));
		t->op_gens = xreallocarray(t->op_gens, t->ops_cap, sizeof(*t->op_gens));
		t->op_free = xreallocarray(t->op_free, t->ops_cap, sizeof(*t->op_free));
	}
	t->op_gens[t->n_ops] = 0;
	return (uint32_t)t->n_ops++;
}

struct engine_op *engine_op_new(struct row *r, enum row_due due)
{
	struct table *t = r->table;
	struct engine *e = t->engine;
	struct engine_op *op = xcalloc(1, sizeof(*op));
	uint32_t slot = slot_take(t);

	assert(!r->op);
	t->op_gens[slot] = (uint16_t)((t->op_gens[slot] + 1u) & GEN_MASK);
	op->tag = (uint32_t)t->op_gens[slot] << SLOT_BITS | slot;
	op->row = r;
	op->want = due == ROW_DUE_SET ? engine_value_ref(row_want(r)) : NULL;
	op->have = engine_value_ref(r->have);
	op->sent = ev_now(e->loop);
	op->step = e->step_seq;
	list_add_tail(&t->inflight, &op->node);
	t->ops[slot] = op;
	r->op = op;
	e->n_inflight++;
	return op;
}

struct engine_op *engine_op_find(struct table *t, uint32_t tag)
{
	uint32_t slot = tag & SLOT_MASK;

	if (slot >= t->n_ops || !t->ops[slot] || t->ops[slot]->tag != tag)
		return NULL;
	return t->ops[slot];
}

void engine_op_free(struct engine_op *op)
{
	struct table *t = op->row->table;
	uint32_t slot = op->tag & SLOT_MASK;

	t->ops[slot] = NULL;
	t->op_free[t->n_op_free++] = slot;
	list_del(&op->node);
	op->row->op = NULL;
	t->engine->n_inflight--;
	engine_value_unref(op->want);
	engine_value_unref(op->have);
	free(op);
}

static void table_watch(struct table *t, struct mono now)
{
	list_for_each_safe (it, &t->inflight) {
		struct engine_op *op = list_entry(it, struct engine_op, node);

		if (mono_diff_us(now, op->sent) < ENGINE_OVERDUE_US)
			return; /* the rest is younger */
		if (list_is_empty(&t->overdue)) {
			struct strbuf text CLEANUP_STRBUF = STRBUF_INIT;

			row_key_log(op->row, &text);
			log_err("engine: operation without a result row=%s after=%llds",
				strbuf_text(&text), (long long)(ENGINE_OVERDUE_US / US_PER_S));
		}
		op->overdue = true;
		t->stats.overdue++;
		list_del(it);
		list_add_tail(&t->overdue, it);
	}
}

void engine_ops_watch(struct engine *e)
{
	for (size_t i = 0; i < e->n_tables; i++)
		table_watch(e->tables[i], ev_now(e->loop));
	engine_watch_arm(e);
}

void engine_watch_arm(struct engine *e)
{
	bool is_needed = false;

	for (size_t i = 0; i < e->n_tables; i++)
		is_needed |= !list_is_empty(&e->tables[i]->inflight);
	if (!is_needed)
		ev_timer_stop(e->watch_timer);
	else if (!ev_timer_is_set(e->watch_timer))
		ev_timer_set(e->watch_timer, ENGINE_OVERDUE_US);
}
