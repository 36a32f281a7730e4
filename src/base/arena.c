/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks double from ARENA_BLOCK_MIN to ARENA_BLOCK_MAX, so that a small arena stays small and a
 * big one asks malloc seldom. A request above a quarter of the next block gets a block of its own
 * behind the current one, whose free room stays in use.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ARENA_ALIGN     ((size_t)16)
#define ARENA_BLOCK_MIN ((size_t)4096)
#define ARENA_BLOCK_MAX ((size_t)256 << 10)

struct arena_block {
	struct arena_block *next;
	size_t size, used; /* bytes of data */
	_Alignas(16) unsigned char data[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = xmalloc(sizeof(*b) + size);

	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

static void blocks_free(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_fini(struct arena *a)
{
	blocks_free(a->blocks);
	*a = (struct arena)ARENA_INIT;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	a->used_bytes = 0;
	if (!keep)
		return;
	blocks_free(keep->next);
	keep->next = NULL;
	keep->used = 0;
	/* one huge object must not stay reserved for good */
	if (keep->size > ARENA_BLOCK_MAX) {
		free(keep);
		a->blocks = NULL;
	}
}

static size_t next_block_size(const struct arena *a)
{
	if (!a->blocks)
		return ARENA_BLOCK_MIN;
	return MIN(MAX(2 * a->blocks->size, ARENA_BLOCK_MIN), ARENA_BLOCK_MAX);
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t need;
	void *p;

	if (size > SIZE_MAX / 2)
		abort(); /* a bug: sizes from outside are checked before */
	need = (MAX(size, (size_t)1) + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (!b || b->size - b->used < need) {
		size_t block_size = next_block_size(a);

		if (b && need > block_size / 4) {
			b = block_new(need);
			b->next = a->blocks->next;
			a->blocks->next = b;
		} else {
			b = block_new(MAX(block_size, need));
			b->next = a->blocks;
			a->blocks = b;
		}
	}
	p = b->data + b->used;
	b->used += need;
	a->used_bytes += need;
	return memset(p, 0, need);
}

void *arena_memdup(struct arena *a, const void *p, size_t len)
{
	void *copy = arena_alloc(a, len);

	if (len > 0)
		memcpy(copy, p, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s) + 1);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = arena_alloc(a, n + 1); /* zeroed, so terminated */

	memcpy(copy, s, n);
	return copy;
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *text;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort(); /* a bad format is a bug */
	text = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}
