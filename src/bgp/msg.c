/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/msg.h"

#include <errno.h>
#include <string.h>

#include "bgp/nlri.h"

#define MARKER_BYTES 16

/* RFC 4271 4.1 to 4.5, RFC 2918, RFC 8654 4: bytes of a whole message, by type. */
static const struct {
	size_t min, max;
} frame_limits[] = {
	[BGP_MSG_OPEN] = { 29, BGP_MSG_MAX },
	[BGP_MSG_UPDATE] = { 23, BGP_MSG_MAX_EXTENDED },
	[BGP_MSG_NOTIFICATION] = { 21, BGP_MSG_MAX_EXTENDED },
	[BGP_MSG_KEEPALIVE] = { BGP_HEADER_BYTES, BGP_HEADER_BYTES },
	/* Longer ones carry an ORF (RFC 5291), whose capability we never announce. */
	[BGP_MSG_REFRESH] = { 23, 23 },
};

static struct bgp_err err_with_data(uint8_t code, uint8_t subcode, const uint8_t *data,
				    uint16_t len)
{
	return (struct bgp_err){ .code = code, .subcode = subcode, .data_len = len, .data = data };
}

static bool marker_is_good(const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < MIN(len, (size_t)MARKER_BYTES); i++)
		if (buf[i] != 0xff)
			return false;
	return true;
}

int bgp_msg_next(const uint8_t *buf, size_t len, size_t max, struct bgp_msg *ret_msg,
		 struct bgp_err *ret_err)
{
	struct rd in = rd_init(buf, len);

	if (!marker_is_good(buf, len)) {
		*ret_err = BGP_ERR(BGP_HEADER_ERROR, BGP_HEADER_NOT_SYNCED);
		return -EBADMSG;
	}
	rd_skip(&in, MARKER_BYTES);
	size_t size = rd_u16(&in);
	uint8_t type = rd_u8(&in);
	if (in.bad)
		return -EAGAIN;

	/* Length before type, as RFC 4271 6.1 has them; each error carries the field it is about.
	 */
	if (size < BGP_HEADER_BYTES || size > max) {
		*ret_err = err_with_data(BGP_HEADER_ERROR, BGP_HEADER_BAD_LENGTH,
					 buf + MARKER_BYTES, 2);
		return -EBADMSG;
	}
	if (type < BGP_MSG_OPEN || type >= ARRAY_LEN(frame_limits)) {
		*ret_err = err_with_data(BGP_HEADER_ERROR, BGP_HEADER_BAD_TYPE,
					 buf + MARKER_BYTES + 2, 1);
		return -EBADMSG;
	}
	if (size < frame_limits[type].min || size > frame_limits[type].max) {
		*ret_err = err_with_data(BGP_HEADER_ERROR, BGP_HEADER_BAD_LENGTH,
					 buf + MARKER_BYTES, 2);
		return -EBADMSG;
	}
	if (len < size)
		return -EAGAIN;

	*ret_msg = (struct bgp_msg){
		.type = type,
		.body = rd_sub(&in, size - BGP_HEADER_BYTES),
		.size = size,
	};
	return 0;
}

size_t bgp_msg_open(struct wr *w, enum bgp_msg_type type)
{
	static const uint8_t marker[MARKER_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
						      0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
						      0xff, 0xff, 0xff, 0xff };
	size_t at = w->len;

	wr_bytes(w, marker, sizeof(marker));
	wr_u16(w, 0);
	wr_u8(w, (uint8_t)type);
	return at;
}

void bgp_msg_close(struct wr *w, size_t at)
{
	size_t size = w->len - at;

	if (size > BGP_MSG_MAX_EXTENDED)
		w->overflow = true;
	if (!w->overflow)
		wr_u16_at(w, at + MARKER_BYTES, (uint16_t)size);
}

void bgp_keepalive_encode(struct wr *w)
{
	bgp_msg_close(w, bgp_msg_open(w, BGP_MSG_KEEPALIVE));
}

struct bgp_refresh bgp_refresh_parse(struct rd body)
{
	uint16_t afi = rd_u16(&body);
	uint8_t subtype = rd_u8(&body);
	uint8_t safi = rd_u8(&body);

	return (struct bgp_refresh){ .family = bgp_af_from_wire(afi, safi), .subtype = subtype };
}

void bgp_refresh_encode(struct wr *w, uint8_t family)
{
	size_t at = bgp_msg_open(w, BGP_MSG_REFRESH);

	wr_u16(w, bgp_af_afi(family));
	wr_u8(w, 0);
	wr_u8(w, BGP_SAFI_UNICAST);
	bgp_msg_close(w, at);
}
