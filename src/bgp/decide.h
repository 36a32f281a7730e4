/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The decision process: which of several routes to one prefix is used. Pure: works on plain
 * candidates, which the RIB fills in from its paths.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct bgp_cand {
	uint32_t local_pref;   /* 100 where absent (eBGP) */
	uint32_t path_len;     /* AS hops; a set counts as one */
	uint32_t first_as;     /* leftmost AS of the path; 0: empty path */
	uint32_t med;          /* 0 where absent */
	uint32_t since_s;      /* when it was learned, whole seconds of the monotonic clock */
	uint32_t router_id;    /* ORIGINATOR_ID, else the router ID of the peer */
	uint32_t cluster_hops; /* length of CLUSTER_LIST */
	uint8_t origin;        /* 0 IGP, 1 EGP, 2 incomplete */
	uint8_t is_internal;   /* 1: learned from a peer of our own ASN */
	uint8_t is_llgr_stale; /* 1: carries the community LLGR_STALE (RFC 9494) */
	struct ip_addr peer;
	void *tag; /* the caller's */
};

/*
 * <0 when a is to be preferred, >0 when b is; 0 only for two routes of the same peer. A total order
 * among routes with the same first_as and among routes with pairwise different ones, but not in a
 * mixture (MED): use bgp_decide() for that.
 */
int bgp_decide_cmp(const struct bgp_cand *a, const struct bgp_cand *b);

/* Index of the best of n > 0. Sorts v; the result does not depend on the order it came in. */
size_t bgp_decide(struct bgp_cand *v, size_t n);
