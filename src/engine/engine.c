/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

bool engine_may_pass(const struct engine *e)
{
	if (!e->started || e->start_over)
		return e->started;
	for (size_t i = 0; i < e->n_tables; i++) {
		if (!e->tables[i]->answered)
			return false;
	}
	return true;
}

static void callbacks_add(struct engine_callbacks *l, void (*fn)(void *arg), void *arg)
{
	GROW(l->v, l->n, l->cap);
	l->v[l->n++] = (struct engine_callback){ fn, arg };
}

static void ready_check(struct engine *e)
{
	size_t n = e->on_ready.n;

	if (!e->is_ready) {
		if (!e->started)
			return;
		for (size_t i = 0; i < e->n_tables; i++) {
			if (!e->tables[i]->known && !e->ready_is_due)
				return;
		}
		e->is_ready = true;
		log_debug(1, "engine: ready tables=%zu", e->n_tables);
	}
	for (size_t i = 0; i < n; i++)
		e->on_ready.v[i].fn(e->on_ready.v[i].arg);
	/* Called once; one that was added meanwhile posted the task again. */
	e->on_ready.n -= n;
	if (n > 0)
		memmove(e->on_ready.v, e->on_ready.v + n, e->on_ready.n * sizeof(*e->on_ready.v));
}

/*
 * The engine's one task: everything that calls out (apply, plan, callbacks) runs here or in a
 * timer, never on the stack of whoever reported or asked something.
 */
static void work(void *arg)
{
	struct engine *e = arg;
	bool has_more = engine_reports_run(e);

	ready_check(e);
	engine_pass_begin(e);
	if (e->phase != PASS_NONE)
		engine_pass_run(e);
	if (has_more || e->phase == PASS_PLAN || e->phase == PASS_JUDGE)
		ev_task_post(e->work);
	if (!e->idle_due || !engine_is_idle(e))
		return;
	e->idle_due = false;
	for (size_t i = 0; i < e->on_idle.n; i++)
		e->on_idle.v[i].fn(e->on_idle.v[i].arg);
}

static void retry_timer(void *arg)
{
	engine_retry_run(arg);
}

static void watch_timer(void *arg)
{
	engine_ops_watch(arg);
}

static void start_timer(void *arg)
{
	struct engine *e = arg;

	if (e->is_ready)
		return;
	/* A kernel without one feature must not keep a node from all the others. */
	e->ready_is_due = true;
	e->start_over = !engine_may_pass(e);
	for (size_t i = 0; i < e->n_tables; i++) {
		if (!e->tables[i]->known)
			log_err("engine: table cannot be read, going on without it table=%s "
				"cause=\"%s\"",
				e->tables[i]->desc->name,
				e->tables[i]->answered ? "its dump fails" : "no answer");
	}
	ev_task_post(e->work);
	if (e->start_over)
		engine_kick(e);
}

struct engine *engine_new(struct ev_loop *loop)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->loop = loop;
	list_init(&e->dirty);
	list_init(&e->planning);
	list_init(&e->starved);
	list_init(&e->touched);
	list_init(&e->judging);
	e->reports_tail = &e->reports_head;
	e->pass_timer = ev_timer_new(loop, "engine-pass", engine_pass_timer, e);
	e->step_timer = ev_timer_new(loop, "engine-step", engine_step_timer, e);
	e->retry_timer = ev_timer_new(loop, "engine-retry", retry_timer, e);
	e->watch_timer = ev_timer_new(loop, "engine-watch", watch_timer, e);
	e->start_timer = ev_timer_new(loop, "engine-start", start_timer, e);
	e->work = ev_task_new(loop, "engine-work", work, e);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	engine_reports_fini(e);
	for (size_t i = 0; i < e->n_kinds; i++) {
		owner_kind_fini(e->kinds[i]);
		free(e->kinds[i]);
	}
	for (size_t i = 0; i < e->n_tables; i++)
		table_free(e->tables[i]);
	ev_timer_free(e->pass_timer);
	ev_timer_free(e->step_timer);
	ev_timer_free(e->retry_timer);
	ev_timer_free(e->watch_timer);
	ev_timer_free(e->start_timer);
	ev_task_free(e->work);
	arena_fini(&e->arena);
	free(e->kinds);
	free(e->tables);
	free(e->ops);
	free(e->heap);
	free(e->on_ready.v);
	free(e->on_idle.v);
	free(e);
}

