/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody else changes sets of ours, in a network namespace of the test's own: it is noticed
 * unasked, our own changes are not mistaken for somebody else's, and looking costs little.
 */
#include <errno.h>
#include <sys/resource.h>

#include "base/str.h"
#include "base/test.h"
#include "kernel/harness.h"
#include "kernel/ipset.h"

#define MEMBERS    1000 /* in each of two sets: a cluster of 1,000 nodes */
#define NOTICED_US (1 * US_PER_S)
#define CORE_SHARE 100 /* of a core, at most one part in so many for looking */

struct fixture {
	struct ev_loop *loop;
	struct kernel_ipset *ki;
	struct harness_sink sets, members;
	size_t want_results;
	unsigned want_dumps;
};

static bool is_ours(void *arg, const char *name)
{
	(void)arg;
	return str_starts(name, "kr-");
}

static bool dumped(void *arg)
{
	struct fixture *f = arg;

	return f->sets.n_dumps >= 1 && f->members.n_dumps >= f->want_dumps;
}

static bool answered(void *arg)
{
	struct fixture *f = arg;

	return harness_results_in(&f->members, f->want_results);
}

static bool set_answered(void *arg)
{
	struct fixture *f = arg;

	return harness_results_in(&f->sets, 1);
}

static struct ipset_member_key member_key(const char *set, uint32_t i, uint8_t len)
{
	struct ipset_member_key key = { 0 };
	struct ip_addr a = ip_v4(0x0a000000 + (i << (32 - len)));

	(void)str_copy(key.set, sizeof(key.set), set);
	key.prefix = ip_prefix_make(&a, len);
	return key;
}

static void set_make(struct fixture *f, const char *name, struct ipset_value v)
{
	struct ipset_key key = { 0 };

	(void)str_copy(key.name, sizeof(key.name), name);
	harness_set(&f->sets, 0, (struct bytes){ &key, sizeof(key) },
		    (struct bytes){ &v, sizeof(v) });
	CHECK(name, harness_until(f->loop, set_answered, f) && f->sets.results[0].err == 0);
}

static void members_apply(struct fixture *f, const char *set, uint8_t len, uint32_t from,
			  uint32_t to, enum row_op_kind kind)
{
	struct ipset_member_key *keys = test_calloc(to - from, sizeof(*keys));
	struct row_op *ops = test_calloc(to - from, sizeof(*ops));

	for (uint32_t i = from; i < to; i++) {
		keys[i - from] = member_key(set, i, len);
		f->members.results[i - from] = (struct harness_result){ 0 };
		ops[i - from] = (struct row_op){ .kind = kind,
						 .tag = i - from,
						 .key = { &keys[i - from], sizeof(*keys) },
						 .want = { kind == ROW_SET ? "" : NULL, 0 },
						 .have = { kind == ROW_SET ? NULL : "", 0 } };
	}
	f->members.reconciler.ops->apply(f->members.reconciler.self, ops, to - from);
	f->want_results = to - from;
	CHECK(set, harness_until(f->loop, answered, f));
	test_free(ops);
	test_free(keys);
}

static struct fixture *setup(void)
{
	const struct ipset_value net = { IPSET_HASH_NET, IP_V4, 1 };
	const struct ipset_value ip = { IPSET_HASH_IP, IP_V4, 1 };
	struct fixture *f = test_calloc(1, sizeof(*f));

	(void)harness_run("ipset flush");
	(void)harness_run("ipset destroy");
	f->loop = ev_new_real();
	assert_int_equal(kernel_ipset_new(f->loop, NULL, is_ours, NULL, &f->ki), 0);
	harness_sink_init(&f->sets);
	harness_sink_init(&f->members);
	harness_sink_attach(&f->sets, kernel_ipset_reconciler(f->ki));
	harness_sink_attach(&f->members, kernel_ipset_member_reconciler(f->ki));
	f->sets.reconciler.ops->dump(f->sets.reconciler.self);
	f->members.reconciler.ops->dump(f->members.reconciler.self);
	f->want_dumps = 1;
	CHECK("dumped", harness_until(f->loop, dumped, f));
	set_make(f, "kr-net", net);
	set_make(f, "kr-ip", ip);
	members_apply(f, "kr-net", 24, 0, MEMBERS, ROW_SET);
	members_apply(f, "kr-ip", 32, 1, MEMBERS + 1, ROW_SET);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_ipset_free(f->ki);
	harness_sink_fini(&f->sets);
	harness_sink_fini(&f->members);
	ev_free(f->loop);
	test_free(f);
}

static struct audit_stats stats_of(const struct fixture *f)
{
	struct audit_stats stats;

	kernel_ipset_audit_get(f->ki, &stats);
	return stats;
}

static void test_own_changes_are_none(void **state)
{
	struct fixture *f = setup();

	(void)state;
	harness_for(f->loop, 2 * US_PER_S);
	CHECK("it looked", stats_of(f).looks >= 2);
	CHECK("and found nothing", stats_of(f).finds == 0);
	members_apply(f, "kr-net", 24, 0, 10, ROW_DEL);
	members_apply(f, "kr-net", 24, 0, 10, ROW_DEL); /* not there: does not count */
	harness_for(f->loop, 2 * US_PER_S);
	CHECK("a wrong count is put right by one dump", stats_of(f).finds == 1);
	members_apply(f, "kr-net", 24, 0, 5, ROW_SET);
	harness_for(f->loop, 2 * US_PER_S);
	CHECK("nothing again", stats_of(f).finds == 1);
	teardown(f);
}

