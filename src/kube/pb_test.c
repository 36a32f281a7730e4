/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/pb.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/test.h"
#include "kube/fake_pb.h"
#include "kube/kind.h"
#include "model/node.h"

/* A type with every kind of field. */
struct inner {
	const char *text;
	bool has_text;
};
struct sample {
	const char *text;
	bool flag;
	int32_t i32;
	int64_t i64;
	int choice;
	struct inner one;
	bool has_one;
	const char *const *texts;
	size_t n_texts;
	const struct inner *many;
	size_t n_many;
	const struct sample *nested;
	size_t n_nested;
};
static const struct pb_field inner_fields[] = {
	{ 1, PB_STRING, "text", offsetof(struct inner, text), .has = true,
	  .has_offset = offsetof(struct inner, has_text) },
};
static const struct pb_type inner_type = { "Inner", sizeof(struct inner), inner_fields, 1 };
static const char *const choices[] = { "", "One", "Two", NULL };
static const struct pb_type sample_type;
static const struct pb_field sample_fields[] = {
	{ 1, PB_STRING, "text", offsetof(struct sample, text) },
	{ 2, PB_BOOL, "flag", offsetof(struct sample, flag) },
	{ 3, PB_INT32, "i32", offsetof(struct sample, i32) },
	{ 4, PB_INT64, "i64", offsetof(struct sample, i64) },
	{ 5, PB_CHOICE, "choice", offsetof(struct sample, choice), .choices = choices },
	{ 6, PB_MESSAGE, "one", offsetof(struct sample, one), .type = &inner_type, .has = true,
	  .has_offset = offsetof(struct sample, has_one) },
	{ 7, PB_STRINGS, "texts", offsetof(struct sample, texts),
	  offsetof(struct sample, n_texts) },
	{ 8, PB_MESSAGES, "many", offsetof(struct sample, many), offsetof(struct sample, n_many),
	  .type = &inner_type },
	{ 9, PB_MESSAGES, "nested", offsetof(struct sample, nested),
	  offsetof(struct sample, n_nested), .type = &sample_type },
};
static const struct pb_type sample_type = { "Sample", sizeof(struct sample), sample_fields,
					    ARRAY_LEN(sample_fields) };

static struct rd rd_of(const struct strbuf *b)
{
	return rd_init(strbuf_text(b), b->len);
}

static void *decode(const struct pb_type *type, const struct strbuf *b)
{
	struct pb_err err;
	size_t size;
	void *block;

	if (pb_measure(type, rd_of(b), &size, &err) < 0)
		return NULL;
	block = xmalloc(size); /* exact: the sanitizer sees one byte more */
	pb_fill(type, rd_of(b), block, size);
	return block;
}

static void test_every_kind(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT, sub = STRBUF_INIT;
	struct sample *s;

	(void)state;
	fake_text(&b, 1, "overwritten");
	fake_text(&b, 1, "text");
	fake_number(&b, 2, 1);
	fake_number(&b, 3, (uint64_t)-7);
	fake_number(&b, 4, (uint64_t)INT64_MIN);
	fake_text(&b, 5, "Two");
	fake_number(&b, 100, 1); /* unknown */
	fake_text(&b, 101, "unknown");
	fake_text(&sub, 1, "inner");
	fake_sub(&b, 6, &sub);
	fake_text(&b, 7, "x");
	fake_sub(&b, 8, &sub);
	fake_text(&b, 7, "");
	fake_text(&b, 8, "");
	s = decode(&sample_type, &b);
	CHECK("decodes", s);
	CHECK_STR("the last one counts", s->text, "text");
	CHECK("bool", s->flag);
	CHECK("int32", s->i32 == -7);
	CHECK("int64", s->i64 == INT64_MIN);
	CHECK("choice", s->choice == 2);
	CHECK("message", s->has_one && strcmp(s->one.text, "inner") == 0 && s->one.has_text);
	CHECK("texts", s->n_texts == 2 && strcmp(s->texts[0], "x") == 0 && *s->texts[1] == '\0');
	CHECK("messages", s->n_many == 2 && strcmp(s->many[0].text, "inner") == 0);
	CHECK("an empty one", *s->many[1].text == '\0' && !s->many[1].has_text);
	free(s);
}

