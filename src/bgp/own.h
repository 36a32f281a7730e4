/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The addresses of this node as far as BGP knows them: local ends of sessions and next hops of what
 * it announces. A route whose next hop is one of them leads back here (RFC 4271 5.1.3).
 */
#include "base/ip.h"
#include "base/map.h"

struct bgp_own {
	struct map addrs; /* struct ip_addr to how often it was added */
};

void bgp_own_fini(struct bgp_own *o);
/* Both return true if the set changed, not only a count. */
bool bgp_own_add(struct bgp_own *o, const struct ip_addr *addr);
bool bgp_own_del(struct bgp_own *o, const struct ip_addr *addr);
bool bgp_own_has(const struct bgp_own *o, const struct ip_addr *addr);
