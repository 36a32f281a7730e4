/* SPDX-License-Identifier: Apache-2.0 */
#include "status/health.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"

struct health_component {
	struct health *health;
	const char *name;
	struct health_pulse pulse;
	bool late; /* as logged last */
};

struct health {
	struct ev_loop *loop;
	struct ev_timer *timer;
	struct health_component *components[HEALTH_COMPONENTS_MAX];
	size_t n;
	bool ok, ready;
};

struct health_pulse health_pulse_start(struct mono now, int64_t period_us)
{
	return (struct health_pulse){ .period_us = period_us, .started = now, .last = now };
}

void health_pulse_beat(struct health_pulse *p, struct mono now)
{
	if (!p->has_beaten)
		p->learned_us = mono_diff_us(now, p->started);
	p->has_beaten = true;
	p->last = now;
}

bool health_pulse_is_late(const struct health_pulse *p, struct mono now)
{
	int64_t silent_us = mono_diff_us(now, p->last);

	/* in this order no sum can overflow, whatever period was asked for */
	return silent_us - p->learned_us - HEALTH_SLACK_US > p->period_us;
}

static void evaluate(struct health *h)
{
	struct mono now = ev_now(h->loop);

	h->ok = true;
	for (size_t i = 0; i < h->n; i++) {
		struct health_component *c = h->components[i];
		bool late = health_pulse_is_late(&c->pulse, now);
		char text[DURATION_FMT_MAX];

		if (late)
			h->ok = false;
		if (late == c->late)
			continue;
		c->late = late;
		if (late)
			log_err("health: %s heartbeat missed silent=%s", c->name,
				duration_fmt(text, mono_diff_us(now, c->pulse.last) * 1000));
		else
			log_info("health: %s heartbeat is back", c->name);
	}
}

static void on_timer(void *arg)
{
	struct health *h = arg;

	evaluate(h);
	ev_timer_set(h->timer, HEALTH_EVALUATE_US);
}

struct health *health_new(struct ev_loop *loop)
{
	struct health *h = xcalloc(1, sizeof(*h));

	*h = (struct health){ .loop = loop, .ok = true };
	h->timer = ev_timer_new(loop, "health", on_timer, h);
	ev_timer_set(h->timer, HEALTH_EVALUATE_US);
	return h;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	ev_timer_free(h->timer);
	for (size_t i = 0; i < h->n; i++)
		free(h->components[i]);
	free(h);
}

struct health_component *health_add(struct health *h, const char *name, int64_t period_us)
{
	struct health_component *c = xcalloc(1, sizeof(*c));

	assert(h->n < HEALTH_COMPONENTS_MAX);
	*c = (struct health_component){
		.health = h,
		.name = name,
		.pulse = health_pulse_start(ev_now(h->loop), period_us),
	};
	h->components[h->n++] = c;
	return c;
}

void health_beat(struct health_component *c)
{
	health_pulse_beat(&c->pulse, ev_now(c->health->loop));
	evaluate(c->health);
}

bool health_is_ok(const struct health *h)
{
	return h->ok;
}

void health_set_ready(struct health *h, bool ready)
{
	h->ready = ready;
}

bool health_is_ready(const struct health *h)
{
	return h->ready;
}
