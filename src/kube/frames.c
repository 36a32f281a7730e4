/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both readers are pushed: HTTP/2 hands over chunks that end anywhere, also inside a varint. The
 * length of every piece is known before its first byte, so a piece above the ceiling costs nothing
 * but the bytes going by, and the stream goes on behind it.
 *
 * The list reader walks two levels of protobuf by hand (the envelope and the XList in its `raw`),
 * because those two are as large as the list; everything below is one item and goes to kube/pb.h.
 */
#include "kube/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kind.h"

#define GATHER_KEEP ((size_t)64 << 10) /* a larger buffer is given back after its piece */

static void gather_fini(struct kube_gather *g)
{
	free(g->data);
	*g = (struct kube_gather){ 0 };
}

static void gather_start(struct kube_gather *g, size_t want)
{
	if (g->cap > GATHER_KEEP) {
		free(g->data);
		g->data = NULL;
		g->cap = 0;
	}
	g->len = 0;
	g->want = want;
}

/* Grows with what has come, so that a length alone reserves nothing. */
static void gather_room(struct kube_gather *g, size_t incoming)
{
	size_t cap = g->len + incoming;

	if (cap < GATHER_KEEP)
		cap = GATHER_KEEP;
	if (cap < 2 * g->cap && cap > g->cap)
		cap = 2 * g->cap;
	if (cap > g->want)
		cap = g->want;
	if (cap <= g->cap)
		return;
	g->data = xreallocarray(g->data, cap, 1);
	g->cap = cap;
}

/* True with the piece in *ret once it is there; *ret is valid until the next gather_start(). */
static bool gather_take(struct kube_gather *g, struct rd *in, struct rd *ret)
{
	size_t part;

	if (g->len == 0 && in->left >= g->want) {
		*ret = rd_sub(in, g->want);
		return true;
	}
	part = MIN(in->left, g->want - g->len);
	gather_room(g, part);
	if (part > 0)
		memcpy(g->data + g->len, in->pos, part);
	rd_skip(in, part);
	g->len += part;
	if (g->len < g->want)
		return false;
	*ret = rd_init(g->data, g->want);
	return true;
}

static bool gather_skip(struct kube_gather *g, struct rd *in)
{
	size_t part = (size_t)MIN(g->skip, (uint64_t)in->left);

	rd_skip(in, part);
	g->skip -= part;
	return g->skip == 0;
}

void kube_watch_frames_init(struct kube_watch_frames *f, const struct kube_frames_events *ev)
{
	*f = (struct kube_watch_frames){ .ev = *ev, .g.want = sizeof(uint32_t) };
}

void kube_watch_frames_fini(struct kube_watch_frames *f)
{
	gather_fini(&f->g);
}

int kube_watch_frames_feed(struct kube_watch_frames *f, const void *data, size_t len)
{
	struct rd in = rd_init(data, len), piece;
	uint32_t size;
	int r;

	while (in.left > 0) {
		if (!gather_skip(&f->g, &in) || in.left == 0)
			continue; /* the loop ends with the input */
		if (!gather_take(&f->g, &in, &piece))
			continue;
		if (f->in_body) {
			f->in_body = false;
			r = f->ev.object(f->ev.arg, piece);
			if (r != 0)
				return r;
			gather_start(&f->g, sizeof(uint32_t));
			continue;
		}
		size = rd_u32(&piece);
		gather_start(&f->g, sizeof(uint32_t));
		if (size > KUBE_OBJECT_MAX) {
			f->g.skip = size;
			r = f->ev.too_large(f->ev.arg, size);
			if (r != 0)
				return r;
		} else if (size > 0) {
			gather_start(&f->g, size);
			f->in_body = true;
		}
	}
	return 0;
}

#define ENVELOPE_RAW 2 /* runtime.Unknown.raw */
#define LIST_META    1 /* XList.metadata, the same in every list type */
#define LIST_ITEMS   2 /* XList.items, likewise */

void kube_list_frames_init(struct kube_list_frames *f, const struct kube_frames_events *ev)
{
	*f = (struct kube_list_frames){ .ev = *ev, .g.want = sizeof(KUBE_ENVELOPE_MAGIC) };
}

void kube_list_frames_fini(struct kube_list_frames *f)
{
	gather_fini(&f->g);
}

bool kube_list_frames_whole(const struct kube_list_frames *f)
{
	return f->seen_list && !f->in_list && f->state == KUBE_LIST_TAG && f->shift == 0;
}

static void list_step(struct kube_list_frames *f, enum kube_list_state next)
{
	f->state = next;
	f->varint = 0;
	f->shift = 0;
}

/* 1: whole, 0: more bytes needed, -EBADMSG: longer than 64 bits. */
static int list_varint(struct kube_list_frames *f, struct rd *in)
{
	while (in->left > 0) {
		uint8_t byte = rd_u8(in);

		if (f->shift >= 64 || (f->shift == 63 && byte > 1))
			return -EBADMSG;
		f->varint |= (uint64_t)(byte & 0x7f) << f->shift;
		f->shift += 7;
		if (!(byte & 0x80))
			return 1;
	}
	return 0;
}

