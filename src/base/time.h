/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Points in time as types of their own, so that monotonic and wall clock cannot be mixed, and the
 * Go duration syntax of the command line. Microseconds everywhere (int64 lasts 292,000 years).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct mono {
	int64_t us; /* CLOCK_MONOTONIC; differences only */
};
struct wall {
	int64_t us; /* since 1970-01-01 UTC */
};

#define US_PER_MS ((int64_t)1000)
#define US_PER_S  ((int64_t)1000000)

struct mono mono_read(void); /* the real clock: for ev/, log, main; engine/ times passes */
struct wall wall_read(void);

static inline int64_t mono_diff_us(struct mono later, struct mono earlier)
{
	return later.us - earlier.us;
}
static inline struct mono mono_add_us(struct mono t, int64_t us)
{
	return (struct mono){ t.us + us };
}

/*
 * Go duration syntax: optional sign, decimal numbers (fractions allowed) each with a unit
 * ns us µs ms s m h; a plain "0". 0, or -EINVAL / -ERANGE with *ret_reason a constant text.
 * The result is cut to whole nanoseconds.
 */
int duration_parse(const char *text, int64_t *ret_ns, const char **ret_reason);

#define DURATION_FMT_MAX 40
/* As Go prints it: 1m30s, 6m0s, 1.5s, 0s. */
const char *duration_fmt(char buf[DURATION_FMT_MAX], int64_t ns);
