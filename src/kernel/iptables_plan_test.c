/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_plan.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"
#include "kernel/iptables_have.h"
#include "kernel/iptables_model.h"

#define NODE                                                                                       \
	"-o eth0 -m comment --comment \"allow outbound node port traffic on node interface "       \
	"with which node ip is associated\" -j ACCEPT\n"
#define IN  "-o kube-bridge -m comment --comment \"allow inbound traffic to pods\" -j ACCEPT\n"
#define OUT "-i kube-bridge -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n"
#define ALL NODE IN OUT
#define PODS                                                                                       \
	"-m set --match-set kube-router-pod-subnets src -m set ! --match-set "                     \
	"kube-router-pod-subnets dst "
#define EGRESS_OLDEST PODS "-j MASQUERADE\n"
#define EGRESS_OLD    PODS "-m set ! --match-set kube-router-node-ips dst -j MASQUERADE\n"
#define EGRESS        PODS "-m set ! --match-set kube-router-node-ips dst -j MASQUERADE --random-fully\n"

static struct ipt_key key_make(const char *table, const char *chain, unsigned slot)
{
	struct ipt_key key = { .family = IP_V4, .slot = (uint8_t)slot };

	CHECK(table, str_copy(key.table, sizeof(key.table), table) == 0);
	CHECK(chain, str_copy(key.chain, sizeof(key.chain), chain) == 0);
	return key;
}

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){ text, text ? strlen(text) : 0 };
}

static bool is_our_chain(void *arg, const struct ipt_key *key)
{
	(void)arg;
	return str_starts(key->chain, "KUBE-T");
}

struct plan_row {
	const char *name, *table, *chain;
	unsigned slot;
	const char *have, *want;
	size_t above;
	const char *text; /* the golden input of restore */
};

static const struct plan_row plan_rows[] = {
	{ "all missing: at the top, in order", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, NULL,
	  ALL, 0, "*filter\n-I FORWARD 1 " NODE "-I FORWARD 2 " IN "-I FORWARD 3 " OUT "COMMIT\n" },
	{ "below two lines", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, NULL, IN OUT, 2,
	  "*filter\n-I FORWARD 3 " IN "-I FORWARD 4 " OUT "COMMIT\n" },
	{ "one missing", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, IN OUT, ALL, 0,
	  "*filter\n-I FORWARD 1 " NODE "COMMIT\n" },
	{ "same", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, ALL, ALL, 0, "" },
	{ "one twice", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, ALL OUT, ALL, 0,
	  "*filter\n-D FORWARD " OUT "COMMIT\n" },
	{ "interface changed: in before out", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT,
	  "-o eth1 x\n" IN OUT, ALL, 0,
	  "*filter\n-I FORWARD 1 " NODE "-D FORWARD -o eth1 x\nCOMMIT\n" },
	{ "all go", "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT, IN OUT, NULL, 0,
	  "*filter\n-D FORWARD " IN "-D FORWARD " OUT "COMMIT\n" },
	{ "wanted empty", "nat", "POSTROUTING", IPT_SLOT_POD_EGRESS, EGRESS, "", 0,
	  "*nat\n-D POSTROUTING " EGRESS "COMMIT\n" },
	{ "obsolete forms", "nat", "POSTROUTING", IPT_SLOT_POD_EGRESS, EGRESS_OLD EGRESS_OLDEST,
	  EGRESS, 0,
	  "*nat\n-A POSTROUTING " EGRESS "-D POSTROUTING " EGRESS_OLD
	  "-D POSTROUTING " EGRESS_OLDEST "COMMIT\n" },
	{ "new chain", "filter", "KUBE-TA", IPT_SLOT_CHAIN, NULL, "-j A\n-j B\n", 0,
	  "*filter\n:KUBE-TA - [0:0]\n-A KUBE-TA -j A\n-A KUBE-TA -j B\nCOMMIT\n" },
	{ "new empty chain", "filter", "KUBE-TA", IPT_SLOT_CHAIN, NULL, "", 0,
	  "*filter\n:KUBE-TA - [0:0]\nCOMMIT\n" },
	{ "same chain", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "-j A\n", "-j A\n", 0, "" },
	{ "order of a chain", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "-j A\n-j B\n", "-j B\n-j A\n",
	  0, "*filter\n:KUBE-TA - [0:0]\n-A KUBE-TA -j B\n-A KUBE-TA -j A\nCOMMIT\n" },
	{ "chain goes", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "-j A\n", NULL, 0,
	  "*filter\n:KUBE-TA - [0:0]\n-X KUBE-TA\nCOMMIT\n" },
	{ "chain that is not there goes", "filter", "KUBE-TA", IPT_SLOT_CHAIN, NULL, NULL, 0, "" },
};

