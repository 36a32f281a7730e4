/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rig.h"

#include <stdlib.h>

#include "base/mem.h"

/* A pass each: what an owner wants, and what is sent for it. */
static void claims_diff(void **state)
{
	static const struct {
		const char *name, *want, *sent;
	} rows[] = {
		{ "first", "sets:a=1 sets:b=2", "sets(+a=1 +b=2)" },
		{ "same again", "sets:a=1 sets:b=2", "" },
		{ "other order", "sets:b=2 sets:a=1", "" },
		{ "said twice", "sets:b=2 sets:a=1 sets:b=2", "" },
		{ "a value", "sets:a=1 sets:b=3", "sets(+b=3)" },
		{ "one more", "sets:a=1 sets:b=3 sets:aa=1", "sets(+aa=1)" },
		{ "one less", "sets:a=1 sets:aa=1", "sets(-b)" },
		{ "key is a prefix of another", "sets:aa=1", "sets(-a)" },
		{ "another table", "routes:aa=1", "routes(+aa=1) sets(-aa)" },
		{ "empty value", "routes:aa", "routes(+aa)" },
		{ "empty value again", "routes:aa", "" },
		{ "all gone", NULL, "routes(-aa)" },
		{ "still gone", NULL, "" },
	};
	struct rig *r = rig_new(1);

	(void)state;
	rig_start(r);
	for (size_t i = 0; i < RIG_N; i++)
		engine_table_release(r->tables[i]);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_want(r, "x", rows[i].want);
		rig_pass(r);
		rig_sent(r, rows[i].name, rows[i].sent);
		CHECK(rows[i].name, engine_is_idle(r->e));
	}
	CHECK("no rows left", rig_stats(r, RIG_SETS).n_rows == 0);
	rig_free(r);
}

static void sharing(void **state)
{
	struct rig *r = rig_new(2);

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1");
	rig_want(r, "y", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "one operation for two owners", "sets(+a=1)");
	rig_row(r, "owners", RIG_SETS, "a", "1/1 ok o/x o/y");
	rig_want(r, "x", NULL);
	rig_pass(r);
	rig_sent(r, "one left", "");
	rig_row(r, "owners", RIG_SETS, "a", "1/1 ok o/y");
	rig_want(r, "y", NULL);
	rig_pass(r);
	rig_sent(r, "none left", "sets(-a)");
	rig_free(r);
}

static void conflict(void **state)
{
	struct rig *r = rig_new(3);

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "y", "sets:a=2");
	rig_pass(r);
	rig_sent(r, "alone", "sets(+a=2)");
	rig_want(r, "z", "sets:a=1");
	rig_pass(r);
	rig_row(r, "a loser comes", RIG_SETS, "a", "2/2 ok o/y o/z conflict");
	rig_want(r, "z", NULL);
	rig_pass(r);
	rig_row(r, "and goes", RIG_SETS, "a", "2/2 ok o/y");
	rig_sent(r, "for nothing", "");
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "x is first by name", "sets(+a=1)");
	rig_row(r, "a winner comes", RIG_SETS, "a", "1/1 ok o/x o/y conflict");
	rig_want(r, "z", "sets:a=2");
	rig_pass(r);
	rig_sent(r, "another loser", "");
	rig_row(r, "all are shown", RIG_SETS, "a", "1/1 ok o/x o/y o/z conflict");
	rig_problems(r, "losers",
		     "o/y: sets a: o/x wants another value and wins\n"
		     "o/z: sets a: o/x wants another value and wins\n");
	rig_want(r, "w", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "equal value, other winner", "");
	rig_row(r, "w before x", RIG_SETS, "a", "1/1 ok o/w o/x o/y o/z conflict");
	rig_want(r, "w", NULL);
	rig_want(r, "x", NULL);
	rig_pass(r);
	rig_sent(r, "handed over", "sets(+a=2)");
	rig_row(r, "no conflict left", RIG_SETS, "a", "2/2 ok o/y o/z");
	rig_problems(r, "no losers", "");
	rig_want(r, "y", "sets:a=3");
	rig_pass(r);
	rig_sent(r, "the winner changes its mind", "sets(+a=3)");
	rig_want(r, "y", NULL);
	rig_want(r, "z", NULL);
	rig_pass(r);
	rig_sent(r, "gone", "sets(-a)");
	rig_free(r);
}

