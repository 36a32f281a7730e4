/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "bgp/attr.h"

/* Bytes as a C string literal: length without the terminator. */
#define B(s) (s), sizeof(s) - 1

#define OK       BGP_GRADE_OK, 0, 0
#define DISCARD  BGP_GRADE_DISCARD
#define WITHDRAW BGP_GRADE_WITHDRAW
#define RESET    BGP_GRADE_RESET

#define BAD_LIST   BGP_UPDATE_BAD_LIST
#define BAD_FLAGS  BGP_UPDATE_BAD_FLAGS
#define BAD_LENGTH BGP_UPDATE_BAD_LENGTH
#define BAD_OPT    BGP_UPDATE_BAD_OPTIONAL
#define BAD_PATH   BGP_UPDATE_BAD_AS_PATH

/* Sessions: 4-octet iBGP, 4-octet eBGP, 2-octet eBGP. */
static const struct bgp_wire ibgp = { true, true, BGP_AF_IPV4 | BGP_AF_IPV6, BGP_MSG_MAX };
static const struct bgp_wire ebgp = { true, false, BGP_AF_IPV4 | BGP_AF_IPV6, BGP_MSG_MAX };
static const struct bgp_wire old = { false, false, BGP_AF_IPV4 | BGP_AF_IPV6, BGP_MSG_MAX };

struct row {
	const char *name;
	const struct bgp_wire *wire;
	const char *bytes;
	size_t len;
	enum bgp_grade grade;
	uint8_t attr, subcode;
	uint32_t has;
};

static void rows_check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct bgp_attrs_draft d;
		struct bgp_fault f = bgp_attrs_parse(rd_init(r->bytes, r->len), r->wire, &d);

		if (f.grade != r->grade || f.err.subcode != r->subcode || d.has != r->has)
			print_error("%s: grade %d attr %u subcode %u has %x\n", r->name, f.grade,
				    f.attr, f.err.subcode, d.has);
		CHECK(r->name, f.grade == r->grade);
		CHECK(r->name, f.attr == r->attr && f.err.subcode == r->subcode);
		CHECK(r->name, d.has == r->has);
		if (f.grade != BGP_GRADE_OK)
			CHECK(r->name, f.err.code == BGP_UPDATE_ERROR && f.err.data_len >= 1 &&
					       (const char *)f.err.data >= r->bytes &&
					       (const char *)f.err.data + f.err.data_len <=
						       r->bytes + r->len);
	}
}

