/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "bgp/update.h"

#define BOTH (BGP_AF_IPV4 | BGP_AF_IPV6)

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void random_bytes(uint64_t *seed, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)xorshift(seed);
}

/* Memory that a random draft borrows from. */
struct parts {
	uint8_t path[4096], lists[4][512], unknown[300];
};

static struct rd random_path(uint64_t *seed, struct parts *p, bool confed)
{
	struct wr w = wr_init(p->path, sizeof(p->path));

	for (uint64_t segments = xorshift(seed) % 4; segments > 0; segments--) {
		uint64_t n = xorshift(seed) % 40 + 1;
		uint8_t type = xorshift(seed) % 4 ? BGP_AS_SEQUENCE : BGP_AS_SET;

		/* confederations stand in front */
		if (confed && w.len == 0 && xorshift(seed) % 2)
			type = BGP_AS_CONFED_SEQUENCE;
		wr_u8(&w, type);
		wr_u8(&w, (uint8_t)n);
		/* AS4_PATH has no confederations (RFC 6793 4.2.2): wide ASNs in them would be lost
		 */
		uint32_t mask = type == BGP_AS_CONFED_SEQUENCE ? UINT16_MAX : UINT32_MAX;
		for (; n > 0; n--)
			wr_u32(&w, ((uint32_t)xorshift(seed) & mask) | 1);
	}
	return rd_init(p->path, w.len);
}

static struct rd random_list(uint64_t *seed, uint8_t *buf, size_t unit)
{
	size_t len = (xorshift(seed) % 12 + 1) * unit;

	random_bytes(seed, buf, len);
	return rd_init(buf, len);
}

static struct bgp_attrs_draft random_draft(uint64_t *seed, const struct bgp_wire *wire,
					   struct parts *p)
{
	const uint32_t internal = BGP_HAS_LOCAL_PREF | BGP_HAS_ORIGINATOR_ID | BGP_HAS_CLUSTER_LIST;
	const uint32_t optional = BGP_HAS_MED | BGP_HAS_ATOMIC_AGGREGATE | BGP_HAS_AGGREGATOR |
				  BGP_HAS_COMMUNITIES | BGP_HAS_EXT_COMMUNITIES | BGP_HAS_LARGE;
	uint32_t may = wire->is_internal ? optional | internal : optional;
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | ((uint32_t)xorshift(seed) & may),
		.origin = (uint8_t)(xorshift(seed) % 3),
		.med = (uint32_t)xorshift(seed),
		.local_pref = (uint32_t)xorshift(seed),
		.originator_id = (uint32_t)xorshift(seed),
		.aggregator = { (uint32_t)xorshift(seed) | 1, (uint32_t)xorshift(seed) },
		.as_path = random_path(seed, p, wire->is_internal),
		.communities = random_list(seed, p->lists[0], 4),
		.ext_communities = random_list(seed, p->lists[1], 8),
		.large_communities = random_list(seed, p->lists[2], 12),
		.cluster_list = random_list(seed, p->lists[3], 4),
	};

	if (xorshift(seed) % 2) {
		struct wr w = wr_init(p->unknown, sizeof(p->unknown));
		size_t len = xorshift(seed) % 290;

		bgp_attr_header_write(&w, 0xc0, 200, len);
		wr_zero(&w, len);
		d.unknown[0] = rd_init(p->unknown, w.len);
		d.n_unknown = 1;
	}
	return d;
}

static struct ip_prefix random_prefix(uint64_t *seed, uint8_t family)
{
	uint8_t bytes[16];

	random_bytes(seed, bytes, sizeof(bytes));
	struct ip_addr a = ip_from_bytes(family, bytes);
	return ip_prefix_make(&a, (uint8_t)(xorshift(seed) % (ip_bits(family) + 1)));
}

#define PREFIXES 40

