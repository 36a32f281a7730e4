/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trie.h"

#include "base/mem.h"
#include "base/test.h"

#define MODEL_N 300

struct model {
	struct ip_prefix p[MODEL_N];
	void *value[MODEL_N]; /* NULL: not in */
};

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Few distinct bits, so that prefixes nest and share long beginnings. */
static struct ip_addr addr_make(uint64_t *seed)
{
	uint64_t x = xorshift(seed);
	struct ip_addr a = { .family = x & 1 ? IP_V4 : IP_V6 };

	for (unsigned i = 0; i < ip_size(a.family); i++)
		a.bytes[i] = (uint8_t)(x >> (8 + i % 8) & 1 ? 0x80 : x >> (20 + i) & 1);
	return a;
}

static struct ip_prefix prefix_make(uint64_t *seed)
{
	struct ip_addr a = addr_make(seed);

	return ip_prefix_make(&a, (uint8_t)(xorshift(seed) % (ip_bits(a.family) + 1)));
}

static size_t model_at(const struct model *m, const struct ip_prefix *p)
{
	for (size_t i = 0; i < MODEL_N; i++)
		if (ip_prefix_same(&m->p[i], p))
			return i;
	return MODEL_N;
}

static void match_check(const struct trie *t, const struct model *m, const struct ip_addr *a)
{
	struct ip_prefix got = { 0 };
	void *value = trie_match(t, a, &got);
	size_t best = MODEL_N;

	for (size_t i = 0; i < MODEL_N; i++)
		if (m->value[i] && ip_prefix_has(&m->p[i], a) &&
		    (best == MODEL_N || m->p[i].len > m->p[best].len))
			best = i;
	CHECK("match", value == (best < MODEL_N ? m->value[best] : NULL));
	if (value)
		CHECK("match prefix", ip_prefix_same(&got, &m->p[best]));
}

struct walk {
	const struct model *m;
	struct ip_prefix last;
	size_t n;
};

static int walk_cb(void *arg, const struct ip_prefix *p, void *value)
{
	struct walk *w = arg;
	size_t i = model_at(w->m, p);

	CHECK("in order", w->n == 0 || ip_prefix_cmp(&w->last, p) < 0);
	CHECK("known", i < MODEL_N && w->m->value[i] == value);
	w->last = *p;
	w->n++;
	return 0;
}

static int stop_cb(void *arg, const struct ip_prefix *p, void *value)
{
	int *left = arg;

	(void)p;
	(void)value;
	return --*left == 0 ? -7 : 0;
}

static void model_run(uint64_t seed)
{
	static int values[256];
	struct model *m = xcalloc(1, sizeof(*m));
	struct trie t = TRIE_INIT;
	size_t n = 0;

	for (size_t i = 0; i < MODEL_N; i++)
		do
			m->p[i] = prefix_make(&seed);
		while (model_at(m, &m->p[i]) < i);
	for (int step = 0; step < 4000; step++) {
		uint64_t x = xorshift(&seed);
		size_t i = x % MODEL_N;
		struct ip_addr a = addr_make(&seed);
		struct walk w = { .m = m };

		if (x >> 32 & 1) {
			void *v = &values[x >> 40 & 0xff];

			CHECK("put", trie_put(&t, &m->p[i], v) == m->value[i]);
			n += m->value[i] == NULL;
			m->value[i] = v;
		} else {
			CHECK("del", trie_del(&t, &m->p[i]) == m->value[i]);
			n -= m->value[i] != NULL;
			m->value[i] = NULL;
		}
		CHECK("count", t.n == n);
		i = xorshift(&seed) % MODEL_N;
		CHECK("get", trie_get(&t, &m->p[i]) == m->value[i]);
		match_check(&t, m, &a);
		match_check(&t, m, &m->p[i].addr);
		if (step % 50 == 0) {
			CHECK("walk", trie_walk(&t, walk_cb, &w) == 0);
			CHECK("walk saw all", w.n == n);
		}
	}
	for (size_t i = 0; i < MODEL_N; i++)
		CHECK("del the rest", trie_del(&t, &m->p[i]) == m->value[i]);
	CHECK("no node left", !t.root4 && !t.root6 && t.n == 0);
	free(m);
}

