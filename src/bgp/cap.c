/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/cap.h"

#include <errno.h>
#include <string.h>

#include "bgp/nlri.h"

#define GR_RESTARTING   0x8000 /* RFC 4724 3 */
#define GR_NOTIFICATION 0x4000 /* RFC 8538 2 */
#define GR_TIME_MASK    0x0fff
#define GR_FORWARDING   0x80

/*
 * parse gets the value alone, its minimum length checked; a value that comes out bad makes the OPEN
 * malformed. What comes twice: families add up, otherwise the last one counts (RFC 5492 4 leaves it
 * open for equal ones, and different ones are the peer's muddle).
 */
struct cap {
	uint8_t code;
	uint8_t min_len;
	bool is_exact; /* min_len is the only length */
	void (*parse)(struct rd *in, struct bgp_open *o);
	bool (*wanted)(const struct bgp_open *o); /* NULL: never sent */
	void (*encode)(struct wr *w, const struct bgp_open *o);
};

static void mp_parse(struct rd *in, struct bgp_open *o)
{
	uint16_t afi = rd_u16(in);

	rd_skip(in, 1); /* reserved */
	uint8_t safi = rd_u8(in);
	o->has_mp = true;
	o->families |= bgp_af_from_wire(afi, safi);
}

static void mp_encode(struct wr *w, uint8_t af)
{
	wr_u16(w, bgp_af_afi(af));
	wr_u8(w, 0);
	wr_u8(w, BGP_SAFI_UNICAST);
}

static bool mp4_wanted(const struct bgp_open *o)
{
	return o->families & BGP_AF_IPV4;
}

static void mp4_encode(struct wr *w, const struct bgp_open *o)
{
	(void)o;
	mp_encode(w, BGP_AF_IPV4);
}

static bool mp6_wanted(const struct bgp_open *o)
{
	return o->families & BGP_AF_IPV6;
}

static void mp6_encode(struct wr *w, const struct bgp_open *o)
{
	(void)o;
	mp_encode(w, BGP_AF_IPV6);
}

static void refresh_parse(struct rd *in, struct bgp_open *o)
{
	(void)in;
	o->has_refresh = true;
}

static bool refresh_wanted(const struct bgp_open *o)
{
	return o->has_refresh;
}

static void ext_nexthop_parse(struct rd *in, struct bgp_open *o)
{
	while (in->left > 0)
		rd_skip(in, 6); /* AFI, SAFI (2 octets here), next hop AFI */
	o->has_ext_nexthop = true;
}

static void ext_msg_parse(struct rd *in, struct bgp_open *o)
{
	(void)in;
	o->has_ext_msg = true;
}

static bool ext_msg_wanted(const struct bgp_open *o)
{
	return o->has_ext_msg;
}

static void gr_parse(struct rd *in, struct bgp_open *o)
{
	struct bgp_gr gr = { 0 };
	uint16_t head = rd_u16(in);

	gr.restarting = head & GR_RESTARTING;
	gr.notification = head & GR_NOTIFICATION;
	gr.time_s = head & GR_TIME_MASK;
	while (in->left > 0) {
		uint16_t afi = rd_u16(in);
		uint8_t safi = rd_u8(in);
		uint8_t flags = rd_u8(in);
		uint8_t af = in->bad ? 0 : bgp_af_from_wire(afi, safi);

		gr.families |= af;
		if (flags & GR_FORWARDING)
			gr.forwarding |= af;
	}
	o->has_gr = true;
	o->gr = gr;
}

static bool gr_wanted(const struct bgp_open *o)
{
	return o->has_gr;
}

static void gr_encode(struct wr *w, const struct bgp_open *o)
{
	static const uint8_t families[] = { BGP_AF_IPV4, BGP_AF_IPV6 };
	unsigned head = o->gr.time_s & GR_TIME_MASK;

	if (o->gr.restarting)
		head |= GR_RESTARTING;
	if (o->gr.notification)
		head |= GR_NOTIFICATION;
	wr_u16(w, (uint16_t)head);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (!(o->gr.families & families[i]))
			continue;
		wr_u16(w, bgp_af_afi(families[i]));
		wr_u8(w, BGP_SAFI_UNICAST);
		wr_u8(w, o->gr.forwarding & families[i] ? GR_FORWARDING : 0);
	}
}

