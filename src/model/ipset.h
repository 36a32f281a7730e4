/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ipsets: headers and members are rows of two tables, so that a member costs one row and one
 * netlink attribute, and a set is created before its first member.
 */
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "model/reconcile.h"

#define IPSET_NAME_MAX 32 /* IPSET_MAXNAMELEN, with the terminator */

enum ipset_type {
	IPSET_TYPE_OTHER, /* a type we do not use; a set of ours that has it is made anew */
	IPSET_HASH_IP,
	IPSET_HASH_NET,
};

struct ipset_key {
	char name[IPSET_NAME_MAX]; /* zero-filled */
};

struct ipset_value {
	uint8_t type;        /* enum ipset_type */
	uint8_t family;      /* enum ip_family */
	uint8_t has_timeout; /* created with `timeout 0`: members carry a timeout, by default none
			      */
	uint8_t unused;
	uint32_t maxelem; /* 0: the kernel's default (65536) */
};

struct ipset_member_key {
	char set[IPSET_NAME_MAX];
	struct ip_prefix prefix; /* hash:ip: /32 or /128 */
};
/* The member table's value is empty: a member is there or not. */

void ipset_key_fmt(struct strbuf *out, struct bytes key);
void ipset_value_fmt(struct strbuf *out, struct bytes value);
bool ipset_value_same(struct bytes want, struct bytes have);
void ipset_member_key_fmt(struct strbuf *out, struct bytes key);
