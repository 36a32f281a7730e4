/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of sets against a scripted kernel with one set: what must not be taken for a change by
 * others, kernels that say less, and what endless differences cost.
 */
#include "kernel/ipset_audit.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/test.h"
#include "ev/sim.h"
#include "kernel/harness.h"
#include "kernel/ipset.h"
#include "nl/script.h"

#define NAME "kr-a"

struct fixture {
	struct ev_loop *loop;
	struct nl_script *script;
	struct kernel_ipset *ki;
	struct harness_sink sets, members;
	/* the kernel */
	uint32_t n;         /* members: 10.0.0.1 and up */
	uint32_t lies;      /* added to the count in the header */
	bool says_no_count; /* an old kernel */
	bool is_mute;       /* operations get no answer */
	size_t n_headers, n_lists, n_members_listed;
};

static void nfgen_put(struct nl_msg *m)
{
	wr_u8(&m->w, AF_INET);
	wr_zero(&m->w, 3);
	nl_put_u8(m, IPSET_ATTR_PROTOCOL, 7);
	nl_put_str(m, IPSET_ATTR_SETNAME, NAME);
}

static void header_put(const struct fixture *f, struct nl_msg *m)
{
	size_t data;

	nl_put_str(m, IPSET_ATTR_TYPENAME, "hash:ip");
	nl_put_u8(m, IPSET_ATTR_FAMILY, NFPROTO_IPV4);
	data = nl_nest_open(m, IPSET_ATTR_DATA);
	nl_put_be32(m, IPSET_ATTR_TIMEOUT, 0);
	if (!f->says_no_count)
		nl_put_be32(m, IPSET_ATTR_ELEMENTS, f->n + f->lies);
	nl_nest_close(m, data);
}

static void member_put(struct nl_msg *m, uint32_t i)
{
	struct ip_addr a = ip_v4(0x0a000000 + i);
	size_t data = nl_nest_open(m, IPSET_ATTR_DATA), ip = nl_nest_open(m, IPSET_ATTR_IP);

	nl_put_bytes(m, IPSET_ATTR_IPADDR_IPV4, a.bytes, 4);
	nl_nest_close(m, ip);
	nl_nest_close(m, data);
}

/* The set: its header, and all members if it was asked for by name. */
static void answer_list(struct fixture *f, struct nl_script_socket *s, uint32_t seq, bool by_name)
{
	uint32_t next = 1;

	do {
		uint8_t buf[4096];
		struct nl_msg m = { wr_init(buf, sizeof(buf)) };
		size_t adt;

		nfgen_put(&m);
		header_put(f, &m);
		adt = nl_nest_open(&m, IPSET_ATTR_ADT);
		for (unsigned i = 0; by_name && i < 100 && next <= f->n; i++)
			member_put(&m, next++);
		nl_nest_close(&m, adt);
		assert_false(m.w.overflow);
		nl_script_msg(s, NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST, NLM_F_MULTI, seq, buf,
			      m.w.len);
	} while (by_name && next <= f->n);
	f->n_headers += !by_name;
	f->n_lists += by_name;
	f->n_members_listed += by_name ? f->n : 0;
	nl_script_done(s, seq, NLM_F_MULTI, 0);
}

static bool has_name(struct rd body)
{
	struct rd attr;
	uint16_t type;

	rd_skip(&body, 4);
	while (nl_attr_next(&body, &type, &attr) > 0) {
		if ((type & NLA_TYPE_MASK) == IPSET_ATTR_SETNAME)
			return true;
	}
	return false;
}

static int on_send(void *arg, struct nl_script_socket *s, const void *data, size_t len)
{
	struct fixture *f = arg;
	struct rd in = rd_init(data, len), body;
	struct nl_head head;

	while (nl_next(&in, &head, &body) > 0) {
		switch (head.type & 0xff) {
		case IPSET_CMD_LIST:
			answer_list(f, s, head.seq, has_name(body));
			break;
		case IPSET_CMD_ADD:
			f->n++; /* the tests add the next one only */
			if (!f->is_mute)
				nl_script_ack(s, head.seq, 0, NULL);
			break;
		case IPSET_CMD_PROTOCOL:
		case IPSET_CMD_TYPE:
			nl_script_ack(s, head.seq, -EOPNOTSUPP, NULL);
			break;
		default:
			fail_msg("command %u", head.type & 0xff);
		}
	}
	return 0;
}

static bool is_ours(void *arg, const char *name)
{
	(void)arg;
	return str_starts(name, "kr-");
}

