/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/route_msg.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#define METRIC_DEFAULT_V6 1024 /* IP6_RT_PRIO_USER: what the kernel takes for "none given" */

uint32_t route_msg_metric(uint8_t family)
{
	return family == IP_V6 ? METRIC_DEFAULT_V6 : 0;
}

/* struct rtmsg */
static void head_put(struct nl_msg *m, const struct ip_prefix *dst, uint8_t scope, uint8_t type)
{
	wr_u8(&m->w, (uint8_t)ip_af(dst->addr.family));
	wr_u8(&m->w, dst->len);
	wr_u8(&m->w, 0); /* source length */
	wr_u8(&m->w, 0); /* tos */
	wr_u8(&m->w, RT_TABLE_MAIN);
	wr_u8(&m->w, RTPROT_KUBE_ROUTER);
	wr_u8(&m->w, scope);
	wr_u8(&m->w, type);
	wr_u32_host(&m->w, 0); /* flags */
	nl_put_ip(m, RTA_DST, &dst->addr);
}

void route_msg_add(struct nl_batch *b, uint32_t tag, const struct route_key *key,
		   const struct route_value *value, bool exclusive)
{
	uint16_t flags = NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0);
	struct nl_msg *m = nl_batch_add(b, RTM_NEWROUTE, flags, tag);

	head_put(m, &key->dst, RT_SCOPE_UNIVERSE, RTN_UNICAST);
	nl_put_ip(m, RTA_GATEWAY, &value->gateway);
}

void route_msg_del(struct nl_batch *b, uint32_t tag, const struct route_msg *r)
{
	struct nl_msg *m = nl_batch_add(b, RTM_DELROUTE, 0, tag);
	uint8_t scope = r->scope;

	/*
	 * Type 0 matches any; so does scope "nowhere" for IPv4, and IPv6 has no scopes. A device
	 * route is told from one via a gateway on that device by nothing but its scope.
	 */
	if (r->dst.addr.family == IP_V4 && (!ip_is_none(&r->gateway) || r->oif == 0))
		scope = RT_SCOPE_NOWHERE;
	head_put(m, &r->dst, scope, RTN_UNSPEC);
	if (!ip_is_none(&r->gateway))
		nl_put_ip(m, RTA_GATEWAY, &r->gateway);
	else if (r->oif != 0)
		nl_put_u32(m, RTA_OIF, r->oif);
	if (r->metric != 0)
		nl_put_u32(m, RTA_PRIORITY, r->metric);
}

struct nl_dump *route_msg_dump(uint8_t family, uint8_t protocol)
{
	struct nl_dump *d = nl_dump_new(RTM_GETROUTE, NLM_F_DUMP);
	struct nl_msg *m = nl_dump_msg(d);

	/* With strict checking these are filters; without it they are ignored, and we filter. */
	wr_u8(&m->w, (uint8_t)ip_af(family));
	wr_zero(&m->w, 3);
	wr_u8(&m->w, RT_TABLE_MAIN);
	wr_u8(&m->w, protocol);
	wr_zero(&m->w, 6);
	return d;
}

enum { ROUTE_ATTR_N = RTA_NH_ID + 1 };

static const struct nl_policy route_policy[ROUTE_ATTR_N] = {
	[RTA_DST] = { NL_ATTR_IP },         [RTA_OIF] = { NL_ATTR_U32 },
	[RTA_GATEWAY] = { NL_ATTR_IP },     [RTA_PRIORITY] = { NL_ATTR_U32 },
	[RTA_PREFSRC] = { NL_ATTR_IP },     [RTA_MULTIPATH] = { NL_ATTR_NESTED },
	[RTA_TABLE] = { NL_ATTR_U32 },      [RTA_VIA] = { NL_ATTR_BYTES },
	[RTA_ENCAP_TYPE] = { NL_ATTR_U16 }, [RTA_NH_ID] = { NL_ATTR_U32 },
};

int route_msg_parse(struct rd body, struct route_msg *ret)
{
	struct nl_attr attrs[ROUTE_ATTR_N];
	struct route_msg r = { 0 };
	struct ip_addr dst = { 0 };
	uint8_t family, dst_len, src_len, table8;
	uint32_t table, flags;

	family = ip_family_of_af(rd_u8(&body));
	dst_len = rd_u8(&body);
	src_len = rd_u8(&body);
	r.tos = rd_u8(&body);
	table8 = rd_u8(&body);
	r.protocol = rd_u8(&body);
	r.scope = rd_u8(&body);
	r.type = rd_u8(&body);
	flags = rd_u32_host(&body);
	if (body.bad)
		return -EBADMSG;
	if (family == IP_NONE || src_len != 0 || (flags & RTM_F_CLONED))
		return -ENOENT;
	if (dst_len > ip_bits(family) ||
	    nl_attrs_parse(body, route_policy, ROUTE_ATTR_N, attrs) < 0)
		return -EBADMSG;
	table = attrs[RTA_TABLE].is_set ? nl_attr_u32(&attrs[RTA_TABLE]) : table8;
	if (table != RT_TABLE_MAIN)
		return -ENOENT;
	dst.family = family; /* a default route may come without a destination */
	if (attrs[RTA_DST].is_set ? !nl_attr_ip(&attrs[RTA_DST], family, &dst) : dst_len != 0)
		return -EBADMSG;
	r.dst = ip_prefix_make(&dst, dst_len);
	(void)nl_attr_ip(&attrs[RTA_GATEWAY], family, &r.gateway);
	r.metric = nl_attr_u32(&attrs[RTA_PRIORITY]);
	r.oif = nl_attr_u32(&attrs[RTA_OIF]);
	r.is_multipath = attrs[RTA_MULTIPATH].is_set || attrs[RTA_NH_ID].is_set;
	r.is_plain = r.type == RTN_UNICAST && r.tos == 0 && !ip_is_none(&r.gateway) &&
		     r.metric == route_msg_metric(family) && !r.is_multipath &&
		     !attrs[RTA_PREFSRC].is_set && !attrs[RTA_VIA].is_set &&
		     !attrs[RTA_ENCAP_TYPE].is_set;
	*ret = r;
	return 0;
}

static const char *protocol_name(uint8_t protocol)
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} rows[] = {
		{ RTPROT_KERNEL, "kernel" },
		{ RTPROT_BOOT, "boot" },
		{ RTPROT_STATIC, "static" },
		{ RTPROT_RA, "ra" },
		{ RTPROT_ZEBRA, "zebra" },
		{ RTPROT_BIRD, "bird" },
		{ RTPROT_DHCP, "dhcp" },
		{ RTPROT_KUBE_ROUTER, "kube-router" },
		{ RTPROT_KEEPALIVED, "keepalived" },
		{ RTPROT_BGP, "bgp" },
		{ RTPROT_OSPF, "ospf" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].protocol == protocol)
			return rows[i].name;
	}
	return "number";
}

const char *route_msg_fmt(char buf[ROUTE_MSG_FMT_MAX], const struct route_msg *r)
{
	char dst[IP_PREFIX_FMT_MAX], gateway[IP_ADDR_FMT_MAX];

	(void)snprintf(buf, ROUTE_MSG_FMT_MAX, "%s via %s proto %s (%u)",
		       ip_prefix_fmt(dst, &r->dst),
		       r->is_multipath ? "several next hops" : ip_fmt(gateway, &r->gateway),
		       protocol_name(r->protocol), r->protocol);
	return buf;
}
