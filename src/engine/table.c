/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

struct table *engine_table_add(struct engine *e, const struct table_desc *desc,
			       struct reconciler reconciler)
{
	struct table *t = xcalloc(1, sizeof(*t));

	assert(!e->started && !engine_table_find(e, desc->name));
	assert(desc->key_fmt && desc->max_rows > 0 && desc->max_rows <= ENGINE_ROWS_MAX);
	t->engine = e;
	t->desc = desc;
	t->reconciler = reconciler;
	t->pos = (uint32_t)e->n_tables;
	list_init(&t->due_set);
	list_init(&t->due_del);
	list_init(&t->inflight);
	list_init(&t->overdue);
	GROW(e->tables, e->n_tables, e->tables_cap);
	e->tables[e->n_tables++] = t;
	engine_reports_sink(t);
	reconciler.ops->attach(reconciler.self, &t->sink);
	return t;
}

struct table *engine_table_find(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_tables; i++) {
		if (str_eq(e->tables[i]->desc->name, name))
			return e->tables[i];
	}
	return NULL;
}

static void ops_free(struct list *ops)
{
	while (!list_is_empty(ops))
		engine_op_free(list_first(ops, struct engine_op, node));
}

void table_free(struct table *t)
{
	ops_free(&t->inflight);
	ops_free(&t->overdue);
	for (size_t i = 0; i < t->n_buckets; i++) {
		while (t->buckets[i])
			row_free(t->buckets[i]);
	}
	if (t->dump_timer)
		ev_timer_free(t->dump_timer);
	free(t->buckets);
	free(t->ops);
	free(t->op_gens);
	free(t->op_free);
	free(t);
}

void engine_table_release(struct table *t)
{
	if (t->released)
		return;
	t->released = true;
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct row *next;

		for (struct row *r = t->buckets[i]; r; r = next) {
			next = r->hash_next;
			row_settle(r);
		}
	}
}

void engine_table_lost(struct table *t)
{
	/* In the order of the reports: what the one that is gone saw must not be believed after. */
	if (t->engine->started)
		engine_report_lost(t);
}

struct bytes table_have(const struct table *t, struct bytes key)
{
	const struct row *r = row_get(t, key);

	return engine_value_bytes(r ? r->have : NULL);
}

int table_failure(const struct table *t, struct bytes key)
{
	const struct row *r = row_get(t, key);

	return r && r->fault ? r->fault->err : 0;
}

void table_stats_get(const struct table *t, struct table_stats *ret)
{
	*ret = t->stats;
	ret->n_rows = t->n_rows;
	ret->n_present = t->n_present;
	ret->n_pending = t->n_state[ROW_PENDING];
	ret->n_failed = t->n_state[ROW_FAILED];
}

const struct table_desc *table_desc_get(const struct table *t)
{
	return t->desc;
}

const char *row_state_name(enum row_state s)
{
	switch (s) {
	case ROW_OK:
		return "ok";
	case ROW_PENDING:
		return "pending";
	case ROW_FAILED:
		return "failed";
	case ROW_UNWANTED:
		return "unwanted";
	}
	return "?";
}

struct shown {
	char *text;
	struct row *row;
};

static int shown_cmp(const void *pa, const void *pb)
{
	const struct shown *a = pa, *b = pb;

	return strcmp(a->text, b->text);
}

static int owner_name_cmp(const void *pa, const void *pb)
{
	const char *const *a = pa, *const *b = pb;

	return strcmp(*a, *b);
}

/* The winner first, the others by name. */
static const char **row_owners(const struct row *r, size_t *ret_n)
{
	const char **names;
	size_t n = 0;

	for (const struct claim *c = r->claims; c; c = c->next)
		n++;
	names = xcalloc(MAX(n, (size_t)1), sizeof(const char *));
	*ret_n = n;
	n = 1;
	for (const struct claim *c = r->claims; c; c = c->next)
		names[c == r->winner ? 0 : n++] = c->owner->name;
	if (*ret_n > 2)
		qsort(names + 1, *ret_n - 1, sizeof(const char *), owner_name_cmp);
	return names;
}

static int row_show(struct row *r, int (*fn)(void *arg, const struct row_view *row), void *arg)
{
	const struct engine_fault *f = r->fault;
	struct row_view view = {
		.key = row_key(r),
		.want = engine_value_bytes(row_want(r)),
		.have = engine_value_bytes(r->have),
		.state = row_state(r),
		.err = f ? f->err : 0,
		.err_text = f && f->text ? f->text : "",
		.n_failures = f ? f->n_failures : 0,
		.conflict = r->n_losing > 0,
	};
	const char **owners CLEANUP_FREE = row_owners(r, &view.n_owners);

	view.owners = owners;
	if (f && view.state == ROW_FAILED)
		view.retry_in_us =
			MAX(mono_diff_us(f->at, ev_now(r->table->engine->loop)), (int64_t)0);
	return fn(arg, &view);
}

int table_walk(struct table *t, int (*fn)(void *arg, const struct row_view *row), void *arg)
{
	struct shown *rows = xcalloc(MAX(t->n_rows, (size_t)1), sizeof(*rows));
	size_t n = 0;
	int result = 0;

	for (size_t i = 0; i < t->n_buckets; i++) {
		for (struct row *r = t->buckets[i]; r; r = r->hash_next) {
			struct strbuf key = STRBUF_INIT;

			row_elect(r);
			t->desc->key_fmt(&key, row_key(r));
			rows[n++] = (struct shown){ strbuf_take(&key), r };
		}
	}
	qsort(rows, n, sizeof(*rows), shown_cmp);
	for (size_t i = 0; i < n && result == 0; i++)
		result = row_show(rows[i].row, fn, arg);
	for (size_t i = 0; i < n; i++)
		free(rows[i].text);
	free(rows);
	return result;
}