static void fixed_ones(void **state)
{
	static const struct row rows[] = {
		{ "nothing", &ibgp, B(""), OK, 0 },
		{ "origin", &ibgp, B("\x40\x01\x01\x02"), OK, BGP_HAS_ORIGIN },
		{ "origin 3", &ibgp, B("\x40\x01\x01\x03"), WITHDRAW, 1, BGP_UPDATE_BAD_ORIGIN, 0 },
		{ "origin empty", &ibgp, B("\x40\x01\x00"), WITHDRAW, 1, BAD_LENGTH, 0 },
		{ "origin long", &ibgp, B("\x40\x01\x02\x00\x00"), WITHDRAW, 1, BAD_LENGTH, 0 },
		{ "next hop", &ibgp, B("\x40\x03\x04\x0a\x00\x00\x01"), OK, BGP_HAS_NEXT_HOP },
		{ "next hop short", &ibgp, B("\x40\x03\x03\x0a\x00\x00"), WITHDRAW, 3, BAD_LENGTH,
		  0 },
		{ "next hop long", &ibgp, B("\x40\x03\x05\x0a\x00\x00\x01\x00"), WITHDRAW, 3,
		  BAD_LENGTH, 0 },
		{ "next hop 0", &ibgp, B("\x40\x03\x04\x00\x00\x00\x00"), WITHDRAW, 3,
		  BGP_UPDATE_BAD_NEXT_HOP, 0 },
		{ "next hop multicast", &ibgp, B("\x40\x03\x04\xe0\x00\x00\x01"), WITHDRAW, 3,
		  BGP_UPDATE_BAD_NEXT_HOP, 0 },
		{ "next hop reserved", &ibgp, B("\x40\x03\x04\xff\xff\xff\xff"), WITHDRAW, 3,
		  BGP_UPDATE_BAD_NEXT_HOP, 0 },
		{ "med", &ebgp, B("\x80\x04\x04\x00\x00\x00\x07"), OK, BGP_HAS_MED },
		{ "med short", &ebgp, B("\x80\x04\x03\x00\x00\x00"), WITHDRAW, 4, BAD_LENGTH, 0 },
		{ "local pref", &ibgp, B("\x40\x05\x04\x00\x00\x00\x64"), OK, BGP_HAS_LOCAL_PREF },
		{ "local pref long", &ibgp, B("\x40\x05\x05\x00\x00\x00\x64\x00"), WITHDRAW, 5,
		  BAD_LENGTH, 0 },
		{ "local pref from ebgp", &ebgp, B("\x40\x05\x04\x00\x00\x00\x64"), DISCARD, 5,
		  BAD_OPT, 0 },
		{ "local pref bad from ebgp", &ebgp, B("\x40\x05\x01\x00"), DISCARD, 5, BAD_OPT,
		  0 },
		{ "atomic aggregate", &ibgp, B("\x40\x06\x00"), OK, BGP_HAS_ATOMIC_AGGREGATE },
		{ "atomic aggregate long", &ibgp, B("\x40\x06\x01\x00"), DISCARD, 6, BAD_LENGTH,
		  0 },
		{ "aggregator", &ibgp, B("\xc0\x07\x08\x00\x01\x00\x00\x0a\x00\x00\x01"), OK,
		  BGP_HAS_AGGREGATOR },
		{ "aggregator of 6 on 4 octets", &ibgp, B("\xc0\x07\x06\x00\x01\x0a\x00\x00\x01"),
		  DISCARD, 7, BAD_LENGTH, 0 },
		{ "aggregator on 2 octets", &old, B("\xc0\x07\x06\x00\x01\x0a\x00\x00\x01"), OK,
		  BGP_HAS_AGGREGATOR },
		{ "aggregator of 8 on 2 octets", &old,
		  B("\xc0\x07\x08\x00\x01\x00\x00\x0a\x00\x00\x01"), DISCARD, 7, BAD_LENGTH, 0 },
		{ "aggregator of 7", &ibgp, B("\xc0\x07\x07\x00\x01\x00\x0a\x00\x00\x01"), DISCARD,
		  7, BAD_LENGTH, 0 },
		{ "aggregator AS 0", &ibgp, B("\xc0\x07\x08\x00\x00\x00\x00\x0a\x00\x00\x01"),
		  DISCARD, 7, BAD_OPT, 0 },
		{ "originator", &ibgp, B("\x80\x09\x04\x0a\x00\x00\x01"), OK,
		  BGP_HAS_ORIGINATOR_ID },
		{ "originator short", &ibgp, B("\x80\x09\x03\x0a\x00\x00"), WITHDRAW, 9, BAD_LENGTH,
		  0 },
		{ "originator from ebgp", &ebgp, B("\x80\x09\x03\x0a\x00\x00"), DISCARD, 9, BAD_OPT,
		  0 },
		{ "as4 aggregator", &old, B("\xc0\x12\x08\x00\x01\x00\x00\x0a\x00\x00\x01"), OK,
		  BGP_HAS_AS4_AGGREGATOR },
		{ "as4 aggregator short", &old, B("\xc0\x12\x06\x00\x01\x0a\x00\x00\x01"), DISCARD,
		  18, BAD_LENGTH, 0 },
		{ "as4 aggregator AS 0", &old, B("\xc0\x12\x08\x00\x00\x00\x00\x0a\x00\x00\x01"),
		  DISCARD, 18, BAD_OPT, 0 },
		{ "as4 aggregator on 4 octets", &ebgp,
		  B("\xc0\x12\x08\x00\x01\x00\x00\x0a\x00\x00\x01"), DISCARD, 18, BAD_OPT, 0 },
	};

	(void)state;
	rows_check(rows, ARRAY_LEN(rows));
}

