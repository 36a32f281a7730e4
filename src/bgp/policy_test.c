/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "bgp/policy.h"

static void test_import(void **state)
{
	static const struct bgp_announce vip = { .kind = BGP_ANNOUNCE_VIP };
	static const struct {
		const char *prefix;
		const struct bgp_announce *own;
		enum bgp_import want;
	} rows[] = {
		{ "10.1.0.0/24", NULL, BGP_IMPORT_ACCEPT },
		{ "0.0.0.0/1", NULL, BGP_IMPORT_ACCEPT },
		{ "0.0.0.0/0", NULL, BGP_IMPORT_DEFAULT_ROUTE },
		{ "::/0", NULL, BGP_IMPORT_DEFAULT_ROUTE },
		{ "2001:db8::/64", NULL, BGP_IMPORT_ACCEPT },
		{ "10.96.0.1/32", &vip, BGP_IMPORT_OWN },
		{ "2001:db8::1/128", &vip, BGP_IMPORT_OWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip_prefix p;

		CHECK(rows[i].prefix, ip_prefix_parse(rows[i].prefix, &p) == 0);
		CHECK(rows[i].prefix, bgp_policy_import(&p, rows[i].own) == rows[i].want);
	}
}

static void test_export(void **state)
{
	static const struct {
		const char *name, *prefix;
		uint8_t to_nodes, to_external;
		enum bgp_peer_role role;
		unsigned families;
		bool want;
	} rows[] = {
		{ "pods to a node", "10.1.0.0/24", 1, 0, BGP_PEER_NODE, BGP_AF_IPV4, true },
		{ "pods kept from a router", "10.1.0.0/24", 1, 0, BGP_PEER_EXTERNAL, BGP_AF_IPV4,
		  false },
		{ "VIP to a router", "10.96.0.1/32", 0, 1, BGP_PEER_EXTERNAL, BGP_AF_IPV4, true },
		{ "VIP kept from a node", "10.96.0.1/32", 0, 1, BGP_PEER_NODE, BGP_AF_IPV4, false },
		{ "family not negotiated", "2001:db8::/64", 1, 1, BGP_PEER_NODE, BGP_AF_IPV4,
		  false },
		{ "family negotiated", "2001:db8::/64", 1, 1, BGP_PEER_NODE,
		  BGP_AF_IPV4 | BGP_AF_IPV6, true },
		{ "no family", "10.1.0.0/24", 1, 1, BGP_PEER_NODE, 0, false },
		{ "to nobody", "10.1.0.0/24", 0, 0, BGP_PEER_EXTERNAL, BGP_AF_IPV4, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_announce a = { .to_nodes = rows[i].to_nodes,
					  .to_external = rows[i].to_external };
		struct ip_prefix p;

		CHECK(rows[i].name, ip_prefix_parse(rows[i].prefix, &p) == 0);
		CHECK(rows[i].name,
		      bgp_policy_export(&p, &a, rows[i].role, rows[i].families) == rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
