/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ipset_msg.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set_hash.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#define TYPE_NAME_HASH_IP  "hash:ip"
#define TYPE_NAME_HASH_NET "hash:net"

static uint16_t type_of(enum ipset_cmd cmd)
{
	return (uint16_t)(NFNL_SUBSYS_IPSET << 8 | cmd);
}

static uint8_t nf_family(uint8_t family)
{
	return family == IP_V6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

/* struct nfgenmsg and the protocol, with which every message begins */
static void head_put(struct nl_msg *m, uint8_t protocol)
{
	wr_u8(&m->w, AF_INET);
	wr_u8(&m->w, NFNETLINK_V0);
	wr_u16(&m->w, 0); /* resource id, in network order */
	nl_put_u8(m, IPSET_ATTR_PROTOCOL, protocol);
}

static const char *type_name(enum ipset_type type)
{
	return type == IPSET_HASH_NET ? TYPE_NAME_HASH_NET : TYPE_NAME_HASH_IP;
}

static enum ipset_type type_of_name(const char *name)
{
	if (strcmp(name, TYPE_NAME_HASH_IP) == 0)
		return IPSET_HASH_IP;
	if (strcmp(name, TYPE_NAME_HASH_NET) == 0)
		return IPSET_HASH_NET;
	return IPSET_TYPE_OTHER;
}

struct nl_dump *ipset_msg_protocol(void)
{
	struct nl_dump *d = nl_dump_new(type_of(IPSET_CMD_PROTOCOL), 0);

	head_put(nl_dump_msg(d), IPSET_PROTOCOL_MOST);
	return d;
}

struct nl_dump *ipset_msg_type(const struct ipset_dialect *d, enum ipset_type type, uint8_t family)
{
	struct nl_dump *dump = nl_dump_new(type_of(IPSET_CMD_TYPE), 0);
	struct nl_msg *m = nl_dump_msg(dump);

	head_put(m, d->protocol);
	nl_put_str(m, IPSET_ATTR_TYPENAME, type_name(type));
	nl_put_u8(m, IPSET_ATTR_FAMILY, nf_family(family));
	return dump;
}

enum { CMD_ATTR_N = IPSET_ATTR_PROTOCOL_MIN + 1 };

static const struct nl_policy cmd_policy[CMD_ATTR_N] = {
	[IPSET_ATTR_PROTOCOL] = { NL_ATTR_U8, .required = true },
	[IPSET_ATTR_SETNAME] = { NL_ATTR_STRING, .min = 1, .max = IPSET_NAME_MAX },
	[IPSET_ATTR_TYPENAME] = { NL_ATTR_STRING, .min = 1, .max = IPSET_NAME_MAX },
	[IPSET_ATTR_REVISION] = { NL_ATTR_U8 },
	[IPSET_ATTR_FAMILY] = { NL_ATTR_U8 },
	[IPSET_ATTR_DATA] = { NL_ATTR_NESTED },
	[IPSET_ATTR_ADT] = { NL_ATTR_NESTED },
	[IPSET_ATTR_PROTOCOL_MIN] = { NL_ATTR_U8 },
};

static int protocol_choose(const struct nl_attr *attrs, struct ipset_dialect *d)
{
	uint8_t most = nl_attr_u8(&attrs[IPSET_ATTR_PROTOCOL]);
	uint8_t least = attrs[IPSET_ATTR_PROTOCOL_MIN].is_set
				? nl_attr_u8(&attrs[IPSET_ATTR_PROTOCOL_MIN])
				: most;

	if (least > IPSET_PROTOCOL_MOST || most < IPSET_PROTOCOL_LEAST)
		return -EPROTONOSUPPORT;
	d->protocol = (uint8_t)MIN((int)most, IPSET_PROTOCOL_MOST);
	return 0;
}

static void revision_choose(const struct nl_attr *attrs, struct ipset_dialect *d)
{
	uint8_t most = nl_attr_u8(&attrs[IPSET_ATTR_REVISION]);
	char name[IPSET_NAME_MAX];

	(void)nl_attr_str(&attrs[IPSET_ATTR_TYPENAME], name, sizeof(name));
	switch (type_of_name(name)) {
	case IPSET_HASH_IP:
		d->revision_hash_ip = (uint8_t)MIN((int)most, IPSET_REVISION_HASH_IP_MOST);
		break;
	case IPSET_HASH_NET:
		d->revision_hash_net = (uint8_t)MIN((int)most, IPSET_REVISION_HASH_NET_MOST);
		break;
	case IPSET_TYPE_OTHER:
		break;
	}
}

int ipset_msg_dialect_parse(uint16_t type, struct rd body, struct ipset_dialect *d)
{
	struct nl_attr attrs[CMD_ATTR_N];

	rd_skip(&body, 4); /* struct nfgenmsg */
	if (body.bad || nl_attrs_parse(body, cmd_policy, CMD_ATTR_N, attrs) < 0)
		return -EBADMSG;
	if (type == type_of(IPSET_CMD_PROTOCOL))
		return protocol_choose(attrs, d);
	if (type == type_of(IPSET_CMD_TYPE))
		revision_choose(attrs, d);
	return 0;
}

void ipset_msg_create(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		      const char *name, const struct ipset_value *v)
{
	/* Without NLM_F_EXCL an equal set is success, and one with other options is not. */
	struct nl_msg *m = nl_batch_add(b, type_of(IPSET_CMD_CREATE), NLM_F_CREATE, tag);
	size_t data;

	head_put(m, d->protocol);
	nl_put_str(m, IPSET_ATTR_SETNAME, name);
	nl_put_str(m, IPSET_ATTR_TYPENAME, type_name((enum ipset_type)v->type));
	nl_put_u8(m, IPSET_ATTR_REVISION,
		  v->type == IPSET_HASH_NET ? d->revision_hash_net : d->revision_hash_ip);
	nl_put_u8(m, IPSET_ATTR_FAMILY, nf_family(v->family));
	data = nl_nest_open(m, IPSET_ATTR_DATA);
	if (v->has_timeout)
		nl_put_be32(m, IPSET_ATTR_TIMEOUT, 0);
	if (v->maxelem != 0)
		nl_put_be32(m, IPSET_ATTR_MAXELEM, v->maxelem);
	nl_nest_close(m, data);
}

static struct nl_msg *named(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
			    enum ipset_cmd cmd, const char *name)
{
	struct nl_msg *m = nl_batch_add(b, type_of(cmd), 0, tag);

	head_put(m, d->protocol);
	nl_put_str(m, IPSET_ATTR_SETNAME, name);
	return m;
}

void ipset_msg_destroy(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		       const char *name)
{
	(void)named(b, tag, d, IPSET_CMD_DESTROY, name);
}

void ipset_msg_swap(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		    const char *name, const char *name2)
{
	nl_put_str(named(b, tag, d, IPSET_CMD_SWAP, name), IPSET_ATTR_SETNAME2, name2);
}

void ipset_msg_member(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d, bool is_add,
		      const struct ipset_member_key *key)
{
	const struct ip_addr *addr = &key->prefix.addr;
	char set[IPSET_NAME_MAX];
	struct nl_msg *m;
	size_t data, ip;

	memcpy(set, key->set, sizeof(set));
	set[sizeof(set) - 1] = '\0';
	m = named(b, tag, d, is_add ? IPSET_CMD_ADD : IPSET_CMD_DEL, set);
	data = nl_nest_open(m, IPSET_ATTR_DATA);
	ip = nl_nest_open(m, IPSET_ATTR_IP);
	nl_put_bytes(m,
		     NLA_F_NET_BYTEORDER | (addr->family == IP_V6 ? IPSET_ATTR_IPADDR_IPV6
								  : IPSET_ATTR_IPADDR_IPV4),
		     addr->bytes, ip_size(addr->family));
	nl_nest_close(m, ip);
	if (key->prefix.len != ip_bits(addr->family))
		nl_put_u8(m, IPSET_ATTR_CIDR, key->prefix.len);
	nl_nest_close(m, data);
}

struct nl_dump *ipset_msg_list_headers(const struct ipset_dialect *d)
{
	struct nl_dump *dump = nl_dump_new(type_of(IPSET_CMD_LIST), NLM_F_DUMP);

	head_put(nl_dump_msg(dump), d->protocol);
	nl_put_be32(nl_dump_msg(dump), IPSET_ATTR_FLAGS, IPSET_FLAG_LIST_HEADER);
	return dump;
}

struct nl_dump *ipset_msg_list(const struct ipset_dialect *d, const char *name)
{
	struct nl_dump *dump = nl_dump_new(type_of(IPSET_CMD_LIST), NLM_F_DUMP);

	head_put(nl_dump_msg(dump), d->protocol);
	nl_put_str(nl_dump_msg(dump), IPSET_ATTR_SETNAME, name);
	return dump;
}

enum { CREATE_ATTR_N = IPSET_ATTR_ELEMENTS + 1 };
_Static_assert(IPSET_ATTR_ELEMENTS > (int)IPSET_ATTR_MAXELEM, "the last one sizes the table");

static const struct nl_policy create_policy[CREATE_ATTR_N] = {
	[IPSET_ATTR_TIMEOUT] = { NL_ATTR_U32 },
	[IPSET_ATTR_MAXELEM] = { NL_ATTR_U32 },
	[IPSET_ATTR_ELEMENTS] = { NL_ATTR_U32 },
};

int ipset_msg_parse(struct rd body, struct ipset_msg *ret)
{
	struct nl_attr attrs[CMD_ATTR_N], create[CREATE_ATTR_N] = { 0 };
	char type[IPSET_NAME_MAX];
	struct ipset_msg s = { 0 };

	rd_skip(&body, 4); /* struct nfgenmsg */
	if (body.bad || nl_attrs_parse(body, cmd_policy, CMD_ATTR_N, attrs) < 0 ||
	    !nl_attr_str(&attrs[IPSET_ATTR_SETNAME], s.name, sizeof(s.name)))
		return -EBADMSG;
	if (attrs[IPSET_ATTR_ADT].is_set)
		s.members = attrs[IPSET_ATTR_ADT].body;
	s.has_header = nl_attr_str(&attrs[IPSET_ATTR_TYPENAME], type, sizeof(type));
	if (s.has_header) {
		if (attrs[IPSET_ATTR_DATA].is_set &&
		    nl_attrs_parse(attrs[IPSET_ATTR_DATA].body, create_policy, CREATE_ATTR_N,
				   create) < 0)
			return -EBADMSG;
		s.value.type = (uint8_t)type_of_name(type);
		s.value.family =
			nl_attr_u8(&attrs[IPSET_ATTR_FAMILY]) == NFPROTO_IPV6 ? IP_V6 : IP_V4;
		/* Another default than 0 is other options: such a set is none of ours. */
		s.value.has_timeout = create[IPSET_ATTR_TIMEOUT].is_set;
		if (nl_attr_be32(&create[IPSET_ATTR_TIMEOUT]) != 0)
			s.value.type = IPSET_TYPE_OTHER;
		s.value.maxelem = nl_attr_be32(&create[IPSET_ATTR_MAXELEM]);
		s.has_n_members = create[IPSET_ATTR_ELEMENTS].is_set;
		s.n_members = nl_attr_be32(&create[IPSET_ATTR_ELEMENTS]);
	}
	*ret = s;
	return 0;
}

enum { ADT_ATTR_N = IPSET_ATTR_CADT_FLAGS + 1, IPADDR_ATTR_N = IPSET_ATTR_IPADDR_IPV6 + 1 };

static const struct nl_policy adt_policy[ADT_ATTR_N] = {
	[IPSET_ATTR_IP] = { NL_ATTR_NESTED },
	[IPSET_ATTR_CIDR] = { NL_ATTR_U8 },
	[IPSET_ATTR_TIMEOUT] = { NL_ATTR_U32 },
	[IPSET_ATTR_CADT_FLAGS] = { NL_ATTR_U32 },
};

static const struct nl_policy ipaddr_policy[IPADDR_ATTR_N] = {
	[IPSET_ATTR_IPADDR_IPV4] = { NL_ATTR_BYTES, .min = 4, .max = 4 },
	[IPSET_ATTR_IPADDR_IPV6] = { NL_ATTR_BYTES, .min = 16, .max = 16 },
};

/* 1: a permanent member; 0: not one of those we write; -EBADMSG */
static int member_parse(struct rd body, struct ip_prefix *ret_prefix)
{
	struct nl_attr attrs[ADT_ATTR_N], ip[IPADDR_ATTR_N];
	struct ip_addr addr;
	uint8_t len;

	if (nl_attrs_parse(body, adt_policy, ADT_ATTR_N, attrs) < 0)
		return -EBADMSG;
	if (!attrs[IPSET_ATTR_IP].is_set)
		return 0;
	if (nl_attrs_parse(attrs[IPSET_ATTR_IP].body, ipaddr_policy, IPADDR_ATTR_N, ip) < 0)
		return -EBADMSG;
	if (!nl_attr_ip(&ip[IPSET_ATTR_IPADDR_IPV4], IP_V4, &addr) &&
	    !nl_attr_ip(&ip[IPSET_ATTR_IPADDR_IPV6], IP_V6, &addr))
		return -EBADMSG;
	len = (uint8_t)ip_bits(addr.family);
	if (attrs[IPSET_ATTR_CIDR].is_set)
		len = nl_attr_u8(&attrs[IPSET_ATTR_CIDR]);
	if (len > ip_bits(addr.family))
		return -EBADMSG;
	if (nl_attr_be32(&attrs[IPSET_ATTR_TIMEOUT]) != 0 ||
	    (nl_attr_be32(&attrs[IPSET_ATTR_CADT_FLAGS]) & IPSET_FLAG_NOMATCH))
		return 0;
	*ret_prefix = ip_prefix_make(&addr, len);
	return 1;
}

int ipset_msg_member_next(struct rd *members, struct ip_prefix *ret_prefix, size_t *n_others)
{
	struct rd body;
	uint16_t type;
	int r;

	while ((r = nl_attr_next(members, &type, &body)) > 0) {
		if (type != IPSET_ATTR_DATA)
			continue;
		r = member_parse(body, ret_prefix);
		if (r != 0)
			return r;
		(*n_others)++;
	}
	return r;
}

int ipset_msg_err(int err, const char **ret_text)
{
	static const struct {
		int code, err;
		const char *text;
	} rows[] = {
		{ IPSET_ERR_PROTOCOL, -EPROTO, "ipset: kernel refused the message as malformed" },
		{ IPSET_ERR_FIND_TYPE, -EOPNOTSUPP,
		  "ipset: kernel has no such set type (is the ip_set_hash module there?)" },
		{ IPSET_ERR_MAX_SETS, -ENFILE, "ipset: kernel's limit of sets is reached" },
		{ IPSET_ERR_BUSY, -EBUSY, "ipset: set is in use by a rule or by another set" },
		{ IPSET_ERR_EXIST_SETNAME2, -EEXIST, "ipset: the second set's name exists" },
		{ IPSET_ERR_TYPE_MISMATCH, -EMEDIUMTYPE,
		  "ipset: sets of different type or family cannot be swapped" },
		{ IPSET_ERR_EXIST, -EEXIST, "ipset: member exists, or does not" },
		{ IPSET_ERR_INVALID_CIDR, -EINVAL, "ipset: prefix length not allowed in this set" },
		{ IPSET_ERR_INVALID_NETMASK, -EINVAL, "ipset: netmask not allowed" },
		{ IPSET_ERR_INVALID_FAMILY, -EAFNOSUPPORT,
		  "ipset: address family not of this set" },
		{ IPSET_ERR_TIMEOUT, -EINVAL, "ipset: set has no timeouts" },
		{ IPSET_ERR_REFERENCED, -EBUSY,
		  "ipset: set is in use by a rule or by another set" },
		{ IPSET_ERR_IPADDR_IPV4, -EINVAL, "ipset: IPv4 address expected" },
		{ IPSET_ERR_IPADDR_IPV6, -EINVAL, "ipset: IPv6 address expected" },
		{ IPSET_ERR_COUNTER, -EINVAL, "ipset: set has no counters" },
		{ IPSET_ERR_COMMENT, -EINVAL, "ipset: set has no comments" },
		{ IPSET_ERR_INVALID_MARKMASK, -EINVAL, "ipset: mark mask not allowed" },
		{ IPSET_ERR_SKBINFO, -EINVAL, "ipset: set has no skbinfo" },
		{ IPSET_ERR_HASH_FULL, -ENOSPC, "ipset: set is full (maxelem)" },
		{ IPSET_ERR_HASH_ELEM, -EINVAL, "ipset: null address cannot be a member" },
		{ IPSET_ERR_INVALID_PROTO, -EINVAL, "ipset: protocol not allowed" },
		{ IPSET_ERR_MISSING_PROTO, -EINVAL, "ipset: protocol missing" },
		{ IPSET_ERR_HASH_RANGE_UNSUPPORTED, -ERANGE,
		  "ipset: ranges not allowed in this set" },
		{ IPSET_ERR_HASH_RANGE, -ERANGE, "ipset: range too large" },
	};

	*ret_text = "";
	if (err > -IPSET_ERR_PRIVATE)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == -err) {
			*ret_text = rows[i].text;
			return rows[i].err;
		}
	}
	*ret_text = "ipset: error code unknown to this program";
	return -EPROTO;
}
