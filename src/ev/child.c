/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes of the real loop. libuv starts and reaps them; the pipes are plain descriptors of
 * this loop, because libuv would hand out socket pairs, which /dev/stdin and /dev/stdout of a child
 * cannot open.
 *
 *   start -> running -> exited, pipes still open -> both ended -> done
 *
 * A grandchild may hold a pipe for ever: after the exit the pipes get EV_CHILD_LINGER_US. A child
 * nobody waits for any more goes through the same states, only its output is dropped.
 */
#include "ev/real.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define EV_CHILD_LINGER_US (2 * US_PER_S)
#define CHILD_READ_BYTES   ((size_t)32 << 10)
#define CHILD_READS        16 /* of one pipe in one callback */

struct child_pipe {
	struct real_child *child;
	struct ev_io *io; /* NULL: ended, or never was */
	int fd;
	struct strbuf text;
};

struct real_child {
	struct ev_child c;
	struct list link;   /* real->children */
	uv_process_t *proc; /* NULL: not started */
	struct child_pipe in, out, err;
	void *input;
	size_t input_len, input_at;
	struct ev_timer *timer; /* the time limit, then the linger time */
	struct ev_task *finish;
	bool exited;
	struct ev_child_status status;
};

static struct real_child *real_child_of(struct ev_child *c)
{
	return container_of(c, struct real_child, c);
}

static void pipe_close(struct child_pipe *p)
{
	if (!p->io)
		return;
	ev_io_free(take_ptr(p->io));
	(void)close(p->fd);
	p->fd = -1;
}

static void proc_close_cb(uv_handle_t *h)
{
	free(h);
}

static void child_free(struct real_child *child)
{
	pipe_close(&child->in);
	pipe_close(&child->out);
	pipe_close(&child->err);
	strbuf_fini(&child->out.text);
	strbuf_fini(&child->err.text);
	free(child->input);
	ev_timer_free(child->timer);
	ev_task_free(child->finish);
	if (child->proc) {
		child->proc->data = NULL;
		uv_close((uv_handle_t *)child->proc, proc_close_cb);
	}
	list_del(&child->link);
	ev_handle_bury(&child->c.h);
}

static void finish_cb(void *arg)
{
	struct real_child *child = arg;
	struct ev_child_status *status = &child->status;

	status->out = strbuf_text(&child->out.text);
	status->out_len = child->out.text.len;
	status->err_text = strbuf_text(&child->err.text);
	status->err_text_len = child->err.text.len;
	if (child->c.done)
		child->c.done(child->c.arg, status);
	child_free(child);
}

static void finish_if_ended(struct real_child *child)
{
	if (child->exited && !child->out.io && !child->err.io)
		ev_task_post(child->finish);
}

static void timer_cb(void *arg)
{
	struct real_child *child = arg;

	if (!child->exited) {
		child->status.timed_out = true;
		(void)uv_process_kill(child->proc, SIGKILL);
		return;
	}
	log_debug(2, "ev: pipes of a child outlive it name=%s", child->c.h.name);
	pipe_close(&child->out);
	pipe_close(&child->err);
	finish_if_ended(child);
}

static void exit_cb(uv_process_t *proc, int64_t exit_status, int term_signal)
{
	struct real_child *child = proc->data;

	if (!child)
		return;
	child->exited = true;
	child->status.signal = term_signal;
	child->status.exit_code = term_signal ? -1 : (int)exit_status;
	pipe_close(&child->in);
	ev_timer_set(child->timer, EV_CHILD_LINGER_US);
	finish_if_ended(child);
}

