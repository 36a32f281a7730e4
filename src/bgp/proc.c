/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/proc.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bgp/child.h"
#include "bgp/link.h"
#include "bgp/sandbox.h"
#include "ev/ev.h"

#define PROC_BACKOFF_MIN_US (100 * US_PER_MS)
#define PROC_BACKOFF_MAX_US (10 * US_PER_S)
#define PROC_STABLE_US      (60 * US_PER_S) /* alive this long: the next failure is a first one */
#define PROC_STOP_US        (3 * US_PER_S)
#define PROC_BACKLOG        128
/* RFC 5082's TTL for what we accept is not enforced; we send with it, as the Go kube-router does.
 */
#define PROC_TTL 255

/* One of the two tables that end in the process. */
struct proc_table {
	struct bgp_proc *proc;
	struct row_sink sink;
	bool is_peers;
};

/* A record that awaits its RESULT. */
struct proc_call {
	struct proc_table *table; /* NULL: a report */
	uint32_t tag;             /* the engine's */
	void (*done)(void *arg);  /* of a report */
	void *arg;
};

struct bgp_proc {
	struct ev_loop *loop;
	struct bgp_proc_events events;
	struct bgp_speaker_conf speaker;
	char *program;
	struct ip_addr listen[BGP_PROC_LISTEN_MAX];
	int listen_fd[BGP_PROC_LISTEN_MAX];
	size_t n_listen;
	struct ev_child *child;
	struct bgp_link *link; /* NULL: not running */
	struct ev_timer *restart;
	struct mono started;
	int64_t backoff_us;
	unsigned restarts;
	uint32_t next_tag;
	struct map calls; /* our tag -> struct proc_call, owned */
	struct proc_table peers, announcements;
	void (*stop_done)(void *arg); /* set: stopping */
	void *stop_arg;
	bool stopping;
};

static void proc_spawn(struct bgp_proc *p);

/* --- listeners --- */

static int listen_open(const struct ip_addr *addr, uint16_t port)
{
	const int on = 1, ttl = PROC_TTL;
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(addr, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->family == IP_V6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	}
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, PROC_BACKLOG) < 0) {
		int err = -errno;

		(void)close(fd);
		return err;
	}
	return fd;
}

static void listeners_close(struct bgp_proc *p)
{
	for (size_t i = 0; i < p->n_listen; i++) {
		if (p->listen_fd[i] >= 0)
			(void)close(p->listen_fd[i]);
		p->listen_fd[i] = -1;
	}
}

int bgp_proc_bind(struct bgp_proc *p, char **ret_why)
{
	uint16_t port = p->speaker.port ? p->speaker.port : BGP_PORT;

	for (size_t i = 0; i < p->n_listen; i++) {
		char text[IP_ADDR_FMT_MAX];
		int fd;

		if (p->listen_fd[i] >= 0)
			continue;
		fd = listen_open(&p->listen[i], port);
		if (fd < 0) {
			*ret_why = xasprintf("cannot listen on %s port %u: %s",
					     ip_fmt(text, &p->listen[i]), port, strerror(-fd));
			listeners_close(p); /* all or none: a retry finds every port free */
			return fd;
		}
		p->listen_fd[i] = fd;
	}
	return 0;
}

/* --- calls --- */

static uint32_t call_add(struct bgp_proc *p, const struct proc_call *call)
{
	uint32_t tag = ++p->next_tag;

	map_put(&p->calls, &tag, sizeof(tag), xmemdup(call, sizeof(*call)));
	return tag;
}

static void call_end(struct proc_call *call, int err, const char *text)
{
	if (call->table)
		call->table->sink.result(call->table->sink.arg, call->tag, err, text);
	else if (call->done)
		call->done(call->arg);
	free(call);
}

static void calls_abort(struct bgp_proc *p)
{
	struct map calls = p->calls;

	p->calls = (struct map)MAP_INIT;
	for (size_t i = 0; i < calls.n; i++)
		call_end(map_at(&calls, i, NULL, NULL), -ECONNRESET, "the BGP process ended");
	map_fini(&calls);
}

static void table_attach(void *self, const struct row_sink *sink)
{
	struct proc_table *t = self;

	t->sink = *sink;
}

static void op_record(const struct proc_table *t, const struct row_op *op, struct bgp_ipc_msg *m)
{
	if (t->is_peers) {
		m->type = op->kind == ROW_SET ? BGP_IPC_PEER_SET : BGP_IPC_PEER_DEL;
		memcpy(&m->addr, op->key.data, sizeof(m->addr));
		if (op->kind == ROW_SET)
			memcpy(&m->peer, op->want.data, sizeof(m->peer));
	} else {
		m->type = op->kind == ROW_SET ? BGP_IPC_ANNOUNCE : BGP_IPC_WITHDRAW;
		memcpy(&m->prefix, op->key.data, sizeof(m->prefix));
		if (op->kind == ROW_SET)
			memcpy(&m->announce, op->want.data, sizeof(m->announce));
	}
}

