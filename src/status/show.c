/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON is written as it comes. Text has to be aligned, so what belongs together is held back until
 * its widths are known: the fields up to the next list (two columns), and the rows of a list. Held
 * cells are texts one after the other, each with its terminator.
 */
#include "status/show.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define COLUMN_GAP 2

struct show {
	enum show_form form;
	bool begun, ended;
	bool in_list;
	bool any;          /* JSON: the object has a member; text: something was printed */
	struct strbuf out; /* the result so far */
	struct strbuf held;
	size_t n_held; /* cells */
	const char *title;
	const struct show_column *columns; /* of the list */
	size_t n_columns, n_rows;
	size_t cell; /* the next one of the row */
};

struct show *show_new(enum show_form form)
{
	struct show *s = xcalloc(1, sizeof(*s));

	s->form = form;
	s->out.max = SHOW_RESULT_MAX;
	s->held.max = SHOW_RESULT_MAX;
	return s;
}

void show_free(struct show *s)
{
	if (!s)
		return;
	strbuf_fini(&s->out);
	strbuf_fini(&s->held);
	free(s);
}

/* --- text --- */

/* Without what could move a terminal's cursor: C0, DEL, C1, bytes that are no UTF-8. */
static void text_add(struct strbuf *out, const char *s)
{
	while (*s) {
		size_t len = str_utf8_len(s);
		unsigned char c = (unsigned char)s[0];
		bool is_c1 = len == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0;

		if (len == 0 || (len == 1 && (c < 0x20 || c == 0x7f))) {
			char esc[STR_ESCAPE_MAX];
			size_t n = str_escape(esc, &s);

			strbuf_add(out, esc, n);
			continue;
		}
		if (is_c1)
			strbuf_fmt(out, "\\x%02x", (unsigned char)s[1]);
		else
			strbuf_add(out, s, len);
		s += len;
	}
}

static void hold(struct show *s, const char *text)
{
	text_add(&s->held, text);
	strbuf_putc(&s->held, '\0');
	s->n_held++;
}

/* Characters, taking each for one column wide. Only called for texts that text_add() made. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Prints the held cells, n_columns to a line. The last one of a line is not padded. */
static void held_print(struct show *s, size_t n_columns)
{
	size_t width[SHOW_COLUMNS_MAX] = { 0 };
	const char *p = strbuf_text(&s->held);

	assert(n_columns > 0 && n_columns <= SHOW_COLUMNS_MAX);
	if (s->held.overflow) /* cells are missing: their order says nothing any more */
		s->out.overflow = true;
	for (size_t i = 0; i < s->n_held && !s->held.overflow; i++, p += strlen(p) + 1)
		width[i % n_columns] = MAX(width[i % n_columns], text_width(p));
	p = strbuf_text(&s->held);
	for (size_t i = 0; i < s->n_held && !s->held.overflow; i++, p += strlen(p) + 1) {
		size_t column = i % n_columns;

		strbuf_puts(&s->out, p);
		if (column + 1 == n_columns)
			strbuf_putc(&s->out, '\n');
		else
			strbuf_fmt(&s->out, "%*s",
				   (int)(width[column] - text_width(p)) + COLUMN_GAP, "");
	}
	strbuf_clear(&s->held);
	s->n_held = 0;
}

/* A blank line between blocks: the fields up to a list are one, a list is one. */
static void block_begin(struct show *s)
{
	if (s->any)
		strbuf_putc(&s->out, '\n');
	s->any = true;
}

static void fields_print(struct show *s)
{
	if (s->n_held == 0)
		return;
	block_begin(s);
	held_print(s, 2);
}

static void text_field(struct show *s, const char *title, const char *value)
{
	CLEANUP_STRBUF struct strbuf label = STRBUF_INIT;

	if (!title)
		return;
	strbuf_fmt(&label, "%s:", title);
	hold(s, strbuf_text(&label));
	hold(s, value);
}

static void text_cell(struct show *s, const char *value)
{
	if (s->columns[s->cell].title)
		hold(s, *value ? value : "-");
}

static size_t visible_columns(const struct show *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_columns; i++)
		n += s->columns[i].title != NULL;
	return n;
}

static void text_list_begin(struct show *s)
{
	fields_print(s);
	block_begin(s);
	if (s->title)
		strbuf_fmt(&s->out, "%s:\n", s->title);
	for (size_t i = 0; i < s->n_columns; i++) {
		if (s->columns[i].title)
			hold(s, s->columns[i].title);
	}
}

static void text_list_end(struct show *s)
{
	if (s->n_rows > 0) {
		held_print(s, visible_columns(s));
		return;
	}
	strbuf_puts(&s->out, "(none)\n");
	strbuf_clear(&s->held);
	s->n_held = 0;
}

/* --- JSON --- */

static void json_key(struct show *s, const char *key)
{
	strbuf_puts(&s->out, s->any ? ",\n  " : "\n  ");
	json_text_write(&s->out, key);
	strbuf_puts(&s->out, ": ");
	s->any = true;
}

