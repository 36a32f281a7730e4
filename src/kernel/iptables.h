/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reconciler of iptables rows (model/iptables.h), over the programs *-save and *-restore.
 *
 * Which variant: legacy or nft, whichever the host already uses (iptables_variant.h), decided with
 * the first dump and kept; a family whose programs are missing or fail is looked for again whenever
 * one of its rows is tried. Its rows fail with a text that names the program; the other family goes
 * on.
 *
 * Texts of rules are in canonical form: what *-save prints, with quotes only around words that are
 * empty or hold a blank, a quote or a backslash (ipt_rule_canonical()).
 */
#include "kernel/audit.h"
#include "kernel/iptables_watch.h"
#include "model/iptables.h"
#include "model/reconcile.h"

struct ev_loop;
struct kernel_iptables;

/*
 * A full dump of our own accord this often (less up to a quarter), less often where it is expensive
 * (above 0.5 % of a core). It finds what iptables_watch.h does not see: legacy changes that keep
 * all sizes, changes by programs of the plain variant, and what was lost.
 */
#define IPT_AUDIT_US (60 * US_PER_S)

struct ipt_conf {
	bool ipv4, ipv6; /* families wanted; rows of the others fail */
	/*
	 * Whole chains that are ours (rows with IPT_SLOT_CHAIN): a dump shows these, and only these
	 * may be written. NULL: none. Slots of built-in chains need no word here.
	 */
	bool (*is_our_chain)(void *arg, const struct ipt_key *key);
	void *arg;
	const struct nl_opener *opener; /* of the events; NULL: the kernel */
	ipt_info_fn *info;              /* of legacy tables; NULL: the kernel */
	void *info_arg;
};

/* Starts no program yet. 0, or -EINVAL without any family. */
int kernel_iptables_new(struct ev_loop *loop, const struct ipt_conf *conf,
			struct kernel_iptables **ret);
/* A program that runs finishes on its own; nobody is told. */
void kernel_iptables_free(struct kernel_iptables *k);
struct reconciler kernel_iptables_reconciler(struct kernel_iptables *k);

/* MASQUERADE knows --random-fully (1.6.2). Known from the end of the first dump on. */
bool kernel_iptables_random_fully(const struct kernel_iptables *k);
/* "nft", "legacy", "plain" (programs without a variant in their names); "unknown" before. */
const char *kernel_iptables_variant(const struct kernel_iptables *k);
/* looks: polls of legacy tables and events; us: wall time of the save programs. */
void kernel_iptables_audit_get(const struct kernel_iptables *k, struct audit_stats *ret);
