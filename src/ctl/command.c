/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

const struct ctl_command ctl_commands[] = {
	{
		.name = "status",
		.args = "",
		.help = "Shows how this node is doing: API server, BGP peers, tables, problems.",
		.more = "",
	},
	{
		.name = "table",
		.args = "[NAME]",
		.help = "Shows what is wanted and present, row by row; without a name, the tables.",
		.more = "A row is something in the kernel or in BGP, with those who want it, its "
			"state\n"
			"(ok, pending, failed, unwanted) and the last error.\n",
		.n_args_max = 1,
	},
};
const size_t ctl_commands_len = ARRAY_LEN(ctl_commands);

const struct ctl_command *ctl_command_find(const char *name)
{
	for (size_t i = 0; i < ctl_commands_len; i++) {
		if (str_eq(ctl_commands[i].name, name))
			return &ctl_commands[i];
	}
	return NULL;
}

static int parse_form(const char *text, struct ctl_request *r, char **ret_why)
{
	if (!text) {
		*ret_why = xstrdup("-o needs a value: text or json");
		return -EINVAL;
	}
	if (!str_eq(text, "json") && !str_eq(text, "text")) {
		*ret_why = xasprintf("unknown output \"%s\": there are text and json", text);
		return -EINVAL;
	}
	r->json = str_eq(text, "json");
	return 0;
}

/* One option at argv[*i], which moves past its value. */
static int parse_option(int argc, const char *const *argv, int *i, struct ctl_request *r,
			char **ret_why)
{
	const char *arg = argv[*i];

	if (str_eq(arg, "-o") || str_eq(arg, "--output")) {
		if (*i + 1 >= argc)
			return parse_form(NULL, r, ret_why);
		*i += 1;
		return parse_form(argv[*i], r, ret_why);
	}
	if (str_starts(arg, "--output="))
		return parse_form(strchr(arg, '=') + 1, r, ret_why);
	if (str_starts(arg, "-o"))
		return parse_form(arg[2] == '=' ? arg + 3 : arg + 2, r, ret_why);
	*ret_why = xasprintf("unknown option %s", arg);
	return -EINVAL;
}

static int add_arg(struct ctl_request *r, const char *arg, char **ret_why)
{
	const struct ctl_command *c = r->command;

	if (r->n_args < c->n_args_max) {
		r->args[r->n_args++] = arg;
		return 0;
	}
	if (c->n_args_max == 0)
		*ret_why = xasprintf("%s takes no arguments", c->name);
	else
		*ret_why = xasprintf("too many arguments: %s", arg);
	return -EINVAL;
}

static bool asks_for_help(int argc, const char *const *argv)
{
	for (int i = 2; i < argc && !str_eq(argv[i], "--"); i++) {
		if (str_eq(argv[i], "-h") || str_eq(argv[i], "--help"))
			return true;
	}
	return false;
}

int ctl_request_parse(int argc, const char *const *argv, struct ctl_request *ret, char **ret_why)
{
	struct ctl_request r = { 0 };
	bool options_ended = false;
	int e = 0;

	r.command = argc > 1 ? ctl_command_find(argv[1]) : NULL;
	if (!r.command) {
		*ret_why = xasprintf("unknown command \"%s\"", argc > 1 ? argv[1] : "");
		return -EINVAL;
	}
	r.help = asks_for_help(argc, argv);
	for (int i = 2; i < argc && e == 0 && !r.help; i++) {
		bool is_option = !options_ended && argv[i][0] == '-' && argv[i][1];

		if (is_option && str_eq(argv[i], "--"))
			options_ended = true;
		else if (is_option)
			e = parse_option(argc, argv, &i, &r, ret_why);
		else
			e = add_arg(&r, argv[i], ret_why);
	}
	if (e < 0)
		return e;
	if (!r.help && r.n_args < r.command->n_args_min) {
		*ret_why = xasprintf("%s needs an argument: %s", r.command->name, r.command->args);
		return -EINVAL;
	}
	*ret = r;
	return 0;
}

void ctl_usage(const struct ctl_command *c, struct strbuf *out)
{
	strbuf_fmt(out, "usage: kube-router %s%s%s [-o text|json]\n", c->name, *c->args ? " " : "",
		   c->args);
}

void ctl_help(const struct ctl_command *c, struct strbuf *out)
{
	ctl_usage(c, out);
	strbuf_fmt(out, "%s\n%s", c->help, c->more);
}

void ctl_request_encode(const struct ctl_request *r, struct strbuf *out)
{
	strbuf_puts(out, "{\"cmd\":");
	json_text_write(out, r->command->name);
	strbuf_puts(out, ",\"args\":[");
	for (size_t i = 0; i < r->n_args; i++) {
		strbuf_puts(out, i ? "," : "");
		json_text_write(out, r->args[i]);
	}
	strbuf_fmt(out, "],\"output\":\"%s\"}\n", r->json ? "json" : "text");
}
