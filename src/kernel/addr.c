/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's addresses: two dumps (links, addresses) and the events after them.
 *
 * The tables are maps from the kernel's own keys. Events change them at once; events that come
 * while a dump runs are also kept and applied to the fresh tables when those are complete
 * (kernel/snapshot.h says why that is right). What users see is a sorted array (the view), made
 * from the tables once a turn at most, and compared with the one before: only a difference is a
 * change.
 */
#include "kernel/addr.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/link_msg.h"

#define LOG_MAX        65536             /* events kept while a dump runs; more begin it anew */
#define RETRY_DELAY_US (500 * US_PER_MS) /* after a dump that failed; then doubled */
#define RETRY_MAX_US   (30 * US_PER_S)

struct change {
	uint16_t type; /* RTM_* */
	union {
		struct link_msg link;
		struct addr_msg addr;
	};
};

struct addr_key {
	uint32_t ifindex;
	struct ip_prefix prefix;
	struct ip_addr peer;
	uint8_t unused;
};
_Static_assert(sizeof(struct addr_key) == 40, "keys have no padding");

struct tables {
	struct map links; /* ifindex -> struct link_msg */
	struct map addrs; /* struct addr_key -> struct addr_msg */
};

struct kernel_addr {
	struct ev_loop *loop;
	struct nl *dump, *event;
	struct ev_timer *retry;
	struct ev_task *task;
	kernel_addr_fn *changed;
	void *arg;
	struct tables now, fresh;
	bool is_dumping, dump_again, is_ready;
	int dump_err;
	int64_t retry_us;
	struct change *log;
	size_t n_log, cap_log;
	struct if_addr *view;
	size_t n_view;
};

static void map_free_values(struct map *m)
{
	map_for_each (m, i)
		free(map_at(m, i, &(const void *){ NULL }, &(size_t){ 0 }));
	map_fini(m);
	*m = (struct map)MAP_INIT;
}

static void tables_fini(struct tables *t)
{
	map_free_values(&t->links);
	map_free_values(&t->addrs);
}

static struct addr_key key_of(const struct addr_msg *a)
{
	return (struct addr_key){ .ifindex = a->ifindex, .prefix = a->prefix, .peer = a->peer };
}

static void table_put(struct map *m, struct bytes key, struct bytes value, size_t max)
{
	void *old;

	if (m->n >= max && !map_get(m, key.data, key.len))
		return;
	old = map_put(m, key.data, key.len, xmemdup(value.data, value.len));
	free(old);
}

static void change_apply(struct tables *t, const struct change *c)
{
	struct addr_key key;

	switch (c->type) {
	case RTM_NEWLINK:
		table_put(&t->links, (struct bytes){ &c->link.ifindex, sizeof(c->link.ifindex) },
			  (struct bytes){ &c->link, sizeof(c->link) }, KERNEL_ADDR_LINK_MAX);
		break;
	case RTM_DELLINK:
		free(map_del(&t->links, &c->link.ifindex, sizeof(c->link.ifindex)));
		break;
	case RTM_NEWADDR:
		key = key_of(&c->addr);
		table_put(&t->addrs, (struct bytes){ &key, sizeof(key) },
			  (struct bytes){ &c->addr, sizeof(c->addr) }, KERNEL_ADDR_MAX);
		break;
	case RTM_DELADDR:
		key = key_of(&c->addr);
		free(map_del(&t->addrs, &key, sizeof(key)));
		break;
	default: /* change_parse() lets no other through */
		break;
	}
}

/* 0; -ENOENT: of no interest; -EBADMSG */
static int change_parse(const struct nl_head *head, struct rd body, struct change *ret)
{
	struct change c = { .type = head->type };
	int r;

	switch (head->type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r = link_msg_parse(body, &c.link);
		if (r == 0 && c.link.is_part)
			r = -ENOENT;
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		r = addr_msg_parse(body, &c.addr);
		break;
	default:
		r = -ENOENT;
		break;
	}
	if (r == 0)
		*ret = c;
	return r;
}

/* ---- the view ---- */

