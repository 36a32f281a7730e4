/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/link_msg.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define KIND_BRIDGE "bridge"

/* struct ifinfomsg; the link is named by IFLA_IFNAME */
static void head_put(struct nl_msg *m, uint32_t flags, uint32_t change)
{
	wr_u8(&m->w, AF_UNSPEC);
	wr_zero(&m->w, 3);     /* padding, device type */
	wr_u32_host(&m->w, 0); /* index */
	wr_u32_host(&m->w, flags);
	wr_u32_host(&m->w, change);
}

void link_msg_bridge_add(struct nl_batch *b, uint32_t tag, const char *name,
			 const uint8_t mac[LINK_MAC_LEN])
{
	struct nl_msg *m = nl_batch_add(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, tag);
	size_t info;

	head_put(m, 0, 0);
	nl_put_bytes(m, IFLA_ADDRESS, mac, LINK_MAC_LEN);
	nl_put_str(m, IFLA_IFNAME, name);
	info = nl_nest_open(m, IFLA_LINKINFO);
	nl_put_bytes(m, IFLA_INFO_KIND, KIND_BRIDGE, strlen(KIND_BRIDGE));
	nl_nest_close(m, info);
}

void link_msg_up(struct nl_batch *b, uint32_t tag, const char *name)
{
	struct nl_msg *m = nl_batch_add(b, RTM_NEWLINK, 0, tag);

	head_put(m, IFF_UP, IFF_UP);
	nl_put_str(m, IFLA_IFNAME, name);
}

void link_msg_mtu(struct nl_batch *b, uint32_t tag, const char *name, uint32_t mtu)
{
	struct nl_msg *m = nl_batch_add(b, RTM_NEWLINK, 0, tag);

	head_put(m, 0, 0);
	nl_put_str(m, IFLA_IFNAME, name);
	nl_put_u32(m, IFLA_MTU, mtu);
}

void link_msg_del(struct nl_batch *b, uint32_t tag, const char *name)
{
	struct nl_msg *m = nl_batch_add(b, RTM_DELLINK, 0, tag);

	head_put(m, 0, 0);
	nl_put_str(m, IFLA_IFNAME, name);
}

struct nl_dump *link_msg_dump(void)
{
	struct nl_dump *d = nl_dump_new(RTM_GETLINK, NLM_F_DUMP);
	struct nl_msg *m = nl_dump_msg(d);

	head_put(m, 0, 0);
	/* Counters are two thirds of a link's message. */
	nl_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return d;
}

static const struct nl_policy link_policy[] = {
	[IFLA_IFNAME] = { NL_ATTR_STRING, .required = true, .min = 2, .max = IFNAMSIZ },
	[IFLA_MTU] = { NL_ATTR_U32 },
	[IFLA_LINKINFO] = { NL_ATTR_NESTED },
};

static const struct nl_policy info_policy[] = {
	[IFLA_INFO_KIND] = { NL_ATTR_BYTES,
			     .min = 1 }, /* with a terminator from some kernels only */
};

static bool kind_is(const struct nl_attr *kind, const char *name)
{
	size_t len = strlen(name);

	return kind->is_set && kind->body.left >= len && memcmp(kind->body.pos, name, len) == 0 &&
	       (kind->body.left == len || kind->body.pos[len] == '\0');
}

int link_msg_parse(struct rd body, struct link_msg *ret)
{
	struct nl_attr attrs[ARRAY_LEN(link_policy)];
	struct nl_attr info[ARRAY_LEN(info_policy)] = { 0 };
	struct link_msg l = { 0 };
	uint32_t flags, changed;
	uint8_t family;

	family = rd_u8(&body);
	rd_skip(&body, 3);
	l.ifindex = rd_u32_host(&body);
	flags = rd_u32_host(&body);
	changed = rd_u32_host(&body);
	if (body.bad || nl_attrs_parse(body, link_policy, ARRAY_LEN(link_policy), attrs) < 0)
		return -EBADMSG;
	if (attrs[IFLA_LINKINFO].is_set && nl_attrs_parse(attrs[IFLA_LINKINFO].body, info_policy,
							  ARRAY_LEN(info_policy), info) < 0)
		return -EBADMSG;
	(void)nl_attr_str(&attrs[IFLA_IFNAME], l.name, sizeof(l.name));
	/* Answers and some events have all bits of the mask set: then it says nothing. */
	l.is_turned = changed != UINT32_MAX && (changed & IFF_UP) != 0;
	l.is_part = family == AF_BRIDGE;
	l.value.mtu = nl_attr_u32(&attrs[IFLA_MTU]);
	l.value.up = (flags & IFF_UP) != 0;
	l.value.kind =
		kind_is(&info[IFLA_INFO_KIND], KIND_BRIDGE) ? LINK_KIND_BRIDGE : LINK_KIND_OTHER;
	*ret = l;
	return 0;
}

