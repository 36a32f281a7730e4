/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ipset messages over nfnetlink: encoders, parsers, the texts of its error codes. Pure.
 */
#include "model/ipset.h"
#include "nl/nl.h"

/* What the kernel answered to our first questions; until then the least that every kernel takes. */
struct ipset_dialect {
	uint8_t protocol; /* 6 or 7 */
	uint8_t revision_hash_ip, revision_hash_net;
};
#define IPSET_PROTOCOL_LEAST 6
#define IPSET_PROTOCOL_MOST  7
#define IPSET_DIALECT_INIT                                                                         \
	{                                                                                          \
		.protocol = IPSET_PROTOCOL_LEAST                                                   \
	}
/*
 * The newest revisions used: what the set types had in Linux 3.19. Nothing later is needed, and an
 * older `ipset` program cannot list a set of a revision it does not know.
 */
#define IPSET_REVISION_HASH_IP_MOST  4
#define IPSET_REVISION_HASH_NET_MOST 6

struct nl_dump *ipset_msg_protocol(void);
struct nl_dump *ipset_msg_type(const struct ipset_dialect *d, enum ipset_type type, uint8_t family);
/* The answers. 0 or -EBADMSG, -EPROTONOSUPPORT. Unknown types are ignored. */
int ipset_msg_dialect_parse(uint16_t type, struct rd body, struct ipset_dialect *d);

void ipset_msg_create(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		      const char *name, const struct ipset_value *v);
void ipset_msg_destroy(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		       const char *name);
void ipset_msg_swap(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d,
		    const char *name, const char *name2);
void ipset_msg_member(struct nl_batch *b, uint32_t tag, const struct ipset_dialect *d, bool is_add,
		      const struct ipset_member_key *key);

/* All sets, without members. */
struct nl_dump *ipset_msg_list_headers(const struct ipset_dialect *d);
/* One set with its members. */
struct nl_dump *ipset_msg_list(const struct ipset_dialect *d, const char *name);

struct ipset_msg {
	char name[IPSET_NAME_MAX];
	bool has_header; /* the first message about a set; later ones carry members only */
	struct ipset_value value;
	struct rd members;  /* for ipset_msg_member_next() */
	bool has_n_members; /* with the header; kernels before 4.9 do not say */
	uint32_t n_members;
};
/* From the body of a list message. 0 or -EBADMSG. */
int ipset_msg_parse(struct rd body, struct ipset_msg *ret);
/*
 * 1: *ret_prefix is a permanent member; 0: the end; -EBADMSG. Members that would expire, have
 * `nomatch` or are of a kind we do not write are passed over; *n_others is raised by their number.
 */
int ipset_msg_member_next(struct rd *members, struct ip_prefix *ret_prefix, size_t *n_others);

/* A result: the kernel's code to an errno, and the text for it ("" if the errno says it all). */
int ipset_msg_err(int err, const char **ret_text);
