/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A learned prefix to a kernel route, and how long a route found at start is kept. Pure.
 */
#include "base/time.h"
#include "model/bgp.h"
#include "model/route.h"

/* Why there is no route; in the order they are judged. */
enum route_verdict {
	ROUTE_WANTED,
	ROUTE_DEFAULT,        /* a default route; the speaker refuses it, too */
	ROUTE_FAMILY_DIFFERS, /* next hop and destination are of different families */
	ROUTE_OFF_SUBNET,     /* the next hop is in no subnet of this node: needs a tunnel */
	ROUTE_OWN_CIDR,       /* it is (part of) this node's own pod CIDR */
};

struct route_facts {
	bool nexthop_on_link;     /* in the subnet of one of this node's own addresses */
	bool covered_by_own_cidr; /* dst equals or lies in an own pod CIDR */
};

enum route_verdict route_plan(const struct ip_prefix *dst, const struct ip_addr *nexthop,
			      const struct route_facts *facts, struct route_value *ret);
const char *route_verdict_text(enum route_verdict v);

/*
 * A route with our protocol number that was there at start, or that the speaker's last process had
 * learned. It forwards until it is known to be wrong; learning the prefix anew replaces it.
 */
struct kept_route {
	struct ip_addr gateway;
	struct mono deadline; /* the restart time is over */
};

/* What is known about the peer whose address is the gateway. */
struct kept_facts {
	bool is_node; /* a Node has this address */
	bool is_peer; /* we have a peer with this address */
	bool peer_is_established;
	bool peer_got_eor;          /* End-of-RIB: it has told all it has */
	int64_t established_for_us; /* a peer that sends no End-of-RIB has told all by then */
};

#define KEPT_WITHOUT_EOR_US (30 * US_PER_S)

/* NULL: keep it; else why it goes, a constant text. */
const char *kept_route_verdict(const struct kept_route *k, const struct kept_facts *facts,
			       struct mono now);
