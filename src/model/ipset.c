/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ipset.h"

#include <assert.h>
#include <string.h>

#define MAXELEM_DEFAULT 65536 /* the kernel's, for hash types */

_Static_assert(sizeof(struct ipset_key) == IPSET_NAME_MAX, "rows have no padding");
_Static_assert(sizeof(struct ipset_value) == 8, "rows have no padding");
_Static_assert(sizeof(struct ipset_member_key) == IPSET_NAME_MAX + 18, "rows have no padding");

static struct ipset_value value_of(struct bytes value)
{
	struct ipset_value v;

	assert(value.len == sizeof(v));
	memcpy(&v, value.data, sizeof(v));
	return v;
}

static uint32_t maxelem_of(const struct ipset_value *v)
{
	return v->maxelem ? v->maxelem : MAXELEM_DEFAULT;
}

static const char *type_name(uint8_t type)
{
	switch ((enum ipset_type)type) {
	case IPSET_HASH_IP:
		return "hash:ip";
	case IPSET_HASH_NET:
		return "hash:net";
	case IPSET_TYPE_OTHER:
		break;
	}
	return "other";
}

void ipset_key_fmt(struct strbuf *out, struct bytes key)
{
	assert(key.len == sizeof(struct ipset_key));
	strbuf_add(out, key.data, strnlen(key.data, key.len));
}

void ipset_value_fmt(struct strbuf *out, struct bytes value)
{
	struct ipset_value v = value_of(value);

	strbuf_fmt(out, "%s family %s", type_name(v.type), v.family == IP_V6 ? "inet6" : "inet");
	if (v.has_timeout)
		strbuf_puts(out, " timeout 0");
	if (v.maxelem != 0 && v.maxelem != MAXELEM_DEFAULT)
		strbuf_fmt(out, " maxelem %u", v.maxelem);
}

bool ipset_value_same(struct bytes want, struct bytes have)
{
	struct ipset_value w, h;

	if (want.len == 0 || have.len == 0)
		return want.len == have.len;
	w = value_of(want);
	h = value_of(have);
	return w.type == h.type && w.family == h.family && w.has_timeout == h.has_timeout &&
	       maxelem_of(&w) == maxelem_of(&h);
}

void ipset_member_key_fmt(struct strbuf *out, struct bytes key)
{
	char text[IP_PREFIX_FMT_MAX];
	struct ipset_member_key k;

	assert(key.len == sizeof(k));
	memcpy(&k, key.data, sizeof(k));
	strbuf_add(out, k.set, strnlen(k.set, sizeof(k.set)));
	strbuf_putc(out, ' ');
	strbuf_puts(out, ip_prefix_fmt(text, &k.prefix));
}
