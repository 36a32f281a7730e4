/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Waiting between attempts: the first retry within 250 ms (most losses are a restart of one server
 * out of several), then 0.8 s, doubling to 30 s, each less up to a quarter at random. Forever.
 */
#include "ev/ev.h"

#define KUBE_BACKOFF_FIRST_US (250 * US_PER_MS)
#define KUBE_BACKOFF_MIN_US   (800 * US_PER_MS)
#define KUBE_BACKOFF_MAX_US   (30 * US_PER_S)

struct kube_backoff {
	unsigned n; /* failures in a row; 0: reset */
};

static inline int64_t kube_backoff_next_us(struct kube_backoff *b, struct ev_loop *loop)
{
	unsigned n = b->n < 16 ? b->n++ : b->n;

	/* the first one is spread over its whole range: all nodes lose a server at the same instant
	 */
	if (n == 0)
		return (int64_t)(ev_random(loop) % (uint64_t)KUBE_BACKOFF_FIRST_US);
	return ev_jitter_us(loop, MIN(KUBE_BACKOFF_MIN_US << (n - 1), KUBE_BACKOFF_MAX_US));
}
