/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: following the kernel, and dumping it.
 *
 * The mirror holds our routes as the kernel has them; what the sink is told about a destination is
 * computed from it. Events change it one route at a time. A dump builds a second mirror; events
 * that come while it runs change the first one as always and are also kept, to be applied to the
 * second one when it is complete (kernel/snapshot.h says why that is right). Then it takes the
 * place of the first.
 *
 * What is not told by an event of its own makes us dump again: IPv4 routes go without a word when
 * their link goes down or their address is removed; a replacing add does not say what it replaced;
 * a route with several next hops is shown whole while only one of them came or went.
 */
#include "kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/link_msg.h"
#include "kernel/route_apply.h"

#define LOG_MAX 65536 /* events kept while a dump runs; more make it begin anew */

struct change {
	bool is_del, is_replace;
	struct route_msg route;
};

struct kernel_route {
	struct ev_loop *loop;
	struct nl *request, *dump, *event;
	struct ev_timer *settle;
	bool retry_soon; /* after the settle time: what failed for lack of a link may work */
	struct row_sink sink;
	struct route_mirror mirror;
	struct route_applier applier;
	/* the dump that runs */
	bool is_dumping, dump_again;
	struct route_mirror fresh[2]; /* IPv4, IPv6 */
	unsigned dumps_open;
	int dump_err;
	struct change *log;
	size_t n_log, cap_log;
	uint64_t dumps;
};

static struct route_key key_of(const struct ip_prefix *dst)
{
	return (struct route_key){ .dst = *dst };
}

static void tell(struct kernel_route *kr, const struct ip_prefix *dst)
{
	const struct route_own *own = route_mirror_get(&kr->mirror, dst);
	struct route_key key = key_of(dst);
	struct route_value value;

	if (!kr->sink.result) /* nobody is attached yet */
		return;
	if (!own) {
		kr->sink.absent(kr->sink.arg, (struct bytes){ &key, sizeof(key) });
		return;
	}
	value = route_own_value(own);
	kr->sink.present(kr->sink.arg, (struct bytes){ &key, sizeof(key) },
			 (struct bytes){ &value, sizeof(value) });
}

static void settle_start(struct kernel_route *kr)
{
	if (!ev_timer_is_set(kr->settle))
		ev_timer_set(kr->settle, KERNEL_ROUTE_SETTLE_US);
}

/* False: the mirror did not have what the change says has gone. */
static bool change_apply(struct route_mirror *m, const struct change *c)
{
	if (c->is_del)
		return route_mirror_del(m, &c->route);
	if (c->is_replace)
		route_mirror_del_metric(m, &c->route.dst, c->route.metric);
	route_mirror_put(m, &c->route);
	return true;
}

static void log_add(struct kernel_route *kr, const struct change *c)
{
	if (!kr->is_dumping)
		return;
	if (kr->n_log == LOG_MAX) {
		kr->dump_again = true;
		return;
	}
	GROW(kr->log, kr->n_log, kr->cap_log);
	kr->log[kr->n_log++] = *c;
}

/*
 * A link came up, or an address that gateways may be reached by: routes that could not be put are
 * tried now, not when their back-off is over. Pods come with link-local addresses; those say
 * nothing.
 */
static void on_chance(struct kernel_route *kr)
{
	kr->retry_soon = true;
	settle_start(kr);
}

/* Somebody else's: of interest where it may have taken the place of ours, or leaves it. */
static void on_other(struct kernel_route *kr, const struct change *c)
{
	const struct ip_prefix *dst = &c->route.dst;

	if (!c->is_del) {
		if (c->is_replace && route_mirror_get(&kr->mirror, dst))
			settle_start(kr);
		return;
	}
	if (map_del(&kr->applier.held, dst, sizeof(*dst)))
		on_chance(kr);
}

static void on_route(struct kernel_route *kr, const struct nl_head *head, struct rd body)
{
	struct change c = { .is_del = head->type == RTM_DELROUTE,
			    .is_replace = (head->flags & NLM_F_REPLACE) != 0 };
	int r = route_msg_parse(body, &c.route);

	if (r < 0) {
		if (r != -ENOENT)
			settle_start(kr);
		return;
	}
	if (c.route.protocol != RTPROT_KUBE_ROUTER) {
		on_other(kr, &c);
		return;
	}
	if (c.route.is_multipath) {
		settle_start(kr);
		return;
	}
	if (c.is_replace)
		settle_start(kr);
	log_add(kr, &c);
	if (!change_apply(&kr->mirror, &c)) {
		settle_start(kr);
		return;
	}
	tell(kr, &c.route.dst);
}

