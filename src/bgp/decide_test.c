/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "bgp/decide.h"

/* A row's candidate: pref, hops, first AS, MED, age, router ID, clusters, origin, internal, stale
 */
#define PEER(last)                                                                                 \
	{                                                                                          \
		.family = IP_V4, .bytes = { 10, 0, 0, (last) }                                     \
	}
#define CAND(pref, hops, as, med_, since, id, clusters, origin_, internal, stale, last)            \
	{                                                                                          \
		.local_pref = (pref), .path_len = (hops), .first_as = (as), .med = (med_),         \
		.since_s = (since), .router_id = (id), .cluster_hops = (clusters),                 \
		.origin = (origin_), .is_internal = (internal), .is_llgr_stale = (stale),          \
		.peer = PEER(last)                                                                 \
	}

/* clang-format off */
static const struct {
	const char *name;
	struct bgp_cand better, worse;
} rows[] = {
	{ "1 llgr stale loses against all else",
	  CAND(  1, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5),
	  CAND(500, 2, 65001, 10, 50, 5, 0, 0, 0, 1, 5) },
	{ "2 local pref before path length",
	  CAND(200, 9, 65001, 10, 50, 5, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5) },
	{ "3 shorter path before origin",
	  CAND(100, 1, 65001, 10, 50, 5, 0, 2, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5) },
	{ "4 igp before egp, before med",
	  CAND(100, 2, 65001, 99, 50, 5, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 1, 0, 0, 5) },
	{ "4 egp before incomplete",
	  CAND(100, 2, 65001, 10, 50, 5, 0, 1, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 2, 0, 0, 5) },
	{ "5 lower med of one neighbouring AS, before eBGP",
	  CAND(100, 2, 65001,  9, 50, 5, 0, 0, 1, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5) },
	{ "5 med of two empty paths",
	  CAND(100, 0,     0,  1, 50, 9, 0, 0, 1, 0, 5),
	  CAND(100, 0,     0,  2, 50, 5, 0, 0, 1, 0, 5) },
	{ "5 med of different neighbours is not compared",
	  CAND(100, 2, 65001, 99, 50, 5, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65002,  1, 50, 5, 0, 0, 1, 0, 5) },
	{ "6 external before internal",
	  CAND(100, 2, 65001, 10, 50, 9, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 1, 0, 5) },
	{ "7 older external one before router id",
	  CAND(100, 2, 65001, 10, 49, 9, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5) },
	{ "7 age of internal ones is not asked",
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 1, 0, 5),
	  CAND(100, 2, 65001, 10,  1, 6, 0, 0, 1, 0, 5) },
	{ "8 lower router id, external",
	  CAND(100, 2, 65001, 10, 50, 4, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5) },
	{ "8 router id above 2^31, no sign",
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 0xc0000201u, 0, 0, 0, 0, 5) },
	{ "9 shorter cluster list",
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 1, 0, 6),
	  CAND(100, 2, 65001, 10, 50, 5, 1, 0, 1, 0, 5) },
	{ "10 lower peer address",
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 5),
	  CAND(100, 2, 65001, 10, 50, 5, 0, 0, 0, 0, 6) },
};
/* clang-format on */

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_cand ab[2] = { rows[i].better, rows[i].worse };
		struct bgp_cand ba[2] = { rows[i].worse, rows[i].better };
		int tags[2];

		ab[0].tag = ba[1].tag = &tags[0];
		ab[1].tag = ba[0].tag = &tags[1];
		CHECK(rows[i].name, bgp_decide_cmp(&rows[i].better, &rows[i].worse) < 0);
		CHECK(rows[i].name, bgp_decide_cmp(&rows[i].worse, &rows[i].better) > 0);
		CHECK(rows[i].name, ab[bgp_decide(ab, 2)].tag == &tags[0]);
		CHECK(rows[i].name, ba[bgp_decide(ba, 2)].tag == &tags[0]);
	}
}

/*
 * a beats b by MED, b beats c by router ID, c beats a by router ID: whoever is looked at first
 * would win. b is out (a is the better of that AS), then c beats a.
 */
static void test_med_cycle(void **state)
{
	struct bgp_cand a = CAND(100, 2, 65001, 1, 50, 9, 0, 0, 0, 0, 5);
	struct bgp_cand b = CAND(100, 2, 65001, 2, 50, 3, 0, 0, 0, 0, 5);
	struct bgp_cand c = CAND(100, 2, 65002, 0, 50, 5, 0, 0, 0, 0, 5);
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	(void)state;
	CHECK("a before b", bgp_decide_cmp(&a, &b) < 0);
	CHECK("b before c", bgp_decide_cmp(&b, &c) < 0);
	CHECK("c before a", bgp_decide_cmp(&c, &a) < 0);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		const struct bgp_cand all[3] = { a, b, c };
		struct bgp_cand v[3];

		for (size_t k = 0; k < 3; k++)
			v[k] = all[orders[i][k]];
		CHECK("any order", v[bgp_decide(v, 3)].router_id == 5);
	}
}

/* Property: among random candidates, nobody of the winner's AS and no best of another beats it. */
static void test_random(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct bgp_cand v[9];
		size_t n = 1 + (seed >> 8) % ARRAY_LEN(v), best;
		struct bgp_cand won;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			v[i] = (struct bgp_cand){
				.local_pref = 100,
				.path_len = 1,
				.first_as = 1 + (seed >> 10) % 3,
				.med = (seed >> 13) % 3,
				.is_internal = (seed >> 16) % 2,
				.router_id = (seed >> 18) % 4,
				.peer = { .family = IP_V4, .bytes = { 10, 0, 0, (uint8_t)i } },
			};
		}
		best = bgp_decide(v, n);
		CHECK("in range", best < n);
		won = v[best];
		for (size_t i = 0; i < n; i++) {
			if (v[i].first_as == won.first_as)
				CHECK("own AS", bgp_decide_cmp(&won, &v[i]) <= 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_med_cycle),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
