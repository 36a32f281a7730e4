/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reconciler in the simulated loop, over the model kernel: what goes wrong with programs.
 */
#include "kernel/iptables.h"

#include <errno.h>

#include "base/test.h"
#include "ev/sim.h"
#include "kernel/iptables_host.h"

#define OUT "-i kube-bridge -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n"

static struct ipt_key accept_key(uint8_t family)
{
	return rig_key(family, "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT);
}

static struct ipt_key chain_key(const char *name)
{
	return rig_key(IP_V4, "filter", name, IPT_SLOT_CHAIN);
}

static void test_missing_family_hurts_itself(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.no_v6 = true;
	host_dump(&h);
	rig_op(&h.rig, accept_key(IP_V4), OUT);
	rig_op(&h.rig, accept_key(IP_V6), OUT);
	host_apply(&h);
	CHECK_STR("v4", h.rig.text[0], "");
	CHECK_STR("v6", h.rig.text[1], "ip6tables-nft-save: no such program on PATH");
	CHECK("v6", h.rig.err[1] == -ENOENT);
	/* installed later: found at the next try, without a new dump */
	h.no_v6 = false;
	h.rig.n_ops = 0;
	rig_op(&h.rig, accept_key(IP_V6), OUT);
	host_apply(&h);
	CHECK_STR("v6 later", h.rig.text[0], "");
	host_fini(&h);
}

static void test_no_programs_at_all(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.no_programs = true;
	host_dump(&h);
	CHECK_STR("not known", kernel_iptables_variant(h.rig.k), "unknown");
	CHECK("not assumed", !kernel_iptables_random_fully(h.rig.k));
	rig_op(&h.rig, accept_key(IP_V4), OUT);
	host_apply(&h);
	CHECK_STR("named", h.rig.text[0], "iptables-save: no such program on PATH");
	h.no_programs = false;
	host_dump(&h);
	CHECK_STR("found later", kernel_iptables_variant(h.rig.k), "nft");
	CHECK("known", kernel_iptables_random_fully(h.rig.k));
	host_fini(&h);
}

static void test_old_version(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.version = "iptables v1.6.1\n";
	host_dump(&h);
	CHECK("no --random-fully", !kernel_iptables_random_fully(h.rig.k));
	rig_op(&h.rig, accept_key(IP_V4), OUT);
	host_apply(&h);
	CHECK("restore has no -w", h.n_restores == 1 && h.n_waiting == 0);
	host_fini(&h);
}

static void all_ops(struct host *h)
{
	h->rig.n_ops = 0;
	rig_op(&h->rig, accept_key(IP_V4), OUT);
	rig_op(&h->rig, chain_key("KUBE-TA"), "-j KUBE-TB\n");
	rig_op(&h->rig, chain_key("KUBE-TB"), "-j RETURN\n");
	rig_op(&h->rig, rig_key(IP_V4, "nat", "POSTROUTING", IPT_SLOT_POD_EGRESS), "");
}

static void test_one_call_for_all(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	all_ops(&h);
	host_apply(&h);
	CHECK("one restore, with -w", h.n_restores == 1 && h.n_waiting == 1);
	for (size_t i = 0; i < h.rig.n_ops; i++)
		CHECK_STR("good", h.rig.text[i], "");
	all_ops(&h);
	host_apply(&h);
	CHECK("nothing to send", h.n_restores == 1);
	host_fini(&h);
}

static void test_bad_rows_alone(void **state)
{
	static const char *const bad[] = { "KUBE-T07", "KUBE-T31" };
	char names[40][16];
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "KUBE-T%02d", i);
		rig_op(&h.rig, chain_key(names[i]),
		       str_eq(names[i], bad[0]) || str_eq(names[i], bad[1]) ? "-j NOSUCH\n"
									    : "-j RETURN\n");
	}
	host_apply(&h);
	for (size_t i = 0; i < 40; i++) {
		bool is_bad = i == 7 || i == 31;

		CHECK(names[i], h.rig.err[i] == (is_bad ? -EIO : 0));
		CHECK(names[i], !!model_chain_get(&h.v4, "filter", names[i]) == !is_bad);
	}
	CHECK("halving, not one by one", h.n_restores < 30);
	host_fini(&h);
}

