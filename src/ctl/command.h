/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Commands and their arguments. Pure: nothing is printed and nobody asked.
 */
#include "base/str.h"

struct ctl_command {
	const char *name;
	const char *args; /* as in the usage: "[NAME]", or "" */
	const char *help; /* one line */
	const char *more; /* what -h says below it, lines ended by newlines; may be "" */
	size_t n_args_min, n_args_max;
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_commands_len;

const struct ctl_command *ctl_command_find(const char *name); /* NULL: none */

#define CTL_ARGS_MAX 8 /* what the agent takes */

struct ctl_request {
	const struct ctl_command *command;
	const char *args[CTL_ARGS_MAX]; /* borrowed from argv */
	size_t n_args;
	bool json;
	bool help; /* -h was given; then nothing else is checked */
};

/*
 * argv[1] is the command. Options may come before and after arguments; -- ends them. 0, or -EINVAL
 * with one line in *ret_why, a text to free.
 */
int ctl_request_parse(int argc, const char *const *argv, struct ctl_request *ret, char **ret_why);

/* "usage: kube-router table [NAME] [-o text|json]" */
void ctl_usage(const struct ctl_command *c, struct strbuf *out);
void ctl_help(const struct ctl_command *c, struct strbuf *out);

/* The line that is sent, with its newline. */
void ctl_request_encode(const struct ctl_request *r, struct strbuf *out);
