/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between nl.c (the socket), batch.c and dump.c: work that runs on a socket, one at a time.
 * Private to nl/.
 */
#include "base/list.h"
#include "base/time.h"
#include "nl/nl.h"

struct nl_job;

struct nl_job_ops {
	/* Sends what can be sent now. Also called when the socket became writable. */
	void (*run)(struct nl *nl, struct nl_job *job);
	/* One message for this job; sequence checked by the job. */
	void (*on_msg)(struct nl *nl, struct nl_job *job, const struct nl_head *head,
		       struct rd body);
	/*
	 * Answers were lost, for good: -ENOBUFS (all that was there has been read), -ETIMEDOUT, or
	 * the socket's error.
	 */
	void (*on_lost)(struct nl *nl, struct nl_job *job, int err);
	/* The timer that nl_job_wait() set. */
	void (*on_wait)(struct nl *nl, struct nl_job *job);
	/* Calls the user's callback; the job is off the queue and freed after. */
	void (*finish)(struct nl *nl, struct nl_job *job);
	void (*free)(struct nl_job *job);
};

enum nl_job_state {
	NL_JOB_READY,    /* run is due */
	NL_JOB_EXPECT,   /* answers, until the deadline */
	NL_JOB_WAIT,     /* on_wait is due when the timer fires */
	NL_JOB_WRITABLE, /* run is due when there is room to send */
	NL_JOB_OVER,     /* finish is due */
};

struct nl_job {
	struct list link;
	const struct nl_job_ops *ops;
	enum nl_job_state state; /* set by the functions below only */
};

void nl_job_add(struct nl *nl, struct nl_job *job);
/* What comes next, said from within run, on_msg, on_lost and on_wait. */
void nl_job_ready(struct nl *nl, struct nl_job *job);
void nl_job_expect(struct nl *nl, struct nl_job *job);
void nl_job_wait(struct nl *nl, struct nl_job *job, int64_t wait_us);
void nl_job_writable(struct nl *nl, struct nl_job *job);
void nl_job_over(struct nl *nl, struct nl_job *job);

int nl_send_raw(struct nl *nl, const void *data, size_t len);
/*
 * Reads what is there now and hands it to the job, up to NL_RECV_PER_TURN datagrams: netlink
 * answers before sendmsg returns, so this saves the wait for the loop.
 */
void nl_read_now(struct nl *nl);
uint32_t nl_seq_take(struct nl *nl, uint32_t n); /* the first of n in a row, none of them 0 */
bool nl_is_full(const struct nl *nl);
struct nl_stats *nl_stats_ref(struct nl *nl);
