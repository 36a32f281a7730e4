/* SPDX-License-Identifier: Apache-2.0 */
#include "nl/msg.h"

#include <errno.h>
#include <linux/netlink.h>

#include "base/test.h"

enum { A_U8 = 1, A_U16, A_U32, A_STR, A_BYTES, A_NEST, A_IP, A_NEED, A_N };

static const struct nl_policy policy[A_N] = {
	[A_U8] = { NL_ATTR_U8 },
	[A_U16] = { NL_ATTR_U16 },
	[A_U32] = { NL_ATTR_U32 },
	[A_STR] = { NL_ATTR_STRING, .min = 2, .max = 8 },
	[A_BYTES] = { NL_ATTR_BYTES, .min = 2, .max = 4 },
	[A_NEST] = { NL_ATTR_NESTED },
	[A_IP] = { NL_ATTR_IP },
};

/* One attribute with this body, as the kernel would write it. */
static int parse_one(uint16_t type, const void *body, size_t len, struct nl_attr *attrs)
{
	static uint8_t buf[512];
	struct nl_msg m;

	nl_msg_init(&m, buf, sizeof(buf), 0, 0);
	nl_put_bytes(&m, type, body, len);
	return nl_attrs_parse(rd_init(buf + NL_HEAD_LEN, m.w.len - NL_HEAD_LEN), policy, A_N,
			      attrs);
}

static void test_policy(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		const char *body;
		size_t len;
		int want;
	} rows[] = {
		{ "u8", A_U8, "\1", 1, 0 },
		{ "u8 empty", A_U8, "", 0, -EBADMSG },
		{ "u8 long", A_U8, "\1\2", 2, -EBADMSG },
		{ "u16", A_U16, "\1\2", 2, 0 },
		{ "u16 short", A_U16, "\1", 1, -EBADMSG },
		{ "u32", A_U32, "\1\2\3\4", 4, 0 },
		{ "u32 long", A_U32, "\1\2\3\4\5\6\7\10", 8, -EBADMSG },
		{ "string", A_STR, "abc", 4, 0 },
		{ "string at max", A_STR, "abcdefg", 8, 0 },
		{ "string too long", A_STR, "abcdefgh", 9, -EBADMSG },
		{ "string too short", A_STR, "", 1, -EBADMSG },
		{ "string without end", A_STR, "abc", 3, -EBADMSG },
		{ "string with NUL inside", A_STR, "a\0b", 4, -EBADMSG },
		{ "bytes", A_BYTES, "ab", 2, 0 },
		{ "bytes too short", A_BYTES, "a", 1, -EBADMSG },
		{ "bytes too long", A_BYTES, "abcde", 5, -EBADMSG },
		{ "ipv4", A_IP, "\1\2\3\4", 4, 0 },
		{ "ip of 5 bytes", A_IP, "\1\2\3\4\5", 5, -EBADMSG },
		{ "unknown", 400, "whatever", 8, 0 },
		{ "row nobody filled in", A_NEED, "whatever", 8, 0 },
		{ "nested flag is no part of the type", A_U32 | NLA_F_NESTED, "\1\2\3\4", 4, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nl_attr attrs[A_N];

		CHECK(rows[i].name,
		      parse_one(rows[i].type, rows[i].body, rows[i].len, attrs) == rows[i].want);
	}
}

static void test_policy_missing(void **state)
{
	static const struct nl_policy need[] = { [1] = { NL_ATTR_U8, .required = true } };
	struct nl_attr attrs[2];

	(void)state;
	CHECK("required", nl_attrs_parse(rd_init(NULL, 0), need, 2, attrs) == -EBADMSG);
}

