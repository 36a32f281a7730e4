/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses on links of ours: following the kernel, and the two operations.
 *
 * Messages about addresses name an interface index, rows name the link, which may be made anew. So
 * links are followed on the same socket, whose order holds: a link is known before its addresses
 * come. A link that goes, or changes its name, takes its addresses with it, which is looked up by a
 * dump: it is rare.
 */
#include "kernel/ifaddr.h"

#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/mem.h"
#include "kernel/link_msg.h"
#include "kernel/snapshot.h"

struct known_link {
	char name[IFNAMSIZ];
	uint32_t ifindex; /* 0: not there */
};

struct kernel_ifaddr {
	struct nl *request, *dump, *event;
	struct row_sink sink;
	struct known_link links[KERNEL_IFADDR_LINKS_MAX];
	size_t n_links;
	struct snapshot snapshot;
	bool dump_again;
	int dump_err;
	struct list running;
};

static const struct bytes no_value = { "", 0 };

static struct known_link *link_find(struct kernel_ifaddr *ki, const char *name)
{
	for (size_t i = 0; i < ki->n_links; i++) {
		if (strncmp(ki->links[i].name, name, IFNAMSIZ) == 0)
			return &ki->links[i];
	}
	return NULL;
}

static struct known_link *link_at(struct kernel_ifaddr *ki, uint32_t ifindex)
{
	for (size_t i = 0; i < ki->n_links; i++) {
		if (ki->links[i].ifindex == ifindex)
			return &ki->links[i];
	}
	return NULL;
}

/* ---- following ---- */

static void dump_start(struct kernel_ifaddr *ki);

static void on_overrun(void *arg)
{
	dump_start(arg);
}

static void on_link(struct kernel_ifaddr *ki, uint16_t type, const struct link_msg *l)
{
	struct known_link *before = link_at(ki, l->ifindex), *now = link_find(ki, l->name);

	if (before && (type == RTM_DELLINK || before != now)) {
		before->ifindex = 0;
		dump_start(ki);
	}
	if (!now || type == RTM_DELLINK)
		return;
	if (now->ifindex != l->ifindex) {
		now->ifindex = l->ifindex;
		dump_start(ki); /* a link renamed to ours brings its addresses */
	} else if (!l->is_turned || !l->value.up) {
		return;
	}
	if (ki->sink.retry)
		ki->sink.retry(ki->sink.arg);
}

/* False: of a link that is not ours. */
static bool key_make(struct kernel_ifaddr *ki, const struct addr_msg *a, struct link_addr_key *ret)
{
	const struct known_link *l = link_at(ki, a->ifindex);

	if (!l || a->ifindex == 0 || ip_is_link_local(&a->prefix.addr))
		return false;
	memcpy(ret->link, l->name, sizeof(ret->link));
	ret->prefix = a->prefix;
	return true;
}

static void on_addr(struct kernel_ifaddr *ki, bool is_there, const struct addr_msg *a)
{
	struct link_addr_key key;
	const struct bytes bytes = { &key, sizeof(key) };

	if (!key_make(ki, a, &key))
		return;
	snapshot_touch(&ki->snapshot, bytes, is_there, no_value);
	if (!ki->sink.result)
		return;
	if (is_there)
		ki->sink.present(ki->sink.arg, bytes, no_value);
	else
		ki->sink.absent(ki->sink.arg, bytes);
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ifaddr *ki = arg;
	struct link_msg l;
	struct addr_msg a;
	int r;

	switch (head->type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r = link_msg_parse(body, &l);
		if (r == 0 && !l.is_part)
			on_link(ki, head->type, &l);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		r = addr_msg_parse(body, &a);
		if (r == 0)
			on_addr(ki, head->type == RTM_NEWADDR, &a);
		break;
	default: /* not our enum: a group may carry more kinds than we asked it for */
		return;
	}
	if (r == -EBADMSG)
		dump_start(ki);
}

/* ---- dump ---- */

static void links_begin(void *arg)
{
	struct kernel_ifaddr *ki = arg;

	for (size_t i = 0; i < ki->n_links; i++)
		ki->links[i].ifindex = 0;
}

