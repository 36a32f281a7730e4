/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The reconcilers of ipsets: one for the sets (struct ipset_key, struct ipset_value), one for their
 * members (struct ipset_member_key, no value).
 *
 * Ours are the sets whose name the predicate accepts; others are neither reported nor changed.
 *
 * A set of ours with another type or other options (ROW_SET with a `have` that differs) is made
 * anew under a temporary name, swapped in, so that rules that name it stay valid, and the old one
 * is destroyed. It is empty then: the members are dumped at once, seen to be missing, and set again
 * by the engine. The kernel swaps only sets of one type and family; if those differ, the set is
 * destroyed and created, which fails with -EBUSY and a text while rules refer to it.
 *
 * Members are written without a timeout attribute: a set of ours has the default `timeout 0`, which
 * makes them permanent. A member that would expire is not reported as present, so that it is set
 * again; so is one with `nomatch`.
 *
 * Looks at the sets by itself, more than once a second, and dumps them when somebody else changed
 * them.
 */
#include "kernel/audit.h"
#include "model/ipset.h"
#include "model/reconcile.h"
#include "nl/nl.h"

struct ev_loop;
struct kernel_ipset;

#define KERNEL_IPSET_SETS_MAX    65536
#define KERNEL_IPSET_MEMBERS_MAX 4194304

typedef bool kernel_ipset_is_ours_fn(void *arg, const char *name);

int kernel_ipset_new(struct ev_loop *loop, const struct nl_opener *opener,
		     kernel_ipset_is_ours_fn *is_ours, void *arg, struct kernel_ipset **ret);
void kernel_ipset_free(struct kernel_ipset *ki);
struct reconciler kernel_ipset_reconciler(struct kernel_ipset *ki);
struct reconciler kernel_ipset_member_reconciler(struct kernel_ipset *ki);
/* Of both tables; see ipset_audit.h. us: from the start of each look to its end. */
void kernel_ipset_audit_get(const struct kernel_ipset *ki, struct audit_stats *ret);

DEFINE_CLEANUP(struct kernel_ipset *, kernel_ipset_free)
