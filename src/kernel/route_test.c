/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes against a scripted kernel: a dump that races with events, lost events, lost answers,
 * errors at each operation.
 */
#include "kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "base/test.h"
#include "ev/sim.h"
#include "kernel/harness.h"
#include "kernel/route_msg.h"
#include "nl/script.h"

#define ROUTES_MAX 16

struct fixture {
	struct ev_loop *loop;
	struct nl_script *script;
	struct kernel_route *kr;
	struct harness_sink sink;
	/* what a dump shows, and what happens while it runs */
	struct route_msg routes[ROUTES_MAX];
	size_t n_routes;
	void (*during_dump)(struct fixture *f);
	/* requests */
	int errs[ROUTES_MAX]; /* the answers, in order; past n_errs: success */
	size_t n_errs, n_requests;
	bool is_mute;
	uint16_t types[ROUTES_MAX], flags[ROUTES_MAX];
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static struct route_key key_of(const char *dst)
{
	struct route_key key = { 0 };

	assert_int_equal(ip_prefix_parse(dst, &key.dst), 0);
	return key;
}

static struct route_msg route(const char *dst, const char *gateway, uint8_t protocol)
{
	return (struct route_msg){ .dst = key_of(dst).dst,
				   .gateway = addr(gateway),
				   .protocol = protocol,
				   .type = RTN_UNICAST };
}

static void route_push(struct nl_script_socket *s, uint16_t type, uint16_t flags, uint32_t seq,
		       const struct route_msg *r)
{
	uint8_t buf[128];
	struct nl_msg m = { wr_init(buf, sizeof(buf)) };

	wr_u8(&m.w, (uint8_t)ip_af(r->dst.addr.family));
	wr_u8(&m.w, r->dst.len);
	wr_u16(&m.w, 0);
	wr_u8(&m.w, RT_TABLE_MAIN);
	wr_u8(&m.w, r->protocol);
	wr_u8(&m.w, 0);
	wr_u8(&m.w, r->type);
	wr_u32(&m.w, 0);
	nl_put_ip(&m, RTA_DST, &r->dst.addr);
	nl_put_ip(&m, RTA_GATEWAY, &r->gateway);
	assert_false(m.w.overflow);
	nl_script_msg(s, type, flags, seq, buf, m.w.len);
}

static void event(struct fixture *f, uint16_t type, const char *dst, const char *gateway)
{
	struct route_msg r = route(dst, gateway, RTPROT_KUBE_ROUTER);

	route_push(nl_script_find(f->script, "route-event"), type, 0, 4242, &r);
}

static void answer_dump(struct fixture *f, struct nl_script_socket *s, const struct nl_head *head,
			struct rd body)
{
	uint8_t family = ip_family_of_af(rd_u8(&body));

