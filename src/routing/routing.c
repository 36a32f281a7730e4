/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wiring of the routing feature: events in, owners marked dirty, the BGP process kept running. See
 * routing.h for the picture.
 */
#include "routing/routing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cluster/cluster.h"
#include "ev/ev.h"
#include "kernel/addr.h"
#include "kernel/file.h"
#include "routing/cni_plan.h"
#include "routing/core.h"

#define LISTEN_WAIT_MIN_US (500 * US_PER_MS)
#define LISTEN_WAIT_MAX_US (30 * US_PER_S)

/* --- what the BGP process tells --- */

static void on_best(void *arg, const struct bgp_best *best)
{
	struct routing *r = arg;
	const struct ip_prefix *key = &best->prefix;

	if (r->learned.n + r->kept.n >= ROUTING_PREFIXES_MAX &&
	    !map_get(&r->learned, key, sizeof(*key)) && !map_get(&r->kept, key, sizeof(*key))) {
		LOG_LIMIT(log_warning,
			  "routing: too many learned prefixes, one is left out max=%zu",
			  ROUTING_PREFIXES_MAX);
		return;
	}
	r->best_changes++;
	free(map_put(&r->learned, key, sizeof(*key), xmemdup(best, sizeof(*best))));
	free(map_del(&r->kept, key, sizeof(*key)));
	routing_dirty_route(r, key);
}

static void on_best_gone(void *arg, const struct ip_prefix *prefix)
{
	struct routing *r = arg;

	r->best_changes++;
	free(map_del(&r->learned, prefix, sizeof(*prefix)));
	routing_dirty_route(r, prefix);
}

/* Peers that are wanted no more tell nothing of their end. */
static void status_sweep(struct routing *r)
{
	for (size_t i = r->status.n; i-- > 0;) { /* backwards: a deletion moves the last one here */
		const void *key;
		struct ip_addr addr;

		(void)map_at(&r->status, i, &key, NULL);
		memcpy(&addr, key, sizeof(addr));
		if (!table_have(r->peers, (struct bytes){ &addr, sizeof(addr) }).data)
			free(map_del(&r->status, &addr, sizeof(addr)));
	}
}

static void on_peer(void *arg, const struct bgp_peer_status *status)
{
	struct routing *r = arg;
	const struct peer_known known = { .st = *status, .at = ev_now(r->deps.loop) };

	if (r->status.n >= BGP_PEERS_MAX &&
	    !map_get(&r->status, &status->addr, sizeof(status->addr)))
		status_sweep(r);
	if (r->status.n >= BGP_PEERS_MAX &&
	    !map_get(&r->status, &status->addr, sizeof(status->addr)))
		return;
	free(map_put(&r->status, &status->addr, sizeof(status->addr),
		     xmemdup(&known, sizeof(known))));
	routing_kept_check_soon(r);
}

static void status_clear(struct routing *r)
{
	map_for_each (&r->status, i)
		free(map_at(&r->status, i, NULL, NULL));
	map_fini(&r->status);
}

static void on_lost(void *arg)
{
	struct routing *r = arg;

	status_clear(r);
	routing_kept_from_learned(r);
	engine_table_lost(r->peers);
	engine_table_lost(r->announcements);
}

/* Rows that failed while there was no process need not wait for their next try. */
static void on_started(void *arg)
{
	struct routing *r = arg;

	engine_table_lost(r->peers);
	engine_table_lost(r->announcements);
}

static void on_kept_tick(void *arg)
{
	routing_kept_check(arg);
}

/* --- start and stop --- */

static void try_listen(void *arg)
{
	struct routing *r = arg;
	CLEANUP_FREE char *why = NULL;

	if (bgp_proc_bind(r->bgp, &why) < 0) {
		log_err("routing: BGP cannot start, next try in %lld ms cause=\"%s\"",
			(long long)(r->listen_wait_us / US_PER_MS), why);
		ev_timer_set(r->listen_retry, ev_jitter_us(r->deps.loop, r->listen_wait_us));
		r->listen_wait_us = MIN(2 * r->listen_wait_us, LISTEN_WAIT_MAX_US);
		return;
	}
	r->listening = true;
	bgp_proc_start(r->bgp);
}

