/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What conn.c and request.c need of a client. (kube/watch.h has its face.)
 */
#include "kube/conf.h"
#include "kube/conn.h"
#include "kube/request.h"
#include "kube/watch.h"

/* A client whose streams come from a test or a simulator. The dialer is copied. */
struct kube_client *kube_client_new_with(struct ev_loop *loop, struct kube_conf *conf,
					 const struct kube_dialer *dialer);
struct ev_loop *kube_client_loop(const struct kube_client *c);

/*
 * Around every entry from the loop: the client may be freed by what it calls, and then goes when
 * the outermost call has returned. leave: false when it went.
 */
void kube_client_enter(struct kube_client *c);
bool kube_client_leave(struct kube_client *c);
bool kube_client_is_dying(const struct kube_client *c);

/* From a connection. */
void kube_client_conn_up(struct kube_client *c, struct kube_conn *k);
void kube_client_conn_draining(struct kube_client *c, struct kube_conn *k);
void kube_client_conn_lost(struct kube_client *c, struct kube_conn *k, const char *why);
void kube_client_conn_idle(struct kube_client *c); /* a request ended: something may be due */
void kube_client_count(struct kube_client *c, size_t in, size_t out);
void kube_client_ping_lost(struct kube_client *c);
/* The request is over: calls done() and frees it. err 0: the answer is whole. */
void kube_request_finish(struct kube_request *r, int err, const char *why);
