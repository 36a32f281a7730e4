/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/speaker.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bgp/attr.h"
#include "bgp/own.h"
#include "bgp/peer.h"
#include "bgp/rib.h"
#include "bgp/speaker_impl.h"
#include "ev/ev.h"

/*
 * Joins peers, RIB and the world outside. All that can be much is done by one task, in portions:
 * decisions and reports of the RIB, what peers have to send, states to report. The task runs at the
 * end of a turn and, if anything is left, again in the next one, after the sockets and timers had
 * theirs; so a keepalive waits for one portion at the most. It is also where every event comes
 * from, hence none comes from within a call of speaker.h.
 */

#define LISTENERS_MAX   ((size_t)64)
#define ACCEPT_PER_TURN 64
#define ACCEPT_PAUSE_US (1 * US_PER_S) /* after EMFILE and the like: polling would spin */

/* Portions of one turn: each is 1 to 3 ms at the most on a slow machine. */
#define RIB_PER_TURN   ((size_t)2048)
#define SEND_PER_TURN  ((size_t)4096) /* marks of Adj-RIB-Outs */
#define PEERS_PER_TURN ((size_t)256)  /* peers that get to send; states reported */

/*
 * A state may say "End-of-RIB": then what it ends must have been reported. So states wait while
 * decisions are left, but not longer than a peer can keep us deciding.
 */
#define REPORT_TURNS_MAX 256u

struct listener {
	struct bgp_speaker *speaker;
	struct ev_io *io;
	struct ev_timer *pause;
	int fd;
};

struct bgp_speaker {
	struct bgp_speaker_conf conf;
	struct bgp_speaker_events events;
	struct bgp_peer_host host;
	struct ev_task *task;
	struct map peers; /* by struct ip_addr */
	struct bgp_own own;
	struct list report, work; /* of struct bgp_peer */
	unsigned report_turns;    /* that the reports have waited */
	struct listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct bgp_speaker_stats stats;
	int (*dial)(void *arg, const struct bgp_peer *p, int *ret_fd);
	void *dial_arg;
};

/* --- what the RIB and the peers tell */

static void on_best(void *arg, const struct bgp_best *best)
{
	struct bgp_speaker *s = arg;

	s->events.best(s->events.arg, best);
}

static void on_best_gone(void *arg, const struct ip_prefix *prefix)
{
	struct bgp_speaker *s = arg;

	s->events.best_gone(s->events.arg, prefix);
}

static void on_rib_work(void *arg)
{
	struct bgp_speaker *s = arg;

	ev_task_post(s->task);
}

static bool on_is_own(void *arg, const struct ip_addr *addr)
{
	struct bgp_speaker *s = arg;

	return bgp_own_has(&s->own, addr);
}

static int on_dial(void *arg, const struct bgp_peer *p, int *ret_fd)
{
	struct bgp_speaker *s = arg;

	return s->dial ? s->dial(s->dial_arg, p, ret_fd) : bgp_peer_socket(p, ret_fd);
}

static void on_peer_changed(void *arg, struct bgp_peer *p)
{
	struct bgp_speaker *s = arg;

	if (list_is_empty(&p->report_link))
		list_add_tail(&s->report, &p->report_link);
	ev_task_post(s->task);
}

static void on_peer_work(void *arg, struct bgp_peer *p)
{
	struct bgp_speaker *s = arg;

	if (list_is_empty(&p->work_link))
		list_add_tail(&s->work, &p->work_link);
	ev_task_post(s->task);
}

/* --- the task */

static void run_sends(struct bgp_speaker *s)
{
	size_t budget = SEND_PER_TURN;

	for (size_t i = 0; i < PEERS_PER_TURN && budget > 0 && !list_is_empty(&s->work); i++) {
		struct bgp_peer *p = list_first(&s->work, struct bgp_peer, work_link);

		list_del(&p->work_link);
		budget -= MIN(budget, bgp_peer_run(p, budget));
	}
}

