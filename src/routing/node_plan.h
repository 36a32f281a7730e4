/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one Node of the cluster means for this one: members of the two ipsets, a BGP peer.
 *
 * Pure: opens nothing, reads no clock, logs nothing.
 */
#include "cluster/identity.h"
#include "model/bgp.h"
#include "model/ipset.h"

#define SET_POD_SUBNETS  "kube-router-pod-subnets"
#define SET_NODE_IPS     "kube-router-node-ips"
#define SET_POD_SUBNETS6 "inet6:kube-router-pod-subnets"
#define SET_NODE_IPS6    "inet6:kube-router-node-ips"

/* This node and the options that matter to its peers. */
struct routing_self {
	struct node_ips ips;
	bool has4, has6; /* the Node object has an address of that family */
	uint32_t asn;    /* own ASN */
	uint16_t bgp_port;
	bool ibgp;      /* --enable-ibgp */
	bool full_mesh; /* --nodes-full-mesh */
};

#define NODE_MEMBERS_MAX (NODE_POD_CIDRS_MAX + NODE_IPS_MAX)

struct node_want {
	struct ipset_member_key members[NODE_MEMBERS_MAX];
	size_t n_members;
	bool has_peer;
	struct bgp_peer_conf peer;
};

/* Of another node. Faults of the object are appended to problems. Cannot fail. */
void node_plan(const struct routing_self *self, const struct node *n, struct node_want *ret,
	       struct strbuf *problems);

/*
 * Of this node: members, no peer. cidrs are those in use here. n is its object, NULL if it was
 * deleted: pods run on, so what was known last goes on to hold.
 */
void node_plan_self(const struct routing_self *self, const struct node_pod_cidrs *cidrs,
		    const struct node *n, struct node_want *ret, struct strbuf *problems);
