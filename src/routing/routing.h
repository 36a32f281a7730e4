/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The routing feature: pods of this node and pods of the others reach each other.
 *
 *   Node objects --node_plan--> members of ipsets, BGP peers
 *   own Node     --self_plan--> bridge, sets, sysctls, iptables slots, CNI file, announcements
 *   best routes  --route_plan-> kernel routes        (from the BGP process)
 *   kept routes  --------------^                     (found at start, or of a lost BGP process)
 *
 * Owners: "node/NAME", "self/NAME", "route/PREFIX". This file's code is the wiring; what is wanted
 * is decided in *_plan.c.
 */
#include "base/time.h"
#include "model/bgp.h"
#include "model/reconcile.h"

struct cluster;
struct engine;
struct ev_loop;
struct kernel_addr;
struct routing;
struct table;

struct routing_tables {
	struct table *sysctls, *ipsets, *members, *iptables, *links, *addrs, *routes, *files;
};

struct routing_deps {
	struct ev_loop *loop;
	struct engine *engine;
	struct cluster *cluster; /* synced and identified */
	struct kernel_addr *addrs;
	struct routing_tables tables;
};

struct routing_options {
	bool ibgp, full_mesh, pod_egress, advertise_pod_cidr, auto_mtu, ipv4, ipv6, cni;
	uint32_t cluster_asn; /* 0: BGP_ASN_DEFAULT */
	uint16_t bgp_port;
	int64_t restart_time_us; /* how long a kept route waits for its peer */
	const char *router_id;
	const char *cni_path;
};

#define BGP_ASN_DEFAULT 64512u

/*
 * Checks that this node can be routed for and registers owners and tables; before engine_start().
 * 0, or -errno with *ret_why, a text to free: a start error (-EBADMSG: of the CNI file).
 */
int routing_new(const struct routing_deps *deps, const struct routing_options *opt,
		struct routing **ret, char **ret_why);
void routing_free(struct routing *r);

/*
 * The engine has dumped the kernel: adopt routes, plan everything, start BGP. random_fully:
 * iptables knows --random-fully (1.6.2).
 */
void routing_start(struct routing *r, bool random_fully);
/* BGP ends in order; done comes within seconds. What is in the kernel stays. */
void routing_stop(struct routing *r, void (*done)(void *arg), void *arg);

void routing_node_changed(struct routing *r, const char *name);
void routing_addrs_changed(struct routing *r); /* of this host's interfaces */
void routing_file_changed(struct routing *r);  /* the CNI file, by somebody else */

/* Looking in. */
struct routing_stats {
	uint32_t asn, router_id;
	int bgp_pid;
	unsigned bgp_restarts;
	bool bgp_listening;
	size_t n_learned, n_kept;
	uint64_t best_changes; /* of learned routes */
};
void routing_stats_get(const struct routing *r, struct routing_stats *ret);

/* Peers wanted, with what is known of each; by address. */
void routing_peers_walk(struct routing *r, void (*fn)(void *arg, const struct bgp_peer_status *st),
			void *arg);
/* Best routes learned, with the verdict ("wanted", or why there is no kernel route). */
void routing_learned_walk(struct routing *r,
			  void (*fn)(void *arg, const struct bgp_best *best, const char *verdict),
			  void *arg);
/* Fresh counters in the peers' states, then done; false: BGP is not running, nothing will come. */
bool routing_report(struct routing *r, void (*done)(void *arg), void *arg);
