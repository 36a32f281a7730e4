/* SPDX-License-Identifier: Apache-2.0 */
#include "status/control_request.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

static int parse_args(const json_t *args, struct strv *out, char **ret_why)
{
	if (!args)
		return 0;
	if (!json_is_array(args) || json_array_size(args) > CONTROL_ARGS_MAX) {
		*ret_why =
			xasprintf("\"args\" is not a list of at most %d texts", CONTROL_ARGS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(args); i++) {
		const char *text = json_string_value(json_array_get(args, i));

		if (!text) {
			*ret_why = xasprintf("\"args\"[%zu] is not a text", i);
			return -EINVAL;
		}
		strv_add(out, text);
	}
	return 0;
}

static int parse_output(const json_t *output, enum show_form *ret, char **ret_why)
{
	const char *text = json_string_value(output);

	if (!output || str_eq(text, "text")) {
		*ret = SHOW_TEXT;
		return 0;
	}
	if (str_eq(text, "json")) {
		*ret = SHOW_JSON;
		return 0;
	}
	*ret_why = xstrdup("\"output\" is neither \"text\" nor \"json\"");
	return -EINVAL;
}

int control_request_parse(const char *line, size_t len, struct control_request *ret, char **ret_why)
{
	struct control_request r = { 0 };
	struct json_err err;
	CLEANUP(json_decref) json_t *doc = json_doc_parse(line, len, &err);
	const char *command;
	int e;

	if (!doc) {
		*ret_why = xasprintf("the request is not JSON: %s", err.what);
		return -EINVAL;
	}
	command = json_string_value(json_object_get(doc, "cmd"));
	if (str_is_empty(command)) {
		*ret_why = xstrdup("the request has no \"cmd\"");
		return -EINVAL;
	}
	e = parse_args(json_object_get(doc, "args"), &r.args, ret_why);
	if (e == 0)
		e = parse_output(json_object_get(doc, "output"), &r.form, ret_why);
	if (e < 0) {
		control_request_fini(&r);
		return e;
	}
	r.command = xstrdup(command);
	*ret = r;
	return 0;
}

void control_request_fini(struct control_request *r)
{
	free(r->command);
	strv_fini(&r->args);
	*r = (struct control_request){ 0 };
}
