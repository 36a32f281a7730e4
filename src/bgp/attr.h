/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Path attributes: from the wire (graded as RFC 7606 wants), as interned sets, and back.
 *
 *   bytes -> bgp_attrs_parse() -> struct bgp_attrs_draft -> bgp_attrs_intern() -> struct bgp_attrs
 *   struct bgp_attrs -> bgp_attrs_encode() -> bytes                 (used by bgp/update.c)
 *
 * A draft is a set of borrowed pieces: fixed-size values, and cursors into the message (or into
 * memory of whoever makes an announcement). Interning normalises it (4-octet AS_PATH, AS4_PATH
 * merged) into one flat block that is shared by all paths with equal attributes.
 *
 * Each attribute is one row of the table in attr.c; generic code does flags, lengths, duplicates,
 * unknown and missing ones.
 */
#include "bgp/msg.h"

enum bgp_attr_code {
	BGP_ATTR_ORIGIN = 1,
	BGP_ATTR_AS_PATH = 2,
	BGP_ATTR_NEXT_HOP = 3,
	BGP_ATTR_MED = 4,
	BGP_ATTR_LOCAL_PREF = 5,
	BGP_ATTR_ATOMIC_AGGREGATE = 6,
	BGP_ATTR_AGGREGATOR = 7,
	BGP_ATTR_COMMUNITIES = 8,       /* RFC 1997 */
	BGP_ATTR_ORIGINATOR_ID = 9,     /* RFC 4456 */
	BGP_ATTR_CLUSTER_LIST = 10,     /* RFC 4456 */
	BGP_ATTR_MP_REACH = 14,         /* RFC 4760 */
	BGP_ATTR_MP_UNREACH = 15,       /* RFC 4760 */
	BGP_ATTR_EXT_COMMUNITIES = 16,  /* RFC 4360; opaque here */
	BGP_ATTR_AS4_PATH = 17,         /* RFC 6793 */
	BGP_ATTR_AS4_AGGREGATOR = 18,   /* RFC 6793 */
	BGP_ATTR_LARGE_COMMUNITIES = 32 /* RFC 8092 */
};
const char *bgp_attr_name(uint8_t code); /* "AS_PATH"; "unknown" */

enum bgp_origin {
	BGP_ORIGIN_IGP,
	BGP_ORIGIN_EGP,
	BGP_ORIGIN_INCOMPLETE,
};

enum bgp_segment { /* of an AS_PATH */
		   BGP_AS_SET = 1,
		   BGP_AS_SEQUENCE = 2,
		   BGP_AS_CONFED_SEQUENCE = 3, /* RFC 5065 */
		   BGP_AS_CONFED_SET = 4,
};

/* Which values a set has: draft.has, attrs.has. */
#define BGP_HAS_ORIGIN           (1u << 0)
#define BGP_HAS_AS_PATH          (1u << 1)
#define BGP_HAS_NEXT_HOP         (1u << 2)
#define BGP_HAS_MED              (1u << 3)
#define BGP_HAS_LOCAL_PREF       (1u << 4)
#define BGP_HAS_ATOMIC_AGGREGATE (1u << 5)
#define BGP_HAS_AGGREGATOR       (1u << 6)
#define BGP_HAS_COMMUNITIES      (1u << 7)
#define BGP_HAS_ORIGINATOR_ID    (1u << 8)
#define BGP_HAS_CLUSTER_LIST     (1u << 9)
#define BGP_HAS_MP_REACH         (1u << 10) /* draft only */
#define BGP_HAS_MP_UNREACH       (1u << 11) /* draft only */
#define BGP_HAS_EXT_COMMUNITIES  (1u << 12)
#define BGP_HAS_AS4_PATH         (1u << 13) /* draft only */
#define BGP_HAS_AS4_AGGREGATOR   (1u << 14) /* draft only */
#define BGP_HAS_LARGE            (1u << 15)

/* RFC 7606 2, by severity. The parser computes it, the session carries it out. */
enum bgp_grade {
	BGP_GRADE_OK,
	BGP_GRADE_DISCARD,  /* an attribute was dropped; the routes stand */
	BGP_GRADE_WITHDRAW, /* treat the announced routes as withdrawn */
	BGP_GRADE_RESET,    /* NOTIFICATION */
};

/* The worst that was found; of equals the first. */
struct bgp_fault {
	enum bgp_grade grade;
	uint8_t attr; /* enum bgp_attr_code it was found in; 0: none */
	struct bgp_err err;
};

struct bgp_aggregator {
	uint32_t asn, id;
};

#define BGP_UNKNOWN_ATTRS_MAX 8 /* unknown transitive attributes kept per set; more are dropped */
#define BGP_AS_PATH_BYTES_MAX 8192 /* normalised; a longer one is treated as withdrawn */
#define BGP_ATTRS_DATA_MAX    (BGP_AS_PATH_BYTES_MAX + 65535) /* variable part of one set */

struct bgp_attrs_draft {
	uint32_t has; /* BGP_HAS_* */
	uint8_t origin;
	bool as2; /* as_path holds 2-octet ASNs (a session without the AS4 capability) */
	struct ip_addr nexthop; /* of NEXT_HOP; an UPDATE's MP next hop is in struct bgp_update */
	uint32_t med, local_pref;
	uint32_t originator_id;
	struct bgp_aggregator aggregator, as4_aggregator;
	/* As on the wire, lengths and segments checked. */
	struct rd as_path, as4_path;
	struct rd communities, ext_communities, large_communities, cluster_list;
	struct rd mp_reach, mp_unreach;           /* whole attributes, header included */
	struct rd unknown[BGP_UNKNOWN_ATTRS_MAX]; /* whole attributes, header included */
	uint8_t n_unknown;
	uint8_t n_dropped; /* unknown ones above the maximum */
};

