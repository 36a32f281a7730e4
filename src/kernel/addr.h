/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The addresses of this node's interfaces, live: dumped at the start, then followed. Only looked
 * at.
 */
#include "model/link.h"
#include "nl/nl.h"

struct ev_loop;
struct kernel_addr;

#define KERNEL_ADDR_MAX      65536 /* addresses; the table keeps those it has and counts the rest */
#define KERNEL_ADDR_LINK_MAX 65536

/*
 * changed: after the first dump, and whenever an entry differs from before (an address, or its
 * link's name or MTU). Never before kernel_addr_new() returns. May be NULL.
 */
typedef void kernel_addr_fn(void *arg);
int kernel_addr_new(struct ev_loop *loop, const struct nl_opener *opener, kernel_addr_fn *changed,
		    void *arg, struct kernel_addr **ret);
void kernel_addr_free(struct kernel_addr *ka);

/* False until the first dump is in: nothing may be concluded from an address that is missing. */
bool kernel_addr_is_ready(const struct kernel_addr *ka);

/* Borrowed pointers, valid until the loop turns. Order: address, then interface index. */
size_t kernel_addr_count(const struct kernel_addr *ka);
const struct if_addr *kernel_addr_at(const struct kernel_addr *ka, size_t i);
/* The entry that has this address; NULL: it is not ours. Of several the lowest interface index. */
const struct if_addr *kernel_addr_find(const struct kernel_addr *ka, const struct ip_addr *addr);
/*
 * Among the entries of the given local addresses, the one on whose link's prefix `target` lies; the
 * longest prefix if there are several; NULL: none (then target is behind a router).
 */
const struct if_addr *kernel_addr_onlink(const struct kernel_addr *ka, const struct ip_addr *local,
					 size_t n_local, const struct ip_addr *target);

DEFINE_CLEANUP(struct kernel_addr *, kernel_addr_free)
