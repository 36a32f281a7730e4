/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The reconciler of kernel routes: unicast, table main, protocol RTPROT_KUBE_ROUTER, `DST via GW`
 * with the kernel's default metric and no device named. Rows: struct route_key, struct route_value.
 *
 * A route of another protocol is never replaced nor removed. Where one holds a wanted destination
 * (same metric), ROW_SET fails with -EEXIST and a text that names it.
 *
 * A row whose gateway is IP_NONE is seen where routes of ours are not what ROW_SET would make: two
 * of them for one destination, another metric, a device route, several next hops. ROW_SET puts the
 * wanted one there first and then removes the others.
 *
 * Follows the kernel (routes, links down, addresses removed) and dumps again by itself where it
 * does not tell.
 */
#include "model/reconcile.h"
#include "model/route.h"
#include "nl/nl.h"

struct ev_loop;
struct kernel_route;

#define KERNEL_ROUTE_MAX 1048576 /* rows of a dump; more fail it with -E2BIG */
/* After a link or address went: wait for the rest of the changes, then dump. */
#define KERNEL_ROUTE_SETTLE_US (100 * US_PER_MS)

/* opener NULL: the kernel of this network namespace. 0, or -errno of opening sockets. */
int kernel_route_new(struct ev_loop *loop, const struct nl_opener *opener,
		     struct kernel_route **ret);
/* Operations in flight get no result. */
void kernel_route_free(struct kernel_route *kr);
struct reconciler kernel_route_reconciler(struct kernel_route *kr);

struct kernel_route_stats {
	uint64_t dumps, conflicts;
	struct nl_stats request, dump, event;
};
void kernel_route_stats_get(const struct kernel_route *kr, struct kernel_route_stats *ret);

DEFINE_CLEANUP(struct kernel_route *, kernel_route_free)
