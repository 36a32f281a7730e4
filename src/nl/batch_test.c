/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches against a scripted kernel: every way in which an answer can come, come twice, come
 * late or not come at all.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/test.h"
#include "ev/sim.h"
#include "nl/rig.h"

/* ---- behaviours of the kernel ---- */

static int answer_all(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
		      size_t i)
{
	(void)f;
	(void)i;
	nl_script_ack(s, head->seq, 0, NULL);
	return 0;
}

static int every_third_fails(struct nl_rig *f, struct nl_script_socket *s,
			     const struct nl_head *head, size_t i)
{
	(void)f;
	nl_script_ack(s, head->seq, i % 3 == 2 ? -ENETUNREACH : 0, i % 3 == 2 ? "no way" : NULL);
	return 0;
}

static int second_is_lost(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
			  size_t i)
{
	(void)f;
	if (i != 1)
		nl_script_ack(s, head->seq, 0, NULL);
	return 0;
}

static int second_overflows(struct nl_rig *f, struct nl_script_socket *s,
			    const struct nl_head *head, size_t i)
{
	(void)f;
	if (i == 1)
		nl_script_push_err(s, -ENOBUFS);
	else
		nl_script_ack(s, head->seq, 0, NULL);
	return 0;
}

/* Wrong sender, wrong sequence, wrong type, twice: none may count as the answer. */
static int answer_with_noise(struct nl_rig *f, struct nl_script_socket *s,
			     const struct nl_head *head, size_t i)
{
	uint8_t forged[36];
	struct nl_msg m;

	(void)f;
	(void)i;
	nl_msg_init(&m, forged, sizeof(forged), NLMSG_ERROR, NLM_F_CAPPED);
	wr_u32_host(&m.w, (uint32_t)-EPERM);
	wr_u32_host(&m.w, NL_HEAD_LEN);
	wr_zero(&m.w, 12);
	assert_true(nl_msg_close(&m));
	memcpy(forged + 8, &head->seq, sizeof(head->seq));
	nl_script_push_from(s, forged, m.w.len, 4711);
	nl_script_ack(s, head->seq + 1000, -EPERM, NULL);
	nl_script_ack(s, head->seq - 1000, -EPERM, NULL);
	nl_script_msg(s, RTM_NEWLINK, 0, head->seq, "whatever", 8);
	nl_script_ack(s, head->seq, 0, NULL);
	nl_script_ack(s, head->seq, -EPERM, NULL);
	return 0;
}

/* ---- batches ---- */

static void test_batch(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = answer_all;
	nl_rig_batch_start(f, 200);
	CHECK("not before the return", f->n_done == 0);
	ev_sim_settle(f->loop);
	CHECK("done once", f->n_done == 1 && f->n_results == 200);
	CHECK("four sends", f->n_sends == 4 && f->msgs_of_send[0] == 64 && f->msgs_of_send[3] == 8);
	for (size_t i = 0; i < 200; i++) {
		CHECK("tag", f->results[i].tag == 100 + i);
		CHECK("ok", f->results[i].err == 0);
		CHECK("own sequence", i == 0 || f->seqs[i] == f->seqs[i - 1] + 1);
	}
	nl_rig_batch_start(f, 0);
	ev_sim_settle(f->loop);
	CHECK("empty", f->n_done == 2 && f->n_results == 200 && f->n_sends == 4);
	nl_rig_teardown(f);
}

static void test_batch_errors(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = every_third_fails;
	nl_rig_batch_start(f, 100);
	ev_sim_settle(f->loop);
	for (size_t i = 0; i < 100; i++) {
		CHECK("errno", f->results[i].err == (i % 3 == 2 ? -ENETUNREACH : 0));
		CHECK_STR("text", f->texts[i], i % 3 == 2 ? "no way" : "");
	}
	CHECK("counted", nl_rig_stats_of(f).requests == 100 && nl_rig_stats_of(f).errors == 33);
	nl_rig_teardown(f);
}

static void test_batch_noise(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = answer_with_noise;
	nl_rig_batch_start(f, 3);
	ev_sim_settle(f->loop);
	CHECK("done", f->n_results == 3);
	for (size_t i = 0; i < 3; i++)
		CHECK("the true answer", f->results[i].err == 0);
	CHECK("refused", nl_rig_stats_of(f).refused == 15);
	nl_rig_teardown(f);
}

static void test_batch_lost_answer(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = second_is_lost;
	nl_rig_batch_start(f, 66);
	ev_sim_settle(f->loop);
	CHECK("waits", f->n_done == 0 && f->n_sends == 1);
	ev_sim_advance(f->loop, NL_DEADLINE_US - 1);
	CHECK("still", f->n_done == 0);
	ev_sim_advance(f->loop, 1);
	CHECK("then gives up and goes on", f->n_done == 1 && f->n_sends == 2);
	for (size_t i = 0; i < 66; i++)
		CHECK("no answer is no success", f->results[i].err == (i == 1 ? -ETIMEDOUT : 0));
	CHECK("counted", nl_rig_stats_of(f).no_answer == 1);
	nl_script_ack(nl_script_find(f->script, "test"), f->seqs[1], 0, NULL);
	ev_sim_settle(f->loop);
	CHECK("late answer refused", nl_rig_stats_of(f).refused == 1);
	nl_rig_teardown(f);
}

