/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/ip.h"
#include "base/mem.h"
#include "base/test.h"

#define MODEL_N 400

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* The published vectors of SipHash-2-4: key 00..0f, input 00, 00 01, ... */
static void test_siphash(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} rows[] = {
		{ 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd },  { 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 }, { 15, 0xa129ca6149be45e5 },
	};
	uint8_t in[16];

	(void)state;
	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = i;
	map_seed_set(0x0706050403020100, 0x0f0e0d0c0b0a0908);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK("siphash", map_hash(in, rows[i].len) == rows[i].want);
}

/* Key number k: all lengths around the inline limit, the empty one too, and prefixes of each other.
 */
static size_t key_make(char buf[64], unsigned k)
{
	if (k == 0)
		return 0;
	(void)snprintf(buf, 64, "%u.......................................", k);
	return 5 + k % 30;
}

/* Random puts and deletes, compared with a plain array after every step. */
static void model_run(uint64_t seed, unsigned n_keys)
{
	static int values[MODEL_N];
	int *model[MODEL_N] = { NULL };
	struct map m = MAP_INIT;
	size_t n = 0;

	for (int step = 0; step < 6000; step++) {
		uint64_t x = xorshift(&seed);
		unsigned k = (unsigned)(x % n_keys);
		/* mostly growing in the first half, mostly shrinking in the second */
		bool put = x >> 32 & 7 ? (x >> 32 & 7) < (step < 3000 ? 6 : 3) : true;
		char key[64];
		size_t len = key_make(key, k);

		if (put) {
			int *v = &values[x >> 40 & 0xff];

			CHECK("put gives the old", map_put(&m, key, len, v) == model[k]);
			n += model[k] == NULL;
			model[k] = v;
		} else {
			CHECK("del gives the old", map_del(&m, key, len) == model[k]);
			n -= model[k] != NULL;
			model[k] = NULL;
		}
		CHECK("count", m.n == n);
		k = (unsigned)(xorshift(&seed) % n_keys);
		len = key_make(key, k);
		CHECK("get", map_get(&m, key, len) == model[k]);
	}
	for (unsigned k = 0; k < n_keys; k++) {
		char key[64];
		size_t len = key_make(key, k);

		CHECK("all", map_get(&m, key, len) == model[k]);
	}
	map_fini(&m);
	CHECK("empty after fini", m.n == 0 && map_get(&m, "a", 1) == NULL);
}

static void test_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		map_seed_set(seed, ~seed);
		model_run(seed * 7919, 10);
		model_run(seed * 104729, MODEL_N);
	}
}

static void test_order(void **state)
{
	static int v[1000];
	struct map m = MAP_INIT;
	struct ip_prefix p = { .addr = ip_v4(0), .len = 32 };
	const void *key;
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		p.addr = ip_v4(i * 7);
		CHECK("new", map_put(&m, &p, sizeof(p), &v[i]) == NULL);
	}
	map_for_each (&m, i) {
		p.addr = ip_v4((uint32_t)i * 7);
		CHECK("insertion order", map_at(&m, i, &key, &len) == &v[i]);
		CHECK("key", len == sizeof(p) && memcmp(key, &p, len) == 0);
	}
	/* the last one takes the place of the one deleted */
	p.addr = ip_v4(0);
	CHECK("del", map_del(&m, &p, sizeof(p)) == &v[0]);
	CHECK("moved", map_at(&m, 0, NULL, NULL) == &v[999] && m.n == 999);
	map_fini(&m);
}

static void test_strings(void **state)
{
	struct map m = MAP_INIT;
	int a, b;

	(void)state;
	CHECK("empty", map_get_str(&m, "x") == NULL && map_del_str(&m, "x") == NULL);
	CHECK("put", map_put_str(&m, "kube-system/a-long-name-that-is-not-inline", &a) == NULL);
	CHECK("get", map_get_str(&m, "kube-system/a-long-name-that-is-not-inline") == &a);
	CHECK("replace", map_put_str(&m, "kube-system/a-long-name-that-is-not-inline", &b) == &a);
	CHECK("prefix of it", map_get_str(&m, "kube-system/a-long-name-that-is-not-inlin") == NULL);
	CHECK("del", map_del_str(&m, "kube-system/a-long-name-that-is-not-inline") == &b);
	CHECK("gone", m.n == 0);
	map_fini(&m);
}

/* A hundred thousand sequential keys: a poor hash or a broken backward shift would take for ever.
 */
static void test_large(void **state)
{
	const uint32_t n = 100000;
	struct map m = MAP_INIT;
	static int v;

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		(void)map_put(&m, &i, sizeof(i), &v);
	CHECK("all in", m.n == n);
	CHECK("index at most 3/4 full", 4 * m.n <= 3 * m.index_cap);
	for (uint32_t i = 0; i < n; i += 2)
		CHECK("del", map_del(&m, &i, sizeof(i)) == &v);
	for (uint32_t i = 0; i < n; i++)
		CHECK("half", (map_get(&m, &i, sizeof(i)) != NULL) == (i % 2 == 1));
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash), cmocka_unit_test(test_model),
		cmocka_unit_test(test_order),   cmocka_unit_test(test_strings),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
