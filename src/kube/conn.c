/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nghttp2 turns bytes into frames and back; this file moves the bytes and gives frames their
 * meaning.
 *
 * Reading is bounded per turn and goes on in a task, so that a long list leaves room for the other
 * work of the loop. Writing takes one frame from the session at a time and holds it until the
 * stream took it: what a slow server does not read waits inside the session, which is bounded by
 * the number of requests and by nghttp2's limit on unsent answers (PING and SETTINGS
 * acknowledgements).
 *
 * Callbacks of nghttp2 must not end the session. So a loss is only noted inside them and acted upon
 * in conn_settle(), the last step of every entry.
 */
#include "kube/conn.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"

#define READ_CHUNK         ((size_t)64 << 10)
#define READS_PER_TURN     4
#define UNSENT_ACKS_MAX    64
#define HEADER_LIST_MAX    ((uint32_t)64 << 10)
#define SETTINGS_MAX       32
#define STREAMS_SERVER_MAX 0 /* the server opens none: push is off */

struct kube_conn {
	struct kube_client *client;
	struct ev_loop *loop;
	struct kube_stream *stream;
	nghttp2_session *session;
	enum kube_conn_state state;
	struct list requests;
	size_t n_requests;
	struct mono up_since, last_frame;
	bool ping_sent, goaway, has_served;
	const uint8_t *out; /* the frame being written; the session's memory */
	size_t out_left;
	struct ev_timer *timer; /* PING */
	struct ev_task *more;   /* goes on reading and writing */
	char why[KUBE_STREAM_WHY_MAX + 32];
};

static void lose(struct kube_conn *k, const char *why)
{
	if (k->state == KUBE_CONN_LOST)
		return;
	k->state = KUBE_CONN_LOST;
	(void)snprintf(k->why, sizeof(k->why), "%s", why);
}

static void request_detach(struct kube_conn *k, struct kube_request *r)
{
	list_del(&r->node);
	k->n_requests--;
	r->conn = NULL;
	if (k->session)
		(void)nghttp2_session_set_stream_user_data(k->session, r->stream_id, NULL);
}

/* After nghttp2 has returned: a lost connection takes its requests with it. */
static void conn_settle(struct kube_conn *k)
{
	struct kube_client *c = k->client;

	if (k->goaway && k->state == KUBE_CONN_UP) {
		k->state = KUBE_CONN_DRAINING;
		kube_client_conn_draining(c, k);
	}
	if (k->state != KUBE_CONN_LOST || !k->session)
		return;
	ev_timer_stop(k->timer);
	nghttp2_session_del(k->session);
	k->session = NULL;
	if (k->stream)
		k->stream->ops->close(k->stream);
	k->stream = NULL;
	while (!list_is_empty(&k->requests)) {
		struct kube_request *r = list_first(&k->requests, struct kube_request, node);

		request_detach(k, r);
		kube_request_finish(r, -ECONNRESET, k->why);
	}
	kube_client_conn_lost(c, k, k->why);
}

static void conn_write(struct kube_conn *k)
{
	while (k->state == KUBE_CONN_UP || k->state == KUBE_CONN_DRAINING) {
		ssize_t n;

		if (k->out_left == 0) {
			n = nghttp2_session_mem_send(k->session, &k->out);
			if (n < 0) {
				lose(k, nghttp2_strerror((int)n));
				return;
			}
			if (n == 0)
				return;
			k->out_left = (size_t)n;
		}
		n = k->stream->ops->write(k->stream, k->out, k->out_left);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			lose(k, *k->stream->why ? k->stream->why : strerror((int)-n));
			return;
		}
		kube_client_count(k->client, 0, (size_t)n);
		k->out += n;
		k->out_left -= (size_t)n;
	}
}

static void conn_read(struct kube_conn *k)
{
	static uint8_t buf[READ_CHUNK]; /* one thread; nothing is kept in it between calls */

	for (int budget = READS_PER_TURN; k->state != KUBE_CONN_LOST; budget--) {
		ssize_t n, used;

		if (budget == 0) {
			ev_task_post(k->more);
			return;
		}
		n = k->stream->ops->read(k->stream, buf, sizeof(buf));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			lose(k, n == 0            ? "closed by the API server"
				: *k->stream->why ? k->stream->why
						  : strerror((int)-n));
			return;
		}
		kube_client_count(k->client, (size_t)n, 0);
		used = nghttp2_session_mem_recv(k->session, buf, (size_t)n);
		if (used < 0)
			lose(k, nghttp2_strerror((int)used));
		if (kube_client_is_dying(k->client))
			return;
	}
}

static void conn_run(struct kube_conn *k)
{
	struct kube_client *c = k->client;

	kube_client_enter(c);
	if (k->session && k->state != KUBE_CONN_DIALING) {
		conn_read(k);
		if (!kube_client_is_dying(c))
			conn_write(k);
		if (!kube_client_is_dying(c) && k->state != KUBE_CONN_LOST &&
		    !nghttp2_session_want_read(k->session) &&
		    !nghttp2_session_want_write(k->session))
			lose(k, "the HTTP/2 session ended");
		if (!kube_client_is_dying(c))
			conn_settle(k);
	}
	(void)kube_client_leave(c);
}

