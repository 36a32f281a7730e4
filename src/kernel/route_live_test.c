/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes against the kernel, in a network namespace of the test's own.
 */
#include <errno.h>
#include <linux/rtnetlink.h>

#include "base/test.h"
#include "kernel/harness.h"
#include "kernel/route.h"

#define MANY 2000

struct fixture {
	struct ev_loop *loop;
	struct kernel_route *kr;
	struct harness_sink sink;
	size_t want_results;
	unsigned want_dumps;
	struct route_key key;
	const char *want_gateway; /* NULL: the row is to be absent */
};

static struct route_key key_of(const char *dst)
{
	struct route_key key = { 0 };

	assert_int_equal(ip_prefix_parse(dst, &key.dst), 0);
	return key;
}

static struct route_value value_of(const char *gateway)
{
	struct route_value v = { 0 };

	assert_int_equal(ip_parse(gateway, &v.gateway), 0);
	return v;
}

static bool dumped(void *arg)
{
	struct fixture *f = arg;

	return f->sink.n_dumps >= f->want_dumps;
}

static bool answered(void *arg)
{
	struct fixture *f = arg;

	return harness_results_in(&f->sink, f->want_results);
}

static bool row_is(void *arg)
{
	struct fixture *f = arg;
	struct bytes row = harness_row(&f->sink, (struct bytes){ &f->key, sizeof(f->key) });
	struct route_value want = { 0 };

	if (!f->want_gateway)
		return row.data == NULL;
	if (strcmp(f->want_gateway, "none") != 0)
		want = value_of(f->want_gateway);
	return row.len == sizeof(want) && memcmp(row.data, &want, sizeof(want)) == 0;
}

static struct fixture *setup(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct reconciler r;

	(void)harness_run("ip link del d0");
	assert_int_equal(harness_run("ip link add d0 type bridge"), 0);
	assert_int_equal(harness_run("ip link set d0 up"), 0);
	assert_int_equal(harness_run("ip addr add 192.0.2.1/24 dev d0"), 0);
	assert_int_equal(harness_run("ip -6 addr add 2001:db8::1/64 dev d0 nodad"), 0);
	f->loop = ev_new_real();
	assert_int_equal(kernel_route_new(f->loop, NULL, &f->kr), 0);
	harness_sink_init(&f->sink);
	r = kernel_route_reconciler(f->kr);
	harness_sink_attach(&f->sink, r);
	r.ops->dump(r.self);
	f->want_dumps = 1;
	CHECK("first dump", harness_until(f->loop, dumped, f) && f->sink.dump_err == 0);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_route_free(f->kr);
	harness_sink_fini(&f->sink);
	ev_free(f->loop);
	test_free(f);
	(void)harness_run("ip link del d0");
}

/* The row becomes this, as told by events and dumps. */
static void expect_row(struct fixture *f, const char *name, const char *dst, const char *gateway)
{
	f->key = key_of(dst);
	f->want_gateway = gateway;
	CHECK(name, harness_until(f->loop, row_is, f));
}

static struct harness_result *set(struct fixture *f, const char *dst, const char *gateway)
{
	struct route_key key = key_of(dst);
	struct route_value value = value_of(gateway);

	harness_set(&f->sink, 0, (struct bytes){ &key, sizeof(key) },
		    (struct bytes){ &value, sizeof(value) });
	f->want_results = 1;
	CHECK(dst, harness_until(f->loop, answered, f));
	return &f->sink.results[0];
}

static struct harness_result *del(struct fixture *f, const char *dst)
{
	struct route_key key = key_of(dst);

	harness_del(&f->sink, 0, (struct bytes){ &key, sizeof(key) });
	f->want_results = 1;
	CHECK(dst, harness_until(f->loop, answered, f));
	return &f->sink.results[0];
}

