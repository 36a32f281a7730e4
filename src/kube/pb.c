/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding in two passes over the same code. The first has no memory and only adds up what it would
 * take; the second writes. So the block has its exact size before anything is allocated, a hostile
 * object is refused while it still costs nothing, and the result is one piece of memory that is
 * freed (and counted) at once.
 *
 * Within a message, arrays are counted first (a walk over the tags of that level alone; submessages
 * are stepped over by their length), then filled in order.
 *
 * The protobuf rule that a repeated singular submessage is merged is not followed: such an object
 * is refused. Encoders never write that, and merging would let two readers disagree about one
 * object.
 */
#include "kube/pb.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PB_FIELDS_MAX 24 /* rows in one table */

struct pb_job {
	uint8_t *block; /* NULL while measuring */
	size_t used;
	struct pb_err *err;
};

/* Nearly every tag and length is one byte or two: those cost no call (measured: a third of the
 * time). */
static inline uint64_t varint_read(struct rd *m)
{
	uint64_t v;

	if (m->left >= 1 && m->pos[0] < 0x80) {
		v = m->pos[0];
		m->pos += 1;
		m->left -= 1;
		return v;
	}
	if (m->left >= 2 && m->pos[1] < 0x80) {
		v = (m->pos[0] & 0x7fu) | (uint64_t)m->pos[1] << 7;
		m->pos += 2;
		m->left -= 2;
		return v;
	}
	return rd_varint(m);
}

/* pb_next() for the loops of this file. */
static inline bool item_next(struct rd *m, struct pb_item *ret)
{
	uint64_t tag, len;

	if (m->bad || m->left == 0)
		return false;
	tag = varint_read(m);
	ret->number = (uint32_t)(tag >> 3);
	ret->wire = (enum pb_wire)(tag & 7);
	if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1)
		goto bad;
	switch ((unsigned)ret->wire) {
	case PB_WIRE_BYTES:
		len = varint_read(m);
		if (m->bad || len > m->left)
			goto bad;
		ret->bytes = rd_init(m->pos, (size_t)len);
		m->pos += len;
		m->left -= (size_t)len;
		return true;
	case PB_WIRE_VARINT:
		ret->value = varint_read(m);
		return !m->bad;
	case PB_WIRE_FIXED64:
		ret->value = rd_u64_le(m);
		return !m->bad;
	case PB_WIRE_FIXED32:
		ret->value = rd_u32_le(m);
		return !m->bad;
	default: /* 3 and 4 are groups, which proto3 and Kubernetes never use */
		break;
	}
bad:
	m->bad = true;
	m->left = 0;
	return false;
}

bool pb_next(struct rd *m, struct pb_item *ret)
{
	*ret = (struct pb_item){ 0 };
	return item_next(m, ret);
}

static int fail(struct pb_job *j, const struct pb_type *t, const struct pb_field *f,
		const char *what, int err)
{
	*j->err = (struct pb_err){ t->name, f ? f->name : "", what };
	return err;
}

static const struct pb_field *field_of(const struct pb_type *t, uint32_t number)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i].number == number)
			return &t->fields[i];
	return NULL;
}

static enum pb_wire wire_of(enum pb_kind kind)
{
	switch (kind) {
	case PB_BOOL:
	case PB_INT32:
	case PB_INT64:
		return PB_WIRE_VARINT;
	case PB_STRING:
	case PB_CHOICE:
	case PB_MESSAGE:
	case PB_STRINGS:
	case PB_MESSAGES:
		break;
	}
	return PB_WIRE_BYTES;
}

/* Space in the block; NULL while measuring. used may pass the ceiling by one step, then it is
 * asked. */
static void *take(struct pb_job *j, size_t size, size_t align)
{
	void *p;

	j->used = (j->used + align - 1) & ~(align - 1);
	p = j->block ? j->block + j->used : NULL;
	j->used += size;
	return p;
}

static const char *take_text(struct pb_job *j, struct rd text, size_t room)
{
	size_t size = MAX(text.left + 1, room);
	char *p;

	if (text.left == 0 && room == 0)
		return "";
	p = take(j, size, 1);
	if (!p)
		return NULL;
	memcpy(p, text.pos, text.left);
	memset(p + text.left, 0, size - text.left);
	return p;
}