static void json_cell_key(struct show *s)
{
	strbuf_puts(&s->out, s->cell ? ", " : "");
	json_text_write(&s->out, s->columns[s->cell].key);
	strbuf_puts(&s->out, ": ");
}

static void json_text_or_null(struct show *s, const char *value)
{
	if (value)
		json_text_write(&s->out, value);
	else
		strbuf_puts(&s->out, "null");
}

/* --- both --- */

void show_begin(struct show *s)
{
	assert(!s->begun);
	s->begun = true;
	if (s->form == SHOW_JSON)
		strbuf_putc(&s->out, '{');
}

void show_end(struct show *s)
{
	assert(s->begun && !s->ended && !s->in_list);
	s->ended = true;
	if (s->form == SHOW_JSON)
		strbuf_puts(&s->out, s->any ? "\n}\n" : "}\n");
	else
		fields_print(s);
}

/* JSON numbers and words stand as they are; text has its own word. */
static void field_bare(struct show *s, const char *key, const char *title, const char *json,
		       const char *text)
{
	assert(s->begun && !s->ended && !s->in_list);
	if (s->form == SHOW_TEXT) {
		text_field(s, title, text);
		return;
	}
	json_key(s, key);
	strbuf_puts(&s->out, json);
}

void show_field_text(struct show *s, const char *key, const char *title, const char *value)
{
	assert(s->begun && !s->ended && !s->in_list);
	if (s->form == SHOW_TEXT) {
		text_field(s, title, str_is_empty(value) ? "-" : value);
		return;
	}
	json_key(s, key);
	json_text_or_null(s, value);
}

void show_field_uint(struct show *s, const char *key, const char *title, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	field_bare(s, key, title, text, text);
}

void show_field_bool(struct show *s, const char *key, const char *title, bool value)
{
	field_bare(s, key, title, value ? "true" : "false", value ? "yes" : "no");
}

static void row_end(struct show *s)
{
	if (s->n_rows == 0)
		return;
	assert(s->cell == s->n_columns); /* a row has as many cells as there are columns */
	if (s->form == SHOW_JSON)
		strbuf_putc(&s->out, '}');
}

void show_list_begin(struct show *s, const char *key, const char *title,
		     const struct show_column *columns, size_t n)
{
	assert(s->begun && !s->ended && !s->in_list);
	assert(n > 0 && n <= SHOW_COLUMNS_MAX);
	s->in_list = true;
	s->title = title;
	s->columns = columns;
	s->n_columns = n;
	s->n_rows = 0;
	s->cell = 0;
	if (s->form == SHOW_TEXT) {
		assert(visible_columns(s) > 0);
		text_list_begin(s);
		return;
	}
	json_key(s, key);
	strbuf_putc(&s->out, '[');
}

void show_row_begin(struct show *s)
{
	assert(s->in_list);
	row_end(s);
	if (s->form == SHOW_JSON)
		strbuf_puts(&s->out, s->n_rows ? ",\n    {" : "\n    {");
	s->n_rows++;
	s->cell = 0;
}

void show_list_end(struct show *s)
{
	assert(s->in_list);
	row_end(s);
	if (s->form == SHOW_TEXT)
		text_list_end(s);
	else
		strbuf_puts(&s->out, s->n_rows ? "\n  ]" : "]");
	s->in_list = false;
}

static void cell_bare(struct show *s, const char *json, const char *text)
{
	assert(s->in_list && s->n_rows > 0 && s->cell < s->n_columns);
	if (s->form == SHOW_TEXT) {
		text_cell(s, text);
	} else {
		json_cell_key(s);
		strbuf_puts(&s->out, json);
	}
	s->cell++;
}

void show_cell_text(struct show *s, const char *value)
{
	assert(s->in_list && s->n_rows > 0 && s->cell < s->n_columns);
	if (s->form == SHOW_TEXT) {
		text_cell(s, value ? value : "");
	} else {
		json_cell_key(s);
		json_text_or_null(s, value);
	}
	s->cell++;
}

void show_cell_uint(struct show *s, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	cell_bare(s, text, text);
}

void show_cell_bool(struct show *s, bool value)
{
	cell_bare(s, value ? "true" : "false", value ? "yes" : "no");
}

void show_cell_texts(struct show *s, const char *const *values, size_t n)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, json = STRBUF_INIT;

	strbuf_putc(&json, '[');
	for (size_t i = 0; i < n; i++) {
		strbuf_fmt(&text, "%s%s", i ? ", " : "", values[i]);
		strbuf_puts(&json, i ? ", " : "");
		json_text_write(&json, values[i]);
	}
	strbuf_putc(&json, ']');
	cell_bare(s, strbuf_text(&json), strbuf_text(&text));
}

bool show_is_too_long(const struct show *s)
{
	return s->out.overflow || s->held.overflow;
}

const char *show_result(const struct show *s, size_t *ret_len)
{
	assert(s->ended);
	*ret_len = s->out.len;
	return strbuf_text(&s->out);
}