/* Both families go through the same rows. */
static const struct family {
	const char *name, *dst, *dst2, *gw1, *gw2, *show;
} families[] = {
	{ "ipv4", "10.1.2.0/24", "10.1.3.0/24", "192.0.2.7", "192.0.2.8", "ip -4 route show" },
	{ "ipv6", "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8::7", "2001:db8::8",
	  "ip -6 route show" },
};

static void line_expect(const struct family *fam, const char *dst, const char *rest, size_t n)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	strbuf_fmt(&line, "%s %s", dst, rest);
	CHECK(strbuf_text(&line), harness_count(fam->show, strbuf_text(&line)) == n);
}

static void via_expect(const struct family *fam, const char *gw, const char *proto, size_t n)
{
	CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;

	strbuf_fmt(&rest, "via %s dev d0 proto %s", gw, proto);
	line_expect(fam, fam->dst, strbuf_text(&rest), n);
}

static void test_set_replace_delete(void **state)
{
	struct fixture *f = setup();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *fam = &families[i];

		CHECK(fam->name, set(f, fam->dst, fam->gw1)->err == 0);
		via_expect(fam, fam->gw1, "17", 1);
		expect_row(f, "told", fam->dst, fam->gw1);
		CHECK("again is no error", set(f, fam->dst, fam->gw1)->err == 0);
		CHECK(fam->name, set(f, fam->dst, fam->gw2)->err == 0);
		line_expect(fam, fam->dst, "", 1); /* one route, no second next hop */
		via_expect(fam, fam->gw2, "17", 1);
		expect_row(f, "told", fam->dst, fam->gw2);
		harness_for(f->loop, 3 * KERNEL_ROUTE_SETTLE_US); /* dumps must not disagree */
		expect_row(f, "still", fam->dst, fam->gw2);
		CHECK(fam->name, del(f, fam->dst)->err == 0);
		line_expect(fam, fam->dst, "", 0);
		expect_row(f, "told", fam->dst, NULL);
		CHECK("again is no error", del(f, fam->dst)->err == 0);
	}
	teardown(f);
}

static void test_foreign_conflict(void **state)
{
	struct fixture *f = setup();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *fam = &families[i];
		CLEANUP_STRBUF struct strbuf cmd = STRBUF_INIT;
		struct harness_result *r;

		strbuf_fmt(&cmd, "ip route add %s via %s proto static", fam->dst, fam->gw2);
		assert_int_equal(harness_run(strbuf_text(&cmd)), 0);
		r = set(f, fam->dst, fam->gw1);
		CHECK(fam->name, r->err == -EEXIST);
		CHECK(fam->name, strstr(r->text, fam->dst) && strstr(r->text, "static"));
		via_expect(fam, fam->gw2, "static", 1);
		line_expect(fam, fam->dst, "", 1);
		CHECK("not ours to remove", del(f, fam->dst)->err == 0);
		via_expect(fam, fam->gw2, "static", 1);
		CHECK("never told", f->sink.rows.n == 0);
		strbuf_clear(&cmd);
		strbuf_fmt(&cmd, "ip route del %s", fam->dst);
		assert_int_equal(harness_run(strbuf_text(&cmd)), 0);
		CHECK("then it works", set(f, fam->dst, fam->gw1)->err == 0);
		assert_int_equal(del(f, fam->dst)->err, 0);
	}
	teardown(f);
}

/* Another program's route with another metric stays when ours changes and goes. */
static void test_foreign_other_metric(void **state)
{
	struct fixture *f = setup();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *fam = &families[i];
		CLEANUP_STRBUF struct strbuf cmd = STRBUF_INIT;

		strbuf_fmt(&cmd, "ip route add %s via %s proto static metric 77", fam->dst,
			   fam->gw2);
		assert_int_equal(harness_run(strbuf_text(&cmd)), 0);
		CHECK(fam->name, set(f, fam->dst, fam->gw1)->err == 0);
		CHECK(fam->name, set(f, fam->dst, fam->gw2)->err == 0);
		line_expect(fam, fam->dst, "", 2);
		CHECK(fam->name, del(f, fam->dst)->err == 0);
		line_expect(fam, fam->dst, "", 1);
		via_expect(fam, fam->gw2, "static", 1);
	}
	teardown(f);
}

