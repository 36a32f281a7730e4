/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"
#include "ctl/ctl.h"

#define ARGV_MAX 8

static const char *man_path;

static size_t argv_count(const char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	return n;
}

static void test_good(void **state)
{
	static const struct {
		const char *name;
		const char *argv[ARGV_MAX];
		const char *line;
	} rows[] = {
		{ "alone",
		  { "kube-router", "status" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"text\"}\n" },
		{ "option behind",
		  { "kube-router", "status", "-o", "json" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"json\"}\n" },
		{ "option glued",
		  { "kube-router", "status", "-ojson" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"json\"}\n" },
		{ "option with =",
		  { "kube-router", "status", "-o=json" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"json\"}\n" },
		{ "long option",
		  { "kube-router", "status", "--output=json" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"json\"}\n" },
		{ "long option, value behind",
		  { "kube-router", "status", "--output", "json" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"json\"}\n" },
		{ "the last one wins",
		  { "kube-router", "status", "-o", "json", "-o", "text" },
		  "{\"cmd\":\"status\",\"args\":[],\"output\":\"text\"}\n" },
		{ "argument",
		  { "kube-router", "table", "routes" },
		  "{\"cmd\":\"table\",\"args\":[\"routes\"],\"output\":\"text\"}\n" },
		{ "option before the argument",
		  { "kube-router", "table", "-o", "json", "routes" },
		  "{\"cmd\":\"table\",\"args\":[\"routes\"],\"output\":\"json\"}\n" },
		{ "argument like an option",
		  { "kube-router", "table", "--", "-o" },
		  "{\"cmd\":\"table\",\"args\":[\"-o\"],\"output\":\"text\"}\n" },
		{ "a dash is an argument",
		  { "kube-router", "table", "-" },
		  "{\"cmd\":\"table\",\"args\":[\"-\"],\"output\":\"text\"}\n" },
		{ "escaped",
		  { "kube-router", "table", "a\"\n" },
		  "{\"cmd\":\"table\",\"args\":[\"a\\\"\\n\"],\"output\":\"text\"}\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
		struct ctl_request r;
		char *why = NULL;

		CHECK(rows[i].name, ctl_request_parse((int)argv_count(rows[i].argv), rows[i].argv,
						      &r, &why) == 0);
		ctl_request_encode(&r, &line);
		CHECK_STR(rows[i].name, strbuf_text(&line), rows[i].line);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *name;
		const char *argv[ARGV_MAX];
		const char *why;
	} rows[] = {
		{ "nothing", { "kube-router" }, "unknown command \"\"" },
		{ "unknown command", { "kube-router", "tabel" }, "unknown command \"tabel\"" },
		{ "unknown option", { "kube-router", "status", "-x" }, "unknown option -x" },
		{ "unknown long option",
		  { "kube-router", "status", "--out=json" },
		  "unknown option --out=json" },
		{ "no value", { "kube-router", "status", "-o" }, "-o needs a value: text or json" },
		{ "unknown output",
		  { "kube-router", "status", "-o", "xml" },
		  "unknown output \"xml\": there are text and json" },
		{ "arguments to a command without",
		  { "kube-router", "status", "x" },
		  "status takes no arguments" },
		{ "too many arguments",
		  { "kube-router", "table", "a", "b" },
		  "too many arguments: b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *why = NULL;
		struct ctl_request r;

		CHECK(rows[i].name, ctl_request_parse((int)argv_count(rows[i].argv), rows[i].argv,
						      &r, &why) == -EINVAL);
		CHECK_STR(rows[i].name, why, rows[i].why);
	}
}

static void test_help(void **state)
{
	const char *const argv[] = { "kube-router", "status", "too", "many", "-h", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct ctl_request r;
	char *why = NULL;

	(void)state;
	CHECK("help wins", ctl_request_parse(5, argv, &r, &why) == 0 && r.help);
	ctl_help(r.command, &text);
	CHECK("usage first",
	      str_starts(strbuf_text(&text), "usage: kube-router status [-o text|json]\n"));
	CHECK("help", strstr(strbuf_text(&text), r.command->help));
	strbuf_clear(&text);
	ctl_usage(ctl_command_find("table"), &text);
	CHECK_STR("with arguments", strbuf_text(&text),
		  "usage: kube-router table [NAME] [-o text|json]\n");
}

static void test_is_command(void **state)
{
	(void)state;
	CHECK("status", ctl_is_command("status"));
	CHECK("table", ctl_is_command("table"));
	CHECK("flag", !ctl_is_command("--help"));
	CHECK("part", !ctl_is_command("stat"));
	CHECK("empty", !ctl_is_command(""));
}

/* Each command stands in the manual, with its arguments and its line of help. */
static void test_manual(void **state)
{
	CLEANUP_STRBUF struct strbuf man = STRBUF_INIT;
	FILE *f = man_path ? fopen(man_path, "re") : NULL;
	char buf[4096];
	size_t n;

	(void)state;
	if (!man_path)
		skip();
	CHECK(man_path, f != NULL);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(&man, buf, n);
	(void)fclose(f);
	for (size_t i = 0; i < ctl_commands_len; i++) {
		const struct ctl_command *c = &ctl_commands[i];
		CLEANUP_STRBUF struct strbuf entry = STRBUF_INIT;

		strbuf_fmt(&entry, "\n.It Cm %s", c->name);
		if (str_eq(c->args, "[NAME]"))
			strbuf_puts(&entry, " Op Ar name");
		strbuf_fmt(&entry, "\n%s\n", c->help);
		CHECK(c->name, strstr(strbuf_text(&man), strbuf_text(&entry)));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
		cmocka_unit_test(test_help),   cmocka_unit_test(test_is_command),
		cmocka_unit_test(test_manual),
	};

	man_path = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