static void test_empty(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
	struct sample *s = decode(&sample_type, &b);

	(void)state;
	CHECK("texts are never NULL", s && *s->text == '\0' && *s->one.text == '\0');
	CHECK("absent", !s->has_one && s->n_texts == 0 && s->n_many == 0);
	free(s);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int want;
		const char *field;
	} rows[] = {
		{ "empty", "", 0, 0, "" },
		{ "tag alone", "\x0a", 1, -EBADMSG, "" },
		{ "length past the end",
		  "\x0a\x05"
		  "abc",
		  5, -EBADMSG, "" },
		{ "length of 64 bits", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -EBADMSG,
		  "" },
		{ "varint without end", "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
		  -EBADMSG, "" },
		{ "text as varint", "\x08\x01", 2, -EBADMSG, "text" },
		{ "bool as text", "\x12\x01x", 3, -EBADMSG, "flag" },
		{ "message as fixed", "\x35\x01\x02\x03\x04", 5, -EBADMSG, "one" },
		{ "message twice", "\x32\x00\x32\x00", 4, -EBADMSG, "one" },
		{ "inner cut", "\x32\x02\x0a\x05", 4, -EBADMSG, "" },
		{ "field 0", "\x02\x00", 2, -EBADMSG, "" },
		{ "group", "\x0b\x0c", 2, -EBADMSG, "" },
		{ "wire type 7", "\x0f\x00", 2, -EBADMSG, "" },
		{ "unknown fixed64",
		  "\xa1\x06"
		  "12345678",
		  10, 0, "" },
		{ "unknown fixed32",
		  "\xa5\x06"
		  "1234",
		  6, 0, "" },
		{ "unknown fixed64 cut",
		  "\xa1\x06"
		  "1234567",
		  9, -EBADMSG, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pb_err err = { "", "", "" };
		size_t size;
		/* heap: a read past the end is seen */
		void *copy = xmemdup(rows[i].bytes, rows[i].len);
		int r = pb_measure(&sample_type, rd_init(copy, rows[i].len), &size, &err);

		CHECK(rows[i].name, r == rows[i].want);
		CHECK_STR(rows[i].name, err.field, rows[i].field);
		free(copy);
	}
}

static void test_depth(void **state)
{
	(void)state;
	for (unsigned depth = PB_DEPTH_MAX - 2; depth <= PB_DEPTH_MAX; depth++) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
		struct pb_err err;
		size_t size;

		for (unsigned i = 0; i < depth; i++) {
			CLEANUP_STRBUF struct strbuf outer = STRBUF_INIT;

			fake_sub(&outer, 9, &b);
			strbuf_clear(&b);
			strbuf_add(&b, outer.data, outer.len);
		}
		CHECK("depth", pb_measure(&sample_type, rd_of(&b), &size, &err) ==
				       (depth < PB_DEPTH_MAX ? 0 : -E2BIG));
	}
}

/* Many empty elements cost two bytes each on the wire and a struct each in memory. */
static void test_packed_ceiling(void **state)
{
	struct pb_err err = { 0 };
	size_t n = PB_PACKED_MAX / sizeof(struct sample) + 1, size;
	uint8_t *bytes = xmalloc(2 * PB_ELEMENTS_MAX + 4);

	(void)state;
	for (size_t i = 0; i < PB_ELEMENTS_MAX + 2; i++)
		memcpy(bytes + 2 * i, "\x4a\x00", 2); /* nested {} */
	CHECK("packed size",
	      pb_measure(&sample_type, rd_init(bytes, 2 * n), &size, &err) == -E2BIG);
	CHECK_STR("says so", err.what, "object too large");
	for (size_t i = 0; i < PB_ELEMENTS_MAX + 2; i++)
		memcpy(bytes + 2 * i, "\x3a\x00", 2); /* texts "" */
	CHECK("at the ceiling",
	      pb_measure(&sample_type, rd_init(bytes, 2 * PB_ELEMENTS_MAX), &size, &err) == 0);
	CHECK("elements", pb_measure(&sample_type, rd_init(bytes, 2 * (PB_ELEMENTS_MAX + 1)), &size,
				     &err) == -E2BIG);
	CHECK_STR("says so", err.what, "too many elements");
	free(bytes);
}

