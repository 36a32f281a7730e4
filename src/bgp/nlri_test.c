/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>

#include "bgp/nlri.h"

static void lists(void **state)
{
	static const struct {
		const char *name;
		uint8_t af;
		size_t len;
		int want;
		size_t n;
		const char *last;
		uint8_t bytes[20];
	} rows[] = {
		{ "empty", BGP_AF_IPV4, 0, 0, 0, NULL, { 0 } },
		{ "default", BGP_AF_IPV4, 1, 0, 1, "0.0.0.0/0", { 0 } },
		{ "host", BGP_AF_IPV4, 5, 0, 1, "192.0.2.1/32", { 32, 192, 0, 2, 1 } },
		{ "length 33", BGP_AF_IPV4, 6, -EBADMSG, 0, NULL, { 33, 192, 0, 2, 1, 0 } },
		{ "length 255", BGP_AF_IPV4, 5, -EBADMSG, 0, NULL, { 255, 192, 0, 2, 1 } },
		{ "host bits", BGP_AF_IPV4, 4, 0, 1, "10.1.240.0/20", { 20, 10, 1, 255 } },
		{ "two", BGP_AF_IPV4, 5, 0, 2, "128.0.0.0/1", { 16, 10, 1, 1, 255 } },
		{ "bytes missing", BGP_AF_IPV4, 3, -EBADMSG, 0, NULL, { 24, 10, 1 } },
		{ "length alone at the end",
		  BGP_AF_IPV4,
		  5,
		  -EBADMSG,
		  0,
		  NULL,
		  { 24, 10, 1, 1, 8 } },
		{ "ipv6 default", BGP_AF_IPV6, 1, 0, 1, "::/0", { 0 } },
		{ "ipv6 host",
		  BGP_AF_IPV6,
		  17,
		  0,
		  1,
		  "2001:db8::1/128",
		  { 128, 0x20, 1, 0xd, 0xb8, [16] = 1 } },
		{ "ipv6 33",
		  BGP_AF_IPV6,
		  6,
		  0,
		  1,
		  "2001:db8:8000::/33",
		  { 33, 0x20, 1, 0xd, 0xb8, 0xff } },
		{ "ipv6 length 129", BGP_AF_IPV6, 18, -EBADMSG, 0, NULL, { 129 } },
		{ "ipv6 bytes missing", BGP_AF_IPV6, 16, -EBADMSG, 0, NULL, { 128 } },
		{ "no family", 0, 2, 0, 0, NULL, { 8, 10 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_nlri list = { rd_init(rows[i].bytes, rows[i].len), rows[i].af };
		char text[IP_PREFIX_FMT_MAX] = "";
		struct ip_prefix p;
		size_t n = 0;

		CHECK(rows[i].name, bgp_nlri_check(list, &n) == rows[i].want);
		CHECK(rows[i].name, n == rows[i].n);
		if (rows[i].want < 0)
			continue;
		while (bgp_nlri_next(&list, &p))
			(void)ip_prefix_fmt(text, &p);
		CHECK_STR(rows[i].name, text, rows[i].last ? rows[i].last : "");
	}
}

static void round_trip(void **state)
{
	static const uint8_t bytes[16] = { 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
					   0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5 };
	static const uint8_t families[] = { IP_V4, IP_V6 };

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		struct ip_addr a = ip_from_bytes(families[f], bytes);

		for (unsigned len = 0; len <= ip_bits(families[f]); len++) {
			struct ip_prefix p = ip_prefix_make(&a, (uint8_t)len), back;
			uint8_t buf[32];
			struct wr w = wr_init(buf, sizeof(buf));

			bgp_nlri_write(&w, &p);
			CHECK("size", w.len == bgp_nlri_size(&p));
			struct bgp_nlri it = { rd_init(buf, w.len), bgp_af_of(&p) };
			CHECK("back", bgp_nlri_next(&it, &back) && ip_prefix_same(&p, &back));
			CHECK("end", !bgp_nlri_next(&it, &back) && rd_done(&it.in));
		}
	}
}

static void families(void **state)
{
	(void)state;
	CHECK("ipv4", bgp_af_from_wire(1, 1) == BGP_AF_IPV4);
	CHECK("ipv6", bgp_af_from_wire(2, 1) == BGP_AF_IPV6);
	CHECK("multicast", bgp_af_from_wire(1, 2) == 0);
	CHECK("vpn", bgp_af_from_wire(2, 128) == 0);
	CHECK("evpn", bgp_af_from_wire(25, 70) == 0);
	CHECK("afi", bgp_af_afi(BGP_AF_IPV4) == 1 && bgp_af_afi(BGP_AF_IPV6) == 2);
	CHECK("ip", bgp_af_ip(BGP_AF_IPV4) == IP_V4 && bgp_af_ip(BGP_AF_IPV6) == IP_V6 &&
			    bgp_af_ip(0) == IP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
