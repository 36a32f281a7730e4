/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting and removing routes without ever touching one of another protocol.
 *
 * NLM_F_REPLACE is not used: the kernel replaces the first route with the same destination, tos and
 * metric, whoever made it (fib_table_insert(), fib6_add_rt_node(); seen up to Linux 6.18). Instead:
 *
 *   nothing of ours there  add, exclusive. EEXIST: something has this destination and metric. Look
 *                          at the routes of all protocols: ours (the mirror was behind) - go on as
 *                          below; somebody else's - a conflict, reported with that route's text.
 *   ours, but different    add, not exclusive: the new one goes before the old one (IPv6: beside
 *                          it), then the old ones are removed by gateway, metric and our protocol.
 *                          Between the two the destination is never without a route.
 *   remove                 by gateway, metric and our protocol.
 *
 * Some routes cannot be told apart in a removal from the new one of the same metric: those with
 * several next hops, and IPv6 device routes. They are removed first, before the add.
 *
 *   ADD --ok--> PRUNE --> DONE        one batch a phase for all operations in it; the phases of one
 *    |  ^          |                  apply run one after the other
 *    |  +-- LOOK --+ (EEXIST)
 *    +--> DONE (failed)
 */
#include "kernel/route_apply.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

/*
 * Events read before the mirror is asked. If there are more, it may be behind: EEXIST then leads to
 * a look, and a route of ours that it does not know is found by the next dump.
 */
#define DRAIN_MAX 1024
#define LOOKS_MAX 2 /* EEXIST again after a look: the routes change faster than we look */

enum op_state {
	OP_ADD,   /* to be added, or for ROW_DEL: nothing to add */
	OP_LOOK,  /* EEXIST: what is there? */
	OP_PRUNE, /* added; others of ours go */
	OP_DONE,
};

struct op {
	enum row_op_kind kind;
	enum op_state state;
	uint32_t tag;
	struct route_key key;
	struct route_value want, have;
	bool has_have;
	bool exclusive;
	unsigned looks;
	struct route_msg *others; /* ours, to be removed; in the arena */
	size_t n_others;
	struct route_msg *found; /* by a look: what holds the destination, not ours */
	bool found_want;
	int err;
	const char *text;
};

struct apply {
	struct list link;
	struct route_applier *ra;
	struct arena arena;
	struct op *ops;
	size_t n;
	struct map by_dst; /* of a look: struct route_key -> struct op */
	unsigned looks_open;
	int look_err;
};

static void phase_next(struct apply *a);

static void apply_free(struct apply *a)
{
	list_del(&a->link);
	map_fini(&a->by_dst);
	arena_fini(&a->arena);
	free(a);
}

static void op_done(struct op *op, int err, const char *text)
{
	op->state = OP_DONE;
	op->err = err;
	op->text = text;
}

/* A removal that names this route could also match the one that ROW_SET makes. */
static bool is_blurred(const struct route_msg *r)
{
	return r->is_multipath || (r->dst.addr.family == IP_V6 && ip_is_none(&r->gateway));
}

static void other_add(struct apply *a, struct op *op, const struct route_msg *r)
{
	struct route_msg *v;

	for (size_t i = 0; i < op->n_others; i++) {
		if (route_own_same(&op->others[i], r))
			return;
	}
	if (op->n_others == ROUTE_OWN_MAX)
		return;
	if (!op->others)
		op->others = arena_alloc(&a->arena, ROUTE_OWN_MAX * sizeof(*v));
	op->others[op->n_others++] = *r;
}

static bool is_wanted(const struct op *op, const struct route_msg *r)
{
	return op->kind == ROW_SET && r->is_plain && ip_same(&r->gateway, &op->want.gateway);
}

/* What of ours is there for this destination, by the mirror and by what the caller knows. */
static void others_fill(struct apply *a, struct op *op)
{
	const struct route_own *own = route_mirror_get(a->ra->mirror, &op->key.dst);
	struct route_msg known = { .dst = op->key.dst };

	for (size_t i = 0; own && i < own->n; i++) {
		if (!is_wanted(op, &own->v[i]))
			other_add(a, op, &own->v[i]);
	}
	op->exclusive = !own && !op->has_have;
	if (!op->has_have || ip_is_none(&op->have.gateway))
		return;
	for (size_t i = 0; own && i < own->n; i++) {
		if (ip_same(&own->v[i].gateway, &op->have.gateway))
			return;
	}
	if (op->kind == ROW_SET && ip_same(&op->have.gateway, &op->want.gateway))
		return;
	known.gateway = op->have.gateway;
	other_add(a, op, &known);
}

