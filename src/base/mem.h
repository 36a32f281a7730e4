/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Heap memory. These never return NULL: when memory is out the process aborts, because a restart is
 * safe (the kernel keeps forwarding) and untested error paths are not. A size that comes from
 * outside is therefore held against a named ceiling before it reaches any of these.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size); /* zeroed; aborts on overflow of n * size */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
void *xmemdup(const void *p, size_t len);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Room for one more element at v[n]: grows by doubling. cap is updated. */
#define GROW(v, n, cap)                                                                            \
	do {                                                                                       \
		if ((n) == (cap)) {                                                                \
			(cap) = (cap) ? 2 * (cap) : 8;                                             \
			(v) = xreallocarray((v), (cap), sizeof(__typeof__(*(v))));                 \
		}                                                                                  \
	} while (0)

DEFINE_CLEANUP(char *, free)
#define CLEANUP_FREE __attribute__((cleanup(mem_free_cleanup_)))
static inline void mem_free_cleanup_(void *p)
{
	free(*(void **)p);
}

#define CLEANUP_CLOSE __attribute__((cleanup(mem_close_cleanup_)))
static inline void mem_close_cleanup_(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
