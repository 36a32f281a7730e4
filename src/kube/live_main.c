/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not part of the product: watches the Nodes of a real or a lab's API server and prints one line
 * for each event, for trying the client by hand and for the lab.
 *
 *   kube-live KUBECONFIG [SECONDS]    ends after so many seconds (default: never), then prints
 * counts
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "ev/ev.h"
#include "kube/watch.h"
#include "model/node.h"

struct live {
	struct ev_loop *loop;
	struct kube_watch *watch;
	struct mono start;
};

static void on_changed(void *arg, const char *key, const void *old, const void *now)
{
	struct live *l = arg;
	const struct node *n = now ? now : old;

	if (!n)
		return;
	printf("%s %s version=%s podCIDR=%s addresses=%zu labels=%zu annotations=%zu count=%zu\n",
	       !old  ? "added"
	       : now ? "changed"
		     : "removed",
	       key, n->meta.resource_version, n->pod_cidr, n->n_addresses, n->meta.n_labels,
	       n->meta.n_annotations, kube_watch_count(l->watch));
	(void)fflush(stdout);
}

static void on_synced(void *arg)
{
	struct live *l = arg;
	struct kube_watch_stats s;

	kube_watch_stats_get(l->watch, &s);
	printf("synced objects=%zu bytes=%zu after_ms=%lld\n", s.objects, s.bytes,
	       (long long)(mono_diff_us(mono_read(), l->start) / US_PER_MS));
	(void)fflush(stdout);
}

static void on_end(void *arg)
{
	struct live *l = arg;

	ev_stop(l->loop);
}

static void on_signal(void *arg)
{
	on_end(arg);
}

static void stats_print(const struct kube_client *c, const struct kube_watch *w)
{
	struct kube_client_stats cs;
	struct kube_watch_stats ws;

	kube_client_stats_get(c, &cs);
	kube_watch_stats_get(w, &ws);
	printf("client connects=%llu connect_failures=%llu requests=%llu in=%llu out=%llu "
	       "pings_lost=%llu connected=%d error=%s\n",
	       (unsigned long long)cs.connects, (unsigned long long)cs.connect_failures,
	       (unsigned long long)cs.requests, (unsigned long long)cs.bytes_in,
	       (unsigned long long)cs.bytes_out, (unsigned long long)cs.pings_lost, cs.connected,
	       cs.last_error);
	printf("watch lists=%llu pages=%llu watches=%llu events=%llu bookmarks=%llu expired=%llu "
	       "refused=%llu failures=%llu objects=%zu bytes=%zu\n",
	       (unsigned long long)ws.lists, (unsigned long long)ws.list_pages,
	       (unsigned long long)ws.watches, (unsigned long long)ws.events,
	       (unsigned long long)ws.bookmarks, (unsigned long long)ws.expired,
	       (unsigned long long)ws.refused, (unsigned long long)ws.failures, ws.objects,
	       ws.bytes);
}

int main(int argc, char **argv)
{
	struct kube_conf_source src = { .kubeconfig = argc > 1 ? argv[1] : "", .master = "" };
	struct live l = { 0 };
	const struct kube_watch_events events = { &l, on_changed, on_synced };
	struct kube_conf *conf;
	uint64_t seconds = 0;
	char *why = NULL;

	if (argc < 2 || (argc > 2 && str_to_u64(argv[2], 10, 86400, &seconds) < 0)) {
		(void)fprintf(stderr, "usage: kube-live KUBECONFIG [SECONDS]\n");
		return 2;
	}
	if (kube_conf_load(&src, &conf, &why) < 0) {
		(void)fprintf(stderr, "%s\n", why);
		free(why);
		return 1;
	}
	log_verbosity_set(2);
	l.loop = ev_new_real();
	l.start = mono_read();

	struct ev_signal *term = ev_signal_new(l.loop, 15, on_signal, &l);
	struct ev_timer *end = ev_timer_new(l.loop, "live-end", on_end, &l);
	struct kube_client *client = kube_client_new(l.loop, conf);

	l.watch = kube_watch_new(client, &kube_kind_node, &events);
	if (seconds > 0)
		ev_timer_set(end, (int64_t)seconds * US_PER_S);
	ev_run(l.loop);
	stats_print(client, l.watch);
	kube_watch_free(l.watch);
	kube_client_free(client);
	ev_timer_free(end);
	ev_signal_free(term);
	ev_free(l.loop);
	return 0;
}