/* Somebody appends a route of the same key behind ours: our change must not cost it. */
static void test_foreign_same_key_survives(void **state)
{
	struct fixture *f = setup();
	const struct family *fam = &families[0];

	(void)state;
	CHECK("ours", set(f, fam->dst, fam->gw1)->err == 0);
	assert_int_equal(harness_run("ip route append 10.1.2.0/24 via 192.0.2.99 proto static"), 0);
	assert_int_equal(harness_run("ip route prepend 10.1.2.0/24 via 192.0.2.98 proto static"),
			 0);
	CHECK("changed", set(f, fam->dst, fam->gw2)->err == 0);
	via_expect(fam, "192.0.2.99", "static", 1);
	via_expect(fam, "192.0.2.98", "static", 1);
	via_expect(fam, fam->gw2, "17", 1);
	via_expect(fam, fam->gw1, "17", 0);
	CHECK("removed", del(f, fam->dst)->err == 0);
	line_expect(fam, fam->dst, "", 2);
	teardown(f);
}

static void test_adoption(void **state)
{
	static const struct {
		const char *name, *command, *row;
		size_t family;
	} rows[] = {
		{ "as ours", "ip route add 10.1.2.0/24 via 192.0.2.7 proto 17", "192.0.2.7", 0 },
		{ "as ours 6", "ip route add 2001:db8:1::/64 via 2001:db8::7 proto 17",
		  "2001:db8::7", 1 },
		{ "other metric", "ip route add 10.1.2.0/24 via 192.0.2.7 proto 17 metric 5",
		  "none", 0 },
		{ "device", "ip route add 10.1.2.0/24 dev d0 proto 17", "none", 0 },
		{ "device 6", "ip route add 2001:db8:1::/64 dev d0 proto 17", "none", 1 },
		{ "several hops",
		  "ip route add 10.1.2.0/24 proto 17 nexthop via 192.0.2.7 nexthop via 192.0.2.8",
		  "none", 0 },
		{ "several hops 6",
		  "ip route add 2001:db8:1::/64 proto 17 nexthop via 2001:db8::7 nexthop via "
		  "2001:db8::9",
		  "none", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct family *fam = &families[rows[i].family];
		struct fixture *f = setup();

		CHECK(rows[i].name, harness_run(rows[i].command) == 0);
		f->sink.reconciler.ops->dump(f->sink.reconciler.self);
		f->want_dumps = f->sink.n_dumps + 1;
		CHECK(rows[i].name, harness_until(f->loop, dumped, f));
		expect_row(f, rows[i].name, fam->dst, rows[i].row);
		CHECK(rows[i].name, set(f, fam->dst, fam->gw2)->err == 0);
		line_expect(fam, fam->dst, "", 1);
		via_expect(fam, fam->gw2, "17", 1);
		harness_for(f->loop, 2 * KERNEL_ROUTE_SETTLE_US);
		expect_row(f, rows[i].name, fam->dst, fam->gw2);
		CHECK(rows[i].name, del(f, fam->dst)->err == 0);
		line_expect(fam, fam->dst, "", 0);
		teardown(f);
	}
}

static void test_events(void **state)
{
	struct fixture *f = setup();

	(void)state;
	assert_int_equal(harness_run("ip route add 10.1.2.0/24 via 192.0.2.7 proto 17"), 0);
	expect_row(f, "added by hand", "10.1.2.0/24", "192.0.2.7");
	assert_int_equal(harness_run("ip route replace 10.1.2.0/24 via 192.0.2.8 proto 17"), 0);
	expect_row(f, "replaced by hand", "10.1.2.0/24", "192.0.2.8");
	assert_int_equal(harness_run("ip route replace 10.1.2.0/24 via 192.0.2.8 proto static"), 0);
	expect_row(f, "taken over by another program", "10.1.2.0/24", NULL);
	assert_int_equal(harness_run("ip route del 10.1.2.0/24"), 0);
	assert_int_equal(harness_run("ip route add 10.1.2.0/24 via 192.0.2.7 proto 17 table 99"),
			 0);
	assert_int_equal(harness_run("ip route add 10.1.2.0/24 via 192.0.2.7 proto 17"), 0);
	expect_row(f, "other tables do not count", "10.1.2.0/24", "192.0.2.7");
	assert_int_equal(harness_run("ip route del 10.1.2.0/24 table 99"), 0);
	harness_for(f->loop, 20 * US_PER_MS);
	expect_row(f, "still there", "10.1.2.0/24", "192.0.2.7");
	assert_int_equal(harness_run("ip link set d0 down"), 0);
	expect_row(f, "gone without a word", "10.1.2.0/24", NULL);
	assert_int_equal(harness_run("ip link set d0 up"), 0);
	CHECK("set again", set(f, "10.1.2.0/24", "192.0.2.7")->err == 0);
	assert_int_equal(harness_run("ip addr del 192.0.2.1/24 dev d0"), 0);
	expect_row(f, "address removed", "10.1.2.0/24", NULL);
	teardown(f);
}

static bool told_to_retry(void *arg)
{
	struct fixture *f = arg;

	return f->sink.n_retries > 0;
}

static void expect_retry(struct fixture *f, const char *command)
{
	harness_for(f->loop, 2 * KERNEL_ROUTE_SETTLE_US);
	f->sink.n_retries = 0;
	assert_int_equal(harness_run(command), 0);
	CHECK(command, harness_until(f->loop, told_to_retry, f));
}

static void expect_no_retry(struct fixture *f, const char *command)
{
	harness_for(f->loop, 2 * KERNEL_ROUTE_SETTLE_US);
	f->sink.n_retries = 0;
	assert_int_equal(harness_run(command), 0);
	harness_for(f->loop, 2 * KERNEL_ROUTE_SETTLE_US);
	CHECK(command, f->sink.n_retries == 0);
}

/* What may make a route possible that was not; and what happens all day and does not. */
static void test_chances(void **state)
{
	struct fixture *f = setup();

	(void)state;
	expect_no_retry(f, "ip link set d0 down");
	expect_retry(f, "ip link set d0 up");
	expect_no_retry(f, "ip link set d0 mtu 1400");
	expect_no_retry(f, "ip addr del 192.0.2.1/24 dev d0");
	expect_retry(f, "ip addr add 192.0.2.1/24 dev d0");
	expect_no_retry(f, "ip addr add 169.254.7.1/16 dev d0");
	expect_no_retry(f, "ip route add 10.1.2.0/24 via 192.0.2.8 proto static");
	CHECK("held", set(f, "10.1.2.0/24", "192.0.2.7")->err == -EEXIST);
	expect_no_retry(f, "ip route add 10.1.3.0/24 via 192.0.2.8 proto static");
	expect_no_retry(f, "ip route del 10.1.3.0/24");
	expect_retry(f, "ip route del 10.1.2.0/24");
	teardown(f);
}

static void test_errors(void **state)
{
	struct fixture *f = setup();
	struct harness_result *r;

	(void)state;
	r = set(f, "10.1.2.0/24", "203.0.113.1");
	CHECK("unreachable gateway", r->err == -ENETUNREACH);
	CHECK("with the kernel's text", strstr(r->text, "gateway"));
	r = set(f, "10.1.2.0/24", "2001:db8::7");
	CHECK("families", r->err == -EAFNOSUPPORT);
	CHECK("good one", set(f, "10.1.2.0/24", "192.0.2.7")->err == 0);
	r = set(f, "10.1.2.0/24", "203.0.113.1");
	CHECK("change to an unreachable one fails", r->err == -ENETUNREACH);
	via_expect(&families[0], "192.0.2.7", "17", 1); /* and costs nothing */
	teardown(f);
}

/* One batch: good and bad rows side by side, each with its own result. */
static void test_many(void **state)
{
	struct fixture *f = setup();
	struct route_key *keys = test_calloc(MANY, sizeof(*keys));
	struct route_value good = value_of("192.0.2.7"), bad = value_of("203.0.113.1");
	struct row_op *ops = test_calloc(MANY, sizeof(*ops));
	struct kernel_route_stats stats;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		struct ip_addr a = ip_v4(0x0a000000 + i * 256);

		keys[i].dst = ip_prefix_make(&a, 24);
		ops[i] = (struct row_op){ .kind = ROW_SET,
					  .tag = i,
					  .key = { &keys[i], sizeof(keys[i]) },
					  .want = { i % 10 == 9 ? &bad : &good, sizeof(good) } };
	}
	f->sink.reconciler.ops->apply(f->sink.reconciler.self, ops, MANY);
	f->want_results = MANY;
	CHECK("all answered", harness_until(f->loop, answered, f));
	for (size_t i = 0; i < MANY; i++)
		CHECK("own result", f->sink.results[i].err == (i % 10 == 9 ? -ENETUNREACH : 0));
	CHECK("in the kernel", harness_count("ip -4 route show proto 17", "\n") == MANY * 9 / 10);
	kernel_route_stats_get(f->kr, &stats);
	CHECK("64 a send", stats.request.sends == (MANY + NL_CHUNK_MSGS - 1) / NL_CHUNK_MSGS);
	f->want_dumps = f->sink.n_dumps + 1;
	f->sink.reconciler.ops->dump(f->sink.reconciler.self);
	CHECK("dump", harness_until(f->loop, dumped, f) && f->sink.dump_err == 0);
	CHECK("shows them", f->sink.rows.n == MANY * 9 / 10);
	test_free(ops);
	test_free(keys);
	teardown(f);
}

