/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>

#include "base/str.h"
#include "bgp/attr.h"
#include "bgp/rib.h"

/* Reports as text, one per line, in the order they came. */
struct fixture {
	struct bgp_attr_table *attrs;
	struct bgp_rib *rib;
	struct strbuf log;
	struct ip_addr own;
	size_t n_work;
};

static void on_best(void *arg, const struct bgp_best *b)
{
	struct fixture *f = arg;
	char prefix[IP_PREFIX_FMT_MAX], nexthop[IP_ADDR_FMT_MAX], peer[IP_ADDR_FMT_MAX];

	strbuf_fmt(&f->log, "%s via %s from %s role %u\n", ip_prefix_fmt(prefix, &b->prefix),
		   ip_fmt(nexthop, &b->nexthop), ip_fmt(peer, &b->peer), b->peer_role);
}

static void on_gone(void *arg, const struct ip_prefix *p)
{
	struct fixture *f = arg;
	char prefix[IP_PREFIX_FMT_MAX];

	strbuf_fmt(&f->log, "%s gone\n", ip_prefix_fmt(prefix, p));
}

static void on_work(void *arg)
{
	struct fixture *f = arg;

	f->n_work++;
}

static bool is_own(void *arg, const struct ip_addr *addr)
{
	const struct fixture *f = arg;

	return ip_same(addr, &f->own);
}

static void fixture_init(struct fixture *f)
{
	const struct bgp_rib_events events = { f, on_best, on_gone, on_work, is_own };

	*f = (struct fixture){ .attrs = bgp_attr_table_new(0) };
	f->rib = bgp_rib_new(f->attrs, 64512, 0x0a000001, &events);
}

static void fixture_fini(struct fixture *f)
{
	bgp_rib_free(f->rib);
	bgp_attr_table_free(f->attrs); /* asserts that no reference was lost */
	strbuf_fini(&f->log);
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	CHECK(text, ip_prefix_parse(text, &p) == 0);
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

static struct bgp_attrs *attrs(struct fixture *f, const char *nexthop, uint32_t local_pref,
			       uint32_t asn)
{
	uint8_t path[16];
	struct wr w = wr_init(path, sizeof(path));
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP | BGP_HAS_LOCAL_PREF,
		.local_pref = local_pref,
		.nexthop = addr(nexthop),
	};

	if (asn)
		bgp_as_path_write(&w, &asn, 1);
	d.as_path = rd_init(path, w.len);
	return bgp_attrs_intern(f->attrs, &d, NULL);
}

static struct bgp_rib_source *source(struct fixture *f, const char *peer, uint32_t id)
{
	struct ip_addr a = addr(peer);
	struct bgp_rib_source *src = bgp_rib_source_new(f->rib, &a);

	src->router_id = id;
	src->is_internal = true;
	return src;
}

static void path_set(struct fixture *f, struct bgp_rib_source *src, const char *p,
		     const char *nexthop, uint32_t local_pref)
{
	struct ip_prefix pfx = prefix(p);

	(void)bgp_rib_path_set(src, &pfx, attrs(f, nexthop, local_pref, 0), 1);
}

static void path_del(struct bgp_rib_source *src, const char *p)
{
	struct ip_prefix pfx = prefix(p);

	bgp_rib_path_del(src, &pfx);
}

/* What was reported since the last call. */
static void expect(struct fixture *f, const char *name, const char *want)
{
	while (bgp_rib_run(f->rib, 3))
		;
	CHECK_STR(name, strbuf_text(&f->log), want);
	strbuf_clear(&f->log);
}

static void test_best_path(void **state)
{
	struct fixture f;
	struct bgp_rib_source *a, *b;

	(void)state;
	fixture_init(&f);
	a = source(&f, "10.0.0.2", 2);
	b = source(&f, "10.0.0.3", 3);
	b->role = BGP_PEER_EXTERNAL;

	path_set(&f, a, "10.1.0.0/24", "10.0.0.2", 100);
	CHECK("no report from within", f.log.len == 0);
	CHECK("work was announced", f.n_work == 1);
	expect(&f, "first", "10.1.0.0/24 via 10.0.0.2 from 10.0.0.2 role 0\n");
	path_set(&f, b, "10.1.0.0/24", "10.0.0.3", 100);
	expect(&f, "worse one", "");
	path_set(&f, b, "10.1.0.0/24", "10.0.0.3", 200);
	expect(&f, "now better", "10.1.0.0/24 via 10.0.0.3 from 10.0.0.3 role 1\n");
	path_set(&f, b, "10.1.0.0/24", "10.0.0.3", 200);
	expect(&f, "identical again", "");
	path_set(&f, b, "10.1.0.0/24", "10.0.0.9", 200);
	expect(&f, "next hop changed", "10.1.0.0/24 via 10.0.0.9 from 10.0.0.3 role 1\n");
	path_del(b, "10.1.0.0/24");
	expect(&f, "back", "10.1.0.0/24 via 10.0.0.2 from 10.0.0.2 role 0\n");
	path_del(b, "10.1.0.0/24");
	path_del(b, "10.9.0.0/24");
	expect(&f, "what was never there", "");
	path_del(a, "10.1.0.0/24");
	expect(&f, "gone", "10.1.0.0/24 gone\n");
	path_set(&f, a, "10.1.0.0/24", "10.0.0.2", 100);
	path_del(a, "10.1.0.0/24");
	expect(&f, "there and gone between two runs", "");
	CHECK("counts", a->n_paths == 0 && b->n_paths == 0);
	bgp_rib_source_close(a);
	bgp_rib_source_close(b);
	fixture_fini(&f);
}

