/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/policy.h"

#include "bgp/nlri.h"

enum bgp_import bgp_policy_import(const struct ip_prefix *prefix, const struct bgp_announce *own)
{
	if (prefix->len == 0)
		return BGP_IMPORT_DEFAULT_ROUTE;
	if (own)
		return BGP_IMPORT_OWN;
	return BGP_IMPORT_ACCEPT;
}

bool bgp_policy_export(const struct ip_prefix *prefix, const struct bgp_announce *announce,
		       enum bgp_peer_role role, unsigned families)
{
	if (!(bgp_af_of(prefix) & families))
		return false;
	switch (role) {
	case BGP_PEER_NODE:
		return announce->to_nodes;
	case BGP_PEER_EXTERNAL:
		return announce->to_external;
	}
	return false;
}
