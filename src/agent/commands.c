/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators' commands: what `kube-router status` and `kube-router table` show. The keys of the JSON
 * form are an interface: keys are added, and not renamed.
 */
#include <stdio.h>
#include <string.h>

#include "agent/core.h"
#include "base/mem.h"
#include "cluster/identity.h"
#include "version.h"

/* --- status --- */

static void peer_row(void *arg, const struct bgp_peer_status *st)
{
	struct show *s = arg;
	char text[IP_ADDR_FMT_MAX];
	char id[IP_ADDR_FMT_MAX];

	show_row_begin(s);
	show_cell_text(s, ip_fmt(text, &st->addr));
	show_cell_text(s, st->role == BGP_PEER_NODE ? "node" : "external");
	show_cell_text(s, bgp_state_name(st->state));
	show_cell_uint(s, st->remote_asn ? st->remote_asn : st->conf_asn);
	show_cell_text(s, st->remote_id ? bgp_id_fmt(id, st->remote_id) : NULL);
	show_cell_uint(s, (uint64_t)(st->since_us > 0 ? st->since_us : 0) / US_PER_S);
	show_cell_uint(s, st->n_received);
	show_cell_uint(s, st->n_sent);
	show_cell_uint(s, st->hold_s);
	show_cell_uint(s, st->n_flaps);
	show_cell_uint(s, st->updates_in);
	show_cell_uint(s, st->updates_out);
	show_cell_uint(s, st->treat_as_withdraw);
	show_cell_text(s, *st->reason ? st->reason : NULL);
}

static void show_peers(struct agent *a, struct show *s)
{
	static const struct show_column columns[] = {
		{ "address", "PEER" },         { "role", "ROLE" },
		{ "state", "STATE" },          { "asn", "ASN" },
		{ "routerID", NULL },          { "sinceSeconds", "SINCE(S)" },
		{ "received", "RECEIVED" },    { "sent", "SENT" },
		{ "holdSeconds", NULL },       { "flaps", "FLAPS" },
		{ "updatesIn", NULL },         { "updatesOut", NULL },
		{ "treatedAsWithdraw", NULL }, { "lastReason", "LAST REASON" },
	};

	show_list_begin(s, "peers", "BGP peers", columns, ARRAY_LEN(columns));
	if (a->routing)
		routing_peers_walk(a->routing, peer_row, s);
	show_list_end(s);
}

static void table_row(const struct table *t, struct show *s)
{
	struct table_stats st;

	table_stats_get(t, &st);
	show_row_begin(s);
	show_cell_text(s, table_desc_get(t)->name);
	show_cell_uint(s, st.n_rows);
	show_cell_uint(s, st.n_present);
	show_cell_uint(s, st.n_pending);
	show_cell_uint(s, st.n_failed);
	show_cell_uint(s, st.drift);
	show_cell_text(s, table_desc_get(t)->help);
}

static void show_tables(struct agent *a, struct show *s)
{
	static const struct show_column columns[] = {
		{ "name", "TABLE" },      { "rows", "ROWS" },     { "present", "PRESENT" },
		{ "pending", "PENDING" }, { "failed", "FAILED" }, { "drift", "DRIFT" },
		{ "help", "WHAT" },
	};

	show_list_begin(s, "tables", "Tables", columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < engine_table_count(a->engine); i++)
		table_row(engine_table_at(a->engine, i), s);
	show_list_end(s);
}

static void problem_row(void *arg, const char *owner, const char *text)
{
	struct show *s = arg;

	show_row_begin(s);
	show_cell_text(s, owner);
	show_cell_text(s, text);
}

static void show_problems(struct agent *a, struct show *s)
{
	static const struct show_column columns[] = { { "owner", "OBJECT" },
						      { "text", "PROBLEM" } };

	show_list_begin(s, "problems", "Problems", columns, ARRAY_LEN(columns));
	engine_problems_walk(a->engine, problem_row, s);
	show_list_end(s);
}

static void show_api(const struct agent *a, struct show *s)
{
	struct kube_client_stats stats;

	kube_client_stats_get(a->client, &stats);
	show_field_text(s, "apiServer", "API server", a->server);
	show_field_bool(s, "apiConnected", "API connected", stats.connected);
	if (*stats.last_error)
		show_field_text(s, "apiLastError", "API last error", stats.last_error);
	show_field_bool(s, "synced", "Caches synced", cluster_is_synced(a->cluster));
}

static void show_bgp(const struct agent *a, struct show *s)
{
	struct routing_stats stats;
	char id[IP_ADDR_FMT_MAX];

	routing_stats_get(a->routing, &stats);
	show_field_uint(s, "asn", "ASN", stats.asn);
	show_field_text(s, "routerID", "Router ID", bgp_id_fmt(id, stats.router_id));
	show_field_bool(s, "bgpListening", "BGP listening", stats.bgp_listening);
	show_field_uint(s, "bgpPID", "BGP process", (uint64_t)stats.bgp_pid);
	show_field_uint(s, "bgpRestarts", "BGP restarts", stats.bgp_restarts);
	show_field_uint(s, "learned", "Prefixes learned", stats.n_learned);
	show_field_uint(s, "kept", "Routes kept from before", stats.n_kept);
}

/* The counters of the peers come from the BGP process: asked first, answered when they are in. */
struct status_call {
	struct agent *agent;
	struct control_call *call;
	struct show *show;
};

