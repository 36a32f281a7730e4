/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "bgp/open.h"

/* Bytes of a body as a C string literal: length without the terminator. */
#define B(s)       (s), sizeof(s) - 1
#define HEAD       "\x04\xfc\x00\x00\x5a\x0a\x00\x00\x01" /* AS 64512, hold 90, 10.0.0.1 */
#define CAPS(n, s) "\x02" n s

static const struct row {
	const char *name;
	const char *bytes;
	size_t len;
	uint8_t subcode; /* of BGP_OPEN_ERROR; NO_ERR: accepted */
} rows[] = {
#define NO_ERR 99
	{ "no options", B(HEAD "\x00"), NO_ERR },
	{ "empty", B(""), 0 },
	{ "cut in the hold time", B("\x04\xfc\x00\x00"), 0 },
	{ "no option length", B(HEAD), 0 },
	{ "version 3", B("\x03\xfc\x00\x00\x5a\x0a\x00\x00\x01\x00"), BGP_OPEN_BAD_VERSION },
	{ "version 5 and nothing else", B("\x05"), BGP_OPEN_BAD_VERSION },
	{ "hold 0", B("\x04\xfc\x00\x00\x00\x0a\x00\x00\x01\x00"), NO_ERR },
	{ "hold 1", B("\x04\xfc\x00\x00\x01\x0a\x00\x00\x01\x00"), BGP_OPEN_BAD_HOLD },
	{ "hold 2", B("\x04\xfc\x00\x00\x02\x0a\x00\x00\x01\x00"), BGP_OPEN_BAD_HOLD },
	{ "hold 3", B("\x04\xfc\x00\x00\x03\x0a\x00\x00\x01\x00"), NO_ERR },
	{ "options missing", B(HEAD "\x02"), 0 },
	{ "byte behind the options", B(HEAD "\x00\x00"), 0 },
	{ "option header cut", B(HEAD "\x01\x02"), 0 },
	{ "option runs over", B(HEAD "\x02\x02\x01"), 0 },
	{ "unknown option", B(HEAD "\x03\x01\x01\x00"), BGP_OPEN_BAD_OPTION },
	{ "no capabilities", B(HEAD "\x02\x02\x00"), NO_ERR },
	{ "capability header cut", B(HEAD "\x03\x02\x01\x02"), 0 },
	{ "capability runs over", B(HEAD "\x04\x02\x02\x02\x01"), 0 },
	{ "mp", B(HEAD "\x08" CAPS("\x06", "\x01\x04\x00\x01\x00\x01")), NO_ERR },
	{ "mp short", B(HEAD "\x07" CAPS("\x05", "\x01\x03\x00\x01\x00")), 0 },
	{ "mp long", B(HEAD "\x09" CAPS("\x07", "\x01\x05\x00\x01\x00\x01\x00")), 0 },
	{ "refresh with a value", B(HEAD "\x05" CAPS("\x03", "\x02\x01\x00")), 0 },
	{ "extended message with a value", B(HEAD "\x05" CAPS("\x03", "\x06\x01\x00")), 0 },
	{ "extended next hop", B(HEAD "\x0a" CAPS("\x08", "\x05\x06\x00\x01\x00\x01\x00\x02")),
	  NO_ERR },
	{ "extended next hop short", B(HEAD "\x09" CAPS("\x07", "\x05\x05\x00\x01\x00\x01\x00")),
	  0 },
	{ "as4 short", B(HEAD "\x07" CAPS("\x05", "\x41\x03\x00\x00\x01")), 0 },
	{ "as4 long", B(HEAD "\x09" CAPS("\x07", "\x41\x05\x00\x00\x00\x01\x00")), 0 },
	{ "graceful restart", B(HEAD "\x06" CAPS("\x04", "\x40\x02\x80\x78")), NO_ERR },
	{ "graceful restart short", B(HEAD "\x05" CAPS("\x03", "\x40\x01\x80")), 0 },
	{ "graceful restart, half a family",
	  B(HEAD "\x09" CAPS("\x07", "\x40\x05\x80\x78\x00\x01\x01")), 0 },
	{ "fqdn",
	  B(HEAD "\x09" CAPS("\x07", "\x49\x05\x01"
				     "a"
				     "\x02"
				     "bc")),
	  NO_ERR },
	{ "fqdn, host runs over",
	  B(HEAD "\x07" CAPS("\x05", "\x49\x03\x05"
				     "ab")),
	  0 },
	{ "fqdn, no domain length",
	  B(HEAD "\x07" CAPS("\x05", "\x49\x03\x02"
				     "ab")),
	  0 },
	{ "unknown capability", B(HEAD "\x06" CAPS("\x04", "\xc8\x02\x01\x02")), NO_ERR },
	{ "extended options", B(HEAD "\xff\xff\x00\x09\x02\x00\x06\x01\x04\x00\x02\x00\x01"),
	  NO_ERR },
	{ "extended options, other first length", B(HEAD "\x04\xff\x00\x05\x02\x00\x02\x02\x00"),
	  NO_ERR },
	{ "extended options, length missing", B(HEAD "\xff\xff\x00"), 0 },
	{ "extended options run over", B(HEAD "\xff\xff\x00\x09\x02\x00\x02\x02\x00"), 0 },
	{ "extended options, byte behind", B(HEAD "\xff\xff\x00\x05\x02\x00\x02\x02\x00\x00"), 0 },
};

