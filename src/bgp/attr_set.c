/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned attribute sets. A draft is written into the table's scratch block in its normal form,
 * the content from `has` to the end of data is hashed (keyed: peers choose it) and looked up; only
 * a set that is new is copied to memory of its own. Thousands of prefixes of a node share one set.
 *
 * Memory: sizeof(struct bgp_attrs) = 72 bytes and the parts. A route of another node (empty
 * AS_PATH, LOCAL_PREF, next hop) takes 72, one with an AS_PATH of three ASNs 86, and 8 for the
 * bucket.
 */
#include <assert.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "bgp/as_path.h"
#include "bgp/attr.h"
#include "bgp/attr_row.h"
#include "bgp/open.h"

#define CONTENT_AT  offsetof(struct bgp_attrs, has)
#define BUCKETS_MIN 64

/* Compared and hashed as bytes: no padding between `has` and the data. */
static_assert(offsetof(struct bgp_attrs, data) == sizeof(struct bgp_attrs), "tail padding");
static_assert(sizeof(struct bgp_attrs) == CONTENT_AT + 4 + 4 + 4 + 4 + 8 + 7 * sizeof(uint16_t) +
						  sizeof(struct ip_addr) + 1,
	      "padding");
static_assert(BGP_AS_PATH_BYTES_MAX <= UINT16_MAX, "as_path_len");

/* What only a message has, not a set. */
#define DRAFT_ONLY                                                                                 \
	(BGP_HAS_MP_REACH | BGP_HAS_MP_UNREACH | BGP_HAS_AS4_PATH | BGP_HAS_AS4_AGGREGATOR |       \
	 BGP_HAS_NEXT_HOP)

struct bgp_attr_table {
	struct bgp_attrs **buckets;
	size_t n_buckets; /* a power of 2 */
	struct bgp_attr_table_stats stats;
	struct bgp_attrs *scratch; /* with BGP_ATTRS_DATA_MAX bytes of data */
};

struct bgp_attr_table *bgp_attr_table_new(size_t max_bytes)
{
	struct bgp_attr_table *t = xcalloc(1, sizeof(*t));

	t->n_buckets = BUCKETS_MIN;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct bgp_attrs *));
	t->stats.max_bytes = max_bytes ? max_bytes : BGP_ATTR_TABLE_BYTES_MAX;
	t->scratch = xmalloc(sizeof(struct bgp_attrs) + BGP_ATTRS_DATA_MAX);
	return t;
}

void bgp_attr_table_free(struct bgp_attr_table *t)
{
	if (!t)
		return;
	assert(t->stats.n_sets == 0);
	free(t->scratch);
	free(t->buckets);
	free(t);
}

void bgp_attr_table_stats_get(const struct bgp_attr_table *t, struct bgp_attr_table_stats *ret)
{
	*ret = t->stats;
}

static size_t data_len(const struct bgp_attrs *a)
{
	return (size_t)a->as_path_len + a->communities_len + a->ext_communities_len +
	       a->large_communities_len + a->cluster_list_len + a->unknown_len;
}

size_t bgp_attrs_bytes(const struct bgp_attrs *a)
{
	return sizeof(*a) + data_len(a);
}

/* Appends a part; its length, or the sticky overflow. */
static uint16_t part_put(struct wr *w, struct rd part)
{
	if (part.left > UINT16_MAX) {
		w->overflow = true;
		return 0;
	}
	wr_bytes(w, part.pos, part.left);
	return (uint16_t)part.left;
}

/*
 * RFC 6793 4.2.3: is an AS4_PATH of a 2-octet session to be believed? Not if AGGREGATOR names a
 * real AS: then somebody who knows nothing of 4 octets has aggregated since.
 */
static bool trusts_as4(const struct bgp_attrs_draft *d)
{
	return !(d->has & BGP_HAS_AGGREGATOR) || !(d->has & BGP_HAS_AS4_AGGREGATOR) ||
	       d->aggregator.asn == BGP_AS_TRANS;
}

