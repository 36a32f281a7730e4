/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: many requests, one result each.
 *
 * Requests are written into buffers of whole messages (chunks); a chunk is one sendmsg. The k-th
 * message of a batch has sequence number first + k, so an answer finds its request by subtraction.
 * A chunk is sent when all answers to the one before are in, are lost, or are overdue: then nothing
 * that the kernel still says about an older chunk can be taken for an answer to this one.
 *
 * A request that was never sent (too long, too many, a failed send) has its result before the
 * batch ends, as every other.
 */
#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "nl/job.h"

#define ERR_OPEN  1 /* nl_result.err before there is a result */
#define CHUNK_MIN 512

struct chunk {
	uint8_t *data;
	size_t len, cap; /* bytes */
	size_t first_msg, n_msgs;
};

struct nl_batch {
	struct nl_job job;
	struct chunk *chunks;
	size_t n_chunks, cap_chunks;
	struct nl_result *results;
	size_t n_results, cap_results;
	uint32_t *result_of_msg;
	size_t n_msgs, cap_msgs;
	struct arena texts;
	nl_batch_done_fn *done;
	void *arg;
	/* the message being written */
	struct nl_msg msg;
	bool has_msg;
	uint8_t scratch[NL_MSG_MAX];
	/* running */
	size_t at_chunk;
	size_t n_open; /* unanswered of this chunk */
	uint32_t first_seq;
};

struct nl_batch *nl_batch_new(void)
{
	return xcalloc(1, sizeof(struct nl_batch));
}

void nl_batch_free(struct nl_batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_chunks; i++)
		free(b->chunks[i].data);
	free(b->chunks);
	free(b->results);
	free(b->result_of_msg);
	arena_fini(&b->texts);
	free(b);
}

static struct chunk *chunk_for(struct nl_batch *b, size_t len)
{
	struct chunk *c = b->n_chunks > 0 ? &b->chunks[b->n_chunks - 1] : NULL;

	if (!c || c->n_msgs == NL_CHUNK_MSGS || c->len + len > NL_CHUNK_BYTES) {
		GROW(b->chunks, b->n_chunks, b->cap_chunks);
		assert(b->chunks);
		c = &b->chunks[b->n_chunks++];
		*c = (struct chunk){ .first_msg = b->n_msgs };
	}
	while (c->cap < c->len + len) {
		c->cap = c->cap ? 2 * c->cap : CHUNK_MIN;
		c->data = xreallocarray(c->data, c->cap, 1);
	}
	assert(c->data); /* len > 0: every message has a header */
	return c;
}

/* The message being written moves into a chunk, whole. */
static void msg_finish(struct nl_batch *b)
{
	struct chunk *c;

	if (!b->has_msg)
		return;
	b->has_msg = false;
	if (b->n_results > NL_BATCH_MAX) {
		b->results[b->n_results - 1].err = -E2BIG;
		return;
	}
	if (!nl_msg_close(&b->msg)) {
		b->results[b->n_results - 1].err = -EMSGSIZE;
		return;
	}
	c = chunk_for(b, b->msg.w.len);
	memcpy(c->data + c->len, b->scratch, b->msg.w.len);
	c->len += b->msg.w.len;
	c->n_msgs++;
	GROW(b->result_of_msg, b->n_msgs, b->cap_msgs);
	b->result_of_msg[b->n_msgs++] = (uint32_t)(b->n_results - 1);
}

struct nl_msg *nl_batch_add(struct nl_batch *b, uint16_t type, uint16_t flags, uint32_t tag)
{
	msg_finish(b);
	GROW(b->results, b->n_results, b->cap_results);
	b->results[b->n_results++] = (struct nl_result){ .tag = tag, .err = ERR_OPEN, .text = "" };
	nl_msg_init(&b->msg, b->scratch, sizeof(b->scratch), type,
		    flags | NLM_F_REQUEST | NLM_F_ACK);
	b->has_msg = true;
	return &b->msg;
}

size_t nl_batch_count(const struct nl_batch *b)
{
	return b->n_results;
}

struct rd nl_batch_bytes(struct nl_batch *b, size_t n)
{
	msg_finish(b);
	if (n >= b->n_chunks)
		return rd_init(NULL, 0);
	return rd_init(b->chunks[n].data, b->chunks[n].len);
}

static struct nl_result *result_of(const struct nl_batch *b, size_t msg)
{
	return &b->results[b->result_of_msg[msg]];
}

