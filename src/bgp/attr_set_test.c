/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "bgp/attr.h"
#include "bgp/open.h"

#define B(s) (s), sizeof(s) - 1

static struct rd bytes(const char *p, size_t len)
{
	return rd_init(p, len);
}

static struct bgp_attrs_draft node_route(uint32_t local_pref)
{
	return (struct bgp_attrs_draft){
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_LOCAL_PREF,
		.local_pref = local_pref,
	};
}

static void sharing(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs_draft d = node_route(100), other = node_route(101);
	struct ip_addr hop = ip_v4(0x0a000001), hop2 = ip_v4(0x0a000002);
	struct bgp_attr_table_stats st;

	(void)state;
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, &hop);
	struct bgp_attrs *b = bgp_attrs_intern(t, &d, &hop);
	struct bgp_attrs *c = bgp_attrs_intern(t, &d, &hop2);
	struct bgp_attrs *e = bgp_attrs_intern(t, &other, &hop);
	CHECK("shared", a == b && a->n_refs == 2);
	CHECK("next hop differs", c != a && e != a && e != c);
	CHECK("next hop is in", a->has & BGP_HAS_NEXT_HOP && ip_same(&a->nexthop, &hop));
	bgp_attr_table_stats_get(t, &st);
	CHECK("stats",
	      st.n_sets == 3 && st.n_interned == 4 && st.n_shared == 1 && st.n_refused == 0);
	CHECK("bytes",
	      st.n_bytes == 3 * sizeof(struct bgp_attrs) && sizeof(struct bgp_attrs) == 72);
	bgp_attrs_unref(t, a);
	CHECK("still there", bgp_attrs_ref(b)->local_pref == 100);
	bgp_attrs_unref(t, b);
	bgp_attrs_unref(t, b);
	bgp_attrs_unref(t, c);
	bgp_attrs_unref(t, e);
	bgp_attrs_unref(t, NULL);
	bgp_attr_table_stats_get(t, &st);
	CHECK("empty", st.n_sets == 0 && st.n_bytes == 0);
	bgp_attr_table_free(t);
	bgp_attr_table_free(NULL);
}

/* Values that `has` does not name make no difference. */
static void what_is_absent(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs_draft d = node_route(100), e = d;

	(void)state;
	e.med = 7;
	e.originator_id = 9;
	e.communities = bytes(B("\x00\x01\x00\x02"));
	e.has |= BGP_HAS_MP_REACH;
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
	CHECK("same", bgp_attrs_intern(t, &e, NULL) == a);
	bgp_attrs_unref(t, a);
	bgp_attrs_unref(t, a);
	bgp_attr_table_free(t);
}

static void ceiling(void **state)
{
	enum { SETS = 3 };
	struct bgp_attr_table *t = bgp_attr_table_new(SETS * sizeof(struct bgp_attrs));
	struct bgp_attrs *sets[SETS];
	struct bgp_attr_table_stats st;

	(void)state;
	for (uint32_t i = 0; i < SETS; i++) {
		struct bgp_attrs_draft d = node_route(i);

		sets[i] = bgp_attrs_intern(t, &d, NULL);
		CHECK("up to the ceiling", sets[i] != NULL);
	}
	struct bgp_attrs_draft d = node_route(SETS), known = node_route(0);
	CHECK("above", bgp_attrs_intern(t, &d, NULL) == NULL);
	CHECK("known ones still work", bgp_attrs_intern(t, &known, NULL) == sets[0]);
	bgp_attr_table_stats_get(t, &st);
	CHECK("counted", st.n_refused == 1 && st.n_sets == SETS);
	bgp_attrs_unref(t, sets[0]);
	bgp_attrs_unref(t, sets[0]);
	sets[0] = bgp_attrs_intern(t, &d, NULL);
	CHECK("room again", sets[0] != NULL);
	for (uint32_t i = 0; i < SETS; i++)
		bgp_attrs_unref(t, sets[i]);
	bgp_attr_table_free(t);
}

/* Many sets: buckets grow, every set stays findable and goes. */
static void many(void **state)
{
	enum { SETS = 5000 };
	static struct bgp_attrs *sets[SETS];
	struct bgp_attr_table *t = bgp_attr_table_new(0);

	(void)state;
	for (uint32_t i = 0; i < SETS; i++) {
		struct bgp_attrs_draft d = node_route(i);

		sets[i] = bgp_attrs_intern(t, &d, NULL);
	}
	for (uint32_t i = 0; i < SETS; i++) {
		struct bgp_attrs_draft d = node_route(i);

		CHECK("found", bgp_attrs_intern(t, &d, NULL) == sets[i]);
		bgp_attrs_unref(t, sets[i]);
	}
	for (uint32_t i = 0; i < SETS; i++)
		bgp_attrs_unref(t, sets[i]);
	bgp_attr_table_free(t);
}

