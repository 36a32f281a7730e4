/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop over libuv.
 *
 * Order within one turn of libuv (1.44): timers, prepare, poll (descriptors), check, close. Tasks
 * run in check only, so that descriptors have theirs between two batches; while tasks wait, an idle
 * handle keeps poll from sleeping. (From 1.45 on timers come after check; nothing here cares.)
 *
 * For a sandbox: every descriptor of the loop is made by ev_new_real(); handles add none. A running
 * loop with descriptors and timers makes these system calls only: epoll_ctl, epoll_wait (or
 * epoll_pwait), ioctl FIONBIO (once for each ev_io_new), getrandom (ev_random), and what malloc
 * needs; clock_gettime stays in the vDSO. The log adds write and getpid, a signal that comes adds
 * read, write and rt_sigreturn, a signal handle made or freed rt_sigaction and rt_sigprocmask.
 * (Seen with strace, libuv 1.44.2, x86-64.)
 */
#include "ev/real.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	log_fatal("ev: %s failed: %s", what, uv_strerror(r));
	abort(); /* no descriptors left at start, or a handle used wrongly */
}

static struct mono real_clock(const struct ev_loop *loop)
{
	(void)loop;
	return mono_read();
}

static struct wall real_wall(const struct ev_loop *loop)
{
	(void)loop;
	return wall_read();
}

static uint64_t real_random(struct ev_loop *loop)
{
	uint64_t v;
	ssize_t n;

	(void)loop;
	do
		n = getrandom(&v, sizeof(v), 0);
	while (n < 0 && errno == EINTR);
	assert(n == sizeof(v)); /* the kernel gives up to 256 bytes at once */
	return v;
}

static void clock_cb(uv_timer_t *clock)
{
	struct ev_real *real = clock->data;
	struct ev_loop *loop = &real->loop;
	struct mono now = mono_read();
	uint64_t seq = loop->timer_seq;
	struct ev_timer *t;

	loop->timers_moved = true; /* fired: to be armed again whatever comes first now */
	while ((t = ev_timer_take_due(loop, now, seq)) != NULL)
		ev_timer_fire(t);
}

static void clock_arm(struct ev_real *real)
{
	struct ev_loop *loop = &real->loop;
	uint64_t due_ms, now_ms;

	if (!loop->timers_moved)
		return;
	loop->timers_moved = false;
	if (loop->n_heap == 0) {
		(void)uv_timer_stop(&real->clock);
		return;
	}
	due_ms = ((uint64_t)loop->heap[0]->due.us + 999) / 1000;
	now_ms = uv_now(&real->uv); /* the same clock as ours */
	/* rounded up: late by less than a millisecond, never early */
	must(uv_timer_start(&real->clock, clock_cb, due_ms > now_ms ? due_ms - now_ms : 0, 0),
	     "uv_timer_start");
}

static void idle_cb(uv_idle_t *idle)
{
	(void)idle; /* being active is all it does */
}

static void prepare_cb(uv_prepare_t *prepare)
{
	struct ev_real *real = prepare->data;

	real->loop.stats.turns++;
	if (list_is_empty(&real->loop.posted))
		(void)uv_idle_stop(&real->idle);
	else
		(void)uv_idle_start(&real->idle, idle_cb);
	clock_arm(real);
}

static void check_cb(uv_check_t *check)
{
	struct ev_real *real = check->data;

	ev_tasks_run(&real->loop);
	ev_graves_clear(&real->loop);
}

static void poll_cb(uv_poll_t *poll, int status, int events);

static void poll_update(struct ev_io *io)
{
	uv_poll_t *poll = io->impl;
	int events =
		(io->want & EV_READ ? UV_READABLE : 0) | (io->want & EV_WRITE ? UV_WRITABLE : 0);

	if (events)
		must(uv_poll_start(poll, events, poll_cb), "uv_poll_start");
	else
		must(uv_poll_stop(poll), "uv_poll_stop");
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
	struct ev_io *io = poll->data;
	struct ev_loop *loop;
	unsigned ready = 0;

	if (!io)
		return;
	loop = io->h.loop;
	if (status < 0) {
		/*
		 * libuv saw EPOLLERR and stopped polling. What is wrong shows when the owner reads
		 * or writes; until it is read (an error queue may be) polling goes on.
		 */
		ready = io->want;
		poll_update(io);
	} else {
		ready |= events & UV_READABLE ? EV_READ : 0;
		ready |= events & UV_WRITABLE ? EV_WRITE : 0;
	}
	ready &= io->want;
	if (!ready)
		return;
	ev_enter(loop);
	io->fn(io->arg, ready);
	ev_leave(loop, io->h.name);
}