static void parse_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_open o = { .version = 77 };
		struct bgp_err err = bgp_open_parse(rd_init(rows[i].bytes, rows[i].len), &o);

		if (rows[i].subcode == NO_ERR) {
			CHECK(rows[i].name, !bgp_err_is(err) && o.version == BGP_VERSION);
			continue;
		}
		CHECK(rows[i].name, err.code == BGP_OPEN_ERROR && err.subcode == rows[i].subcode);
		CHECK(rows[i].name, o.version == 77); /* written only on success */
	}
}

static struct bgp_open open_get(const char *name)
{
	struct bgp_open o = { 0 };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			found = !bgp_err_is(
				bgp_open_parse(rd_init(rows[i].bytes, rows[i].len), &o));
	CHECK(name, found);
	return o;
}

static void parsed_values(void **state)
{
	struct bgp_open o;

	(void)state;
	o = open_get("no options");
	CHECK("head", o.asn == 64512 && o.hold_s == 90 && o.id == 0x0a000001 && !o.has_mp);
	o = open_get("mp");
	CHECK("mp", o.has_mp && o.families == BGP_AF_IPV4);
	o = open_get("extended options");
	CHECK("extended options", o.has_mp && o.families == BGP_AF_IPV6);
	o = open_get("extended options, other first length");
	CHECK("extended options", o.has_refresh);
	o = open_get("extended next hop");
	CHECK("extended next hop", o.has_ext_nexthop);
	o = open_get("graceful restart");
	CHECK("gr", o.has_gr && o.gr.restarting && !o.gr.notification && o.gr.time_s == 120);
	CHECK("gr", o.gr.families == 0);
	o = open_get("fqdn");
	CHECK_STR("fqdn", o.hostname, "a");
	o = open_get("unknown capability");
	CHECK("unknown", o.n_unknown == 1);
}

static void every_cut_is_refused(void **state)
{
	static const char full[] = HEAD "\x08" CAPS("\x06", "\x01\x04\x00\x01\x00\x01");
	struct bgp_open o;

	(void)state;
	for (size_t len = 0; len < sizeof(full) - 1; len++)
		CHECK("cut", bgp_err_is(bgp_open_parse(rd_init(full, len), &o)));
}

