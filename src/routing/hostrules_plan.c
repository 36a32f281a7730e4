/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/hostrules_plan.h"

#include "base/ip.h"
#include "routing/node_plan.h"

void hostrules_forward(struct strbuf *out, const char *bridge, const char *node_interface)
{
	/*
	 * The reference inserts each at the top of the chain, so its last one stands first; the
	 * order among accepts means nothing, but equal order means no change at a take-over.
	 */
	if (*node_interface)
		strbuf_fmt(out,
			   "-o %s -m comment --comment \"allow outbound node port traffic on node "
			   "interface with which node ip is associated\" -j ACCEPT\n",
			   node_interface);
	strbuf_fmt(out, "-o %s -m comment --comment \"allow inbound traffic to pods\" -j ACCEPT\n",
		   bridge);
	strbuf_fmt(out,
		   "-i %s -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n",
		   bridge);
}

void hostrules_pod_egress(struct strbuf *out, uint8_t family, bool random_fully)
{
	const char *pods = family == IP_V4 ? SET_POD_SUBNETS : SET_POD_SUBNETS6;
	const char *nodes = family == IP_V4 ? SET_NODE_IPS : SET_NODE_IPS6;

	strbuf_fmt(out,
		   "-m set --match-set %s src -m set ! --match-set %s dst -m set ! --match-set %s "
		   "dst -j MASQUERADE%s\n",
		   pods, pods, nodes, random_fully ? " --random-fully" : "");
}
