/* SPDX-License-Identifier: Apache-2.0 */
#include "model/route.h"

#include <assert.h>
#include <string.h>

_Static_assert(sizeof(struct route_key) == 18, "rows have no padding");
_Static_assert(sizeof(struct route_value) == 17, "rows have no padding");

void route_key_fmt(struct strbuf *out, struct bytes key)
{
	char text[IP_PREFIX_FMT_MAX];
	struct route_key k;

	assert(key.len == sizeof(k));
	memcpy(&k, key.data, sizeof(k));
	strbuf_puts(out, ip_prefix_fmt(text, &k.dst));
}

void route_value_fmt(struct strbuf *out, struct bytes value)
{
	char text[IP_ADDR_FMT_MAX];
	struct route_value v;

	assert(value.len == sizeof(v));
	memcpy(&v, value.data, sizeof(v));
	strbuf_fmt(out, "via %s", ip_fmt(text, &v.gateway));
}