static void lists(void **state)
{
	static const struct row rows[] = {
		{ "communities", &ebgp, B("\xc0\x08\x04\x00\x01\x00\x02"), OK,
		  BGP_HAS_COMMUNITIES },
		{ "communities empty", &ebgp, B("\xc0\x08\x00"), WITHDRAW, 8, BAD_LENGTH, 0 },
		{ "communities of 6", &ebgp, B("\xc0\x08\x06\x00\x01\x00\x02\x00\x01"), WITHDRAW, 8,
		  BAD_LENGTH, 0 },
		{ "cluster list", &ibgp, B("\x80\x0a\x04\x0a\x00\x00\x01"), OK,
		  BGP_HAS_CLUSTER_LIST },
		{ "cluster list empty", &ibgp, B("\x80\x0a\x00"), WITHDRAW, 10, BAD_LENGTH, 0 },
		{ "cluster list of 5", &ibgp, B("\x80\x0a\x05\x0a\x00\x00\x01\x00"), WITHDRAW, 10,
		  BAD_LENGTH, 0 },
		{ "cluster list from ebgp", &ebgp, B("\x80\x0a\x04\x0a\x00\x00\x01"), DISCARD, 10,
		  BAD_OPT, 0 },
		{ "extended communities", &ebgp, B("\xc0\x10\x08\x00\x02\x00\x01\x00\x00\x00\x01"),
		  OK, BGP_HAS_EXT_COMMUNITIES },
		{ "extended communities empty", &ebgp, B("\xc0\x10\x00"), WITHDRAW, 16, BAD_LENGTH,
		  0 },
		{ "extended communities of 4", &ebgp, B("\xc0\x10\x04\x00\x02\x00\x01"), WITHDRAW,
		  16, BAD_LENGTH, 0 },
		{ "large communities", &ebgp,
		  B("\xc0\x20\x0c\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"), OK,
		  BGP_HAS_LARGE },
		{ "large communities empty", &ebgp, B("\xc0\x20\x00"), WITHDRAW, 32, BAD_LENGTH,
		  0 },
		{ "large communities of 8", &ebgp,
		  B("\xc0\x20\x08\x00\x00\x00\x01\x00\x00\x00\x02"), WITHDRAW, 32, BAD_LENGTH, 0 },
		{ "mp reach", &ebgp, B("\x80\x0e\x05\x00\x02\x01\x00\x00"), OK, BGP_HAS_MP_REACH },
		{ "mp reach short", &ebgp, B("\x80\x0e\x04\x00\x02\x01\x00"), RESET, 14, BAD_LENGTH,
		  0 },
		{ "mp unreach", &ebgp, B("\x80\x0f\x03\x00\x02\x01"), OK, BGP_HAS_MP_UNREACH },
		{ "mp unreach short", &ebgp, B("\x80\x0f\x02\x00\x02"), RESET, 15, BAD_LENGTH, 0 },
	};

	(void)state;
	rows_check(rows, ARRAY_LEN(rows));
}

static void paths(void **state)
{
	static const struct row rows[] = {
		{ "empty", &ibgp, B("\x40\x02\x00"), OK, BGP_HAS_AS_PATH },
		{ "sequence", &ibgp, B("\x40\x02\x06\x02\x01\x00\x01\x00\x00"), OK,
		  BGP_HAS_AS_PATH },
		{ "sequence of 2 octets", &old, B("\x40\x02\x04\x02\x01\x00\x01"), OK,
		  BGP_HAS_AS_PATH },
		{ "2 octets read as 4", &ibgp, B("\x40\x02\x04\x02\x01\x00\x01"), WITHDRAW, 2,
		  BAD_PATH, 0 },
		{ "4 octets read as 2", &old, B("\x40\x02\x06\x02\x01\x00\x01\x00\x00"), WITHDRAW,
		  2, BAD_PATH, 0 },
		{ "set", &ebgp, B("\x40\x02\x06\x01\x01\x00\x01\x00\x00"), OK, BGP_HAS_AS_PATH },
		{ "segment type 0", &ebgp, B("\x40\x02\x06\x00\x01\x00\x01\x00\x00"), WITHDRAW, 2,
		  BAD_PATH, 0 },
		{ "segment type 5", &ebgp, B("\x40\x02\x06\x05\x01\x00\x01\x00\x00"), WITHDRAW, 2,
		  BAD_PATH, 0 },
		{ "segment of none", &ebgp, B("\x40\x02\x02\x02\x00"), WITHDRAW, 2, BAD_PATH, 0 },
		{ "segment runs over", &ebgp, B("\x40\x02\x06\x02\x02\x00\x01\x00\x00"), WITHDRAW,
		  2, BAD_PATH, 0 },
		{ "type alone", &ebgp, B("\x40\x02\x01\x02"), WITHDRAW, 2, BAD_PATH, 0 },
		{ "AS 0", &ebgp, B("\x40\x02\x06\x02\x01\x00\x00\x00\x00"), WITHDRAW, 2, BAD_PATH,
		  0 },
		{ "confederation on ibgp", &ibgp, B("\x40\x02\x06\x03\x01\x00\x00\x00\x01"), OK,
		  BGP_HAS_AS_PATH },
		{ "confederation on ebgp", &ebgp, B("\x40\x02\x06\x03\x01\x00\x00\x00\x01"),
		  WITHDRAW, 2, BAD_PATH, 0 },
		{ "confederation set on ebgp", &ebgp, B("\x40\x02\x06\x04\x01\x00\x00\x00\x01"),
		  WITHDRAW, 2, BAD_PATH, 0 },
		{ "as4 path", &old, B("\xc0\x11\x06\x02\x01\x00\x01\x00\x00"), OK,
		  BGP_HAS_AS4_PATH },
		{ "as4 path on 4 octets", &ebgp, B("\xc0\x11\x06\x02\x01\x00\x01\x00\x00"), DISCARD,
		  17, BAD_OPT, 0 },
		{ "as4 path empty", &old, B("\xc0\x11\x00"), DISCARD, 17, BAD_LENGTH, 0 },
		{ "as4 path odd", &old, B("\xc0\x11\x07\x02\x01\x00\x01\x00\x00\x00"), DISCARD, 17,
		  BAD_LENGTH, 0 },
		{ "as4 path malformed", &old, B("\xc0\x11\x06\x02\x02\x00\x01\x00\x00"), DISCARD,
		  17, BAD_OPT, 0 },
		{ "as4 path with confederation", &old, B("\xc0\x11\x06\x03\x01\x00\x01\x00\x00"),
		  OK, BGP_HAS_AS4_PATH },
	};

	(void)state;
	rows_check(rows, ARRAY_LEN(rows));
}

