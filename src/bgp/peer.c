/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/peer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bgp/adj_out.h"
#include "bgp/policy.h"
#include "bgp/update.h"
#include "ev/ev.h"

/*
 * Two programs of this kind dial each other in the same instant, so two connections between them
 * are the rule, not the exception. RFC 4271 6.8: the connection stays that was dialled by the side
 * with the higher router ID. Both sides must come to the same end whatever order the messages come
 * in, without losing both connections:
 *
 *   - A good OPEN on the connection that is to be given up, while the other one has none yet: it is
 *     parked (bgp/session.c). It is given up when the other one gets its OPEN, and goes on when the
 *     other one fails or keeps silent for BGP_PARK_US. Since no KEEPALIVE was sent on it, the other
 *     side cannot be Established on it meanwhile.
 *   - A good OPEN on the incoming one while the outgoing one is still connecting: the attempt is
 *     dropped, so that no second connection comes up behind the back of the first.
 *   - While one is Established, new incoming ones are closed at once.
 *
 * The outgoing session is not started while an incoming one is beyond OpenSent; it is when that
 * ends.
 *
 * shut_until keeps a peer away that broke the protocol or the prefix limit: until then incoming
 * connections are closed and nothing is dialled.
 */

#define TABLE_PORTION ((size_t)1024) /* announcements looked at before sending goes on */

static struct bgp_session_conf session_conf(const struct bgp_peer *p, bool is_incoming)
{
	return (struct bgp_session_conf){
		.ours = {
			.version = BGP_VERSION,
			.hold_s = p->conf.hold_s,
			.asn = p->host->conf.asn,
			.id = p->host->conf.router_id,
			.families = p->conf.families,
			.has_mp = true,
			.has_refresh = true,
			.has_ext_msg = true,
			.has_as4 = true,
		},
		.remote_asn = p->conf.remote_asn,
		.is_incoming = is_incoming,
	};
}

/* --- state */

static bool is_shut(const struct bgp_peer *p)
{
	return mono_diff_us(p->shut_until, ev_now(p->host->loop)) > 0;
}

static void state_update(struct bgp_peer *p)
{
	enum bgp_state state = p->out->state;

	if (p->in && p->in->state > state)
		state = p->in->state;
	if (state == p->state)
		return;
	p->state = state;
	p->since = ev_now(p->host->loop);
	p->host->changed(p->host->arg, p);
}

static void shut_for(struct bgp_peer *p, int64_t us)
{
	p->shut_until = mono_add_us(ev_now(p->host->loop), us);
}

/* The outgoing session after anything ended: soon, but not before the peer may be spoken to. */
static void restart(struct bgp_peer *p, int64_t wait_us)
{
	int64_t shut_us = mono_diff_us(p->shut_until, ev_now(p->host->loop));

	bgp_session_start(p->out, MAX(wait_us, shut_us));
}

static struct bgp_session *other_of(const struct bgp_peer *p, const struct bgp_session *s)
{
	return s == p->out ? p->in : p->out;
}

/* --- what sessions ask and tell */

static int on_dial(void *arg, int *ret_fd)
{
	struct bgp_peer *p = arg;

	return p->host->dial(p->host->arg, p, ret_fd);
}

static bool on_may_start(void *arg)
{
	struct bgp_peer *p = arg;

	if (is_shut(p)) {
		restart(p, 0);
		return false;
	}
	/* An incoming one in OpenSent may be anybody's; beyond it has proved itself. */
	return !p->in || (p->in->state < BGP_STATE_OPENCONFIRM && !p->in->is_parked);
}

static enum bgp_verdict on_open(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;
	struct bgp_session *other = other_of(p, s);
	struct bgp_collision_view v = {
		.local_id = p->host->conf.router_id,
		.remote_id = s->theirs.id,
		.local_asn = p->host->conf.asn,
		.remote_asn = s->theirs.asn,
		.out = p->out->state,
		.in = p->in ? p->in->state : BGP_STATE_IDLE,
		.got_open_in = s == p->in,
	};
	enum bgp_collision c = bgp_collision_decide(&v);

	if (c == BGP_COLLISION_NONE)
		return BGP_VERDICT_GO;
	assert(other); /* one cannot collide with nothing */
	if ((c == BGP_COLLISION_KEEP_IN) == (s == p->in)) {
		bgp_session_lose(other);
		return BGP_VERDICT_GO;
	}
	if (other->state == BGP_STATE_OPENSENT && !other->is_parked)
		return BGP_VERDICT_PARK;
	return BGP_VERDICT_LOST;
}

