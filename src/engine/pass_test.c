/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rig.h"

#include <errno.h>

#include "base/mem.h"

static void stages(void **state)
{
	struct rig *r = rig_new(1);

	(void)state;
	rig_start(r);
	for (size_t i = 0; i < RIG_N; i++)
		engine_table_release(r->tables[i]);
	rig_want(r, "x", "routes:r=1 chains:c=1 sets:s=1");
	rig_want(r, "y", "sets:t=1 routes:q=1");
	rig_pass(r);
	rig_sent(r, "upwards, one apply each", "sets(+s=1 +t=1) chains(+c=1) routes(+r=1 +q=1)");
	rig_want(r, "x", "chains:c=2 routes:n=1");
	rig_want(r, "y", NULL);
	rig_pass(r);
	rig_sent(r, "sets before removals, these downwards",
		 "chains(+c=2) routes(+n=1) routes(-r -q) sets(-s -t)");
	rig_free(r);
}

static void del_first(void **state)
{
	struct rig *r = rig_new(2);

	(void)state;
	r->descs[RIG_CHAINS].del_first = true;
	rig_start(r);
	for (size_t i = 0; i < RIG_N; i++)
		engine_table_release(r->tables[i]);
	rig_want(r, "x", "chains:a routes:a sets:a");
	rig_pass(r);
	rig_sent(r, "as ever", "sets(+a) chains(+a) routes(+a)");
	rig_want(r, "x", "chains:b routes:b sets:b");
	rig_pass(r);
	rig_sent(r, "within its stage",
		 "sets(+b) chains(-a) chains(+b) routes(+b) routes(-a) sets(-a)");
	rig_free(r);
}

static void barrier(void **state)
{
	struct rig *r = rig_new(3);

	(void)state;
	rig_start(r);
	for (size_t i = 0; i < RIG_N; i++) {
		engine_table_release(r->tables[i]);
		r->kernels[i].hold = true;
	}
	rig_want(r, "x", "sets:s sets:t chains:c");
	rig_pass(r);
	rig_sent(r, "first stage", "sets(+s +t)");
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	rig_ms(r, 1000);
	rig_sent(r, "half of the results", "");
	rig_want(r, "y", "routes:r sets:u"); /* waits for the next pass */
	fake_results(&r->kernels[RIG_SETS], 1, -EBUSY);
	rig_ms(r, 0);
	rig_sent(r, "failed or not, all are in", "chains(+c)");
	CHECK("not idle", r->n_idle == 0 && !engine_is_idle(r->e));
	fake_results(&r->kernels[RIG_CHAINS], 1, 0);
	rig_ms(r, 0);
	rig_sent(r, "the next pass starts at once: it waited long enough", "sets(+u)");
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	rig_ms(r, 0);
	rig_sent(r, "and goes on", "routes(+r)");
	fake_results(&r->kernels[RIG_ROUTES], 1, 0);
	rig_ms(r, 0);
	rig_ms(r, 200);
	rig_sent(r, "the failed one again", "sets(+t)");
	rig_free(r);
}

static void seen_while_waiting(void **state)
{
	struct rig *r = rig_new(13);

	(void)state;
	rig_start(r);
	r->kernels[RIG_SETS].hold = true;
	rig_want(r, "x", "sets:s chains:c=1 chains:d=1");
	rig_pass(r);
	fake_change(&r->kernels[RIG_CHAINS], "c", "1");
	rig_ms(r, 10);
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	rig_pass(r);
	rig_sent(r, "c needs nothing any more", "sets(+s) chains(+d=1)");
	CHECK("all there", engine_is_idle(r->e) && rig_stats(r, RIG_CHAINS).n_present == 2);
	rig_free(r);
}

static void coalescing(void **state)
{
	struct rig *r = rig_new(4);

	(void)state;
	rig_start(r);
	rig_ms(r, 10);
	rig_want(r, "x", "sets:a");
	rig_sent(r, "quiet: not on the caller's stack", "");
	ev_sim_settle(r->loop);
	rig_sent(r, "quiet: in the same turn", "sets(+a)");
	rig_want(r, "x", "sets:b");
	ev_sim_advance(r->loop, ENGINE_DELAY_IDLE_US - 1);
	rig_sent(r, "after a pass: not before 2 ms", "");
	ev_sim_advance(r->loop, 1);
	rig_sent(r, "after a pass: at 2 ms", "sets(+b)");

	for (unsigned i = 0; i < 100; i++) { /* an event each millisecond */
		char claims[24];

		(void)snprintf(claims, sizeof(claims), "sets:a=%u", i);
		rig_want(r, "x", claims);
		rig_sent(r, "busy: not before 100 ms", "");
		rig_ms(r, 1);
	}
	rig_sent(r, "busy: at 100 ms", "sets(+a=99)");
	rig_free(r);
}