static void run_reports(struct bgp_speaker *s)
{
	for (size_t i = 0; i < PEERS_PER_TURN && !list_is_empty(&s->report); i++) {
		struct bgp_peer *p = list_first(&s->report, struct bgp_peer, report_link);
		struct bgp_peer_status st = bgp_peer_status_get(p);

		list_del(&p->report_link);
		s->events.peer(s->events.arg, &st);
	}
}

static void speaker_run(void *arg)
{
	struct bgp_speaker *s = arg;
	bool is_more = bgp_rib_run(s->host.rib, RIB_PER_TURN);

	run_sends(s);
	if (!is_more || ++s->report_turns >= REPORT_TURNS_MAX) {
		s->report_turns = 0;
		run_reports(s);
	}
	if (is_more || !list_is_empty(&s->work) || !list_is_empty(&s->report))
		ev_task_post(s->task);
}

/* --- connections from outside */

void bgp_speaker_take(struct bgp_speaker *s, int fd, const struct ip_addr *remote,
		      const struct ip_addr *local)
{
	struct bgp_peer *p = map_get(&s->peers, remote, sizeof(*remote));
	char a[IP_ADDR_FMT_MAX], b[IP_ADDR_FMT_MAX];

	if (p && ip_same(&p->conf.local_addr, local)) {
		s->stats.n_accepted++;
		bgp_peer_accept(p, fd);
		return;
	}
	s->stats.n_unknown++;
	(void)close(fd);
	LOG_LIMIT(log_warning, "bgp: connection refused from=%s to=%s reason=\"%s\"",
		  ip_fmt(a, remote), ip_fmt(b, local),
		  p ? "not the local address of this peer" : "no such peer");
}

/* 0, or -errno of accept. */
static int listener_accept(struct listener *l)
{
	struct sockaddr_storage from, to;
	socklen_t from_len = sizeof(from), to_len = sizeof(to);
	struct ip_addr remote, local;
	uint16_t port;
	int fd = accept4(l->fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (getsockname(fd, (struct sockaddr *)&to, &to_len) < 0 ||
	    !ip_from_sockaddr(&from, &remote, &port) || !ip_from_sockaddr(&to, &local, &port)) {
		(void)close(fd);
		return 0;
	}
	bgp_speaker_take(l->speaker, fd, &remote, &local);
	return 0;
}

static void on_listener(void *arg, unsigned events)
{
	struct listener *l = arg;

	(void)events;
	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		int r = listener_accept(l);

		if (r == -EAGAIN)
			return;
		if (r == 0 || r == -ECONNABORTED || r == -EINTR)
			continue;
		l->speaker->stats.n_accept_errors++;
		LOG_LIMIT(log_warning, "bgp: accept failed errno=%d", -r);
		ev_io_want(l->io, 0);
		ev_timer_set(l->pause, ACCEPT_PAUSE_US);
		return;
	}
}

static void on_listener_pause(void *arg)
{
	struct listener *l = arg;

	ev_io_want(l->io, EV_READ);
}

int bgp_speaker_listen(struct bgp_speaker *s, int fd)
{
	struct listener *l;

	if (s->n_listeners == LISTENERS_MAX) {
		(void)close(fd);
		return -ENOSPC;
	}
	l = xcalloc(1, sizeof(*l));
	l->speaker = s;
	l->fd = fd;
	l->io = ev_io_new(s->host.loop, "bgp-listen", fd, on_listener, l);
	l->pause = ev_timer_new(s->host.loop, "bgp-listen-pause", on_listener_pause, l);
	ev_io_want(l->io, EV_READ);
	s->listeners[s->n_listeners++] = l;
	return 0;
}

static void listener_free(struct listener *l)
{
	ev_io_free(l->io);
	ev_timer_free(l->pause);
	(void)close(l->fd);
	free(l);
}

/* --- peers */

static void own_add(struct bgp_speaker *s, const struct ip_addr *addr)
{
	if (bgp_own_add(&s->own, addr))
		bgp_rib_own_changed(s->host.rib);
}

