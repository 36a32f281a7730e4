/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of path attributes. A row of the table says what is particular to an attribute; the code
 * below the table does, once for all, what RFC 7606 asks:
 *
 *   list runs over its end     treat as withdraw, section 4 (reset if it hides an MP attribute)
 *   iBGP attribute from eBGP   discard, 7.5, 7.9, 7.10
 *   wrong flags                treat as withdraw, 3 c
 *   wrong length or value      the row's grade, 7.1 to 7.15
 *   twice                      first counts, MP_REACH and MP_UNREACH reset, 3 g
 *   unknown                    well-known: reset; optional transitive: kept; other: dropped
 *
 * All attributes are looked at in every case, since the worst fault decides (3 h).
 */
#include "bgp/attr.h"

#include "bgp/as_path.h"
#include "bgp/attr_row.h"

#define FLAGS_WELL_KNOWN BGP_ATTR_F_TRANSITIVE
#define FLAGS_TRANSITIVE (BGP_ATTR_F_OPTIONAL | BGP_ATTR_F_TRANSITIVE)
#define FLAGS_LOCAL      BGP_ATTR_F_OPTIONAL

static uint8_t origin_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			    struct bgp_attrs_draft *d)
{
	uint8_t origin = rd_u8(&body);

	(void)whole;
	(void)wire;
	if (origin > BGP_ORIGIN_INCOMPLETE)
		return BGP_UPDATE_BAD_ORIGIN;
	d->origin = origin;
	return 0;
}

static uint8_t as_path_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			     struct bgp_attrs_draft *d)
{
	(void)whole;
	/* RFC 5065 5: confederation segments of another AS are malformed. */
	if (!bgp_as_path_is_good(body, wire->as4 ? 4 : 2, wire->is_internal))
		return BGP_UPDATE_BAD_AS_PATH;
	d->as_path = body;
	d->as2 = !wire->as4;
	return 0;
}

static uint8_t next_hop_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			      struct bgp_attrs_draft *d)
{
	uint32_t a = rd_u32(&body);

	(void)whole;
	(void)wire;
	/* RFC 4271 6.3: a host address. Loopback is let through, it is policy's to judge. */
	if (a == 0 || a >> 28 >= 14)
		return BGP_UPDATE_BAD_NEXT_HOP;
	d->nexthop = ip_v4(a);
	return 0;
}

static uint8_t med_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			 struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->med = rd_u32(&body);
	return 0;
}

static uint8_t local_pref_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->local_pref = rd_u32(&body);
	return 0;
}

static uint8_t atomic_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			    struct bgp_attrs_draft *d)
{
	(void)body;
	(void)whole;
	(void)wire;
	(void)d;
	return 0;
}

static uint8_t aggregator_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				struct bgp_attrs_draft *d)
{
	struct bgp_aggregator a;

	(void)whole;
	a.asn = wire->as4 ? rd_u32(&body) : rd_u16(&body);
	a.id = rd_u32(&body);
	if (!rd_done(&body)) /* 6 or 8 octets, RFC 6793 3 */
		return BGP_UPDATE_BAD_LENGTH;
	if (a.asn == 0) /* RFC 7607 2 */
		return BGP_UPDATE_BAD_OPTIONAL;
	d->aggregator = a;
	return 0;
}

static uint8_t communities_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				 struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->communities = body;
	return 0;
}

static uint8_t originator_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->originator_id = rd_u32(&body);
	return 0;
}

static uint8_t cluster_list_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				  struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->cluster_list = body;
	return 0;
}

/* What is inside of the two MP attributes is the UPDATE's business (update.c). */
static uint8_t mp_reach_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			      struct bgp_attrs_draft *d)
{
	(void)body;
	(void)wire;
	d->mp_reach = whole;
	return 0;
}

static uint8_t mp_unreach_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				struct bgp_attrs_draft *d)
{
	(void)body;
	(void)wire;
	d->mp_unreach = whole;
	return 0;
}

static uint8_t ext_communities_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				     struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->ext_communities = body;
	return 0;
}

static uint8_t as4_path_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			      struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	/* RFC 6793 6: confederation segments do not make it malformed, they are dropped later. */
	if (!bgp_as_path_is_good(body, 4, true))
		return BGP_UPDATE_BAD_OPTIONAL;
	d->as4_path = body;
	return 0;
}

static uint8_t as4_aggregator_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
				    struct bgp_attrs_draft *d)
{
	struct bgp_aggregator a;

