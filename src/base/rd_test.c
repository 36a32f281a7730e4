/* SPDX-License-Identifier: Apache-2.0 */
/* Both cursors: rd.h and its mirror wr.h. */
#include "base/rd.h"

#include "base/test.h"
#include "base/wr.h"

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void test_order(void **state)
{
	static const uint8_t in[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct rd r;

	(void)state;
	r = rd_init(in, 8);
	CHECK("u8", rd_u8(&r) == 1);
	CHECK("u16", rd_u16(&r) == 0x0203);
	CHECK("u32", rd_u32(&r) == 0x04050607);
	CHECK("not done", !rd_done(&r));
	CHECK("u8", rd_u8(&r) == 8);
	CHECK("done", rd_done(&r));
	r = rd_init(in, 8);
	CHECK("u64", rd_u64(&r) == 0x0102030405060708 && rd_done(&r));
	r = rd_init(in, 8);
	CHECK("u32 le", rd_u32_le(&r) == 0x04030201);
	r = rd_init(in, 8);
	CHECK("u64 le", rd_u64_le(&r) == 0x0807060504030201 && rd_done(&r));
}

/* Every read at every length too short: bad, 0, and bad for ever. */
static void test_short(void **state)
{
	static const uint8_t in[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	static const struct {
		const char *name;
		size_t need;
	} rows[] = { { "u8", 1 },       { "u16", 2 },      { "u32", 4 },
		     { "u64", 8 },      { "u16 host", 2 }, { "u32 host", 4 },
		     { "u64 host", 8 }, { "u32 le", 4 },   { "u64 le", 8 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t len = 0; len <= rows[i].need; len++) {
			struct rd r = rd_init(len ? in : NULL, len);
			uint64_t v = i == 0   ? rd_u8(&r)
				     : i == 1 ? rd_u16(&r)
				     : i == 2 ? rd_u32(&r)
				     : i == 3 ? rd_u64(&r)
				     : i == 4 ? rd_u16_host(&r)
				     : i == 5 ? rd_u32_host(&r)
				     : i == 6 ? rd_u64_host(&r)
				     : i == 7 ? rd_u32_le(&r)
					      : rd_u64_le(&r);

			if (len == rows[i].need) {
				CHECK(rows[i].name, v != 0 && rd_done(&r));
				continue;
			}
			CHECK(rows[i].name, v == 0 && r.bad && r.left == 0 && !rd_done(&r));
			CHECK(rows[i].name, rd_u8(&r) == 0 && r.bad);
			CHECK(rows[i].name,
			      rd_bytes(&r, 0) == NULL); /* bad sticks for 0 bytes, too */
		}
	}
}

static void test_sub(void **state)
{
	static const uint8_t in[] = { 1, 2, 3, 4, 5 };
	struct rd r = rd_init(in, sizeof(in)), sub;
	uint8_t copy[4] = { 9, 9, 9, 9 };

	(void)state;
	sub = rd_sub(&r, 2);
	CHECK("child sees its part only", sub.left == 2 && rd_u16(&sub) == 0x0102 && rd_done(&sub));
	CHECK("child cannot read on", rd_u8(&sub) == 0 && sub.bad);
	CHECK("parent is behind it", r.left == 3 && !r.bad);
	sub = rd_sub(&r, 0);
	CHECK("empty child", rd_done(&sub));
	sub = rd_sub(&r, 4);
	CHECK("too long: both bad", sub.bad && r.bad && sub.left == 0 && r.left == 0);
	rd_copy(&r, copy, sizeof(copy));
	CHECK("copy of nothing is zero", copy[0] == 0 && copy[3] == 0);
	r = rd_init(in, sizeof(in));
	rd_skip(&r, 1);
	rd_copy(&r, copy, 4);
	CHECK("copy", memcmp(copy, in + 1, 4) == 0 && rd_done(&r));
	r = rd_init(in, sizeof(in));
	CHECK("huge length", rd_bytes(&r, SIZE_MAX) == NULL && r.bad);
}

static void test_varint(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		uint64_t v;
		bool bad;
	} rows[] = {
		{ "zero", "\x00", 1, 0, false },
		{ "one byte", "\x7f", 1, 127, false },
		{ "two bytes", "\xac\x02", 2, 300, false },
		{ "padded", "\x80\x00", 2, 0, false },
		{ "largest", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, UINT64_MAX, false },
		{ "above 64 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 0, true },
		{ "eleven bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, 0, true },
		{ "cut", "\xff\xff", 2, 0, true },
		{ "empty", "", 0, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rd r = rd_init(rows[i].bytes, rows[i].len);

		CHECK(rows[i].name, rd_varint(&r) == rows[i].v);
		CHECK(rows[i].name, r.bad == rows[i].bad && r.left == 0);
	}
}

/* Random fields written and read back, into a buffer that is just large enough, and one too small.
 */
static void test_round_trip(void **state)
{
	uint64_t seed = 0x1234567;

	(void)state;
	for (int round = 0; round < 500; round++) {
		uint8_t buf[512];
		uint64_t start = seed, v;
		struct wr w = wr_init(buf, sizeof(buf)), small;
		struct rd r;
		int n = (int)(xorshift(&start) % 60);

		v = seed = start;
		for (int i = 0; i < n; i++) {
			uint64_t x = xorshift(&v);

			switch (x % 5) {
			case 0:
				wr_u8(&w, (uint8_t)(x >> 8));
				break;
			case 1:
				wr_u16(&w, (uint16_t)(x >> 8));
				break;
			case 2:
				wr_u32(&w, (uint32_t)(x >> 8));
				break;
			case 3:
				wr_u64(&w, x);
				break;
			default:
				wr_u32_host(&w, (uint32_t)(x >> 8));
				break;
			}
		}
		CHECK("fits", !w.overflow);
		r = rd_init(buf, w.len);
		v = seed;
		for (int i = 0; i < n; i++) {
			uint64_t x = xorshift(&v);
			bool same = x % 5 == 0   ? rd_u8(&r) == (uint8_t)(x >> 8)
				    : x % 5 == 1 ? rd_u16(&r) == (uint16_t)(x >> 8)
				    : x % 5 == 2 ? rd_u32(&r) == (uint32_t)(x >> 8)
				    : x % 5 == 3 ? rd_u64(&r) == x
						 : rd_u32_host(&r) == (uint32_t)(x >> 8);

			CHECK("read back", same);
		}
		CHECK("all of it", rd_done(&r));
		if (w.len == 0)
			continue;
		small = wr_init(buf, w.len - 1);
		wr_bytes(&small, buf, w.len);
		CHECK("one byte short", small.overflow && small.len == 0);
		seed = v;
	}
}

static void test_len_fields(void **state)
{
	uint8_t buf[70000];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t outer, inner;

	(void)state;
	outer = wr_len16_open(&w);
	wr_u8(&w, 7);
	inner = wr_len8_open(&w);
	wr_zero(&w, 255);
	wr_len8_close(&w, inner);
	wr_len16_close(&w, outer);
	CHECK("nested", !w.overflow && w.len == 2 + 1 + 1 + 255);
	CHECK("outer", buf[0] == 1 && buf[1] == 1 && buf[2] == 7 && buf[3] == 255);
	wr_u16_at(&w, 0, 0xabcd);
	CHECK("patched", buf[0] == 0xab && buf[1] == 0xcd && !w.overflow);

	w = wr_init(buf, sizeof(buf));
	inner = wr_len8_open(&w);
	wr_zero(&w, 256);
	wr_len8_close(&w, inner);
	CHECK("256 in one byte", w.overflow);

	w = wr_init(buf, sizeof(buf));
	outer = wr_len16_open(&w);
	wr_zero(&w, 65535);
	wr_len16_close(&w, outer);
	CHECK("65535 in two", !w.overflow && buf[0] == 255 && buf[1] == 255);
	w = wr_init(buf, sizeof(buf));
	outer = wr_len16_open(&w);
	wr_zero(&w, 65536);
	wr_len16_close(&w, outer);
	CHECK("65536 in two", w.overflow);

	w = wr_init(buf, 1);
	outer = wr_len16_open(&w);
	CHECK("no room for the field", w.overflow);
	wr_len16_close(&w, outer);
	wr_u8(&w, 1);
	CHECK("sticks though a byte would fit", w.overflow && w.len == 0);
	w = wr_init(buf, 8);
	wr_u16(&w, 1);
	wr_u16_at(&w, 1, 5);
	CHECK("behind what was written", w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),      cmocka_unit_test(test_short),
		cmocka_unit_test(test_sub),        cmocka_unit_test(test_varint),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_len_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
