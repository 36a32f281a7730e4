/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/adj_out.h"

#include <assert.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "bgp/update.h"

/*
 * One entry per prefix that is announced or marked. Marks form a queue for each family, since an
 * UPDATE carries one; prefixes marked one after the other usually share their attributes, so taking
 * a run of equal ones from the head packs well without sorting.
 */

#define BATCH_MAX  ((size_t)512) /* prefixes of one UPDATE */
#define N_FAMILIES 2

struct out_entry {
	struct list pending;
	struct ip_prefix prefix;
	bool is_forced;         /* say it even if it was said */
	struct bgp_attrs *sent; /* a reference; NULL: not announced */
};

struct bgp_adj_out {
	struct bgp_attr_table *attrs;
	struct map entries;              /* by struct ip_prefix */
	struct list pending[N_FAMILIES]; /* IPv4, IPv6 */
	size_t n_sent;
};

static struct list *queue_of(struct bgp_adj_out *o, const struct ip_prefix *prefix)
{
	return &o->pending[prefix->addr.family == IP_V6];
}

struct bgp_adj_out *bgp_adj_out_new(struct bgp_attr_table *attrs)
{
	struct bgp_adj_out *o = xcalloc(1, sizeof(*o));

	o->attrs = attrs;
	for (size_t i = 0; i < N_FAMILIES; i++)
		list_init(&o->pending[i]);
	return o;
}

static void entry_sent_set(struct bgp_adj_out *o, struct out_entry *e, struct bgp_attrs *attrs)
{
	o->n_sent += !!attrs;
	o->n_sent -= !!e->sent;
	if (attrs)
		(void)bgp_attrs_ref(attrs);
	bgp_attrs_unref(o->attrs, e->sent);
	e->sent = attrs;
}

static void entry_free(struct bgp_adj_out *o, struct out_entry *e)
{
	entry_sent_set(o, e, NULL);
	list_del(&e->pending);
	free(e);
}

void bgp_adj_out_clear(struct bgp_adj_out *o)
{
	map_for_each (&o->entries, i)
		entry_free(o, map_at(&o->entries, i, NULL, NULL));
	map_fini(&o->entries);
	o->entries = (struct map)MAP_INIT;
}

void bgp_adj_out_free(struct bgp_adj_out *o)
{
	if (!o)
		return;
	bgp_adj_out_clear(o);
	free(o);
}

static void entry_mark(struct bgp_adj_out *o, struct out_entry *e)
{
	if (list_is_empty(&e->pending))
		list_add_tail(queue_of(o, &e->prefix), &e->pending);
}

void bgp_adj_out_mark(struct bgp_adj_out *o, const struct ip_prefix *prefix)
{
	struct out_entry *e = map_get(&o->entries, prefix, sizeof(*prefix));

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->prefix = *prefix;
		list_init(&e->pending);
		(void)map_put(&o->entries, prefix, sizeof(*prefix), e);
	}
	entry_mark(o, e);
}

bool bgp_adj_out_has(const struct bgp_adj_out *o, const struct ip_prefix *prefix)
{
	return map_get(&o->entries, prefix, sizeof(*prefix));
}

void bgp_adj_out_resend(struct bgp_adj_out *o, unsigned families)
{
	map_for_each (&o->entries, i) {
		struct out_entry *e = map_at(&o->entries, i, NULL, NULL);

		if (!e->sent || !(bgp_af_of(&e->prefix) & families))
			continue;
		e->is_forced = true;
		entry_mark(o, e);
	}
}

void bgp_adj_out_mark_all(struct bgp_adj_out *o)
{
	map_for_each (&o->entries, i)
		entry_mark(o, map_at(&o->entries, i, NULL, NULL));
}

bool bgp_adj_out_is_pending(const struct bgp_adj_out *o, unsigned family)
{
	return !list_is_empty(&o->pending[family == BGP_AF_IPV6]);
}

size_t bgp_adj_out_n(const struct bgp_adj_out *o)
{
	return o->n_sent;
}

/* The entry was dealt with: attrs is what the peer has now. */
static void entry_done(struct bgp_adj_out *o, struct out_entry *e, struct bgp_attrs *attrs)
{
	e->is_forced = false;
	list_del(&e->pending);
	entry_sent_set(o, e, attrs);
	if (e->sent)
		return;
	(void)map_del(&o->entries, &e->prefix, sizeof(e->prefix));
	entry_free(o, e);
}

static bool is_said(const struct out_entry *e, const struct bgp_attrs *attrs)
{
	return e->sent == attrs && !(e->is_forced && attrs);
}

/* A run of marks from the head of the queue that one UPDATE could carry. */
struct batch {
	struct bgp_attrs *attrs; /* NULL: withdrawals */
	size_t n;
	struct out_entry *entries[BATCH_MAX];
	struct ip_prefix prefixes[BATCH_MAX];
};

/* Fills b; returns how many marks turned out to need nothing. */
static size_t batch_take(struct bgp_adj_out *o, struct list *queue, struct batch *b,
			 bgp_adj_out_want_fn *want, void *arg)
{
	size_t n_idle = 0;

	b->n = 0;
	list_for_each_safe (it, queue) {
		struct out_entry *e = list_entry(it, struct out_entry, pending);
		struct bgp_attrs *attrs = want(arg, &e->prefix);

		if (is_said(e, attrs)) {
			entry_done(o, e, attrs);
			if (++n_idle == BATCH_MAX)
				break;
			continue;
		}
		if (b->n > 0 && attrs != b->attrs)
			break;
		b->attrs = attrs;
		b->entries[b->n] = e;
		b->prefixes[b->n++] = e->prefix;
		if (b->n == BATCH_MAX)
			break;
	}
	return n_idle;
}

size_t bgp_adj_out_next(struct bgp_adj_out *o, struct wr *w, const struct bgp_wire *wire,
			bgp_adj_out_want_fn *want, void *arg)
{
	struct list *queue = &o->pending[list_is_empty(&o->pending[0])];
	struct batch b;
	size_t n_idle, n;

	if (list_is_empty(queue))
		return 0;
	n_idle = batch_take(o, queue, &b, want, arg);
	if (b.n == 0)
		return n_idle;
	n = b.attrs ? bgp_update_encode(w, wire, b.attrs, b.prefixes, b.n)
		    : bgp_withdraw_encode(w, wire, b.prefixes, b.n);
	if (n == 0 && b.attrs && b.entries[0]->sent) {
		/* Attributes larger than a message: then the old ones must not stand (RFC
		 * 4271 9.2). */
		b.attrs = NULL;
		n = bgp_withdraw_encode(w, wire, b.prefixes, 1);
	}
	if (n == 0) {
		entry_done(o, b.entries[0], NULL);
		return n_idle + 1;
	}
	assert(n <= b.n);
	for (size_t i = 0; i < n; i++)
		entry_done(o, b.entries[i], b.attrs);
	return n_idle + n;
}
