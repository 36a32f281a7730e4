/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Read cursor over bytes from outside (BGP, protobuf, netlink, frames).
 *
 * The error sticks: a read past the end sets bad, left becomes 0 and every later read gives 0; so a
 * parser reads all its fields and asks once. A length field always becomes a child cursor
 * (rd_sub), so that no inner parser can read its neighbour. Multi-byte reads are big-endian unless
 * the name says host (netlink) or le (protobuf fixed fields).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct rd {
	const uint8_t *pos;
	size_t left; /* bytes */
	bool bad;    /* sticky: some read went past the end; reads then give 0 */
};

static inline struct rd rd_init(const void *data, size_t len)
{
	return (struct rd){ .pos = data, .left = len };
}

uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
uint16_t rd_u16_host(struct rd *r);
uint32_t rd_u32_host(struct rd *r);
uint64_t rd_u64_host(struct rd *r);
uint32_t rd_u32_le(struct rd *r);
uint64_t rd_u64_le(struct rd *r);
/* len bytes in place (valid as long as the input), or NULL and bad. */
const uint8_t *rd_bytes(struct rd *r, size_t len);
/* Copies len bytes; on a short input dst is zeroed. */
void rd_copy(struct rd *r, void *dst, size_t len);
/* The next len bytes as a cursor of their own; a bad empty one if they are not there. */
struct rd rd_sub(struct rd *r, size_t len);
void rd_skip(struct rd *r, size_t len);
/* protobuf varint, at most 10 bytes */
uint64_t rd_varint(struct rd *r);
/* True when everything was read and nothing failed. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}
