/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms are the rules of the Go kube-router, so that what it left behind is adopted, and the
 * obsolete ones it removes itself are removed by us, too.
 *
 * The accepts of routing stand behind the jump of the network policies, wherever that is: an accept
 * before it would let everything to and from pods pass unjudged. The Go kube-router inserts them at
 * the very top and moves its jump up again at its next round.
 */
#include "kernel/iptables_slots.h"

#define PODS4  "kube-router-pod-subnets"
#define NODES4 "kube-router-node-ips"
#define PODS6  "inet6:" PODS4
#define NODES6 "inet6:" NODES4

#define FROM_PODS(pods)     "-m set --match-set " pods " src -m set ! --match-set " pods " dst "
#define NOT_TO_NODES(nodes) "-m set ! --match-set " nodes " dst "
#define EGRESS(pods, nodes) FROM_PODS(pods) NOT_TO_NODES(nodes) "-j MASQUERADE"
#define ACCEPT_FORMS                                                                               \
	{                                                                                          \
		"-o * -m comment --comment \"allow outbound node port traffic on node interface "  \
		"with which node ip is associated\" -j ACCEPT",                                    \
			"-o kube-bridge -m comment --comment \"allow inbound traffic to pods\" "   \
			"-j ACCEPT",                                                               \
			"-i kube-bridge -m comment --comment \"allow outbound traffic from "       \
			"pods\" "                                                                  \
			"-j ACCEPT",                                                               \
	}
#define EGRESS_FORMS(pods, nodes)                                                                  \
	{                                                                                          \
		EGRESS(pods, nodes)                                                                \
		" --random-fully", EGRESS(pods, nodes), FROM_PODS(pods) "-j MASQUERADE",           \
	}

static const struct ipt_slot_desc slots[IPT_SLOT_N] = {
	[IPT_SLOT_FORWARD_ACCEPT] = {
		.table = "filter",
		.chain = "FORWARD",
		.place = IPT_PLACE_TOP,
		.below = "KUBE-ROUTER-FORWARD",
		.forms4 = ACCEPT_FORMS,
		.forms6 = ACCEPT_FORMS,
	},
	[IPT_SLOT_POD_EGRESS] = {
		.table = "nat",
		.chain = "POSTROUTING",
		.place = IPT_PLACE_END,
		.forms4 = EGRESS_FORMS(PODS4, NODES4),
		.forms6 = EGRESS_FORMS(PODS6, NODES6),
	},
};

const struct ipt_slot_desc *ipt_slot_desc(unsigned slot)
{
	return &slots[slot < IPT_SLOT_N ? slot : IPT_SLOT_CHAIN];
}

static bool form_is(const char *form, const struct strv *words)
{
	struct strv want = { 0 };
	bool is = ipt_words((struct ipt_span){ form, strlen(form) }, &want) == 0 &&
		  want.n == words->n;

	for (size_t i = 0; is && i < want.n; i++)
		is = str_eq(want.v[i], "*") || str_eq(want.v[i], words->v[i]);
	strv_fini(&want);
	return is;
}

int ipt_slot_form(unsigned slot, uint8_t family, const struct strv *words)
{
	const struct ipt_slot_desc *desc = ipt_slot_desc(slot);
	const char *const *forms = family == IP_V6 ? desc->forms6 : desc->forms4;

	for (int i = 0; i < IPT_FORMS_MAX && forms[i]; i++) {
		if (form_is(forms[i], words))
			return i;
	}
	return -1;
}

const char *ipt_rule_target(const struct strv *words)
{
	for (size_t i = 0; i + 1 < words->n; i++) {
		if (str_eq(words->v[i], "-j") || str_eq(words->v[i], "-g"))
			return words->v[i + 1];
	}
	return NULL;
}
