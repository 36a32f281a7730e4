/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "base/str.h"
#include "bgp/fsm.h"
#include "bgp/msg.h"

/* Short names of the actions, in the order of their bits. */
static const char *const acts[] = {
	"!hold",        "!sendhold", "!fsm",      "!cease", "!err",    "down",     "close",
	"idlehold",     "retry",     "stopretry", "dial",   "open",    "openhold", "keepalive",
	"armkeepalive", "armhold",   "up",        "update", "refresh",
};

static const char *step_text(struct strbuf *out, struct bgp_step step)
{
	strbuf_puts(out, bgp_state_name(step.next));
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (step.act & 1u << i)
			strbuf_fmt(out, " %s", acts[i]);
	if (step.act >> ARRAY_LEN(acts))
		strbuf_puts(out, " ?");
	return strbuf_text(out);
}

#define STAY_IDLE   "idle"
#define QUIET       "idle close idlehold"
#define FSM_ERROR   "idle !fsm close idlehold"
#define FSM_ERROR_E "idle !fsm down close idlehold"

/* Every cell, written from RFC 4271 8.2.2 and the deviations that fsm.c names. */
static const char *const want[BGP_STATE_N][BGP_EV_N] = {
	[BGP_STATE_IDLE] = {
		[BGP_EV_START] = "connect retry dial",
		[BGP_EV_START_PASSIVE] = "active",
		[BGP_EV_STOP] = "idle close",
		[BGP_EV_RETRY_EXPIRED] = STAY_IDLE,
		[BGP_EV_HOLD_EXPIRED] = STAY_IDLE,
		[BGP_EV_KEEPALIVE_DUE] = STAY_IDLE,
		[BGP_EV_SEND_HOLD_EXPIRED] = STAY_IDLE,
		[BGP_EV_TCP_UP] = STAY_IDLE,
		[BGP_EV_TCP_LOST] = STAY_IDLE,
		[BGP_EV_OPEN_OK] = STAY_IDLE,
		[BGP_EV_HEADER_BAD] = STAY_IDLE,
		[BGP_EV_OPEN_BAD] = STAY_IDLE,
		[BGP_EV_COLLISION_LOST] = STAY_IDLE,
		[BGP_EV_NOTIFICATION] = STAY_IDLE,
		[BGP_EV_KEEPALIVE_MSG] = STAY_IDLE,
		[BGP_EV_UPDATE_OK] = STAY_IDLE,
		[BGP_EV_UPDATE_BAD] = STAY_IDLE,
		[BGP_EV_REFRESH_MSG] = STAY_IDLE,
	},
	[BGP_STATE_CONNECT] = {
		[BGP_EV_START] = "connect",
		[BGP_EV_START_PASSIVE] = "connect",
		[BGP_EV_STOP] = "idle close",
		[BGP_EV_RETRY_EXPIRED] = "connect close retry dial",
		[BGP_EV_HOLD_EXPIRED] = QUIET,
		[BGP_EV_KEEPALIVE_DUE] = QUIET,
		[BGP_EV_SEND_HOLD_EXPIRED] = QUIET,
		[BGP_EV_TCP_UP] = "opensent stopretry open openhold",
		[BGP_EV_TCP_LOST] = "active close retry",
		[BGP_EV_OPEN_OK] = QUIET,
		[BGP_EV_HEADER_BAD] = QUIET,
		[BGP_EV_OPEN_BAD] = QUIET,
		[BGP_EV_COLLISION_LOST] = "idle close",
		[BGP_EV_NOTIFICATION] = QUIET,
		[BGP_EV_KEEPALIVE_MSG] = QUIET,
		[BGP_EV_UPDATE_OK] = QUIET,
		[BGP_EV_UPDATE_BAD] = QUIET,
		[BGP_EV_REFRESH_MSG] = QUIET,
	},
	[BGP_STATE_ACTIVE] = {
		[BGP_EV_START] = "active",
		[BGP_EV_START_PASSIVE] = "active",
		[BGP_EV_STOP] = "idle close",
		[BGP_EV_RETRY_EXPIRED] = "connect retry dial",
		[BGP_EV_HOLD_EXPIRED] = QUIET,
		[BGP_EV_KEEPALIVE_DUE] = QUIET,
		[BGP_EV_SEND_HOLD_EXPIRED] = QUIET,
		[BGP_EV_TCP_UP] = "opensent stopretry open openhold",
		[BGP_EV_TCP_LOST] = QUIET,
		[BGP_EV_OPEN_OK] = QUIET,
		[BGP_EV_HEADER_BAD] = QUIET,
		[BGP_EV_OPEN_BAD] = QUIET,
		[BGP_EV_COLLISION_LOST] = "idle close",
		[BGP_EV_NOTIFICATION] = QUIET,
		[BGP_EV_KEEPALIVE_MSG] = QUIET,
		[BGP_EV_UPDATE_OK] = QUIET,
		[BGP_EV_UPDATE_BAD] = QUIET,
		[BGP_EV_REFRESH_MSG] = QUIET,
	},
	[BGP_STATE_OPENSENT] = {
		[BGP_EV_START] = "opensent",
		[BGP_EV_START_PASSIVE] = "opensent",
		[BGP_EV_STOP] = "idle !cease close",
		[BGP_EV_RETRY_EXPIRED] = FSM_ERROR,
		[BGP_EV_HOLD_EXPIRED] = "idle !hold close idlehold",
		[BGP_EV_KEEPALIVE_DUE] = FSM_ERROR,
		[BGP_EV_SEND_HOLD_EXPIRED] = FSM_ERROR,
		[BGP_EV_TCP_UP] = FSM_ERROR,
		[BGP_EV_TCP_LOST] = "active close retry",
		[BGP_EV_OPEN_OK] = "openconfirm keepalive armkeepalive armhold",
		[BGP_EV_HEADER_BAD] = "idle !err close idlehold",
		[BGP_EV_OPEN_BAD] = "idle !err close idlehold",
		[BGP_EV_COLLISION_LOST] = "idle !cease close",
		[BGP_EV_NOTIFICATION] = QUIET,
		[BGP_EV_KEEPALIVE_MSG] = FSM_ERROR,
		[BGP_EV_UPDATE_OK] = FSM_ERROR,
		[BGP_EV_UPDATE_BAD] = FSM_ERROR,
		[BGP_EV_REFRESH_MSG] = FSM_ERROR,
	},
	[BGP_STATE_OPENCONFIRM] = {
		[BGP_EV_START] = "openconfirm",
		[BGP_EV_START_PASSIVE] = "openconfirm",
		[BGP_EV_STOP] = "idle !cease close",
		[BGP_EV_RETRY_EXPIRED] = FSM_ERROR,
		[BGP_EV_HOLD_EXPIRED] = "idle !hold close idlehold",
		[BGP_EV_KEEPALIVE_DUE] = "openconfirm keepalive armkeepalive",
		[BGP_EV_SEND_HOLD_EXPIRED] = "idle !sendhold close idlehold",
		[BGP_EV_TCP_UP] = FSM_ERROR,
		[BGP_EV_TCP_LOST] = QUIET,
		[BGP_EV_OPEN_OK] = FSM_ERROR,
		[BGP_EV_HEADER_BAD] = "idle !err close idlehold",
		[BGP_EV_OPEN_BAD] = "idle !err close idlehold",
		[BGP_EV_COLLISION_LOST] = "idle !cease close",
		[BGP_EV_NOTIFICATION] = QUIET,
		[BGP_EV_KEEPALIVE_MSG] = "established armhold up",
		[BGP_EV_UPDATE_OK] = FSM_ERROR,
		[BGP_EV_UPDATE_BAD] = FSM_ERROR,
		[BGP_EV_REFRESH_MSG] = FSM_ERROR,
	},
	[BGP_STATE_ESTABLISHED] = {
		[BGP_EV_START] = "established",
		[BGP_EV_START_PASSIVE] = "established",
		[BGP_EV_STOP] = "idle !cease down close",
		[BGP_EV_RETRY_EXPIRED] = FSM_ERROR_E,
		[BGP_EV_HOLD_EXPIRED] = "idle !hold down close idlehold",
		[BGP_EV_KEEPALIVE_DUE] = "established keepalive armkeepalive",
		[BGP_EV_SEND_HOLD_EXPIRED] = "idle !sendhold down close idlehold",
		[BGP_EV_TCP_UP] = FSM_ERROR_E,
		[BGP_EV_TCP_LOST] = "idle down close idlehold",
		[BGP_EV_OPEN_OK] = FSM_ERROR_E,
		[BGP_EV_HEADER_BAD] = "idle !err down close idlehold",
		[BGP_EV_OPEN_BAD] = FSM_ERROR_E,
		[BGP_EV_COLLISION_LOST] = "idle !cease down close",
		[BGP_EV_NOTIFICATION] = "idle down close idlehold",
		[BGP_EV_KEEPALIVE_MSG] = "established armhold",
		[BGP_EV_UPDATE_OK] = "established armhold update",
		[BGP_EV_UPDATE_BAD] = "idle !err down close idlehold",
		[BGP_EV_REFRESH_MSG] = "established armhold refresh",
	},
};