static void own_del(struct bgp_speaker *s, const struct ip_addr *addr)
{
	if (bgp_own_del(&s->own, addr))
		bgp_rib_own_changed(s->host.rib);
}

int bgp_speaker_peer_set(struct bgp_speaker *s, const struct bgp_peer_conf *conf,
			 const char **ret_why)
{
	struct bgp_peer *p = map_get(&s->peers, &conf->addr, sizeof(conf->addr));
	struct bgp_peer_conf full = bgp_peer_conf_full(conf);
	const char *why = bgp_peer_conf_check(&full);

	if (!why && !p && s->peers.n >= BGP_PEERS_MAX)
		why = "addr: too many peers";
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	own_add(s, &full.local_addr);
	if (p) {
		struct ip_addr old = p->conf.local_addr;

		bgp_peer_conf_set(p, &full);
		own_del(s, &old);
		return 0;
	}
	p = bgp_peer_new(&s->host, &full);
	(void)map_put(&s->peers, &full.addr, sizeof(full.addr), p);
	return 0;
}

int bgp_speaker_peer_del(struct bgp_speaker *s, const struct ip_addr *addr)
{
	struct bgp_peer *p = map_del(&s->peers, addr, sizeof(*addr));
	struct ip_addr local;

	if (!p)
		return -ENOENT;
	local = p->conf.local_addr;
	bgp_peer_free(p, BGP_CEASE_DECONFIGURED);
	own_del(s, &local);
	return 0;
}

struct bgp_peer *bgp_speaker_peer_get(struct bgp_speaker *s, const struct ip_addr *addr)
{
	return map_get(&s->peers, addr, sizeof(*addr));
}

/* --- announcements */

static const char *announce_check(const struct ip_prefix *prefix, const struct bgp_announce *a)
{
	struct ip_prefix masked = ip_prefix_make(&prefix->addr, prefix->len);

	if (ip_is_none(&prefix->addr) || prefix->len > ip_bits(prefix->addr.family))
		return "prefix: not one";
	if (!ip_prefix_same(prefix, &masked))
		return "prefix: host bits are set";
	if (a->nexthop.family != prefix->addr.family)
		return "nexthop: not of the family of the prefix";
	if (a->kind != BGP_ANNOUNCE_POD_CIDR && a->kind != BGP_ANNOUNCE_VIP)
		return "kind: unknown";
	return NULL;
}

/*
 * Attributes of our own routes: ORIGIN IGP; to an internal peer an empty AS_PATH and LOCAL_PREF
 * 100, to an external one our ASN and no LOCAL_PREF (RFC 4271 5.1.2, 5.1.5). The next hop is a node
 * address in both cases: between nodes it is the end of a tunnel.
 */
static struct bgp_attrs *announce_attrs(struct bgp_speaker *s, const struct bgp_announce *a,
					bool is_internal)
{
	uint8_t path[8];
	struct wr w = wr_init(path, sizeof(path));
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP,
		.origin = BGP_ORIGIN_IGP,
		.nexthop = a->nexthop,
	};

	if (is_internal) {
		d.has |= BGP_HAS_LOCAL_PREF;
		d.local_pref = 100;
	} else {
		bgp_as_path_write(&w, &s->conf.asn, 1);
	}
	d.as_path = rd_init(path, w.len);
	return bgp_attrs_intern(s->host.attrs, &d, NULL);
}

static void announce_tell(struct bgp_speaker *s, const struct ip_prefix *prefix)
{
	map_for_each (&s->peers, i)
		bgp_peer_prefix_changed(map_at(&s->peers, i, NULL, NULL), prefix);
}

