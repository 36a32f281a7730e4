/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/node_plan.h"

#include "base/test.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

static struct routing_self self_v4(void)
{
	struct routing_self self = {
		.has4 = true,
		.asn = 64512,
		.bgp_port = 179,
		.ibgp = true,
		.full_mesh = true,
	};

	self.ips.primary = self.ips.best4 = self.ips.v[0] = addr("192.168.1.1");
	self.ips.n = 1;
	return self;
}

static const struct node_address node2_v4[] = { { NODE_ADDRESS_INTERNAL_IP, "192.168.1.2" } };
static const struct node_address node2_dual[] = { { NODE_ADDRESS_INTERNAL_IP, "192.168.1.2" },
						  { NODE_ADDRESS_INTERNAL_IP, "2001:db8::2" } };
static const struct node_address node2_v6[] = { { NODE_ADDRESS_INTERNAL_IP, "2001:db8::2" } };
static const char *const cidr_v4[] = { "172.20.1.0/24" };
static const char *const cidr_dual[] = { "172.20.1.0/24", "2001:db8:42:1::/64" };

#define NODE(addrs, cidrs)                                                                         \
	(struct node)                                                                              \
	{                                                                                          \
		.addresses = (addrs), .n_addresses = ARRAY_LEN(addrs), .pod_cidrs = (cidrs),       \
		.n_pod_cidrs = ARRAY_LEN(cidrs)                                                    \
	}

static void members_text(char *out, size_t size, const struct node_want *w)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < w->n_members; i++) {
		char text[IP_PREFIX_FMT_MAX];

		strbuf_fmt(&b, "%s%s=%s", i ? " " : "", w->members[i].set,
			   ip_prefix_fmt(text, &w->members[i].prefix));
	}
	(void)snprintf(out, size, "%s", strbuf_text(&b));
}

static void check_members(const char *name, const struct routing_self *self, const struct node *n,
			  const char *want)
{
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	struct node_want w;
	char text[1024];

	node_plan(self, n, false, &w, &problems);
	members_text(text, sizeof(text), &w);
	CHECK_STR(name, text, want);
	CHECK_STR(name, strbuf_text(&problems), "");
}

static void test_members(void **state)
{
	struct routing_self v4 = self_v4(), dual = self_v4();
	struct node n = NODE(node2_dual, cidr_dual);

	(void)state;
	dual.has6 = true;
	check_members("v4 node sees v4 only", &v4, &n,
		      "kube-router-pod-subnets=172.20.1.0/24 kube-router-node-ips=192.168.1.2/32");
	check_members("dual stack", &dual, &n,
		      "kube-router-pod-subnets=172.20.1.0/24 "
		      "inet6:kube-router-pod-subnets=2001:db8:42:1::/64 "
		      "kube-router-node-ips=192.168.1.2/32 "
		      "inet6:kube-router-node-ips=2001:db8::2/128");
	n.n_pod_cidrs = 0;
	check_members("without a pod CIDR its addresses are not in the set either", &v4, &n, "");
}

static void test_bad_cidr_is_left_out(void **state)
{
	/* the reference put it into the IPv6 list and broke that set for every node */
	static const char *const bad[] = { "nonsense", "172.20.1.0/24" };
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	struct routing_self self = self_v4();
	struct node n = NODE(node2_v4, bad);
	struct node_want w;

	(void)state;
	node_plan(&self, &n, false, &w, &problems);
	CHECK("the good one is there", w.n_members == 2);
	CHECK("named", strstr(strbuf_text(&problems), "spec.podCIDRs[0]: \"nonsense\"") != NULL);
}

static bool plan_peer(const struct routing_self *self, const struct node *n, bool is_self,
		      struct bgp_peer_conf *ret)
{
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	struct node_want w;

	node_plan(self, n, is_self, &w, &problems);
	*ret = w.peer;
	return w.has_peer;
}

static void test_peer(void **state)
{
	struct routing_self self = self_v4();
	struct node n = NODE(node2_v4, cidr_v4), v6 = NODE(node2_v6, cidr_v4),
		    dual = NODE(node2_dual, cidr_dual);
	const struct ip_addr want = addr("192.168.1.2"), local = addr("192.168.1.1");
	struct bgp_peer_conf p;

	(void)state;
	CHECK("full mesh", plan_peer(&self, &n, false, &p));
	CHECK("address", ip_same(&p.addr, &want) && ip_same(&p.local_addr, &local));
	CHECK("conf", p.remote_asn == 64512 && p.role == BGP_PEER_NODE && p.hold_s == 90);
	CHECK("v4 only", p.families == BGP_AF_IPV4);
	CHECK("both families of the target",
	      plan_peer(&self, &dual, false, &p) && p.families == (BGP_AF_IPV4 | BGP_AF_IPV6));
	CHECK("not ourselves", !plan_peer(&self, &n, true, &p));
	CHECK("not over another family", !plan_peer(&self, &v6, false, &p));
	self.ips.primary = want;
	CHECK("not our own address", !plan_peer(&self, &n, false, &p));
	self = self_v4();
	self.ibgp = false;
	CHECK("not without iBGP", !plan_peer(&self, &n, false, &p));
}

static void test_peer_without_mesh(void **state)
{
	static const struct {
		const char *name, *asn;
		bool want;
	} rows[] = {
		{ "the same ASN", "64512", true },
		{ "another ASN", "64513", false },
		{ "none", NULL, false },
		{ "unusable", "x", false },
	};
	struct routing_self self = self_v4();

	(void)state;
	self.full_mesh = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct kv note = { ANNOTATION_NODE_ASN, rows[i].asn };
		struct node n = NODE(node2_v4, cidr_v4);
		struct bgp_peer_conf p;

		n.meta.annotations = &note;
		n.meta.n_annotations = rows[i].asn ? 1 : 0;
		CHECK(rows[i].name, plan_peer(&self, &n, false, &p) == rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_bad_cidr_is_left_out),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_peer_without_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