void routing_start(struct routing *r, bool random_fully)
{
	r->random_fully = random_fully;
	routing_kept_adopt(r);
	(void)routing_own_addrs_refresh(r);
	(void)routing_gateways_refresh(r);
	routing_dirty_all(r);
	try_listen(r);
}

void routing_stop(struct routing *r, void (*done)(void *arg), void *arg)
{
	ev_timer_stop(r->listen_retry);
	ev_timer_stop(r->kept_tick);
	bgp_proc_stop(r->bgp, done, arg);
}

void routing_node_changed(struct routing *r, const char *name)
{
	if (str_eq(name, cluster_self_name(r->deps.cluster)) && routing_self_refresh(r)) {
		(void)routing_own_addrs_refresh(r);
		(void)routing_gateways_refresh(r);
		routing_dirty_all(r);
		return;
	}
	engine_dirty(r->node_owner, name);
	routing_kept_check_soon(r);
}

/* Each pod's interface comes with an address of its own: most changes are nothing to us. */
void routing_addrs_changed(struct routing *r)
{
	if (routing_own_addrs_refresh(r))
		routing_dirty_all(r);
	if (routing_gateways_refresh(r))
		engine_dirty(r->self_owner, cluster_self_name(r->deps.cluster));
}

/* What is wanted of the file depends on what else is in it. */
void routing_file_changed(struct routing *r)
{
	engine_dirty(r->self_owner, cluster_self_name(r->deps.cluster));
}

/* --- construction --- */

static int check_self(struct routing *r, const struct node *n, char **ret_why)
{
	const char *name = cluster_self_name(r->deps.cluster);

	node_ips_get(n, &r->self.ips, NULL);
	node_pod_cidrs_get(n, &r->cidrs, NULL);
	r->self.has4 = !ip_is_none(&r->self.ips.best4);
	r->self.has6 = !ip_is_none(&r->self.ips.best6);
	if (ip_is_none(&r->self.ips.primary)) {
		*ret_why =
			xasprintf("error getting primary NodeIP: host IP unknown (node %s)", name);
		return -EADDRNOTAVAIL;
	}
	if (r->opt.ipv4 && !r->self.has4) {
		*ret_why = xstrdup("IPv4 was enabled, but no IPv4 address was found on the node");
		return -EAFNOSUPPORT;
	}
	if (r->opt.ipv6 && !r->self.has6) {
		*ret_why = xstrdup("IPv6 was enabled, but no IPv6 address was found on the node");
		return -EAFNOSUPPORT;
	}
	if (!kernel_addr_find(r->deps.addrs, &r->self.ips.primary)) {
		*ret_why = xstrdup("error getting node subnet: failed to find interface with "
				   "specified node ip");
		return -EADDRNOTAVAIL;
	}
	if (r->cidrs.n == 0) {
		*ret_why = xasprintf("node.Spec.PodCIDRs empty for node: %s (no usable CIDR there "
				     "or in the annotations " ANNOTATION_POD_CIDRS
				     ", " ANNOTATION_POD_CIDR ")",
				     name);
		return -ENODATA;
	}
	return 0;
}

static int check_asn(struct routing *r, const struct node *n, char **ret_why)
{
	uint32_t asn = r->opt.cluster_asn ? r->opt.cluster_asn : BGP_ASN_DEFAULT;

	if (!r->opt.full_mesh && node_asn_get(n, &asn) <= 0) {
		*ret_why = xasprintf("--nodes-full-mesh=false needs a usable annotation %s on node "
				     "%s",
				     ANNOTATION_NODE_ASN, cluster_self_name(r->deps.cluster));
		return -EINVAL;
	}
	r->self.asn = asn;
	r->self.ibgp = r->opt.ibgp;
	r->self.full_mesh = r->opt.full_mesh;
	r->self.bgp_port = r->opt.bgp_port ? r->opt.bgp_port : BGP_PORT;
	return 0;
}

