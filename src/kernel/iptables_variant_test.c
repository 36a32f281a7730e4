/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_variant.h"

#include <errno.h>

#include "base/ip.h"
#include "base/test.h"

#define NO_RULES "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
#define ONE_RULE "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n"
#define TWO      "*filter\n-A INPUT -j DROP\n-A INPUT -j DROP\nCOMMIT\n"
#define HINT     "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n"
#define CANARY   "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n"

static void test_choose(void **state)
{
	static const struct {
		const char *name, *nft, *legacy; /* NULL: no program */
		enum ipt_variant want;
	} rows[] = {
		{ "nothing there", NULL, NULL, IPT_VARIANT_PLAIN },
		{ "only legacy", NULL, "", IPT_VARIANT_LEGACY },
		{ "only nft", "", NULL, IPT_VARIANT_NFT },
		{ "no rules", NO_RULES, "", IPT_VARIANT_NFT },
		{ "hint in nft", HINT, TWO, IPT_VARIANT_NFT },
		{ "canary in nft", CANARY, TWO, IPT_VARIANT_NFT },
		{ "hint in legacy", TWO, HINT, IPT_VARIANT_LEGACY },
		{ "hint in both", HINT, HINT, IPT_VARIANT_NFT },
		{ "hint in another table is none", ONE_RULE,
		  "*filter\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n", IPT_VARIANT_NFT },
		{ "more rules in legacy", ONE_RULE, TWO, IPT_VARIANT_LEGACY },
		{ "as many", ONE_RULE, ONE_RULE, IPT_VARIANT_NFT },
		{ "cut off at the ceiling", ONE_RULE, "*filter\n-A X -j A\n-A X -j B\n-A X",
		  IPT_VARIANT_LEGACY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipt_usage nft = { 0 }, legacy = { 0 };
		const char *why = NULL;

		if (rows[i].nft)
			ipt_usage_add(&nft, IP_V4, rows[i].nft, strlen(rows[i].nft));
		if (rows[i].legacy)
			ipt_usage_add(&legacy, IP_V6, rows[i].legacy, strlen(rows[i].legacy));
		CHECK(rows[i].name, ipt_variant_choose(&nft, &legacy, &why) == rows[i].want);
		CHECK(rows[i].name, why);
	}
}

static void test_ours_counted(void **state)
{
	static const char text[] =
		"*filter\n-A FORWARD -i kube-bridge -m comment --comment \"allow outbound traffic "
		"from pods\" -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n";
	struct ipt_usage u = { 0 };

	(void)state;
	ipt_usage_add(&u, IP_V4, text, strlen(text));
	ipt_usage_add(&u, IP_V6, text, strlen(text));
	CHECK("both families", u.n_ours == 2 && u.n_rules == 4);
}

static void test_version(void **state)
{
	static const struct {
		const char *name, *text;
		int result;
		bool is_1_6_2;
	} rows[] = {
		{ "nft", "iptables v1.8.9 (nf_tables)\n", 0, true },
		{ "first", "iptables v1.6.2", 0, true },
		{ "before", "iptables v1.6.1", 0, false },
		{ "old", "iptables v1.4.21", 0, false },
		{ "ten", "iptables v1.10.0", 0, true },
		{ "two", "iptables v2.0.0", 0, true },
		{ "zero", "iptables v0.9.9", 0, false },
		{ "no number", "iptables vx", -EINVAL, false },
		{ "two numbers", "iptables v1.8", -EINVAL, false },
		{ "nothing", "", -EINVAL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipt_version v = { 0 };

		CHECK(rows[i].name, ipt_version_parse(rows[i].text, &v) == rows[i].result);
		if (rows[i].result == 0)
			CHECK(rows[i].name, ipt_version_is_1_6_2(&v) == rows[i].is_1_6_2);
	}
}

static void test_program(void **state)
{
	char buf[IPT_PROGRAM_MAX];

	(void)state;
	CHECK_STR("nft", ipt_program(buf, IPT_VARIANT_NFT, IP_V4, "-save"), "iptables-nft-save");
	CHECK_STR("legacy", ipt_program(buf, IPT_VARIANT_LEGACY, IP_V6, "-restore"),
		  "ip6tables-legacy-restore");
	CHECK_STR("plain", ipt_program(buf, IPT_VARIANT_PLAIN, IP_V6, ""), "ip6tables");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_ours_counted),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
