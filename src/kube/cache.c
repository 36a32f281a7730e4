/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most updates of a busy cluster change nothing that is used (a Node's heartbeat every 10 s to 5
 * min). So an update is decoded into a scratch block that is reused, compared, and dropped; only a
 * real change is given a block of its own, filled by decoding once more. What does move with every
 * update is the resourceVersion: it is overwritten in place, so that the cached object always names
 * its newest version, and no pointer into it goes stale.
 */
#include "kube/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct kube_entry {
	const char *key;
	uint64_t seen; /* the last list that had it, or that was committed when it came */
	size_t size;   /* of the whole block */
	_Alignas(max_align_t) uint8_t object[];
};

#define SCRATCH_KEEP ((size_t)64 << 10)
#define MAP_SLOT_BYTES                                                                             \
	48 /* of base/map.h for one entry, besides its key; an estimate for stats                  \
	    */

void kube_cache_init(struct kube_cache *c, const struct kube_kind *kind)
{
	*c = (struct kube_cache){ .kind = kind };
}

static size_t entry_bytes(const struct kube_entry *e)
{
	return e->size + strlen(e->key) + MAP_SLOT_BYTES;
}

void kube_cache_fini(struct kube_cache *c)
{
	kube_cache_stage_drop(c);
	map_for_each (&c->map, i)
		free(map_at(&c->map, i, NULL, NULL));
	map_fini(&c->map);
	free(c->staged);
	free(c->scratch);
	*c = (struct kube_cache){ 0 };
}

const void *kube_cache_get(const struct kube_cache *c, const char *key)
{
	const struct kube_entry *e = map_get_str(&c->map, key);

	return e ? e->object : NULL;
}

size_t kube_cache_count(const struct kube_cache *c)
{
	return c->map.n;
}

int kube_cache_walk(const struct kube_cache *c,
		    int (*fn)(void *arg, const char *key, const void *obj), void *arg)
{
	map_for_each (&c->map, i) {
		const struct kube_entry *e = map_at(&c->map, i, NULL, NULL);
		int r = fn(arg, e->key, e->object);

		if (r != 0)
			return r;
	}
	return 0;
}

static const char *key_fmt(char buf[KUBE_KEY_MAX], const char *ns, const char *name)
{
	int n = *ns ? snprintf(buf, KUBE_KEY_MAX, "%s/%s", ns, name)
		    : snprintf(buf, KUBE_KEY_MAX, "%s", name);

	return *name && n > 0 && n < KUBE_KEY_MAX ? buf : NULL;
}

/*
 * To be freed; NULL if it cannot be read. The metadata are field 1 of every kind and come first, so
 * they are found also in an object that is broken further on.
 */
static struct kube_object_name *name_decode(struct rd raw)
{
	struct kube_object_name *o;
	struct pb_item it;
	struct pb_err err;
	size_t size;

	do {
		if (!pb_next(&raw, &it))
			return NULL;
	} while (it.number != 1 || it.wire != PB_WIRE_BYTES);
	if (pb_measure(&kube_object_name_type, it.bytes, &size, &err) < 0)
		return NULL;
	o = xmalloc(size);
	pb_fill(&kube_object_name_type, it.bytes, o, size);
	return o;
}

const char *kube_cache_name_of(struct rd raw, char buf[KUBE_KEY_MAX])
{
	CLEANUP_FREE struct kube_object_name *o = name_decode(raw);
	const char *key = o ? key_fmt(buf, o->namespace_, o->name) : NULL;

	return key ? key : "?";
}

void kube_cache_version_of(struct rd raw, char buf[KUBE_VERSION_MAX])
{
	CLEANUP_FREE struct kube_object_name *o = name_decode(raw);

	if (o && *o->resource_version && strlen(o->resource_version) < KUBE_VERSION_MAX)
		(void)str_copy(buf, KUBE_VERSION_MAX, o->resource_version);
}

