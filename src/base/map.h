/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Hash map from byte-string keys to pointers.
 *
 * The map copies and owns its keys; values belong to the caller. Keyed with a random seed
 * (SipHash), because API objects and peers choose our keys. Iteration order is insertion order as
 * long as nothing was deleted and is unspecified after; sort where order is visible.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

struct map_slot;

struct map {
	struct map_slot *slots; /* dense array of entries */
	uint32_t *index;        /* open addressing, into slots */
	size_t n, cap, index_cap;
};

#define MAP_INIT                                                                                   \
	{                                                                                          \
		0                                                                                  \
	}

/* Set once before the first map is used: the real seed in main, a fixed one in simulator and tests.
 */
void map_seed_set(uint64_t k0, uint64_t k1);
uint64_t map_hash(const void *key, size_t len); /* SipHash-2-4 with the seed */

void map_fini(struct map *m);
void *map_get(const struct map *m, const void *key, size_t len); /* NULL: not there */
/* Sets the value of a key (not NULL); returns the old value or NULL. */
void *map_put(struct map *m, const void *key, size_t len, void *value);
void *map_del(struct map *m, const void *key, size_t len); /* the value that was there, or NULL */

static inline void *map_get_str(const struct map *m, const char *key)
{
	return map_get(m, key, strlen(key));
}
static inline void *map_put_str(struct map *m, const char *key, void *value)
{
	return map_put(m, key, strlen(key), value);
}
static inline void *map_del_str(struct map *m, const char *key)
{
	return map_del(m, key, strlen(key));
}

/*
 * i-th entry, i < m->n. Deleting an entry moves the last one into its place. The key is valid until
 * the next put or del; ret_key and ret_len may be NULL.
 */
void *map_at(const struct map *m, size_t i, const void **ret_key, size_t *ret_len);

#define map_for_each(m, i) for (size_t i = 0; i < (m)->n; i++)