static void test_attr_lengths(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[12];
		size_t len;
		int want;
	} rows[] = {
		{ "whole", { 8, 0, A_U32, 0, 1, 2, 3, 4 }, 8, 0 },
		{ "last one without padding", { 5, 0, A_U8, 0, 1 }, 5, 0 },
		{ "length below the header", { 3, 0, A_U8, 0 }, 4, -EBADMSG },
		{ "length zero", { 0, 0, A_U8, 0 }, 4, -EBADMSG },
		{ "length past the end", { 9, 0, A_U32, 0, 1, 2, 3, 4 }, 8, -EBADMSG },
		{ "one trailing byte", { 8, 0, A_U32, 0, 1, 2, 3, 4, 0 }, 9, -EBADMSG },
		{ "three trailing bytes", { 8, 0, A_U32, 0, 1, 2, 3, 4, 0, 0, 0 }, 11, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nl_attr attrs[A_N];

		CHECK(rows[i].name, nl_attrs_parse(rd_init(rows[i].bytes, rows[i].len), policy, A_N,
						   attrs) == rows[i].want);
	}
}

static void test_values(void **state)
{
	uint8_t buf[512];
	struct nl_attr attrs[A_N];
	struct ip_addr in, out;
	char text[8], tiny[3];
	struct nl_msg m;
	size_t nest;

	(void)state;
	assert_int_equal(ip_parse("2001:db8::1", &in), 0);
	nl_msg_init(&m, buf, sizeof(buf), 7, 3);
	nl_put_u8(&m, A_U8, 200);
	nl_put_u16(&m, A_U16, 51966);
	nl_put_u32(&m, A_U32, 1);
	nl_put_u32(&m, A_U32, 0xdeadbeef); /* the last of two counts */
	nl_put_str(&m, A_STR, "abc");
	nl_put_ip(&m, A_IP, &in);
	nest = nl_nest_open(&m, A_NEST);
	nl_put_be32(&m, A_U32, 1000);
	nl_nest_close(&m, nest);
	CHECK("fits", nl_msg_close(&m));
	CHECK("parses", nl_attrs_parse(rd_init(buf + NL_HEAD_LEN, m.w.len - NL_HEAD_LEN), policy,
				       A_N, attrs) == 0);
	CHECK("u8", nl_attr_u8(&attrs[A_U8]) == 200);
	CHECK("u16", nl_attr_u16(&attrs[A_U16]) == 51966);
	CHECK("u32", nl_attr_u32(&attrs[A_U32]) == 0xdeadbeef);
	CHECK("string", nl_attr_str(&attrs[A_STR], text, sizeof(text)));
	CHECK_STR("string", text, "abc");
	CHECK("string too long for the caller", !nl_attr_str(&attrs[A_STR], tiny, sizeof(tiny)));
	CHECK("ip", nl_attr_ip(&attrs[A_IP], IP_V6, &out) && ip_same(&in, &out));
	CHECK("ip of the other family", !nl_attr_ip(&attrs[A_IP], IP_V4, &out));
	CHECK("not set", !attrs[A_BYTES].is_set && nl_attr_u32(&attrs[A_BYTES]) == 0);
	CHECK("nest", nl_attrs_parse(attrs[A_NEST].body, policy, A_N, attrs) == 0);
	CHECK("big-endian", nl_attr_be32(&attrs[A_U32]) == 1000);
}

static void test_overflow(void **state)
{
	uint8_t buf[32];
	struct nl_msg m;

	(void)state;
	nl_msg_init(&m, buf, sizeof(buf), 1, 0);
	nl_put_u32(&m, 1, 1);
	nl_put_u32(&m, 1, 1);
	CHECK("full to the last byte", nl_msg_close(&m) && m.w.len == 32);
	nl_msg_init(&m, buf, sizeof(buf), 1, 0);
	nl_put_u32(&m, 1, 1);
	nl_put_u32(&m, 1, 1);
	nl_put_u8(&m, 1, 1);
	CHECK("one more", !nl_msg_close(&m));
}

