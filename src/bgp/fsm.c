/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of one BGP connection, RFC 4271 8.2.2, without DelayOpen and
 * DampPeerOscillations (idle hold with back-off does the latter's work).
 *
 *            START                 TCP_UP                OPEN_OK                 KEEPALIVE_MSG
 *   Idle ------------> Connect -------------> OpenSent -----------> OpenConfirm ------------->
 * Established |                  |   ^                  ^    | | |                  |   |
 * RETRY_EXPIRED    |    | TCP_LOST                                      | |         TCP_LOST |   |
 * |    |                                               | | START_           v   |      TCP_UP | | |
 *    +-----------------> Active ---------------+    | | PASSIVE            ^ | |
 *                         +-------------------------+ | Idle <----- from every state: STOP, an
 * error, hold timer, NOTIFICATION, collision lost <--------+
 *
 * Three cells differ from the RFC's text, on purpose:
 *   - Connect, TCP_LOST: Active with the retry timer running instead of Idle. Nobody has done
 * anything wrong; the RFC's Idle would only come back by the idle hold. (The older RFC 1771 says
 * Active.)
 *   - OpenSent, NOTIFICATION: closed silently. The RFC has "any other event" answer it by an FSM
 *     error, which 6.4 forbids: a NOTIFICATION is never answered.
 *   - Established, ROUTE-REFRESH restarts the hold timer, as any whole message proves the peer
 * alive.
 *
 * An outgoing connection that ends badly goes to Idle with BGP_ACT_IDLE_HOLD; an incoming one is
 * freed there (bgp/fsm.h) and its session ignores the action. A NOTIFICATION, where one is due, is
 * always written before the close; the bits are in that order.
 */
#include "bgp/fsm.h"

#include <assert.h>

#include "bgp/msg.h"

#define END (BGP_ACT_CLOSE | BGP_ACT_IDLE_HOLD)

/*
 * Cells nobody filled in are 0, BGP_STATE_NONE: an event that must not come in that state. Where a
 * connection is open, that is an FSM error (RFC 4271 6.6, RFC 6608); Connect and Active have no
 * connection to send it on and go to Idle quietly; Idle stays as it is.
 */