/* Every request of this chunk without an answer gets err. */
static void chunk_fail(const struct nl_batch *b, const struct chunk *c, int err)
{
	for (size_t i = 0; i < c->n_msgs; i++) {
		struct nl_result *res = result_of(b, c->first_msg + i);

		if (res->err == ERR_OPEN)
			res->err = err;
	}
}

static void chunk_next(struct nl *nl, struct nl_batch *b)
{
	b->at_chunk++;
	if (b->at_chunk < b->n_chunks)
		nl_job_ready(nl, &b->job);
	else
		nl_job_over(nl, &b->job);
}

static void seq_stamp(const struct chunk *c, uint32_t seq)
{
	size_t at = 0;

	while (at + NL_HEAD_LEN <= c->len) {
		uint32_t len;

		memcpy(&len, c->data + at, sizeof(len));
		memcpy(c->data + at + 8, &seq, sizeof(seq)); /* after length, type and flags */
		seq++;
		at += len;
	}
}

static void batch_run(struct nl *nl, struct nl_job *job)
{
	struct nl_batch *b = container_of(job, struct nl_batch, job);
	struct chunk *c;
	int r;

	if (b->at_chunk >= b->n_chunks) { /* nothing to send */
		nl_job_over(nl, job);
		return;
	}
	if (b->first_seq == 0)
		b->first_seq = nl_seq_take(nl, (uint32_t)b->n_msgs);
	c = &b->chunks[b->at_chunk];
	seq_stamp(c, b->first_seq + (uint32_t)c->first_msg);
	r = nl_send_raw(nl, c->data, c->len);
	if (r == -EAGAIN) {
		nl_job_writable(nl, job);
		return;
	}
	if (r < 0) {
		chunk_fail(b, c, r);
		chunk_next(nl, b);
		return;
	}
	b->n_open = c->n_msgs;
	nl_job_expect(nl, job);
	nl_read_now(nl);
}

static void batch_on_msg(struct nl *nl, struct nl_job *job, const struct nl_head *head,
			 struct rd body)
{
	struct nl_batch *b = container_of(job, struct nl_batch, job);
	const struct chunk *c = &b->chunks[b->at_chunk];
	size_t msg = head->seq - b->first_seq;
	struct nl_result *res;
	struct nl_ack ack;

	if (head->type != NLMSG_ERROR || msg - c->first_msg >= c->n_msgs ||
	    result_of(b, msg)->err != ERR_OPEN ||
	    nl_ack_parse(head->flags, body, false, &ack) < 0) {
		nl_stats_ref(nl)->refused++;
		return;
	}
	res = result_of(b, msg);
	res->err = ack.err;
	if (ack.text[0])
		res->text = arena_strdup(&b->texts, ack.text);
	if (--b->n_open == 0)
		chunk_next(nl, b);
}

static void batch_on_lost(struct nl *nl, struct nl_job *job, int err)
{
	struct nl_batch *b = container_of(job, struct nl_batch, job);

	nl_stats_ref(nl)->no_answer += b->n_open;
	chunk_fail(b, &b->chunks[b->at_chunk], err);
	chunk_next(nl, b);
}

static void batch_finish(struct nl *nl, struct nl_job *job)
{
	struct nl_batch *b = container_of(job, struct nl_batch, job);
	struct nl_stats *stats = nl_stats_ref(nl);

	stats->requests += b->n_results;
	for (size_t i = 0; i < b->n_results; i++) {
		assert(b->results[i].err != ERR_OPEN);
		if (b->results[i].err != 0)
			stats->errors++;
	}
	b->done(b->arg, b->results, b->n_results);
}

static void batch_job_free(struct nl_job *job)
{
	nl_batch_free(container_of(job, struct nl_batch, job));
}

static const struct nl_job_ops batch_ops = {
	.run = batch_run,
	.on_msg = batch_on_msg,
	.on_lost = batch_on_lost,
	.finish = batch_finish,
	.free = batch_job_free,
};

void nl_batch_send(struct nl *nl, struct nl_batch *b, nl_batch_done_fn *done, void *arg)
{
	msg_finish(b);
	b->job.ops = &batch_ops;
	b->done = done;
	b->arg = arg;
	if (nl_is_full(nl)) {
		for (size_t i = 0; i < b->n_chunks; i++)
			chunk_fail(b, &b->chunks[i], -EBUSY);
		b->at_chunk = b->n_chunks;
	}
	nl_job_add(nl, &b->job);
}