static int on_dump_link(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ifaddr *ki = arg;
	struct known_link *known;
	struct link_msg l;

	(void)head;
	if (link_msg_parse(body, &l) < 0)
		return -EBADMSG;
	known = l.is_part ? NULL : link_find(ki, l.name);
	if (known)
		known->ifindex = l.ifindex;
	return 0;
}

static void on_links_done(void *arg, int err, const char *text)
{
	struct kernel_ifaddr *ki = arg;

	(void)text;
	ki->dump_err = err;
}

static void addrs_begin(void *arg)
{
	struct kernel_ifaddr *ki = arg;

	snapshot_begin(&ki->snapshot);
}

static int on_dump_addr(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ifaddr *ki = arg;
	struct link_addr_key key;
	struct addr_msg a;
	int r = addr_msg_parse(body, &a);

	(void)head;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!key_make(ki, &a, &key))
		return 0;
	return snapshot_add(&ki->snapshot, (struct bytes){ &key, sizeof(key) }, no_value);
}

static void on_addrs_done(void *arg, int err, const char *text)
{
	struct kernel_ifaddr *ki = arg;

	(void)text;
	if (ki->dump_err == 0)
		ki->dump_err = err;
	if (!nl_drain(ki->event, NL_DRAIN_MAX))
		ki->dump_again = true;
	if (ki->dump_err == 0 && ki->dump_again) {
		ki->snapshot.is_open = false;
		dump_start(ki);
		return;
	}
	if (ki->dump_err == 0)
		snapshot_report(&ki->snapshot, &ki->sink);
	else
		snapshot_fail(&ki->snapshot, &ki->sink, ki->dump_err);
}

static void dump_start(struct kernel_ifaddr *ki)
{
	const struct nl_dump_spec links = {
		.arg = ki, .begin = links_begin, .on_msg = on_dump_link, .done = on_links_done
	};
	const struct nl_dump_spec addrs = {
		.arg = ki, .begin = addrs_begin, .on_msg = on_dump_addr, .done = on_addrs_done
	};

	if (!ki->sink.result)
		return;
	if (ki->snapshot.is_open) {
		ki->dump_again = true;
		return;
	}
	ki->dump_again = false;
	ki->dump_err = 0;
	snapshot_begin(&ki->snapshot);
	nl_dump_send(ki->dump, link_msg_dump(), &links);
	nl_dump_send(ki->dump, addr_msg_dump(), &addrs);
}

/* ---- operations ---- */

struct op {
	struct link_addr_key key;
	uint32_t tag;
	bool is_add;
	int err;
	const char *text;
};

struct apply {
	struct list link;
	struct kernel_ifaddr *ki;
	struct arena arena;
	struct op *ops;
	size_t n;
};

static void apply_free(struct apply *a)
{
	list_del(&a->link);
	arena_fini(&a->arena);
	free(a);
}

static void op_result(struct apply *a, struct op *op, const struct nl_result *res)
{
	if (res->err == 0 || (op->is_add && res->err == -EEXIST) ||
	    (!op->is_add && res->err == -EADDRNOTAVAIL))
		return;
	op->err = res->err;
	op->text = arena_fmt(&a->arena, "address: %s: %s", op->is_add ? "not added" : "not removed",
			     res->text);
}

static void apply_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;
	const struct row_sink *sink = &a->ki->sink;

	(void)nl_drain(a->ki->event, NL_DRAIN_MAX); /* the events of our own requests come first */
	for (size_t i = 0; i < n; i++)
		op_result(a, &a->ops[res[i].tag], &res[i]);
	for (size_t i = 0; i < a->n; i++)
		sink->result(sink->arg, a->ops[i].tag, a->ops[i].err, a->ops[i].text);
	apply_free(a);
}

static void op_init(struct op *op, const struct row_op *row)
{
	*op = (struct op){ .tag = row->tag, .is_add = row->kind == ROW_SET, .text = "" };
	if (row->key.len != sizeof(op->key)) {
		op->err = -EINVAL;
		op->text = "address: row of a wrong size";
		return;
	}
	memcpy(&op->key, row->key.data, sizeof(op->key));
	if (memchr(op->key.link, '\0', sizeof(op->key.link)) == NULL ||
	    op->key.prefix.len > ip_bits(op->key.prefix.addr.family) ||
	    ip_is_none(&op->key.prefix.addr)) {
		op->err = -EINVAL;
		op->text = "address: not an address of a link";
	}
}

