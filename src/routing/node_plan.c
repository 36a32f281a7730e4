/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/node_plan.h"

#include <string.h>

static void note(struct strbuf *problems, const char *text)
{
	if (problems->len)
		strbuf_puts(problems, "; ");
	strbuf_puts(problems, text);
}

static void want_member(struct node_want *w, const struct routing_self *self, const char *set4,
			const char *set6, const struct ip_prefix *p)
{
	struct ipset_member_key *k;
	bool is4 = p->addr.family == IP_V4;

	/* A family's sets exist only where this node has addresses of it. */
	if ((is4 && !self->has4) || (!is4 && !self->has6) || w->n_members == NODE_MEMBERS_MAX)
		return;
	k = &w->members[w->n_members++];
	(void)str_copy(k->set, sizeof(k->set), is4 ? set4 : set6);
	k->prefix = *p;
}

/*
 * A Node without a pod CIDR is in neither set: it has no routes to pods (nothing announces them to
 * it), so what pods send to it must be masqueraded for the answer to find back.
 */
static void want_members(struct node_want *w, const struct routing_self *self,
			 const struct node_ips *ips, const struct node_pod_cidrs *cidrs)
{
	if (cidrs->n == 0)
		return;
	for (size_t i = 0; i < cidrs->n; i++)
		want_member(w, self, SET_POD_SUBNETS, SET_POD_SUBNETS6, &cidrs->v[i]);
	for (size_t i = 0; i < ips->n; i++) {
		struct ip_prefix host = ip_prefix_host(&ips->v[i]);

		want_member(w, self, SET_NODE_IPS, SET_NODE_IPS6, &host);
	}
}

/* Without full mesh, nodes peer within one ASN, which each Node's annotation names. */
static bool is_in_our_as(const struct routing_self *self, const struct node *n,
			 struct strbuf *problems)
{
	uint32_t asn = 0;
	int r;

	if (self->full_mesh)
		return true;
	r = node_asn_get(n, &asn);
	if (r < 0)
		note(problems, "metadata.annotations." ANNOTATION_NODE_ASN ": not a usable ASN");
	return r > 0 && asn == self->asn;
}

static void want_peer(struct node_want *w, const struct routing_self *self, const struct node *n,
		      const struct node_ips *ips, struct strbuf *problems)
{
	if (!self->ibgp || ip_is_none(&ips->primary) || ip_same(&ips->primary, &self->ips.primary))
		return;
	if (!is_in_our_as(self, n, problems))
		return;
	if (ips->primary.family != self->ips.primary.family) {
		note(problems, "its primary address is of another family than this node's: no "
			       "BGP session with it");
		return;
	}
	w->has_peer = true;
	w->peer.addr = ips->primary;
	w->peer.local_addr = self->ips.primary;
	w->peer.role = BGP_PEER_NODE;
	/* What the other node can use, not what we can: it forwards by its own addresses. */
	w->peer.families = (uint8_t)((ip_is_none(&ips->best4) ? 0 : BGP_AF_IPV4) |
				     (ip_is_none(&ips->best6) ? 0 : BGP_AF_IPV6));
	w->peer.port = self->bgp_port;
	w->peer.hold_s = BGP_HOLD_S_DEFAULT;
	w->peer.remote_asn = self->asn;
	w->peer.prefix_max = BGP_PREFIX_MAX_DEFAULT;
}

static void note_no_address(struct strbuf *problems)
{
	note(problems, "status.addresses: no usable InternalIP or ExternalIP");
}

void node_plan(const struct routing_self *self, const struct node *n, struct node_want *ret,
	       struct strbuf *problems)
{
	struct node_ips ips;
	struct node_pod_cidrs cidrs;

	memset(ret, 0, sizeof(*ret));
	node_ips_get(n, &ips, problems);
	node_pod_cidrs_get(n, &cidrs, problems);
	if (ip_is_none(&ips.primary)) {
		note_no_address(problems);
		return;
	}
	want_members(ret, self, &ips, &cidrs);
	want_peer(ret, self, n, &ips, problems);
}

void node_plan_self(const struct routing_self *self, const struct node_pod_cidrs *cidrs,
		    const struct node *n, struct node_want *ret, struct strbuf *problems)
{
	struct node_ips ips = self->ips;
	struct node_pod_cidrs told;

	memset(ret, 0, sizeof(*ret));
	if (n) {
		node_pod_cidrs_get(n, &told, problems); /* for its problems */
		node_ips_get(n, &ips, problems);
		if (ip_is_none(&ips.primary)) {
			note_no_address(problems);
			ips = self->ips;
		}
	}
	want_members(ret, self, &ips, cidrs);
}