struct nl_dump *addr_msg_dump(void)
{
	struct nl_dump *d = nl_dump_new(RTM_GETADDR, NLM_F_DUMP);

	wr_zero(&nl_dump_msg(d)->w, 8); /* struct ifaddrmsg: every family, every link */
	return d;
}

static void addr_put(struct nl_msg *m, uint32_t ifindex, const struct ip_prefix *p, bool is_add)
{
	const struct ip_addr *a = &p->addr;

	wr_u8(&m->w, (uint8_t)ip_af(a->family));
	wr_u8(&m->w, p->len);
	/* Nobody else has an address of our own bridge: no need to wait for detecting that. */
	wr_u8(&m->w, is_add && a->family == IP_V6 ? IFA_F_NODAD : 0);
	wr_u8(&m->w, RT_SCOPE_UNIVERSE);
	wr_u32_host(&m->w, ifindex);
	nl_put_ip(m, IFA_LOCAL, a);
	if (is_add && a->family == IP_V4 && p->len < 31) { /* as the CNI plugin makes it */
		struct ip_addr broadcast =
			ip_v4(ip_to_u32(a) | (uint32_t)(UINT64_C(0xffffffff) >> p->len));

		nl_put_ip(m, IFA_BROADCAST, &broadcast);
	}
	nl_put_ip(m, IFA_ADDRESS, a);
}

void addr_msg_add(struct nl_batch *b, uint32_t tag, uint32_t ifindex, const struct ip_prefix *p)
{
	addr_put(nl_batch_add(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, tag), ifindex, p, true);
}

void addr_msg_del(struct nl_batch *b, uint32_t tag, uint32_t ifindex, const struct ip_prefix *p)
{
	addr_put(nl_batch_add(b, RTM_DELADDR, 0, tag), ifindex, p, false);
}

static const struct nl_policy addr_policy[] = {
	[IFA_ADDRESS] = { NL_ATTR_IP },
	[IFA_LOCAL] = { NL_ATTR_IP },
};

int addr_msg_parse(struct rd body, struct addr_msg *ret)
{
	struct nl_attr attrs[ARRAY_LEN(addr_policy)];
	struct ip_addr address = { 0 }, local = { 0 };
	struct addr_msg a = { 0 };
	uint8_t family;

	family = ip_family_of_af(rd_u8(&body));
	a.prefix.len = rd_u8(&body);
	rd_skip(&body, 2); /* flags, scope */
	a.ifindex = rd_u32_host(&body);
	if (body.bad)
		return -EBADMSG;
	if (family == IP_NONE)
		return -ENOENT;
	if (a.prefix.len > ip_bits(family) ||
	    nl_attrs_parse(body, addr_policy, ARRAY_LEN(addr_policy), attrs) < 0)
		return -EBADMSG;
	if (attrs[IFA_ADDRESS].is_set && !nl_attr_ip(&attrs[IFA_ADDRESS], family, &address))
		return -EBADMSG;
	if (attrs[IFA_LOCAL].is_set && !nl_attr_ip(&attrs[IFA_LOCAL], family, &local))
		return -EBADMSG;
	if (ip_is_none(&address) && ip_is_none(&local))
		return -EBADMSG;
	/* Both and different: a point-to-point link, whose prefix is the other side's. */
	a.prefix.addr = ip_is_none(&local) ? address : local;
	if (!ip_is_none(&local) && !ip_is_none(&address) && !ip_same(&local, &address))
		a.prefix.len = (uint8_t)ip_bits(family);
	a.peer = address;
	*ret = a;
	return 0;
}