static void status_answer(void *arg)
{
	CLEANUP_FREE struct status_call *c = arg;
	struct agent *a = c->agent;
	struct show *s = c->show;

	show_begin(s);
	show_field_text(s, "version", "Version", KUBE_ROUTER_VERSION);
	show_field_text(s, "node", "Node", cluster_self_name(a->cluster));
	show_field_bool(s, "healthy", "Healthy", health_is_ok(a->health));
	show_field_bool(s, "ready", "Ready", health_is_ready(a->health));
	show_api(a, s);
	if (a->routing)
		show_bgp(a, s);
	/* Empty while the caches are not complete: a program that reads this finds them always. */
	show_peers(a, s);
	show_tables(a, s);
	show_problems(a, s);
	show_end(s);
	control_done(c->call);
}

static void run_status(void *arg, struct control_call *call, struct show *show,
		       const char *const *args, size_t n_args)
{
	struct agent *a = arg;
	struct status_call *c;

	(void)args;
	if (n_args) {
		control_fail(call, 2, "status takes no arguments");
		return;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct status_call){ .agent = a, .call = call, .show = show };
	if (!a->routing || !routing_report(a->routing, status_answer, c))
		status_answer(c);
}

/* --- table --- */

struct table_call {
	const struct table_desc *desc;
	struct show *show;
};

/* The value wanted; of an unwanted row the one present. */
static int row_of_table(void *arg, const struct row_view *row)
{
	const struct table_call *c = arg;
	struct show *s = c->show;
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;

	c->desc->key_fmt(&key, row->key);
	if (c->desc->value_fmt)
		c->desc->value_fmt(&value, row->want.data ? row->want : row->have);
	show_row_begin(s);
	show_cell_text(s, strbuf_text(&key));
	show_cell_text(s, strbuf_text(&value));
	show_cell_text(s, row_state_name(row->state));
	show_cell_texts(s, row->owners, row->n_owners);
	show_cell_bool(s, row->conflict);
	show_cell_uint(s, row->n_failures);
	show_cell_text(s, row->err ? row->err_text : NULL);
	return 0;
}

static void show_one_table(struct table *t, struct show *s)
{
	static const struct show_column columns[] = {
		{ "key", "KEY" },          { "value", "VALUE" },       { "state", "STATE" },
		{ "owners", "OWNERS" },    { "conflict", "CONFLICT" }, { "failures", NULL },
		{ "error", "LAST ERROR" },
	};

	struct table_call c = { .desc = table_desc_get(t), .show = s };

	show_begin(s);
	show_list_begin(s, "rows", NULL, columns, ARRAY_LEN(columns));
	(void)table_walk(t, row_of_table, &c);
	show_list_end(s);
	show_end(s);
}

static void learned_row(void *arg, const struct bgp_best *best, const char *verdict)
{
	struct show *s = arg;
	char text[IP_PREFIX_FMT_MAX];

	show_row_begin(s);
	show_cell_text(s, ip_prefix_fmt(text, &best->prefix));
	show_cell_text(s, ip_fmt(text, &best->nexthop));
	show_cell_text(s, ip_fmt(text, &best->peer));
	show_cell_text(s, verdict);
}

static void show_learned(struct agent *a, struct show *s)
{
	static const struct show_column columns[] = {
		{ "prefix", "PREFIX" },
		{ "nextHop", "NEXT HOP" },
		{ "peer", "PEER" },
		{ "verdict", "KERNEL ROUTE" },
	};

	show_begin(s);
	show_list_begin(s, "rows", NULL, columns, ARRAY_LEN(columns));
	routing_learned_walk(a->routing, learned_row, s);
	show_list_end(s);
	show_end(s);
}

static int node_row(void *arg, const char *name, const struct node *n)
{
	struct show *s = arg;
	CLEANUP_STRBUF struct strbuf cidrs = STRBUF_INIT;
	struct node_pod_cidrs c;
	struct node_ips ips;
	char text[IP_PREFIX_FMT_MAX];

	node_ips_get(n, &ips, NULL);
	node_pod_cidrs_get(n, &c, NULL);
	for (size_t i = 0; i < c.n; i++)
		strbuf_fmt(&cidrs, "%s%s", i ? "," : "", ip_prefix_fmt(text, &c.v[i]));
	show_row_begin(s);
	show_cell_text(s, name);
	show_cell_text(s, ip_fmt(text, &ips.primary));
	show_cell_text(s, strbuf_text(&cidrs));
	show_cell_text(s, c.n ? c.source : NULL);
	return 0;
}

static void show_nodes(struct agent *a, struct show *s)
{
	static const struct show_column columns[] = {
		{ "name", "NODE" },
		{ "address", "ADDRESS" },
		{ "podCIDRs", "POD CIDRS" },
		{ "source", "FROM" },
	};

	show_begin(s);
	show_list_begin(s, "rows", NULL, columns, ARRAY_LEN(columns));
	(void)cluster_nodes_walk(a->cluster, node_row, s);
	show_list_end(s);
	show_end(s);
}

static void run_table(void *arg, struct control_call *call, struct show *show,
		      const char *const *args, size_t n_args)
{
	struct agent *a = arg;
	struct table *t = n_args == 1 ? engine_table_find(a->engine, args[0]) : NULL;
	char text[128];

	if (n_args == 0) {
		show_begin(show);
		show_tables(a, show);
		show_end(show);
	} else if (n_args > 1) {
		control_fail(call, 2, "table takes one name");
		return;
	} else if (t) {
		show_one_table(t, show);
	} else if (str_eq(args[0], "nodes")) {
		show_nodes(a, show);
	} else if (str_eq(args[0], "bgp-routes") && a->routing) {
		show_learned(a, show);
	} else {
		(void)snprintf(text, sizeof(text),
			       "no table \"%.40s\"; `kube-router table` lists them, and nodes and "
			       "bgp-routes",
			       args[0]);
		control_fail(call, 2, text);
		return;
	}
	control_done(call);
}

const struct control_command agent_commands[] = {
	{ "status", run_status },
	{ "table", run_table },
};
const size_t agent_commands_len = ARRAY_LEN(agent_commands);
