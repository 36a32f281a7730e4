/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the agent and the speaker's process say to each other, as bytes. Pure.
 *
 * A packet (one SOCK_SEQPACKET message) is a sequence of records: u16 length, u8 type, body. Both
 * ends are the same program file, so there is no version negotiation: BGP_IPC_HELLO carries a
 * number and a mismatch (the file was replaced under a running agent) ends the child, which the
 * agent then starts anew from its own image.
 */
#include "base/rd.h"
#include "base/wr.h"
#include "model/bgp.h"

#define BGP_IPC_VERSION    1
#define BGP_IPC_PACKET_MAX ((size_t)32 << 10) /* bytes; below any default socket buffer */
#define BGP_IPC_TEXT_MAX   128

enum bgp_ipc_type {
	BGP_IPC_NONE,
	/* agent -> speaker */
	BGP_IPC_HELLO,    /* version, conf: first, once */
	BGP_IPC_LISTEN,   /* a descriptor rides with the packet, which holds this record only */
	BGP_IPC_PEER_SET, /* tag, peer */
	BGP_IPC_PEER_DEL, /* tag, addr */
	BGP_IPC_ANNOUNCE, /* tag, prefix, announce */
	BGP_IPC_WITHDRAW, /* tag, prefix */
	BGP_IPC_REPORT,   /* tag; answered with a PEER for each peer, then a RESULT */
	/* speaker -> agent */
	BGP_IPC_RESULT, /* tag, err, text */
	BGP_IPC_BEST,
	BGP_IPC_BEST_GONE, /* prefix */
	BGP_IPC_PEER,
	BGP_IPC_TYPE_N
};

struct bgp_ipc_msg {
	enum bgp_ipc_type type;
	uint32_t tag;
	int32_t err;
	char text[BGP_IPC_TEXT_MAX];
	struct bgp_speaker_conf conf;
	struct bgp_peer_conf peer;
	struct ip_addr addr;
	struct ip_prefix prefix;
	struct bgp_announce announce;
	struct bgp_best best;
	struct bgp_peer_status status;
};

/* Appends one record; on overflow w is unusable (its caller starts a new packet). */
void bgp_ipc_encode(struct wr *w, const struct bgp_ipc_msg *m);
/* The next record: 1 read, 0 at the end, -EBADMSG. *ret is written only for 1. */
int bgp_ipc_decode(struct rd *r, struct bgp_ipc_msg *ret);
