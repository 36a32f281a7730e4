/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dumps and queries: one request, many messages.
 *
 * The kernel walks its tables while we read. When they change under it, it marks the messages
 * (NLM_F_DUMP_INTR); such a dump may lack or repeat rows and is begun anew after a pause that
 * doubles, a bounded number of times.
 *
 * A dump cannot be broken off: the kernel refuses another one (EBUSY) until it has been read to its
 * end. After an error of the reader the rest is therefore read and dropped.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/mem.h"
#include "nl/job.h"

#define DUMP_REQUEST_MAX 1024

struct nl_dump {
	struct nl_job job;
	struct nl_dump_spec spec;
	struct nl_msg msg;
	bool is_dump; /* else a query, ended by its ack */
	uint32_t seq;
	unsigned tries;
	bool is_interrupted; /* by changes, this time */
	bool is_refused;     /* too many jobs */
	int err;             /* of the reader or the kernel */
	char text[NL_TEXT_MAX];
	uint8_t request[DUMP_REQUEST_MAX];
};

struct nl_dump *nl_dump_new(uint16_t type, uint16_t flags)
{
	struct nl_dump *d = xcalloc(1, sizeof(*d));

	d->is_dump = (flags & NLM_F_DUMP) == NLM_F_DUMP;
	nl_msg_init(&d->msg, d->request, sizeof(d->request), type,
		    flags | NLM_F_REQUEST | (d->is_dump ? 0 : NLM_F_ACK));
	return d;
}

void nl_dump_free(struct nl_dump *d)
{
	free(d);
}

struct nl_msg *nl_dump_msg(struct nl_dump *d)
{
	return &d->msg;
}

struct rd nl_dump_bytes(struct nl_dump *d)
{
	if (!nl_msg_close(&d->msg))
		return rd_init(NULL, 0);
	return rd_init(d->request, d->msg.w.len);
}

static void dump_fail(struct nl *nl, struct nl_dump *d, int err)
{
	d->err = err;
	nl_job_over(nl, &d->job);
}

static void dump_run(struct nl *nl, struct nl_job *job)
{
	struct nl_dump *d = container_of(job, struct nl_dump, job);
	int r;

	if (d->is_refused || !nl_msg_close(&d->msg)) {
		dump_fail(nl, d, d->is_refused ? -EBUSY : -EMSGSIZE);
		return;
	}
	d->seq = nl_seq_take(nl, 1);
	memcpy(d->request + 8, &d->seq, sizeof(d->seq)); /* after length, type and flags */
	r = nl_send_raw(nl, d->request, d->msg.w.len);
	if (r == -EAGAIN) {
		nl_job_writable(nl, job);
		return;
	}
	if (r < 0) {
		dump_fail(nl, d, r);
		return;
	}
	d->tries++;
	d->is_interrupted = false;
	nl_stats_ref(nl)->dumps++;
	if (d->spec.begin)
		d->spec.begin(d->spec.arg);
	nl_job_expect(nl, job);
	nl_read_now(nl);
}

static void dump_again(struct nl *nl, struct nl_dump *d)
{
	int64_t wait_us = NL_DUMP_WAIT_MIN_US << MIN(d->tries - 1, 16u);

	if (d->tries >= NL_DUMP_TRIES) {
		dump_fail(nl, d, -EINTR);
		return;
	}
	nl_stats_ref(nl)->dump_restarts++;
	nl_job_wait(nl, &d->job, MIN(wait_us, NL_DUMP_WAIT_MAX_US));
}

static void dump_end(struct nl *nl, struct nl_dump *d, const struct nl_head *head, struct rd body)
{
	bool is_done = head->type == NLMSG_DONE;
	struct nl_ack ack;

	if (nl_ack_parse(head->flags, body, is_done, &ack) < 0) {
		nl_stats_ref(nl)->refused++;
		dump_fail(nl, d, -EBADMSG);
		return;
	}
	if (d->err == 0 && ack.err < 0) {
		d->err = ack.err;
		memcpy(d->text, ack.text, sizeof(d->text));
	}
	/* Some walks do not mark but end themselves: NLMSG_DONE with -EINTR. */
	if ((d->err == 0 && d->is_interrupted) || d->err == -EINTR) {
		d->err = 0;
		d->text[0] = '\0';
		dump_again(nl, d);
		return;
	}
	nl_job_over(nl, &d->job);
}

static void dump_on_msg(struct nl *nl, struct nl_job *job, const struct nl_head *head,
			struct rd body)
{
	struct nl_dump *d = container_of(job, struct nl_dump, job);

	if (head->seq != d->seq) {
		nl_stats_ref(nl)->refused++;
		return;
	}
	if (head->flags & NLM_F_DUMP_INTR)
		d->is_interrupted = true;
	if (head->type == NLMSG_DONE || head->type == NLMSG_ERROR) {
		dump_end(nl, d, head, body);
		return;
	}
	nl_job_expect(nl, job); /* the deadline is for each message, not for the whole */
	if (d->err == 0)
		d->err = d->spec.on_msg(d->spec.arg, head, body);
}

static void dump_on_lost(struct nl *nl, struct nl_job *job, int err)
{
	nl_stats_ref(nl)->no_answer++;
	dump_fail(nl, container_of(job, struct nl_dump, job), err);
}

static void dump_on_wait(struct nl *nl, struct nl_job *job)
{
	nl_job_ready(nl, job);
}

static void dump_finish(struct nl *nl, struct nl_job *job)
{
	struct nl_dump *d = container_of(job, struct nl_dump, job);

	nl_stats_ref(nl)->requests++;
	if (d->err != 0)
		nl_stats_ref(nl)->errors++;
	d->spec.done(d->spec.arg, d->err, d->text);
}

static void dump_job_free(struct nl_job *job)
{
	nl_dump_free(container_of(job, struct nl_dump, job));
}

static const struct nl_job_ops dump_ops = {
	.run = dump_run,
	.on_msg = dump_on_msg,
	.on_lost = dump_on_lost,
	.on_wait = dump_on_wait,
	.finish = dump_finish,
	.free = dump_job_free,
};

void nl_dump_send(struct nl *nl, struct nl_dump *d, const struct nl_dump_spec *spec)
{
	d->job.ops = &dump_ops;
	d->spec = *spec;
	d->is_refused = nl_is_full(nl);
	nl_job_add(nl, &d->job);
}
