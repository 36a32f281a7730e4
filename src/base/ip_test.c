/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/test.h"

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* want: canonical text, or NULL for refused */
static void test_parse(void **state)
{
	static const struct {
		const char *text, *want;
		bool strict; /* refused by ip_parse_strict() */
	} rows[] = {
		{ "0.0.0.0", "0.0.0.0", false },
		{ "255.255.255.255", "255.255.255.255", false },
		{ "10.1.2.3", "10.1.2.3", false },
		{ "010.001.002.003", "10.1.2.3", true },
		{ "10.1.2.00", "10.1.2.0", true },
		{ "256.1.1.1", NULL, false },
		{ "1.2.3", NULL, false },
		{ "1.2.3.4.5", NULL, false },
		{ "1.2.3.", NULL, false },
		{ ".1.2.3", NULL, false },
		{ "1..2.3", NULL, false },
		{ "1.2.3.4 ", NULL, false },
		{ " 1.2.3.4", NULL, false },
		{ "1.2.3.4/8", NULL, false },
		{ "0x1.2.3.4", NULL, false },
		{ "-1.2.3.4", NULL, false },
		{ "16909060", NULL, false },
		{ "", NULL, false },
		{ "99999999999999999999.1.1.1", NULL, false },
		{ "::", "::", false },
		{ "::1", "::1", false },
		{ "1::", "1::", false },
		{ "2001:DB8::00a", "2001:db8::a", false },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", false },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1", false },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", false },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", false },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", false },
		{ "1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8", false },
		{ "fe80::", "fe80::", false },
		{ "::ffff:1.2.3.4", "1.2.3.4", false },
		{ "::FFFF:0102:0304", "1.2.3.4", false },
		{ "::ffff:01.2.3.4", "1.2.3.4", true },
		{ "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4", false },
		{ "::1.2.3.4", "::102:304", false },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221", false },
		{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", false },
		{ "1:2:3:4:5:6:7:1.2.3.4", NULL, false },
		{ "1:2:3:4:5:1.2.3.4", NULL, false },
		{ "::1.2.3.4:5", NULL, false },
		{ "::1.2.3", NULL, false },
		{ "1:2:3:4:5:6:7", NULL, false },
		{ "1:2:3:4:5:6:7:8:9", NULL, false },
		{ "1:2:3:4:5:6:7:8::", NULL, false },
		{ "::1:2:3:4:5:6:7:8", NULL, false },
		{ "1::2:3:4:5:6:7:8", NULL, false },
		{ "1::2::3", NULL, false },
		{ ":::", NULL, false },
		{ ":", NULL, false },
		{ ":1", NULL, false },
		{ "1:", NULL, false },
		{ "1:2:3:4:5:6:7:", NULL, false },
		{ "12345::", NULL, false },
		{ "g::", NULL, false },
		{ "fe80::1%eth0", NULL, false },
		{ "[::1]", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[IP_ADDR_FMT_MAX];
		struct ip_addr a = { .family = 77 };
		int r = ip_parse(rows[i].text, &a);

		CHECK(rows[i].text, r == (rows[i].want ? 0 : -EINVAL));
		if (r == 0)
			CHECK_STR(rows[i].text, ip_fmt(buf, &a), rows[i].want);
		else
			CHECK(rows[i].text, a.family == 77);
		r = ip_parse_strict(rows[i].text, &a);
		CHECK(rows[i].text, r == (rows[i].want && !rows[i].strict ? 0 : -EINVAL));
	}
}

static void test_parse_n(void **state)
{
	struct ip_addr a, b;

	(void)state;
	CHECK("part of a text", ip_parse_n("10.0.0.1/24", 8, &a) == 0);
	b = ip_v4(0x0a000001);
	CHECK("its value", ip_same(&a, &b) && ip_to_u32(&a) == 0x0a000001);
	CHECK("empty part", ip_parse_n("1.2.3.4", 0, &a) == -EINVAL);
	CHECK("zero byte inside", ip_parse_n("1.2.3.4\0", 8, &a) == -EINVAL);
}

