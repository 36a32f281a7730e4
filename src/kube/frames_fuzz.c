/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A streamed body. First byte: bit 0 list or watch, the rest the size of the chunks. However the
 * body is cut, the objects and the result are the same. The objects go into a cache as events
 * would.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/cache.h"
#include "kube/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	struct kube_cache cache;
	uint64_t hash; /* of the pieces and their order */
	size_t reports;
};

static bool on_changed(void *arg, const char *key, const void *old, const void *now)
{
	struct sink *s = arg;

	assert(*key && (old || now));
	s->reports++;
	return true;
}

static void sink_put(struct sink *s, const void *data, size_t len, unsigned kind)
{
	const uint8_t *p = data;

	s->hash = (s->hash ^ kind ^ len) * 0x100000001b3;
	for (size_t i = 0; i < len; i++)
		s->hash = (s->hash ^ p[i]) * 0x100000001b3;
}

static int on_object(void *arg, struct rd bytes)
{
	struct sink *s = arg;
	struct kube_envelope env;
	char key[KUBE_KEY_MAX];
	struct pb_err err;

	sink_put(s, bytes.pos, bytes.left, 1);
	(void)kube_cache_name_of(bytes, key);
	(void)kube_cache_stage(&s->cache, bytes, &err);
	if (kube_envelope_parse(bytes, &env) == 0)
		bytes = env.raw;
	if (kube_cache_update(&s->cache, bytes, on_changed, s, &err) == 0) {
		size_t n = s->reports;

		(void)kube_cache_update(&s->cache, bytes, on_changed, s, &err);
		assert(s->reports == n); /* the same again is no change */
	}
	if (bytes.left % 3 == 0)
		(void)kube_cache_remove(&s->cache, bytes, on_changed, s, &err);
	return 0;
}

static int on_large(void *arg, uint64_t size)
{
	sink_put(arg, &size, sizeof(size), 2);
	return 0;
}

static int on_meta(void *arg, struct rd bytes)
{
	sink_put(arg, bytes.pos, bytes.left, 3);
	return 0;
}

static uint64_t run(bool is_list, const uint8_t *data, size_t size, size_t chunk, int *ret_err)
{
	struct sink s = { 0 };
	const struct kube_frames_events ev = { &s, on_object, on_large, on_meta };
	struct kube_watch_frames w;
	struct kube_list_frames l;

	kube_cache_init(&s.cache, &kube_kind_node);
	kube_cache_stage_begin(&s.cache);
	kube_watch_frames_init(&w, &ev);
	kube_list_frames_init(&l, &ev);
	*ret_err = 0;
	for (size_t at = 0; at < size && *ret_err == 0; at += chunk) {
		size_t n = MIN(chunk, size - at);
		uint8_t *copy = xmemdup(data + at, n);

		*ret_err = is_list ? kube_list_frames_feed(&l, copy, n)
				   : kube_watch_frames_feed(&w, copy, n);
		free(copy);
	}
	if (is_list && kube_list_frames_whole(&l))
		(void)kube_cache_commit(&s.cache, on_changed, &s);
	kube_watch_frames_fini(&w);
	kube_list_frames_fini(&l);
	kube_cache_fini(&s.cache);
	return s.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole, cut;
	int err_whole, err_cut;

	if (size < 2)
		return 0;
	whole = run(data[0] & 1, data + 1, size - 1, size, &err_whole);
	cut = run(data[0] & 1, data + 1, size - 1, (data[0] >> 1) + 1u, &err_cut);
	assert(whole == cut && err_whole == err_cut);
	return 0;
}
