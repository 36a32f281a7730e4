/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Adj-RIB-Out of one peer: which prefix was announced to it with which attributes, and which ones
 * have to be looked at again.
 *
 * A change only marks the prefix. What is said about it is asked (want) when the session has room,
 * so a slow peer costs one mark per prefix, however often that changes, and hears the newest state
 * once. Attributes are interned: the same pointer means nothing to say.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct bgp_adj_out;
struct bgp_attr_table;
struct bgp_attrs;
struct bgp_wire;
struct wr;

/* What the peer should hear about a prefix: attributes (borrowed), or NULL for nothing. */
typedef struct bgp_attrs *bgp_adj_out_want_fn(void *arg, const struct ip_prefix *prefix);

struct bgp_adj_out *bgp_adj_out_new(struct bgp_attr_table *attrs);
void bgp_adj_out_free(struct bgp_adj_out *o);

void bgp_adj_out_mark(struct bgp_adj_out *o, const struct ip_prefix *prefix);
/* Is it announced, or marked? */
bool bgp_adj_out_has(const struct bgp_adj_out *o, const struct ip_prefix *prefix);
/* Everything announced of these families (BGP_AF_*) is said again (ROUTE-REFRESH). */
void bgp_adj_out_resend(struct bgp_adj_out *o, unsigned families);
/* Everything announced is looked at again (the role of the peer changed). */
void bgp_adj_out_mark_all(struct bgp_adj_out *o);
/* The session is gone: nothing is announced, nothing marked. */
void bgp_adj_out_clear(struct bgp_adj_out *o);

/*
 * Writes at most one UPDATE, looking at no more than a few hundred marks. Returns how many it
 * looked at, 0: none is left. w->len is 0 when there was nothing to say.
 */
size_t bgp_adj_out_next(struct bgp_adj_out *o, struct wr *w, const struct bgp_wire *wire,
			bgp_adj_out_want_fn *want, void *arg);
/* Is a prefix of this family (one BGP_AF_*) marked? */
bool bgp_adj_out_is_pending(const struct bgp_adj_out *o, unsigned family);
size_t bgp_adj_out_n(const struct bgp_adj_out *o); /* prefixes announced */