static int view_cmp(const void *a, const void *b)
{
	const struct if_addr *x = a, *y = b;
	int r = ip_cmp(&x->prefix.addr, &y->prefix.addr);

	if (r == 0)
		r = (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
	if (r == 0)
		r = (int)x->prefix.len - (int)y->prefix.len;
	return r;
}

/* Sets *ret_n; NULL for none. */
static struct if_addr *view_make(const struct tables *t, size_t *ret_n)
{
	struct if_addr *v = t->addrs.n > 0 ? xcalloc(t->addrs.n, sizeof(*v)) : NULL;
	size_t n = 0;

	map_for_each (&t->addrs, i) {
		const void *key;
		size_t len;
		const struct addr_msg *a = map_at(&t->addrs, i, &key, &len);
		const struct link_msg *l = map_get(&t->links, &a->ifindex, sizeof(a->ifindex));

		if (!l) /* the link has gone, its addresses are about to */
			continue;
		v[n].prefix = a->prefix;
		v[n].ifindex = a->ifindex;
		v[n].mtu = l->value.mtu;
		memcpy(v[n].ifname, l->name, sizeof(v[n].ifname));
		n++;
	}
	if (n > 1)
		qsort(v, n, sizeof(*v), view_cmp);
	*ret_n = n;
	return v;
}

static bool view_same(const struct if_addr *a, const struct if_addr *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (view_cmp(&a[i], &b[i]) != 0 || a[i].mtu != b[i].mtu ||
		    memcmp(a[i].ifname, b[i].ifname, sizeof(a[i].ifname)) != 0)
			return false;
	}
	return true;
}

static void on_task(void *arg)
{
	struct kernel_addr *ka = arg;
	bool was_ready = ka->is_ready;
	struct if_addr *v;
	size_t n;

	if (!was_ready && (ka->is_dumping || ka->dump_err != 0))
		return; /* part of the truth is none */
	v = view_make(&ka->now, &n);
	ka->is_ready = true;
	if (was_ready && n == ka->n_view && view_same(v, ka->view, n)) {
		free(v);
		return;
	}
	free(ka->view);
	ka->view = v;
	ka->n_view = n;
	if (ka->changed)
		ka->changed(ka->arg);
}

/* ---- dump and events ---- */

static void dump_start(struct kernel_addr *ka);

static void on_overrun(void *arg)
{
	dump_start(arg);
}

static void on_retry(void *arg)
{
	dump_start(arg);
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_addr *ka = arg;
	struct change c;
	int r = change_parse(head, body, &c);

	if (r == -EBADMSG)
		dump_start(ka);
	if (r < 0)
		return;
	if (ka->is_dumping && ka->n_log < LOG_MAX) {
		GROW(ka->log, ka->n_log, ka->cap_log);
		ka->log[ka->n_log++] = c;
	} else if (ka->is_dumping) {
		ka->dump_again = true;
	}
	change_apply(&ka->now, &c);
	ev_task_post(ka->task);
}

static void links_begin(void *arg)
{
	struct kernel_addr *ka = arg;

	map_free_values(&ka->fresh.links);
}

static void addrs_begin(void *arg)
{
	struct kernel_addr *ka = arg;

	map_free_values(&ka->fresh.addrs);
}

static int on_dump_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct kernel_addr *ka = arg;
	struct change c;
	int r = change_parse(head, body, &c);

	if (r == 0)
		change_apply(&ka->fresh, &c);
	return r == -ENOENT ? 0 : r;
}

static void on_links_done(void *arg, int err, const char *text)
{
	struct kernel_addr *ka = arg;

	(void)text;
	ka->dump_err = err;
}

static void on_addrs_done(void *arg, int err, const char *text)
{
	struct kernel_addr *ka = arg;

	(void)text;
	if (ka->dump_err == 0)
		ka->dump_err = err;
	if (!nl_drain(ka->event, NL_DRAIN_MAX))
		ka->dump_again = true;
	ka->is_dumping = false;
	if (ka->dump_err != 0) {
		ev_timer_set(ka->retry, ev_jitter_us(ka->loop, ka->retry_us));
		ka->retry_us = MIN(2 * ka->retry_us, RETRY_MAX_US);
		return;
	}
	if (ka->dump_again) {
		dump_start(ka);
		return;
	}
	for (size_t i = 0; i < ka->n_log; i++)
		change_apply(&ka->fresh, &ka->log[i]);
	tables_fini(&ka->now);
	ka->now = ka->fresh;
	ka->fresh = (struct tables){ 0 };
	ka->retry_us = RETRY_DELAY_US;
	ev_task_post(ka->task);
}