/* The first table of a failed call is done: its rows must not be sent a second time. */
static void test_partial_call_doubles_nothing(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	rig_op(&h.rig, accept_key(IP_V4), OUT);
	rig_op(&h.rig, rig_key(IP_V4, "nat", "KUBE-TBAD", IPT_SLOT_CHAIN), "-j NOSUCH\n");
	host_apply(&h);
	CHECK_STR("good", h.rig.text[0], "");
	CHECK("bad", h.rig.err[1] == -EIO);
	CHECK("once", model_chain_get(&h.v4, "filter", "FORWARD")->rules.n == 1);
	host_fini(&h);
}

static void test_chance_failure_is_tried_again(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	h.fail_restores = 1;
	rig_op(&h.rig, chain_key("KUBE-TA"), "-j RETURN\n");
	host_apply(&h);
	CHECK_STR("good at the second try", h.rig.text[0], "");
	CHECK("two restores", h.n_restores == 2);
	host_fini(&h);
}

static void test_nobodys_fault(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	h.is_locked = true;
	rig_op(&h.rig, chain_key("KUBE-TA"), "");
	rig_op(&h.rig, chain_key("KUBE-TB"), "");
	host_apply(&h);
	CHECK("locked: one try", h.n_restores == 1);
	CHECK(h.rig.text[1], h.rig.err[0] == -EBUSY && h.rig.err[1] == -EBUSY);
	h.is_locked = false;
	h.hangs = true;
	h.rig.n_ops = 0;
	rig_op(&h.rig, chain_key("KUBE-TA"), "");
	host_apply(&h);
	CHECK(h.rig.text[0], h.rig.err[0] == -ETIMEDOUT);
	h.hangs = false;
	h.rig.n_ops = 0;
	rig_op(&h.rig, chain_key("KUBE-TA"), "");
	host_apply(&h);
	CHECK_STR("well again", h.rig.text[0], "");
	host_fini(&h);
}

static void test_refused_rows(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	host_dump(&h);
	rig_op(&h.rig, chain_key("OTHER"), "");
	rig_op(&h.rig, chain_key("KUBE-TA"), "-j \"\n");
	rig_op(&h.rig, rig_key(IP_NONE, "filter", "KUBE-TA", IPT_SLOT_CHAIN), "");
	host_apply(&h);
	CHECK("not ours", h.rig.err[0] == -EPERM);
	CHECK("no rule", h.rig.err[1] == -EINVAL);
	CHECK("no family", h.rig.err[2] == -EAFNOSUPPORT);
	CHECK("nothing was run", h.n_restores == 0);
	host_fini(&h);
}

static void test_audit_sees_others(void **state)
{
	const struct ipt_key key = accept_key(IP_V4);
	struct host h;
	const char *row;

	(void)state;
	host_init(&h);
	host_dump(&h);
	rig_op(&h.rig, key, OUT);
	host_apply(&h);
	row = rig_row(&h.rig, &key);
	CHECK_STR("there", row ? row : "", OUT);
	CHECK("removed by another",
	      model_restore(&h.v4, "*filter\n-D FORWARD " OUT "COMMIT\n",
			    strlen("*filter\n-D FORWARD " OUT "COMMIT\n")) == 0);
	(void)ev_sim_advance(h.loop, IPT_AUDIT_US + US_PER_S);
	row = rig_row(&h.rig, &key);
	CHECK_STR("seen without being asked", row ? row : "(absent)", "");
	host_fini(&h);
}

static void test_freed_while_running(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.rig.reconciler.ops->dump(h.rig.reconciler.self);
	(void)ev_sim_advance(h.loop, US_PER_MS);
	host_fini(&h);
	host_init(&h);
	host_dump(&h);
	rig_op(&h.rig, accept_key(IP_V4), OUT);
	rig_apply(&h.rig);
	(void)ev_sim_advance(h.loop, US_PER_MS);
	host_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_family_hurts_itself),
		cmocka_unit_test(test_no_programs_at_all),
		cmocka_unit_test(test_old_version),
		cmocka_unit_test(test_one_call_for_all),
		cmocka_unit_test(test_bad_rows_alone),
		cmocka_unit_test(test_partial_call_doubles_nothing),
		cmocka_unit_test(test_chance_failure_is_tried_again),
		cmocka_unit_test(test_nobodys_fault),
		cmocka_unit_test(test_refused_rows),
		cmocka_unit_test(test_audit_sees_others),
		cmocka_unit_test(test_freed_while_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
