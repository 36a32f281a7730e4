/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of kernel messages: the message's type says which one. What comes out must be within
 * its bounds.
 */
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/ipset_msg.h"
#include "kernel/iptables_watch.h"
#include "kernel/link_msg.h"
#include "kernel/route_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

static bool is_terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static void route(struct rd body)
{
	char text[ROUTE_MSG_FMT_MAX];
	struct route_msg r;

	if (route_msg_parse(body, &r) < 0)
		return;
	require(r.dst.len <= ip_bits(r.dst.addr.family));
	require(ip_is_none(&r.gateway) || r.gateway.family == r.dst.addr.family);
	require(strlen(route_msg_fmt(text, &r)) < sizeof(text));
}

static void link(struct rd body)
{
	struct link_msg l;

	if (link_msg_parse(body, &l) == 0)
		require(is_terminated(l.name, sizeof(l.name)) && l.name[0] != '\0');
}

static void addr(struct rd body)
{
	struct addr_msg a;

	if (addr_msg_parse(body, &a) == 0)
		require(a.prefix.len <= ip_bits(a.prefix.addr.family));
}

static void ipset(uint16_t type, struct rd body)
{
	struct ipset_dialect d = IPSET_DIALECT_INIT;
	struct ip_prefix p;
	struct ipset_msg s;
	size_t n_others = 0;

	if (ipset_msg_dialect_parse(type, body, &d) == 0)
		require(d.protocol >= IPSET_PROTOCOL_LEAST && d.protocol <= IPSET_PROTOCOL_MOST);
	if (ipset_msg_parse(body, &s) < 0)
		return;
	require(is_terminated(s.name, sizeof(s.name)));
	while (ipset_msg_member_next(&s.members, &p, &n_others) > 0)
		require(p.len <= ip_bits(p.addr.family));
}

static void nft(const struct nl_head *head, struct rd body)
{
	const struct ipt_have_filter filter = { 0 };
	uint8_t family = IP_NONE;

	if (ipt_watch_event_is(head, body, &filter, &family))
		require(family == IP_V4 || family == IP_V6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_init(data, size), body;
	struct nl_head head;

	while (nl_next(&in, &head, &body) > 0) {
		if (head.type >> 8 == NFNL_SUBSYS_IPSET)
			ipset(head.type, body);
		else if (head.type >> 8 == NFNL_SUBSYS_NFTABLES)
			nft(&head, body);
		else if (head.type == RTM_NEWLINK || head.type == RTM_DELLINK)
			link(body);
		else if (head.type == RTM_NEWADDR || head.type == RTM_DELADDR)
			addr(body);
		else
			route(body);
	}
	return 0;
}
