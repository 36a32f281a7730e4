/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text: comparison, strict number parsing, and a growing buffer with a ceiling.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

static inline bool str_is_empty(const char *s)
{
	return !s || !*s;
}

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_eq_nocase(const char *a, const char *b); /* ASCII */

/*
 * Unsigned integers, the whole text, no sign, no blanks. base 10 is decimal only; base 0 also takes
 * 0x, 0o, a leading 0 (octal), 0b and single `_` between digits, as the Go strconv package does.
 * 0, -EINVAL (syntax) or -ERANGE (above max).
 */
int str_to_u64(const char *s, unsigned base, uint64_t max, uint64_t *ret);
int str_to_i64(const char *s, int64_t min, int64_t max,
	       int64_t *ret); /* decimal, optional + or - */
/* 1 t T TRUE true True / 0 f F FALSE false False, else -EINVAL. */
int str_to_bool(const char *s, bool *ret);

/*
 * Bounded copy into a caller's array: 0, or -ENAMETOOLONG with dst left empty. Never cuts silently.
 */
int str_copy(char *dst, size_t dst_size, const char *src);

/* Bytes of the UTF-8 character at s, 1 to 4; 0 at the end of the text or where it is no UTF-8. */
size_t str_utf8_len(const char *s);

/*
 * One character of *s as it looks between quotes: written to dst (not terminated), *s moves on, the
 * number of bytes is returned. Quotes and backslash get a backslash; control characters and bytes
 * that are no UTF-8 become \n, \r, \t or \xNN. Not at the end of the text.
 */
#define STR_ESCAPE_MAX 4
size_t str_escape(char dst[STR_ESCAPE_MAX], const char **s);

/*
 * Growing text. Always terminated; data is "" (not NULL) from the first append on, use
 * strbuf_text() for a safe read at any time. Past `max` bytes appends are dropped and `overflow`
 * sticks until strbuf_clear(): ask once at the end. An append that does not fit is dropped whole.
 */
struct strbuf {
	char *data;
	size_t len, cap;
	size_t max; /* bytes; 0 means STRBUF_MAX_DEFAULT */
	bool overflow;
};

#define STRBUF_MAX_DEFAULT ((size_t)64 << 20)
#define STRBUF_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void strbuf_fini(struct strbuf *b);
void strbuf_clear(struct strbuf *b); /* keeps the memory */
void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_fmt(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* A value from outside for a log line: quoted, control bytes, quotes and backslash escaped. */
void strbuf_quote(struct strbuf *b, const char *s);
void strbuf_consume(struct strbuf *b, size_t len); /* drops the first len bytes */
char *strbuf_take(struct strbuf *b); /* the text, never NULL; the buffer is empty after */

static inline const char *strbuf_text(const struct strbuf *b)
{
	return b->data ? b->data : "";
}

#define CLEANUP_STRBUF __attribute__((cleanup(strbuf_fini)))

/* A list of owned strings. */
struct strv {
	char **v;
	size_t n, cap;
};

void strv_fini(struct strv *l);
void strv_add(struct strv *l, const char *s);
void strv_add_n(struct strv *l, const char *s, size_t len);
/* Splits at every sep; "a,,b" has three elements and "" has one. No trimming. */
void strv_split(struct strv *l, const char *s, char sep);