static const struct bgp_step fsm[BGP_STATE_N][BGP_EV_N] = {
	[BGP_STATE_IDLE] = {
		[BGP_EV_START] = { BGP_STATE_CONNECT, BGP_ACT_ARM_RETRY | BGP_ACT_DIAL },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_ACTIVE, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE, BGP_ACT_CLOSE }, /* ends the idle hold, too */
	},
	[BGP_STATE_CONNECT] = {
		[BGP_EV_START] = { BGP_STATE_CONNECT, 0 },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_CONNECT, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE, BGP_ACT_CLOSE },
		[BGP_EV_RETRY_EXPIRED] = { BGP_STATE_CONNECT,
					   BGP_ACT_CLOSE | BGP_ACT_ARM_RETRY | BGP_ACT_DIAL },
		[BGP_EV_TCP_UP] = { BGP_STATE_OPENSENT, BGP_ACT_STOP_RETRY | BGP_ACT_SEND_OPEN |
								BGP_ACT_ARM_OPEN_HOLD },
		[BGP_EV_TCP_LOST] = { BGP_STATE_ACTIVE, BGP_ACT_CLOSE | BGP_ACT_ARM_RETRY },
		[BGP_EV_COLLISION_LOST] = { BGP_STATE_IDLE, BGP_ACT_CLOSE },
	},
	[BGP_STATE_ACTIVE] = {
		[BGP_EV_START] = { BGP_STATE_ACTIVE, 0 },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_ACTIVE, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE, BGP_ACT_CLOSE },
		[BGP_EV_RETRY_EXPIRED] = { BGP_STATE_CONNECT, BGP_ACT_ARM_RETRY | BGP_ACT_DIAL },
		[BGP_EV_TCP_UP] = { BGP_STATE_OPENSENT, BGP_ACT_STOP_RETRY | BGP_ACT_SEND_OPEN |
								BGP_ACT_ARM_OPEN_HOLD },
		[BGP_EV_TCP_LOST] = { BGP_STATE_IDLE, END },
		[BGP_EV_COLLISION_LOST] = { BGP_STATE_IDLE, BGP_ACT_CLOSE },
	},
	[BGP_STATE_OPENSENT] = {
		[BGP_EV_START] = { BGP_STATE_OPENSENT, 0 },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_OPENSENT, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_CEASE | BGP_ACT_CLOSE },
		[BGP_EV_HOLD_EXPIRED] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_HOLD | END },
		[BGP_EV_TCP_LOST] = { BGP_STATE_ACTIVE, BGP_ACT_CLOSE | BGP_ACT_ARM_RETRY },
		[BGP_EV_OPEN_OK] = { BGP_STATE_OPENCONFIRM, BGP_ACT_SEND_KEEPALIVE |
								    BGP_ACT_ARM_KEEPALIVE |
								    BGP_ACT_ARM_HOLD },
		[BGP_EV_HEADER_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | END },
		[BGP_EV_OPEN_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | END },
		[BGP_EV_COLLISION_LOST] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_CEASE | BGP_ACT_CLOSE },
		[BGP_EV_NOTIFICATION] = { BGP_STATE_IDLE, END },
	},
	[BGP_STATE_OPENCONFIRM] = {
		[BGP_EV_START] = { BGP_STATE_OPENCONFIRM, 0 },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_OPENCONFIRM, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_CEASE | BGP_ACT_CLOSE },
		[BGP_EV_HOLD_EXPIRED] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_HOLD | END },
		[BGP_EV_KEEPALIVE_DUE] = { BGP_STATE_OPENCONFIRM,
					   BGP_ACT_SEND_KEEPALIVE | BGP_ACT_ARM_KEEPALIVE },
		[BGP_EV_SEND_HOLD_EXPIRED] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_SEND_HOLD | END },
		[BGP_EV_TCP_LOST] = { BGP_STATE_IDLE, END },
		[BGP_EV_HEADER_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | END },
		[BGP_EV_OPEN_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | END },
		[BGP_EV_COLLISION_LOST] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_CEASE | BGP_ACT_CLOSE },
		[BGP_EV_NOTIFICATION] = { BGP_STATE_IDLE, END },
		[BGP_EV_KEEPALIVE_MSG] = { BGP_STATE_ESTABLISHED, BGP_ACT_ARM_HOLD | BGP_ACT_UP },
	},
	[BGP_STATE_ESTABLISHED] = {
		[BGP_EV_START] = { BGP_STATE_ESTABLISHED, 0 },
		[BGP_EV_START_PASSIVE] = { BGP_STATE_ESTABLISHED, 0 },
		[BGP_EV_STOP] = { BGP_STATE_IDLE,
				  BGP_ACT_NOTIFY_CEASE | BGP_ACT_DOWN | BGP_ACT_CLOSE },
		[BGP_EV_HOLD_EXPIRED] = { BGP_STATE_IDLE,
					  BGP_ACT_NOTIFY_HOLD | BGP_ACT_DOWN | END },
		[BGP_EV_KEEPALIVE_DUE] = { BGP_STATE_ESTABLISHED,
					   BGP_ACT_SEND_KEEPALIVE | BGP_ACT_ARM_KEEPALIVE },
		[BGP_EV_SEND_HOLD_EXPIRED] = { BGP_STATE_IDLE,
					       BGP_ACT_NOTIFY_SEND_HOLD | BGP_ACT_DOWN | END },
		[BGP_EV_TCP_LOST] = { BGP_STATE_IDLE, BGP_ACT_DOWN | END },
		[BGP_EV_HEADER_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | BGP_ACT_DOWN | END },
		[BGP_EV_COLLISION_LOST] = { BGP_STATE_IDLE,
					    BGP_ACT_NOTIFY_CEASE | BGP_ACT_DOWN | BGP_ACT_CLOSE },
		[BGP_EV_NOTIFICATION] = { BGP_STATE_IDLE, BGP_ACT_DOWN | END },
		[BGP_EV_KEEPALIVE_MSG] = { BGP_STATE_ESTABLISHED, BGP_ACT_ARM_HOLD },
		[BGP_EV_UPDATE_OK] = { BGP_STATE_ESTABLISHED,
				       BGP_ACT_ARM_HOLD | BGP_ACT_TAKE_UPDATE },
		[BGP_EV_UPDATE_BAD] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_ERR | BGP_ACT_DOWN | END },
		[BGP_EV_REFRESH_MSG] = { BGP_STATE_ESTABLISHED,
					 BGP_ACT_ARM_HOLD | BGP_ACT_TAKE_REFRESH },
	},
};

/* What an unfilled cell of each state means. */
static const struct bgp_step unexpected[BGP_STATE_N] = {
	[BGP_STATE_IDLE] = { BGP_STATE_IDLE, 0 },
	[BGP_STATE_CONNECT] = { BGP_STATE_IDLE, END },
	[BGP_STATE_ACTIVE] = { BGP_STATE_IDLE, END },
	[BGP_STATE_OPENSENT] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_FSM | END },
	[BGP_STATE_OPENCONFIRM] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_FSM | END },
	[BGP_STATE_ESTABLISHED] = { BGP_STATE_IDLE, BGP_ACT_NOTIFY_FSM | BGP_ACT_DOWN | END },
};

