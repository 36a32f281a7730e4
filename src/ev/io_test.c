/* SPDX-License-Identifier: Apache-2.0 */
/* The real loop: descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "ev/ev.h"

#define WATCHDOG_US (10 * US_PER_S)

/* One loop with a log of what ran, and a watchdog that ends a test that hangs. */
struct bench {
	struct ev_loop *loop;
	struct ev_timer *watchdog;
	bool hung;
	char log[256];
	struct ev_timer *timer;
	struct ev_io *io;
	int fds[2];
	unsigned n, events;
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
	ev_timer_free(b->timer);
	ev_io_free(b->io);
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

static void level_cb(void *arg, unsigned events)
{
	struct bench *b = arg;

	CHECK("readable", events == EV_READ);
	if (++b->n == 3) {
		char buf[8];

		CHECK("there", read(b->fds[0], buf, sizeof(buf)) == 3);
		ev_io_want(b->io, 0);
		CHECK("more", write(b->fds[1], "d", 1) == 1);
		ev_timer_set(b->timer, 20 * US_PER_MS);
	}
}

static void test_io_level(void **state)
{
	struct bench b = bench_new();

	(void)state;
	CHECK("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.fds) == 0);
	b.io = ev_io_new(b.loop, "level", b.fds[0], level_cb, &b);
	b.timer = ev_timer_new(b.loop, "end", stop_cb, &b);
	CHECK("written", write(b.fds[1], "abc", 3) == 3);
	ev_timer_set(b.timer, 20 * US_PER_MS);
	bench_run(&b);
	CHECK("starts paused", b.n == 0);
	ev_io_want(b.io, EV_READ);
	bench_run(&b);
	CHECK("until it is read, and not when paused", b.n == 3);
	bench_fini(&b);
}

static void both_cb(void *arg, unsigned events)
{
	struct bench *b = arg;

	b->events |= events;
	if (events & EV_WRITE)
		ev_io_want(b->io, EV_READ);
	if (events & EV_READ)
		ev_stop(b->loop);
}

static void test_io_write_and_hangup(void **state)
{
	struct bench b = bench_new();
	char c;

	(void)state;
	CHECK("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.fds) == 0);
	b.io = ev_io_new(b.loop, "both", b.fds[0], both_cb, &b);
	ev_io_want(b.io, EV_READ | EV_WRITE);
	close(b.fds[1]);
	b.fds[1] = -1;
	bench_run(&b);
	CHECK("both", b.events == (EV_READ | EV_WRITE));
	CHECK("end of file", read(b.fds[0], &c, 1) == 0);
	bench_fini(&b);
}

/* The reader is gone: the writer hears of it, again and again, and does not die of SIGPIPE. */
static void epipe_cb(void *arg, unsigned events)
{
	struct bench *b = arg;

	CHECK("writable", events == EV_WRITE);
	CHECK("EPIPE", write(b->fds[1], "x", 1) < 0 && errno == EPIPE);
	if (++b->n == 3)
		ev_stop(b->loop);
}

static void test_io_error(void **state)
{
	struct bench b = bench_new();

	(void)state;
	CHECK("pipe", pipe2(b.fds, O_CLOEXEC) == 0);
	close(b.fds[0]);
	b.fds[0] = -1;
	b.io = ev_io_new(b.loop, "epipe", b.fds[1], epipe_cb, &b);
	ev_io_want(b.io, EV_WRITE);
	bench_run(&b);
	CHECK("three times", b.n == 3);
	bench_fini(&b);
}

static void reuse_end_cb(void *arg, unsigned events)
{
	struct bench *b = arg;

	(void)events;
	note(b, "new");
	ev_stop(b->loop);
}

/* Free and close in the own callback, then a new descriptor that gets the same number. */
static void reuse_cb(void *arg, unsigned events)
{
	struct bench *b = arg;
	int old = b->fds[0], fds[2];

	(void)events;
	note(b, "old");
	ev_io_free(b->io);
	close(b->fds[0]);
	close(b->fds[1]);
	CHECK("pipe", pipe2(fds, O_CLOEXEC) == 0 && fds[0] == old);
	b->fds[0] = fds[0];
	b->fds[1] = fds[1];
	b->io = ev_io_new(b->loop, "new", fds[0], reuse_end_cb, b);
	ev_io_want(b->io, EV_READ);
	CHECK("write", write(fds[1], "x", 1) == 1);
}

static void test_io_reuse(void **state)
{
	struct bench b = bench_new();

	(void)state;
	CHECK("pair", pipe2(b.fds, O_CLOEXEC) == 0);
	b.io = ev_io_new(b.loop, "old", b.fds[0], reuse_cb, &b);
	ev_io_want(b.io, EV_READ);
	CHECK("write", write(b.fds[1], "x", 1) == 1);
	bench_run(&b);
	CHECK_STR("both", b.log, "old new ");
	bench_fini(&b);
}

/* Two descriptors ready in one turn; whichever comes first frees the other. */
struct pair {
	struct bench *b;
	struct pair *other;
	struct ev_io *io;
	int fds[2];
};

static void pair_cb(void *arg, unsigned events)
{
	struct pair *p = arg;

	(void)events;
	p->b->n++;
	ev_io_free(take_ptr(p->other->io));
	ev_stop(p->b->loop);
}

static void test_io_free_other(void **state)
{
	struct bench b = bench_new();
	struct pair p[2] = { { &b, &p[1], NULL, { -1, -1 } }, { &b, &p[0], NULL, { -1, -1 } } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		CHECK("pipe", pipe2(p[i].fds, O_CLOEXEC) == 0 && write(p[i].fds[1], "x", 1) == 1);
		p[i].io = ev_io_new(b.loop, "pair", p[i].fds[0], pair_cb, &p[i]);
		ev_io_want(p[i].io, EV_READ);
	}
	bench_run(&b);
	CHECK("one of them", b.n == 1);
	for (int i = 0; i < 2; i++) {
		ev_io_free(p[i].io);
		close(p[i].fds[0]);
		close(p[i].fds[1]);
	}
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io_level),      cmocka_unit_test(test_io_write_and_hangup),
		cmocka_unit_test(test_io_error),      cmocka_unit_test(test_io_reuse),
		cmocka_unit_test(test_io_free_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
