/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two real speaker processes on loopback, driven through their tables. This program is also the
 * speaker: it executes itself.
 */
#include "bgp/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"
#include "bgp/child.h"
#include "ev/ev.h"

#define TEST_PORT    17917
#define TEST_WAIT_US (20 * US_PER_S)

struct side {
	struct bgp_proc *proc;
	struct row_sink peers, announcements;
	struct ip_addr addr;
	unsigned results, failures, lost, started;
	char failure[128];
	struct bgp_best best;
	bool has_best;
	enum bgp_state state;
};

static struct ev_loop *loop;
static struct ev_timer *limit, *tick;
static bool timed_out;
static struct side a, b;
static bool (*goal)(void);

static void check_goal(void)
{
	if (goal && goal())
		ev_stop(loop);
}

/* For what no event tells. */
static void on_tick(void *arg)
{
	(void)arg;
	check_goal();
	ev_timer_set(tick, 10 * US_PER_MS);
}

static void on_limit(void *arg)
{
	(void)arg;
	timed_out = true;
	ev_stop(loop);
}

static void wait_for(const char *name, bool (*fn)(void))
{
	goal = fn;
	timed_out = false;
	ev_timer_set(limit, TEST_WAIT_US);
	ev_timer_set(tick, 0);
	if (!fn())
		ev_run(loop);
	ev_timer_stop(limit);
	ev_timer_stop(tick);
	goal = NULL;
	CHECK(name, !timed_out);
}

static void on_result(void *arg, uint32_t tag, int err, const char *text)
{
	struct side *s = arg;

	(void)tag;
	s->results++;
	if (err < 0) {
		s->failures++;
		(void)snprintf(s->failure, sizeof(s->failure), "%s", text);
	}
	check_goal();
}

static void on_rows(void *arg)
{
	(void)arg;
}

static void on_dumped(void *arg, int err)
{
	(void)arg;
	(void)err;
}

static void on_best(void *arg, const struct bgp_best *best)
{
	struct side *s = arg;

	s->best = *best;
	s->has_best = true;
	check_goal();
}

static void on_best_gone(void *arg, const struct ip_prefix *prefix)
{
	struct side *s = arg;

	(void)prefix;
	s->has_best = false;
	check_goal();
}

static void on_peer(void *arg, const struct bgp_peer_status *status)
{
	struct side *s = arg;

	s->state = (enum bgp_state)status->state;
	check_goal();
}

static void on_lost(void *arg)
{
	struct side *s = arg;

	s->lost++;
	check_goal();
}

static void on_started(void *arg)
{
	struct side *s = arg;

	s->started++;
}

static void side_init(struct side *s, const char *addr)
{
	const struct bgp_proc_events events = {
		.arg = s,
		.best = on_best,
		.best_gone = on_best_gone,
		.peer = on_peer,
		.lost = on_lost,
		.started = on_started,
	};
	const struct row_sink sink = {
		.arg = s,
		.result = on_result,
		.dump_begin = on_rows,
		.dump_end = on_dumped,
	};
	struct bgp_proc_conf conf = { .listen = &s->addr, .n_listen = 1 };
	char *why = NULL;

	memset(s, 0, sizeof(*s));
	CHECK("address", ip_parse(addr, &s->addr) == 0);
	conf.speaker.asn = 64512;
	conf.speaker.router_id = ip_to_u32(&s->addr);
	conf.speaker.port = TEST_PORT;
	s->proc = bgp_proc_new(loop, &conf, &events);
	bgp_proc_peers(s->proc).ops->attach(bgp_proc_peers(s->proc).self, &sink);
	bgp_proc_announcements(s->proc).ops->attach(bgp_proc_announcements(s->proc).self, &sink);
	CHECK("listens", bgp_proc_bind(s->proc, &why) == 0);
}

static void side_start(struct side *s, const char *addr)
{
	side_init(s, addr);
	bgp_proc_start(s->proc);
}

static void apply(struct reconciler rec, enum row_op_kind kind, struct bytes key, struct bytes want)
{
	const struct row_op op = { .kind = kind, .tag = 1, .key = key, .want = want };

	rec.ops->apply(rec.self, &op, 1);
}

static void want_peer(struct side *s, const struct side *other)
{
	struct bgp_peer_conf c;

	memset(&c, 0, sizeof(c));
	c.addr = other->addr;
	c.local_addr = s->addr;
	c.role = BGP_PEER_NODE;
	c.families = BGP_AF_IPV4;
	c.port = TEST_PORT;
	c.remote_asn = 64512;
	apply(bgp_proc_peers(s->proc), ROW_SET, (struct bytes){ &c.addr, sizeof(c.addr) },
	      (struct bytes){ &c, sizeof(c) });
}

static void want_prefix(struct side *s, const char *text)
{
	struct bgp_announce announce;
	struct ip_prefix p;

	memset(&announce, 0, sizeof(announce));
	announce.nexthop = s->addr;
	announce.to_nodes = 1;
	CHECK(text, ip_prefix_parse(text, &p) == 0);
	apply(bgp_proc_announcements(s->proc), ROW_SET, (struct bytes){ &p, sizeof(p) },
	      (struct bytes){ &announce, sizeof(announce) });
}