static int check_cni(struct routing *r, char **ret_why)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	CLEANUP_FREE char *text = NULL;
	const struct cni_want want = { .cidrs = r->cidrs };
	size_t len;
	int err;

	if (!r->opt.cni)
		return 0;
	if (access(r->cni_path, F_OK) < 0) {
		*ret_why = xasprintf("CNI conf file %s does not exist.", r->cni_path);
		return -ENOENT;
	}
	err = kernel_file_read(r->cni_path, &text, &len);
	if (err < 0) {
		*ret_why = xasprintf("failed to parse CNI Config: cannot read %s: %s", r->cni_path,
				     strerror(-err));
		return -EBADMSG;
	}
	err = cni_plan(r->cni_path, text, len, &want, &out, ret_why);
	return err < 0 ? -EBADMSG : 0;
}

static int make_bgp(struct routing *r, char **ret_why)
{
	const struct bgp_proc_events events = {
		.arg = r,
		.best = on_best,
		.best_gone = on_best_gone,
		.peer = on_peer,
		.lost = on_lost,
		.started = on_started,
	};
	struct ip_addr listen[2];
	struct bgp_proc_conf conf = {
		.speaker = { .asn = r->self.asn, .port = r->self.bgp_port },
		.listen = listen,
	};
	const char *why;

	if (node_router_id(r->router_id, &r->self.ips.primary, &conf.speaker.router_id, &why) < 0) {
		*ret_why = xstrdup(why);
		return -EINVAL;
	}
	if (r->self.has4)
		listen[conf.n_listen++] = r->self.ips.best4;
	if (r->self.has6)
		listen[conf.n_listen++] = r->self.ips.best6;
	r->bgp = bgp_proc_new(r->deps.loop, &conf, &events);
	return 0;
}

static void peer_key_fmt(struct strbuf *out, struct bytes key)
{
	struct ip_addr a;
	char text[IP_ADDR_FMT_MAX];

	memcpy(&a, key.data, sizeof(a));
	strbuf_puts(out, ip_fmt(text, &a));
}

static void peer_value_fmt(struct strbuf *out, struct bytes value)
{
	struct bgp_peer_conf c;

	memcpy(&c, value.data, sizeof(c));
	bgp_peer_conf_fmt(out, &c);
}

static void announce_value_fmt(struct strbuf *out, struct bytes value)
{
	struct bgp_announce a;

	memcpy(&a, value.data, sizeof(a));
	bgp_announce_fmt(out, &a);
}

static void register_with_engine(struct routing *r)
{
	static const struct table_desc peers = {
		.name = "bgp-peers",
		.help = "BGP peers wanted",
		.stage = STAGE_BGP_PEERS,
		.max_rows = BGP_PEERS_MAX,
		.key_fmt = peer_key_fmt,
		.value_fmt = peer_value_fmt,
	};
	static const struct table_desc announcements = {
		.name = "bgp-announcements",
		.help = "prefixes this node announces",
		.stage = STAGE_ANNOUNCEMENTS,
		.max_rows = BGP_ANNOUNCEMENTS_MAX,
		.key_fmt = route_key_fmt, /* a prefix, too */
		.value_fmt = announce_value_fmt,
	};
	struct engine *e = r->deps.engine;

	r->peers = engine_table_add(e, &peers, bgp_proc_peers(r->bgp));
	r->announcements = engine_table_add(e, &announcements, bgp_proc_announcements(r->bgp));
	/* The BGP process starts with nothing, so nothing of it can be removed by mistake. */
	engine_table_release(r->peers);
	engine_table_release(r->announcements);
	r->node_owner = engine_owner_kind_add(e, "node", routing_plan_node, r);
	r->self_owner = engine_owner_kind_add(e, "self", routing_plan_self, r);
	r->route_owner = engine_owner_kind_add(e, "route", routing_plan_route, r);
}

