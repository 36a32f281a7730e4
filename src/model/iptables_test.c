/* SPDX-License-Identifier: Apache-2.0 */
#include "model/iptables.h"

#include "base/test.h"
#include "model/sysctl.h"

static void test_key(void **state)
{
	static const struct {
		const char *name;
		struct ipt_key key;
		const char *want;
	} rows[] = {
		{ "slot",
		  { "filter", "FORWARD", IP_V4, IPT_SLOT_FORWARD_ACCEPT },
		  "ipv4 filter FORWARD forward-accept" },
		{ "slot, v6",
		  { "nat", "POSTROUTING", IP_V6, IPT_SLOT_POD_EGRESS },
		  "ipv6 nat POSTROUTING pod-egress" },
		{ "chain", { "filter", "KUBE-X", IP_V4, IPT_SLOT_CHAIN }, "ipv4 filter KUBE-X" },
		{ "longest name",
		  { "filter", "0123456789012345678901234567890", IP_V4, IPT_SLOT_CHAIN },
		  "ipv4 filter 0123456789012345678901234567890" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		ipt_key_fmt(&out, (struct bytes){ &rows[i].key, sizeof(rows[i].key) });
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

static void test_value(void **state)
{
	static const struct {
		const char *name, *value, *want;
	} rows[] = {
		{ "empty", "", "no rules" },
		{ "one", "-j A\n", "-j A" },
		{ "two", "-j A\n-j B\n", "-j A; -j B" },
		{ "no end", "-j A\n-j B", "-j A; -j B" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		ipt_value_fmt(&out, (struct bytes){ rows[i].value, strlen(rows[i].value) });
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

static void test_sysctl(void **state)
{
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;

	(void)state;
	sysctl_key_fmt(&key, (struct bytes){ "net/ipv4/ip_forwardXX", 19 });
	CHECK_STR("key is not terminated", strbuf_text(&key), "net/ipv4/ip_forward");
	sysctl_value_fmt(&value, (struct bytes){ "1\n", 1 });
	CHECK_STR("value is not terminated", strbuf_text(&value), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_sysctl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
