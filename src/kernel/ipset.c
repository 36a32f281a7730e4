/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipsets: what is there, and the tables' view of it. Operations: ipset_apply.c.
 *
 * The kernel sends no events about sets, so the mirrors rest on dumps and on our own results;
 * ipset_audit.c says when to dump again. A dump of the sets lists headers only. A dump of the
 * members lists the headers first, to learn the names of our sets, and then each of those by name:
 * other programs' sets, however large, are never read.
 *
 * The first three questions on the dump socket are about protocol and set revisions; jobs on a
 * socket run in order, so they are answered before the first dump and therefore before the first
 * operation.
 */
#include "kernel/ipset.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/ipset_apply.h"
#include "kernel/ipset_audit.h"
#include "kernel/ipset_msg.h"

struct kernel_ipset {
	struct nl *request, *dump;
	kernel_ipset_is_ours_fn *is_ours;
	void *arg;
	struct ipset_applier applier;
	struct ipset_audit audit;
	struct row_sink sets_sink, members_sink;
	struct row_sink sets_tap, members_tap; /* what is told passes the audit */
	bool sets_known, members_known;
	struct snapshot sets, members;
	bool sets_again, members_again;
	struct strv names; /* of a member dump: the sets still to be listed, [next..n) */
	size_t next;
	size_t n_others; /* of the set being listed: members that are not told */
};

static struct ipset_key key_of(const char *name)
{
	struct ipset_key key = { 0 };

	(void)str_copy(key.name, sizeof(key.name), name);
	return key;
}

/* ---- sets ---- */

static void sets_start(struct kernel_ipset *ki);

static void sets_begin(void *arg)
{
	struct kernel_ipset *ki = arg;

	snapshot_begin(&ki->sets);
}

static int sets_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ipset *ki = arg;
	struct ipset_key key;
	struct ipset_msg s;

	(void)head;
	if (ipset_msg_parse(body, &s) < 0)
		return -EBADMSG;
	if (!s.has_header || !ki->is_ours(ki->arg, s.name))
		return 0;
	key = key_of(s.name);
	return snapshot_add(&ki->sets, (struct bytes){ &key, sizeof(key) },
			    (struct bytes){ &s.value, sizeof(s.value) });
}

static void audit_start(struct kernel_ipset *ki)
{
	if (ki->sets_known && ki->members_known)
		ipset_audit_start(&ki->audit);
}

static void sets_report(struct kernel_ipset *ki)
{
	ki->sets_known = true;
	ipset_audit_sets_forget(&ki->audit);
	snapshot_report(&ki->sets, &ki->sets_tap);
	audit_start(ki);
}

static void sets_done(void *arg, int err, const char *text)
{
	struct kernel_ipset *ki = arg;
	bool again = ki->sets_again;

	(void)text;
	if (err != 0)
		snapshot_fail(&ki->sets, &ki->sets_sink, err);
	else
		sets_report(ki);
	if (again)
		sets_start(ki);
}

static void sets_start(struct kernel_ipset *ki)
{
	const struct nl_dump_spec spec = {
		.arg = ki, .begin = sets_begin, .on_msg = sets_msg, .done = sets_done
	};

	if (!ki->sets_sink.result)
		return;
	if (ki->sets.is_open) {
		ki->sets_again = true;
		return;
	}
	ki->sets_again = false;
	snapshot_begin(&ki->sets);
	nl_dump_send(ki->dump, ipset_msg_list_headers(&ki->applier.dialect), &spec);
}

/* ---- members ---- */

static void members_start(struct kernel_ipset *ki);

static int members_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ipset *ki = arg;
	struct ipset_member_key key = { 0 };
	struct ipset_msg s;
	int r;

	(void)head;
	if (ipset_msg_parse(body, &s) < 0)
		return -EBADMSG;
	(void)str_copy(key.set, sizeof(key.set), s.name);
	while ((r = ipset_msg_member_next(&s.members, &key.prefix, &ki->n_others)) > 0) {
		r = snapshot_add(&ki->members, (struct bytes){ &key, sizeof(key) },
				 (struct bytes){ 0 });
		if (r < 0)
			return r;
	}
	return r;
}

static void members_report(struct kernel_ipset *ki)
{
	ki->members_known = true;
	ipset_audit_members_forget(&ki->audit);
	snapshot_report(&ki->members, &ki->members_tap);
	audit_start(ki);
}

static void members_end(struct kernel_ipset *ki, int err)
{
	bool again = ki->members_again;

	strv_fini(&ki->names);
	ki->names = (struct strv){ 0 };
	if (err != 0)
		snapshot_fail(&ki->members, &ki->members_sink, err);
	else
		members_report(ki);
	if (again)
		members_start(ki);
}

static void members_next(struct kernel_ipset *ki);

