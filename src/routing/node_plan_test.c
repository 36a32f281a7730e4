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

	node_plan(self, n, &w, &problems);
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

static void test_members_of_this_node(void **state)
{
	static const char *const other[] = { "172.20.9.0/24" };
	static const struct node_address own[] = { { NODE_ADDRESS_INTERNAL_IP, "192.168.1.1" },
						   { NODE_ADDRESS_INTERNAL_IP, "192.168.1.8" } };
	const struct node present = NODE(own, other),
			  bare = { .pod_cidrs = other, .n_pod_cidrs = 1 };
	const struct {
		const char *name;
		const struct node *n;
		const char *want, *problem;
	} rows[] = {
		{ "addresses of its object, CIDRs in use", &present,
		  "kube-router-pod-subnets=172.20.0.0/24 kube-router-node-ips=192.168.1.1/32 "
		  "kube-router-node-ips=192.168.1.8/32",
		  "" },
		{ "deleted: pods run on and still leave the cluster", NULL,
		  "kube-router-pod-subnets=172.20.0.0/24 kube-router-node-ips=192.168.1.1/32", "" },
		{ "without addresses: those known last", &bare,
		  "kube-router-pod-subnets=172.20.0.0/24 kube-router-node-ips=192.168.1.1/32",
		  "status.addresses: no usable InternalIP or ExternalIP" },
	};
	const struct routing_self self = self_v4();
	struct node_pod_cidrs cidrs = { .n = 1 };

	(void)state;
	CHECK("CIDR", ip_prefix_parse("172.20.0.0/24", &cidrs.v[0]) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
		struct node_want w;
		char text[1024];

		node_plan_self(&self, &cidrs, rows[i].n, &w, &problems);
		members_text(text, sizeof(text), &w);
		CHECK_STR(rows[i].name, text, rows[i].want);
		CHECK_STR(rows[i].name, strbuf_text(&problems), rows[i].problem);
		CHECK(rows[i].name, !w.has_peer);
	}
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
	node_plan(&self, &n, &w, &problems);
	CHECK("the good one is there", w.n_members == 2);
	CHECK("named", strstr(strbuf_text(&problems), "spec.podCIDRs[0]: \"nonsense\"") != NULL);
}

static bool plan_peer(const struct routing_self *self, const struct node *n,
		      struct bgp_peer_conf *ret)
{
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	struct node_want w;

	node_plan(self, n, &w, &problems);
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
	CHECK("full mesh", plan_peer(&self, &n, &p));
	CHECK("address", ip_same(&p.addr, &want) && ip_same(&p.local_addr, &local));
	CHECK("conf", p.remote_asn == 64512 && p.role == BGP_PEER_NODE && p.hold_s == 90);
	CHECK("v4 only", p.families == BGP_AF_IPV4);
	CHECK("both families of the target",
	      plan_peer(&self, &dual, &p) && p.families == (BGP_AF_IPV4 | BGP_AF_IPV6));
	CHECK("not over another family", !plan_peer(&self, &v6, &p));
	self.ips.primary = want;
	CHECK("not our own address", !plan_peer(&self, &n, &p));
	self = self_v4();
	self.ibgp = false;
	CHECK("not without iBGP", !plan_peer(&self, &n, &p));
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
		CHECK(rows[i].name, plan_peer(&self, &n, &p) == rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_members_of_this_node),
		cmocka_unit_test(test_bad_cidr_is_left_out),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_peer_without_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
