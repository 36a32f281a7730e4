/* SPDX-License-Identifier: Apache-2.0 */
#include "status/control_request.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

static void test_good(void **state)
{
	static const struct {
		const char *name, *line, *command;
		size_t n_args;
		enum show_form form;
	} rows[] = {
		{ "command alone", "{\"cmd\":\"status\"}", "status", 0, SHOW_TEXT },
		{ "arguments", "{\"cmd\":\"table\",\"args\":[\"a\",\"\"]}", "table", 2, SHOW_TEXT },
		{ "text", "{\"cmd\":\"x\",\"output\":\"text\"}", "x", 0, SHOW_TEXT },
		{ "JSON", "{\"cmd\":\"x\",\"args\":[],\"output\":\"json\"}", "x", 0, SHOW_JSON },
		{ "unknown keys", "{\"cmd\":\"x\",\"later\":{}}", "x", 0, SHOW_TEXT },
		{ "most arguments",
		  "{\"cmd\":\"x\",\"args\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}", "x",
		  CONTROL_ARGS_MAX, SHOW_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct control_request r;
		char *why = NULL;

		CHECK(rows[i].name,
		      control_request_parse(rows[i].line, strlen(rows[i].line), &r, &why) == 0);
		CHECK_STR(rows[i].name, r.command, rows[i].command);
		CHECK(rows[i].name, r.args.n == rows[i].n_args);
		CHECK(rows[i].name, r.form == rows[i].form);
		control_request_fini(&r);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *name, *line, *why;
	} rows[] = {
		{ "empty", "", "the request is not JSON" },
		{ "no JSON", "status", "the request is not JSON" },
		{ "not an object", "[]", "the request has no \"cmd\"" },
		{ "no command", "{}", "the request has no \"cmd\"" },
		{ "empty command", "{\"cmd\":\"\"}", "the request has no \"cmd\"" },
		{ "command no text", "{\"cmd\":1}", "the request has no \"cmd\"" },
		{ "arguments no list", "{\"cmd\":\"x\",\"args\":{}}",
		  "\"args\" is not a list of at most 8 texts" },
		{ "too many arguments",
		  "{\"cmd\":\"x\",\"args\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
		  "\"args\" is not a list of at most 8 texts" },
		{ "argument no text", "{\"cmd\":\"x\",\"args\":[\"a\",null]}",
		  "\"args\"[1] is not a text" },
		{ "argument with NUL", "{\"cmd\":\"x\",\"args\":[\"a\\u0000\"]}",
		  "the request is not JSON" },
		{ "unknown output", "{\"cmd\":\"x\",\"output\":\"xml\"}",
		  "\"output\" is neither \"text\" nor \"json\"" },
		{ "output no text", "{\"cmd\":\"x\",\"output\":1}",
		  "\"output\" is neither \"text\" nor \"json\"" },
		{ "two commands", "{\"cmd\":\"x\",\"cmd\":\"y\"}", "the request is not JSON" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct control_request r;
		CLEANUP_FREE char *why = NULL;

		CHECK(rows[i].name, control_request_parse(rows[i].line, strlen(rows[i].line), &r,
							  &why) == -EINVAL);
		CHECK(rows[i].name, str_starts(why, rows[i].why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
