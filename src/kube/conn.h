/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One HTTP/2 connection: an nghttp2 session over a stream, and the requests on it.
 *
 *   DIALING --up--> UP --GOAWAY--> DRAINING --last request ended--> (freed by the client)
 *      \____________\_______________\______ lost: every request ends, kube_client_conn_lost()
 */
#include "ev/ev.h"
#include "kube/request.h"
#include "kube/stream.h"

/* A peer that sends nothing for so long is asked; one that does not answer is gone. */
#define KUBE_PING_IDLE_US    (30 * US_PER_S)
#define KUBE_PING_TIMEOUT_US (15 * US_PER_S)

/* What a server may send unasked: 64 KB, the default, throttles a list. */
#define KUBE_WINDOW_STREAM ((int32_t)4 << 20)
#define KUBE_WINDOW_CONN   ((int32_t)16 << 20)

/* A request, shared by the client (which queues it) and the connection (which carries it). */
struct kube_request {
	struct list node; /* client's queue or connection's list */
	struct kube_client *client;
	struct kube_conn *conn; /* NULL while it waits */
	int32_t stream_id;
	struct ev_timer *timer;
	const char *method, *accept, *content_type;
	char *path;
	uint8_t *body;
	size_t body_len, body_sent;
	void *arg;
	int (*data)(void *arg, const uint8_t *data, size_t len);
	void (*done)(void *arg, const struct kube_response *res);
	int status;
	char answer_type[64];
	int64_t retry_after_us;
	struct strbuf problem_body;
};

enum kube_conn_state {
	KUBE_CONN_DIALING,
	KUBE_CONN_UP,
	KUBE_CONN_DRAINING,
	KUBE_CONN_LOST,
};

struct kube_conn_info {
	enum kube_conn_state state;
	struct mono up_since;
	bool has_served; /* part of a good answer came over it */
	size_t n_requests;
};

struct kube_conn *kube_conn_new(struct kube_client *client, struct ev_loop *loop,
				const struct kube_dialer *dialer);
/* Ends its requests with -ECANCELED. Not from inside one of its callbacks. */
void kube_conn_free(struct kube_conn *k);
struct kube_conn_info kube_conn_info(const struct kube_conn *k);

struct kube_conn_send_headers {
	const char *authority, *user_agent;
	const char *token; /* "" for none */
};
/* The request moves here. Only in state UP. */
void kube_conn_submit(struct kube_conn *k, struct kube_request *r,
		      const struct kube_conn_send_headers *h);
/* The request leaves its connection; the stream is reset. */
void kube_conn_forget(struct kube_conn *k, struct kube_request *r);