/* Members are written by memcpy at their offset: no cast from bytes to a type. */
#define PUT(base, off, value)                                                                      \
	do {                                                                                       \
		__typeof__(value) put_ = (value);                                                  \
		memcpy((uint8_t *)(base) + (off), &put_, sizeof(put_));                            \
	} while (0)

/* Texts are never NULL, also where the object does not have the field. */
static void defaults_set(const struct pb_type *t, uint8_t *dst)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct pb_field *f = &t->fields[i];

		if (f->kind == PB_STRING)
			PUT(dst, f->offset, (const char *)"");
		else if (f->kind == PB_MESSAGE)
			defaults_set(f->type, dst + f->offset);
	}
}

static int choice_of(const struct pb_field *f, struct rd text)
{
	for (int i = 1; f->choices[i]; i++)
		if (strlen(f->choices[i]) == text.left &&
		    memcmp(f->choices[i], text.pos, text.left) == 0)
			return i;
	return 0;
}

/* The message being read: one for each row of its table. */
struct level {
	struct {
		size_t n;    /* elements of an array, occurrences of a submessage */
		size_t next; /* to be filled */
		uint8_t *array;
	} row[PB_FIELDS_MAX];
	unsigned depth;
};

/* Checks every tag of this level, counts, and reserves the arrays. */
static int level_open(struct pb_job *j, const struct pb_type *t, struct rd in, uint8_t *dst,
		      struct level *lv)
{
	struct pb_item it = { 0 };

	while (item_next(&in, &it)) {
		const struct pb_field *f = field_of(t, it.number);

		if (!f)
			continue;
		if (it.wire != wire_of(f->kind))
			return fail(j, t, f, "wrong wire type", -EBADMSG);
		if (++lv->row[f - t->fields].n > PB_ELEMENTS_MAX)
			return fail(j, t, f, "too many elements", -E2BIG);
		if (f->kind == PB_MESSAGE && lv->row[f - t->fields].n > 1)
			return fail(j, t, f, "given twice", -EBADMSG);
	}
	if (in.bad)
		return fail(j, t, NULL, "cut short or malformed", -EBADMSG);

	for (size_t i = 0; i < t->n_fields; i++) {
		const struct pb_field *f = &t->fields[i];
		size_t each = f->kind == PB_STRINGS    ? sizeof(char *)
			      : f->kind == PB_MESSAGES ? f->type->size
						       : 0;

		if (each == 0 || lv->row[i].n == 0)
			continue;
		lv->row[i].array = take(j, lv->row[i].n * each, _Alignof(max_align_t));
		if (j->used > PB_PACKED_MAX)
			return fail(j, t, f, "object too large", -E2BIG);
		if (!dst)
			continue;
		memset(lv->row[i].array, 0, lv->row[i].n * each);
		PUT(dst, f->offset, lv->row[i].array);
		PUT(dst, f->n_offset, lv->row[i].n);
	}
	return 0;
}

static int message_read(struct pb_job *j, const struct pb_type *t, struct rd in, uint8_t *dst,
			unsigned depth);

static int field_read(struct pb_job *j, const struct pb_field *f, const struct pb_item *it,
		      uint8_t *dst, struct level *lv, size_t row)
{
	size_t i = lv->row[row].next++;
	const char *text;
	uint8_t *elem;

	switch (f->kind) {
	case PB_STRING:
		text = take_text(j, it->bytes, f->is_version ? PB_VERSION_ROOM : 0);
		if (dst)
			PUT(dst, f->offset, text);
		return 0;
	case PB_STRINGS:
		text = take_text(j, it->bytes, 0);
		if (dst)
			PUT(lv->row[row].array, i * sizeof(char *), text);
		return 0;
	case PB_BOOL:
		if (dst)
			PUT(dst, f->offset, (bool)(it->value != 0));
		return 0;
	case PB_INT32:
		if (dst)
			PUT(dst, f->offset, (int32_t)it->value);
		return 0;
	case PB_INT64:
		if (dst)
			PUT(dst, f->offset, (int64_t)it->value);
		return 0;
	case PB_CHOICE:
		if (dst)
			PUT(dst, f->offset, choice_of(f, it->bytes));
		return 0;
	case PB_MESSAGE:
		return message_read(j, f->type, it->bytes, dst ? dst + f->offset : NULL,
				    lv->depth + 1);
	case PB_MESSAGES:
		elem = dst ? lv->row[row].array + i * f->type->size : NULL;
		if (elem)
			defaults_set(f->type, elem);
		return message_read(j, f->type, it->bytes, elem, lv->depth + 1);
	}
	return 0;
}

