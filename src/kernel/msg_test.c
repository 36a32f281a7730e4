/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoders against tests/golden/nl/ (each file says where its bytes come from), and the parsers
 * on messages put together here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "kernel/ipset_msg.h"
#include "kernel/link_msg.h"
#include "kernel/route_msg.h"

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

/* ---- golden ---- */

static void route_add(struct nl_batch *b, const char *dst, const char *gateway, bool exclusive)
{
	struct route_key key = { .dst = prefix(dst) };
	struct route_value value = { .gateway = addr(gateway) };

	route_msg_add(b, 0, &key, &value, exclusive);
}

static void route_add_4(struct nl_batch *b)
{
	route_add(b, "10.1.2.0/24", "192.0.2.7", true);
}

static void route_add_shared_4(struct nl_batch *b)
{
	route_add(b, "10.1.2.0/24", "192.0.2.8", false);
}

static void route_add_6(struct nl_batch *b)
{
	route_add(b, "2001:db8:1::/64", "2001:db8::7", true);
}

static void route_del_4(struct nl_batch *b)
{
	struct route_msg r = { .dst = prefix("10.1.2.0/24"), .gateway = addr("192.0.2.7") };

	route_msg_del(b, 0, &r);
}

static void route_del_6(struct nl_batch *b)
{
	struct route_msg r = { .dst = prefix("2001:db8:1::/64"),
			       .gateway = addr("2001:db8::7"),
			       .metric = 1024 };

	route_msg_del(b, 0, &r);
}

static void bridge_add(struct nl_batch *b)
{
	static const uint8_t mac[LINK_MAC_LEN] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

	link_msg_bridge_add(b, 0, "kube-bridge", mac);
}

static void addr_one(struct nl_batch *b, const char *text, bool is_add)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse_host(text, &p), 0);
	(is_add ? addr_msg_add : addr_msg_del)(b, 0, 3, &p);
}

static void addr_add_4(struct nl_batch *b)
{
	addr_one(b, "172.20.0.1/24", true);
}

static void addr_add_6(struct nl_batch *b)
{
	addr_one(b, "fd00:172:20::1/64", true);
}

static void addr_del_4(struct nl_batch *b)
{
	addr_one(b, "172.20.0.1/24", false);
}

static void link_up(struct nl_batch *b)
{
	link_msg_up(b, 0, "kube-bridge");
}

static void link_mtu(struct nl_batch *b)
{
	link_msg_mtu(b, 0, "kube-bridge", 1480);
}

static void link_del(struct nl_batch *b)
{
	link_msg_del(b, 0, "kube-bridge");
}

static const struct ipset_dialect dialect = { 7, IPSET_REVISION_HASH_IP_MOST,
					      IPSET_REVISION_HASH_NET_MOST };

static void ipset_create_4(struct nl_batch *b)
{
	struct ipset_value v = { IPSET_HASH_IP, IP_V4, 1 };

	ipset_msg_create(b, 0, &dialect, "kr-a", &v);
}

static void ipset_create_6(struct nl_batch *b)
{
	struct ipset_value v = { IPSET_HASH_NET, IP_V6, 1 };

	ipset_msg_create(b, 0, &dialect, "inet6:kr-b", &v);
}

static void ipset_create_maxelem(struct nl_batch *b)
{
	struct ipset_value v = { IPSET_HASH_NET, IP_V4, 0, .maxelem = 131072 };

	ipset_msg_create(b, 0, &dialect, "kr-c", &v);
}

static void member(struct nl_batch *b, const char *set, const char *text, bool is_add)
{
	struct ipset_member_key key = { .prefix = prefix(text) };

	assert_int_equal(str_copy(key.set, sizeof(key.set), set), 0);
	ipset_msg_member(b, 0, &dialect, is_add, &key);
}

static void ipset_add_4(struct nl_batch *b)
{
	member(b, "kr-a", "192.0.2.1/32", true);
}

static void ipset_add_6(struct nl_batch *b)
{
	member(b, "inet6:kr-b", "2001:db8:1::/64", true);
}

static void ipset_del_4(struct nl_batch *b)
{
	member(b, "kr-a", "192.0.2.1/32", false);
}

static void ipset_swap(struct nl_batch *b)
{
	ipset_msg_swap(b, 0, &dialect, "kr-a", "kr-d");
}