static uint16_t as_path_put(struct wr *w, const struct bgp_attrs_draft *d)
{
	struct wr path = wr_init(w->data + w->len, BGP_AS_PATH_BYTES_MAX);

	if (!(d->has & BGP_HAS_AS_PATH))
		return 0;
	if (!d->as2)
		bgp_as_path_convert(&path, d->as_path, 4, 4);
	else if ((d->has & BGP_HAS_AS4_PATH) && trusts_as4(d))
		bgp_as_path_merge(&path, d->as_path, d->as4_path);
	else
		bgp_as_path_convert(&path, d->as_path, 2, 4);
	if (path.overflow) {
		w->overflow = true;
		return 0;
	}
	w->len += path.len;
	return (uint16_t)path.len;
}

/* RFC 4271 5: an attribute we do not know is passed on with the partial bit. */
static uint16_t unknown_put(struct wr *w, const struct bgp_attrs_draft *d)
{
	size_t at = w->len;

	for (size_t i = 0; i < d->n_unknown; i++) {
		struct rd in = d->unknown[i];
		uint8_t flags = rd_u8(&in);
		uint8_t code = rd_u8(&in);

		rd_skip(&in, flags & BGP_ATTR_F_EXTENDED ? 2 : 1);
		bgp_attr_header_write(w, flags | BGP_ATTR_F_PARTIAL, code, in.left);
		wr_bytes(w, in.pos, in.left);
	}
	if (w->len - at > UINT16_MAX) {
		w->overflow = true;
		return 0;
	}
	return (uint16_t)(w->len - at);
}

static bool set_fill(struct bgp_attrs *a, const struct bgp_attrs_draft *d,
		     const struct ip_addr *nexthop)
{
	struct wr w = wr_init(a->data, BGP_ATTRS_DATA_MAX);

	memset(a, 0, sizeof(*a));
	a->has = d->has & ~DRAFT_ONLY;
	a->nexthop = nexthop ? *nexthop : d->nexthop;
	if (!ip_is_none(&a->nexthop))
		a->has |= BGP_HAS_NEXT_HOP;
	a->origin = d->origin;
	a->med = d->has & BGP_HAS_MED ? d->med : 0;
	a->local_pref = d->has & BGP_HAS_LOCAL_PREF ? d->local_pref : 0;
	a->originator_id = d->has & BGP_HAS_ORIGINATOR_ID ? d->originator_id : 0;
	if (d->has & BGP_HAS_AGGREGATOR) {
		bool is_as4 = (d->has & BGP_HAS_AS4_AGGREGATOR) && trusts_as4(d);

		a->aggregator = is_as4 ? d->as4_aggregator : d->aggregator;
	}

	a->as_path_len = as_path_put(&w, d);
	if (d->has & BGP_HAS_COMMUNITIES)
		a->communities_len = part_put(&w, d->communities);
	if (d->has & BGP_HAS_EXT_COMMUNITIES)
		a->ext_communities_len = part_put(&w, d->ext_communities);
	if (d->has & BGP_HAS_LARGE)
		a->large_communities_len = part_put(&w, d->large_communities);
	if (d->has & BGP_HAS_CLUSTER_LIST)
		a->cluster_list_len = part_put(&w, d->cluster_list);
	a->unknown_len = unknown_put(&w, d);
	if (w.overflow)
		return false;
	a->path_hops = (uint16_t)bgp_as_path_hops(bgp_attrs_as_path(a), 4);
	return true;
}

static bool set_same(const struct bgp_attrs *a, const struct bgp_attrs *b)
{
	size_t len = bgp_attrs_bytes(a);

	return a->hash == b->hash && len == bgp_attrs_bytes(b) &&
	       memcmp((const uint8_t *)a + CONTENT_AT, (const uint8_t *)b + CONTENT_AT,
		      len - CONTENT_AT) == 0;
}

static struct bgp_attrs **bucket_of(struct bgp_attr_table *t, uint32_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

static void buckets_grow(struct bgp_attr_table *t)
{
	struct bgp_attrs **old = t->buckets;
	size_t n_old = t->n_buckets;

	t->n_buckets = 2 * n_old;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct bgp_attrs *));
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct bgp_attrs *a = old[i];
			struct bgp_attrs **bucket = bucket_of(t, a->hash);

			old[i] = a->next;
			a->next = *bucket;
			*bucket = a;
		}
	}
	free(old);
}

