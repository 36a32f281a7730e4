/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel as others reach it and as we do, in a network namespace of our own: 10,000 routes
 * against `ip -batch`, 10,000 members of a set against `ipset restore`, and a single member.
 *
 * Ratios carry over between machines, absolute times do not. Needs root, ip and ipset.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "ev/ev.h"
#include "kernel/ipset.h"
#include "kernel/route.h"

#define ROWS    10000
#define SINGLES 200
#define SET     "kr-bench"

struct bench {
	struct ev_loop *loop;
	size_t n_left; /* results that are due */
	size_t n_failed;
};

static void on_result(void *arg, uint32_t tag, int err, const char *text)
{
	struct bench *b = arg;

	(void)tag;
	(void)text;
	if (err != 0)
		b->n_failed++;
	if (--b->n_left == 0)
		ev_stop(b->loop);
}

static void on_present(void *arg, struct bytes key, struct bytes value)
{
	(void)arg;
	(void)key;
	(void)value;
}

static void on_absent(void *arg, struct bytes key)
{
	(void)arg;
	(void)key;
}

static void on_dump_begin(void *arg)
{
	(void)arg;
}

static void on_dump_end(void *arg, int err)
{
	struct bench *b = arg;

	(void)err;
	ev_stop(b->loop);
}

static void attach(struct bench *b, struct reconciler r)
{
	const struct row_sink sink = {
		.arg = b,
		.result = on_result,
		.present = on_present,
		.absent = on_absent,
		.dump_begin = on_dump_begin,
		.dump_end = on_dump_end,
	};

	r.ops->attach(r.self, &sink);
	r.ops->dump(r.self);
	ev_run(b->loop);
}

