/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a loop that does not depend on where time and readiness come from.
 *
 * A turn: timers due and descriptors ready have their callbacks, then the tasks posted so far run,
 * then the memory of handles freed on the way goes. Every callback lies between ev_enter() and
 * ev_leave(), which take the time, so that a slow one is counted and named in one place.
 *
 * A handle freed while a callback runs (maybe its own) is unlinked at once and stays readable until
 * the end of the turn, because lists of what is to run in this turn may still name it.
 */
#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/core.h"

void ev_loop_init(struct ev_loop *loop, const struct ev_ops *ops)
{
	loop->ops = ops;
	list_init(&loop->handles);
	list_init(&loop->graves);
	list_init(&loop->ios);
	list_init(&loop->posted);
}

void ev_loop_fini(struct ev_loop *loop)
{
	list_for_each (it, &loop->handles)
		log_err("ev: handle left over name=%s",
			list_entry(it, struct ev_handle, link)->name);
	assert(list_is_empty(&loop->handles)); /* whoever made it must free it */
	ev_graves_clear(loop);
	free(loop->batch);
	free(loop->heap);
}

void ev_handle_init(struct ev_handle *h, struct ev_loop *loop, const char *name)
{
	h->loop = loop;
	h->name = name;
	list_add_tail(&loop->handles, &h->link);
}

void ev_handle_bury(struct ev_handle *h)
{
	struct ev_loop *loop = h->loop;

	assert(!h->dead);
	h->dead = true;
	list_del(&h->link);
	if (loop->in_callback)
		list_add_tail(&loop->graves, &h->link);
	else
		free(h);
}

void ev_graves_clear(struct ev_loop *loop)
{
	list_for_each_safe (it, &loop->graves)
		free(list_entry(it, struct ev_handle, link));
	list_init(&loop->graves);
}

void ev_enter(struct ev_loop *loop)
{
	assert(!loop->in_callback); /* a callback must not run the loop */
	loop->now = loop->ops->clock(loop);
	loop->in_callback = true;
}

void ev_leave(struct ev_loop *loop, const char *name)
{
	int64_t took_us = mono_diff_us(loop->ops->clock(loop), loop->now);

	loop->in_callback = false;
	loop->stats.callbacks++;
	if (took_us > loop->stats.longest_us) {
		loop->stats.longest_us = took_us;
		loop->stats.longest_name = name;
	}
	if (took_us > EV_SLOW_US) {
		loop->stats.slow_callbacks++;
		LOG_LIMIT(log_warning, "ev: slow callback name=%s took_ms=%lld", name,
			  (long long)(took_us / US_PER_MS));
	}
}

void ev_free(struct ev_loop *loop)
{
	if (loop)
		loop->ops->destroy(loop);
}

void ev_run(struct ev_loop *loop)
{
	assert(!loop->in_callback);
	loop->ops->run(loop);
}

void ev_stop(struct ev_loop *loop)
{
	loop->ops->stop(loop);
}

struct mono ev_now(const struct ev_loop *loop)
{
	return loop->in_callback ? loop->now : loop->ops->clock(loop);
}

struct wall ev_wall(const struct ev_loop *loop)
{
	return loop->ops->wall(loop);
}

uint64_t ev_random(struct ev_loop *loop)
{
	return loop->ops->random(loop);
}

int64_t ev_jitter_us(struct ev_loop *loop, int64_t base_us)
{
	uint64_t span = (uint64_t)MAX(base_us, (int64_t)0) / 4 + 1;

	return base_us - (int64_t)(ev_random(loop) % span);
}

void ev_stats_get(const struct ev_loop *loop, struct ev_stats *ret)
{
	*ret = loop->stats;
}

struct ev_io *ev_io_new(struct ev_loop *loop, const char *name, int fd, ev_io_fn *fn, void *arg)
{
	struct ev_io *io = xcalloc(1, sizeof(*io));

	ev_handle_init(&io->h, loop, name);
	list_add_tail(&loop->ios, &io->io_link);
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	loop->ops->io_open(io);
	return io;
}

void ev_io_want(struct ev_io *io, unsigned events)
{
	if (io->want == events)
		return;
	io->want = events;
	io->h.loop->ops->io_want(io);
}

void ev_io_free(struct ev_io *io)
{
	if (!io)
		return;
	io->want = 0;
	io->h.loop->ops->io_close(io);
	list_del(&io->io_link);
	ev_handle_bury(&io->h);
}

struct ev_task *ev_task_new(struct ev_loop *loop, const char *name, ev_fn *fn, void *arg)
{
	struct ev_task *t = xcalloc(1, sizeof(*t));

	ev_handle_init(&t->h, loop, name);
	list_init(&t->post_link);
	t->fn = fn;
	t->arg = arg;
	return t;
}

void ev_task_post(struct ev_task *t)
{
	if (t->posted)
		return;
	t->posted = true;
	list_add_tail(&t->h.loop->posted, &t->post_link);
}

void ev_task_free(struct ev_task *t)
{
	if (!t)
		return;
	list_del(&t->post_link);
	t->posted = false;
	ev_handle_bury(&t->h);
}

void ev_tasks_run(struct ev_loop *loop)
{
	size_t n = 0;

	while (!list_is_empty(&loop->posted)) {
		struct ev_task *t = list_first(&loop->posted, struct ev_task, post_link);

		GROW(loop->batch, n, loop->batch_cap);
		loop->batch[n++] = t;
		list_del(&t->post_link);
	}
	if (loop->ops->shuffle && n > 1)
		loop->ops->shuffle(loop, loop->batch, n);
	for (size_t i = 0; i < n; i++) {
		struct ev_task *t = loop->batch[i];

		if (t->h.dead || !t->posted)
			continue;
		t->posted = false;
		ev_enter(loop);
		t->fn(t->arg);
		ev_leave(loop, t->h.name);
	}
}

struct ev_signal *ev_signal_new(struct ev_loop *loop, int signum, ev_fn *fn, void *arg)
{
	struct ev_signal *s = xcalloc(1, sizeof(*s));

	ev_handle_init(&s->h, loop, "signal");
	s->signum = signum;
	s->fn = fn;
	s->arg = arg;
	loop->ops->signal_open(s);
	return s;
}

void ev_signal_free(struct ev_signal *s)
{
	if (!s)
		return;
	s->h.loop->ops->signal_close(s);
	ev_handle_bury(&s->h);
}

struct ev_child *ev_child_start(struct ev_loop *loop, const struct ev_child_spec *spec,
				ev_child_fn *done, void *arg)
{
	struct ev_child *c;

	assert(spec->argv && spec->argv[0] && done);
	c = loop->ops->child_start(loop, spec);
	c->done = done;
	c->arg = arg;
	return c;
}

int ev_child_pid(const struct ev_child *c)
{
	return c->h.loop->ops->child_pid(c);
}

void ev_child_kill(struct ev_child *c, int signum)
{
	c->h.loop->ops->child_kill(c, signum);
}

void ev_child_forget(struct ev_child *c)
{
	if (!c)
		return;
	c->done = NULL;
	c->h.loop->ops->child_forget(c);
}

struct ev_resolve *ev_resolve_start(struct ev_loop *loop, const char *host, ev_resolve_fn *done,
				    void *arg)
{
	struct ev_resolve *r = loop->ops->resolve_start(loop, host);

	r->done = done;
	r->arg = arg;
	return r;
}

void ev_resolve_cancel(struct ev_resolve *r)
{
	if (r)
		r->h.loop->ops->resolve_cancel(r);
}
