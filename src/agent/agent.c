/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and end of the agent.
 *
 *   health server -> rights dropped -> API client -> caches synced, own addresses known
 *   -> who am I -> kernel tables, routing -> engine dumps the kernel -> everything planned, BGP
 *
 * Nothing on the host is changed before the caches are complete. On SIGTERM or SIGINT the BGP
 * process ends in order, within a limit; what is in the kernel stays, so pods keep talking. A
 * second signal ends the program at once.
 */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core.h"
#include "agent/privileges.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "cluster/identity.h"
#include "kernel/addr.h"
#include "kernel/module.h"

#define CNI_PATH_ENV     "KUBE_ROUTER_CNI_CONF_FILE"
#define CNI_PATH_DEFAULT "/etc/cni/net.d/10-kuberouter.conf"
#define ACCOUNT_DIR      "/var/run/secrets/kubernetes.io/serviceaccount"

/* There once br_netfilter is, as a module or built in. */
#define BRIDGE_SYSCTL "/proc/sys/net/bridge/bridge-nf-call-iptables"

#define STOP_LIMIT_US (20 * US_PER_S)
#define BEAT_US       (3 * US_PER_S)
#define NS_PER_US     1000

/* --- ending --- */

static void on_stop_done(void *arg)
{
	struct agent *a = arg;

	ev_stop(a->loop);
}

static void agent_stop(struct agent *a, int exit_status)
{
	if (a->stopping) {
		ev_stop(a->loop);
		return;
	}
	a->stopping = true;
	a->exit_status = exit_status;
	ev_timer_stop(a->sync_limit);
	ev_timer_stop(a->beat);
	if (!a->routing) {
		ev_stop(a->loop);
		return;
	}
	ev_timer_set(a->stop_limit, STOP_LIMIT_US);
	routing_stop(a->routing, on_stop_done, a);
}

/* A start error: one line, the prefix the operator's scripts know, exit status 1 or 255. */
static void start_error(struct agent *a, int status, const char *why)
{
	(void)fprintf(stderr, "failed to run kube-router: %s\n", why);
	agent_stop(a, status);
}

static void on_signal(void *arg)
{
	struct agent *a = arg;

	log_info("agent: shutting down");
	agent_stop(a, 0);
}

static void on_stop_limit(void *arg)
{
	struct agent *a = arg;

	log_warning("agent: the BGP process does not end, leaving without it");
	ev_stop(a->loop);
}

static void on_sync_limit(void *arg)
{
	struct agent *a = arg;
	struct kube_client_stats stats;
	char limit[DURATION_FMT_MAX], text[512];

	kube_client_stats_get(a->client, &stats);
	if (*stats.last_error)
		log_err("agent: the API server could not be listed cause=\"%s\"", stats.last_error);
	(void)snprintf(text, sizeof(text), "failed to synchronize cache: %s timeout",
		       duration_fmt(limit, a->opt->cache_sync_timeout));
	start_error(a, 1, text);
}

/* --- running --- */

/*
 * The parts beat while they are able to work: the loop turns (this timer came), BGP listens and its
 * process runs. A part that failed for good stops beating, and the health check sees it.
 */
static void on_beat(void *arg)
{
	struct agent *a = arg;
	struct routing_stats stats;

	ev_timer_set(a->beat, ev_jitter_us(a->loop, BEAT_US));
	if (a->metrics_health)
		health_beat(a->metrics_health);
	if (!a->routing)
		return;
	routing_stats_get(a->routing, &stats);
	if (stats.bgp_listening && stats.bgp_pid)
		health_beat(a->routing_health);
	health_beat(a->routes_health);
}

static void on_idle(void *arg)
{
	struct agent *a = arg;

	health_set_ready(a->health, true);
	agent_metrics_pass(a);
}

static void on_engine_ready(void *arg)
{
	struct agent *a = arg;

	routing_start(a->routing, agent_kernel_random_fully(a->kernel));
	agent_kernel_release(a->kernel);
}

static struct routing_options routing_options(const struct agent *a)
{
	const struct options *o = a->opt;

