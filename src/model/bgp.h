/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * BGP as the agent and the speaker's process tell it to each other: what is wanted (speaker, peers,
 * announcements) and what is known (best routes, peer state). Key and value structs have no padding
 * (asserted in bgp.c) and are zeroed before use.
 */
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"

#define BGP_PORT               179
#define BGP_HOLD_S_DEFAULT     90
#define BGP_PREFIX_MAX_DEFAULT 100000 /* prefixes accepted of one peer */
#define BGP_PEERS_MAX          ((size_t)10000)
#define BGP_ANNOUNCEMENTS_MAX  ((size_t)100000) /* of this node; each VIP is one */

enum bgp_state {
	BGP_STATE_NONE, /* never stored; what an unfilled cell of the state table holds */
	BGP_STATE_IDLE,
	BGP_STATE_CONNECT,
	BGP_STATE_ACTIVE,
	BGP_STATE_OPENSENT,
	BGP_STATE_OPENCONFIRM,
	BGP_STATE_ESTABLISHED,
	BGP_STATE_N
};
/* Lower case, as in metrics and output: "established". */
const char *bgp_state_name(enum bgp_state s);

/* Set once, before peers. Changing asn or router_id resets all sessions. */
struct bgp_speaker_conf {
	uint32_t asn;
	uint32_t router_id; /* host order */
	uint16_t port;      /* of the listeners the agent hands in; 0 means BGP_PORT */
	uint16_t unused;    /* 0 */
};

enum bgp_peer_role {
	BGP_PEER_NODE,     /* another node of the cluster */
	BGP_PEER_EXTERNAL, /* configured by flag or annotation */
};

#define BGP_AF_IPV4 1u /* IPv4 unicast */
#define BGP_AF_IPV6 2u /* IPv6 unicast */

/* A wanted peer. Key of its table: struct ip_addr (the remote address). */
struct bgp_peer_conf {
	struct ip_addr addr;       /* remote */
	struct ip_addr local_addr; /* source of our connections, required destination of theirs */
	uint8_t role;              /* enum bgp_peer_role */
	uint8_t families;          /* BGP_AF_* */
	uint16_t port;             /* remote port; 0 means BGP_PORT */
	uint16_t hold_s;           /* offered hold time; 0 means BGP_HOLD_S_DEFAULT */
	uint32_t remote_asn;       /* 0: any (node peers) */
	uint32_t prefix_max;       /* 0 means BGP_PREFIX_MAX_DEFAULT */
};

enum bgp_announce_kind {
	BGP_ANNOUNCE_POD_CIDR,
	BGP_ANNOUNCE_VIP,
};

/* A wanted announcement. Key of its table: struct ip_prefix. */
struct bgp_announce {
	struct ip_addr nexthop;
	uint8_t kind;        /* enum bgp_announce_kind */
	uint8_t to_nodes;    /* 1: to node peers */
	uint8_t to_external; /* 1: to external peers */
};

/* Best route of a prefix, learned from a peer. */
struct bgp_best {
	struct ip_prefix prefix;
	struct ip_addr nexthop;
	struct ip_addr peer;
	uint8_t peer_role;
	uint8_t stale; /* 1: kept over a restart of the peer */
};

#define BGP_REASON_MAX 64

struct bgp_peer_status {
	struct ip_addr addr;
	struct ip_addr local_addr;
	uint8_t role;
	uint8_t state;       /* enum bgp_state */
	uint8_t is_internal; /* remote ASN equals ours (known once an OPEN came) */
	uint8_t got_eor;     /* End-of-RIB received for all families of this session */
	uint16_t remote_port, local_port;
	uint16_t hold_s;     /* negotiated; 0 before */
	uint16_t n_flaps;    /* times the session left established */
	uint32_t conf_asn;   /* configured; 0: any */
	uint32_t remote_asn; /* of the OPEN; 0 before */
	uint32_t remote_id;  /* router ID, host order; 0 before */
	uint32_t n_received; /* prefixes in its Adj-RIB-In */
	uint32_t n_sent;     /* prefixes announced to it */
	uint64_t msgs_in, msgs_out, updates_in, updates_out;
	uint64_t treat_as_withdraw;  /* RFC 7606 */
	int64_t since_us;            /* microseconds in this state, at the time of the report */
	char reason[BGP_REASON_MAX]; /* why the last session ended, "" if none did */
};

void bgp_peer_conf_fmt(struct strbuf *out, const struct bgp_peer_conf *c);
void bgp_announce_fmt(struct strbuf *out, const struct bgp_announce *a);
/* Dotted quad of a router ID. */
const char *bgp_id_fmt(char buf[IP_ADDR_FMT_MAX], uint32_t id);