/* AS4_PATH merged, RFC 6793 4.2.3. Paths as the wire has them. */
static void as4_merge(void **state)
{
#define WIDE "\xfa\x56\xea\x01"
	static const struct {
		const char *name;
		const char *path2;
		size_t len2;
		const char *path4;
		size_t len4;
		uint32_t aggregator; /* 0: none */
		const char *want;
		size_t want_len;
		uint16_t hops;
	} rows[] = {
		{ "no as4 path", B("\x02\x02\x00\x01\x00\x02"), B(""), 0,
		  B("\x02\x02\x00\x00\x00\x01\x00\x00\x00\x02"), 2 },
		{ "as long as the path", B("\x02\x02\x5b\xa0\x00\x02"),
		  B("\x02\x02" WIDE "\x00\x00\x00\x02"), 0, B("\x02\x02" WIDE "\x00\x00\x00\x02"),
		  2 },
		{ "two prepended since", B("\x02\x03\x00\x07\x00\x08\x5b\xa0"), B("\x02\x01" WIDE),
		  0, B("\x02\x03\x00\x00\x00\x07\x00\x00\x00\x08" WIDE), 3 },
		{ "longer than the path", B("\x02\x01\x00\x07"), B("\x02\x02" WIDE WIDE), 0,
		  B("\x02\x01\x00\x00\x00\x07"), 1 },
		{ "set at the end counts one", B("\x02\x01\x00\x07\x01\x02\x5b\xa0\x00\x02"),
		  B("\x01\x02" WIDE "\x00\x00\x00\x02"), 0,
		  B("\x02\x01\x00\x00\x00\x07\x01\x02" WIDE "\x00\x00\x00\x02"), 2 },
		{ "set in front is kept whole", B("\x01\x02\x00\x07\x00\x08\x02\x01\x5b\xa0"),
		  B("\x02\x01" WIDE), 0, B("\x01\x02\x00\x00\x00\x07\x00\x00\x00\x08\x02\x01" WIDE),
		  2 },
		{ "confederation in front is kept", B("\x03\x01\x00\x09\x02\x01\x5b\xa0"),
		  B("\x02\x01" WIDE), 0, B("\x03\x01\x00\x00\x00\x09\x02\x01" WIDE), 1 },
		{ "confederation in as4 path is dropped", B("\x02\x01\x5b\xa0"),
		  B("\x03\x01\x00\x00\x00\x09\x02\x01" WIDE), 0, B("\x02\x01" WIDE), 1 },
		{ "as4 path of confederations only", B("\x02\x01\x00\x07"),
		  B("\x03\x01\x00\x00\x00\x09"), 0, B("\x02\x01\x00\x00\x00\x07"), 1 },
		{ "aggregated by somebody old", B("\x02\x01\x5b\xa0"), B("\x02\x01" WIDE), 7,
		  B("\x02\x01\x00\x00\x5b\xa0"), 1 },
		{ "aggregated by somebody new", B("\x02\x01\x5b\xa0"), B("\x02\x01" WIDE),
		  BGP_AS_TRANS, B("\x02\x01" WIDE), 1 },
	};
	struct bgp_attr_table *t = bgp_attr_table_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_attrs_draft d = {
			.has = BGP_HAS_AS_PATH | (rows[i].len4 ? BGP_HAS_AS4_PATH : 0),
			.as2 = true,
			.as_path = bytes(rows[i].path2, rows[i].len2),
			.as4_path = bytes(rows[i].path4, rows[i].len4),
		};
		if (rows[i].aggregator) {
			d.has |= BGP_HAS_AGGREGATOR | BGP_HAS_AS4_AGGREGATOR;
			d.aggregator.asn = rows[i].aggregator;
			d.as4_aggregator.asn = 4200000001u;
		}
		struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
		struct rd path = bgp_attrs_as_path(a);

		CHECK(rows[i].name, path.left == rows[i].want_len &&
					    memcmp(path.pos, rows[i].want, path.left) == 0);
		CHECK(rows[i].name, a->path_hops == rows[i].hops);
		if (rows[i].aggregator)
			CHECK(rows[i].name, a->aggregator.asn == (rows[i].aggregator == BGP_AS_TRANS
									  ? 4200000001u
									  : rows[i].aggregator));
		bgp_attrs_unref(t, a);
	}
	bgp_attr_table_free(t);
}

