/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/session.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bgp/update.h"
#include "ev/ev.h"

/*
 *   socket --> session_io.c --> message ---+
 *   timers --------------------------------+--> bgp_session_event() --> fsm table --> actions
 *   owner (start, stop, resume, lose) -----+                                             |
 *        ^                                                                               |
 *        +------------------ ops: dial, open, up, update, down, changed <----------------+
 *
 * An action never runs the table again on its own stack: events that come up meanwhile are queued
 * and taken when the step is done. Guards are made into events here: a message is parsed and judged
 * first, and what came out of it is the event.
 *
 * Beside the table, a good OPEN can be parked: the other connection of the peer is the one that a
 * collision would leave, but it has no OPEN yet. Giving up this one now would risk to lose both
 * (the other one may never come up: some speakers refuse a second connection), going on would risk
 * that each side drops what the other side keeps. So nothing more is read from it until that is
 * clear, for BGP_PARK_US at the most.
 */

void bgp_session_reason_set(struct bgp_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->reason, sizeof(s->reason), fmt, ap); /* cut is fine: text for people */
	va_end(ap);
}

/* --- back-off */

int64_t bgp_session_backoff_us(struct bgp_session *s)
{
	int64_t wait_us = MAX(s->backoff_us, BGP_BACKOFF_MIN_US);

	s->backoff_us = MIN(2 * wait_us, BGP_BACKOFF_MAX_US);
	return ev_jitter_us(s->loop, wait_us);
}

static void retry_arm(struct bgp_session *s)
{
	/* While connecting it is the patience with this attempt; the wait after it is the next. */
	int64_t wait_us = s->state == BGP_STATE_CONNECT
				  ? ev_jitter_us(s->loop, MAX(s->backoff_us, BGP_BACKOFF_MIN_US))
				  : bgp_session_backoff_us(s);

	ev_timer_set(s->retry, wait_us);
}

/* --- actions, one function per group of bits, in the order of the bits */

static void notify(struct bgp_session *s, struct bgp_err err)
{
	char text[BGP_ERR_FMT_MAX];
	struct wr w;

	if (s->fd < 0 || s->is_connecting)
		return;
	if (err.code != BGP_CEASE && err.code != BGP_HOLD_ERROR && err.code != BGP_SEND_HOLD_ERROR)
		s->is_protocol_error = true;
	w = bgp_session_io_begin(s, BGP_MSG_MAX);
	bgp_notification_encode(&w, err);
	bgp_session_io_end(s, &w);
	s->counters->msgs_out++;
	bgp_session_flush(s);
	/* After the flush: if that failed, this still is why the session ends. */
	bgp_err_fmt(text, err.code, err.subcode);
	if (err.code == BGP_HOLD_ERROR || err.code == BGP_SEND_HOLD_ERROR)
		bgp_session_reason_set(s, "%s", text);
	else
		bgp_session_reason_set(s, "notification sent: %s", text);
}

static void act_notify(struct bgp_session *s, unsigned act, enum bgp_state before)
{
	if (act & BGP_ACT_NOTIFY_HOLD)
		notify(s, BGP_ERR(BGP_HOLD_ERROR, 0));
	if (act & BGP_ACT_NOTIFY_SEND_HOLD)
		notify(s, BGP_ERR(BGP_SEND_HOLD_ERROR, 0));
	if (act & BGP_ACT_NOTIFY_FSM)
		notify(s, BGP_ERR(BGP_FSM_ERROR, bgp_fsm_err_subcode(before)));
	if (act & BGP_ACT_NOTIFY_CEASE)
		notify(s, BGP_ERR(BGP_CEASE, s->stop_subcode));
	if (act & BGP_ACT_NOTIFY_ERR)
		notify(s, s->err);
}

static void act_close(struct bgp_session *s)
{
	ev_timer_stop(s->retry);
	ev_timer_stop(s->hold);
	ev_timer_stop(s->keepalive);
	bgp_session_io_close(s);
}

static void dial(struct bgp_session *s)
{
	int fd, r = s->ops->dial(s->arg, &fd);

	if (r < 0) {
		bgp_session_reason_set(s, "connect: %s", strerror(-r));
		bgp_session_event(s, BGP_EV_TCP_LOST);
		return;
	}
	bgp_session_io_open(s, fd, true);
}

