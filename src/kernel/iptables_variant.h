/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which iptables: legacy and nft are two rule sets in one kernel, and only one of them may be
 * filled by all programs of a host. Pure: looks at what the save programs printed.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum ipt_variant {
	IPT_VARIANT_NFT,
	IPT_VARIANT_LEGACY,
	IPT_VARIANT_PLAIN, /* only programs without a variant in their names exist */
	IPT_VARIANT_N
};
const char *ipt_variant_name(enum ipt_variant v);

#define IPT_PROGRAM_MAX 32
/* "iptables-nft-save": suffix "-save", "-restore" or "". */
const char *ipt_program(char buf[IPT_PROGRAM_MAX], enum ipt_variant v, uint8_t family,
			const char *suffix);

/* What one variant holds, over both families. */
struct ipt_usage {
	bool is_there; /* its save program runs and succeeds */
	bool has_hint; /* kubelet left its chain there */
	size_t n_rules;
	size_t n_ours; /* lines of our slots */
};
/* Adds the output of one save program (all tables). */
void ipt_usage_add(struct ipt_usage *u, uint8_t family, const char *text, size_t len);

/* nft and legacy. *ret_why: a constant text for the log. */
enum ipt_variant ipt_variant_choose(const struct ipt_usage *nft, const struct ipt_usage *legacy,
				    const char **ret_why);

struct ipt_version {
	unsigned major, minor, patch;
};
/* "iptables v1.8.9 (nf_tables)": 0, or -EINVAL. */
int ipt_version_parse(const char *text, struct ipt_version *ret);
/* --random-fully, and -w of the restore programs, came with 1.6.2. */
bool ipt_version_is_1_6_2(const struct ipt_version *v);
