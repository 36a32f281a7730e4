/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/hostrules_plan.h"

#include "base/test.h"
#include "kernel/iptables_slots.h"

#define NODE_RULE                                                                                  \
	"-o eth0 -m comment --comment \"allow outbound node port traffic on node interface with "  \
	"which node ip is associated\" -j ACCEPT\n"
#define BRIDGE_RULES                                                                               \
	"-o kube-bridge -m comment --comment \"allow inbound traffic to pods\" -j ACCEPT\n"        \
	"-i kube-bridge -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n"

static void test_forward(void **state)
{
	static const struct {
		const char *name, *interface, *want;
	} rows[] = {
		{ "with the node's interface", "eth0", NODE_RULE BRIDGE_RULES },
		{ "address on no interface", "", BRIDGE_RULES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		hostrules_forward(&out, "kube-bridge", rows[i].interface);
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

static void test_pod_egress(void **state)
{
	static const struct {
		const char *name;
		uint8_t family;
		bool random_fully;
		const char *want;
	} rows[] = {
		{ "v4", IP_V4, true,
		  "-m set --match-set kube-router-pod-subnets src -m set ! --match-set "
		  "kube-router-pod-subnets dst -m set ! --match-set kube-router-node-ips dst "
		  "-j MASQUERADE --random-fully\n" },
		{ "v4, iptables before 1.6.2", IP_V4, false,
		  "-m set --match-set kube-router-pod-subnets src -m set ! --match-set "
		  "kube-router-pod-subnets dst -m set ! --match-set kube-router-node-ips dst "
		  "-j MASQUERADE\n" },
		{ "v6", IP_V6, true,
		  "-m set --match-set inet6:kube-router-pod-subnets src -m set ! --match-set "
		  "inet6:kube-router-pod-subnets dst -m set ! --match-set "
		  "inet6:kube-router-node-ips dst -j MASQUERADE --random-fully\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		hostrules_pod_egress(&out, rows[i].family, rows[i].random_fully);
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

/*
 * What is planned must be what the slot recognises in a dump, in the order in which it shows it and
 * in its spelling; else every dump would show a difference.
 */
static void check_slot(const char *name, const struct strbuf *text, unsigned slot, uint8_t family)
{
	struct ipt_span rest = { strbuf_text(text), text->len }, line;
	int last = -1;

	while (ipt_line_next(&rest, &line)) {
		CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
		struct strv words = { 0 };
		int form;

		CHECK(name, ipt_words(line, &words) == 0);
		form = ipt_slot_form(slot, family, &words);
		CHECK(name, form > last);
		last = form;
		ipt_words_fmt(&again, &words);
		CHECK(name, again.len == line.len && memcmp(again.data, line.text, line.len) == 0);
		strv_fini(&words);
	}
	CHECK(name, last >= 0);
}

static void test_slots_recognise(void **state)
{
	static const uint8_t families[] = { IP_V4, IP_V6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		CLEANUP_STRBUF struct strbuf forward = STRBUF_INIT, full = STRBUF_INIT,
					     old = STRBUF_INIT;

		hostrules_forward(&forward, "kube-bridge", "enp0s31f6");
		check_slot("forward", &forward, IPT_SLOT_FORWARD_ACCEPT, families[i]);
		hostrules_pod_egress(&full, families[i], true);
		check_slot("egress", &full, IPT_SLOT_POD_EGRESS, families[i]);
		hostrules_pod_egress(&old, families[i], false);
		check_slot("egress, old", &old, IPT_SLOT_POD_EGRESS, families[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_pod_egress),
		cmocka_unit_test(test_slots_recognise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
