/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "kube/kind.h"
#include "kube/request.h"

static void text_cut(char *dst, size_t size, const char *src)
{
	size_t len = strnlen(src, size - 1);

	memcpy(dst, src, len);
	dst[len] = '\0';
}

static void retry_after_set(struct kube_problem *p, int64_t seconds)
{
	if (seconds > 0 && p->retry_after_us < 0)
		p->retry_after_us = MIN(seconds, (int64_t)KUBE_RETRY_AFTER_MAX_S) * US_PER_S;
}

int kube_problem_from_status(struct kube_problem *p, const uint8_t *data, size_t len)
{
	struct kube_envelope env;
	struct kube_status *s;
	struct pb_err err;
	size_t size;

	if (kube_envelope_parse(rd_init(data, len), &env) < 0 ||
	    !kube_text_is(env.kind, "Status") ||
	    pb_measure(&kube_status_type, env.raw, &size, &err) < 0)
		return -EBADMSG;
	s = xmalloc(size);
	pb_fill(&kube_status_type, env.raw, s, size);
	text_cut(p->reason, sizeof(p->reason), s->reason);
	text_cut(p->message, sizeof(p->message), s->message);
	retry_after_set(p, s->retry_after_s);
	if (s->code > 0 && s->code < 1000)
		p->code = s->code;
	free(s);
	return 0;
}

static bool from_json(struct kube_problem *p, const uint8_t *body, size_t len)
{
	struct json_err err;
	json_t *doc = json_doc_parse((const char *)body, len, &err), *v;

	if (!doc)
		return false;
	v = json_object_get(doc, "message");
	if (json_is_string(v))
		text_cut(p->message, sizeof(p->message), json_string_value(v));
	v = json_object_get(doc, "reason");
	if (json_is_string(v))
		text_cut(p->reason, sizeof(p->reason), json_string_value(v));
	v = json_object_get(json_object_get(doc, "details"), "retryAfterSeconds");
	if (json_is_integer(v))
		retry_after_set(p, json_integer_value(v));
	json_decref(doc);
	return true;
}

void kube_problem_parse(struct kube_problem *p, const char *content_type, const uint8_t *body,
			size_t len)
{
	size_t line;

	if (str_starts(content_type, KUBE_TYPE_PROTOBUF) &&
	    kube_problem_from_status(p, body, len) == 0)
		return;
	if (str_starts(content_type, "application/json") && from_json(p, body, len))
		return;
	/* a proxy, or an old server: its first line says more than nothing */
	for (line = 0; line < len && line < sizeof(p->message) - 1 && body[line] >= ' '; line++)
		p->message[line] = (char)body[line];
	p->message[line] = '\0';
}

const char *kube_problem_fmt(char buf[KUBE_PROBLEM_FMT_MAX], const struct kube_problem *p)
{
	char quoted[LOG_QUOTE_MAX];

	if (p->err < 0 && *p->message)
		(void)snprintf(buf, KUBE_PROBLEM_FMT_MAX, "%s", log_quote(quoted, p->message));
	else if (p->err < 0)
		(void)snprintf(buf, KUBE_PROBLEM_FMT_MAX, "\"%s\"", strerror(-p->err));
	else
		(void)snprintf(buf, KUBE_PROBLEM_FMT_MAX, "HTTP %d %s", p->code,
			       log_quote(quoted, p->message));
	return buf;
}
