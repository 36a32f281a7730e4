/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated loop. Time stands still while callbacks run and moves only from one timer to the
 * next, so that a simulated day costs what its callbacks cost.
 *
 * A turn takes what is ready at this instant (timers due, descriptors marked ready and wanted,
 * signals raised), runs it in an order drawn from the seed, then runs the tasks posted, in such an
 * order too: the real loop promises no more, and code that needs more fails for some seed. Orders
 * and ev_random() are drawn from two generators, so that one draw more in the code under test does
 * not turn all later orders over.
 */
#include "ev/sim.h"

#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "ev/core.h"

/* Neither clock starts at zero, where a missing initialisation would go unseen. */
#define SIM_MONO_START_US (1000 * US_PER_S)
#define SIM_WALL_START_US (1767225600 * US_PER_S) /* 2026-01-01 */

/* Turns at one instant before the run is given up: something posts or polls without end. */
#define SIM_TURNS_MAX 100000

#define SIM_PID_FIRST 1000

/* What is ready in this turn: a timer or a descriptor. */
struct sim_ready {
	struct ev_timer *timer;
	struct ev_io *io;
	struct ev_signal *signal;
};

struct ev_sim {
	struct ev_loop loop;
	struct mono now;
	int64_t wall_shift_us; /* wall clock less monotonic clock */
	uint64_t order_state, random_state;
	struct map fds; /* descriptor -> ready bits; those without bits are not in it */
	struct list signals;
	struct sim_ready *ready;
	size_t ready_cap;
	bool stopping;
	ev_sim_child_fn *child_fn;
	void *child_arg;
	ev_sim_host_fn *host_fn;
	void *host_arg;
	int next_pid;
};

struct sim_signal {
	struct list link; /* sim->signals */
	struct ev_signal *s;
	bool raised;
};

struct sim_child {
	struct ev_child c;
	int pid;
	bool exited, killed;
	struct ev_timer *timer; /* the end, or the time limit if that comes first */
	struct ev_sim_child_answer answer;
	struct strbuf out, err;
	struct ev_child_status status;
	int64_t timeout_us;
};

struct sim_resolve {
	struct ev_resolve r;
	struct ev_task *finish;
	int err;
	struct ip_addr addrs[EV_RESOLVE_MAX];
	size_t n;
};

static struct ev_sim *sim_of(struct ev_loop *loop)
{
	return container_of(loop, struct ev_sim, loop);
}

static const struct ev_sim *sim_of_const(const struct ev_loop *loop)
{
	return (const struct ev_sim *)(const void *)loop; /* its first member */
}

/* SplitMix64: any seed will do, 0 too. */
static uint64_t draw(uint64_t *state)
{
	uint64_t v = *state += 0x9e3779b97f4a7c15;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return v ^ v >> 31;
}

static struct mono sim_clock(const struct ev_loop *loop)
{
	return sim_of_const(loop)->now;
}

static struct wall sim_wall(const struct ev_loop *loop)
{
	const struct ev_sim *sim = sim_of_const(loop);

	return (struct wall){ sim->now.us + sim->wall_shift_us };
}

static uint64_t sim_random(struct ev_loop *loop)
{
	return draw(&sim_of(loop)->random_state);
}

static void sim_shuffle(struct ev_loop *loop, struct ev_task **tasks, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = draw(&sim_of(loop)->order_state) % i;
		struct ev_task *t = tasks[i - 1];

		tasks[i - 1] = tasks[j];
		tasks[j] = t;
	}
}

static unsigned fd_ready(const struct ev_sim *sim, int fd)
{
	return (unsigned)(uintptr_t)map_get(&sim->fds, &fd, sizeof(fd));
}

static size_t ready_add(struct ev_sim *sim, size_t n, struct sim_ready what)
{
	GROW(sim->ready, n, sim->ready_cap);
	sim->ready[n] = what;
	return n + 1;
}

