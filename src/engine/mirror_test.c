/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rig.h"

#include <errno.h>

#include "base/mem.h"

static void adoption(void **state)
{
	struct rig *r = rig_new(1);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	fake_put(k, "a", "1");
	fake_put(k, "b", "old");
	fake_put(k, "c", "1");
	rig_start(r);
	CHECK("adopted", rig_stats(r, RIG_SETS).adopted == 3);
	rig_want(r, "x", "sets:a=1 sets:b=2");
	rig_pass(r);
	rig_sent(r, "only what differs", "sets(+b=2)");
	rig_row(r, "kept until released", RIG_SETS, "c", "-/1 unwanted");
	rig_ms(r, 60000);
	engine_table_release(r->tables[RIG_SETS]);
	rig_pass(r);
	rig_sent(r, "released", "sets(-c)");
	CHECK("no drift", rig_stats(r, RIG_SETS).drift == 0);
	fake_change(k, "late", "1");
	rig_pass(r);
	rig_sent(r, "one of ours appears: nobody wants it", "sets(-late)");
	rig_free(r);
}

static void keep_unclaimed(void **state)
{
	struct rig *r = rig_new(2);

	(void)state;
	r->descs[RIG_SETS].keep_unclaimed = true;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	rig_want(r, "x", NULL);
	rig_pass(r);
	rig_sent(r, "set and left", "sets(+a=1)");
	rig_row(r, "shown", RIG_SETS, "a", "-/1 unwanted");
	CHECK("idle", engine_is_idle(r->e));
	rig_free(r);
}

/* "*" accepts everything. */
static bool same_or_star(struct bytes want, struct bytes have)
{
	return (want.len == 1 && memcmp(want.data, "*", 1) == 0) ||
	       (want.len == have.len && memcmp(want.data, have.data, want.len) == 0);
}

static void same(void **state)
{
	struct rig *r = rig_new(3);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	r->descs[RIG_SETS].same = same_or_star;
	fake_put(k, "a", "7");
	rig_start(r);
	rig_want(r, "x", "sets:a=* sets:b=*");
	rig_pass(r);
	rig_sent(r, "7 is fine", "sets(+b=*)");
	fake_change(k, "b", "8");
	fake_change(k, "a", "9");
	rig_pass(r);
	rig_sent(r, "so are others", "");
	CHECK("no drift", rig_stats(r, RIG_SETS).drift == 0);
	rig_row(r, "what is there", RIG_SETS, "b", "*/8 ok o/x");
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "now it matters", "sets(+a=1)");
	rig_free(r);
}

static void drift(void **state)
{
	struct rig *r = rig_new(4);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	rig_want(r, "x", "sets:a=1 sets:b=1 sets:c=1");
	rig_pass(r);
	rig_sent(r, "there", "sets(+a=1 +b=1 +c=1)");
	fake_change(k, "a", "9");
	fake_change(k, "b", NULL);
	fake_change(k, "c", "1");
	rig_pass(r);
	rig_sent(r, "repaired in the next pass", "sets(+a=1 +b=1)");
	CHECK("counted", rig_stats(r, RIG_SETS).drift == 2);
	fake_change(k, "nobody", NULL);
	rig_pass(r);
	CHECK("unknown is ignored", rig_stats(r, RIG_SETS).drift == 2);
	rig_ms(r, ENGINE_DRIFT_MEMORY_US / US_PER_MS + 10);
	fake_change(k, "a", "9");
	rig_pass(r);
	rig_sent(r, "long after: at once again", "sets(+a=1)");
	rig_free(r);
}

/* Another writer undoes each repair at once. */
static void fight(void **state)
{
	struct rig *r = rig_new(5);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	for (unsigned i = 0; i < 60 * 1000; i++) {
		if (!str_eq(fake_get(k, "a"), "9"))
			fake_change(k, "a", "9");
		rig_ms(r, 1);
		CHECK("never mistaken", k->n_failed == 0);
	}
	CHECK("repaired again and again", k->n_ops > 8);
	CHECK("but not at full speed", k->n_ops < 16);
	rig_row(r, "shown as failing", RIG_SETS, "a",
		"1/9 failed o/x Stale file handle (changed again and again by another writer) x0");
	CHECK("for planners", table_failure(r->tables[RIG_SETS], fake_bytes("a")) == -ESTALE);
	rig_ms(r, 30 * 1000);
	rig_row(r, "it gave up", RIG_SETS, "a", "1/1 ok o/x");
	rig_ms(r, ENGINE_DRIFT_MEMORY_US / US_PER_MS);
	strbuf_clear(&r->journal);
	fake_change(k, "a", "9");
	rig_pass(r);
	rig_sent(r, "forgotten", "sets(+a=1)");
	rig_free(r);
}

