/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rig.h"

#include <errno.h>

#include "base/mem.h"

/* When the next operation is sent, in milliseconds from now. */
static int64_t next_op_ms(struct rig *r, int64_t limit_ms)
{
	size_t before = r->kernels[RIG_SETS].n_ops;
	int64_t ms = 0;

	while (r->kernels[RIG_SETS].n_ops == before && ms < limit_ms) {
		rig_ms(r, 1);
		ms++;
	}
	return ms;
}

static void back_off(void **state)
{
	struct rig *r = rig_new(1);
	int64_t want_ms = 100;

	(void)state;
	rig_start(r);
	r->kernels[RIG_SETS].bad_key = "bad";
	r->kernels[RIG_SETS].bad_err = -EINVAL;
	rig_want(r, "x", "sets:bad=1 sets:good=1 chains:c=1");
	rig_pass(r);
	rig_sent(r, "the others go on", "sets(+bad=1 +good=1) chains(+c=1)");
	rig_row(r, "shown", RIG_SETS, "bad", "1/- failed o/x Invalid argument (told to fail) x1");
	CHECK("idle while it waits", engine_is_idle(r->e));
	for (unsigned i = 0; i < 12; i++) {
		int64_t ms = next_op_ms(r, 60000);

		CHECK("not before three quarters", ms >= want_ms * 3 / 4 - 5);
		CHECK("not after", ms <= want_ms + 5);
		want_ms = MIN(2 * want_ms, (int64_t)30000);
	}
	CHECK("counted",
	      rig_stats(r, RIG_SETS).failures == 13 && rig_stats(r, RIG_SETS).n_failed == 1);
	r->kernels[RIG_SETS].bad_key = NULL;
	rig_ms(r, 31000);
	rig_row(r, "works again", RIG_SETS, "bad", "1/1 ok o/x");
	CHECK("none failed", rig_stats(r, RIG_SETS).n_failed == 0);
	CHECK("good one was sent once", r->kernels[RIG_SETS].n_ops == 15);
	rig_free(r);
}

/* The reason is over, says the reconciler: nobody waits, other tables' rows still do. */
static void retry_told(void **state)
{
	struct rig *r = rig_new(1);
	struct fake_kernel *sets;

	(void)state;
	rig_start(r);
	sets = &r->kernels[RIG_SETS];
	sets->bad_key = r->kernels[RIG_CHAINS].bad_key = "bad";
	sets->bad_err = r->kernels[RIG_CHAINS].bad_err = -ENETUNREACH;
	rig_want(r, "x", "sets:bad=1 sets:good=1 chains:bad=1");
	rig_pass(r);
	for (unsigned i = 0; i < 8; i++) /* the waits are long by now */
		(void)next_op_ms(r, 60000);
	strbuf_clear(&r->journal);
	sets->sink.retry(sets->sink.arg);
	rig_pass(r);
	rig_sent(r, "at once, alone, in vain", "sets(+bad=1)");
	CHECK("the count of failures stays", next_op_ms(r, 60000) > 5000);
	strbuf_clear(&r->journal);
	sets->bad_key = NULL;
	sets->sink.retry(sets->sink.arg);
	sets->sink.retry(sets->sink.arg);
	rig_pass(r);
	rig_sent(r, "once", "sets(+bad=1)");
	rig_row(r, "works", RIG_SETS, "bad", "1/1 ok o/x");
	sets->sink.retry(sets->sink.arg);
	rig_pass(r);
	rig_sent(r, "nothing waits", "");
	rig_free(r);
}

/* A row that drifted more than once need not wait either. */
static void retry_told_of_drift(void **state)
{
	struct rig *r = rig_new(1);
	struct fake_kernel *sets;

	(void)state;
	rig_start(r);
	sets = &r->kernels[RIG_SETS];
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	for (unsigned i = 0; i < 6; i++) {
		fake_change(sets, "a", NULL);
		rig_ms(r, 4000);
	}
	strbuf_clear(&r->journal);
	fake_change(sets, "a", NULL);
	rig_pass(r);
	rig_sent(r, "waits", "");
	sets->sink.retry(sets->sink.arg);
	rig_pass(r);
	rig_sent(r, "no more", "sets(+a=1)");
	rig_free(r);
}

static void wish_changes(void **state)
{
	struct rig *r = rig_new(2);

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "there", "sets(+a=1)");
	r->kernels[RIG_SETS].bad_key = "a";
	r->kernels[RIG_SETS].bad_err = -EIO;
	rig_want(r, "x", "sets:a=2");
	rig_pass(r);
	rig_want(r, "x", "sets:a=3");
	rig_pass(r);
	rig_sent(r, "another value is tried at once", "sets(+a=2) sets(+a=3)");
	rig_row(r, "failed twice", RIG_SETS, "a",
		"3/1 failed o/x Input/output error (told to fail) x2");
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	rig_sent(r, "back to what is there", "");
	rig_row(r, "in order", RIG_SETS, "a", "1/1 ok o/x");
	CHECK("no failure for planners", table_failure(r->tables[RIG_SETS], fake_bytes("a")) == 0);
	rig_want(r, "x", NULL);
	rig_pass(r);
	rig_sent(r, "removal fails", "sets(-a)");
	rig_row(r, "it is still there", RIG_SETS, "a",
		"-/1 failed Input/output error (told to fail) x1");
	r->kernels[RIG_SETS].bad_key = NULL;
	rig_ms(r, 200);
	rig_sent(r, "again", "sets(-a)");
	CHECK("gone", rig_stats(r, RIG_SETS).n_rows == 0);
	rig_want(r, "x", "sets:new=1");
	r->kernels[RIG_SETS].bad_key = "new";
	rig_pass(r);
	rig_want(r, "x", NULL);
	rig_ms(r, 60000);
	rig_sent(r, "nobody wants it any more", "sets(+new=1)");
	CHECK("forgotten", rig_stats(r, RIG_SETS).n_rows == 0);
	rig_free(r);
}

