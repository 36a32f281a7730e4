/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows: their index, the claims on them, the winner among these, and the one question everything
 * turns on: what is due for this row now?
 *
 * The index is intrusive instead of a base/map.h, because that keeps a copy of every key; with
 * 50,000 set members that is more than the rows themselves. Buckets double when there are more rows
 * than buckets and never shrink: what was needed once is needed again.
 *
 * Winner: `winner` is right at any time unless `rescan` is set. A claim that comes is compared with
 * the winner alone; one that goes matters only if it was the winner. n_losing counts claims with
 * another value than the winner's, so that a conflict is known without a walk.
 */
#include "base/mem.h"
#include "engine/core.h"

#define BUCKETS_MIN ((size_t)16)

static void index_grow(struct table *t)
{
	size_t n = t->n_buckets ? 2 * t->n_buckets : BUCKETS_MIN;
	struct row **buckets = xcalloc(n, sizeof(struct row *));

	for (size_t i = 0; i < t->n_buckets; i++) {
		struct row *next;

		for (struct row *r = t->buckets[i]; r; r = next) {
			struct row **home = &buckets[r->hash & (n - 1)];

			next = r->hash_next;
			r->hash_next = *home;
			*home = r;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
}

struct row *row_get(const struct table *t, struct bytes key)
{
	uint32_t hash = (uint32_t)map_hash(key.data, key.len);

	if (t->n_buckets == 0)
		return NULL;
	for (struct row *r = t->buckets[hash & (t->n_buckets - 1)]; r; r = r->hash_next) {
		if (r->hash == hash && r->key_len == key.len &&
		    memcmp(r->key, key.data, key.len) == 0)
			return r;
	}
	return NULL;
}

struct row *row_make(struct table *t, struct bytes key, bool for_claim)
{
	struct row *r = row_get(t, key), **home;

	assert(key.len > 0 && key.len <= ENGINE_KEY_MAX);
	/* Two ceilings, so that what others leave in the kernel takes no room from what is wanted.
	 */
	if (for_claim && (!r || !r->claims) && t->n_claimed >= t->desc->max_rows)
		return NULL;
	if (r)
		return r;
	if (!for_claim && t->n_rows - t->n_claimed >= t->desc->max_rows)
		return NULL;
	if (t->n_rows >= t->n_buckets)
		index_grow(t);
	r = xcalloc(1, sizeof(*r) + key.len);
	r->table = t;
	r->hash = (uint32_t)map_hash(key.data, key.len);
	r->key_len = (uint16_t)key.len;
	memcpy(r->key, key.data, key.len);
	list_init(&r->place);
	home = &t->buckets[r->hash & (t->n_buckets - 1)];
	r->hash_next = *home;
	*home = r;
	t->n_rows++;
	r->state = ROW_OK;
	t->n_state[ROW_OK]++;
	return r;
}

void row_free(struct row *r)
{
	struct table *t = r->table;
	struct row **at = &t->buckets[r->hash & (t->n_buckets - 1)];

	assert(!r->claims && !r->op);
	while (*at != r)
		at = &(*at)->hash_next;
	*at = r->hash_next;
	row_have_set(r, NULL);
	engine_fault_free(r);
	list_del(&r->place);
	t->n_state[r->state]--;
	t->n_rows--;
	free(r);
}

bool owner_precedes(const struct claim *a, const struct claim *b)
{
	return strcmp(a->owner->name, b->owner->name) < 0;
}

/* Does a win over b? */
static bool claim_beats(const struct claim *a, const struct claim *b)
{
	const struct table_desc *desc = a->row->table->desc;
	int order = 0;

	if (desc->prefer && !engine_value_same(a->value, b->value))
		order = desc->prefer(engine_value_bytes(a->value), engine_value_bytes(b->value));
	return order != 0 ? order > 0 : owner_precedes(a, b);
}

void row_claim_link(struct row *r, struct claim *c)
{
	struct table *t = r->table;

	c->row = r;
	c->prev = NULL;
	c->next = r->claims;
	if (r->claims)
		r->claims->prev = c;
	else
		t->n_claimed++;
	r->claims = c;
	if (r->rescan)
		return;
	if (!r->winner) {
		r->winner = c;
		return;
	}
	if (engine_value_same(c->value, r->winner->value)) {
		if (c->value != r->winner->value) { /* one copy of the bytes is enough */
			engine_value_unref(c->value);
			c->value = engine_value_ref(r->winner->value);
		}
		if (owner_precedes(c, r->winner))
			r->winner = c;
	} else if (claim_beats(c, r->winner)) {
		r->rescan = true; /* who loses against it is counted by the election */
	} else {
		r->n_losing++;
	}
}

void row_claim_unlink(struct claim *c)
{
	struct row *r = c->row;
	struct table *t = r->table;

	if (!r->rescan && c == r->winner)
		r->rescan = true;
	else if (!r->rescan && !engine_value_same(c->value, r->winner->value))
		r->n_losing--;
	if (c->prev)
		c->prev->next = c->next;
	else
		r->claims = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (!r->claims) {
		if (t->n_claimed >= t->desc->max_rows)
			t->engine->room_made = true;
		t->n_claimed--;
	}
	engine_value_unref(c->value);
}

void row_claim_move(struct claim *to, struct claim *from)
{
	*to = *from;
	if (to->prev)
		to->prev->next = to;
	else
		to->row->claims = to;
	if (to->next)
		to->next->prev = to;
	if (to->row->winner == from)
		to->row->winner = to;
}

void row_elect(struct row *r)
{
	struct claim *best = r->claims;

	if (!r->rescan)
		return;
	r->rescan = false;
	for (struct claim *c = r->claims; c; c = c->next) {
		if (claim_beats(c, best))
			best = c;
	}
	r->winner = best;
	r->n_losing = 0;
	for (struct claim *c = r->claims; c; c = c->next)
		r->n_losing += !engine_value_same(c->value, best->value);
}

struct engine_value *row_want(const struct row *r)
{
	assert(!r->rescan);
	return r->winner ? r->winner->value : NULL;
}

/* Is what is present what `want` asks for (NULL: nothing)? */
bool row_satisfied(const struct row *r, const struct engine_value *want)
{
	const struct table_desc *desc = r->table->desc;

	if (!want || !r->have)
		return !want && !r->have;
	if (engine_value_same(want, r->have))
		return true;
	return desc->same && desc->same(engine_value_bytes(want), engine_value_bytes(r->have));
}

enum row_due row_due(const struct row *r)
{
	const struct table *t = r->table;
	struct engine_value *want = row_want(r);

	if (r->op || !t->known)
		return ROW_DUE_NONE; /* the result, or the end of the dump, asks again */
	if (row_satisfied(r, want))
		return ROW_DUE_NONE;
	if (!want && (!t->released || t->desc->keep_unclaimed))
		return ROW_DUE_NONE;
	if (r->fault && r->fault->waiting && engine_value_same(r->fault->tried, want))
		return ROW_DUE_NONE;
	return want ? ROW_DUE_SET : ROW_DUE_DEL;
}

enum row_state row_state(const struct row *r)
{
	const struct table *t = r->table;
	struct engine_value *want = row_want(r);

	if (r->op)
		return ROW_PENDING;
	if (row_satisfied(r, want))
		return ROW_OK;
	if (!want && (!t->released || t->desc->keep_unclaimed))
		return ROW_UNWANTED;
	if (r->fault && r->fault->waiting && engine_value_same(r->fault->tried, want))
		return ROW_FAILED;
	return ROW_PENDING;
}

void row_have_set(struct row *r, struct engine_value *v)
{
	struct engine_value *old = r->have;

	r->table->n_present += (v != NULL);
	r->table->n_present -= (old != NULL);
	r->have = engine_value_ref(v);
	engine_value_unref(old);
}

void row_touch(struct row *r)
{
	struct engine *e = r->table->engine;

	if (r->on == ROW_PLACE_NONE) {
		r->on = ROW_PLACE_TOUCHED;
		list_add_tail(&e->touched, &r->place);
	}
	engine_kick(e);
}

void row_recount(struct row *r)
{
	struct table *t = r->table;

	t->n_state[r->state]--;
	r->state = row_state(r) & 0xf;
	t->n_state[r->state]++;
}

/* The wish is present, by whatever way: what is left is at most the memory of a drift. */
static void fault_review(struct row *r)
{
	struct engine_fault *f = r->fault;

	if (!f || r->op || !row_satisfied(r, row_want(r)))
		return;
	if (f->n_failures > 0 || f->waiting || f->heap_pos == ENGINE_HEAP_NONE)
		engine_row_worked(r);
}

void row_settle(struct row *r)
{
	/* A row whose claims changed in this planning waits to be judged; it keeps its old state.
	 */
	if (r->rescan)
		return;
	fault_review(r);
	row_recount(r);
	if (r->claims || r->have || r->op) {
		if (row_due(r) != ROW_DUE_NONE)
			row_touch(r);
		return;
	}
	row_free(r);
}

void row_key_log(const struct row *r, struct strbuf *out)
{
	struct strbuf key CLEANUP_STRBUF = STRBUF_INIT;

	key.max = 1024;
	r->table->desc->key_fmt(&key, row_key(r));
	strbuf_puts(out, r->table->desc->name);
	strbuf_putc(out, ':');
	strbuf_quote(out, strbuf_text(&key));
}