static void members_begin(void *arg)
{
	struct kernel_ipset *ki = arg;

	ki->n_others = 0;
}

static void members_done(void *arg, int err, const char *text)
{
	struct kernel_ipset *ki = arg;

	(void)text;
	if (err == 0)
		ipset_audit_others(&ki->audit, ki->names.v[ki->next - 1], ki->n_others);
	if (err != 0 && err != -ENOENT) /* a set that went meanwhile has no members */
		members_end(arg, err);
	else
		members_next(arg);
}

static void members_next(struct kernel_ipset *ki)
{
	const struct nl_dump_spec spec = {
		.arg = ki, .begin = members_begin, .on_msg = members_msg, .done = members_done
	};
	const char *name;

	if (ki->next == ki->names.n) {
		members_end(ki, 0);
		return;
	}
	name = ki->names.v[ki->next++];
	members_begin(ki);
	nl_dump_send(ki->dump, ipset_msg_list(&ki->applier.dialect, name), &spec);
}

static void names_begin(void *arg)
{
	struct kernel_ipset *ki = arg;

	strv_fini(&ki->names);
	ki->names = (struct strv){ 0 };
	ki->next = 0;
}

static int names_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ipset *ki = arg;
	struct ipset_msg s;

	(void)head;
	if (ipset_msg_parse(body, &s) < 0)
		return -EBADMSG;
	if (!s.has_header || !ki->is_ours(ki->arg, s.name))
		return 0;
	if (ki->names.n >= KERNEL_IPSET_SETS_MAX)
		return -E2BIG;
	strv_add(&ki->names, s.name);
	return 0;
}

static void names_done(void *arg, int err, const char *text)
{
	(void)text;
	if (err != 0)
		members_end(arg, err);
	else
		members_next(arg);
}

static void members_start(struct kernel_ipset *ki)
{
	const struct nl_dump_spec spec = {
		.arg = ki, .begin = names_begin, .on_msg = names_msg, .done = names_done
	};

	if (!ki->members_sink.result)
		return;
	if (ki->members.is_open) {
		ki->members_again = true;
		return;
	}
	ki->members_again = false;
	snapshot_begin(&ki->members);
	nl_dump_send(ki->dump, ipset_msg_list_headers(&ki->applier.dialect), &spec);
}

static void on_emptied(void *arg)
{
	members_start(arg);
}

/* ---- the audit ---- */

static void tap_set(void *arg, struct bytes key, struct bytes value)
{
	struct kernel_ipset *ki = arg;

	ipset_audit_set(&ki->audit, key.data, value.data);
	ki->sets_sink.present(ki->sets_sink.arg, key, value);
}

static void tap_sets_begin(void *arg)
{
	struct kernel_ipset *ki = arg;

	ki->sets_sink.dump_begin(ki->sets_sink.arg);
}

static void tap_sets_end(void *arg, int err)
{
	struct kernel_ipset *ki = arg;

	ki->sets_sink.dump_end(ki->sets_sink.arg, err);
}

static void tap_member(void *arg, struct bytes key, struct bytes value)
{
	struct kernel_ipset *ki = arg;

	ipset_audit_member(&ki->audit, key.data, true);
	ki->members_sink.present(ki->members_sink.arg, key, value);
}

static void tap_members_begin(void *arg)
{
	struct kernel_ipset *ki = arg;

	ki->members_sink.dump_begin(ki->members_sink.arg);
}

static void tap_members_end(void *arg, int err)
{
	struct kernel_ipset *ki = arg;

	ki->members_sink.dump_end(ki->members_sink.arg, err);
}

static void did_set(void *arg, const struct ipset_key *key, const struct ipset_value *value)
{
	struct kernel_ipset *ki = arg;

	ipset_audit_set(&ki->audit, key, value);
}

static void did_member(void *arg, const struct ipset_member_key *key, bool is_there)
{
	struct kernel_ipset *ki = arg;

	ipset_audit_member(&ki->audit, key, is_there);
}

static bool audit_is_ours(void *arg, const char *name)
{
	struct kernel_ipset *ki = arg;

	return ki->is_ours(ki->arg, name);
}

static bool audit_is_dumping(void *arg)
{
	struct kernel_ipset *ki = arg;

	return ki->sets.is_open || ki->members.is_open;
}

/* A set that went took its members with it, and one that came may have some. */
static void audit_found(void *arg, bool sets)
{
	struct kernel_ipset *ki = arg;

	if (sets)
		sets_start(ki);
	members_start(ki);
}

void kernel_ipset_audit_get(const struct kernel_ipset *ki, struct audit_stats *ret)
{
	*ret = ki->audit.stats;
}

/* ---- the reconcilers ---- */

static void sets_attach(void *self, const struct row_sink *sink)
{
	struct kernel_ipset *ki = self;

	ki->sets_sink = *sink;
	ki->sets_tap = (struct row_sink){
		.arg = ki,
		.present = tap_set,
		.dump_begin = tap_sets_begin,
		.dump_end = tap_sets_end,
	};
}

