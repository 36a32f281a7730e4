/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners and their claims. Planning an owner collects all its claims in an arena, sorts them by
 * table and key, and merges them with the sorted array of the time before: what is in both and
 * equal costs a comparison, the rest links or unlinks claims and touches rows. Which value wins and
 * what is due is asked when all owners of the pass are planned, once for each touched row.
 *
 * An owner exists as long as it has claims, problems, or something to wait for.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

struct wish {
	struct table *table;
	struct bytes key, value;
	uint32_t order; /* of the claim() call: the first of two unequal ones stays */
};

struct claims {
	struct owner *owner;
	struct arena *arena;
	struct wish *v;
	size_t n, cap;
	struct strbuf problems;
	unsigned n_problems;
	bool had_no_room; /* some table was full */
};

void claims_problem(struct claims *c, const char *fmt, ...)
{
	char line[ENGINE_TEXT_MAX];
	va_list ap;

	if (++c->n_problems > ENGINE_PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *p = line; *p; p++) { /* a line each */
		if (*p == '\n')
			*p = ' ';
	}
	strbuf_puts(&c->problems, line);
	strbuf_putc(&c->problems, '\n');
}

void claim(struct claims *c, struct table *t, struct bytes key, struct bytes value)
{
	if (key.len == 0 || key.len > ENGINE_KEY_MAX || value.len > ENGINE_VALUE_MAX) {
		t->stats.refused++;
		claims_problem(c, "%s: key of %zu bytes or value of %zu bytes is not possible",
			       t->desc->name, key.len, value.len);
		return;
	}
	if (c->n >= ENGINE_CLAIMS_MAX) {
		t->stats.refused++;
		claims_problem(c, "%s: more than %zu claims", t->desc->name, ENGINE_CLAIMS_MAX);
		return;
	}
	GROW(c->v, c->n, c->cap);
	c->v[c->n] = (struct wish){
		.table = t,
		.key = { arena_memdup(c->arena, key.data, key.len), key.len },
		.order = (uint32_t)c->n,
	};
	if (value.len > 0)
		c->v[c->n].value =
			(struct bytes){ arena_memdup(c->arena, value.data, value.len), value.len };
	c->n++;
}

static int key_cmp(const struct table *ta, struct bytes a, const struct table *tb, struct bytes b)
{
	int order;

	if (ta != tb)
		return ta->pos < tb->pos ? -1 : 1;
	order = memcmp(a.data, b.data, MIN(a.len, b.len));
	if (order != 0 || a.len == b.len)
		return order;
	return a.len < b.len ? -1 : 1;
}

static int wish_cmp(const void *pa, const void *pb)
{
	const struct wish *a = pa, *b = pb;
	int order = key_cmp(a->table, a->key, b->table, b->key);

	if (order != 0)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool bytes_same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* One claim of a key for one owner: of unequal ones what the table prefers, else the first made. */
static void claims_unique(struct claims *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct wish *w = &c->v[i], *last = n > 0 ? &c->v[n - 1] : NULL;
		const struct table_desc *desc = w->table->desc;
		struct strbuf key CLEANUP_STRBUF = STRBUF_INIT;

		if (!last || key_cmp(w->table, w->key, last->table, last->key) != 0) {
			c->v[n++] = *w;
			continue;
		}
		if (bytes_same(w->value, last->value))
			continue;
		if (desc->prefer && desc->prefer(w->value, last->value) > 0)
			*last = *w;
		desc->key_fmt(&key, w->key);
		claims_problem(c, "%s %s: wanted with two different values", desc->name,
			       strbuf_text(&key));
	}
	c->n = n;
}

/* A new claim of this owner in *ret; false if the table has no room. */
static bool claim_make(struct claims *c, const struct wish *w, struct claim *ret)
{
	struct row *r = row_make(w->table, w->key, true);

	if (!r) {
		w->table->stats.refused++;
		c->had_no_room = true;
		claims_problem(c, "%s: the table is full (%zu rows)", w->table->desc->name,
			       w->table->desc->max_rows);
		return false;
	}
	*ret = (struct claim){ .owner = c->owner };
	if (engine_value_is(r->have, w->value))
		ret->value = engine_value_ref(r->have);
	else
		ret->value = engine_value_new(w->value);
	row_claim_link(r, ret);
	row_touch(r);
	return true;
}

static void claim_drop(struct claim *c)
{
	row_claim_unlink(c);
	row_touch(c->row);
}

static int claim_wish_cmp(const struct claim *c, const struct wish *w)
{
	return key_cmp(c->row->table, row_key(c->row), w->table, w->key);
}

static bool claims_same(const struct owner *o, const struct claims *c)
{
	if (o->n_claims != c->n)
		return false;
	for (size_t i = 0; i < c->n; i++) {
		if (claim_wish_cmp(&o->claims[i], &c->v[i]) != 0 ||
		    !engine_value_is(o->claims[i].value, c->v[i].value))
			return false;
	}
	return true;
}

