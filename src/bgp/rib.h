/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The RIB: one trie of prefixes; under each prefix what the peers sent and what this node
 * announces.
 *
 * Paths belong to a source (one per peer). A session that ends costs nothing at that instant: the
 * source moves on to its next generation, older paths are dead from then on and are taken away in
 * slices. Every change marks its prefix; marked prefixes are decided in slices too, and only the
 * outcome is told. So a burst of changes to one prefix is one report, and no report ever comes from
 * within a call of this header: they come from bgp_rib_run().
 */
#include "base/list.h"
#include "base/trie.h"
#include "bgp/decide.h"
#include "model/bgp.h"

struct bgp_attrs;
struct bgp_attr_table;
struct bgp_rib;
struct bgp_rib_entry;

/* Most announcements of this node; each VIP is one. */
#define BGP_RIB_LOCAL_MAX BGP_ANNOUNCEMENTS_MAX

#define BGP_RIB_GEN_MASK 0xffffffu /* a dead path does not outlive 16 million sessions */

/* One peer as the origin of paths. */
struct bgp_rib_source {
	struct bgp_rib *rib;
	struct ip_addr peer;
	uint8_t role; /* enum bgp_peer_role */
	bool is_internal;
	bool is_closed; /* freed when the last path is gone */
	bool is_flushing;
	uint32_t router_id;
	uint32_t gen;         /* BGP_RIB_GEN_MASK; paths of another generation are dead */
	uint32_t n_paths;     /* live ones */
	struct list paths;    /* bgp_rib_path.in_source, dead ones first */
	struct list flushing; /* in bgp_rib.flushing */
};

/* A path: 56 bytes, and its share of the interned attributes. */
struct bgp_rib_path {
	struct list in_source;
	struct bgp_rib_path *next; /* under the same prefix */
	struct bgp_rib_entry *entry;
	struct bgp_rib_source *source;
	struct bgp_attrs *attrs; /* a reference */
	uint32_t since_s;        /* monotonic, whole seconds: all that the decision asks */
	uint32_t gen : 24;
	uint32_t refused : 8; /* enum bgp_rib_refused */
};

/* Why a path that is kept may not be used (RFC 4271 9.1.2, RFC 4456 8). */
enum bgp_rib_refused {
	BGP_RIB_USABLE,
	BGP_RIB_AS_LOOP,     /* our ASN is in the AS_PATH */
	BGP_RIB_ORIGIN_LOOP, /* we are the ORIGINATOR_ID */
	BGP_RIB_OWN_NEXTHOP, /* the next hop is an address of this node */
	BGP_RIB_NO_NEXTHOP,  /* none of the family of the prefix */
};

/* A prefix: 56 bytes, and its nodes in the trie. */
struct bgp_rib_entry {
	struct ip_prefix prefix;
	bool is_changed;  /* the best path changed under its pointer */
	bool is_reported; /* the last report was best, not best_gone */
	bool is_dirty;
	struct bgp_rib_path *paths;
	const struct bgp_rib_path *best; /* NULL: none, or gone since */
	struct bgp_rib_entry *dirty_next;
	struct bgp_rib_local *local;
};

/* An announcement of this node. */
struct bgp_rib_local {
	struct list link; /* in bgp_rib.locals */
	struct ip_prefix prefix;
	struct bgp_announce announce;
	struct bgp_attrs *attrs[2]; /* to an external peer, to an internal one: references */
};

struct bgp_rib_stats {
	size_t n_prefixes, n_paths, n_locals;
	size_t size_bytes; /* entries and paths; without trie and attributes */
	uint64_t decisions;
};

/* Reports come from bgp_rib_run() only. */
struct bgp_rib_events {
	void *arg;
	void (*best)(void *arg, const struct bgp_best *best);
	void (*best_gone)(void *arg, const struct ip_prefix *prefix);
	/* There is work for bgp_rib_run(). May come from within any call. */
	void (*work)(void *arg);
	/* Is this address one of this node? */
	bool (*is_own)(void *arg, const struct ip_addr *addr);
};

/* attrs is borrowed and outlives the RIB. */
struct bgp_rib *bgp_rib_new(struct bgp_attr_table *attrs, uint32_t asn, uint32_t router_id,
			    const struct bgp_rib_events *events);
/* Everything goes, without reports; closed sources too. Open ones must be closed before. */
void bgp_rib_free(struct bgp_rib *rib);

struct bgp_rib_source *bgp_rib_source_new(struct bgp_rib *rib, const struct ip_addr *peer);
/* Its paths die; it frees itself once they are gone. */
void bgp_rib_source_close(struct bgp_rib_source *src);
/* All paths so far are dead. */
void bgp_rib_source_flush(struct bgp_rib_source *src);
/* The role of the peer changed: its best routes are reported again. */
void bgp_rib_source_touch(struct bgp_rib_source *src);

/*
 * A path, new or in place of the one before. Takes over the caller's reference to attrs. Returns
 * true if this is one prefix more of that source.
 */
bool bgp_rib_path_set(struct bgp_rib_source *src, const struct ip_prefix *prefix,
		      struct bgp_attrs *attrs, uint32_t now_s);
void bgp_rib_path_del(struct bgp_rib_source *src, const struct ip_prefix *prefix);

/*
 * Takes over the references in attrs, also on error. 1 if something changed, 0 if not, -ENOSPC at
 * the ceiling.
 */
int bgp_rib_local_set(struct bgp_rib *rib, const struct ip_prefix *prefix,
		      const struct bgp_announce *announce, struct bgp_attrs *const attrs[2]);
/* -ENOENT */
int bgp_rib_local_del(struct bgp_rib *rib, const struct ip_prefix *prefix);
const struct bgp_rib_local *bgp_rib_local_get(const struct bgp_rib *rib,
					      const struct ip_prefix *prefix);

/*
 * A walk over the announcements that may pause while they change. What is announced meanwhile is
 * found at the end of it; what is withdrawn before it was reached is not seen.
 */
struct bgp_rib_cursor {
	struct list link; /* in bgp_rib.cursors; unlinked: no walk */
	struct list *at;  /* next bgp_rib_local.link */
	struct list *end;
};
void bgp_rib_cursor_init(struct bgp_rib_cursor *c);                       /* no walk */
void bgp_rib_cursor_start(struct bgp_rib_cursor *c, struct bgp_rib *rib); /* or anew */
void bgp_rib_cursor_stop(struct bgp_rib_cursor *c);
/* NULL: the walk is over, or there is none. */
const struct bgp_rib_local *bgp_rib_cursor_next(struct bgp_rib_cursor *c);
bool bgp_rib_cursor_is_walking(const struct bgp_rib_cursor *c);

/* What is_own() says may have changed: every path is judged again. */
void bgp_rib_own_changed(struct bgp_rib *rib);

/* Does up to n units (a prefix decided, a dead path removed); true if there is more to do. */
bool bgp_rib_run(struct bgp_rib *rib, size_t n);

void bgp_rib_stats_get(const struct bgp_rib *rib, struct bgp_rib_stats *ret);