static bool is_gateway_chance(struct rd body)
{
	struct addr_msg a;

	return addr_msg_parse(body, &a) == 0 && !ip_is_link_local(&a.prefix.addr);
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_route *kr = arg;
	struct link_msg link;

	switch (head->type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(kr, head, body);
		break;
	case RTM_NEWLINK:
		if (link_msg_parse(body, &link) < 0 || link.is_part)
			break;
		if (!link.value.up)
			settle_start(kr);
		else if (link.is_turned)
			on_chance(kr);
		break;
	case RTM_NEWADDR:
		if (is_gateway_chance(body))
			on_chance(kr);
		break;
	case RTM_DELLINK:
	case RTM_DELADDR:
		settle_start(kr);
		break;
	default: /* not our enum: a group may carry more kinds than we asked it for */
		break;
	}
}

/* ---- dump ---- */

static void dump_start(struct kernel_route *kr);

static void on_overrun(void *arg)
{
	struct kernel_route *kr = arg;

	kr->retry_soon = true; /* that a link came up may be among what was lost */
	dump_start(kr);
}

static void on_settle(void *arg)
{
	dump_start(arg);
}

static void fresh_forget(struct kernel_route *kr)
{
	for (unsigned i = 0; i < 2; i++)
		route_mirror_fini(&kr->fresh[i]);
	kr->n_log = 0;
}

static void mirror_tell_all(struct kernel_route *kr)
{
	const struct row_sink *sink = &kr->sink;

	kr->applier.is_frozen = true; /* the walk must not be changed by what the sink does */
	sink->dump_begin(sink->arg);
	map_for_each (&kr->mirror.by_dst, i) {
		const void *key;
		size_t len;
		const struct route_own *own = map_at(&kr->mirror.by_dst, i, &key, &len);
		struct route_value value = route_own_value(own);

		sink->present(sink->arg, (struct bytes){ key, len },
			      (struct bytes){ &value, sizeof(value) });
	}
	kr->applier.is_frozen = false;
	sink->dump_end(sink->arg, 0);
}

/* Both families are in one mirror: a destination has its family in its key. */
static void fresh_take(struct kernel_route *kr)
{
	for (size_t i = 0; i < kr->n_log; i++)
		(void)change_apply(&kr->fresh[kr->log[i].route.dst.addr.family == IP_V6],
				   &kr->log[i]);
	route_mirror_fini(&kr->mirror);
	kr->mirror = kr->fresh[0];
	kr->fresh[0] = (struct route_mirror){ 0 };
	map_for_each (&kr->fresh[1].by_dst, i) {
		const void *key;
		size_t len;
		void *own = map_at(&kr->fresh[1].by_dst, i, &key, &len);

		(void)map_put(&kr->mirror.by_dst, key, len, own);
	}
	map_fini(&kr->fresh[1].by_dst); /* its values have moved */
	kr->fresh[1] = (struct route_mirror){ 0 };
}

static void dump_finish(struct kernel_route *kr)
{
	int err;

	if (!nl_drain(kr->event, NL_DRAIN_MAX)) /* while is_dumping: it belongs into the log */
		kr->dump_again = true;
	err = kr->dump_err;
	if (err == 0 && !kr->dump_again)
		fresh_take(kr);
	kr->is_dumping = false;
	fresh_forget(kr);
	if (kr->dump_again && err == 0) { /* the next one answers */
		kr->dump_again = false;
		dump_start(kr);
		return;
	}
	kr->dump_again = false;
	if (err == 0) {
		mirror_tell_all(kr);
	} else {
		kr->sink.dump_begin(kr->sink.arg);
		kr->sink.dump_end(kr->sink.arg, err);
	}
	if (kr->retry_soon) /* after the news: a route that was lost is one that may be tried */
		kr->sink.retry(kr->sink.arg);
	kr->retry_soon = false;
}

static void family_begin(struct kernel_route *kr, unsigned i)
{
	route_mirror_fini(&kr->fresh[i]);
}

static void begin4(void *arg)
{
	family_begin(arg, 0);
}

static void begin6(void *arg)
{
	family_begin(arg, 1);
}

static int on_dump_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_route *kr = arg;
	struct route_mirror *fresh;
	struct route_msg r;
	int err;

	(void)head;
	err = route_msg_parse(body, &r);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (r.protocol != RTPROT_KUBE_ROUTER)
		return 0;
	fresh = &kr->fresh[r.dst.addr.family == IP_V6];
	if (fresh->by_dst.n >= KERNEL_ROUTE_MAX)
		return -E2BIG;
	route_mirror_put(fresh, &r);
	return 0;
}

