/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three kinds of owners: their plans (what the *_plan.c files decide, turned into claims), and
 * who is planned again when something changes.
 */
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/cluster.h"
#include "kernel/addr.h"
#include "kernel/file.h"
#include "routing/cni_plan.h"
#include "routing/core.h"

#define BYTES(x) ((struct bytes){ &(x), sizeof(x) })

static struct bytes bytes_of_text(const char *s)
{
	return (struct bytes){ s, strlen(s) };
}

/* --- node/NAME --- */

static void node_problem(const struct routing *r, const struct node_want *w,
			 struct strbuf *problems)
{
	const struct node_ips *ips = &r->self.ips;
	char text[IP_ADDR_FMT_MAX];

	if (!w->has_peer || kernel_addr_onlink(r->deps.addrs, ips->v, ips->n, &w->peer.addr))
		return;
	if (problems->len)
		strbuf_puts(problems, "; ");
	strbuf_fmt(problems, "its address %s: %s; its pods cannot be reached from here",
		   ip_fmt(text, &w->peer.addr), route_verdict_text(ROUTE_OFF_SUBNET));
}

void routing_plan_node(void *arg, const char *owner, struct claims *c)
{
	struct routing *r = arg;
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	const struct node *n = cluster_node(r->deps.cluster, owner);
	struct node_want w;

	if (str_eq(owner, cluster_self_name(r->deps.cluster)))
		node_plan_self(&r->self, &r->cidrs, n, &w, &problems);
	else if (n)
		node_plan(&r->self, n, &w, &problems);
	else
		return;
	for (size_t i = 0; i < w.n_members; i++)
		claim(c, r->deps.tables.members, BYTES(w.members[i]), (struct bytes){ "", 0 });
	if (w.has_peer)
		claim(c, r->peers, BYTES(w.peer.addr), BYTES(w.peer));
	node_problem(r, &w, &problems);
	if (problems.len)
		claims_problem(c, "%s", strbuf_text(&problems));
}

/* --- self/NAME --- */

void routing_self_facts(const struct routing *r, struct self_facts *ret)
{
	const struct if_addr *a = kernel_addr_find(r->deps.addrs, &r->self.ips.primary);

	memset(ret, 0, sizeof(*ret));
	ret->cidrs = r->cidrs;
	if (!a)
		return;
	(void)str_copy(ret->interface, sizeof(ret->interface), a->ifname);
	ret->mtu = a->mtu;
}

static void claim_gateways(struct routing *r, const struct link_key *bridge, struct claims *c)
{
	for (size_t i = 0; i < NODE_POD_CIDRS_MAX; i++) {
		struct link_addr_key key = { .prefix = r->gateways[i] };

		if (ip_is_none(&key.prefix.addr))
			continue;
		memcpy(key.link, bridge->name, sizeof(key.link));
		claim(c, r->deps.tables.addrs, BYTES(key), (struct bytes){ "", 0 });
	}
}

static void changes_problem(const struct self_changes *changes, struct claims *c)
{
	if (changes->primary)
		claims_problem(c, "the primary address of this Node changed; sessions and "
				  "listeners keep the old one until a restart");
	if (changes->family)
		claims_problem(c, "this Node has addresses of other families than at the start; "
				  "they are not used until a restart");
	if (changes->no_cidr)
		claims_problem(c, "this Node has no usable pod CIDR any more; the old ones stay "
				  "in use");
}

static void claim_cni(struct routing *r, const struct self_facts *facts, struct claims *c)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_FREE char *why = NULL;
	const struct cni_want want = { .cidrs = facts->cidrs,
				       .mtu = r->opt.auto_mtu ? facts->mtu : 0 };
	struct bytes have;

	if (!r->opt.cni)
		return;
	/* Completing what is there: the file's present content is an input of the plan. */
	have = table_have(r->deps.tables.files, bytes_of_text(r->cni_path));
	if (!have.data) {
		claims_problem(c, "the CNI file %s cannot be read", r->cni_path);
		return;
	}
	if (cni_plan(r->cni_path, have.data, have.len, &want, &text, &why) < 0) {
		claims_problem(c, "%s", why);
		return;
	}
	claim(c, r->deps.tables.files, bytes_of_text(r->cni_path),
	      (struct bytes){ strbuf_text(&text), text.len });
}