static void table_apply(void *self, const struct row_op *ops, size_t n)
{
	struct proc_table *t = self;

	for (size_t i = 0; i < n; i++) {
		const struct proc_call call = { .table = t, .tag = ops[i].tag };
		struct bgp_ipc_msg m = { 0 };

		if (!t->proc->link) {
			t->sink.result(t->sink.arg, ops[i].tag, -EAGAIN,
				       "the BGP process is being started");
			continue;
		}
		op_record(t, &ops[i], &m);
		m.tag = call_add(t->proc, &call);
		bgp_link_send(t->proc->link, &m, -1);
	}
}

/*
 * A speaker starts empty and changes only by what we tell it, so what is there is what was
 * acknowledged since; a dump is asked for at start and after a restart, when nothing is.
 */
static void table_dump(void *self)
{
	struct proc_table *t = self;

	t->sink.dump_begin(t->sink.arg);
	t->sink.dump_end(t->sink.arg, 0);
}

static const struct reconciler_ops table_ops = {
	.attach = table_attach,
	.apply = table_apply,
	.dump = table_dump,
};

struct reconciler bgp_proc_peers(struct bgp_proc *p)
{
	return (struct reconciler){ .ops = &table_ops, .self = &p->peers };
}

struct reconciler bgp_proc_announcements(struct bgp_proc *p)
{
	return (struct reconciler){ .ops = &table_ops, .self = &p->announcements };
}

bool bgp_proc_report(struct bgp_proc *p, void (*done)(void *arg), void *arg)
{
	const struct proc_call call = { .done = done, .arg = arg };
	struct bgp_ipc_msg m = { .type = BGP_IPC_REPORT };

	if (!p->link)
		return false;
	m.tag = call_add(p, &call);
	bgp_link_send(p->link, &m, -1);
	return true;
}

/* --- the process --- */

static void on_result(struct bgp_proc *p, const struct bgp_ipc_msg *m)
{
	struct proc_call *call = map_del(&p->calls, &m->tag, sizeof(m->tag));

	if (call)
		call_end(call, m->err, m->text);
}

static void on_msg(void *arg, const struct bgp_ipc_msg *m, int fd)
{
	struct bgp_proc *p = arg;

	if (fd >= 0)
		(void)close(fd); /* the child has none to give */
	switch (m->type) {
	case BGP_IPC_RESULT:
		on_result(p, m);
		break;
	case BGP_IPC_BEST:
		p->events.best(p->events.arg, &m->best);
		break;
	case BGP_IPC_BEST_GONE:
		p->events.best_gone(p->events.arg, &m->prefix);
		break;
	case BGP_IPC_PEER:
		p->events.peer(p->events.arg, &m->status);
		break;
	case BGP_IPC_NONE:
	case BGP_IPC_HELLO:
	case BGP_IPC_LISTEN:
	case BGP_IPC_PEER_SET:
	case BGP_IPC_PEER_DEL:
	case BGP_IPC_ANNOUNCE:
	case BGP_IPC_WITHDRAW:
	case BGP_IPC_REPORT:
	case BGP_IPC_TYPE_N:
		break; /* not for this end */
	}
}

/*
 * The process has a uid of its own, and the agent has no CAP_KILL: it may signal what has its own
 * uid, so it takes on the other one for the call. Capabilities come back with uid 0.
 */
static void proc_kill(struct bgp_proc *p)
{
	int pid = p->child ? ev_child_pid(p->child) : 0;

	if (pid <= 0 || kill(pid, SIGKILL) == 0 || errno != EPERM || geteuid() != 0)
		return;
	if (seteuid(BGP_SANDBOX_UID) < 0)
		return;
	(void)kill(pid, SIGKILL);
	if (seteuid(0) < 0)
		abort(); /* without its rights the agent is of no use; a restart is safe */
}

static void proc_drop_link(struct bgp_proc *p)
{
	if (!p->link)
		return;
	bgp_link_free(p->link);
	p->link = NULL;
	calls_abort(p);
	if (!p->stopping)
		p->events.lost(p->events.arg);
}

static void on_closed(void *arg, const char *why)
{
	struct bgp_proc *p = arg;

	if (!p->stopping)
		log_warning("bgp: lost the BGP process pid=%d cause=\"%s\"", bgp_proc_pid(p), why);
	proc_drop_link(p);
	proc_kill(p); /* it ends by itself, unless it is stuck */
}

