/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/rib.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "bgp/attr.h"
#include "bgp/policy.h"

/*
 *   bgp_rib_path_set/del, bgp_rib_local_set/del        (at any time)
 *          |
 *          v
 *   entry -> dirty list --- bgp_rib_run(), n at a time ---> decide -> events.best / best_gone
 *          ^
 *          |
 *   dead paths of flushed sources, n at a time
 *
 * Invariants: an entry is freed only by bgp_rib_run(), so a pointer in the dirty list is good. An
 * entry without paths and announcement is always in the dirty list. entry->best is NULL or a path
 * of that entry (taking a path away clears it), and is_changed says that its attributes are not
 * those that were reported.
 */

#define BGP_COMMUNITY_LLGR_STALE 0xffff0006u /* RFC 9494 */

struct bgp_rib {
	struct bgp_attr_table *attrs;
	struct bgp_rib_events events;
	uint32_t asn, router_id;
	struct trie entries; /* struct bgp_rib_entry */
	struct list locals;
	struct list cursors;  /* of bgp_rib_cursor.link */
	struct list flushing; /* of bgp_rib_source.flushing */
	struct bgp_rib_entry *dirty_first, *dirty_last;
	struct bgp_cand *cand; /* scratch of the decision */
	size_t cand_cap;
	size_t n_paths, n_locals;
	uint64_t decisions;
};

static void mark_dirty(struct bgp_rib *rib, struct bgp_rib_entry *e)
{
	if (e->is_dirty)
		return;
	e->is_dirty = true;
	e->dirty_next = NULL;
	if (rib->dirty_last)
		rib->dirty_last->dirty_next = e;
	else
		rib->dirty_first = e;
	rib->dirty_last = e;
	rib->events.work(rib->events.arg);
}

static struct bgp_rib_entry *entry_get_or_add(struct bgp_rib *rib, const struct ip_prefix *prefix)
{
	struct bgp_rib_entry *e = trie_get(&rib->entries, prefix);

	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->prefix = *prefix;
	(void)trie_put(&rib->entries, prefix, e);
	return e;
}

static bool path_is_dead(const struct bgp_rib_path *p)
{
	return p->gen != p->source->gen;
}

static enum bgp_rib_refused path_judge(const struct bgp_rib *rib, const struct ip_prefix *prefix,
				       const struct bgp_attrs *attrs)
{
	const struct ip_addr *nexthop = &attrs->nexthop;

	if (nexthop->family != prefix->addr.family)
		return BGP_RIB_NO_NEXTHOP;
	if (bgp_attrs_path_has(attrs, rib->asn))
		return BGP_RIB_AS_LOOP;
	if ((attrs->has & BGP_HAS_ORIGINATOR_ID) && attrs->originator_id == rib->router_id)
		return BGP_RIB_ORIGIN_LOOP;
	if (rib->events.is_own(rib->events.arg, nexthop))
		return BGP_RIB_OWN_NEXTHOP;
	return BGP_RIB_USABLE;
}

/* Unlinks from entry and source, and frees; the caller marks the entry. */
static void path_free(struct bgp_rib *rib, struct bgp_rib_path *p)
{
	struct bgp_rib_path **at = &p->entry->paths;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (p->entry->best == p)
		p->entry->best = NULL;
	list_del(&p->in_source);
	bgp_attrs_unref(rib->attrs, p->attrs);
	rib->n_paths--;
	free(p);
}

static struct bgp_rib_path *path_get(const struct bgp_rib_entry *e,
				     const struct bgp_rib_source *src)
{
	struct bgp_rib_path *p = e->paths;

	while (p && p->source != src)
		p = p->next;
	return p;
}

/* --- sources */

struct bgp_rib_source *bgp_rib_source_new(struct bgp_rib *rib, const struct ip_addr *peer)
{
	struct bgp_rib_source *src = xcalloc(1, sizeof(*src));

	src->rib = rib;
	src->peer = *peer;
	list_init(&src->paths);
	list_init(&src->flushing);
	return src;
}

static void source_free(struct bgp_rib_source *src)
{
	list_del(&src->flushing);
	free(src);
}

void bgp_rib_source_flush(struct bgp_rib_source *src)
{
	if (list_is_empty(&src->paths))
		return;
	src->gen = (src->gen + 1) & BGP_RIB_GEN_MASK;
	src->n_paths = 0;
	if (!src->is_flushing) {
		src->is_flushing = true;
		list_add_tail(&src->rib->flushing, &src->flushing);
	}
	src->rib->events.work(src->rib->events.arg);
}