static void round_trip_one(uint64_t *seed, struct bgp_attr_table *t)
{
	static struct parts parts;
	uint8_t buf[BGP_MSG_MAX], family = xorshift(seed) % 2 ? IP_V4 : IP_V6;
	struct bgp_wire wire = { .as4 = xorshift(seed) % 2,
				 .is_internal = xorshift(seed) % 2,
				 .families = BOTH,
				 .msg_max = BGP_MSG_MAX };
	struct bgp_attrs_draft d = random_draft(seed, &wire, &parts);
	struct ip_prefix prefixes[PREFIXES], back;
	struct ip_addr hop = { .family = family, .bytes = { 0x20, 1, 0xd, 0xb8 } };
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, &hop);
	struct wr w = wr_init(buf, sizeof(buf));
	struct bgp_msg msg;
	struct bgp_err err;
	struct bgp_update u;

	for (size_t i = 0; i < PREFIXES; i++)
		prefixes[i] = random_prefix(seed, family);
	CHECK("all fit", bgp_update_encode(&w, &wire, a, prefixes, PREFIXES) == PREFIXES);
	CHECK("frame", bgp_msg_next(buf, w.len, BGP_MSG_MAX, &msg, &err) == 0);
	bgp_update_parse(msg.body, &wire, &u);
	CHECK("good", u.fault.grade == BGP_GRADE_OK);
	struct bgp_reach *r = &u.reach[family == IP_V4 ? 0 : 1];
	CHECK("count", r->n == PREFIXES);
	struct bgp_attrs *b = bgp_attrs_intern(t, &u.attrs, &r->nexthop);
	CHECK("attributes", a == b);
	for (size_t i = 0; i < PREFIXES; i++)
		CHECK("prefix",
		      bgp_nlri_next(&r->nlri, &back) && ip_prefix_same(&back, &prefixes[i]));
	bgp_attrs_unref(t, a);
	bgp_attrs_unref(t, b);
}

/* parse(encode(x)) = x, also over 2-octet sessions: AS4_PATH restores what AS_PATH lost. */
static void round_trip(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	uint64_t seed = 0x5eed;

	(void)state;
	for (int i = 0; i < 5000; i++)
		round_trip_one(&seed, t);
	bgp_attr_table_free(t);
}

static struct bgp_attrs *node_route(struct bgp_attr_table *t, uint8_t family)
{
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_LOCAL_PREF,
		.local_pref = 100,
		.nexthop = { .family = family, .bytes = { 10, 0, 0, 1 } },
	};

	return bgp_attrs_intern(t, &d, NULL);
}

/* Messages are filled to the last prefix that fits, and no further. */
static void packing(void **state)
{
	enum { N = 30000 };
	static struct ip_prefix v4[N], v6[N];
	static uint8_t buf[BGP_MSG_MAX_EXTENDED];
	static const struct {
		const char *name;
		uint8_t family;
		size_t update, withdraw, each; /* bytes: all but prefixes, each prefix */
	} rows[] = {
		/* 23 + 21 attributes; /24 */
		{ "ipv4", IP_V4, 23 + 21, 23, 4 },
		/* 23 + 14 attributes + MP_REACH 4 + 21; MP_UNREACH 4 + 3; /64 */
		{ "ipv6", IP_V6, 23 + 14 + 25, 23 + 7, 9 },
	};
	/* Every remainder of the division comes up at both ceilings. */
	static const uint16_t ceilings[] = { BGP_MSG_MAX, BGP_MSG_MAX_EXTENDED };
	struct bgp_attr_table *t = bgp_attr_table_new(0);

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct ip_addr a = ip_v4((uint32_t)i << 8);

		v4[i] = ip_prefix_make(&a, 24);
		a = (struct ip_addr){ .family = IP_V6,
				      .bytes = { 0x20, 1, [6] = (uint8_t)(i >> 8), (uint8_t)i } };
		v6[i] = ip_prefix_make(&a, 64);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(ceilings) * 10; i++) {
		size_t row = i % 2, max = ceilings[i / 2 % 2] - i / 4;
		struct bgp_wire wire = { true, true, BOTH, (uint16_t)max };
		const struct ip_prefix *p = rows[row].family == IP_V4 ? v4 : v6;
		struct bgp_attrs *a = node_route(t, rows[row].family);
		size_t want = (max - rows[row].update) / rows[row].each;
		struct wr w = wr_init(buf, sizeof(buf));

		CHECK(rows[row].name, bgp_update_encode(&w, &wire, a, p, N) == want);
		CHECK(rows[row].name, w.len == rows[row].update + want * rows[row].each);
		want = (max - rows[row].withdraw) / rows[row].each;
		w = wr_init(buf, sizeof(buf));
		CHECK(rows[row].name, bgp_withdraw_encode(&w, &wire, p, N) == want);
		CHECK(rows[row].name, w.len == rows[row].withdraw + want * rows[row].each);
		bgp_attrs_unref(t, a);
	}
	bgp_attr_table_free(t);
}

