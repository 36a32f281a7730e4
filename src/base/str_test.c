/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

static void test_compare(void **state)
{
	(void)state;
	CHECK("eq", str_eq("a", "a") && !str_eq("a", "b") && !str_eq("a", "ab"));
	CHECK("NULL equals only NULL",
	      str_eq(NULL, NULL) && !str_eq(NULL, "") && !str_eq("", NULL));
	CHECK("starts", str_starts("kube-bridge", "kube") && str_starts("x", "") &&
				!str_starts("kub", "kube"));
	CHECK("ends", str_ends("a.conf", ".conf") && str_ends("x", "") && !str_ends("f", "conf"));
	CHECK("nocase", str_eq_nocase("Content-Type", "content-TYPE") && !str_eq_nocase("a", "ab"));
	CHECK("nocase is ASCII", !str_eq_nocase("\xc4", "\xe4") && !str_eq_nocase("@", "`"));
	CHECK("empty", str_is_empty(NULL) && str_is_empty("") && !str_is_empty(" "));
}

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		unsigned base;
		uint64_t max;
		int r;
		uint64_t v;
	} rows[] = {
		{ "0", 10, 255, 0, 0 },
		{ "255", 10, 255, 0, 255 },
		{ "256", 10, 255, -ERANGE, 0 },
		{ "007", 10, 255, 0, 7 },
		{ "", 10, 255, -EINVAL, 0 },
		{ "+1", 10, 255, -EINVAL, 0 },
		{ "-1", 10, 255, -EINVAL, 0 },
		{ " 1", 10, 255, -EINVAL, 0 },
		{ "1 ", 10, 255, -EINVAL, 0 },
		{ "1x", 10, 255, -EINVAL, 0 },
		{ "1_0", 10, 255, -EINVAL, 0 },
		{ "0x1", 10, 255, -EINVAL, 0 },
		{ "18446744073709551615", 10, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 10, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999", 10, UINT64_MAX, -ERANGE, 0 },
		{ "ff", 16, 255, 0, 255 },
		{ "fg", 16, 255, -EINVAL, 0 },
		{ "0", 0, 255, 0, 0 },
		{ "00", 0, 255, 0, 0 },
		{ "017", 0, 255, 0, 15 },
		{ "08", 0, 255, -EINVAL, 0 },
		{ "0xfF", 0, 255, 0, 255 },
		{ "0XfF", 0, 255, 0, 255 },
		{ "0o17", 0, 255, 0, 15 },
		{ "0O17", 0, 255, 0, 15 },
		{ "0b101", 0, 255, 0, 5 },
		{ "0B102", 0, 255, -EINVAL, 0 },
		{ "0x", 0, 255, -EINVAL, 0 },
		{ "0o", 0, 255, -EINVAL, 0 },
		{ "0b", 0, 255, -EINVAL, 0 },
		{ "0xg", 0, 255, -EINVAL, 0 },
		{ "1_000", 0, 1000, 0, 1000 },
		{ "1__0", 0, 255, -EINVAL, 0 },
		{ "_10", 0, 255, -EINVAL, 0 },
		{ "10_", 0, 255, -EINVAL, 0 },
		{ "0_7", 0, 255, 0, 7 },
		{ "0_", 0, 255, -EINVAL, 0 },
		{ "0x_f", 0, 255, 0, 15 },
		{ "0x__f", 0, 255, -EINVAL, 0 },
		{ "0x_", 0, 255, -EINVAL, 0 },
		{ "0_x1", 0, 255, -EINVAL, 0 },
		{ "_", 0, 255, -EINVAL, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "0x10000000000000000", 0, UINT64_MAX, -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 4711;
		int r = str_to_u64(rows[i].text, rows[i].base, rows[i].max, &v);

		CHECK(rows[i].text, r == rows[i].r);
		CHECK(rows[i].text, v == (r == 0 ? rows[i].v : 4711));
	}
}

static void test_i64(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int r;
		int64_t v;
	} rows[] = {
		{ "2", INT32_MIN, INT32_MAX, 0, 2 },
		{ "+2", INT32_MIN, INT32_MAX, 0, 2 },
		{ "-2", INT32_MIN, INT32_MAX, 0, -2 },
		{ "-0", INT32_MIN, INT32_MAX, 0, 0 },
		{ "2147483647", INT32_MIN, INT32_MAX, 0, INT32_MAX },
		{ "2147483648", INT32_MIN, INT32_MAX, -ERANGE, 0 },
		{ "-2147483648", INT32_MIN, INT32_MAX, 0, INT32_MIN },
		{ "-2147483649", INT32_MIN, INT32_MAX, -ERANGE, 0 },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "-1", 0, 10, -ERANGE, 0 },
		{ "", INT64_MIN, INT64_MAX, -EINVAL, 0 },
		{ "-", INT64_MIN, INT64_MAX, -EINVAL, 0 },
		{ "--1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
		{ "abc", INT64_MIN, INT64_MAX, -EINVAL, 0 },
		{ "0x1", INT64_MIN, INT64_MAX, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 4711;
		int r = str_to_i64(rows[i].text, rows[i].min, rows[i].max, &v);

		CHECK(rows[i].text, r == rows[i].r);
		CHECK(rows[i].text, v == (r == 0 ? rows[i].v : 4711));
	}
}

static void test_bool(void **state)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };
	static const char *const bad[] = { "", "tRUE", "yes", "2", "true ", "on" };
	bool v;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		CHECK(yes[i], str_to_bool(yes[i], &v) == 0 && v);
		CHECK(no[i], str_to_bool(no[i], &v) == 0 && !v);
		CHECK(bad[i], str_to_bool(bad[i], &v) == -EINVAL);
	}
}

