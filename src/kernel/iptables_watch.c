/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_watch.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"

static const char *const tables[] = { "filter", "nat" };

struct ipt_watch {
	struct ev_loop *loop;
	struct ipt_watch_conf conf;
	struct ipt_watch_host host;
	struct nl *event;
	struct ev_timer *poll;
	bool is_legacy;
	int fds[2]; /* raw sockets to ask by; -1: none */
	struct {
		bool is_known;
		int err; /* of asking: a table that comes or goes is a change, too */
		struct ipt_info info;
	} base[2][ARRAY_LEN(tables)];
	struct ipt_watch_stats stats;
};

/* ---- events ---- */

enum { NAMES_N = 4 };

/* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are all 1. */
static const struct nl_policy table_policy[NAMES_N] = {
	[NFTA_TABLE_NAME] = { NL_ATTR_STRING, .required = true, .min = 1 },
};
static const struct nl_policy chain_policy[NAMES_N] = {
	[NFTA_CHAIN_TABLE] = { NL_ATTR_STRING, .required = true, .min = 1 },
	[NFTA_CHAIN_NAME] = { NL_ATTR_STRING, .min = 1 },
};
static const struct nl_policy rule_policy[NAMES_N] = {
	[NFTA_RULE_TABLE] = { NL_ATTR_STRING, .required = true, .min = 1 },
	[NFTA_RULE_CHAIN] = { NL_ATTR_STRING, .min = 1 },
};

static bool table_is(const char *table)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (str_eq(tables[i], table))
			return true;
	}
	return false;
}

static bool chain_is(const struct ipt_key *key, const struct ipt_have_filter *filter)
{
	for (unsigned slot = 0; slot < IPT_SLOT_N; slot++) {
		const struct ipt_slot_desc *desc = ipt_slot_desc(slot);

		if (desc->table && str_eq(desc->table, key->table) &&
		    str_eq(desc->chain, key->chain))
			return true;
	}
	return filter->is_our_chain && filter->is_our_chain(filter->arg, key);
}

bool ipt_watch_event_is(const struct nl_head *head, struct rd body,
			const struct ipt_have_filter *filter, uint8_t *ret_family)
{
	struct ipt_key key = { .slot = IPT_SLOT_CHAIN };
	struct nl_attr attrs[NAMES_N];
	const struct nl_policy *policy;
	uint16_t chain_attr = 0;
	uint8_t nf_family;

	switch (head->type) {
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE:
		policy = table_policy;
		break;
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELCHAIN:
		policy = chain_policy;
		chain_attr = NFTA_CHAIN_NAME;
		break;
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE:
		policy = rule_policy;
		chain_attr = NFTA_RULE_CHAIN;
		break;
	default: /* sets, generations, what later kernels add */
		return false;
	}
	nf_family = rd_u8(&body);
	rd_skip(&body, 3); /* the rest of struct nfgenmsg */
	if (nf_family != NFPROTO_IPV4 && nf_family != NFPROTO_IPV6)
		return false;
	if (body.bad || nl_attrs_parse(body, policy, NAMES_N, attrs) < 0)
		return false;
	key.family = nf_family == NFPROTO_IPV6 ? IP_V6 : IP_V4;
	/* A name that does not fit is none of ours. */
	if (!nl_attr_str(&attrs[NFTA_TABLE_NAME], key.table, sizeof(key.table)) ||
	    !table_is(key.table))
		return false;
	if (chain_attr != 0 && (!nl_attr_str(&attrs[chain_attr], key.chain, sizeof(key.chain)) ||
				!chain_is(&key, filter)))
		return false;
	*ret_family = key.family;
	return true;
}

static void changed(struct ipt_watch *w, uint8_t family)
{
	if (!w->conf.families[family == IP_V6])
		return;
	w->stats.changes++;
	w->host.changed(w->host.arg, family);
}

static void on_event(void *arg, const struct nl_head *head, struct rd body)
{
	struct ipt_watch *w = arg;
	uint8_t family;

	if (w->is_legacy || w->host.is_ours(w->host.arg, head->pid))
		return;
	if (ipt_watch_event_is(head, body, &w->conf.filter, &family))
		changed(w, family);
}

static void on_overrun(void *arg)
{
	struct ipt_watch *w = arg;

	if (w->is_legacy)
		return;
	changed(w, IP_V4);
	changed(w, IP_V6);
}

void ipt_watch_drain(struct ipt_watch *w)
{
	if (w->event)
		(void)nl_drain(w->event, NL_DRAIN_MAX);
}

/* ---- polling ---- */

static int info4(int fd, const char *table, struct ipt_info *ret)
{
	struct ipt_getinfo in = { 0 };
	socklen_t len = sizeof(in);

	(void)str_copy(in.name, sizeof(in.name), table);
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &in, &len) < 0)
		return -errno;
	*ret = (struct ipt_info){ .hooks = in.valid_hooks,
				  .n_entries = in.num_entries,
				  .size = in.size };
	_Static_assert(sizeof(in.hook_entry) == sizeof(ret->hook_entry), "five hooks");
	memcpy(ret->hook_entry, in.hook_entry, sizeof(ret->hook_entry));
	memcpy(ret->underflow, in.underflow, sizeof(ret->underflow));
	return 0;
}