	return (struct routing_options){
		.ibgp = o->enable_ibgp,
		.full_mesh = o->nodes_full_mesh,
		.pod_egress = o->enable_pod_egress,
		.advertise_pod_cidr = o->advertise_pod_cidr,
		.auto_mtu = o->auto_mtu,
		.ipv4 = o->enable_ipv4,
		.ipv6 = o->enable_ipv6,
		.cni = o->enable_cni,
		.cluster_asn = (uint32_t)o->cluster_asn,
		.bgp_port = (uint16_t)o->bgp_port,
		.restart_time_us = o->bgp_graceful_restart_time / NS_PER_US,
		.router_id = o->router_id,
		.cni_path = a->cni_path,
	};
}

static bool node_has_ipv6(const struct agent *a)
{
	struct node_ips ips;

	node_ips_get(cluster_self(a->cluster), &ips, NULL);
	return !ip_is_none(&ips.best6);
}

static void on_cni_file(void *arg)
{
	const struct agent *a = arg;

	if (a->routing && !a->stopping)
		routing_file_changed(a->routing);
}

static int start_routing(struct agent *a, char **ret_why)
{
	const struct agent_kernel_conf conf = {
		.ipv6 = node_has_ipv6(a),
		.cni_path = a->opt->enable_cni ? a->cni_path : NULL,
		.file_changed = on_cni_file,
		.arg = a,
	};
	const struct routing_options opt = routing_options(a);
	struct routing_deps deps = {
		.loop = a->loop,
		.engine = a->engine,
		.cluster = a->cluster,
		.addrs = a->addrs,
	};
	int r = agent_kernel_new(a->loop, a->engine, &conf, &a->kernel, ret_why);

	if (r < 0)
		return r;
	deps.tables = agent_kernel_tables(a->kernel);
	r = routing_new(&deps, &opt, &a->routing, ret_why);
	if (r < 0)
		return r;
	engine_on_ready(a->engine, on_engine_ready, a);
	engine_on_idle(a->engine, on_idle, a);
	engine_start(a->engine);
	return 0;
}

/* Caches complete and own addresses known: from here on the host is changed. */
static void try_start(struct agent *a)
{
	const struct cluster_names names = {
		.override_ = a->opt->hostname_override,
		.env = getenv("NODE_NAME"),
		.hostname = a->hostname,
	};
	CLEANUP_FREE char *why = NULL;
	int r;

	if (a->routing || a->stopping || !cluster_is_synced(a->cluster) ||
	    !kernel_addr_is_ready(a->addrs))
		return;
	ev_timer_stop(a->sync_limit);
	r = cluster_identify(a->cluster, &names, &why);
	if (r < 0) {
		start_error(a, 1, why);
		return;
	}
	log_info("agent: synced server=%s node=%s nodes=%zu", a->server,
		 cluster_self_name(a->cluster), kube_watch_count(cluster_node_watch(a->cluster)));
	if (!a->opt->run_router) {
		health_set_ready(a->health, true);
		return;
	}
	a->routing_health =
		health_add(a->health, COMPONENT_ROUTING, a->opt->routes_sync_period / NS_PER_US);
	a->routes_health = health_add(a->health, COMPONENT_ROUTES,
				      a->opt->injected_routes_sync_period / NS_PER_US);
	r = start_routing(a, &why);
	if (r < 0)
		start_error(a, r == -EBADMSG ? 255 : 1, why);
}

static void on_cluster_synced(void *arg)
{
	try_start(arg);
}

static void on_node(void *arg, const char *name)
{
	struct agent *a = arg;

	if (a->routing && !a->stopping)
		routing_node_changed(a->routing, name);
}

static void on_addrs(void *arg)
{
	struct agent *a = arg;

	if (a->routing && !a->stopping)
		routing_addrs_changed(a->routing);
	else
		try_start(a);
}

/* --- building --- */

static void handle_health(void *arg, struct http_response *res)
{
	const struct agent *a = arg;

	res->content_type = "text/plain; charset=utf-8";
	if (health_is_ok(a->health)) {
		strbuf_puts(&res->body, "OK\n");
		return;
	}
	res->status = 500;
	strbuf_puts(&res->body, "Unhealthy");
}

