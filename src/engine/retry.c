/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that failed wait here, each for itself, in a heap by the time of the next try. So do rows
 * that drifted: the first repair is made at once, but a row that another writer changes again and
 * again backs off like one that fails. When such a row has been quiet for a while it is forgotten;
 * that time is a heap entry too.
 */
#include <errno.h>
#include <limits.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

#define RETRIES_PER_TURN 4096

static void heap_put(struct engine *e, size_t pos, struct engine_fault *f)
{
	e->heap[pos] = f;
	f->heap_pos = (uint32_t)pos;
}

static void heap_up(struct engine *e, struct engine_fault *f)
{
	size_t pos = f->heap_pos;

	while (pos > 0 && e->heap[(pos - 1) / 2]->at.us > f->at.us) {
		heap_put(e, pos, e->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	heap_put(e, pos, f);
}

static void heap_down(struct engine *e, struct engine_fault *f)
{
	size_t pos = f->heap_pos;

	for (;;) {
		size_t child = 2 * pos + 1;

		if (child + 1 < e->n_heap && e->heap[child + 1]->at.us < e->heap[child]->at.us)
			child++;
		if (child >= e->n_heap || e->heap[child]->at.us >= f->at.us)
			break;
		heap_put(e, pos, e->heap[child]);
		pos = child;
	}
	heap_put(e, pos, f);
}

static void heap_del(struct engine *e, struct engine_fault *f)
{
	size_t pos = f->heap_pos;

	if (pos == ENGINE_HEAP_NONE)
		return;
	f->heap_pos = ENGINE_HEAP_NONE;
	e->n_heap--;
	if (pos == e->n_heap)
		return;
	heap_put(e, pos, e->heap[e->n_heap]);
	heap_up(e, e->heap[pos]);
	heap_down(e, e->heap[pos]);
}

static void timer_arm(struct engine *e)
{
	int64_t wait_us;

	if (e->n_heap == 0) {
		ev_timer_stop(e->retry_timer);
		return;
	}
	wait_us = mono_diff_us(e->heap[0]->at, ev_now(e->loop));
	ev_timer_set(e->retry_timer, MAX(wait_us, (int64_t)0));
}

static void fault_set_time(struct engine *e, struct engine_fault *f, int64_t after_us)
{
	heap_del(e, f);
	f->at = mono_add_us(ev_now(e->loop), after_us);
	GROW(e->heap, e->n_heap, e->heap_cap);
	heap_put(e, e->n_heap++, f);
	heap_up(e, f);
	timer_arm(e);
}

static struct engine_fault *fault_make(struct row *r)
{
	if (!r->fault) {
		r->fault = xcalloc(1, sizeof(*r->fault));
		r->fault->row = r;
		r->fault->heap_pos = ENGINE_HEAP_NONE;
	}
	return r->fault;
}

void engine_fault_free(struct row *r)
{
	struct engine_fault *f = r->fault;

	if (!f)
		return;
	heap_del(r->table->engine, f);
	engine_value_unref(f->tried);
	free(f->text);
	free(f);
	r->fault = NULL;
}

int64_t engine_backoff_us(struct engine *e, unsigned n_failures)
{
	int64_t us = ENGINE_RETRY_MIN_US;

	for (unsigned i = 1; i < n_failures && us < ENGINE_RETRY_MAX_US; i++)
		us *= 2;
	return ev_jitter_us(e->loop, MIN(us, ENGINE_RETRY_MAX_US));
}

static void fault_wait(struct row *r, struct engine_value *tried, unsigned n)
{
	struct engine_fault *f = r->fault;
	struct engine_value *old = f->tried;

	f->tried = engine_value_ref(tried);
	engine_value_unref(old);
	f->waiting = true;
	fault_set_time(r->table->engine, f, engine_backoff_us(r->table->engine, n));
}

static void owners_replan(struct row *r)
{
	if (!r->table->desc->replan_on_failure)
		return;
	for (struct claim *c = r->claims; c; c = c->next)
		owner_mark(c->owner);
}

static void text_set(struct engine_fault *f, const char *text)
{
	free(f->text);
	f->text = str_is_empty(text) ? NULL : xstrndup(text, strnlen(text, ENGINE_TEXT_MAX - 1));
}

void engine_row_failed(struct row *r, struct engine_value *tried, int err, const char *text)
{
	struct engine_fault *f = fault_make(r);
	bool is_news = f->n_failures == 0 || f->err != err;

	if (f->n_failures < UINT_MAX)
		f->n_failures++;
	f->err = err;
	text_set(f, text);
	fault_wait(r, tried, f->n_failures);
	if (is_news) {
		struct strbuf key CLEANUP_STRBUF = STRBUF_INIT;
		char quoted[LOG_QUOTE_MAX];

		row_key_log(r, &key);
		LOG_LIMIT(log_warning, "engine: operation failed row=%s kind=%s err=%s cause=%s",
			  strbuf_text(&key), tried ? "set" : "del", strerror(-err),
			  log_quote(quoted, f->text ? f->text : ""));
	}
	if (f->n_failures == 1)
		owners_replan(r);
}

void engine_row_worked(struct row *r)
{
	struct engine_fault *f = r->fault;

	if (!f)
		return;
	if (f->n_failures > 0) {
		struct strbuf key CLEANUP_STRBUF = STRBUF_INIT;

		row_key_log(r, &key);
		LOG_LIMIT(log_info, "engine: row works again row=%s failures=%u", strbuf_text(&key),
			  f->n_failures);
		owners_replan(r);
	}
	if (f->n_drifts == 0) {
		engine_fault_free(r);
		return;
	}
	f->n_failures = 0;
	f->err = 0;
	text_set(f, NULL);
	f->waiting = false;
	fault_set_time(r->table->engine, f, ENGINE_DRIFT_MEMORY_US);
}

void engine_row_drifted(struct row *r)
{
	struct table *t = r->table;
	struct engine_fault *f = fault_make(r);
	struct strbuf key CLEANUP_STRBUF = STRBUF_INIT;

	t->stats.drift++;
	if (f->n_drifts < UINT_MAX)
		f->n_drifts++;
	row_key_log(r, &key);
	LOG_LIMIT(log_warning, "engine: row was changed by somebody else row=%s times=%u",
		  strbuf_text(&key), f->n_drifts);
	if (f->n_drifts == 1) {
		fault_set_time(t->engine, f, ENGINE_DRIFT_MEMORY_US);
		return;
	}
	f->err = -ESTALE;
	text_set(f, "changed again and again by another writer");
	fault_wait(r, row_want(r), f->n_drifts - 1);
}

/* The reason to wait is over: only the count of failures stays. */
void engine_fault_stop_waiting(struct row *r)
{
	struct engine_fault *f = r->fault;

	if (!f || !f->waiting)
		return;
	f->waiting = false;
	heap_del(r->table->engine, f);
}

void engine_retry_run(struct engine *e)
{
	for (int budget = RETRIES_PER_TURN; budget > 0 && e->n_heap > 0; budget--) {
		struct engine_fault *f = e->heap[0];
		struct row *r = f->row;

		if (f->at.us > ev_now(e->loop).us)
			break;
		heap_del(e, f);
		if (f->waiting) {
			f->waiting = false;
		} else {
			f->n_drifts = 0;
			if (f->n_failures == 0)
				engine_fault_free(r);
		}
		row_settle(r);
	}
	timer_arm(e);
}

/* Their time is now; the timer does the rest, a slice a turn. Counts of failures stay. */
void engine_retry_table(struct table *t)
{
	struct engine *e = t->engine;
	struct mono now = ev_now(e->loop);

	for (size_t i = 0; i < e->n_heap; i++) {
		struct engine_fault *f = e->heap[i];

		if (f->row->table == t && f->waiting && f->at.us > now.us)
			f->at = now;
	}
	for (size_t i = e->n_heap; i-- > 0;)
		heap_down(e, e->heap[i]);
	timer_arm(e);
}
