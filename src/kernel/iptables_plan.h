/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From what a row has and wants to the input of *-restore --noflush. Pure.
 *
 * Changed chains are written anew; of a slot only surplus lines are deleted and missing ones
 * inserted. One *table..COMMIT block for each table, and each is one transaction.
 */
#include "kernel/iptables_slots.h"
#include "model/reconcile.h"

#define IPT_TABLES_MAX 4

struct ipt_change {
	struct ipt_key key;
	struct bytes have, want; /* data NULL: not there / shall not be there */
	size_t above;            /* slots: lines before the place of insertion */
};

/* Sections of one table, in the order in which they are sent. */
enum ipt_section {
	IPT_SECTION_CHAINS,  /* made, or emptied */
	IPT_SECTION_RULES,   /* their rules */
	IPT_SECTION_INSERTS, /* of slots: may jump to the chains above */
	IPT_SECTION_DELETES,
	IPT_SECTION_GONE, /* chains removed, once nothing points at them */
	IPT_SECTION_N
};

struct ipt_batch {
	struct {
		char name[IPT_NAME_MAX];
		struct strbuf sections[IPT_SECTION_N];
	} tables[IPT_TABLES_MAX];
	size_t n_tables;
};

/* Is the row one that may be sent? 0, or -EINVAL / -E2BIG with *ret_what a constant text. */
int ipt_change_check(const struct ipt_change *c, const char **ret_what);

/* Adds what a checked change needs, maybe nothing: 0 or -E2BIG (too many tables). */
int ipt_batch_add(struct ipt_batch *b, const struct ipt_change *c);
/* Nothing to send: the text would be empty. */
bool ipt_batch_is_empty(const struct ipt_batch *b);
void ipt_batch_text(const struct ipt_batch *b, struct strbuf *out);
void ipt_batch_fini(struct ipt_batch *b);
