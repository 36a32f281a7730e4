/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports change the mirror: what is known to be in the kernel.
 *
 * A result says what our operation did, a sighting what somebody saw; they come over different
 * sockets, so their order tells nothing. Therefore, while a row's operation is in flight:
 *   a sighting of what the operation wants     is its echo;
 *   a sighting of what was there when it left  is old news;
 *   anything else is another writer: it is believed, the result then does not overwrite it, and the
 *   row is judged against what was seen. At worst that costs one needless operation.
 * Outside of that, a row that was as wanted and no longer is has drifted.
 *
 * Dumps: rows seen or acknowledged since dump_begin carry the dump's generation; at a good end
 * those that do not are absent.
 */
#include <errno.h>

#include "base/log.h"
#include "engine/core.h"

/* v: what was seen, NULL for absence. */
static void observe_in_flight(struct row *r, struct engine_value *v)
{
	struct engine_op *op = r->op;
	bool is_old = engine_value_same(v, op->have);

	if (is_old && !op->disturbed)
		return;
	row_have_set(r, v);
	if (!is_old && !row_satisfied(r, op->want))
		op->disturbed = true;
}

static void observe(struct row *r, struct engine_value *v)
{
	struct table *t = r->table;
	bool was_good, is_news;

	row_elect(r);
	/* Seen again in one dump: the acknowledgement came while it ran, and this may be older. */
	is_news = !(t->in_dump && r->seen == t->gen);
	if (t->in_dump && v)
		r->seen = t->gen;
	if (r->op) {
		observe_in_flight(r, v);
		return;
	}
	was_good = row_want(r) && row_satisfied(r, row_want(r));
	if (!r->have && v)
		t->stats.adopted++;
	if (!engine_value_same(r->have, v))
		row_have_set(r, v);
	if (was_good && is_news && !row_satisfied(r, row_want(r)))
		engine_row_drifted(r);
	row_settle(r);
}

void engine_mirror_present(struct table *t, struct bytes key, struct bytes value)
{
	struct row *r = row_make(t, key, false);
	struct engine_value *v;

	if (!r) {
		t->stats.refused++;
		LOG_LIMIT(log_warning, "engine: too many rows that nobody claims table=%s max=%zu",
			  t->desc->name, t->desc->max_rows);
		return;
	}
	row_elect(r);
	/* Most sightings show what is known or wanted: then no copy is made. */
	if (engine_value_is(r->have, value))
		v = engine_value_ref(r->have);
	else if (engine_value_is(row_want(r), value))
		v = engine_value_ref(row_want(r));
	else
		v = engine_value_new(value);
	observe(r, v);
	engine_value_unref(v);
}

void engine_mirror_absent(struct table *t, struct bytes key)
{
	struct row *r = row_get(t, key);

	if (r && (r->have || r->op))
		observe(r, NULL);
}

void engine_mirror_result(struct table *t, uint32_t tag, int err, const char *text)
{
	struct engine_op *op = engine_op_find(t, tag);
	struct engine_value *want;
	struct row *r;
	bool is_disturbed, is_lost;

	if (!op) {
		t->stats.stray_results++;
		LOG_LIMIT(log_warning, "engine: result without an operation table=%s tag=%u",
			  t->desc->name, tag);
		return;
	}
	r = op->row;
	want = engine_value_ref(op->want);
	is_disturbed = op->disturbed;
	is_lost = op->lost;
	engine_step_result(t->engine, op);
	engine_op_free(op);
	row_elect(r);
	/* What was seen may satisfy the wish in other bytes; it is the truer of the two. */
	if (err < 0)
		t->stats.failures++;
	if (!is_lost && err < 0 && !row_satisfied(r, want)) {
		engine_row_failed(r, want, err, text);
	} else if (!is_lost && is_disturbed && !row_satisfied(r, want)) {
		engine_row_drifted(r);
	} else if (!is_lost) {
		if (!row_satisfied(r, want))
			row_have_set(r, want);
		if (t->in_dump)
			r->seen = t->gen;
	}
	engine_value_unref(want);
	row_settle(r);
}

void engine_mirror_dump_begin(struct table *t, uint32_t n_dropped)
{
	t->gen++;
	t->gen_dropped = n_dropped;
	t->in_dump = true;
}

static void dump_timer(void *arg)
{
	struct table *t = arg;

	t->reconciler.ops->dump(t->reconciler.self);
}

void engine_dump_ask_later(struct table *t)
{
	if (!t->dump_timer)
		t->dump_timer = ev_timer_new(t->engine->loop, "engine-dump", dump_timer, t);
	if (!ev_timer_is_set(t->dump_timer))
		ev_timer_set(t->dump_timer,
			     engine_backoff_us(t->engine, MAX(t->n_dump_failures, 1u)));
}

/* At the end of a dump: fn sees every row, and may let it go. */
static void rows_each(struct table *t, void (*fn)(struct row *r))
{
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct row *next;

		for (struct row *r = t->buckets[i]; r; r = next) {
			next = r->hash_next;
			fn(r);
		}
	}
}

static void row_dumped(struct row *r)
{
	if (r->seen != r->table->gen && (r->have || r->op))
		observe(r, NULL);
	else
		row_settle(r);
}

void engine_mirror_dump_end(struct table *t, uint32_t n_dropped, int err)
{
	struct engine *e = t->engine;
	bool was_known = t->known;

	if (!t->in_dump && err == 0)
		return; /* of a dump that engine_table_lost() made void */
	if (t->in_dump && err == 0 && n_dropped != t->gen_dropped)
		err = -ENOBUFS;
	t->answered = true;
	if (err < 0) {
		t->in_dump = false;
		t->stats.dump_failures++;
		t->n_dump_failures++;
		LOG_LIMIT(log_warning, "engine: dump failed table=%s err=%s", t->desc->name,
			  strerror(-err));
		engine_dump_ask_later(t);
		engine_kick(e); /* the others need not wait */
		return;
	}
	t->n_dump_failures = 0;
	t->known = true;
	rows_each(t, row_dumped);
	t->in_dump = false;
	if (!was_known)
		log_debug(1, "engine: table known table=%s rows=%zu present=%zu", t->desc->name,
			  t->n_rows, t->n_present);
	engine_kick(e);
}

static void row_forget(struct row *r)
{
	row_elect(r);
	if (r->op) {
		r->op->lost = true; /* whoever it went to is gone: its result says nothing */
		engine_value_unref(r->op->have);
		r->op->have = NULL;
	}
	engine_fault_stop_waiting(r);
	row_have_set(r, NULL);
	row_settle(r);
}

void engine_mirror_lost(struct table *t)
{
	t->known = false;
	t->in_dump = false;
	t->n_dump_failures = 0;
	rows_each(t, row_forget);
	if (t->dump_timer)
		ev_timer_stop(t->dump_timer);
	t->reconciler.ops->dump(t->reconciler.self);
}