/* The merge: old is what was claimed before, c->v what is wanted now, both sorted. */
static void claims_merge(struct owner *o, struct claims *c)
{
	struct claim *now = c->n > 0 ? xcalloc(c->n, sizeof(*now)) : NULL;
	size_t i = 0, w = 0, n = 0;

	while (i < o->n_claims || w < c->n) {
		int order;

		if (i == o->n_claims)
			order = 1;
		else if (w == c->n)
			order = -1;
		else
			order = claim_wish_cmp(&o->claims[i], &c->v[w]);
		if (order == 0 && engine_value_is(o->claims[i].value, c->v[w].value)) {
			row_claim_move(&now[n++], &o->claims[i++]);
			w++;
			continue;
		}
		if (order <= 0)
			claim_drop(&o->claims[i++]);
		if (order >= 0)
			n += claim_make(c, &c->v[w++], &now[n]);
	}
	free(o->claims);
	o->claims = now;
	o->n_claims = n;
}

static void problems_log(const struct owner *o, const char *text)
{
	char name[LOG_QUOTE_MAX], quoted[LOG_QUOTE_MAX];

	if (!text) {
		LOG_LIMIT(log_info, "engine: problem is gone owner=%s", log_quote(name, o->name));
		return;
	}
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line CLEANUP_FREE = xstrndup(text, len);

		LOG_LIMIT(log_warning, "engine: problem owner=%s text=%s", log_quote(name, o->name),
			  log_quote(quoted, line));
		text += len + 1;
	}
}

static void problems_take(struct owner *o, struct claims *c)
{
	char *text = c->problems.len > 0 ? strbuf_take(&c->problems) : NULL;

	if (str_eq(o->problems, text)) {
		free(text);
		return;
	}
	free(o->problems);
	o->problems = text;
	problems_log(o, text);
}

static const char *owner_short_name(const struct owner *o)
{
	return o->name + o->kind->name_len + 1;
}

void owner_free(struct owner *o)
{
	assert(o->n_claims == 0);
	list_del(&o->dirty);
	list_del(&o->starved);
	(void)map_del_str(&o->kind->owners, owner_short_name(o));
	o->kind->engine->n_owners--;
	free(o->claims);
	free(o->problems);
	free(o);
}

size_t owner_plan(struct owner *o)
{
	struct engine *e = o->kind->engine;
	struct claims c = { .owner = o, .arena = &e->arena };
	size_t work;

	list_del(&o->dirty);
	list_del(&o->starved);
	e->is_planning = true;
	o->kind->plan(o->kind->arg, owner_short_name(o), &c);
	e->is_planning = false;
	e->stats.owners_planned++;
	e->stats.claims += c.n;
	work = 1 + c.n + o->n_claims;
	if (c.n > 1)
		qsort(c.v, c.n, sizeof(*c.v), wish_cmp);
	claims_unique(&c);
	if (!claims_same(o, &c))
		claims_merge(o, &c);
	problems_take(o, &c);
	if (c.had_no_room)
		list_add_tail(&e->starved, &o->starved);
	else if (o->n_claims == 0 && !o->problems)
		owner_free(o);
	free(c.v);
	strbuf_fini(&c.problems);
	arena_reset(&e->arena);
	return work;
}

void owner_mark(struct owner *o)
{
	struct engine *e = o->kind->engine;

	assert(!e->is_planning);
	if (list_is_empty(&o->dirty)) /* an unlinked node points to itself */
		list_add_tail(&e->dirty, &o->dirty);
	engine_kick(e);
}

void engine_dirty(struct owner_kind *kind, const char *owner)
{
	struct engine *e = kind->engine;
	struct owner *o = map_get_str(&kind->owners, owner);

	assert(!e->is_planning);
	if (!o) {
		size_t len = strlen(owner);

		if (e->n_owners >= ENGINE_OWNERS_MAX) {
			e->stats.owners_refused++;
			LOG_LIMIT(log_err, "engine: too many owners kind=%s", kind->name);
			return;
		}
		o = xcalloc(1, sizeof(*o) + kind->name_len + 1 + len + 1);
		o->kind = kind;
		memcpy(o->name, kind->name, kind->name_len);
		o->name[kind->name_len] = '/';
		memcpy(o->name + kind->name_len + 1, owner, len + 1);
		list_init(&o->dirty);
		list_init(&o->starved);
		(void)map_put_str(&kind->owners, owner, o);
		e->n_owners++;
	}
	owner_mark(o);
}

void owners_starved_dirty(struct engine *e)
{
	while (!list_is_empty(&e->starved)) {
		struct owner *o = list_first(&e->starved, struct owner, starved);

		list_del(&o->starved);
		owner_mark(o);
	}
}

void owner_kind_fini(struct owner_kind *kind)
{
	while (kind->owners.n > 0) {
		struct owner *o = map_at(&kind->owners, 0, NULL, NULL);

		for (size_t i = 0; i < o->n_claims; i++)
			row_claim_unlink(&o->claims[i]);
		o->n_claims = 0;
		owner_free(o);
	}
	map_fini(&kind->owners);
}
