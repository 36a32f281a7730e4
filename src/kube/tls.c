/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   resolve -> connect (one address after the other) -> handshake -> up
 *
 * Any failure up to there tries the next address; the last one's text is reported. Reports of
 * failure are deferred, so that dial() returns first. The descriptor is polled for what OpenSSL
 * last asked for: a read may need the socket writable and the other way round.
 */
#include "kube/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/tls_ctx.h"

enum phase {
	PHASE_RESOLVE,
	PHASE_CONNECT,
	PHASE_HANDSHAKE,
	PHASE_UP,
	PHASE_DOWN,
};

struct tls {
	struct kube_stream base;
	struct kube_stream_events ev;
	struct ev_loop *loop;
	struct kube_conf *conf;
	enum phase phase;
	struct ev_resolve *resolve;
	struct ip_addr addrs[EV_RESOLVE_MAX];
	size_t n_addrs, at; /* at: the next one to try */
	int fd;
	struct ev_io *io;
	struct ev_timer *timer;
	struct ev_task *next; /* tries the next address, or reports the end */
	SSL_CTX *ctx;
	SSL *ssl;
	bool read_wants_write, write_blocked;
};

static void socket_close(struct tls *t)
{
	SSL_free(t->ssl); /* no close_notify: HTTP/2 said what was to be said */
	t->ssl = NULL;
	ev_io_free(t->io);
	t->io = NULL;
	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = -1;
}

static void attempt_failed(struct tls *t, const char *what)
{
	char addr[IP_ADDR_FMT_MAX];

	if (t->at > 0)
		(void)snprintf(t->base.why, sizeof(t->base.why), "%s: %s",
			       ip_fmt(addr, &t->addrs[t->at - 1]), what);
	else
		(void)snprintf(t->base.why, sizeof(t->base.why), "%s", what);
	socket_close(t);
	ev_timer_stop(t->timer);
	ev_task_post(t->next);
}

static void want_set(struct tls *t)
{
	unsigned want = EV_READ;

	if (t->read_wants_write || t->write_blocked)
		want |= EV_WRITE;
	ev_io_want(t->io, want);
}

static bool alpn_is_h2(const SSL *ssl)
{
	const unsigned char *proto;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &proto, &len);
	return len == 2 && memcmp(proto, "h2", 2) == 0;
}

static void handshake_step(struct tls *t)
{
	char why[KUBE_TLS_WHY_MAX];
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r == 1) {
		if (!alpn_is_h2(t->ssl)) {
			attempt_failed(t, "the server does not offer HTTP/2");
			return;
		}
		t->phase = PHASE_UP;
		ev_timer_stop(t->timer);
		want_set(t);
		t->ev.up(t->ev.arg);
		return;
	}
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		ev_io_want(t->io, EV_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		ev_io_want(t->io, EV_WRITE);
		return;
	default:
		kube_tls_why(t->ssl, why);
		attempt_failed(t, why);
	}
}

static void connect_done(struct tls *t)
{
	socklen_t len = sizeof(int);
	int err = 0, on = 1;

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err != 0) {
		attempt_failed(t, strerror(err));
		return;
	}
	(void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	t->ssl = kube_tls_ssl_new(t->ctx, t->conf, t->fd);
	if (!t->ssl) {
		attempt_failed(t, "TLS cannot be set up");
		return;
	}
	t->phase = PHASE_HANDSHAKE;
	ev_timer_set(t->timer, KUBE_TLS_HANDSHAKE_US);
	handshake_step(t);
}

static void on_io(void *arg, unsigned events)
{
	struct tls *t = arg;

	switch (t->phase) {
	case PHASE_CONNECT:
		connect_done(t);
		return;
	case PHASE_HANDSHAKE:
		handshake_step(t);
		return;
	case PHASE_UP:
		if (events & EV_WRITE) {
			t->read_wants_write = t->write_blocked = false;
			want_set(t);
		}
		t->ev.ready(t->ev.arg);
		return;
	case PHASE_RESOLVE:
	case PHASE_DOWN:
		return;
	}
}

static void on_timeout(void *arg)
{
	struct tls *t = arg;

	if (t->phase == PHASE_RESOLVE) {
		ev_resolve_cancel(t->resolve);
		t->resolve = NULL;
		attempt_failed(t, "no answer to the name look-up");
	} else {
		attempt_failed(t, t->phase == PHASE_CONNECT ? "connect timed out"
							    : "TLS handshake timed out");
	}
}

