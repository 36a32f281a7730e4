/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The reconciler of addresses on links of ours (struct link_addr_key, no value). What other
 * interfaces have is told by addr.h and never changed.
 *
 * Reported are all addresses of the links named at creation but link-local ones, which the kernel
 * makes itself.
 */
#include "model/link.h"
#include "model/reconcile.h"
#include "nl/nl.h"

struct ev_loop;
struct kernel_ifaddr;

#define KERNEL_IFADDR_LINKS_MAX 8
#define KERNEL_IFADDR_MAX       65536

int kernel_ifaddr_new(struct ev_loop *loop, const struct nl_opener *opener,
		      const char *const *links, size_t n_links, struct kernel_ifaddr **ret);
/* Operations in flight get no result. */
void kernel_ifaddr_free(struct kernel_ifaddr *ki);
struct reconciler kernel_ifaddr_reconciler(struct kernel_ifaddr *ki);

DEFINE_CLEANUP(struct kernel_ifaddr *, kernel_ifaddr_free)
