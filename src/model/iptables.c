/* SPDX-License-Identifier: Apache-2.0 */
#include "model/iptables.h"

#include <assert.h>
#include <string.h>

_Static_assert(sizeof(struct ipt_key) == 2 * IPT_NAME_MAX + 2, "rows have no padding");

static const char *slot_name(uint8_t slot)
{
	switch ((enum ipt_slot)slot) {
	case IPT_SLOT_CHAIN:
		return "";
	case IPT_SLOT_FORWARD_ACCEPT:
		return " forward-accept";
	case IPT_SLOT_POD_EGRESS:
		return " pod-egress";
	}
	return " unknown-slot";
}

void ipt_key_fmt(struct strbuf *out, struct bytes key)
{
	struct ipt_key k;

	assert(key.len == sizeof(k));
	memcpy(&k, key.data, sizeof(k));
	strbuf_puts(out, k.family == IP_V6 ? "ipv6 " : "ipv4 ");
	strbuf_add(out, k.table, strnlen(k.table, sizeof(k.table)));
	strbuf_putc(out, ' ');
	strbuf_add(out, k.chain, strnlen(k.chain, sizeof(k.chain)));
	strbuf_puts(out, slot_name(k.slot));
}

void ipt_value_fmt(struct strbuf *out, struct bytes value)
{
	const char *pos = value.data;
	size_t left = value.len;

	if (left == 0)
		strbuf_puts(out, "no rules");
	while (left > 0) {
		const char *nl = memchr(pos, '\n', left);
		size_t len = nl ? (size_t)(nl - pos) : left;
		size_t step = nl ? len + 1 : len;

		strbuf_add(out, pos, len);
		pos += step;
		left -= step;
		if (left > 0)
			strbuf_puts(out, "; ");
	}
}