static void as4_parse(struct rd *in, struct bgp_open *o)
{
	o->asn = rd_u32(in);
	o->has_as4 = true;
}

static bool as4_wanted(const struct bgp_open *o)
{
	return o->has_as4;
}

static void as4_encode(struct wr *w, const struct bgp_open *o)
{
	wr_u32(w, o->asn);
}

/* draft-walton-bgp-hostname-capability: host and domain, each a length octet and text. */
static void fqdn_parse(struct rd *in, struct bgp_open *o)
{
	struct rd host = rd_sub(in, rd_u8(in));
	size_t len = MIN(host.left, (size_t)BGP_HOSTNAME_MAX);

	rd_skip(in, rd_u8(in)); /* domain */
	memset(o->hostname, 0, sizeof(o->hostname));
	rd_copy(&host, o->hostname, len);
	/* A name from outside: cut at the first zero, nothing behind it. */
	len = strnlen(o->hostname, len);
	memset(o->hostname + len, 0, sizeof(o->hostname) - len);
	o->has_fqdn = true;
}

static bool fqdn_wanted(const struct bgp_open *o)
{
	return o->has_fqdn;
}

static void fqdn_encode(struct wr *w, const struct bgp_open *o)
{
	size_t len = strnlen(o->hostname, BGP_HOSTNAME_MAX);

	wr_u8(w, (uint8_t)len);
	wr_bytes(w, o->hostname, len);
	wr_u8(w, 0); /* no domain */
}

/* In the order of sending. Two rows of one code: the first one parses. */
static const struct cap caps[] = {
	{ 2, 0, true, refresh_parse, refresh_wanted, NULL }, /* RFC 2918 */
	{ 73, 2, false, fqdn_parse, fqdn_wanted, fqdn_encode },
	{ 6, 0, true, ext_msg_parse, ext_msg_wanted, NULL }, /* RFC 8654 */
	{ 1, 4, true, mp_parse, mp4_wanted, mp4_encode },    /* RFC 4760 8 */
	{ 1, 4, true, mp_parse, mp6_wanted, mp6_encode },
	{ 65, 4, true, as4_parse, as4_wanted, as4_encode }, /* RFC 6793 3 */
	{ 64, 2, false, gr_parse, gr_wanted, gr_encode },   /* RFC 4724 3 */
	{ 5, 0, false, ext_nexthop_parse, NULL, NULL },     /* RFC 8950 4 */
};

static const struct cap *cap_find(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(caps); i++)
		if (caps[i].code == code)
			return &caps[i];
	return NULL;
}

int bgp_caps_parse(struct rd in, struct bgp_open *o)
{
	while (in.left > 0) {
		uint8_t code = rd_u8(&in);
		uint8_t len = rd_u8(&in);
		struct rd value = rd_sub(&in, len);
		const struct cap *cap = cap_find(code);

		if (in.bad)
			return -EBADMSG;
		if (!cap) {
			o->n_unknown++;
			continue;
		}
		if (len < cap->min_len || (cap->is_exact && len != cap->min_len))
			return -EBADMSG;
		cap->parse(&value, o);
		if (!cap->is_exact && value.bad)
			return -EBADMSG;
	}
	return in.bad ? -EBADMSG : 0;
}

void bgp_caps_encode(struct wr *w, const struct bgp_open *o)
{
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		if (!caps[i].wanted || !caps[i].wanted(o))
			continue;
		wr_u8(w, caps[i].code);
		size_t at = wr_len8_open(w);

		if (caps[i].encode)
			caps[i].encode(w, o);
		wr_len8_close(w, at);
	}
}
