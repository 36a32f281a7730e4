/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rig.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static void text_fmt(struct strbuf *out, struct bytes b)
{
	strbuf_add(out, b.data, b.len);
}

static enum rig_table table_named(const struct rig *r, const char *name, size_t len)
{
	size_t i = 0;

	while (strlen(r->descs[i].name) != len || strncmp(r->descs[i].name, name, len) != 0)
		assert(++i < RIG_N);
	return (enum rig_table)i;
}

/* table:key=value, or !text: a problem */
static void plan_word(struct rig *r, struct claims *c, const char *word)
{
	size_t table_len = strcspn(word, ":"), key_len;
	const char *key = word + table_len + 1;

	if (*word == '!') {
		claims_problem(c, "%s", word + 1);
		return;
	}
	key_len = strcspn(key, "=");
	claim(c, r->tables[table_named(r, word, table_len)], (struct bytes){ key, key_len },
	      fake_bytes(key[key_len] == '=' ? key + key_len + 1 : ""));
}

static void plan(void *arg, const char *owner, struct claims *c)
{
	struct rig *r = arg;
	const char *text = map_get_str(&r->claims, owner);
	struct strv words = { 0 };

	if (str_is_empty(text))
		return;
	strv_split(&words, text, ' ');
	for (size_t i = 0; i < words.n; i++)
		plan_word(r, c, words.v[i]);
	strv_fini(&words);
}

struct rig *rig_new(uint64_t seed)
{
	static const struct {
		const char *name;
		enum engine_stage stage;
	} rows[RIG_N] = {
		[RIG_SETS] = { "sets", STAGE_SETS },
		[RIG_CHAINS] = { "chains", STAGE_CHAINS },
		[RIG_ROUTES] = { "routes", STAGE_ROUTES },
	};
	struct rig *r = xcalloc(1, sizeof(*r));

	map_seed_set(1, 2); /* the same for all: maps of two rigs may live side by side */
	r->loop = ev_new_sim(seed);
	r->e = engine_new(r->loop);
	for (size_t i = 0; i < RIG_N; i++) {
		r->descs[i] = (struct table_desc){
			.name = rows[i].name,
			.help = "a test",
			.stage = rows[i].stage,
			.max_rows = 1000,
			.key_fmt = text_fmt,
			.value_fmt = text_fmt,
		};
		fake_kernel_init(&r->kernels[i], rows[i].name, r->loop);
		r->kernels[i].journal = &r->journal;
	}
	return r;
}

static void on_ready(void *arg)
{
	((struct rig *)arg)->n_ready++;
}

static void on_idle(void *arg)
{
	((struct rig *)arg)->n_idle++;
}

void rig_build(struct rig *r)
{
	for (size_t i = 0; i < RIG_N; i++)
		r->tables[i] = engine_table_add(r->e, &r->descs[i],
						fake_kernel_reconciler(&r->kernels[i]));
	r->kind = engine_owner_kind_add(r->e, "o", plan, r);
	engine_on_ready(r->e, on_ready, r);
	engine_on_idle(r->e, on_idle, r);
}

void rig_start(struct rig *r)
{
	rig_build(r);
	engine_start(r->e);
	ev_sim_settle(r->loop);
}

void rig_free(struct rig *r)
{
	engine_free(r->e);
	for (size_t i = 0; i < RIG_N; i++)
		fake_kernel_fini(&r->kernels[i]);
	map_for_each (&r->claims, i)
		free(map_at(&r->claims, i, NULL, NULL));
	map_fini(&r->claims);
	strbuf_fini(&r->journal);
	ev_free(r->loop);
	free(r);
}

void rig_want(struct rig *r, const char *owner, const char *claims)
{
	free(map_put_str(&r->claims, owner, xstrdup(claims ? claims : "")));
	engine_dirty(r->kind, owner);
}

void rig_ms(struct rig *r, int64_t ms)
{
	ev_sim_advance(r->loop, ms * US_PER_MS);
}

void rig_pass(struct rig *r)
{
	rig_ms(r, 5);
}

void rig_sent(struct rig *r, const char *name, const char *want)
{
	CHECK_STR(name, strbuf_text(&r->journal), want);
	strbuf_clear(&r->journal);
}

struct table_stats rig_stats(const struct rig *r, enum rig_table t)
{
	struct table_stats stats;

	table_stats_get(r->tables[t], &stats);
	return stats;
}

struct row_search {
	const char *key;
	struct strbuf out;
};

static int row_found(void *arg, const struct row_view *row)
{
	struct row_search *s = arg;

	if (row->key.len != strlen(s->key) || memcmp(row->key.data, s->key, row->key.len) != 0)
		return 0;
	strbuf_add(&s->out, row->want.data ? row->want.data : "-",
		   row->want.data ? row->want.len : 1);
	strbuf_putc(&s->out, '/');
	strbuf_add(&s->out, row->have.data ? row->have.data : "-",
		   row->have.data ? row->have.len : 1);
	strbuf_fmt(&s->out, " %s", row_state_name(row->state));
	for (size_t i = 0; i < row->n_owners; i++)
		strbuf_fmt(&s->out, " %s", row->owners[i]);
	if (row->conflict)
		strbuf_puts(&s->out, " conflict");
	if (row->err != 0)
		strbuf_fmt(&s->out, " %s (%s) x%u", strerror(-row->err), row->err_text,
			   row->n_failures);
	return 1;
}

void rig_row(struct rig *r, const char *name, enum rig_table t, const char *key, const char *want)
{
	struct row_search s = { .key = key };

	(void)table_walk(r->tables[t], row_found, &s);
	CHECK_STR(name, strbuf_text(&s.out), want);
	strbuf_fini(&s.out);
}

static void problem_add(void *arg, const char *owner, const char *text)
{
	strbuf_fmt(arg, "%s: %s\n", owner, text);
}

void rig_problems(struct rig *r, const char *name, const char *want)
{
	struct strbuf text CLEANUP_STRBUF = STRBUF_INIT;

	engine_problems_walk(r->e, problem_add, &text);
	CHECK_STR(name, strbuf_text(&text), want);
}
