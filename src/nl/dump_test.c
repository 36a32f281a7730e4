/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dumps, queries and events against a scripted kernel.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/test.h"
#include "ev/sim.h"
#include "nl/rig.h"

/* ---- dumps ---- */

static int dump_of_three(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
			 size_t i)
{
	(void)f;
	(void)i;
	for (int n = 0; n < 3; n++)
		nl_script_msg(s, RTM_NEWLINK, NLM_F_MULTI, head->seq, "12345678", 8);
	nl_script_msg(s, RTM_NEWLINK, NLM_F_MULTI, head->seq + 7, "12345678", 8); /* not ours */
	nl_script_done(s, head->seq, NLM_F_MULTI, 0);
	return 0;
}

static int interrupted_twice(struct nl_rig *f, struct nl_script_socket *s,
			     const struct nl_head *head, size_t i)
{
	uint16_t intr = i < 2 ? NLM_F_DUMP_INTR : 0;

	(void)f;
	nl_script_msg(s, RTM_NEWLINK, NLM_F_MULTI | intr, head->seq, "12345678", 8);
	nl_script_msg(s, RTM_NEWLINK, NLM_F_MULTI, head->seq, "12345678", 8);
	nl_script_done(s, head->seq, NLM_F_MULTI, 0);
	return 0;
}

static int interrupted_always(struct nl_rig *f, struct nl_script_socket *s,
			      const struct nl_head *head, size_t i)
{
	(void)f;
	(void)i;
	nl_script_done(s, head->seq, NLM_F_MULTI | NLM_F_DUMP_INTR, 0);
	return 0;
}

static int refuses(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
		   size_t i)
{
	(void)f;
	(void)i;
	nl_script_ack(s, head->seq, -EINVAL, "Invalid values in header for dump request");
	return 0;
}

static int done_with_error(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
			   size_t i)
{
	(void)f;
	(void)i;
	nl_script_done(s, head->seq, NLM_F_MULTI, -ENOENT);
	return 0;
}

static int ends_early(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
		      size_t i)
{
	(void)f;
	(void)i;
	nl_script_msg(s, RTM_NEWLINK, NLM_F_MULTI, head->seq, "12345678", 8);
	return 0;
}

static void test_dump(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = dump_of_three;
	nl_rig_dump_start(f, NLM_F_DUMP);
	ev_sim_settle(f->loop);
	CHECK("done", f->n_done == 1 && f->dump_err == 0);
	CHECK("ours only", f->n_msgs == 3 && f->n_begin == 1 && nl_rig_stats_of(f).refused == 1);
	nl_rig_teardown(f);
}

static void test_dump_interrupted(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = interrupted_twice;
	nl_rig_dump_start(f, NLM_F_DUMP);
	ev_sim_settle(f->loop);
	CHECK("waits", f->n_done == 0 && f->n_sends == 1);
	ev_sim_advance(f->loop, NL_DUMP_WAIT_MIN_US);
	CHECK("once more", f->n_done == 0 && f->n_sends == 2);
	ev_sim_advance(f->loop, 2 * NL_DUMP_WAIT_MIN_US);
	CHECK("done", f->n_done == 1 && f->dump_err == 0);
	CHECK("begun anew each time", f->n_begin == 3 && f->n_msgs == 2);
	nl_rig_teardown(f);
}

static void test_dump_interrupted_always(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = interrupted_always;
	nl_rig_dump_start(f, NLM_F_DUMP);
	ev_sim_advance(f->loop, NL_DUMP_TRIES * NL_DUMP_WAIT_MAX_US);
	CHECK("gives up", f->n_done == 1 && f->dump_err == -EINTR);
	CHECK("after so many", f->n_sends == NL_DUMP_TRIES);
	nl_rig_teardown(f);
}

