/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/ipc.h"

#include <errno.h>

#include "base/test.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	CHECK(text, ip_prefix_parse(text, &p) == 0);
	return p;
}

/* One message of each type with every field of its body set. */
static size_t samples(struct bgp_ipc_msg m[BGP_IPC_TYPE_N])
{
	size_t n = 0;

	for (unsigned t = BGP_IPC_HELLO; t < BGP_IPC_TYPE_N; t++) {
		struct bgp_ipc_msg *s = &m[n++];

		memset(s, 0, sizeof(*s));
		s->type = (enum bgp_ipc_type)t;
	}
	m[0].conf = (struct bgp_speaker_conf){ .asn = 64512, .router_id = 0xc0a80101, .port = 179 };
	m[2].tag = 7;
	m[2].peer = (struct bgp_peer_conf){ .addr = addr("192.168.1.2"),
					    .local_addr = addr("192.168.1.1"),
					    .role = BGP_PEER_EXTERNAL,
					    .families = 3,
					    .port = 1179,
					    .hold_s = 90,
					    .remote_asn = 4200000000u,
					    .prefix_max = 1000 };
	m[3].tag = 8;
	m[3].addr = addr("2001:db8::2");
	m[4].tag = 9;
	m[4].prefix = prefix("172.20.1.0/24");
	m[4].announce = (struct bgp_announce){ addr("192.168.1.1"), BGP_ANNOUNCE_VIP, 1, 1 };
	m[5].tag = 10;
	m[5].prefix = prefix("2001:db8:42::/64");
	m[6].tag = 11;
	m[7].tag = 12;
	m[7].err = -EINVAL;
	(void)snprintf(m[7].text, sizeof(m[7].text), "the remote address is our own");
	m[8].best = (struct bgp_best){ prefix("172.20.1.0/24"), addr("192.168.1.2"),
				       addr("192.168.1.2"), BGP_PEER_NODE, 1 };
	m[9].prefix = prefix("0.0.0.0/0");
	m[10].status = (struct bgp_peer_status){ .addr = addr("192.168.1.2"),
						 .local_addr = addr("192.168.1.1"),
						 .state = BGP_STATE_ESTABLISHED,
						 .is_internal = 1,
						 .got_eor = 1,
						 .remote_port = 179,
						 .local_port = 40000,
						 .hold_s = 90,
						 .n_flaps = 3,
						 .conf_asn = 1,
						 .remote_asn = 2,
						 .remote_id = 3,
						 .n_received = 4,
						 .n_sent = 5,
						 .msgs_in = 6,
						 .msgs_out = 7,
						 .updates_in = 8,
						 .updates_out = 9,
						 .treat_as_withdraw = 10,
						 .since_us = -11,
						 .reason = "hold timer expired" };
	return n;
}

static void test_round_trip(void **state)
{
	struct bgp_ipc_msg m[BGP_IPC_TYPE_N], got;
	uint8_t buf[BGP_IPC_PACKET_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t n = samples(m);
	struct rd r;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		size_t before = w.len;

		bgp_ipc_encode(&w, &m[i]);
		CHECK("fits the link's reserve", w.len - before < 1024);
	}
	CHECK("room", !w.overflow);
	r = rd_init(buf, w.len);
	for (size_t i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "type %u", m[i].type);
		CHECK(name, bgp_ipc_decode(&r, &got) == 1);
		CHECK(name, memcmp(&got, &m[i], sizeof(got)) == 0);
	}
	CHECK("the end", bgp_ipc_decode(&r, &got) == 0);
}

/* A record cut at any byte is refused, and reading stays inside. */
static void test_truncated(void **state)
{
	struct bgp_ipc_msg m[BGP_IPC_TYPE_N], got;
	size_t n = samples(m);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		uint8_t buf[1024];
		struct wr w = wr_init(buf, sizeof(buf));

		bgp_ipc_encode(&w, &m[i]);
		for (size_t len = 1; len < w.len; len++) {
			struct rd r = rd_init(buf, len);

			CHECK("cut", bgp_ipc_decode(&r, &got) == -EBADMSG);
		}
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[16];
		size_t len;
	} rows[] = {
		{ "no type", { 0, 0 }, 2 },
		{ "type 0", { 0, 1, BGP_IPC_NONE }, 3 },
		{ "unknown type", { 0, 1, BGP_IPC_TYPE_N }, 3 },
		{ "trailing byte", { 0, 6, BGP_IPC_REPORT, 0, 0, 0, 1, 9 }, 8 },
		{ "another version", { 0, 15, BGP_IPC_HELLO, 0, 0, 0, 99 }, 16 },
		{ "unknown family", { 0, 6, BGP_IPC_PEER_DEL, 0, 0, 0, 1, 5 }, 8 },
		{ "prefix too long", { 0, 7, BGP_IPC_BEST_GONE, IP_V4, 10, 0, 0, 0, 33 }, 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rd r = rd_init(rows[i].bytes, rows[i].len);
		struct bgp_ipc_msg got;

		CHECK(rows[i].name, bgp_ipc_decode(&r, &got) == -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