struct owner_kind *engine_owner_kind_add(struct engine *e, const char *kind, owner_plan_fn *plan,
					 void *arg)
{
	struct owner_kind *k = xcalloc(1, sizeof(*k));

	k->engine = e;
	k->name = kind;
	k->name_len = strlen(kind);
	k->plan = plan;
	k->arg = arg;
	GROW(e->kinds, e->n_kinds, e->kinds_cap);
	e->kinds[e->n_kinds++] = k;
	return k;
}

void engine_start(struct engine *e)
{
	assert(!e->started);
	e->started = true;
	ev_timer_set(e->start_timer, ENGINE_START_WAIT_US);
	for (size_t i = 0; i < e->n_tables; i++) {
		const struct reconciler *rec = &e->tables[i]->reconciler;

		rec->ops->dump(rec->self);
	}
	ev_task_post(e->work);
}

void engine_on_ready(struct engine *e, void (*fn)(void *arg), void *arg)
{
	callbacks_add(&e->on_ready, fn, arg);
	ev_task_post(e->work);
}

void engine_on_idle(struct engine *e, void (*fn)(void *arg), void *arg)
{
	callbacks_add(&e->on_idle, fn, arg);
}

static bool table_is_settling(const struct engine *e, const struct table *t)
{
	/* One whose dump fails waits like a failed row; one that never answered is given up. */
	return !t->known && t->n_dump_failures == 0 && (t->answered || !e->start_over);
}

bool engine_is_idle(const struct engine *e)
{
	if (!e->started || e->phase != PASS_NONE || e->n_inflight > 0 || e->reports_head ||
	    !list_is_empty(&e->dirty) || !list_is_empty(&e->touched))
		return false;
	for (size_t i = 0; i < e->n_tables; i++) {
		if (table_is_settling(e, e->tables[i]))
			return false;
	}
	return true;
}

void engine_stats_get(const struct engine *e, struct engine_stats *ret)
{
	*ret = e->stats;
}

size_t engine_table_count(const struct engine *e)
{
	return e->n_tables;
}

struct table *engine_table_at(const struct engine *e, size_t i)
{
	return e->tables[i];
}

static int owner_order(const void *pa, const void *pb)
{
	const struct owner *const *a = pa, *const *b = pb;

	return strcmp((*a)->name, (*b)->name);
}

static void owner_losses(const struct owner *o,
			 void (*fn)(void *arg, const char *owner, const char *text), void *arg)
{
	for (size_t i = 0; i < o->n_claims; i++) {
		const struct claim *c = &o->claims[i];
		struct strbuf text CLEANUP_STRBUF = STRBUF_INIT;

		row_elect(c->row);
		if (c->row->n_losing == 0 || engine_value_same(c->value, row_want(c->row)))
			continue;
		strbuf_fmt(&text, "%s ", c->row->table->desc->name);
		c->row->table->desc->key_fmt(&text, row_key(c->row));
		strbuf_fmt(&text, ": %s wants another value and wins", c->row->winner->owner->name);
		fn(arg, o->name, strbuf_text(&text));
	}
}

void engine_problems_walk(struct engine *e,
			  void (*fn)(void *arg, const char *owner, const char *text), void *arg)
{
	struct owner **owners CLEANUP_FREE = NULL;
	size_t n = 0;

	owners = xcalloc(MAX(e->n_owners, (size_t)1), sizeof(struct owner *));
	for (size_t i = 0; i < e->n_kinds; i++) {
		map_for_each (&e->kinds[i]->owners, k)
			owners[n++] = map_at(&e->kinds[i]->owners, k, NULL, NULL);
	}
	qsort(owners, n, sizeof(struct owner *), owner_order);
	for (size_t i = 0; i < n; i++) {
		const char *text = owners[i]->problems;

		while (text && *text) {
			size_t len = strcspn(text, "\n");
			char *line CLEANUP_FREE = xstrndup(text, len);

			fn(arg, owners[i]->name, line);
			text += len + 1;
		}
		owner_losses(owners[i], fn, arg);
	}
}
