/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection carries everything; it is dialled when a request waits and none is there. After a
 * GOAWAY the old one finishes its requests (a watch may take minutes) while new ones go to a new
 * connection; of old ones there is at most one.
 *
 * A failed attempt waits (kube/backoff.h) and the requests wait with it: an outage of the API
 * server shows them no error but their own time limit. A connection that held for a while starts
 * anew with a fast retry, one that broke soon goes on backing off.
 */
#include "kube/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/backoff.h"
#include "kube/tls.h"
#include "version.h"

#define STABLE_US (5 * US_PER_S) /* a connection that held so long was a good one */
#define BACKOFF_SERVED                                                                             \
	2u /* steps of kube/backoff.h kept after a short one that answered: 1.6 s                  \
	    */
#define USER_AGENT "kube-router/" KUBE_ROUTER_VERSION

struct kube_client {
	struct ev_loop *loop;
	struct kube_conf *conf;
	struct kube_dialer dialer;
	struct kube_conn *now;     /* new requests go here */
	struct kube_conn *old;     /* draining */
	struct kube_conn *lost[4]; /* to be freed when the outermost call returns */
	size_t n_lost;
	struct list waiting;
	size_t n_requests; /* all, also those under way */
	struct ev_timer *retry;
	struct ev_task *work;
	struct kube_backoff backoff;
	struct kube_client_stats stats;
	unsigned depth;
	bool is_dying;
};

static void client_work(void *arg);
static void client_retry(void *arg);

static struct kube_stream *dial_tls(void *arg, const struct kube_stream_events *ev)
{
	struct kube_client *c = arg;

	return kube_tls_dial(c->loop, c->conf, ev);
}

struct kube_client *kube_client_new_with(struct ev_loop *loop, struct kube_conf *conf,
					 const struct kube_dialer *dialer)
{
	struct kube_client *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->conf = conf;
	c->dialer = *dialer;
	list_init(&c->waiting);
	c->retry = ev_timer_new(loop, "kube-retry", client_retry, c);
	c->work = ev_task_new(loop, "kube-client", client_work, c);
	return c;
}

struct kube_client *kube_client_new(struct ev_loop *loop, struct kube_conf *conf)
{
	const struct kube_dialer dialer = { .dial = dial_tls };
	struct kube_client *c = kube_client_new_with(loop, conf, &dialer);

	c->dialer.arg = c;
	return c;
}

static void client_destroy(struct kube_client *c)
{
	assert(c->n_requests == 0); /* watches go before their client */
	for (size_t i = 0; i < c->n_lost; i++)
		kube_conn_free(c->lost[i]);
	kube_conn_free(c->old);
	kube_conn_free(c->now);
	ev_timer_free(c->retry);
	ev_task_free(c->work);
	kube_conf_free(c->conf);
	free(c);
}

void kube_client_free(struct kube_client *c)
{
	if (!c)
		return;
	c->is_dying = true;
	if (c->depth == 0)
		client_destroy(c);
}

struct ev_loop *kube_client_loop(const struct kube_client *c)
{
	return c->loop;
}

bool kube_client_is_dying(const struct kube_client *c)
{
	return c->is_dying;
}

void kube_client_enter(struct kube_client *c)
{
	c->depth++;
}

bool kube_client_leave(struct kube_client *c)
{
	if (--c->depth > 0)
		return true;
	if (c->is_dying) {
		client_destroy(c);
		return false;
	}
	while (c->n_lost > 0)
		kube_conn_free(c->lost[--c->n_lost]);
	return true;
}

void kube_client_count(struct kube_client *c, size_t in, size_t out)
{
	c->stats.bytes_in += in;
	c->stats.bytes_out += out;
}

void kube_client_ping_lost(struct kube_client *c)
{
	c->stats.pings_lost++;
}

static void conn_bury(struct kube_client *c, struct kube_conn *k)
{
	if (c->now == k)
		c->now = NULL;
	if (c->old == k)
		c->old = NULL;
	assert(c->n_lost < ARRAY_LEN(c->lost)); /* one of each, and a new one of each while here */
	c->lost[c->n_lost++] = k;
}

void kube_client_conn_up(struct kube_client *c, struct kube_conn *k)
{
	(void)k;
	c->stats.connects++;
	c->stats.connected = true;
	c->stats.last_error[0] = '\0';
	log_info("kube: connected server=%s", c->conf->server);
	ev_task_post(c->work);
}

void kube_client_conn_draining(struct kube_client *c, struct kube_conn *k)
{
	if (c->now != k)
		return;
	if (c->old) /* two restarts in a row: the older one has had its time */
		conn_bury(c, c->old);
	c->now = NULL;
	c->old = k;
	c->stats.connected = false;
	log_debug(1, "kube: server asks to connect anew server=%s", c->conf->server);
	ev_task_post(c->work);
}