void bgp_rib_source_close(struct bgp_rib_source *src)
{
	if (list_is_empty(&src->paths)) {
		source_free(src);
		return;
	}
	src->is_closed = true;
	bgp_rib_source_flush(src);
}

void bgp_rib_source_touch(struct bgp_rib_source *src)
{
	list_for_each (it, &src->paths) {
		struct bgp_rib_path *p = list_entry(it, struct bgp_rib_path, in_source);

		if (p->entry->best != p)
			continue;
		p->entry->is_changed = true;
		mark_dirty(src->rib, p->entry);
	}
}

/* Takes up to n dead paths away; returns how many. */
static size_t source_drain(struct bgp_rib_source *src, size_t n)
{
	size_t done = 0;

	while (done < n && !list_is_empty(&src->paths)) {
		struct bgp_rib_path *p = list_first(&src->paths, struct bgp_rib_path, in_source);
		struct bgp_rib_entry *e = p->entry;

		if (!path_is_dead(p))
			break; /* live ones are behind the dead ones */
		path_free(src->rib, p);
		mark_dirty(src->rib, e);
		done++;
	}
	return done;
}

static size_t flush_run(struct bgp_rib *rib, size_t n)
{
	size_t done = 0;

	while (done < n && !list_is_empty(&rib->flushing)) {
		struct bgp_rib_source *src =
			list_first(&rib->flushing, struct bgp_rib_source, flushing);
		size_t got = source_drain(src, n - done);

		done += got;
		if (done == n)
			break; /* maybe not at the end: looked at again */
		list_del(&src->flushing);
		src->is_flushing = false;
		if (src->is_closed)
			source_free(src);
	}
	return done;
}

/* --- paths */

bool bgp_rib_path_set(struct bgp_rib_source *src, const struct ip_prefix *prefix,
		      struct bgp_attrs *attrs, uint32_t now_s)
{
	struct bgp_rib *rib = src->rib;
	struct bgp_rib_entry *e = entry_get_or_add(rib, prefix);
	struct bgp_rib_path *p = path_get(e, src);
	bool is_new;

	assert(!src->is_closed);
	if (p && !path_is_dead(p) && p->attrs == attrs) { /* interned: the same, word for word */
		bgp_attrs_unref(rib->attrs, attrs);
		return false;
	}
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->source = src;
		p->entry = e;
		p->next = e->paths;
		e->paths = p;
		list_add_tail(&src->paths, &p->in_source);
		rib->n_paths++;
		is_new = true;
	} else {
		is_new = path_is_dead(p);
		bgp_attrs_unref(rib->attrs, p->attrs);
		list_del(&p->in_source); /* dead ones stay in front of live ones */
		list_add_tail(&src->paths, &p->in_source);
		if (e->best == p)
			e->is_changed = true;
	}
	p->attrs = attrs;
	p->gen = src->gen & BGP_RIB_GEN_MASK;
	p->since_s = now_s;
	p->refused = path_judge(rib, prefix, attrs) & 0xff;
	src->n_paths += is_new;
	mark_dirty(rib, e);
	return is_new;
}

void bgp_rib_path_del(struct bgp_rib_source *src, const struct ip_prefix *prefix)
{
	struct bgp_rib_entry *e = trie_get(&src->rib->entries, prefix);
	struct bgp_rib_path *p = e ? path_get(e, src) : NULL;

	if (!p)
		return; /* RFC 4271 allows a withdrawal of what was never announced */
	if (!path_is_dead(p))
		src->n_paths--;
	path_free(src->rib, p);
	mark_dirty(src->rib, e);
}

/* --- our announcements */

static void local_clear_attrs(struct bgp_rib *rib, struct bgp_rib_local *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->attrs); i++)
		bgp_attrs_unref(rib->attrs, l->attrs[i]);
}

