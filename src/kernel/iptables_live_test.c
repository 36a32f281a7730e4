/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reconciler against the real programs and the real kernel, both variants, each test in a
 * network namespace of its own. Exit status 77 (skipped) where that is not permitted or not
 * installed.
 */
#include "base/test.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "kernel/iptables_rig.h"
#include "kernel/iptables_text.h"

#define OUT_COMMENT                                                                                \
	"allow outbound node port traffic on node interface with which node ip is associated"
#define ACCEPTS                                                                                    \
	"-o eth7 -m comment --comment \"" OUT_COMMENT "\" -j ACCEPT\n"                             \
	"-o kube-bridge -m comment --comment \"allow inbound traffic to pods\" -j ACCEPT\n"        \
	"-i kube-bridge -m comment --comment \"allow outbound traffic from pods\" -j ACCEPT\n"
#define EGRESS(p)                                                                                  \
	"-m set --match-set " p "kube-router-pod-subnets src -m set ! --match-set " p              \
	"kube-router-pod-subnets dst -m set ! --match-set " p                                      \
	"kube-router-node-ips dst -j MASQUERADE --random-fully\n"

static const char *variant; /* "nft", "legacy" */

/* --- programs of the test --- */

struct tool_run {
	struct ev_loop *loop;
	int exit_code;
	char *out;
};

static void on_tool(void *arg, const struct ev_child_status *st)
{
	struct tool_run *run = arg;

	run->exit_code = st->err < 0 ? 127 : st->exit_code;
	run->out = xstrndup(st->out ? st->out : "", st->out_len);
	ev_stop(run->loop);
}

/* line: words as *-restore would split them; @ in the first word is the variant. */
static int tool(struct ev_loop *loop, const char *line, char **ret_out)
{
	struct tool_run run = { .loop = loop };
	struct strv words = { 0 };
	CLEANUP_STRBUF struct strbuf program = STRBUF_INIT;
	struct ev_child_spec spec = { .name = "tool", .timeout_us = 20 * US_PER_S };

	CHECK(line, ipt_words((struct ipt_span){ line, strlen(line) }, &words) == 0);
	for (const char *p = words.v[0]; *p; p++) {
		if (*p == '@')
			strbuf_puts(&program, variant);
		else
			strbuf_putc(&program, *p);
	}
	free(words.v[0]);
	words.v[0] = strbuf_take(&program);
	words.v = xreallocarray(words.v, words.n + 1, sizeof(*words.v));
	words.v[words.n] = NULL;
	spec.argv = (const char *const *)words.v;
	(void)ev_child_start(loop, &spec, on_tool, &run);
	ev_run(loop);
	if (ret_out)
		*ret_out = run.out;
	else
		free(run.out);
	strv_fini(&words);
	return run.exit_code;
}

static void must(struct ev_loop *loop, const char *line)
{
	CHECK(line, tool(loop, line, NULL) == 0);
}

/* A save without comments and counters. */
static char *snapshot(struct ev_loop *loop, const char *line)
{
	struct strbuf text = STRBUF_INIT;
	CLEANUP_FREE char *out = NULL;
	struct ipt_span rest, l;

	CHECK(line, tool(loop, line, &out) == 0);
	rest = (struct ipt_span){ out, strlen(out) };
	while (ipt_line_next(&rest, &l)) {
		if (l.len == 0 || *l.text == '#')
			continue;
		if (*l.text == ':')
			l.len = (size_t)((const char *)memchr(l.text, '[', l.len) - l.text);
		strbuf_add(&text, l.text, l.len);
		strbuf_putc(&text, '\n');
	}
	return strbuf_take(&text);
}

/* --- one node --- */

struct node {
	struct ev_loop *loop;
	struct ipt_rig rig;
	struct ipt_key accept4, accept6, egress4, egress6;
};

static bool is_our_chain(void *arg, const struct ipt_key *key)
{
	(void)arg;
	return str_starts(key->chain, "KUBE-T");
}

