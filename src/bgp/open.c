/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/open.h"

#include "bgp/cap.h"

#define OPT_CAPABILITIES 2
#define OPT_EXTENDED     255 /* RFC 9072 2 */

/*
 * The optional parameters. RFC 9072: a parameter type of 255 in first place means that a 2-octet
 * length follows, and that each parameter has one, too; the first length octet then says nothing
 * (but is not 0).
 */
static struct rd options_open(struct rd *in, bool *ret_extended)
{
	uint8_t len = rd_u8(in);

	*ret_extended = len != 0 && in->left > 0 && in->pos[0] == OPT_EXTENDED;
	if (!*ret_extended)
		return rd_sub(in, len);
	rd_skip(in, 1);
	uint16_t extended_len = rd_u16(in);
	return rd_sub(in, extended_len);
}

static struct bgp_err options_parse(struct rd opts, bool extended, struct bgp_open *o)
{
	while (opts.left > 0) {
		uint8_t type = rd_u8(&opts);
		size_t len = extended ? rd_u16(&opts) : rd_u8(&opts);
		struct rd body = rd_sub(&opts, len);

		if (opts.bad)
			return BGP_ERR(BGP_OPEN_ERROR, 0);
		if (type != OPT_CAPABILITIES)
			return BGP_ERR(BGP_OPEN_ERROR, BGP_OPEN_BAD_OPTION);
		if (bgp_caps_parse(body, o) < 0)
			return BGP_ERR(BGP_OPEN_ERROR, 0);
	}
	return BGP_OK;
}

static struct bgp_err err_version(void)
{
	static const uint8_t supported[2] = { 0, BGP_VERSION }; /* RFC 4271 6.2 */

	return (struct bgp_err){
		.code = BGP_OPEN_ERROR,
		.subcode = BGP_OPEN_BAD_VERSION,
		.data_len = sizeof(supported),
		.data = supported,
	};
}

struct bgp_err bgp_open_parse(struct rd in, struct bgp_open *ret_open)
{
	struct bgp_open o = { 0 };
	struct bgp_err err;
	bool extended;

	o.version = rd_u8(&in);
	/* Before anything else: another version may have another layout. */
	if (!in.bad && o.version != BGP_VERSION)
		return err_version();
	o.asn = rd_u16(&in);
	o.hold_s = rd_u16(&in);
	o.id = rd_u32(&in);
	struct rd opts = options_open(&in, &extended);
	if (!rd_done(&in))
		return BGP_ERR(BGP_OPEN_ERROR, 0);
	if (o.hold_s > 0 && o.hold_s < BGP_HOLD_MIN_S)
		return BGP_ERR(BGP_OPEN_ERROR, BGP_OPEN_BAD_HOLD);

	err = options_parse(opts, extended, &o);
	if (bgp_err_is(err))
		return err;
	*ret_open = o;
	return BGP_OK;
}

void bgp_open_encode(struct wr *w, const struct bgp_open *o)
{
	size_t at = bgp_msg_open(w, BGP_MSG_OPEN);

	wr_u8(w, BGP_VERSION);
	wr_u16(w, o->asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)o->asn);
	wr_u16(w, o->hold_s);
	wr_u32(w, o->id);
	size_t opts_at = wr_len8_open(w);
	/* All in one parameter (RFC 5492 4); the longest set we send is far below 255 bytes. */
	wr_u8(w, OPT_CAPABILITIES);
	size_t caps_at = wr_len8_open(w);
	bgp_caps_encode(w, o);
	wr_len8_close(w, caps_at);
	wr_len8_close(w, opts_at);
	bgp_msg_close(w, at);
}

struct bgp_err bgp_open_check(const struct bgp_open *theirs, const struct bgp_open *ours,
			      uint32_t remote_asn)
{
	if (theirs->version != BGP_VERSION)
		return err_version();
	/* AS 0 is nobody's (RFC 7607). */
	if (theirs->asn == 0 || (remote_asn != 0 && theirs->asn != remote_asn))
		return BGP_ERR(BGP_OPEN_ERROR, BGP_OPEN_BAD_AS);
	if (theirs->id == 0 || (theirs->asn == ours->asn && theirs->id == ours->id))
		return BGP_ERR(BGP_OPEN_ERROR, BGP_OPEN_BAD_ID);
	return BGP_OK;
}

static uint8_t families_of(const struct bgp_open *o)
{
	return o->has_mp ? o->families : BGP_AF_IPV4;
}

struct bgp_negotiated bgp_negotiate(const struct bgp_open *ours, const struct bgp_open *theirs)
{
	struct bgp_negotiated n = { 0 };

	n.wire.as4 = ours->has_as4 && theirs->has_as4;
	n.wire.is_internal = ours->asn == theirs->asn;
	n.wire.families = families_of(ours) & families_of(theirs);
	/* RFC 8654 4: we may send long ones if they announced to take them. */
	n.wire.msg_max = theirs->has_ext_msg ? BGP_MSG_MAX_EXTENDED : BGP_MSG_MAX;
	n.hold_s = ours->hold_s < theirs->hold_s ? ours->hold_s : theirs->hold_s;
	n.keepalive_s = n.hold_s / 3;
	n.refresh = theirs->has_refresh;
	return n;
}