static void failed_but_seen(void **state)
{
	struct rig *r = rig_new(3);
	struct fake_kernel *k = &r->kernels[RIG_SETS];

	(void)state;
	rig_start(r);
	k->bad_key = "a";
	k->bad_err = -ETIMEDOUT;
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	fake_change(k, "a", "1");
	rig_ms(r, 60000);
	rig_sent(r, "an event shows it: no more tries", "sets(+a=1)");
	rig_row(r, "in order", RIG_SETS, "a", "1/1 ok o/x");
	rig_free(r);
}

struct replan {
	struct rig *r;
	unsigned n_plans;
};

/* Wants a set; while that fails, a chain that does without it. */
static void plan_fallback(void *arg, const char *owner, struct claims *c)
{
	struct replan *p = arg;

	(void)owner;
	p->n_plans++;
	claim(c, p->r->tables[RIG_SETS], fake_bytes("s"), fake_bytes("1"));
	if (table_failure(p->r->tables[RIG_SETS], fake_bytes("s")) < 0)
		claim(c, p->r->tables[RIG_CHAINS], fake_bytes("closed"), fake_bytes("1"));
}

static void feedback(void **state)
{
	struct rig *r = rig_new(4);
	struct replan p = { .r = r };

	(void)state;
	r->descs[RIG_SETS].replan_on_failure = true;
	rig_start(r);
	engine_table_release(r->tables[RIG_CHAINS]);
	r->kernels[RIG_SETS].bad_key = "s";
	r->kernels[RIG_SETS].bad_err = -ENOMEM;
	engine_dirty(engine_owner_kind_add(r->e, "p", plan_fallback, &p), "x");
	rig_pass(r);
	rig_pass(r);
	rig_sent(r, "its failure is an input", "sets(+s=1) chains(+closed=1)");
	rig_ms(r, 1000);
	CHECK("not planned for each failure", p.n_plans == 2);
	strbuf_clear(&r->journal);
	r->kernels[RIG_SETS].bad_key = NULL;
	rig_ms(r, 60000);
	rig_sent(r, "its success is, too", "sets(+s=1) chains(-closed)");
	CHECK("planned once for it", p.n_plans == 3);
	rig_free(r);
}

static uint64_t zero(void *arg)
{
	(void)arg;
	return 0;
}

/* Every row of many fails, each waits its own time; all get through. */
static void many_failures(void **state)
{
	struct rig *r = rig_new(5);
	struct fake_kernel *k = &r->kernels[RIG_SETS];
	struct strbuf claims CLEANUP_STRBUF = STRBUF_INIT;

	(void)state;
	rig_start(r);
	for (unsigned i = 0; i < 900; i++)
		strbuf_fmt(&claims, "%ssets:k%u=1", i ? " " : "", i);
	k->journal = NULL;
	k->random = zero;
	k->fail_percent = 100;
	rig_want(r, "x", strbuf_text(&claims));
	rig_pass(r);
	CHECK("all wait", rig_stats(r, RIG_SETS).n_failed == 900);
	rig_ms(r, 1600); /* tries at about 0, 100, 300, 700 and 1500 ms */
	CHECK("tries", k->n_ops >= 900 * 4 && k->n_ops <= 900 * 6);
	k->fail_percent = 0;
	rig_ms(r, 3300);
	CHECK("all are there", rig_stats(r, RIG_SETS).n_present == 900);
	CHECK("none failed", rig_stats(r, RIG_SETS).n_failed == 0 && engine_is_idle(r->e));
	rig_free(r);
}

static int is_late(void *arg, const struct row_view *row)
{
	(void)arg;
	return row->state == ROW_FAILED && row->retry_in_us <= 0;
}

/* Rows leave the middle of the queue: none of the others may be forgotten there. */
static void leaving(void **state)
{
	struct rig *r = rig_new(6);
	struct fake_kernel *k = &r->kernels[RIG_SETS];
	char owner[16], claims[40];

	(void)state;
	rig_start(r);
	k->journal = NULL;
	k->random = zero;
	k->fail_percent = 100;
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(owner, sizeof(owner), "%u", i);
		(void)snprintf(claims, sizeof(claims), "sets:k%u=1", i);
		rig_want(r, owner, claims);
		rig_ms(r, i % 20); /* many different ages */
	}
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(owner, sizeof(owner), "%u", i * 7 % 400);
		if (i % 4 != 0)
			rig_want(r, owner, NULL);
		rig_ms(r, 10);
		CHECK("none is late", table_walk(r->tables[RIG_SETS], is_late, NULL) == 0);
	}
	CHECK("the rest", rig_stats(r, RIG_SETS).n_rows == 100);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(back_off),        cmocka_unit_test(wish_changes),
		cmocka_unit_test(failed_but_seen), cmocka_unit_test(feedback),
		cmocka_unit_test(many_failures),   cmocka_unit_test(leaving),
		cmocka_unit_test(retry_told),      cmocka_unit_test(retry_told_of_drift),
	};

	return cmocka_run_group_tests_name("engine/retry", tests, NULL, NULL);
}
