/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/test.h"
#include "kube/fake_pb.h"

struct seen {
	struct strbuf text; /* "meta:N obj:N big:N", N a length */
	int stop;           /* what object() returns */
};

static int on_object(void *arg, struct rd bytes)
{
	struct seen *s = arg;

	strbuf_fmt(&s->text, "obj:%zu ", bytes.left);
	return s->stop;
}

static int on_large(void *arg, uint64_t size)
{
	struct seen *s = arg;

	strbuf_fmt(&s->text, "big:%llu ", (unsigned long long)size);
	return 0;
}

static int on_meta(void *arg, struct rd bytes)
{
	struct seen *s = arg;

	strbuf_fmt(&s->text, "meta:%zu ", bytes.left);
	return 0;
}

/* Feeds chunks of the given size, each in a heap block of its own. */
static int feed(bool is_list, const struct strbuf *b, size_t chunk, struct seen *s, bool *ret_whole)
{
	const struct kube_frames_events ev = { s, on_object, on_large, on_meta };
	struct kube_watch_frames w;
	struct kube_list_frames l;
	int r = 0;

	kube_watch_frames_init(&w, &ev);
	kube_list_frames_init(&l, &ev);
	for (size_t at = 0; at < b->len && r == 0; at += chunk) {
		size_t n = MIN(chunk, b->len - at);
		void *copy = xmemdup(b->data + at, n);

		r = is_list ? kube_list_frames_feed(&l, copy, n)
			    : kube_watch_frames_feed(&w, copy, n);
		free(copy);
	}
	*ret_whole = kube_list_frames_whole(&l);
	kube_watch_frames_fini(&w);
	kube_list_frames_fini(&l);
	return r;
}

static void length_put(struct strbuf *b, uint32_t len)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		strbuf_putc(b, (char)(len >> shift));
}

static void test_watch_chunks(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

	(void)state;
	length_put(&b, 3);
	strbuf_puts(&b, "abc");
	length_put(&b, 0);
	length_put(&b, 300);
	for (int i = 0; i < 300; i++)
		strbuf_putc(&b, 'x');
	length_put(&b, 1);
	strbuf_puts(&b, "z");
	for (size_t chunk = 1; chunk <= b.len; chunk++) {
		struct seen s = { 0 };
		bool whole;

		CHECK("ok", feed(false, &b, chunk, &s, &whole) == 0);
		CHECK_STR("any cut", strbuf_text(&s.text), "obj:3 obj:300 obj:1 ");
		strbuf_fini(&s.text);
	}
}

static void test_watch_too_large(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	struct seen s = { 0 };
	bool whole;

	(void)state;
	length_put(&b, (uint32_t)KUBE_OBJECT_MAX + 1);
	for (size_t i = 0; i < KUBE_OBJECT_MAX + 1; i++)
		strbuf_putc(&b, 'x');
	length_put(&b, 2);
	strbuf_puts(&b, "ok");
	CHECK("ok", feed(false, &b, 65536, &s, &whole) == 0);
	CHECK_STR("stepped over", strbuf_text(&s.text), "big:8388609 obj:2 ");
	strbuf_fini(&s.text);
}

static void list_put(struct strbuf *b, size_t big)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT, part = STRBUF_INIT;

	fake_list_meta(&part, "12", "");
	fake_sub(&list, 1, &part);
	fake_text(&list, 2, "abc");
	fake_text(&list, 2, "");    /* an empty item is an item */
	fake_number(&list, 9, 300); /* unknown fields */
	fake_text(&list, 10, "unknown");
	if (big > 0) {
		strbuf_clear(&part);
		for (size_t i = 0; i < big; i++)
			strbuf_putc(&part, 'x');
		fake_sub(&list, 2, &part);
	}
	fake_text(&list, 2, "z");
	fake_envelope(b, "NodeList", &list);
}

static void test_list_chunks(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;

	(void)state;
	list_put(&b, 0);
	for (size_t chunk = 1; chunk <= b.len; chunk++) {
		struct seen s = { 0 };
		bool whole;

		CHECK("ok", feed(true, &b, chunk, &s, &whole) == 0 && whole);
		CHECK_STR("any cut", strbuf_text(&s.text), "meta:8 obj:3 obj:0 obj:1 ");
		strbuf_fini(&s.text);
	}
}

static void test_list_too_large(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	struct seen s = { 0 };
	bool whole;

	(void)state;
	list_put(&b, KUBE_OBJECT_MAX + 7);
	CHECK("ok", feed(true, &b, 10000, &s, &whole) == 0 && whole);
	CHECK_STR("stepped over", strbuf_text(&s.text), "meta:8 obj:3 obj:0 big:8388615 obj:1 ");
	strbuf_fini(&s.text);
}

static void test_list_cut(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	size_t len;

	(void)state;
	list_put(&b, 0);
	len = b.len;
	/* the envelope's last two fields (2 bytes each) may be missing: the list itself is there */
	for (b.len = 1; b.len < len; b.len++) {
		struct seen s = { 0 };
		bool whole, want = b.len == len - 4 || b.len == len - 2;

		CHECK("no error", feed(true, &b, 7, &s, &whole) == 0);
		CHECK("not whole", whole == want);
		strbuf_fini(&s.text);
	}
}

static void test_list_refused(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
	} rows[] = {
		{ "JSON", "{\"kind\":\"NodeList\"}", 19 },
		{ "field 0", "k8s\0\x02\x00", 6 },
		{ "group", "k8s\0\x0b", 5 },
		{ "varint too long", "k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 15 },
		{ "item past the end of raw",
		  "k8s\0\x12\x03\x12\x05"
		  "abcde",
		  13 },
		{ "item one byte past the end of raw",
		  "k8s\0\x12\x03\x12\x02"
		  "a\x1a\x00",
		  11 },
		{ "raw ends inside a tag", "k8s\0\x12\x01\x80\x12\x00", 9 },
		{ "raw ends inside a number", "k8s\0\x12\x02\x18\xff\x12", 9 },
		{ "raw twice", "k8s\0\x12\x00\x12\x00", 8 },
		{ "huge list metadata", "k8s\0\x12\xff\xff\x7f\x0a\xff\xff\x3f", 12 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t chunk = 1; chunk <= rows[i].len; chunk++) {
			CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
			struct seen s = { 0 };
			bool whole;

			strbuf_add(&b, rows[i].bytes, rows[i].len);
			CHECK(rows[i].name, feed(true, &b, chunk, &s, &whole) == -EBADMSG);
			CHECK_STR(rows[i].name, strbuf_text(&s.text), "");
			strbuf_fini(&s.text);
		}
	}
}

static void test_callback_stops(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	struct seen s = { .stop = -ESTALE };
	bool whole;

	(void)state;
	list_put(&b, 0);
	CHECK("passed up", feed(true, &b, b.len, &s, &whole) == -ESTALE);
	CHECK_STR("after the first", strbuf_text(&s.text), "meta:8 obj:3 ");
	strbuf_fini(&s.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watch_chunks),   cmocka_unit_test(test_watch_too_large),
		cmocka_unit_test(test_list_chunks),    cmocka_unit_test(test_list_too_large),
		cmocka_unit_test(test_list_cut),       cmocka_unit_test(test_list_refused),
		cmocka_unit_test(test_callback_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
