/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries lie side by side in `slots`; `index` is an open-addressing table of slot numbers plus one
 * (0: free) with linear probing, at most three quarters full. Deleting leaves no tombstone: the
 * entries behind the hole move back as far as their home allows, and the last slot moves into the
 * slot freed.
 *
 * Memory: a slot is 40 bytes, an index cell 4, and both tables double, so an entry costs 40 to 80
 * bytes of slot and 6 to 11 of index. Keys up to MAP_KEY_INLINE bytes (an address is 17, a prefix
 * 18) lie in the slot; a longer one costs an allocation of its length.
 */
#include "base/map.h"

#include <assert.h>

#include "base/mem.h"

#define MAP_KEY_INLINE 24
#define MAP_INDEX_MIN  ((size_t)8)
#define MAP_N_MAX      ((size_t)1 << 30) /* entries: slot numbers are 32 bits */

struct map_slot {
	void *value;
	uint32_t hash; /* low bits of the key's: home cell, and a cheap first comparison */
	uint32_t len;
	union {
		uint8_t here[MAP_KEY_INLINE];
		uint8_t *there;
	} key;
};

static uint64_t seed[2];

void map_seed_set(uint64_t k0, uint64_t k1)
{
	seed[0] = k0;
	seed[1] = k1;
}

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = len; i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t map_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint64_t v[4] = {
		seed[0] ^ 0x736f6d6570736575,
		seed[1] ^ 0x646f72616e646f6d,
		seed[0] ^ 0x6c7967656e657261,
		seed[1] ^ 0x7465646279746573,
	};
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8)
		sip_word(v, load_le64(p, 8));
	sip_word(v, load_le64(p, left) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const uint8_t *slot_key(const struct map_slot *s)
{
	return s->len <= MAP_KEY_INLINE ? s->key.here : s->key.there;
}

/* The cell of the key, or the free cell where it would go. The index is never full. */
static size_t cell_find(const struct map *m, uint32_t hash, const void *key, size_t len)
{
	size_t mask = m->index_cap - 1, cell = hash & mask;

	for (; m->index[cell] != 0; cell = (cell + 1) & mask) {
		const struct map_slot *s = &m->slots[m->index[cell] - 1];

		if (s->hash == hash && s->len == len &&
		    (len == 0 || memcmp(slot_key(s), key, len) == 0))
			break;
	}
	return cell;
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->slots[i].len > MAP_KEY_INLINE)
			free(m->slots[i].key.there);
	free(m->slots);
	free(m->index);
	*m = (struct map)MAP_INIT;
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	size_t cell;

	if (m->n == 0)
		return NULL;
	cell = cell_find(m, (uint32_t)map_hash(key, len), key, len);
	return m->index[cell] ? m->slots[m->index[cell] - 1].value : NULL;
}

static void index_grow(struct map *m)
{
	size_t cap = m->index_cap ? 2 * m->index_cap : MAP_INDEX_MIN;

	free(m->index);
	m->index = xcalloc(cap, sizeof(*m->index));
	m->index_cap = cap;
	for (size_t i = 0; i < m->n; i++) {
		size_t cell = m->slots[i].hash & (cap - 1);

		while (m->index[cell] != 0)
			cell = (cell + 1) & (cap - 1);
		m->index[cell] = (uint32_t)i + 1;
	}
}

void *map_put(struct map *m, const void *key, size_t len, void *value)
{
	uint32_t hash = (uint32_t)map_hash(key, len);
	struct map_slot *s;
	size_t cell;

	assert(value && len <= UINT32_MAX);
	if (m->n > 0) {
		cell = cell_find(m, hash, key, len);
		if (m->index[cell] != 0) {
			void *old = m->slots[m->index[cell] - 1].value;

			m->slots[m->index[cell] - 1].value = value;
			return old;
		}
	}
	assert(m->n < MAP_N_MAX);
	if (4 * (m->n + 1) > 3 * m->index_cap)
		index_grow(m);
	GROW(m->slots, m->n, m->cap);
	cell = cell_find(m, hash, key, len);
	s = &m->slots[m->n++];
	*s = (struct map_slot){ .value = value, .hash = hash, .len = (uint32_t)len };
	if (len > MAP_KEY_INLINE)
		s->key.there = xmemdup(key, len);
	else if (len > 0)
		memcpy(s->key.here, key, len);
	m->index[cell] = (uint32_t)m->n;
	return NULL;
}

/* Frees a cell and moves back the entries behind it that may lie nearer to their home. */
static void cell_free(struct map *m, size_t hole)
{
	size_t mask = m->index_cap - 1;

	for (size_t cell = (hole + 1) & mask; m->index[cell] != 0; cell = (cell + 1) & mask) {
		size_t home = m->slots[m->index[cell] - 1].hash & mask;

		/* between its home and its cell, going round: then the hole is no worse a place */
		if (((cell - home) & mask) >= ((cell - hole) & mask)) {
			m->index[hole] = m->index[cell];
			hole = cell;
		}
	}
	m->index[hole] = 0;
}

void *map_del(struct map *m, const void *key, size_t len)
{
	size_t cell, slot;
	void *value;

	if (m->n == 0)
		return NULL;
	cell = cell_find(m, (uint32_t)map_hash(key, len), key, len);
	if (m->index[cell] == 0)
		return NULL;
	slot = m->index[cell] - 1;
	value = m->slots[slot].value;
	cell_free(m, cell);
	if (m->slots[slot].len > MAP_KEY_INLINE)
		free(m->slots[slot].key.there);
	m->n--;
	if (slot != m->n) {
		const struct map_slot *last = &m->slots[m->n];

		cell = cell_find(m, last->hash, slot_key(last), last->len);
		m->index[cell] = (uint32_t)slot + 1;
		m->slots[slot] = *last;
	}
	return value;
}

void *map_at(const struct map *m, size_t i, const void **ret_key, size_t *ret_len)
{
	const struct map_slot *s = &m->slots[i];

	assert(i < m->n);
	if (ret_key)
		*ret_key = slot_key(s);
	if (ret_len)
		*ret_len = s->len;
	return s->value;
}
