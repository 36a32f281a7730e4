/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The BGP state machine (RFC 4271 8.2.2) as a pure table, and what happens when two connections to
 * one peer meet (6.8).
 *
 * One machine per CONNECTION, as RFC 4271 8.2.1 says. A peer holds at most two: the outgoing one,
 * which exists as long as the peer is configured and cycles through Idle, Connect and Active; and
 * an incoming one, made when a connection from the peer is accepted (BGP_EV_START_PASSIVE, then
 * BGP_EV_TCP_UP) and freed when it is back in Idle. A second incoming connection while one exists
 * is refused. What an operator sees as the peer's state is the further of the two.
 *
 *   - While a connection of the peer is Established, new incoming ones are closed without OPEN.
 *   - As soon as one of the two has a good OPEN (before BGP_EV_OPEN_OK is given to its machine),
 *     the peer asks bgp_collision_decide() and gives BGP_EV_COLLISION_LOST to the loser.
 *   - If the incoming one wins or gets Established, the outgoing machine goes to Idle and is not
 *     started again until the session is over.
 *
 * The session turns bytes and timers into events, asks the table, carries out the actions from the
 * lowest bit up and only then takes the next event. Guards are events of their own.
 */
#include "model/bgp.h"

enum bgp_event {
	BGP_EV_START, /* RFC events 1, 3: the peer is configured, or its idle hold is over */
	BGP_EV_START_PASSIVE, /* 4, 5: a connection was accepted; BGP_EV_TCP_UP follows at once */
	BGP_EV_STOP, /* 2, 8: operator, prefix limit, BFD, ...; session holds the subcode */
	BGP_EV_RETRY_EXPIRED,     /* 9 */
	BGP_EV_HOLD_EXPIRED,      /* 10 */
	BGP_EV_KEEPALIVE_DUE,     /* 11 */
	BGP_EV_SEND_HOLD_EXPIRED, /* RFC 9687: nothing could be written for long */
	BGP_EV_TCP_UP,            /* 16, 17 */
	BGP_EV_TCP_LOST,          /* 18: refused, timed out, reset, end of file */
	BGP_EV_OPEN_OK,           /* 19, after bgp_open_check() and collision */
	BGP_EV_HEADER_BAD,        /* 21 */
	BGP_EV_OPEN_BAD,          /* 22 */
	BGP_EV_COLLISION_LOST,    /* 23 */
	BGP_EV_NOTIFICATION,      /* 24, 25 */
	BGP_EV_KEEPALIVE_MSG,     /* 26 */
	BGP_EV_UPDATE_OK,         /* 27; also discard and treat-as-withdraw: the session goes on */
	BGP_EV_UPDATE_BAD,        /* 28: graded reset */
	BGP_EV_REFRESH_MSG,       /* ROUTE-REFRESH */
	BGP_EV_N
};
const char *bgp_event_name(enum bgp_event ev); /* "hold-expired" */

/* Carried out lowest bit first. */
enum bgp_act {
	BGP_ACT_NOTIFY_HOLD = 1u << 0,      /* NOTIFICATION hold timer expired */
	BGP_ACT_NOTIFY_SEND_HOLD = 1u << 1, /* only if the socket takes it */
	BGP_ACT_NOTIFY_FSM = 1u << 2,       /* subcode: bgp_fsm_err_subcode(state before) */
	BGP_ACT_NOTIFY_CEASE = 1u << 3,     /* subcode: what the session was stopped for */
	BGP_ACT_NOTIFY_ERR = 1u << 4,       /* the parser's struct bgp_err */
	BGP_ACT_DOWN = 1u << 5,             /* leaves Established: routes of the peer go */
	BGP_ACT_CLOSE = 1u << 6,     /* all timers off, connection closed (if there is one) */
	BGP_ACT_IDLE_HOLD = 1u << 7, /* wait, longer after each failure, then BGP_EV_START */
	BGP_ACT_ARM_RETRY = 1u << 8, /* connect-retry timer, with back-off */
	BGP_ACT_STOP_RETRY = 1u << 9,
	BGP_ACT_DIAL = 1u << 10,
	BGP_ACT_SEND_OPEN = 1u << 11,
	BGP_ACT_ARM_OPEN_HOLD = 1u << 12, /* hold timer at BGP_OPENSENT_HOLD_S */
	BGP_ACT_SEND_KEEPALIVE = 1u << 13,
	BGP_ACT_ARM_KEEPALIVE = 1u << 14, /* negotiated; nothing if that is 0 */
	BGP_ACT_ARM_HOLD = 1u << 15,      /* likewise */
	BGP_ACT_UP = 1u << 16,            /* Established: send the table, then End-of-RIB */
	BGP_ACT_TAKE_UPDATE = 1u << 17,
	BGP_ACT_TAKE_REFRESH = 1u << 18, /* send the family's table again */
};

struct bgp_step {
	enum bgp_state next;
	unsigned act;
};

/* Pure. state and ev in range, state not BGP_STATE_NONE. */
struct bgp_step bgp_fsm_step(enum bgp_state state, enum bgp_event ev);
/* RFC 6608: which state the unexpected message came in; 0 for the states without a subcode. */
uint8_t bgp_fsm_err_subcode(enum bgp_state state);

enum bgp_collision {
	BGP_COLLISION_NONE,     /* both may go on */
	BGP_COLLISION_KEEP_OUT, /* the incoming one loses */
	BGP_COLLISION_KEEP_IN,  /* the outgoing one loses */
};
/*
 * One of the two connections just got a good OPEN (remote_id and remote_asn are from it). States as
 * they are before that OPEN is given to its machine; BGP_STATE_IDLE if there is no connection.
 * got_open_in: the OPEN came on the incoming connection.
 */
struct bgp_collision_view {
	uint32_t local_id, remote_id;
	uint32_t local_asn, remote_asn;
	enum bgp_state out, in;
	bool got_open_in;
};
enum bgp_collision bgp_collision_decide(const struct bgp_collision_view *v);
