/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing text and the list of strings of base/str.h.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define STRBUF_CAP_MIN ((size_t)64)

static size_t strbuf_max(const struct strbuf *b)
{
	return b->max ? b->max : STRBUF_MAX_DEFAULT;
}

/* Room for more bytes and the terminator; false past the ceiling. */
static bool strbuf_room(struct strbuf *b, size_t more)
{
	size_t cap;

	if (b->overflow || more > strbuf_max(b) - b->len) {
		b->overflow = true;
		return false;
	}
	if (b->len + more + 1 <= b->cap)
		return true;
	cap = MAX(STRBUF_CAP_MIN, MIN(2 * b->cap, strbuf_max(b) + 1));
	cap = MAX(cap, b->len + more + 1);
	b->data = xreallocarray(b->data, cap, 1);
	b->cap = cap;
	b->data[b->len] = 0;
	return true;
}

void strbuf_fini(struct strbuf *b)
{
	free(b->data);
	*b = (struct strbuf){ .max = b->max };
}

void strbuf_clear(struct strbuf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data)
		b->data[0] = 0;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	if (!strbuf_room(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_putc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_fmt(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vfmt(b, fmt, ap);
	va_end(ap);
}

void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	if (!strbuf_room(b, 0))
		return;
	va_copy(again, ap);
	room = b->cap - b->len;
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	assert(n >= 0); /* a bad format is a bug */
	if ((size_t)n >= room) {
		b->data[b->len] = 0;
		if (strbuf_room(b, (size_t)n))
			(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		else
			n = 0;
	} else if ((size_t)n > strbuf_max(b) - b->len) {
		/* the memory would have held it, the ceiling does not */
		b->overflow = true;
		b->data[b->len] = 0;
		n = 0;
	}
	va_end(again);
	b->len += (size_t)n;
}

void strbuf_quote(struct strbuf *b, const char *s)
{
	strbuf_putc(b, '"');
	while (*s) {
		char part[STR_ESCAPE_MAX];
		size_t len = str_escape(part, &s);

		strbuf_add(b, part, len);
	}
	strbuf_putc(b, '"');
}

void strbuf_consume(struct strbuf *b, size_t len)
{
	assert(len <= b->len);
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len + 1);
	b->len -= len;
}

char *strbuf_take(struct strbuf *b)
{
	char *text = b->data ? take_ptr(b->data) : xstrdup("");

	strbuf_fini(b);
	return text;
}

void strv_fini(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){ 0 };
}

void strv_add(struct strv *l, const char *s)
{
	strv_add_n(l, s, strlen(s));
}

void strv_add_n(struct strv *l, const char *s, size_t len)
{
	GROW(l->v, l->n, l->cap);
	l->v[l->n++] = xstrndup(s, len);
}

void strv_split(struct strv *l, const char *s, char sep)
{
	for (;;) {
		const char *end = strchrnul(s, sep);

		strv_add_n(l, s, (size_t)(end - s));
		if (!*end)
			return;
		s = end + 1;
	}
}
