/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The reconciler of links: creates bridges, sets them up, sets their MTU. Rows: struct link_key,
 * struct link_value.
 *
 * Ours are the names given at creation; other links are neither reported nor changed. A link of
 * another kind that has one of our names is reported as LINK_KIND_OTHER; operations on it fail with
 * -EEXIST. If only the MTU is refused, the link is there and up, and ROW_SET fails with the text.
 */
#include "model/link.h"
#include "model/reconcile.h"
#include "nl/nl.h"

struct ev_loop;
struct kernel_link;

#define KERNEL_LINK_NAMES_MAX 8

int kernel_link_new(struct ev_loop *loop, const struct nl_opener *opener, const char *const *names,
		    size_t n_names, struct kernel_link **ret);
void kernel_link_free(struct kernel_link *kl);
struct reconciler kernel_link_reconciler(struct kernel_link *kl);

/* What a name's link is now; false: not there, or not one of ours. */
bool kernel_link_get(const struct kernel_link *kl, const char *name, struct link_value *ret);

DEFINE_CLEANUP(struct kernel_link *, kernel_link_free)