static void on_parked_long(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;
	struct bgp_session *other = other_of(p, s);

	if (other && other->state == BGP_STATE_OPENSENT)
		bgp_session_lose(other);
	bgp_session_resume(s);
}

static void ends_note(struct bgp_peer *p, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	p->local_port = p->remote_port = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)ip_from_sockaddr(&ss, &p->seen_local, &p->local_port);
	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)ip_from_sockaddr(&ss, &p->seen_remote, &p->remote_port);
}

static void on_up(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;
	struct mono now = ev_now(p->host->loop);
	char addr[IP_ADDR_FMT_MAX], id[IP_ADDR_FMT_MAX];

	p->up = s;
	p->got_open = true;
	p->remote_asn = s->theirs.asn;
	p->remote_id = s->theirs.id;
	p->is_internal = s->neg.wire.is_internal;
	p->hold_s = s->neg.hold_s;
	p->got_eor = 0;
	p->owes_eor = s->neg.wire.families;
	if (p->lost.us == 0 || mono_diff_us(now, p->lost) >= BGP_PEER_BACKOFF_FORGET_US)
		p->out->backoff_us = 0;
	p->source->is_internal = p->is_internal;
	p->source->router_id = p->remote_id;
	ends_note(p, s->fd);
	bgp_rib_cursor_start(&p->table, p->host->rib);
	p->host->has_work(p->host->arg, p);
	p->host->changed(p->host->arg, p);
	log_info("bgp: session up peer=%s asn=%u id=%s", ip_fmt(addr, &p->conf.addr), p->remote_asn,
		 bgp_id_fmt(id, p->remote_id));
}

static void on_down(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;
	char addr[IP_ADDR_FMT_MAX];

	p->up = NULL;
	p->was_up = true;
	p->lost = ev_now(p->host->loop);
	p->n_flaps = p->n_flaps < UINT16_MAX ? p->n_flaps + 1 : UINT16_MAX;
	p->got_eor = p->owes_eor = 0;
	p->hold_s = 0;
	(void)snprintf(p->reason, sizeof(p->reason), "%s", s->reason);
	bgp_rib_cursor_stop(&p->table);
	bgp_adj_out_clear(p->adj_out);
	bgp_rib_source_flush(p->source);
	p->host->changed(p->host->arg, p);
	log_info("bgp: session down peer=%s state=established reason=\"%s\"",
		 ip_fmt(addr, &p->conf.addr), s->reason);
}

/* An attempt that never came to Established; a session that did has told on_down(). */
static void note_failure(struct bgp_peer *p, struct bgp_session *s)
{
	char addr[IP_ADDR_FMT_MAX];

	if (s->reason[0] == '\0')
		return;
	/* "" would be the truth before the first session, but this is more help; and what one side
	 * told the other is more help than how the connections after it ended. */
	if (p->lost.us == 0 && (s->is_protocol_error || !str_starts(p->reason, "notification")))
		(void)snprintf(p->reason, sizeof(p->reason), "%s", s->reason);
	if (!s->is_protocol_error)
		return;
	LOG_LIMIT(log_warning, "bgp: session refused peer=%s reason=\"%s\"",
		  ip_fmt(addr, &p->conf.addr), s->reason);
}

