/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's metrics: a row for each. Names, types and labels of the reference's are kept; where
 * its values were wrong, ours are right and the help says what they are. docs/metrics.md is made
 * from this table.
 */
#include <stdio.h>

#include "agent/core.h"
#include "kernel/audit.h"
#include "version.h"

/* Best routes change, rows are sent and removed: counted where they happen, read here. */

static void collect_build_info(void *arg, struct metric *m)
{
	const char *const labels[] = { "C " __VERSION__, KUBE_ROUTER_VERSION };

	(void)arg;
	metric_sample(m, 1, labels);
}

static void sample_peer(void *arg, const struct bgp_peer_status *st)
{
	char address[IP_ADDR_FMT_MAX], asn[16];
	const char *labels[4];

	(void)snprintf(asn, sizeof(asn), "%u", st->remote_asn ? st->remote_asn : st->conf_asn);
	labels[0] = ip_fmt(address, &st->addr);
	labels[1] = st->role == BGP_PEER_NODE || st->is_internal ? "internal" : "external";
	labels[2] = asn;
	labels[3] = bgp_state_name(st->state);
	metric_sample(arg, 1, labels);
}

static void collect_peers(void *arg, struct metric *m)
{
	struct agent *a = arg;

	if (a->routing)
		routing_peers_walk(a->routing, sample_peer, m);
}

static void collect_received(void *arg, struct metric *m)
{
	const struct agent *a = arg;
	struct routing_stats stats;

	if (!a->routing)
		return;
	routing_stats_get(a->routing, &stats);
	metric_sample(m, (double)stats.best_changes, NULL);
}

/* The statistics of a table by name; zeros while there is none. */
static struct table_stats stats_of(const struct agent *a, const char *name)
{
	const struct table *t = engine_table_find(a->engine, name);
	struct table_stats st = { 0 };

	if (t)
		table_stats_get(t, &st);
	return st;
}

static void collect_sent(void *arg, struct metric *m)
{
	const char *const labels[] = { "pod-route" };

	metric_sample(m, (double)stats_of(arg, "bgp-announcements").sets, labels);
}

static void collect_routes_synced(void *arg, struct metric *m)
{
	metric_sample(m, (double)stats_of(arg, "routes").n_present, NULL);
}

static void collect_routes_added(void *arg, struct metric *m)
{
	metric_sample(m, (double)stats_of(arg, "routes").sets, NULL);
}

static void collect_routes_removed(void *arg, struct metric *m)
{
	metric_sample(m, (double)stats_of(arg, "routes").dels, NULL);
}

/* --- of the engine: one series for each table --- */

static void for_tables(const struct agent *a, struct metric *m,
		       double (*value)(const struct table_stats *st))
{
	for (size_t i = 0; i < engine_table_count(a->engine); i++) {
		const struct table *t = engine_table_at(a->engine, i);
		const char *const labels[] = { table_desc_get(t)->name };
		struct table_stats st;

		table_stats_get(t, &st);
		metric_sample(m, value(&st), labels);
	}
}

static double value_rows(const struct table_stats *st)
{
	return (double)st->n_rows;
}

static double value_failed(const struct table_stats *st)
{
	return (double)st->n_failed;
}

static double value_operations(const struct table_stats *st)
{
	return (double)(st->sets + st->dels);
}

static double value_failures(const struct table_stats *st)
{
	return (double)st->failures;
}

static double value_drift(const struct table_stats *st)
{
	return (double)st->drift;
}

static double value_refused(const struct table_stats *st)
{
	return (double)st->refused;
}

static void collect_rows(void *arg, struct metric *m)
{
	for_tables(arg, m, value_rows);
}

static void collect_failed(void *arg, struct metric *m)
{
	for_tables(arg, m, value_failed);
}

static void collect_operations(void *arg, struct metric *m)
{
	for_tables(arg, m, value_operations);
}

static void collect_failures(void *arg, struct metric *m)
{
	for_tables(arg, m, value_failures);
}

static void collect_drift(void *arg, struct metric *m)
{
	for_tables(arg, m, value_drift);
}

