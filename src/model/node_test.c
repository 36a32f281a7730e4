/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include "base/test.h"

static void test_kv_get(void **state)
{
	static const struct kv v[] = {
		{ "a", "1" }, { "ab", "2" }, { "", "no name" }, { "empty", "" }, { "a", "second" },
	};
	static const struct {
		const char *name, *key, *want; /* want NULL: not there */
		size_t n;
	} rows[] = {
		{ "first of two counts", "a", "1", 5 },     { "longer key", "ab", "2", 5 },
		{ "prefix is no match", "emp", NULL, 5 },   { "case matters", "A", NULL, 5 },
		{ "empty value is there", "empty", "", 5 }, { "empty key", "", "no name", 5 },
		{ "beyond the end", "ab", NULL, 1 },        { "none at all", "a", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = kv_get(v, rows[i].n, rows[i].key);

		if (rows[i].want) {
			CHECK(rows[i].name, got);
			CHECK_STR(rows[i].name, got, rows[i].want);
		} else {
			CHECK(rows[i].name, !got);
		}
	}
	CHECK("no array", !kv_get(NULL, 0, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kv_get) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