static void on_changed(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;
	struct bgp_session *other = other_of(p, s);

	assert(p->out);
	if (s->fd < 0 && s->state <= BGP_STATE_ACTIVE) {
		if (!p->was_up)
			note_failure(p, s);
		p->was_up = false;
		if (s->is_protocol_error) {
			/* Both directions wait: the peer that dials us would be as wrong. */
			if (s == p->in)
				(void)bgp_session_backoff_us(p->out);
			shut_for(p, MAX(p->out->backoff_us / 2, BGP_BACKOFF_MIN_US));
			s->is_protocol_error = false;
		}
		if (other && other->is_parked)
			bgp_session_resume(other);
	}
	if (s == p->in && s->state == BGP_STATE_IDLE) {
		p->in = NULL;
		p->dead = s;
		p->host->has_work(p->host->arg, p);
	}
	/* Stopped, or given up for the incoming one, and now there is none. */
	if (p->out->state == BGP_STATE_IDLE && !p->in && !p->is_deleted &&
	    !ev_timer_is_set(p->out->retry))
		restart(p, bgp_session_backoff_us(p->out));
	state_update(p);
}

static void routes_withdraw(struct bgp_peer *p, struct bgp_nlri list)
{
	struct ip_prefix prefix;

	while (bgp_nlri_next(&list, &prefix))
		bgp_rib_path_del(p->source, &prefix);
}

/* The attributes could not be kept: what they were for must not stay as it was (RFC 7606 2). */
static void routes_add(struct bgp_peer *p, const struct bgp_update *u,
		       const struct bgp_reach *reach)
{
	struct bgp_attrs *attrs = bgp_attrs_intern(p->host->attrs, &u->attrs, &reach->nexthop);
	uint32_t now_s = (uint32_t)(ev_now(p->host->loop).us / US_PER_S);
	struct bgp_nlri list = reach->nlri;
	struct ip_prefix prefix;

	if (!attrs) {
		p->counters.treat_as_withdraw++;
		routes_withdraw(p, list);
		return;
	}
	while (bgp_nlri_next(&list, &prefix)) {
		(void)bgp_rib_path_set(p->source, &prefix, bgp_attrs_ref(attrs), now_s);
		if (p->source->n_paths > p->conf.prefix_max)
			break; /* the session ends; the rest would only cost memory */
	}
	bgp_attrs_unref(p->host->attrs, attrs);
}

static void prefix_max_check(struct bgp_peer *p)
{
	char addr[IP_ADDR_FMT_MAX];

	if (!p->up || p->source->n_paths <= p->conf.prefix_max)
		return;
	log_warning("bgp: prefix limit reached peer=%s max=%u", ip_fmt(addr, &p->conf.addr),
		    p->conf.prefix_max);
	shut_for(p, BGP_PEER_PREFIX_HOLD_US);
	bgp_session_stop(p->up, BGP_CEASE_PREFIX_MAX);
}

static void on_update(void *arg, struct bgp_session *s, const struct bgp_update *u)
{
	struct bgp_peer *p = arg;
	bool is_withdraw = u->fault.grade == BGP_GRADE_WITHDRAW;
	char addr[IP_ADDR_FMT_MAX];

	if (u->fault.grade != BGP_GRADE_OK)
		LOG_LIMIT(log_warning, "bgp: malformed update peer=%s attribute=%s handled=%s",
			  ip_fmt(addr, &p->conf.addr), bgp_attr_name(u->fault.attr),
			  is_withdraw ? "treat-as-withdraw" : "attribute-discard");
	for (size_t i = 0; i < BGP_UPDATE_LISTS; i++)
		routes_withdraw(p, u->gone[i].nlri);
	for (size_t i = 0; i < BGP_UPDATE_LISTS; i++) {
		if (u->reach[i].n == 0)
			continue;
		if (is_withdraw)
			routes_withdraw(p, u->reach[i].nlri);
		else
			routes_add(p, u, &u->reach[i]);
	}
	prefix_max_check(p);
	if ((u->eor & s->neg.wire.families) & ~p->got_eor) {
		p->got_eor |= u->eor;
		p->host->changed(p->host->arg, p);
	}
}

static void on_refresh(void *arg, struct bgp_session *s, unsigned family)
{
	struct bgp_peer *p = arg;

	(void)s;
	bgp_adj_out_resend(p->adj_out, family);
	p->host->has_work(p->host->arg, p);
}

static void on_drained(void *arg, struct bgp_session *s)
{
	struct bgp_peer *p = arg;

	(void)s;
	p->host->has_work(p->host->arg, p);
}

