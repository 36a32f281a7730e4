/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The simulated loop: virtual time, seeded order of whatever is ready at the same instant. It never
 * sleeps and never touches a real descriptor: the test says when a (made-up) descriptor is ready.
 */
#include "ev/ev.h"

struct ev_loop *ev_new_sim(uint64_t seed);
/* Runs everything due up to now + us and moves the clock there. Returns the callbacks run. */
size_t ev_sim_advance(struct ev_loop *loop, int64_t us);
/* Runs until nothing is ready at the present instant; does not move the clock. Aborts if never. */
size_t ev_sim_settle(struct ev_loop *loop);
/* Time of the next timer, false if none is set. */
bool ev_sim_next_timer(const struct ev_loop *loop, struct mono *ret);
/* Marks a descriptor ready; stays so until cleared, as level-triggered polling would show it. */
void ev_sim_fd_set(struct ev_loop *loop, int fd, unsigned ready);
/* Moves the wall clock only (an operator set the time). */
void ev_sim_wall_jump(struct ev_loop *loop, int64_t us);
/* Raises a signal for the handles that wait for it. */
void ev_sim_signal(struct ev_loop *loop, int signum);

/*
 * Children: fn answers each start, by filling *answer in (all zero: exit 0 at once, but err is
 * preset to -ENOENT, which is also what happens without an fn). Texts are copied. A time limit in
 * the spec that is shorter than after_us kills the child as the real loop would.
 */
#define EV_SIM_CHILD_FOREVER INT64_MAX
struct ev_sim_child_answer {
	int err; /* 0, or -errno: not started */
	int exit_code, signal;
	int64_t after_us;           /* how long it runs; EV_SIM_CHILD_FOREVER: until it is killed */
	const char *out, *err_text; /* may be NULL */
};
typedef void ev_sim_child_fn(void *arg, const struct ev_child_spec *spec,
			     struct ev_sim_child_answer *answer);
void ev_sim_child_set(struct ev_loop *loop, ev_sim_child_fn *fn, void *arg);

/*
 * Names: fn fills in the addresses of a host and returns their number or -errno; without one every
 * name is -ENOENT. Numeric hosts need no fn.
 */
typedef int ev_sim_host_fn(void *arg, const char *host, struct ip_addr ret[EV_RESOLVE_MAX]);
void ev_sim_host_set(struct ev_loop *loop, ev_sim_host_fn *fn, void *arg);