void kube_client_conn_lost(struct kube_client *c, struct kube_conn *k, const char *why)
{
	struct kube_conn_info info = kube_conn_info(k);
	char quoted[LOG_QUOTE_MAX];
	bool was_now = c->now == k;

	conn_bury(c, k);
	if (!was_now)
		return; /* a draining one ended */
	c->stats.connected = false;
	(void)snprintf(c->stats.last_error, sizeof(c->stats.last_error), "%.*s",
		       (int)sizeof(c->stats.last_error) - 1, why);
	if (info.up_since.us == 0)
		c->stats.connect_failures++;
	else if (mono_diff_us(ev_now(c->loop), info.up_since) >= STABLE_US)
		c->backoff.n = 0;
	else if (info.has_served) /* an outage that is over must not make the next loss longer */
		c->backoff.n = MIN(c->backoff.n, BACKOFF_SERVED);
	LOG_LIMIT(log_warning, "kube: %s server=%s reason=%s",
		  info.up_since.us == 0 ? "cannot connect" : "connection lost", c->conf->server,
		  log_quote(quoted, why));
	ev_timer_set(c->retry, kube_backoff_next_us(&c->backoff, c->loop));
}

void kube_client_conn_idle(struct kube_client *c)
{
	ev_task_post(c->work);
}

static void client_retry(void *arg)
{
	client_work(arg);
}

static void waiting_submit(struct kube_client *c)
{
	const struct kube_conn_send_headers h = {
		.authority = c->conf->url.authority,
		.user_agent = USER_AGENT,
		.token = kube_conf_token(c->conf, ev_now(c->loop)),
	};

	while (!list_is_empty(&c->waiting)) {
		struct kube_request *r = list_first(&c->waiting, struct kube_request, node);

		list_del(&r->node);
		c->stats.requests++;
		kube_conn_submit(c->now, r, &h);
	}
}

static void client_work(void *arg)
{
	struct kube_client *c = arg;

	kube_client_enter(c);
	if (c->old && kube_conn_info(c->old).n_requests == 0)
		conn_bury(c, c->old);
	if (!c->now && !list_is_empty(&c->waiting) && !ev_timer_is_set(c->retry))
		c->now = kube_conn_new(c, c->loop, &c->dialer);
	if (c->now && kube_conn_info(c->now).state == KUBE_CONN_UP)
		waiting_submit(c);
	(void)kube_client_leave(c);
}

void kube_client_stats_get(const struct kube_client *c, struct kube_client_stats *ret)
{
	*ret = c->stats;
}

static void request_free(struct kube_request *r)
{
	r->client->n_requests--;
	list_del(&r->node);
	ev_timer_free(r->timer);
	strbuf_fini(&r->problem_body);
	free(r->path);
	free(r->body);
	free(r);
}

static void problem_fill(struct kube_request *r, struct kube_problem *p, int err, const char *why)
{
	*p = (struct kube_problem){ .err = err, .retry_after_us = r->retry_after_us };
	if (err < 0) {
		(void)snprintf(p->message, sizeof(p->message), "%s", why);
		return;
	}
	if (r->status >= 200 && r->status <= 299)
		return;
	p->code = r->status;
	kube_problem_parse(p, r->answer_type, (const uint8_t *)strbuf_text(&r->problem_body),
			   r->problem_body.len);
	p->code = r->status;  /* a Status inside cannot make it another answer */
	if (r->status == 401) /* perhaps the token was replaced just now */
		kube_conf_token_expire(r->client->conf);
}

void kube_request_finish(struct kube_request *r, int err, const char *why)
{
	struct kube_response res = { .status = r->status };
	void (*done)(void *, const struct kube_response *) = r->done;
	void *arg = r->arg;

	problem_fill(r, &res.problem, err, why);
	kube_client_conn_idle(r->client);
	request_free(r);
	done(arg, &res);
}

static void request_timeout(void *arg)
{
	struct kube_request *r = arg;
	struct kube_client *c = r->client;

	kube_client_enter(c);
	if (r->conn)
		kube_conn_forget(r->conn, r);
	kube_request_finish(r, -ETIMEDOUT, "");
	(void)kube_client_leave(c);
}

int kube_request_new(struct kube_client *c, const struct kube_request_spec *spec,
		     struct kube_request **ret_request)
{
	struct kube_request *r;

	assert(spec->timeout_us > 0 && spec->body_len <= KUBE_REQUEST_BODY_MAX);
	if (c->n_requests >= KUBE_REQUESTS_MAX)
		return -EAGAIN;
	r = xcalloc(1, sizeof(*r));
	r->client = c;
	r->method = spec->method;
	r->accept = spec->accept;
	r->content_type = spec->content_type;
	r->path = xasprintf("%s%s", c->conf->url.path, spec->path);
	if (spec->body_len > 0)
		r->body = xmemdup(spec->body, spec->body_len);
	r->body_len = spec->body_len;
	r->arg = spec->arg;
	r->data = spec->data;
	r->done = spec->done;
	r->retry_after_us = -1;
	r->problem_body.max = KUBE_PROBLEM_BODY_MAX;
	r->timer = ev_timer_new(c->loop, "kube-request", request_timeout, r);
	ev_timer_set(r->timer, spec->timeout_us);
	list_add_tail(&c->waiting, &r->node);
	c->n_requests++;
	ev_task_post(c->work);
	*ret_request = r;
	return 0;
}

void kube_request_cancel(struct kube_request *r)
{
	if (!r)
		return;
	if (r->conn)
		kube_conn_forget(r->conn, r);
	request_free(r);
}