static void dump_start(struct kernel_addr *ka)
{
	const struct nl_dump_spec links = {
		.arg = ka, .begin = links_begin, .on_msg = on_dump_msg, .done = on_links_done
	};
	const struct nl_dump_spec addrs = {
		.arg = ka, .begin = addrs_begin, .on_msg = on_dump_msg, .done = on_addrs_done
	};

	if (ka->is_dumping) {
		ka->dump_again = true;
		return;
	}
	ka->is_dumping = true;
	ka->dump_again = false;
	ka->n_log = 0;
	tables_fini(&ka->fresh);
	nl_dump_send(ka->dump, link_msg_dump(), &links);
	nl_dump_send(ka->dump, addr_msg_dump(), &addrs);
}

/* ---- */

int kernel_addr_new(struct ev_loop *loop, const struct nl_opener *opener, kernel_addr_fn *changed,
		    void *arg, struct kernel_addr **ret)
{
	CLEANUP(kernel_addr_free) struct kernel_addr *ka = xcalloc(1, sizeof(*ka));
	const struct nl_conf dump = { .name = "addr-dump", .protocol = NETLINK_ROUTE };
	const struct nl_conf event = {
		.name = "addr-event",
		.protocol = NETLINK_ROUTE,
		.groups = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR },
		.rcvbuf_bytes = NL_RCVBUF_EVENTS,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = ka,
	};
	int r;

	ka->loop = loop;
	ka->changed = changed;
	ka->arg = arg;
	ka->retry_us = RETRY_DELAY_US;
	ka->retry = ev_timer_new(loop, "addr-retry", on_retry, ka);
	ka->task = ev_task_new(loop, "addr-view", on_task, ka);
	r = nl_new(loop, &event, opener, &ka->event);
	if (r == 0)
		r = nl_new(loop, &dump, opener, &ka->dump);
	if (r < 0)
		return r;
	dump_start(ka);
	*ret = take_ptr(ka);
	return 0;
}

void kernel_addr_free(struct kernel_addr *ka)
{
	if (!ka)
		return;
	nl_free(ka->dump);
	nl_free(ka->event);
	ev_timer_free(ka->retry);
	ev_task_free(ka->task);
	tables_fini(&ka->now);
	tables_fini(&ka->fresh);
	free(ka->log);
	free(ka->view);
	free(ka);
}

bool kernel_addr_is_ready(const struct kernel_addr *ka)
{
	return ka->is_ready;
}

size_t kernel_addr_count(const struct kernel_addr *ka)
{
	return ka->n_view;
}

const struct if_addr *kernel_addr_at(const struct kernel_addr *ka, size_t i)
{
	return &ka->view[i];
}

/* Of the view: the first entry that is not before addr. */
static size_t view_lower(const struct kernel_addr *ka, const struct ip_addr *addr)
{
	size_t lo = 0, hi = ka->n_view;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_cmp(&ka->view[mid].prefix.addr, addr) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct if_addr *kernel_addr_find(const struct kernel_addr *ka, const struct ip_addr *addr)
{
	size_t i = view_lower(ka, addr);

	return i < ka->n_view && ip_same(&ka->view[i].prefix.addr, addr) ? &ka->view[i] : NULL;
}

const struct if_addr *kernel_addr_onlink(const struct kernel_addr *ka, const struct ip_addr *local,
					 size_t n_local, const struct ip_addr *target)
{
	const struct if_addr *best = NULL;

	for (size_t l = 0; l < n_local; l++) {
		for (size_t i = view_lower(ka, &local[l]);
		     i < ka->n_view && ip_same(&ka->view[i].prefix.addr, &local[l]); i++) {
			const struct if_addr *e = &ka->view[i];
			struct ip_prefix net = ip_prefix_make(&e->prefix.addr, e->prefix.len);

			if (ip_prefix_has(&net, target) &&
			    (!best || e->prefix.len > best->prefix.len))
				best = e;
		}
	}
	return best;
}