#define ORIGIN "\x40\x01\x01\x00"

static void list_of_attributes(void **state)
{
	static const struct row rows[] = {
		{ "origin optional", &ibgp, B("\xc0\x01\x01\x00"), WITHDRAW, 1, BAD_FLAGS,
		  BGP_HAS_ORIGIN },
		{ "origin not transitive", &ibgp, B("\x00\x01\x01\x00"), WITHDRAW, 1, BAD_FLAGS,
		  BGP_HAS_ORIGIN },
		{ "med transitive", &ibgp, B("\xc0\x04\x04\x00\x00\x00\x00"), WITHDRAW, 4,
		  BAD_FLAGS, BGP_HAS_MED },
		{ "communities well-known", &ibgp, B("\x40\x08\x04\x00\x00\x00\x00"), WITHDRAW, 8,
		  BAD_FLAGS, BGP_HAS_COMMUNITIES },
		{ "partial bit", &ibgp, B("\xe0\x08\x04\x00\x00\x00\x00"), OK,
		  BGP_HAS_COMMUNITIES },
		{ "unused bits", &ibgp, B("\xcf\x08\x04\x00\x00\x00\x00"), OK,
		  BGP_HAS_COMMUNITIES },
		{ "extended length", &ibgp, B("\x50\x01\x00\x01\x00"), OK, BGP_HAS_ORIGIN },
		{ "twice, the first counts", &ibgp, B("\x40\x01\x01\x00\x40\x01\x01\x03"), DISCARD,
		  1, BAD_LIST, BGP_HAS_ORIGIN },
		{ "mp reach twice", &ibgp,
		  B("\x80\x0e\x05\x00\x02\x01\x00\x00\x80\x0e\x05\x00\x02\x01\x00\x00"), RESET, 14,
		  BAD_LIST, BGP_HAS_MP_REACH },
		{ "mp unreach twice", &ibgp, B("\x80\x0f\x03\x00\x02\x01\x80\x0f\x03\x00\x02\x01"),
		  RESET, 15, BAD_LIST, BGP_HAS_MP_UNREACH },
		{ "flags alone", &ibgp, B(ORIGIN "\x40"), WITHDRAW, 0, BAD_LIST, BGP_HAS_ORIGIN },
		{ "no length", &ibgp, B(ORIGIN "\x80\x04"), WITHDRAW, 4, BAD_LIST, BGP_HAS_ORIGIN },
		{ "half a length", &ibgp, B(ORIGIN "\x90\x04\x00"), WITHDRAW, 4, BAD_LIST,
		  BGP_HAS_ORIGIN },
		{ "runs over", &ibgp, B(ORIGIN "\x80\x04\x04\x00\x00\x00"), WITHDRAW, 4, BAD_LIST,
		  BGP_HAS_ORIGIN },
		{ "mp reach runs over", &ibgp, B(ORIGIN "\x80\x0e\x06\x00\x02\x01\x00\x00"), RESET,
		  14, BAD_LIST, BGP_HAS_ORIGIN },
		{ "unknown well-known", &ibgp, B("\x40\x63\x01\x00"), RESET, 99,
		  BGP_UPDATE_UNKNOWN_WELL_KNOWN, 0 },
		{ "unknown optional", &ibgp, B("\x80\x63\x01\x00"), OK, 0 },
		{ "unknown transitive", &ibgp, B("\xc0\x63\x01\x00"), OK, 0 },
		{ "unknown twice", &ibgp, B("\xc0\x63\x01\x00\xc0\x63\x00"), DISCARD, 99, BAD_LIST,
		  0 },
		{ "code 0 well-known", &ibgp, B("\x40\x00\x00"), RESET, 0,
		  BGP_UPDATE_UNKNOWN_WELL_KNOWN, 0 },
		{ "the worst fault counts", &ibgp,
		  B("\x40\x06\x01\x00" /* discard */
		    "\x40\x01\x00"     /* withdraw */
		    "\x40\x63\x01\x00" /* reset */
		    "\x40\x05\x00"),   /* withdraw */
		  RESET, 99, BGP_UPDATE_UNKNOWN_WELL_KNOWN, 0 },
		{ "of equals the first", &ibgp, B("\x40\x01\x00\x40\x03\x00"), WITHDRAW, 1,
		  BAD_LENGTH, 0 },
	};

	(void)state;
	rows_check(rows, ARRAY_LEN(rows));
}