static void ipset_destroy(struct nl_batch *b)
{
	ipset_msg_destroy(b, 0, &dialect, "kr-a");
}

/* The hex of a golden file, without comments, single blanks between bytes. */
static void golden_read(const char *name, struct strbuf *out)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	char text[4096];
	ssize_t n;
	int fd;

	strbuf_fmt(&path, "%s/%s.hex", GOLDEN_DIR, name);
	fd = open(strbuf_text(&path), O_RDONLY | O_CLOEXEC);
	CHECK(name, fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	CHECK(name, n > 0);
	text[n] = '\0';
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (line[0] != '#')
			strbuf_fmt(out, "%s ", line);
	}
}

static void test_golden(void **state)
{
	static const struct {
		const char *name;
		void (*encode)(struct nl_batch *b);
	} rows[] = {
		{ "route-add-4", route_add_4 },
		{ "route-add-shared-4", route_add_shared_4 },
		{ "route-add-6", route_add_6 },
		{ "route-del-4", route_del_4 },
		{ "route-del-6", route_del_6 },
		{ "bridge-add", bridge_add },
		{ "addr-add-4", addr_add_4 },
		{ "addr-add-6", addr_add_6 },
		{ "addr-del-4", addr_del_4 },
		{ "link-up", link_up },
		{ "link-mtu", link_mtu },
		{ "link-del", link_del },
		{ "ipset-create-4", ipset_create_4 },
		{ "ipset-create-6", ipset_create_6 },
		{ "ipset-create-maxelem", ipset_create_maxelem },
		{ "ipset-add-4", ipset_add_4 },
		{ "ipset-add-6", ipset_add_6 },
		{ "ipset-del-4", ipset_del_4 },
		{ "ipset-swap", ipset_swap },
		{ "ipset-destroy", ipset_destroy },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
		CLEANUP_STRBUF struct strbuf want = STRBUF_INIT;
		struct rd bytes;

		rows[i].encode(b);
		bytes = nl_batch_bytes(b, 0);
		for (size_t j = 0; j < bytes.left; j++)
			strbuf_fmt(&got, "%02x ", bytes.pos[j]);
		golden_read(rows[i].name, &want);
		CHECK_STR(rows[i].name, strbuf_text(&got), strbuf_text(&want));
	}
}

/* ---- parsers ---- */

/* The body of the only message of b. */
static struct rd body_of(struct nl_batch *b)
{
	struct rd bytes = nl_batch_bytes(b, 0);

	return rd_init(bytes.pos + NL_HEAD_LEN, bytes.left - NL_HEAD_LEN);
}

/* Cuts at each byte and flips each byte: must not crash, and cuts below the header must fail. */
static void abuse(const char *name, struct rd body, int (*parse)(struct rd body))
{
	uint8_t copy[512];

	assert_true(body.left <= sizeof(copy));
	for (size_t len = 0; len < body.left; len++)
		CHECK(name, len >= 4 || parse(rd_init(body.pos, len)) < 0);
	for (size_t i = 0; i < body.left; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(copy, body.pos, body.left);
			copy[i] = (uint8_t)(copy[i] ^ 1u << bit);
			(void)parse(rd_init(copy, body.left));
		}
	}
}

static int parse_route(struct rd body)
{
	struct route_msg r;

	return route_msg_parse(body, &r);
}

