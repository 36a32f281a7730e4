/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of routing/: the state its files share. routing.c wires, self.c follows the own Node,
 * owners.c plans for the engine, kept.c keeps routes over a restart.
 */
#include "base/map.h"
#include "bgp/proc.h"
#include "engine/engine.h"
#include "routing/node_plan.h"
#include "routing/route_plan.h"
#include "routing/routing.h"
#include "routing/self_plan.h"

/* Prefixes learned and kept. Each is an owner, and so is each Node: they share one ceiling. */
#define ROUTING_PREFIXES_MAX (ENGINE_OWNERS_MAX - 2 * BGP_PEERS_MAX)

/* What the own Node says now and cannot be followed while running. */
struct self_changes {
	bool primary; /* another primary address */
	bool family;  /* addresses of a family that it had none of, or none of one it had */
	bool no_cidr; /* no usable pod CIDR any more */
};

struct routing {
	struct routing_deps deps;
	struct routing_options opt;
	char *router_id, *cni_path;
	struct routing_self self;
	struct node_pod_cidrs cidrs; /* own, in use */
	struct self_changes changes;
	struct if_addr *own_addrs; /* interfaces that have an address of ours, as last seen */
	size_t n_own_addrs;
	struct ip_prefix gateways[NODE_POD_CIDRS_MAX]; /* the bridge's, of each own pod CIDR */
	struct owner_kind *node_owner, *self_owner, *route_owner;
	struct table *peers, *announcements;
	struct bgp_proc *bgp;
	bool listening;
	bool random_fully; /* iptables knows --random-fully */
	struct ev_timer *listen_retry;
	struct ev_timer *kept_tick;
	bool kept_soon; /* the tick is set to come soon */
	int64_t listen_wait_us;
	struct map learned; /* struct ip_prefix -> struct bgp_best, owned */
	struct map kept;    /* struct ip_prefix -> struct kept_route, owned */
	struct map status;  /* struct ip_addr -> struct peer_known, owned */
	uint64_t best_changes;
};

/* A peer's last report and when it came. */
struct peer_known {
	struct bgp_peer_status st;
	struct mono at;
};

/* --- owners.c --- */

void routing_plan_node(void *arg, const char *owner, struct claims *c);
void routing_plan_self(void *arg, const char *owner, struct claims *c);
void routing_plan_route(void *arg, const char *owner, struct claims *c);
void routing_dirty_route(struct routing *r, const struct ip_prefix *prefix);
void routing_dirty_all(struct routing *r);
/* The verdict on a learned route; *ret is written for ROUTE_WANTED. */
enum route_verdict routing_judge(const struct routing *r, const struct ip_prefix *prefix,
				 const struct ip_addr *nexthop, struct route_value *ret);
/* Interface and MTU of the primary address. */
void routing_self_facts(const struct routing *r, struct self_facts *ret);

/* --- self.c --- */

/* Own addresses and pod CIDRs, from the own Node. True if anything is different now. */
bool routing_self_refresh(struct routing *r);
/* The interfaces with these addresses. True if they are others than before, or changed. */
bool routing_own_addrs_refresh(struct routing *r);
/* What the bridge has in the own pod CIDRs. True if another is to be kept than before. */
bool routing_gateways_refresh(struct routing *r);

/* --- kept.c --- */

void routing_kept_adopt(struct routing *r);        /* the routes the kernel has of us */
void routing_kept_from_learned(struct routing *r); /* the BGP process was lost */
void routing_kept_check(struct routing *r);        /* lets go what is known to be wrong */
void routing_kept_check_soon(struct routing *r);   /* the same, once for many events */
