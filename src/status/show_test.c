/* SPDX-License-Identifier: Apache-2.0 */
#include "status/show.h"

#include "base/json.h"
#include "base/test.h"

static void fill(struct show *s)
{
	static const struct show_column columns[] = {
		{ "address", "PEER" }, { "routerID", NULL },   { "received", "RECEIVED" },
		{ "up", "UP" },        { "owners", "OWNERS" },
	};
	const char *const owners[] = { "node/a", "node/b" };

	show_begin(s);
	show_field_text(s, "node", "Node", "node1");
	show_field_uint(s, "asn", "AS number", 64512);
	show_field_text(s, "hidden", NULL, "only JSON");
	show_field_text(s, "error", "Error", NULL);
	show_list_begin(s, "peers", "BGP peers", columns, ARRAY_LEN(columns));
	show_row_begin(s);
	show_cell_text(s, "192.168.1.2");
	show_cell_text(s, "10.0.0.1");
	show_cell_uint(s, 12345);
	show_cell_bool(s, true);
	show_cell_texts(s, owners, ARRAY_LEN(owners));
	show_row_begin(s);
	show_cell_text(s, "fd00::1");
	show_cell_text(s, NULL);
	show_cell_uint(s, 0);
	show_cell_bool(s, false);
	show_cell_texts(s, NULL, 0);
	show_list_end(s);
	show_list_begin(s, "problems", NULL, columns, 1);
	show_list_end(s);
	show_field_bool(s, "synced", "Synced", false);
	show_end(s);
}

static void check_form(enum show_form form, const char *want)
{
	CLEANUP(show_free) struct show *s = show_new(form);
	const char *text;
	size_t len;

	fill(s);
	text = show_result(s, &len);
	CHECK_STR("result", text, want);
	CHECK("length", len == strlen(want));
	CHECK("fits", !show_is_too_long(s));
}

static void test_text(void **state)
{
	(void)state;
	check_form(SHOW_TEXT, "Node:       node1\n"
			      "AS number:  64512\n"
			      "Error:      -\n"
			      "\n"
			      "BGP peers:\n"
			      "PEER         RECEIVED  UP   OWNERS\n"
			      "192.168.1.2  12345     yes  node/a, node/b\n"
			      "fd00::1      0         no   -\n"
			      "\n"
			      "(none)\n"
			      "\n"
			      "Synced:  no\n");
}

static void test_json(void **state)
{
	(void)state;
	check_form(SHOW_JSON,
		   "{\n"
		   "  \"node\": \"node1\",\n"
		   "  \"asn\": 64512,\n"
		   "  \"hidden\": \"only JSON\",\n"
		   "  \"error\": null,\n"
		   "  \"peers\": [\n"
		   "    {\"address\": \"192.168.1.2\", \"routerID\": \"10.0.0.1\", "
		   "\"received\": 12345, \"up\": true, \"owners\": [\"node/a\", \"node/b\"]},\n"
		   "    {\"address\": \"fd00::1\", \"routerID\": null, \"received\": 0, "
		   "\"up\": false, \"owners\": []}\n"
		   "  ],\n"
		   "  \"problems\": [],\n"
		   "  \"synced\": false\n"
		   "}\n");
}

static void test_empty(void **state)
{
	(void)state;
	for (int form = SHOW_TEXT; form <= SHOW_JSON; form++) {
		CLEANUP(show_free) struct show *s = show_new((enum show_form)form);
		size_t len;

		show_begin(s);
		show_end(s);
		CHECK_STR("nothing", show_result(s, &len), form == SHOW_JSON ? "{}\n" : "");
	}
}

/* What a cluster object, a peer or a kernel error may hold must not reach a terminal as it is. */
static void test_hostile(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} rows[] = {
		{ "escape sequence", "a\x1b[2Jb", "a\\x1b[2Jb" },
		{ "newline", "a\nb", "a\\nb" },
		{ "DEL", "a\x7f", "a\\x7f" },
		{ "C1 control",
		  "a\xc2\x9b"
		  "2J",
		  "a\\x9b2J" },
		{ "no UTF-8",
		  "a\xff"
		  "b",
		  "a\\xffb" },
		{ "quotes and backslash stay", "--comment \"x\" \\", "--comment \"x\" \\" },
		{ "UTF-8 stays", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "empty", "", "-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(show_free) struct show *text = show_new(SHOW_TEXT);
		CLEANUP(show_free) struct show *json = show_new(SHOW_JSON);
		CLEANUP_STRBUF struct strbuf want = STRBUF_INIT;
		struct json_err err;
		const char *doc;
		size_t len;

		show_begin(text);
		show_field_text(text, "k", "K", rows[i].value);
		show_end(text);
		strbuf_fmt(&want, "K:  %s\n", rows[i].text);
		CHECK_STR(rows[i].name, show_result(text, &len), strbuf_text(&want));

		show_begin(json);
		show_field_text(json, "k", "K", rows[i].value);
		show_end(json);
		doc = show_result(json, &len);
		json_t *parsed = json_doc_parse(doc, len, &err);

		CHECK(rows[i].name, parsed != NULL);
		json_decref(parsed);
	}
}

/* Columns are as wide as characters, not bytes. */
static void test_width(void **state)
{
	static const struct show_column columns[] = { { "a", "A" }, { "b", "B" } };
	CLEANUP(show_free) struct show *s = show_new(SHOW_TEXT);
	size_t len;

	(void)state;
	show_begin(s);
	show_list_begin(s, "rows", NULL, columns, 2);
	show_row_begin(s);
	show_cell_text(s, "\xc3\xbc\xc3\xbc");
	show_cell_text(s, "x");
	show_row_begin(s);
	show_cell_text(s, "uuu");
	show_cell_text(s, "y");
	show_list_end(s);
	show_end(s);
	CHECK_STR("width", show_result(s, &len), "A    B\n\xc3\xbc\xc3\xbc   x\nuuu  y\n");
}

static void test_ceiling(void **state)
{
	static const struct show_column columns[] = { { "a", "A" } };
	char *big = test_malloc(1 << 20);

	(void)state;
	memset(big, 'x', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	for (int form = SHOW_TEXT; form <= SHOW_JSON; form++) {
		CLEANUP(show_free) struct show *s = show_new((enum show_form)form);

		show_begin(s);
		show_list_begin(s, "rows", NULL, columns, 1);
		for (size_t i = 0; i < (SHOW_RESULT_MAX >> 20) - 1; i++) {
			show_row_begin(s);
			show_cell_text(s, big);
		}
		CHECK("still fits", !show_is_too_long(s));
		for (size_t i = 0; i < 3; i++) {
			show_row_begin(s);
			show_cell_text(s, big);
		}
		show_list_end(s);
		show_end(s);
		CHECK("too long", show_is_too_long(s));
	}
	test_free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),  cmocka_unit_test(test_json),
		cmocka_unit_test(test_empty), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_width), cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