static void op_encode(struct kernel_ifaddr *ki, struct nl_batch *b, uint32_t i, struct op *op)
{
	const struct known_link *l = link_find(ki, op->key.link);

	if (!l) {
		op->err = -EPERM;
		op->text = "address: not a link of ours";
	} else if (l->ifindex == 0 && op->is_add) {
		op->err = -ENODEV;
		op->text = "address: the link does not exist";
	} else if (l->ifindex != 0) {
		(op->is_add ? addr_msg_add : addr_msg_del)(b, i, l->ifindex, &op->key.prefix);
	}
}

static void op_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_ifaddr *ki = self;
	struct nl_batch *b = nl_batch_new();
	struct apply *a = xcalloc(1, sizeof(*a));

	a->ki = ki;
	a->n = n;
	a->ops = arena_alloc(&a->arena, n * sizeof(*a->ops));
	list_add_tail(&ki->running, &a->link);
	for (size_t i = 0; i < n; i++)
		op_init(&a->ops[i], &ops[i]);
	/* Links made by the stage before. After this ops is not touched: the sink may change it. */
	(void)nl_drain(ki->event, NL_DRAIN_MAX);
	for (size_t i = 0; i < n; i++) {
		if (a->ops[i].err == 0)
			op_encode(ki, b, (uint32_t)i, &a->ops[i]);
	}
	nl_batch_send(ki->request, b, apply_done, a);
}

static void op_attach(void *self, const struct row_sink *sink)
{
	struct kernel_ifaddr *ki = self;

	ki->sink = *sink;
}

static void op_dump(void *self)
{
	dump_start(self);
}

static const struct reconciler_ops ifaddr_ops = {
	.attach = op_attach,
	.apply = op_apply,
	.dump = op_dump,
};

struct reconciler kernel_ifaddr_reconciler(struct kernel_ifaddr *ki)
{
	return (struct reconciler){ .ops = &ifaddr_ops, .self = ki };
}

int kernel_ifaddr_new(struct ev_loop *loop, const struct nl_opener *opener,
		      const char *const *links, size_t n_links, struct kernel_ifaddr **ret)
{
	CLEANUP(kernel_ifaddr_free) struct kernel_ifaddr *ki = xcalloc(1, sizeof(*ki));
	const struct nl_conf request = { .name = "ifaddr-request",
					 .protocol = NETLINK_ROUTE,
					 .is_for_batches = true };
	const struct nl_conf dump = { .name = "ifaddr-dump", .protocol = NETLINK_ROUTE };
	const struct nl_conf event = {
		.name = "ifaddr-event",
		.protocol = NETLINK_ROUTE,
		.groups = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR },
		.rcvbuf_bytes = NL_RCVBUF_EVENTS,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = ki,
	};
	int r = 0;

	assert(n_links <= KERNEL_IFADDR_LINKS_MAX);
	list_init(&ki->running);
	snapshot_init(&ki->snapshot, KERNEL_IFADDR_MAX);
	for (size_t i = 0; i < n_links && r == 0; i++)
		r = str_copy(ki->links[ki->n_links++].name, IFNAMSIZ, links[i]);
	if (r == 0)
		r = nl_new(loop, &event, opener, &ki->event);
	if (r == 0)
		r = nl_new(loop, &request, opener, &ki->request);
	if (r == 0)
		r = nl_new(loop, &dump, opener, &ki->dump);
	if (r < 0)
		return r;
	*ret = take_ptr(ki);
	return 0;
}

void kernel_ifaddr_free(struct kernel_ifaddr *ki)
{
	if (!ki)
		return;
	nl_free(ki->request);
	nl_free(ki->dump);
	nl_free(ki->event);
	list_for_each_safe (it, &ki->running)
		apply_free(list_entry(it, struct apply, link));
	snapshot_fini(&ki->snapshot);
	free(ki);
}
