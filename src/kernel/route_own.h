/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The mirror of our routes in the kernel: per destination the routes of protocol
 * RTPROT_KUBE_ROUTER, one as a rule. Pure.
 */
#include "base/map.h"
#include "kernel/route_msg.h"

struct route_own {
	struct route_msg *v;
	size_t n, cap;
};

struct route_mirror {
	struct map by_dst; /* struct route_key -> struct route_own */
};

#define ROUTE_OWN_MAX 64 /* routes of one destination; more are not looked at */

void route_mirror_fini(struct route_mirror *m);
/* NULL: none. Valid until the next change. */
const struct route_own *route_mirror_get(const struct route_mirror *m, const struct ip_prefix *dst);
/* Adds, or replaces the same one. */
void route_mirror_put(struct route_mirror *m, const struct route_msg *r);
/* False: there was no such route. */
bool route_mirror_del(struct route_mirror *m, const struct route_msg *r);
/* Removes those of this destination and metric, as a replacing event says. */
void route_mirror_del_metric(struct route_mirror *m, const struct ip_prefix *dst, uint32_t metric);

/* The row's value: the gateway, or IP_NONE where this is not what ROW_SET makes. */
struct route_value route_own_value(const struct route_own *own);
/* The same route: gateway and metric, or device and metric. */
bool route_own_same(const struct route_msg *a, const struct route_msg *b);