static size_t ready_collect(struct ev_sim *sim)
{
	struct ev_timer *t;
	size_t n = 0;

	while ((t = ev_timer_take_due(&sim->loop, sim->now, UINT64_MAX)) != NULL)
		n = ready_add(sim, n, (struct sim_ready){ .timer = t });
	list_for_each (it, &sim->loop.ios) {
		struct ev_io *io = list_entry(it, struct ev_io, io_link);

		if (io->want & fd_ready(sim, io->fd))
			n = ready_add(sim, n, (struct sim_ready){ .io = io });
	}
	list_for_each (it, &sim->signals) {
		struct sim_signal *sig = list_entry(it, struct sim_signal, link);

		if (sig->raised)
			n = ready_add(sim, n, (struct sim_ready){ .signal = sig->s });
		sig->raised = false;
	}
	return n;
}

/* Readiness is looked at again: an earlier callback of this turn may have changed it. */
static void io_fire(struct ev_sim *sim, struct ev_io *io)
{
	unsigned ready = io->h.dead ? 0 : io->want & fd_ready(sim, io->fd);

	if (!ready)
		return;
	ev_enter(&sim->loop);
	io->fn(io->arg, ready);
	ev_leave(&sim->loop, io->h.name);
}

static void signal_fire(struct ev_sim *sim, struct ev_signal *s)
{
	if (s->h.dead)
		return;
	ev_enter(&sim->loop);
	s->fn(s->arg);
	ev_leave(&sim->loop, s->h.name);
}

/* False if nothing was ready. */
static bool sim_turn(struct ev_sim *sim)
{
	size_t n = ready_collect(sim);

	if (n == 0 && list_is_empty(&sim->loop.posted))
		return false;
	sim->loop.stats.turns++;
	for (size_t left = n; left > 0; left--) {
		size_t i = draw(&sim->order_state) % left;
		struct sim_ready what = sim->ready[i];

		sim->ready[i] = sim->ready[left - 1];
		if (what.timer)
			ev_timer_fire(what.timer);
		else if (what.io)
			io_fire(sim, what.io);
		else
			signal_fire(sim, what.signal);
	}
	ev_tasks_run(&sim->loop);
	ev_graves_clear(&sim->loop);
	return true;
}

size_t ev_sim_settle(struct ev_loop *loop)
{
	struct ev_sim *sim = sim_of(loop);
	uint64_t before = loop->stats.callbacks;
	unsigned turns = 0;

	while (sim_turn(sim)) {
		if (++turns < SIM_TURNS_MAX)
			continue;
		log_fatal("ev: the simulation never settles, longest_name=%s",
			  loop->stats.longest_name ? loop->stats.longest_name : "-");
		abort();
	}
	return loop->stats.callbacks - before;
}

bool ev_sim_next_timer(const struct ev_loop *loop, struct mono *ret)
{
	if (loop->n_heap == 0)
		return false;
	*ret = loop->heap[0]->due;
	return true;
}

size_t ev_sim_advance(struct ev_loop *loop, int64_t us)
{
	struct ev_sim *sim = sim_of(loop);
	struct mono end = mono_add_us(sim->now, us), next;
	size_t n;

	assert(us >= 0 && !loop->in_callback);
	n = ev_sim_settle(loop);
	while (ev_sim_next_timer(loop, &next) && next.us <= end.us) {
		sim->now = next;
		n += ev_sim_settle(loop);
	}
	sim->now = end;
	return n;
}

void ev_sim_fd_set(struct ev_loop *loop, int fd, unsigned ready)
{
	struct ev_sim *sim = sim_of(loop);

	if (ready)
		(void)map_put(&sim->fds, &fd, sizeof(fd), (void *)(uintptr_t)ready);
	else
		(void)map_del(&sim->fds, &fd, sizeof(fd));
}

void ev_sim_wall_jump(struct ev_loop *loop, int64_t us)
{
	sim_of(loop)->wall_shift_us += us;
}

