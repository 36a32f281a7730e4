/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The few language helpers every room uses: array length, scope cleanup, moving a pointer out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

#define container_of(ptr, type, member)                                                            \
	({                                                                                         \
		__typeof__(((type *)0)->member) *member_ptr_ = (ptr);                              \
		(type *)(void *)((char *)member_ptr_ - offsetof(type, member));                    \
	})

/*
 * Scope cleanup: CLEANUP(foo_free) struct foo *f = foo_new(); calls foo_free(f) at the end of the
 * scope. DEFINE_CLEANUP(struct foo *, foo_free) makes foo_free usable there; foo_free(NULL) must do
 * nothing.
 */
#define CLEANUP(fn) __attribute__((cleanup(fn##_cleanup_)))
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##_cleanup_(type *p)                                                  \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

/* The pointer moves to the caller; the cleanup of its old home then does nothing. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#define PRINTF_LIKE(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