static void on_child_end(void *arg, const struct ev_child_status *st)
{
	struct bgp_proc *p = arg;
	bool was_stable = mono_diff_us(ev_now(p->loop), p->started) >= PROC_STABLE_US;

	p->child = NULL;
	proc_drop_link(p);
	if (p->stopping) {
		ev_timer_stop(p->restart);
		if (p->stop_done)
			p->stop_done(p->stop_arg);
		return;
	}
	p->backoff_us = was_stable || !p->backoff_us ? PROC_BACKOFF_MIN_US
						     : MIN(2 * p->backoff_us, PROC_BACKOFF_MAX_US);
	p->restarts++;
	log_err("bgp: the BGP process ended exit=%d signal=%d error=%s restart_in_ms=%lld",
		st->exit_code, st->signal, st->err ? strerror(-st->err) : "none",
		(long long)(p->backoff_us / US_PER_MS));
	ev_timer_set(p->restart, ev_jitter_us(p->loop, p->backoff_us));
}

static void on_restart(void *arg)
{
	struct bgp_proc *p = arg;

	if (p->stopping) { /* the time limit of bgp_proc_stop() */
		proc_kill(p);
		return;
	}
	proc_spawn(p);
}

static void proc_introduce(struct bgp_proc *p)
{
	struct bgp_ipc_msg hello = { .type = BGP_IPC_HELLO, .conf = p->speaker };
	struct bgp_ipc_msg with_fd = { .type = BGP_IPC_LISTEN };

	bgp_link_send(p->link, &hello, -1);
	for (size_t i = 0; i < p->n_listen; i++) {
		if (p->listen_fd[i] >= 0)
			bgp_link_send(p->link, &with_fd, p->listen_fd[i]);
	}
}

static void proc_spawn(struct bgp_proc *p)
{
	static const char *const no_env[] = { NULL };
	const char *argv[] = { p->program ? p->program : "/proc/self/exe", BGP_CHILD_COMMAND,
			       NULL };
	const struct bgp_link_events events = { .arg = p, .msg = on_msg, .closed = on_closed };
	struct ev_child_spec spec = {
		.name = "bgp-speaker",
		.argv = argv,
		.env = no_env,
		.argv0 = "kube-router", /* what ps and netstat show */
		.keep_stderr = true,
	};
	int fd[2];
	int r = bgp_link_pair(fd);

	if (r < 0) {
		log_err("bgp: cannot make a socket pair error=%s", strerror(-r));
		ev_timer_set(p->restart, PROC_BACKOFF_MAX_US);
		return;
	}
	p->started = ev_now(p->loop);
	spec.pass_fd = fd[1];
	p->child = ev_child_start(p->loop, &spec, on_child_end, p);
	(void)close(fd[1]);
	p->link = bgp_link_new(p->loop, fd[0], &events);
	proc_introduce(p);
	if (p->events.started)
		p->events.started(p->events.arg);
}

void bgp_proc_start(struct bgp_proc *p)
{
	if (!p->child)
		proc_spawn(p);
}

void bgp_proc_stop(struct bgp_proc *p, void (*done)(void *arg), void *arg)
{
	p->stopping = true;
	p->stop_done = done;
	p->stop_arg = arg;
	if (!p->child) {
		ev_timer_stop(p->restart);
		done(arg);
		return;
	}
	proc_drop_link(p);
	ev_timer_set(p->restart, PROC_STOP_US);
}

struct bgp_proc *bgp_proc_new(struct ev_loop *loop, const struct bgp_proc_conf *conf,
			      const struct bgp_proc_events *events)
{
	struct bgp_proc *p = xcalloc(1, sizeof(*p));

	p->loop = loop;
	p->events = *events;
	p->speaker = conf->speaker;
	p->program = conf->program ? xstrdup(conf->program) : NULL;
	p->n_listen = MIN(conf->n_listen, (size_t)BGP_PROC_LISTEN_MAX);
	for (size_t i = 0; i < p->n_listen; i++) {
		p->listen[i] = conf->listen[i];
		p->listen_fd[i] = -1;
	}
	p->peers = (struct proc_table){ .proc = p, .is_peers = true };
	p->announcements = (struct proc_table){ .proc = p };
	p->restart = ev_timer_new(loop, "bgp-process-restart", on_restart, p);
	return p;
}

void bgp_proc_free(struct bgp_proc *p)
{
	if (!p)
		return;
	p->stopping = true;
	if (p->child)
		ev_child_forget(p->child);
	bgp_link_free(p->link);
	for (size_t i = 0; i < p->calls.n; i++)
		free(map_at(&p->calls, i, NULL, NULL));
	map_fini(&p->calls);
	listeners_close(p);
	ev_timer_free(p->restart);
	free(p->program);
	free(p);
}

int bgp_proc_pid(const struct bgp_proc *p)
{
	return p->child ? ev_child_pid(p->child) : 0;
}

unsigned bgp_proc_restarts(const struct bgp_proc *p)
{
	return p->restarts;
}
