/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an UPDATE behind one byte that says what session it came on (bit 0: 4-octet ASNs, bit
 * 1: iBGP, bit 2: no IPv4, bit 3: no IPv6). Walks every list, interns, and if the message is sound
 * encodes what came and parses that: the same attributes, the same prefixes.
 */
#include <assert.h>

#include "bgp/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIXES_MAX 64

static size_t list_walk(struct bgp_nlri list, size_t n, struct ip_prefix *ret)
{
	struct ip_prefix p;
	size_t i = 0;

	while (bgp_nlri_next(&list, &p)) {
		assert(p.len <= ip_bits(p.addr.family));
		if (i < PREFIXES_MAX)
			ret[i] = p;
		i++;
	}
	assert(i == n);
	return i < PREFIXES_MAX ? i : PREFIXES_MAX;
}

static void attrs_ask(const struct bgp_attrs *a)
{
	uint32_t first = bgp_attrs_path_first(a);

	assert(first == 0 || bgp_attrs_path_has(a, first));
	(void)bgp_attrs_has_community(a, 0xffffff01);
	(void)bgp_attrs_has_cluster(a, 1);
	assert(bgp_attrs_bytes(a) <= sizeof(*a) + BGP_ATTRS_DATA_MAX);
}

static void encode_back(struct bgp_attr_table *t, const struct bgp_wire *wire, struct bgp_attrs *a,
			const struct ip_prefix *prefixes, size_t n)
{
	static uint8_t buf[BGP_MSG_MAX_EXTENDED];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t done = bgp_update_encode(&w, wire, a, prefixes, n);
	struct bgp_update u;
	struct bgp_msg msg;
	struct bgp_err err;

	if (done == 0) /* too long for 2-octet sessions with AS4_PATH, and the like */
		return;
	assert(bgp_msg_next(buf, w.len, BGP_MSG_MAX_EXTENDED, &msg, &err) == 0 &&
	       msg.size == w.len);
	bgp_update_parse(msg.body, wire, &u);
	assert(u.fault.grade == BGP_GRADE_OK);
	assert(u.reach[0].n + u.reach[1].n == done);
	size_t list = u.reach[0].n > 0 ? 0 : 1;
	struct bgp_attrs *b = bgp_attrs_intern(t, &u.attrs, &u.reach[list].nexthop);
	/* A 4-octet session loses nothing; on others an odd AS_PATH may come back in other
	 * segments. */
	assert(b && (!wire->as4 || a == b));
	bgp_attrs_unref(t, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_prefix prefixes[PREFIXES_MAX];
	struct bgp_attr_table *t;
	struct bgp_update u;

	if (size < 1 || size > BGP_MSG_MAX_EXTENDED)
		return 0;
	struct bgp_wire wire = {
		.as4 = data[0] & 1,
		.is_internal = data[0] & 2,
		.families = (uint8_t)(~(data[0] >> 2) & (BGP_AF_IPV4 | BGP_AF_IPV6)),
		.msg_max = BGP_MSG_MAX_EXTENDED,
	};
	bgp_update_parse(rd_init(data + 1, size - 1), &wire, &u);
	assert((u.fault.grade == BGP_GRADE_OK) == !bgp_err_is(u.fault.err));
	t = bgp_attr_table_new(0);
	for (size_t i = 0; i < BGP_UPDATE_LISTS; i++) {
		(void)list_walk(u.gone[i].nlri, u.gone[i].n, prefixes);
		size_t n = list_walk(u.reach[i].nlri, u.reach[i].n, prefixes);
		assert(u.fault.grade != BGP_GRADE_RESET || n == 0);
		if (n == 0 || u.fault.grade >= BGP_GRADE_WITHDRAW)
			continue;
		struct bgp_attrs *a = bgp_attrs_intern(t, &u.attrs, &u.reach[i].nexthop);
		if (!a)
			continue;
		attrs_ask(a);
		encode_back(t, &wire, a, prefixes, n);
		bgp_attrs_unref(t, a);
	}
	bgp_attr_table_free(t);
	return 0;
}