static void every_cell(void **state)
{
	(void)state;
	for (int s = BGP_STATE_IDLE; s < BGP_STATE_N; s++)
		for (int ev = 0; ev < BGP_EV_N; ev++) {
			CLEANUP_STRBUF struct strbuf name = STRBUF_INIT, got = STRBUF_INIT;
			struct bgp_step step = bgp_fsm_step((enum bgp_state)s, (enum bgp_event)ev);

			strbuf_fmt(&name, "%s + %s", bgp_state_name((enum bgp_state)s),
				   bgp_event_name((enum bgp_event)ev));
			CHECK(strbuf_text(&name), want[s][ev] != NULL);
			CHECK_STR(strbuf_text(&name), step_text(&got, step), want[s][ev]);
		}
}

/* What must hold for any cell, so that the session need not ask. */
static void invariants(void **state)
{
	const unsigned notify = BGP_ACT_NOTIFY_HOLD | BGP_ACT_NOTIFY_SEND_HOLD |
				BGP_ACT_NOTIFY_FSM | BGP_ACT_NOTIFY_CEASE | BGP_ACT_NOTIFY_ERR;

	(void)state;
	for (int s = BGP_STATE_IDLE; s < BGP_STATE_N; s++)
		for (int ev = 0; ev < BGP_EV_N; ev++) {
			const char *name = bgp_event_name((enum bgp_event)ev);
			struct bgp_step t = bgp_fsm_step((enum bgp_state)s, (enum bgp_event)ev);
			bool leaves = s == BGP_STATE_ESTABLISHED && t.next != BGP_STATE_ESTABLISHED;
			bool enters = s != BGP_STATE_ESTABLISHED && t.next == BGP_STATE_ESTABLISHED;

			CHECK(name, ((t.act & BGP_ACT_DOWN) != 0) == leaves);
			CHECK(name, ((t.act & BGP_ACT_UP) != 0) == enters);
			CHECK(name, !(t.act & notify) || (t.act & BGP_ACT_CLOSE));
			CHECK(name, !(t.act & notify) || s >= BGP_STATE_OPENSENT);
			CHECK(name, __builtin_popcount(t.act & notify) <= 1);
			/* back to a state without TCP only by closing it */
			CHECK(name, s < BGP_STATE_OPENSENT || t.next >= BGP_STATE_OPENSENT ||
					    (t.act & BGP_ACT_CLOSE));
		}
}