static void test_flush(void **state)
{
	struct fixture f;
	struct bgp_rib_source *a, *b;
	struct bgp_rib_stats st;

	(void)state;
	fixture_init(&f);
	a = source(&f, "10.0.0.2", 2);
	b = source(&f, "10.0.0.3", 3);
	path_set(&f, a, "10.1.0.0/24", "10.0.0.2", 100);
	path_set(&f, a, "10.2.0.0/24", "10.0.0.2", 100);
	path_set(&f, a, "10.3.0.0/24", "10.0.0.2", 100);
	path_set(&f, b, "10.1.0.0/24", "10.0.0.3", 100);
	while (bgp_rib_run(f.rib, 100))
		;
	strbuf_clear(&f.log);

	bgp_rib_source_flush(a);
	CHECK("live paths", a->n_paths == 0);
	/* Back at once, before the dead paths were taken away: this one must survive. */
	path_set(&f, a, "10.2.0.0/24", "10.0.0.2", 100);
	CHECK("counted again", a->n_paths == 1);
	expect(&f, "flush",
	       "10.2.0.0/24 via 10.0.0.2 from 10.0.0.2 role 0\n"
	       "10.1.0.0/24 via 10.0.0.3 from 10.0.0.3 role 0\n"
	       "10.3.0.0/24 gone\n");
	bgp_rib_stats_get(f.rib, &st);
	CHECK("paths", st.n_paths == 2);
	CHECK("prefixes", st.n_prefixes == 2);

	bgp_rib_source_close(a);
	bgp_rib_source_close(b);
	expect(&f, "closed", "10.2.0.0/24 gone\n10.1.0.0/24 gone\n");
	bgp_rib_stats_get(f.rib, &st);
	CHECK("empty", st.n_paths == 0 && st.n_prefixes == 0 && st.size_bytes == 0);
	fixture_fini(&f);
}

static void test_refused(void **state)
{
	static const char *const p = "10.1.0.0/24";
	struct fixture f;
	struct bgp_rib_source *a;
	struct ip_prefix pfx = prefix(p);
	struct bgp_attrs_draft d = { .has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP |
					    BGP_HAS_ORIGINATOR_ID };

	(void)state;
	fixture_init(&f);
	f.own = addr("10.0.0.1");
	a = source(&f, "10.0.0.2", 2);
	path_set(&f, a, p, "10.0.0.2", 100);
	expect(&f, "good", "10.1.0.0/24 via 10.0.0.2 from 10.0.0.2 role 0\n");
	(void)bgp_rib_path_set(a, &pfx, attrs(&f, "10.0.0.2", 100, 64512), 1);
	expect(&f, "our ASN in the path", "10.1.0.0/24 gone\n");
	path_set(&f, a, p, "10.0.0.1", 100);
	expect(&f, "our address", "");
	f.own = addr("10.0.0.77");
	bgp_rib_own_changed(f.rib);
	expect(&f, "no longer ours", "10.1.0.0/24 via 10.0.0.1 from 10.0.0.2 role 0\n");
	d.nexthop = addr("10.0.0.2");
	d.originator_id = 0x0a000001;
	(void)bgp_rib_path_set(a, &pfx, bgp_attrs_intern(f.attrs, &d, NULL), 1);
	expect(&f, "we are the originator", "10.1.0.0/24 gone\n");
	d.originator_id = 0x0a000009;
	(void)bgp_rib_path_set(a, &pfx, bgp_attrs_intern(f.attrs, &d, NULL), 1);
	expect(&f, "another is", "10.1.0.0/24 via 10.0.0.2 from 10.0.0.2 role 0\n");
	path_set(&f, a, p, "2001:db8::1", 100);
	expect(&f, "next hop of the other family", "10.1.0.0/24 gone\n");
	path_set(&f, a, "0.0.0.0/0", "10.0.0.2", 100);
	path_set(&f, a, "::/0", "2001:db8::2", 100);
	expect(&f, "default routes", "");
	CHECK("they count all the same", a->n_paths == 3);
	bgp_rib_source_close(a);
	fixture_fini(&f);
}