/*
 * The attribute list of an UPDATE. Always fills *ret_draft with what is sound; the fault says what
 * to do with it. Does not know about prefixes: missing attributes are bgp_attrs_missing()'s.
 */
struct bgp_fault bgp_attrs_parse(struct rd in, const struct bgp_wire *wire,
				 struct bgp_attrs_draft *ret_draft);
/* Mandatory attributes for a route (RFC 4271 5): the first that is missing, or 0. */
uint8_t bgp_attrs_missing(const struct bgp_attrs_draft *d, bool needs_next_hop);
/* Keeps the worse of the two; of equals the one that is there. */
void bgp_fault_raise(struct bgp_fault *f, enum bgp_grade grade, uint8_t attr, struct bgp_err err);

/*
 * An interned set: immutable, shared, compared by pointer within its table. 72 bytes and the
 * variable part.
 */
struct bgp_attrs {
	struct bgp_attrs *next; /* the table's */
	uint32_t n_refs;
	uint32_t hash;
	/* From here on: what makes two sets equal, without padding. */
	uint32_t has;
	uint32_t med, local_pref; /* 0 if absent: look at has */
	uint32_t originator_id;
	struct bgp_aggregator aggregator;
	uint16_t path_hops; /* AS_PATH length as decision counts it: a set is 1, confederations 0 */
	uint16_t as_path_len, communities_len, ext_communities_len, large_communities_len,
		cluster_list_len, unknown_len; /* bytes */
	struct ip_addr nexthop;
	uint8_t origin;
	uint8_t data[]; /* the parts, in the order of their lengths; AS_PATH with 4-octet ASNs */
};

/* Cursors over the parts of a set, in wire form; empty if absent. */
struct rd bgp_attrs_as_path(const struct bgp_attrs *a);
struct rd bgp_attrs_communities(const struct bgp_attrs *a);
struct rd bgp_attrs_ext_communities(const struct bgp_attrs *a);
struct rd bgp_attrs_large_communities(const struct bgp_attrs *a);
struct rd bgp_attrs_cluster_list(const struct bgp_attrs *a);
struct rd bgp_attrs_unknown(const struct bgp_attrs *a);

/* Is asn anywhere in the AS_PATH (loop check, RFC 4271 9.1.2)? */
bool bgp_attrs_path_has(const struct bgp_attrs *a, uint32_t asn);
/* The neighbouring AS: first of a leading AS_SEQUENCE; 0 if the path is empty or starts otherwise.
 */
uint32_t bgp_attrs_path_first(const struct bgp_attrs *a);
bool bgp_attrs_has_community(const struct bgp_attrs *a, uint32_t community);
bool bgp_attrs_has_cluster(const struct bgp_attrs *a, uint32_t cluster_id);

/*
 * Makers of announcements fill a draft: has |= BGP_HAS_..., as_path from bgp_as_path_write(),
 * communities as big-endian bytes. AS_PATH present and empty is `has` with an empty cursor.
 */
void bgp_as_path_write(struct wr *w, const uint32_t *asns, size_t n); /* one AS_SEQUENCE per 255 */

/* The table of sets. Owner: the speaker. */
struct bgp_attr_table;

#define BGP_ATTR_TABLE_BYTES_MAX ((size_t)64 << 20)

struct bgp_attr_table_stats {
	size_t n_sets, n_bytes, max_bytes;
	uint64_t n_interned; /* calls */
	uint64_t n_shared;   /* of these, found an equal set */
	uint64_t n_refused;  /* of these, above max_bytes */
};

struct bgp_attr_table *bgp_attr_table_new(size_t max_bytes); /* 0: BGP_ATTR_TABLE_BYTES_MAX */
void bgp_attr_table_free(struct bgp_attr_table *t);          /* asserts that no set is left */
void bgp_attr_table_stats_get(const struct bgp_attr_table *t, struct bgp_attr_table_stats *ret);

/*
 * The set equal to the draft with this next hop (NULL: the draft's own), with one more reference.
 * NULL with counters up: the table is full, or the path is above BGP_AS_PATH_BYTES_MAX; treat the
 * routes as withdrawn.
 */
struct bgp_attrs *bgp_attrs_intern(struct bgp_attr_table *t, const struct bgp_attrs_draft *d,
				   const struct ip_addr *nexthop);
struct bgp_attrs *bgp_attrs_ref(struct bgp_attrs *a);                /* returns a */
void bgp_attrs_unref(struct bgp_attr_table *t, struct bgp_attrs *a); /* NULL does nothing */
size_t bgp_attrs_bytes(const struct bgp_attrs *a);                   /* memory of this set */

/*
 * Attributes of a set for a session, in order of their codes, unknown ones last: what eBGP must not
 * carry is left out; a 2-octet session gets AS_TRANS and AS4_PATH. NEXT_HOP is left out if
 * !with_next_hop (the caller writes MP_REACH).
 */
void bgp_attrs_encode(struct wr *w, const struct bgp_attrs *a, const struct bgp_wire *wire,
		      bool with_next_hop);
/* One attribute header; the length is extended where needed. */
void bgp_attr_header_write(struct wr *w, uint8_t flags, uint8_t code, size_t len);
