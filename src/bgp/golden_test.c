/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders against tests/golden/bgp/NAME.hex, which were written by hand from the RFCs; and the
 * parsers over the same bytes.
 */
#include "base/test.h"

#include <ctype.h>
#include <limits.h>

#include "bgp/open.h"
#include "bgp/update.h"

static const char *golden_dir;

static int hex_digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of a golden file; fails the test on anything odd. */
static size_t golden_read(const char *name, uint8_t *buf, size_t cap)
{
	char path[PATH_MAX];
	size_t nibbles = 0;
	int c;

	(void)snprintf(path, sizeof(path), "%s/%s.hex", golden_dir, name);
	FILE *f = fopen(path, "re");
	CHECK(path, f != NULL);
	while ((c = fgetc(f)) != EOF) {
		if (c == '#')
			while (c != '\n' && c != EOF)
				c = fgetc(f);
		if (c == EOF || isspace(c))
			continue;
		CHECK(path, hex_digit(c) >= 0 && nibbles / 2 < cap);
		if (nibbles % 2 == 0)
			buf[nibbles / 2] = 0;
		buf[nibbles / 2] = (uint8_t)(buf[nibbles / 2] << 4 | hex_digit(c));
		nibbles++;
	}
	(void)fclose(f);
	CHECK(path, nibbles > 0 && nibbles % 2 == 0);
	return nibbles / 2;
}

static void bytes_show(const char *what, const uint8_t *p, size_t len)
{
	print_error("%s:", what);
	for (size_t i = 0; i < len; i++)
		print_error(" %02x", p[i]);
	print_error("\n");
}

static struct bgp_msg golden_check(const char *name, const struct wr *got, uint8_t *buf, size_t cap)
{
	size_t len = golden_read(name, buf, cap);
	struct bgp_msg msg;
	struct bgp_err err;

	CHECK(name, !got->overflow);
	bool is_same = got->len == len && memcmp(got->data, buf, len) == 0;

	if (!is_same) {
		bytes_show("got ", got->data, got->len);
		bytes_show("want", buf, len);
	}
	CHECK(name, is_same);
	CHECK(name, bgp_msg_next(buf, len, BGP_MSG_MAX, &msg, &err) == 0);
	CHECK(name, msg.size == len);
	return msg;
}

static void small_messages(void **state)
{
	uint8_t out[256], buf[256];
	struct bgp_notification n;
	struct bgp_refresh refresh;
	struct bgp_msg msg;
	struct wr w;

	(void)state;
	w = wr_init(out, sizeof(out));
	bgp_keepalive_encode(&w);
	msg = golden_check("keepalive", &w, buf, sizeof(buf));
	CHECK("type", msg.type == BGP_MSG_KEEPALIVE && msg.body.left == 0);

	w = wr_init(out, sizeof(out));
	bgp_notification_encode(&w, BGP_ERR(BGP_HOLD_ERROR, 0));
	msg = golden_check("notification-hold", &w, buf, sizeof(buf));
	n = bgp_notification_parse(msg.body);
	CHECK("hold", n.code == BGP_HOLD_ERROR && n.subcode == 0 && n.data_len == 0);

	struct bgp_open bad;
	uint8_t version_3[10] = { 3 };
	struct bgp_err err = bgp_open_parse(rd_init(version_3, sizeof(version_3)), &bad);
	w = wr_init(out, sizeof(out));
	bgp_notification_encode(&w, err);
	msg = golden_check("notification-version", &w, buf, sizeof(buf));
	n = bgp_notification_parse(msg.body);
	CHECK("version", n.subcode == BGP_OPEN_BAD_VERSION && n.data_len == 2 && n.data[1] == 4);

	w = wr_init(out, sizeof(out));
	bgp_shutdown_encode(&w, BGP_CEASE_SHUTDOWN, "bye");
	msg = golden_check("notification-shutdown", &w, buf, sizeof(buf));
	n = bgp_notification_parse(msg.body);
	CHECK("text", n.text && n.text_len == 3 && memcmp(n.text, "bye", 3) == 0);

	w = wr_init(out, sizeof(out));
	bgp_refresh_encode(&w, BGP_AF_IPV6);
	msg = golden_check("refresh-ipv6", &w, buf, sizeof(buf));
	refresh = bgp_refresh_parse(msg.body);
	CHECK("refresh", refresh.family == BGP_AF_IPV6 && refresh.subtype == 0);
}