static int prefer_greater(struct bytes a, struct bytes b)
{
	int order = memcmp(a.data, b.data, MIN(a.len, b.len));

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void preference(void **state)
{
	struct rig *r = rig_new(4);

	(void)state;
	r->descs[RIG_SETS].prefer = prefer_greater;
	rig_start(r);
	rig_want(r, "x", "sets:a=1");
	rig_want(r, "y", "sets:a=3");
	rig_want(r, "z", "sets:a=2");
	rig_pass(r);
	rig_sent(r, "greatest", "sets(+a=3)");
	rig_want(r, "y", NULL);
	rig_pass(r);
	rig_sent(r, "next", "sets(+a=2)");
	rig_want(r, "w", "sets:a=9 sets:b=1 sets:b=7 sets:b=5");
	rig_pass(r);
	rig_sent(r, "also among the claims of one", "sets(+a=9 +b=7)");
	rig_free(r);
}

static void problems(void **state)
{
	struct rig *r = rig_new(5);

	(void)state;
	rig_start(r);
	rig_want(r, "b", "!first !second");
	rig_want(r, "a", "sets:k=1 sets:k=2 !own");
	rig_pass(r);
	rig_sent(r, "the first of two is taken", "sets(+k=1)");
	rig_problems(r, "sorted by owner",
		     "o/a: own\n"
		     "o/a: sets k: wanted with two different values\n"
		     "o/b: first\no/b: second\n");
	rig_want(r, "b", "!1 !2 !3 !4 !5 !6 !7 !8 !9 !10");
	rig_want(r, "a", NULL);
	rig_pass(r);
	rig_problems(r, "at most eight",
		     "o/b: 1\no/b: 2\no/b: 3\no/b: 4\no/b: 5\no/b: 6\n"
		     "o/b: 7\no/b: 8\n");
	rig_want(r, "b", NULL);
	rig_pass(r);
	rig_problems(r, "gone", "");
	rig_free(r);
}

static void table_full(void **state)
{
	struct rig *r = rig_new(6);

	(void)state;
	r->descs[RIG_SETS].max_rows = 2;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a sets:b");
	rig_pass(r);
	rig_sent(r, "two fit", "sets(+a +b)");
	rig_want(r, "y", "sets:b sets:c routes:r");
	rig_pass(r);
	rig_sent(r, "no third row; a shared one and the other table are fine", "routes(+r)");
	rig_problems(r, "told", "o/y: sets: the table is full (2 rows)\n");
	CHECK("counted", rig_stats(r, RIG_SETS).refused == 1);
	rig_want(r, "x", "sets:b");
	rig_pass(r);
	rig_pass(r);
	rig_sent(r, "room is used at once", "sets(-a) sets(+c)");
	rig_problems(r, "over", "");
	rig_free(r);
}

static void sizes(void **state)
{
	struct rig *r = rig_new(7);
	char *text = xmalloc(ENGINE_KEY_MAX + 8);

	(void)state;
	r->kernels[RIG_SETS].journal = NULL;
	rig_start(r);
	memcpy(text, "sets:", 5);
	memset(text + 5, 'k', ENGINE_KEY_MAX);
	text[5 + ENGINE_KEY_MAX] = '\0';
	rig_want(r, "x", text);
	rig_pass(r);
	CHECK("longest key", r->kernels[RIG_SETS].n_ops == 1);
	memcpy(text + 5 + ENGINE_KEY_MAX, "k", 2);
	rig_want(r, "x", text);
	rig_pass(r);
	CHECK("too long", r->kernels[RIG_SETS].n_ops == 1);
	rig_problems(r, "named",
		     "o/x: sets: key of 1025 bytes or value of 0 bytes is not possible\n");
	rig_want(r, "x", "sets:");
	rig_pass(r);
	rig_problems(r, "no key",
		     "o/x: sets: key of 0 bytes or value of 0 bytes is not possible\n");
	free(text);
	rig_free(r);
}

static void plan_too_much(void *arg, const char *owner, struct claims *c)
{
	struct rig *r = arg;

	(void)owner;
	for (size_t i = 0; i <= ENGINE_CLAIMS_MAX; i++)
		claim(c, r->tables[RIG_SETS], fake_bytes("k"), fake_bytes("v"));
}

static void claims_of_one_owner(void **state)
{
	struct rig *r = rig_new(8);
	struct owner_kind *kind;

	(void)state;
	rig_start(r);
	kind = engine_owner_kind_add(r->e, "big", plan_too_much, r);
	engine_dirty(kind, "x");
	rig_pass(r);
	rig_problems(r, "named", "big/x: sets: more than 1048576 claims\n");
	CHECK("one refused", rig_stats(r, RIG_SETS).refused == 1);
	rig_sent(r, "the rest is taken", "sets(+k=v)");
	rig_free(r);
}

static void owners_at_most(void **state)
{
	struct rig *r = rig_new(9);
	struct engine_stats stats;

	(void)state;
	rig_build(r); /* not started: nothing is planned */
	for (unsigned i = 0; i <= ENGINE_OWNERS_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%x", i);
		engine_dirty(r->kind, name);
	}
	engine_stats_get(r->e, &stats);
	CHECK("one refused", stats.owners_refused == 1);
	rig_free(r);
}

/* Many owners of one row, leaving in the order in which they win. */
static void crowd(void **state)
{
	struct rig *r = rig_new(10);
	char name[16];

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "%04u", i);
		rig_want(r, name, "sets:a=1");
	}
	rig_pass(r);
	rig_sent(r, "one row", "sets(+a=1)");
	for (unsigned i = 0; i < 4999; i++) {
		(void)snprintf(name, sizeof(name), "%04u", i);
		rig_want(r, name, NULL);
	}
	rig_pass(r);
	rig_sent(r, "one left", "");
	rig_row(r, "the last", RIG_SETS, "a", "1/1 ok o/4999");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_diff),    cmocka_unit_test(sharing),
		cmocka_unit_test(conflict),       cmocka_unit_test(preference),
		cmocka_unit_test(problems),       cmocka_unit_test(table_full),
		cmocka_unit_test(sizes),          cmocka_unit_test(claims_of_one_owner),
		cmocka_unit_test(owners_at_most), cmocka_unit_test(crowd),
	};

	return cmocka_run_group_tests_name("engine/claim", tests, NULL, NULL);
}
