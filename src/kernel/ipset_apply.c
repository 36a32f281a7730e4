/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on sets and members.
 *
 * Members: one request each, many in a batch. Adding what is there and deleting what is not are
 * success: without NLM_F_EXCL the kernel says so itself, older ones by IPSET_ERR_EXIST.
 *
 * Sets go through at most three batches:
 *
 *   CREATE   `create NAME`. An equal set is success; EEXIST says that its options differ.
 *   SWAP     `create TMP`, `swap TMP NAME`, `destroy TMP`: NAME has the new options at once, and
 *            rules that refer to it go on. A `destroy TMP` before clears what a crash left.
 *   REPLACE  the kernel does not swap sets of different type or family: `destroy NAME`,
 *            `create NAME`. Refused (EBUSY) while a rule refers to the set; that is reported.
 *
 * After SWAP and REPLACE the set is empty and its owner is told to look at the members again.
 */
#include "kernel/ipset_apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"

enum op_state {
	OP_CREATE,
	OP_SWAP,
	OP_REPLACE,
	OP_DESTROY, /* ROW_DEL */
	OP_DONE,
};

enum request {
	REQUEST_CREATE,
	REQUEST_SWAP,
	REQUEST_DESTROY,
	REQUEST_TMP_CREATE,
	REQUEST_TMP_DESTROY,
	REQUEST_N = 8, /* bits of a tag: 3 */
};

struct set_op {
	enum op_state state;
	uint32_t tag;
	struct ipset_key key;
	struct ipset_value want;
	bool is_del;
	bool again_swap, again_replace; /* what the results of this batch ask for */
	int err;
	const char *text;
};

struct member_op {
	bool is_add, was_there;
	uint32_t tag;
	struct ipset_member_key key;
	int err;
	const char *text;
};

/* One call of apply, for either table: ops is one of the two arrays. */
struct apply {
	struct list link;
	struct ipset_applier *ia;
	struct arena arena;
	struct set_op *sets;
	struct member_op *members;
	size_t n;
	bool emptied;
};

void ipset_applier_init(struct ipset_applier *ia)
{
	*ia = (struct ipset_applier){ .dialect = IPSET_DIALECT_INIT };
	list_init(&ia->running);
}

static struct apply *apply_new(struct ipset_applier *ia, size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->ia = ia;
	a->n = n;
	ia->n_ops++;
	list_add_tail(&ia->running, &a->link);
	return a;
}

static void apply_free(struct apply *a)
{
	a->ia->n_ops++;
	list_del(&a->link);
	arena_fini(&a->arena);
	free(a);
}

void ipset_applier_fini(struct ipset_applier *ia)
{
	list_for_each_safe (it, &ia->running)
		apply_free(list_entry(it, struct apply, link));
}

/* The errno of a result, its text in the arena. */
static int result_err(struct apply *a, const struct nl_result *res, const char **ret_text)
{
	int err = ipset_msg_err(res->err, ret_text);

	if (res->text[0])
		*ret_text = arena_strdup(&a->arena, res->text);
	return err;
}

static bool is_name(const char *name, size_t size)
{
	return name[0] != '\0' && memchr(name, '\0', size) != NULL;
}

/* ---- sets ---- */

static void sets_phase(struct apply *a);

static void set_fail(struct set_op *op, int err, const char *text)
{
	op->state = OP_DONE;
	if (op->err != 0) /* the first one is the cause */
		return;
	op->err = err;
	op->text = text;
}

/* "TMP-kr-1a2b3c4d": one temporary name per set, so that two at work do not meet. */
static void tmp_name(char buf[IPSET_NAME_MAX], const struct ipset_key *key)
{
	(void)snprintf(buf, IPSET_NAME_MAX, "TMP-kr-%08x",
		       hash_fnv1a32(key->name, strlen(key->name)));
}

