/* SPDX-License-Identifier: Apache-2.0 */
/* Name look-ups of the real loop; names are those of /etc/hosts only. */
#include <errno.h>

#include "base/test.h"
#include "ev/ev.h"

struct result {
	struct ev_loop *loop;
	bool returned, hung;
	unsigned n_done;
	int err;
	struct ip_addr addrs[EV_RESOLVE_MAX];
	size_t n;
};

static void done_cb(void *arg, int err, const struct ip_addr *addrs, size_t n)
{
	struct result *r = arg;

	CHECK("later", r->returned);
	r->n_done++;
	r->err = err;
	r->n = n;
	memcpy(r->addrs, addrs, n * sizeof(*addrs));
	ev_stop(r->loop);
}

static void watchdog_cb(void *arg)
{
	struct result *r = arg;

	r->hung = true;
	ev_stop(r->loop);
}

static struct result look_up(const char *host)
{
	struct result r = { .loop = ev_new_real() };
	struct ev_timer *watchdog = ev_timer_new(r.loop, "watchdog", watchdog_cb, &r);

	(void)ev_resolve_start(r.loop, host, done_cb, &r);
	r.returned = true;
	ev_timer_set(watchdog, 30 * US_PER_S);
	ev_run(r.loop);
	CHECK(host, !r.hung && r.n_done == 1);
	ev_timer_free(watchdog);
	ev_free(r.loop);
	return r;
}

static void test_numeric(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1", "2001:db8::17" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct result r = look_up(hosts[i]);
		char buf[IP_ADDR_FMT_MAX];

		CHECK(hosts[i], r.err == 0 && r.n == 1);
		CHECK_STR(hosts[i], ip_fmt(buf, &r.addrs[0]), hosts[i]);
	}
}

static void test_name(void **state)
{
	struct result r = look_up("localhost");
	struct ip_addr v4 = ip_v4(0x7f000001), v6;
	bool found = false;

	(void)state;
	CHECK("::1", ip_parse("::1", &v6) == 0);
	CHECK("found", r.err == 0 && r.n >= 1 && r.n <= EV_RESOLVE_MAX);
	for (size_t i = 0; i < r.n; i++) {
		found = found || ip_same(&r.addrs[i], &v4) || ip_same(&r.addrs[i], &v6);
		for (size_t k = 0; k < i; k++)
			CHECK("each once", !ip_same(&r.addrs[i], &r.addrs[k]));
	}
	CHECK("loopback", found);
}

static void test_bad(void **state)
{
	char host[300];

	(void)state;
	CHECK("empty", look_up("").err == -EINVAL);
	memset(host, 'a', sizeof(host));
	host[254] = 0;
	CHECK("too long", look_up(host).err == -EINVAL);
	CHECK("no name", look_up("a..b").err < 0);
}

static void end_cb(void *arg)
{
	struct result *r = arg;

	ev_stop(r->loop);
}

static void test_cancel(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "" };
	struct result r = { .loop = ev_new_real() };
	struct ev_timer *end = ev_timer_new(r.loop, "end", end_cb, &r);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		ev_resolve_cancel(ev_resolve_start(r.loop, hosts[i], done_cb, &r));
	ev_timer_set(end, 50 * US_PER_MS);
	ev_run(r.loop);
	CHECK("never done", r.n_done == 0);
	/* and with the look-up still under way at the end of the loop */
	ev_resolve_cancel(ev_resolve_start(r.loop, "localhost", done_cb, &r));
	ev_timer_free(end);
	ev_free(r.loop);
	CHECK("never done", r.n_done == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numeric),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
