/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * UPDATE (RFC 4271 4.3, 6.3; RFC 4760; RFC 7606). Pure; a parsed update borrows from the message.
 *
 *   u = bgp_update_parse(msg.body, &wire);
 *   grade RESET:    BGP_EV_UPDATE_BAD with u.fault.err; the lists are empty
 *   grade WITHDRAW: gone[] and reach[] are both withdrawals
 *   else:           gone[] are withdrawals, then reach[] announcements with u.attrs and the list's
 *                   next hop: a = bgp_attrs_intern(table, &u.attrs, &u.reach[i].nexthop)
 *   eor:            End-of-RIB for that family; the lists are empty
 * A prefix in both gone[] and reach[] of one UPDATE counts as announced (RFC 4271 4.3).
 */
#include "bgp/attr.h"
#include "bgp/nlri.h"

#define BGP_UPDATE_LISTS 2 /* [0]: the classic fields of IPv4, [1]: MP_REACH / MP_UNREACH */

struct bgp_reach {
	struct bgp_nlri nlri;
	struct ip_addr nexthop;
	size_t n; /* prefixes */
};
struct bgp_gone {
	struct bgp_nlri nlri;
	size_t n;
};

struct bgp_update {
	struct bgp_fault fault;
	uint8_t eor;      /* BGP_AF_* whose End-of-RIB this is, or 0 (RFC 4724 2) */
	bool has_foreign; /* carried a family that is not negotiated; that part was ignored */
	struct bgp_attrs_draft attrs;
	struct bgp_gone gone[BGP_UPDATE_LISTS];
	struct bgp_reach reach[BGP_UPDATE_LISTS];
};

/* Fills *ret_update whole in every case; look at fault.grade. */
void bgp_update_parse(struct rd body, const struct bgp_wire *wire, struct bgp_update *ret_update);

/*
 * One UPDATE of at most wire->msg_max bytes that announces as many of prefixes as fit, all with set
 * a; returns how many (all of the first one's family; the call stops at another). 0: not even one
 * fits, or the next hop is not of that family; w is then as it was. w needs msg_max bytes of room.
 */
size_t bgp_update_encode(struct wr *w, const struct bgp_wire *wire, const struct bgp_attrs *a,
			 const struct ip_prefix *prefixes, size_t n);
/* The same for withdrawals; at least one always fits. */
size_t bgp_withdraw_encode(struct wr *w, const struct bgp_wire *wire,
			   const struct ip_prefix *prefixes, size_t n);
void bgp_eor_encode(struct wr *w, uint8_t family); /* one BGP_AF_* */
