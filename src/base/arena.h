/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arena: memory that goes at once. One per planning pass or decoded object. Pointers live until
 * arena_reset() or arena_fini(); nothing is freed singly. Allocations are aligned to 16 bytes and
 * zeroed.
 */
#include <stddef.h>

#include "base/macro.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used_bytes;          /* handed out since the last reset */
};

#define ARENA_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* keeps one block for reuse */
void *arena_alloc(struct arena *a, size_t size);
void *arena_memdup(struct arena *a, const void *p, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_fmt(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

static inline void arena_fini_cleanup_(struct arena *a)
{
	arena_fini(a);
}
#define CLEANUP_ARENA __attribute__((cleanup(arena_fini_cleanup_)))