static void set_op_init(struct ipset_applier *ia, struct set_op *op, const struct row_op *row)
{
	*op = (struct set_op){ .tag = row->tag, .text = "", .is_del = row->kind == ROW_DEL };
	if (row->key.len != sizeof(op->key) || (!op->is_del && row->want.len != sizeof(op->want))) {
		set_fail(op, -EINVAL, "ipset: row of a wrong size");
		return;
	}
	memcpy(&op->key, row->key.data, sizeof(op->key));
	if (!op->is_del)
		memcpy(&op->want, row->want.data, sizeof(op->want));
	if (op->is_del)
		op->state = OP_DESTROY;
	else
		op->state = row->have.len == 0 ? OP_CREATE : OP_SWAP;
	if (ia->dialect_err != 0)
		set_fail(op, ia->dialect_err, "ipset: kernel's protocol version is unknown to us");
	else if (!is_name(op->key.name, sizeof(op->key.name)))
		set_fail(op, -EINVAL, "ipset: set name empty or too long");
	else if (!op->is_del && op->want.type == IPSET_TYPE_OTHER)
		set_fail(op, -EINVAL, "ipset: set type not supported");
}

static void set_result(struct apply *a, struct set_op *op, enum request request,
		       const struct nl_result *res)
{
	const char *text;
	int err = result_err(a, res, &text);

	switch (request) {
	case REQUEST_CREATE:
		if (err == -EEXIST && op->state == OP_CREATE)
			op->again_swap = true;
		else if (err != 0)
			set_fail(op, err, text);
		break;
	case REQUEST_SWAP:
		if (err == -EMEDIUMTYPE)
			op->again_replace = true;
		else if (err != 0)
			set_fail(op, err, text);
		else
			a->emptied = true;
		break;
	case REQUEST_DESTROY:
		if (err != 0 && err != -ENOENT)
			set_fail(op, err, text);
		else if (op->state == OP_REPLACE)
			a->emptied = true;
		break;
	case REQUEST_TMP_CREATE:
		if (err != 0)
			set_fail(op, err, text);
		break;
	case REQUEST_TMP_DESTROY: /* before: nothing to clear; after: nothing that anyone sees */
	case REQUEST_N:
		break;
	}
}

static void set_next_state(struct set_op *op)
{
	op->state = OP_DONE;
	if (op->err == 0 && op->again_swap)
		op->state = OP_SWAP;
	else if (op->err == 0 && op->again_replace)
		op->state = OP_REPLACE;
	op->again_swap = op->again_replace = false;
}

static void sets_batch_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;

	for (size_t i = 0; i < n; i++)
		set_result(a, &a->sets[res[i].tag / REQUEST_N],
			   (enum request)(res[i].tag % REQUEST_N), &res[i]);
	for (size_t i = 0; i < a->n; i++)
		set_next_state(&a->sets[i]);
	sets_phase(a);
}

static void set_encode(struct apply *a, struct nl_batch *b, uint32_t i, const struct set_op *op)
{
	const struct ipset_dialect *d = &a->ia->dialect;
	char tmp[IPSET_NAME_MAX];

	switch (op->state) {
	case OP_CREATE:
		ipset_msg_create(b, i + REQUEST_CREATE, d, op->key.name, &op->want);
		break;
	case OP_SWAP:
		tmp_name(tmp, &op->key);
		ipset_msg_destroy(b, i + REQUEST_TMP_DESTROY, d, tmp);
		ipset_msg_create(b, i + REQUEST_TMP_CREATE, d, tmp, &op->want);
		ipset_msg_swap(b, i + REQUEST_SWAP, d, tmp, op->key.name);
		ipset_msg_destroy(b, i + REQUEST_TMP_DESTROY, d, tmp);
		break;
	case OP_REPLACE:
		ipset_msg_destroy(b, i + REQUEST_DESTROY, d, op->key.name);
		ipset_msg_create(b, i + REQUEST_CREATE, d, op->key.name, &op->want);
		break;
	case OP_DESTROY:
		ipset_msg_destroy(b, i + REQUEST_DESTROY, d, op->key.name);
		break;
	case OP_DONE:
		break;
	}
}