static void test_dump_errors(void **state)
{
	static const struct {
		const char *name;
		int (*behave)(struct nl_rig *f, struct nl_script_socket *s,
			      const struct nl_head *head, size_t i);
		int msg_ret, want;
		const char *text;
	} rows[] = {
		{ "refused", refuses, 0, -EINVAL, "Invalid values in header for dump request" },
		{ "error at the end", done_with_error, 0, -ENOENT, "" },
		{ "reader's error, after the rest was read", dump_of_three, -E2BIG, -E2BIG, "" },
		{ "end never comes", ends_early, 0, -ETIMEDOUT, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nl_rig *f = nl_rig_setup(false);

		f->behave = rows[i].behave;
		f->msg_ret = rows[i].msg_ret;
		nl_rig_dump_start(f, NLM_F_DUMP);
		ev_sim_advance(f->loop, NL_DEADLINE_US);
		CHECK(rows[i].name, f->n_done == 1 && f->dump_err == rows[i].want);
		CHECK_STR(rows[i].name, f->dump_text, rows[i].text);
		CHECK(rows[i].name, rows[i].msg_ret == 0 || f->n_msgs == 1);
		nl_rig_teardown(f);
	}
}

static int query_answer(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
			size_t i)
{
	(void)f;
	(void)i;
	assert_true(head->flags & NLM_F_ACK);
	nl_script_msg(s, RTM_NEWLINK, 0, head->seq, "12345678", 8);
	nl_script_ack(s, head->seq, 0, NULL);
	return 0;
}

static void test_query(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = query_answer;
	nl_rig_dump_start(f, 0);
	ev_sim_settle(f->loop);
	CHECK("one message, ended by the ack",
	      f->n_done == 1 && f->dump_err == 0 && f->n_msgs == 1);
	nl_rig_teardown(f);
}

static void test_dump_free_in_callback(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = dump_of_three;
	f->free_in_callback = true;
	nl_rig_dump_start(f, NLM_F_DUMP);
	ev_sim_settle(f->loop);
	CHECK("nothing after", f->n_done == 0 && f->n_msgs == 1 && f->nl == NULL);
	nl_rig_teardown(f);
}

/* ---- events ---- */

static void test_events(void **state)
{
	struct nl_rig *f = nl_rig_setup(true);
	struct nl_script_socket *s = nl_script_find(f->script, "test");
	uint8_t cut[12] = { 200 };

	(void)state;
	nl_script_msg(s, RTM_NEWROUTE, 0, 77, "12345678", 8); /* caused by another's request */
	nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	nl_script_ack(s, 5, 0, NULL);
	ev_sim_settle(f->loop);
	CHECK("events", f->n_events == 2 && f->n_overruns == 0);
	CHECK("an answer is none", nl_rig_stats_of(f).refused == 1);
	nl_script_push_err(s, -ENOBUFS);
	nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	ev_sim_settle(f->loop);
	CHECK("overrun, and what follows", f->n_overruns == 1 && f->n_events == 3);
	nl_script_push_cut(s, cut, sizeof(cut), 100000);
	ev_sim_settle(f->loop);
	CHECK("cut datagram", f->n_overruns == 2);
	nl_script_push(s, cut, sizeof(cut));
	ev_sim_settle(f->loop);
	CHECK("no message in it", f->n_overruns == 3);
	nl_script_msg(s, NLMSG_OVERRUN, 0, 0, "", 0);
	ev_sim_settle(f->loop);
	CHECK("said by the kernel", f->n_overruns == 4);
	nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	CHECK("bounded", !nl_drain(f->nl, 1) && f->n_events == 4);
	CHECK("drained without the loop", nl_drain(f->nl, NL_DRAIN_MAX) && f->n_events == 5);
	nl_rig_teardown(f);
}

static void test_events_free_in_callback(void **state)
{
	struct nl_rig *f = nl_rig_setup(true);
	struct nl_script_socket *s = nl_script_find(f->script, "test");

	(void)state;
	f->free_in_callback = true;
	nl_script_push_err(s, -ENOBUFS);
	nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	ev_sim_settle(f->loop);
	CHECK("nothing after", f->n_overruns == 1 && f->n_events == 0 && f->nl == NULL);
	nl_rig_teardown(f);
}

static void test_many_events_yield(void **state)
{
	struct nl_rig *f = nl_rig_setup(true);
	struct nl_script_socket *s = nl_script_find(f->script, "test");

	(void)state;
	for (size_t i = 0; i < 10 * NL_RECV_PER_TURN; i++)
		nl_script_msg(s, RTM_NEWROUTE, 0, 0, "12345678", 8);
	ev_sim_settle(f->loop);
	CHECK("all", f->n_events == 10 * NL_RECV_PER_TURN);
	nl_rig_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_dump_interrupted),
		cmocka_unit_test(test_dump_interrupted_always),
		cmocka_unit_test(test_dump_errors),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_dump_free_in_callback),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_events_free_in_callback),
		cmocka_unit_test(test_many_events_yield),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
