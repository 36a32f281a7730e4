/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What this node wants for itself, whatever the others are: bridge, sets, sysctls, rules,
 * announcements of its own pod CIDRs. Pure.
 */
#include "model/bgp.h"
#include "model/ipset.h"
#include "model/iptables.h"
#include "model/link.h"
#include "model/sysctl.h"
#include "routing/node_plan.h"

#define BRIDGE_NAME "kube-bridge"

struct self_options {
	bool pod_egress;         /* --enable-pod-egress */
	bool advertise_pod_cidr; /* --advertise-pod-cidr: to external peers */
	bool auto_mtu;           /* --auto-mtu */
	bool ipv6;               /* --enable-ipv6 */
	bool random_fully;       /* iptables knows --random-fully (1.6.2) */
};

struct self_facts {
	struct node_pod_cidrs cidrs;
	char interface[IFNAMSIZ]; /* of the primary address; "" if it is on none */
	uint32_t mtu;             /* of that interface; 0 if unknown */
};

struct self_sysctl {
	const char *path, *value;
};

#define SELF_SETS_MAX    4
#define SELF_SYSCTLS_MAX 4
#define SELF_RULES_MAX   4

struct self_want {
	struct link_key link;
	struct link_value link_value;
	struct {
		struct ipset_key key;
		struct ipset_value value;
	} sets[SELF_SETS_MAX];
	size_t n_sets;
	struct self_sysctl sysctls[SELF_SYSCTLS_MAX];
	size_t n_sysctls;
	struct {
		struct ipt_key key;
		const char *value; /* in the arena */
	} rules[SELF_RULES_MAX];
	size_t n_rules;
	struct {
		struct ip_prefix prefix;
		struct bgp_announce announce;
	} announcements[NODE_POD_CIDRS_MAX];
	size_t n_announcements;
};

struct arena;

void self_plan(struct arena *a, const struct routing_self *self, const struct self_options *opt,
	       const struct self_facts *facts, struct self_want *ret, struct strbuf *problems);
