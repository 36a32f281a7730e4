/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/test.h"

static void test_write_go(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{}", "{}" },
		{ "[ ]", "[]" },
		{ "{\"b\":1,\"a\":[true,false,null],\"B\":{\"z\":\"\"}}",
		  "{\"b\":1,\"a\":[true,false,null],\"B\":{\"z\":\"\"}}" },
		{ "[\"<a href='x'>&</a>\"]",
		  "[\"\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e\"]" },
		{ "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\"]",
		  "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\"]" },
		{ "[\"\\u2028\\u2029\xc3\xa4\"]", "[\"\\u2028\\u2029\xc3\xa4\"]" },
		{ "[9007199254740993,-9223372036854775808]",
		  "[9007199254740993,-9223372036854775808]" },
		{ "[1.0,0.1,-2.50,100.0,1e2]", "[1,0.1,-2.5,100,100]" },
		{ "[1e20,1e21,1.5e300,123456789012345680000.0]",
		  "[100000000000000000000,1e+21,1.5e+300,123456789012345680000]" },
		{ "[0.000001,0.0000001,1.25e-9,1.25e-10]", "[0.000001,1e-7,1.25e-9,1.25e-10]" },
		{ "[0.0,-0.0,0.30000000000000004,5e-324]", "[0,-0,0.30000000000000004,5e-324]" },
		{ "\"text\"", "\"text\"" },
		{ "7", "7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
		struct json_err err;
		CLEANUP(json_decref)
		json_t *doc = json_doc_parse(rows[i].text, strlen(rows[i].text), &err);

		CHECK(rows[i].text, doc != NULL);
		json_doc_write_go(&b, doc);
		CHECK_STR(rows[i].text, strbuf_text(&b), rows[i].want);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *text;
		size_t offset;
		const char *what; /* part of the message */
	} rows[] = {
		{ "empty", "", 0, "" },
		{ "duplicate key", "{\"a\":1,\"a\":2}", 10, "duplicate" },
		{ "trailing bytes", "{} x", 4, "end of file" },
		{ "two documents", "{}{}", 3, "end of file" },
		{ "open", "{\"a\":", 5, "" },
		{ "not UTF-8", "[\"\xff\"]", 2, "decode" },
		{ "zero character", "[\"\\u0000\"]", 9, "" },
		{ "comment", "/* */ {}", 1, "" },
		{ "comma at the end", "[1,]", 4, "" },
		{ "single quotes", "{'a':1}", 2, "" },
		{ "too large a number", "[99999999999999999999]", 21, "too big" },
		{ "not a number", "[NaN]", 4, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_err err = { 0 };

		CHECK(rows[i].name,
		      json_doc_parse(rows[i].text, strlen(rows[i].text), &err) == NULL);
		CHECK(rows[i].name, err.what[0] != 0 && strstr(err.what, rows[i].what));
		CHECK(rows[i].name, err.offset == rows[i].offset);
	}
}

static void test_ceilings(void **state)
{
	struct json_err err = { 0 };
	char *text = xmalloc(JSON_DOC_MAX + 1);
	json_t *doc;

	(void)state;
	memset(text, ' ', JSON_DOC_MAX + 1);
	memcpy(text, "[1]", 3);
	doc = json_doc_parse(text, JSON_DOC_MAX, &err);
	CHECK("largest", doc != NULL);
	json_decref(doc);
	CHECK("too large", !json_doc_parse(text, JSON_DOC_MAX + 1, &err));
	CHECK("says so", strstr(err.what, "larger than") != NULL);

	memset(text, '[', 2048);
	memset(text + 2048, ']', 2048);
	doc = json_doc_parse(text, 4096, &err);
	CHECK("deepest", doc != NULL);
	if (doc) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

		json_doc_write_go(&b, doc);
		CHECK("written", b.len == 4096);
		json_decref(doc);
	}
	memset(text, '[', 2049);
	memset(text + 2049, ']', 2049);
	CHECK("too deep", !json_doc_parse(text, 4098, &err));
	CHECK("says so", strstr(err.what, "depth") != NULL);
	free(text);
}

static void test_text(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "\"\"" },
		{ "a<b", "\"a<b\"" },
		{ "a\"\\\n", "\"a\\\"\\\\\\n\"" },
		{ "\xff\xc3\xa4\xe2\x82", "\"\\ufffd\xc3\xa4\\ufffd\\ufffd\"" },
		{ "\x1b[0m", "\"\\u001b[0m\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

		json_text_write(&b, rows[i].text);
		CHECK_STR(rows[i].want, strbuf_text(&b), rows[i].want);
	}
}

/* Only the one object; what it holds keeps its order and its identity. */
static void test_sort_keys(void **state)
{
	static const char text[] = "{\"b\":1,\"a\":{\"d\":2,\"c\":3},\"\":null}";
	struct json_err err;
	CLEANUP(json_decref) json_t *doc = json_doc_parse(text, sizeof(text) - 1, &err);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	(void)state;
	CHECK("parsed", doc);
	json_object_sort_keys(doc);
	json_object_sort_keys(doc);
	json_doc_write_go(&out, doc);
	CHECK_STR("sorted", strbuf_text(&out), "{\"\":null,\"a\":{\"d\":2,\"c\":3},\"b\":1}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_go), cmocka_unit_test(test_sort_keys),
		cmocka_unit_test(test_refused),  cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