static void open_messages(void **state)
{
	static const struct {
		const char *name;
		struct bgp_open open;
	} rows[] = {
		{ "open-full",
		  { .version = 4,
		    .hold_s = 90,
		    .asn = 4200000001u,
		    .id = 0x0a000001,
		    .families = BGP_AF_IPV4 | BGP_AF_IPV6,
		    .has_mp = true,
		    .has_refresh = true,
		    .has_ext_msg = true,
		    .has_gr = true,
		    .has_as4 = true,
		    .has_fqdn = true,
		    .gr = { .time_s = 120,
			    .families = BGP_AF_IPV4 | BGP_AF_IPV6,
			    .forwarding = BGP_AF_IPV4,
			    .restarting = true,
			    .notification = true },
		    .hostname = "node-a" } },
		{ "open-plain", { .version = 4, .hold_s = 9, .asn = 64512, .id = 0xc0000201 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[256], buf[256];
		struct wr w = wr_init(out, sizeof(out));
		struct bgp_open back;

		bgp_open_encode(&w, &rows[i].open);
		struct bgp_msg msg = golden_check(rows[i].name, &w, buf, sizeof(buf));
		memset(&back, 0, sizeof(back));
		CHECK(rows[i].name, !bgp_err_is(bgp_open_parse(msg.body, &back)));
		CHECK(rows[i].name, memcmp(&back, &rows[i].open, sizeof(back)) == 0);
	}
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	CHECK(text, ip_prefix_parse(text, &p) == 0);
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

/* Parses a golden UPDATE back and compares attributes (by interning) and prefixes. */
static void update_back(const char *name, struct bgp_msg msg, const struct bgp_wire *wire,
			struct bgp_attr_table *t, struct bgp_attrs *want,
			const struct ip_prefix *prefixes, size_t n)
{
	struct ip_prefix p;
	struct bgp_update u;
	size_t i = 0;

	bgp_update_parse(msg.body, wire, &u);
	CHECK(name, u.fault.grade == BGP_GRADE_OK && !u.eor);
	for (size_t list = 0; list < BGP_UPDATE_LISTS; list++) {
		struct bgp_nlri it = u.reach[list].nlri;

		if (u.reach[list].n == 0)
			continue;
		struct bgp_attrs *a = bgp_attrs_intern(t, &u.attrs, &u.reach[list].nexthop);
		CHECK(name, a == want);
		bgp_attrs_unref(t, a);
		for (; bgp_nlri_next(&it, &p); i++)
			CHECK(name, i < n && ip_prefix_same(&p, &prefixes[i]));
	}
	CHECK(name, i == n);
}

static void update_check(const char *name, const struct bgp_wire *wire,
			 const struct bgp_attrs_draft *d, const struct ip_prefix *prefixes,
			 size_t n)
{
	uint8_t out[BGP_MSG_MAX], buf[BGP_MSG_MAX];
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	struct bgp_attrs *a = bgp_attrs_intern(t, d, NULL);
	struct wr w = wr_init(out, sizeof(out));

	CHECK(name, bgp_update_encode(&w, wire, a, prefixes, n) == n);
	struct bgp_msg msg = golden_check(name, &w, buf, sizeof(buf));
	update_back(name, msg, wire, t, a, prefixes, n);
	bgp_attrs_unref(t, a);
	bgp_attr_table_free(t);
}

#define FAMILIES (BGP_AF_IPV4 | BGP_AF_IPV6)

static void updates_internal(void **state)
{
	const struct bgp_wire wire = { true, true, FAMILIES, BGP_MSG_MAX };
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_LOCAL_PREF | BGP_HAS_NEXT_HOP,
		.local_pref = 100,
		.nexthop = addr("10.0.0.1"),
	};
	const struct ip_prefix v4[] = { prefix("10.1.2.0/24"), prefix("10.3.0.0/16"),
					prefix("0.0.0.0/0") };
	const struct ip_prefix v6[] = { prefix("2001:db8:42:1::/64"), prefix("2001:db8:43::/48"),
					prefix("2001:db8:44::/48") };

	(void)state;
	update_check("update-ibgp", &wire, &d, v4, ARRAY_LEN(v4));
	d.nexthop = addr("2001:db8::1");
	update_check("update-ipv6", &wire, &d, v6, ARRAY_LEN(v6));
}

static void updates_external(void **state)
{
	static const uint32_t path[] = { 4200000001u, 64512 };
	static const uint8_t communities[] = { 0xfc, 0, 0, 1, 0xff, 0xff, 0xff, 1 };
	static const uint8_t large[] = { 0, 0, 0xfc, 0, 0, 0, 0, 1, 0, 0, 0, 2 };
	const struct bgp_wire as4 = { true, false, BGP_AF_IPV4, BGP_MSG_MAX };
	const struct bgp_wire as2 = { false, false, BGP_AF_IPV4, BGP_MSG_MAX };
	const struct ip_prefix vip = prefix("203.0.113.1/32");
	uint8_t path_bytes[16];
	struct wr path_w = wr_init(path_bytes, sizeof(path_bytes));

	(void)state;
	bgp_as_path_write(&path_w, path, ARRAY_LEN(path));
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP | BGP_HAS_MED |
		       BGP_HAS_COMMUNITIES | BGP_HAS_LARGE,
		.med = 5,
		.nexthop = addr("10.0.0.1"),
		.as_path = rd_init(path_bytes, path_w.len),
		.communities = rd_init(communities, sizeof(communities)),
		.large_communities = rd_init(large, sizeof(large)),
	};
	update_check("update-ebgp", &as4, &d, &vip, 1);

	d.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP | BGP_HAS_AGGREGATOR;
	d.aggregator = (struct bgp_aggregator){ 4200000001u, 0x0a000009 };
	update_check("update-as2", &as2, &d, &vip, 1);
}

static void withdraw_check(const char *name, const struct ip_prefix *prefixes, size_t n,
			   size_t list)
{
	const struct bgp_wire wire = { true, true, FAMILIES, BGP_MSG_MAX };
	uint8_t out[256], buf[256];
	struct wr w = wr_init(out, sizeof(out));
	struct bgp_update u;
	struct ip_prefix p;

	CHECK(name, bgp_withdraw_encode(&w, &wire, prefixes, n) == n);
	struct bgp_msg msg = golden_check(name, &w, buf, sizeof(buf));
	bgp_update_parse(msg.body, &wire, &u);
	CHECK(name, u.fault.grade == BGP_GRADE_OK && !u.eor && u.gone[list].n == n);
	for (size_t i = 0; i < n; i++)
		CHECK(name,
		      bgp_nlri_next(&u.gone[list].nlri, &p) && ip_prefix_same(&p, &prefixes[i]));
}

static void withdrawals(void **state)
{
	const struct ip_prefix v4[] = { prefix("10.1.2.0/24"), prefix("10.3.0.0/16"),
					prefix("0.0.0.0/0") };
	const struct ip_prefix v6[] = { prefix("2001:db8:42:1::/64") };

	(void)state;
	withdraw_check("withdraw-ipv4", v4, ARRAY_LEN(v4), 0);
	withdraw_check("withdraw-ipv6", v6, ARRAY_LEN(v6), 1);
}

static void ends_of_rib(void **state)
{
	static const struct {
		const char *name;
		uint8_t family;
	} rows[] = { { "eor-ipv4", BGP_AF_IPV4 }, { "eor-ipv6", BGP_AF_IPV6 } };
	const struct bgp_wire wire = { true, true, FAMILIES, BGP_MSG_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[64], buf[64];
		struct wr w = wr_init(out, sizeof(out));
		struct bgp_update u;

		bgp_eor_encode(&w, rows[i].family);
		struct bgp_msg msg = golden_check(rows[i].name, &w, buf, sizeof(buf));
		bgp_update_parse(msg.body, &wire, &u);
		CHECK(rows[i].name, u.fault.grade == BGP_GRADE_OK && u.eor == rows[i].family);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_messages),   cmocka_unit_test(open_messages),
		cmocka_unit_test(updates_internal), cmocka_unit_test(updates_external),
		cmocka_unit_test(withdrawals),      cmocka_unit_test(ends_of_rib),
	};

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
