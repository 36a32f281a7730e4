/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/fake_server.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/test.h"

struct fake_conn {
	struct kube_stream base;
	struct kube_stream_events ev;
	struct fake_server *server;
	size_t index;
	nghttp2_session *session;
	struct strbuf to_client;
	struct ev_task *wake;
	bool is_up, is_cut, is_open; /* is_open: the client has not closed it */
};

static struct fake_request *request_of(struct fake_conn *k, int32_t stream_id)
{
	for (size_t i = 0; i < k->server->n_requests; i++)
		if (k->server->requests[i].conn == k->index &&
		    k->server->requests[i].stream_id == stream_id)
			return &k->server->requests[i];
	return NULL;
}

static bool is_mute(const struct fake_conn *k)
{
	return k->index < k->server->mute_below;
}

/* Everything the session has to say goes into the buffer the client reads from. */
static void conn_pump(struct fake_conn *k)
{
	const uint8_t *data;
	ssize_t n;

	if (is_mute(k) || k->is_cut)
		return;
	while ((n = nghttp2_session_mem_send(k->session, &data)) > 0)
		strbuf_add(&k->to_client, data, (size_t)n);
	if (k->is_open)
		ev_task_post(k->wake);
}

static void on_wake(void *arg)
{
	struct fake_conn *k = arg;

	if (!k->is_open)
		return;
	if (k->server->refuse && !k->is_up) {
		k->ev.down(k->ev.arg, "connection refused");
	} else if (!k->is_up) {
		k->is_up = true;
		k->ev.up(k->ev.arg);
	} else {
		k->ev.ready(k->ev.arg);
	}
}

static ssize_t fake_read(struct kube_stream *s, void *buf, size_t len)
{
	struct fake_conn *k = container_of(s, struct fake_conn, base);
	size_t n = MIN(len, k->to_client.len);

	if (n == 0)
		return k->is_cut ? 0 : -EAGAIN;
	if (k->server->byte_by_byte)
		n = 1;
	memcpy(buf, k->to_client.data, n);
	strbuf_consume(&k->to_client, n);
	return (ssize_t)n;
}

static ssize_t fake_write(struct kube_stream *s, const void *buf, size_t len)
{
	struct fake_conn *k = container_of(s, struct fake_conn, base);

	if (k->is_cut)
		return -EPIPE;
	if (!is_mute(k)) {
		assert_int_equal(nghttp2_session_mem_recv(k->session, buf, len), len);
		conn_pump(k);
	}
	return (ssize_t)len;
}

static void fake_close(struct kube_stream *s)
{
	struct fake_conn *k = container_of(s, struct fake_conn, base);

	k->is_open = false;
	ev_task_free(k->wake);
	k->wake = NULL;
}

static int on_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct fake_conn *k = arg;
	struct fake_server *s = k->server;

	(void)session;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	assert_true(s->n_requests < FAKE_REQUESTS);
	s->requests[s->n_requests++] =
		(struct fake_request){ .conn = k->index, .stream_id = frame->hd.stream_id };
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): the library's prototype */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct fake_request *r = request_of(arg, frame->hd.stream_id);
	char *dst = NULL;
	size_t size = 0;

	(void)session;
	(void)flags;
	(void)value_len; /* nghttp2 ends both with a NUL */
	if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
		dst = r->path;
		size = sizeof(r->path);
	} else if (name_len == 6 && memcmp(name, "accept", 6) == 0) {
		dst = r->accept;
		size = sizeof(r->accept);
	} else if (name_len == 13 && memcmp(name, "authorization", 13) == 0) {
		dst = r->authorization;
		size = sizeof(r->authorization);
	}
	if (dst)
		assert_int_equal(str_copy(dst, size, (const char *)value), 0);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct fake_conn *k = arg;
	struct fake_request *r = request_of(k, frame->hd.stream_id);

	(void)session;
	if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		k->server->pings++;
	if (r && frame->hd.type == NGHTTP2_RST_STREAM)
		r->is_reset = true;
	if (r && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		r->is_whole = true;
	return 0;
}

static struct kube_stream *fake_dial(void *arg, const struct kube_stream_events *ev)
{
	static const struct kube_stream_ops ops = { fake_read, fake_write, fake_close };
	struct fake_server *s = arg;
	struct fake_conn *k = xcalloc(1, sizeof(*k));
	nghttp2_session_callbacks *cb;

