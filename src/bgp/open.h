/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * OPEN (RFC 4271 4.2, errors 6.2) with its capabilities (RFC 5492, rows in bgp/cap.c).
 *
 * Pure. One struct for what is received and what is sent: parse(encode(x)) = x.
 * Use: parse, then check against what the peer's configuration wants; the session turns the result
 * into BGP_EV_OPEN_OK or BGP_EV_OPEN_BAD; negotiate gives the parameters of the session.
 */
#include "bgp/msg.h"

#define BGP_VERSION         4
#define BGP_AS_TRANS        23456 /* RFC 6793 */
#define BGP_HOSTNAME_MAX    64    /* bytes kept and sent of the FQDN capability */
#define BGP_HOLD_MIN_S      3     /* RFC 4271 4.2; 0 means no timers */
#define BGP_OPENSENT_HOLD_S 240

/* Graceful restart, RFC 4724 and the N bit of RFC 8538. */
struct bgp_gr {
	uint16_t time_s;    /* 12 bits */
	uint8_t families;   /* BGP_AF_* listed */
	uint8_t forwarding; /* BGP_AF_* whose forwarding state was kept */
	bool restarting;    /* R */
	bool notification;  /* N */
};

struct bgp_open {
	uint8_t version; /* encode writes BGP_VERSION */
	uint16_t hold_s; /* offered */
	uint32_t asn;    /* of the AS4 capability if there is one, else of the header */
	uint32_t id;     /* router ID, host order */
	/* capabilities */
	uint8_t families; /* BGP_AF_* of the multiprotocol capabilities we know */
	bool has_mp;      /* any multiprotocol capability, known family or not */
	bool has_refresh;
	bool has_ext_nexthop; /* RFC 8950: seen; not used */
	bool has_ext_msg;     /* RFC 8654 */
	bool has_gr;
	bool has_as4;
	bool has_fqdn;
	struct bgp_gr gr;
	char hostname[BGP_HOSTNAME_MAX + 1]; /* from outside: quote it */
	uint16_t n_unknown;                  /* capabilities skipped; not sent */
};

/* *ret_open is written only on success. Checks form only (and the hold time); see below. */
struct bgp_err bgp_open_parse(struct rd in, struct bgp_open *ret_open);
/* Overflow of w is a bug of the caller: BGP_MSG_MAX is always enough. */
void bgp_open_encode(struct wr *w, const struct bgp_open *o);

/*
 * Is this the peer we want? Version 4; ASN not 0 and, unless remote_asn is 0 (any), equal to it;
 * router ID not 0 and, within one AS, not ours (RFC 6286).
 */
struct bgp_err bgp_open_check(const struct bgp_open *theirs, const struct bgp_open *ours,
			      uint32_t remote_asn);

struct bgp_negotiated {
	struct bgp_wire wire;
	uint16_t hold_s;      /* the smaller offer; 0: no hold timer, no keepalives */
	uint16_t keepalive_s; /* a third of it, at least 1; 0 if hold_s is 0 */
	bool refresh;         /* they take ROUTE-REFRESH */
};
/*
 * families: those both sides named; a side without any multiprotocol capability means IPv4 unicast
 * only. It may come out as 0: then there is nothing to talk about (the speaker decides).
 */
struct bgp_negotiated bgp_negotiate(const struct bgp_open *ours, const struct bgp_open *theirs);
