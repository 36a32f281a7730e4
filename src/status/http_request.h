/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One HTTP/1 request, read piece by piece. Pure: bytes in, verdict out. The only file that knows
 * the parser library is http_request.c.
 */
#include <stddef.h>

#include "base/macro.h"

#define HTTP_REQUEST_MAX ((size_t)8192) /* bytes, with the body if there is one */
#define HTTP_TARGET_MAX  ((size_t)1024) /* bytes of the request target */

struct http_request;

struct http_request *http_request_new(void);
void http_request_free(struct http_request *r);
void http_request_reset(struct http_request *r); /* the next request of the connection */

enum http_request_state {
	HTTP_REQUEST_EMPTY, /* nothing came yet but blank lines */
	HTTP_REQUEST_PART,
	HTTP_REQUEST_COMPLETE,
	HTTP_REQUEST_BAD, /* to be answered with http_request_error(), then closed */
};

/*
 * Takes bytes up to the end of the request; *ret_used of them are done with. To be called until it
 * is complete or bad.
 */
enum http_request_state http_request_feed(struct http_request *r, const char *data, size_t len,
					  size_t *ret_used);
enum http_request_state http_request_state(const struct http_request *r);

/* Of a bad one: the status code to answer with. */
int http_request_error(const struct http_request *r);
/* Of a complete one: the path without its query, still escaped. */
const char *http_request_path(const struct http_request *r);
bool http_request_is_head(const struct http_request *r);
bool http_request_keeps_alive(const struct http_request *r);
bool http_request_is_1_0(const struct http_request *r);