static void test_route_roundtrip(void **state)
{
	static const struct {
		const char *name, *dst, *gateway;
		uint32_t metric;
		bool is_plain;
	} rows[] = {
		{ "ipv4", "10.1.2.0/24", "192.0.2.7", 0, true },
		{ "ipv4 host", "10.1.2.3/32", "192.0.2.7", 0, true },
		{ "ipv4 default", "0.0.0.0/0", "192.0.2.7", 0, true },
		{ "ipv4 metric", "10.1.2.0/24", "192.0.2.7", 5, false },
		{ "ipv6 default metric", "2001:db8:1::/64", "2001:db8::7", 1024, true },
		{ "ipv6 other metric", "2001:db8:1::/64", "2001:db8::7", 512, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
		struct route_key key = { .dst = prefix(rows[i].dst) };
		struct route_value value = { .gateway = addr(rows[i].gateway) };
		struct route_msg r;

		route_msg_add(b, 0, &key, &value, false);
		if (rows[i].metric != 0) {
			/* the encoder writes none: append it, as the kernel shows it */
			struct nl_batch *fresh = nl_batch_new();
			struct nl_msg *m = nl_batch_add(fresh, RTM_NEWROUTE, 0, 0);
			struct rd body = body_of(b);

			wr_bytes(&m->w, body.pos, body.left);
			nl_put_u32(m, RTA_PRIORITY, rows[i].metric);
			nl_batch_free(b);
			b = fresh;
		}
		CHECK(rows[i].name, route_msg_parse(body_of(b), &r) == 0);
		CHECK(rows[i].name, ip_prefix_same(&r.dst, &key.dst));
		CHECK(rows[i].name, ip_same(&r.gateway, &value.gateway));
		CHECK(rows[i].name, r.metric == rows[i].metric && r.is_plain == rows[i].is_plain);
		CHECK(rows[i].name, r.protocol == RTPROT_KUBE_ROUTER);
		abuse(rows[i].name, body_of(b), parse_route);
	}
}

static void test_route_refused(void **state)
{
	static const struct {
		const char *name;
		uint8_t head[12]; /* struct rtmsg */
		int want;
	} rows[] = {
		{ "mpls", { 28, 20, 0, 0, 254, 17, 0, 1 }, -ENOENT },
		{ "other table", { AF_INET, 0, 0, 0, 255, 17, 0, 1 }, -ENOENT },
		{ "source routing", { AF_INET6, 0, 64, 0, 254, 17, 0, 1 }, -ENOENT },
		{ "cache entry", { AF_INET6, 0, 0, 0, 254, 17, 0, 1, 0, 2, 0, 0 }, -ENOENT },
		{ "prefix too long", { AF_INET, 33, 0, 0, 254, 17, 0, 1 }, -EBADMSG },
		{ "length without address", { AF_INET, 24, 0, 0, 254, 17, 0, 1 }, -EBADMSG },
		{ "default without gateway", { AF_INET, 0, 0, 0, 254, 17, 0, 1 }, 0 },
	};
	struct route_msg r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, route_msg_parse(rd_init(rows[i].head, 12), &r) == rows[i].want);
	CHECK("no gateway is not plain", !r.is_plain && ip_is_none(&r.gateway));
	CHECK("short", route_msg_parse(rd_init(rows[0].head, 11), &r) == -EBADMSG);
}

static void test_route_fmt(void **state)
{
	struct route_msg r = { .dst = prefix("10.0.0.0/8"),
			       .gateway = addr("192.0.2.1"),
			       .protocol = RTPROT_STATIC };
	char buf[ROUTE_MSG_FMT_MAX];

	(void)state;
	CHECK_STR("static", route_msg_fmt(buf, &r), "10.0.0.0/8 via 192.0.2.1 proto static (4)");
	r.protocol = 200;
	r.is_multipath = true;
	CHECK_STR("unnamed", route_msg_fmt(buf, &r),
		  "10.0.0.0/8 via several next hops proto number (200)");
}

static int parse_link(struct rd body)
{
	struct link_msg l;

	return link_msg_parse(body, &l);
}