static void impl_close_cb(uv_handle_t *h)
{
	free(h);
}

static void real_io_open(struct ev_io *io)
{
	struct ev_real *real = ev_real_of(io->h.loop);
	uv_poll_t *poll = xcalloc(1, sizeof(*poll));

	/* fails for what epoll cannot watch (a plain file) and for a second handle: bugs, both */
	must(uv_poll_init(&real->uv, poll, io->fd), "uv_poll_init");
	poll->data = io;
	io->impl = poll;
}

static void real_io_close(struct ev_io *io)
{
	uv_poll_t *poll = take_ptr(io->impl);

	poll->data = NULL;
	uv_close((uv_handle_t *)poll, impl_close_cb);
}

static void signal_cb(uv_signal_t *h, int signum)
{
	struct ev_signal *s = h->data;
	struct ev_loop *loop;

	(void)signum;
	if (!s)
		return;
	loop = s->h.loop;
	ev_enter(loop);
	s->fn(s->arg);
	ev_leave(loop, s->h.name);
}

static void real_signal_open(struct ev_signal *s)
{
	struct ev_real *real = ev_real_of(s->h.loop);
	uv_signal_t *h = xcalloc(1, sizeof(*h));

	must(uv_signal_init(&real->uv, h), "uv_signal_init");
	must(uv_signal_start(h, signal_cb, s->signum), "uv_signal_start");
	h->data = s;
	s->impl = h;
}

static void real_signal_close(struct ev_signal *s)
{
	uv_signal_t *h = take_ptr(s->impl);

	h->data = NULL;
	uv_close((uv_handle_t *)h, impl_close_cb);
}

static void real_run(struct ev_loop *loop)
{
	struct ev_real *real = ev_real_of(loop);

	while (!real->stopping)
		(void)uv_run(&real->uv, UV_RUN_DEFAULT);
	real->stopping = false;
}

static void real_stop(struct ev_loop *loop)
{
	struct ev_real *real = ev_real_of(loop);

	real->stopping = true;
	uv_stop(&real->uv);
}

static void real_destroy(struct ev_loop *loop)
{
	struct ev_real *real = ev_real_of(loop);

	ev_children_drop(real);
	ev_loop_fini(loop);
	uv_close((uv_handle_t *)&real->prepare, NULL);
	uv_close((uv_handle_t *)&real->check, NULL);
	uv_close((uv_handle_t *)&real->idle, NULL);
	uv_close((uv_handle_t *)&real->clock, NULL);
	/*
	 * Until all is closed; a look-up that was cancelled while the resolver had it is waited
	 * for. A stop nobody saw makes the first call return early.
	 */
	while (uv_loop_alive(&real->uv))
		(void)uv_run(&real->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&real->uv), "uv_loop_close");
	free(real);
}

static const struct ev_ops real_ops = {
	.destroy = real_destroy,
	.run = real_run,
	.stop = real_stop,
	.clock = real_clock,
	.wall = real_wall,
	.random = real_random,
	.io_open = real_io_open,
	.io_want = poll_update,
	.io_close = real_io_close,
	.signal_open = real_signal_open,
	.signal_close = real_signal_close,
	.child_start = ev_child_start_real,
	.child_pid = ev_child_pid_real,
	.child_kill = ev_child_kill_real,
	.child_forget = ev_child_forget_real,
	.resolve_start = ev_resolve_start_real,
	.resolve_cancel = ev_resolve_cancel_real,
};

struct ev_loop *ev_new_real(void)
{
	struct ev_real *real = xcalloc(1, sizeof(*real));
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* writing to a peer or a child that is gone is an error to handle, not to die of */
	must(sigaction(SIGPIPE, &ignore, NULL), "sigaction");
	ev_loop_init(&real->loop, &real_ops);
	list_init(&real->children);
	must(uv_loop_init(&real->uv), "uv_loop_init");
	must(uv_prepare_init(&real->uv, &real->prepare), "uv_prepare_init");
	must(uv_check_init(&real->uv, &real->check), "uv_check_init");
	must(uv_idle_init(&real->uv, &real->idle), "uv_idle_init");
	must(uv_timer_init(&real->uv, &real->clock), "uv_timer_init");
	real->prepare.data = real->check.data = real->idle.data = real->clock.data = real;
	must(uv_prepare_start(&real->prepare, prepare_cb), "uv_prepare_start");
	must(uv_check_start(&real->check, check_cb), "uv_check_start");
	return &real->loop;
}