static int message_read(struct pb_job *j, const struct pb_type *t, struct rd in, uint8_t *dst,
			unsigned depth)
{
	struct pb_item it = { 0 };
	struct level lv;
	int r;

	assert(t->n_fields <= PB_FIELDS_MAX);
	lv.depth = depth;
	memset(lv.row, 0, t->n_fields * sizeof(lv.row[0]));
	if (depth >= PB_DEPTH_MAX)
		return fail(j, t, NULL, "nested too deep", -E2BIG);
	r = level_open(j, t, in, dst, &lv);
	if (r < 0)
		return r;

	while (item_next(&in, &it)) {
		const struct pb_field *f = field_of(t, it.number);

		if (!f)
			continue;
		r = field_read(j, f, &it, dst, &lv, (size_t)(f - t->fields));
		if (r < 0)
			return r;
		if (j->used > PB_PACKED_MAX)
			return fail(j, t, f, "object too large", -E2BIG);
		if (dst && f->has)
			PUT(dst, f->has_offset, true);
	}
	return 0;
}

int pb_measure(const struct pb_type *type, struct rd in, size_t *ret_size, struct pb_err *ret_err)
{
	struct pb_job j = { .used = type->size, .err = ret_err };
	int r = message_read(&j, type, in, NULL, 0);

	if (r < 0)
		return r;
	*ret_size = j.used;
	return 0;
}

void pb_fill(const struct pb_type *type, struct rd in, void *block, size_t size)
{
	struct pb_err err;
	struct pb_job j = { .block = block, .used = type->size, .err = &err };
	int r;

	memset(block, 0, type->size);
	defaults_set(type, block);
	r = message_read(&j, type, in, block, 0);
	assert(r == 0 && j.used == size); /* else the bytes are not the ones that were measured */
}

#define GET(type, base, off)                                                                       \
	({                                                                                         \
		type get_;                                                                         \
		memcpy(&get_, (const uint8_t *)(base) + (off), sizeof(get_));                      \
		get_;                                                                              \
	})

static bool array_same(const struct pb_field *f, const void *a, const void *b)
{
	size_t n = GET(size_t, a, f->n_offset);
	const uint8_t *va = GET(const uint8_t *, a, f->offset);
	const uint8_t *vb = GET(const uint8_t *, b, f->offset);

	if (n != GET(size_t, b, f->n_offset))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (f->kind == PB_STRINGS) {
			size_t at = i * sizeof(char *);

			if (strcmp(GET(const char *, va, at), GET(const char *, vb, at)) != 0)
				return false;
		} else if (!pb_same(f->type, va + i * f->type->size, vb + i * f->type->size)) {
			return false;
		}
	}
	return true;
}

static bool field_same(const struct pb_field *f, const void *a, const void *b)
{
	if (f->has && GET(bool, a, f->has_offset) != GET(bool, b, f->has_offset))
		return false;
	switch (f->kind) {
	case PB_STRING:
		return f->is_version || strcmp(GET(const char *, a, f->offset),
					       GET(const char *, b, f->offset)) == 0;
	case PB_BOOL:
		return GET(bool, a, f->offset) == GET(bool, b, f->offset);
	case PB_INT32:
		return GET(int32_t, a, f->offset) == GET(int32_t, b, f->offset);
	case PB_INT64:
		return GET(int64_t, a, f->offset) == GET(int64_t, b, f->offset);
	case PB_CHOICE:
		return GET(int, a, f->offset) == GET(int, b, f->offset);
	case PB_MESSAGE:
		return pb_same(f->type, (const uint8_t *)a + f->offset,
			       (const uint8_t *)b + f->offset);
	case PB_STRINGS:
	case PB_MESSAGES:
		return array_same(f, a, b);
	}
	return false;
}

bool pb_same(const struct pb_type *type, const void *a, const void *b)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (!field_same(&type->fields[i], a, b))
			return false;
	return true;
}