	assert_true(s->n_conns < FAKE_CONNS);
	k->base.ops = &ops;
	k->ev = *ev;
	k->server = s;
	k->index = s->n_conns;
	k->is_open = true;
	k->wake = ev_task_new(s->loop, "fake-wake", on_wake, k);
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	assert_int_equal(nghttp2_session_server_new(&k->session, cb, k), 0);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(nghttp2_submit_settings(k->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
	s->conns[s->n_conns++] = k;
	conn_pump(k);
	ev_task_post(k->wake);
	return &k->base;
}

void fake_server_init(struct fake_server *s, struct ev_loop *loop)
{
	*s = (struct fake_server){ .loop = loop };
}

void fake_server_fini(struct fake_server *s)
{
	for (size_t i = 0; i < s->n_conns; i++) {
		assert_false(s->conns[i]->is_open); /* the client closes what it opened */
		nghttp2_session_del(s->conns[i]->session);
		strbuf_fini(&s->conns[i]->to_client);
		free(s->conns[i]);
	}
	for (size_t i = 0; i < s->n_requests; i++)
		strbuf_fini(&s->requests[i].body);
}

struct kube_dialer fake_server_dialer(struct fake_server *s)
{
	return (struct kube_dialer){ .arg = s, .dial = fake_dial };
}

struct fake_request *fake_server_request(struct fake_server *s, size_t i)
{
	if (i >= s->n_requests)
		print_error("request %zu has not come (%zu have)\n", i, s->n_requests);
	assert_true(i < s->n_requests);
	return &s->requests[i];
}

/* NOLINTNEXTLINE(readability-function-size): the library's prototype */
static ssize_t body_read(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct fake_request *r = source->ptr;
	size_t n = MIN(len, r->body.len - r->body_sent);

	(void)session;
	(void)stream_id;
	(void)arg;
	if (n == 0 && !r->body_ended)
		return NGHTTP2_ERR_DEFERRED;
	if (n > 0)
		memcpy(buf, r->body.data + r->body_sent, n);
	r->body_sent += n;
	if (r->body_ended && r->body_sent == r->body.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_nv nv(const char *name, const char *value)
{
	union {
		const char *in;
		uint8_t *out;
	} n = { .in = name }, v = { .in = value };

	return (nghttp2_nv){ n.out, v.out, strlen(name), strlen(value), 0 };
}

void fake_server_answer(struct fake_server *s, struct fake_request *r, const char *status,
			const char *type, const char *retry_after)
{
	nghttp2_data_provider body = { .source.ptr = r, .read_callback = body_read };
	nghttp2_nv headers[] = { nv(":status", status), nv("content-type", type),
				 nv("retry-after", retry_after) };
	struct fake_conn *k = s->conns[r->conn];

	assert_int_equal(nghttp2_submit_response(k->session, r->stream_id, headers,
						 *retry_after ? 3 : 2, &body),
			 0);
	conn_pump(k);
}

void fake_server_send(struct fake_server *s, struct fake_request *r, const struct strbuf *bytes)
{
	struct fake_conn *k = s->conns[r->conn];

	strbuf_add(&r->body, strbuf_text(bytes), bytes->len);
	(void)nghttp2_session_resume_data(k->session, r->stream_id);
	conn_pump(k);
}

void fake_server_end(struct fake_server *s, struct fake_request *r)
{
	struct fake_conn *k = s->conns[r->conn];

	r->body_ended = true;
	(void)nghttp2_session_resume_data(k->session, r->stream_id);
	conn_pump(k);
}

void fake_server_reset(struct fake_server *s, struct fake_request *r)
{
	struct fake_conn *k = s->conns[r->conn];

	assert_int_equal(
		nghttp2_submit_rst_stream(k->session, 0, r->stream_id, NGHTTP2_INTERNAL_ERROR), 0);
	conn_pump(k);
}

void fake_server_goaway(struct fake_server *s, size_t conn)
{
	struct fake_conn *k = s->conns[conn];

	assert_int_equal(nghttp2_submit_goaway(k->session, 0,
					       nghttp2_session_get_last_proc_stream_id(k->session),
					       NGHTTP2_NO_ERROR, NULL, 0),
			 0);
	conn_pump(k);
}

void fake_server_cut(struct fake_server *s, size_t conn)
{
	struct fake_conn *k = s->conns[conn];

	k->is_cut = true;
	if (k->is_open)
		ev_task_post(k->wake);
}

void fake_server_garbage(struct fake_server *s, size_t conn, const char *bytes)
{
	struct fake_conn *k = s->conns[conn];

	strbuf_puts(&k->to_client, bytes);
	ev_task_post(k->wake);
}

bool fake_server_is_open(const struct fake_server *s, size_t conn)
{
	return s->conns[conn]->is_open;
}
