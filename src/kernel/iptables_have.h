/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a save shows of ours: rows of one family. Pure but for its heap.
 */
#include "base/map.h"
#include "kernel/iptables_slots.h"
#include "model/iptables.h"

/* Bytes of one row's text, and rows of one family: past them a save is refused (-EFBIG). */
#define IPT_ROW_TEXT_MAX ((size_t)4 << 20)
#define IPT_ROWS_MAX     ((size_t)1 << 20)

struct ipt_have {
	uint8_t family;
	struct map rows; /* struct ipt_key -> struct strbuf, owned: the text */
	/* Lines before the place where a slot's missing lines go, or 0. */
	size_t above[IPT_SLOT_N];
};

struct ipt_have_filter {
	bool (*is_our_chain)(void *arg, const struct ipt_key *key); /* may be NULL */
	void *arg;
};

void ipt_have_init(struct ipt_have *h, uint8_t family);
void ipt_have_fini(struct ipt_have *h);
/*
 * Adds the output of one save. Slots without a line of ours are no rows. 0 or -errno; after an
 * error the rows are not to be used.
 */
int ipt_have_add(struct ipt_have *h, const char *text, size_t len,
		 const struct ipt_have_filter *filter);

/* The row's text, data NULL: not there. */
struct bytes ipt_have_get(const struct ipt_have *h, const struct ipt_key *key);
void ipt_have_set(struct ipt_have *h, const struct ipt_key *key, struct bytes text);
void ipt_have_del(struct ipt_have *h, const struct ipt_key *key);
