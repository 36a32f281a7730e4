/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests: protobuf written by hand, independent of the reader's tables. Everything is appended
 * to strbufs of the caller.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

void fake_varint(struct strbuf *b, uint64_t v);
void fake_number(struct strbuf *b, unsigned field, uint64_t v);
void fake_bytes(struct strbuf *b, unsigned field, const void *data, size_t len);
void fake_text(struct strbuf *b, unsigned field, const char *text);
void fake_sub(struct strbuf *b, unsigned field, const struct strbuf *sub);

struct fake_node {
	const char *name, *version, *pod_cidr;
	const char *label;  /* value of the label "l", NULL: no label */
	unsigned heartbeat; /* in a field that nobody reads */
	size_t image_bytes; /* weight in a field that nobody reads */
};
void fake_node(struct strbuf *b, const struct fake_node *n);
void fake_list_meta(struct strbuf *b, const char *version, const char *continue_);
void fake_status(struct strbuf *b, int code, const char *reason, const char *message);
/* "k8s\0" and runtime.Unknown around the bytes of an object */
void fake_envelope(struct strbuf *b, const char *kind, const struct strbuf *object);
/* length, WatchEvent, envelope, object */
void fake_frame(struct strbuf *b, const char *type, const char *kind, const struct strbuf *object);