	for (size_t i = 0; i < f->n_routes; i++) {
		if (f->routes[i].dst.addr.family == family)
			route_push(s, RTM_NEWROUTE, NLM_F_MULTI, head->seq, &f->routes[i]);
	}
	if (family == IP_V4 && f->during_dump)
		f->during_dump(f);
	nl_script_done(s, head->seq, NLM_F_MULTI, 0);
}

static int on_send(void *arg, struct nl_script_socket *s, const void *data, size_t len)
{
	struct fixture *f = arg;
	struct rd in = rd_init(data, len), body;
	struct nl_head head;

	while (nl_next(&in, &head, &body) > 0) {
		size_t i = f->n_requests;

		if (head.type == RTM_GETROUTE) {
			answer_dump(f, s, &head, body);
			continue;
		}
		assert_true(i < ROUTES_MAX);
		f->n_requests++;
		f->types[i] = head.type;
		f->flags[i] = head.flags;
		if (!f->is_mute)
			nl_script_ack(s, head.seq, i < f->n_errs ? f->errs[i] : 0, NULL);
	}
	return 0;
}

static struct fixture *setup(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct nl_opener opener;

	f->loop = ev_new_sim(7);
	f->script = nl_script_new(f->loop, on_send, f);
	opener = nl_script_opener(f->script);
	assert_int_equal(kernel_route_new(f->loop, &opener, &f->kr), 0);
	harness_sink_init(&f->sink);
	harness_sink_attach(&f->sink, kernel_route_reconciler(f->kr));
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_route_free(f->kr);
	nl_script_free(f->script);
	harness_sink_fini(&f->sink);
	ev_free(f->loop);
	test_free(f);
}

static void dump(struct fixture *f)
{
	f->sink.reconciler.ops->dump(f->sink.reconciler.self);
	ev_sim_settle(f->loop);
}

/* gateway NULL: absent */
static bool is_row(const struct fixture *f, const char *dst, const char *gateway)
{
	struct route_key key = key_of(dst);
	struct bytes row = harness_row(&f->sink, (struct bytes){ &key, sizeof(key) });
	struct route_value want = { 0 };

	if (!gateway)
		return row.data == NULL;
	want.gateway = addr(gateway);
	return row.len == sizeof(want) && memcmp(row.data, &want, sizeof(want)) == 0;
}

static void set(struct fixture *f, uint32_t tag, const char *dst, const char *gateway)
{
	struct route_key key = key_of(dst);
	struct route_value value = { .gateway = addr(gateway) };

	harness_set(&f->sink, tag, (struct bytes){ &key, sizeof(key) },
		    (struct bytes){ &value, sizeof(value) });
}

static void gone_and_new(struct fixture *f)
{
	event(f, RTM_DELROUTE, "10.1.0.0/24", "192.0.2.1");
	event(f, RTM_NEWROUTE, "10.3.0.0/24", "192.0.2.3");
}

static void test_dump_races_with_events(void **state)
{
	struct fixture *f = setup();

	(void)state;
	f->routes[f->n_routes++] = route("10.1.0.0/24", "192.0.2.1", RTPROT_KUBE_ROUTER);
	f->routes[f->n_routes++] = route("10.2.0.0/24", "192.0.2.2", RTPROT_KUBE_ROUTER);
	f->routes[f->n_routes++] = route("10.4.0.0/24", "192.0.2.4", RTPROT_STATIC);
	f->routes[f->n_routes++] = route("2001:db8:1::/64", "2001:db8::1", RTPROT_KUBE_ROUTER);
	f->routes[3].metric = 1024;
	f->during_dump = gone_and_new;
	dump(f);
	CHECK("one dump", f->sink.n_dumps == 1 && f->sink.dump_err == 0);
	CHECK("gone while it ran", is_row(f, "10.1.0.0/24", NULL));
	CHECK("dumped", is_row(f, "10.2.0.0/24", "192.0.2.2"));
	CHECK("came while it ran", is_row(f, "10.3.0.0/24", "192.0.2.3"));
	CHECK("not ours", is_row(f, "10.4.0.0/24", NULL));
	teardown(f);
}

static void lose_events(struct fixture *f)
{
	f->during_dump = NULL; /* once */
	f->routes[0].gateway = addr("192.0.2.9");
	nl_script_push_err(nl_script_find(f->script, "route-event"), -ENOBUFS);
}

static void test_lost_events(void **state)
{
	struct fixture *f = setup();

	(void)state;
	f->routes[f->n_routes++] = route("10.1.0.0/24", "192.0.2.1", RTPROT_KUBE_ROUTER);
	dump(f);
	f->routes[0].gateway = addr("192.0.2.2");
	nl_script_push_err(nl_script_find(f->script, "route-event"), -ENOBUFS);
	ev_sim_settle(f->loop);
	CHECK("dumped by itself", f->sink.n_dumps == 2 && is_row(f, "10.1.0.0/24", "192.0.2.2"));
	f->during_dump = lose_events;
	dump(f);
	CHECK("lost during a dump: that one does not count, the next does",
	      f->sink.n_dumps == 3 && is_row(f, "10.1.0.0/24", "192.0.2.9"));
	teardown(f);
}

static void test_lost_answer(void **state)
{
	struct fixture *f = setup();

	(void)state;
	dump(f);
	f->is_mute = true;
	set(f, 0, "10.1.0.0/24", "192.0.2.1");
	ev_sim_advance(f->loop, 2 * NL_DEADLINE_US);
	CHECK("no answer is no success",
	      harness_results_in(&f->sink, 1) && f->sink.results[0].err == -ETIMEDOUT);
	teardown(f);
}

static void test_change_is_two_steps(void **state)
{
	struct fixture *f = setup();

	(void)state;
	f->routes[f->n_routes++] = route("10.1.0.0/24", "192.0.2.1", RTPROT_KUBE_ROUTER);
	dump(f);
	set(f, 0, "10.1.0.0/24", "192.0.2.2");
	ev_sim_settle(f->loop);
	CHECK("ok", harness_results_in(&f->sink, 1) && f->sink.results[0].err == 0);
	CHECK("add, then delete",
	      f->n_requests == 2 && f->types[0] == RTM_NEWROUTE && f->types[1] == RTM_DELROUTE);
	CHECK("neither replacing nor exclusive", (f->flags[0] & (NLM_F_REPLACE | NLM_F_EXCL)) == 0);
	f->n_requests = 0;
	f->errs[0] = -ENETUNREACH;
	f->n_errs = 1;
	event(f, RTM_NEWROUTE, "10.1.0.0/24", "192.0.2.2");
	event(f, RTM_DELROUTE, "10.1.0.0/24", "192.0.2.1");
	set(f, 0, "10.1.0.0/24", "192.0.2.3");
	ev_sim_settle(f->loop);
	CHECK("failed add", f->sink.results[0].err == -ENETUNREACH);
	CHECK("deletes nothing", f->n_requests == 1);
	teardown(f);
}

static void test_error_at_each_operation(void **state)
{
	(void)state;
	for (uint32_t bad = 0; bad < 4; bad++) {
		struct fixture *f = setup();

		dump(f);
		f->n_errs = 4;
		f->errs[bad] = -ENOMEM;
		for (uint32_t i = 0; i < 4; i++) {
			char dst[32];

			(void)snprintf(dst, sizeof(dst), "10.%u.0.0/24", i);
			set(f, i, dst, "192.0.2.1");
		}
		ev_sim_settle(f->loop);
		CHECK("all answered", harness_results_in(&f->sink, 4));
		for (uint32_t i = 0; i < 4; i++)
			CHECK("that one only", f->sink.results[i].err == (i == bad ? -ENOMEM : 0));
		teardown(f);
	}
}

static void test_conflict_and_behind(void **state)
{
	struct fixture *f = setup();

	(void)state;
	dump(f);
	f->errs[0] = -EEXIST;
	f->n_errs = 1;
	f->routes[f->n_routes++] = route("10.1.0.0/24", "192.0.2.9", RTPROT_STATIC);
	set(f, 0, "10.1.0.0/24", "192.0.2.1");
	ev_sim_settle(f->loop);
	CHECK("held by another", f->sink.results[0].err == -EEXIST && f->n_requests == 1);
	CHECK("named", strstr(f->sink.results[0].text, "10.1.0.0/24 via 192.0.2.9 proto static"));
	f->n_requests = 0;
	f->routes[0] = route("10.1.0.0/24", "192.0.2.1", RTPROT_KUBE_ROUTER);
	set(f, 0, "10.1.0.0/24", "192.0.2.1");
	ev_sim_settle(f->loop);
	CHECK("ours already, the mirror was behind", f->sink.results[0].err == 0);
	CHECK("and as wanted", f->n_requests == 1);
	teardown(f);
}

static void test_free_in_flight(void **state)
{
	struct fixture *f = setup();

	(void)state;
	dump(f);
	f->is_mute = true;
	set(f, 0, "10.1.0.0/24", "192.0.2.1");
	set(f, 1, "10.2.0.0/24", "192.0.2.1");
	ev_sim_settle(f->loop);
	f->sink.reconciler.ops->dump(f->sink.reconciler.self);
	teardown(f); /* the leak check is the test */
}

static void test_settle(void **state)
{
	struct fixture *f = setup();
	uint8_t link[16] = { 0 };

	(void)state;
	f->routes[f->n_routes++] = route("10.1.0.0/24", "192.0.2.1", RTPROT_KUBE_ROUTER);
	dump(f);
	f->n_routes = 0;
	for (int i = 0; i < 5; i++)
		nl_script_msg(nl_script_find(f->script, "route-event"), RTM_DELLINK, 0, 0, link,
			      16);
	ev_sim_settle(f->loop);
	CHECK("waits for more", f->sink.n_dumps == 1);
	ev_sim_advance(f->loop, KERNEL_ROUTE_SETTLE_US);
	CHECK("one dump for all", f->sink.n_dumps == 2 && is_row(f, "10.1.0.0/24", NULL));
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump_races_with_events),
		cmocka_unit_test(test_lost_events),
		cmocka_unit_test(test_lost_answer),
		cmocka_unit_test(test_change_is_two_steps),
		cmocka_unit_test(test_error_at_each_operation),
		cmocka_unit_test(test_conflict_and_behind),
		cmocka_unit_test(test_free_in_flight),
		cmocka_unit_test(test_settle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
