/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rd.h"

#include <string.h>

/* A varint of 64 bits has at most this many bytes. */
#define VARINT_MAX 10

static void rd_fail(struct rd *r)
{
	r->bad = true;
	r->left = 0;
}

const uint8_t *rd_bytes(struct rd *r, size_t len)
{
	const uint8_t *p = r->pos;

	if (r->bad || len > r->left) {
		rd_fail(r);
		return NULL;
	}
	if (len > 0) /* an empty cursor may have no memory behind it */
		r->pos += len;
	r->left -= len;
	return p;
}

/* Big-endian number of len <= 8 bytes. */
static uint64_t rd_be(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (size_t i = 0; i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t rd_le(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (size_t i = len; i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)rd_be(r, 1);
}

uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)rd_be(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)rd_be(r, 4);
}

uint64_t rd_u64(struct rd *r)
{
	return rd_be(r, 8);
}

uint16_t rd_u16_host(struct rd *r)
{
	uint16_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint32_t rd_u32_host(struct rd *r)
{
	uint32_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint64_t rd_u64_host(struct rd *r)
{
	uint64_t v;

	rd_copy(r, &v, sizeof(v));
	return v;
}

uint32_t rd_u32_le(struct rd *r)
{
	return (uint32_t)rd_le(r, 4);
}

uint64_t rd_u64_le(struct rd *r)
{
	return rd_le(r, 8);
}

void rd_copy(struct rd *r, void *dst, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (len == 0)
		return;
	if (p)
		memcpy(dst, p, len);
	else
		memset(dst, 0, len);
}

struct rd rd_sub(struct rd *r, size_t len)
{
	struct rd sub = { .pos = r->pos, .left = len };

	(void)rd_bytes(r, len);
	if (r->bad)
		return (struct rd){ .pos = r->pos, .bad = true };
	return sub;
}

void rd_skip(struct rd *r, size_t len)
{
	(void)rd_bytes(r, len);
}

uint64_t rd_varint(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < VARINT_MAX; i++) {
		uint8_t b = rd_u8(r);

		if (r->bad)
			return 0;
		if (i == VARINT_MAX - 1 && b > 1)
			break; /* bits above 2^64 */
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80))
			return v;
	}
	rd_fail(r);
	return 0;
}
