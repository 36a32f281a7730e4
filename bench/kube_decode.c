/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Nodes cost: a list from its bytes into the cache, heartbeats that change nothing, and the
 * bytes each Node takes. Nodes look like those of a cloud: 30 labels and annotations, 50 images, 5
 * conditions, some 9 KB on the wire.
 *
 *   kube_decode-bench [NODES]    default 1000
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/time.h"
#include "kube/cache.h"
#include "kube/frames.h"

static void varint_put(struct strbuf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_putc(b, (char)((v & 0x7f) | 0x80));
	strbuf_putc(b, (char)v);
}

static void bytes_put(struct strbuf *b, unsigned field, const char *data, size_t len)
{
	varint_put(b, (uint64_t)field << 3 | 2);
	varint_put(b, len);
	strbuf_add(b, data, len);
}

static void text_put(struct strbuf *b, unsigned field, const char *text)
{
	bytes_put(b, field, text, strlen(text));
}

static void sub_put(struct strbuf *b, unsigned field, struct strbuf *sub)
{
	bytes_put(b, field, strbuf_text(sub), sub->len);
	strbuf_clear(sub);
}

static void node_put(struct strbuf *b, unsigned i, unsigned heartbeat)
{
	CLEANUP_STRBUF struct strbuf m = STRBUF_INIT, p = STRBUF_INIT, t = STRBUF_INIT;

	strbuf_fmt(&t, "ip-10-0-%u-%u.eu-central-1.compute.internal", i / 256, i % 256);
	text_put(&m, 1, t.data);
	text_put(&m, 5, "0b7e1a52-6d0c-4f4e-9d55-0d6f7c1f2a3b");
	text_put(&m, 6, "123456789");
	for (unsigned k = 0; k < 30; k++) {
		strbuf_clear(&t);
		strbuf_fmt(&t, "topology.example.com/label-%u", k);
		text_put(&p, 1, t.data);
		text_put(&p, 2, "eu-central-1a");
		sub_put(&m, k < 20 ? 11 : 12, &p);
	}
	sub_put(b, 1, &m);
	strbuf_clear(&t);
	strbuf_fmt(&t, "10.%u.%u.0/24", i / 256, i % 256);
	text_put(&m, 1, t.data);
	text_put(&m, 3, "aws:///eu-central-1a/i-0123456789abcdef0");
	text_put(&m, 7, t.data);
	sub_put(b, 2, &m);
	for (unsigned k = 0; k < 5; k++) {
		strbuf_clear(&t);
		strbuf_fmt(&t, "kubelet has sufficient memory available %u", heartbeat);
		text_put(&p, 6, t.data);
		sub_put(&m, 4, &p);
	}
	text_put(&p, 1, "InternalIP");
	text_put(&p, 2, "192.0.2.17");
	sub_put(&m, 5, &p);
	for (unsigned k = 0; k < 50; k++) {
		text_put(&p, 1,
			 "registry.example.com/team/service-name@sha256:"
			 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
		text_put(&p, 1, "registry.example.com/team/service-name:v1.2.3");
		sub_put(&m, 8, &p);
	}
	sub_put(b, 3, &m);
}

static bool on_changed(void *arg, const char *key, const void *old, const void *now)
{
	size_t *n = arg;

	(void)key;
	(void)old;
	(void)now;
	++*n;
	return true;
}

static int on_object(void *arg, struct rd bytes)
{
	struct pb_err err;

	return kube_cache_stage(arg, bytes, &err);
}

static int on_large(void *arg, uint64_t size)
{
	(void)arg;
	(void)size;
	return -1;
}

static int on_meta(void *arg, struct rd bytes)
{
	(void)arg;
	(void)bytes;
	return 0;
}

/* A list in chunks as HTTP/2 brings them; microseconds. */
static int64_t list_run(struct kube_cache *c, const struct strbuf *body, size_t *events)
{
	const struct kube_frames_events ev = { c, on_object, on_large, on_meta };
	struct mono start = mono_read();
	struct kube_list_frames f;

	kube_list_frames_init(&f, &ev);
	kube_cache_stage_begin(c);
	for (size_t at = 0; at < body->len; at += 16384)
		if (kube_list_frames_feed(&f, body->data + at, MIN((size_t)16384, body->len - at)))
			abort();
	if (!kube_list_frames_whole(&f))
		abort();
	(void)kube_cache_commit(c, on_changed, events);
	kube_list_frames_fini(&f);
	return mono_diff_us(mono_read(), start);
}

int main(int argc, char **argv)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT, body = STRBUF_INIT, node = STRBUF_INIT;
	size_t events = 0, heap_before, beats = 0;
	struct kube_cache cache;
	uint64_t n = 1000;
	int64_t first_us, again_us, beat_us;

	if (argc > 1 && str_to_u64(argv[1], 10, 100000, &n) < 0)
		return 2;
	list.max = body.max = (size_t)2 << 30;
	for (unsigned i = 0; i < n; i++) {
		node_put(&node, i, 0);
		sub_put(&list, 2, &node);
	}
	strbuf_add(&body, "k8s", 4);
	sub_put(&body, 2, &list);
	strbuf_fini(&list);

	heap_before = mallinfo2().uordblks + mallinfo2().hblkhd;
	kube_cache_init(&cache, &kube_kind_node);
	first_us = list_run(&cache, &body, &events);
	printf("list:      %zu nodes, %zu bytes, %lld us, %lld MB/s, %zu events\n",
	       kube_cache_count(&cache), body.len, (long long)first_us,
	       (long long)((int64_t)body.len / MAX(first_us, (int64_t)1)), events);
	events = 0;
	again_us = list_run(&cache, &body, &events);
	printf("list same: %lld us, %zu events\n", (long long)again_us, events);
	printf("memory:    %zu bytes/node counted, %zu bytes/node of heap, %zu bytes/node on the "
	       "wire\n",
	       cache.bytes / MAX(kube_cache_count(&cache), (size_t)1),
	       (mallinfo2().uordblks + mallinfo2().hblkhd - heap_before) /
		       MAX(kube_cache_count(&cache), (size_t)1),
	       body.len / MAX((size_t)n, (size_t)1));

	struct mono start = mono_read();

	for (; beats < 100000; beats++) {
		struct pb_err err;

		if (beats % 1000 == 0) {
			strbuf_clear(&node);
			node_put(&node, (unsigned)(beats / 1000 % n), (unsigned)beats);
		}
		(void)kube_cache_update(&cache, rd_init(node.data, node.len), on_changed, &events,
					&err);
	}
	beat_us = mono_diff_us(mono_read(), start);
	printf("heartbeat: %lld ns each, %zu events\n",
	       (long long)(beat_us * 1000 / (int64_t)beats), events);
	kube_cache_fini(&cache);
	return events == 0 ? 0 : 1;
}
