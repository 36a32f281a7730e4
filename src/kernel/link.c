/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of ours: what the kernel shows under our names, and the few operations on them.
 *
 * ROW_SET is up to three requests: create, set up, set the MTU. They are separate, so that a
 * refused MTU does not cost the bridge. All are by name; an interface index would be stale after
 * somebody removed the link.
 */
#include "kernel/link.h"

#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/link_msg.h"
#include "kernel/snapshot.h"

struct seen {
	char name[IFNAMSIZ];
	bool is_present;
	uint32_t ifindex;
	struct link_value value;
};

struct kernel_link {
	struct ev_loop *loop;
	struct nl *request, *dump, *event;
	struct row_sink sink;
	struct seen seen[KERNEL_LINK_NAMES_MAX];
	size_t n_seen;
	struct snapshot snapshot;
	bool dump_again;
	struct list running;
};

static struct bytes key_of(const struct seen *s)
{
	_Static_assert(sizeof(s->name) == sizeof(struct link_key), "the key is the name");
	return (struct bytes){ s->name, sizeof(s->name) };
}

static struct seen *seen_find(struct kernel_link *kl, const char *name)
{
	for (size_t i = 0; i < kl->n_seen; i++) {
		if (strncmp(kl->seen[i].name, name, IFNAMSIZ) == 0)
			return &kl->seen[i];
	}
	return NULL;
}

/* ---- following ---- */

static void gone(struct kernel_link *kl, struct seen *s)
{
	if (!s->is_present)
		return;
	s->is_present = false;
	snapshot_touch(&kl->snapshot, key_of(s), false, (struct bytes){ 0 });
	if (kl->sink.absent)
		kl->sink.absent(kl->sink.arg, key_of(s));
}

static void came(struct kernel_link *kl, struct seen *s, const struct link_msg *l)
{
	const struct bytes value = { &s->value, sizeof(s->value) };

	s->is_present = true;
	s->ifindex = l->ifindex;
	s->value = l->value;
	snapshot_touch(&kl->snapshot, key_of(s), true, value);
	if (kl->sink.present)
		kl->sink.present(kl->sink.arg, key_of(s), value);
}

static void dump_start(struct kernel_link *kl);

static void on_overrun(void *arg)
{
	dump_start(arg);
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_link *kl = arg;
	struct link_msg l;
	struct seen *s;

	if (head->type != RTM_NEWLINK && head->type != RTM_DELLINK)
		return;
	if (link_msg_parse(body, &l) < 0) {
		dump_start(kl);
		return;
	}
	if (l.is_part) /* a port joined or left a bridge */
		return;
	/* A link of ours that was given another name is gone. */
	for (size_t i = 0; i < kl->n_seen; i++) {
		s = &kl->seen[i];
		if (s->is_present && s->ifindex == l.ifindex && strcmp(s->name, l.name) != 0)
			gone(kl, s);
	}
	s = seen_find(kl, l.name);
	if (!s)
		return;
	if (head->type == RTM_NEWLINK)
		came(kl, s, &l);
	else
		gone(kl, s);
}

static void on_dump_begin(void *arg)
{
	struct kernel_link *kl = arg;

	snapshot_begin(&kl->snapshot);
}

static int on_dump_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_link *kl = arg;
	struct link_msg l;
	struct seen *s;

	(void)head;
	if (link_msg_parse(body, &l) < 0)
		return -EBADMSG;
	s = l.is_part ? NULL : seen_find(kl, l.name);
	if (!s || map_get(&kl->snapshot.rows, s->name, sizeof(s->name)))
		return 0; /* an event said it already */
	s->is_present = true;
	s->ifindex = l.ifindex;
	s->value = l.value;
	return snapshot_add(&kl->snapshot, key_of(s),
			    (struct bytes){ &s->value, sizeof(s->value) });
}

static void on_dump_done(void *arg, int err, const char *text)
{
	struct kernel_link *kl = arg;

	(void)text;
	if (!nl_drain(kl->event, NL_DRAIN_MAX))
		kl->dump_again = true;
	if (err == 0 && kl->dump_again) {
		kl->snapshot.is_open = false;
		dump_start(kl);
		return;
	}
	for (size_t i = 0; err == 0 && i < kl->n_seen; i++) {
		struct seen *s = &kl->seen[i];

		if (!map_get(&kl->snapshot.rows, s->name, sizeof(s->name)))
			s->is_present = false;
	}
	if (err == 0)
		snapshot_report(&kl->snapshot, &kl->sink);
	else
		snapshot_fail(&kl->snapshot, &kl->sink, err);
}