static void act_connect(struct bgp_session *s, unsigned act)
{
	if ((act & BGP_ACT_IDLE_HOLD) && !s->conf.is_incoming)
		retry_arm(s);
	if ((act & BGP_ACT_ARM_RETRY) && !s->conf.is_incoming)
		retry_arm(s);
	if (act & BGP_ACT_STOP_RETRY)
		ev_timer_stop(s->retry);
	if (act & BGP_ACT_DIAL)
		dial(s);
}

static void send_open(struct bgp_session *s)
{
	struct wr w = bgp_session_io_begin(s, BGP_MSG_MAX);

	bgp_open_encode(&w, &s->conf.ours);
	bgp_session_io_end(s, &w);
	s->counters->msgs_out++;
	bgp_session_flush(s);
}

static void send_keepalive(struct bgp_session *s)
{
	struct wr w;

	/* What waits is read before it and counts as much (RFC 4271 4.4): no need to queue more. */
	if (s->out_len > s->out_off && s->state == BGP_STATE_ESTABLISHED)
		return;
	w = bgp_session_io_begin(s, BGP_HEADER_BYTES);
	bgp_keepalive_encode(&w);
	bgp_session_io_end(s, &w);
	s->counters->msgs_out++;
	bgp_session_flush(s);
}

static void act_talk(struct bgp_session *s, unsigned act)
{
	if (act & BGP_ACT_SEND_OPEN)
		send_open(s);
	if (act & BGP_ACT_ARM_OPEN_HOLD)
		ev_timer_set(s->hold, BGP_OPENSENT_HOLD_S * US_PER_S);
	if (act & BGP_ACT_SEND_KEEPALIVE)
		send_keepalive(s);
	if ((act & BGP_ACT_ARM_KEEPALIVE) && s->neg.keepalive_s > 0)
		ev_timer_set(s->keepalive, ev_jitter_us(s->loop, s->neg.keepalive_s * US_PER_S));
	if (act & BGP_ACT_ARM_HOLD) {
		if (s->neg.hold_s > 0)
			ev_timer_set(s->hold, s->neg.hold_s * US_PER_S);
		else
			ev_timer_stop(s->hold);
	}
}

static void act_owner(struct bgp_session *s, unsigned act)
{
	if (act & BGP_ACT_UP)
		s->ops->up(s->arg, s);
	if (act & BGP_ACT_TAKE_UPDATE)
		s->ops->update(s->arg, s, s->update);
	if (act & BGP_ACT_TAKE_REFRESH)
		s->ops->refresh(s->arg, s, s->refresh_family);
}

static void step(struct bgp_session *s, enum bgp_event ev)
{
	struct bgp_step st = bgp_fsm_step(s->state, ev);
	enum bgp_state before = s->state;
	unsigned conn = s->conn;

	act_notify(s, st.act, before);
	s->state = st.next;
	if (st.next != before)
		s->since = ev_now(s->loop);
	if (st.act & BGP_ACT_DOWN)
		s->ops->down(s->arg, s);
	if (st.act & BGP_ACT_CLOSE)
		act_close(s);
	act_connect(s, st.act);
	act_talk(s, st.act);
	act_owner(s, st.act);
	/* An accepted connection is not dialled again: it ends where the outgoing one would retry.
	 */
	if (s->conf.is_incoming && s->fd < 0 && s->state != BGP_STATE_IDLE)
		bgp_session_event(s, BGP_EV_STOP);
	if (s->state != before || s->conn != conn)
		s->ops->changed(s->arg, s);
}

void bgp_session_event(struct bgp_session *s, enum bgp_event ev)
{
	assert(s->n_queue < ARRAY_LEN(s->queue)); /* an action raises one event at the most */
	s->queue[s->n_queue++] = ev;
	if (s->is_running)
		return;
	s->is_running = true;
	while (s->n_queue > 0) {
		enum bgp_event next = s->queue[0];

		s->n_queue--;
		memmove(s->queue, s->queue + 1, s->n_queue * sizeof(s->queue[0]));
		step(s, next);
	}
	s->is_running = false;
}

/* --- messages */