/* The C library formats and parses, too: any address must come out and go in as it says. */
static void test_against_libc(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[16];
		char want[INET6_ADDRSTRLEN], got[IP_ADDR_FMT_MAX];
		uint64_t zeros = xorshift(&seed);
		struct ip_addr a, b;

		for (unsigned k = 0; k < 16; k++)
			bytes[k] = zeros >> (k / 2) & 1 ? (uint8_t)(xorshift(&seed) >> 20) : 0;
		bytes[0] |= 1; /* not the old ::1.2.3.4, which the C library writes with dots */
		a = ip_from_bytes(IP_V6, bytes);
		CHECK("inet_ntop", inet_ntop(AF_INET6, bytes, want, sizeof(want)) != NULL);
		CHECK_STR("v6", ip_fmt(got, &a), want);
		CHECK("v6 back", ip_parse(got, &b) == 0 && ip_same(&a, &b));
		a = ip_from_bytes(IP_V4, bytes);
		CHECK("inet_ntop", inet_ntop(AF_INET, bytes, want, sizeof(want)) != NULL);
		CHECK_STR("v4", ip_fmt(got, &a), want);
		CHECK("v4 back", ip_parse_strict(got, &b) == 0 && ip_same(&a, &b));
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *want, *want_host;
	} rows[] = {
		{ "10.1.0.0/24", "10.1.0.0/24", "10.1.0.0/24" },
		{ "10.1.2.3/24", "10.1.2.0/24", "10.1.2.3/24" },
		{ "10.1.2.3/0", "0.0.0.0/0", "10.1.2.3/0" },
		{ "10.1.2.3/32", "10.1.2.3/32", "10.1.2.3/32" },
		{ "10.255.255.255/9", "10.128.0.0/9", "10.255.255.255/9" },
		{ "010.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8" },
		{ "2001:db8::1/64", "2001:db8::/64", "2001:db8::1/64" },
		{ "2001:db8::ffff/127", "2001:db8::fffe/127", "2001:db8::ffff/127" },
		{ "::/0", "::/0", "::/0" },
		{ "::1/128", "::1/128", "::1/128" },
		{ "::ffff:10.1.2.3/120", "10.1.2.0/24", "10.1.2.3/24" },
		{ "::ffff:10.1.2.3/96", "0.0.0.0/0", "10.1.2.3/0" },
		{ "::ffff:10.1.2.3/64", "::/64", NULL },
		{ "10.0.0.0", NULL, NULL },
		{ "10.0.0.0/", NULL, NULL },
		{ "10.0.0.0/33", NULL, NULL },
		{ "10.0.0.0/-1", NULL, NULL },
		{ "10.0.0.0/+8", NULL, NULL },
		{ "10.0.0.0/8x", NULL, NULL },
		{ "10.0.0.0/8/8", NULL, NULL },
		{ "10.0.0.0/99999999999", NULL, NULL },
		{ "10.0.0.0/255.0.0.0", NULL, NULL },
		{ "::/129", NULL, NULL },
		{ "/8", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[IP_PREFIX_FMT_MAX];
		struct ip_prefix p;

		CHECK(rows[i].text,
		      ip_prefix_parse(rows[i].text, &p) == (rows[i].want ? 0 : -EINVAL));
		if (rows[i].want)
			CHECK_STR(rows[i].text, ip_prefix_fmt(buf, &p), rows[i].want);
		CHECK(rows[i].text,
		      ip_prefix_parse_host(rows[i].text, &p) == (rows[i].want_host ? 0 : -EINVAL));
		if (rows[i].want_host)
			CHECK_STR(rows[i].text, ip_prefix_fmt(buf, &p), rows[i].want_host);
	}
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	CHECK(text, ip_prefix_parse(text, &p) == 0);
	return p;
}

