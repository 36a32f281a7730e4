/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Address families and prefixes on the wire (RFC 4271 4.3, RFC 4760 5). Pure.
 */
#include "base/rd.h"
#include "base/wr.h"
#include "model/bgp.h"

#define BGP_AFI_IPV4     1
#define BGP_AFI_IPV6     2
#define BGP_SAFI_UNICAST 1

/* BGP_AF_*, or 0 for a family we do not carry. */
uint8_t bgp_af_from_wire(uint16_t afi, uint8_t safi);
uint16_t bgp_af_afi(uint8_t af); /* af: exactly one BGP_AF_* */
uint8_t bgp_af_ip(uint8_t af);   /* enum ip_family of one BGP_AF_* */
uint8_t bgp_af_of(const struct ip_prefix *p);

/* Prefixes of one family, still as bytes of the message. Copy it to walk it twice. */
struct bgp_nlri {
	struct rd in;
	uint8_t af; /* BGP_AF_*; 0: nothing here */
};

/*
 * True with the next prefix, host bits masked; false at the end. A list that bgp_nlri_check()
 * accepted is walked whole; in any other the walk stops at the first bad prefix.
 */
bool bgp_nlri_next(struct bgp_nlri *it, struct ip_prefix *ret_prefix);
/* 0, or -EBADMSG: length above the family's bits, or bytes missing. *ret_n: prefixes. */
int bgp_nlri_check(struct bgp_nlri list, size_t *ret_n);

void bgp_nlri_write(struct wr *w, const struct ip_prefix *p);
size_t bgp_nlri_size(const struct ip_prefix *p); /* bytes of it on the wire */
