/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody else changes rules: what is noticed, how soon, and at what cost. In the simulated loop,
 * over the model kernel.
 */
#include "kernel/iptables_watch.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/test.h"
#include "ev/sim.h"
#include "kernel/iptables_host.h"

#define OUT    "-i kube-bridge -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n"
#define IN     "-o kube-bridge -m comment --comment \"allow inbound traffic to pods\" -j ACCEPT\n"
#define REMOVE "*filter\n-D FORWARD " OUT "COMMIT\n"
#define OTHER  4711 /* process id of the other writer */

static struct ipt_key accept_key(uint8_t family)
{
	return rig_key(family, "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT);
}

static const char *row(const struct host *h, uint8_t family)
{
	const struct ipt_key key = accept_key(family);
	const char *text = rig_row(&h->rig, &key);

	return text ? text : "(absent)";
}

static void start(struct host *h, bool is_legacy)
{
	if (is_legacy)
		host_init_legacy(h);
	else
		host_init(h);
	host_dump(h);
	rig_op(&h->rig, accept_key(IP_V4), OUT);
	rig_op(&h->rig, accept_key(IP_V6), OUT);
	host_apply(h);
	CHECK_STR("v4 there", row(h, IP_V4), OUT);
	CHECK_STR("v6 there", row(h, IP_V6), OUT);
}

static void test_event_leads_to_a_look(void **state)
{
	struct host h;
	unsigned n_saves;

	(void)state;
	start(&h, false);
	n_saves = h.n_saves;
	host_other(&h, &h.v4, REMOVE);
	host_event(&h, IP_V4, "filter", "FORWARD", OTHER);
	host_event(&h, IP_V4, "filter", "FORWARD", OTHER);
	(void)ev_sim_advance(h.loop, 100 * US_PER_MS);
	CHECK_STR("seen", row(&h, IP_V4), "");
	CHECK_STR("the other family as before", row(&h, IP_V6), OUT);
	CHECK("two tables of one family were read, once", h.n_saves == n_saves + 2);
	host_fini(&h);
}

static void test_events_that_do_not_matter(void **state)
{
	static const struct {
		const char *name, *table, *chain;
		bool matters;
	} rows[] = {
		{ "our slot", "filter", "FORWARD", true },
		{ "our other slot", "nat", "POSTROUTING", true },
		{ "a chain of ours", "filter", "KUBE-TA", true },
		{ "a built-in chain without a slot", "filter", "INPUT", false },
		{ "somebody's chain", "filter", "KUBE-SERVICES", false },
		{ "a slot's name in another table", "nat", "FORWARD", false },
		{ "a table that is not read", "mangle", "FORWARD", false },
		{ "a table of nft", "firewalld", "FORWARD", false },
		{ "a long name", "filter", "a-name-of-nft-longer-than-any-of-ours-may-be", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct host h;
		unsigned n_saves;

		start(&h, false);
		n_saves = h.n_saves;
		host_event(&h, IP_V6, rows[i].table, rows[i].chain, OTHER);
		(void)ev_sim_advance(h.loop, US_PER_S);
		CHECK(rows[i].name, h.n_saves == n_saves + (rows[i].matters ? 2 : 0));
		host_fini(&h);
	}
}

/* What our own restore does is not somebody else's change, whenever its events are read. */
static void test_own_events(void **state)
{
	struct host h;
	unsigned n_saves;

	(void)state;
	start(&h, false);
	h.rig.n_ops = 0;
	rig_op(&h.rig, rig_key(IP_V4, "filter", "KUBE-TA", IPT_SLOT_CHAIN), "-j RETURN\n");
	rig_apply(&h.rig);
	(void)ev_sim_advance(h.loop, 10 * US_PER_MS); /* it runs: 20 ms */
	n_saves = h.n_saves;
	host_event(&h, IP_V4, "filter", "KUBE-TA", h.last_pid);
	(void)ev_sim_advance(h.loop, US_PER_S);
	CHECK("it has its result", h.rig.n_results == 1 && h.rig.err[0] == 0);
	CHECK("nothing was read", h.n_saves == n_saves);
	host_event(&h, IP_V4, "filter", "KUBE-TA", h.last_pid);
	(void)ev_sim_advance(h.loop, US_PER_S);
	CHECK("later somebody else may have its number", h.n_saves == n_saves + 2);
	host_fini(&h);
}

static void change_between_saves(struct host *h, const char *program)
{
	if (!str_eq(program, "iptables-nft-save") || h->n_waiting++ != 0)
		return;
	host_event(h, IP_V4, "filter", "FORWARD", OTHER);
}

static void test_change_while_reading(void **state)
{
	struct host h;
	unsigned n_saves;

	(void)state;
	start(&h, false);
	n_saves = h.n_saves;
	h.n_waiting = 0;
	h.during = change_between_saves;
	host_event(&h, IP_V4, "filter", "FORWARD", OTHER);
	(void)ev_sim_advance(h.loop, US_PER_S);
	CHECK("read once more", h.n_saves == n_saves + 4);
	host_fini(&h);
}

static void test_lost_events(void **state)
{
	struct host h;

	(void)state;
	start(&h, false);
	host_other(&h, &h.v6, REMOVE);
	nl_script_push_err(nl_script_find(h.script, "iptables-event"), -ENOBUFS);
	(void)ev_sim_advance(h.loop, US_PER_S);
	CHECK_STR("read, since it may be anything", row(&h, IP_V6), "");
	host_fini(&h);
}

/* 20 ms for a program, two a look: an event each 50 ms must not cost more than its share. */
static void test_endless_changes_are_followed_slowly(void **state)
{
	const unsigned seconds = 600;
	struct host h;
	unsigned n_saves;

	(void)state;
	start(&h, false);
	n_saves = h.n_saves;
	for (unsigned i = 0; i < seconds * 20; i++) {
		host_event(&h, IP_V4, "filter", "FORWARD", OTHER);
		(void)ev_sim_advance(h.loop, 50 * US_PER_MS);
	}
	n_saves = h.n_saves - n_saves;
	print_message("%u programs in %u s\n", n_saves, seconds);
	CHECK("1 % and what was saved up", n_saves * 20 <= seconds * 10 + 1000 + 200);
	CHECK("but it is followed", n_saves * 20 >= seconds * 10 / 2);
	host_fini(&h);
}

static void test_legacy_is_polled(void **state)
{
	struct audit_stats stats;
	struct host h;
	unsigned n_saves;

	(void)state;
	start(&h, true);
	(void)ev_sim_advance(h.loop, 2 * IPT_POLL_US);
	n_saves = h.n_saves;
	(void)ev_sim_advance(h.loop, 10 * IPT_POLL_US);
	CHECK("nothing changed: nothing is read", h.n_saves == n_saves);
	host_other(&h, &h.v6, REMOVE);
	(void)ev_sim_advance(h.loop, IPT_POLL_US + 200 * US_PER_MS);
	CHECK_STR("seen", row(&h, IP_V6), "");
	CHECK("one family was read", h.n_saves == n_saves + 2);
	(void)ev_sim_advance(h.loop, 10 * IPT_POLL_US);
	CHECK("once", h.n_saves == n_saves + 2);
	h.rig.n_ops = 0;
	rig_op(&h.rig, accept_key(IP_V6), OUT IN);
	host_apply(&h);
	n_saves = h.n_saves;
	(void)ev_sim_advance(h.loop, 10 * IPT_POLL_US);
	CHECK("what we do ourselves is nobody else's change", h.n_saves == n_saves);
	kernel_iptables_audit_get(h.rig.k, &stats);
	CHECK("counted", stats.looks > 20 && stats.finds == 1 && stats.cycles >= 1);
	host_fini(&h);
}

static void remove_first(struct host *h, const char *program)
{
	if (!str_eq(program, "iptables-legacy-restore"))
		return;
	h->during = NULL;
	host_other(h, &h->v4, REMOVE);
}

/* Changed just before our restore takes the lock: the poll cannot know, the audit finds it. */
static void test_legacy_change_hidden_by_our_own(void **state)
{
	struct host h;

	(void)state;
	start(&h, true);
	h.rig.n_ops = 0;
	rig_op(&h.rig, rig_key(IP_V4, "filter", "KUBE-TA", IPT_SLOT_CHAIN), "-j RETURN\n");
	h.during = remove_first;
	host_apply(&h);
	(void)ev_sim_advance(h.loop, IPT_AUDIT_US + US_PER_S);
	CHECK_STR("seen", row(&h, IP_V4), "");
	host_fini(&h);
}

static void test_legacy_change_of_equal_size(void **state)
{
	const struct ipt_key key = accept_key(IP_V4);
	const char *swapped = "*filter\n-D FORWARD " OUT "-A FORWARD "
			      "-i kube-bridge -m comment --comment \"allow outbound traffic from "
			      "pods\" -j ACCEPX\nCOMMIT\n";
	struct host h;
	const char *text;

	(void)state;
	start(&h, true);
	host_other(&h, &h.v4, swapped);
	(void)ev_sim_advance(h.loop, 4 * IPT_POLL_US);
	CHECK_STR("not seen by the poll", row(&h, IP_V4), OUT);
	(void)ev_sim_advance(h.loop, IPT_AUDIT_US + US_PER_S);
	text = rig_row(&h.rig, &key);
	CHECK_STR("seen by the audit", text ? text : "(absent)", "");
	host_fini(&h);
}

static void test_malformed_events(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		uint8_t len;
		uint8_t body[24];
	} rows[] = {
		{ "nothing", NFT_MSG_NEWRULE, 0, { 0 } },
		{ "half a header", NFT_MSG_NEWRULE, 2, { NFPROTO_IPV4 } },
		{ "no names", NFT_MSG_NEWRULE, 4, { NFPROTO_IPV4 } },
		{ "no table", NFT_MSG_NEWCHAIN, 12, { NFPROTO_IPV4, 0, 0, 0, 8, 0, 3, 0, 'A' } },
		{ "no chain",
		  NFT_MSG_DELRULE,
		  12,
		  { NFPROTO_IPV4, 0, 0, 0, 8, 0, 1, 0, 'n', 'a', 't' } },
		{ "too long",
		  NFT_MSG_DELTABLE,
		  12,
		  { NFPROTO_IPV4, 0, 0, 0, 99, 0, 1, 0, 'n', 'a' } },
		{ "other family",
		  NFT_MSG_DELTABLE,
		  12,
		  { NFPROTO_INET, 0, 0, 0, 8, 0, 1, 0, 'n', 'a', 't' } },
		{ "other kind",
		  NFT_MSG_NEWSET,
		  12,
		  { NFPROTO_IPV4, 0, 0, 0, 8, 0, 1, 0, 'n', 'a', 't' } },
	};
	const struct ipt_have_filter filter = { 0 };
	uint8_t whole[] = { NFPROTO_IPV6, 0, 0, 0, 8, 0, 1, 0, 'n', 'a', 't', 0 };
	struct nl_head head = { .type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE };
	uint8_t family = 0;

	(void)state;
	CHECK("good: a table goes",
	      ipt_watch_event_is(&head, rd_init(whole, sizeof(whole)), &filter, &family) &&
		      family == IP_V6);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		head.type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | rows[i].type);
		CHECK(rows[i].name, !ipt_watch_event_is(&head, rd_init(rows[i].body, rows[i].len),
							&filter, &family));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_leads_to_a_look),
		cmocka_unit_test(test_events_that_do_not_matter),
		cmocka_unit_test(test_own_events),
		cmocka_unit_test(test_change_while_reading),
		cmocka_unit_test(test_lost_events),
		cmocka_unit_test(test_endless_changes_are_followed_slowly),
		cmocka_unit_test(test_legacy_is_polled),
		cmocka_unit_test(test_legacy_change_hidden_by_our_own),
		cmocka_unit_test(test_legacy_change_of_equal_size),
		cmocka_unit_test(test_malformed_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