/* Decodes into the scratch block. The size and the key come with it. */
static int scratch_decode(struct kube_cache *c, struct rd raw, size_t *ret_size,
			  char key[KUBE_KEY_MAX], struct pb_err *ret_err)
{
	const struct object_meta *meta;
	size_t size;
	int r = pb_measure(c->kind->type, raw, &size, ret_err);

	if (r < 0)
		return r;
	if (size > c->scratch_size || c->scratch_size > SCRATCH_KEEP) {
		free(c->scratch);
		c->scratch_size = MAX(size, (size_t)4096);
		c->scratch = xmalloc(c->scratch_size);
	}
	pb_fill(c->kind->type, raw, c->scratch, size);
	meta = kube_kind_meta(c->kind, c->scratch);
	if (!key_fmt(key, meta->namespace_, meta->name)) {
		*ret_err = (struct pb_err){ "ObjectMeta", "name", "missing or too long" };
		return -EBADMSG;
	}
	*ret_size = size;
	return 0;
}

static struct kube_entry *entry_new(const struct kube_cache *c, struct rd raw, size_t size,
				    const char *key)
{
	const struct object_meta *meta;
	bool has_ns = strchr(key, '/');
	size_t key_size = has_ns ? strlen(key) + 1 : 0;
	struct kube_entry *e = xmalloc(sizeof(*e) + size + key_size);

	pb_fill(c->kind->type, raw, e->object, size);
	meta = kube_kind_meta(c->kind, e->object);
	e->key = meta->name; /* the key of a cluster-scoped object is its name: no second copy */
	if (has_ns) {
		memcpy(e->object + size, key, key_size);
		e->key = (const char *)e->object + size;
	}
	e->size = sizeof(*e) + size + key_size;
	e->seen = c->seen;
	return e;
}

/* An entry that stays takes over the newer version, in place. */
static void version_copy(const struct kube_cache *c, struct kube_entry *e, const void *newer)
{
	const char *from = kube_kind_meta(c->kind, newer)->resource_version;
	const char *to = kube_kind_meta(c->kind, e->object)->resource_version;
	ptrdiff_t at = to - (const char *)e->object;
	size_t len = strlen(from);

	/* "" lies outside the block; a longer version than ever seen (opaque!) is not taken */
	if (*to && len < PB_VERSION_ROOM)
		memcpy(e->object + at, from, len + 1);
}

static bool cache_is_full(const struct kube_cache *c, size_t more)
{
	return c->map.n + c->n_staged >= KUBE_OBJECTS_MAX ||
	       c->bytes + c->staged_bytes + more > KUBE_CACHE_BYTES_MAX;
}

int kube_cache_update(struct kube_cache *c, struct rd raw, kube_cache_changed_fn *fn, void *arg,
		      struct pb_err *ret_err)
{
	struct kube_entry *e, *old;
	char key[KUBE_KEY_MAX];
	size_t size;
	bool go_on;
	int r = scratch_decode(c, raw, &size, key, ret_err);

	if (r < 0)
		return r;
	old = map_get_str(&c->map, key);
	if (old && pb_same(c->kind->type, old->object, c->scratch)) {
		version_copy(c, old, c->scratch);
		return 0;
	}
	if (cache_is_full(c, size))
		return -ENOSPC;
	e = entry_new(c, raw, size, key);
	map_put_str(&c->map, key, e);
	c->bytes += entry_bytes(e) - (old ? entry_bytes(old) : 0);
	go_on = fn(arg, e->key, old ? old->object : NULL, e->object);
	free(old);
	return go_on ? 0 : -ECANCELED;
}

int kube_cache_remove(struct kube_cache *c, struct rd raw, kube_cache_changed_fn *fn, void *arg,
		      struct pb_err *ret_err)
{
	char key[KUBE_KEY_MAX];
	struct kube_entry *old;
	bool go_on;