static const uint8_t *mp_capability(uint8_t families, uint16_t *ret_len)
{
	static const uint8_t ipv4[] = { 1, 4, 0, 1, 0, 1 }, ipv6[] = { 1, 4, 0, 2, 0, 1 };

	*ret_len = sizeof(ipv4);
	return families & BGP_AF_IPV4 ? ipv4 : ipv6;
}

static struct bgp_err open_judge(struct bgp_session *s, struct rd body)
{
	struct bgp_err err = bgp_open_parse(body, &s->theirs);

	if (bgp_err_is(err))
		return err;
	err = bgp_open_check(&s->theirs, &s->conf.ours, s->conf.remote_asn);
	if (bgp_err_is(err))
		return err;
	s->neg = bgp_negotiate(&s->conf.ours, &s->theirs);
	if (s->neg.wire.families == 0) {
		err = BGP_ERR(BGP_OPEN_ERROR, BGP_OPEN_BAD_CAPABILITY);
		err.data = mp_capability(s->conf.ours.families, &err.data_len);
	}
	return err;
}

static void take_open(struct bgp_session *s, struct rd body)
{
	if (s->state != BGP_STATE_OPENSENT) { /* out of place: the table says what to do */
		bgp_session_event(s, BGP_EV_OPEN_OK);
		return;
	}
	s->err = open_judge(s, body);
	if (bgp_err_is(s->err)) {
		bgp_session_event(s, BGP_EV_OPEN_BAD);
		return;
	}
	switch (s->ops->open(s->arg, s)) {
	case BGP_VERDICT_GO:
		bgp_session_event(s, BGP_EV_OPEN_OK);
		break;
	case BGP_VERDICT_LOST:
		bgp_session_lose(s);
		break;
	case BGP_VERDICT_PARK:
		s->is_parked = true;
		bgp_session_io_pause(s);
		ev_timer_set(s->hold, BGP_PARK_US);
		break;
	}
}

static void take_update(struct bgp_session *s, struct rd body)
{
	struct bgp_update u;

	s->counters->updates_in++;
	if (s->state != BGP_STATE_ESTABLISHED) {
		bgp_session_event(s, BGP_EV_UPDATE_OK);
		return;
	}
	bgp_update_parse(body, &s->neg.wire, &u);
	if (u.fault.grade == BGP_GRADE_RESET) {
		s->err = u.fault.err;
		bgp_session_event(s, BGP_EV_UPDATE_BAD);
		return;
	}
	if (u.fault.grade == BGP_GRADE_WITHDRAW)
		s->counters->treat_as_withdraw++;
	s->update = &u;
	bgp_session_event(s, BGP_EV_UPDATE_OK);
	s->update = NULL;
}

static void take_notification(struct bgp_session *s, struct rd body)
{
	struct bgp_notification n = bgp_notification_parse(body);
	char text[BGP_ERR_FMT_MAX];

	bgp_session_reason_set(s, "notification received: %s",
			       bgp_err_fmt(text, n.code, n.subcode));
	s->is_protocol_error = n.code != BGP_CEASE && n.code != BGP_HOLD_ERROR;
	bgp_session_event(s, BGP_EV_NOTIFICATION);
}

static void take_refresh(struct bgp_session *s, struct rd body)
{
	struct bgp_refresh r = bgp_refresh_parse(body);

	if (s->state == BGP_STATE_ESTABLISHED &&
	    (r.subtype != 0 || !(r.family & s->neg.wire.families)))
		return;
	s->refresh_family = r.family;
	bgp_session_event(s, BGP_EV_REFRESH_MSG);
}

void bgp_session_message(struct bgp_session *s, const struct bgp_msg *msg)
{
	switch (msg->type) {
	case BGP_MSG_OPEN:
		take_open(s, msg->body);
		break;
	case BGP_MSG_UPDATE:
		take_update(s, msg->body);
		break;
	case BGP_MSG_NOTIFICATION:
		take_notification(s, msg->body);
		break;
	case BGP_MSG_KEEPALIVE:
		bgp_session_event(s, BGP_EV_KEEPALIVE_MSG);
		break;
	case BGP_MSG_REFRESH:
		take_refresh(s, msg->body);
		break;
	}
}

