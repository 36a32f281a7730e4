/* SPDX-License-Identifier: Apache-2.0 */
#include "model/link.h"

#include <assert.h>
#include <string.h>

_Static_assert(sizeof(struct link_key) == IFNAMSIZ, "rows have no padding");
_Static_assert(sizeof(struct link_value) == 8, "rows have no padding");
_Static_assert(sizeof(struct link_addr_key) == IFNAMSIZ + sizeof(struct ip_prefix), "nor this");

static struct link_value value_of(struct bytes value)
{
	struct link_value v;

	assert(value.len == sizeof(v));
	memcpy(&v, value.data, sizeof(v));
	return v;
}

void link_key_fmt(struct strbuf *out, struct bytes key)
{
	assert(key.len == sizeof(struct link_key));
	strbuf_add(out, key.data, strnlen(key.data, key.len));
}

void link_value_fmt(struct strbuf *out, struct bytes value)
{
	struct link_value v = value_of(value);

	strbuf_puts(out, v.kind == LINK_KIND_BRIDGE ? "bridge" : "other");
	strbuf_puts(out, v.up ? " up" : " down");
	if (v.mtu != 0)
		strbuf_fmt(out, " mtu %u", v.mtu);
}

bool link_value_same(struct bytes want, struct bytes have)
{
	struct link_value w, h;

	if (want.len == 0 || have.len == 0)
		return want.len == have.len;
	w = value_of(want);
	h = value_of(have);
	return w.kind == h.kind && w.up == h.up && (w.mtu == 0 || w.mtu == h.mtu);
}

void link_addr_key_fmt(struct strbuf *out, struct bytes key)
{
	char text[IP_PREFIX_FMT_MAX];
	struct link_addr_key k;

	assert(key.len == sizeof(k));
	memcpy(&k, key.data, sizeof(k));
	strbuf_add(out, k.link, strnlen(k.link, sizeof(k.link)));
	strbuf_fmt(out, " %s", ip_prefix_fmt(text, &k.prefix));
}
