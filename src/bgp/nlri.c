/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/nlri.h"

#include <assert.h>
#include <errno.h>

uint8_t bgp_af_from_wire(uint16_t afi, uint8_t safi)
{
	if (safi != BGP_SAFI_UNICAST)
		return 0;
	return afi == BGP_AFI_IPV4 ? BGP_AF_IPV4 : afi == BGP_AFI_IPV6 ? BGP_AF_IPV6 : 0;
}

uint16_t bgp_af_afi(uint8_t af)
{
	assert(af == BGP_AF_IPV4 || af == BGP_AF_IPV6);
	return af == BGP_AF_IPV4 ? BGP_AFI_IPV4 : BGP_AFI_IPV6;
}

uint8_t bgp_af_ip(uint8_t af)
{
	return af == BGP_AF_IPV4 ? IP_V4 : af == BGP_AF_IPV6 ? IP_V6 : IP_NONE;
}

uint8_t bgp_af_of(const struct ip_prefix *p)
{
	return p->addr.family == IP_V4 ? BGP_AF_IPV4 : p->addr.family == IP_V6 ? BGP_AF_IPV6 : 0;
}

bool bgp_nlri_next(struct bgp_nlri *it, struct ip_prefix *ret_prefix)
{
	struct ip_addr addr = { .family = bgp_af_ip(it->af) };

	if (addr.family == IP_NONE || it->in.left == 0)
		return false;
	uint8_t bits = rd_u8(&it->in);
	if (bits > ip_bits(addr.family)) {
		rd_skip(&it->in, it->in.left + 1); /* nothing after it can be trusted */
		return false;
	}
	rd_copy(&it->in, addr.bytes, (bits + 7u) / 8);
	if (it->in.bad)
		return false;
	*ret_prefix = ip_prefix_make(&addr, bits); /* RFC 4271 4.3: trailing bits are irrelevant */
	return true;
}

int bgp_nlri_check(struct bgp_nlri list, size_t *ret_n)
{
	struct ip_prefix ignored;
	size_t n = 0;

	while (bgp_nlri_next(&list, &ignored))
		n++;
	if (list.in.bad)
		return -EBADMSG;
	*ret_n = n;
	return 0;
}

void bgp_nlri_write(struct wr *w, const struct ip_prefix *p)
{
	wr_u8(w, p->len);
	wr_bytes(w, p->addr.bytes, bgp_nlri_size(p) - 1);
}

size_t bgp_nlri_size(const struct ip_prefix *p)
{
	return 1 + (p->len + 7u) / 8;
}