static void collect_refused(void *arg, struct metric *m)
{
	for_tables(arg, m, value_refused);
}

static void collect_passes(void *arg, struct metric *m)
{
	const struct agent *a = arg;
	struct engine_stats st;

	engine_stats_get(a->engine, &st);
	metric_sample(m, (double)st.passes, NULL);
}

/* --- of the audits: one series for each kind that is looked at unasked --- */

static void for_audits(const struct agent *a, struct metric *m,
		       double (*value)(const struct agent *a, const struct audit_stats *st))
{
	struct audit_stats st;
	const char *name;

	for (size_t i = 0; a->kernel && (name = agent_kernel_audit(a->kernel, i, &st)); i++)
		metric_sample(m, value(a, &st), (const char *const[]){ name });
}

static double value_looks(const struct agent *a, const struct audit_stats *st)
{
	(void)a;
	return (double)st->looks;
}

static double value_cycles(const struct agent *a, const struct audit_stats *st)
{
	(void)a;
	return (double)st->cycles;
}

static double value_audit_s(const struct agent *a, const struct audit_stats *st)
{
	(void)a;
	return (double)st->us / (double)US_PER_S;
}

/* None yet: as old as the agent, whose clock this is not; -1 cannot be mistaken. */
static double value_age(const struct agent *a, const struct audit_stats *st)
{
	if (st->last_at.us == 0)
		return -1;
	return (double)mono_diff_us(ev_now(a->loop), st->last_at) / (double)US_PER_S;
}

static void collect_looks(void *arg, struct metric *m)
{
	for_audits(arg, m, value_looks);
}

static void collect_cycles(void *arg, struct metric *m)
{
	for_audits(arg, m, value_cycles);
}

static void collect_audit_s(void *arg, struct metric *m)
{
	for_audits(arg, m, value_audit_s);
}

static void collect_age(void *arg, struct metric *m)
{
	for_audits(arg, m, value_age);
}

/* --- of the API client and the loop --- */

static void collect_watch(void *arg, struct metric *m)
{
	static const char *const events[] = { "lists",   "watches", "events",  "bookmarks",
					      "expired", "refused", "failures" };
	const struct agent *a = arg;
	struct kube_watch_stats st;

	if (!a->cluster)
		return;
	kube_watch_stats_get(cluster_node_watch(a->cluster), &st);
	const uint64_t values[] = { st.lists,   st.watches, st.events,  st.bookmarks,
				    st.expired, st.refused, st.failures };

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		const char *const labels[] = { kube_watch_kind_name(cluster_node_watch(a->cluster)),
					       events[i] };

		metric_sample(m, (double)values[i], labels);
	}
}

static void collect_slow(void *arg, struct metric *m)
{
	const struct agent *a = arg;
	struct ev_stats st;

	ev_stats_get(a->loop, &st);
	metric_sample(m, (double)st.slow_callbacks, NULL);
}

static void collect_bgp_restarts(void *arg, struct metric *m)
{
	const struct agent *a = arg;
	struct routing_stats stats;

	if (!a->routing)
		return;
	routing_stats_get(a->routing, &stats);
	metric_sample(m, stats.bgp_restarts, NULL);
}

