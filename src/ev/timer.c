/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers in a binary heap of our own: both loops fire them in the same order, to the microsecond,
 * and setting one again (a hold timer, with every message) costs a few comparisons and no system
 * call. The real loop arms one libuv timer with the earliest time, once a turn.
 */
#include <assert.h>

#include "base/mem.h"
#include "ev/core.h"

static bool timer_before(const struct ev_timer *a, const struct ev_timer *b)
{
	return a->due.us != b->due.us ? a->due.us < b->due.us : a->seq < b->seq;
}

static void heap_put(struct ev_loop *loop, size_t pos, struct ev_timer *t)
{
	loop->heap[pos - 1] = t;
	t->heap_pos = pos;
	if (pos == 1)
		loop->timers_moved = true;
}

/* t belongs at pos or above. */
static void heap_up(struct ev_loop *loop, size_t pos, struct ev_timer *t)
{
	while (pos > 1 && timer_before(t, loop->heap[pos / 2 - 1])) {
		heap_put(loop, pos, loop->heap[pos / 2 - 1]);
		pos /= 2;
	}
	heap_put(loop, pos, t);
}

/* t belongs at pos or below. */
static void heap_down(struct ev_loop *loop, size_t pos, struct ev_timer *t)
{
	for (;;) {
		size_t child = 2 * pos;

		if (child > loop->n_heap)
			break;
		if (child < loop->n_heap && timer_before(loop->heap[child], loop->heap[child - 1]))
			child++;
		if (!timer_before(loop->heap[child - 1], t))
			break;
		heap_put(loop, pos, loop->heap[child - 1]);
		pos = child;
	}
	heap_put(loop, pos, t);
}

static void heap_add(struct ev_loop *loop, struct ev_timer *t)
{
	GROW(loop->heap, loop->n_heap, loop->heap_cap);
	loop->n_heap++;
	heap_up(loop, loop->n_heap, t);
}

static void heap_del(struct ev_loop *loop, struct ev_timer *t)
{
	size_t pos = t->heap_pos;
	struct ev_timer *last = loop->heap[loop->n_heap - 1];

	if (pos == 1)
		loop->timers_moved = true;
	t->heap_pos = 0;
	loop->n_heap--;
	if (last == t)
		return;
	if (timer_before(last, t))
		heap_up(loop, pos, last);
	else
		heap_down(loop, pos, last);
}

struct ev_timer *ev_timer_new(struct ev_loop *loop, const char *name, ev_fn *fn, void *arg)
{
	struct ev_timer *t = xcalloc(1, sizeof(*t));

	ev_handle_init(&t->h, loop, name);
	t->fn = fn;
	t->arg = arg;
	return t;
}

void ev_timer_set(struct ev_timer *t, int64_t after_us)
{
	struct ev_loop *loop = t->h.loop;
	int64_t now_us = ev_now(loop).us;

	assert(after_us >= 0);
	ev_timer_stop(t);
	t->due.us = after_us > INT64_MAX - now_us ? INT64_MAX : now_us + after_us;
	t->seq = loop->timer_seq++;
	heap_add(loop, t);
}

void ev_timer_stop(struct ev_timer *t)
{
	t->firing = false;
	if (t->heap_pos > 0)
		heap_del(t->h.loop, t);
}

bool ev_timer_is_set(const struct ev_timer *t)
{
	return t->heap_pos > 0 || t->firing;
}

void ev_timer_free(struct ev_timer *t)
{
	if (!t)
		return;
	ev_timer_stop(t);
	ev_handle_bury(&t->h);
}

struct ev_timer *ev_timer_take_due(struct ev_loop *loop, struct mono now, uint64_t seq)
{
	struct ev_timer *t;

	if (loop->n_heap == 0)
		return NULL;
	t = loop->heap[0];
	/* one set for "at once" by a callback of this turn has its turn after the descriptors */
	if (t->due.us > now.us || t->seq >= seq)
		return NULL;
	heap_del(loop, t);
	t->firing = true;
	return t;
}

void ev_timer_fire(struct ev_timer *t)
{
	struct ev_loop *loop = t->h.loop;

	if (t->h.dead || !t->firing)
		return;
	t->firing = false;
	ev_enter(loop);
	t->fn(t->arg);
	ev_leave(loop, t->h.name);
}