	/* the name is enough, also of an object that is malformed elsewhere */
	if (strcmp(kube_cache_name_of(raw, key), "?") == 0) {
		*ret_err = (struct pb_err){ c->kind->kind, "metadata.name", "cannot be read" };
		return -EBADMSG;
	}
	old = map_del_str(&c->map, key);
	if (!old)
		return 0;
	c->bytes -= entry_bytes(old);
	go_on = fn(arg, old->key, old->object, NULL);
	free(old);
	return go_on ? 0 : -ECANCELED;
}

void kube_cache_stage_drop(struct kube_cache *c)
{
	for (size_t i = 0; i < c->n_staged; i++) {
		free(c->staged[i].now);
		free(c->staged[i].old);
	}
	c->n_staged = 0;
	c->staged_bytes = 0;
	c->n_nameless = 0;
}

void kube_cache_stage_begin(struct kube_cache *c)
{
	kube_cache_stage_drop(c);
	c->seen++;
}

void kube_cache_stage_nameless(struct kube_cache *c)
{
	c->n_nameless++;
}

int kube_cache_stage(struct kube_cache *c, struct rd raw, struct pb_err *ret_err)
{
	char key[KUBE_KEY_MAX];
	struct kube_entry *old, *now;
	size_t size;
	int r = scratch_decode(c, raw, &size, key, ret_err);

	if (r < 0 && strcmp(kube_cache_name_of(raw, key), "?") == 0) {
		c->n_nameless++;
		return r;
	}
	old = map_get_str(&c->map, key);
	if (old)
		old->seen = c->seen;
	if (r < 0)
		return r;
	if (old && pb_same(c->kind->type, old->object, c->scratch)) {
		version_copy(c, old, c->scratch);
		return 0;
	}
	if (cache_is_full(c, size))
		return -ENOSPC;
	now = entry_new(c, raw, size, key);
	GROW(c->staged, c->n_staged, c->cap_staged);
	c->staged[c->n_staged++] = (struct kube_staged){ .now = now };
	c->staged_bytes += now->size;
	return 0;
}

/* Moves the entries that the new list does not have out of the map, as removals to report. */
static void commit_removals(struct kube_cache *c)
{
	for (size_t i = c->map.n; i-- > 0;) { /* downwards: a deletion moves the last one here */
		struct kube_entry *e = map_at(&c->map, i, NULL, NULL);

		if (e->seen == c->seen)
			continue;
		map_del_str(&c->map, e->key);
		c->bytes -= entry_bytes(e);
		GROW(c->staged, c->n_staged, c->cap_staged);
		c->staged[c->n_staged++] = (struct kube_staged){ .old = e };
	}
}

int kube_cache_commit(struct kube_cache *c, kube_cache_changed_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->n_staged; i++) {
		struct kube_staged *s = &c->staged[i];

		s->old = map_put_str(&c->map, s->now->key, s->now);
		c->bytes += entry_bytes(s->now) - (s->old ? entry_bytes(s->old) : 0);
	}
	/*
	 * An unreadable object without a name may be any of those not seen: none is removed then.
	 * The next list decides.
	 */
	if (c->n_nameless == 0)
		commit_removals(c);
	c->staged_bytes = 0;
	c->n_nameless = 0;

	for (size_t i = 0; i < c->n_staged; i++) {
		struct kube_staged s = c->staged[i];
		bool go_on;

		if (s.now)
			c->staged[i].now = NULL; /* the map's now */
		go_on = fn(arg, s.now ? s.now->key : s.old->key, s.old ? s.old->object : NULL,
			   s.now ? s.now->object : NULL);
		free(s.old);
		c->staged[i].old = NULL;
		if (!go_on) {
			/* what is left in the list: new ones belong to the map, old ones to nobody
			 * else */
			for (size_t k = i + 1; k < c->n_staged; k++)
				c->staged[k].now = NULL;
			return -ECANCELED;
		}
	}
	c->n_staged = 0;
	return 0;
}