/* The kernel's ENOBUFS, through the real loop: told, and the socket works on. */
struct overrun {
	unsigned n_events, n_overruns, want_events;
};

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct overrun *o = arg;

	(void)head;
	(void)body;
	o->n_events++;
}

static void on_overrun(void *arg)
{
	struct overrun *o = arg;

	o->n_overruns++;
}

static bool overran(void *arg)
{
	const struct overrun *o = arg;

	return o->n_overruns > 0;
}

static bool more_events(void *arg)
{
	const struct overrun *o = arg;

	return o->n_events >= o->want_events;
}

static void test_overrun(void **state)
{
	struct overrun o = { 0 };
	const struct nl_conf conf = {
		.name = "small",
		.protocol = NETLINK_ROUTE,
		.groups = { RTNLGRP_IPV4_ROUTE },
		.rcvbuf_bytes = 1,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = &o,
	};
	struct fixture *f = setup();
	struct nl *nl = NULL;

	(void)state;
	assert_int_equal(nl_new(f->loop, &conf, NULL, &nl), 0);
	for (unsigned i = 0; i < 40; i++) {
		char command[80];

		(void)snprintf(command, sizeof(command), "ip route add 10.7.%u.0/24 dev d0", i);
		assert_int_equal(harness_run(command), 0);
	}
	CHECK("told", harness_until(f->loop, overran, &o));
	harness_for(f->loop, 20 * US_PER_MS);
	CHECK("some were lost", o.n_events < 40);
	o.want_events = o.n_events + 1;
	assert_int_equal(harness_run("ip route del 10.7.1.0/24"), 0);
	CHECK("works on", harness_until(f->loop, more_events, &o));
	nl_free(nl);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_replace_delete),
		cmocka_unit_test(test_foreign_conflict),
		cmocka_unit_test(test_foreign_other_metric),
		cmocka_unit_test(test_foreign_same_key_survives),
		cmocka_unit_test(test_adoption),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_chances),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_overrun),
	};

	if (!harness_netns()) {
		(void)printf("1..0 # SKIP network namespaces are not permitted here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