static void seen_in_flight(void **state)
{
	static const struct {
		const char *name, *before, *seen;
		int err;
		const char *row, *sent;
		uint64_t drift;
	} rows[] = {
		{ "nothing seen", "old", "", 0, "new/new ok o/x", "", 0 },
		{ "its echo", "old", "new", 0, "new/new ok o/x", "", 0 },
		{ "old news", "old", "old", 0, "new/new ok o/x", "", 0 },
		{ "another writer", "old", "other", 0, "new/new ok o/x", "sets(+a=new)", 1 },
		{ "somebody removed it", "old", NULL, 0, "new/new ok o/x", "sets(+a=new)", 1 },
		{ "absent before and after", NULL, NULL, 0, "new/new ok o/x", "", 0 },
		{ "failed, other seen", "old", "other", -EIO,
		  "new/other failed o/x Input/output error (told to fail) x1", "", 0 },
		{ "failed, echo seen", "old", "new", -EIO, "new/new ok o/x", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(6);
		struct fake_kernel *k = &r->kernels[RIG_SETS];

		fake_put(k, "a", rows[i].before);
		rig_start(r);
		k->hold = true;
		rig_want(r, "x", "sets:a=new");
		rig_pass(r);
		rig_sent(r, rows[i].name, "sets(+a=new)");
		if (!str_eq(rows[i].seen, ""))
			fake_change(k, "a", rows[i].seen);
		rig_pass(r);
		k->hold = false;
		fake_results(k, 1, rows[i].err);
		rig_pass(r);
		rig_sent(r, rows[i].name, rows[i].sent);
		rig_row(r, rows[i].name, RIG_SETS, "a", rows[i].row);
		CHECK(rows[i].name, rig_stats(r, RIG_SETS).drift == rows[i].drift);
		rig_free(r);
	}
}

static void dumps(void **state)
{
	struct rig *r = rig_new(7);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	rig_want(r, "x", "sets:a=1 sets:b=1 sets:c=1");
	rig_pass(r);
	strbuf_clear(&r->journal);
	fake_dump(k);
	rig_pass(r);
	rig_sent(r, "as expected", "");
	fake_put(k, "a", NULL);
	fake_put(k, "b", "2");
	fake_put(k, "d", "1");
	rig_pass(r);
	rig_sent(r, "nobody told", "");
	k->dump_err = -EINTR;
	fake_dump(k);
	rig_pass(r);
	rig_sent(r, "a failed dump tells what it saw, not what it did not", "sets(+b=1)");
	rig_row(r, "still thought to be there", RIG_SETS, "a", "1/1 ok o/x");
	k->dump_err = 0;
	rig_ms(r, 150);
	CHECK("it was asked for again", k->n_dumps == 2);
	rig_sent(r, "now the missing one", "sets(+a=1)");
	CHECK("drift", rig_stats(r, RIG_SETS).drift == 2);
	rig_row(r, "not ours to remove yet", RIG_SETS, "d", "-/1 unwanted");
	rig_free(r);
}

static void dump_beside_operations(void **state)
{
	struct rig *r = rig_new(8);
	struct fake_kernel *k = &r->kernels[RIG_SETS];
	struct row_sink *sink = &k->sink;

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1 sets:gone=1");
	rig_pass(r);
	strbuf_clear(&r->journal);
	sink->dump_begin(sink->arg); /* its snapshot is taken now */
	rig_want(r, "x", "sets:a=2 sets:b=1");
	rig_pass(r);
	rig_sent(r, "while it runs", "sets(+a=2 +b=1) sets(-gone)");
	sink->present(sink->arg, fake_bytes("a"), fake_bytes("1"));
	sink->present(sink->arg, fake_bytes("gone"), fake_bytes("1"));
	sink->dump_end(sink->arg, 0);
	rig_pass(r);
	rig_sent(r, "what the snapshot shows is made sure of; b is not lost",
		 "sets(+a=2) sets(-gone)");
	CHECK("which is not drift", rig_stats(r, RIG_SETS).drift == 0);
	k->hold = true;
	rig_want(r, "x", "sets:a=2 sets:b=1 sets:c=1");
	rig_pass(r);
	fake_dump(k); /* c is there, its result is not */
	rig_pass(r);
	fake_results(k, 1, 0);
	rig_pass(r);
	rig_sent(r, "in flight over a dump", "sets(+c=1)");
	rig_free(r);
}

static void lost(void **state)
{
	struct rig *r = rig_new(9);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1 sets:b=1 sets:c=1");
	rig_pass(r);
	k->hold = true;
	rig_want(r, "x", "sets:a=1 sets:b=1 sets:d=1");
	rig_pass(r);
	strbuf_clear(&r->journal);
	k->hold_dumps = true;
	fake_put(k, "a", NULL);
	fake_put(k, "c", NULL);
	fake_put(k, "d", NULL);
	engine_table_lost(r->tables[RIG_SETS]);
	rig_pass(r);
	rig_row(r, "unknown", RIG_SETS, "a", "1/- pending o/x");
	CHECK("not idle", !engine_is_idle(r->e));
	fake_results(k, 1, -ECANCELED);
	rig_ms(r, 0);
	CHECK("its result says nothing", rig_stats(r, RIG_SETS).n_failed == 0);
	rig_ms(r, 1000);
	rig_sent(r, "nothing is sent in the dark", "");
	k->hold = false;
	fake_dump(k);
	rig_pass(r);
	CHECK("what is missing, and no more", k->n_applies == 3 && k->n_ops == 3 + 1 + 2);
	CHECK("is there", fake_get(k, "a") && fake_get(k, "d") && !fake_get(k, "c"));
	CHECK("not drift, not a failure of the row",
	      rig_stats(r, RIG_SETS).drift == 0 && rig_stats(r, RIG_SETS).n_failed == 0);
	CHECK("idle", engine_is_idle(r->e));
	CHECK("c is gone", rig_stats(r, RIG_SETS).n_rows == 3);
	rig_free(r);
}

/* The one that said yes is gone, and with it what it did. */
static void lost_after_success(void **state)
{
	struct rig *r = rig_new(13);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	k->hold = true;
	k->hold_dumps = true;
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	fake_put(k, "a", NULL);
	engine_table_lost(r->tables[RIG_SETS]);
	rig_pass(r);
	fake_results(k, 1, 0);
	rig_pass(r);
	rig_row(r, "not believed", RIG_SETS, "a", "1/- pending o/x");
	k->hold = false;
	fake_dump(k);
	rig_pass(r);
	rig_sent(r, "sent again", "sets(+a=1) sets(+a=1)");
	rig_free(r);
}

static void too_many_present(void **state)
{
	struct rig *r = rig_new(10);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	r->descs[RIG_SETS].max_rows = 2;
	for (unsigned i = 0; i < 5; i++)
		fake_put(k, (const char *const[]){ "a", "b", "c", "d", "e" }[i], "1");
	rig_start(r);
	CHECK("two are looked at", rig_stats(r, RIG_SETS).n_rows == 2);
	CHECK("three counted", rig_stats(r, RIG_SETS).refused == 3);
	rig_want(r, "x", "sets:x=1 sets:y=1");
	rig_pass(r);
	rig_sent(r, "they take no room from what is wanted", "sets(+x=1 +y=1)");
	engine_table_release(r->tables[RIG_SETS]);
	rig_pass(r);
	fake_dump(k);
	rig_pass(r);
	fake_dump(k);
	rig_pass(r);
	CHECK("in the end all are gone", k->rows.n == 2);
	rig_free(r);
}

/* More sightings than may be queued: dropped, counted, looked at again. */
static void flood(void **state)
{
	struct rig *r = rig_new(11);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	for (size_t i = 0; i < ENGINE_REPORTS_MAX; i++)
		k->sink.present(k->sink.arg, fake_bytes("a"), fake_bytes("1"));
	CHECK("all fit", rig_stats(r, RIG_SETS).dropped == 0);
	fake_change(k, "a", "9");
	CHECK("this one does not", rig_stats(r, RIG_SETS).dropped == 1);
	k->sink.dump_begin(k->sink.arg);
	k->sink.present(k->sink.arg, fake_bytes("a"), fake_bytes("1"));
	k->sink.dump_end(k->sink.arg, 0);
	rig_ms(r, 0);
	CHECK("nor is a dump believed that lost some", rig_stats(r, RIG_SETS).dump_failures == 1);
	CHECK("not seen yet", rig_stats(r, RIG_SETS).drift == 0);
	rig_ms(r, 150);
	CHECK("dumped again", k->n_dumps == 2 && rig_stats(r, RIG_SETS).drift == 1);
	CHECK_STR("repaired", fake_get(k, "a"), "1");
	rig_free(r);
}

static void bad_sighting(void **state)
{
	struct rig *r = rig_new(12);
	struct row_sink *sink = &r->kernels[RIG_SETS].sink;
	char *key = xcalloc(1, ENGINE_KEY_MAX + 1);

	(void)state;
	rig_start(r);
	sink->present(sink->arg, (struct bytes){ key, ENGINE_KEY_MAX + 1 }, (struct bytes){ 0 });
	sink->present(sink->arg, (struct bytes){ key, 0 }, (struct bytes){ 0 });
	sink->dump_end(sink->arg, 0); /* without a begin */
	rig_pass(r);
	CHECK("refused", rig_stats(r, RIG_SETS).refused == 2 && rig_stats(r, RIG_SETS).n_rows == 0);
	free(key);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adoption),
		cmocka_unit_test(keep_unclaimed),
		cmocka_unit_test(same),
		cmocka_unit_test(drift),
		cmocka_unit_test(fight),
		cmocka_unit_test(seen_in_flight),
		cmocka_unit_test(dumps),
		cmocka_unit_test(dump_beside_operations),
		cmocka_unit_test(lost),
		cmocka_unit_test(lost_after_success),
		cmocka_unit_test(too_many_present),
		cmocka_unit_test(flood),
		cmocka_unit_test(bad_sighting),
	};

	return cmocka_run_group_tests_name("engine/mirror", tests, NULL, NULL);
}