static void test_batch_overflow(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = second_overflows;
	nl_rig_batch_start(f, 4);
	ev_sim_settle(f->loop);
	CHECK("at once, without the deadline", f->n_done == 1);
	for (size_t i = 0; i < 4; i++)
		CHECK("what was read counts", f->results[i].err == (i == 1 ? -ENOBUFS : 0));
	CHECK("counted", nl_rig_stats_of(f).overruns == 1 && nl_rig_stats_of(f).no_answer == 1);
	nl_rig_teardown(f);
}

static void test_batch_send_fails(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = answer_all;
	f->send_err = -ENOMEM;
	f->send_err_left = 1;
	nl_rig_batch_start(f, 70);
	ev_sim_settle(f->loop);
	for (size_t i = 0; i < 70; i++)
		CHECK("first chunk only", f->results[i].err == (i < 64 ? -ENOMEM : 0));
	nl_rig_teardown(f);
}

static void test_batch_send_blocks(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = answer_all;
	f->send_err = -EAGAIN;
	f->send_err_left = 3;
	nl_rig_batch_start(f, 2);
	ev_sim_settle(f->loop);
	CHECK("done when there was room", f->n_results == 2 && f->results[1].err == 0);
	nl_rig_teardown(f);
}

static void test_batch_ceilings(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);
	struct nl_batch *b = nl_batch_new();
	static const uint8_t big[NL_MSG_MAX];

	(void)state;
	f->behave = answer_all;
	(void)nl_batch_add(b, RTM_NEWLINK, 0, 1);
	nl_put_bytes(nl_batch_add(b, RTM_NEWLINK, 0, 2), 1, big, sizeof(big));
	(void)nl_batch_add(b, RTM_NEWLINK, 0, 3);
	for (uint32_t i = 0; i < 6; i++) /* 6 of 8,000 bytes: two buffers */
		nl_put_bytes(nl_batch_add(b, RTM_NEWLINK, 0, 4 + i), 1, big, 8000);
	nl_batch_send(f->nl, b, nl_rig_batch_done, f);
	ev_sim_settle(f->loop);
	CHECK("all answered", f->n_results == 9);
	for (size_t i = 0; i < 9; i++)
		CHECK("the long one only", f->results[i].err == (i == 1 ? -EMSGSIZE : 0));
	CHECK("whole messages, two buffers",
	      f->n_sends == 2 && f->msgs_of_send[0] == 6 && f->msgs_of_send[1] == 2);
	f->behave = NULL; /* silence: jobs pile up */
	for (size_t i = 0; i < NL_JOBS_MAX; i++)
		nl_rig_batch_start(f, 1);
	f->behave = answer_all;
	f->n_results = 0;
	nl_rig_batch_start(f, 1);
	ev_sim_settle(f->loop);
	CHECK("the one too many", f->results[f->n_results - 1].err == -EBUSY);
	CHECK("the one before", f->results[f->n_results - 2].err == 0);
	nl_rig_teardown(f);
}

static void test_batch_max(void **state)
{
	struct nl_batch *b = nl_batch_new();
	struct rd bytes;
	size_t n = 0, chunks = 0;

	(void)state;
	for (size_t i = 0; i < NL_BATCH_MAX + 2; i++)
		(void)nl_batch_add(b, RTM_NEWLINK, 0, 0);
	while ((bytes = nl_batch_bytes(b, chunks)).left > 0) {
		n += bytes.left / NL_HEAD_LEN;
		chunks++;
	}
	CHECK("not a message more", n == NL_BATCH_MAX && chunks == NL_BATCH_MAX / NL_CHUNK_MSGS);
	CHECK("but each has a result", nl_batch_count(b) == NL_BATCH_MAX + 2);
	nl_batch_free(b);
}

static void test_batch_free_in_callback(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	f->behave = answer_all;
	f->free_in_callback = true;
	nl_rig_batch_start(f, 2);
	nl_rig_batch_start(f, 2);
	ev_sim_settle(f->loop);
	CHECK("the second is dropped", f->n_done == 1 && f->nl == NULL);
	nl_rig_teardown(f);
}

static void test_free_with_jobs(void **state)
{
	struct nl_rig *f = nl_rig_setup(false);

	(void)state;
	nl_rig_batch_start(f, 100);
	nl_rig_batch_start(f, 1);
	ev_sim_settle(f->loop);
	nl_rig_teardown(f); /* the leak check is the test */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_batch_errors),
		cmocka_unit_test(test_batch_noise),
		cmocka_unit_test(test_batch_lost_answer),
		cmocka_unit_test(test_batch_overflow),
		cmocka_unit_test(test_batch_send_fails),
		cmocka_unit_test(test_batch_send_blocks),
		cmocka_unit_test(test_batch_ceilings),
		cmocka_unit_test(test_batch_max),
		cmocka_unit_test(test_batch_free_in_callback),
		cmocka_unit_test(test_free_with_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
