/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories: owners change their claims, operations fail (some of them after they took
 * effect), results come late and out of order, other writers change the kernel with and without
 * telling, dumps fail, tables are lost. Then the world stops failing, and after settling
 *   - each kernel equals what a computation from scratch gives,
 *   - the mirrors say so,
 *   - planning everything again sends nothing,
 *   - a new engine over the same kernels sends nothing.
 * On failure the seed is printed; ENGINE_SEED=n runs that one alone,
 * ENGINE_HISTORIES=n that many.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/rig.h"

#define HISTORIES 150
#define STEPS     300
#define OWNERS    12
#define KEYS      15
#define VALUES    3

struct history {
	struct rig *r;
	uint64_t seed, state;
	char claims[OWNERS][600];
	bool released[RIG_N];
};

static uint64_t draw(void *arg)
{
	struct history *h = arg;

	h->state ^= h->state << 13;
	h->state ^= h->state >> 7;
	h->state ^= h->state << 17;
	return h->state;
}

static unsigned below(struct history *h, unsigned n)
{
	return (unsigned)(draw(h) % n);
}

static const char *const table_names[RIG_N] = { "sets", "chains", "routes" };

static void key_make(struct history *h, char buf[16])
{
	(void)snprintf(buf, 16, "k%u", below(h, KEYS));
}

static void owner_change(struct history *h)
{
	unsigned i = below(h, OWNERS), n = below(h, 8);
	char name[16];
	size_t len = 0;

	h->claims[i][0] = '\0';
	for (unsigned k = 0; k < n; k++)
		len += (size_t)snprintf(h->claims[i] + len, sizeof(h->claims[i]) - len,
					"%s%s:k%u=%u", k ? " " : "", table_names[below(h, RIG_N)],
					below(h, KEYS), below(h, VALUES));
	(void)snprintf(name, sizeof(name), "o%02u", i);
	rig_want(h->r, name, h->claims[i]);
}

static void kernel_change(struct history *h)
{
	struct fake_kernel *k = &h->r->kernels[below(h, RIG_N)];
	char key[16];
	char value[2] = { (char)('0' + below(h, VALUES + 1)), '\0' };
	bool is_removal = below(h, 2) == 0;

	key_make(h, key);
	if (is_removal && !fake_get(k, key))
		return;
	if (below(h, 3) == 0)
		fake_put(k, key, is_removal ? NULL : value);
	else
		fake_change(k, key, is_removal ? NULL : value);
}

/* The peer behind a table starts anew: some of its rows are gone. */
static void kernel_restart(struct history *h)
{
	unsigned t = below(h, RIG_N);
	char key[16];

	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		if (below(h, 2) == 0)
			fake_put(&h->r->kernels[t], key, NULL);
	}
	engine_table_lost(h->r->tables[t]);
}

static void habits_change(struct history *h)
{
	struct fake_kernel *k = &h->r->kernels[below(h, RIG_N)];

	k->delay_us = below(h, 2) ? 0 : (int64_t)below(h, 200000);
	k->delay_spread_us = below(h, 2) ? 0 : 1 + (int64_t)below(h, 9000000);
	k->fail_percent = below(h, 3) ? 0 : below(h, 80);
	k->fail_applied_percent = below(h, 100);
	k->effect_late = below(h, 2);
	k->echoes = below(h, 2);
	k->dump_err = below(h, 5) ? 0 : -EINTR;
}