int bgp_speaker_announce(struct bgp_speaker *s, const struct ip_prefix *prefix,
			 const struct bgp_announce *announce, const char **ret_why)
{
	const struct bgp_rib_local *old = bgp_rib_local_get(s->host.rib, prefix);
	const char *why = announce_check(prefix, announce);
	struct ip_addr old_nexthop = { 0 };
	struct bgp_attrs *attrs[2];
	int r;

	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	if (old)
		old_nexthop = old->announce.nexthop;
	attrs[0] = announce_attrs(s, announce, false);
	attrs[1] = announce_attrs(s, announce, true);
	if (attrs[0] && attrs[1]) {
		r = bgp_rib_local_set(s->host.rib, prefix, announce, attrs);
	} else {
		bgp_attrs_unref(s->host.attrs, attrs[0]);
		bgp_attrs_unref(s->host.attrs, attrs[1]);
		r = -ENOSPC;
	}
	if (r < 0) {
		*ret_why = "prefix: too many announcements or attributes";
		return r;
	}
	own_add(s, &announce->nexthop);
	if (!ip_is_none(&old_nexthop))
		own_del(s, &old_nexthop);
	if (r > 0)
		announce_tell(s, prefix);
	return 0;
}

int bgp_speaker_withdraw(struct bgp_speaker *s, const struct ip_prefix *prefix)
{
	const struct bgp_rib_local *old = bgp_rib_local_get(s->host.rib, prefix);
	struct ip_addr nexthop;

	if (!old)
		return -ENOENT;
	nexthop = old->announce.nexthop;
	(void)bgp_rib_local_del(s->host.rib, prefix);
	own_del(s, &nexthop);
	announce_tell(s, prefix);
	return 0;
}

/* --- the whole */

struct bgp_speaker *bgp_speaker_new(struct ev_loop *loop, const struct bgp_speaker_conf *conf,
				    const struct bgp_speaker_events *events)
{
	struct bgp_speaker *s = xcalloc(1, sizeof(*s));
	const struct bgp_rib_events rib_events = {
		.arg = s,
		.best = on_best,
		.best_gone = on_best_gone,
		.work = on_rib_work,
		.is_own = on_is_own,
	};

	s->conf = *conf;
	s->events = *events;
	list_init(&s->report);
	list_init(&s->work);
	s->task = ev_task_new(loop, "bgp-speaker", speaker_run, s);
	s->host = (struct bgp_peer_host){
		.loop = loop,
		.reader = bgp_reader_new(loop),
		.attrs = bgp_attr_table_new(0),
		.conf = *conf,
		.arg = s,
		.dial = on_dial,
		.changed = on_peer_changed,
		.has_work = on_peer_work,
	};
	s->host.rib = bgp_rib_new(s->host.attrs, conf->asn, conf->router_id, &rib_events);
	return s;
}

void bgp_speaker_free(struct bgp_speaker *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_listeners; i++)
		listener_free(s->listeners[i]);
	map_for_each (&s->peers, i)
		bgp_peer_free(map_at(&s->peers, i, NULL, NULL), BGP_CEASE_DECONFIGURED);
	map_fini(&s->peers);
	bgp_rib_free(s->host.rib);
	bgp_attr_table_free(s->host.attrs);
	bgp_reader_free(s->host.reader);
	bgp_own_fini(&s->own);
	ev_task_free(s->task);
	free(s);
}

void bgp_speaker_report(struct bgp_speaker *s)
{
	map_for_each (&s->peers, i)
		on_peer_changed(s, map_at(&s->peers, i, NULL, NULL));
}

void bgp_speaker_dial_set(struct bgp_speaker *s,
			  int (*dial)(void *arg, const struct bgp_peer *p, int *ret_fd), void *arg)
{
	s->dial = dial;
	s->dial_arg = arg;
}

struct bgp_speaker_stats bgp_speaker_stats_get(const struct bgp_speaker *s)
{
	return s->stats;
}

void bgp_speaker_tables_get(const struct bgp_speaker *s, struct bgp_rib_stats *ret_rib,
			    struct bgp_attr_table_stats *ret_attrs)
{
	bgp_rib_stats_get(s->host.rib, ret_rib);
	bgp_attr_table_stats_get(s->host.attrs, ret_attrs);
}
