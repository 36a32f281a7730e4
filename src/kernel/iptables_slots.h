/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Slots: who hooks which built-in chain, where, and which of its lines are ours. Pure.
 */
#include "kernel/iptables_text.h"
#include "model/iptables.h"

/* Forms of one slot in one family; also the greatest number of different lines it can hold. */
#define IPT_FORMS_MAX 4
#define IPT_SLOT_N    (IPT_SLOT_POD_EGRESS + 1)

enum ipt_place {
	IPT_PLACE_TOP, /* before all others, but behind the jumps to slot.below */
	IPT_PLACE_END,
};

struct ipt_slot_desc {
	const char *table, *chain; /* NULL: not a slot of a built-in chain */
	enum ipt_place place;
	const char *below; /* jumps to this chain stay before our lines; NULL: none */
	/*
	 * Lines that are ours, canonical, current and obsolete ones; a word "*" is any word. Their
	 * order is the order in which a dump shows them: it means nothing to the kernel (all of a
	 * slot's rules have the same target), so that another order in the chain is no difference.
	 */
	const char *forms4[IPT_FORMS_MAX], *forms6[IPT_FORMS_MAX];
};

/* Never NULL; table is NULL for what is no slot. */
const struct ipt_slot_desc *ipt_slot_desc(unsigned slot);

/* Index of the form a rule has, -1: not ours. */
int ipt_slot_form(unsigned slot, uint8_t family, const struct strv *words);

/* The word behind -j or -g, NULL if there is none. */
const char *ipt_rule_target(const struct strv *words);
