/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes kept over a restart. History is a table too: at start it is rebuilt from the kernel (our
 * protocol number marks the rows), after the loss of the BGP process from what it had told. A kept
 * route is claimed by the same owner that claims a learned one, so learning it anew with the same
 * next hop changes nothing in the kernel.
 */
#include "cluster/cluster.h"
#include "ev/ev.h"
#include "routing/core.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define KEPT_TICK_US US_PER_S
#define KEPT_SOON_US (100 * US_PER_MS)

static void kept_add(struct routing *r, const struct ip_prefix *prefix,
		     const struct ip_addr *gateway)
{
	const struct kept_route k = {
		.gateway = *gateway,
		.deadline = mono_add_us(ev_now(r->deps.loop), r->opt.restart_time_us),
	};

	if (r->learned.n + r->kept.n >= ROUTING_PREFIXES_MAX &&
	    !map_get(&r->kept, prefix, sizeof(*prefix)))
		return;
	free(map_put(&r->kept, prefix, sizeof(*prefix), xmemdup(&k, sizeof(k))));
	routing_dirty_route(r, prefix);
	if (!ev_timer_is_set(r->kept_tick))
		ev_timer_set(r->kept_tick, KEPT_TICK_US);
}

static int adopt_one(void *arg, const struct row_view *row)
{
	struct routing *r = arg;
	struct route_key key;
	struct route_value value;

	if (row->have.len != sizeof(value))
		return 0;
	memcpy(&key, row->key.data, sizeof(key));
	memcpy(&value, row->have.data, sizeof(value));
	kept_add(r, &key.dst, &value.gateway);
	return 0;
}

void routing_kept_adopt(struct routing *r)
{
	(void)table_walk(r->deps.tables.routes, adopt_one, r);
	if (r->kept.n)
		log_info("routing: keeping routes found at start until their peers have spoken "
			 "routes=%zu",
			 r->kept.n);
}

void routing_kept_from_learned(struct routing *r)
{
	struct map learned = r->learned;

	r->learned = (struct map)MAP_INIT;
	map_for_each (&learned, i) {
		CLEANUP_FREE struct bgp_best *best = map_at(&learned, i, NULL, NULL);
		struct route_value unused;

		/* What was refused has no route to keep. */
		if (routing_judge(r, &best->prefix, &best->nexthop, &unused) == ROUTE_WANTED)
			kept_add(r, &best->prefix, &best->nexthop);
		else
			routing_dirty_route(r, &best->prefix);
	}
	map_fini(&learned);
}

/*
 * The peer that announces routes via this gateway. Its session may be of another family than the
 * gateway: then the Node that has the gateway is asked for its primary address.
 */
static const struct peer_known *peer_of(const struct routing *r, const struct ip_addr *gateway)
{
	const struct peer_known *known = map_get(&r->status, gateway, sizeof(*gateway));
	const char *name = cluster_node_of_ip(r->deps.cluster, gateway);
	const struct node *n = name ? cluster_node(r->deps.cluster, name) : NULL;
	struct node_ips ips;

	if (known || !n)
		return known;
	node_ips_get(n, &ips, NULL);
	return map_get(&r->status, &ips.primary, sizeof(ips.primary));
}

static struct kept_facts kept_facts(const struct routing *r, const struct ip_addr *gateway)
{
	const struct peer_known *peer = peer_of(r, gateway);
	struct kept_facts facts = {
		.is_node = cluster_node_of_ip(r->deps.cluster, gateway) != NULL,
		.is_peer = peer != NULL,
	};

	if (peer) {
		facts.peer_is_established = peer->st.state == BGP_STATE_ESTABLISHED;
		facts.peer_got_eor = peer->st.got_eor;
		facts.established_for_us =
			peer->st.since_us + mono_diff_us(ev_now(r->deps.loop), peer->at);
	}
	return facts;
}

/* Looking costs as much as there are kept routes: when all peers come at once, not for each. */
void routing_kept_check_soon(struct routing *r)
{
	if (r->kept.n == 0 || r->kept_soon)
		return;
	r->kept_soon = true;
	ev_timer_set(r->kept_tick, KEPT_SOON_US);
}

void routing_kept_check(struct routing *r)
{
	struct mono now = ev_now(r->deps.loop);

	r->kept_soon = false;
	for (size_t i = r->kept.n; i-- > 0;) { /* backwards: a deletion moves the last one here */
		const void *key;
		struct kept_route *k = map_at(&r->kept, i, &key, NULL);
		struct kept_facts facts = kept_facts(r, &k->gateway);
		const char *why = kept_route_verdict(k, &facts, now);
		struct ip_prefix prefix;
		char text[IP_PREFIX_FMT_MAX];

		if (!why)
			continue;
		memcpy(&prefix, key, sizeof(prefix));
		if (!map_get(&r->learned, &prefix, sizeof(prefix)))
			log_info("routing: letting go of a kept route prefix=%s cause=\"%s\"",
				 ip_prefix_fmt(text, &prefix), why);
		free(map_del(&r->kept, &prefix, sizeof(prefix)));
		routing_dirty_route(r, &prefix);
	}
	if (r->kept.n)
		ev_timer_set(r->kept_tick, KEPT_TICK_US);
	else
		ev_timer_stop(r->kept_tick);
}
