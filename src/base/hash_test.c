/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>

#include "base/ip.h"
#include "base/test.h"

static void test_sha256(void **state)
{
	/* FIPS 180-2 appendix B, and the empty input */
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t d[SHA256_BYTES];
		char hex[2 * SHA256_BYTES + 1];

		hash_sha256(rows[i].text, strlen(rows[i].text), d);
		for (size_t k = 0; k < sizeof(d); k++)
			(void)snprintf(hex + 2 * k, 3, "%02x", d[k]);
		CHECK_STR(rows[i].text, hex, rows[i].want);
	}
}

static void test_fnv(void **state)
{
	static const struct {
		const char *text;
		uint32_t want;
	} rows[] = {
		{ "", 0x811c9dc5 },
		{ "a", 0xe40c292c },
		{ "foobar", 0xbf9cf968 },
		{ "1.1.1.1-tcp-8080", 0xf049cce2 },
		{ "2001:db8::1-tcp-80", 0x55852000 },
		{ "10.255.14.19-tcp-80", 0x9e6f4000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].text,
		      hash_fnv1a32(rows[i].text, strlen(rows[i].text)) == rows[i].want);
}

/* Generated router IDs: over the 16-byte form of the address. */
static void test_fnv_router_id(void **state)
{
	static const struct {
		const char *addr, *want;
	} rows[] = {
		{ "10.0.0.1", "0.15.248.254" },
		{ "192.168.1.10", "47.29.204.12" },
		{ "2001:db8::1", "110.91.4.244" },
		{ "2001:db8:42:2::1", "165.103.209.36" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t form[16] = { [10] = 0xff, [11] = 0xff };
		char buf[IP_ADDR_FMT_MAX];
		struct ip_addr a, id;

		CHECK(rows[i].addr, ip_parse(rows[i].addr, &a) == 0);
		if (a.family == IP_V4)
			memcpy(form + 12, a.bytes, 4);
		else
			memcpy(form, a.bytes, 16);
		id = ip_v4(hash_fnv1a32(form, sizeof(form)));
		CHECK_STR(rows[i].addr, ip_fmt(buf, &id), rows[i].want);
	}
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYmFy", "foobar" },
		{ "Zm9v\r\nYmFy\n", "foobar" },
		{ "Z\ng\n=\n=\n", "f" },
		{ "Zg=", NULL },
		{ "Zg", NULL },
		{ "Z", NULL },
		{ "Z===", NULL },
		{ "====", NULL },
		{ "Zg==Zg==", NULL },
		{ "Zg=v", NULL },
		{ "Zm9v=", NULL },
		{ "Zm9v Zm9v", NULL },
		{ "Zm9-", NULL },
		{ "+/+/", "\xfb\xff\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t dst[32];
		size_t len = 99;
		int r = base64_decode(rows[i].text, strlen(rows[i].text), dst, sizeof(dst), &len);

		CHECK(rows[i].text, r == (rows[i].want ? 0 : -EINVAL));
		if (r == 0)
			CHECK(rows[i].text,
			      len == strlen(rows[i].want) && memcmp(dst, rows[i].want, len) == 0);
		if (r == 0 && len > 0)
			CHECK(rows[i].text, base64_decode(rows[i].text, strlen(rows[i].text), dst,
							  len - 1, &len) == -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_fnv),
		cmocka_unit_test(test_fnv_router_id),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