static int info6(int fd, const char *table, struct ipt_info *ret)
{
	struct ip6t_getinfo in = { 0 };
	socklen_t len = sizeof(in);

	(void)str_copy(in.name, sizeof(in.name), table);
	if (getsockopt(fd, IPPROTO_IPV6, IP6T_SO_GET_INFO, &in, &len) < 0)
		return -errno;
	*ret = (struct ipt_info){ .hooks = in.valid_hooks,
				  .n_entries = in.num_entries,
				  .size = in.size };
	_Static_assert(sizeof(in.hook_entry) == sizeof(ret->hook_entry), "five hooks");
	memcpy(ret->hook_entry, in.hook_entry, sizeof(ret->hook_entry));
	memcpy(ret->underflow, in.underflow, sizeof(ret->underflow));
	return 0;
}

static int kernel_info(void *arg, uint8_t family, const char *table, struct ipt_info *ret)
{
	const struct ipt_watch *w = arg;
	int fd = w->fds[family == IP_V6];

	if (fd < 0)
		return -EBADF;
	return family == IP_V6 ? info6(fd, table, ret) : info4(fd, table, ret);
}

static int ask(const struct ipt_watch *w, uint8_t family, size_t table, struct ipt_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	return w->conf.info(w->conf.info_arg, family, tables[table], ret);
}

void ipt_watch_mark(struct ipt_watch *w, uint8_t family)
{
	if (!w->is_legacy)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		w->base[family == IP_V6][i].err =
			ask(w, family, i, &w->base[family == IP_V6][i].info);
		w->base[family == IP_V6][i].is_known = true;
	}
}

void ipt_watch_check(struct ipt_watch *w, uint8_t family)
{
	struct mono start = mono_read();
	bool is_changed = false;

	if (!w->is_legacy)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct ipt_info info;
		int err = ask(w, family, i, &info);

		if (!w->base[family == IP_V6][i].is_known)
			continue;
		is_changed |= err != w->base[family == IP_V6][i].err ||
			      memcmp(&info, &w->base[family == IP_V6][i].info, sizeof(info)) != 0;
	}
	w->stats.polls++;
	w->stats.us += mono_diff_us(mono_read(), start);
	if (is_changed)
		changed(w, family);
}

static void on_poll(void *arg)
{
	struct ipt_watch *w = arg;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t family = i ? IP_V6 : IP_V4;

		if (w->conf.families[i] && !w->host.is_busy(w->host.arg, family))
			ipt_watch_check(w, family);
	}
	ev_timer_set(w->poll, ev_jitter_us(w->loop, IPT_POLL_US));
}

void ipt_watch_variant(struct ipt_watch *w, enum ipt_variant variant)
{
	w->is_legacy = variant == IPT_VARIANT_LEGACY;
	if (!w->is_legacy) {
		ev_timer_stop(w->poll);
		return;
	}
	for (unsigned i = 0; i < 2 && w->conf.info == kernel_info; i++) {
		if (w->fds[i] < 0)
			w->fds[i] = socket(i ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC,
					   IPPROTO_RAW);
	}
	ev_timer_set(w->poll, ev_jitter_us(w->loop, IPT_POLL_US));
}

/* ---- life ---- */

struct ipt_watch *ipt_watch_new(struct ev_loop *loop, const struct ipt_watch_conf *conf,
				const struct ipt_watch_host *host)
{
	struct ipt_watch *w = xcalloc(1, sizeof(*w));
	const struct nl_conf event = {
		.name = "iptables-event",
		.protocol = NETLINK_NETFILTER,
		.groups = { NFNLGRP_NFTABLES },
		.rcvbuf_bytes = NL_RCVBUF_EVENTS,
		.on_event = on_event,
		.on_overrun = on_overrun,
		.arg = w,
	};
	int r;

	w->loop = loop;
	w->conf = *conf;
	w->host = *host;
	w->fds[0] = w->fds[1] = -1;
	if (!w->conf.info) {
		w->conf.info = kernel_info;
		w->conf.info_arg = w;
	}
	w->poll = ev_timer_new(loop, "iptables-poll", on_poll, w);
	r = nl_new(loop, &event, conf->opener, &w->event);
	if (r < 0)
		log_warning("kernel: no events of nf_tables; changes are found by the audit only "
			    "err=%s",
			    strerror(-r));
	return w;
}

void ipt_watch_free(struct ipt_watch *w)
{
	if (!w)
		return;
	nl_free(w->event);
	ev_timer_free(w->poll);
	for (unsigned i = 0; i < 2; i++) {
		if (w->fds[i] >= 0)
			(void)close(w->fds[i]);
	}
	free(w);
}

void ipt_watch_stats_get(const struct ipt_watch *w, struct ipt_watch_stats *ret)
{
	*ret = w->stats;
	if (w->event)
		nl_stats_get(w->event, &ret->event);
}