	(void)whole;
	(void)wire;
	a.asn = rd_u32(&body);
	a.id = rd_u32(&body);
	if (a.asn == 0)
		return BGP_UPDATE_BAD_OPTIONAL;
	d->as4_aggregator = a;
	return 0;
}

static uint8_t large_parse(struct rd body, struct rd whole, const struct bgp_wire *wire,
			   struct bgp_attrs_draft *d)
{
	(void)whole;
	(void)wire;
	d->large_communities = body;
	return 0;
}

/* clang-format off: one row per attribute */
const struct bgp_attr_row bgp_attr_rows[BGP_ATTR_ROWS] = {
	[BGP_ATTR_ORIGIN] = { /* RFC 7606 7.1 */
		.name = "ORIGIN", .has = BGP_HAS_ORIGIN, .flags = FLAGS_WELL_KNOWN,
		.len_min = 1, .len_max = 1, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.is_mandatory = true, .parse = origin_parse,
		.sent_with = BGP_HAS_ORIGIN, .encode = bgp_origin_encode,
	},
	[BGP_ATTR_AS_PATH] = { /* 7.2 */
		.name = "AS_PATH", .has = BGP_HAS_AS_PATH, .flags = FLAGS_WELL_KNOWN,
		.len_min = 0, .len_max = UINT16_MAX, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.is_mandatory = true, .parse = as_path_parse,
		.sent_with = BGP_HAS_AS_PATH, .encode = bgp_as_path_encode,
	},
	[BGP_ATTR_NEXT_HOP] = { /* 7.3; mandatory for the classic NLRI field only */
		.name = "NEXT_HOP", .has = BGP_HAS_NEXT_HOP, .flags = FLAGS_WELL_KNOWN,
		.len_min = 4, .len_max = 4, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.parse = next_hop_parse,
		.sent_with = BGP_HAS_NEXT_HOP, .encode = bgp_next_hop_encode,
	},
	[BGP_ATTR_MED] = { /* 7.4 */
		.name = "MULTI_EXIT_DISC", .has = BGP_HAS_MED, .flags = FLAGS_LOCAL,
		.len_min = 4, .len_max = 4, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.parse = med_parse,
		.sent_with = BGP_HAS_MED, .encode = bgp_med_encode,
	},
	[BGP_ATTR_LOCAL_PREF] = { /* 7.5 */
		.name = "LOCAL_PREF", .has = BGP_HAS_LOCAL_PREF, .flags = FLAGS_WELL_KNOWN,
		.len_min = 4, .len_max = 4, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.is_internal = true, .parse = local_pref_parse,
		.sent_with = BGP_HAS_LOCAL_PREF, .encode = bgp_local_pref_encode,
	},
	[BGP_ATTR_ATOMIC_AGGREGATE] = { /* 7.6 */
		.name = "ATOMIC_AGGREGATE", .has = BGP_HAS_ATOMIC_AGGREGATE,
		.flags = FLAGS_WELL_KNOWN,
		.len_min = 0, .len_max = 0, .len_unit = 1, .malformed = BGP_GRADE_DISCARD,
		.parse = atomic_parse,
		.sent_with = BGP_HAS_ATOMIC_AGGREGATE, .encode = bgp_atomic_encode,
	},
	[BGP_ATTR_AGGREGATOR] = { /* 7.7 */
		.name = "AGGREGATOR", .has = BGP_HAS_AGGREGATOR, .flags = FLAGS_TRANSITIVE,
		.len_min = 6, .len_max = 8, .len_unit = 2, .malformed = BGP_GRADE_DISCARD,
		.parse = aggregator_parse,
		.sent_with = BGP_HAS_AGGREGATOR, .encode = bgp_aggregator_encode,
	},
	[BGP_ATTR_COMMUNITIES] = { /* 7.8 */
		.name = "COMMUNITIES", .has = BGP_HAS_COMMUNITIES, .flags = FLAGS_TRANSITIVE,
		.len_min = 4, .len_max = UINT16_MAX, .len_unit = 4, .malformed = BGP_GRADE_WITHDRAW,
		.parse = communities_parse,
		.sent_with = BGP_HAS_COMMUNITIES, .encode = bgp_communities_encode,
	},
	[BGP_ATTR_ORIGINATOR_ID] = { /* 7.9 */
		.name = "ORIGINATOR_ID", .has = BGP_HAS_ORIGINATOR_ID, .flags = FLAGS_LOCAL,
		.len_min = 4, .len_max = 4, .len_unit = 1, .malformed = BGP_GRADE_WITHDRAW,
		.is_internal = true, .parse = originator_parse,
		.sent_with = BGP_HAS_ORIGINATOR_ID, .encode = bgp_originator_encode,
	},
	[BGP_ATTR_CLUSTER_LIST] = { /* 7.10 */
		.name = "CLUSTER_LIST", .has = BGP_HAS_CLUSTER_LIST, .flags = FLAGS_LOCAL,
		.len_min = 4, .len_max = UINT16_MAX, .len_unit = 4, .malformed = BGP_GRADE_WITHDRAW,
		.is_internal = true, .parse = cluster_list_parse,
		.sent_with = BGP_HAS_CLUSTER_LIST, .encode = bgp_cluster_list_encode,
	},
	[BGP_ATTR_MP_REACH] = { /* 7.11; encoded by update_encode.c */
		.name = "MP_REACH_NLRI", .has = BGP_HAS_MP_REACH, .flags = FLAGS_LOCAL,
		.len_min = 5, .len_max = UINT16_MAX, .len_unit = 1, .malformed = BGP_GRADE_RESET,
		.is_single = true, .parse = mp_reach_parse,
	},
	[BGP_ATTR_MP_UNREACH] = { /* 7.12 */
		.name = "MP_UNREACH_NLRI", .has = BGP_HAS_MP_UNREACH, .flags = FLAGS_LOCAL,
		.len_min = 3, .len_max = UINT16_MAX, .len_unit = 1, .malformed = BGP_GRADE_RESET,
		.is_single = true, .parse = mp_unreach_parse,
	},
	[BGP_ATTR_EXT_COMMUNITIES] = { /* 7.14 */
		.name = "EXTENDED_COMMUNITIES", .has = BGP_HAS_EXT_COMMUNITIES,
		.flags = FLAGS_TRANSITIVE,
		.len_min = 8, .len_max = UINT16_MAX, .len_unit = 8, .malformed = BGP_GRADE_WITHDRAW,
		.parse = ext_communities_parse,
		.sent_with = BGP_HAS_EXT_COMMUNITIES, .encode = bgp_ext_communities_encode,
	},
	[BGP_ATTR_AS4_PATH] = { /* RFC 6793 6 */
		.name = "AS4_PATH", .has = BGP_HAS_AS4_PATH, .flags = FLAGS_TRANSITIVE,
		.len_min = 6, .len_max = UINT16_MAX, .len_unit = 2, .malformed = BGP_GRADE_DISCARD,
		.is_as2_only = true, .parse = as4_path_parse,
		.sent_with = BGP_HAS_AS_PATH, .encode = bgp_as4_path_encode,
	},
	[BGP_ATTR_AS4_AGGREGATOR] = { /* RFC 6793 6 */
		.name = "AS4_AGGREGATOR", .has = BGP_HAS_AS4_AGGREGATOR, .flags = FLAGS_TRANSITIVE,
		.len_min = 8, .len_max = 8, .len_unit = 1, .malformed = BGP_GRADE_DISCARD,
		.is_as2_only = true, .parse = as4_aggregator_parse,
		.sent_with = BGP_HAS_AGGREGATOR, .encode = bgp_as4_aggregator_encode,
	},
	[BGP_ATTR_LARGE_COMMUNITIES] = { /* RFC 8092 6 */
		.name = "LARGE_COMMUNITIES", .has = BGP_HAS_LARGE, .flags = FLAGS_TRANSITIVE,
		.len_min = 12, .len_max = UINT16_MAX, .len_unit = 12,
		.malformed = BGP_GRADE_WITHDRAW, .parse = large_parse,
		.sent_with = BGP_HAS_LARGE, .encode = bgp_large_encode,
	},
};
/* clang-format on */