static void in_flight(void **state)
{
	struct rig *r = rig_new(5);
	struct engine_stats stats;

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	r->kernels[RIG_SETS].hold = true;
	rig_want(r, "x", "sets:a=1 routes:r=1");
	rig_pass(r);
	rig_sent(r, "sent", "sets(+a=1)");
	rig_want(r, "x", "sets:a=2 routes:r=1");
	rig_ms(r, ENGINE_STEP_WAIT_US / US_PER_MS - 10);
	rig_sent(r, "waits", "");
	rig_ms(r, 20);
	rig_sent(r, "the rest goes on without it, the row does not", "routes(+r=1)");
	engine_stats_get(r->e, &stats);
	CHECK("counted", stats.step_timeouts == 1);
	rig_row(r, "pending", RIG_SETS, "a", "2/- pending o/x");
	rig_want(r, "x", "sets:a=3 routes:r=1");
	rig_ms(r, 100);
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	rig_pass(r);
	rig_sent(r, "judged on the result", "sets(+a=3)");
	rig_row(r, "first value is there", RIG_SETS, "a", "3/1 pending o/x");
	rig_want(r, "x", NULL);
	rig_ms(r, ENGINE_STEP_WAIT_US / US_PER_MS);
	fake_results(&r->kernels[RIG_SETS], 1, -EIO);
	rig_pass(r);
	rig_sent(r, "wish gone, and failed: what was there is removed", "sets(-a)");
	rig_free(r);
}

static void in_flight_back(void **state)
{
	struct rig *r = rig_new(6);

	(void)state;
	rig_start(r);
	engine_table_release(r->tables[RIG_SETS]);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	r->kernels[RIG_SETS].hold = true;
	rig_want(r, "x", NULL);
	rig_pass(r);
	rig_sent(r, "set, removed", "sets(+a=1) sets(-a)");
	rig_want(r, "x", "sets:a=1");
	rig_ms(r, ENGINE_STEP_WAIT_US / US_PER_MS + 10);
	rig_sent(r, "one at a time", "");
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	rig_pass(r);
	rig_sent(r, "wanted again", "sets(+a=1)");
	rig_free(r);
}

static void overdue(void **state)
{
	struct rig *r = rig_new(7);

	(void)state;
	rig_start(r);
	r->kernels[RIG_SETS].hold = true;
	rig_want(r, "x", "sets:a sets:b");
	rig_pass(r);
	rig_ms(r, ENGINE_OVERDUE_US / US_PER_MS - 10);
	CHECK("not yet", rig_stats(r, RIG_SETS).overdue == 0);
	rig_ms(r, 20);
	CHECK("counted once each", rig_stats(r, RIG_SETS).overdue == 2);
	rig_ms(r, 10 * ENGINE_OVERDUE_US / US_PER_MS);
	CHECK("still", rig_stats(r, RIG_SETS).overdue == 2);
	rig_sent(r, "never sent twice", "sets(+a +b)");
	fake_results(&r->kernels[RIG_SETS], 2, 0);
	rig_pass(r);
	CHECK("late is better than never", engine_is_idle(r->e) && r->n_idle == 1);
	rig_row(r, "present", RIG_SETS, "a", "/ ok o/x");
	rig_free(r);
}

static void tags(void **state)
{
	struct rig *r = rig_new(8);
	struct row_sink *sink = &r->kernels[RIG_SETS].sink;
	uint32_t tag;

	(void)state;
	rig_start(r);
	r->kernels[RIG_SETS].hold = true;
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	tag = fake_tag(&r->kernels[RIG_SETS], 0);
	sink->result(sink->arg, tag + 1, 0, "");
	sink->result(sink->arg, ~tag, 0, "");
	rig_pass(r);
	CHECK("unknown", rig_stats(r, RIG_SETS).stray_results == 2 && !engine_is_idle(r->e));
	fake_results(&r->kernels[RIG_SETS], 1, 0);
	sink->result(sink->arg, tag, -EIO, "");
	rig_pass(r);
	CHECK("double", rig_stats(r, RIG_SETS).stray_results == 3);
	rig_row(r, "the first counts", RIG_SETS, "a", "1/1 ok o/x");
	rig_want(r, "x", "sets:a=2");
	rig_pass(r);
	CHECK("another tag in the same slot", fake_tag(&r->kernels[RIG_SETS], 0) != tag);
	sink->result(sink->arg, tag, -EIO, "");
	rig_pass(r);
	CHECK("late", rig_stats(r, RIG_SETS).stray_results == 4);
	rig_row(r, "not touched", RIG_SETS, "a", "2/1 pending o/x");
	rig_free(r);
}

