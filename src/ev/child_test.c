/* SPDX-License-Identifier: Apache-2.0 */
/* Children of the real loop: input, output, ends of every kind. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "ev/ev.h"

#define WATCHDOG_US (20 * US_PER_S)

struct result {
	struct ev_loop *loop;
	bool returned, done, hung;
	struct ev_child_status status;
	char *out, *err_text;
};

static void done_cb(void *arg, const struct ev_child_status *status)
{
	struct result *r = arg;

	CHECK("later", r->returned);
	CHECK("once", !r->done);
	r->done = true;
	r->status = *status;
	r->out = xmemdup(status->out, status->out_len + 1);
	r->err_text = xmemdup(status->err_text, status->err_text_len + 1);
	CHECK("terminated", r->out[status->out_len] == 0);
	ev_stop(r->loop);
}

static void watchdog_cb(void *arg)
{
	struct result *r = arg;

	r->hung = true;
	ev_stop(r->loop);
}

static void result_wait(struct result *r)
{
	struct ev_timer *watchdog = ev_timer_new(r->loop, "watchdog", watchdog_cb, r);

	r->returned = true;
	ev_timer_set(watchdog, WATCHDOG_US);
	ev_run(r->loop);
	ev_timer_free(watchdog);
	CHECK("did not hang", !r->hung && r->done);
}

static void run(struct result *r, const struct ev_child_spec *spec)
{
	*r = (struct result){ .loop = ev_new_real() };
	(void)ev_child_start(r->loop, spec, done_cb, r);
	result_wait(r);
	ev_free(r->loop);
}

static void result_fini(struct result *r)
{
	free(r->out);
	free(r->err_text);
}

#define ARGV(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static void test_ends(void **state)
{
	static const char *const only_a[] = { "A=1", NULL };
	static const struct {
		const char *name, *script;
		int exit_code, signal;
		const char *out, *err;
		const char *const *env;
	} rows[] = {
		{ "success", "echo out; echo err >&2", 0, 0, "out\n", "err\n", NULL },
		{ "failure", "exit 3", 3, 0, "", "", NULL },
		{ "killed", "kill -TERM $$", -1, SIGTERM, "", "", NULL },
		{ "no input is /dev/null", "cat; readlink /proc/self/fd/0", 0, 0, "/dev/null\n", "",
		  NULL },
		{ "whole environment", "exec /usr/bin/env | grep -v ^PWD= | grep -v ^_=", 0, 0,
		  "A=1\n", "", only_a },
		{ "signals are default again", "kill -PIPE $$", -1, SIGPIPE, "", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ev_child_spec spec = {
			.name = "test",
			.argv = ARGV("/bin/sh", "-c", rows[i].script),
			.env = rows[i].env,
		};
		struct result r;

		run(&r, &spec);
		CHECK(rows[i].name, r.status.err == 0 && !r.status.timed_out);
		CHECK(rows[i].name, r.status.exit_code == rows[i].exit_code);
		CHECK(rows[i].name, r.status.signal == rows[i].signal);
		CHECK_STR(rows[i].name, r.out, rows[i].out);
		CHECK_STR(rows[i].name, r.err_text, rows[i].err);
		result_fini(&r);
	}
}

static void test_input(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 3000000 };
	char *input = xmalloc(3000000);

	(void)state;
	for (size_t i = 0; i < 3000000; i++)
		input[i] = (char)(i * 31 % 251);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		/* through the path, which opens a pipe anew, but would not open a socket */
		const struct ev_child_spec spec = {
			.name = "cat",
			.argv = ARGV("cat", "/dev/stdin"), /* found in PATH */
			.input = input,
			.input_len = sizes[i],
		};
		struct result r;

		run(&r, &spec);
		CHECK("exit", r.status.exit_code == 0);
		CHECK("length", r.status.out_len == sizes[i]);
		CHECK("bytes", memcmp(r.out, input, sizes[i]) == 0);
		result_fini(&r);
	}
	/* a child that does not read its input */
	for (int i = 0; i < 3; i++) {
		const struct ev_child_spec spec = {
			.name = "true", .argv = ARGV("true"), .input = input, .input_len = 3000000
		};
		struct result r;

		run(&r, &spec);
		CHECK("ignored", r.status.exit_code == 0 && r.status.signal == 0);
		result_fini(&r);
	}
	free(input);
}