static void handle_ready(void *arg, struct http_response *res)
{
	const struct agent *a = arg;

	res->content_type = "text/plain; charset=utf-8";
	res->status = health_is_ready(a->health) ? 200 : 503;
	strbuf_puts(&res->body, health_is_ready(a->health) ? "OK\n" : "Not ready\n");
}

static void handle_metrics(void *arg, struct http_response *res)
{
	struct agent *a = arg;

	res->content_type = METRICS_CONTENT_TYPE;
	metrics_write(a->metrics, &res->body);
}

static int serve_health(struct agent *a, char **ret_why)
{
	const struct http_route routes[] = {
		{ "/healthz", handle_health, a },
		{ "/readyz", handle_ready, a },
	};

	if (a->opt->health_port == 0)
		return 0;
	return http_server_new(a->loop, a->opt->health_addr, a->opt->health_port, routes,
			       ARRAY_LEN(routes), &a->health_server, ret_why);
}

static int serve_metrics(struct agent *a, char **ret_why)
{
	const struct http_route routes[] = { { a->opt->metrics_path, handle_metrics, a } };

	if (a->opt->metrics_port == 0) {
		log_info("agent: metrics are off, since --metrics-port is 0");
		return 0;
	}
	a->metrics_health = health_add(a->health, COMPONENT_METRICS, 5 * US_PER_S);
	return http_server_new(a->loop, a->opt->metrics_addr, a->opt->metrics_port, routes,
			       ARRAY_LEN(routes), &a->metrics_server, ret_why);
}

static int serve(struct agent *a, char **ret_why)
{
	const char *path = getenv(CONTROL_PATH_ENV);
	int r = serve_health(a, ret_why);

	if (r == 0)
		r = serve_metrics(a, ret_why);
	if (r == 0)
		r = control_new(a->loop, str_is_empty(path) ? CONTROL_PATH : path, agent_commands,
				agent_commands_len, a, &a->control, ret_why);
	return r;
}

/*
 * br_netfilter brings the sysctls that make bridged traffic pass iptables; where they are, nothing
 * is to be loaded. ip_tables is what the legacy variant loads by modprobe itself, which is out of
 * reach once the rights are dropped; other hosts lack it, so its absence is no news. What the
 * kernel asks for by itself (ip_set, xt_*) needs nothing from us.
 */
static void load_modules(void)
{
	static const char *const for_legacy[] = { "ip_tables", "ip6_tables" };
	CLEANUP_FREE char *why = NULL;

	if (access(BRIDGE_SYSCTL, F_OK) < 0 && kernel_module_load("br_netfilter", &why) < 0)
		log_warning("agent: kernel module not loaded module=br_netfilter cause=\"%s\"",
			    why);
	for (size_t i = 0; i < ARRAY_LEN(for_legacy); i++) {
		CLEANUP_FREE char *cause = NULL;

		if (kernel_module_load(for_legacy[i], &cause) < 0)
			log_debug(2, "agent: kernel module not loaded module=%s cause=\"%s\"",
				  for_legacy[i], cause);
	}
}

static int take_and_drop_rights(char **ret_why)
{
	const char *what;
	int r;

	load_modules();
	r = privileges_drop(&what);
	if (r < 0)
		*ret_why = xasprintf("cannot %s: %s", what, strerror(-r));
	return r;
}

static int connect_api(struct agent *a, char **ret_why)
{
	const struct kube_conf_source src = {
		.kubeconfig = a->opt->kubeconfig,
		.master = a->opt->master,
		.service_host = getenv("KUBERNETES_SERVICE_HOST"),
		.service_port = getenv("KUBERNETES_SERVICE_PORT"),
		.account_dir = ACCOUNT_DIR,
	};
	const struct cluster_events events = {
		.arg = a,
		.synced = on_cluster_synced,
		.node = on_node,
	};
	struct kube_conf *conf;
	int r = kube_conf_load(&src, &conf, ret_why);

	if (r < 0)
		return r;
	a->server = xstrdup(kube_conf_server(conf));
	a->client = kube_client_new(a->loop, conf);
	a->cluster = cluster_new(a->client, &events);
	return 0;
}

