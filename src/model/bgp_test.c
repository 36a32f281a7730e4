/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "model/bgp.h"

static void state_names(void **state)
{
	static const char *const want[BGP_STATE_N + 1] = {
		"none",     "idle",        "connect",     "active",
		"opensent", "openconfirm", "established", "invalid",
	};

	(void)state;
	for (int i = 0; i <= BGP_STATE_N; i++)
		CHECK_STR(want[i], bgp_state_name((enum bgp_state)i), want[i]);
}

static void peer_conf_text(void **state)
{
	static const struct {
		const char *name, *want;
		struct bgp_peer_conf conf;
	} rows[] = {
		{ "defaults",
		  "peer=192.0.2.1 local=none role=node families=none port=179 hold_s=90 asn=any "
		  "prefix_max=100000",
		  { .addr = { IP_V4, { 192, 0, 2, 1 } } } },
		{ "all set",
		  "peer=2001:db8::1 local=192.0.2.9 role=external families=ipv4,ipv6 port=1790 "
		  "hold_s=9 asn=4200000000 prefix_max=7",
		  { .addr = { IP_V6, { 0x20, 1, 0xd, 0xb8, [15] = 1 } },
		    .local_addr = { IP_V4, { 192, 0, 2, 9 } },
		    .role = BGP_PEER_EXTERNAL,
		    .families = BGP_AF_IPV4 | BGP_AF_IPV6,
		    .port = 1790,
		    .hold_s = 9,
		    .remote_asn = 4200000000u,
		    .prefix_max = 7 } },
		{ "one family",
		  "peer=192.0.2.1 local=none role=node families=ipv6 port=179 hold_s=90 asn=any "
		  "prefix_max=100000",
		  { .addr = { IP_V4, { 192, 0, 2, 1 } }, .families = BGP_AF_IPV6 } },
		{ "family nobody knows",
		  "peer=192.0.2.1 local=none role=node families=invalid port=179 hold_s=90 asn=any "
		  "prefix_max=100000",
		  { .addr = { IP_V4, { 192, 0, 2, 1 } }, .families = 8 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		bgp_peer_conf_fmt(&out, &rows[i].conf);
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

static void announce_text(void **state)
{
	static const struct {
		const char *want;
		struct bgp_announce a;
	} rows[] = {
		{ "nexthop=none kind=pod-cidr to=nobody", { .kind = BGP_ANNOUNCE_POD_CIDR } },
		{ "nexthop=10.0.0.1 kind=pod-cidr to=nodes,external",
		  { { IP_V4, { 10, 0, 0, 1 } }, BGP_ANNOUNCE_POD_CIDR, 1, 1 } },
		{ "nexthop=10.0.0.1 kind=pod-cidr to=nodes",
		  { { IP_V4, { 10, 0, 0, 1 } }, BGP_ANNOUNCE_POD_CIDR, 1, 0 } },
		{ "nexthop=10.0.0.1 kind=vip to=external",
		  { { IP_V4, { 10, 0, 0, 1 } }, BGP_ANNOUNCE_VIP, 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		bgp_announce_fmt(&out, &rows[i].a);
		CHECK_STR(rows[i].want, strbuf_text(&out), rows[i].want);
	}
}

static void id_text(void **state)
{
	char buf[IP_ADDR_FMT_MAX];

	(void)state;
	CHECK_STR("id", bgp_id_fmt(buf, 0x0a0000ffu), "10.0.0.255");
	CHECK_STR("zero", bgp_id_fmt(buf, 0), "0.0.0.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_names),
		cmocka_unit_test(peer_conf_text),
		cmocka_unit_test(announce_text),
		cmocka_unit_test(id_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
