/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an OPEN. What parses is encoded and parsed again: the same, but for what we never
 * send. */
#include <assert.h>
#include <string.h>

#include "bgp/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct bgp_open *a, const struct bgp_open *b)
{
	return a->hold_s == b->hold_s && a->asn == b->asn && a->id == b->id &&
	       a->families == b->families && a->has_refresh == b->has_refresh &&
	       a->has_ext_msg == b->has_ext_msg && a->has_as4 == b->has_as4 &&
	       a->has_gr == b->has_gr && a->has_fqdn == b->has_fqdn &&
	       memcmp(&a->gr, &b->gr, sizeof(a->gr)) == 0 && strcmp(a->hostname, b->hostname) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[BGP_MSG_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	struct bgp_open o, back;

	if (size > BGP_MSG_MAX || bgp_err_is(bgp_open_parse(rd_init(data, size), &o)))
		return 0;
	assert(o.hold_s == 0 || o.hold_s >= BGP_HOLD_MIN_S);
	bgp_open_encode(&w, &o);
	assert(!w.overflow);
	struct bgp_err err =
		bgp_open_parse(rd_init(buf + BGP_HEADER_BYTES, w.len - BGP_HEADER_BYTES), &back);
	assert(!bgp_err_is(err) && same(&o, &back));
	(void)bgp_open_check(&o, &back, 0);
	(void)bgp_negotiate(&o, &back);
	return 0;
}