static void step(struct history *h)
{
	static const int64_t waits_us[] = { 0, 100, 2000, 30000, 400000, 7000000 };
	unsigned t = below(h, RIG_N);

	switch (below(h, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		owner_change(h);
		break;
	case 4:
	case 5:
		kernel_change(h);
		break;
	case 6:
		habits_change(h);
		break;
	case 7:
		fake_dump(&h->r->kernels[t]);
		break;
	case 8:
		if (below(h, 10) == 0)
			kernel_restart(h);
		break;
	case 9:
		if (below(h, 10) == 0)
			engine_table_release(h->r->tables[t]);
		break;
	default:
		ev_sim_advance(h->r->loop, waits_us[below(h, ARRAY_LEN(waits_us))]);
		break;
	}
}

static int value_order(struct bytes a, struct bytes b)
{
	return memcmp(a.data, b.data, 1);
}

/* What one owner's text wants of a key: the first mention, or the greatest value. '\0': nothing. */
static char claimed(const char *claims, const char *table, const char *key, bool greatest)
{
	char word[32], best = '\0';

	(void)snprintf(word, sizeof(word), "%s:%s=", table, key);
	for (const char *at = strstr(claims, word); at; at = strstr(at + 1, word)) {
		char value = at[strlen(word)];

		if (best == '\0' || (greatest && value > best))
			best = value;
	}
	return best;
}

/* From scratch: the winner among all owners. */
static char wanted(const struct history *h, unsigned t, const char *key)
{
	bool greatest = h->r->descs[t].prefer != NULL;
	char best = '\0';

	for (unsigned i = 0; i < OWNERS; i++) {
		char value = claimed(h->claims[i], table_names[t], key, greatest);

		if (value != '\0' && (best == '\0' || (greatest && value > best)))
			best = value;
	}
	return best;
}

static void compare(const struct history *h, const char *when)
{
	for (unsigned t = 0; t < RIG_N; t++) {
		struct table_stats stats = rig_stats(h->r, (enum rig_table)t);
		unsigned n = 0;

		for (unsigned i = 0; i < KEYS; i++) {
			char key[16], value[2] = { 0 };
			const char *have;
			struct bytes mirror;

			(void)snprintf(key, sizeof(key), "k%u", i);
			value[0] = wanted(h, t, key);
			have = fake_get(&h->r->kernels[t], key);
			mirror = table_have(h->r->tables[t], fake_bytes(key));
			n += value[0] != '\0';
			CHECK(when, str_eq(have, value[0] ? value : NULL));
			CHECK(when,
			      value[0] ? mirror.len == 1 && *(const char *)mirror.data == value[0]
				       : mirror.data == NULL);
		}
		CHECK(when, stats.n_rows == n && stats.n_present == n);
		CHECK(when, stats.n_failed == 0 && stats.n_pending == 0);
		CHECK(when, stats.stray_results == 0 && stats.refused == 0);
	}
}

static size_t ops_sent(const struct history *h)
{
	size_t n = 0;

	for (unsigned t = 0; t < RIG_N; t++)
		n += h->r->kernels[t].n_ops;
	return n;
}

static void world_calms_down(struct history *h)
{
	for (unsigned t = 0; t < RIG_N; t++) {
		struct fake_kernel *k = &h->r->kernels[t];

		k->delay_us = k->delay_spread_us = 0;
		k->fail_percent = 0;
		k->echoes = false;
		k->dump_err = 0;
		engine_table_release(h->r->tables[t]);
	}
	rig_ms(h->r, 60 * 1000); /* late results, back-off */
	for (unsigned t = 0; t < RIG_N; t++)
		fake_dump(&h->r->kernels[t]);
	rig_ms(h->r, 180 * 1000);
	CHECK("idle", engine_is_idle(h->r->e));
}

static void all_dirty(struct history *h, struct rig *r)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "o%02u", i);
		rig_want(r, name, h->claims[i]);
	}
}

/* A second program over the kernels of the first one. */
static void restart(struct history *h)
{
	struct rig *r = rig_new(h->seed + 1);

	for (unsigned t = 0; t < RIG_N; t++) {
		struct fake_kernel *old = &h->r->kernels[t];

		r->descs[t] = h->r->descs[t];
		map_for_each (&old->rows, i) {
			const void *key;
			size_t len;
			const char *value = map_at(&old->rows, i, &key, &len);
			char *text CLEANUP_FREE = xstrndup(key, len);

			fake_put(&r->kernels[t], text, value);
		}
	}
	rig_start(r);
	all_dirty(h, r);
	rig_pass(r);
	for (unsigned t = 0; t < RIG_N; t++)
		engine_table_release(r->tables[t]);
	rig_ms(r, 1000);
	rig_sent(r, "a restart sends nothing", "");
	rig_free(r);
}

static void history_run(uint64_t seed)
{
	struct history h = { .seed = seed, .state = seed * 0x9e3779b97f4a7c15u + 1 };
	size_t before;

	h.r = rig_new(seed);
	for (unsigned t = 0; t < RIG_N; t++) {
		h.r->kernels[t].random = draw;
		h.r->kernels[t].random_arg = &h;
		h.r->kernels[t].journal = NULL;
		h.r->descs[t].replan_on_failure = below(&h, 2);
		h.r->descs[t].del_first = below(&h, 2);
		if (below(&h, 2))
			h.r->descs[t].prefer = value_order;
	}
	for (unsigned i = 0; i < 10; i++) {
		char key[16];

		key_make(&h, key);
		fake_put(&h.r->kernels[below(&h, RIG_N)], key, "1");
	}
	rig_start(h.r);
	for (unsigned i = 0; i < STEPS; i++)
		step(&h);
	world_calms_down(&h);
	compare(&h, "incremental equals from scratch");
	before = ops_sent(&h);
	all_dirty(&h, h.r);
	rig_ms(h.r, 1000);
	CHECK("the same input sends nothing", ops_sent(&h) == before);
	compare(&h, "and changes nothing");
	restart(&h);
	rig_free(h.r);
}

static uint64_t seed_now;

/* CHECK leaves by longjmp: the seed is told from here. */
static int seed_tell(void **state)
{
	(void)state;
	if (seed_now != 0)
		print_error("ENGINE_SEED=%llu\n", (unsigned long long)seed_now);
	return 0;
}

static void histories(void **state)
{
	const char *one = getenv("ENGINE_SEED"), *many = getenv("ENGINE_HISTORIES");
	uint64_t seed, n = HISTORIES;

	(void)state;
	if (one && str_to_u64(one, 10, UINT64_MAX, &seed) == 0) {
		seed_now = seed;
		history_run(seed);
		return;
	}
	if (many)
		CHECK(many, str_to_u64(many, 10, UINT64_MAX - 1, &n) == 0);
	for (seed = 1; seed <= n; seed++) {
		seed_now = seed;
		history_run(seed);
	}
	seed_now = 0;
}

static void quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(histories, seed_tell),
	};

	log_sink_set(quiet, NULL);
	return cmocka_run_group_tests_name("engine/property", tests, NULL, NULL);
}