static void test_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plan_rows); i++) {
		const struct plan_row *row = &plan_rows[i];
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		struct ipt_batch batch = { 0 };
		const struct ipt_change c = { .key = key_make(row->table, row->chain, row->slot),
					      .have = bytes_of(row->have),
					      .want = bytes_of(row->want),
					      .above = row->above };
		const char *what;

		CHECK(row->name, ipt_change_check(&c, &what) == 0);
		CHECK(row->name, ipt_batch_add(&batch, &c) == 0);
		ipt_batch_text(&batch, &text);
		CHECK_STR(row->name, strbuf_text(&text), row->text);
		CHECK(row->name, ipt_batch_is_empty(&batch) == (text.len == 0));
		ipt_batch_fini(&batch);
	}
}

/* Several rows: one block for a table; chains exist before rules that name them, and go after. */
static void test_golden_order(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct ipt_batch batch = { 0 };
	const struct ipt_change changes[] = {
		{ .key = key_make("filter", "KUBE-TA", IPT_SLOT_CHAIN),
		  .want = bytes_of("-j KUBE-TB\n") },
		{ .key = key_make("nat", "POSTROUTING", IPT_SLOT_POD_EGRESS),
		  .want = bytes_of(EGRESS) },
		{ .key = key_make("filter", "KUBE-TOLD", IPT_SLOT_CHAIN),
		  .have = bytes_of("-j KUBE-TOLDER\n") },
		{ .key = key_make("filter", "KUBE-TB", IPT_SLOT_CHAIN), .want = bytes_of("") },
		{ .key = key_make("filter", "KUBE-TOLDER", IPT_SLOT_CHAIN), .have = bytes_of("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		CHECK("added", ipt_batch_add(&batch, &changes[i]) == 0);
	ipt_batch_text(&batch, &text);
	CHECK_STR("order", strbuf_text(&text),
		  "*filter\n:KUBE-TA - [0:0]\n:KUBE-TOLD - [0:0]\n:KUBE-TB - [0:0]\n"
		  ":KUBE-TOLDER - [0:0]\n-A KUBE-TA -j KUBE-TB\n-X KUBE-TOLD\n-X KUBE-TOLDER\n"
		  "COMMIT\n*nat\n-A POSTROUTING " EGRESS "COMMIT\n");
	ipt_batch_fini(&batch);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *table, *chain;
		unsigned slot;
		const char *want;
	} rows[] = {
		{ "no table", "", "KUBE-TA", IPT_SLOT_CHAIN, "" },
		{ "option as a chain", "filter", "-X", IPT_SLOT_CHAIN, "" },
		{ "newline in a chain", "filter", "A\n-F", IPT_SLOT_CHAIN, "" },
		{ "blank in a table", "filter x", "A", IPT_SLOT_CHAIN, "" },
		{ "chain name of 29", "filter", "KUBE-T7890123456789012345678X", IPT_SLOT_CHAIN,
		  "" },
		{ "slot of another chain", "filter", "INPUT", IPT_SLOT_FORWARD_ACCEPT, "" },
		{ "unknown slot", "filter", "FORWARD", 99, "" },
		{ "rule without an end", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "-j A" },
		{ "empty rule", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "\n" },
		{ "open quote", "filter", "KUBE-TA", IPT_SLOT_CHAIN, "-m comment --comment \"a\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ipt_change c = {
			.key = key_make(rows[i].table, rows[i].chain, rows[i].slot),
			.want = bytes_of(rows[i].want),
		};
		const char *what = NULL;

		CHECK(rows[i].name, ipt_change_check(&c, &what) < 0 && what);
	}
}

static void test_have(void **state)
{
	static const char save[] =
		"*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-TA - [0:0]\n:KUBE-TEMPTY - [0:0]\n:OTHER - "
		"[0:0]\n"
		"-A FORWARD -j KUBE-ROUTER-FORWARD\n"
		"-A FORWARD " OUT "-A FORWARD -i cni0 -j ACCEPT\n"
		"-A FORWARD -g KUBE-ROUTER-FORWARD\n"
		"-A FORWARD -j X --broken \"\n"
		"-A FORWARD " NODE "-A FORWARD " OUT
		"-A FORWARD -o kube-bridge -m comment --comment \"allow inbound traffic to pods\" "
		"-j "
		"DROP\n"
		"-A KUBE-TA -m comment --comment \"a:b\" -j RETURN\n-A OTHER -j DROP\nCOMMIT\n";
	const struct ipt_have_filter filter = { is_our_chain, NULL };
	const struct ipt_key slot = key_make("filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT);
	const struct ipt_key a = key_make("filter", "KUBE-TA", IPT_SLOT_CHAIN);
	const struct ipt_key empty = key_make("filter", "KUBE-TEMPTY", IPT_SLOT_CHAIN);
	struct ipt_have have;

	(void)state;
	ipt_have_init(&have, IP_V4);
	CHECK("good", ipt_have_add(&have, save, strlen(save), &filter) == 0);
	CHECK("rows", have.rows.n == 3);
	CHECK_STR("ours, by form", ipt_have_get(&have, &slot).data, NODE OUT OUT);
	CHECK("behind the last jump", have.above[IPT_SLOT_FORWARD_ACCEPT] == 4);
	CHECK_STR("chain, canonical", ipt_have_get(&have, &a).data,
		  "-m comment --comment a:b -j RETURN\n");
	CHECK_STR("empty chain", ipt_have_get(&have, &empty).data, "");
	ipt_have_fini(&have);
}

/* --- property: plan, apply to the model, read: that is what was wanted; and then no plan --- */

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 16) % n;
}

static void random_lines(struct strbuf *out, const char *const *lines, size_t n, size_t max,
			 bool is_set)
{
	for (size_t i = 0; i < max; i++) {
		const char *line = lines[is_set ? i % n : random_below((uint32_t)n)];

		if (random_below(2) && !(is_set && i >= n))
			strbuf_puts(out, line);
	}
}

static const char *const accept_lines[] = { NODE, IN, OUT };
static const char *const egress_lines[] = { EGRESS, EGRESS_OLD, EGRESS_OLDEST };
static const char *const chain_lines[] = { "-j RETURN\n", "-s 192.0.2.0/24 -j DROP\n",
					   "-m comment --comment \"a b\" -j ACCEPT\n" };
static const char *const foreign_lines[] = { "-j KUBE-ROUTER-FORWARD\n", "-i lo -j ACCEPT\n",
					     "-i cni0 -m comment --comment x -j ACCEPT\n" };

static void random_fill(struct ipt_model *m, const char *table, const char *chain,
			const char *const *ours, size_t n)
{
	struct model_chain *c = model_chain_get(m, table, chain);

	for (uint32_t i = random_below(8); i > 0; i--) {
		const char *line = random_below(2) ? ours[random_below((uint32_t)n)]
						   : foreign_lines[random_below(3)];

		strv_add_n(&c->rules, line, strlen(line) - 1);
	}
}

static void foreign_of(const struct ipt_model *m, struct strbuf *out)
{
	CLEANUP_STRBUF struct strbuf save = STRBUF_INIT;
	struct ipt_span rest, line;

	model_save(m, NULL, &save);
	rest = (struct ipt_span){ save.data, save.len };
	while (ipt_line_next(&rest, &line)) {
		if (!memmem(line.text, line.len, "kube-bridge", 11) &&
		    !memmem(line.text, line.len, "MASQUERADE", 10) &&
		    !memmem(line.text, line.len, "node ip", 7) &&
		    !memmem(line.text, line.len, "KUBE-T", 6))
			strbuf_fmt(out, "%.*s\n", (int)line.len, line.text);
	}
}

static void have_of(const struct ipt_model *m, struct ipt_have *have)
{
	const struct ipt_have_filter filter = { is_our_chain, NULL };
	CLEANUP_STRBUF struct strbuf save = STRBUF_INIT;

	model_save(m, NULL, &save);
	ipt_have_init(have, IP_V4);
	CHECK("save is good", ipt_have_add(have, save.data, save.len, &filter) == 0);
}

#define N_ROWS 4

static void plan_of(const struct ipt_have *have, const struct ipt_key keys[N_ROWS],
		    struct strbuf wants[N_ROWS], const bool gone[N_ROWS], struct strbuf *text)
{
	struct ipt_batch batch = { 0 };

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct ipt_change c = {
			.key = keys[i],
			.have = ipt_have_get(have, &keys[i]),
			.want = { gone[i] ? NULL : strbuf_text(&wants[i]),
				  gone[i] ? 0 : wants[i].len },
			.above = have->above[keys[i].slot],
		};

		CHECK("added", ipt_batch_add(&batch, &c) == 0);
	}
	ipt_batch_text(&batch, text);
	ipt_batch_fini(&batch);
}