/* The rest of the input, as far as the pipe takes it. */
static void input_cb(void *arg, unsigned events)
{
	struct child_pipe *p = arg;
	struct real_child *child = p->child;
	ssize_t n;

	(void)events;
	while (child->input_at < child->input_len) {
		n = write(p->fd, (const char *)child->input + child->input_at,
			  child->input_len - child->input_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* it reads no more; its exit status tells whether that matters */
		child->input_at += (size_t)n;
	}
	pipe_close(p);
}

static void output_cb(void *arg, unsigned events)
{
	struct child_pipe *p = arg;
	char buf[CHILD_READ_BYTES];

	(void)events;
	for (int i = 0; i < CHILD_READS; i++) {
		ssize_t n = read(p->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			pipe_close(p);
			finish_if_ended(p->child);
			return;
		}
		if (p->child->c.done)
			strbuf_add(&p->text, buf, MIN((size_t)n, EV_CHILD_OUT_MAX - p->text.len));
	}
}

/* Our end is watched, the child's is returned; it has file status flags of its own. */
static int pipe_open(struct child_pipe *p, bool to_child, int *ret_theirs)
{
	struct real_child *child = p->child;
	int fds[2], ours = to_child ? 1 : 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	p->fd = fds[ours];
	p->io = ev_io_new(child->c.h.loop, child->c.h.name, p->fd, to_child ? input_cb : output_cb,
			  p);
	ev_io_want(p->io, to_child ? EV_WRITE : EV_READ);
	*ret_theirs = fds[!ours];
	return 0;
}

static uv_stdio_container_t stdio_fd(int fd)
{
	uv_stdio_container_t c = { .flags = UV_IGNORE };

	if (fd >= 0) {
		c.flags = UV_INHERIT_FD;
		c.data.fd = fd;
	}
	return c;
}

/* The vectors of libuv are not const, but it changes nothing in them. */
static char **uv_vector(const char *const *v)
{
	return (char **)(uintptr_t)v;
}

static int child_exec(struct real_child *child, const struct ev_child_spec *spec, const int fds[3])
{
	struct ev_real *real = ev_real_of(child->c.h.loop);
	CLEANUP_FREE const char **argv = NULL;
	uv_stdio_container_t stdio[4] = { stdio_fd(fds[0]), stdio_fd(fds[1]), stdio_fd(fds[2]),
					  stdio_fd(spec->pass_fd) };
	uv_process_options_t options = {
		.exit_cb = exit_cb,
		.file = spec->argv[0],
		.env = uv_vector(spec->env),
		.stdio = stdio,
		.stdio_count = spec->pass_fd > STDERR_FILENO ? 4 : 3,
	};
	size_t n = 0;
	int r;

	while (spec->argv[n])
		n++;
	argv = xcalloc(n + 1, sizeof(*argv));
	memcpy(argv, spec->argv, n * sizeof(*argv));
	if (spec->argv0)
		argv[0] = spec->argv0;
	options.args = uv_vector(argv);
	child->proc = xcalloc(1, sizeof(*child->proc));
	r = uv_spawn(&real->uv, child->proc, &options);
	child->proc->data = child;
	return r;
}

/* Pipes and process; the ends that belong to the child are closed here in any case. */
static int child_spawn(struct real_child *child, const struct ev_child_spec *spec)
{
	CLEANUP_CLOSE int in = -1;
	CLEANUP_CLOSE int out = -1;
	CLEANUP_CLOSE int err = -1;
	int fds[3], r = 0;

	if (spec->input)
		r = pipe_open(&child->in, true, &in);
	if (r == 0)
		r = pipe_open(&child->out, false, &out);
	if (r == 0 && !spec->keep_stderr)
		r = pipe_open(&child->err, false, &err);
	if (r < 0)
		return r;
	fds[0] = in;
	fds[1] = out;
	fds[2] = spec->keep_stderr ? STDERR_FILENO : err;
	return child_exec(child, spec, fds);
}

struct ev_child *ev_child_start_real(struct ev_loop *loop, const struct ev_child_spec *spec)
{
	struct ev_real *real = ev_real_of(loop);
	struct real_child *child = xcalloc(1, sizeof(*child));
	int r;

	ev_handle_init(&child->c.h, loop, spec->name);
	list_add_tail(&real->children, &child->link);
	child->in.child = child->out.child = child->err.child = child;
	child->timer = ev_timer_new(loop, spec->name, timer_cb, child);
	child->finish = ev_task_new(loop, spec->name, finish_cb, child);
	child->out.text.max = child->err.text.max = EV_CHILD_OUT_MAX;
	child->status.exit_code = -1;
	if (spec->input && spec->input_len > 0) {
		child->input = xmemdup(spec->input, spec->input_len);
		child->input_len = spec->input_len;
	}
	r = child_spawn(child, spec);
	if (r < 0) {
		child->status.err = r;
		child->exited = true;
		pipe_close(&child->in);
		pipe_close(&child->out);
		pipe_close(&child->err);
		ev_task_post(child->finish);
	} else if (spec->timeout_us > 0) {
		ev_timer_set(child->timer, spec->timeout_us);
	}
	return &child->c;
}

int ev_child_pid_real(const struct ev_child *c)
{
	const struct real_child *child = (const struct real_child *)(const void *)c;

	return child->exited ? 0 : child->proc->pid;
}

void ev_child_kill_real(struct ev_child *c, int signum)
{
	struct real_child *child = real_child_of(c);

	/* once reaped the number may belong to another process */
	if (!child->exited)
		(void)uv_process_kill(child->proc, signum);
}

void ev_child_forget_real(struct ev_child *c)
{
	struct real_child *child = real_child_of(c);

	if (!child->exited)
		ev_timer_stop(child->timer);
}

void ev_children_drop(struct ev_real *real)
{
	list_for_each_safe (it, &real->children) {
		struct real_child *child = list_entry(it, struct real_child, link);

		if (!child->c.done)
			child_free(child);
	}
}
