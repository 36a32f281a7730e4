/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket: who reads, who is called, and when.
 *
 * Jobs (batches, dumps) wait in a list; the first one runs. It says in its state what it waits for,
 * and three callbacks of the loop move it on: the descriptor, the timer (deadline or back-off), and
 * a task (a job was added, or used up its share of this turn). Each ends in step(), which runs and
 * finishes jobs until one has to wait.
 *
 * Netlink answers within sendmsg: the answers to a chunk are in our receive queue when the send
 * returns. A job therefore reads at once and the loop is only needed when the queue overflowed.
 * ENOBUFS says that messages were dropped, not which. What is in the queue is still read; what is
 * unanswered then, is lost.
 *
 * Callbacks may free the socket: every entry from the loop holds it (depth), and the memory goes
 * when the last entry leaves.
 */
#include "nl/nl.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/mem.h"
#include "ev/ev.h"
#include "nl/job.h"

struct nl {
	struct ev_loop *loop;
	struct nl_conf conf;
	struct nl_transport transport;
	struct ev_io *io;
	struct ev_timer *timer;
	struct ev_task *task;
	struct list jobs; /* the first one runs */
	size_t n_jobs;
	uint32_t seq;
	uint8_t *buf;  /* NL_RECV_BYTES */
	bool is_lossy; /* something was dropped since the queue was last empty */
	bool is_reading;
	bool has_more; /* left unread for the next turn; the descriptor need not show it */
	bool is_dead;  /* freed by a callback */
	unsigned depth;
	struct nl_stats stats;
};

static struct nl_job *job_current(const struct nl *nl)
{
	return list_is_empty(&nl->jobs) ? NULL : list_first(&nl->jobs, struct nl_job, link);
}

static void nl_destroy(struct nl *nl)
{
	list_for_each_safe (it, &nl->jobs) {
		struct nl_job *job = list_entry(it, struct nl_job, link);

		list_del(it);
		job->ops->free(job);
	}
	free(nl->buf);
	free(nl);
}

static void enter(struct nl *nl)
{
	nl->depth++;
}

static void leave(struct nl *nl)
{
	if (--nl->depth == 0 && nl->is_dead)
		nl_destroy(nl);
}

static void overrun(struct nl *nl)
{
	nl->stats.overruns++;
	nl->is_lossy = true;
	if (nl->conf.on_overrun)
		nl->conf.on_overrun(nl->conf.arg);
}

static void dispatch(struct nl *nl, const struct nl_head *head, struct rd body)
{
	struct nl_job *job = job_current(nl);

	if (head->type == NLMSG_NOOP)
		return;
	if (head->type == NLMSG_OVERRUN) {
		overrun(nl);
	} else if (nl->conf.on_event) {
		if (head->type < NLMSG_MIN_TYPE) { /* answers; nothing was asked here */
			nl->stats.refused++;
			return;
		}
		nl->stats.events++;
		nl->conf.on_event(nl->conf.arg, head, body);
	} else if (job && job->state == NL_JOB_EXPECT) {
		job->ops->on_msg(nl, job, head, body);
	} else {
		nl->stats.refused++; /* an answer after its deadline */
	}
}

static void datagram(struct nl *nl, const struct nl_recv *got)
{
	struct rd in = rd_init(nl->buf, got->len);
	struct nl_head head;
	struct rd body;
	int r;

	nl->stats.recvs++;
	if (got->sender != 0) { /* only the kernel is asked, and only the kernel believed */
		nl->stats.refused++;
		return;
	}
	if (got->full_bytes > got->len) {
		overrun(nl);
		return;
	}
	while (!nl->is_dead && (r = nl_next(&in, &head, &body)) != 0) {
		if (r < 0) { /* what follows cannot be found any more: as good as lost */
			nl->stats.refused++;
			overrun(nl);
			return;
		}
		dispatch(nl, &head, body);
	}
}

static void lost(struct nl *nl, int err)
{
	struct nl_job *job = job_current(nl);

	if (!nl->is_dead && job && job->state == NL_JOB_EXPECT)
		job->ops->on_lost(nl, job, err);
}

/* Up to budget datagrams. True: the queue is empty. */
static bool read_some(struct nl *nl, size_t budget)
{
	bool is_empty = false;

	if (nl->is_reading)
		return false;
	nl->is_reading = true;
	nl->has_more = false;
	while (budget-- > 0 && !nl->is_dead) {
		struct nl_recv got = { 0 };
		int r = nl->transport.ops->recv(nl->transport.self, nl->buf, NL_RECV_BYTES, &got);

		if (r == 0) {
			datagram(nl, &got);
			continue;
		}
		if (r == -ENOBUFS) {
			overrun(nl);
			continue;
		}
		is_empty = true;
		if (r != -EAGAIN)
			lost(nl, r);
		else if (nl->is_lossy)
			lost(nl, -ENOBUFS);
		nl->is_lossy = false;
		break;
	}
	nl->is_reading = false;
	if (!is_empty && !nl->is_dead) {
		nl->has_more = true;
		ev_task_post(nl->task);
	}
	return is_empty;
}

/* Runs and finishes jobs until one has to wait. */
static void step(struct nl *nl)
{
	size_t budget = NL_SEND_PER_TURN;
	struct nl_job *job;

	while (!nl->is_dead && (job = job_current(nl))) {
		if (job->state == NL_JOB_OVER) {
			list_del(&job->link);
			nl->n_jobs--;
			ev_timer_stop(nl->timer);
			job->ops->finish(nl, job);
			job->ops->free(job);
			continue;
		}
		if (job->state != NL_JOB_READY)
			break;
		if (budget-- == 0) { /* the others have their turn first */
			ev_task_post(nl->task);
			break;
		}
		job->ops->run(nl, job);
	}
	if (nl->is_dead)
		return;
	job = job_current(nl);
	ev_io_want(nl->io, EV_READ | (job && job->state == NL_JOB_WRITABLE ? EV_WRITE : 0));
}