static void warn_without_effect(void *arg, const char *flag)
{
	(void)arg;
	log_warning("agent: this flag has no effect yet flag=--%s", flag);
}

static void say_what_is_missing(const struct options *opt)
{
	options_without_effect(opt, warn_without_effect, NULL);
	if (opt->run_firewall)
		log_warning("agent: --run-firewall has no effect yet: NetworkPolicy is NOT "
			    "enforced");
	if (opt->run_service_proxy)
		log_warning(
			"agent: --run-service-proxy has no effect yet: Services are NOT served");
}

static struct agent *agent_new(const struct options *opt)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	const char *cni = getenv(CNI_PATH_ENV);

	a->opt = opt;
	if (gethostname(a->hostname, sizeof(a->hostname) - 1) < 0)
		a->hostname[0] = '\0';
	a->cni_path = xstrdup(str_is_empty(cni) ? CNI_PATH_DEFAULT : cni);
	a->loop = ev_new_real();
	map_seed_set(ev_random(a->loop), ev_random(a->loop));
	a->on_term = ev_signal_new(a->loop, SIGTERM, on_signal, a);
	a->on_int = ev_signal_new(a->loop, SIGINT, on_signal, a);
	a->sync_limit = ev_timer_new(a->loop, "cache-sync-limit", on_sync_limit, a);
	a->stop_limit = ev_timer_new(a->loop, "stop-limit", on_stop_limit, a);
	a->beat = ev_timer_new(a->loop, "heartbeat", on_beat, a);
	a->health = health_new(a->loop);
	a->engine = engine_new(a->loop);
	a->metrics = metrics_new();
	agent_metrics_register(a);
	return a;
}

static void agent_free(struct agent *a)
{
	control_free(a->control);
	http_server_free(a->health_server);
	http_server_free(a->metrics_server);
	routing_free(a->routing);
	engine_free(a->engine);
	agent_kernel_free(a->kernel);
	kernel_addr_free(a->addrs);
	cluster_free(a->cluster);
	kube_client_free(a->client);
	metrics_free(a->metrics);
	health_free(a->health);
	ev_timer_free(a->sync_limit);
	ev_timer_free(a->stop_limit);
	ev_timer_free(a->beat);
	ev_signal_free(a->on_term);
	ev_signal_free(a->on_int);
	ev_free(a->loop);
	free(a->cni_path);
	free(a->server);
	free(a);
}

/* 0, or the exit status after one line on stderr. */
static int agent_start(struct agent *a)
{
	CLEANUP_FREE char *why = NULL;
	const char *prefix = "failed to parse kube-router config";
	int r = connect_api(a, &why);

	if (r == 0) {
		prefix = "failed to run kube-router";
		r = serve(a, &why);
	}
	if (r == 0)
		r = take_and_drop_rights(&why);
	if (r == 0) {
		r = kernel_addr_new(a->loop, NULL, on_addrs, a, &a->addrs);
		if (r < 0)
			why = xasprintf("cannot follow the addresses of this host: %s",
					strerror(-r));
	}
	if (r == 0) {
		ev_timer_set(a->sync_limit,
			     MAX(a->opt->cache_sync_timeout / NS_PER_US, (int64_t)0));
		ev_timer_set(a->beat, 0);
		return 0;
	}
	(void)fprintf(stderr, "%s: %s\n", prefix, why);
	return 1;
}

int agent_run(const struct options *opt)
{
	struct agent *a;
	int status;

	if (!opt->run_router && !opt->run_firewall && !opt->run_service_proxy) {
		log_info("Router, Firewall or Service proxy functionality must be specified. "
			 "Exiting!");
		return 0;
	}
	say_what_is_missing(opt);
	a = agent_new(opt);
	status = agent_start(a);
	if (status == 0) {
		ev_run(a->loop);
		status = a->exit_status;
	}
	agent_free(a);
	return status;
}
