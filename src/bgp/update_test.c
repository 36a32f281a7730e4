/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "bgp/update.h"

#define B(s) (s), sizeof(s) - 1

static const struct bgp_wire both = { true, true, BGP_AF_IPV4 | BGP_AF_IPV6, BGP_MSG_MAX };
static const struct bgp_wire only4 = { true, true, BGP_AF_IPV4, BGP_MSG_MAX };
static const struct bgp_wire only6 = { true, true, BGP_AF_IPV6, BGP_MSG_MAX };

/* Pieces. ORIGIN and AS_PATH (7 bytes), NEXT_HOP 10.0.0.1 (7 bytes). */
#define BASE  "\x40\x01\x01\x00\x40\x02\x00"
#define HOP   "\x40\x03\x04\x0a\x00\x00\x01"
#define V6HOP "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
#define LLHOP "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
#define NET4  "\x18\x0a\x01\x02"
#define NET6  "\x20\x20\x01\x0d\xb8"
#define NONE  "\x00\x00"
/* MP_REACH of NET6: 3 + 5 + 16 + 5 = 29 bytes, 26 in it */
#define REACH6 "\x80\x0e\x1a\x00\x02\x01\x10" V6HOP "\x00" NET6
/* MP_UNREACH of NET6: 3 + 8 bytes */
#define GONE6 "\x80\x0f\x08\x00\x02\x01" NET6

struct row {
	const char *name;
	const struct bgp_wire *wire;
	const char *bytes;
	size_t len;
	enum bgp_grade grade;
	uint8_t subcode;
	size_t gone4, gone6, reach4, reach6;
	uint8_t eor;
	bool has_foreign;
};

