/* SPDX-License-Identifier: Apache-2.0 */
#include "nl/rig.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/test.h"
#include "ev/sim.h"

static int on_send(void *arg, struct nl_script_socket *s, const void *data, size_t len)
{
	struct nl_rig *f = arg;
	struct rd in = rd_init(data, len), body;
	struct nl_head head;
	size_t n = 0;
	int r = 0;

	if (f->send_err_left > 0) {
		f->send_err_left--;
		return f->send_err;
	}
	while (nl_next(&in, &head, &body) > 0) {
		assert_true(f->n_seqs < NL_RIG_SEQ_MAX);
		f->seqs[f->n_seqs++] = head.seq;
		if (f->behave && r == 0)
			r = f->behave(f, s, &head, f->n_seqs - 1);
		n++;
	}
	if (f->n_sends < ARRAY_LEN(f->msgs_of_send))
		f->msgs_of_send[f->n_sends++] = n;
	return r;
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct nl_rig *f = arg;

	(void)head;
	(void)body;
	f->n_events++;
}

static void on_overrun(void *arg)
{
	struct nl_rig *f = arg;

	f->n_overruns++;
	if (f->free_in_callback) {
		nl_free(f->nl);
		f->nl = NULL;
	}
}

void nl_rig_batch_done(void *arg, const struct nl_result *res, size_t n)
{
	struct nl_rig *f = arg;

	f->n_done++;
	for (size_t i = 0; i < n && f->n_results < NL_RIG_SEQ_MAX; i++, f->n_results++) {
		f->results[f->n_results] = res[i];
		(void)snprintf(f->texts[f->n_results], sizeof(f->texts[0]), "%s", res[i].text);
	}
	if (f->free_in_callback) {
		nl_free(f->nl);
		f->nl = NULL;
	}
}

static void dump_begin(void *arg)
{
	struct nl_rig *f = arg;

	f->n_begin++;
	f->n_msgs = 0;
}

static int dump_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct nl_rig *f = arg;

	(void)head;
	(void)body;
	f->n_msgs++;
	if (f->free_in_callback) {
		nl_free(f->nl);
		f->nl = NULL;
	}
	return f->msg_ret;
}

static void dump_done(void *arg, int err, const char *text)
{
	struct nl_rig *f = arg;

	f->n_done++;
	f->dump_err = err;
	(void)snprintf(f->dump_text, sizeof(f->dump_text), "%s", text);
}

static void fixture_open(struct nl_rig *f, bool events)
{
	struct nl_conf conf = { .name = "test", .protocol = NETLINK_ROUTE };
	struct nl_opener opener;

	f->loop = ev_new_sim(1);
	f->script = nl_script_new(f->loop, on_send, f);
	opener = nl_script_opener(f->script);
	if (events) {
		conf.on_event = on_event;
		conf.on_overrun = on_overrun;
		conf.arg = f;
	}
	assert_int_equal(nl_new(f->loop, &conf, &opener, &f->nl), 0);
}

struct nl_rig *nl_rig_setup(bool events)
{
	struct nl_rig *f = test_calloc(1, sizeof(*f));

	fixture_open(f, events);
	return f;
}

void nl_rig_teardown(struct nl_rig *f)
{
	nl_free(f->nl);
	nl_script_free(f->script);
	ev_free(f->loop);
	test_free(f);
}

void nl_rig_batch_start(struct nl_rig *f, size_t n)
{
	struct nl_batch *b = nl_batch_new();

	for (size_t i = 0; i < n; i++)
		nl_put_u32(nl_batch_add(b, RTM_NEWLINK, 0, 100 + (uint32_t)i), 1, (uint32_t)i);
	nl_batch_send(f->nl, b, nl_rig_batch_done, f);
}

struct nl_stats nl_rig_stats_of(const struct nl_rig *f)
{
	struct nl_stats stats;

	nl_stats_get(f->nl, &stats);
	return stats;
}

void nl_rig_dump_start(struct nl_rig *f, uint16_t flags)
{
	const struct nl_dump_spec spec = {
		.arg = f, .begin = dump_begin, .on_msg = dump_msg, .done = dump_done
	};

	nl_dump_send(f->nl, nl_dump_new(RTM_GETLINK, flags), &spec);
}