int routing_new(const struct routing_deps *deps, const struct routing_options *opt,
		struct routing **ret, char **ret_why)
{
	struct routing *r = xcalloc(1, sizeof(*r));
	const struct node *n = cluster_self(deps->cluster);
	int err;

	r->deps = *deps;
	r->opt = *opt;
	r->router_id = xstrdup(opt->router_id);
	r->cni_path = xstrdup(opt->cni_path);
	r->listen_wait_us = LISTEN_WAIT_MIN_US;
	r->listen_retry = ev_timer_new(deps->loop, "bgp-listen-retry", try_listen, r);
	r->kept_tick = ev_timer_new(deps->loop, "kept-routes", on_kept_tick, r);

	err = check_self(r, n, ret_why);
	if (err == 0)
		err = check_asn(r, n, ret_why);
	if (err == 0)
		err = check_cni(r, ret_why);
	if (err == 0)
		err = make_bgp(r, ret_why);
	if (err < 0) {
		routing_free(r);
		return err;
	}
	register_with_engine(r);
	*ret = r;
	return 0;
}

void routing_free(struct routing *r)
{
	if (!r)
		return;
	bgp_proc_free(r->bgp);
	ev_timer_free(r->listen_retry);
	ev_timer_free(r->kept_tick);
	map_for_each (&r->learned, i)
		free(map_at(&r->learned, i, NULL, NULL));
	map_for_each (&r->kept, i)
		free(map_at(&r->kept, i, NULL, NULL));
	map_fini(&r->learned);
	map_fini(&r->kept);
	status_clear(r);
	free(r->own_addrs);
	free(r->router_id);
	free(r->cni_path);
	free(r);
}

/* --- looking in --- */

void routing_stats_get(const struct routing *r, struct routing_stats *ret)
{
	uint32_t id = 0;
	const char *why;

	(void)node_router_id(r->router_id, &r->self.ips.primary, &id, &why);
	*ret = (struct routing_stats){
		.asn = r->self.asn,
		.router_id = id,
		.bgp_pid = bgp_proc_pid(r->bgp),
		.bgp_restarts = bgp_proc_restarts(r->bgp),
		.bgp_listening = r->listening,
		.n_learned = r->learned.n,
		.n_kept = r->kept.n,
		.best_changes = r->best_changes,
	};
}

struct peers_walk {
	struct routing *r;
	void (*fn)(void *arg, const struct bgp_peer_status *st);
	void *arg;
};

static int peer_one(void *arg, const struct row_view *row)
{
	struct peers_walk *w = arg;
	const struct peer_known *known = map_get(&w->r->status, row->key.data, row->key.len);
	struct bgp_peer_status st = { .state = BGP_STATE_IDLE };

	if (!row->want.len)
		return 0;
	if (known) {
		st = known->st;
		st.since_us += mono_diff_us(ev_now(w->r->deps.loop), known->at);
	} else {
		struct bgp_peer_conf conf;

		memcpy(&conf, row->want.data, sizeof(conf));
		st.addr = conf.addr;
		st.local_addr = conf.local_addr;
		st.role = conf.role;
		st.conf_asn = conf.remote_asn;
	}
	w->fn(w->arg, &st);
	return 0;
}

void routing_peers_walk(struct routing *r, void (*fn)(void *arg, const struct bgp_peer_status *st),
			void *arg)
{
	struct peers_walk w = { .r = r, .fn = fn, .arg = arg };

	(void)table_walk(r->peers, peer_one, &w);
}

void routing_learned_walk(struct routing *r,
			  void (*fn)(void *arg, const struct bgp_best *best, const char *verdict),
			  void *arg)
{
	map_for_each (&r->learned, i) {
		const struct bgp_best *best = map_at(&r->learned, i, NULL, NULL);
		struct route_value unused;

		fn(arg, best,
		   route_verdict_text(routing_judge(r, &best->prefix, &best->nexthop, &unused)));
	}
}

bool routing_report(struct routing *r, void (*done)(void *arg), void *arg)
{
	return bgp_proc_report(r->bgp, done, arg);
}
