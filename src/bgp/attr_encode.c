/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/as_path.h"
#include "bgp/attr.h"
#include "bgp/attr_row.h"
#include "bgp/open.h"

void bgp_attr_header_write(struct wr *w, uint8_t flags, uint8_t code, size_t len)
{
	bool is_extended = len > UINT8_MAX;

	if (len > UINT16_MAX)
		w->overflow = true;
	flags &= (uint8_t)~BGP_ATTR_F_EXTENDED;
	wr_u8(w, is_extended ? flags | BGP_ATTR_F_EXTENDED : flags);
	wr_u8(w, code);
	if (is_extended)
		wr_u16(w, (uint16_t)len);
	else
		wr_u8(w, (uint8_t)len);
}

static void header_write(struct wr *w, enum bgp_attr_code code, size_t len)
{
	bgp_attr_header_write(w, bgp_attr_rows[code].flags, (uint8_t)code, len);
}

static void u32_write(struct wr *w, enum bgp_attr_code code, uint32_t v)
{
	header_write(w, code, 4);
	wr_u32(w, v);
}

static void part_write(struct wr *w, enum bgp_attr_code code, struct rd part)
{
	header_write(w, code, part.left);
	wr_bytes(w, part.pos, part.left);
}

void bgp_origin_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	header_write(w, BGP_ATTR_ORIGIN, 1);
	wr_u8(w, a->origin);
}

/* Paths of 2 octets are at most half as long as ours; the header needs the length first. */
static size_t as2_path_len(struct rd path)
{
	size_t len = 0;

	while (path.left > 0) {
		rd_skip(&path, 1);
		size_t n = rd_u8(&path);
		rd_skip(&path, 4 * n);
		len += 2 + 2 * n;
	}
	return len;
}

void bgp_as_path_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	struct rd path = bgp_attrs_as_path(a);

	if (wire->as4) {
		part_write(w, BGP_ATTR_AS_PATH, path);
		return;
	}
	header_write(w, BGP_ATTR_AS_PATH, as2_path_len(path));
	bgp_as_path_convert(w, path, 4, 2);
}

void bgp_next_hop_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	header_write(w, BGP_ATTR_NEXT_HOP, 4);
	wr_bytes(w, a->nexthop.bytes, 4);
}

void bgp_med_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	u32_write(w, BGP_ATTR_MED, a->med);
}

void bgp_local_pref_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	u32_write(w, BGP_ATTR_LOCAL_PREF, a->local_pref);
}

void bgp_atomic_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)a;
	(void)wire;
	header_write(w, BGP_ATTR_ATOMIC_AGGREGATE, 0);
}

void bgp_aggregator_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	uint32_t asn = a->aggregator.asn;

	header_write(w, BGP_ATTR_AGGREGATOR, wire->as4 ? 8 : 6);
	if (wire->as4)
		wr_u32(w, asn);
	else
		wr_u16(w, asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)asn);
	wr_u32(w, a->aggregator.id);
}

void bgp_communities_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	part_write(w, BGP_ATTR_COMMUNITIES, bgp_attrs_communities(a));
}

void bgp_originator_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	u32_write(w, BGP_ATTR_ORIGINATOR_ID, a->originator_id);
}

void bgp_cluster_list_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	part_write(w, BGP_ATTR_CLUSTER_LIST, bgp_attrs_cluster_list(a));
}

void bgp_ext_communities_encode(struct wr *w, const struct bgp_attrs *a,
				const struct bgp_wire *wire)
{
	(void)wire;
	part_write(w, BGP_ATTR_EXT_COMMUNITIES, bgp_attrs_ext_communities(a));
}

/* RFC 6793 4.2.2: only if AS_PATH has lost something; without confederation segments. */
void bgp_as4_path_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	struct rd path = bgp_attrs_as_path(a);
	struct wr as4;
	uint8_t buf[BGP_AS_PATH_BYTES_MAX];

	(void)wire;
	if (!bgp_as_path_is_wide(path))
		return;
	as4 = wr_init(buf, sizeof(buf));
	bgp_as_path_write_as4(&as4, path);
	if (as4.len == 0)
		return;
	part_write(w, BGP_ATTR_AS4_PATH, rd_init(buf, as4.len));
}

void bgp_as4_aggregator_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	if (a->aggregator.asn <= UINT16_MAX)
		return;
	header_write(w, BGP_ATTR_AS4_AGGREGATOR, 8);
	wr_u32(w, a->aggregator.asn);
	wr_u32(w, a->aggregator.id);
}

void bgp_large_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	(void)wire;
	part_write(w, BGP_ATTR_LARGE_COMMUNITIES, bgp_attrs_large_communities(a));
}

void bgp_attrs_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire,
		      bool with_next_hop)
{
	struct rd unknown = bgp_attrs_unknown(a);

	for (size_t code = 0; code < BGP_ATTR_ROWS; code++) {
		const struct bgp_attr_row *row = &bgp_attr_rows[code];

		if (!row->encode || !(a->has & row->sent_with))
			continue;
		if ((row->is_internal && !wire->is_internal) || (row->is_as2_only && wire->as4))
			continue;
		if (code == BGP_ATTR_NEXT_HOP && !with_next_hop)
			continue;
		row->encode(w, a, wire);
	}
	wr_bytes(w, unknown.pos, unknown.left);
}