/* A program with this input; milliseconds, or -1. */
static double run(const char *const *argv, const char *input)
{
	struct mono start = mono_read();
	int fds[2], status = 0;
	size_t len = strlen(input), at = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		(void)dup2(fds[0], STDIN_FILENO);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(fds[0]);
	while (at < len) {
		ssize_t n = write(fds[1], input + at, len - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	(void)close(fds[1]);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -1;
	return (double)mono_diff_us(mono_read(), start) / 1000;
}

/* All rows in one apply; milliseconds until the last result. */
static double apply(struct bench *b, struct reconciler r, const struct row_op *ops, size_t n)
{
	struct mono start = mono_read();

	b->n_left = n;
	r.ops->apply(r.self, ops, n);
	ev_run(b->loop);
	return (double)mono_diff_us(mono_read(), start) / 1000;
}

static void print(const char *what, double theirs_ms, double ours_ms, const char *remark)
{
	if (theirs_ms < 0)
		(void)printf("%-34s others -          ours %9.3f ms  %s\n", what, ours_ms, remark);
	else
		(void)printf("%-34s others %9.3f ms  ours %9.3f ms  ratio %6.1f  %s\n", what,
			     theirs_ms, ours_ms, theirs_ms / ours_ms, remark);
}

static struct ip_prefix prefix_of(uint32_t i, uint8_t len)
{
	struct ip_addr a = ip_v4(0x0a000000 + (i << (32 - len)));

	return ip_prefix_make(&a, len);
}

static int bench_routes(struct bench *b)
{
	static const char *const add[] = { "ip", "-batch", "-", NULL };
	static const char *const flush[] = { "ip", "route", "flush", "proto", "17", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(kernel_route_free) struct kernel_route *kr = NULL;
	CLEANUP_FREE struct route_key *keys = xcalloc(ROWS, sizeof(*keys));
	CLEANUP_FREE struct row_op *ops = xcalloc(ROWS, sizeof(*ops));
	struct route_value value = { 0 };
	struct kernel_route_stats before, stats;
	char prefix[IP_PREFIX_FMT_MAX], remark[80];
	double theirs, ours;

	(void)ip_parse("192.0.2.7", &value.gateway);
	for (uint32_t i = 0; i < ROWS; i++) {
		keys[i].dst = prefix_of(i, 24);
		ops[i] = (struct row_op){ .tag = i,
					  .key = { &keys[i], sizeof(keys[i]) },
					  .want = { &value, sizeof(value) } };
		strbuf_fmt(&text, "route add %s via 192.0.2.7 proto 17\n",
			   ip_prefix_fmt(prefix, &keys[i].dst));
	}
	theirs = run(add, strbuf_text(&text));
	if (run(flush, "") < 0 || kernel_route_new(b->loop, NULL, &kr) < 0)
		return 1;
	attach(b, kernel_route_reconciler(kr));
	kernel_route_stats_get(kr, &before);
	ours = apply(b, kernel_route_reconciler(kr), ops, ROWS);
	kernel_route_stats_get(kr, &stats);
	(void)snprintf(remark, sizeof(remark), "%llu sends, %llu answers",
		       (unsigned long long)(stats.request.sends - before.request.sends),
		       (unsigned long long)(stats.request.recvs - before.request.recvs));
	print("routes: 10,000, ip -batch", theirs, ours, remark);
	ours = apply(b, kernel_route_reconciler(kr), ops, 1);
	print("routes: 1 (there already)", -1, ours, "");
	return 0;
}

static bool is_ours(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, SET) == 0;
}

static int bench_members(struct bench *b)
{
	static const char *const restore[] = { "ipset", "restore", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(kernel_ipset_free) struct kernel_ipset *ki = NULL;
	CLEANUP_FREE struct ipset_member_key *keys = xcalloc(ROWS, sizeof(*keys));
	CLEANUP_FREE struct row_op *ops = xcalloc(ROWS, sizeof(*ops));
	double theirs, ours, one_theirs = 0, one_ours = 0;
	char prefix[IP_PREFIX_FMT_MAX];
	struct reconciler r;

	strbuf_puts(&text, "create " SET " hash:net timeout 0\n");
	for (uint32_t i = 0; i < ROWS; i++) {
		(void)str_copy(keys[i].set, sizeof(keys[i].set), SET);
		keys[i].prefix = prefix_of(i, 24);
		ops[i] = (struct row_op){ .tag = i, .key = { &keys[i], sizeof(keys[i]) } };
		strbuf_fmt(&text, "add " SET " %s\n", ip_prefix_fmt(prefix, &keys[i].prefix));
	}
	theirs = run(restore, strbuf_text(&text));
	if (theirs < 0 || run(restore, "flush " SET "\n") < 0 ||
	    kernel_ipset_new(b->loop, NULL, is_ours, NULL, &ki) < 0)
		return 1;
	r = kernel_ipset_member_reconciler(ki);
	attach(b, r);
	ours = apply(b, r, ops, ROWS);
	print("ipset: 10,000 members, restore", theirs, ours, "");
	for (uint32_t i = 0; i < SINGLES; i++) {
		ops[i].kind = ROW_DEL;
		one_ours += apply(b, r, &ops[i], 1);
		strbuf_clear(&text);
		strbuf_fmt(&text, "add " SET " %s\n", ip_prefix_fmt(prefix, &keys[i].prefix));
		one_theirs += run(restore, strbuf_text(&text));
	}
	print("ipset: 1 member, restore", one_theirs / SINGLES, one_ours / SINGLES, "");
	return 0;
}

int main(void)
{
	static const char *const setup[] = { "ip", "-batch", "-", NULL };
	struct bench b = { 0 };
	int r;

	if (unshare(CLONE_NEWNET) < 0 ||
	    run(setup, "link set lo up\nlink add d0 type bridge\nlink set d0 up\n"
		       "addr add 192.0.2.1/24 dev d0\n") < 0) {
		(void)printf("skipped: no network namespace, or no ip program\n");
		return 0;
	}
	b.loop = ev_new_real();
	r = bench_routes(&b);
	r |= bench_members(&b);
	ev_free(b.loop);
	if (b.n_failed > 0)
		(void)printf("%zu operations failed\n", b.n_failed);
	return r || b.n_failed > 0;
}