static void test_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		model_run(seed * 7919);
}

static void test_edges(void **state)
{
	struct trie t = TRIE_INIT;
	struct ip_prefix v4 = { .addr = ip_v4(0), .len = 0 }, host, got, odd;
	struct ip_prefix v6 = { .addr = { .family = IP_V6 }, .len = 128 };
	struct ip_addr a = ip_v4(0xffffffff), none = { 0 };
	int x, y, z, left = 2;

	(void)state;
	CHECK("empty", !trie_get(&t, &v4) && !trie_match(&t, &a, NULL) && !trie_del(&t, &v4));
	CHECK("default", !trie_put(&t, &v4, &x) && trie_match(&t, &a, &got) == &x && got.len == 0);
	host = ip_prefix_host(&a);
	CHECK("host", !trie_put(&t, &host, &y) && trie_match(&t, &a, &got) == &y && got.len == 32);
	CHECK("families apart", !trie_get(&t, &v6) && !trie_put(&t, &v6, &z) && t.n == 3);
	CHECK("v6 host", trie_match(&t, &v6.addr, NULL) == &z);
	CHECK("no family", !trie_match(&t, &none, NULL));
	odd = (struct ip_prefix){ .addr = a, .len = 0 };
	CHECK("host bits are ignored", trie_get(&t, &odd) == &x);
	CHECK("walk stops", trie_walk(&t, stop_cb, &left) == -7);
	trie_fini(&t);
	CHECK("fini", t.n == 0 && !t.root4);
}

/* A full table and more: a million prefixes in, matched, and out. */
static void test_million(void **state)
{
	const uint32_t n = 1000000;
	struct trie t = TRIE_INIT;
	static int v;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		/* an odd multiplier visits every /24 once, far apart */
		struct ip_addr a = ip_v4((i * 2654435761u) << 8);
		struct ip_prefix p = ip_prefix_make(&a, 24);

		CHECK("put", trie_put(&t, &p, &v) == NULL);
	}
	CHECK("count", t.n == n);
	for (uint32_t i = 0; i < n; i++) {
		struct ip_addr a = ip_v4((i * 2654435761u) << 8 | 77);
		struct ip_prefix p = ip_prefix_make(&a, 24), got;

		CHECK("match", trie_match(&t, &a, &got) == &v && ip_prefix_same(&p, &got));
	}
	for (uint32_t i = 0; i < n; i += 2) {
		struct ip_addr a = ip_v4((i * 2654435761u) << 8);
		struct ip_prefix p = ip_prefix_make(&a, 24);

		CHECK("del", trie_del(&t, &p) == &v);
	}
	CHECK("half", t.n == n / 2);
	trie_fini(&t);
}

/* The deepest path: all lengths of one address, in both orders. */
static void test_deep(void **state)
{
	struct ip_addr a = { .family = IP_V6 };
	struct trie t = TRIE_INIT;
	static int v[129];
	struct ip_prefix p;

	(void)state;
	memset(a.bytes, 0xff, sizeof(a.bytes));
	for (int up = 0; up < 2; up++) {
		for (int i = 0; i <= 128; i++) {
			int len = up ? i : 128 - i;

			p = ip_prefix_make(&a, (uint8_t)len);
			CHECK("put", !trie_put(&t, &p, &v[len]));
		}
		for (int len = 128; len >= 0; len--) {
			CHECK("longest", trie_match(&t, &a, NULL) == &v[len]);
			p = ip_prefix_make(&a, (uint8_t)len);
			CHECK("del", trie_del(&t, &p) == &v[len]);
		}
	}
	CHECK("empty", !t.root6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
