/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of routing/: the state its files share. routing.c wires, owners.c plans for the engine,
 * kept.c keeps routes over a restart.
 */
#include "base/map.h"
#include "bgp/proc.h"
#include "engine/engine.h"
#include "routing/node_plan.h"
#include "routing/route_plan.h"
#include "routing/routing.h"
#include "routing/self_plan.h"

struct routing {
	struct routing_deps deps;
	struct routing_options opt;
	char *router_id, *cni_path;
	struct routing_self self;
	struct node_pod_cidrs cidrs; /* own */
	struct owner_kind *node_owner, *self_owner, *route_owner;
	struct table *peers, *announcements;
	struct bgp_proc *bgp;
	bool listening;
	bool random_fully; /* iptables knows --random-fully */
	struct ev_timer *listen_retry;
	struct ev_timer *kept_tick;
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
enum route_verdict routing_judge(const struct routing *r, const struct bgp_best *best,
				 struct route_value *ret);
/* Interface and MTU of the primary address. */
void routing_self_facts(const struct routing *r, struct self_facts *ret);

/* --- kept.c --- */

void routing_kept_adopt(struct routing *r);        /* the routes the kernel has of us */
void routing_kept_from_learned(struct routing *r); /* the BGP process was lost */
void routing_kept_check(struct routing *r);        /* lets go what is known to be wrong */