static const struct bgp_attr_row *row_find(uint8_t code)
{
	if (code >= BGP_ATTR_ROWS || !bgp_attr_rows[code].name)
		return NULL;
	return &bgp_attr_rows[code];
}

const char *bgp_attr_name(uint8_t code)
{
	const struct bgp_attr_row *row = row_find(code);

	return row ? row->name : "unknown";
}

void bgp_fault_raise(struct bgp_fault *f, enum bgp_grade grade, uint8_t attr, struct bgp_err err)
{
	if (grade > f->grade)
		*f = (struct bgp_fault){ .grade = grade, .attr = attr, .err = err };
}

/* An attribute as it stands in the list. */
struct attr_in {
	uint8_t flags, code;
	struct rd body, whole;
};

/* RFC 4271 6.3: the data of most errors is the attribute itself. */
static void raise_attr(struct bgp_fault *f, enum bgp_grade grade, uint8_t subcode,
		       const struct attr_in *in)
{
	struct bgp_err err = {
		.code = BGP_UPDATE_ERROR,
		.subcode = subcode,
		.data_len = (uint16_t)MIN(in->whole.left, (size_t)UINT16_MAX),
		.data = in->whole.pos,
	};

	bgp_fault_raise(f, grade, in->code, err);
}

static void unknown_take(const struct attr_in *in, struct bgp_attrs_draft *d, struct bgp_fault *f)
{
	if (!(in->flags & BGP_ATTR_F_OPTIONAL)) {
		raise_attr(f, BGP_GRADE_RESET, BGP_UPDATE_UNKNOWN_WELL_KNOWN, in);
		return;
	}
	if (!(in->flags & BGP_ATTR_F_TRANSITIVE))
		return; /* RFC 4271 5: quietly ignored, not passed on */
	if (d->n_unknown == BGP_UNKNOWN_ATTRS_MAX) {
		if (d->n_dropped < UINT8_MAX)
			d->n_dropped++;
		raise_attr(f, BGP_GRADE_DISCARD, BGP_UPDATE_BAD_OPTIONAL, in);
		return;
	}
	d->unknown[d->n_unknown++] = in->whole;
}

