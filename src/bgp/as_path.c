/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/as_path.h"

#include "bgp/attr.h"
#include "bgp/open.h"

#define SEGMENT_ASNS_MAX 255

/* One segment of a path; asns holds n numbers of the path's size. */
struct segment {
	uint8_t type;
	size_t n;
	struct rd asns;
};

static bool segment_next(struct rd *path, size_t asn_size, struct segment *ret)
{
	struct segment s;

	if (path->left == 0)
		return false;
	s.type = rd_u8(path);
	s.n = rd_u8(path);
	s.asns = rd_sub(path, s.n * asn_size);
	if (path->bad)
		return false;
	*ret = s;
	return true;
}

static uint32_t asn_next(struct rd *asns, size_t asn_size)
{
	return asn_size == 2 ? rd_u16(asns) : rd_u32(asns);
}

static bool is_confed(const struct segment *s)
{
	return s->type == BGP_AS_CONFED_SEQUENCE || s->type == BGP_AS_CONFED_SET;
}

static size_t segment_hops(const struct segment *s)
{
	if (is_confed(s))
		return 0;
	return s->type == BGP_AS_SET ? 1 : s->n;
}

static bool segment_is_good(struct segment s, size_t asn_size, bool allow_confed)
{
	if (s.type < BGP_AS_SET || s.type > BGP_AS_CONFED_SET || s.n == 0)
		return false;
	if (is_confed(&s) && !allow_confed)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (asn_next(&s.asns, asn_size) == 0)
			return false;
	return true;
}

bool bgp_as_path_is_good(struct rd path, size_t asn_size, bool allow_confed)
{
	struct segment s;

	while (segment_next(&path, asn_size, &s))
		if (!segment_is_good(s, asn_size, allow_confed))
			return false;
	return rd_done(&path);
}

size_t bgp_as_path_hops(struct rd path, size_t asn_size)
{
	struct segment s;
	size_t hops = 0;

	while (segment_next(&path, asn_size, &s))
		hops += segment_hops(&s);
	return hops;
}

bool bgp_as_path_has(struct rd path, uint32_t asn)
{
	struct segment s;

	while (segment_next(&path, 4, &s))
		for (size_t i = 0; i < s.n; i++)
			if (rd_u32(&s.asns) == asn)
				return true;
	return false;
}

bool bgp_as_path_is_wide(struct rd path)
{
	struct segment s;

	while (segment_next(&path, 4, &s))
		for (size_t i = 0; i < s.n; i++)
			if (rd_u32(&s.asns) > UINT16_MAX)
				return true;
	return false;
}

uint32_t bgp_as_path_first(struct rd path)
{
	struct segment s;

	/* Confederation segments come first and are not neighbours. */
	while (segment_next(&path, 4, &s)) {
		if (is_confed(&s))
			continue;
		return s.type == BGP_AS_SEQUENCE ? rd_u32(&s.asns) : 0;
	}
	return 0;
}

static void asn_write(struct wr *w, uint32_t asn, size_t asn_size)
{
	if (asn_size == 4)
		wr_u32(w, asn);
	else
		wr_u16(w, asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)asn);
}

static void segment_write(struct wr *w, struct segment s, size_t from_size, size_t to_size)
{
	wr_u8(w, s.type);
	wr_u8(w, (uint8_t)s.n);
	for (size_t i = 0; i < s.n; i++)
		asn_write(w, asn_next(&s.asns, from_size), to_size);
}

void bgp_as_path_convert(struct wr *w, struct rd path, size_t from_size, size_t to_size)
{
	struct segment s;

	while (segment_next(&path, from_size, &s))
		segment_write(w, s, from_size, to_size);
}

void bgp_as_path_write_as4(struct wr *w, struct rd path)
{
	struct segment s;

	while (segment_next(&path, 4, &s))
		if (!is_confed(&s))
			segment_write(w, s, 4, 4);
}

/*
 * The leading segments of a 2-octet path, as far as `hops` hops; the last SEQUENCE may be cut.
 * Gives the offset of the last segment written if that is a SEQUENCE (AS4_PATH's first one
 * continues it), else SIZE_MAX.
 */
static size_t leading_write(struct wr *w, struct rd path2, size_t hops)
{
	size_t last_sequence = SIZE_MAX;
	struct segment s;

	while (segment_next(&path2, 2, &s)) {
		/*
		 * Confederation segments come along if they lead or follow what is prepended
		 * (RFC 6793 4.2.3); as they only stand in front, that is all of them.
		 */
		if (hops == 0 && !is_confed(&s))
			break;
		if (s.type == BGP_AS_SEQUENCE)
			s.n = MIN(s.n, hops);
		last_sequence = s.type == BGP_AS_SEQUENCE ? w->len : SIZE_MAX;
		segment_write(w, s, 2, 4);
		hops -= segment_hops(&s);
	}
	return last_sequence;
}

void bgp_as_path_merge(struct wr *w, struct rd path2, struct rd path4)
{
	size_t hops2 = bgp_as_path_hops(path2, 2), hops4 = bgp_as_path_hops(path4, 4);
	struct segment s;

	if (hops2 < hops4 || hops4 == 0) { /* somebody aggregated since: AS4_PATH is stale */
		bgp_as_path_convert(w, path2, 2, 4);
		return;
	}
	size_t seam = leading_write(w, path2, hops2 - hops4);
	while (segment_next(&path4, 4, &s)) {
		if (is_confed(&s))
			continue;
		/* One sequence that AS4_PATH cut in two is one again. */
		if (seam != SIZE_MAX && s.type == BGP_AS_SEQUENCE && !w->overflow &&
		    w->data[seam + 1] + s.n <= SEGMENT_ASNS_MAX) {
			w->data[seam + 1] = (uint8_t)(w->data[seam + 1] + s.n);
			wr_bytes(w, s.asns.pos, s.asns.left);
		} else {
			segment_write(w, s, 4, 4);
		}
		seam = SIZE_MAX;
	}
}

void bgp_as_path_write(struct wr *w, const uint32_t *asns, size_t n)
{
	while (n > 0) {
		size_t part = MIN(n, (size_t)SEGMENT_ASNS_MAX);

		wr_u8(w, BGP_AS_SEQUENCE);
		wr_u8(w, (uint8_t)part);
		for (size_t i = 0; i < part; i++)
			wr_u32(w, asns[i]);
		asns += part;
		n -= part;
	}
}