static const struct bgp_session_ops session_ops = {
	.dial = on_dial,
	.may_start = on_may_start,
	.open = on_open,
	.parked_long = on_parked_long,
	.up = on_up,
	.update = on_update,
	.refresh = on_refresh,
	.drained = on_drained,
	.down = on_down,
	.changed = on_changed,
};

/* --- sending */

static struct bgp_attrs *want(void *arg, const struct ip_prefix *prefix)
{
	struct bgp_peer *p = arg;
	const struct bgp_rib_local *l = bgp_rib_local_get(p->host->rib, prefix);

	if (!l || !bgp_policy_export(prefix, &l->announce, p->conf.role, p->up->neg.wire.families))
		return NULL;
	return l->attrs[p->is_internal];
}

static void eor_send(struct bgp_peer *p)
{
	static const unsigned families[] = { BGP_AF_IPV4, BGP_AF_IPV6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct wr w;

		if (!(p->owes_eor & families[i]) || bgp_rib_cursor_is_walking(&p->table) ||
		    bgp_adj_out_is_pending(p->adj_out, families[i]) || !bgp_session_has_room(p->up))
			continue;
		w = bgp_session_write_begin(p->up);
		bgp_eor_encode(&w, families[i] & 0xff);
		bgp_session_write_end(p->up, &w, 1);
		p->owes_eor &= ~families[i] & 0xff;
	}
}

/* The whole table is marked in portions, as it is sent: 100,000 marks at once take 40 ms. */
static size_t table_mark(struct bgp_peer *p)
{
	const struct bgp_rib_local *l;
	size_t n = 0;

	if (bgp_adj_out_is_pending(p->adj_out, BGP_AF_IPV4) ||
	    bgp_adj_out_is_pending(p->adj_out, BGP_AF_IPV6))
		return 0;
	while (n < TABLE_PORTION && (l = bgp_rib_cursor_next(&p->table))) {
		if (want(p, &l->prefix))
			bgp_adj_out_mark(p->adj_out, &l->prefix);
		n++;
	}
	return n;
}

size_t bgp_peer_run(struct bgp_peer *p, size_t budget)
{
	size_t done = 0, n = 0;

	bgp_session_free(take_ptr(p->dead));
	if (!p->up)
		return 0;
	while (done < budget && bgp_session_has_room(p->up)) {
		struct wr w = bgp_session_write_begin(p->up);

		n = table_mark(p);
		n += bgp_adj_out_next(p->adj_out, &w, &p->up->neg.wire, want, p);
		bgp_session_write_end(p->up, &w, w.len > 0);
		if (n == 0)
			break;
		done += n;
	}
	eor_send(p);
	if (n > 0 && bgp_session_has_room(p->up))
		p->host->has_work(p->host->arg, p); /* the budget ended, not the work */
	bgp_session_flush(p->up);
	return done;
}

void bgp_peer_prefix_changed(struct bgp_peer *p, const struct ip_prefix *prefix)
{
	if (!p->up || (!want(p, prefix) && !bgp_adj_out_has(p->adj_out, prefix)))
		return; /* most VIPs are nothing to another node */
	bgp_adj_out_mark(p->adj_out, prefix);
	p->host->has_work(p->host->arg, p);
}

/* --- from outside */

struct bgp_peer *bgp_peer_new(const struct bgp_peer_host *host, const struct bgp_peer_conf *conf)
{
	struct bgp_peer *p = xcalloc(1, sizeof(*p));
	struct bgp_session_conf sc;

	p->host = host;
	p->conf = *conf;
	p->state = BGP_STATE_IDLE;
	p->since = ev_now(host->loop);
	list_init(&p->report_link);
	list_init(&p->work_link);
	p->source = bgp_rib_source_new(host->rib, &conf->addr);
	p->source->role = conf->role;
	p->adj_out = bgp_adj_out_new(host->attrs);
	bgp_rib_cursor_init(&p->table);
	sc = session_conf(p, false);
	p->out = bgp_session_new(host->loop, host->reader, &sc, &p->counters, &session_ops, p);
	restart(p, (int64_t)(ev_random(host->loop) % BGP_PEER_START_JITTER_US));
	return p;
}