static void test_local(void **state)
{
	struct fixture f;
	struct bgp_rib_source *a;
	struct ip_prefix pfx = prefix("10.96.0.1/32");
	struct bgp_announce ann = { .nexthop = addr("10.0.0.1"), .kind = BGP_ANNOUNCE_VIP };
	struct bgp_attrs *pair[2];

	(void)state;
	fixture_init(&f);
	a = source(&f, "10.0.0.2", 2);
	path_set(&f, a, "10.96.0.1/32", "10.0.0.2", 900);
	expect(&f, "learned", "10.96.0.1/32 via 10.0.0.2 from 10.0.0.2 role 0\n");
	pair[0] = attrs(&f, "10.0.0.1", 100, 64512);
	pair[1] = attrs(&f, "10.0.0.1", 100, 0);
	CHECK("new", bgp_rib_local_set(f.rib, &pfx, &ann, pair) == 1);
	expect(&f, "our own is stronger", "10.96.0.1/32 gone\n");
	(void)bgp_attrs_ref(pair[0]);
	(void)bgp_attrs_ref(pair[1]);
	CHECK("same", bgp_rib_local_set(f.rib, &pfx, &ann, pair) == 0);
	path_set(&f, a, "10.96.0.1/32", "10.0.0.3", 900);
	expect(&f, "learned while ours", "");
	CHECK("got", bgp_rib_local_get(f.rib, &pfx)->attrs[1] == pair[1]);
	CHECK("withdrawn", bgp_rib_local_del(f.rib, &pfx) == 0);
	CHECK("twice", bgp_rib_local_del(f.rib, &pfx) == -ENOENT);
	expect(&f, "judged again", "10.96.0.1/32 via 10.0.0.3 from 10.0.0.2 role 0\n");
	bgp_rib_source_close(a);
	fixture_fini(&f);
}

static void local_set(struct fixture *f, const char *p)
{
	struct bgp_announce ann = { .nexthop = addr("10.0.0.1") };
	struct bgp_attrs *pair[2] = { attrs(f, "10.0.0.1", 100, 0), attrs(f, "10.0.0.1", 100, 0) };
	struct ip_prefix pfx = prefix(p);

	CHECK(p, bgp_rib_local_set(f->rib, &pfx, &ann, pair) == 1);
}

/* A walk that pauses while the announcements change under it. */
static void test_cursor(void **state)
{
	struct fixture f;
	struct bgp_rib_cursor c;
	struct ip_prefix p2 = prefix("10.2.0.0/24"), p4 = prefix("10.4.0.0/24");

	(void)state;
	fixture_init(&f);
	local_set(&f, "10.1.0.0/24");
	local_set(&f, "10.2.0.0/24");
	local_set(&f, "10.3.0.0/24");
	bgp_rib_cursor_init(&c);
	CHECK("not started", bgp_rib_cursor_next(&c) == NULL);
	bgp_rib_cursor_start(&c, f.rib);
	CHECK("first", bgp_rib_cursor_next(&c)->prefix.addr.bytes[1] == 1);
	CHECK("the next one goes", bgp_rib_local_del(f.rib, &p2) == 0);
	local_set(&f, "10.4.0.0/24");
	CHECK("third", bgp_rib_cursor_next(&c)->prefix.addr.bytes[1] == 3);
	CHECK("new one", bgp_rib_cursor_next(&c)->prefix.addr.bytes[1] == 4);
	CHECK("still walking", bgp_rib_cursor_is_walking(&c));
	CHECK("the last one goes", bgp_rib_local_del(f.rib, &p4) == 0);
	CHECK("end", bgp_rib_cursor_next(&c) == NULL && !bgp_rib_cursor_is_walking(&c));
	CHECK("stays so", bgp_rib_cursor_next(&c) == NULL);
	fixture_fini(&f);
}

static void test_local_ceiling(void **state)
{
	struct fixture f;
	struct bgp_announce ann = { .kind = BGP_ANNOUNCE_VIP };
	struct bgp_attrs *pair[2];
	int r = 0;

	(void)state;
	fixture_init(&f);
	pair[0] = pair[1] = attrs(&f, "10.0.0.1", 100, 0);
	for (uint32_t i = 0; i <= BGP_RIB_LOCAL_MAX; i++) {
		struct ip_addr a = ip_v4(0x0a000000u + i);
		struct ip_prefix p = ip_prefix_host(&a);

		(void)bgp_attrs_ref(pair[0]);
		(void)bgp_attrs_ref(pair[0]);
		r = bgp_rib_local_set(f.rib, &p, &ann, pair);
		CHECK("up to the ceiling", r == (i < BGP_RIB_LOCAL_MAX ? 1 : -ENOSPC));
	}
	bgp_attrs_unref(f.attrs, pair[0]);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_path), cmocka_unit_test(test_flush),
		cmocka_unit_test(test_refused),   cmocka_unit_test(test_local),
		cmocka_unit_test(test_cursor),    cmocka_unit_test(test_local_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
