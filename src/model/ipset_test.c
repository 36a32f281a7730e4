/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ipset.h"

#include "base/test.h"

static struct bytes bytes_of(const struct ipset_value *v)
{
	return (struct bytes){ v, sizeof(*v) };
}

static void test_same(void **state)
{
	static const struct {
		const char *name;
		struct ipset_value want, have;
		bool same;
	} rows[] = {
		{ "equal", { IPSET_HASH_IP, IP_V4, 1 }, { IPSET_HASH_IP, IP_V4, 1 }, true },
		{ "default maxelem",
		  { IPSET_HASH_IP, IP_V4, 1, .maxelem = 0 },
		  { IPSET_HASH_IP, IP_V4, 1, .maxelem = 65536 },
		  true },
		{ "maxelem",
		  { IPSET_HASH_IP, IP_V4, 1, .maxelem = 1000 },
		  { IPSET_HASH_IP, IP_V4, 1, .maxelem = 65536 },
		  false },
		{ "type", { IPSET_HASH_NET, IP_V4, 1 }, { IPSET_HASH_IP, IP_V4, 1 }, false },
		{ "family", { IPSET_HASH_IP, IP_V6, 1 }, { IPSET_HASH_IP, IP_V4, 1 }, false },
		{ "timeout", { IPSET_HASH_IP, IP_V4, 1 }, { IPSET_HASH_IP, IP_V4, 0 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, ipset_value_same(bytes_of(&rows[i].want),
						     bytes_of(&rows[i].have)) == rows[i].same);
	CHECK("absent", !ipset_value_same(bytes_of(&rows[0].want), (struct bytes){ 0 }));
}

static void test_fmt(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct ipset_value v = { IPSET_HASH_NET, IP_V6, 1, .maxelem = 200000 };
	struct ipset_member_key m = { .set = "kube-router-node-ips" };
	struct ipset_key longest;

	(void)state;
	ipset_value_fmt(&out, bytes_of(&v));
	CHECK_STR("value", strbuf_text(&out), "hash:net family inet6 timeout 0 maxelem 200000");
	strbuf_clear(&out);
	CHECK("prefix", ip_prefix_parse("192.0.2.1/32", &m.prefix) == 0);
	ipset_member_key_fmt(&out, (struct bytes){ &m, sizeof(m) });
	CHECK_STR("member", strbuf_text(&out), "kube-router-node-ips 192.0.2.1/32");
	strbuf_clear(&out);
	memset(longest.name, 'x', sizeof(longest.name)); /* no terminator: must not run on */
	ipset_key_fmt(&out, (struct bytes){ &longest, sizeof(longest) });
	CHECK("longest", out.len == IPSET_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_fmt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