static void refusals(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs *a4 = node_route(t, IP_V4), *a6 = node_route(t, IP_V6);
	const struct bgp_wire wire = { true, true, BOTH, BGP_MSG_MAX };
	const struct bgp_wire only4 = { true, true, BGP_AF_IPV4, BGP_MSG_MAX };
	static uint8_t communities[BGP_MSG_MAX], buf[BGP_MSG_MAX];
	struct ip_prefix p[2] = { { { .family = IP_V4, .bytes = { 10 } }, 24 },
				  { { .family = IP_V6, .bytes = { 0x20, 1 } }, 16 } };
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	wr_u32(&w, 0);
	CHECK("no prefixes", bgp_update_encode(&w, &wire, a4, p, 0) == 0);
	CHECK("next hop of the other family", bgp_update_encode(&w, &wire, a6, p, 2) == 0);
	CHECK("next hop of the other family", bgp_update_encode(&w, &wire, a4, p + 1, 1) == 0);
	CHECK("not negotiated", bgp_update_encode(&w, &only4, a6, p + 1, 1) == 0);
	CHECK("not negotiated", bgp_withdraw_encode(&w, &only4, p + 1, 1) == 0);
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_COMMUNITIES,
		.nexthop = p[0].addr,
		.communities = rd_init(communities, 4052),
	};
	struct bgp_attrs *big = bgp_attrs_intern(t, &d, NULL);
	CHECK("attributes too big", bgp_update_encode(&w, &wire, big, p, 1) == 0);
	bgp_attrs_unref(t, big);
	/* 23 + ORIGIN 4 + AS_PATH 3 + NEXT_HOP 7 + 4 and the communities + 4 for the prefix */
	d.communities = rd_init(communities, 4048);
	big = bgp_attrs_intern(t, &d, NULL);
	size_t before = w.len;
	CHECK("just fits",
	      bgp_update_encode(&(struct wr){ buf, 0, sizeof(buf), false }, &wire, big, p, 1) == 1);
	bgp_attrs_unref(t, big);
	/* the same by MP_REACH: 25 and 3 for the prefix, no NEXT_HOP */
	d.nexthop = p[1].addr;
	d.communities = rd_init(communities, 4036);
	big = bgp_attrs_intern(t, &d, NULL);
	CHECK("attributes too big", bgp_update_encode(&w, &wire, big, p + 1, 1) == 0);
	bgp_attrs_unref(t, big);
	CHECK("untouched", w.len == before && w.len == 4 && !w.overflow);

	CHECK("stops at the other family", bgp_update_encode(&w, &wire, a4, p, 2) == 1);
	CHECK("stops at the other family", bgp_withdraw_encode(&w, &wire, p, 2) == 1);
	bgp_attrs_unref(t, a4);
	bgp_attrs_unref(t, a6);
	bgp_attr_table_free(t);
}

/* What is for iBGP alone does not leave the AS. */
static void internal_stays_inside(void **state)
{
	static const uint8_t cluster[4] = { 10, 0, 0, 1 };
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_LOCAL_PREF |
		       BGP_HAS_ORIGINATOR_ID | BGP_HAS_CLUSTER_LIST | BGP_HAS_MED,
		.cluster_list = rd_init(cluster, 4),
	};
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
	struct bgp_wire wire = { .as4 = true, .msg_max = BGP_MSG_MAX };
	struct bgp_attrs_draft back;
	uint8_t buf[256];

	(void)state;
	struct wr w = wr_init(buf, sizeof(buf));
	bgp_attrs_encode(&w, a, &wire, true);
	wire.is_internal = true; /* a reader that would take them */
	CHECK("parse", bgp_attrs_parse(rd_init(buf, w.len), &wire, &back).grade == BGP_GRADE_OK);
	CHECK("external", back.has == (BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_MED));
	w = wr_init(buf, sizeof(buf));
	bgp_attrs_encode(&w, a, &wire, true);
	CHECK("parse", bgp_attrs_parse(rd_init(buf, w.len), &wire, &back).grade == BGP_GRADE_OK);
	CHECK("internal", back.has == d.has);
	bgp_attrs_unref(t, a);
	bgp_attr_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(packing),
		cmocka_unit_test(refusals),
		cmocka_unit_test(internal_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
