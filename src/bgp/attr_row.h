/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The table of path attributes: one row each, indexed by code. Shared by the parser (attr.c, where
 * the rows stand) and the encoder (attr_encode.c).
 */
#include "bgp/attr.h"

#define BGP_ATTR_F_OPTIONAL   0x80
#define BGP_ATTR_F_TRANSITIVE 0x40
#define BGP_ATTR_F_PARTIAL    0x20
#define BGP_ATTR_F_EXTENDED   0x10 /* two length octets */

#define BGP_ATTR_ROWS (BGP_ATTR_LARGE_COMMUNITIES + 1)

struct bgp_attr_row {
	const char *name; /* NULL: no such attribute */
	uint32_t has;     /* BGP_HAS_* it sets in a draft */
	uint8_t flags;    /* OPTIONAL and TRANSITIVE, exactly */
	uint16_t len_min, len_max;
	uint16_t len_unit;        /* length is a multiple of it */
	enum bgp_grade malformed; /* RFC 7606 7 */
	bool is_mandatory;        /* for every announced route */
	bool is_internal;         /* iBGP only: discarded from and not sent to eBGP */
	bool is_as2_only;         /* means something only from and to a 2-octet session */
	bool is_single;           /* twice is a reset (RFC 7606 3 g), else the first counts */
	/*
	 * Length and flags are right. 0, or the UPDATE error subcode; the draft is then as it was.
	 * whole: with header.
	 */
	uint8_t (*parse)(struct rd body, struct rd whole, const struct bgp_wire *wire,
			 struct bgp_attrs_draft *d);
	uint32_t sent_with; /* BGP_HAS_* of a set that has something to encode */
	void (*encode)(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
};
extern const struct bgp_attr_row bgp_attr_rows[BGP_ATTR_ROWS];

/* The encode column. */
void bgp_origin_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_as_path_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_next_hop_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_med_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_local_pref_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_atomic_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_aggregator_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_communities_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_originator_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_cluster_list_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_ext_communities_encode(struct wr *w, const struct bgp_attrs *a,
				const struct bgp_wire *wire);
void bgp_as4_path_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
void bgp_as4_aggregator_encode(struct wr *w, const struct bgp_attrs *a,
			       const struct bgp_wire *wire);
void bgp_large_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire);
