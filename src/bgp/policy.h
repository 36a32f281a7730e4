/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Import and export policy: which learned routes may be used, which announcements go to whom.
 *
 * Pure. Asked at each decision and each time a prefix is about to be sent, never only when a route
 * arrives: so it is in force before the first session is, and a change of the announcements
 * re-judges what is already in the RIB.
 */
#include "model/bgp.h"

enum bgp_import {
	BGP_IMPORT_ACCEPT,
	BGP_IMPORT_DEFAULT_ROUTE, /* 0.0.0.0/0 or ::/0: a node keeps its own way out */
	BGP_IMPORT_OWN,           /* this node announces the very prefix (a VIP, its pods) */
};

/* own: our announcement of exactly this prefix, or NULL. */
enum bgp_import bgp_policy_import(const struct ip_prefix *prefix, const struct bgp_announce *own);

/*
 * May our announcement of a prefix go to a peer of this role, on a session with these families
 * (BGP_AF_*)? What was learned goes to nobody, so there is no function for it.
 */
bool bgp_policy_export(const struct ip_prefix *prefix, const struct bgp_announce *announce,
		       enum bgp_peer_role role, unsigned families);