int bgp_rib_local_set(struct bgp_rib *rib, const struct ip_prefix *prefix,
		      const struct bgp_announce *announce, struct bgp_attrs *const attrs[2])
{
	struct bgp_rib_entry *e = trie_get(&rib->entries, prefix);
	struct bgp_rib_local *l = e ? e->local : NULL;
	bool is_same;

	if (!l && rib->n_locals >= BGP_RIB_LOCAL_MAX) {
		bgp_attrs_unref(rib->attrs, attrs[0]);
		bgp_attrs_unref(rib->attrs, attrs[1]);
		return -ENOSPC;
	}
	if (!l) {
		l = xcalloc(1, sizeof(*l));
		l->prefix = *prefix;
		list_add_tail(&rib->locals, &l->link);
		e = entry_get_or_add(rib, prefix);
		e->local = l;
		rib->n_locals++;
	}
	is_same = l->attrs[0] == attrs[0] && l->attrs[1] == attrs[1] &&
		  l->announce.kind == announce->kind &&
		  l->announce.to_nodes == announce->to_nodes &&
		  l->announce.to_external == announce->to_external;
	local_clear_attrs(rib, l);
	l->attrs[0] = attrs[0];
	l->attrs[1] = attrs[1];
	l->announce = *announce;
	if (is_same)
		return 0;
	mark_dirty(rib, e);
	return 1;
}

static void local_free(struct bgp_rib *rib, struct bgp_rib_local *l)
{
	list_for_each (it, &rib->cursors) {
		struct bgp_rib_cursor *c = list_entry(it, struct bgp_rib_cursor, link);

		if (c->at == &l->link)
			c->at = l->link.next;
	}
	list_del(&l->link);
	local_clear_attrs(rib, l);
	rib->n_locals--;
	free(l);
}

int bgp_rib_local_del(struct bgp_rib *rib, const struct ip_prefix *prefix)
{
	struct bgp_rib_entry *e = trie_get(&rib->entries, prefix);

	if (!e || !e->local)
		return -ENOENT;
	local_free(rib, e->local);
	e->local = NULL;
	mark_dirty(rib, e);
	return 0;
}

const struct bgp_rib_local *bgp_rib_local_get(const struct bgp_rib *rib,
					      const struct ip_prefix *prefix)
{
	const struct bgp_rib_entry *e = trie_get(&rib->entries, prefix);

	return e ? e->local : NULL;
}

void bgp_rib_cursor_init(struct bgp_rib_cursor *c)
{
	*c = (struct bgp_rib_cursor){ 0 };
	list_init(&c->link);
}

void bgp_rib_cursor_stop(struct bgp_rib_cursor *c)
{
	list_del(&c->link);
}

void bgp_rib_cursor_start(struct bgp_rib_cursor *c, struct bgp_rib *rib)
{
	list_del(&c->link);
	list_add_tail(&rib->cursors, &c->link);
	c->at = rib->locals.next;
	c->end = &rib->locals;
}

bool bgp_rib_cursor_is_walking(const struct bgp_rib_cursor *c)
{
	return !list_is_empty(&c->link);
}

const struct bgp_rib_local *bgp_rib_cursor_next(struct bgp_rib_cursor *c)
{
	const struct bgp_rib_local *l;

	if (!bgp_rib_cursor_is_walking(c))
		return NULL;
	if (c->at == c->end) {
		bgp_rib_cursor_stop(c);
		return NULL;
	}
	l = list_entry(c->at, struct bgp_rib_local, link);
	c->at = c->at->next;
	return l;
}

/* --- decision */

static struct bgp_cand cand_of(const struct bgp_rib_path *p)
{
	const struct bgp_attrs *a = p->attrs;

	return (struct bgp_cand){
		.local_pref = a->has & BGP_HAS_LOCAL_PREF ? a->local_pref : 100,
		.path_len = a->path_hops,
		.first_as = bgp_attrs_path_first(a),
		.med = a->med,
		.since_s = p->since_s,
		.router_id =
			a->has & BGP_HAS_ORIGINATOR_ID ? a->originator_id : p->source->router_id,
		.cluster_hops = a->cluster_list_len / 4u,
		.origin = a->origin,
		.is_internal = p->source->is_internal,
		.is_llgr_stale = bgp_attrs_has_community(a, BGP_COMMUNITY_LLGR_STALE),
		.peer = p->source->peer,
		.tag = p->entry,
	};
}

/* The path to use, NULL if none. */
static struct bgp_rib_path *entry_decide(struct bgp_rib *rib, struct bgp_rib_entry *e)
{
	size_t n = 0;