static void dump_start(struct kernel_link *kl)
{
	const struct nl_dump_spec spec = {
		.arg = kl, .begin = on_dump_begin, .on_msg = on_dump_msg, .done = on_dump_done
	};

	if (!kl->sink.result)
		return;
	if (kl->snapshot.is_open) {
		kl->dump_again = true;
		return;
	}
	kl->dump_again = false;
	snapshot_begin(&kl->snapshot);
	nl_dump_send(kl->dump, link_msg_dump(), &spec);
}

bool kernel_link_get(const struct kernel_link *kl, const char *name, struct link_value *ret)
{
	for (size_t i = 0; i < kl->n_seen; i++) {
		if (kl->seen[i].is_present && strcmp(kl->seen[i].name, name) == 0) {
			*ret = kl->seen[i].value;
			return true;
		}
	}
	return false;
}

/* ---- operations ---- */

enum request {
	REQUEST_CREATE,
	REQUEST_UP,
	REQUEST_MTU,
	REQUEST_DEL,
};

struct op {
	uint32_t tag;
	enum row_op_kind kind;
	char name[IFNAMSIZ];
	struct link_value want;
	int err;
	const char *text;
};

struct apply {
	struct list link;
	struct kernel_link *kl;
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

static void op_fail(struct op *op, int err, const char *text)
{
	if (op->err != 0) /* the first one is the cause */
		return;
	op->err = err;
	op->text = text;
}

static void request_result(struct apply *a, struct op *op, enum request request,
			   const struct nl_result *res)
{
	if (res->err == 0)
		return;
	switch (request) {
	case REQUEST_CREATE:
		if (res->err != -EEXIST)
			op_fail(op, res->err,
				arena_fmt(&a->arena, "link: bridge not created: %s", res->text));
		break;
	case REQUEST_UP:
		op_fail(op, res->err, arena_fmt(&a->arena, "link: not set up: %s", res->text));
		break;
	case REQUEST_MTU:
		op_fail(op, res->err,
			arena_fmt(&a->arena, "link: mtu %u refused: %s", op->want.mtu, res->text));
		break;
	case REQUEST_DEL:
		if (res->err != -ENODEV)
			op_fail(op, res->err, arena_strdup(&a->arena, res->text));
		break;
	}
}

static void apply_done(void *arg, const struct nl_result *res, size_t n)
{
	struct apply *a = arg;
	const struct row_sink *sink = &a->kl->sink;

	/*
	 * The events of our own requests come first: a bridge just created shows as down, and seen
	 * after the result that would be somebody else's change.
	 */
	(void)nl_drain(a->kl->event, NL_DRAIN_MAX);
	for (size_t i = 0; i < n; i++)
		request_result(a, &a->ops[res[i].tag >> 2], (enum request)(res[i].tag & 3),
			       &res[i]);
	for (size_t i = 0; i < a->n; i++)
		sink->result(sink->arg, a->ops[i].tag, a->ops[i].err, a->ops[i].text);
	apply_free(a);
}

static void op_init(struct op *op, const struct row_op *row)
{
	*op = (struct op){ .tag = row->tag, .kind = row->kind, .text = "" };
	if (row->key.len != sizeof(op->name) ||
	    (row->kind == ROW_SET && row->want.len != sizeof(op->want))) {
		op_fail(op, -EINVAL, "link: row of a wrong size");
		return;
	}
	memcpy(op->name, row->key.data, sizeof(op->name));
	if (row->kind == ROW_SET)
		memcpy(&op->want, row->want.data, sizeof(op->want));
	if (memchr(op->name, '\0', sizeof(op->name)) == NULL || op->name[0] == '\0')
		op_fail(op, -EINVAL, "link: name empty or too long");
	else if (row->kind == ROW_SET && op->want.kind != LINK_KIND_BRIDGE)
		op_fail(op, -EINVAL, "link: only bridges are created");
}

static void bridge_add(struct kernel_link *kl, struct nl_batch *b, uint32_t tag, const char *name)
{
	uint64_t random = ev_random(kl->loop);
	uint8_t mac[LINK_MAC_LEN];

	memcpy(mac, &random, sizeof(mac));
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02); /* of one station, locally administered */
	link_msg_bridge_add(b, tag, name, mac);
}