static void check_round(uint32_t seed)
{
	static const char start[] = "*filter\n:KUBE-ROUTER-FORWARD - [0:0]\n:KUBE-TA - [0:0]\n"
				    "COMMIT\n*nat\n:KUBE-ROUTER-FORWARD - [0:0]\nCOMMIT\n";
	const struct ipt_key keys[N_ROWS] = {
		key_make("filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT),
		key_make("nat", "POSTROUTING", IPT_SLOT_POD_EGRESS),
		key_make("filter", "KUBE-TA", IPT_SLOT_CHAIN),
		key_make("filter", "KUBE-TB", IPT_SLOT_CHAIN),
	};
	CLEANUP_STRBUF struct strbuf foreign = STRBUF_INIT, after = STRBUF_INIT, text = STRBUF_INIT,
				     nothing = STRBUF_INIT;
	struct strbuf wants[N_ROWS] = { STRBUF_INIT };
	bool gone[N_ROWS];
	char name[32];
	struct ipt_have have;
	struct ipt_model m;

	(void)snprintf(name, sizeof(name), "round %u", seed);
	model_init(&m);
	for (size_t i = 0; i < N_ROWS; i++)
		gone[i] = random_below(4) == 0;
	CHECK(name, model_restore(&m, start, strlen(start)) == 0);
	random_fill(&m, "filter", "FORWARD", accept_lines, 3);
	random_fill(&m, "nat", "POSTROUTING", egress_lines, 3);
	random_fill(&m, "filter", "KUBE-TA", chain_lines, 3);
	random_lines(&wants[0], accept_lines, 3, 3, true);
	random_lines(&wants[1], egress_lines, 1, 1, true);
	random_lines(&wants[2], chain_lines, 3, 5, false);
	random_lines(&wants[3], chain_lines, 3, 5, false);
	foreign_of(&m, &foreign);
	have_of(&m, &have);
	plan_of(&have, keys, wants, gone, &text);
	CHECK(strbuf_text(&text), model_restore(&m, strbuf_text(&text), text.len) == 0);
	ipt_have_fini(&have);
	foreign_of(&m, &after);
	CHECK_STR(name, strbuf_text(&after), strbuf_text(&foreign));
	have_of(&m, &have);
	for (size_t i = 0; i < N_ROWS; i++) {
		struct bytes got = ipt_have_get(&have, &keys[i]);
		const char *want = gone[i] ? "" : strbuf_text(&wants[i]);

		CHECK_STR(name, got.data ? (const char *)got.data : "", want);
	}
	plan_of(&have, keys, wants, gone, &nothing);
	CHECK_STR("second plan is empty", strbuf_text(&nothing), "");
	ipt_have_fini(&have);
	for (size_t i = 0; i < N_ROWS; i++)
		strbuf_fini(&wants[i]);
	model_fini(&m);
}

static void test_property(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 2000; seed++) {
		random_state = seed;
		check_round(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),   cmocka_unit_test(test_golden_order),
		cmocka_unit_test(test_refused),  cmocka_unit_test(test_have),
		cmocka_unit_test(test_property),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
