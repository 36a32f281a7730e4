/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/identity.h"

#include <errno.h>

#include "base/test.h"

#define ADDRS(...)                                                                                 \
	.addresses = (const struct node_address[]){ __VA_ARGS__ },                                 \
	.n_addresses = ARRAY_LEN(((const struct node_address[]){ __VA_ARGS__ }))
#define INTERNAL(t)                                                                                \
	{                                                                                          \
		NODE_ADDRESS_INTERNAL_IP, t                                                        \
	}
#define EXTERNAL(t)                                                                                \
	{                                                                                          \
		NODE_ADDRESS_EXTERNAL_IP, t                                                        \
	}
#define OTHER(t)                                                                                   \
	{                                                                                          \
		NODE_ADDRESS_OTHER, t                                                              \
	}
#define CIDRS(...)                                                                                 \
	.pod_cidrs = (const char *const[]){ __VA_ARGS__ },                                         \
	.n_pod_cidrs = ARRAY_LEN(((const char *const[]){ __VA_ARGS__ }))
#define NOTES(...)                                                                                 \
	.meta.annotations = (const struct kv[]){ __VA_ARGS__ },                                    \
	.meta.n_annotations = ARRAY_LEN(((const struct kv[]){ __VA_ARGS__ }))

static void test_addresses(void **state)
{
	const struct {
		const char *name;
		struct node node;
		const char *primary, *best4, *best6;
		size_t n;
		bool has_problem;
	} rows[] = {
		{ "internal before external",
		  { ADDRS(EXTERNAL("203.0.113.9"), INTERNAL("192.168.1.1")) },
		  "192.168.1.1",
		  "192.168.1.1",
		  "none",
		  2,
		  false },
		{ "external only",
		  { ADDRS(EXTERNAL("203.0.113.9")) },
		  "203.0.113.9",
		  "203.0.113.9",
		  "none",
		  1,
		  false },
		{ "dual stack, v6 first",
		  { ADDRS(INTERNAL("2001:db8::1"), INTERNAL("192.168.1.1")) },
		  "2001:db8::1",
		  "192.168.1.1",
		  "2001:db8::1",
		  2,
		  false },
		{ "primary wins over an earlier one of its family",
		  { ADDRS(INTERNAL("192.168.1.1"), INTERNAL("192.168.1.2"),
			  EXTERNAL("192.0.2.1")) },
		  "192.168.1.1",
		  "192.168.1.1",
		  "none",
		  3,
		  false },
		{ "the other types do not count",
		  { ADDRS(OTHER("10.0.0.1"), OTHER("host")) },
		  "none",
		  "none",
		  "none",
		  0,
		  false },
		{ "one bad address does not hurt the next",
		  { ADDRS(INTERNAL("bad"), INTERNAL("192.168.1.1")) },
		  "192.168.1.1",
		  "192.168.1.1",
		  "none",
		  1,
		  true },
		{ "repeated",
		  { ADDRS(INTERNAL("192.168.1.1"), EXTERNAL("192.168.1.1")) },
		  "192.168.1.1",
		  "192.168.1.1",
		  "none",
		  1,
		  false },
		{ "none", { .pod_cidr = "" }, "none", "none", "none", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
		char text[IP_ADDR_FMT_MAX];
		struct node_ips ips;

		node_ips_get(&rows[i].node, &ips, &problems);
		CHECK_STR(rows[i].name, ip_fmt(text, &ips.primary), rows[i].primary);
		CHECK_STR(rows[i].name, ip_fmt(text, &ips.best4), rows[i].best4);
		CHECK_STR(rows[i].name, ip_fmt(text, &ips.best6), rows[i].best6);
		CHECK(rows[i].name, ips.n == rows[i].n);
		CHECK(rows[i].name, (problems.len > 0) == rows[i].has_problem);
	}
}

static void test_address_ceiling(void **state)
{
	struct node_address many[NODE_IPS_MAX + 1];
	char text[NODE_IPS_MAX + 1][IP_ADDR_FMT_MAX];
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	struct node n = { .addresses = many, .n_addresses = ARRAY_LEN(many) };
	struct node_ips ips;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		struct ip_addr a = ip_v4(0x0a000001u + (uint32_t)i);

		many[i] = (struct node_address){ NODE_ADDRESS_INTERNAL_IP, ip_fmt(text[i], &a) };
	}
	node_ips_get(&n, &ips, &problems);
	CHECK("kept", ips.n == NODE_IPS_MAX);
	CHECK("said", strstr(strbuf_text(&problems), "one too many") != NULL);
}

static void cidrs_text(char *out, size_t size, const struct node_pod_cidrs *c)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->n; i++) {
		char text[IP_PREFIX_FMT_MAX];

		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? " " : "",
					ip_prefix_fmt(text, &c->v[i]));
	}
}

