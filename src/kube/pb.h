/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Protobuf reader driven by tables: one table per message type, one row per field that is used.
 *
 * An object becomes one packed block: its struct, then arrays and texts, all in the memory given.
 * Unknown fields are skipped. Pure: opens nothing, logs nothing, allocates nothing.
 * Use:    pb_measure(&type, bytes, &size, &err);  pb_fill(&type, bytes, block, size);
 * Memory: every pointer in the result points into the block, or at constant texts.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"

/* Ceilings. Far above what an API server stores (1.5 MiB an object), so that no tenant reaches
 * them. */
#define PB_PACKED_MAX   ((size_t)64 << 20) /* bytes of one packed block */
#define PB_ELEMENTS_MAX ((size_t)1 << 20)  /* of one array */
#define PB_DEPTH_MAX    16

enum pb_kind {
	PB_STRING,  /* const char *, never NULL; a NUL inside ends it */
	PB_BOOL,    /* bool */
	PB_INT32,   /* int32_t */
	PB_INT64,   /* int64_t */
	PB_CHOICE,  /* a text out of a list; an enum (int) whose value is its index, 0 for others */
	PB_MESSAGE, /* the struct itself, or the same struct (offset 0) for a flattened level */
	PB_STRINGS, /* const char *const *, count */
	PB_MESSAGES, /* const struct x *, count; a map<string, string> is one with key and value */
};

struct pb_type;

struct pb_field {
	uint32_t number;
	enum pb_kind kind;
	const char *name;           /* as the API spells it, for errors */
	uint16_t offset;            /* of the member in the struct */
	uint16_t n_offset;          /* PB_STRINGS, PB_MESSAGES: of the size_t count */
	bool has;                   /* has_offset is used */
	uint16_t has_offset;        /* of a bool that is set when the field was present */
	const struct pb_type *type; /* PB_MESSAGE, PB_MESSAGES */
	const char *const *choices; /* PB_CHOICE: NULL-terminated; the first entry is for "other" */
	bool is_version; /* PB_STRING: not compared by pb_same(); room for PB_VERSION_ROOM */
};

/* A resourceVersion is replaced in place: decimal of 64 bits, its NUL, and a little. */
#define PB_VERSION_ROOM 24

struct pb_type {
	const char *name; /* "NodeSpec" */
	size_t size;      /* of the struct; of the enclosing struct for a flattened level */
	const struct pb_field *fields;
	size_t n_fields;
};

struct pb_err {
	const char *type, *field; /* constant texts; field is "" when none is meant */
	const char *what;
};

/* The bytes pb_fill() will need. -EBADMSG: malformed; -E2BIG: a ceiling. ret_err says which. */
int pb_measure(const struct pb_type *type, struct rd in, size_t *ret_size, struct pb_err *ret_err);

/* block: aligned to 16, size as measured from the same bytes. The struct is at its start. */
void pb_fill(const struct pb_type *type, struct rd in, void *block, size_t size);

/* The same in every field of the table except those marked is_version. */
bool pb_same(const struct pb_type *type, const void *a, const void *b);

/*
 * The next field of any message: number, wire type, and a cursor over its bytes (wire type 2) or
 * its value (0, 1, 5). False at the end and on malformed input, then m->bad is set.
 */
enum pb_wire {
	PB_WIRE_VARINT = 0,
	PB_WIRE_FIXED64 = 1,
	PB_WIRE_BYTES = 2,
	PB_WIRE_FIXED32 = 5,
};
struct pb_item {
	uint32_t number;
	enum pb_wire wire;
	uint64_t value;
	struct rd bytes;
};
bool pb_next(struct rd *m, struct pb_item *ret);
