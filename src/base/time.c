/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_US ((uint64_t)1000)
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)

/* |INT64_MIN|: what a duration may reach with a minus before it */
#define DURATION_LIMIT ((uint64_t)1 << 63)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", NS_PER_US },
	{ "\xc2\xb5s", NS_PER_US }, /* U+00B5 micro sign */
	{ "\xce\xbcs", NS_PER_US }, /* U+03BC Greek mu */
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
};

static int64_t clock_us(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

struct mono mono_read(void)
{
	return (struct mono){ clock_us(CLOCK_MONOTONIC) };
}

struct wall wall_read(void)
{
	return (struct wall){ clock_us(CLOCK_REALTIME) };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits in front of the point; -ERANGE beyond the limit. */
static int whole_parse(const char **s, uint64_t *ret)
{
	uint64_t v = 0;

	for (; is_digit(**s); (*s)++) {
		if (v > DURATION_LIMIT / 10)
			return -ERANGE;
		v = 10 * v + (uint64_t)(**s - '0');
		if (v > DURATION_LIMIT)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/*
 * Digits behind the point, in units of 1 / *ret_scale. More digits than 64 bits hold are read and
 * dropped: they are below a nanosecond of any unit.
 */
static uint64_t fraction_parse(const char **s, double *ret_scale)
{
	uint64_t v = 0;
	double scale = 1;
	bool full = false;

	for (; is_digit(**s); (*s)++) {
		uint64_t next;

		if (full || v > (DURATION_LIMIT - 1) / 10) {
			full = true;
			continue;
		}
		next = 10 * v + (uint64_t)(**s - '0');
		if (next > DURATION_LIMIT) {
			full = true;
			continue;
		}
		v = next;
		scale *= 10;
	}
	*ret_scale = scale;
	return v;
}

/* The unit: everything up to the next digit or point. 0 if there is none such. */
static uint64_t unit_parse(const char **s, const char **ret_reason)
{
	const char *start = *s;
	size_t len;

	while (**s && **s != '.' && !is_digit(**s))
		(*s)++;
	len = (size_t)(*s - start);
	if (len == 0) {
		*ret_reason = "time: missing unit in duration";
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, start, len) == 0)
			return units[i].ns;
	*ret_reason = "time: unknown unit in duration";
	return 0;
}

/* One number with its unit, added to *sum. */
static int part_parse(const char **s, uint64_t *sum, const char **ret_reason)
{
	const char *start = *s;
	uint64_t whole = 0, fraction = 0, unit;
	double scale = 1;
	bool has_digits;

	*ret_reason = "time: invalid duration";
	if (whole_parse(s, &whole) < 0)
		return -ERANGE;
	has_digits = *s != start;
	if (**s == '.') {
		const char *point = (*s)++;

		fraction = fraction_parse(s, &scale);
		has_digits = has_digits || *s != point + 1;
	}
	if (!has_digits)
		return -EINVAL;
	unit = unit_parse(s, ret_reason);
	if (unit == 0)
		return -EINVAL;
	if (whole > DURATION_LIMIT / unit)
		return -ERANGE;
	whole *= unit;
	if (fraction > 0)
		whole += (uint64_t)((double)fraction * ((double)unit / scale));
	if (whole > DURATION_LIMIT || *sum > DURATION_LIMIT - whole)
		return -ERANGE;
	*sum += whole;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ns, const char **ret_reason)
{
	const char *s = text, *reason = "time: invalid duration";
	bool minus = *s == '-';
	uint64_t sum = 0;
	int r = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*s)
		r = -EINVAL;
	while (r == 0 && *s)
		r = part_parse(&s, &sum, &reason);
	if (r == 0 && !minus && sum > INT64_MAX) {
		reason = "time: invalid duration";
		r = -ERANGE;
	}
	if (r < 0) {
		*ret_reason = reason;
		return r;
	}
	*ret_ns = minus && sum > 0 ? -(int64_t)(sum - 1) - 1 : (int64_t)sum;
	return 0;
}

/* v / unit as a decimal without trailing zeros: 1500 of 1000 is "1.5". */
static int decimal_fmt(char *dst, size_t size, uint64_t v, uint64_t unit)
{
	uint64_t rest = v % unit;
	int n = snprintf(dst, size, "%llu", (unsigned long long)(v / unit));

	if (rest == 0)
		return n;
	dst[n++] = '.';
	while (rest > 0) {
		unit /= 10;
		dst[n++] = (char)('0' + rest / unit);
		rest %= unit;
	}
	dst[n] = 0;
	return n;
}

const char *duration_fmt(char buf[DURATION_FMT_MAX], int64_t ns)
{
	uint64_t v = ns < 0 ? (uint64_t) - (ns + 1) + 1 : (uint64_t)ns;
	char num[24];
	const char *minus = ns < 0 ? "-" : "";
	uint64_t h, m;

	if (v < NS_PER_S) {
		uint64_t unit = v >= NS_PER_MS ? NS_PER_MS : v >= NS_PER_US ? NS_PER_US : 1;
		const char *name = unit == NS_PER_MS   ? "ms"
				   : unit == NS_PER_US ? "\xc2\xb5s"
						       : "ns";

		(void)decimal_fmt(num, sizeof(num), v, unit);
		(void)snprintf(buf, DURATION_FMT_MAX, "%s%s%s", minus, num, v == 0 ? "s" : name);
		return buf;
	}
	h = v / (3600 * NS_PER_S);
	m = v / (60 * NS_PER_S) % 60;
	(void)decimal_fmt(num, sizeof(num), v % (60 * NS_PER_S), NS_PER_S);
	if (h > 0)
		(void)snprintf(buf, DURATION_FMT_MAX, "%s%lluh%llum%ss", minus,
			       (unsigned long long)h, (unsigned long long)m, num);
	else if (m > 0)
		(void)snprintf(buf, DURATION_FMT_MAX, "%s%llum%ss", minus, (unsigned long long)m,
			       num);
	else
		(void)snprintf(buf, DURATION_FMT_MAX, "%s%ss", minus, num);
	return buf;
}