static void sets_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_ipset *ki = self;

	ipset_apply_sets(&ki->applier, ops, n);
}

static void sets_dump(void *self)
{
	sets_start(self);
}

static void members_attach(void *self, const struct row_sink *sink)
{
	struct kernel_ipset *ki = self;

	ki->members_sink = *sink;
	ki->members_tap = (struct row_sink){
		.arg = ki,
		.present = tap_member,
		.dump_begin = tap_members_begin,
		.dump_end = tap_members_end,
	};
}

static void members_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_ipset *ki = self;

	ipset_apply_members(&ki->applier, ops, n);
}

static void members_dump(void *self)
{
	members_start(self);
}

static const struct reconciler_ops sets_ops = {
	.attach = sets_attach,
	.apply = sets_apply,
	.dump = sets_dump,
};

static const struct reconciler_ops members_ops = {
	.attach = members_attach,
	.apply = members_apply,
	.dump = members_dump,
};

struct reconciler kernel_ipset_reconciler(struct kernel_ipset *ki)
{
	return (struct reconciler){ .ops = &sets_ops, .self = ki };
}

struct reconciler kernel_ipset_member_reconciler(struct kernel_ipset *ki)
{
	return (struct reconciler){ .ops = &members_ops, .self = ki };
}

/* ---- first questions ---- */

static int dialect_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_ipset *ki = arg;

	return ipset_msg_dialect_parse(head->type, body, &ki->applier.dialect);
}

static void dialect_done(void *arg, int err, const char *text)
{
	struct kernel_ipset *ki = arg;

	(void)text;
	/*
	 * Other failures need no memory: without ip_set in the kernel every operation says so, and
	 * revision 0, the default, is in every kernel.
	 */
	if (err == -EPROTONOSUPPORT)
		ki->applier.dialect_err = err;
}

static void dialect_ask(struct kernel_ipset *ki)
{
	const struct nl_dump_spec spec = { .arg = ki, .on_msg = dialect_msg, .done = dialect_done };
	const struct ipset_dialect least = IPSET_DIALECT_INIT;

	nl_dump_send(ki->dump, ipset_msg_protocol(), &spec);
	nl_dump_send(ki->dump, ipset_msg_type(&least, IPSET_HASH_IP, IP_V4), &spec);
	nl_dump_send(ki->dump, ipset_msg_type(&least, IPSET_HASH_NET, IP_V4), &spec);
}

int kernel_ipset_new(struct ev_loop *loop, const struct nl_opener *opener,
		     kernel_ipset_is_ours_fn *is_ours, void *arg, struct kernel_ipset **ret)
{
	CLEANUP(kernel_ipset_free) struct kernel_ipset *ki = xcalloc(1, sizeof(*ki));
	const struct nl_conf request = { .name = "ipset-request",
					 .protocol = NETLINK_NETFILTER,
					 .is_for_batches = true };
	const struct nl_conf dump = { .name = "ipset-dump", .protocol = NETLINK_NETFILTER };
	const struct ipset_audit_host host = {
		.arg = ki,
		.is_ours = audit_is_ours,
		.is_dumping = audit_is_dumping,
		.found = audit_found,
	};
	int r;

	ki->is_ours = is_ours;
	ki->arg = arg;
	snapshot_init(&ki->sets, KERNEL_IPSET_SETS_MAX);
	snapshot_init(&ki->members, KERNEL_IPSET_MEMBERS_MAX);
	ipset_applier_init(&ki->applier);
	ipset_audit_init(&ki->audit, loop, &ki->applier, &host);
	r = nl_new(loop, &request, opener, &ki->request);
	if (r == 0)
		r = nl_new(loop, &dump, opener, &ki->dump);
	if (r < 0)
		return r;
	ki->applier.request = ki->request;
	ki->applier.sets_sink = &ki->sets_sink;
	ki->applier.members_sink = &ki->members_sink;
	ki->applier.sets = &ki->sets;
	ki->applier.members = &ki->members;
	ki->applier.on_emptied = on_emptied;
	ki->applier.on_set = did_set;
	ki->applier.on_member = did_member;
	ki->applier.arg = ki;
	ki->audit.dump = ki->dump;
	dialect_ask(ki);
	*ret = take_ptr(ki);
	return 0;
}

void kernel_ipset_free(struct kernel_ipset *ki)
{
	if (!ki)
		return;
	nl_free(ki->request);
	nl_free(ki->dump);
	ipset_applier_fini(&ki->applier);
	ipset_audit_fini(&ki->audit);
	snapshot_fini(&ki->sets);
	snapshot_fini(&ki->members);
	strv_fini(&ki->names);
	free(ki);
}