void ev_sim_signal(struct ev_loop *loop, int signum)
{
	list_for_each (it, &sim_of(loop)->signals) {
		struct sim_signal *sig = list_entry(it, struct sim_signal, link);

		if (sig->s->signum == signum)
			sig->raised = true;
	}
}

/* Until ev_stop(), or until nothing will ever happen again. */
static void sim_run(struct ev_loop *loop)
{
	struct ev_sim *sim = sim_of(loop);
	struct mono next;

	while (!sim->stopping) {
		if (sim_turn(sim))
			continue;
		if (!ev_sim_next_timer(loop, &next))
			break;
		sim->now = next;
	}
	sim->stopping = false;
}

static void sim_stop(struct ev_loop *loop)
{
	sim_of(loop)->stopping = true;
}

static void sim_destroy(struct ev_loop *loop)
{
	struct ev_sim *sim = sim_of(loop);

	ev_loop_fini(loop);
	map_fini(&sim->fds);
	free(sim->ready);
	free(sim);
}

static void sim_io_nop(struct ev_io *io)
{
	(void)io; /* readiness is looked up when a turn begins */
}

static void sim_signal_open(struct ev_signal *s)
{
	struct sim_signal *sig = xcalloc(1, sizeof(*sig));

	sig->s = s;
	s->impl = sig;
	list_add_tail(&sim_of(s->h.loop)->signals, &sig->link);
}

static void sim_signal_close(struct ev_signal *s)
{
	struct sim_signal *sig = take_ptr(s->impl);

	list_del(&sig->link);
	free(sig);
}

void ev_sim_child_set(struct ev_loop *loop, ev_sim_child_fn *fn, void *arg)
{
	sim_of(loop)->child_fn = fn;
	sim_of(loop)->child_arg = arg;
}

static void sim_child_free(struct sim_child *child)
{
	ev_timer_free(child->timer);
	strbuf_fini(&child->out);
	strbuf_fini(&child->err);
	ev_handle_bury(&child->c.h);
}

static void sim_child_end(void *arg)
{
	struct sim_child *child = arg;
	struct ev_child_status *status = &child->status;

	child->exited = true;
	if (!child->killed && child->timeout_us > 0 && child->timeout_us < child->answer.after_us) {
		status->timed_out = true;
		status->exit_code = -1;
		status->signal = 9; /* SIGKILL, whatever the host calls it */
	}
	status->out = strbuf_text(&child->out);
	status->out_len = child->out.len;
	status->err_text = strbuf_text(&child->err);
	status->err_text_len = child->err.len;
	if (child->c.done)
		child->c.done(child->c.arg, status);
	sim_child_free(child);
}

static struct ev_child *sim_child_start(struct ev_loop *loop, const struct ev_child_spec *spec)
{
	struct ev_sim *sim = sim_of(loop);
	struct sim_child *child = xcalloc(1, sizeof(*child));
	int64_t end_us;

	ev_handle_init(&child->c.h, loop, spec->name);
	child->timer = ev_timer_new(loop, spec->name, sim_child_end, child);
	child->out.max = child->err.max = EV_CHILD_OUT_MAX;
	child->timeout_us = spec->timeout_us;
	child->pid = sim->next_pid++;
	child->answer.err = -ENOENT;
	if (sim->child_fn)
		sim->child_fn(sim->child_arg, spec, &child->answer);
	child->status.err = child->answer.err;
	child->status.signal = child->answer.signal;
	child->status.exit_code = child->answer.exit_code;
	if (child->answer.err < 0) {
		child->status.exit_code = -1;
		child->answer.after_us = 0;
		child->exited = true;
	} else if (child->answer.signal) {
		child->status.exit_code = -1;
	}
	if (child->answer.out)
		strbuf_puts(&child->out, child->answer.out);
	if (child->answer.err_text)
		strbuf_puts(&child->err, child->answer.err_text);
	end_us = child->answer.after_us;
	if (child->timeout_us > 0)
		end_us = MIN(end_us, child->timeout_us);
	if (end_us < EV_SIM_CHILD_FOREVER)
		ev_timer_set(child->timer, end_us);
	return &child->c;
}

