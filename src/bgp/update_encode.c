/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing of UPDATE: as many prefixes as fit behind one attribute set. IPv4 goes into the classic
 * fields, IPv6 into MP_REACH and MP_UNREACH, which stand first among the attributes (RFC 7606 5.1).
 */
#include "bgp/attr_row.h"
#include "bgp/update.h"

/* A writer over the free part of w, no longer than a message of this session may be. */
static struct wr message_room(const struct wr *w, const struct bgp_wire *wire)
{
	if (w->overflow)
		return (struct wr){ .overflow = true };
	return wr_init(w->data + w->len, MIN(w->cap - w->len, (size_t)wire->msg_max));
}

/* Prefixes of family af as long as they fit below end; how many. */
static size_t prefixes_write(struct wr *m, size_t end, uint8_t af, const struct ip_prefix *prefixes,
			     size_t n)
{
	size_t i = 0;

	while (i < n && bgp_af_of(&prefixes[i]) == af &&
	       m->len + bgp_nlri_size(&prefixes[i]) <= end) {
		bgp_nlri_write(m, &prefixes[i]);
		i++;
	}
	return i;
}

/* Bytes of the attributes of a for this session, or more than any message. */
static size_t attrs_size(struct wr room, const struct bgp_attrs *a, const struct bgp_wire *wire)
{
	size_t at = room.len;

	bgp_attrs_encode(&room, a, wire, false);
	return room.overflow ? SIZE_MAX : room.len - at;
}

static size_t classic_encode(struct wr *m, const struct bgp_wire *wire, const struct bgp_attrs *a,
			     const struct ip_prefix *prefixes, size_t n)
{
	size_t done;

	wr_u16(m, 0); /* nothing withdrawn */
	size_t at = wr_len16_open(m);
	bgp_attrs_encode(m, a, wire, true);
	wr_len16_close(m, at);
	if (m->overflow)
		return 0;
	done = prefixes_write(m, m->cap, BGP_AF_IPV4, prefixes, n);
	return done;
}

static size_t mp_open(struct wr *m, uint8_t code, uint8_t af)
{
	wr_u8(m, BGP_ATTR_F_OPTIONAL | BGP_ATTR_F_EXTENDED);
	wr_u8(m, code);
	size_t at = wr_len16_open(m);
	wr_u16(m, bgp_af_afi(af));
	wr_u8(m, BGP_SAFI_UNICAST);
	return at;
}

static size_t mp_encode(struct wr *m, const struct bgp_wire *wire, const struct bgp_attrs *a,
			const struct ip_prefix *prefixes, size_t n)
{
	uint8_t af = bgp_af_of(&prefixes[0]);
	size_t hop_size = ip_size(a->nexthop.family);
	size_t after, done;

	wr_u16(m, 0); /* nothing withdrawn */
	size_t attrs_at = wr_len16_open(m);
	size_t mp_at = mp_open(m, BGP_ATTR_MP_REACH, af);
	wr_u8(m, (uint8_t)hop_size);
	wr_bytes(m, a->nexthop.bytes, hop_size);
	wr_u8(m, 0); /* reserved */
	after = attrs_size(*m, a, wire);
	if (m->overflow || after > m->cap - m->len)
		return 0;
	done = prefixes_write(m, m->cap - after, af, prefixes, n);
	wr_len16_close(m, mp_at);
	bgp_attrs_encode(m, a, wire, false);
	wr_len16_close(m, attrs_at);
	return done;
}

size_t bgp_update_encode(struct wr *w, const struct bgp_wire *wire, const struct bgp_attrs *a,
			 const struct ip_prefix *prefixes, size_t n)
{
	struct wr m = message_room(w, wire);
	uint8_t af = n > 0 ? bgp_af_of(&prefixes[0]) : 0;
	size_t at, done;

	if (!(af & wire->families) || a->nexthop.family != bgp_af_ip(af))
		return 0;
	at = bgp_msg_open(&m, BGP_MSG_UPDATE);
	done = af == BGP_AF_IPV4 ? classic_encode(&m, wire, a, prefixes, n)
				 : mp_encode(&m, wire, a, prefixes, n);
	bgp_msg_close(&m, at);
	if (done == 0 || m.overflow)
		return 0;
	w->len += m.len;
	return done;
}

size_t bgp_withdraw_encode(struct wr *w, const struct bgp_wire *wire,
			   const struct ip_prefix *prefixes, size_t n)
{
	struct wr m = message_room(w, wire);
	uint8_t af = n > 0 ? bgp_af_of(&prefixes[0]) : 0;
	size_t msg_at, at, done;

	if (!(af & wire->families))
		return 0;
	msg_at = bgp_msg_open(&m, BGP_MSG_UPDATE);
	if (af == BGP_AF_IPV4) {
		at = wr_len16_open(&m);
		/* The length of the (no) attributes comes after the prefixes. */
		done = prefixes_write(&m, m.cap - MIN(m.cap, (size_t)2), af, prefixes, n);
		wr_len16_close(&m, at);
		wr_u16(&m, 0);
	} else {
		wr_u16(&m, 0);
		at = wr_len16_open(&m);
		size_t mp_at = mp_open(&m, BGP_ATTR_MP_UNREACH, af);
		done = prefixes_write(&m, m.cap, af, prefixes, n);
		wr_len16_close(&m, mp_at);
		wr_len16_close(&m, at);
	}
	bgp_msg_close(&m, msg_at);
	if (done == 0 || m.overflow)
		return 0;
	w->len += m.len;
	return done;
}

void bgp_eor_encode(struct wr *w, uint8_t family)
{
	size_t at = bgp_msg_open(w, BGP_MSG_UPDATE);

	wr_u16(w, 0);
	size_t attrs_at = wr_len16_open(w);
	if (family != BGP_AF_IPV4) {
		wr_u8(w, BGP_ATTR_F_OPTIONAL);
		wr_u8(w, BGP_ATTR_MP_UNREACH);
		wr_u8(w, 3);
		wr_u16(w, bgp_af_afi(family));
		wr_u8(w, BGP_SAFI_UNICAST);
	}
	wr_len16_close(w, attrs_at);
	bgp_msg_close(w, at);
}
