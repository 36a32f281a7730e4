/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin translator: records from the agent become calls of bgp/speaker.h, its events become
 * records. It ends when the link closes, since a speaker without an agent would announce routes
 * that nobody keeps true.
 */
#include "bgp/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bgp/link.h"
#include "bgp/sandbox.h"
#include "bgp/speaker.h"
#include "ev/ev.h"

struct child {
	struct ev_loop *loop;
	struct bgp_link *link;
	struct bgp_speaker *speaker; /* from HELLO on */
};

static void on_best(void *arg, const struct bgp_best *best)
{
	struct child *c = arg;
	struct bgp_ipc_msg m = { .type = BGP_IPC_BEST, .best = *best };

	bgp_link_send(c->link, &m, -1);
}

static void on_best_gone(void *arg, const struct ip_prefix *prefix)
{
	struct child *c = arg;
	struct bgp_ipc_msg m = { .type = BGP_IPC_BEST_GONE, .prefix = *prefix };

	bgp_link_send(c->link, &m, -1);
}

static void on_peer(void *arg, const struct bgp_peer_status *status)
{
	struct child *c = arg;
	struct bgp_ipc_msg m = { .type = BGP_IPC_PEER, .status = *status };

	bgp_link_send(c->link, &m, -1);
}

static void child_result(struct child *c, uint32_t tag, int err, const char *why)
{
	struct bgp_ipc_msg m = { .type = BGP_IPC_RESULT, .tag = tag, .err = err };

	if (err < 0 && why)
		(void)snprintf(m.text, sizeof(m.text), "%s", why);
	bgp_link_send(c->link, &m, -1);
}

static void child_hello(struct child *c, const struct bgp_speaker_conf *conf)
{
	const struct bgp_speaker_events events = {
		.arg = c,
		.best = on_best,
		.best_gone = on_best_gone,
		.peer = on_peer,
	};

	if (c->speaker)
		return;
	c->speaker = bgp_speaker_new(c->loop, conf, &events);
}

static void child_listen(struct child *c, int fd)
{
	int r;

	if (fd < 0)
		return;
	r = c->speaker ? bgp_speaker_listen(c->speaker, fd) : -EPROTO;
	if (r < 0) {
		log_err("bgp: listener refused error=%s", strerror(-r));
		if (!c->speaker)
			(void)close(fd);
	}
}

static void on_msg(void *arg, const struct bgp_ipc_msg *m, int fd)
{
	struct child *c = arg;
	const char *why = NULL;
	int r;

	if (m->type == BGP_IPC_HELLO) {
		child_hello(c, &m->conf);
		return;
	}
	if (m->type == BGP_IPC_LISTEN) {
		child_listen(c, fd);
		return;
	}
	if (!c->speaker)
		return; /* the agent speaks first; anything else is answered by its own time limit
			 */
	switch (m->type) {
	case BGP_IPC_PEER_SET:
		r = bgp_speaker_peer_set(c->speaker, &m->peer, &why);
		child_result(c, m->tag, r, why);
		break;
	case BGP_IPC_PEER_DEL:
		r = bgp_speaker_peer_del(c->speaker, &m->addr);
		child_result(c, m->tag, r == -ENOENT ? 0 : r, NULL);
		break;
	case BGP_IPC_ANNOUNCE:
		r = bgp_speaker_announce(c->speaker, &m->prefix, &m->announce, &why);
		child_result(c, m->tag, r, why);
		break;
	case BGP_IPC_WITHDRAW:
		r = bgp_speaker_withdraw(c->speaker, &m->prefix);
		child_result(c, m->tag, r == -ENOENT ? 0 : r, NULL);
		break;
	case BGP_IPC_REPORT:
		bgp_speaker_report(c->speaker);
		child_result(c, m->tag, 0, NULL);
		break;
	case BGP_IPC_NONE:
	case BGP_IPC_HELLO:
	case BGP_IPC_LISTEN:
	case BGP_IPC_RESULT:
	case BGP_IPC_BEST:
	case BGP_IPC_BEST_GONE:
	case BGP_IPC_PEER:
	case BGP_IPC_TYPE_N:
		break; /* not for this end */
	}
}

static void on_closed(void *arg, const char *why)
{
	struct child *c = arg;

	log_debug(1, "bgp: link to the agent ended cause=\"%s\"", why);
	ev_stop(c->loop);
}

static void child_run(struct child *c)
{
	const struct bgp_link_events events = { .arg = c, .msg = on_msg, .closed = on_closed };

	c->link = bgp_link_new(c->loop, BGP_CHILD_FD, &events);
	ev_run(c->loop);
	bgp_speaker_free(c->speaker); /* Cease to peers */
	bgp_link_free(c->link);
}

int bgp_child_main(void)
{
	struct child c = { 0 };
	const char *why = "";
	int r;

	(void)prctl(PR_SET_NAME, "kube-router", 0, 0, 0);
	if (fcntl(BGP_CHILD_FD, F_GETFD) < 0) {
		(void)fprintf(stderr, "kube-router: %s is started by the agent only\n",
			      BGP_CHILD_COMMAND);
		return 2;
	}
	tzset(); /* reads the zone file now: later the log could not */
	r = bgp_sandbox_identity(BGP_CHILD_FD, &why);
	if (r < 0) {
		log_fatal("bgp: cannot %s error=%s", why, strerror(-r));
		return 1;
	}
	c.loop = ev_new_real();
	map_seed_set(ev_random(c.loop), ev_random(c.loop));
	r = bgp_sandbox_filter(&why);
	if (r < 0) {
		log_fatal("bgp: cannot %s error=%s", why, strerror(-r));
		ev_free(c.loop);
		return 1;
	}
	child_run(&c);
	ev_free(c.loop);
	return 0;
}