static void fsm_subcodes(void **state)
{
	(void)state;
	CHECK("idle", bgp_fsm_err_subcode(BGP_STATE_IDLE) == 0);
	CHECK("opensent", bgp_fsm_err_subcode(BGP_STATE_OPENSENT) == BGP_FSM_IN_OPENSENT);
	CHECK("openconfirm", bgp_fsm_err_subcode(BGP_STATE_OPENCONFIRM) == BGP_FSM_IN_OPENCONFIRM);
	CHECK("established", bgp_fsm_err_subcode(BGP_STATE_ESTABLISHED) == BGP_FSM_IN_ESTABLISHED);
}

#define NONE BGP_COLLISION_NONE
#define OUT  BGP_COLLISION_KEEP_OUT
#define IN   BGP_COLLISION_KEEP_IN

static void collisions(void **state)
{
	static const struct {
		const char *name;
		struct bgp_collision_view v;
		enum bgp_collision want;
	} rows[] = {
		{ "only outgoing",
		  { 1, 2, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_IDLE, false },
		  NONE },
		{ "only incoming", { 1, 2, 9, 9, BGP_STATE_IDLE, BGP_STATE_OPENSENT, true }, NONE },
		{ "higher id, open on outgoing",
		  { 2, 1, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENCONFIRM, false },
		  OUT },
		{ "higher id, open on incoming",
		  { 2, 1, 9, 9, BGP_STATE_OPENCONFIRM, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "lower id, open on outgoing",
		  { 1, 2, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENCONFIRM, false },
		  IN },
		{ "lower id, open on incoming",
		  { 1, 2, 9, 9, BGP_STATE_OPENCONFIRM, BGP_STATE_OPENSENT, true },
		  IN },
		{ "first open of the two, higher id",
		  { 2, 1, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "first open of the two, lower id",
		  { 1, 2, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, false },
		  IN },
		{ "ids compare unsigned",
		  { 0xc0000201, 0x0a000001, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "same id, higher asn",
		  { 5, 5, 10, 9, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "same id, lower asn",
		  { 5, 5, 9, 10, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, true },
		  IN },
		{ "id before asn",
		  { 2, 1, 9, 10, BGP_STATE_OPENSENT, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "established outgoing stays though lower",
		  { 1, 2, 9, 9, BGP_STATE_ESTABLISHED, BGP_STATE_OPENSENT, true },
		  OUT },
		{ "established incoming stays though lower",
		  { 2, 1, 9, 9, BGP_STATE_OPENSENT, BGP_STATE_ESTABLISHED, false },
		  IN },
		{ "established alone",
		  { 2, 1, 9, 9, BGP_STATE_ESTABLISHED, BGP_STATE_IDLE, false },
		  NONE },
		{ "established incoming, dialling",
		  { 2, 1, 9, 9, BGP_STATE_CONNECT, BGP_STATE_ESTABLISHED, false },
		  IN },
		{ "dial not through, lower",
		  { 1, 2, 9, 9, BGP_STATE_CONNECT, BGP_STATE_OPENSENT, true },
		  IN },
		{ "dial not through, higher",
		  { 2, 1, 9, 9, BGP_STATE_CONNECT, BGP_STATE_OPENSENT, true },
		  IN },
		{ "waiting to dial",
		  { 2, 1, 9, 9, BGP_STATE_ACTIVE, BGP_STATE_OPENSENT, true },
		  IN },
		{ "idle hold", { 2, 1, 9, 9, BGP_STATE_IDLE, BGP_STATE_OPENSENT, true }, NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, bgp_collision_decide(&rows[i].v) == rows[i].want);
}

/* Two speakers that see the same two connections never keep different ones. */
static void collision_agrees(void **state)
{
	static const enum bgp_state opening[] = { BGP_STATE_OPENSENT, BGP_STATE_OPENCONFIRM };

	(void)state;
	for (uint32_t bits = 0; bits < 1u << 8; bits++) {
		uint32_t id_a = 1 + (bits & 1), id_b = 1 + (bits >> 1 & 1);
		uint32_t asn_a = 1 + (bits >> 2 & 1), asn_b = 1 + (bits >> 3 & 1);

		if (id_a == id_b && asn_a == asn_b)
			continue; /* refused by bgp_open_check() */
		struct bgp_collision_view a = {
			id_a,
			id_b,
			asn_a,
			asn_b,
			opening[bits >> 4 & 1],
			opening[bits >> 5 & 1],
			bits & 1,
		};
		struct bgp_collision_view b = {
			id_b,
			id_a,
			asn_b,
			asn_a,
			opening[bits >> 6 & 1],
			opening[bits >> 7 & 1],
			bits & 2,
		};
		/* a's outgoing one is b's incoming one */
		CHECK("agree",
		      (bgp_collision_decide(&a) == OUT) == (bgp_collision_decide(&b) == IN));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),       cmocka_unit_test(invariants),
		cmocka_unit_test(fsm_subcodes),     cmocka_unit_test(collisions),
		cmocka_unit_test(collision_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
