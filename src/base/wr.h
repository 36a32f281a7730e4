/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Write cursor into a buffer of fixed size, the mirror of base/rd.h: bounded, its overflow sticks
 * (ask once at the end), length fields are opened and closed by the writer.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct wr {
	uint8_t *data;
	size_t len, cap; /* bytes */
	bool overflow;   /* sticky */
};

static inline struct wr wr_init(void *buf, size_t cap)
{
	return (struct wr){ .data = buf, .cap = cap };
}

void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_u16_host(struct wr *w, uint16_t v);
void wr_u32_host(struct wr *w, uint32_t v);
void wr_u64_host(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *p, size_t len);
void wr_zero(struct wr *w, size_t len);

/*
 * A length field of 1 or 2 (big-endian) bytes: open writes a placeholder and returns its offset,
 * close fills in the number of bytes written since; too long for the field is overflow.
 */
size_t wr_len8_open(struct wr *w);
void wr_len8_close(struct wr *w, size_t at);
size_t wr_len16_open(struct wr *w);
void wr_len16_close(struct wr *w, size_t at);
/* Overwrites two bytes at an offset already written. */
void wr_u16_at(struct wr *w, size_t at, uint16_t v);
