/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wr.h"

#include <string.h>

/* Room for len more bytes, or NULL and the sticky overflow. */
static uint8_t *wr_room(struct wr *w, size_t len)
{
	uint8_t *p;

	if (w->overflow || len > w->cap - w->len) {
		w->overflow = true;
		return NULL;
	}
	p = w->data + w->len;
	w->len += len;
	return p;
}

static void put_be(uint8_t *p, uint64_t v, size_t len)
{
	for (size_t i = len; i > 0; i--) {
		p[i - 1] = (uint8_t)v;
		v >>= 8;
	}
}

static void wr_be(struct wr *w, uint64_t v, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p)
		put_be(p, v, len);
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_be(w, v, 1);
}

void wr_u16(struct wr *w, uint16_t v)
{
	wr_be(w, v, 2);
}

void wr_u32(struct wr *w, uint32_t v)
{
	wr_be(w, v, 4);
}

void wr_u64(struct wr *w, uint64_t v)
{
	wr_be(w, v, 8);
}

void wr_u16_host(struct wr *w, uint16_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_u32_host(struct wr *w, uint32_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_u64_host(struct wr *w, uint64_t v)
{
	wr_bytes(w, &v, sizeof(v));
}

void wr_bytes(struct wr *w, const void *p, size_t len)
{
	uint8_t *dst;

	if (len == 0)
		return;
	dst = wr_room(w, len);
	if (dst)
		memcpy(dst, p, len);
}

void wr_zero(struct wr *w, size_t len)
{
	uint8_t *dst;

	if (len == 0)
		return;
	dst = wr_room(w, len);
	if (dst)
		memset(dst, 0, len);
}

static size_t len_open(struct wr *w, size_t width)
{
	size_t at = w->len;

	wr_zero(w, width);
	return at;
}

static void len_close(struct wr *w, size_t at, size_t width)
{
	size_t len;

	/* after an overflow the placeholder may never have been written */
	if (w->overflow)
		return;
	len = w->len - at - width;
	if (len >> (8 * width) != 0) {
		w->overflow = true;
		return;
	}
	put_be(w->data + at, len, width);
}

size_t wr_len8_open(struct wr *w)
{
	return len_open(w, 1);
}

void wr_len8_close(struct wr *w, size_t at)
{
	len_close(w, at, 1);
}

size_t wr_len16_open(struct wr *w)
{
	return len_open(w, 2);
}

void wr_len16_close(struct wr *w, size_t at)
{
	len_close(w, at, 2);
}

void wr_u16_at(struct wr *w, size_t at, uint16_t v)
{
	if (w->overflow)
		return;
	if (at > w->len || w->len - at < 2) {
		w->overflow = true;
		return;
	}
	put_be(w->data + at, v, 2);
}
