/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two bodies an API server streams, cut into objects as the bytes come in:
 *
 *   watch:  (4-byte big-endian length, WatchEvent) ...
 *   list:   "k8s\0", runtime.Unknown { raw: XList { metadata, items ... } }
 *
 * A list is never held whole: each item is handed on as soon as its last byte is there, in place
 * when it lies in one chunk. Pure: no I/O, no log.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"

#define KUBE_OBJECT_MAX   ((size_t)8 << 20)  /* bytes of one object; a server stores 1.5 MiB */
#define KUBE_CONTINUE_MAX ((size_t)16 << 10) /* bytes of a continue token and the like */

/* Collects bytes until so many are there in one piece; or steps over them. */
struct kube_gather {
	uint8_t *data;
	size_t len, cap;
	size_t want;   /* bytes of the piece that is being collected */
	uint64_t skip; /* bytes to step over first */
};

struct kube_frames_events {
	void *arg;
	/* One object's bytes, valid during the call. Anything but 0 stops and is passed up. */
	int (*object)(void *arg, struct rd bytes);
	/* One that is over KUBE_OBJECT_MAX and was stepped over. */
	int (*too_large)(void *arg, uint64_t size);
	/* List only: the bytes of ListMeta. */
	int (*list_meta)(void *arg, struct rd bytes);
};

struct kube_watch_frames {
	struct kube_frames_events ev;
	struct kube_gather g;
	bool in_body;
};
void kube_watch_frames_init(struct kube_watch_frames *f, const struct kube_frames_events *ev);
void kube_watch_frames_fini(struct kube_watch_frames *f);
/* 0, or what a callback returned. */
int kube_watch_frames_feed(struct kube_watch_frames *f, const void *data, size_t len);

enum kube_list_state {
	KUBE_LIST_MAGIC,
	KUBE_LIST_TAG,
	KUBE_LIST_LEN,    /* of a field of wire type 2 */
	KUBE_LIST_VARINT, /* a value that is not used */
	KUBE_LIST_BODY,   /* collecting a field */
	KUBE_LIST_SKIP,
};

struct kube_list_frames {
	struct kube_frames_events ev;
	struct kube_gather g;
	enum kube_list_state state;
	bool in_list; /* inside raw, else in the envelope */
	bool seen_list;
	uint64_t left; /* of raw, while in_list */
	uint64_t varint;
	unsigned shift;
	uint32_t field;
};
void kube_list_frames_init(struct kube_list_frames *f, const struct kube_frames_events *ev);
void kube_list_frames_fini(struct kube_list_frames *f);
/* 0, what a callback returned, or -EBADMSG for bytes that are no list. */
int kube_list_frames_feed(struct kube_list_frames *f, const void *data, size_t len);
/* At the end of the body: is it a whole list? */
bool kube_list_frames_whole(const struct kube_list_frames *f);
