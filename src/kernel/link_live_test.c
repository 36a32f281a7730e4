/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges and addresses against the kernel, in a network namespace of the test's own.
 */
#include <errno.h>

#include "base/test.h"
#include "kernel/addr.h"
#include "kernel/harness.h"
#include "kernel/link.h"

#define NAME "kube-bridge"

struct fixture {
	struct ev_loop *loop;
	struct kernel_link *kl;
	struct harness_sink sink;
	unsigned want_dumps;
	struct link_value want;
	bool want_absent;
};

static const struct link_key key = { NAME };
static const struct bytes key_bytes = { &key, sizeof(key) };

static bool dumped(void *arg)
{
	struct fixture *f = arg;

	return f->sink.n_dumps >= f->want_dumps;
}

static bool answered(void *arg)
{
	struct fixture *f = arg;

	return harness_results_in(&f->sink, 1);
}

static bool row_is(void *arg)
{
	struct fixture *f = arg;
	struct bytes row = harness_row(&f->sink, key_bytes);

	if (f->want_absent)
		return row.data == NULL;
	return row.data && link_value_same((struct bytes){ &f->want, sizeof(f->want) }, row);
}

static struct fixture *setup(void)
{
	static const char *const names[] = { NAME };
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct reconciler r;

	(void)harness_run("ip link del " NAME);
	f->loop = ev_new_real();
	assert_int_equal(kernel_link_new(f->loop, NULL, names, 1, &f->kl), 0);
	harness_sink_init(&f->sink);
	r = kernel_link_reconciler(f->kl);
	harness_sink_attach(&f->sink, r);
	r.ops->dump(r.self);
	f->want_dumps = 1;
	CHECK("first dump", harness_until(f->loop, dumped, f) && f->sink.dump_err == 0);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_link_free(f->kl);
	harness_sink_fini(&f->sink);
	ev_free(f->loop);
	test_free(f);
	(void)harness_run("ip link del " NAME);
}

static struct harness_result *set(struct fixture *f, uint32_t mtu)
{
	struct link_value v = { .mtu = mtu, .kind = LINK_KIND_BRIDGE, .up = 1 };

	harness_set(&f->sink, 0, key_bytes, (struct bytes){ &v, sizeof(v) });
	CHECK("answered", harness_until(f->loop, answered, f));
	return &f->sink.results[0];
}

static void expect(struct fixture *f, const char *name, uint32_t mtu, bool up)
{
	f->want = (struct link_value){ .mtu = mtu, .kind = LINK_KIND_BRIDGE, .up = up };
	f->want_absent = false;
	CHECK(name, harness_until(f->loop, row_is, f));
}

static void test_bridge(void **state)
{
	struct fixture *f = setup();
	struct link_value v;

	(void)state;
	CHECK("others are not told", f->sink.rows.n == 0);
	CHECK("create", set(f, 1480)->err == 0);
	CHECK("there", harness_count("ip -d link show " NAME, "mtu 1480") == 1 &&
			       harness_count("ip -d link show " NAME, "bridge forward_delay") == 1);
	expect(f, "told", 1480, true);
	CHECK("again", set(f, 1480)->err == 0);
	CHECK("mtu", set(f, 1400)->err == 0);
	expect(f, "told", 1400, true);
	CHECK("asked", kernel_link_get(f->kl, NAME, &v) && v.mtu == 1400 && v.up);
	assert_int_equal(harness_run("ip link set " NAME " down"), 0);
	expect(f, "set down by hand", 1400, false);
	CHECK("up again", set(f, 0)->err == 0);
	expect(f, "told, the mtu is left", 1400, true);
	harness_del(&f->sink, 0, key_bytes);
	CHECK("deleted", harness_until(f->loop, answered, f) && f->sink.results[0].err == 0);
	f->want_absent = true;
	CHECK("told", harness_until(f->loop, row_is, f));
	CHECK("gone", harness_run("ip link show " NAME) != 0);
	harness_del(&f->sink, 0, key_bytes);
	CHECK("again is no error",
	      harness_until(f->loop, answered, f) && f->sink.results[0].err == 0);
	teardown(f);
}

static void test_mtu_refused(void **state)
{
	struct fixture *f = setup();
	struct harness_result *r = set(f, 20);

	(void)state;
	CHECK("refused", r->err == -EINVAL && strstr(r->text, "mtu 20 refused"));
	expect(f, "but there and up", 1500, true);
	teardown(f);
}

static void test_taken_name(void **state)
{
	struct fixture *f = setup();

	(void)state;
	if (harness_run("ip link add " NAME " type veth peer name kube-peer") != 0) {
		teardown(f);
		skip(); /* no veth in this kernel */
	}
	CHECK("refused", set(f, 1400)->err == -EEXIST);
	CHECK("untouched", harness_count("ip link show " NAME, "mtu 1500") == 1);
	harness_del(&f->sink, 0, key_bytes);
	CHECK("nor deleted", harness_until(f->loop, answered, f) &&
				     f->sink.results[0].err == -EEXIST &&
				     harness_run("ip link show " NAME) == 0);
	teardown(f);
}

static void test_rename(void **state)
{
	struct fixture *f = setup();

	(void)state;
	assert_int_equal(harness_run("ip link add br-x type bridge"), 0);
	assert_int_equal(harness_run("ip link set br-x name " NAME), 0);
	expect(f, "came by a new name", 1500, false);
	assert_int_equal(harness_run("ip link set " NAME " name br-y"), 0);
	f->want_absent = true;
	CHECK("went by a new name", harness_until(f->loop, row_is, f));
	(void)harness_run("ip link del br-y");
	teardown(f);
}

/* ---- addresses ---- */

