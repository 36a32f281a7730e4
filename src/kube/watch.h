/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * List and watch: keeps a cache of one kind of API object equal to the API server's.
 *
 *   connection (TLS, HTTP/2) -> frames -> decode one object at a time -> cache -> events
 *
 * Lists come in pages, watches resume from the last resourceVersion (opaque; bookmarks are kept);
 * 410 lists again, and the new list replaces the cache in one step, reported as its difference to
 * the old content. Lost connections come back with back-off and jitter, forever; the cache keeps
 * its content meanwhile. A malformed object is refused, counted and named in the log; the stream
 * goes on. An unsynced cache has content that must not be taken for complete.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/str.h"

struct ev_loop;
struct kube_client;
struct kube_watch;
struct kube_kind;

/* Where the API server is and who we are there. Secrets stay inside; never logged. */
struct kube_conf;

struct kube_conf_source {
	const char *kubeconfig;   /* --kubeconfig, "" if unset */
	const char *master;       /* --master, "" if unset */
	const char *service_host; /* KUBERNETES_SERVICE_HOST, NULL if unset */
	const char *service_port;
	const char *account_dir; /* /var/run/secrets/kubernetes.io/serviceaccount */
};
/* 0 or -errno with *ret_why, a text to free, naming file and field. */
int kube_conf_load(const struct kube_conf_source *src, struct kube_conf **ret_conf, char **ret_why);
void kube_conf_free(struct kube_conf *c);
/* "https://192.168.1.250:6443": for logs and status. */
const char *kube_conf_server(const struct kube_conf *c);

/* Takes the conf. One connection, kept up while anything uses it. */
struct kube_client *kube_client_new(struct ev_loop *loop, struct kube_conf *conf);
void kube_client_free(struct kube_client *c); /* after its watches */

struct kube_client_stats {
	uint64_t connects, connect_failures, requests, bytes_in, bytes_out, pings_lost;
	bool connected;
	char last_error[160]; /* "" if none since the last success */
};
void kube_client_stats_get(const struct kube_client *c, struct kube_client_stats *ret);

/* The kinds known: a table of fields and one line in kind.c each. */
extern const struct kube_kind kube_kind_node; /* objects are struct node (model/node.h) */

struct kube_watch_events {
	void *arg;
	/*
	 * An object came (old NULL), changed, or went (now NULL). Both are valid during the call;
	 * now stays valid until the next event of the same key. key is "name" or "namespace/name".
	 */
	void (*changed)(void *arg, const char *key, const void *old, const void *now);
	/* The cache is complete for the first time; called once, after the changed() of its
	 * content. */
	void (*synced)(void *arg);
};

struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_kind *kind,
				  const struct kube_watch_events *events);
void kube_watch_free(struct kube_watch *w);

bool kube_watch_is_synced(const struct kube_watch *w);
const void *kube_watch_get(const struct kube_watch *w, const char *key); /* NULL: not there */
size_t kube_watch_count(const struct kube_watch *w);
/* Anything but 0 stops. The walk must not change the cache. Unspecified order. */
int kube_watch_walk(const struct kube_watch *w,
		    int (*fn)(void *arg, const char *key, const void *obj), void *arg);

struct kube_watch_stats {
	uint64_t lists, list_pages, watches, events, bookmarks, expired, refused, failures;
	size_t objects, bytes; /* in the cache */
};
void kube_watch_stats_get(const struct kube_watch *w, struct kube_watch_stats *ret);
const char *kube_watch_kind_name(const struct kube_watch *w); /* "nodes" */
