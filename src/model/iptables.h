/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * iptables as ordered values: a row is a chain of ours, or a slot of a built-in chain; its value is
 * the ordered list of rules, one per line, in the words of iptables-save after the chain's name
 * (`-i kube-bridge -m comment --comment "..." -j ACCEPT`), each ended by a newline. Single rules
 * never are rows.
 */
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "model/reconcile.h"

#define IPT_NAME_MAX 32

enum ipt_slot {
	IPT_SLOT_CHAIN, /* the whole chain is ours */
	/* Built-in chains: which lines are ours is decided by kernel/iptables_slots.c. */
	IPT_SLOT_FORWARD_ACCEPT, /* filter FORWARD: the three accepts of routing */
	IPT_SLOT_POD_EGRESS,     /* nat POSTROUTING: masquerade of pods leaving the cluster */
};

struct ipt_key {
	char table[IPT_NAME_MAX]; /* "filter", "nat"; zero-filled */
	char chain[IPT_NAME_MAX];
	uint8_t family; /* enum ip_family */
	uint8_t slot;   /* enum ipt_slot */
};
/* Value: text as above, not terminated; the length is that of the bytes. */

void ipt_key_fmt(struct strbuf *out, struct bytes key);
void ipt_value_fmt(struct strbuf *out, struct bytes value);