static void test_same(void **state)
{
	static const struct {
		const char *name;
		unsigned field;
		const char *text; /* NULL: number 1 */
		bool want;
	} rows[] = {
		{ "unknown", 100, "x", true },
		{ "text", 1, "x", false },
		{ "flag", 2, NULL, false },
		{ "i32", 3, NULL, false },
		{ "i64", 4, NULL, false },
		{ "choice", 5, "One", false },
		{ "other choice", 5, "Three", true },
		{ "presence", 6, "", false },
		{ "texts", 7, "", false },
		{ "messages", 8, "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		struct sample *sa, *sb;

		if (rows[i].text)
			fake_text(&b, rows[i].field, rows[i].text);
		else
			fake_number(&b, rows[i].field, 1);
		sa = decode(&sample_type, &a);
		sb = decode(&sample_type, &b);
		CHECK(rows[i].name, pb_same(&sample_type, sa, sb) == rows[i].want);
		CHECK(rows[i].name, pb_same(&sample_type, sb, sb));
		free(sa);
		free(sb);
	}
}

/* The Node table against bytes whose field numbers are written here a second time. */
static void test_node(void **state)
{
	CLEANUP_STRBUF struct strbuf b = STRBUF_INIT, sub = STRBUF_INIT, part = STRBUF_INIT;
	struct node *n;

	(void)state;
	fake_text(&sub, 1, "node-1");
	fake_text(&sub, 5, "0b7e");
	fake_text(&sub, 6, "4711");
	fake_text(&part, 1, "zone");
	fake_text(&part, 2, "eu");
	fake_sub(&sub, 11, &part);
	fake_sub(&sub, 12, &part);
	fake_sub(&b, 1, &sub);
	strbuf_clear(&sub);
	fake_text(&sub, 1, "10.1.2.0/24");
	fake_text(&sub, 3, "aws:///x/i-1");
	fake_text(&sub, 7, "10.1.2.0/24");
	fake_text(&sub, 7, "2001:db8:1::/64");
	fake_sub(&b, 2, &sub);
	strbuf_clear(&sub);
	for (int i = 0; i < 3; i++) {
		static const char *const types[] = { "Hostname", "InternalIP", "ExternalIP" };

		strbuf_clear(&part);
		fake_text(&part, 1, types[i]);
		fake_text(&part, 2, "192.0.2.1");
		fake_sub(&sub, 5, &part);
	}
	fake_sub(&b, 3, &sub);
	n = decode(kube_kind_node.type, &b);
	CHECK("decodes", n);
	CHECK_STR("name", n->meta.name, "node-1");
	CHECK_STR("namespace", n->meta.namespace_, "");
	CHECK_STR("uid", n->meta.uid, "0b7e");
	CHECK_STR("version", n->meta.resource_version, "4711");
	CHECK_STR("label", kv_get(n->meta.labels, n->meta.n_labels, "zone"), "eu");
	CHECK_STR("annotation", kv_get(n->meta.annotations, n->meta.n_annotations, "zone"), "eu");
	CHECK("no such key", !kv_get(n->meta.labels, n->meta.n_labels, "zon"));
	CHECK_STR("podCIDR", n->pod_cidr, "10.1.2.0/24");
	CHECK("podCIDRs", n->n_pod_cidrs == 2 && strcmp(n->pod_cidrs[1], "2001:db8:1::/64") == 0);
	CHECK_STR("providerID", n->provider_id, "aws:///x/i-1");
	CHECK("addresses", n->n_addresses == 3 && n->addresses[0].type == NODE_ADDRESS_OTHER &&
				   n->addresses[1].type == NODE_ADDRESS_INTERNAL_IP &&
				   n->addresses[2].type == NODE_ADDRESS_EXTERNAL_IP);
	CHECK_STR("address", n->addresses[1].text, "192.0.2.1");
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),     cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refused),        cmocka_unit_test(test_depth),
		cmocka_unit_test(test_packed_ceiling), cmocka_unit_test(test_same),
		cmocka_unit_test(test_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