struct bgp_step bgp_fsm_step(enum bgp_state state, enum bgp_event ev)
{
	assert(state > BGP_STATE_NONE && state < BGP_STATE_N && ev < BGP_EV_N);
	struct bgp_step step = fsm[state][ev];

	return step.next == BGP_STATE_NONE ? unexpected[state] : step;
}

uint8_t bgp_fsm_err_subcode(enum bgp_state state)
{
	switch (state) {
	case BGP_STATE_OPENSENT:
		return BGP_FSM_IN_OPENSENT;
	case BGP_STATE_OPENCONFIRM:
		return BGP_FSM_IN_OPENCONFIRM;
	case BGP_STATE_ESTABLISHED:
		return BGP_FSM_IN_ESTABLISHED;
	case BGP_STATE_NONE:
	case BGP_STATE_IDLE:
	case BGP_STATE_CONNECT:
	case BGP_STATE_ACTIVE:
	case BGP_STATE_N:
		break;
	}
	return 0;
}

const char *bgp_event_name(enum bgp_event ev)
{
	static const char *const names[BGP_EV_N] = {
		[BGP_EV_START] = "start",
		[BGP_EV_START_PASSIVE] = "start-passive",
		[BGP_EV_STOP] = "stop",
		[BGP_EV_RETRY_EXPIRED] = "retry-expired",
		[BGP_EV_HOLD_EXPIRED] = "hold-expired",
		[BGP_EV_KEEPALIVE_DUE] = "keepalive-due",
		[BGP_EV_SEND_HOLD_EXPIRED] = "send-hold-expired",
		[BGP_EV_TCP_UP] = "tcp-up",
		[BGP_EV_TCP_LOST] = "tcp-lost",
		[BGP_EV_OPEN_OK] = "open-ok",
		[BGP_EV_HEADER_BAD] = "header-bad",
		[BGP_EV_OPEN_BAD] = "open-bad",
		[BGP_EV_COLLISION_LOST] = "collision-lost",
		[BGP_EV_NOTIFICATION] = "notification",
		[BGP_EV_KEEPALIVE_MSG] = "keepalive-msg",
		[BGP_EV_UPDATE_OK] = "update-ok",
		[BGP_EV_UPDATE_BAD] = "update-bad",
		[BGP_EV_REFRESH_MSG] = "refresh-msg",
	};

	assert(ev < BGP_EV_N);
	return names[ev];
}

/* Has TCP, but no session yet. */
static bool is_opening(enum bgp_state s)
{
	return s == BGP_STATE_OPENSENT || s == BGP_STATE_OPENCONFIRM;
}

/*
 * RFC 4271 6.8, RFC 6286 2.3. An Established connection stays; the other goes. Of two that are
 * being opened, the one that the speaker with the higher router ID dialled stays; equal IDs (two
 * ASes): the higher ASN's.
 *
 * The RFC compares when both are in OpenConfirm and allows OpenSent if the ID is known; we always
 * compare there, since the OPEN on the other connection told it. Waiting for the second OPEN has a
 * race: one side sees the first connection Established just when the other closes it in favour of
 * the second, and both connections die. Two of us that dial each other at the same instant would
 * meet that often; by comparing early both sides reach the same verdict from the first OPEN on,
 * whichever it is, and no KEEPALIVE is ever sent on the losing connection.
 *
 * A dial that has not got through (Connect) loses to a connection with a good OPEN: if it got
 * through, the peer would have to compare again.
 */
enum bgp_collision bgp_collision_decide(const struct bgp_collision_view *v)
{
	bool local_wins = v->local_id != v->remote_id ? v->local_id > v->remote_id
						      : v->local_asn > v->remote_asn;

	if (v->out == BGP_STATE_ESTABLISHED)
		return v->in == BGP_STATE_IDLE ? BGP_COLLISION_NONE : BGP_COLLISION_KEEP_OUT;
	if (v->in == BGP_STATE_ESTABLISHED)
		return v->out == BGP_STATE_IDLE ? BGP_COLLISION_NONE : BGP_COLLISION_KEEP_IN;
	if (is_opening(v->out) && is_opening(v->in))
		return local_wins ? BGP_COLLISION_KEEP_OUT : BGP_COLLISION_KEEP_IN;
	if (v->got_open_in && is_opening(v->in) &&
	    (v->out == BGP_STATE_CONNECT || v->out == BGP_STATE_ACTIVE))
		return BGP_COLLISION_KEEP_IN;
	return BGP_COLLISION_NONE;
}