static void test_prefix_relations(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} rows[] = {
		{ "10.0.0.0/8", "10.1.0.0/16", true },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "11.0.0.0/16", false },
		{ "10.1.0.0/16", "10.0.0.0/8", false },
		{ "0.0.0.0/0", "255.0.0.0/8", true },
		{ "0.0.0.0/0", "::/0", false },
		{ "10.128.0.0/9", "10.127.0.0/16", false },
		{ "2001:db8::/33", "2001:db8::1/128", true },
		{ "2001:db8::/33", "2001:db8:8000::/48", false },
	};
	static const char *const sorted[] = { "0.0.0.0/0",   "0.0.0.0/8",  "10.0.0.0/8",
					      "10.0.0.0/16", "10.1.0.0/8", "::/0",
					      "::1/128",     "2001::/16" };
	char buf[IP_ADDR_FMT_MAX];
	struct ip_addr none = { 0 }, a;
	struct ip_prefix got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip_prefix outer = prefix(rows[i].outer), inner = prefix(rows[i].inner);

		CHECK(rows[i].inner, ip_prefix_covers(&outer, &inner) == rows[i].covers);
		if (outer.len <= inner.len)
			CHECK(rows[i].inner, ip_prefix_has(&outer, &inner.addr) == rows[i].covers);
	}
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
			struct ip_prefix x, y;
			int order;

			(void)ip_prefix_parse_host(sorted[i], &x);
			(void)ip_prefix_parse_host(sorted[k], &y);
			order = ip_prefix_cmp(&x, &y);
			CHECK(sorted[i], i < k ? order < 0 : i > k ? order > 0 : order == 0);
			CHECK(sorted[i], ip_prefix_same(&x, &y) == (i == k));
		}
	}
	CHECK("none is in nothing", !ip_prefix_has(&(struct ip_prefix){ 0 }, &none));
	CHECK_STR("none", ip_fmt(buf, &none), "none");
	a = ip_v4(0x0a010203);
	CHECK("clamped", ip_prefix_make(&a, 200).len == 32);
	got = ip_prefix_make(&a, 15);
	CHECK("masked", ip_to_u32(&got.addr) == 0x0a000000);
	CHECK("host",
	      ip_prefix_host(&a).len == 32 && ip_prefix_has(&(struct ip_prefix){ a, 32 }, &a));
}

static void test_sockaddr(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct ip_addr a, b;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		socklen_t len;

		CHECK(texts[i], ip_parse(texts[i], &a) == 0);
		len = ip_to_sockaddr(&a, 179, &ss);
		CHECK(texts[i], len == (i == 0 ? sizeof(struct sockaddr_in) : sizeof(in6)));
		CHECK(texts[i], ss.ss_family == ip_af(a.family));
		CHECK(texts[i], ip_family_of_af(ss.ss_family) == a.family);
		CHECK(texts[i], ip_from_sockaddr(&ss, &b, &port) && ip_same(&a, &b) && port == 179);
	}
	CHECK("inet_pton", inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr) == 1);
	memcpy(&ss, &in6, sizeof(in6));
	b = ip_v4(0xc0000201);
	CHECK("mapped", ip_from_sockaddr(&ss, &a, &port) && ip_same(&a, &b) && port == 9);
	ss.ss_family = AF_UNIX;
	CHECK("foreign family", !ip_from_sockaddr(&ss, &a, &port));
	a = (struct ip_addr){ 0 };
	CHECK("none", ip_to_sockaddr(&a, 1, &ss) == 0);
}

struct list_of_prefixes {
	struct ip_prefix v[16];
	size_t n;
	const char *source;
};

struct holder {
	struct list_of_prefixes list;
	uint32_t number;
};

static __attribute__((noinline)) bool is_all(const struct holder *h, uint8_t byte)
{
	const uint8_t *p = (const uint8_t *)h->list.v;

	for (size_t i = 0; i < sizeof(h->list.v); i++) {
		if (p[i] != byte)
			return false;
	}
	return true;
}

/*
 * A copy by initialiser keeps every byte. gcc 12.2 with -ftrivial-auto-var-init=zero takes some of
 * the second element for padding and clears it.
 */
static void copies_whole(void **state)
{
	struct list_of_prefixes list;

	(void)state;
	memset(&list, 0xaa, sizeof(list));
	const struct holder h = { .list = list, .number = 1 };

	CHECK("every byte", is_all(&h, 0xaa));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_whole),  cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_n),  cmocka_unit_test(test_against_libc),
		cmocka_unit_test(test_prefix),   cmocka_unit_test(test_prefix_relations),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
