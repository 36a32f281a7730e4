/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/route_plan.h"

#include "base/test.h"

static void test_route(void **state)
{
	static const struct {
		const char *name, *dst, *nexthop;
		struct route_facts facts;
		enum route_verdict want;
	} rows[] = {
		{ "same subnet",
		  "172.20.1.0/24",
		  "192.168.1.2",
		  { .nexthop_on_link = true },
		  ROUTE_WANTED },
		{ "IPv6",
		  "2001:db8:42::/64",
		  "2001:db8::2",
		  { .nexthop_on_link = true },
		  ROUTE_WANTED },
		{ "default route, whatever the speaker says",
		  "0.0.0.0/0",
		  "192.168.1.2",
		  { .nexthop_on_link = true },
		  ROUTE_DEFAULT },
		{ "off subnet", "172.20.1.0/24", "192.168.2.2", { 0 }, ROUTE_OFF_SUBNET },
		{ "families differ",
		  "2001:db8:42::/64",
		  "192.168.1.2",
		  { .nexthop_on_link = true },
		  ROUTE_FAMILY_DIFFERS },
		{ "our own CIDR from somebody else",
		  "172.20.0.0/24",
		  "192.168.1.2",
		  { .nexthop_on_link = true, .covered_by_own_cidr = true },
		  ROUTE_OWN_CIDR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip_prefix dst;
		struct ip_addr nexthop;
		struct route_value v = { 0 };

		CHECK(rows[i].name, ip_prefix_parse(rows[i].dst, &dst) == 0);
		CHECK(rows[i].name, ip_parse(rows[i].nexthop, &nexthop) == 0);
		CHECK(rows[i].name, route_plan(&dst, &nexthop, &rows[i].facts, &v) == rows[i].want);
		CHECK(rows[i].name,
		      ip_same(&v.gateway, &nexthop) == (rows[i].want == ROUTE_WANTED));
		CHECK(rows[i].name, *route_verdict_text(rows[i].want) != '\0');
	}
}

static void test_kept(void **state)
{
	static const struct {
		const char *name;
		struct kept_facts facts;
		int64_t now_us;
		bool kept;
	} rows[] = {
		{ "waiting for its peer", { .is_node = true, .is_peer = true }, 0, true },
		{ "no Node has its next hop", { 0 }, 0, false },
		{ "a peer that is no Node", { .is_peer = true }, 0, true },
		{ "End-of-RIB",
		  { .is_node = true,
		    .is_peer = true,
		    .peer_is_established = true,
		    .peer_got_eor = true },
		  0,
		  false },
		{ "an old End-of-RIB of a session that is down",
		  { .is_node = true, .is_peer = true, .peer_got_eor = true },
		  0,
		  true },
		{ "established, still telling",
		  { .is_node = true,
		    .is_peer = true,
		    .peer_is_established = true,
		    .established_for_us = KEPT_WITHOUT_EOR_US - 1 },
		  0,
		  true },
		{ "established for 30 s, no End-of-RIB",
		  { .is_node = true,
		    .is_peer = true,
		    .peer_is_established = true,
		    .established_for_us = KEPT_WITHOUT_EOR_US },
		  0,
		  false },
		{ "the restart time is over",
		  { .is_node = true, .is_peer = true },
		  90 * US_PER_S,
		  false },
		{ "just before", { .is_node = true, .is_peer = true }, 90 * US_PER_S - 1, true },
	};
	const struct kept_route k = { .deadline = { 90 * US_PER_S } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why =
			kept_route_verdict(&k, &rows[i].facts, (struct mono){ rows[i].now_us });

		CHECK(rows[i].name, (why == NULL) == rows[i].kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
