/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <errno.h>

#include "base/test.h"

#define S ((int64_t)1000000000)

static void test_parse(void **state)
{
	static const char missing[] = "time: missing unit in duration";
	static const char unknown[] = "time: unknown unit in duration";
	static const char invalid[] = "time: invalid duration";
	static const struct {
		const char *text;
		int r;
		int64_t ns;
		const char *reason;
	} rows[] = {
		{ "0", 0, 0, NULL },
		{ "-0", 0, 0, NULL },
		{ "+0", 0, 0, NULL },
		{ "0s", 0, 0, NULL },
		{ "90s", 0, 90 * S, NULL },
		{ "+5s", 0, 5 * S, NULL },
		{ "-5s", 0, -5 * S, NULL },
		{ "1m30s", 0, 90 * S, NULL },
		{ "1h2m3.5s", 0, 3723 * S + S / 2, NULL },
		{ ".5m", 0, 30 * S, NULL },
		{ "5.m", 0, 300 * S, NULL },
		{ "1s1s", 0, 2 * S, NULL },
		{ "10ns", 0, 10, NULL },
		{ "11us", 0, 11000, NULL },
		{ "12\xc2\xb5s", 0, 12000, NULL },
		{ "12\xce\xbcs", 0, 12000, NULL },
		{ "13ms", 0, 13000000, NULL },
		{ "0.3333333333333333333h", 0, 1200 * S, NULL },
		{ "9007199254.740993s", 0, 9007199254740993000, NULL },
		{ "0.9ns", 0, 0, NULL },
		{ "1.0000000000000000000000000000001s", 0, S, NULL },
		{ "9223372036854775807ns", 0, INT64_MAX, NULL },
		{ "9223372036.854775807s", 0, INT64_MAX, NULL },
		{ "-9223372036854775808ns", 0, INT64_MIN, NULL },
		{ "9223372036854775808ns", -ERANGE, 0, invalid },
		{ "-9223372036854775809ns", -ERANGE, 0, invalid },
		{ "9223372036854775807ns1ns", -ERANGE, 0, invalid },
		{ "99999999999999999999s", -ERANGE, 0, invalid },
		{ "2562048h", -ERANGE, 0, invalid },
		{ "", -EINVAL, 0, invalid },
		{ "-", -EINVAL, 0, invalid },
		{ "s", -EINVAL, 0, invalid },
		{ ".", -EINVAL, 0, invalid },
		{ ".s", -EINVAL, 0, invalid },
		{ "--1s", -EINVAL, 0, invalid },
		{ " 1s", -EINVAL, 0, invalid },
		{ "5", -EINVAL, 0, missing },
		{ "1.5", -EINVAL, 0, missing },
		{ "1s5", -EINVAL, 0, missing },
		{ "1.2.3s", -EINVAL, 0, missing },
		{ "1d", -EINVAL, 0, unknown },
		{ "1S", -EINVAL, 0, unknown },
		{ "1s ", -EINVAL, 0, unknown },
		{ "1m s", -EINVAL, 0, unknown },
		{ "1s-1s", -EINVAL, 0, unknown },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *reason = "unset";
		int64_t ns = 4711;
		int r = duration_parse(rows[i].text, &ns, &reason);

		CHECK(rows[i].text, r == rows[i].r);
		CHECK(rows[i].text, ns == (r == 0 ? rows[i].ns : 4711));
		if (r < 0)
			CHECK_STR(rows[i].text, reason, rows[i].reason);
	}
}

static void test_fmt(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "0s" },
		{ 1, "1ns" },
		{ 1100, "1.1\xc2\xb5s" },
		{ 2000, "2\xc2\xb5s" },
		{ 2200000, "2.2ms" },
		{ 100000000, "100ms" },
		{ 999999999, "999.999999ms" },
		{ S, "1s" },
		{ 3 * S + S / 2, "3.5s" },
		{ 90 * S, "1m30s" },
		{ 360 * S, "6m0s" },
		{ 3600 * S, "1h0m0s" },
		{ 299 * S + 1, "4m59.000000001s" },
		{ -90 * S, "-1m30s" },
		{ -1, "-1ns" },
		{ INT64_MAX, "2562047h47m16.854775807s" },
		{ INT64_MIN, "-2562047h47m16.854775808s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[DURATION_FMT_MAX];
		const char *reason;
		int64_t back;

		CHECK_STR(rows[i].want, duration_fmt(buf, rows[i].ns), rows[i].want);
		CHECK(rows[i].want, duration_parse(buf, &back, &reason) == 0 && back == rows[i].ns);
	}
}

static void test_clocks(void **state)
{
	struct mono a = mono_read(), b = mono_read();

	(void)state;
	CHECK("never back", mono_diff_us(b, a) >= 0);
	CHECK("add", mono_diff_us(mono_add_us(a, 5), a) == 5);
	CHECK("this century", wall_read().us > 1700000000 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_fmt),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