static void node_init(struct node *n)
{
	char line[64];
	const struct ipt_conf conf = { .ipv4 = true, .ipv6 = true, .is_our_chain = is_our_chain };

	CHECK("own network", unshare(CLONE_NEWNET) == 0);
	n->loop = ev_new_real();
	/* kubelet's hint: this is the variant of the host */
	(void)snprintf(line, sizeof(line), "iptables-%s -t mangle -N KUBE-IPTABLES-HINT", variant);
	must(n->loop, line);
	must(n->loop, "ipset create kube-router-pod-subnets hash:net timeout 0");
	must(n->loop, "ipset create kube-router-node-ips hash:ip timeout 0");
	must(n->loop, "ipset create inet6:kube-router-pod-subnets hash:net timeout 0 family inet6");
	must(n->loop, "ipset create inet6:kube-router-node-ips hash:ip timeout 0 family inet6");
	rig_init(&n->rig, n->loop, &conf);
	n->accept4 = rig_key(IP_V4, "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT);
	n->accept6 = rig_key(IP_V6, "filter", "FORWARD", IPT_SLOT_FORWARD_ACCEPT);
	n->egress4 = rig_key(IP_V4, "nat", "POSTROUTING", IPT_SLOT_POD_EGRESS);
	n->egress6 = rig_key(IP_V6, "nat", "POSTROUTING", IPT_SLOT_POD_EGRESS);
}

static void node_fini(struct node *n)
{
	rig_fini(&n->rig);
	ev_free(n->loop);
}

static void on_tick(void *arg)
{
	ev_stop(arg);
}

static void run_until(struct node *n, const unsigned *counter, unsigned value)
{
	struct ev_timer *tick = ev_timer_new(n->loop, "tick", on_tick, n->loop);
	struct mono start = ev_now(n->loop);

	while (*counter < value && mono_diff_us(ev_now(n->loop), start) < 60 * US_PER_S) {
		ev_timer_set(tick, 5 * US_PER_MS);
		ev_run(n->loop);
	}
	ev_timer_free(tick);
	CHECK("answered in time", *counter >= value);
}

static void run_for(struct node *n, int64_t us)
{
	struct ev_timer *tick = ev_timer_new(n->loop, "tick", on_tick, n->loop);

	ev_timer_set(tick, us);
	ev_run(n->loop);
	ev_timer_free(tick);
}

static void dump(struct node *n)
{
	unsigned next = n->rig.n_dumps + 1;

	n->rig.reconciler.ops->dump(n->rig.reconciler.self);
	run_until(n, &n->rig.n_dumps, next);
	CHECK("dump is good", n->rig.dump_err == 0);
}

static void apply(struct node *n)
{
	rig_apply(&n->rig);
	run_until(n, &n->rig.n_results, (unsigned)n->rig.n_ops);
}

static void apply_good(struct node *n)
{
	apply(n);
	for (size_t i = 0; i < n->rig.n_ops; i++)
		CHECK_STR("no error", n->rig.text[i], "");
	n->rig.n_ops = 0;
}

static void check_row(const struct node *n, const char *name, const struct ipt_key *key,
		      const char *want)
{
	const char *got = rig_row(&n->rig, key);

	CHECK_STR(name, got ? got : "(absent)", want ? want : "(absent)");
}

static void want_all(struct node *n)
{
	rig_op(&n->rig, n->accept4, ACCEPTS);
	rig_op(&n->rig, n->accept6, ACCEPTS);
	rig_op(&n->rig, n->egress4, EGRESS(""));
	rig_op(&n->rig, n->egress6, EGRESS("inet6:"));
}

/* As the Go kube-router's commands are: matches before the interface, comment first. */
static const char *const reference_checked[] = {
	"iptables-@ -w -t filter -C FORWARD -m comment --comment \"allow outbound traffic from "
	"pods\" "
	"-i kube-bridge -j ACCEPT",
	"iptables-@ -w -t filter -C FORWARD -m comment --comment \"allow inbound traffic to pods\" "
	"-o kube-bridge -j ACCEPT",
	"iptables-@ -w -t filter -C FORWARD -m comment --comment \"" OUT_COMMENT
	"\" -o eth7 -j ACCEPT",
	"iptables-@ -w -t nat -C POSTROUTING -m set --match-set kube-router-pod-subnets src "
	"-m set ! --match-set kube-router-pod-subnets dst -m set ! --match-set "
	"kube-router-node-ips dst -j MASQUERADE --random-fully",
	"ip6tables-@ -w -t filter -C FORWARD -m comment --comment \"allow outbound traffic from "
	"pods\" -i kube-bridge -j ACCEPT",
	"ip6tables-@ -w -t filter -C FORWARD -m comment --comment \"allow inbound traffic to "
	"pods\" "
	"-o kube-bridge -j ACCEPT",
	"ip6tables-@ -w -t filter -C FORWARD -m comment --comment \"" OUT_COMMENT
	"\" -o eth7 -j ACCEPT",
	"ip6tables-@ -w -t nat -C POSTROUTING -m set --match-set inet6:kube-router-pod-subnets src "
	"-m set ! --match-set inet6:kube-router-pod-subnets dst -m set ! --match-set "
	"inet6:kube-router-node-ips dst -j MASQUERADE --random-fully",
};

static void reference_makes(struct node *n)
{
	for (size_t i = 0; i < ARRAY_LEN(reference_checked); i++) {
		CLEANUP_FREE char *line = xstrdup(reference_checked[i]);
		char *option = strstr(line, " -C ");

		option[2] = strstr(line, " nat ") ? 'A' : 'I';
		must(n->loop, line);
	}
}

static void reference_finds(struct node *n)
{
	for (size_t i = 0; i < ARRAY_LEN(reference_checked); i++)
		must(n->loop, reference_checked[i]);
}

/* --- tests --- */

static void test_fresh_node(void **state)
{
	struct node n;

	(void)state;
	node_init(&n);
	dump(&n);
	CHECK_STR("variant", kernel_iptables_variant(n.rig.k), variant);
	CHECK("random-fully", kernel_iptables_random_fully(n.rig.k));
	check_row(&n, "nothing yet", &n.accept4, NULL);
	want_all(&n);
	apply_good(&n);
	reference_finds(&n);
	dump(&n);
	check_row(&n, "accept4", &n.accept4, ACCEPTS);
	check_row(&n, "accept6", &n.accept6, ACCEPTS);
	check_row(&n, "egress4", &n.egress4, EGRESS(""));
	check_row(&n, "egress6", &n.egress6, EGRESS("inet6:"));
	node_fini(&n);
}

static void test_adopts_reference(void **state)
{
	CLEANUP_FREE char *before = NULL, *after = NULL;
	struct node n;

	(void)state;
	node_init(&n);
	reference_makes(&n);
	before = snapshot(n.loop, "iptables-@-save");
	dump(&n);
	check_row(&n, "accept4", &n.accept4, ACCEPTS);
	check_row(&n, "accept6", &n.accept6, ACCEPTS);
	check_row(&n, "egress4", &n.egress4, EGRESS(""));
	check_row(&n, "egress6", &n.egress6, EGRESS("inet6:"));
	want_all(&n);
	apply_good(&n);
	after = snapshot(n.loop, "iptables-@-save");
	CHECK_STR("nothing doubled, nothing moved", after, before);
	node_fini(&n);
}

static void test_obsolete_removed(void **state)
{
	CLEANUP_FREE char *nat = NULL;
	struct node n;

	(void)state;
	node_init(&n);
	must(n.loop, "iptables-@ -t nat -A POSTROUTING -m set --match-set kube-router-pod-subnets "
		     "src -m set ! --match-set kube-router-pod-subnets dst -j MASQUERADE");
	must(n.loop, "iptables-@ -t nat -A POSTROUTING -m set --match-set kube-router-pod-subnets "
		     "src -m set ! --match-set kube-router-pod-subnets dst -m set ! --match-set "
		     "kube-router-node-ips dst -j MASQUERADE");
	must(n.loop,
	     "iptables-@ -A FORWARD -o eth1 -m comment --comment \"" OUT_COMMENT "\" -j ACCEPT");
	dump(&n);
	want_all(&n);
	apply_good(&n);
	reference_finds(&n);
	nat = snapshot(n.loop, "iptables-@-save -t nat");
	CHECK("one masquerade", !strstr(strstr(nat, "MASQUERADE") + 1, "MASQUERADE"));
	CHECK("old interface is gone",
	      tool(n.loop,
		   "iptables-@ -C FORWARD -o eth1 -m comment --comment \"" OUT_COMMENT
		   "\" -j ACCEPT",
		   NULL) != 0);
	/* --enable-pod-egress=false: wanted empty */
	rig_op(&n.rig, n.egress4, "");
	apply_good(&n);
	dump(&n);
	check_row(&n, "wanted empty is present and empty", &n.egress4, "");
	rig_op(&n.rig, n.egress4, NULL);
	apply_good(&n);
	dump(&n);
	check_row(&n, "not wanted is absent", &n.egress4, NULL);
	node_fini(&n);
}

static void test_foreign_untouched(void **state)
{
	CLEANUP_FREE char *before = NULL, *during = NULL, *after = NULL;
	struct node n;

	(void)state;
	node_init(&n);
	must(n.loop,
	     "iptables-@ -A FORWARD -m comment --comment \"a \\\"b\\\" \\\\ 'c'\" -j ACCEPT");
	must(n.loop, "iptables-@ -A FORWARD -i cni0 -m comment --comment \"allow outbound traffic "
		     "from pods\" -j ACCEPT");
	must(n.loop, "iptables-@ -A FORWARD -o kube-bridge -m comment --comment \"allow inbound "
		     "traffic to pods\" -j DROP");
	must(n.loop, "iptables-@ -N KUBE-FOREIGN");
	must(n.loop, "iptables-@ -A KUBE-FOREIGN -j LOG --log-prefix \"x y \"");
	must(n.loop, "iptables-@ -t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE");
	dump(&n);
	before = snapshot(n.loop, "iptables-@-save");
	want_all(&n);
	rig_op(&n.rig, rig_key(IP_V4, "filter", "KUBE-TA", IPT_SLOT_CHAIN), "-j RETURN\n");
	apply_good(&n);
	during = snapshot(n.loop, "iptables-@-save");
	CHECK("something was done", strcmp(before, during) != 0);
	rig_op(&n.rig, n.accept4, NULL);
	rig_op(&n.rig, n.egress4, "");
	rig_op(&n.rig, rig_key(IP_V4, "filter", "KUBE-TA", IPT_SLOT_CHAIN), NULL);
	apply_good(&n);
	after = snapshot(n.loop, "iptables-@-save");
	CHECK_STR("as before", after, before);
	node_fini(&n);
}

static void test_bad_row_hurts_itself(void **state)
{
	const struct ipt_key bad = rig_key(IP_V4, "filter", "KUBE-TBAD", IPT_SLOT_CHAIN);
	const struct ipt_key good = rig_key(IP_V4, "filter", "KUBE-TGOOD", IPT_SLOT_CHAIN);
	struct node n;
	size_t i_bad;

	(void)state;
	node_init(&n);
	dump(&n);
	want_all(&n);
	i_bad = n.rig.n_ops;
	rig_op(&n.rig, bad, "-j NOSUCHTARGET\n");
	rig_op(&n.rig, good, "-s 192.0.2.0/24 -j RETURN\n");
	apply(&n);
	for (size_t i = 0; i < n.rig.n_ops; i++) {
		if (i != i_bad)
			CHECK_STR("the others are in", n.rig.text[i], "");
	}
	CHECK("bad fails", n.rig.err[i_bad] == -EIO);
	CHECK(n.rig.text[i_bad], strstr(n.rig.text[i_bad], "NOSUCHTARGET"));
	n.rig.n_ops = 0;
	reference_finds(&n);
	dump(&n);
	check_row(&n, "good", &good, "-s 192.0.2.0/24 -j RETURN\n");
	check_row(&n, "bad", &bad, NULL);
	check_row(&n, "nothing twice", &n.accept4, ACCEPTS);
	node_fini(&n);
}

static void test_below_policy_jump(void **state)
{
	CLEANUP_FREE char *filter = NULL;
	const char *jump, *ours, *foreign;
	struct node n;

	(void)state;
	node_init(&n);
	dump(&n);
	must(n.loop, "iptables-@ -N KUBE-ROUTER-FORWARD");
	must(n.loop, "iptables-@ -A FORWARD -j KUBE-ROUTER-FORWARD");
	must(n.loop, "iptables-@ -A FORWARD -s 192.0.2.1 -j DROP");
	dump(&n);
	want_all(&n);
	apply_good(&n);
	filter = snapshot(n.loop, "iptables-@-save -t filter");
	jump = strstr(filter, "-A FORWARD -j KUBE-ROUTER-FORWARD");
	ours = strstr(filter, "allow outbound node port");
	foreign = strstr(filter, "192.0.2.1");
	CHECK(filter, jump && ours && foreign && jump < ours && ours < foreign);
	node_fini(&n);
}

static void test_removed_behind_our_back(void **state)
{
	struct node n;

	(void)state;
	node_init(&n);
	dump(&n);
	want_all(&n);
	apply_good(&n);
	must(n.loop, "iptables-@ -F FORWARD");
	must(n.loop, "iptables-@ -t nat -F POSTROUTING");
	/* deletes what is no longer there: a failure that a new save explains */
	rig_op(&n.rig, n.accept4, NULL);
	rig_op(&n.rig, n.egress4, "");
	apply_good(&n);
	want_all(&n);
	apply_good(&n);
	reference_finds(&n);
	node_fini(&n);
}

static void test_chains_that_jump(void **state)
{
	const struct ipt_key a = rig_key(IP_V4, "filter", "KUBE-TA", IPT_SLOT_CHAIN);
	const struct ipt_key b = rig_key(IP_V4, "filter", "KUBE-TB", IPT_SLOT_CHAIN);
	struct node n;

	(void)state;
	node_init(&n);
	dump(&n);
	rig_op(&n.rig, a, "-s 192.0.2.1/32 -j KUBE-TB\n-j RETURN\n");
	rig_op(&n.rig, b, "");
	apply_good(&n);
	dump(&n);
	check_row(&n, "a", &a, "-s 192.0.2.1/32 -j KUBE-TB\n-j RETURN\n");
	check_row(&n, "b", &b, "");
	rig_op(&n.rig, a, "-j KUBE-TB\n");
	apply_good(&n);
	dump(&n);
	check_row(&n, "a changed", &a, "-j KUBE-TB\n");
	rig_op(&n.rig, b, NULL);
	rig_op(&n.rig, a, NULL);
	apply_good(&n);
	dump(&n);
	check_row(&n, "a gone", &a, NULL);
	check_row(&n, "b gone", &b, NULL);
	rig_op(&n.rig, a, NULL);
	apply_good(&n);
	node_fini(&n);
}

/* No dump is asked for: events, or the poll, make the reconciler look by itself. */
static void test_noticed_unasked(void **state)
{
	static const char *const lines[] = {
		"iptables-@ -F FORWARD",
		"ip6tables-@ -D FORWARD 1",
		"iptables-@ -t nat -D POSTROUTING 1",
		"ip6tables-@ -t nat -F",
	};
	struct node n;
	unsigned n_dumps;

	(void)state;
	node_init(&n);
	dump(&n);
	want_all(&n);
	apply_good(&n);
	run_for(&n, 2 * IPT_POLL_US);
	n_dumps = n.rig.n_dumps;
	CHECK("our own restore makes us look no more", n_dumps == 1);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct mono start = mono_read();

		must(n.loop, lines[i]);
		run_until(&n, &n.rig.n_dumps, ++n_dumps);
		CHECK(lines[i], mono_diff_us(mono_read(), start) < 2 * US_PER_S);
		run_for(&n, 2 * IPT_POLL_US);
		CHECK("once", n.rig.n_dumps == n_dumps);
	}
	check_row(&n, "flushed", &n.accept4, "");
	check_row(&n, "first line lost", &n.accept6, strchr(ACCEPTS, '\n') + 1);
	check_row(&n, "deleted", &n.egress4, "");
	check_row(&n, "table flushed", &n.egress6, "");
	node_fini(&n);
}

