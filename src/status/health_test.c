/* SPDX-License-Identifier: Apache-2.0 */
#include "status/health.h"

#include "base/log.h"
#include "base/test.h"
#include "ev/ev.h"
#include "ev/sim.h"

static void test_pulse(void **state)
{
	static const struct {
		const char *name;
		int64_t period_us, first_us, last_us; /* beats; -1: none */
		int64_t at_us;
		bool late;
	} rows[] = {
		{ "no beat yet, in time", 60 * US_PER_S, -1, -1, 61500 * US_PER_MS, false },
		{ "no beat yet, late", 60 * US_PER_S, -1, -1, 61500 * US_PER_MS + 1, true },
		{ "first beat at once", 10 * US_PER_S, 0, 0, 11500 * US_PER_MS, false },
		{ "first beat at once, late", 10 * US_PER_S, 0, 0, 11500 * US_PER_MS + 1, true },
		{ "the first beat took 7 s", 10 * US_PER_S, 7 * US_PER_S, 7 * US_PER_S,
		  25500 * US_PER_MS, false },
		{ "the first beat took 7 s, late", 10 * US_PER_S, 7 * US_PER_S, 7 * US_PER_S,
		  25500 * US_PER_MS + 1, true },
		{ "learned from the first only", 10 * US_PER_S, 1 * US_PER_S, 9 * US_PER_S,
		  21500 * US_PER_MS, false },
		{ "learned from the first only, late", 10 * US_PER_S, 1 * US_PER_S, 9 * US_PER_S,
		  21500 * US_PER_MS + 1, true },
		{ "the longest period there is", INT64_MAX / 1000, 0, 0, 3600 * US_PER_S, false },
		{ "a period that would overflow", INT64_MAX, 0, 0, 3600 * US_PER_S, false },
	};
	const struct mono start = { 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct health_pulse p = health_pulse_start(start, rows[i].period_us);

		if (rows[i].first_us >= 0)
			health_pulse_beat(&p, mono_add_us(start, rows[i].first_us));
		if (rows[i].last_us > rows[i].first_us)
			health_pulse_beat(&p, mono_add_us(start, rows[i].last_us));
		CHECK(rows[i].name,
		      health_pulse_is_late(&p, mono_add_us(start, rows[i].at_us)) == rows[i].late);
	}
}

struct lines {
	unsigned missed, back;
};

static void on_line(void *arg, const char *line)
{
	struct lines *l = arg;

	l->missed += strstr(line, "Network Policy Controller heartbeat missed") != NULL;
	l->back += strstr(line, "Network Policy Controller heartbeat is back") != NULL;
}

static void test_evaluation(void **state)
{
	struct ev_loop *loop = ev_new_sim(1);
	struct health *h = health_new(loop);
	struct health_component *policy, *routes;
	struct lines lines = { 0 };

	(void)state;
	log_sink_set(on_line, &lines);
	CHECK("without components", health_is_ok(h));
	CHECK("not ready", !health_is_ready(h));
	policy = health_add(h, "Network Policy Controller", 10 * US_PER_S);
	routes = health_add(h, "Routes Sync Controller", 3600 * US_PER_S);
	(void)ev_sim_advance(loop, 11500 * US_PER_MS);
	CHECK("in time", health_is_ok(h));
	/* evaluated at 15 s: nobody has to ask */
	(void)ev_sim_advance(loop, 3600 * US_PER_MS);
	CHECK("late", !health_is_ok(h));
	CHECK("logged", lines.missed == 1);
	(void)ev_sim_advance(loop, 20 * US_PER_S);
	CHECK("logged once", lines.missed == 1 && lines.back == 0);
	health_beat(routes);
	CHECK("another's beat does not help", !health_is_ok(h));
	health_beat(policy);
	CHECK("its own does, at once", health_is_ok(h));
	CHECK("logged, too", lines.back == 1);
	health_set_ready(h, true);
	CHECK("ready", health_is_ready(h));
	health_set_ready(h, false);
	CHECK("ready no more", !health_is_ready(h));
	health_free(h);
	ev_free(loop);
	log_sink_set(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pulse),
		cmocka_unit_test(test_evaluation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