static void sessions_stop(struct bgp_peer *p, enum bgp_cease_sub subcode)
{
	if (p->in)
		bgp_session_stop(p->in, subcode);
	bgp_session_stop(p->out, subcode);
}

void bgp_peer_free(struct bgp_peer *p, enum bgp_cease_sub subcode)
{
	if (!p)
		return;
	p->is_deleted = true;
	sessions_stop(p, subcode);
	bgp_session_free(p->dead);
	bgp_session_free(p->in);
	bgp_session_free(p->out);
	bgp_rib_cursor_stop(&p->table);
	bgp_adj_out_free(p->adj_out);
	bgp_rib_source_close(p->source);
	list_del(&p->report_link);
	list_del(&p->work_link);
	free(p);
}

void bgp_peer_conf_set(struct bgp_peer *p, const struct bgp_peer_conf *conf)
{
	struct bgp_peer_conf old = p->conf;

	p->conf = *conf;
	if (bgp_peer_conf_needs_reset(&old, conf)) {
		sessions_stop(p, BGP_CEASE_CONFIG_CHANGE);
		p->out->conf = session_conf(p, false);
		p->out->backoff_us = 0;
		p->shut_until = (struct mono){ 0 };
		restart(p, (int64_t)(ev_random(p->host->loop) % BGP_PEER_START_JITTER_US));
	}
	if (old.role != conf->role) {
		p->source->role = conf->role;
		bgp_rib_source_touch(p->source);
		bgp_adj_out_mark_all(p->adj_out);
		if (p->up)
			bgp_rib_cursor_start(&p->table, p->host->rib);
		p->host->has_work(p->host->arg, p);
	}
	if (old.prefix_max != conf->prefix_max) {
		p->shut_until = (struct mono){ 0 };
		if (!p->up && p->out->state == BGP_STATE_IDLE)
			restart(p, 0);
		prefix_max_check(p);
	}
	p->host->changed(p->host->arg, p);
}

void bgp_peer_accept(struct bgp_peer *p, int fd)
{
	struct bgp_session_conf sc = session_conf(p, true);

	bgp_session_free(take_ptr(p->dead));
	/* One of each kind; the peer tries again if the one that is there turns out to be dead. */
	if (p->in || p->up || is_shut(p)) {
		(void)close(fd);
		/* If the peer lost its memory, its kernel answers this with RST. */
		if (p->up)
			bgp_session_event(p->up, BGP_EV_KEEPALIVE_DUE);
		return;
	}
	bgp_peer_socket_tune(p, fd);
	p->in = bgp_session_new(p->host->loop, p->host->reader, &sc, &p->counters, &session_ops, p);
	bgp_session_accept(p->in, fd);
}

struct bgp_peer_status bgp_peer_status_get(const struct bgp_peer *p)
{
	bool is_up = p->up;
	struct bgp_peer_status st = {
		.addr = p->conf.addr,
		.local_addr = p->conf.local_addr,
		.role = p->conf.role,
		.state = p->state & 0xff,
		.is_internal =
			p->got_open ? p->is_internal : p->conf.remote_asn == p->host->conf.asn,
		.got_eor = is_up && p->got_eor == p->up->neg.wire.families,
		.remote_port = is_up ? p->remote_port : 0,
		.local_port = is_up ? p->local_port : 0,
		.hold_s = p->hold_s,
		.n_flaps = p->n_flaps,
		.conf_asn = p->conf.remote_asn,
		.remote_asn = p->remote_asn,
		.remote_id = p->remote_id,
		.n_received = p->source->n_paths,
		.n_sent = (uint32_t)bgp_adj_out_n(p->adj_out),
		.msgs_in = p->counters.msgs_in,
		.msgs_out = p->counters.msgs_out,
		.updates_in = p->counters.updates_in,
		.updates_out = p->counters.updates_out,
		.treat_as_withdraw = p->counters.treat_as_withdraw,
		.since_us = mono_diff_us(ev_now(p->host->loop), p->since),
	};

	(void)snprintf(st.reason, sizeof(st.reason), "%s", p->reason);
	return st;
}