static void plan_many(void *arg, const char *owner, struct claims *c)
{
	struct rig *r = arg;
	char key[16];

	(void)owner;
	for (unsigned i = 0; i < ENGINE_APPLY_MAX + 5; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		claim(c, r->tables[RIG_SETS], fake_bytes(key), (struct bytes){ 0 });
	}
	claim(c, r->tables[RIG_CHAINS], fake_bytes("c"), (struct bytes){ 0 });
}

static void many_rows(void **state)
{
	struct rig *r = rig_new(9);

	(void)state;
	r->descs[RIG_SETS].max_rows = ENGINE_ROWS_MAX;
	r->kernels[RIG_SETS].journal = NULL;
	rig_start(r);
	engine_dirty(engine_owner_kind_add(r->e, "many", plan_many, r), "x");
	rig_pass(r);
	CHECK("all", r->kernels[RIG_SETS].n_ops == ENGINE_APPLY_MAX + 5);
	CHECK("two applies", r->kernels[RIG_SETS].n_applies == 2);
	rig_sent(r, "then the next stage", "chains(+c)");
	CHECK("idle",
	      engine_is_idle(r->e) && rig_stats(r, RIG_SETS).n_present == ENGINE_APPLY_MAX + 5);
	rig_free(r);
}

static void idle(void **state)
{
	struct rig *r = rig_new(10);

	(void)state;
	rig_start(r);
	CHECK("ready once", r->n_ready == 1);
	CHECK("idle without a pass", engine_is_idle(r->e) && r->n_idle == 0);
	rig_want(r, "x", "sets:a=1");
	CHECK("dirty", !engine_is_idle(r->e));
	rig_pass(r);
	CHECK("after a pass", engine_is_idle(r->e) && r->n_idle == 1);
	rig_want(r, "x", "sets:a=1");
	rig_pass(r);
	CHECK("also one without operations", r->n_idle == 2);
	rig_ms(r, 1000);
	CHECK("quiet", r->n_idle == 2);
	rig_free(r);
}

static void start_waits(void **state)
{
	struct rig *r = rig_new(11);

	(void)state;
	r->kernels[RIG_ROUTES].hold_dumps = true;
	rig_start(r);
	rig_want(r, "x", "sets:a=1 routes:r=1");
	rig_ms(r, ENGINE_START_WAIT_US / US_PER_MS - 10);
	rig_sent(r, "waits for the first dump of each", "");
	rig_ms(r, 20);
	rig_sent(r, "not for ever, but the table waits", "sets(+a=1)");
	CHECK("ready without it", r->n_ready == 1);
	fake_dump(&r->kernels[RIG_ROUTES]);
	rig_pass(r);
	rig_sent(r, "then its rows", "routes(+r=1)");
	CHECK("ready once", r->n_ready == 1);
	rig_free(r);
}

static void start_with_failure(void **state)
{
	struct rig *r = rig_new(12);

	(void)state;
	r->kernels[RIG_ROUTES].dump_err = -EINTR;
	rig_start(r);
	rig_want(r, "x", "sets:a=1 routes:r=1");
	rig_pass(r);
	rig_sent(r, "the others go on at once", "sets(+a=1)");
	CHECK("not ready", r->n_ready == 0);
	r->kernels[RIG_ROUTES].dump_err = 0;
	rig_ms(r, 150);
	rig_sent(r, "asked again", "routes(+r=1)");
	CHECK("ready", r->n_ready == 1 && rig_stats(r, RIG_ROUTES).dump_failures == 1);
	rig_free(r);
}

static void start_with_lasting_failure(void **state)
{
	struct rig *r = rig_new(13);

	(void)state;
	r->kernels[RIG_ROUTES].dump_err = -ENOENT;
	rig_start(r);
	rig_ms(r, ENGINE_START_WAIT_US / US_PER_MS - 10);
	CHECK("waits", r->n_ready == 0);
	rig_ms(r, 20);
	CHECK("a feature the kernel lacks keeps nobody else waiting", r->n_ready == 1);
	rig_want(r, "x", "sets:a=1 routes:r=1");
	rig_pass(r);
	rig_sent(r, "its rows wait", "sets(+a=1)");
	rig_ms(r, ENGINE_START_WAIT_US / US_PER_MS);
	CHECK("once", r->n_ready == 1);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages),
		cmocka_unit_test(del_first),
		cmocka_unit_test(barrier),
		cmocka_unit_test(coalescing),
		cmocka_unit_test(seen_while_waiting),
		cmocka_unit_test(in_flight),
		cmocka_unit_test(in_flight_back),
		cmocka_unit_test(overdue),
		cmocka_unit_test(tags),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(idle),
		cmocka_unit_test(start_waits),
		cmocka_unit_test(start_with_failure),
		cmocka_unit_test(start_with_lasting_failure),
	};

	return cmocka_run_group_tests_name("engine/pass", tests, NULL, NULL);
}
