/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/decide.h"

#include <stdlib.h>

/*
 * The decision process (RFC 4271 9.1.2.2, RFC 4456 9, RFC 9494 4.3), in the order of the Go
 * kube-router but for two points. A prefix that this node announces itself never gets here: our own
 * announcement is stronger than anything learned, whatever its LOCAL_PREF, because no peer may talk
 * a node out of its own pods (the Go program looks at LOCAL_PREF first). The other is step 8.
 * Routes that must not be used at all (loops, our own address as next hop, policy) were left out
 * before. Whether the next hop can be reached is not asked: the kernel knows, and the agent asks it
 * there.
 *
 *  1. a route without LLGR_STALE before one with it
 *  2. the higher LOCAL_PREF
 *  3. the shorter AS_PATH
 *  4. the lower ORIGIN
 *  5. the lower MED, but only between routes of the same neighbouring AS (or two empty paths)
 *  6. a route of an external session before one of an internal session
 *  7. two external ones: the older, so that routers coming and going do not move traffic
 *  8. the lower router ID (of the originator, if the route was reflected); the Go program asks
 *     this for internal routes only, which leaves external ones of one second to step 10
 *  9. the shorter CLUSTER_LIST
 * 10. the lower peer address
 *
 * Step 5 is not a total order: a beats b by MED, b beats c and c beats a by other steps. So the
 * best of each neighbouring AS is found first, then the best of those; among those, step 5 is
 * silent.
 */

static int u32_cmp(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int bgp_decide_cmp(const struct bgp_cand *a, const struct bgp_cand *b)
{
	int r;

	if ((r = u32_cmp(a->is_llgr_stale, b->is_llgr_stale)) != 0) /* 1 */
		return r;
	if ((r = u32_cmp(b->local_pref, a->local_pref)) != 0) /* 2 */
		return r;
	if ((r = u32_cmp(a->path_len, b->path_len)) != 0) /* 3 */
		return r;
	if ((r = u32_cmp(a->origin, b->origin)) != 0) /* 4 */
		return r;
	if (a->first_as == b->first_as && (r = u32_cmp(a->med, b->med)) != 0) /* 5 */
		return r;
	if ((r = u32_cmp(a->is_internal, b->is_internal)) != 0) /* 6 */
		return r;
	if (!a->is_internal && (r = u32_cmp(a->since_s, b->since_s)) != 0) /* 7 */
		return r;
	if ((r = u32_cmp(a->router_id, b->router_id)) != 0) /* 8 */
		return r;
	if ((r = u32_cmp(a->cluster_hops, b->cluster_hops)) != 0) /* 9 */
		return r;
	return ip_cmp(&a->peer, &b->peer); /* 10 */
}

static int group_cmp(const void *pa, const void *pb)
{
	const struct bgp_cand *a = pa, *b = pb;
	int r = u32_cmp(a->first_as, b->first_as);

	return r ? r : bgp_decide_cmp(a, b);
}

size_t bgp_decide(struct bgp_cand *v, size_t n)
{
	size_t best = 0;

	if (n == 1)
		return 0;
	qsort(v, n, sizeof(*v), group_cmp);
	for (size_t i = 1; i < n; i++) {
		if (v[i].first_as == v[i - 1].first_as)
			continue; /* not the best of its neighbouring AS */
		if (bgp_decide_cmp(&v[i], &v[best]) < 0)
			best = i;
	}
	return best;
}
