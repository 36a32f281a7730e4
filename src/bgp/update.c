/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of UPDATE. Three parts, each a cursor of its own: withdrawn prefixes, attributes,
 * announced prefixes; MP_REACH and MP_UNREACH hold the prefixes of the other families. "Treat as
 * withdraw" is only possible when all prefixes of the message are known, so whatever hides prefixes
 * is a reset (RFC 7606 3 j, 5.2, 5.3), and whatever spoils attributes alone is not.
 */
#include "bgp/update.h"

#include <string.h>

#include "bgp/attr_row.h"

static void raise_update(struct bgp_update *u, enum bgp_grade grade, uint8_t attr, uint8_t subcode)
{
	bgp_fault_raise(&u->fault, grade, attr, BGP_ERR(BGP_UPDATE_ERROR, subcode));
}

/* Value of a whole attribute whose length the attribute parser has checked. */
static struct rd attr_body(struct rd whole)
{
	uint8_t flags = rd_u8(&whole);

	rd_skip(&whole, flags & BGP_ATTR_F_EXTENDED ? 3 : 2);
	return whole;
}

static void raise_mp(struct bgp_update *u, enum bgp_grade grade, uint8_t attr, uint8_t subcode,
		     struct rd whole)
{
	struct bgp_err err = {
		.code = BGP_UPDATE_ERROR,
		.subcode = subcode,
		.data_len = (uint16_t)MIN(whole.left, (size_t)UINT16_MAX),
		.data = whole.pos,
	};

	bgp_fault_raise(&u->fault, grade, attr, err);
}

static bool nexthop_is_usable(const struct ip_addr *a)
{
	static const uint8_t none[16];

	if (a->family == IP_V4)
		return ip_to_u32(a) != 0 && a->bytes[0] < 224;
	/* Unspecified, multicast, or link-local: without an interface nobody can route to it. */
	return memcmp(a->bytes, none, sizeof(none)) != 0 && a->bytes[0] != 0xff &&
	       !(a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80);
}

/* RFC 4760 3; next hop lengths for IPv6 in RFC 2545 3: global, or global and link-local. */
static void mp_reach_take(struct bgp_update *u, const struct bgp_wire *wire)
{
	struct rd whole = u->attrs.mp_reach;
	struct rd in = attr_body(whole);
	struct bgp_reach *reach = &u->reach[1];
	uint16_t afi = rd_u16(&in);
	uint8_t safi = rd_u8(&in);
	struct rd hop = rd_sub(&in, rd_u8(&in));
	uint8_t af = bgp_af_from_wire(afi, safi);

	rd_skip(&in, 1); /* reserved */
	if (in.bad) {
		raise_mp(u, BGP_GRADE_RESET, BGP_ATTR_MP_REACH, BGP_UPDATE_BAD_OPTIONAL, whole);
		return;
	}
	if (!(af & wire->families)) {
		u->has_foreign = true;
		return;
	}
	size_t addr_size = ip_size(bgp_af_ip(af));
	if (hop.left != addr_size && !(af == BGP_AF_IPV6 && hop.left == 2 * addr_size)) {
		raise_mp(u, BGP_GRADE_RESET, BGP_ATTR_MP_REACH, BGP_UPDATE_BAD_OPTIONAL, whole);
		return;
	}
	reach->nexthop = ip_from_bytes(bgp_af_ip(af), hop.pos);
	if (!nexthop_is_usable(&reach->nexthop))
		raise_mp(u, BGP_GRADE_WITHDRAW, BGP_ATTR_MP_REACH, BGP_UPDATE_BAD_NEXT_HOP, whole);
	reach->nlri = (struct bgp_nlri){ .in = in, .af = af };
	if (bgp_nlri_check(reach->nlri, &reach->n) < 0)
		raise_mp(u, BGP_GRADE_RESET, BGP_ATTR_MP_REACH, BGP_UPDATE_BAD_OPTIONAL, whole);
}

static void mp_unreach_take(struct bgp_update *u, const struct bgp_wire *wire)
{
	struct rd whole = u->attrs.mp_unreach;
	struct rd in = attr_body(whole);
	struct bgp_gone *gone = &u->gone[1];
	uint16_t afi = rd_u16(&in);
	uint8_t safi = rd_u8(&in);
	uint8_t af = bgp_af_from_wire(afi, safi);

	if (!(af & wire->families)) {
		u->has_foreign = true;
		return;
	}
	gone->nlri = (struct bgp_nlri){ .in = in, .af = af };
	if (bgp_nlri_check(gone->nlri, &gone->n) < 0)
		raise_mp(u, BGP_GRADE_RESET, BGP_ATTR_MP_UNREACH, BGP_UPDATE_BAD_OPTIONAL, whole);
}

