/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON documents (CNI files, command output, custom resources): the one door to jansson.
 *
 * Reading: bounded (size, depth), duplicate keys refused, trailing bytes refused. The value type is
 * jansson's json_t, reached only through this header.
 */
#include <jansson.h>
#include <stddef.h>

#include "base/macro.h"
#include "base/str.h"

#define JSON_DOC_MAX ((size_t)4 << 20) /* bytes of one document */

struct json_err {
	size_t offset; /* bytes */
	char what[160];
};

/* A reference the caller drops with json_decref(), or NULL with *ret_err filled. */
json_t *json_doc_parse(const char *text, size_t len, struct json_err *ret_err);

/*
 * Compact, `<`, `>` and `&` escaped as \u003c..., as Go's encoder writes. Keys stay in the order of
 * the document; json_object_sort_keys() puts those of one object in byte order.
 */
void json_doc_write_go(struct strbuf *out, const json_t *doc);
void json_object_sort_keys(json_t *obj);

/* Appends s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void json_text_write(struct strbuf *out, const char *s);

DEFINE_CLEANUP(json_t *, json_decref)
