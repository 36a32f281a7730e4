/* SPDX-License-Identifier: Apache-2.0 */
/* However the bytes are cut into pieces, the verdicts on the requests in them are the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "status/http_request.h"

#define REQUESTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verdict_add(const struct http_request *r, struct strbuf *out)
{
	if (http_request_state(r) == HTTP_REQUEST_BAD) {
		/* which of two faults is met first depends on the pieces */
		assert(http_request_error(r) >= 400);
		strbuf_puts(out, "bad\n");
		return;
	}
	assert(strlen(http_request_path(r)) <= HTTP_TARGET_MAX);
	strbuf_fmt(out, "%s %d %d %d\n", http_request_path(r), http_request_is_head(r),
		   http_request_keeps_alive(r), http_request_is_1_0(r));
}

static void run(const uint8_t *data, size_t size, size_t piece, struct strbuf *out)
{
	struct http_request *r = http_request_new();
	size_t at = 0, n_requests = 0;

	while (at < size && n_requests < REQUESTS_MAX) {
		size_t n = MIN(piece, size - at), used;
		CLEANUP_FREE char *copy = xmemdup(data + at, n);
		enum http_request_state st = http_request_feed(r, copy, n, &used);

		assert(used <= n);
		at += used;
		if (st == HTTP_REQUEST_EMPTY || st == HTTP_REQUEST_PART) {
			assert(used > 0); /* else the server would turn for ever */
			continue;
		}
		verdict_add(r, out);
		if (st == HTTP_REQUEST_BAD)
			break;
		n_requests++;
		http_request_reset(r);
	}
	http_request_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_STRBUF struct strbuf whole = STRBUF_INIT, bytes = STRBUF_INIT, some = STRBUF_INIT;

	run(data, size, 2048, &whole);
	run(data, size, 1, &bytes);
	run(data, size, 13, &some);
	assert(strcmp(strbuf_text(&whole), strbuf_text(&bytes)) == 0);
	assert(strcmp(strbuf_text(&whole), strbuf_text(&some)) == 0);
	return 0;
}