	rib->decisions++;
	if (bgp_policy_import(&e->prefix, e->local ? &e->local->announce : NULL) !=
	    BGP_IMPORT_ACCEPT)
		return NULL;
	for (struct bgp_rib_path *p = e->paths; p; p = p->next) {
		if (p->refused || path_is_dead(p))
			continue;
		GROW(rib->cand, n, rib->cand_cap);
		rib->cand[n] = cand_of(p);
		rib->cand[n++].tag = p;
	}
	return n ? rib->cand[bgp_decide(rib->cand, n)].tag : NULL;
}

static void entry_report(struct bgp_rib *rib, struct bgp_rib_entry *e)
{
	const struct bgp_rib_path *p = e->best;
	struct bgp_best best = { .prefix = e->prefix };

	if (!p) {
		if (e->is_reported)
			rib->events.best_gone(rib->events.arg, &e->prefix);
		e->is_reported = false;
		return;
	}
	best.nexthop = p->attrs->nexthop;
	best.peer = p->source->peer;
	best.peer_role = p->source->role;
	rib->events.best(rib->events.arg, &best);
	e->is_reported = true;
}

static void entry_run(struct bgp_rib *rib, struct bgp_rib_entry *e)
{
	const struct bgp_rib_path *best = entry_decide(rib, e);

	if (best != e->best || e->is_changed || !best) {
		e->best = best;
		e->is_changed = false;
		entry_report(rib, e);
	}
	if (!e->paths && !e->local && !e->is_dirty) { /* a report may have changed it again */
		(void)trie_del(&rib->entries, &e->prefix);
		free(e);
	}
}

bool bgp_rib_run(struct bgp_rib *rib, size_t n)
{
	size_t done = flush_run(rib, n / 2);

	while (done < n && rib->dirty_first) {
		struct bgp_rib_entry *e = rib->dirty_first;

		rib->dirty_first = e->dirty_next;
		if (!rib->dirty_first)
			rib->dirty_last = NULL;
		e->is_dirty = false;
		entry_run(rib, e);
		done++;
	}
	return rib->dirty_first || !list_is_empty(&rib->flushing);
}

static int entry_judge(void *arg, const struct ip_prefix *prefix, void *value)
{
	struct bgp_rib *rib = arg;
	struct bgp_rib_entry *e = value;

	for (struct bgp_rib_path *p = e->paths; p; p = p->next) {
		enum bgp_rib_refused refused = path_judge(rib, prefix, p->attrs);

		if (p->refused != refused)
			mark_dirty(rib, e);
		p->refused = refused & 0xff;
	}
	return 0;
}

void bgp_rib_own_changed(struct bgp_rib *rib)
{
	(void)trie_walk(&rib->entries, entry_judge, rib);
}

/* --- the whole */

struct bgp_rib *bgp_rib_new(struct bgp_attr_table *attrs, uint32_t asn, uint32_t router_id,
			    const struct bgp_rib_events *events)
{
	struct bgp_rib *rib = xcalloc(1, sizeof(*rib));

	rib->attrs = attrs;
	rib->events = *events;
	rib->asn = asn;
	rib->router_id = router_id;
	list_init(&rib->locals);
	list_init(&rib->cursors);
	list_init(&rib->flushing);
	return rib;
}

static int entry_free(void *arg, const struct ip_prefix *prefix, void *value)
{
	struct bgp_rib *rib = arg;
	struct bgp_rib_entry *e = value;

	(void)prefix;
	while (e->paths)
		path_free(rib, e->paths);
	if (e->local)
		local_free(rib, e->local);
	free(e);
	return 0;
}

void bgp_rib_free(struct bgp_rib *rib)
{
	if (!rib)
		return;
	(void)trie_walk(&rib->entries, entry_free, rib);
	trie_fini(&rib->entries);
	list_for_each_safe (it, &rib->flushing) {
		struct bgp_rib_source *src = list_entry(it, struct bgp_rib_source, flushing);

		assert(src->is_closed);
		source_free(src);
	}
	free(rib->cand);
	free(rib);
}

void bgp_rib_stats_get(const struct bgp_rib *rib, struct bgp_rib_stats *ret)
{
	*ret = (struct bgp_rib_stats){
		.n_prefixes = rib->entries.n,
		.n_paths = rib->n_paths,
		.n_locals = rib->n_locals,
		.size_bytes = rib->entries.n * sizeof(struct bgp_rib_entry) +
			      rib->n_paths * sizeof(struct bgp_rib_path),
		.decisions = rib->decisions,
	};
}
