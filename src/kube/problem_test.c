/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/test.h"
#include "base/time.h"
#include "kube/fake_pb.h"
#include "kube/request.h"

static void test_text_forms(void **state)
{
	static const struct {
		const char *name, *type, *body, *want;
		int64_t retry_s;
	} rows[] = {
		{ "JSON status", "application/json; charset=utf-8",
		  "{\"message\":\"no \\\"x\\\"\",\"reason\":\"Forbidden\"}",
		  "HTTP 403 \"no \\\"x\\\"\"", -1 },
		{ "JSON with retry", "application/json",
		  "{\"message\":\"m\",\"details\":{\"retryAfterSeconds\":7}}", "HTTP 403 \"m\"",
		  7 },
		{ "retry is bounded", "application/json",
		  "{\"message\":\"m\",\"details\":{\"retryAfterSeconds\":999999}}",
		  "HTTP 403 \"m\"", KUBE_RETRY_AFTER_MAX_S },
		{ "wrong types", "application/json", "{\"message\":1,\"reason\":[]}",
		  "HTTP 403 \"\"", -1 },
		{ "a proxy's page: its first line", "text/html", "<html>\n<body>",
		  "HTTP 403 \"<html>\"", -1 },
		{ "nothing", "", "", "HTTP 403 \"\"", -1 },
		{ "protobuf that is none", KUBE_TYPE_PROTOBUF, "k8s", "HTTP 403 \"k8s\"", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_problem p = { .code = 403, .retry_after_us = -1 };
		size_t len = strlen(rows[i].body);
		uint8_t *body = xmemdup(rows[i].body, len); /* no NUL behind it */
		char text[KUBE_PROBLEM_FMT_MAX];

		kube_problem_parse(&p, rows[i].type, body, len);
		CHECK_STR(rows[i].name, kube_problem_fmt(text, &p), rows[i].want);
		CHECK(rows[i].name,
		      p.retry_after_us == (rows[i].retry_s < 0 ? -1 : rows[i].retry_s * US_PER_S));
		free(body);
	}
}

static void test_status_and_bounds(void **state)
{
	CLEANUP_STRBUF struct strbuf st = STRBUF_INIT, body = STRBUF_INIT;
	struct kube_problem p = { .code = 500, .retry_after_us = -1 };
	char text[KUBE_PROBLEM_FMT_MAX];
	char *longer = xmalloc(5000);

	(void)state;
	memset(longer, 'm', 4999);
	longer[4999] = '\0';
	fake_status(&st, 410, "Expired", longer);
	fake_envelope(&body, "Status", &st);
	kube_problem_parse(&p, KUBE_TYPE_PROTOBUF, (const uint8_t *)body.data, body.len);
	CHECK("code", p.code == 410);
	CHECK_STR("reason", p.reason, "Expired");
	CHECK("cut", strlen(p.message) == sizeof(p.message) - 1);
	CHECK("fits", strlen(kube_problem_fmt(text, &p)) < sizeof(text));
	CHECK("another kind is no status",
	      (strbuf_clear(&body), fake_envelope(&body, "Node", &st),
	       kube_problem_from_status(&p, (const uint8_t *)body.data, body.len)) == -EBADMSG);
	free(longer);

	p = (struct kube_problem){ .err = -ETIMEDOUT };
	CHECK_STR("errno", kube_problem_fmt(text, &p), "\"Connection timed out\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_forms),
		cmocka_unit_test(test_status_and_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