static struct fixture *setup(uint32_t n)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct nl_opener opener;

	f->n = n;
	f->loop = ev_new_sim(3);
	f->script = nl_script_new(f->loop, on_send, f);
	opener = nl_script_opener(f->script);
	assert_int_equal(kernel_ipset_new(f->loop, &opener, is_ours, NULL, &f->ki), 0);
	harness_sink_init(&f->sets);
	harness_sink_init(&f->members);
	harness_sink_attach(&f->sets, kernel_ipset_reconciler(f->ki));
	harness_sink_attach(&f->members, kernel_ipset_member_reconciler(f->ki));
	f->sets.reconciler.ops->dump(f->sets.reconciler.self);
	f->members.reconciler.ops->dump(f->members.reconciler.self);
	(void)ev_sim_advance(f->loop, 100 * US_PER_MS);
	CHECK("dumped", f->members.n_dumps == 1 && f->members.rows.n == n);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_ipset_free(f->ki);
	nl_script_free(f->script);
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

static void add(struct fixture *f, uint32_t i)
{
	struct ipset_member_key key = { .set = NAME };
	struct ip_addr a = ip_v4(0x0a000000 + i);

	key.prefix = ip_prefix_host(&a);
	harness_set(&f->members, 0, (struct bytes){ &key, sizeof(key) }, (struct bytes){ "", 0 });
}

static void test_quiet(void **state)
{
	struct fixture *f = setup(50);

	(void)state;
	(void)ev_sim_advance(f->loop, 60 * US_PER_S);
	CHECK("looks", stats_of(f).looks >= 60 * US_PER_S / IPSET_POLL_US);
	CHECK("each is a cycle", stats_of(f).cycles == stats_of(f).looks);
	CHECK("nothing found", stats_of(f).finds == 0 && f->members.n_dumps == 1);
	add(f, 51);
	(void)ev_sim_advance(f->loop, 10 * US_PER_S);
	CHECK("added by us", harness_results_in(&f->members, 1) && stats_of(f).finds == 0);
	f->n--;
	(void)ev_sim_advance(f->loop, US_PER_S);
	CHECK("removed by another", stats_of(f).finds == 1 && f->members.rows.n == 50);
	teardown(f);
}

/* The kernel did it, its answer is on the way: a look in between sees a count too high. */
static void test_operation_in_flight(void **state)
{
	struct fixture *f = setup(50);

	(void)state;
	(void)ev_sim_advance(f->loop, US_PER_S);
	f->is_mute = true;
	add(f, 51);
	(void)ev_sim_advance(f->loop, 4 * US_PER_S); /* the answer is given up after 5 s */
	CHECK("no look counts", stats_of(f).finds == 0 && f->members.n_dumps == 1);
	(void)ev_sim_advance(f->loop, 4 * US_PER_S);
	CHECK("it failed",
	      harness_results_in(&f->members, 1) && f->members.results[0].err == -ETIMEDOUT);
	CHECK("what it did is found out", stats_of(f).finds == 1 && f->members.rows.n == 51);
	teardown(f);
}

static void test_no_count(void **state)
{
	struct fixture *f = setup(50);

	(void)state;
	f->says_no_count = true;
	(void)ev_sim_advance(f->loop, 5 * US_PER_S);
	CHECK("no difference", stats_of(f).finds == 0);
	f->n--;
	(void)ev_sim_advance(f->loop, US_PER_S);
	CHECK("the sum tells", stats_of(f).finds == 1 && f->members.rows.n == 49);
	teardown(f);
}

/* A count that never fits, for whatever reason, must not make us dump twice a second for ever. */
static void test_lasting_difference(void **state)
{
	const int64_t minutes = 10;
	struct fixture *f = setup(50);

	(void)state;
	f->lies = 1;
	(void)ev_sim_advance(f->loop, minutes * 60 * US_PER_S);
	CHECK("backs off", f->members.n_dumps < 50);
	CHECK("but goes on", f->members.n_dumps > 10);
	f->lies = 0;
	(void)ev_sim_advance(f->loop, 60 * US_PER_S);
	f->n--;
	(void)ev_sim_advance(f->loop, US_PER_S);
	CHECK("forgotten when it fits again", f->members.rows.n == 49);
	teardown(f);
}

static void test_large_set_is_listed_seldom(void **state)
{
	const uint32_t n = 20000;
	struct fixture *f = setup(n);
	size_t listed = f->n_members_listed, seconds = 600;

	(void)state;
	(void)ev_sim_advance(f->loop, (int64_t)seconds * US_PER_S);
	listed = f->n_members_listed - listed;
	CHECK("at its rate",
	      listed <= seconds * US_PER_S / (IPSET_POLL_US * 3 / 4) * IPSET_LIST_PER_LOOK + n);
	CHECK("but it is", listed >= n && stats_of(f).cycles >= 1);
	f->n--;
	(void)ev_sim_advance(f->loop, IPSET_POLL_US + (int64_t)n * IPSET_POLL_MEMBER_US);
	CHECK("the count is looked at all the time", f->members.rows.n == n - 1);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_operation_in_flight),
		cmocka_unit_test(test_no_count),
		cmocka_unit_test(test_lasting_difference),
		cmocka_unit_test(test_large_set_is_listed_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
