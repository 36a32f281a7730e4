/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One description, two forms: aligned text for people, JSON (-o json) for programs. JSON keys are
 * an interface. Values may come from outside: in text, control characters are escaped.
 *
 *   show_begin(s)                                   {
 *   show_field_text(s, "node", "Node", name)          "node": "node1",
 *   show_list_begin(s, "peers", "Peers", cols, n)     "peers": [
 *   show_row_begin(s); show_cell_text(s, ...); ...      {"address": "192.168.1.2", ...},
 *   show_list_end(s)                                  ]
 *   show_end(s)                                     }
 */
#include <stdint.h>

#include "base/str.h"

enum show_form {
	SHOW_TEXT,
	SHOW_JSON,
};

struct show_column {
	const char *key;   /* JSON */
	const char *title; /* text; NULL: JSON only */
};

struct show;

struct show *show_new(enum show_form form);
void show_free(struct show *s);
DEFINE_CLEANUP(struct show *, show_free)

/* The whole result is an object. */
void show_begin(struct show *s);
void show_end(struct show *s);

/* title NULL: JSON only. In text: "Title: value" lines, aligned. */
void show_field_text(struct show *s, const char *key, const char *title, const char *value);
void show_field_uint(struct show *s, const char *key, const char *title, uint64_t value);
void show_field_bool(struct show *s, const char *key, const char *title, bool value);

/*
 * A list of rows with the same columns, cells given in their order. Lists do not nest. title NULL:
 * the table stands without a heading. columns is used until show_list_end(). In text, an empty
 * list is "(none)".
 */
#define SHOW_COLUMNS_MAX 32
void show_list_begin(struct show *s, const char *key, const char *title,
		     const struct show_column *columns, size_t n);
void show_row_begin(struct show *s);
void show_cell_text(struct show *s, const char *value); /* NULL: null, "-" in text */
void show_cell_uint(struct show *s, uint64_t value);
void show_cell_bool(struct show *s, bool value); /* yes / no in text */
/* A JSON list; in text "a, b", or "-" when empty. */
void show_cell_texts(struct show *s, const char *const *values, size_t n);
void show_list_end(struct show *s);

/*
 * Past SHOW_RESULT_MAX bytes the result is of no use and must not be handed out (it is cut
 * somewhere).
 */
#define SHOW_RESULT_MAX ((size_t)64 << 20)
bool show_is_too_long(const struct show *s);
/* The finished text, ended by a newline; valid until show_free(). */
const char *show_result(const struct show *s, size_t *ret_len);
