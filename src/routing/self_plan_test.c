/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/self_plan.h"

#include "base/arena.h"
#include "base/test.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

static struct routing_self self_of(const char *v4, const char *v6)
{
	struct routing_self self = { .ibgp = true, .asn = 64512 };

	if (v4)
		self.ips.best4 = addr(v4);
	if (v6)
		self.ips.best6 = addr(v6);
	self.has4 = v4 != NULL;
	self.has6 = v6 != NULL;
	return self;
}

static struct self_facts facts_of(const char *cidr, const char *cidr2)
{
	struct self_facts f = { .interface = "eth0", .mtu = 1500 };

	CHECK(cidr, ip_prefix_parse(cidr, &f.cidrs.v[f.cidrs.n++]) == 0);
	if (cidr2)
		CHECK(cidr2, ip_prefix_parse(cidr2, &f.cidrs.v[f.cidrs.n++]) == 0);
	return f;
}

/* Everything wanted, one line each: what a reader compares. */
static void want_text(struct strbuf *out, const struct self_want *w)
{
	char text[IP_PREFIX_FMT_MAX], hop[IP_ADDR_FMT_MAX];

	strbuf_fmt(out, "link %s mtu %u\n", w->link.name, w->link_value.mtu);
	for (size_t i = 0; i < w->n_sysctls; i++)
		strbuf_fmt(out, "sysctl %s %s\n", w->sysctls[i].path, w->sysctls[i].value);
	for (size_t i = 0; i < w->n_sets; i++)
		strbuf_fmt(out, "set %s type %u family %u\n", w->sets[i].key.name,
			   w->sets[i].value.type, w->sets[i].value.family);
	for (size_t i = 0; i < w->n_rules; i++)
		strbuf_fmt(out, "rules %u %s %s: %s\n", w->rules[i].key.family,
			   w->rules[i].key.table, w->rules[i].key.chain,
			   *w->rules[i].value ? "some" : "none");
	for (size_t i = 0; i < w->n_announcements; i++)
		strbuf_fmt(out, "announce %s via %s nodes %u external %u\n",
			   ip_prefix_fmt(text, &w->announcements[i].prefix),
			   ip_fmt(hop, &w->announcements[i].announce.nexthop),
			   w->announcements[i].announce.to_nodes,
			   w->announcements[i].announce.to_external);
}

#define V4_SETS                                                                                    \
	"set kube-router-pod-subnets type 2 family 4\n"                                            \
	"set kube-router-node-ips type 1 family 4\n"
#define V6_SETS                                                                                    \
	"set inet6:kube-router-pod-subnets type 2 family 6\n"                                      \
	"set inet6:kube-router-node-ips type 1 family 6\n"

static void test_plan(void **state)
{
	const struct {
		const char *name;
		struct routing_self self;
		struct self_options opt;
		struct self_facts facts;
		const char *want, *problem;
	} rows[] = {
		{ "IPv4",
		  self_of("192.168.1.1", NULL),
		  { .pod_egress = true, .auto_mtu = true, .advertise_pod_cidr = true },
		  facts_of("172.20.0.0/24", NULL),
		  "link kube-bridge mtu 1500\n"
		  "sysctl net/bridge/bridge-nf-call-iptables 1\n" V4_SETS
		  "rules 4 filter FORWARD: some\n"
		  "rules 4 nat POSTROUTING: some\n"
		  "announce 172.20.0.0/24 via 192.168.1.1 nodes 1 external 1\n",
		  "" },
		{ "dual stack",
		  self_of("192.168.1.1", "2001:db8::1"),
		  { .pod_egress = true, .ipv6 = true },
		  facts_of("172.20.0.0/24", "2001:db8:42::/64"),
		  "link kube-bridge mtu 0\n"
		  "sysctl net/ipv6/conf/all/disable_ipv6 0\n"
		  "sysctl net/bridge/bridge-nf-call-iptables 1\n"
		  "sysctl net/bridge/bridge-nf-call-ip6tables 1\n" V4_SETS V6_SETS
		  "rules 4 filter FORWARD: some\n"
		  "rules 4 nat POSTROUTING: some\n"
		  "rules 6 filter FORWARD: some\n"
		  "rules 6 nat POSTROUTING: some\n"
		  "announce 172.20.0.0/24 via 192.168.1.1 nodes 1 external 0\n"
		  "announce 2001:db8:42::/64 via 2001:db8::1 nodes 1 external 0\n",
		  "" },
		{ "without egress the slot is wanted empty, so that an old rule goes",
		  self_of("192.168.1.1", NULL),
		  { 0 },
		  facts_of("172.20.0.0/24", NULL),
		  "link kube-bridge mtu 0\n"
		  "sysctl net/bridge/bridge-nf-call-iptables 1\n" V4_SETS
		  "rules 4 filter FORWARD: some\n"
		  "rules 4 nat POSTROUTING: none\n"
		  "announce 172.20.0.0/24 via 192.168.1.1 nodes 1 external 0\n",
		  "" },
		{ "a pod CIDR of a family without an address",
		  self_of("192.168.1.1", NULL),
		  { 0 },
		  facts_of("2001:db8:42::/64", NULL),
		  "link kube-bridge mtu 0\n"
		  "sysctl net/bridge/bridge-nf-call-iptables 1\n" V4_SETS
		  "rules 4 filter FORWARD: some\n"
		  "rules 4 nat POSTROUTING: none\n",
		  "a pod CIDR is of a family in which the node has no address; it is not "
		  "announced" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT, text = STRBUF_INIT;
		CLEANUP_ARENA struct arena arena = ARENA_INIT;
		struct self_want w;

		self_plan(&arena, &rows[i].self, &rows[i].opt, &rows[i].facts, &w, &problems);
		want_text(&text, &w);
		CHECK_STR(rows[i].name, strbuf_text(&text), rows[i].want);
		CHECK_STR(rows[i].name, strbuf_text(&problems), rows[i].problem);
	}
}

static void test_address_on_no_interface(void **state)
{
	CLEANUP_STRBUF struct strbuf problems = STRBUF_INIT;
	CLEANUP_ARENA struct arena arena = ARENA_INIT;
	const struct routing_self self = self_of("192.168.1.1", NULL);
	const struct self_options opt = { 0 };
	struct self_facts facts = facts_of("172.20.0.0/24", NULL);
	struct self_want w;

	(void)state;
	facts.interface[0] = '\0';
	self_plan(&arena, &self, &opt, &facts, &w, &problems);
	CHECK("said", strstr(strbuf_text(&problems), "on no interface") != NULL);
	CHECK("no rule names it", strstr(w.rules[0].value, "node port") == NULL);
	CHECK("the bridge's rules stay", strstr(w.rules[0].value, "-i kube-bridge") != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_address_on_no_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