static void test_copy(void **state)
{
	char dst[4] = "xyz";

	(void)state;
	CHECK("fits", str_copy(dst, sizeof(dst), "abc") == 0 && strcmp(dst, "abc") == 0);
	CHECK("one too many", str_copy(dst, sizeof(dst), "abcd") == -ENAMETOOLONG && dst[0] == 0);
	CHECK("no room at all", str_copy(dst, 0, "") == -ENAMETOOLONG);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *name, *text;
		size_t len;
	} rows[] = {
		{ "end", "", 0 },
		{ "ASCII", "a", 1 },
		{ "two bytes", "\xc3\xa4", 2 },
		{ "three bytes", "\xe2\x82\xac", 3 },
		{ "four bytes", "\xf0\x9f\x98\x80", 4 },
		{ "last of all", "\xf4\x8f\xbf\xbf", 4 },
		{ "beyond the last", "\xf4\x90\x80\x80", 0 },
		{ "overlong slash", "\xc0\xaf", 0 },
		{ "overlong, three bytes", "\xe0\x80\xaf", 0 },
		{ "overlong, four bytes", "\xf0\x80\x80\xaf", 0 },
		{ "surrogate", "\xed\xa0\x80", 0 },
		{ "follower alone", "\x80", 0 },
		{ "cut", "\xe2\x82", 0 },
		{ "not followed",
		  "\xe2\x82"
		  "a",
		  0 },
		{ "no such byte", "\xff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, str_utf8_len(rows[i].text) == rows[i].len);
}

static void test_quote(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "\"\"" },
		{ "plain name", "\"plain name\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "a\nb\r\tc", "\"a\\nb\\r\\tc\"" },
		{ "\x1b[31m\x7f", "\"\\x1b[31m\\x7f\"" },
		{ "\xc3\xa4", "\"\xc3\xa4\"" },
		{ "\xc2\x9b", "\"\\xc2\\x9b\"" },
		{ "\xff", "\"\\xff\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

		strbuf_quote(&b, rows[i].text);
		CHECK_STR(rows[i].want, strbuf_text(&b), rows[i].want);
	}
}

static void test_strbuf(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	CLEANUP_FREE char *taken = NULL;
	CLEANUP_FREE char *empty = NULL;

	(void)state;
	CHECK_STR("safe before the first append", strbuf_text(&b), "");
	strbuf_puts(&b, "");
	CHECK("not NULL after it", b.data && b.len == 0);
	for (int i = 0; i < 1000; i++)
		strbuf_fmt(&b, "%d,", i);
	CHECK("all there", b.len == 10 * 2 + 90 * 3 + 900 * 4 && !b.overflow);
	strbuf_consume(&b, 4);
	CHECK("consumed", str_starts(b.data, "2,3,"));
	strbuf_consume(&b, b.len);
	CHECK_STR("consumed all", strbuf_text(&b), "");
	strbuf_add(&b, "a\0b", 3);
	CHECK("bytes with a zero", b.len == 3 && memcmp(b.data, "a\0b", 4) == 0);
	strbuf_clear(&b);
	strbuf_puts(&b, "text");
	taken = strbuf_take(&b);
	CHECK_STR("taken", taken, "text");
	CHECK("empty after", b.len == 0 && !b.data);
	empty = strbuf_take(&b);
	CHECK_STR("taken from nothing", empty, "");
}

/* The ceiling is exact, whatever memory happens to be there, and what does not fit is left out
 * whole. */
static void test_strbuf_max(void **state)
{
	(void)state;
	for (size_t max = 1; max < 300; max++) {
		CLEANUP_STRBUF struct strbuf b = { .max = max };
		CLEANUP_STRBUF struct strbuf f = { .max = max };

		for (size_t i = 0; i < max; i++)
			strbuf_putc(&b, 'x');
		CHECK("at the ceiling", b.len == max && !b.overflow);
		strbuf_putc(&b, 'y');
		CHECK("above it", b.len == max && b.overflow && b.data[max] == 0);

		strbuf_fmt(&f, "%*s", (int)max, "x");
		CHECK("formatted up to it", f.len == max && !f.overflow);
		strbuf_clear(&f);
		strbuf_fmt(&f, "%*s", (int)max + 1, "x");
		CHECK("formatted above it", f.len == 0 && f.overflow);
		CHECK_STR("nothing written", strbuf_text(&f), "");
		strbuf_puts(&f, "");
		CHECK("sticks", f.overflow);
		strbuf_clear(&f);
		strbuf_putc(&f, 'z');
		CHECK("until it is cleared", !f.overflow && f.len == 1);
	}
}

static void test_strv(void **state)
{
	struct strv l = { 0 };

	(void)state;
	strv_split(&l, "a,,b", ',');
	CHECK("three", l.n == 3);
	CHECK_STR("first", l.v[0], "a");
	CHECK_STR("empty", l.v[1], "");
	CHECK_STR("last", l.v[2], "b");
	strv_fini(&l);
	strv_split(&l, "", ',');
	CHECK("one empty", l.n == 1 && l.v[0][0] == 0);
	strv_add_n(&l, "abcdef", 2);
	CHECK_STR("part", l.v[1], "ab");
	strv_fini(&l);
	strv_split(&l, "a,", ',');
	CHECK("empty at the end", l.n == 2 && l.v[1][0] == 0);
	strv_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),    cmocka_unit_test(test_u64),
		cmocka_unit_test(test_i64),        cmocka_unit_test(test_bool),
		cmocka_unit_test(test_copy),       cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_quote),      cmocka_unit_test(test_strbuf),
		cmocka_unit_test(test_strbuf_max), cmocka_unit_test(test_strv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
