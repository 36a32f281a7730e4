/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Decimal digits that tell any two doubles apart */
#define REAL_DIGITS 17

json_t *json_doc_parse(const char *text, size_t len, struct json_err *ret_err)
{
	json_error_t e;
	json_t *doc;

	if (len > JSON_DOC_MAX) {
		*ret_err = (struct json_err){ .offset = JSON_DOC_MAX };
		(void)snprintf(ret_err->what, sizeof(ret_err->what),
			       "document of %zu bytes is larger than %zu", len, JSON_DOC_MAX);
		return NULL;
	}
	doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!doc) {
		*ret_err = (struct json_err){ .offset = e.position > 0 ? (size_t)e.position : 0 };
		(void)snprintf(ret_err->what, sizeof(ret_err->what), "%s", e.text);
	}
	return doc;
}

/* The escape of one ASCII character, or NULL if it stands for itself. */
static const char *escape_of(char c, bool html, char buf[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		if ((unsigned char)c >= 0x20 && !(html && (c == '<' || c == '>' || c == '&')))
			return NULL;
		(void)snprintf(buf, 8, "\\u%04x", (unsigned char)c);
		return buf;
	}
}

/* U+2028 and U+2029 end a line in JavaScript; the Go encoder escapes them always. */
static bool is_line_separator(const char *s)
{
	return memcmp(s, "\xe2\x80", 2) == 0 && (s[2] == '\xa8' || s[2] == '\xa9');
}

static void string_write(struct strbuf *out, const char *s, bool html)
{
	strbuf_putc(out, '"');
	while (*s) {
		char buf[8];
		size_t len = str_utf8_len(s);
		const char *esc = NULL;

		if (len == 0)
			esc = "\\ufffd";
		else if (len == 1)
			esc = escape_of(*s, html, buf);
		else if (len == 3 && is_line_separator(s))
			esc = s[2] == '\xa8' ? "\\u2028" : "\\u2029";
		if (esc)
			strbuf_puts(out, esc);
		else
			strbuf_add(out, s, len);
		s += len ? len : 1;
	}
	strbuf_putc(out, '"');
}

void json_text_write(struct strbuf *out, const char *s)
{
	string_write(out, s, false);
}

/*
 * The fewest decimal digits that read back as v: v is their number d.ddd times 10^*ret_exp. Signs
 * are left out; digits is terminated.
 */
static void shortest(double v, char digits[REAL_DIGITS + 1], int *ret_exp)
{
	char buf[REAL_DIGITS + 16];
	size_t n = 0;
	char *p;

	for (int behind = 0; behind < REAL_DIGITS; behind++) {
		(void)snprintf(buf, sizeof(buf), "%.*e", behind, v);
		if (strtod(buf, NULL) >= v && strtod(buf, NULL) <= v)
			break;
	}
	for (p = buf; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && n < REAL_DIGITS)
			digits[n++] = *p;
	digits[n] = 0;
	*ret_exp = *p ? (int)strtol(p + 1, NULL, 10) : 0;
}

/* As Go prints a float64: plain from 1e-6 up to 1e21, else with an exponent, not padded if
 * negative. */
static void real_write(struct strbuf *out, double v)
{
	char digits[REAL_DIGITS + 1];
	int exp, n;

	shortest(v, digits, &exp);
	n = (int)strlen(digits);
	if (signbit(v))
		strbuf_putc(out, '-');
	if (digits[0] == '0') {
		strbuf_putc(out, '0');
	} else if (exp < -6 || exp >= 21) {
		strbuf_fmt(out, "%c%s%s", digits[0], n > 1 ? "." : "", digits + 1);
		strbuf_fmt(out, exp < 0 ? "e%d" : "e+%02d", exp);
	} else if (exp < 0) {
		strbuf_fmt(out, "0.%.*s%s", -exp - 1, "00000", digits);
	} else if (n <= exp + 1) {
		strbuf_fmt(out, "%s%.*s", digits, exp + 1 - n, "00000000000000000000");
	} else {
		strbuf_fmt(out, "%.*s.%s", exp + 1, digits, digits + exp + 1);
	}
}

static void value_write(struct strbuf *out, const json_t *v);

static void object_write(struct strbuf *out, const json_t *obj)
{
	/* the iterator of jansson takes no const, and changes nothing */
	json_t *o = (json_t *)(uintptr_t)obj;
	bool first = true;

	strbuf_putc(out, '{');
	for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
		if (!first)
			strbuf_putc(out, ',');
		first = false;
		string_write(out, json_object_iter_key(it), true);
		strbuf_putc(out, ':');
		value_write(out, json_object_iter_value(it));
	}
	strbuf_putc(out, '}');
}

/* Recursion: jansson parses at most 2048 levels, and what we build ourselves has a handful. */
static void value_write(struct strbuf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		object_write(out, v);
		break;
	case JSON_ARRAY:
		strbuf_putc(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i > 0)
				strbuf_putc(out, ',');
			value_write(out, json_array_get(v, i));
		}
		strbuf_putc(out, ']');
		break;
	case JSON_STRING:
		string_write(out, json_string_value(v), true);
		break;
	case JSON_INTEGER:
		strbuf_fmt(out, "%" PRId64, (int64_t)json_integer_value(v));
		break;
	case JSON_REAL:
		real_write(out, json_real_value(v));
		break;
	case JSON_TRUE:
		strbuf_puts(out, "true");
		break;
	case JSON_FALSE:
		strbuf_puts(out, "false");
		break;
	case JSON_NULL:
		strbuf_puts(out, "null");
		break;
	}
}

void json_doc_write_go(struct strbuf *out, const json_t *doc)
{
	value_write(out, doc);
}

struct member {
	const char *key;
	json_t *value; /* a reference */
};

static int member_cmp(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Into a second object in order, and back: jansson's objects iterate as they were filled. */
void json_object_sort_keys(json_t *obj)
{
	size_t n = 0, n_members = json_object_size(obj);
	CLEANUP_FREE struct member *members = xcalloc(n_members, sizeof(*members));
	CLEANUP(json_decref) json_t *sorted = json_object();

	for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
		members[n++] =
			(struct member){ json_object_iter_key(it), json_object_iter_value(it) };
	assert(n == n_members);
	qsort(members, n, sizeof(*members), member_cmp);
	for (size_t i = 0; i < n; i++)
		(void)json_object_set(sorted, members[i].key, members[i].value);
	(void)json_object_clear(obj);
	(void)json_object_update(obj, sorted);
}
