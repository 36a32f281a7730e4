/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return n <= len && memcmp(s + len - n, suffix, n) == 0;
}

/* The C library's follows the locale; names of the protocols we speak do not. */
static char ascii_lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	return c;
}

bool str_eq_nocase(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	while (*a && ascii_lower(*a) == ascii_lower(*b)) {
		a++;
		b++;
	}
	return ascii_lower(*a) == ascii_lower(*b);
}

static unsigned digit_value(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 99;
}

/*
 * The base a number literal names; *s moves behind it. A prefix needs a digit behind it, so that
 * "0x" is a syntax error, while the single "0" of "0" and "017" counts as a digit itself.
 */
static unsigned literal_base(const char **s)
{
	const char *p = *s;
	char mark;

	if (p[0] != '0' || p[1] == 0)
		return 10;
	mark = ascii_lower(p[1]);
	if (mark == 'x' || mark == 'o' || mark == 'b') {
		*s = p + 2;
		return mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
	}
	*s = p + 1;
	return 8;
}

int str_to_u64(const char *s, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *start = s;
	bool may_sep = base == 0; /* `_` is for literals only */
	bool after_digit;
	uint64_t v = 0;

	assert(base == 0 || (base >= 2 && base <= 16));
	if (!*s)
		return -EINVAL;
	if (base == 0)
		base = literal_base(&s);
	after_digit = s != start; /* `_` may follow a base prefix */
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned d;

		if (*s == '_' && may_sep && after_digit) {
			after_digit = false;
			continue;
		}
		d = digit_value(*s);
		if (d >= base)
			return -EINVAL;
		if (v > (UINT64_MAX - d) / base || v * base + d > max)
			return -ERANGE;
		v = v * base + d;
		after_digit = true;
	}
	if (!after_digit)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool minus = *s == '-';
	uint64_t v;
	int64_t n;
	int r;

	if (*s == '-' || *s == '+')
		s++;
	r = str_to_u64(s, 10, minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v);
	if (r < 0)
		return r;
	/* -v without leaving the range of int64 on the way, also for its lowest value */
	n = minus && v > 0 ? -(int64_t)(v - 1) - 1 : (int64_t)v;
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int str_to_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(s, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcmp(s, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}

int str_copy(char *dst, size_t dst_size, const char *src)
{
	size_t len = strlen(src);

	if (dst_size == 0)
		return -ENAMETOOLONG;
	if (len >= dst_size) {
		dst[0] = 0;
		return -ENAMETOOLONG;
	}
	memcpy(dst, src, len + 1);
	return 0;
}

size_t str_utf8_len(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte, Unicode table 3-7 */
	size_t len;

	if (p[0] == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f; /* no surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static size_t escape_hex(char dst[STR_ESCAPE_MAX], unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	dst[0] = '\\';
	dst[1] = 'x';
	dst[2] = hex[c >> 4];
	dst[3] = hex[c & 15];
	return 4;
}

size_t str_escape(char dst[STR_ESCAPE_MAX], const char **s)
{
	static const char named[] = "\"\"\\\\\nn\rr\tt"; /* byte, letter after the backslash */
	unsigned char c = (unsigned char)**s;
	size_t len = str_utf8_len(*s);

	for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
		if ((unsigned char)named[i] != c)
			continue;
		dst[0] = '\\';
		dst[1] = named[i + 1];
		(*s)++;
		return 2;
	}
	/* C1 controls (U+0080 to U+009F) drive terminals, too */
	if (len == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)(*s)[1] < 0xa0)) {
		(*s)++;
		return escape_hex(dst, c);
	}
	memcpy(dst, *s, len);
	*s += len;
	return len;
}
