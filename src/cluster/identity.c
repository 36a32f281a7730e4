/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/identity.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

static void problem(struct strbuf *problems, const char *field, size_t i, const char *text,
		    const char *fault)
{
	char quoted[LOG_QUOTE_MAX];

	if (!problems)
		return;
	if (problems->len)
		strbuf_puts(problems, "; ");
	strbuf_fmt(problems, "%s[%zu]: %s %s", field, i, log_quote(quoted, text), fault);
}

/* --- addresses --- */

static bool ips_has(const struct node_ips *ips, const struct ip_addr *a)
{
	for (size_t i = 0; i < ips->n; i++) {
		if (ip_same(&ips->v[i], a))
			return true;
	}
	return false;
}

static void ips_add_type(const struct node *n, enum node_address_type type, struct node_ips *ips,
			 struct strbuf *problems)
{
	for (size_t i = 0; i < n->n_addresses; i++) {
		const struct node_address *na = &n->addresses[i];
		struct ip_addr a;

		if (na->type != type)
			continue;
		if (ip_parse(na->text, &a) < 0) {
			problem(problems, "status.addresses", i, na->text, "is not an IP address");
			continue;
		}
		if (ips_has(ips, &a))
			continue;
		if (ips->n == NODE_IPS_MAX) {
			problem(problems, "status.addresses", i, na->text, "is one too many");
			return;
		}
		ips->v[ips->n++] = a;
	}
}

static struct ip_addr ips_best(const struct node_ips *ips, uint8_t family)
{
	if (ips->primary.family == family)
		return ips->primary;
	for (size_t i = 0; i < ips->n; i++) {
		if (ips->v[i].family == family)
			return ips->v[i];
	}
	return (struct ip_addr){ 0 };
}

void node_ips_get(const struct node *n, struct node_ips *ret, struct strbuf *problems)
{
	struct node_ips ips = { 0 };

	ips_add_type(n, NODE_ADDRESS_INTERNAL_IP, &ips, problems);
	ips_add_type(n, NODE_ADDRESS_EXTERNAL_IP, &ips, problems);
	if (ips.n)
		ips.primary = ips.v[0];
	ips.best4 = ips_best(&ips, IP_V4);
	ips.best6 = ips_best(&ips, IP_V6);
	*ret = ips;
}

/* --- pod CIDRs --- */

static void cidrs_add(struct node_pod_cidrs *out, size_t i, const char *text, size_t len,
		      struct strbuf *problems)
{
	char copy[IP_PREFIX_FMT_MAX];
	struct ip_prefix p;

	while (len && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len >= sizeof(copy)) {
		problem(problems, out->source, i, text, "is not a CIDR");
		return;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (ip_prefix_parse(copy, &p) < 0) {
		problem(problems, out->source, i, copy, "is not a CIDR");
		return;
	}
	/* A default route here would take the whole node's traffic into the cluster. */
	if (p.len == 0) {
		problem(problems, out->source, i, copy, "covers every address");
		return;
	}
	for (size_t k = 0; k < out->n; k++) {
		if (ip_prefix_same(&out->v[k], &p))
			return;
	}
	if (out->n == NODE_POD_CIDRS_MAX) {
		problem(problems, out->source, i, copy, "is one too many");
		return;
	}
	out->v[out->n++] = p;
}

static void cidrs_add_list(struct node_pod_cidrs *out, const char *list, struct strbuf *problems)
{
	size_t i = 0;

	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ",");

		cidrs_add(out, i++, at, len, problems);
		at += len;
		if (*at == ',')
			at++;
	}
}

void node_pod_cidrs_get(const struct node *n, struct node_pod_cidrs *ret, struct strbuf *problems)
{
	const char *several =
		kv_get(n->meta.annotations, n->meta.n_annotations, ANNOTATION_POD_CIDRS);
	const char *one = kv_get(n->meta.annotations, n->meta.n_annotations, ANNOTATION_POD_CIDR);
	struct node_pod_cidrs out = { .source = "" };

	if (!str_is_empty(several)) {
		out.source = "metadata.annotations." ANNOTATION_POD_CIDRS;
		cidrs_add_list(&out, several, problems);
	} else if (!str_is_empty(one)) {
		out.source = "metadata.annotations." ANNOTATION_POD_CIDR;
		cidrs_add(&out, 0, one, strlen(one), problems);
	} else if (n->n_pod_cidrs) {
		out.source = "spec.podCIDRs";
		for (size_t i = 0; i < n->n_pod_cidrs; i++)
			cidrs_add(&out, i, n->pod_cidrs[i], strlen(n->pod_cidrs[i]), problems);
	} else if (!str_is_empty(n->pod_cidr)) {
		out.source = "spec.podCIDR";
		cidrs_add(&out, 0, n->pod_cidr, strlen(n->pod_cidr), problems);
	}
	*ret = out;
}

/* --- numbers --- */

int node_asn_get(const struct node *n, uint32_t *ret_asn)
{
	const char *text = kv_get(n->meta.annotations, n->meta.n_annotations, ANNOTATION_NODE_ASN);
	uint64_t asn;

	if (!text)
		return 0;
	/* 0, 23456 and the last one mean something else on the wire (RFC 7607, 6793, 7300). */
	if (str_to_u64(text, 0, UINT32_MAX, &asn) < 0 || asn == 0 || asn == 23456 ||
	    asn == UINT16_MAX || asn == UINT32_MAX)
		return -EINVAL;
	*ret_asn = (uint32_t)asn;
	return 1;
}

static uint32_t router_id_generate(const struct ip_addr *primary)
{
	uint8_t form[16] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:a.b.c.d */

	if (primary->family == IP_V4)
		memcpy(form + 12, primary->bytes, 4);
	else
		memcpy(form, primary->bytes, sizeof(form));
	return hash_fnv1a32(form, sizeof(form));
}

int node_router_id(const char *flag, const struct ip_addr *primary, uint32_t *ret_id,
		   const char **ret_why)
{
	struct ip_addr a;

	if (str_is_empty(flag)) {
		if (primary->family != IP_V4) {
			*ret_why = "router-id must be specified when primary node IP is an IPv6 "
				   "address";
			return -EINVAL;
		}
		*ret_id = ip_to_u32(primary);
		return 0;
	}
	if (str_eq(flag, "generate")) {
		*ret_id = router_id_generate(primary);
		return 0;
	}
	if (ip_parse(flag, &a) < 0 || a.family != IP_V4 || ip_to_u32(&a) == 0) {
		*ret_why = "router-id must be an IPv4 address or \"generate\"";
		return -EINVAL;
	}
	*ret_id = ip_to_u32(&a);
	return 0;
}