/* A merged sequence above 255 is two segments. */
static void as4_merge_long(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	uint8_t path2[1024], path4[2048];
	struct wr w2 = wr_init(path2, sizeof(path2)), w4 = wr_init(path4, sizeof(path4));

	(void)state;
	for (int seg = 0; seg < 2; seg++) {
		wr_u8(&w2, BGP_AS_SEQUENCE);
		wr_u8(&w2, 200);
		for (int i = 0; i < 200; i++)
			wr_u16(&w2, BGP_AS_TRANS);
	}
	wr_u8(&w4, BGP_AS_SEQUENCE);
	wr_u8(&w4, 200);
	for (int i = 0; i < 200; i++)
		wr_u32(&w4, 4200000001u);
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_AS_PATH | BGP_HAS_AS4_PATH,
		.as2 = true,
		.as_path = rd_init(path2, w2.len),
		.as4_path = rd_init(path4, w4.len),
	};
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
	CHECK("two segments", a->as_path_len == 2 * (2 + 200 * 4) && a->path_hops == 400);
	bgp_attrs_unref(t, a);
	bgp_attr_table_free(t);
}

static void path_ceiling(void **state)
{
	static uint8_t path[3 * BGP_AS_PATH_BYTES_MAX];
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct wr w = wr_init(path, sizeof(path));
	struct bgp_attr_table_stats st;
	static uint32_t asns[3000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asns); i++)
		asns[i] = 64512;
	/* 8 full segments (8176 bytes) and 3 ASNs (14) are 8190 bytes, one more is above */
	bgp_as_path_write(&w, asns, 8 * 255 + 3);
	struct bgp_attrs_draft d = { .has = BGP_HAS_AS_PATH, .as_path = rd_init(path, w.len) };
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
	CHECK("at the maximum", a && a->as_path_len == 8190 && a->path_hops == 2043);
	bgp_attrs_unref(t, a);

	w = wr_init(path, sizeof(path));
	bgp_as_path_write(&w, asns, 8 * 255 + 4);
	d.as_path = rd_init(path, w.len);
	CHECK("above", bgp_attrs_intern(t, &d, NULL) == NULL);
	bgp_attr_table_stats_get(t, &st);
	CHECK("counted", st.n_refused == 1 && st.n_sets == 0);
	bgp_attr_table_free(t);
}

static void questions(void **state)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_AS_PATH | BGP_HAS_COMMUNITIES | BGP_HAS_EXT_COMMUNITIES |
		       BGP_HAS_LARGE | BGP_HAS_CLUSTER_LIST,
		.as_path = bytes(B("\x03\x01\x00\x00\x00\x05\x02\x01\x00\x00\x00\x07"
				   "\x01\x02\x00\x00\x00\x08\x00\x00\x00\x09")),
		.communities = bytes(B("\x00\x01\x00\x02\xff\xff\xff\x01")),
		.ext_communities = bytes(B("\x00\x02\x00\x01\x00\x00\x00\x01")),
		.large_communities = bytes(B("\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03")),
		.cluster_list = bytes(B("\x0a\x00\x00\x01\x0a\x00\x00\x02")),
		.unknown = { bytes(B("\xc0\x63\x01\x2a")) },
		.n_unknown = 1,
	};

	(void)state;
	struct bgp_attrs *a = bgp_attrs_intern(t, &d, NULL);
	CHECK("path has", bgp_attrs_path_has(a, 5) && bgp_attrs_path_has(a, 7) &&
				  bgp_attrs_path_has(a, 9) && !bgp_attrs_path_has(a, 6));
	CHECK("hops", a->path_hops == 2);
	CHECK("first", bgp_attrs_path_first(a) == 7);
	CHECK("community",
	      bgp_attrs_has_community(a, 0xffffff01) && bgp_attrs_has_community(a, 0x10002));
	CHECK("no community", !bgp_attrs_has_community(a, 0xa000001));
	CHECK("cluster",
	      bgp_attrs_has_cluster(a, 0x0a000002) && !bgp_attrs_has_cluster(a, 0x10002));
	CHECK("ext",
	      bgp_attrs_ext_communities(a).left == 8 && bgp_attrs_ext_communities(a).pos[1] == 2);
	CHECK("large", bgp_attrs_large_communities(a).left == 12);
	struct rd u = bgp_attrs_unknown(a);
	CHECK("unknown is partial now", u.left == 4 && memcmp(u.pos, "\xe0\x63\x01\x2a", 4) == 0);
	bgp_attrs_unref(t, a);

	d.as_path = bytes(B("\x01\x01\x00\x00\x00\x08"));
	a = bgp_attrs_intern(t, &d, NULL);
	CHECK("first of a set", bgp_attrs_path_first(a) == 0);
	bgp_attrs_unref(t, a);
	d.as_path = bytes(B(""));
	a = bgp_attrs_intern(t, &d, NULL);
	CHECK("first of nothing", bgp_attrs_path_first(a) == 0 && a->path_hops == 0);
	bgp_attrs_unref(t, a);
	bgp_attr_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sharing),      cmocka_unit_test(what_is_absent),
		cmocka_unit_test(ceiling),      cmocka_unit_test(many),
		cmocka_unit_test(as4_merge),    cmocka_unit_test(as4_merge_long),
		cmocka_unit_test(path_ceiling), cmocka_unit_test(questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
