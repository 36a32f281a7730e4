/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/route_own.h"

#include "base/mem.h"

static struct route_key key_of(const struct ip_prefix *dst)
{
	return (struct route_key){ .dst = *dst };
}

static struct route_own *own_get(const struct route_mirror *m, const struct ip_prefix *dst)
{
	struct route_key key = key_of(dst);

	return map_get(&m->by_dst, &key, sizeof(key));
}

static void own_free(struct route_own *own)
{
	if (!own)
		return;
	free(own->v);
	free(own);
}

void route_mirror_fini(struct route_mirror *m)
{
	map_for_each (&m->by_dst, i)
		own_free(map_at(&m->by_dst, i, &(const void *){ NULL }, &(size_t){ 0 }));
	map_fini(&m->by_dst);
	m->by_dst = (struct map)MAP_INIT;
}

const struct route_own *route_mirror_get(const struct route_mirror *m, const struct ip_prefix *dst)
{
	return own_get(m, dst);
}

bool route_own_same(const struct route_msg *a, const struct route_msg *b)
{
	if (a->metric != b->metric || a->is_multipath != b->is_multipath ||
	    !ip_same(&a->gateway, &b->gateway))
		return false;
	return !ip_is_none(&a->gateway) || a->is_multipath || a->oif == b->oif;
}

void route_mirror_put(struct route_mirror *m, const struct route_msg *r)
{
	struct route_own *own = own_get(m, &r->dst);

	if (!own) {
		struct route_key key = key_of(&r->dst);

		own = xcalloc(1, sizeof(*own));
		(void)map_put(&m->by_dst, &key, sizeof(key), own);
	}
	for (size_t i = 0; i < own->n; i++) {
		if (route_own_same(&own->v[i], r)) {
			own->v[i] = *r;
			return;
		}
	}
	if (own->n == ROUTE_OWN_MAX)
		return;
	GROW(own->v, own->n, own->cap);
	own->v[own->n++] = *r;
}

/* Empty entries leave the map. */
static void own_remove(struct route_mirror *m, struct route_own *own, size_t i)
{
	struct route_key key = key_of(&own->v[i].dst);

	own->v[i] = own->v[--own->n];
	if (own->n == 0)
		own_free(map_del(&m->by_dst, &key, sizeof(key)));
}

bool route_mirror_del(struct route_mirror *m, const struct route_msg *r)
{
	struct route_own *own = own_get(m, &r->dst);

	for (size_t i = 0; own && i < own->n; i++) {
		if (route_own_same(&own->v[i], r)) {
			own_remove(m, own, i);
			return true;
		}
	}
	return false;
}

void route_mirror_del_metric(struct route_mirror *m, const struct ip_prefix *dst, uint32_t metric)
{
	struct route_own *own = own_get(m, dst);
	size_t n = own ? own->n : 0;

	for (size_t i = n; i > 0; i--) { /* own is gone after its last */
		if (own->v[i - 1].metric == metric)
			own_remove(m, own, i - 1);
	}
}

struct route_value route_own_value(const struct route_own *own)
{
	struct route_value v = { 0 };

	if (own->n == 1 && own->v[0].is_plain)
		v.gateway = own->v[0].gateway;
	return v;
}
