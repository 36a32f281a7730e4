/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/route_plan.h"

#include <string.h>

enum route_verdict route_plan(const struct ip_prefix *dst, const struct ip_addr *nexthop,
			      const struct route_facts *facts, struct route_value *ret)
{
	if (dst->len == 0)
		return ROUTE_DEFAULT;
	if (dst->addr.family != nexthop->family)
		return ROUTE_FAMILY_DIFFERS;
	if (facts->covered_by_own_cidr)
		return ROUTE_OWN_CIDR;
	if (!facts->nexthop_on_link)
		return ROUTE_OFF_SUBNET;
	memset(ret, 0, sizeof(*ret));
	ret->gateway = *nexthop;
	return ROUTE_WANTED;
}

const char *route_verdict_text(enum route_verdict v)
{
	switch (v) {
	case ROUTE_WANTED:
		return "wanted";
	case ROUTE_DEFAULT:
		return "a default route; this node keeps its own";
	case ROUTE_FAMILY_DIFFERS:
		return "next hop and destination are of different families";
	case ROUTE_OFF_SUBNET:
		return "the next hop is in no subnet of this node and tunnels are not supported "
		       "yet";
	case ROUTE_OWN_CIDR:
		return "the prefix lies in this node's own pod CIDR";
	}
	return "";
}

const char *kept_route_verdict(const struct kept_route *k, const struct kept_facts *facts,
			       struct mono now)
{
	if (!facts->is_node && !facts->is_peer)
		return "no Node has its next hop";
	if (facts->peer_is_established && facts->peer_got_eor)
		return "its peer has sent everything and not this route";
	if (facts->peer_is_established && facts->established_for_us >= KEPT_WITHOUT_EOR_US)
		return "its peer has been established long enough and did not send it";
	if (mono_diff_us(now, k->deadline) >= 0)
		return "its peer did not come back within the restart time";
	return NULL;
}
