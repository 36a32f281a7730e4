/* SPDX-License-Identifier: Apache-2.0 */
/* The real loop: timers, tasks, signals, accounting. */
#include "ev/ev.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/test.h"

#define WATCHDOG_US (10 * US_PER_S)

/* One loop with a log of what ran, and a watchdog that ends a test that hangs. */
struct bench {
	struct ev_loop *loop;
	struct ev_timer *watchdog;
	bool hung;
	char log[256];
	struct ev_task *task;
	struct ev_timer *timer, *other;
	struct ev_io *io;
	struct ev_signal *sig;
	int fds[2];
	unsigned n;
};

static void watchdog_cb(void *arg)
{
	struct bench *b = arg;

	b->hung = true;
	ev_stop(b->loop);
}

static struct bench bench_new(void)
{
	return (struct bench){ .loop = ev_new_real(), .fds = { -1, -1 } };
}

static void bench_run(struct bench *b)
{
	b->watchdog = ev_timer_new(b->loop, "watchdog", watchdog_cb, b);
	ev_timer_set(b->watchdog, WATCHDOG_US);
	ev_run(b->loop);
	ev_timer_free(b->watchdog);
	CHECK("did not hang", !b->hung);
}

static void bench_fini(struct bench *b)
{
	ev_task_free(b->task);
	ev_timer_free(b->timer);
	ev_timer_free(b->other);
	ev_io_free(b->io);
	ev_signal_free(b->sig);
	ev_free(b->loop);
	for (int i = 0; i < 2; i++)
		if (b->fds[i] >= 0)
			close(b->fds[i]);
}

static void note(struct bench *b, const char *what)
{
	size_t len = strlen(b->log);

	(void)snprintf(b->log + len, sizeof(b->log) - len, "%s ", what);
}

static void stop_cb(void *arg)
{
	struct bench *b = arg;

	ev_stop(b->loop);
}

#define N_TIMERS 500

struct many {
	struct bench *b;
	struct ev_timer *t[N_TIMERS];
	int64_t due_us[N_TIMERS], last_us;
	unsigned n;
};

struct one {
	struct many *m;
	unsigned i;
};

static void many_cb(void *arg)
{
	struct one *o = arg;
	struct many *m = o->m;

	CHECK("never early", ev_now(m->b->loop).us >= m->due_us[o->i]);
	CHECK("earliest first", m->due_us[o->i] >= m->last_us);
	CHECK("not set any more", !ev_timer_is_set(m->t[o->i]));
	m->last_us = m->due_us[o->i];
	if (++m->n == N_TIMERS)
		ev_stop(m->b->loop);
}

/* In a callback, where time stands still: what is expected here is then exact. */
static void many_set_cb(void *arg)
{
	struct many *m = arg;
	int64_t now_us = ev_now(m->b->loop).us;

	for (unsigned i = 0; i < N_TIMERS; i++) {
		int64_t after_us = (int64_t)(i * 7919 % 20000);

		ev_timer_set(m->t[i], after_us);
		if (i % 3 == 0) { /* moved: the later setting counts */
			after_us = 20000 - after_us;
			ev_timer_set(m->t[i], after_us);
		}
		m->due_us[i] = now_us + after_us;
	}
}

static void test_timer_order(void **state)
{
	struct bench b = bench_new();
	static struct many m;
	static struct one ones[N_TIMERS];

	(void)state;
	m.b = &b;
	for (unsigned i = 0; i < N_TIMERS; i++) {
		ones[i] = (struct one){ &m, i };
		m.t[i] = ev_timer_new(b.loop, "many", many_cb, &ones[i]);
	}
	b.timer = ev_timer_new(b.loop, "set", many_set_cb, &m);
	ev_timer_set(b.timer, 0);
	bench_run(&b);
	CHECK("all", m.n == N_TIMERS);
	for (unsigned i = 0; i < N_TIMERS; i++)
		ev_timer_free(m.t[i]);
	bench_fini(&b);
}

static void first_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "first");
	ev_timer_stop(b->other);
	CHECK("stopped", !ev_timer_is_set(b->other));
}

static void second_cb(void *arg)
{
	note(arg, "second");
}

