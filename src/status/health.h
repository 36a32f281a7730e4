/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Is every part still working? Each component beats on success; one that is silent for longer than
 * its period, plus the time it took for its first beat, plus 1.5 s, makes the process unhealthy. It
 * recovers by itself.
 */
#include "base/macro.h"
#include "base/time.h"

struct ev_loop;
struct health;
struct health_component;

#define HEALTH_SLACK_US       (1500 * US_PER_MS)
#define HEALTH_EVALUATE_US    (5 * US_PER_S)
#define HEALTH_COMPONENTS_MAX 16

/* What a component is judged by. Pure. */
struct health_pulse {
	int64_t period_us;
	int64_t learned_us;        /* from start to the first beat; 0 before it */
	struct mono started, last; /* last: the latest beat, or the start */
	bool has_beaten;
};
struct health_pulse health_pulse_start(struct mono now, int64_t period_us);
void health_pulse_beat(struct health_pulse *p, struct mono now);
bool health_pulse_is_late(const struct health_pulse *p, struct mono now);

struct health *health_new(struct ev_loop *loop);
void health_free(struct health *h);

/* name as logged: "Network Routing Controller". Alive from now on. */
struct health_component *health_add(struct health *h, const char *name, int64_t period_us);
void health_beat(struct health_component *c);

bool health_is_ok(const struct health *h); /* evaluated at each beat and every 5 s */
/* Ready: caches were synced and the first pass is done. */
void health_set_ready(struct health *h, bool ready);
bool health_is_ready(const struct health *h);