static void test_next(void **state)
{
	uint8_t buf[64];
	struct nl_head head;
	struct rd in, body;
	struct nl_msg m;

	(void)state;
	nl_msg_init(&m, buf, sizeof(buf), 20, 5);
	wr_u8(&m.w, 1);
	CHECK("closed", nl_msg_close(&m) && m.w.len == 20);
	nl_msg_init(&m, buf + 20, 16, 21, 6);
	CHECK("closed", nl_msg_close(&m));
	in = rd_init(buf, 36);
	CHECK("first", nl_next(&in, &head, &body) == 1 && head.type == 20 && head.flags == 5);
	CHECK("its body", body.left == 4);
	CHECK("second", nl_next(&in, &head, &body) == 1 && head.type == 21 && body.left == 0);
	CHECK("end", nl_next(&in, &head, &body) == 0);
	for (size_t len = 1; len < 36; len++) { /* cut at each byte: an error or a whole message */
		int r;

		in = rd_init(buf, len);
		while ((r = nl_next(&in, &head, &body)) > 0)
			;
		CHECK("cut", r == (len == 20 ? 0 : -EBADMSG));
	}
	buf[0] = 15; /* shorter than its own header */
	in = rd_init(buf, 36);
	CHECK("length too small", nl_next(&in, &head, &body) == -EBADMSG);
}

/* Body of NLMSG_ERROR: errno, the request's header (and body unless capped), attributes. */
static size_t ack_make(uint8_t *buf, size_t cap, int err, bool capped, const char *text)
{
	struct nl_msg m = { wr_init(buf, cap) };

	wr_u32_host(&m.w, (uint32_t)err);
	wr_u32_host(&m.w, NL_HEAD_LEN + 8);
	wr_zero(&m.w, 12);
	if (!capped)
		wr_zero(&m.w, 8);
	if (text)
		nl_put_str(&m, NLMSGERR_ATTR_MSG, text);
	return m.w.len;
}

static void test_ack(void **state)
{
	static const struct {
		const char *name;
		int err;
		bool capped;
		const char *text, *want;
	} rows[] = {
		{ "success", 0, true, NULL, "" },
		{ "plain error", -EPERM, true, NULL, "" },
		{ "text", -EINVAL, true, "Nexthop has invalid gateway",
		  "Nexthop has invalid gateway" },
		{ "text after the request's body", -EINVAL, false, "no", "no" },
		{ "control bytes", -EINVAL, true,
		  "a\nb\x7f"
		  "c\033",
		  "a b c " },
		{ "subsystem's own code", -4103, true, NULL, "" },
	};
	uint8_t buf[512];
	char text[2 * NL_TEXT_MAX];
	struct nl_ack ack;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = ack_make(buf, sizeof(buf), rows[i].err, rows[i].capped, rows[i].text);
		uint16_t flags =
			(rows[i].capped ? NLM_F_CAPPED : 0) | (rows[i].text ? NLM_F_ACK_TLVS : 0);

		CHECK(rows[i].name, nl_ack_parse(flags, rd_init(buf, len), false, &ack) == 0);
		CHECK(rows[i].name, ack.err == rows[i].err);
		CHECK_STR(rows[i].name, ack.text, rows[i].want);
	}
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	CHECK("long text", nl_ack_parse(NLM_F_CAPPED | NLM_F_ACK_TLVS,
					rd_init(buf, ack_make(buf, sizeof(buf), -1, true, text)),
					false, &ack) == 0);
	CHECK("is cut", strlen(ack.text) == NL_TEXT_MAX - 1);
	CHECK("too short", nl_ack_parse(0, rd_init(buf, 19), false, &ack) == -EBADMSG);
	CHECK("positive",
	      nl_ack_parse(NLM_F_CAPPED, rd_init(buf, ack_make(buf, sizeof(buf), 5, true, NULL)),
			   false, &ack) == -EBADMSG);
	CHECK("done", nl_ack_parse(0, rd_init("\0\0\0\0", 4), true, &ack) == 0 && ack.err == 0);
	CHECK("done too short", nl_ack_parse(0, rd_init("\0\0\0", 3), true, &ack) == -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),       cmocka_unit_test(test_policy_missing),
		cmocka_unit_test(test_attr_lengths), cmocka_unit_test(test_values),
		cmocka_unit_test(test_overflow),     cmocka_unit_test(test_next),
		cmocka_unit_test(test_ack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