static bool b_has_route(void)
{
	return b.has_best;
}

static bool b_lost_route(void)
{
	return !b.has_best;
}

static bool a_lost_process(void)
{
	return a.lost == 1;
}

static bool a_runs_again(void)
{
	return bgp_proc_restarts(a.proc) == 1 && bgp_proc_pid(a.proc) > 0;
}

static bool a_failed(void)
{
	return a.failures > 0;
}

static void on_stopped(void *arg)
{
	*(bool *)arg = true;
	check_goal();
}

static bool a_gone, b_gone;

static bool both_gone(void)
{
	return a_gone && b_gone;
}

static void side_stop(struct side *s, bool *gone)
{
	*gone = false;
	bgp_proc_stop(s->proc, on_stopped, gone);
}

static void test_two_processes(void **state)
{
	char text[IP_PREFIX_FMT_MAX];
	int first;

	(void)state;
	side_start(&a, "127.17.9.1");
	side_start(&b, "127.17.9.2");
	want_peer(&a, &b);
	want_peer(&b, &a);
	want_prefix(&a, "172.20.1.0/24");
	wait_for("b learns the prefix", b_has_route);
	CHECK_STR("prefix", ip_prefix_fmt(text, &b.best.prefix), "172.20.1.0/24");
	CHECK("next hop", ip_same(&b.best.nexthop, &a.addr));
	CHECK("each operation answered", a.results == 2 && a.failures == 0);

	first = bgp_proc_pid(a.proc);
	CHECK("killed", kill(first, SIGKILL) == 0);
	wait_for("the loss is told", a_lost_process);
	want_prefix(&a, "172.20.2.0/24");
	CHECK("refused while it is away, to be tried again", a_failed());
	wait_for("b forgets", b_lost_route);
	wait_for("it is started again", a_runs_again);
	CHECK("another process", bgp_proc_pid(a.proc) != first);
	want_peer(&a, &b);
	want_prefix(&a, "172.20.1.0/24");
	wait_for("b learns it again", b_has_route);

	side_stop(&a, &a_gone);
	side_stop(&b, &b_gone);
	wait_for("both end", both_gone);
	bgp_proc_free(a.proc);
	bgp_proc_free(b.proc);
}

static void test_bad_row_is_refused_with_a_reason(void **state)
{
	struct ip_addr zero;

	(void)state;
	side_start(&a, "127.17.9.1");
	memset(&zero, 0, sizeof(zero));
	b.addr = a.addr;
	want_peer(&a, &b); /* ourselves */
	wait_for("refused", a_failed);
	CHECK("with a reason", *a.failure != '\0');
	side_stop(&a, &a_gone);
	b_gone = true;
	wait_for("it ends", both_gone);
	bgp_proc_free(a.proc);
}

static void test_row_before_the_start(void **state)
{
	(void)state;
	side_init(&a, "127.17.9.1");
	want_peer(&a, &b);
	CHECK("refused while there is no process", a.results == 1 && a.failures == 1);
	CHECK("not started", a.started == 0);
	bgp_proc_start(a.proc);
	CHECK("the time to send it again", a.started == 1);
	side_stop(&a, &a_gone);
	b_gone = true;
	wait_for("it ends", both_gone);
	bgp_proc_free(a.proc);
}

static void test_port_in_use(void **state)
{
	struct bgp_proc_events events = { 0 };
	struct ip_addr addr;
	struct bgp_proc_conf conf = { .listen = &addr, .n_listen = 1 };
	struct bgp_proc *first, *second;
	char *why = NULL;

	(void)state;
	CHECK("address", ip_parse("127.17.9.3", &addr) == 0);
	conf.speaker.port = TEST_PORT;
	first = bgp_proc_new(loop, &conf, &events);
	second = bgp_proc_new(loop, &conf, &events);
	CHECK("the first listens", bgp_proc_bind(first, &why) == 0);
	CHECK("the second does not", bgp_proc_bind(second, &why) == -EADDRINUSE);
	CHECK("said", strstr(why, "127.17.9.3 port 17917") != NULL);
	free(why);
	bgp_proc_free(first);
	CHECK("and then does", bgp_proc_bind(second, &why) == 0);
	bgp_proc_free(second);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_processes),
		cmocka_unit_test(test_bad_row_is_refused_with_a_reason),
		cmocka_unit_test(test_row_before_the_start),
		cmocka_unit_test(test_port_in_use),
	};
	int failed;

	if (argc == 2 && strcmp(argv[1], BGP_CHILD_COMMAND) == 0)
		return bgp_child_main();
	loop = ev_new_real();
	limit = ev_timer_new(loop, "test-limit", on_limit, NULL);
	tick = ev_timer_new(loop, "test-tick", on_tick, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ev_timer_free(limit);
	ev_timer_free(tick);
	ev_free(loop);
	return failed;
}
