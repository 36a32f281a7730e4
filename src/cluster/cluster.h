/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The cluster as this node sees it: the caches of API objects, which of the Nodes is ours, and the
 * indexes that features ask. Nothing is planned here; changes are passed on by name.
 */
#include "base/ip.h"
#include "kube/watch.h"
#include "model/node.h"

struct cluster;

struct cluster_names {
	const char *override_; /* --hostname-override, "" if unset */
	const char *env;       /* NODE_NAME, NULL if unset */
	const char *hostname;  /* of the kernel */
};

struct cluster_events {
	void *arg;
	void (*synced)(void *arg); /* every cache is complete; once */
	/* A Node came, changed or went. Before synced, too. */
	void (*node)(void *arg, const char *name);
};

struct cluster *cluster_new(struct kube_client *client, const struct cluster_events *events);
void cluster_free(struct cluster *c);

bool cluster_is_synced(const struct cluster *c);

/*
 * Decides which Node is this one: the first of override, environment and kernel host name that is
 * set must exist; an override that names no Node is passed over with a warning, since tools render
 * one where NODE_NAME is right. 0, or -ENOENT with *ret_why, a text to free.
 */
int cluster_identify(struct cluster *c, const struct cluster_names *names, char **ret_why);
const char *cluster_self_name(const struct cluster *c);   /* "" before */
const struct node *cluster_self(const struct cluster *c); /* NULL: the Node was deleted */

const struct node *cluster_node(const struct cluster *c, const char *name); /* NULL: not there */
int cluster_nodes_walk(const struct cluster *c,
		       int (*fn)(void *arg, const char *name, const struct node *n), void *arg);
/* The name of a Node with this address, or NULL; of several the one that came first. */
const char *cluster_node_of_ip(const struct cluster *c, const struct ip_addr *a);
struct kube_watch *cluster_node_watch(const struct cluster *c); /* for its statistics */