static void on_io(void *arg, unsigned events)
{
	struct nl *nl = arg;
	struct nl_job *job = job_current(nl);

	enter(nl);
	if ((events & EV_WRITE) && job && job->state == NL_JOB_WRITABLE)
		nl_job_ready(nl, job);
	(void)read_some(nl, NL_RECV_PER_TURN);
	step(nl);
	leave(nl);
}

static void on_timer(void *arg)
{
	struct nl *nl = arg;
	struct nl_job *job = job_current(nl);

	enter(nl);
	if (job && job->state == NL_JOB_WAIT)
		job->ops->on_wait(nl, job);
	else if (job && job->state == NL_JOB_EXPECT)
		job->ops->on_lost(nl, job, -ETIMEDOUT);
	step(nl);
	leave(nl);
}

static void on_task(void *arg)
{
	struct nl *nl = arg;

	enter(nl);
	if (nl->has_more)
		(void)read_some(nl, NL_RECV_PER_TURN);
	step(nl);
	leave(nl);
}

int nl_new(struct ev_loop *loop, const struct nl_conf *conf, const struct nl_opener *opener,
	   struct nl **ret)
{
	struct nl_transport transport = { 0 };
	struct nl *nl;
	int r;

	r = opener ? opener->open(opener->arg, conf, &transport) : nl_socket_open(conf, &transport);
	if (r < 0)
		return r;
	nl = xcalloc(1, sizeof(*nl));
	nl->loop = loop;
	nl->conf = *conf;
	nl->transport = transport;
	list_init(&nl->jobs);
	nl->buf = xmalloc(NL_RECV_BYTES);
	nl->seq = (uint32_t)ev_random(loop); /* answers to an earlier process's questions differ */
	nl->io = ev_io_new(loop, conf->name, transport.fd, on_io, nl);
	nl->timer = ev_timer_new(loop, conf->name, on_timer, nl);
	nl->task = ev_task_new(loop, conf->name, on_task, nl);
	ev_io_want(nl->io, EV_READ);
	*ret = nl;
	return 0;
}

void nl_free(struct nl *nl)
{
	if (!nl || nl->is_dead)
		return;
	nl->is_dead = true;
	ev_io_free(nl->io);
	ev_timer_free(nl->timer);
	ev_task_free(nl->task);
	nl->transport.ops->close(nl->transport.self);
	if (nl->depth == 0)
		nl_destroy(nl);
}

bool nl_drain(struct nl *nl, size_t max)
{
	bool is_empty;

	if (nl->is_reading || nl->is_dead)
		return false;
	enter(nl);
	is_empty = read_some(nl, max);
	leave(nl);
	return is_empty;
}

void nl_stats_get(const struct nl *nl, struct nl_stats *ret)
{
	*ret = nl->stats;
}

/* ---- for jobs ---- */

void nl_job_add(struct nl *nl, struct nl_job *job)
{
	assert(!nl->conf.on_event); /* answers and events of one socket cannot be told apart */
	job->state = NL_JOB_READY;
	list_add_tail(&nl->jobs, &job->link);
	nl->n_jobs++;
	ev_task_post(nl->task);
}

static void job_state_set(struct nl *nl, struct nl_job *job, enum nl_job_state state)
{
	if (nl->is_dead) /* by the callback just made; there is no timer any more */
		return;
	job->state = state;
	if (state != NL_JOB_EXPECT && state != NL_JOB_WAIT)
		ev_timer_stop(nl->timer);
}

void nl_job_ready(struct nl *nl, struct nl_job *job)
{
	job_state_set(nl, job, NL_JOB_READY);
}

void nl_job_expect(struct nl *nl, struct nl_job *job)
{
	job_state_set(nl, job, NL_JOB_EXPECT);
	if (!nl->is_dead)
		ev_timer_set(nl->timer, NL_DEADLINE_US);
}

void nl_job_wait(struct nl *nl, struct nl_job *job, int64_t wait_us)
{
	job_state_set(nl, job, NL_JOB_WAIT);
	if (!nl->is_dead)
		ev_timer_set(nl->timer, wait_us);
}

void nl_job_writable(struct nl *nl, struct nl_job *job)
{
	job_state_set(nl, job, NL_JOB_WRITABLE);
}

void nl_job_over(struct nl *nl, struct nl_job *job)
{
	job_state_set(nl, job, NL_JOB_OVER);
}

int nl_send_raw(struct nl *nl, const void *data, size_t len)
{
	int r = nl->transport.ops->send(nl->transport.self, data, len);

	if (r == 0)
		nl->stats.sends++;
	return r;
}

void nl_read_now(struct nl *nl)
{
	(void)read_some(nl, NL_RECV_PER_TURN);
}

uint32_t nl_seq_take(struct nl *nl, uint32_t n)
{
	uint32_t first = nl->seq;

	if (first == 0 || first > UINT32_MAX - n) /* none is 0, and none wraps */
		first = 1;
	nl->seq = first + n;
	return first;
}

bool nl_is_full(const struct nl *nl)
{
	return nl->n_jobs >= NL_JOBS_MAX;
}

struct nl_stats *nl_stats_ref(struct nl *nl)
{
	return &nl->stats;
}