static void long_hostname(void **state)
{
	struct bgp_open o = { .asn = 1, .id = 1, .has_fqdn = true }, back;
	uint8_t buf[BGP_MSG_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	memset(o.hostname, 'n', BGP_HOSTNAME_MAX);
	bgp_open_encode(&w, &o);
	CHECK("fits", !w.overflow);
	CHECK("back", !bgp_err_is(bgp_open_parse(
			      rd_init(buf + BGP_HEADER_BYTES, w.len - BGP_HEADER_BYTES), &back)));
	CHECK_STR("name", back.hostname, o.hostname);

	/* 200 bytes from outside: the first BGP_HOSTNAME_MAX are kept */
	w = wr_init(buf, sizeof(buf));
	wr_bytes(&w, HEAD "\xce\x02\xcc\x49\xca\xc8", 15);
	for (int i = 0; i < 200; i++)
		wr_u8(&w, 'x');
	wr_u8(&w, 0);
	CHECK("long", !bgp_err_is(bgp_open_parse(rd_init(buf, w.len), &back)));
	CHECK("cut", strlen(back.hostname) == BGP_HOSTNAME_MAX);
}

static void check(void **state)
{
	static const struct {
		const char *name;
		uint8_t version;
		uint32_t asn, id, remote_asn;
		int subcode; /* -1: good */
	} checks[] = {
		{ "good", 4, 64512, 9, 64512, -1 },
		{ "any asn", 4, 65001, 9, 0, -1 },
		{ "other asn", 4, 65001, 9, 64512, BGP_OPEN_BAD_AS },
		{ "asn 0", 4, 0, 9, 0, BGP_OPEN_BAD_AS },
		{ "id 0", 4, 64512, 0, 64512, BGP_OPEN_BAD_ID },
		{ "own id, own as", 4, 64512, 1, 64512, BGP_OPEN_BAD_ID },
		{ "own id, other as", 4, 65001, 1, 65001, -1 },
		{ "version", 3, 64512, 9, 64512, BGP_OPEN_BAD_VERSION },
	};
	const struct bgp_open ours = { .version = 4, .asn = 64512, .id = 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct bgp_open theirs = { .version = checks[i].version,
					   .asn = checks[i].asn,
					   .id = checks[i].id };
		struct bgp_err err = bgp_open_check(&theirs, &ours, checks[i].remote_asn);

		if (checks[i].subcode < 0)
			CHECK(checks[i].name, !bgp_err_is(err));
		else
			CHECK(checks[i].name,
			      err.code == BGP_OPEN_ERROR && err.subcode == checks[i].subcode);
	}
}

static void negotiate(void **state)
{
	struct bgp_open a = { .asn = 64512,
			      .hold_s = 90,
			      .has_mp = true,
			      .families = BGP_AF_IPV4 | BGP_AF_IPV6,
			      .has_as4 = true,
			      .has_ext_msg = true,
			      .has_refresh = true };
	struct bgp_open b = a;
	struct bgp_negotiated n = bgp_negotiate(&a, &b);

	(void)state;
	CHECK("equal", n.wire.as4 && n.wire.is_internal && n.wire.families == 3 && n.refresh);
	CHECK("equal",
	      n.wire.msg_max == BGP_MSG_MAX_EXTENDED && n.hold_s == 90 && n.keepalive_s == 30);

	b = (struct bgp_open){ .asn = 65001, .hold_s = 3 };
	n = bgp_negotiate(&a, &b);
	CHECK("plain", !n.wire.as4 && !n.wire.is_internal && n.wire.families == BGP_AF_IPV4);
	CHECK("plain", n.wire.msg_max == BGP_MSG_MAX && n.hold_s == 3 && n.keepalive_s == 1);
	CHECK("plain", !n.refresh);

	b = (struct bgp_open){ .asn = 65001, .has_mp = true };
	n = bgp_negotiate(&a, &b);
	CHECK("foreign families only", n.wire.families == 0);
	CHECK("no timers", n.hold_s == 0 && n.keepalive_s == 0);
}

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* parse(encode(x)) = x */
static void round_trip(void **state)
{
	uint64_t seed = 0x5eed;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint64_t r = xorshift(&seed);
		struct bgp_open o, back;
		uint8_t buf[BGP_MSG_MAX];
		struct wr w = wr_init(buf, sizeof(buf));

		memset(&o, 0, sizeof(o));
		memset(&back, 0, sizeof(back));
		o.version = BGP_VERSION;
		o.has_as4 = r & 1;
		o.asn = (uint32_t)xorshift(&seed) | 1;
		if (!o.has_as4)
			o.asn &= 0xffff;
		o.id = (uint32_t)xorshift(&seed);
		o.hold_s = (uint16_t)(r >> 8 & 0xff) + BGP_HOLD_MIN_S;
		o.families = r >> 1 & 3;
		o.has_mp = o.families != 0;
		o.has_refresh = r >> 3 & 1;
		o.has_ext_msg = r >> 4 & 1;
		o.has_gr = r >> 5 & 1;
		if (o.has_gr) {
			o.gr.time_s = r >> 16 & 0xfff;
			o.gr.families = r >> 28 & 3;
			o.gr.forwarding = o.gr.families & r >> 30 & 3;
			o.gr.restarting = r >> 32 & 1;
			o.gr.notification = r >> 33 & 1;
		}
		o.has_fqdn = r >> 6 & 1;
		if (o.has_fqdn)
			memset(o.hostname, 'a', r >> 40 & 63);
		bgp_open_encode(&w, &o);
		CHECK("fits", !w.overflow);
		CHECK("parse",
		      !bgp_err_is(bgp_open_parse(
			      rd_init(buf + BGP_HEADER_BYTES, w.len - BGP_HEADER_BYTES), &back)));
		CHECK("same", memcmp(&o, &back, sizeof(o)) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_rows),
		cmocka_unit_test(parsed_values),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(long_hostname),
		cmocka_unit_test(check),
		cmocka_unit_test(negotiate),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
