/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses on links of ours, against the kernel, in a network namespace of the test's own.
 */
#include <errno.h>

#include "base/str.h"
#include "base/test.h"
#include "kernel/harness.h"
#include "kernel/ifaddr.h"

#define NAME "kube-bridge"

struct fixture {
	struct ev_loop *loop;
	struct kernel_ifaddr *ki;
	struct harness_sink sink;
	unsigned want_dumps;
	size_t want_rows;
};

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

static bool has_rows(void *arg)
{
	struct fixture *f = arg;

	return f->sink.rows.n == f->want_rows;
}

static bool told_to_retry(void *arg)
{
	struct fixture *f = arg;

	return f->sink.n_retries > 0;
}

static struct fixture *setup(void)
{
	static const char *const names[] = { NAME };
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct reconciler r;

	(void)harness_run("ip link del " NAME);
	(void)harness_run("ip link del other");
	f->loop = ev_new_real();
	assert_int_equal(kernel_ifaddr_new(f->loop, NULL, names, 1, &f->ki), 0);
	harness_sink_init(&f->sink);
	r = kernel_ifaddr_reconciler(f->ki);
	harness_sink_attach(&f->sink, r);
	r.ops->dump(r.self);
	f->want_dumps = 1;
	CHECK("first dump", harness_until(f->loop, dumped, f) && f->sink.dump_err == 0);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_ifaddr_free(f->ki);
	harness_sink_fini(&f->sink);
	ev_free(f->loop);
	test_free(f);
}

static struct link_addr_key key_of(const char *link, const char *text)
{
	struct link_addr_key key = { 0 };

	(void)str_copy(key.link, sizeof(key.link), link);
	assert_int_equal(ip_prefix_parse_host(text, &key.prefix), 0);
	return key;
}

static struct harness_result *op(struct fixture *f, const char *link, const char *text, bool is_set)
{
	struct link_addr_key key = key_of(link, text);
	const struct bytes bytes = { &key, sizeof(key) };

	if (is_set)
		harness_set(&f->sink, 0, bytes, (struct bytes){ "", 0 });
	else
		harness_del(&f->sink, 0, bytes);
	CHECK(text, harness_until(f->loop, answered, f));
	return &f->sink.results[0];
}

static bool has(const struct fixture *f, const char *text)
{
	struct link_addr_key key = key_of(NAME, text);

	return harness_row(&f->sink, (struct bytes){ &key, sizeof(key) }).data != NULL;
}

static void expect(struct fixture *f, const char *command, size_t rows)
{
	assert_int_equal(harness_run(command), 0);
	f->want_rows = rows;
	CHECK(command, harness_until(f->loop, has_rows, f));
}

static void test_life(void **state)
{
	struct fixture *f = setup();
	struct harness_result *r;

	(void)state;
	r = op(f, NAME, "172.20.0.1/24", true);
	CHECK("no link", r->err == -ENODEV && strstr(r->text, "does not exist"));
	CHECK("not ours", op(f, "other", "172.20.0.1/24", true)->err == -EPERM);
	CHECK("nothing to remove", op(f, NAME, "172.20.0.1/24", false)->err == 0);
	f->sink.n_retries = 0;
	assert_int_equal(harness_run("ip link add " NAME " type bridge"), 0);
	CHECK("now it may work", harness_until(f->loop, told_to_retry, f));
	CHECK("added", op(f, NAME, "172.20.0.1/24", true)->err == 0);
	CHECK("again", op(f, NAME, "172.20.0.1/24", true)->err == 0);
	CHECK("as the plugin does",
	      harness_count("ip addr show " NAME, "172.20.0.1/24 brd 172.20.0.255 scope global") ==
		      1);
	CHECK("v6", op(f, NAME, "fd00:172:20::1/64", true)->err == 0);
	CHECK("usable at once", harness_count("ip addr show " NAME, "fd00:172:20::1/64") == 1 &&
					harness_count("ip addr show " NAME, "tentative") == 0);
	f->want_rows = 2;
	CHECK("told", harness_until(f->loop, has_rows, f));
	CHECK("removed", op(f, NAME, "172.20.0.1/24", false)->err == 0);
	CHECK("again", op(f, NAME, "172.20.0.1/24", false)->err == 0);
	CHECK("gone", harness_count("ip addr show " NAME, "172.20.0.1") == 0);
	teardown(f);
}

static void test_follows(void **state)
{
	struct fixture *f = setup();

	(void)state;
	expect(f, "ip link add " NAME " type bridge", 0);
	expect(f, "ip link set " NAME " up", 0);
	expect(f, "ip addr add 172.20.0.1/24 dev " NAME, 1);
	expect(f, "ip addr add fd00:172:20::1/64 dev " NAME, 2);
	CHECK("both", has(f, "172.20.0.1/24") && has(f, "fd00:172:20::1/64"));
	expect(f, "ip addr add 169.254.1.1/16 dev " NAME, 2);
	expect(f, "ip link set " NAME " down", 1);
	CHECK("the IPv6 address went with it", has(f, "172.20.0.1/24"));
	expect(f, "ip addr del 172.20.0.1/24 dev " NAME, 0);
	expect(f, "ip link add other type bridge", 0);
	expect(f, "ip addr add 172.21.0.1/24 dev other", 0);
	expect(f, "ip addr add 172.20.0.1/24 dev " NAME, 1);
	expect(f, "ip link del " NAME, 0);
	expect(f, "ip link set other name " NAME, 1);
	CHECK("brought along", has(f, "172.21.0.1/24"));
	expect(f, "ip link set " NAME " name other", 0);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_follows),
	};

	if (!harness_netns() || harness_run("ip link add probe type bridge") != 0) {
		(void)printf("1..0 # SKIP no network namespaces, or no bridge in this kernel\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