static void known_take(const struct bgp_attr_row *row, const struct attr_in *in,
		       const struct bgp_wire *wire, struct bgp_attrs_draft *d, struct bgp_fault *f)
{
	size_t len = in->body.left;
	uint8_t subcode;

	if ((row->is_internal && !wire->is_internal) || (row->is_as2_only && wire->as4)) {
		raise_attr(f, BGP_GRADE_DISCARD, BGP_UPDATE_BAD_OPTIONAL, in);
		return;
	}
	if ((in->flags & (BGP_ATTR_F_OPTIONAL | BGP_ATTR_F_TRANSITIVE)) != row->flags)
		raise_attr(f, BGP_GRADE_WITHDRAW, BGP_UPDATE_BAD_FLAGS, in);
	if (len < row->len_min || len > row->len_max || len % row->len_unit != 0) {
		raise_attr(f, row->malformed, BGP_UPDATE_BAD_LENGTH, in);
		return;
	}
	subcode = row->parse(in->body, in->whole, wire, d);
	if (subcode) {
		raise_attr(f, row->malformed, subcode, in);
		return;
	}
	d->has |= row->has;
}

struct bgp_fault bgp_attrs_parse(struct rd in, const struct bgp_wire *wire,
				 struct bgp_attrs_draft *ret_draft)
{
	uint64_t seen[4] = { 0 }; /* bit per code */
	struct bgp_attrs_draft d = { 0 };
	struct bgp_fault fault = { 0 };

	while (in.left > 0) {
		struct attr_in a = { .whole = in };

		a.flags = rd_u8(&in);
		a.code = rd_u8(&in);
		a.body = rd_sub(&in, a.flags & BGP_ATTR_F_EXTENDED ? rd_u16(&in) : rd_u8(&in));
		const struct bgp_attr_row *row = row_find(a.code);
		if (in.bad) {
			/* Prefixes inside an MP attribute that was cut are lost: 3 j. */
			raise_attr(&fault,
				   row && row->is_single ? BGP_GRADE_RESET : BGP_GRADE_WITHDRAW,
				   BGP_UPDATE_BAD_LIST, &a);
			break;
		}
		a.whole.left -= in.left;

		uint64_t bit = UINT64_C(1) << (a.code % 64);
		if (seen[a.code / 64] & bit) {
			raise_attr(&fault,
				   row && row->is_single ? BGP_GRADE_RESET : BGP_GRADE_DISCARD,
				   BGP_UPDATE_BAD_LIST, &a);
			continue;
		}
		seen[a.code / 64] |= bit;
		if (row)
			known_take(row, &a, wire, &d, &fault);
		else
			unknown_take(&a, &d, &fault);
	}
	*ret_draft = d;
	return fault;
}

uint8_t bgp_attrs_missing(const struct bgp_attrs_draft *d, bool needs_next_hop)
{
	for (size_t code = 0; code < BGP_ATTR_ROWS; code++)
		if (bgp_attr_rows[code].is_mandatory && !(d->has & bgp_attr_rows[code].has))
			return (uint8_t)code;
	return needs_next_hop && !(d->has & BGP_HAS_NEXT_HOP) ? BGP_ATTR_NEXT_HOP : 0;
}
