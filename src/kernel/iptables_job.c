/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_job.h"

#include <string.h>

#include "base/mem.h"

struct ipt_job *ipt_job_new(enum ipt_job_kind kind)
{
	struct ipt_job *j = xcalloc(1, sizeof(*j));

	j->kind = kind;
	list_init(&j->link);
	return j;
}

void ipt_job_free(struct ipt_job *j)
{
	list_del(&j->link);
	for (size_t i = 0; i < j->n_ops; i++) {
		free(j->ops[i].want);
		free(j->ops[i].known);
	}
	free(j->ops);
	free(j);
}

/* Terminated, so that an empty text is not NULL. */
static char *bytes_copy(struct bytes b)
{
	char *copy;

	if (!b.data)
		return NULL;
	copy = xmalloc(b.len + 1);
	memcpy(copy, b.data, b.len);
	copy[b.len] = '\0';
	return copy;
}

void ipt_job_ops_set(struct ipt_job *j, const struct row_op *ops, size_t n)
{
	j->ops = xcalloc(n, sizeof(*j->ops));
	j->n_ops = n;
	for (size_t i = 0; i < n; i++) {
		struct ipt_op *op = &j->ops[i];

		memcpy(&op->key, ops[i].key.data, sizeof(op->key));
		op->tag = ops[i].tag;
		op->is_set = ops[i].kind == ROW_SET;
		op->want = op->is_set ? bytes_copy(ops[i].want) : NULL;
		op->want_len = op->is_set ? ops[i].want.len : 0;
		op->known = bytes_copy(ops[i].have);
		op->known_len = ops[i].have.len;
	}
	j->ranges[0] = (struct ipt_range){ 0, n };
	j->n_ranges = n > 0;
}