static void op_encode(struct kernel_link *kl, struct nl_batch *b, uint32_t i, struct op *op)
{
	const struct seen *s = seen_find(kl, op->name);

	if (!s) {
		op_fail(op, -EPERM, "link: not one of our names");
		return;
	}
	if (s->is_present && s->value.kind != LINK_KIND_BRIDGE) {
		op_fail(op, -EEXIST, "link: name is taken by a link of another kind");
		return;
	}
	if (op->kind == ROW_DEL) {
		link_msg_del(b, i << 2 | REQUEST_DEL, op->name);
		return;
	}
	if (!s->is_present)
		bridge_add(kl, b, i << 2 | REQUEST_CREATE, op->name);
	if (op->want.up && !(s->is_present && s->value.up))
		link_msg_up(b, i << 2 | REQUEST_UP, op->name);
	if (op->want.mtu != 0 && !(s->is_present && s->value.mtu == op->want.mtu))
		link_msg_mtu(b, i << 2 | REQUEST_MTU, op->name, op->want.mtu);
}

static void op_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_link *kl = self;
	struct nl_batch *b = nl_batch_new();
	struct apply *a = xcalloc(1, sizeof(*a));

	a->kl = kl;
	a->n = n;
	a->ops = arena_alloc(&a->arena, n * sizeof(*a->ops));
	list_add_tail(&kl->running, &a->link);
	for (size_t i = 0; i < n; i++)
		op_init(&a->ops[i], &ops[i]);
	(void)nl_drain(
		kl->event,
		NL_DRAIN_MAX); /* after this ops is not touched: the sink may have changed it */
	for (size_t i = 0; i < n; i++) {
		if (a->ops[i].err == 0)
			op_encode(kl, b, (uint32_t)i, &a->ops[i]);
	}
	nl_batch_send(kl->request, b, apply_done, a);
}

static void op_attach(void *self, const struct row_sink *sink)
{
	struct kernel_link *kl = self;

	kl->sink = *sink;
}

static void op_dump(void *self)
{
	dump_start(self);
}

static const struct reconciler_ops link_ops = {
	.attach = op_attach,
	.apply = op_apply,
	.dump = op_dump,
};

struct reconciler kernel_link_reconciler(struct kernel_link *kl)
{
	return (struct reconciler){ .ops = &link_ops, .self = kl };
}

int kernel_link_new(struct ev_loop *loop, const struct nl_opener *opener, const char *const *names,
		    size_t n_names, struct kernel_link **ret)
{
	CLEANUP(kernel_link_free) struct kernel_link *kl = xcalloc(1, sizeof(*kl));
	const struct nl_conf request = { .name = "link-request",
					 .protocol = NETLINK_ROUTE,
					 .is_for_batches = true };
	const struct nl_conf dump = { .name = "link-dump", .protocol = NETLINK_ROUTE };
	const struct nl_conf event = {
		.name = "link-event",
		.protocol = NETLINK_ROUTE,
		.groups = { RTNLGRP_LINK },
		.rcvbuf_bytes = NL_RCVBUF_EVENTS,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = kl,
	};
	int r = 0;

	assert(n_names <= KERNEL_LINK_NAMES_MAX);
	kl->loop = loop;
	list_init(&kl->running);
	snapshot_init(&kl->snapshot, KERNEL_LINK_NAMES_MAX);
	for (size_t i = 0; i < n_names && r == 0; i++)
		r = str_copy(kl->seen[kl->n_seen++].name, IFNAMSIZ, names[i]);
	if (r == 0)
		r = nl_new(loop, &event, opener, &kl->event);
	if (r == 0)
		r = nl_new(loop, &request, opener, &kl->request);
	if (r == 0)
		r = nl_new(loop, &dump, opener, &kl->dump);
	if (r < 0)
		return r;
	*ret = take_ptr(kl);
	return 0;
}

void kernel_link_free(struct kernel_link *kl)
{
	if (!kl)
		return;
	nl_free(kl->request);
	nl_free(kl->dump);
	nl_free(kl->event);
	list_for_each_safe (it, &kl->running)
		apply_free(list_entry(it, struct apply, link));
	snapshot_fini(&kl->snapshot);
	free(kl);
}