/* --- timers */

static void on_retry(void *arg)
{
	struct bgp_session *s = arg;

	switch (s->state) {
	case BGP_STATE_IDLE:
		if (s->ops->may_start(s->arg)) {
			s->is_protocol_error = false;
			bgp_session_event(s, BGP_EV_START);
		}
		break;
	case BGP_STATE_CONNECT:
		bgp_session_reason_set(s, "connect: timed out");
		(void)bgp_session_backoff_us(s); /* that was one failure more */
		bgp_session_event(s, BGP_EV_RETRY_EXPIRED);
		break;
	default:
		bgp_session_event(s, BGP_EV_RETRY_EXPIRED);
		break;
	}
}

static void on_hold(void *arg)
{
	struct bgp_session *s = arg;
	unsigned conn = s->conn;

	if (s->is_parked) {
		ev_timer_set(s->hold, BGP_PARK_US); /* should the owner do nothing */
		s->ops->parked_long(s->arg, s);
		return;
	}
	/* The message that keeps the session alive may be waiting while we were busy. */
	if (bgp_session_io_read_now(s)) {
		if (conn != s->conn || s->is_parked || ev_timer_is_set(s->hold))
			return;
		if (!list_is_empty(&s->slot.link)) { /* more input than one slice */
			ev_timer_set(s->hold, 0);
			return;
		}
	}
	bgp_session_event(s, BGP_EV_HOLD_EXPIRED);
}

static void on_keepalive(void *arg)
{
	bgp_session_event(arg, BGP_EV_KEEPALIVE_DUE);
}

static void on_send_hold(void *arg)
{
	bgp_session_event(arg, BGP_EV_SEND_HOLD_EXPIRED);
}

/* --- the owner's calls */

struct bgp_session *bgp_session_new(struct ev_loop *loop, struct bgp_reader *reader,
				    const struct bgp_session_conf *conf,
				    struct bgp_session_counters *counters,
				    const struct bgp_session_ops *ops, void *arg)
{
	struct bgp_session *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->reader = reader;
	s->conf = *conf;
	s->counters = counters;
	s->ops = ops;
	s->arg = arg;
	s->state = BGP_STATE_IDLE;
	s->since = ev_now(loop);
	s->retry = ev_timer_new(loop, "bgp-retry", on_retry, s);
	s->hold = ev_timer_new(loop, "bgp-hold", on_hold, s);
	s->keepalive = ev_timer_new(loop, "bgp-keepalive", on_keepalive, s);
	s->send_hold = ev_timer_new(loop, "bgp-send-hold", on_send_hold, s);
	bgp_session_io_init(s);
	return s;
}

void bgp_session_free(struct bgp_session *s)
{
	if (!s)
		return;
	assert(!s->is_running);
	act_close(s);
	ev_timer_free(s->retry);
	ev_timer_free(s->hold);
	ev_timer_free(s->keepalive);
	ev_timer_free(s->send_hold);
	free(s);
}

void bgp_session_start(struct bgp_session *s, int64_t after_us)
{
	assert(!s->conf.is_incoming);
	if (s->state == BGP_STATE_IDLE)
		ev_timer_set(s->retry, after_us);
}

void bgp_session_accept(struct bgp_session *s, int fd)
{
	assert(s->conf.is_incoming && s->state == BGP_STATE_IDLE);
	bgp_session_io_open(s, fd, false);
	bgp_session_event(s, BGP_EV_START_PASSIVE);
	bgp_session_event(s, BGP_EV_TCP_UP);
}

void bgp_session_stop(struct bgp_session *s, enum bgp_cease_sub subcode)
{
	s->stop_subcode = subcode & 0xff;
	bgp_session_event(s, BGP_EV_STOP);
}

void bgp_session_resume(struct bgp_session *s)
{
	if (!s->is_parked)
		return;
	s->is_parked = false;
	bgp_session_event(s, BGP_EV_OPEN_OK);
	if (s->fd >= 0)
		bgp_session_io_resume(s);
}

void bgp_session_lose(struct bgp_session *s)
{
	s->stop_subcode = BGP_CEASE_COLLISION;
	bgp_session_event(s, BGP_EV_COLLISION_LOST);
}