static bool lacks(const char *why)
{
	print_message("skipped: %s\n", why);
	return true;
}

static bool is_impossible(void)
{
	static const char *const needed[] = {
		"iptables-@-save",
		"iptables-@-restore",
		"ip6tables-@-save",
		"ip6tables-@",
	};
	struct ev_loop *loop;
	bool is = false;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return lacks("new network and mount namespaces are not permitted");
	/* a lock file of our own, so that nobody outside waits for us */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return lacks("no private /run");
	loop = ev_new_real();
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "%s --version", needed[i]);
		if (tool(loop, line, NULL) != 0)
			is = lacks(line);
	}
	if (!is && (tool(loop, "iptables-@ -t nat -S", NULL) != 0 ||
		    tool(loop, "ip6tables-@ -t nat -S", NULL) != 0))
		is = lacks("the kernel has no such table");
	if (!is && tool(loop, "ipset create probe hash:net timeout 0", NULL) != 0)
		is = lacks("no ipset");
	ev_free(loop);
	return is;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_node),
		cmocka_unit_test(test_adopts_reference),
		cmocka_unit_test(test_obsolete_removed),
		cmocka_unit_test(test_foreign_untouched),
		cmocka_unit_test(test_bad_row_hurts_itself),
		cmocka_unit_test(test_below_policy_jump),
		cmocka_unit_test(test_removed_behind_our_back),
		cmocka_unit_test(test_chains_that_jump),
		cmocka_unit_test(test_noticed_unasked),
	};

	if (argc != 2)
		return 2;
	variant = argv[1];
	if (is_impossible())
		return 77;
	return cmocka_run_group_tests_name(variant, tests, NULL, NULL);
}
