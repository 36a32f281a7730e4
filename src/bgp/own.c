/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/own.h"

#include "base/mem.h"

struct own_count {
	size_t n;
};

void bgp_own_fini(struct bgp_own *o)
{
	map_for_each (&o->addrs, i)
		free(map_at(&o->addrs, i, NULL, NULL));
	map_fini(&o->addrs);
}

bool bgp_own_add(struct bgp_own *o, const struct ip_addr *addr)
{
	struct own_count *c = map_get(&o->addrs, addr, sizeof(*addr));

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		(void)map_put(&o->addrs, addr, sizeof(*addr), c);
	}
	return c->n++ == 0;
}

bool bgp_own_del(struct bgp_own *o, const struct ip_addr *addr)
{
	struct own_count *c = map_get(&o->addrs, addr, sizeof(*addr));

	if (!c || --c->n > 0)
		return false;
	(void)map_del(&o->addrs, addr, sizeof(*addr));
	free(c);
	return true;
}

bool bgp_own_has(const struct bgp_own *o, const struct ip_addr *addr)
{
	return map_get(&o->addrs, addr, sizeof(*addr)) != NULL;
}