static struct bgp_attrs *set_add(struct bgp_attr_table *t)
{
	size_t bytes = bgp_attrs_bytes(t->scratch);
	struct bgp_attrs *a;

	if (bytes > t->stats.max_bytes - t->stats.n_bytes)
		return NULL;
	if (t->stats.n_sets == t->n_buckets)
		buckets_grow(t);
	a = xmemdup(t->scratch, bytes);
	a->n_refs = 1;
	struct bgp_attrs **bucket = bucket_of(t, a->hash);
	a->next = *bucket;
	*bucket = a;
	t->stats.n_sets++;
	t->stats.n_bytes += bytes;
	return a;
}

struct bgp_attrs *bgp_attrs_intern(struct bgp_attr_table *t, const struct bgp_attrs_draft *d,
				   const struct ip_addr *nexthop)
{
	struct bgp_attrs *a = NULL;

	t->stats.n_interned++;
	if (set_fill(t->scratch, d, nexthop)) {
		t->scratch->hash = (uint32_t)map_hash((const uint8_t *)t->scratch + CONTENT_AT,
						      bgp_attrs_bytes(t->scratch) - CONTENT_AT);
		for (a = *bucket_of(t, t->scratch->hash); a; a = a->next) {
			if (!set_same(a, t->scratch))
				continue;
			t->stats.n_shared++;
			return bgp_attrs_ref(a);
		}
		a = set_add(t);
	}
	if (!a)
		t->stats.n_refused++;
	return a;
}

struct bgp_attrs *bgp_attrs_ref(struct bgp_attrs *a)
{
	assert(a->n_refs > 0 && a->n_refs < UINT32_MAX);
	a->n_refs++;
	return a;
}

void bgp_attrs_unref(struct bgp_attr_table *t, struct bgp_attrs *a)
{
	if (!a)
		return;
	assert(a->n_refs > 0);
	if (--a->n_refs > 0)
		return;
	struct bgp_attrs **link = bucket_of(t, a->hash);
	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	t->stats.n_sets--;
	t->stats.n_bytes -= bgp_attrs_bytes(a);
	free(a);
}

struct rd bgp_attrs_as_path(const struct bgp_attrs *a)
{
	return rd_init(a->data, a->as_path_len);
}

struct rd bgp_attrs_communities(const struct bgp_attrs *a)
{
	return rd_init(a->data + a->as_path_len, a->communities_len);
}

struct rd bgp_attrs_ext_communities(const struct bgp_attrs *a)
{
	return rd_init(bgp_attrs_communities(a).pos + a->communities_len, a->ext_communities_len);
}

struct rd bgp_attrs_large_communities(const struct bgp_attrs *a)
{
	return rd_init(bgp_attrs_ext_communities(a).pos + a->ext_communities_len,
		       a->large_communities_len);
}

struct rd bgp_attrs_cluster_list(const struct bgp_attrs *a)
{
	return rd_init(bgp_attrs_large_communities(a).pos + a->large_communities_len,
		       a->cluster_list_len);
}

struct rd bgp_attrs_unknown(const struct bgp_attrs *a)
{
	return rd_init(bgp_attrs_cluster_list(a).pos + a->cluster_list_len, a->unknown_len);
}

bool bgp_attrs_path_has(const struct bgp_attrs *a, uint32_t asn)
{
	return bgp_as_path_has(bgp_attrs_as_path(a), asn);
}

uint32_t bgp_attrs_path_first(const struct bgp_attrs *a)
{
	return bgp_as_path_first(bgp_attrs_as_path(a));
}

static bool list_has(struct rd list, uint32_t value)
{
	while (list.left > 0)
		if (rd_u32(&list) == value)
			return true;
	return false;
}

bool bgp_attrs_has_community(const struct bgp_attrs *a, uint32_t community)
{
	return list_has(bgp_attrs_communities(a), community);
}

bool bgp_attrs_has_cluster(const struct bgp_attrs *a, uint32_t cluster_id)
{
	return list_has(bgp_attrs_cluster_list(a), cluster_id);
}