static bool has(const struct fixture *f, const char *set, uint32_t i, uint8_t len)
{
	struct ipset_member_key key = member_key(set, i, len);

	return harness_row(&f->members, (struct bytes){ &key, sizeof(key) }).data != NULL;
}

/* Runs a command; the time until the next dump of members. */
static int64_t noticed_at_once_us(struct fixture *f, const char *command)
{
	struct mono start;

	CHECK(command, harness_run(command) == 0);
	start = mono_read();
	f->want_dumps = f->members.n_dumps + 1;
	CHECK(command, harness_until(f->loop, dumped, f) && f->members.dump_err == 0);
	return mono_diff_us(mono_read(), start);
}

/* The same after a look that found nothing, as after a repair. */
static int64_t noticed_us(struct fixture *f, const char *command)
{
	harness_for(f->loop, US_PER_S);
	return noticed_at_once_us(f, command);
}

static void test_changes_by_others(void **state)
{
	struct fixture *f = setup();

	(void)state;
	CHECK("del", noticed_us(f, "ipset del kr-ip 10.0.0.7") < NOTICED_US);
	CHECK("gone", !has(f, "kr-ip", 7, 32) && has(f, "kr-ip", 8, 32));
	CHECK("add", noticed_us(f, "ipset add kr-net 192.0.2.0/24") < NOTICED_US);
	CHECK("all there", f->members.rows.n == 2 * MEMBERS);
	CHECK("flush", noticed_us(f, "ipset flush kr-net") < NOTICED_US);
	CHECK("emptied", f->members.rows.n == MEMBERS - 1);
	CHECK("destroy", noticed_us(f, "ipset destroy kr-net") < NOTICED_US);
	CHECK("one set left", f->sets.rows.n == 1 && f->members.rows.n == MEMBERS - 1);
	CHECK("another of ours", noticed_us(f, "ipset create kr-x hash:ip") < NOTICED_US);
	CHECK("is seen", f->sets.rows.n == 2);
	CHECK("renamed", noticed_us(f, "ipset rename kr-x foreign") < NOTICED_US);
	CHECK("is gone", f->sets.rows.n == 1);
	CHECK("others' sets are nothing to us", harness_run("ipset add foreign 192.0.2.1") == 0);
	harness_for(f->loop, 2 * US_PER_S);
	CHECK("still", stats_of(f).finds == 6);
	teardown(f);
}

/* The count is right, the members are not: found within a cycle, which at this size is two looks.
 */
static void test_member_swapped(void **state)
{
	struct fixture *f = setup();
	int64_t us;

	(void)state;
	CHECK("del", harness_run("ipset del kr-ip 10.0.0.7") == 0);
	us = noticed_at_once_us(f, "ipset add kr-ip 192.0.2.1");
	CHECK("within a cycle", us < 6 * US_PER_S);
	CHECK("gone", !has(f, "kr-ip", 7, 32));
	CHECK("nothing else", stats_of(f).finds == 1);
	teardown(f);
}

/* A member that expires is none of ours; its coming and going are seen, in between is quiet. */
static void test_member_with_timeout(void **state)
{
	struct fixture *f = setup();
	unsigned n;

	(void)state;
	CHECK("add", noticed_us(f, "ipset add kr-ip 192.0.2.1 timeout 4") < NOTICED_US);
	CHECK("not told", f->members.rows.n == 2 * MEMBERS);
	n = f->members.n_dumps;
	harness_for(f->loop, 2 * US_PER_S);
	CHECK("quiet", f->members.n_dumps == n);
	f->want_dumps = n + 1;
	CHECK("expired", harness_until(f->loop, dumped, f));
	teardown(f);
}

static int64_t cpu_us(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static void on_end(void *arg)
{
	ev_stop(arg);
}

static void test_cost(void **state)
{
	const int64_t seconds = 4;
	struct fixture *f = setup();
	struct ev_timer *end = ev_timer_new(f->loop, "end", on_end, f->loop);
	struct audit_stats before, after;
	int64_t us;

	(void)state;
	harness_for(f->loop, US_PER_S);
	before = stats_of(f);
	us = cpu_us();
	ev_timer_set(end, seconds * US_PER_S); /* not harness_for(): that polls */
	ev_run(f->loop);
	us = cpu_us() - us;
	after = stats_of(f);
	print_message("%d members: %.3f %% of a core, %.0f us a look, %.1f cycles a minute\n",
		      2 * MEMBERS, 100.0 * (double)us / (double)(seconds * US_PER_S),
		      (double)(after.us - before.us) / (double)(after.looks - before.looks),
		      60.0 * (double)(after.cycles - before.cycles) / (double)seconds);
	CHECK("it looked", after.looks - before.looks >= 5);
	CHECK("cheap", us * CORE_SHARE < seconds * US_PER_S);
	ev_timer_free(end);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_changes_are_none),
		cmocka_unit_test(test_changes_by_others),
		cmocka_unit_test(test_member_swapped),
		cmocka_unit_test(test_member_with_timeout),
		cmocka_unit_test(test_cost),
	};

	if (!harness_netns()) {
		(void)printf("1..0 # SKIP network namespaces are not permitted here\n");
		return 77;
	}
	if (harness_run("ipset create kr-probe hash:ip") != 0) {
		(void)printf("1..0 # SKIP no ipset program or no ip_set in this kernel\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