static void sets_report(struct apply *a)
{
	struct ipset_applier *ia = a->ia;
	bool emptied = a->emptied;

	for (size_t i = 0; i < a->n; i++) {
		const struct set_op *op = &a->sets[i];

		if (op->err == 0) {
			snapshot_touch(ia->sets, (struct bytes){ &op->key, sizeof(op->key) },
				       !op->is_del, (struct bytes){ &op->want, sizeof(op->want) });
			ia->on_set(ia->arg, &op->key, op->is_del ? NULL : &op->want);
		}
		ia->sets_sink->result(ia->sets_sink->arg, op->tag, op->err, op->text);
	}
	apply_free(a);
	if (emptied)
		ia->on_emptied(ia->arg);
}

static void sets_send(struct apply *a)
{
	struct nl_batch *b = nl_batch_new();

	for (size_t i = 0; i < a->n; i++)
		set_encode(a, b, (uint32_t)i * REQUEST_N, &a->sets[i]);
	nl_batch_send(a->ia->request, b, sets_batch_done, a);
}

static void sets_phase(struct apply *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->sets[i].state != OP_DONE) {
			sets_send(a);
			return;
		}
	}
	sets_report(a);
}

void ipset_apply_sets(struct ipset_applier *ia, const struct row_op *ops, size_t n)
{
	struct apply *a = apply_new(ia, n);

	a->sets = arena_alloc(&a->arena, n * sizeof(*a->sets));
	for (size_t i = 0; i < n; i++)
		set_op_init(ia, &a->sets[i], &ops[i]);
	sets_send(a); /* also if empty: an empty batch answers, later */
}

/* ---- members ---- */

static void member_fail(struct member_op *op, int err, const char *text)
{
	op->err = err;
	op->text = text;
}

static void member_op_init(struct ipset_applier *ia, struct member_op *op, const struct row_op *row)
{
	*op = (struct member_op){ .tag = row->tag,
				  .is_add = row->kind == ROW_SET,
				  .was_there = row->have.data != NULL,
				  .text = "" };
	if (row->key.len != sizeof(op->key)) {
		member_fail(op, -EINVAL, "ipset: row of a wrong size");
		return;
	}
	memcpy(&op->key, row->key.data, sizeof(op->key));
	if (ia->dialect_err != 0)
		member_fail(op, ia->dialect_err,
			    "ipset: kernel's protocol version is unknown to us");
	else if (!is_name(op->key.set, sizeof(op->key.set)))
		member_fail(op, -EINVAL, "ipset: set name empty or too long");
	else if (op->key.prefix.addr.family == IP_NONE)
		member_fail(op, -EINVAL, "ipset: member without an address");
}

static void member_result(struct apply *a, struct member_op *op, const struct nl_result *res)
{
	const char *text;
	int err = result_err(a, res, &text);

	if (err == -EEXIST ||
	    (err == -ENOENT && !op->is_add)) /* the set is gone, and its members */
		err = 0;
	if (err == -ENOENT)
		text = "ipset: set does not exist";
	if (err != 0)
		member_fail(op, err, text);
}

static void members_batch_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;
	struct ipset_applier *ia = a->ia;

	for (size_t i = 0; i < n; i++)
		member_result(a, &a->members[res[i].tag], &res[i]);
	for (size_t i = 0; i < a->n; i++) {
		const struct member_op *op = &a->members[i];

		if (op->err == 0)
			snapshot_touch(ia->members, (struct bytes){ &op->key, sizeof(op->key) },
				       op->is_add, (struct bytes){ 0 });
		if (op->err == 0 && op->is_add != op->was_there)
			ia->on_member(ia->arg, &op->key, op->is_add);
		ia->members_sink->result(ia->members_sink->arg, op->tag, op->err, op->text);
	}
	apply_free(a);
}

void ipset_apply_members(struct ipset_applier *ia, const struct row_op *ops, size_t n)
{
	struct apply *a = apply_new(ia, n);
	struct nl_batch *b = nl_batch_new();

	a->members = arena_alloc(&a->arena, n * sizeof(*a->members));
	for (size_t i = 0; i < n; i++) {
		struct member_op *op = &a->members[i];

		member_op_init(ia, op, &ops[i]);
		if (op->err == 0)
			ipset_msg_member(b, (uint32_t)i, &ia->dialect, op->is_add, &op->key);
	}
	nl_batch_send(ia->request, b, members_batch_done, a);
}
