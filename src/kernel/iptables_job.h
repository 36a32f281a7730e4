/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the worker: its queue, and the operations of one apply with the ranges still to be
 * tried.
 */
#include "base/list.h"
#include "base/str.h"
#include "base/time.h"
#include "kernel/iptables_plan.h"

enum ipt_job_kind {
	IPT_JOB_SAVE,
	IPT_JOB_APPLY,
};

/* One operation of an apply, copied. */
struct ipt_op {
	struct ipt_key key;
	uint32_t tag;
	bool is_set, is_done;
	char *want; /* owned; NULL: the row shall go */
	size_t want_len;
	char *known; /* owned; what the engine thinks is there; NULL: nothing */
	size_t known_len;
};

/* Operations still to be tried together: [from, to). */
struct ipt_range {
	size_t from, to;
};

struct ipt_job {
	struct list link;
	enum ipt_job_kind kind;
	bool asked_programs; /* once for each job */
	struct ipt_op *ops;
	size_t n_ops;
	/* Halving: at most one range for each halving, and the last half. */
	struct ipt_range ranges[2 * 64];
	size_t n_ranges;
	bool is_fresh;        /* a save was made for this job */
	bool is_many_tables;  /* the running try has several transactions: may be done in part */
	struct mono deadline; /* 0: not started */
};

struct ipt_job *ipt_job_new(enum ipt_job_kind kind);
void ipt_job_free(struct ipt_job *j);
/* n operations are copied; the first range is all of them. */
void ipt_job_ops_set(struct ipt_job *j, const struct row_op *ops, size_t n);

static inline struct bytes ipt_op_want(const struct ipt_op *op)
{
	return (struct bytes){ op->want, op->want_len };
}
static inline struct bytes ipt_op_known(const struct ipt_op *op)
{
	return (struct bytes){ op->known, op->known_len };
}