static void test_not_started(void **state)
{
	static const struct {
		const char *name, *program;
		int err;
	} rows[] = {
		{ "not in PATH", "no-such-program-anywhere", -ENOENT },
		{ "no such file", "/nonexistent/program", -ENOENT },
		{ "not executable", "/etc/passwd", -EACCES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ev_child_spec spec = { .name = "none",
						    .argv = ARGV(rows[i].program),
						    .input = "x",
						    .input_len = 1,
						    .timeout_us = US_PER_S };
		struct result r;

		run(&r, &spec);
		CHECK(rows[i].name, r.status.err == rows[i].err && r.status.exit_code == -1);
		CHECK_STR(rows[i].name, r.out, "");
		result_fini(&r);
	}
}

static void test_time_limit(void **state)
{
	const struct ev_child_spec spec = { .name = "sleep",
					    .argv = ARGV("sleep", "60"),
					    .timeout_us = 30 * US_PER_MS };
	const struct ev_child_spec quick = { .name = "true",
					     .argv = ARGV("true"),
					     .timeout_us = 15 * US_PER_S };
	struct result r;

	(void)state;
	run(&r, &spec);
	CHECK("killed",
	      r.status.timed_out && r.status.signal == SIGKILL && r.status.exit_code == -1);
	result_fini(&r);
	run(&r, &quick);
	CHECK("in time", !r.status.timed_out && r.status.exit_code == 0);
	result_fini(&r);
}

/* What is above the ceiling is read and dropped, so that the child can end. */
static void test_output_max(void **state)
{
	const struct ev_child_spec spec = { .name = "head",
					    .argv = ARGV("head", "-c", "20000000", "/dev/zero") };
	struct result r;

	(void)state;
	run(&r, &spec);
	CHECK("ends", r.status.exit_code == 0 && r.status.signal == 0);
	CHECK("cut", r.status.out_len == EV_CHILD_OUT_MAX);
	result_fini(&r);
}

static void test_name_and_descriptors(void **state)
{
	static const char shown[] = "kube-router\0/proc/self/cmdline";
	const struct ev_child_spec named = { .name = "cat",
					     .argv = ARGV("cat", "/proc/self/cmdline"),
					     .argv0 = "kube-router" };
	const struct ev_child_spec listed = { .name = "ls", .argv = ARGV("ls", "/proc/self/fd") };
	struct result r;

	(void)state;
	run(&r, &named);
	CHECK("shown name",
	      r.status.out_len == sizeof(shown) && memcmp(r.out, shown, sizeof(shown)) == 0);
	result_fini(&r);
	run(&r, &listed);
	CHECK_STR("no descriptor of ours", r.out, "0\n1\n2\n3\n"); /* 3: the directory itself */
	result_fini(&r);
}

static void test_pass_fd(void **state)
{
	struct result r;
	int fds[2];
	char buf[16] = "";

	(void)state;
	CHECK("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	const struct ev_child_spec spec = {
		.name = "sh",
		.argv = ARGV("sh", "-c", "echo passed >&3; ls /proc/self/fd"),
		.pass_fd = fds[1],
	};
	run(&r, &spec);
	CHECK("used", read(fds[0], buf, sizeof(buf)) == 7 && memcmp(buf, "passed\n", 7) == 0);
	CHECK_STR("and only that", r.out, "0\n1\n2\n3\n4\n");
	close(fds[0]);
	close(fds[1]);
	result_fini(&r);
}

static void test_keep_stderr(void **state)
{
	const struct ev_child_spec spec = { .name = "sh",
					    .argv = ARGV("sh", "-c", "echo mine >&2"),
					    .keep_stderr = true };
	int fds[2], saved = dup(STDERR_FILENO);
	struct result r;
	char buf[16];

	(void)state;
	CHECK("pipe", saved >= 0 && pipe2(fds, O_CLOEXEC) == 0);
	CHECK("dup", dup2(fds[1], STDERR_FILENO) >= 0);
	run(&r, &spec);
	CHECK("dup back", dup2(saved, STDERR_FILENO) >= 0);
	CHECK("on our stderr", read(fds[0], buf, sizeof(buf)) == 5);
	CHECK_STR("not collected", r.err_text, "");
	close(saved);
	close(fds[0]);
	close(fds[1]);
	result_fini(&r);
}

static void test_kill(void **state)
{
	const struct ev_child_spec spec = { .name = "sleep", .argv = ARGV("sleep", "60") };
	struct result r = { .loop = ev_new_real() };
	struct ev_child *c = ev_child_start(r.loop, &spec, done_cb, &r);

	(void)state;
	CHECK("pid", ev_child_pid(c) > 1 && kill(ev_child_pid(c), 0) == 0);
	ev_child_kill(c, SIGTERM);
	result_wait(&r);
	CHECK("of that signal", r.status.signal == SIGTERM && !r.status.timed_out);
	ev_free(r.loop);
	result_fini(&r);
}

/* A grandchild keeps the pipes open: done comes all the same. */
static void test_linger(void **state)
{
	const struct ev_child_spec spec = { .name = "sh",
					    .argv = ARGV("sh", "-c", "sleep 60 & echo $!") };
	struct mono start = mono_read();
	struct result r;
	int pid = -1;

	(void)state;
	run(&r, &spec);
	CHECK("pid", sscanf(r.out, "%d", &pid) == 1 && pid > 1);
	(void)kill(pid, SIGKILL);
	CHECK("exit", r.status.exit_code == 0 && !r.status.timed_out);
	CHECK("soon", mono_diff_us(mono_read(), start) < 10 * US_PER_S);
	result_fini(&r);
}

static void never_cb(void *arg, const struct ev_child_status *status)
{
	(void)arg;
	(void)status;
	CHECK("forgotten", false);
}

static void stop_cb(void *arg)
{
	ev_stop(arg);
}

/* Forgotten: no callback; the child goes on, whether the loop does or not. */
static void test_forget(void **state)
{
	(void)state;
	for (int loop_goes_on = 0; loop_goes_on < 2; loop_goes_on++) {
		struct ev_loop *loop = ev_new_real();
		struct ev_timer *end = ev_timer_new(loop, "end", stop_cb, loop);
		char buf[8];
		int fds[2];

		CHECK("pipe", pipe2(fds, O_CLOEXEC) == 0);
		const struct ev_child_spec spec = {
			.name = "sh",
			.argv = ARGV("sh", "-c", "sleep 0.2; echo alive >&3"),
			.pass_fd = fds[1],
			.timeout_us = 50 * US_PER_MS,
		};
		ev_child_forget(ev_child_start(loop, &spec, never_cb, NULL));
		close(fds[1]);
		if (loop_goes_on) {
			ev_timer_set(end, 400 * US_PER_MS);
			ev_run(loop);
		}
		ev_timer_free(end);
		ev_free(loop);
		CHECK("alive", read(fds[0], buf, sizeof(buf)) == 6);
		close(fds[0]);
	}
}

#define N_CHILDREN 20

struct crowd {
	struct ev_loop *loop;
	unsigned n;
};

static void crowd_cb(void *arg, const struct ev_child_status *status)
{
	struct crowd *c = arg;

	CHECK("each with its own output", status->exit_code == 0 && status->out_len == 100000);
	if (++c->n == N_CHILDREN)
		ev_stop(c->loop);
}

static void test_crowd(void **state)
{
	const struct ev_child_spec spec = { .name = "head",
					    .argv = ARGV("head", "-c", "100000", "/dev/zero"),
					    .timeout_us = WATCHDOG_US };
	struct crowd c = { .loop = ev_new_real() };

	(void)state;
	for (unsigned i = 0; i < N_CHILDREN; i++)
		(void)ev_child_start(c.loop, &spec, crowd_cb, &c);
	ev_run(c.loop);
	CHECK("all", c.n == N_CHILDREN);
	ev_free(c.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),        cmocka_unit_test(test_input),
		cmocka_unit_test(test_not_started), cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_output_max),  cmocka_unit_test(test_name_and_descriptors),
		cmocka_unit_test(test_pass_fd),     cmocka_unit_test(test_keep_stderr),
		cmocka_unit_test(test_kill),        cmocka_unit_test(test_linger),
		cmocka_unit_test(test_forget),      cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