/* The two classic fields; IPv4 only. */
static void classic_take(struct bgp_update *u, const struct bgp_wire *wire, struct rd gone,
			 struct rd reach)
{
	struct bgp_nlri gone4 = { .in = gone, .af = BGP_AF_IPV4 };
	struct bgp_nlri reach4 = { .in = reach, .af = BGP_AF_IPV4 };
	size_t n_gone = 0, n_reach = 0;

	if (bgp_nlri_check(gone4, &n_gone) < 0 || bgp_nlri_check(reach4, &n_reach) < 0) {
		raise_update(u, BGP_GRADE_RESET, 0, BGP_UPDATE_BAD_NETWORK);
		return;
	}
	if (!(wire->families & BGP_AF_IPV4)) {
		u->has_foreign = u->has_foreign || n_gone + n_reach > 0;
		return;
	}
	if (n_gone > 0)
		u->gone[0] = (struct bgp_gone){ .nlri = gone4, .n = n_gone };
	if (n_reach > 0)
		u->reach[0] = (struct bgp_reach){ .nlri = reach4, .n = n_reach };
}

/* RFC 4724 2: an UPDATE with nothing in it, or with an empty MP_UNREACH alone. */
static uint8_t eor_of(const struct bgp_update *u, const struct bgp_wire *wire, bool has_attrs,
		      bool has_classic)
{
	const struct bgp_attrs_draft *d = &u->attrs;

	if (has_classic || u->fault.grade != BGP_GRADE_OK)
		return 0;
	if (!has_attrs)
		return wire->families & BGP_AF_IPV4;
	if (d->has == BGP_HAS_MP_UNREACH && d->n_unknown == 0 && u->gone[1].n == 0)
		return u->gone[1].nlri.af;
	return 0;
}

static void missing_check(struct bgp_update *u)
{
	uint8_t missing;

	if (u->reach[0].n + u->reach[1].n == 0)
		return;
	missing = bgp_attrs_missing(&u->attrs, u->reach[0].n > 0);
	if (missing)
		raise_update(u, BGP_GRADE_WITHDRAW, missing, BGP_UPDATE_MISSING_WELL_KNOWN);
}

/*
 * RFC 7606 5.2: with attributes but no announced prefix, one cannot be sure that the prefixes were
 * found; then treating them as withdrawn is not enough.
 */
static void missing_nlri_check(struct bgp_update *u)
{
	bool has_other = u->fault.attr != BGP_ATTR_MP_UNREACH ||
			 (u->attrs.has & ~BGP_HAS_MP_UNREACH) || u->attrs.n_unknown > 0;

	if (u->fault.grade == BGP_GRADE_WITHDRAW && has_other && !u->has_foreign &&
	    u->reach[0].n + u->reach[1].n == 0)
		u->fault.grade = BGP_GRADE_RESET;
}

static void lists_clear(struct bgp_update *u)
{
	for (size_t i = 0; i < BGP_UPDATE_LISTS; i++) {
		u->gone[i] = (struct bgp_gone){ 0 };
		u->reach[i] = (struct bgp_reach){ 0 };
	}
}

void bgp_update_parse(struct rd body, const struct bgp_wire *wire, struct bgp_update *ret_update)
{
	struct bgp_update u = { 0 };
	struct rd gone = rd_sub(&body, rd_u16(&body));
	struct rd attrs = rd_sub(&body, rd_u16(&body));
	struct rd reach = body;

	if (body.bad) {
		/* RFC 4271 6.3: the two lengths do not fit into the message. */
		raise_update(&u, BGP_GRADE_RESET, 0, BGP_UPDATE_BAD_LIST);
		*ret_update = u;
		return;
	}
	classic_take(&u, wire, gone, reach);
	struct bgp_fault fault = bgp_attrs_parse(attrs, wire, &u.attrs);
	bgp_fault_raise(&u.fault, fault.grade, fault.attr, fault.err);
	if (u.reach[0].n > 0)
		u.reach[0].nexthop = u.attrs.nexthop;
	if (u.attrs.has & BGP_HAS_MP_REACH)
		mp_reach_take(&u, wire);
	if (u.attrs.has & BGP_HAS_MP_UNREACH)
		mp_unreach_take(&u, wire);
	missing_check(&u);
	missing_nlri_check(&u);
	u.eor = eor_of(&u, wire, attrs.left > 0, gone.left + reach.left > 0);
	if (u.fault.grade == BGP_GRADE_RESET || u.eor)
		lists_clear(&u);
	*ret_update = u;
}
