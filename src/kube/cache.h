/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The objects of one kind, by key. One packed heap block each (kube/pb.h), so the bytes of an
 * object are one number and one free().
 *
 * A watch changes it object by object. A list is staged: only what differs from the cache is kept
 * aside, what is the same is merely marked; kube_cache_commit() then replaces the content in one
 * step and reports the difference. An abandoned list leaves no trace.
 *
 * The owner may be freed from a report: kube_cache_fini() must then wait until the outermost call
 * here has returned (kube/watch.c does that).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "kube/kind.h"
#include "kube/pb.h"

#define KUBE_OBJECTS_MAX     ((size_t)1 << 20) /* of one kind */
#define KUBE_CACHE_BYTES_MAX ((size_t)2 << 30) /* of one kind */
#define KUBE_KEY_MAX         520               /* namespace/name: 63 and 253 by the API's rules */

struct kube_entry;

/* Returns false when the owner is gone: no further report. */
typedef bool kube_cache_changed_fn(void *arg, const char *key, const void *old, const void *now);

struct kube_staged {
	struct kube_entry *now, *old;
};

struct kube_cache {
	const struct kube_kind *kind;
	struct map map; /* key -> struct kube_entry */
	size_t bytes;
	uint64_t seen; /* number of the list in progress or last committed; 0: none yet */
	struct kube_staged *staged;
	size_t n_staged, cap_staged;
	size_t staged_bytes;
	size_t n_nameless; /* refused while staging, without a readable name */
	void *scratch;     /* an update is decoded here before it is known to change anything */
	size_t scratch_size;
};

void kube_cache_init(struct kube_cache *c, const struct kube_kind *kind);
void kube_cache_fini(struct kube_cache *c);

const void *kube_cache_get(const struct kube_cache *c, const char *key);
size_t kube_cache_count(const struct kube_cache *c);
int kube_cache_walk(const struct kube_cache *c,
		    int (*fn)(void *arg, const char *key, const void *obj), void *arg);

/*
 * One object from a watch. 0: same or changed and reported; -ECANCELED: the owner went in the
 * report; -EBADMSG, -E2BIG: refused with *ret_err, the cache keeps what it had; -ENOSPC: the cache
 * is full.
 */
int kube_cache_update(struct kube_cache *c, struct rd raw, kube_cache_changed_fn *fn, void *arg,
		      struct pb_err *ret_err);
int kube_cache_remove(struct kube_cache *c, struct rd raw, kube_cache_changed_fn *fn, void *arg,
		      struct pb_err *ret_err);

/* Starts a list; drops what an earlier, unfinished one staged. */
void kube_cache_stage_begin(struct kube_cache *c);
/* Errors as kube_cache_update(). A refused object whose name can be read keeps its old content. */
int kube_cache_stage(struct kube_cache *c, struct rd raw, struct pb_err *ret_err);
/* An object whose bytes were never seen (too large): the commit then removes nothing. */
void kube_cache_stage_nameless(struct kube_cache *c);
void kube_cache_stage_drop(struct kube_cache *c);
/* 0, or -ECANCELED when the owner went in a report. */
int kube_cache_commit(struct kube_cache *c, kube_cache_changed_fn *fn, void *arg);

/* "namespace/name" or "name" of bytes that may be malformed elsewhere; "?" if it cannot be read. */
const char *kube_cache_name_of(struct rd raw, char buf[KUBE_KEY_MAX]);
/* The resourceVersion, likewise; buf keeps its content if it cannot be read or is empty. */
#define KUBE_VERSION_MAX 128
void kube_cache_version_of(struct rd raw, char buf[KUBE_VERSION_MAX]);
