/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/self_plan.h"

#include <string.h>

#include "base/arena.h"
#include "routing/hostrules_plan.h"

static void note(struct strbuf *problems, const char *text)
{
	if (problems->len)
		strbuf_puts(problems, "; ");
	strbuf_puts(problems, text);
}

static void want_link(struct self_want *w, const struct self_options *opt,
		      const struct self_facts *facts)
{
	(void)str_copy(w->link.name, sizeof(w->link.name), BRIDGE_NAME);
	w->link_value.kind = LINK_KIND_BRIDGE;
	w->link_value.up = 1;
	w->link_value.mtu = opt->auto_mtu ? facts->mtu : 0;
}

static void want_set(struct self_want *w, const char *name, enum ipset_type type,
		     enum ip_family family)
{
	size_t i = w->n_sets++;

	(void)str_copy(w->sets[i].key.name, sizeof(w->sets[i].key.name), name);
	w->sets[i].value.type = (uint8_t)type;
	w->sets[i].value.family = (uint8_t)family;
	w->sets[i].value.has_timeout = 1;
}

static void want_sysctl(struct self_want *w, const char *path, const char *value)
{
	w->sysctls[w->n_sysctls++] = (struct self_sysctl){ .path = path, .value = value };
}

/* An empty text is wanted, too: it says that no rule of this slot shall be there. */
static void want_rules(struct self_want *w, struct arena *a, enum ip_family family,
		       enum ipt_slot slot, const struct strbuf *text)
{
	bool is_forward = slot == IPT_SLOT_FORWARD_ACCEPT;
	size_t i = w->n_rules++;

	(void)str_copy(w->rules[i].key.table, sizeof(w->rules[i].key.table),
		       is_forward ? "filter" : "nat");
	(void)str_copy(w->rules[i].key.chain, sizeof(w->rules[i].key.chain),
		       is_forward ? "FORWARD" : "POSTROUTING");
	w->rules[i].key.family = (uint8_t)family;
	w->rules[i].key.slot = (uint8_t)slot;
	w->rules[i].value = arena_strdup(a, strbuf_text(text));
}

static void want_family(struct self_want *w, struct arena *a, enum ip_family family,
			const struct self_options *opt, const struct self_facts *facts)
{
	CLEANUP_STRBUF struct strbuf forward = STRBUF_INIT, egress = STRBUF_INIT;
	bool is4 = family == IP_V4;

	want_set(w, is4 ? SET_POD_SUBNETS : SET_POD_SUBNETS6, IPSET_HASH_NET, family);
	want_set(w, is4 ? SET_NODE_IPS : SET_NODE_IPS6, IPSET_HASH_IP, family);
	want_sysctl(w,
		    is4 ? "net/bridge/bridge-nf-call-iptables"
			: "net/bridge/bridge-nf-call-ip6tables",
		    "1");
	hostrules_forward(&forward, BRIDGE_NAME, facts->interface);
	want_rules(w, a, family, IPT_SLOT_FORWARD_ACCEPT, &forward);
	if (opt->pod_egress)
		hostrules_pod_egress(&egress, (uint8_t)family, opt->random_fully);
	want_rules(w, a, family, IPT_SLOT_POD_EGRESS, &egress);
}

static void want_announcements(struct self_want *w, const struct routing_self *self,
			       const struct self_options *opt, const struct self_facts *facts,
			       struct strbuf *problems)
{
	for (size_t i = 0; i < facts->cidrs.n; i++) {
		const struct ip_prefix *p = &facts->cidrs.v[i];
		struct ip_addr nexthop =
			p->addr.family == IP_V4 ? self->ips.best4 : self->ips.best6;
		struct bgp_announce *a;

		if (ip_is_none(&nexthop)) {
			note(problems,
			     "a pod CIDR is of a family in which the node has no address; "
			     "it is not announced");
			continue;
		}
		w->announcements[w->n_announcements].prefix = *p;
		a = &w->announcements[w->n_announcements++].announce;
		a->nexthop = nexthop;
		a->kind = BGP_ANNOUNCE_POD_CIDR;
		a->to_nodes = self->ibgp;
		a->to_external = opt->advertise_pod_cidr;
	}
}

void self_plan(struct arena *a, const struct routing_self *self, const struct self_options *opt,
	       const struct self_facts *facts, struct self_want *ret, struct strbuf *problems)
{
	memset(ret, 0, sizeof(*ret));
	want_link(ret, opt, facts);
	if (opt->ipv6)
		want_sysctl(ret, "net/ipv6/conf/all/disable_ipv6", "0");
	if (self->has4)
		want_family(ret, a, IP_V4, opt, facts);
	if (self->has6)
		want_family(ret, a, IP_V6, opt, facts);
	if (!*facts->interface)
		note(problems, "its primary address is on no interface of this host");
	want_announcements(ret, self, opt, facts, problems);
}
