/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this node knows of itself while it runs: addresses and pod CIDRs as its Node says them, and
 * the interfaces that have these addresses. A Node that is deleted, or registered anew and without
 * a pod CIDR yet, changes nothing for the pods here. Neither can BGP move to another address or
 * family while it runs: then the owner self/NAME shows a problem.
 */
#include <string.h>

#include "base/mem.h"
#include "cluster/cluster.h"
#include "kernel/addr.h"
#include "routing/core.h"

/* --- the Node object --- */

static bool is_same_cidrs(const struct node_pod_cidrs *a, const struct node_pod_cidrs *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(a->v[0])) == 0;
}

static bool is_same_addresses(const struct node_ips *a, const struct node_ips *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(a->v[0])) == 0;
}

bool routing_self_refresh(struct routing *r)
{
	const struct node *n = cluster_self(r->deps.cluster);
	struct self_changes changes = { 0 };
	struct node_pod_cidrs cidrs;
	struct node_ips ips;
	bool changed = false;

	if (!n)
		return false;
	node_pod_cidrs_get(n, &cidrs, NULL);
	node_ips_get(n, &ips, NULL);
	changes.no_cidr = cidrs.n == 0;
	if (!changes.no_cidr) {
		changed |= !is_same_cidrs(&cidrs, &r->cidrs);
		r->cidrs = cidrs;
	}
	changes.primary = !ip_same(&ips.primary, &r->self.ips.primary);
	if (!changes.primary) {
		changes.family = ip_is_none(&ips.best4) == r->self.has4 ||
				 ip_is_none(&ips.best6) == r->self.has6;
		changed |= !is_same_addresses(&ips, &r->self.ips);
		r->self.ips = ips;
	}
	changed |= changes.primary != r->changes.primary || changes.family != r->changes.family ||
		   changes.no_cidr != r->changes.no_cidr;
	r->changes = changes;
	return changed;
}

/* --- interfaces --- */

static bool is_own_addr(const struct routing *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->self.ips.n; i++) {
		if (ip_same(&r->self.ips.v[i], a))
			return true;
	}
	return false;
}

static bool is_same_if_addr(const struct if_addr *a, const struct if_addr *b)
{
	return ip_prefix_same(&a->prefix, &b->prefix) && a->ifindex == b->ifindex &&
	       a->mtu == b->mtu && str_eq(a->ifname, b->ifname);
}

bool routing_own_addrs_refresh(struct routing *r)
{
	size_t count = kernel_addr_count(r->deps.addrs), n = 0, cap = 0;
	struct if_addr *v = NULL;
	bool changed;

	for (size_t i = 0; i < count; i++) {
		const struct if_addr *a = kernel_addr_at(r->deps.addrs, i);

		if (!is_own_addr(r, &a->prefix.addr))
			continue;
		GROW(v, n, cap);
		v[n++] = *a;
	}
	changed = n != r->n_own_addrs;
	for (size_t i = 0; i < n && !changed; i++)
		changed = !is_same_if_addr(&v[i], &r->own_addrs[i]);
	free(r->own_addrs);
	r->own_addrs = v;
	r->n_own_addrs = n;
	return changed;
}

/* --- the bridge's addresses --- */

/* Of what is on the bridge: the one there was, else the first one, else still the one there was. */
static struct ip_prefix gateway_in(const struct routing *r, const struct ip_prefix *cidr,
				   const struct ip_prefix *before)
{
	size_t count = kernel_addr_count(r->deps.addrs);
	const struct ip_prefix *other = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct if_addr *a = kernel_addr_at(r->deps.addrs, i);

		if (!str_eq(a->ifname, BRIDGE_NAME) || !ip_prefix_has(cidr, &a->prefix.addr))
			continue;
		if (ip_prefix_same(&a->prefix, before))
			return *before;
		if (!other)
			other = &a->prefix;
	}
	return other ? *other : *before;
}

/*
 * The CNI plugin gives the bridge its address, with the first pod, and nothing does so again: if
 * somebody removes it, every pod here has lost its gateway. So what was seen there, in a pod CIDR
 * of ours, is kept. Which one it should be is the plugin's business: one that replaces another at
 * once is followed, and none is made up.
 */
bool routing_gateways_refresh(struct routing *r)
{
	struct ip_prefix before[NODE_POD_CIDRS_MAX];

	memcpy(before, r->gateways, sizeof(before));
	memset(r->gateways, 0, sizeof(r->gateways));
	for (size_t c = 0; c < r->cidrs.n; c++) {
		const struct ip_prefix *cidr = &r->cidrs.v[c];
		struct ip_prefix known = { 0 };

		for (size_t i = 0; i < NODE_POD_CIDRS_MAX; i++) {
			if (!ip_is_none(&before[i].addr) && ip_prefix_has(cidr, &before[i].addr))
				known = before[i];
		}
		r->gateways[c] = gateway_in(r, cidr, &known);
	}
	return memcmp(before, r->gateways, sizeof(before)) != 0;
}
