/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of agent/: the objects there are, for metrics.c and commands.c to look into.
 */
#include "agent/agent.h"
#include "agent/tables.h"
#include "cluster/cluster.h"
#include "engine/engine.h"
#include "ev/ev.h"
#include "kube/watch.h"
#include "routing/routing.h"
#include "status/control.h"
#include "status/health.h"
#include "status/http.h"
#include "status/metrics.h"

struct kernel_addr;

/* A histogram of the passes that sent operations for one table. */
struct pass_timing {
	struct metric *histogram;
	uint64_t n_operations; /* of the table, when last looked at */
};

#define AGENT_PASS_TIMINGS 3

struct agent {
	const struct options *opt;
	struct ev_loop *loop;
	struct ev_signal *on_term, *on_int;
	struct ev_timer *sync_limit, *stop_limit, *beat;
	struct health *health;
	struct health_component *routing_health, *routes_health, *metrics_health;
	struct http_server *health_server, *metrics_server;
	struct metrics *metrics;
	struct pass_timing pass_timings[AGENT_PASS_TIMINGS];
	struct control *control;
	struct kube_client *client;
	struct cluster *cluster;
	struct kernel_addr *addrs;
	struct engine *engine;
	struct agent_kernel *kernel;
	struct routing *routing; /* from the first sync on, with --run-router */
	char *cni_path;
	char *server;       /* of the API, for people */
	char hostname[256]; /* of the kernel */
	bool stopping;
	int exit_status;
};

#define COMPONENT_ROUTING "Network Routing Controller"
#define COMPONENT_ROUTES  "Routes Sync Controller"
#define COMPONENT_METRICS "Metrics Controller"

/* --- metrics.c --- */

void agent_metrics_register(struct agent *a);
/* A pass is over: its time goes to the histograms of the tables it changed. */
void agent_metrics_pass(struct agent *a);

/* --- commands.c --- */

extern const struct control_command agent_commands[];
extern const size_t agent_commands_len;