static void op_init(struct op *op, const struct row_op *row)
{
	*op = (struct op){ .kind = row->kind, .tag = row->tag, .text = "" };
	if (row->key.len != sizeof(op->key) ||
	    (row->kind == ROW_SET && row->want.len != sizeof(op->want)) ||
	    (row->have.len != 0 && row->have.len != sizeof(op->have))) {
		op_done(op, -EINVAL, "route: row of a wrong size");
		return;
	}
	memcpy(&op->key, row->key.data, sizeof(op->key));
	if (row->kind == ROW_SET)
		memcpy(&op->want, row->want.data, sizeof(op->want));
	if (row->have.len != 0) {
		memcpy(&op->have, row->have.data, sizeof(op->have));
		op->has_have = true;
	}
	if (row->kind == ROW_SET && op->want.gateway.family != op->key.dst.addr.family) {
		op_done(op, -EAFNOSUPPORT, "route: destination and gateway differ in family");
		return;
	}
	if (row->kind == ROW_DEL)
		op->state = OP_PRUNE;
}

/* ---- phase ADD ---- */

/* The tag of a request: the operation's index, and whether this result decides about it. */
static uint32_t tag_make(size_t i, bool decides)
{
	return (uint32_t)i << 1 | decides;
}

/*
 * The mirror learns of it here too: IPv6 tells a second next hop beside the old one as one route
 * with two, which says nothing about either.
 */
static void added_mirror(struct route_applier *ra, const struct op *op)
{
	struct route_msg r = { .dst = op->key.dst,
			       .gateway = op->want.gateway,
			       .metric = route_msg_metric(op->key.dst.addr.family),
			       .protocol = RTPROT_KUBE_ROUTER,
			       .type = RTN_UNICAST,
			       .is_plain = true };

	route_mirror_put(ra->mirror, &r);
}

static void added(struct op *op, const struct nl_result *res)
{
	if (res->err == -EEXIST && op->exclusive)
		op->state = OP_LOOK;
	else if (res->err == 0 || res->err == -EEXIST) /* not exclusive: ours, the very same */
		op->state = OP_PRUNE;
	else
		op_done(op, res->err, res->text);
}

static void add_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;

	for (size_t i = 0; i < n; i++) {
		struct op *op = &a->ops[res[i].tag >> 1];
		struct nl_result copy = res[i];

		copy.text = arena_strdup(&a->arena, res[i].text); /* lives until the report */
		if (!(res[i].tag & 1))
			continue;
		added(op, &copy);
		if (copy.err == 0)
			added_mirror(a->ra, op);
	}
	phase_next(a);
}

static void phase_add(struct apply *a)
{
	struct nl_batch *b = nl_batch_new();

	for (size_t i = 0; i < a->n; i++) {
		struct op *op = &a->ops[i];

		if (op->state != OP_ADD)
			continue;
		for (size_t o = 0; o < op->n_others; o++) {
			if (is_blurred(&op->others[o]))
				route_msg_del(b, tag_make(i, false), &op->others[o]);
		}
		route_msg_add(b, tag_make(i, true), &op->key, &op->want, op->exclusive);
	}
	nl_batch_send(a->ra->request, b, add_done, a);
}

/* ---- phase PRUNE ---- */

static void prune_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;

	for (size_t i = 0; i < n; i++) {
		struct op *op = &a->ops[res[i].tag >> 1];

		if (res[i].err != 0 && res[i].err != -ESRCH && res[i].err != -ENOENT &&
		    res[i].err != -ENODEV && op->err == 0) {
			op->err = res[i].err;
			op->text = arena_strdup(&a->arena, res[i].text);
		}
	}
	for (size_t i = 0; i < a->n; i++) {
		if (a->ops[i].state == OP_PRUNE)
			a->ops[i].state = OP_DONE;
	}
	phase_next(a);
}

static void phase_prune(struct apply *a)
{
	struct nl_batch *b = nl_batch_new();

	for (size_t i = 0; i < a->n; i++) {
		const struct op *op = &a->ops[i];

		for (size_t o = 0; op->state == OP_PRUNE && o < op->n_others; o++) {
			if (op->kind == ROW_DEL || !is_blurred(&op->others[o]))
				route_msg_del(b, tag_make(i, true), &op->others[o]);
		}
	}
	nl_batch_send(a->ra->request, b, prune_done, a);
}

/* ---- phase LOOK ---- */

