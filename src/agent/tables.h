/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel's tables: one reconciler for each kind of kernel object, joined with its engine table.
 * Features get the tables and claim rows; what is ours in the kernel is said here, in one place.
 */
#include "routing/routing.h"

struct agent_kernel;
struct engine;
struct ev_loop;

struct agent_kernel_conf {
	bool ipv6;                       /* this node has IPv6 addresses: its sets and rules, too */
	const char *cni_path;            /* NULL: no file is ours */
	void (*file_changed)(void *arg); /* somebody else changed that file */
	void *arg;
};

/* Looking at the kernel unasked: what it costs and how old it is. NULL past the last one. */
struct audit_stats;
const char *agent_kernel_audit(const struct agent_kernel *k, size_t i, struct audit_stats *ret);

/* 0, or -errno with *ret_why, a text to free. Before engine_start(). */
int agent_kernel_new(struct ev_loop *loop, struct engine *engine,
		     const struct agent_kernel_conf *conf, struct agent_kernel **ret,
		     char **ret_why);
void agent_kernel_free(struct agent_kernel *k); /* after the engine */

struct routing_tables agent_kernel_tables(const struct agent_kernel *k);
/* iptables knows --random-fully; known once the engine is ready. */
bool agent_kernel_random_fully(const struct agent_kernel *k);
/* The caches are complete: what is ours and wanted by nobody may be removed. */
void agent_kernel_release(struct agent_kernel *k);