static void unknown_ceiling(void **state)
{
	uint8_t buf[64];
	struct wr w = wr_init(buf, sizeof(buf));
	struct bgp_attrs_draft d;
	struct bgp_fault f;

	(void)state;
	for (uint8_t i = 0; i < BGP_UNKNOWN_ATTRS_MAX; i++)
		bgp_attr_header_write(&w, 0xc0, (uint8_t)(100 + i), 0);
	f = bgp_attrs_parse(rd_init(buf, w.len), &ibgp, &d);
	CHECK("at the maximum", f.grade == BGP_GRADE_OK && d.n_unknown == BGP_UNKNOWN_ATTRS_MAX);
	for (uint8_t i = 0; i < 3; i++)
		bgp_attr_header_write(&w, 0xc0, (uint8_t)(200 + i), 0);
	f = bgp_attrs_parse(rd_init(buf, w.len), &ibgp, &d);
	CHECK("above", f.grade == BGP_GRADE_DISCARD && f.attr == 200);
	CHECK("above", d.n_unknown == BGP_UNKNOWN_ATTRS_MAX && d.n_dropped == 3);
}

static void missing(void **state)
{
	const uint32_t all = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP;
	static const struct {
		const char *name;
		uint32_t without;
		bool needs_next_hop;
		uint8_t want;
	} rows[] = {
		{ "none", 0, true, 0 },
		{ "origin", BGP_HAS_ORIGIN, true, BGP_ATTR_ORIGIN },
		{ "as path", BGP_HAS_AS_PATH, true, BGP_ATTR_AS_PATH },
		{ "next hop", BGP_HAS_NEXT_HOP, true, BGP_ATTR_NEXT_HOP },
		{ "next hop not needed", BGP_HAS_NEXT_HOP, false, 0 },
		{ "all", BGP_HAS_ORIGIN | BGP_HAS_AS_PATH, false, BGP_ATTR_ORIGIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_attrs_draft d = { .has = all & ~rows[i].without };

		CHECK(rows[i].name, bgp_attrs_missing(&d, rows[i].needs_next_hop) == rows[i].want);
	}
}

static void names(void **state)
{
	(void)state;
	CHECK_STR("known", bgp_attr_name(BGP_ATTR_AS_PATH), "AS_PATH");
	CHECK_STR("last", bgp_attr_name(BGP_ATTR_LARGE_COMMUNITIES), "LARGE_COMMUNITIES");
	CHECK_STR("gap", bgp_attr_name(11), "unknown");
	CHECK_STR("beyond", bgp_attr_name(255), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_ones),      cmocka_unit_test(lists),
		cmocka_unit_test(paths),           cmocka_unit_test(list_of_attributes),
		cmocka_unit_test(unknown_ceiling), cmocka_unit_test(missing),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
