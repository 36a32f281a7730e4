/* SPDX-License-Identifier: Apache-2.0 */
#include "status/http_request.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

#define BAD(code) 0, (code), NULL, false

static const struct {
	const char *name, *text;
	size_t left; /* bytes that belong to the next request */
	int error;   /* 0: complete */
	const char *path;
	bool keeps_alive;
} rows[] = {
	{ "plain", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0, "/healthz", true },
	{ "lines ended by LF alone", "GET / HTTP/1.1\nHost: x\n\n", 0, 0, "/", true },
	{ "blank lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0, "/", true },
	{ "query", "GET /metrics?a=b/c HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0, "/metrics", true },
	{ "absolute form", "GET http://h:1/healthz?x HTTP/1.1\r\nHost: h\r\n\r\n", 0, 0, "/healthz",
	  true },
	{ "absolute form without path", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 0, 0, "/",
	  true },
	{ "asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0, 0, "*", true },
	{ "connect", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 0, 0, "h:1", false },
	{ "close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0, 0, "/", false },
	{ "1.0", "GET / HTTP/1.0\r\n\r\n", 0, 0, "/", false },
	{ "1.0 that stays", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, 0, "/", true },
	{ "body", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 0, 0,
	  "/healthz", true },
	{ "chunked body",
	  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	  0, 0, "/", true },
	{ "pipelined", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b", 6, 0, "/a", true },
	{ "pipelined behind a body",
	  "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naGET /b", 6, 0, "/a", true },
	{ "upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
	  3, 0, "/", false },
	{ "empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, 0, "/", true },
	{ "host in capitals", "GET / HTTP/1.1\r\nA: b\r\nHOST: x\r\nHostile: y\r\n\r\n", 0, 0, "/",
	  true },
	{ "no host", "GET / HTTP/1.1\r\nHostx: y\r\n\r\n", BAD(400) },
	{ "two hosts", "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", BAD(400) },
	{ "no HTTP", "\x16\x03\x01 hello", BAD(400) },
	{ "unknown method", "FETCH / HTTP/1.1\r\n", BAD(400) },
	{ "0.9", "GET /\r\n\r\n", BAD(505) },
	{ "HTTP/2", "PRI * HTTP/2.0\r\n\r\n", BAD(400) },
	{ "HTTP/3", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", BAD(505) },
	{ "length and chunked",
	  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	  BAD(400) },
	{ "bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", BAD(400) },
};

/* Feeds len bytes in pieces; the bytes not used are in *ret_left. */
static enum http_request_state feed(struct http_request *r, const char *text, size_t len,
				    size_t piece, size_t *ret_left)
{
	enum http_request_state st = http_request_state(r);
	size_t at = 0;

	while (at < len && (st == HTTP_REQUEST_EMPTY || st == HTTP_REQUEST_PART)) {
		size_t n = MIN(piece, len - at), used;
		/* a copy of its own, so that the sanitizer sees a read past it */
		CLEANUP_FREE char *copy = xmemdup(text + at, n);

		st = http_request_feed(r, copy, n, &used);
		CHECK("progress", used <= n);
		at += used;
	}
	*ret_left = len - at;
	return st;
}

static void test_rows(void **state)
{
	static const size_t pieces[] = { 1, 2, 7, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(pieces); i++) {
		const char *name = rows[i / ARRAY_LEN(pieces)].name;
		const char *text = rows[i / ARRAY_LEN(pieces)].text;
		const char *path = rows[i / ARRAY_LEN(pieces)].path;
		struct http_request *r = http_request_new();
		size_t left;
		enum http_request_state st =
			feed(r, text, strlen(text), pieces[i % ARRAY_LEN(pieces)], &left);

		if (path) {
			CHECK(name, st == HTTP_REQUEST_COMPLETE);
			CHECK(name, left == rows[i / ARRAY_LEN(pieces)].left);
			CHECK_STR(name, http_request_path(r), path);
			CHECK(name, http_request_keeps_alive(r) ==
					    rows[i / ARRAY_LEN(pieces)].keeps_alive);
		} else {
			CHECK(name, st == HTTP_REQUEST_BAD);
			CHECK(name, http_request_error(r) == rows[i / ARRAY_LEN(pieces)].error);
		}
		http_request_free(r);
	}
}

static void test_states(void **state)
{
	static const char text[] = "GET / HTTP/1.0\r\n\r\nHEAD /x HTTP/1.1\r\nhost: a\r\n\r\n";
	struct http_request *r = http_request_new();
	size_t used;

	(void)state;
	CHECK("nothing", http_request_feed(r, "", 0, &used) == HTTP_REQUEST_EMPTY);
	CHECK("blank", http_request_feed(r, "\r\n", 2, &used) == HTTP_REQUEST_EMPTY && used == 2);
	CHECK("begun", http_request_feed(r, text, 1, &used) == HTTP_REQUEST_PART && used == 1);
	CHECK("whole",
	      http_request_feed(r, text + 1, strlen(text) - 1, &used) == HTTP_REQUEST_COMPLETE);
	CHECK("1.0", http_request_is_1_0(r) && !http_request_is_head(r));
	http_request_reset(r);
	CHECK("next", http_request_feed(r, text + 1 + used, strlen(text) - 1 - used, &used) ==
			      HTTP_REQUEST_COMPLETE);
	CHECK("1.1", !http_request_is_1_0(r) && http_request_is_head(r));
	CHECK_STR("path", http_request_path(r), "/x");
	http_request_free(r);
}

/* A request of exactly size bytes: its target has target_len, a header value the rest. */
static char *sized_request(size_t size, size_t target_len)
{
	static const char before[] = " HTTP/1.1\r\nHost: x\r\nX: ";
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	strbuf_puts(&out, "GET /");
	while (out.len < 4 + target_len)
		strbuf_putc(&out, 'a');
	strbuf_puts(&out, before);
	while (out.len < size - 4)
		strbuf_putc(&out, 'x');
	strbuf_puts(&out, "\r\n\r\n");
	return strbuf_take(&out);
}

static void test_ceilings(void **state)
{
	static const struct {
		const char *name;
		size_t size, target_len;
		int error;
	} sizes[] = {
		{ "longest target", 4000, HTTP_TARGET_MAX, 0 },
		{ "longer target", 4000, HTTP_TARGET_MAX + 1, 414 },
		{ "longest request", HTTP_REQUEST_MAX, 10, 0 },
		{ "longer request", HTTP_REQUEST_MAX + 1, 10, 431 },
		{ "far longer request", 10 * HTTP_REQUEST_MAX, 10, 431 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct http_request *r = http_request_new();
		CLEANUP_FREE char *text = sized_request(sizes[i].size, sizes[i].target_len);
		size_t left;
		enum http_request_state st = feed(r, text, strlen(text), 1000, &left);

		CHECK(sizes[i].name,
		      st == (sizes[i].error ? HTTP_REQUEST_BAD : HTTP_REQUEST_COMPLETE));
		CHECK(sizes[i].name, http_request_error(r) == sizes[i].error);
		http_request_free(r);
	}
}

/* The body counts, too: nobody reads for ever. */
static void test_long_body(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
	struct http_request *r = http_request_new();
	char body[4096];
	size_t left;

	(void)state;
	memset(body, 'b', sizeof(body));
	CHECK("head", feed(r, head, strlen(head), 100, &left) == HTTP_REQUEST_PART);
	CHECK("4 KiB", feed(r, body, sizeof(body), 100, &left) == HTTP_REQUEST_PART);
	CHECK("8 KiB", feed(r, body, sizeof(body), 100, &left) == HTTP_REQUEST_BAD);
	CHECK("code", http_request_error(r) == 431);
	http_request_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_long_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
