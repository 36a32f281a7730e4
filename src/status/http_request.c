/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Around the parser library: it calls back for pieces of the target and of header names, which may
 * be cut anywhere. What we want of them is the path, and whether there is one Host (RFC 9112 3.2).
 * A body is read over and counts as part of the request.
 */
#include "status/http_request.h"

#include <assert.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct http_request {
	http_parser parser;
	enum http_request_state state;
	int error; /* status code */
	size_t n_bytes;
	char target[HTTP_TARGET_MAX + 1]; /* then only its path */
	size_t target_len;
	char field[8]; /* the start of the header name that is coming in */
	size_t field_len;
	bool in_value;
	unsigned n_hosts;
};

static int fail_with(struct http_request *r, int status)
{
	r->error = status;
	return 1; /* anything but 0 stops the parser */
}

static int on_target(http_parser *parser, const char *data, size_t len)
{
	struct http_request *r = parser->data;

	if (len > HTTP_TARGET_MAX - r->target_len)
		return fail_with(r, 414);
	memcpy(r->target + r->target_len, data, len);
	r->target_len += len;
	return 0;
}

static int on_field(http_parser *parser, const char *data, size_t len)
{
	struct http_request *r = parser->data;

	if (r->in_value)
		r->field_len = 0;
	r->in_value = false;
	for (size_t i = 0; i < len && r->field_len < sizeof(r->field) - 1; i++)
		r->field[r->field_len++] = data[i];
	r->field[r->field_len] = '\0';
	return 0;
}

/* Comes at least once for each header, with no bytes if the value is empty. */
static int on_value(http_parser *parser, const char *data, size_t len)
{
	struct http_request *r = parser->data;

	(void)data;
	(void)len;
	if (!r->in_value && str_eq_nocase(r->field, "host"))
		r->n_hosts++;
	r->in_value = true;
	return 0;
}

/* Leaves in target the path alone. A target such as * or host:port is a path that no route has. */
static int cut_target(struct http_request *r)
{
	struct http_parser_url u;
	size_t len;

	r->target[r->target_len] = '\0';
	if (r->target[0] != '/' && !strstr(r->target, "://"))
		return 0;
	http_parser_url_init(&u);
	if (http_parser_parse_url(r->target, r->target_len, 0, &u) != 0)
		return -1;
	if (!(u.field_set & (1 << UF_PATH))) {
		(void)str_copy(r->target, sizeof(r->target), "/"); /* http://host */
		return 0;
	}
	len = u.field_data[UF_PATH].len;
	memmove(r->target, r->target + u.field_data[UF_PATH].off, len);
	r->target[len] = '\0';
	return 0;
}

static int on_complete(http_parser *parser)
{
	struct http_request *r = parser->data;

	if (parser->http_major != 1)
		return fail_with(r, 505);
	if (r->n_hosts > 1 || (r->n_hosts == 0 && parser->http_minor > 0))
		return fail_with(r, 400);
	if (cut_target(r) < 0)
		return fail_with(r, 400);
	r->state = HTTP_REQUEST_COMPLETE;
	http_parser_pause(parser, 1); /* what follows is the next request */
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_target,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_message_complete = on_complete,
};

void http_request_reset(struct http_request *r)
{
	memset(r, 0, sizeof(*r));
	http_parser_init(&r->parser, HTTP_REQUEST);
	r->parser.data = r;
}

struct http_request *http_request_new(void)
{
	struct http_request *r = xmalloc(sizeof(*r));

	/* of the whole library; ours below counts the body, too */
	http_parser_set_max_header_size((uint32_t)HTTP_REQUEST_MAX);
	http_request_reset(r);
	return r;
}

void http_request_free(struct http_request *r)
{
	free(r);
}

static enum http_request_state bad(struct http_request *r, int status)
{
	r->state = HTTP_REQUEST_BAD;
	r->error = status;
	return r->state;
}

/* Blank lines before a request are not yet one (RFC 9112 2.2). */
static bool is_blank(const char *data, size_t len)
{
	while (len > 0 && (data[len - 1] == '\r' || data[len - 1] == '\n'))
		len--;
	return len == 0;
}

enum http_request_state http_request_feed(struct http_request *r, const char *data, size_t len,
					  size_t *ret_used)
{
	size_t room = HTTP_REQUEST_MAX - r->n_bytes;

	assert(r->state == HTTP_REQUEST_EMPTY || r->state == HTTP_REQUEST_PART);
	*ret_used = 0;
	if (len == 0)
		return r->state; /* to the library it would mean the end of the stream */
	if (room == 0)
		return bad(r, 431);
	*ret_used = http_parser_execute(&r->parser, &settings, data, MIN(len, room));
	r->n_bytes += *ret_used;
	if (r->state == HTTP_REQUEST_COMPLETE)
		return r->state;
	switch (HTTP_PARSER_ERRNO(&r->parser)) {
	case HPE_OK:
		if (r->state == HTTP_REQUEST_EMPTY && !is_blank(data, *ret_used))
			r->state = HTTP_REQUEST_PART;
		return r->state;
	case HPE_HEADER_OVERFLOW:
		return bad(r, 431);
	default:
		return bad(r, r->error ? r->error : 400);
	}
}

enum http_request_state http_request_state(const struct http_request *r)
{
	return r->state;
}

int http_request_error(const struct http_request *r)
{
	return r->error;
}

const char *http_request_path(const struct http_request *r)
{
	return r->target;
}

bool http_request_is_head(const struct http_request *r)
{
	return r->parser.method == HTTP_HEAD;
}

bool http_request_keeps_alive(const struct http_request *r)
{
	/* after CONNECT and Upgrade the bytes that follow are something else */
	return !r->parser.upgrade && http_should_keep_alive(&r->parser);
}

bool http_request_is_1_0(const struct http_request *r)
{
	return r->parser.http_minor == 0;
}