static void test_link_parse(void **state)
{
	static const struct {
		const char *name, *kind;
		size_t kind_len;
		uint8_t want;
	} rows[] = {
		{ "bridge", "bridge", 6, LINK_KIND_BRIDGE },
		{ "bridge with terminator", "bridge", 7, LINK_KIND_BRIDGE },
		{ "begins like it", "bridge_slave", 12, LINK_KIND_OTHER },
		{ "cut", "bridg", 5, LINK_KIND_OTHER },
		{ "none", NULL, 0, LINK_KIND_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
		struct nl_msg *m = nl_batch_add(b, RTM_NEWLINK, 0, 0);
		struct link_msg l;
		size_t info;

		wr_zero(&m->w, 4);
		wr_u32_host(&m->w, 42);
		wr_u32_host(&m->w, IFF_UP);
		wr_zero(&m->w, 4);
		nl_put_str(m, IFLA_IFNAME, "kube-bridge");
		nl_put_u32(m, IFLA_MTU, 1480);
		if (rows[i].kind) {
			info = nl_nest_open(m, IFLA_LINKINFO);
			nl_put_bytes(m, IFLA_INFO_KIND, rows[i].kind, rows[i].kind_len);
			nl_nest_close(m, info);
		}
		CHECK(rows[i].name, link_msg_parse(body_of(b), &l) == 0);
		CHECK_STR(rows[i].name, l.name, "kube-bridge");
		CHECK(rows[i].name, l.ifindex == 42 && l.value.mtu == 1480 && l.value.up == 1);
		CHECK(rows[i].name, l.value.kind == rows[i].want && !l.is_part);
		abuse(rows[i].name, body_of(b), parse_link);
	}
}

static int parse_addr(struct rd body)
{
	struct addr_msg a;

	return addr_msg_parse(body, &a);
}

static void test_addr_parse(void **state)
{
	static const struct {
		const char *name;
		uint8_t len;
		const char *address, *local, *want;
	} rows[] = {
		{ "ipv4", 24, "192.0.2.1", "192.0.2.1", "192.0.2.1/24" },
		{ "ipv4 point to point", 32, "192.0.2.9", "192.0.2.1", "192.0.2.1/32" },
		{ "ipv4 peer prefix", 24, "198.51.100.0", "192.0.2.1", "192.0.2.1/32" },
		{ "ipv6", 64, "2001:db8::1", NULL, "2001:db8::1/64" },
		{ "ipv6 point to point", 64, "2001:db8::9", "2001:db8::1", "2001:db8::1/128" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
		struct nl_msg *m = nl_batch_add(b, RTM_NEWADDR, 0, 0);
		struct ip_addr address = addr(rows[i].address), local;
		char text[IP_PREFIX_FMT_MAX];
		struct addr_msg a;

		wr_u8(&m->w, (uint8_t)ip_af(address.family));
		wr_u8(&m->w, rows[i].len);
		wr_zero(&m->w, 2);
		wr_u32_host(&m->w, 3);
		nl_put_ip(m, IFA_ADDRESS, &address);
		if (rows[i].local) {
			local = addr(rows[i].local);
			nl_put_ip(m, IFA_LOCAL, &local);
		}
		CHECK(rows[i].name, addr_msg_parse(body_of(b), &a) == 0);
		CHECK_STR(rows[i].name, ip_prefix_fmt(text, &a.prefix), rows[i].want);
		CHECK(rows[i].name, a.ifindex == 3);
		abuse(rows[i].name, body_of(b), parse_addr);
	}
}

static int parse_ipset(struct rd body)
{
	struct ip_prefix p;
	struct ipset_msg s;
	size_t n_others = 0;
	int r = ipset_msg_parse(body, &s);

	while (r >= 0 && (r = ipset_msg_member_next(&s.members, &p, &n_others)) > 0)
		;
	return r;
}

struct member_row {
	const char *prefix;
	uint32_t timeout, flags;
};

static void list_put(struct nl_batch *b, const struct member_row *rows, size_t n)
{
	struct nl_msg *m = nl_batch_add(b, 0, 0, 0);
	size_t data, adt, one, ip;

	wr_u32(&m->w, 0x02000000); /* struct nfgenmsg */
	nl_put_u8(m, IPSET_ATTR_PROTOCOL, 7);
	nl_put_str(m, IPSET_ATTR_SETNAME, "kr-a");
	nl_put_str(m, IPSET_ATTR_TYPENAME, "hash:net");
	nl_put_u8(m, IPSET_ATTR_FAMILY, 2);
	nl_put_u8(m, IPSET_ATTR_REVISION, 6);
	data = nl_nest_open(m, IPSET_ATTR_DATA);
	nl_put_be32(m, IPSET_ATTR_MAXELEM, 1000);
	nl_put_be32(m, IPSET_ATTR_TIMEOUT, 0);
	nl_nest_close(m, data);
	adt = nl_nest_open(m, IPSET_ATTR_ADT);
	for (size_t i = 0; i < n; i++) {
		struct ip_prefix p = prefix(rows[i].prefix);

		one = nl_nest_open(m, IPSET_ATTR_DATA);
		ip = nl_nest_open(m, IPSET_ATTR_IP);
		nl_put_ip(m, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, &p.addr);
		nl_nest_close(m, ip);
		nl_put_u8(m, IPSET_ATTR_CIDR, p.len);
		nl_put_be32(m, IPSET_ATTR_TIMEOUT, rows[i].timeout);
		nl_put_be32(m, IPSET_ATTR_CADT_FLAGS, rows[i].flags);
		nl_nest_close(m, one);
	}
	nl_nest_close(m, adt);
}

static void test_ipset_parse(void **state)
{
	static const struct member_row members[] = {
		{ "10.1.0.0/24", 0, 0 },
		{ "10.2.0.0/24", 77, 0 },                       /* expires: not as we write them */
		{ "10.3.0.0/24", 0, IPSET_FLAG_NOMATCH },       /* the opposite of a member */
		{ "10.4.0.0/24", 0, IPSET_FLAG_WITH_COUNTERS }, /* no matter */
	};
	CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
	char text[IP_PREFIX_FMT_MAX];
	struct ip_prefix p;
	struct ipset_msg s;
	size_t n_others = 0;

	(void)state;
	list_put(b, members, ARRAY_LEN(members));
	CHECK("parses", ipset_msg_parse(body_of(b), &s) == 0);
	CHECK_STR("name", s.name, "kr-a");
	CHECK("header", s.has_header && s.value.type == IPSET_HASH_NET && s.value.family == IP_V4);
	CHECK("options", s.value.has_timeout == 1 && s.value.maxelem == 1000);
	CHECK("first", ipset_msg_member_next(&s.members, &p, &n_others) == 1);
	CHECK_STR("first", ip_prefix_fmt(text, &p), "10.1.0.0/24");
	CHECK("fourth", ipset_msg_member_next(&s.members, &p, &n_others) == 1);
	CHECK_STR("fourth", ip_prefix_fmt(text, &p), "10.4.0.0/24");
	CHECK("end", ipset_msg_member_next(&s.members, &p, &n_others) == 0);
	CHECK("passed over", n_others == 2);
	abuse("abuse", body_of(b), parse_ipset);
}

static void test_ipset_dialect(void **state)
{
	static const struct {
		const char *name;
		uint8_t most, least;
		int want;
		uint8_t protocol;
	} rows[] = {
		{ "old kernel", 6, 6, 0, 6 },
		{ "today", 7, 6, 0, 7 },
		{ "future", 9, 6, 0, 7 },
		{ "far future", 9, 8, -EPROTONOSUPPORT, 6 },
		{ "before our time", 5, 5, -EPROTONOSUPPORT, 6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(nl_batch_free) struct nl_batch *b = nl_batch_new();
		struct nl_msg *m = nl_batch_add(b, 0, 0, 0);
		struct ipset_dialect d = IPSET_DIALECT_INIT;

		wr_u32(&m->w, 0x02000000);
		nl_put_u8(m, IPSET_ATTR_PROTOCOL, rows[i].most);
		nl_put_u8(m, IPSET_ATTR_PROTOCOL_MIN, rows[i].least);
		CHECK(rows[i].name, ipset_msg_dialect_parse(6 << 8 | IPSET_CMD_PROTOCOL, body_of(b),
							    &d) == rows[i].want);
		CHECK(rows[i].name, d.protocol == rows[i].protocol);
	}
}

static void test_ipset_err(void **state)
{
	static const struct {
		const char *name;
		int code, want;
		bool has_text;
	} rows[] = {
		{ "success", 0, 0, false },
		{ "errno", -ENOENT, -ENOENT, false },
		{ "busy", -IPSET_ERR_BUSY, -EBUSY, true },
		{ "exists", -IPSET_ERR_EXIST, -EEXIST, true },
		{ "swap of types", -IPSET_ERR_TYPE_MISMATCH, -EMEDIUMTYPE, true },
		{ "full", -IPSET_ERR_TYPE_SPECIFIC, -ENOSPC, true },
		{ "unknown", -4999, -EPROTO, true },
	};
	const char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(rows[i].name, ipset_msg_err(rows[i].code, &text) == rows[i].want);
		CHECK(rows[i].name, (text[0] != '\0') == rows[i].has_text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),        cmocka_unit_test(test_route_roundtrip),
		cmocka_unit_test(test_route_refused), cmocka_unit_test(test_route_fmt),
		cmocka_unit_test(test_link_parse),    cmocka_unit_test(test_addr_parse),
		cmocka_unit_test(test_ipset_parse),   cmocka_unit_test(test_ipset_dialect),
		cmocka_unit_test(test_ipset_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