static void on_dump_done(void *arg, int err, const char *text)
{
	struct kernel_route *kr = arg;

	(void)text;
	/* No table yet, or no such family in this kernel: no routes. */
	if (err != 0 && err != -ENOENT && err != -EAFNOSUPPORT && err != -EOPNOTSUPP)
		kr->dump_err = err;
	if (--kr->dumps_open == 0)
		dump_finish(kr);
}

static void dump_start(struct kernel_route *kr)
{
	struct nl_dump_spec spec = { .arg = kr, .on_msg = on_dump_msg, .done = on_dump_done };

	ev_timer_stop(kr->settle);
	if (!kr->sink.result) /* nobody to tell yet */
		return;
	if (kr->is_dumping) {
		kr->dump_again = true;
		return;
	}
	kr->is_dumping = true;
	kr->dump_err = 0;
	kr->dumps_open = 2;
	kr->dumps++;
	fresh_forget(kr);
	spec.begin = begin4;
	nl_dump_send(kr->dump, route_msg_dump(IP_V4, RTPROT_KUBE_ROUTER), &spec);
	spec.begin = begin6;
	nl_dump_send(kr->dump, route_msg_dump(IP_V6, RTPROT_KUBE_ROUTER), &spec);
}

/* ---- the reconciler ---- */

static void op_attach(void *self, const struct row_sink *sink)
{
	struct kernel_route *kr = self;

	kr->sink = *sink;
}

static void op_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_route *kr = self;

	route_apply(&kr->applier, ops, n);
}

static void op_dump(void *self)
{
	dump_start(self);
}

static const struct reconciler_ops route_ops = {
	.attach = op_attach,
	.apply = op_apply,
	.dump = op_dump,
};

struct reconciler kernel_route_reconciler(struct kernel_route *kr)
{
	return (struct reconciler){ .ops = &route_ops, .self = kr };
}

static int sockets_open(struct kernel_route *kr, const struct nl_opener *opener)
{
	const struct nl_conf request = { .name = "route-request",
					 .protocol = NETLINK_ROUTE,
					 .is_for_batches = true };
	const struct nl_conf dump = { .name = "route-dump", .protocol = NETLINK_ROUTE };
	const struct nl_conf event = {
		.name = "route-event",
		.protocol = NETLINK_ROUTE,
		.groups = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK,
			    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR },
		.rcvbuf_bytes = NL_RCVBUF_EVENTS,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = kr,
	};
	int r;

	r = nl_new(kr->loop, &event, opener, &kr->event);
	if (r == 0)
		r = nl_new(kr->loop, &request, opener, &kr->request);
	if (r == 0)
		r = nl_new(kr->loop, &dump, opener, &kr->dump);
	return r;
}

int kernel_route_new(struct ev_loop *loop, const struct nl_opener *opener,
		     struct kernel_route **ret)
{
	CLEANUP(kernel_route_free) struct kernel_route *kr = xcalloc(1, sizeof(*kr));
	int r;

	kr->loop = loop;
	list_init(&kr->applier.running);
	kr->settle = ev_timer_new(loop, "route-settle", on_settle, kr);
	r = sockets_open(kr, opener);
	if (r < 0)
		return r;
	kr->applier.request = kr->request;
	kr->applier.lookup = kr->dump;
	kr->applier.event = kr->event;
	kr->applier.mirror = &kr->mirror;
	kr->applier.sink = &kr->sink;
	*ret = take_ptr(kr);
	return 0;
}

void kernel_route_free(struct kernel_route *kr)
{
	if (!kr)
		return;
	nl_free(kr->request);
	nl_free(kr->dump);
	nl_free(kr->event);
	ev_timer_free(kr->settle);
	route_applier_fini(&kr->applier);
	fresh_forget(kr);
	route_mirror_fini(&kr->mirror);
	free(kr->log);
	free(kr);
}

void kernel_route_stats_get(const struct kernel_route *kr, struct kernel_route_stats *ret)
{
	*ret = (struct kernel_route_stats){ .dumps = kr->dumps,
					    .conflicts = kr->applier.conflicts };
	nl_stats_get(kr->request, &ret->request);
	nl_stats_get(kr->dump, &ret->dump);
	nl_stats_get(kr->event, &ret->event);
}