/* Both are due when the first runs; stopped by it, the second must not. */
static void test_timer_stop(void **state)
{
	struct bench b = bench_new();
	struct ev_timer *end = ev_timer_new(b.loop, "end", stop_cb, &b);

	(void)state;
	b.timer = ev_timer_new(b.loop, "first", first_cb, &b);
	b.other = ev_timer_new(b.loop, "second", second_cb, &b);
	ev_timer_set(b.timer, 0);
	ev_timer_set(b.other, 0);
	ev_timer_set(end, 20 * US_PER_MS);
	bench_run(&b);
	CHECK_STR("only the first", b.log, "first ");
	ev_timer_set(b.timer, INT64_MAX); /* must not overflow into the past */
	ev_timer_set(end, 5 * US_PER_MS);
	bench_run(&b);
	CHECK_STR("far away", b.log, "first ");
	ev_timer_free(end);
	bench_fini(&b);
}

static void again_cb(void *arg)
{
	struct bench *b = arg;

	b->n++;
	if (b->n < 50)
		ev_timer_set(b->timer, 0);
	else
		ev_stop(b->loop);
}

static void test_timer_again(void **state)
{
	struct bench b = bench_new();
	struct ev_stats st;

	(void)state;
	b.timer = ev_timer_new(b.loop, "again", again_cb, &b);
	ev_timer_set(b.timer, 0);
	bench_run(&b);
	ev_stats_get(b.loop, &st);
	CHECK("50 times", b.n == 50 && st.callbacks == 50);
	CHECK("each in a turn of its own", st.turns >= 49);
	bench_fini(&b);
}

static void free_self_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "timer");
	ev_timer_free(take_ptr(b->timer));
	ev_timer_free(take_ptr(b->other)); /* due in the same turn */
	ev_stop(b->loop);
}

static void test_timer_free_in_callback(void **state)
{
	struct bench b = bench_new();

	(void)state;
	b.timer = ev_timer_new(b.loop, "self", free_self_cb, &b);
	b.other = ev_timer_new(b.loop, "other", second_cb, &b);
	ev_timer_set(b.timer, 0);
	ev_timer_set(b.other, 0);
	bench_run(&b);
	CHECK_STR("once", b.log, "timer ");
	bench_fini(&b);
}

static void task_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "task");
	ev_stop(b->loop);
}

static void post_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "timer");
	ev_task_post(b->task);
	ev_task_post(b->task); /* posted: nothing more happens */
}

static void test_task(void **state)
{
	struct bench b = bench_new();
	struct mono start = mono_read();

	(void)state;
	b.task = ev_task_new(b.loop, "task", task_cb, &b);
	b.timer = ev_timer_new(b.loop, "post", post_cb, &b);
	ev_timer_set(b.timer, US_PER_MS);
	bench_run(&b);
	CHECK_STR("once, after", b.log, "timer task ");
	CHECK("without sleeping", mono_diff_us(mono_read(), start) < US_PER_S);
	bench_fini(&b);
}

/* Posts itself for ever; a descriptor and a timer must get their turns in between. */
static void busy_cb(void *arg)
{
	struct bench *b = arg;

	b->n++;
	ev_task_post(b->task);
}

static void busy_io_cb(void *arg, unsigned events)
{
	struct bench *b = arg;
	struct ev_stats st;
	char c;

	(void)events;
	CHECK("read", read(b->fds[0], &c, 1) == 1);
	ev_stats_get(b->loop, &st);
	CHECK("one task a turn", b->n <= st.turns);
	ev_stop(b->loop);
}

static void busy_timer_cb(void *arg)
{
	struct bench *b = arg;

	CHECK("write", write(b->fds[1], "x", 1) == 1);
}

static void test_task_busy(void **state)
{
	struct bench b = bench_new();

	(void)state;
	CHECK("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.fds) == 0);
	b.task = ev_task_new(b.loop, "busy", busy_cb, &b);
	b.timer = ev_timer_new(b.loop, "writer", busy_timer_cb, &b);
	b.io = ev_io_new(b.loop, "reader", b.fds[0], busy_io_cb, &b);
	ev_io_want(b.io, EV_READ);
	ev_task_post(b.task);
	ev_timer_set(b.timer, 5 * US_PER_MS);
	bench_run(&b);
	CHECK("ran many times", b.n > 3);
	bench_fini(&b);
}

static void task_free_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "free");
	ev_task_free(take_ptr(b->task));
	ev_stop(b->loop);
}