static void connect_start(struct tls *t)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&t->addrs[t->at++], t->conf->url.port, &ss);

	t->phase = PHASE_CONNECT;
	t->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0) {
		attempt_failed(t, strerror(errno));
		return;
	}
	if (connect(t->fd, (const struct sockaddr *)(const void *)&ss, len) < 0 &&
	    errno != EINPROGRESS) {
		attempt_failed(t, strerror(errno));
		return;
	}
	t->io = ev_io_new(t->loop, "kube-tls", t->fd, on_io, t);
	ev_io_want(t->io, EV_WRITE);
	ev_timer_set(t->timer, KUBE_TLS_CONNECT_US);
}

static void on_next(void *arg)
{
	struct tls *t = arg;

	if (t->at < t->n_addrs) {
		connect_start(t);
		return;
	}
	t->phase = PHASE_DOWN;
	t->ev.down(t->ev.arg, t->base.why);
}

static void on_resolved(void *arg, int err, const struct ip_addr *addrs, size_t n)
{
	struct tls *t = arg;

	t->resolve = NULL;
	ev_timer_stop(t->timer);
	if (err < 0 || n == 0) {
		(void)snprintf(t->base.why, sizeof(t->base.why),
			       "name look-up of the API server failed: %s",
			       strerror(err < 0 ? -err : ENOENT));
	} else {
		t->n_addrs = MIN(n, ARRAY_LEN(t->addrs));
		memcpy(t->addrs, addrs, t->n_addrs * sizeof(*addrs));
	}
	ev_task_post(t->next);
}

static struct tls *tls_of(struct kube_stream *s)
{
	return container_of(s, struct tls, base);
}

/* The result of an SSL read or write that was no success. */
static ssize_t result_of(struct tls *t, int r, bool is_read)
{
	int err = errno; /* OpenSSL may change it on the way */

	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (is_read)
			t->read_wants_write = true;
		else
			t->write_blocked = true;
		want_set(t);
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return is_read ? 0 : -EPIPE;
	case SSL_ERROR_SYSCALL:
		(void)snprintf(t->base.why, sizeof(t->base.why), "%s",
			       err ? strerror(err) : "closed by the API server");
		return -ECONNRESET;
	default:
		kube_tls_why(t->ssl, t->base.why);
		return -ECONNRESET;
	}
}

static ssize_t tls_read(struct kube_stream *s, void *buf, size_t len)
{
	struct tls *t = tls_of(s);
	int r;

	ERR_clear_error();
	r = SSL_read(t->ssl, buf, (int)MIN(len, (size_t)1 << 20));
	return r > 0 ? r : result_of(t, r, true);
}

static ssize_t tls_write(struct kube_stream *s, const void *buf, size_t len)
{
	struct tls *t = tls_of(s);
	int r;

	ERR_clear_error();
	r = SSL_write(t->ssl, buf, (int)MIN(len, (size_t)1 << 20));
	return r > 0 ? r : result_of(t, r, false);
}

static void tls_close(struct kube_stream *s)
{
	struct tls *t = tls_of(s);

	if (t->resolve)
		ev_resolve_cancel(t->resolve);
	socket_close(t);
	SSL_CTX_free(t->ctx);
	ev_timer_free(t->timer);
	ev_task_free(t->next);
	free(t);
}

static const struct kube_stream_ops tls_ops = { tls_read, tls_write, tls_close };

struct kube_stream *kube_tls_dial(struct ev_loop *loop, struct kube_conf *conf,
				  const struct kube_stream_events *ev)
{
	struct tls *t = xcalloc(1, sizeof(*t));
	char why[KUBE_TLS_WHY_MAX];

	t->base.ops = &tls_ops;
	t->ev = *ev;
	t->loop = loop;
	t->conf = conf;
	t->fd = -1;
	t->timer = ev_timer_new(loop, "kube-tls", on_timeout, t);
	t->next = ev_task_new(loop, "kube-tls", on_next, t);
	kube_conf_tls_refresh(conf);
	if (kube_tls_ctx_new(conf, &t->ctx, why) < 0) {
		attempt_failed(t, why);
	} else if (ip_parse(conf->url.host, &t->addrs[0]) == 0) {
		t->n_addrs = 1;
		ev_task_post(t->next);
	} else {
		ev_timer_set(t->timer, KUBE_TLS_RESOLVE_US);
		t->resolve = ev_resolve_start(loop, conf->url.host, on_resolved, t);
	}
	return &t->base;
}

int kube_tls_check(const struct kube_conf *conf, char **ret_why)
{
	char why[KUBE_TLS_WHY_MAX];
	SSL_CTX *ctx;

	if (kube_tls_ctx_new(conf, &ctx, why) < 0) {
		*ret_why = xstrdup(why);
		return -EINVAL;
	}
	SSL_CTX_free(ctx);
	return 0;
}
