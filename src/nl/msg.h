/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Netlink messages: writing one, and reading what the kernel sent.
 *
 * Pure: no socket, no clock. Writing is bounded and its overflow sticks (base/wr.h); reading goes
 * through cursors and policies, so that no length in a message can lead past it.
 */
#include "base/ip.h"
#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"

#define NL_MSG_MAX  8192 /* bytes of one message that we write */
#define NL_HEAD_LEN 16
#define NL_TEXT_MAX 160 /* of an extended ack, with the terminator; longer is cut */

/* ---- writing ---- */

struct nl_msg {
	struct wr w; /* the body is written here, after the header */
};

/* Writes the header; sequence number and sender stay 0. */
void nl_msg_init(struct nl_msg *m, void *buf, size_t cap, uint16_t type, uint16_t flags);
/* Pads and fills in the length. False: it did not fit, and is not to be sent. */
bool nl_msg_close(struct nl_msg *m);

void nl_put_bytes(struct nl_msg *m, uint16_t attr, const void *data, size_t len);
void nl_put_u8(struct nl_msg *m, uint16_t attr, uint8_t v);
void nl_put_u16(struct nl_msg *m, uint16_t attr, uint16_t v); /* host order */
void nl_put_u32(struct nl_msg *m, uint16_t attr, uint32_t v); /* host order */
/* Network order, marked as such (NLA_F_NET_BYTEORDER), as the netfilter subsystems ask for. */
void nl_put_be32(struct nl_msg *m, uint16_t attr, uint32_t v);
void nl_put_str(struct nl_msg *m, uint16_t attr, const char *s);          /* with the terminator */
void nl_put_ip(struct nl_msg *m, uint16_t attr, const struct ip_addr *a); /* 4 or 16 bytes */
/* Marks the attribute as nested (NLA_F_NESTED); close takes what open returned. */
size_t nl_nest_open(struct nl_msg *m, uint16_t attr);
void nl_nest_close(struct nl_msg *m, size_t at);

/* ---- reading ---- */

struct nl_head {
	uint32_t len;
	uint16_t type, flags;
	uint32_t seq, pid;
};

/* Takes the next message off in. 1: there was one; 0: end; -EBADMSG: a length is wrong. */
int nl_next(struct rd *in, struct nl_head *ret_head, struct rd *ret_body);

enum nl_attr_kind {
	NL_ATTR_SKIP, /* 0: a row nobody filled in; not looked at */
	NL_ATTR_U8,
	NL_ATTR_U16,
	NL_ATTR_U32,
	NL_ATTR_BYTES,  /* min..max bytes */
	NL_ATTR_STRING, /* min..max bytes with the terminator, which must be the only NUL */
	NL_ATTR_NESTED, /* parsed by the caller with a policy of its own */
	NL_ATTR_IP,     /* 4 or 16 bytes */
};

/* One row per attribute type; tables are indexed by type. */
struct nl_policy {
	uint8_t kind; /* enum nl_attr_kind */
	bool required;
	uint16_t min, max; /* bytes, for BYTES and STRING; max 0: no more than the message holds */
};

struct nl_attr {
	bool is_set;
	struct rd body;
};

/*
 * Fills ret[0..n-1]. Attributes without a row are skipped, of two equal ones the last counts (the
 * kernel's own rule). -EBADMSG: a wrong size, a missing required one, trailing bytes.
 */
int nl_attrs_parse(struct rd in, const struct nl_policy *policy, size_t n, struct nl_attr *ret);
/* Takes the next attribute off a list of equal ones (nexthops, set members): 1, 0, -EBADMSG. */
int nl_attr_next(struct rd *in, uint16_t *ret_type, struct rd *ret_body);

/* Values of attributes that the policy has checked; 0 when not set. */
uint8_t nl_attr_u8(const struct nl_attr *a);
uint16_t nl_attr_u16(const struct nl_attr *a);
uint32_t nl_attr_u32(const struct nl_attr *a);
uint32_t nl_attr_be32(const struct nl_attr *a);
/* False: not set, or not of this family's size. */
bool nl_attr_ip(const struct nl_attr *a, uint8_t family, struct ip_addr *ret);
/* Zero-fills dst. False: not set, or longer than dst holds. */
bool nl_attr_str(const struct nl_attr *a, char *dst, size_t size);

/* The body of NLMSG_ERROR (is_done false) or NLMSG_DONE. */
struct nl_ack {
	int err; /* 0 or negative, as the kernel gave it: beyond -4095 it is a subsystem's own */
	char text[NL_TEXT_MAX]; /* "" if the kernel said nothing; control bytes are blanked */
};
int nl_ack_parse(uint16_t flags, struct rd body, bool is_done, struct nl_ack *ret);
