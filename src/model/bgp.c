/* SPDX-License-Identifier: Apache-2.0 */
#include "model/bgp.h"

#include <assert.h>

/* Rows of tables are compared as bytes: each size is the sum of the members, so nothing is padding.
 */
static_assert(sizeof(struct bgp_speaker_conf) == 4 + 4 + 2 + 2, "padding");
static_assert(sizeof(struct bgp_peer_conf) == 2 * sizeof(struct ip_addr) + 1 + 1 + 2 + 2 + 4 + 4,
	      "padding");
static_assert(sizeof(struct bgp_announce) == sizeof(struct ip_addr) + 3, "padding");
static_assert(sizeof(struct bgp_best) == sizeof(struct ip_prefix) + 2 * sizeof(struct ip_addr) + 2,
	      "padding");

const char *bgp_state_name(enum bgp_state s)
{
	switch (s) {
	case BGP_STATE_NONE:
		return "none";
	case BGP_STATE_IDLE:
		return "idle";
	case BGP_STATE_CONNECT:
		return "connect";
	case BGP_STATE_ACTIVE:
		return "active";
	case BGP_STATE_OPENSENT:
		return "opensent";
	case BGP_STATE_OPENCONFIRM:
		return "openconfirm";
	case BGP_STATE_ESTABLISHED:
		return "established";
	case BGP_STATE_N:
		break;
	}
	return "invalid"; /* a number from outside (status messages) */
}

static const char *families_text(uint8_t families)
{
	switch (families) {
	case 0:
		return "none";
	case BGP_AF_IPV4:
		return "ipv4";
	case BGP_AF_IPV6:
		return "ipv6";
	case BGP_AF_IPV4 | BGP_AF_IPV6:
		return "ipv4,ipv6";
	default:
		return "invalid";
	}
}

void bgp_peer_conf_fmt(struct strbuf *out, const struct bgp_peer_conf *c)
{
	char addr[IP_ADDR_FMT_MAX], local[IP_ADDR_FMT_MAX];

	strbuf_fmt(out, "peer=%s local=%s role=%s families=%s port=%u hold_s=%u asn=",
		   ip_fmt(addr, &c->addr), ip_fmt(local, &c->local_addr),
		   c->role == BGP_PEER_NODE ? "node" : "external", families_text(c->families),
		   c->port ? c->port : BGP_PORT, c->hold_s ? c->hold_s : BGP_HOLD_S_DEFAULT);
	if (c->remote_asn)
		strbuf_fmt(out, "%u", c->remote_asn);
	else
		strbuf_puts(out, "any");
	strbuf_fmt(out, " prefix_max=%u", c->prefix_max ? c->prefix_max : BGP_PREFIX_MAX_DEFAULT);
}

void bgp_announce_fmt(struct strbuf *out, const struct bgp_announce *a)
{
	char nexthop[IP_ADDR_FMT_MAX];
	const char *to = a->to_nodes && a->to_external ? "nodes,external"
			 : a->to_nodes                 ? "nodes"
			 : a->to_external              ? "external"
						       : "nobody";

	strbuf_fmt(out, "nexthop=%s kind=%s to=%s", ip_fmt(nexthop, &a->nexthop),
		   a->kind == BGP_ANNOUNCE_POD_CIDR ? "pod-cidr" : "vip", to);
}

const char *bgp_id_fmt(char buf[IP_ADDR_FMT_MAX], uint32_t id)
{
	struct ip_addr a = ip_v4(id);

	return ip_fmt(buf, &a);
}
