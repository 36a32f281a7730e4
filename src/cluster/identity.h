/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a Node object says about a node: addresses, pod CIDRs, ASN. Pure; the same functions serve
 * this node and every other one, so that no two look-ups can differ (the Go kube-router has three
 * for pod CIDRs).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "model/node.h"

#define NODE_IPS_MAX       32 /* per node and family list; more are left out and reported */
#define NODE_POD_CIDRS_MAX 16

#define ANNOTATION_POD_CIDR  "kube-router.io/pod-cidr"
#define ANNOTATION_POD_CIDRS "kube-router.io/pod-cidrs"
#define ANNOTATION_NODE_ASN  "kube-router.io/node.asn"

/* InternalIPs in object order, then ExternalIPs; repeated addresses once. */
struct node_ips {
	struct ip_addr v[NODE_IPS_MAX];
	size_t n;
	/* First InternalIP, else first ExternalIP; IP_NONE: the node has no usable address. */
	struct ip_addr primary;
	/* The primary if it is of that family, else the first of that family; IP_NONE if none. */
	struct ip_addr best4, best6;
};

struct node_pod_cidrs {
	struct ip_prefix v[NODE_POD_CIDRS_MAX];
	size_t n;
	const char *source; /* constant text naming the field they came from; "" if n is 0 */
};

/*
 * Both leave out what cannot be used and write one line per fault to `problems` (may be NULL),
 * naming the field: "status.addresses[1]: \"x\" is not an IP address". They cannot fail.
 */
void node_ips_get(const struct node *n, struct node_ips *ret, struct strbuf *problems);

/*
 * The pod CIDRs of any node: annotation pod-cidrs, else annotation pod-cidr, else spec.podCIDRs,
 * else spec.podCIDR; blanks around elements are trimmed. The first of the four that is present
 * decides, even if nothing in it can be used: what an operator set is not silently replaced.
 */
void node_pod_cidrs_get(const struct node *n, struct node_pod_cidrs *ret, struct strbuf *problems);

/* Annotation node.asn: 1 and *ret_asn, 0 if absent, -EINVAL if it is not a usable ASN. */
int node_asn_get(const struct node *n, uint32_t *ret_asn);

/*
 * Router ID, host order: "generate" is FNV-1a over the 16-byte form of the primary address, ""
 * takes an IPv4 primary, anything else must be a non-zero dotted quad. -EINVAL with a constant
 * text.
 */
int node_router_id(const char *flag, const struct ip_addr *primary, uint32_t *ret_id,
		   const char **ret_why);