static const struct metric_desc rows[] = {
	{ "build_info",
	  METRIC_GAUGE,
	  "Build identification",
	  { "goversion", "version" },
	  collect_build_info },
	{ "bgp_peer_info",
	  METRIC_GAUGE,
	  "BGP peer information",
	  { "address", "type", "asn", "state" },
	  collect_peers },
	{ "controller_bgp_advertisements_received",
	  METRIC_COUNTER,
	  "Changes of learned best routes",
	  { NULL },
	  collect_received },
	{ "controller_bgp_advertisements_sent",
	  METRIC_COUNTER,
	  "Announcements made or changed, by kind",
	  { "type" },
	  collect_sent },
	{ "host_routes_synced",
	  METRIC_GAUGE,
	  "Kernel routes of ours that are present",
	  { NULL },
	  collect_routes_synced },
	{ "host_routes_added",
	  METRIC_COUNTER,
	  "Kernel routes added or changed",
	  { NULL },
	  collect_routes_added },
	{ "host_routes_removed",
	  METRIC_COUNTER,
	  "Kernel routes removed",
	  { NULL },
	  collect_routes_removed },
	{ "table_rows", METRIC_GAUGE, "Rows known of a table", { "table" }, collect_rows },
	{ "table_rows_failed",
	  METRIC_GAUGE,
	  "Rows that wait for another try",
	  { "table" },
	  collect_failed },
	{ "table_operations_total",
	  METRIC_COUNTER,
	  "Operations sent",
	  { "table" },
	  collect_operations },
	{ "table_failures_total",
	  METRIC_COUNTER,
	  "Operations that failed",
	  { "table" },
	  collect_failures },
	{ "table_drift_total",
	  METRIC_COUNTER,
	  "Rows that somebody else changed or removed",
	  { "table" },
	  collect_drift },
	{ "table_refused_total",
	  METRIC_COUNTER,
	  "Claims and sightings past a ceiling",
	  { "table" },
	  collect_refused },
	{ "audit_looks_total",
	  METRIC_COUNTER,
	  "Looks at the kernel that nothing called for, and events taken in",
	  { "table" },
	  collect_looks },
	{ "audit_cycles_total",
	  METRIC_COUNTER,
	  "Complete comparisons of the kernel with what it should be",
	  { "table" },
	  collect_cycles },
	{ "audit_seconds_total",
	  METRIC_COUNTER,
	  "Time from the start to the end of each look, helper programs included",
	  { "table" },
	  collect_audit_s },
	{ "audit_age_seconds",
	  METRIC_GAUGE,
	  "Time since the last complete comparison; -1 before the first",
	  { "table" },
	  collect_age },
	{ "engine_passes_total", METRIC_COUNTER, "Planning passes", { NULL }, collect_passes },
	{ "watch_events_total",
	  METRIC_COUNTER,
	  "What happened to the watch of a kind",
	  { "kind", "event" },
	  collect_watch },
	{ "loop_slow_callbacks_total",
	  METRIC_COUNTER,
	  "Callbacks that took longer than 50 ms",
	  { NULL },
	  collect_slow },
	{ "bgp_process_restarts_total",
	  METRIC_COUNTER,
	  "Restarts of the BGP process",
	  { NULL },
	  collect_bgp_restarts },
};

/* Order as in pass_tables. The names are the reference's; what it measured under them differed. */
static const struct metric_desc pass_rows[AGENT_PASS_TIMINGS] = {
	{ "controller_bgp_internal_peers_sync_time",
	  METRIC_HISTOGRAM,
	  "Time of a pass that changed BGP peers",
	  { NULL },
	  NULL },
	{ "controller_routes_sync_time",
	  METRIC_HISTOGRAM,
	  "Time of a pass that changed members of ipsets",
	  { NULL },
	  NULL },
	{ "host_routes_sync_time",
	  METRIC_HISTOGRAM,
	  "Time of a pass that changed kernel routes",
	  { NULL },
	  NULL },
};
static const char *const pass_tables[AGENT_PASS_TIMINGS] = { "bgp-peers", "ipset-members",
							     "routes" };

void agent_metrics_pass(struct agent *a)
{
	struct engine_stats pass;

	engine_stats_get(a->engine, &pass);
	for (size_t i = 0; i < AGENT_PASS_TIMINGS; i++) {
		struct pass_timing *p = &a->pass_timings[i];
		struct table_stats st = stats_of(a, pass_tables[i]);

		if (st.sets + st.dels == p->n_operations)
			continue;
		p->n_operations = st.sets + st.dels;
		metric_observe(p->histogram, (double)pass.last_pass_us / (double)US_PER_S);
	}
}

void agent_metrics_register(struct agent *a)
{
	for (size_t i = 0; i < AGENT_PASS_TIMINGS; i++)
		a->pass_timings[i].histogram = metrics_register(a->metrics, &pass_rows[i], a);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)metrics_register(a->metrics, &rows[i], a);
	metrics_register_process(a->metrics);
}