struct addr_fixture {
	struct ev_loop *loop;
	struct kernel_addr *ka;
	unsigned n_changed;
	const char *want; /* "192.0.2.1/24 d0 1500", or with a leading ! absent */
};

static void on_changed(void *arg)
{
	struct addr_fixture *f = arg;

	f->n_changed++;
}

static bool has(const struct kernel_addr *ka, const char *want)
{
	for (size_t i = 0; i < kernel_addr_count(ka); i++) {
		const struct if_addr *a = kernel_addr_at(ka, i);
		char text[IP_PREFIX_FMT_MAX + 40], prefix[IP_PREFIX_FMT_MAX];

		(void)snprintf(text, sizeof(text), "%s %s %u", ip_prefix_fmt(prefix, &a->prefix),
			       a->ifname, a->mtu);
		if (strcmp(text, want) == 0)
			return true;
	}
	return false;
}

static bool addr_is(void *arg)
{
	struct addr_fixture *f = arg;

	if (f->want[0] == '!')
		return kernel_addr_is_ready(f->ka) && !has(f->ka, f->want + 1);
	return has(f->ka, f->want);
}

static void addr_expect(struct addr_fixture *f, const char *want)
{
	f->want = want;
	CHECK(want, harness_until(f->loop, addr_is, f));
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void test_addr(void **state)
{
	struct addr_fixture f = { .loop = ev_new_real() };
	struct ip_addr a;
	unsigned n;

	(void)state;
	assert_int_equal(harness_run("ip link add d0 type bridge"), 0);
	assert_int_equal(harness_run("ip link set d0 up"), 0);
	assert_int_equal(harness_run("ip addr add 192.0.2.1/24 dev d0"), 0);
	assert_int_equal(kernel_addr_new(f.loop, NULL, on_changed, &f, &f.ka), 0);
	CHECK("not yet", !kernel_addr_is_ready(f.ka) && f.n_changed == 0);
	addr_expect(&f, "192.0.2.1/24 d0 1500");
	addr_expect(&f, "127.0.0.1/8 lo 65536");
	CHECK("said once", f.n_changed == 1);
	assert_int_equal(harness_run("ip addr add 2001:db8::1/64 dev d0 nodad"), 0);
	addr_expect(&f, "2001:db8::1/64 d0 1500");
	assert_int_equal(harness_run("ip addr add 198.51.100.1 peer 198.51.100.9 dev d0"), 0);
	addr_expect(&f, "198.51.100.1/32 d0 1500");
	assert_int_equal(harness_run("ip link set d0 mtu 1400"), 0);
	addr_expect(&f, "192.0.2.1/24 d0 1400");
	n = f.n_changed;
	assert_int_equal(harness_run("ip link set d0 alias nothing-that-matters"), 0);
	harness_for(f.loop, 20 * US_PER_MS);
	CHECK("no change, no call", f.n_changed == n);
	a = addr("192.0.2.1");
	CHECK("found", kernel_addr_find(f.ka, &a) && kernel_addr_find(f.ka, &a)->prefix.len == 24);
	a = addr("192.0.2.2");
	CHECK("not found", !kernel_addr_find(f.ka, &a));
	assert_int_equal(harness_run("ip addr del 192.0.2.1/24 dev d0"), 0);
	addr_expect(&f, "!192.0.2.1/24 d0 1400");
	assert_int_equal(harness_run("ip link set d0 name d1"), 0);
	addr_expect(&f, "198.51.100.1/32 d1 1400");
	assert_int_equal(harness_run("ip link del d1"), 0);
	addr_expect(&f, "!2001:db8::1/64 d1 1400");
	kernel_addr_free(f.ka);
	ev_free(f.loop);
}

static void test_onlink(void **state)
{
	static const struct {
		const char *name, *local, *target, *want;
	} rows[] = {
		{ "same subnet", "192.0.2.1", "192.0.2.200", "d0" },
		{ "behind a router", "192.0.2.1", "203.0.113.1", NULL },
		{ "subnet of an address that was not named", "127.0.0.1", "192.0.2.200", NULL },
		{ "not a local address", "203.0.113.9", "203.0.113.1", NULL },
		{ "point to point", "198.51.100.1", "198.51.100.9", NULL },
		{ "ipv6", "2001:db8::1", "2001:db8::2", "d0" },
	};
	struct addr_fixture f = { .loop = ev_new_real() };

	(void)state;
	assert_int_equal(harness_run("ip link add d0 type bridge"), 0);
	assert_int_equal(harness_run("ip addr add 192.0.2.1/24 dev d0"), 0);
	assert_int_equal(harness_run("ip addr add 2001:db8::1/64 dev d0 nodad"), 0);
	assert_int_equal(harness_run("ip addr add 198.51.100.1 peer 198.51.100.9 dev d0"), 0);
	assert_int_equal(kernel_addr_new(f.loop, NULL, NULL, NULL, &f.ka), 0);
	addr_expect(&f, "192.0.2.1/24 d0 1500");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip_addr local = addr(rows[i].local), target = addr(rows[i].target);
		const struct if_addr *got = kernel_addr_onlink(f.ka, &local, 1, &target);

		CHECK(rows[i].name, (got != NULL) == (rows[i].want != NULL));
		if (got)
			CHECK_STR(rows[i].name, got->ifname, rows[i].want);
	}
	kernel_addr_free(f.ka);
	ev_free(f.loop);
	assert_int_equal(harness_run("ip link del d0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge),     cmocka_unit_test(test_mtu_refused),
		cmocka_unit_test(test_taken_name), cmocka_unit_test(test_rename),
		cmocka_unit_test(test_addr),       cmocka_unit_test(test_onlink),
	};

	if (!harness_netns()) {
		(void)printf("1..0 # SKIP network namespaces are not permitted here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
