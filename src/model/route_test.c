/* SPDX-License-Identifier: Apache-2.0 */
#include "model/route.h"

#include "base/test.h"

static void test_fmt(void **state)
{
	static const struct {
		const char *name, *dst, *gateway, *key_text, *value_text;
	} rows[] = {
		{ "ipv4", "10.1.2.0/24", "192.0.2.7", "10.1.2.0/24", "via 192.0.2.7" },
		{ "ipv6", "2001:db8:1::/64", "2001:db8::7", "2001:db8:1::/64", "via 2001:db8::7" },
		{ "no gateway", "10.1.2.0/24", NULL, "10.1.2.0/24", "via none" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf key = STRBUF_INIT;
		CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
		struct route_key k = { 0 };
		struct route_value v = { 0 };

		CHECK(rows[i].name, ip_prefix_parse(rows[i].dst, &k.dst) == 0);
		if (rows[i].gateway)
			CHECK(rows[i].name, ip_parse(rows[i].gateway, &v.gateway) == 0);
		route_key_fmt(&key, (struct bytes){ &k, sizeof(k) });
		route_value_fmt(&value, (struct bytes){ &v, sizeof(v) });
		CHECK_STR(rows[i].name, strbuf_text(&key), rows[i].key_text);
		CHECK_STR(rows[i].name, strbuf_text(&value), rows[i].value_text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fmt) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
