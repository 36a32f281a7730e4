/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The event loop: one thread, nothing in it blocks. Two implementations behind this header: libuv
 * (ev_new_real) and simulated with virtual time and a seeded order (ev_new_sim, ev/sim.h).
 *
 * Objects are heap handles that belong to whoever made them. *_free may be called from any
 * callback, its own included; after it no further callback of that handle comes. Every callback is
 * timed: over EV_SLOW_US it is counted and logged with the handle's name. Names are constant texts
 * such as "bgp-session". Between two callbacks nothing else runs, and no callback runs another.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/ip.h"
#include "base/macro.h"
#include "base/time.h"

#define EV_SLOW_US (50 * US_PER_MS)

struct ev_loop;
struct ev_io;
struct ev_timer;
struct ev_task;
struct ev_child;
struct ev_resolve;
struct ev_signal;

struct ev_loop *ev_new_real(void);
void ev_free(struct ev_loop *loop); /* every handle must be gone; asserts it */
/*
 * Until ev_stop(); a stopped loop can be run again. The simulated loop also returns when nothing
 * will ever happen again. ev_stop() outside of a run ends the next one at once.
 */
void ev_run(struct ev_loop *loop);
void ev_stop(struct ev_loop *loop);

struct mono ev_now(const struct ev_loop *loop); /* when the running callback began; else now */
struct wall ev_wall(const struct ev_loop *loop);
uint64_t
ev_random(struct ev_loop *loop); /* jitter, seeds; from getrandom or the simulator's seed */
/* base_us less up to a quarter, at random: for every periodic or retried thing. */
int64_t ev_jitter_us(struct ev_loop *loop, int64_t base_us);

struct ev_stats {
	uint64_t turns, callbacks, slow_callbacks;
	int64_t longest_us;
	const char *longest_name;
};
void ev_stats_get(const struct ev_loop *loop, struct ev_stats *ret);

/* Descriptors. The descriptor stays the caller's; free the handle before closing it. */
#define EV_READ  1u
#define EV_WRITE 2u
typedef void ev_io_fn(void *arg, unsigned events);
struct ev_io *ev_io_new(struct ev_loop *loop, const char *name, int fd, ev_io_fn *fn, void *arg);
void ev_io_want(struct ev_io *io, unsigned events); /* level-triggered; 0 pauses; starts at 0 */
void ev_io_free(struct ev_io *io);

/* One-shot timers, never early; set again from the callback for a period. Real ones: 1 ms late. */
typedef void ev_fn(void *arg);
struct ev_timer *ev_timer_new(struct ev_loop *loop, const char *name, ev_fn *fn, void *arg);
void ev_timer_set(struct ev_timer *t, int64_t after_us); /* replaces what was set; >= 0 */
void ev_timer_stop(struct ev_timer *t);
bool ev_timer_is_set(const struct ev_timer *t);
void ev_timer_free(struct ev_timer *t);

/*
 * Deferred work: runs once, in the same turn after the callbacks of this turn (before the loop
 * sleeps again). ev_task_post() of a posted task does nothing. A task that posts itself from its
 * own callback runs in the next turn, after the descriptors had theirs. The order of the tasks of
 * one turn is not promised.
 */
struct ev_task *ev_task_new(struct ev_loop *loop, const char *name, ev_fn *fn, void *arg);
void ev_task_post(struct ev_task *t);
void ev_task_free(struct ev_task *t);

struct ev_signal *ev_signal_new(struct ev_loop *loop, int signum, ev_fn *fn, void *arg);
void ev_signal_free(struct ev_signal *s);

/*
 * Child processes. Short helpers (iptables-restore): stdin is fed from memory and closed, stdout
 * and stderr are collected up to EV_CHILD_OUT_MAX each, the rest is read and dropped; done comes
 * once, after exit and the end of both pipes. A child that lives longer than timeout_us (0: no
 * limit) is killed and status.timed_out set. Every child gets CLOEXEC descriptors only.
 */
#define EV_CHILD_OUT_MAX ((size_t)16 << 20)
struct ev_child_spec {
	const char *name; /* of the handle */
	const char *const
		*argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a / */
	const char *const *env; /* NULL: inherit; otherwise the whole environment */
	const char *argv0;      /* shown name, or NULL for argv[0] */
	const void *input;      /* copied; NULL: /dev/null */
	size_t input_len;
	int64_t timeout_us;
	int pass_fd;      /* > 2: dup'ed to descriptor 3 of the child; else none */
	bool keep_stderr; /* true: stderr is ours (long-lived children); not collected */
};
struct ev_child_status {
	int exit_code; /* 0..255; -1 when killed by a signal or not started */
	int signal;    /* 0: none */
	int err;       /* 0, or -errno when it could not be started (then done comes later, too) */
	bool timed_out;
	const char *out, *err_text; /* terminated; valid during the callback only */
	size_t out_len, err_text_len;
};
typedef void ev_child_fn(void *arg, const struct ev_child_status *status);
/*
 * Never NULL; failures come through done. The handle frees itself after done. With env set, PATH is
 * that of env. A grandchild that keeps a pipe open delays done by 2 s at most.
 */
struct ev_child *ev_child_start(struct ev_loop *loop, const struct ev_child_spec *spec,
				ev_child_fn *done, void *arg);
int ev_child_pid(const struct ev_child *c); /* 0: not started, or gone */
void ev_child_kill(struct ev_child *c, int signum);
/*
 * Detach: done will not be called; the child itself is left alone (its time limit ends, too) and
 * reaped.
 */
void ev_child_forget(struct ev_child *c);

/* Name look-up (TCP). At most EV_RESOLVE_MAX addresses; done comes once, never before the return.
 */
#define EV_RESOLVE_MAX 8
typedef void ev_resolve_fn(void *arg, int err, const struct ip_addr *addrs, size_t n);
struct ev_resolve *ev_resolve_start(struct ev_loop *loop, const char *host, ev_resolve_fn *done,
				    void *arg);
void ev_resolve_cancel(struct ev_resolve *r); /* done will not be called */
