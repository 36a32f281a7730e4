/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the two loops share, private to this room: handles, the timer heap, the task queue, the
 * timing of callbacks. A loop is this plus a table of operations (real.c, sim.c).
 */
#include "base/list.h"
#include "ev/ev.h"

/* First member of every handle, so that a handle and its struct are freed as one. */
struct ev_handle {
	struct ev_loop *loop;
	const char *name;
	struct list link; /* loop->handles, or loop->graves once dead */
	bool dead;        /* freed by its owner; the memory goes at the end of the turn */
};

struct ev_io {
	struct ev_handle h;
	struct list io_link; /* loop->ios */
	int fd;
	unsigned want;
	ev_io_fn *fn;
	void *arg;
	void *impl; /* the real loop's poll handle */
};

struct ev_timer {
	struct ev_handle h;
	struct mono due;
	uint64_t seq;    /* of being set: equal times fire in this order in the real loop */
	size_t heap_pos; /* 1-based; 0: not in the heap */
	bool firing;     /* taken from the heap for this turn, not called yet */
	ev_fn *fn;
	void *arg;
};

struct ev_task {
	struct ev_handle h;
	struct list post_link; /* loop->posted */
	bool posted;
	ev_fn *fn;
	void *arg;
};

struct ev_signal {
	struct ev_handle h;
	int signum;
	ev_fn *fn;
	void *arg;
	void *impl;
};

struct ev_child {
	struct ev_handle h;
	ev_child_fn *done; /* NULL: forgotten */
	void *arg;
};

struct ev_resolve {
	struct ev_handle h;
	ev_resolve_fn *done;
	void *arg;
};

struct ev_ops {
	void (*destroy)(struct ev_loop *loop); /* frees the loop */
	void (*run)(struct ev_loop *loop);
	void (*stop)(struct ev_loop *loop);
	struct mono (*clock)(const struct ev_loop *loop);
	struct wall (*wall)(const struct ev_loop *loop);
	uint64_t (*random)(struct ev_loop *loop);
	void (*io_open)(struct ev_io *io);
	void (*io_want)(struct ev_io *io);
	void (*io_close)(struct ev_io *io);
	void (*signal_open)(struct ev_signal *s);
	void (*signal_close)(struct ev_signal *s);
	/* Any order of a batch of tasks; NULL keeps the order of posting. */
	void (*shuffle)(struct ev_loop *loop, struct ev_task **tasks, size_t n);
	struct ev_child *(*child_start)(struct ev_loop *loop, const struct ev_child_spec *spec);
	int (*child_pid)(const struct ev_child *c);
	void (*child_kill)(struct ev_child *c, int signum);
	void (*child_forget)(struct ev_child *c);
	struct ev_resolve *(*resolve_start)(struct ev_loop *loop, const char *host);
	void (*resolve_cancel)(struct ev_resolve *r);
};

struct ev_loop {
	const struct ev_ops *ops;
	struct list handles, graves;
	struct list ios;
	struct list posted; /* tasks, oldest first */
	struct ev_task **batch;
	size_t batch_cap;
	struct ev_timer **heap; /* by (due, seq), earliest first */
	size_t n_heap, heap_cap;
	uint64_t timer_seq;
	bool timers_moved; /* the earliest time may have changed */
	bool in_callback;
	struct mono now; /* when the running callback began */
	struct ev_stats stats;
};

void ev_loop_init(struct ev_loop *loop, const struct ev_ops *ops);
void ev_loop_fini(struct ev_loop *loop); /* aborts, naming the handles left over */

void ev_handle_init(struct ev_handle *h, struct ev_loop *loop, const char *name);
/* Unlinks it; the memory goes now, or at ev_graves_clear() when a callback is running. */
void ev_handle_bury(struct ev_handle *h);
void ev_graves_clear(struct ev_loop *loop);

/* Around every callback: the one place that times them. */
void ev_enter(struct ev_loop *loop);
void ev_leave(struct ev_loop *loop, const char *name);

/* Runs the tasks posted so far; those they post wait for the next call. */
void ev_tasks_run(struct ev_loop *loop);

/* Takes the earliest timer due at `now` and set before `seq` out of the heap, or NULL. */
struct ev_timer *ev_timer_take_due(struct ev_loop *loop, struct mono now, uint64_t seq);
void ev_timer_fire(struct ev_timer *t); /* unless stopped or freed since it was taken */

/* child.c and resolve.c, of the real loop */
struct ev_child *ev_child_start_real(struct ev_loop *loop, const struct ev_child_spec *spec);
int ev_child_pid_real(const struct ev_child *c);
void ev_child_kill_real(struct ev_child *c, int signum);
void ev_child_forget_real(struct ev_child *c);
struct ev_resolve *ev_resolve_start_real(struct ev_loop *loop, const char *host);
void ev_resolve_cancel_real(struct ev_resolve *r);