static int look_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct apply *a = arg;
	struct route_key key = { 0 };
	struct route_msg r;
	struct op *op;
	int err;

	(void)head;
	err = route_msg_parse(body, &r);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	key.dst = r.dst;
	op = map_get(&a->by_dst, &key, sizeof(key));
	if (!op)
		return 0;
	if (r.protocol != RTPROT_KUBE_ROUTER) {
		if (!op->found)
			op->found = arena_memdup(&a->arena, &r, sizeof(r));
	} else if (is_wanted(op, &r)) {
		op->found_want = true;
	} else {
		other_add(a, op, &r);
	}
	return 0;
}

static void look_judge(struct apply *a, struct op *op)
{
	char route[ROUTE_MSG_FMT_MAX];

	if (a->look_err != 0) {
		op_done(op, -EEXIST, "route: another one has this destination, and is not known");
		return;
	}
	if (op->found_want) {
		op->state = OP_PRUNE;
		return;
	}
	if (op->n_others == 0 && op->found) {
		a->ra->conflicts++;
		if (a->ra->held.n < ROUTE_HELD_MAX)
			(void)map_put(&a->ra->held, &op->key.dst, sizeof(op->key.dst), a->ra);
		op_done(op, -EEXIST,
			arena_fmt(&a->arena, "route: destination is held by another program: %s",
				  route_msg_fmt(route, op->found)));
		return;
	}
	if (++op->looks == LOOKS_MAX) {
		op_done(op, -EAGAIN, "route: others change it at the same time");
		return;
	}
	op->exclusive = op->n_others == 0;
	op->state = OP_ADD;
}

static void look_done(void *arg, int err, const char *text)
{
	struct apply *a = arg;

	(void)text;
	if (err != 0)
		a->look_err = err;
	if (--a->looks_open > 0)
		return;
	for (size_t i = 0; i < a->n; i++) {
		if (a->ops[i].state == OP_LOOK)
			look_judge(a, &a->ops[i]);
	}
	map_fini(&a->by_dst);
	a->by_dst = (struct map)MAP_INIT;
	phase_next(a);
}

static void phase_look(struct apply *a)
{
	const struct nl_dump_spec spec = { .arg = a, .on_msg = look_msg, .done = look_done };
	bool has4 = false, has6 = false;

	a->look_err = 0;
	for (size_t i = 0; i < a->n; i++) {
		struct op *op = &a->ops[i];

		if (op->state != OP_LOOK)
			continue;
		op->found = NULL;
		op->found_want = false;
		(void)map_put(&a->by_dst, &op->key, sizeof(op->key), op);
		if (op->key.dst.addr.family == IP_V4)
			has4 = true;
		else
			has6 = true;
	}
	a->looks_open = (unsigned)has4 + (unsigned)has6;
	if (has4)
		nl_dump_send(a->ra->lookup, route_msg_dump(IP_V4, RTPROT_UNSPEC), &spec);
	if (has6)
		nl_dump_send(a->ra->lookup, route_msg_dump(IP_V6, RTPROT_UNSPEC), &spec);
}

/* ---- */

static bool any_in(const struct apply *a, enum op_state state)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->ops[i].state == state)
			return true;
	}
	return false;
}

static void report(struct apply *a)
{
	const struct row_sink *sink = a->ra->sink;

	for (size_t i = 0; i < a->n; i++)
		sink->result(sink->arg, a->ops[i].tag, a->ops[i].err, a->ops[i].text);
	apply_free(a);
}

static void phase_next(struct apply *a)
{
	if (any_in(a, OP_ADD))
		phase_add(a);
	else if (any_in(a, OP_LOOK))
		phase_look(a);
	else if (any_in(a, OP_PRUNE))
		phase_prune(a);
	else
		report(a);
}

void route_apply(struct route_applier *ra, const struct row_op *ops, size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->ra = ra;
	a->n = n;
	a->ops = arena_alloc(&a->arena, n * sizeof(*a->ops));
	list_add_tail(&ra->running, &a->link);
	for (size_t i = 0; i < n; i++)
		op_init(&a->ops[i], &ops[i]);
	if (!ra->is_frozen) /* from here on ops is not touched: the events may change what it shows
			     */
		(void)nl_drain(ra->event, DRAIN_MAX);
	for (size_t i = 0; i < n; i++) {
		if (a->ops[i].state != OP_DONE)
			others_fill(a, &a->ops[i]);
	}
	/*
	 * An empty batch answers too: so the results never come before this returns, even if every
	 * row was refused.
	 */
	if (any_in(a, OP_ADD) || any_in(a, OP_PRUNE))
		phase_next(a);
	else
		phase_prune(a);
}

void route_applier_fini(struct route_applier *ra)
{
	map_fini(&ra->held);
	list_for_each_safe (it, &ra->running)
		apply_free(list_entry(it, struct apply, link));
}