static int list_tag(struct kube_list_frames *f)
{
	unsigned wire = (unsigned)(f->varint & 7);

	if (f->varint >> 3 == 0 || f->varint >> 3 > (1u << 29) - 1)
		return -EBADMSG;
	f->field = (uint32_t)(f->varint >> 3);
	if (wire == PB_WIRE_BYTES) {
		list_step(f, KUBE_LIST_LEN);
	} else if (wire == PB_WIRE_VARINT) {
		list_step(f, KUBE_LIST_VARINT);
	} else if (wire == PB_WIRE_FIXED64 || wire == PB_WIRE_FIXED32) {
		f->g.skip = wire == PB_WIRE_FIXED64 ? 8 : 4;
		list_step(f, KUBE_LIST_SKIP);
	} else {
		return -EBADMSG;
	}
	return 0;
}

/*
 * The length of a field has been read: collect it, descend into it, or step over it. left: bytes of
 * raw behind the length.
 */
static int list_field_open(struct kube_list_frames *f, uint64_t left)
{
	uint64_t len = f->varint;
	bool is_wanted = f->in_list && (f->field == LIST_META || f->field == LIST_ITEMS);
	size_t max = f->field == LIST_ITEMS ? KUBE_OBJECT_MAX : KUBE_CONTINUE_MAX;

	if (f->in_list && len > left)
		return -EBADMSG;
	if (!f->in_list && f->field == ENVELOPE_RAW) {
		if (f->seen_list)
			return -EBADMSG;
		f->in_list = f->seen_list = true;
		f->left = len;
		list_step(f, KUBE_LIST_TAG);
		return 0;
	}
	if (is_wanted && len <= max) {
		gather_start(&f->g, (size_t)len);
		list_step(f, KUBE_LIST_BODY);
		return 0;
	}
	if (is_wanted && f->field == LIST_META)
		return -EBADMSG; /* the list cannot be followed without it */
	f->g.skip = len;
	list_step(f, KUBE_LIST_SKIP);
	return is_wanted ? f->ev.too_large(f->ev.arg, len) : 0;
}

static int list_piece(struct kube_list_frames *f, struct rd *in)
{
	size_t had = in->left;
	struct rd piece;
	int r;

	switch (f->state) {
	case KUBE_LIST_MAGIC:
		if (!gather_take(&f->g, in, &piece))
			return 0;
		if (memcmp(piece.pos, KUBE_ENVELOPE_MAGIC, sizeof(KUBE_ENVELOPE_MAGIC)) != 0)
			return -EBADMSG;
		list_step(f, KUBE_LIST_TAG);
		return 0;
	case KUBE_LIST_TAG:
		r = list_varint(f, in);
		return r > 0 ? list_tag(f) : r;
	case KUBE_LIST_LEN:
		r = list_varint(f, in);
		return r > 0 ? list_field_open(f, f->left - (had - in->left)) : r;
	case KUBE_LIST_VARINT:
		r = list_varint(f, in);
		if (r > 0)
			list_step(f, KUBE_LIST_TAG);
		return MIN(r, 0);
	case KUBE_LIST_SKIP:
		if (gather_skip(&f->g, in))
			list_step(f, KUBE_LIST_TAG);
		return 0;
	case KUBE_LIST_BODY:
		if (!gather_take(&f->g, in, &piece))
			return 0;
		list_step(f, KUBE_LIST_TAG);
		return f->field == LIST_META ? f->ev.list_meta(f->ev.arg, piece)
					     : f->ev.object(f->ev.arg, piece);
	}
	return -EBADMSG;
}

/* A field of length 0 has no byte to wait for. */
static bool list_is_due(const struct kube_list_frames *f)
{
	return (f->state == KUBE_LIST_BODY && f->g.want == 0) ||
	       (f->state == KUBE_LIST_SKIP && f->g.skip == 0);
}

int kube_list_frames_feed(struct kube_list_frames *f, const void *data, size_t len)
{
	struct rd all = rd_init(data, len);

	while (all.left > 0 || list_is_due(f)) {
		/* inside the list, nothing may read past its end: the cursor stops there */
		bool in_list = f->in_list;
		size_t bound = in_list ? (size_t)MIN((uint64_t)all.left, f->left) : all.left;
		struct rd in = rd_init(all.pos, bound);
		int r;

		if (in_list && f->left == 0 && !list_is_due(f)) {
			if (f->state != KUBE_LIST_TAG || f->shift != 0)
				return -EBADMSG;
			f->in_list = false;
			continue;
		}
		r = list_piece(f, &in);
		if (r != 0)
			return r;
		rd_skip(&all, bound - in.left);
		if (in_list)
			f->left -= bound - in.left;
	}
	if (f->in_list && f->left == 0 && f->state == KUBE_LIST_TAG && f->shift == 0)
		f->in_list = false;
	return 0;
}