static const struct row rows[] = {
	{ "announce ipv4", &both, B(NONE "\x00\x0e" BASE HOP NET4), 0, 0, 0, 0, 1, 0, 0, false },
	{ "withdraw ipv4", &both, B("\x00\x04" NET4 NONE), 0, 0, 1, 0, 0, 0, 0, false },
	{ "both at once", &both, B("\x00\x04" NET4 "\x00\x0e" BASE HOP NET4 NET4), 0, 0, 1, 0, 2, 0,
	  0, false },
	{ "announce ipv6", &both, B(NONE "\x00\x24" BASE REACH6), 0, 0, 0, 0, 0, 1, 0, false },
	{ "withdraw ipv6", &both, B(NONE "\x00\x0b" GONE6), 0, 0, 0, 1, 0, 0, 0, false },
	{ "ipv6 and ipv4", &both, B(NONE "\x00\x2b" BASE HOP REACH6 NET4), 0, 0, 0, 0, 1, 1, 0,
	  false },
	{ "everything", &both, B("\x00\x04" NET4 "\x00\x36" BASE HOP REACH6 GONE6 NET4), 0, 0, 1, 1,
	  1, 1, 0, false },
	{ "ipv4 by mp", &both,
	  B(NONE "\x00\x17" BASE "\x80\x0e\x0d\x00\x01\x01\x04\x0a\x00\x00\x01\x00" NET4), 0, 0, 0,
	  0, 0, 1, 0, false },
	{ "next hop with link-local", &both,
	  B(NONE "\x00\x34" BASE "\x80\x0e\x2a\x00\x02\x01\x20" V6HOP LLHOP "\x00" NET6), 0, 0, 0,
	  0, 0, 1, 0, false },

	{ "end of rib ipv4", &both, B(NONE NONE), 0, 0, 0, 0, 0, 0, BGP_AF_IPV4, false },
	{ "end of rib ipv6", &both, B(NONE "\x00\x06\x80\x0f\x03\x00\x02\x01"), 0, 0, 0, 0, 0, 0,
	  BGP_AF_IPV6, false },
	{ "end of rib ipv4 by mp", &both, B(NONE "\x00\x06\x80\x0f\x03\x00\x01\x01"), 0, 0, 0, 0, 0,
	  0, BGP_AF_IPV4, false },
	{ "end of rib, not negotiated", &only4, B(NONE "\x00\x06\x80\x0f\x03\x00\x02\x01"), 0, 0, 0,
	  0, 0, 0, 0, true },
	{ "end of rib ipv4, not negotiated", &only6, B(NONE NONE), 0, 0, 0, 0, 0, 0, 0, false },
	{ "empty unreach with an attribute", &both,
	  B(NONE "\x00\x0a\x40\x01\x01\x00\x80\x0f\x03\x00\x02\x01"), 0, 0, 0, 0, 0, 0, 0, false },
	{ "empty unreach with withdrawals", &both,
	  B("\x00\x04" NET4 "\x00\x06\x80\x0f\x03\x00\x02\x01"), 0, 0, 1, 0, 0, 0, 0, false },

	{ "ipv6 not negotiated", &only4, B(NONE "\x00\x24" BASE REACH6), 0, 0, 0, 0, 0, 0, 0,
	  true },
	{ "ipv4 not negotiated", &only6, B(NONE "\x00\x0e" BASE HOP NET4), 0, 0, 0, 0, 0, 0, 0,
	  true },
	{ "foreign family", &both,
	  B(NONE "\x00\x13" BASE "\x80\x0e\x09\x00\x19\x46\x00\x00\xff\xff\xff\xff"), 0, 0, 0, 0, 0,
	  0, 0, true },
	{ "withdrawn foreign family", &both, B(NONE "\x00\x08\x80\x0f\x05\x00\x19\x46\xff\xff"), 0,
	  0, 0, 0, 0, 0, 0, true },

	{ "empty", &both, B(""), BGP_GRADE_RESET, BGP_UPDATE_BAD_LIST, 0, 0, 0, 0, 0, false },
	{ "no attribute length", &both, B(NONE "\x00"), BGP_GRADE_RESET, BGP_UPDATE_BAD_LIST, 0, 0,
	  0, 0, 0, false },
	{ "withdrawn runs over", &both, B("\x00\x03\x00\x00"), BGP_GRADE_RESET, BGP_UPDATE_BAD_LIST,
	  0, 0, 0, 0, 0, false },
	{ "attributes run over", &both, B(NONE "\x00\x08" BASE), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_LIST, 0, 0, 0, 0, 0, false },
	{ "withdrawn length 33", &both, B("\x00\x06\x21\x0a\x01\x02\x03\x04" NONE), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_NETWORK, 0, 0, 0, 0, 0, false },
	{ "announced length 33", &both, B(NONE "\x00\x0e" BASE HOP "\x21\x0a\x01\x02\x03\x04"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_NETWORK, 0, 0, 0, 0, 0, false },
	{ "announced, bytes missing", &both, B(NONE "\x00\x0e" BASE HOP "\x18\x0a\x01"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_NETWORK, 0, 0, 0, 0, 0, false },

	{ "origin missing", &both, B(NONE "\x00\x0a\x40\x02\x00" HOP NET4), BGP_GRADE_WITHDRAW,
	  BGP_UPDATE_MISSING_WELL_KNOWN, 0, 0, 1, 0, 0, false },
	{ "next hop missing", &both, B(NONE "\x00\x07" BASE NET4), BGP_GRADE_WITHDRAW,
	  BGP_UPDATE_MISSING_WELL_KNOWN, 0, 0, 1, 0, 0, false },
	{ "all attributes missing", &both, B(NONE NONE NET4), BGP_GRADE_WITHDRAW,
	  BGP_UPDATE_MISSING_WELL_KNOWN, 0, 0, 1, 0, 0, false },
	{ "bad origin", &both, B(NONE "\x00\x0e\x40\x01\x01\x09\x40\x02\x00" HOP NET4 NET4),
	  BGP_GRADE_WITHDRAW, BGP_UPDATE_BAD_ORIGIN, 0, 0, 2, 0, 0, false },
	{ "bad origin, withdrawals too", &both,
	  B("\x00\x04" NET4 "\x00\x0e\x40\x01\x01\x09\x40\x02\x00" HOP NET4), BGP_GRADE_WITHDRAW,
	  BGP_UPDATE_BAD_ORIGIN, 1, 0, 1, 0, 0, false },
	{ "bad origin without any prefix", &both, B(NONE "\x00\x04\x40\x01\x01\x09"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_ORIGIN, 0, 0, 0, 0, 0, false },
	{ "bad origin with withdrawals only", &both, B("\x00\x04" NET4 "\x00\x04\x40\x01\x01\x09"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_ORIGIN, 0, 0, 0, 0, 0, false },
	{ "discard without any prefix", &both, B(NONE "\x00\x04\x40\x06\x01\x00"),
	  BGP_GRADE_DISCARD, BGP_UPDATE_BAD_LENGTH, 0, 0, 0, 0, 0, false },
	{ "unreach with wrong flags alone", &both, B(NONE "\x00\x0b\xc0\x0f\x08\x00\x02\x01" NET6),
	  BGP_GRADE_WITHDRAW, BGP_UPDATE_BAD_FLAGS, 0, 1, 0, 0, 0, false },
	{ "reach with wrong flags", &both,
	  B(NONE "\x00\x24" BASE "\xc0\x0e\x1a\x00\x02\x01\x10" V6HOP "\x00" NET6),
	  BGP_GRADE_WITHDRAW, BGP_UPDATE_BAD_FLAGS, 0, 0, 0, 1, 0, false },

	{ "mp next hop of 15", &both,
	  B(NONE "\x00\x11" BASE "\x80\x0e\x07\x00\x02\x01\x02\x20\x01\x00"), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "mp next hop empty", &both, B(NONE "\x00\x0f" BASE "\x80\x0e\x05\x00\x02\x01\x00\x00"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "mp next hop runs over", &both,
	  B(NONE "\x00\x0f" BASE "\x80\x0e\x05\x00\x02\x01\x10\x00"), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "mp no reserved byte", &both,
	  B(NONE "\x00\x1e" BASE "\x80\x0e\x14\x00\x02\x01\x10" V6HOP), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "mp ipv4 next hop of 16", &both,
	  B(NONE "\x00\x22" BASE "\x80\x0e\x18\x00\x01\x01\x10" V6HOP "\x00\x10\x0a\x01"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "mp next hop link-local", &both,
	  B(NONE "\x00\x24" BASE "\x80\x0e\x1a\x00\x02\x01\x10" LLHOP "\x00" NET6),
	  BGP_GRADE_WITHDRAW, BGP_UPDATE_BAD_NEXT_HOP, 0, 0, 0, 1, 0, false },
	{ "mp length 129", &both,
	  B(NONE "\x00\x24" BASE "\x80\x0e\x1a\x00\x02\x01\x10" V6HOP "\x00\x81\x20\x01\x0d\xb8"),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "unreach bytes missing", &both,
	  B(NONE "\x00\x0a\x80\x0f\x07\x00\x02\x01\x20\x20\x01\x0d"), BGP_GRADE_RESET,
	  BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
	{ "unreach reset clears ipv4, too", &both,
	  B("\x00\x04" NET4 "\x00\x18" BASE HOP "\x80\x0f\x07\x00\x02\x01\x20\x20\x01\x0d" NET4),
	  BGP_GRADE_RESET, BGP_UPDATE_BAD_OPTIONAL, 0, 0, 0, 0, 0, false },
};

static void parse_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct bgp_update u;

		memset(&u, 0xa5, sizeof(u));
		bgp_update_parse(rd_init(r->bytes, r->len), r->wire, &u);
		if (u.fault.grade != r->grade || u.fault.err.subcode != r->subcode)
			print_error("%s: grade %d subcode %u\n", r->name, u.fault.grade,
				    u.fault.err.subcode);
		CHECK(r->name, u.fault.grade == r->grade && u.fault.err.subcode == r->subcode);
		CHECK(r->name, u.gone[0].n == r->gone4 && u.gone[1].n == r->gone6);
		CHECK(r->name, u.reach[0].n == r->reach4 && u.reach[1].n == r->reach6);
		CHECK(r->name, u.eor == r->eor && u.has_foreign == r->has_foreign);
	}
}

static void parsed_values(void **state)
{
	static const char body[] = "\x00\x04" NET4 "\x00\x36" BASE HOP REACH6 GONE6 NET4;
	char text[IP_PREFIX_FMT_MAX], hop[IP_ADDR_FMT_MAX];
	struct bgp_update u;
	struct ip_prefix p;

	(void)state;
	bgp_update_parse(rd_init(body, sizeof(body) - 1), &both, &u);
	CHECK("gone4", bgp_nlri_next(&u.gone[0].nlri, &p));
	CHECK_STR("gone4", ip_prefix_fmt(text, &p), "10.1.2.0/24");
	CHECK("gone6", bgp_nlri_next(&u.gone[1].nlri, &p));
	CHECK_STR("gone6", ip_prefix_fmt(text, &p), "2001:db8::/32");
	CHECK("reach4", bgp_nlri_next(&u.reach[0].nlri, &p));
	CHECK_STR("reach4", ip_prefix_fmt(text, &p), "10.1.2.0/24");
	CHECK_STR("hop4", ip_fmt(hop, &u.reach[0].nexthop), "10.0.0.1");
	CHECK("reach6", bgp_nlri_next(&u.reach[1].nlri, &p));
	CHECK_STR("reach6", ip_prefix_fmt(text, &p), "2001:db8::/32");
	CHECK_STR("hop6", ip_fmt(hop, &u.reach[1].nexthop), "2001:db8::1");
	CHECK("size", sizeof(struct bgp_update) <= 1024);
}

/* A message cut anywhere is a reset or treat-as-withdraw, or what is left is one by itself. */
static void every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t len = 0; len < rows[i].len; len++) {
			struct bgp_update u;

			bgp_update_parse(rd_init(rows[i].bytes, len), rows[i].wire, &u);
			if (u.fault.grade == BGP_GRADE_RESET)
				CHECK(rows[i].name,
				      u.reach[0].n + u.reach[1].n + u.gone[0].n + u.gone[1].n == 0);
			CHECK(rows[i].name, len >= 4 || u.fault.grade == BGP_GRADE_RESET);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_rows),
		cmocka_unit_test(parsed_values),
		cmocka_unit_test(every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
