/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One request of the control socket. Pure. */
#include "base/str.h"
#include "status/show.h"

#define CONTROL_REQUEST_MAX ((size_t)4096)
#define CONTROL_ARGS_MAX    8

struct control_request {
	char *command;
	struct strv args;
	enum show_form form;
};

/*
 * One line without its newline; keys that are not known are ignored. 0, or -EINVAL with *ret_why, a
 * text to free.
 */
int control_request_parse(const char *line, size_t len, struct control_request *ret,
			  char **ret_why);
void control_request_fini(struct control_request *r);