void routing_plan_self(void *arg, const char *owner, struct claims *c)
{
	struct routing *r = arg;
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	CLEANUP_ARENA struct arena arena = ARENA_INIT;
	const struct self_options opt = {
		.pod_egress = r->opt.pod_egress,
		.advertise_pod_cidr = r->opt.advertise_pod_cidr,
		.auto_mtu = r->opt.auto_mtu,
		.ipv6 = r->opt.ipv6,
		.random_fully = r->random_fully,
	};
	const struct routing_tables *t = &r->deps.tables;
	struct self_facts facts;
	struct self_want w;

	(void)owner;
	routing_self_facts(r, &facts);
	self_plan(&arena, &r->self, &opt, &facts, &w, &problems);
	claim(c, t->links, BYTES(w.link), BYTES(w.link_value));
	claim_gateways(r, &w.link, c);
	for (size_t i = 0; i < w.n_sysctls; i++)
		claim(c, t->sysctls, bytes_of_text(w.sysctls[i].path),
		      bytes_of_text(w.sysctls[i].value));
	for (size_t i = 0; i < w.n_sets; i++)
		claim(c, t->ipsets, BYTES(w.sets[i].key), BYTES(w.sets[i].value));
	for (size_t i = 0; i < w.n_rules; i++)
		claim(c, t->iptables, BYTES(w.rules[i].key), bytes_of_text(w.rules[i].value));
	for (size_t i = 0; i < w.n_announcements; i++)
		claim(c, r->announcements, BYTES(w.announcements[i].prefix),
		      BYTES(w.announcements[i].announce));
	claim_cni(r, &facts, c);
	changes_problem(&r->changes, c);
	if (problems.len)
		claims_problem(c, "%s", strbuf_text(&problems));
}

/* --- route/PREFIX --- */

enum route_verdict routing_judge(const struct routing *r, const struct ip_prefix *prefix,
				 const struct ip_addr *nexthop, struct route_value *ret)
{
	const struct node_ips *ips = &r->self.ips;
	struct route_facts facts = {
		.nexthop_on_link =
			kernel_addr_onlink(r->deps.addrs, ips->v, ips->n, nexthop) != NULL,
	};

	for (size_t i = 0; i < r->cidrs.n; i++)
		facts.covered_by_own_cidr |= ip_prefix_covers(&r->cidrs.v[i], prefix);
	return route_plan(prefix, nexthop, &facts, ret);
}

void routing_plan_route(void *arg, const char *owner, struct claims *c)
{
	struct routing *r = arg;
	struct ip_prefix prefix;
	const struct bgp_best *best;
	const struct kept_route *kept;
	struct route_value value = { 0 };
	enum route_verdict verdict;

	if (ip_prefix_parse(owner, &prefix) < 0)
		return;
	best = map_get(&r->learned, &prefix, sizeof(prefix));
	kept = map_get(&r->kept, &prefix, sizeof(prefix));
	if (!best) {
		if (!kept)
			return;
		/* Judged anew: addresses and own CIDRs may have changed since it was made. */
		if (routing_judge(r, &prefix, &kept->gateway, &value) == ROUTE_WANTED)
			claim(c, r->deps.tables.routes, BYTES(prefix), BYTES(value));
		return;
	}
	verdict = routing_judge(r, &best->prefix, &best->nexthop, &value);
	if (verdict == ROUTE_WANTED) {
		claim(c, r->deps.tables.routes, BYTES(prefix), BYTES(value));
	} else if (verdict != ROUTE_OFF_SUBNET ||
		   !cluster_node_of_ip(r->deps.cluster, &best->nexthop)) {
		/* of an off-subnet Node the owner node/NAME tells, once for all its prefixes */
		char nexthop[IP_ADDR_FMT_MAX];

		claims_problem(c, "next hop %s: %s", ip_fmt(nexthop, &best->nexthop),
			       route_verdict_text(verdict));
	}
}

/* --- who is planned again --- */

void routing_dirty_route(struct routing *r, const struct ip_prefix *prefix)
{
	char text[IP_PREFIX_FMT_MAX];

	engine_dirty(r->route_owner, ip_prefix_fmt(text, prefix));
}

static int dirty_node(void *arg, const char *name, const struct node *n)
{
	struct routing *r = arg;

	(void)n;
	engine_dirty(r->node_owner, name);
	return 0;
}

/* For what concerns everything and happens rarely: own addresses, own pod CIDRs, the start. */
void routing_dirty_all(struct routing *r)
{
	engine_dirty(r->self_owner, cluster_self_name(r->deps.cluster));
	(void)cluster_nodes_walk(r->deps.cluster, dirty_node, r);
	map_for_each (&r->learned, i) {
		const struct bgp_best *best = map_at(&r->learned, i, NULL, NULL);

		routing_dirty_route(r, &best->prefix);
	}
	map_for_each (&r->kept, i) {
		struct ip_prefix prefix;
		const void *key;

		(void)map_at(&r->kept, i, &key, NULL);
		memcpy(&prefix, key, sizeof(prefix));
		routing_dirty_route(r, &prefix);
	}
}