static struct sim_child *sim_child_of(struct ev_child *c)
{
	return container_of(c, struct sim_child, c);
}

static int sim_child_pid(const struct ev_child *c)
{
	const struct sim_child *child = (const struct sim_child *)(const void *)c;

	return child->exited ? 0 : child->pid;
}

/* A simulated child dies of every signal. */
static void sim_child_kill(struct ev_child *c, int signum)
{
	struct sim_child *child = sim_child_of(c);

	if (child->exited)
		return;
	child->exited = child->killed = true;
	child->status.exit_code = -1;
	child->status.signal = signum;
	ev_timer_set(child->timer, 0);
}

static void sim_child_forget(struct ev_child *c)
{
	sim_child_free(sim_child_of(c));
}

void ev_sim_host_set(struct ev_loop *loop, ev_sim_host_fn *fn, void *arg)
{
	sim_of(loop)->host_fn = fn;
	sim_of(loop)->host_arg = arg;
}

static struct sim_resolve *sim_resolve_of(struct ev_resolve *r)
{
	return container_of(r, struct sim_resolve, r);
}

static void sim_resolve_cancel(struct ev_resolve *r)
{
	ev_task_free(sim_resolve_of(r)->finish);
	ev_handle_bury(&r->h);
}

static void sim_resolve_end(void *arg)
{
	struct sim_resolve *res = arg;

	res->r.done(res->r.arg, res->err, res->addrs, res->n);
	sim_resolve_cancel(&res->r);
}

static struct ev_resolve *sim_resolve_start(struct ev_loop *loop, const char *host)
{
	struct ev_sim *sim = sim_of(loop);
	struct sim_resolve *res = xcalloc(1, sizeof(*res));
	int n = -ENOENT;

	ev_handle_init(&res->r.h, loop, "resolve");
	res->finish = ev_task_new(loop, "resolve", sim_resolve_end, res);
	if (ip_parse(host, &res->addrs[0]) == 0)
		n = 1;
	else if (sim->host_fn)
		n = sim->host_fn(sim->host_arg, host, res->addrs);
	assert(n <= EV_RESOLVE_MAX);
	res->err = n < 0 ? n : n == 0 ? -ENOENT : 0;
	res->n = n < 0 ? 0 : (size_t)n;
	ev_task_post(res->finish);
	return &res->r;
}

static const struct ev_ops sim_ops = {
	.destroy = sim_destroy,
	.run = sim_run,
	.stop = sim_stop,
	.clock = sim_clock,
	.wall = sim_wall,
	.random = sim_random,
	.io_open = sim_io_nop,
	.io_want = sim_io_nop,
	.io_close = sim_io_nop,
	.signal_open = sim_signal_open,
	.signal_close = sim_signal_close,
	.shuffle = sim_shuffle,
	.child_start = sim_child_start,
	.child_pid = sim_child_pid,
	.child_kill = sim_child_kill,
	.child_forget = sim_child_forget,
	.resolve_start = sim_resolve_start,
	.resolve_cancel = sim_resolve_cancel,
};

struct ev_loop *ev_new_sim(uint64_t seed)
{
	struct ev_sim *sim = xcalloc(1, sizeof(*sim));

	ev_loop_init(&sim->loop, &sim_ops);
	list_init(&sim->signals);
	sim->now.us = SIM_MONO_START_US;
	sim->wall_shift_us = SIM_WALL_START_US - SIM_MONO_START_US;
	sim->order_state = seed;
	sim->random_state = ~seed;
	sim->next_pid = SIM_PID_FIRST;
	return &sim->loop;
}
