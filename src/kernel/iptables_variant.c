/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_variant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "kernel/iptables_have.h"

const char *ipt_variant_name(enum ipt_variant v)
{
	switch (v) {
	case IPT_VARIANT_NFT:
		return "nft";
	case IPT_VARIANT_LEGACY:
		return "legacy";
	case IPT_VARIANT_PLAIN:
		return "plain";
	case IPT_VARIANT_N:
		break;
	}
	return "unknown";
}

const char *ipt_program(char buf[IPT_PROGRAM_MAX], enum ipt_variant v, uint8_t family,
			const char *suffix)
{
	(void)snprintf(buf, IPT_PROGRAM_MAX, "%s%s%s%s", family == IP_V6 ? "ip6tables" : "iptables",
		       v == IPT_VARIANT_PLAIN ? "" : "-",
		       v == IPT_VARIANT_PLAIN ? "" : ipt_variant_name(v), suffix);
	return buf;
}

static int on_chain(void *arg, struct ipt_span table, struct ipt_span chain)
{
	struct ipt_usage *u = arg;

	if (ipt_span_is(table, "mangle") &&
	    (ipt_span_is(chain, "KUBE-IPTABLES-HINT") || ipt_span_is(chain, "KUBE-KUBELET-CANARY")))
		u->has_hint = true;
	return 0;
}

static int on_rule(void *arg, struct ipt_span table, struct ipt_span chain, struct ipt_span rule)
{
	struct ipt_usage *u = arg;

	(void)table;
	(void)chain;
	(void)rule;
	u->n_rules++;
	return 0;
}

static size_t lines(struct bytes text)
{
	struct ipt_span rest = { text.data, text.len }, line;
	size_t n = 0;

	while (ipt_line_next(&rest, &line))
		n++;
	return n;
}

void ipt_usage_add(struct ipt_usage *u, uint8_t family, const char *text, size_t len)
{
	const struct ipt_save_visitor visitor = { .arg = u, .chain = on_chain, .rule = on_rule };
	const struct ipt_have_filter only_slots = { NULL, NULL };
	struct ipt_have have;

	u->is_there = true;
	/* A text cut at the ceiling still says which variant is in use. */
	(void)ipt_save_walk(text, len, &visitor);
	ipt_have_init(&have, family);
	if (ipt_have_add(&have, text, len, &only_slots) == 0) {
		map_for_each (&have.rows, i) {
			const struct strbuf *row = map_at(&have.rows, i, NULL, NULL);

			u->n_ours += lines((struct bytes){ strbuf_text(row), row->len });
		}
	}
	ipt_have_fini(&have);
}

enum ipt_variant ipt_variant_choose(const struct ipt_usage *nft, const struct ipt_usage *legacy,
				    const char **ret_why)
{
	static const char only[] = "only these programs work";

	if (!nft->is_there || !legacy->is_there) {
		*ret_why = nft->is_there || legacy->is_there ? only : "no program names a variant";
		return nft->is_there      ? IPT_VARIANT_NFT
		       : legacy->is_there ? IPT_VARIANT_LEGACY
					  : IPT_VARIANT_PLAIN;
	}
	if (nft->has_hint || legacy->has_hint) {
		*ret_why = "kubelet's chain is there";
		return nft->has_hint ? IPT_VARIANT_NFT : IPT_VARIANT_LEGACY;
	}
	*ret_why = nft->n_rules || legacy->n_rules ? "most rules are there" : "no rules anywhere";
	return legacy->n_rules > nft->n_rules ? IPT_VARIANT_LEGACY : IPT_VARIANT_NFT;
}

int ipt_version_parse(const char *text, struct ipt_version *ret)
{
	const char *v = strstr(text, " v");
	struct ipt_version got;
	char parts[3][8];
	unsigned *out[] = { &got.major, &got.minor, &got.patch };

	/* %7[0-9]: numbers are parsed by base/, which knows about overflow */
	if (!v || sscanf(v, " v%7[0-9].%7[0-9].%7[0-9]", parts[0], parts[1], parts[2]) != 3)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t n;

		if (str_to_u64(parts[i], 10, 9999999, &n) < 0)
			return -EINVAL;
		*out[i] = (unsigned)n;
	}
	*ret = got;
	return 0;
}

bool ipt_version_is_1_6_2(const struct ipt_version *v)
{
	if (v->major != 1)
		return v->major > 1;
	if (v->minor != 6)
		return v->minor > 6;
	return v->patch >= 2;
}