static void on_more(void *arg)
{
	conn_run(arg);
}

static void on_stream_ready(void *arg)
{
	conn_run(arg);
}

static void on_stream_up(void *arg)
{
	struct kube_conn *k = arg;
	struct kube_client *c = k->client;

	kube_client_enter(c);
	k->state = KUBE_CONN_UP;
	k->up_since = k->last_frame = ev_now(k->loop);
	ev_timer_set(k->timer, KUBE_PING_IDLE_US);
	kube_client_conn_up(c, k);
	if (!kube_client_is_dying(c))
		ev_task_post(k->more);
	(void)kube_client_leave(c);
}

static void on_stream_down(void *arg, const char *why)
{
	struct kube_conn *k = arg;
	struct kube_client *c = k->client;

	kube_client_enter(c);
	lose(k, why);
	conn_settle(k);
	(void)kube_client_leave(c);
}

static void on_timer(void *arg)
{
	struct kube_conn *k = arg;
	struct kube_client *c = k->client;
	int64_t quiet_us = mono_diff_us(ev_now(k->loop), k->last_frame);

	kube_client_enter(c);
	if (k->ping_sent) {
		kube_client_ping_lost(c);
		lose(k, "the API server does not answer a PING");
		conn_settle(k);
	} else if (quiet_us < KUBE_PING_IDLE_US) {
		ev_timer_set(k->timer, KUBE_PING_IDLE_US - quiet_us);
	} else {
		k->ping_sent = true;
		(void)nghttp2_submit_ping(k->session, NGHTTP2_FLAG_NONE, NULL);
		ev_timer_set(k->timer, KUBE_PING_TIMEOUT_US);
		ev_task_post(k->more);
	}
	(void)kube_client_leave(c);
}

/* The peer lives. The timer is not set again for each frame: it finds out when it fires. */
static void frame_seen(struct kube_conn *k)
{
	k->last_frame = ev_now(k->loop);
	if (!k->ping_sent)
		return;
	k->ping_sent = false;
	ev_timer_set(k->timer, KUBE_PING_IDLE_US);
}

static int cb_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
	(void)session;
	(void)hd;
	frame_seen(arg);
	return 0;
}

static int cb_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct kube_conn *k = arg;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		k->goaway = true;
	return 0;
}

static bool header_is(const uint8_t *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

static uint64_t header_number(const uint8_t *value, size_t len, uint64_t max)
{
	char text[24];
	uint64_t n;

	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, value, len);
	text[len] = '\0';
	return str_to_u64(text, 10, max, &n) == 0 ? n : 0;
}

/* NOLINTNEXTLINE(readability-function-size): the library's prototype */
static int cb_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct kube_request *r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (!r)
		return 0;
	if (header_is(name, name_len, ":status")) {
		r->status = (int)header_number(value, value_len, 999);
	} else if (header_is(name, name_len, "content-type")) {
		size_t len = MIN(value_len, sizeof(r->answer_type) - 1);

		memcpy(r->answer_type, value, len);
		r->answer_type[len] = '\0';
	} else if (header_is(name, name_len, "retry-after")) {
		/* a date instead of seconds counts as not said */
		uint64_t s = header_number(value, value_len, UINT32_MAX);

		if (s > 0)
			r->retry_after_us =
				(int64_t)MIN(s, (uint64_t)KUBE_RETRY_AFTER_MAX_S) * US_PER_S;
	}
	return 0;
}

static int cb_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct kube_conn *k = arg;
	struct kube_request *r = nghttp2_session_get_stream_user_data(session, stream_id);
	int err;

	(void)flags;
	frame_seen(k);
	if (!r)
		return 0;
	if (r->status < 200 || r->status > 299) {
		strbuf_add(&r->problem_body, data, len);
		return 0;
	}
	k->has_served = true;
	err = r->data(r->arg, data, len); /* r may be gone when this is 0 */
	if (err < 0) {
		kube_conn_forget(k, r);
		kube_request_finish(r, err, "");
	}
	return 0;
}

static int cb_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
	struct kube_conn *k = arg;
	struct kube_request *r = nghttp2_session_get_stream_user_data(session, stream_id);

	if (!r)
		return 0;
	request_detach(k, r);
	if (code == NGHTTP2_NO_ERROR)
		kube_request_finish(r, 0, "");
	else
		kube_request_finish(r, -ECONNRESET, nghttp2_http2_strerror(code));
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): the library's prototype */
static ssize_t cb_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t len,
		       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct kube_request *r = nghttp2_session_get_stream_user_data(session, stream_id);
	size_t part;

	(void)source;
	(void)arg;
	if (!r) /* cancelled meanwhile; the stream is being reset */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	part = MIN(len, r->body_len - r->body_sent);
	memcpy(buf, r->body + r->body_sent, part);
	r->body_sent += part;
	if (r->body_sent == r->body_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)part;
}