static void test_pod_cidrs(void **state)
{
	const struct {
		const char *name;
		struct node node;
		const char *want, *source, *problem;
	} rows[] = {
		{ "spec.podCIDRs before spec.podCIDR",
		  { .pod_cidr = "10.9.0.0/24", CIDRS("10.1.0.0/24", "2001:db8:42::/64") },
		  "10.1.0.0/24 2001:db8:42::/64",
		  "spec.podCIDRs",
		  "" },
		{ "spec.podCIDR alone",
		  { .pod_cidr = "10.1.0.0/24" },
		  "10.1.0.0/24",
		  "spec.podCIDR",
		  "" },
		{ "Q12: pod-cidrs annotation alone",
		  { NOTES({ ANNOTATION_POD_CIDRS, "10.2.0.0/24, 2001:db8::/64" }) },
		  "10.2.0.0/24 2001:db8::/64",
		  "metadata.annotations.kube-router.io/pod-cidrs",
		  "" },
		{ "Q12: pod-cidr annotation alone",
		  { NOTES({ ANNOTATION_POD_CIDR, " 10.2.0.0/24 " }) },
		  "10.2.0.0/24",
		  "metadata.annotations.kube-router.io/pod-cidr",
		  "" },
		{ "pod-cidrs wins over everything",
		  { NOTES({ ANNOTATION_POD_CIDR, "10.3.0.0/24" },
			  { ANNOTATION_POD_CIDRS, "10.2.0.0/24" }),
		    CIDRS("10.1.0.0/24") },
		  "10.2.0.0/24",
		  "metadata.annotations.kube-router.io/pod-cidrs",
		  "" },
		{ "an unparsable element is left out, its neighbours are not",
		  { CIDRS("10.1.0.0/24", "x", "10.2.0.0/24") },
		  "10.1.0.0/24 10.2.0.0/24",
		  "spec.podCIDRs",
		  "spec.podCIDRs[1]: \"x\" is not a CIDR" },
		{ "a bad annotation is not silently replaced by the spec",
		  { NOTES({ ANNOTATION_POD_CIDR, "x" }), CIDRS("10.1.0.0/24") },
		  "",
		  "metadata.annotations.kube-router.io/pod-cidr",
		  "metadata.annotations.kube-router.io/pod-cidr[0]: \"x\" is not a CIDR" },
		{ "host bits are masked, doubles are one",
		  { CIDRS("10.1.0.7/24", "10.1.0.0/24") },
		  "10.1.0.0/24",
		  "spec.podCIDRs",
		  "" },
		{ "the whole world is refused",
		  { CIDRS("0.0.0.0/0") },
		  "",
		  "spec.podCIDRs",
		  "spec.podCIDRs[0]: \"0.0.0.0/0\" covers every address" },
		{ "a text too long for an address",
		  { CIDRS("1111111111111111111111111111111111111111111111111111111111111111111111/"
			  "8") },
		  "",
		  "spec.podCIDRs",
		  "spec.podCIDRs[0]: "
		  "\"1111111111111111111111111111111111111111111111111111111111111111111111/8\" is "
		  "not a "
		  "CIDR" },
		{ "nothing", { .pod_cidr = "" }, "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
		struct node_pod_cidrs cidrs;
		char text[512];

		node_pod_cidrs_get(&rows[i].node, &cidrs, &problems);
		cidrs_text(text, sizeof(text), &cidrs);
		CHECK_STR(rows[i].name, text, rows[i].want);
		CHECK_STR(rows[i].name, cidrs.source, rows[i].source);
		CHECK_STR(rows[i].name, strbuf_text(&problems), rows[i].problem);
	}
}

static void test_asn(void **state)
{
	static const struct {
		const char *name, *text;
		int want;
		uint32_t asn;
	} rows[] = {
		{ "absent", NULL, 0, 0 },
		{ "decimal", "64513", 1, 64513 },
		{ "hexadecimal", "0xfc01", 1, 64513 },
		{ "four octets", "4200000001", 1, 4200000001u },
		{ "empty", "", -EINVAL, 0 },
		{ "zero (RFC 7607)", "0", -EINVAL, 0 },
		{ "AS_TRANS", "23456", -EINVAL, 0 },
		{ "last of two octets (RFC 7300)", "65535", -EINVAL, 0 },
		{ "too large", "4294967296", -EINVAL, 0 },
		{ "text", "x", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct kv note = { ANNOTATION_NODE_ASN, rows[i].text };
		const struct node n = { .meta.annotations = &note,
					.meta.n_annotations = rows[i].text ? 1 : 0 };
		uint32_t asn = 0;

		CHECK(rows[i].name, node_asn_get(&n, &asn) == rows[i].want);
		CHECK(rows[i].name, asn == rows[i].asn);
	}
}

static void test_router_id(void **state)
{
	static const struct {
		const char *name, *flag, *primary, *want;
	} rows[] = {
		{ "the primary", "", "192.168.1.1", "192.168.1.1" },
		{ "given", "10.9.8.7", "192.168.1.1", "10.9.8.7" },
		{ "generated 1", "generate", "10.0.0.1", "0.15.248.254" },
		{ "generated 2", "generate", "192.168.1.10", "47.29.204.12" },
		{ "generated 3", "generate", "2001:db8::1", "110.91.4.244" },
		{ "generated 4", "generate", "2001:db8:42:2::1", "165.103.209.36" },
		{ "IPv6 primary needs the flag", "", "2001:db8::1", NULL },
		{ "not an address", "abc", "192.168.1.1", NULL },
		{ "an IPv6 address", "2001:db8::1", "192.168.1.1", NULL },
		{ "zero (RFC 6286)", "0.0.0.0", "192.168.1.1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip_addr primary, got_ip;
		char text[IP_ADDR_FMT_MAX];
		const char *why = NULL;
		uint32_t id = 0;
		int r;

		CHECK(rows[i].name, ip_parse(rows[i].primary, &primary) == 0);
		r = node_router_id(rows[i].flag, &primary, &id, &why);
		CHECK(rows[i].name, (r == 0) == (rows[i].want != NULL));
		CHECK(rows[i].name, (why == NULL) == (r == 0));
		if (r < 0)
			continue;
		got_ip = ip_v4(id);
		CHECK_STR(rows[i].name, ip_fmt(text, &got_ip), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_address_ceiling),
		cmocka_unit_test(test_pod_cidrs), cmocka_unit_test(test_asn),
		cmocka_unit_test(test_router_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