static void test_task_free(void **state)
{
	struct bench b = bench_new();
	struct ev_task *posted;

	(void)state;
	b.task = ev_task_new(b.loop, "free", task_free_cb, &b);
	posted = ev_task_new(b.loop, "posted", second_cb, &b);
	ev_task_post(b.task);
	ev_task_post(posted);
	ev_task_free(posted);
	bench_run(&b);
	CHECK_STR("only the first, once", b.log, "free ");
	bench_fini(&b);
}

static void signal_cb(void *arg)
{
	struct bench *b = arg;

	note(b, "signal");
	ev_signal_free(take_ptr(b->sig));
	ev_stop(b->loop);
}

static void raise_cb(void *arg)
{
	(void)arg;
	CHECK("kill", kill(getpid(), SIGUSR1) == 0);
}

static void test_signal(void **state)
{
	struct bench b = bench_new();

	(void)state;
	b.sig = ev_signal_new(b.loop, SIGUSR1, signal_cb, &b);
	b.timer = ev_timer_new(b.loop, "raise", raise_cb, &b);
	ev_timer_set(b.timer, 0);
	bench_run(&b);
	CHECK_STR("came, and freed itself", b.log, "signal ");
	bench_fini(&b);
}

static void sink(void *arg, const char *line)
{
	struct bench *b = arg;

	note(b, strstr(line, "slow callback name=sluggish") ? "slow" : line);
}

static void slow_cb(void *arg)
{
	struct bench *b = arg;
	struct mono start = mono_read(), now = ev_now(b->loop);

	while (mono_diff_us(mono_read(), start) <= EV_SLOW_US)
		;
	CHECK("now stands still in a callback", ev_now(b->loop).us == now.us);
	ev_stop(b->loop);
}

static void test_slow(void **state)
{
	struct bench b = bench_new();
	struct ev_stats st;

	(void)state;
	b.timer = ev_timer_new(b.loop, "sluggish", slow_cb, &b);
	ev_timer_set(b.timer, 0);
	log_sink_set(sink, &b);
	bench_run(&b);
	log_sink_set(NULL, NULL);
	ev_stats_get(b.loop, &st);
	CHECK("counted", st.slow_callbacks == 1 && st.longest_us > EV_SLOW_US);
	CHECK_STR("named", st.longest_name, "sluggish");
	CHECK_STR("logged", b.log, "slow ");
	bench_fini(&b);
}

static void test_random(void **state)
{
	struct bench b = bench_new();
	bool low = false, high = false;

	(void)state;
	CHECK("different", ev_random(b.loop) != ev_random(b.loop));
	for (int i = 0; i < 1000; i++) {
		int64_t us = ev_jitter_us(b.loop, 1000);

		CHECK("range", us >= 750 && us <= 1000);
		low = low || us < 800;
		high = high || us > 950;
	}
	CHECK("all of it", low && high);
	CHECK("of nothing", ev_jitter_us(b.loop, 0) == 0);
	CHECK("wall clock", ev_wall(b.loop).us > 1700000000 * US_PER_S);
	bench_fini(&b);
}

static void test_stop_before_run(void **state)
{
	struct bench b = bench_new();

	(void)state;
	ev_stop(b.loop);
	bench_run(&b);
	b.timer = ev_timer_new(b.loop, "end", stop_cb, &b);
	ev_timer_set(b.timer, US_PER_MS);
	bench_run(&b);
	CHECK("ran to the timer", !ev_timer_is_set(b.timer));
	bench_fini(&b);
}

/* A handle left over is a bug that must not go unnoticed: in a process of its own. */
static void test_left_over(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	CHECK("fork", pid >= 0);
	if (pid == 0) {
		struct ev_loop *loop = ev_new_real();
		const struct sigaction dfl = { .sa_handler = SIG_DFL };

		(void)sigaction(SIGABRT, &dfl, NULL);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)ev_timer_new(loop, "left", stop_cb, NULL);
		ev_free(loop);
		_exit(0);
	}
	CHECK("waitpid", waitpid(pid, &status, 0) == pid);
	CHECK("aborted", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_order),
		cmocka_unit_test(test_timer_stop),
		cmocka_unit_test(test_timer_again),
		cmocka_unit_test(test_timer_free_in_callback),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_task_busy),
		cmocka_unit_test(test_task_free),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_stop_before_run),
		cmocka_unit_test(test_left_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