static nghttp2_session *session_new(struct kube_conn *k)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_SERVER_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, KUBE_WINDOW_STREAM },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX },
	};
	nghttp2_session_callbacks *cb;
	nghttp2_session *session;
	nghttp2_option *opt;

	if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&opt) != 0)
		abort(); /* out of memory */
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, cb_begin_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, cb_frame);
	nghttp2_session_callbacks_set_on_header_callback(cb, cb_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, cb_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, cb_stream_close);
	nghttp2_option_set_max_outbound_ack(opt, UNSENT_ACKS_MAX);
	nghttp2_option_set_max_settings(opt, SETTINGS_MAX);
	if (nghttp2_session_client_new2(&session, cb, k, opt) != 0)
		abort();
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(opt);
	if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) ||
	    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, KUBE_WINDOW_CONN))
		abort();
	return session;
}

struct kube_conn *kube_conn_new(struct kube_client *client, struct ev_loop *loop,
				const struct kube_dialer *dialer)
{
	struct kube_conn *k = xcalloc(1, sizeof(*k));
	const struct kube_stream_events ev = {
		.arg = k,
		.up = on_stream_up,
		.ready = on_stream_ready,
		.down = on_stream_down,
	};

	k->client = client;
	k->loop = loop;
	list_init(&k->requests);
	k->timer = ev_timer_new(loop, "kube-ping", on_timer, k);
	k->more = ev_task_new(loop, "kube-conn", on_more, k);
	k->session = session_new(k);
	k->stream = dialer->dial(dialer->arg, &ev);
	return k;
}

void kube_conn_free(struct kube_conn *k)
{
	if (!k)
		return;
	while (!list_is_empty(&k->requests)) {
		struct kube_request *r = list_first(&k->requests, struct kube_request, node);

		request_detach(k, r);
		kube_request_finish(r, -ECANCELED, "");
	}
	nghttp2_session_del(k->session);
	if (k->stream)
		k->stream->ops->close(k->stream);
	ev_timer_free(k->timer);
	ev_task_free(k->more);
	free(k);
}

struct kube_conn_info kube_conn_info(const struct kube_conn *k)
{
	return (struct kube_conn_info){ k->state, k->up_since, k->has_served, k->n_requests };
}

static void nv_add(nghttp2_nv *nv, size_t *n, const char *name, const char *value, uint8_t flags)
{
	/* nghttp2 wants writable pointers but copies what they point at */
	union {
		const char *in;
		uint8_t *out;
	} name_u = { .in = name }, value_u = { .in = value };

	nv[(*n)++] = (nghttp2_nv){ name_u.out, value_u.out, strlen(name), strlen(value), flags };
}

void kube_conn_submit(struct kube_conn *k, struct kube_request *r,
		      const struct kube_conn_send_headers *h)
{
	CLEANUP_FREE char *bearer = *h->token ? xasprintf("Bearer %s", h->token) : NULL;
	char length[24];
	nghttp2_data_provider body = { .read_callback = cb_body };
	nghttp2_nv nv[10];
	size_t n = 0;

	nv_add(nv, &n, ":method", r->method, 0);
	nv_add(nv, &n, ":scheme", "https", 0);
	nv_add(nv, &n, ":authority", h->authority, 0);
	nv_add(nv, &n, ":path", r->path, 0);
	nv_add(nv, &n, "accept", r->accept, 0);
	nv_add(nv, &n, "user-agent", h->user_agent, 0);
	if (bearer) /* never into a compression table */
		nv_add(nv, &n, "authorization", bearer, NGHTTP2_NV_FLAG_NO_INDEX);
	if (r->content_type) {
		(void)snprintf(length, sizeof(length), "%zu", r->body_len);
		nv_add(nv, &n, "content-type", r->content_type, 0);
		nv_add(nv, &n, "content-length", length, 0);
	}
	r->stream_id =
		nghttp2_submit_request(k->session, NULL, nv, n, r->content_type ? &body : NULL, r);
	if (bearer)
		explicit_bzero(bearer, strlen(bearer));
	list_add_tail(&k->requests, &r->node);
	k->n_requests++;
	r->conn = k;
	if (r->stream_id < 0) { /* stream numbers used up, or memory: a new connection helps */
		lose(k, nghttp2_strerror(r->stream_id));
		r->stream_id = 0;
	}
	ev_task_post(k->more);
}

void kube_conn_forget(struct kube_conn *k, struct kube_request *r)
{
	request_detach(k, r);
	if (!k->session)
		return;
	(void)nghttp2_submit_rst_stream(k->session, NGHTTP2_FLAG_NONE, r->stream_id,
					NGHTTP2_CANCEL);
	ev_task_post(k->more);
	kube_client_conn_idle(k->client);
}
