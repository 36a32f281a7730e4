/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "cluster/identity.h"

struct cluster {
	struct cluster_events events;
	struct kube_watch *nodes;
	struct map by_ip; /* struct ip_addr -> owned name of the Node */
	char *self;
};

/* --- index: address -> Node --- */

static void index_del(struct cluster *c, const char *name, const struct node *n)
{
	struct node_ips ips;

	node_ips_get(n, &ips, NULL);
	for (size_t i = 0; i < ips.n; i++) {
		char *holder = map_get(&c->by_ip, &ips.v[i], sizeof(ips.v[i]));

		if (holder && strcmp(holder, name) == 0)
			free(map_del(&c->by_ip, &ips.v[i], sizeof(ips.v[i])));
	}
}

static void index_add(struct cluster *c, const char *name, const struct node *n)
{
	struct node_ips ips;

	node_ips_get(n, &ips, NULL);
	for (size_t i = 0; i < ips.n; i++) {
		if (!map_get(&c->by_ip, &ips.v[i], sizeof(ips.v[i])))
			map_put(&c->by_ip, &ips.v[i], sizeof(ips.v[i]), xstrdup(name));
	}
}

static int index_heir(void *arg, const char *key, const void *obj)
{
	index_add(arg, key, obj);
	return 0;
}

/*
 * An address that several Nodes have belongs to the first of them. When that one goes the others
 * are asked; as Nodes rarely lose an address, each such time costs a walk.
 */
static void index_inherit(struct cluster *c, const struct node *old)
{
	struct node_ips ips;

	node_ips_get(old, &ips, NULL);
	for (size_t i = 0; i < ips.n; i++) {
		if (map_get(&c->by_ip, &ips.v[i], sizeof(ips.v[i])))
			continue;
		(void)kube_watch_walk(c->nodes, index_heir, c);
		return;
	}
}

static void on_changed(void *arg, const char *key, const void *old, const void *now)
{
	struct cluster *c = arg;

	if (old)
		index_del(c, key, old);
	if (now)
		index_add(c, key, now);
	if (old)
		index_inherit(c, old);
	c->events.node(c->events.arg, key);
}

static void on_synced(void *arg)
{
	struct cluster *c = arg;

	c->events.synced(c->events.arg);
}

struct cluster *cluster_new(struct kube_client *client, const struct cluster_events *events)
{
	struct cluster *c = xcalloc(1, sizeof(*c));
	const struct kube_watch_events node_events = {
		.arg = c,
		.changed = on_changed,
		.synced = on_synced,
	};

	c->events = *events;
	c->self = xstrdup("");
	c->nodes = kube_watch_new(client, &kube_kind_node, &node_events);
	return c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	kube_watch_free(c->nodes);
	map_for_each (&c->by_ip, i)
		free(map_at(&c->by_ip, i, NULL, NULL));
	map_fini(&c->by_ip);
	free(c->self);
	free(c);
}

bool cluster_is_synced(const struct cluster *c)
{
	return kube_watch_is_synced(c->nodes);
}

/* --- who am I --- */

int cluster_identify(struct cluster *c, const struct cluster_names *names, char **ret_why)
{
	const char *name = names->hostname;
	char quoted[LOG_QUOTE_MAX];

	if (!str_is_empty(names->override_) && cluster_node(c, names->override_)) {
		name = names->override_;
	} else if (!str_is_empty(names->env)) {
		name = names->env;
	}
	if (!str_is_empty(names->override_) && name != names->override_)
		log_warning("cluster: --hostname-override names no Node, using the next name "
			    "override=%s",
			    log_quote(quoted, names->override_));
	if (!cluster_node(c, name)) {
		if (name == names->hostname)
			*ret_why = xasprintf("failed to identify the node by NODE_NAME, %s or "
					     "--hostname-override: no Node of that name",
					     name);
		else
			*ret_why = xasprintf("unable to get node %s, due to: no Node of that name",
					     name);
		return -ENOENT;
	}
	free(c->self);
	c->self = xstrdup(name);
	return 0;
}

const char *cluster_self_name(const struct cluster *c)
{
	return c->self;
}

const struct node *cluster_self(const struct cluster *c)
{
	return cluster_node(c, c->self);
}

/* --- look-ups --- */

const struct node *cluster_node(const struct cluster *c, const char *name)
{
	return kube_watch_get(c->nodes, name);
}

struct walk {
	int (*fn)(void *arg, const char *name, const struct node *n);
	void *arg;
};

static int walk_one(void *arg, const char *key, const void *obj)
{
	const struct walk *w = arg;

	return w->fn(w->arg, key, obj);
}

int cluster_nodes_walk(const struct cluster *c,
		       int (*fn)(void *arg, const char *name, const struct node *n), void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };

	return kube_watch_walk(c->nodes, walk_one, &w);
}

const char *cluster_node_of_ip(const struct cluster *c, const struct ip_addr *a)
{
	return map_get(&c->by_ip, a, sizeof(*a));
}

struct kube_watch *cluster_node_watch(const struct cluster *c)
{
	return c->nodes;
}
