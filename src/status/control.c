/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client asks once: READ (its line), RUN (the handler has it), WRITE (the answer). A call is an
 * object of its own, since a handler that answers later may do so after its client has left or was
 * told that it takes too long; such a call still counts as a client, so that slow handlers cannot
 * pile up.
 */
#include "status/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"

#define ACCEPTS_PER_TURN 4
#define ACCEPT_PAUSE_US  (1 * US_PER_S)
#define EXIT_USAGE       2

struct client;

struct control_call {
	struct control *control;
	struct list link;      /* control->calls */
	struct client *client; /* NULL: gone, or answered without the handler */
	struct control_request request;
	struct show *show;
	bool done;
};

enum client_state {
	CLIENT_READ,
	CLIENT_RUN,
	CLIENT_WRITE,
};

struct client {
	struct control *control;
	struct list link; /* control->clients */
	int fd;
	struct ev_io *io;
	struct ev_timer *timer;
	enum client_state state;
	struct control_call *call;
	struct strbuf in;
	struct strbuf head; /* first line of the answer */
	const char *body;   /* of call->show */
	size_t body_len;
	size_t written; /* of both */
};

struct control {
	struct ev_loop *loop;
	const struct control_command *commands;
	size_t n_commands;
	void *arg;
	int fd;
	struct ev_io *io;
	struct ev_timer *accept_timer; /* no descriptors left: accepting pauses */
	char *path;
	struct stat bound; /* the socket file, to know it again */
	struct list clients, calls;
	size_t n_clients, n_stray_calls; /* stray: without a client */
};

/* --- clients --- */

static void call_free(struct control_call *call)
{
	list_del(&call->link);
	control_request_fini(&call->request);
	show_free(call->show);
	free(call);
}

static void listen_update(struct control *c)
{
	bool has_room = c->n_clients + c->n_stray_calls < CONTROL_CLIENTS_MAX;

	ev_io_want(c->io, has_room && !ev_timer_is_set(c->accept_timer) ? EV_READ : 0);
}

/* The client goes; its call stays until the handler is done with it. */
static void call_detach(struct client *cl)
{
	struct control_call *call = take_ptr(cl->call);

	if (!call)
		return;
	if (call->done) {
		call_free(call);
		return;
	}
	call->client = NULL;
	cl->control->n_stray_calls++;
}

static void client_free(struct client *cl)
{
	struct control *c = cl->control;

	call_detach(cl);
	list_del(&cl->link);
	c->n_clients--;
	ev_io_free(cl->io);
	ev_timer_free(cl->timer);
	(void)close(cl->fd);
	strbuf_fini(&cl->in);
	strbuf_fini(&cl->head);
	free(cl);
	listen_update(c);
}

static void client_write(struct client *cl)
{
	for (;;) {
		size_t head_left = cl->head.len - MIN(cl->written, cl->head.len);
		size_t body_done = cl->written - MIN(cl->written, cl->head.len);
		struct iovec iov[] = {
			{ cl->head.data + (cl->head.len - head_left), head_left },
			/* sendmsg() only reads it, but its struct cannot say so */
			{ (char *)(uintptr_t)cl->body + body_done, cl->body_len - body_done },
		};
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov) };
		ssize_t n;

		if (head_left == 0 && body_done == cl->body_len)
			break;
		n = sendmsg(cl->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_want(cl->io, EV_WRITE);
			return;
		}
		if (n < 0)
			break; /* the client has left */
		cl->written += (size_t)n;
	}
	client_free(cl);
}

static void answer_start(struct client *cl)
{
	cl->state = CLIENT_WRITE;
	ev_timer_set(cl->timer, CONTROL_TIMEOUT_US);
	client_write(cl);
}

static void answer_ok(struct client *cl, const char *body, size_t len)
{
	strbuf_fmt(&cl->head, "{\"exit\":0,\"length\":%zu}\n", len);
	cl->body = body;
	cl->body_len = len;
	answer_start(cl);
}

static void answer_error(struct client *cl, int exit_code, const char *text)
{
	CLEANUP_FREE char *cut = xstrndup(text, CONTROL_ERROR_MAX);

	strbuf_fmt(&cl->head, "{\"exit\":%d,\"error\":", exit_code);
	json_text_write(&cl->head, cut);
	strbuf_puts(&cl->head, "}\n");
	answer_start(cl);
}

/* --- calls --- */

/* The handler is done. The client, or NULL after having freed the call of one that has left. */
static struct client *call_end(struct control_call *call)
{
	struct client *cl = call->client;

	assert(!call->done);
	call->done = true;
	if (cl)
		return cl;
	call->control->n_stray_calls--;
	listen_update(call->control);
	call_free(call);
	return NULL;
}

void control_done(struct control_call *call)
{
	struct client *cl = call_end(call);
	const char *body;
	size_t len;

	if (!cl)
		return;
	if (show_is_too_long(call->show)) {
		answer_error(cl, 1, "the result is too long");
		return;
	}
	body = show_result(call->show, &len);
	answer_ok(cl, body, len);
}

void control_fail(struct control_call *call, int exit_code, const char *text)
{
	struct client *cl = call_end(call);

	if (cl)
		answer_error(cl, exit_code, text);
}

static const struct control_command *command_find(const struct control *c, const char *name)
{
	for (size_t i = 0; i < c->n_commands; i++) {
		if (str_eq(c->commands[i].name, name))
			return &c->commands[i];
	}
	return NULL;
}

/* The handler may answer before it returns, and the client be gone with that. */
static void run(struct client *cl, struct control_request *request)
{
	struct control *c = cl->control;
	const struct control_command *command = command_find(c, request->command);
	CLEANUP_STRBUF struct strbuf why = STRBUF_INIT;
	struct control_call *call;

	if (!command) {
		strbuf_puts(&why, "the agent knows no command ");
		strbuf_quote(&why, request->command);
		control_request_fini(request);
		answer_error(cl, EXIT_USAGE, strbuf_text(&why));
		return;
	}
	call = xcalloc(1, sizeof(*call));
	*call = (struct control_call){
		.control = c,
		.client = cl,
		.request = *request,
		.show = show_new(request->form),
	};
	list_add_tail(&c->calls, &call->link);
	cl->call = call;
	cl->state = CLIENT_RUN;
	ev_io_want(cl->io, 0);
	ev_timer_set(cl->timer, CONTROL_TIMEOUT_US);
	command->run(c->arg, call, call->show, (const char *const *)call->request.args.v,
		     call->request.args.n);
}

static void client_line(struct client *cl, size_t len)
{
	struct control_request request;
	char *why;

	if (control_request_parse(cl->in.data, len, &request, &why) < 0) {
		CLEANUP_FREE char *text = why;

		answer_error(cl, EXIT_USAGE, text);
		return;
	}
	run(cl, &request);
}

static void client_read(struct client *cl)
{
	char buf[CONTROL_REQUEST_MAX];
	ssize_t n = recv(cl->fd, buf, sizeof(buf) - cl->in.len, 0);
	const char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(cl);
		return;
	}
	strbuf_add(&cl->in, buf, (size_t)n);
	newline = memchr(cl->in.data, '\n', cl->in.len);
	if (newline)
		client_line(cl, (size_t)(newline - cl->in.data));
	else if (cl->in.len == CONTROL_REQUEST_MAX)
		answer_error(cl, EXIT_USAGE, "the request is too long");
}

static void on_client(void *arg, unsigned events)
{
	struct client *cl = arg;

	(void)events;
	switch (cl->state) {
	case CLIENT_READ:
		client_read(cl);
		break;
	case CLIENT_RUN:
		break;
	case CLIENT_WRITE:
		client_write(cl);
		break;
	}
}

static void on_client_timer(void *arg)
{
	struct client *cl = arg;

	if (cl->state != CLIENT_RUN) {
		client_free(cl);
		return;
	}
	log_warning("control: no answer in time command=%s", cl->call->request.command);
	call_detach(cl);
	answer_error(cl, 1, "no answer within 10 s");
}

static void on_accept(void *arg, unsigned events)
{
	struct control *c = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct client *cl;
		int fd;

		if (c->n_clients + c->n_stray_calls >= CONTROL_CLIENTS_MAX)
			break; /* the others wait in the socket's queue */
		fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				ev_timer_set(c->accept_timer, ACCEPT_PAUSE_US);
			break;
		}
		cl = xcalloc(1, sizeof(*cl));
		*cl = (struct client){ .control = c, .fd = fd, .body = "" };
		cl->io = ev_io_new(c->loop, "control-client", fd, on_client, cl);
		cl->timer = ev_timer_new(c->loop, "control-client-time", on_client_timer, cl);
		list_add_tail(&c->clients, &cl->link);
		c->n_clients++;
		ev_io_want(cl->io, EV_READ);
		ev_timer_set(cl->timer, CONTROL_TIMEOUT_US);
	}
	listen_update(c);
}

static void on_accept_timer(void *arg)
{
	listen_update(arg);
}

/* --- the socket --- */

static int dir_make(const char *path, char **ret_why)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = xstrndup(path, slash ? (size_t)(slash - path) : 0);

	if (*dir == '\0' || mkdir(dir, 0750) == 0 || errno == EEXIST)
		return 0;
	int e = -errno;

	*ret_why = xasprintf("cannot make the directory %s: %s", dir, strerror(-e));
	return e;
}

/* 0: the path is free now. A socket is asked whether somebody is behind it. */
static int stale_remove(const char *path, const struct sockaddr_un *sun)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	/* EAGAIN: somebody is, and busy */
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED && errno != ENOENT)
		return -errno;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_and_listen(int fd, const char *path, const struct sockaddr_un *sun)
{
	mode_t mask = umask(0117); /* there is no moment at which others could connect */
	int r = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;

	(void)umask(mask);
	if (r == 0 && listen(fd, CONTROL_CLIENTS_MAX) < 0) {
		r = -errno;
		(void)unlink(path);
	}
	return r;
}

static int socket_bind(const char *path, const struct sockaddr_un *sun, int *ret_fd)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = bind_and_listen(fd, path, sun);
	if (r < 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return r;
}

static int control_listen(const char *path, int *ret_fd, char **ret_why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int r;

	if (str_copy(sun.sun_path, sizeof(sun.sun_path), path) < 0 || !*path) {
		*ret_why = xasprintf("control socket %s: the path is empty or too long", path);
		return -ENAMETOOLONG;
	}
	r = dir_make(path, ret_why);
	if (r < 0)
		return r;
	r = stale_remove(path, &sun);
	if (r == 0)
		r = socket_bind(path, &sun, ret_fd);
	if (r == -EADDRINUSE)
		*ret_why = xasprintf("control socket %s: another agent is listening there", path);
	else if (r == -EEXIST)
		*ret_why = xasprintf("control socket %s: something else is there", path);
	else if (r < 0)
		*ret_why = xasprintf("control socket %s: %s", path, strerror(-r));
	return r;
}

/* NOLINTNEXTLINE(readability-function-size): each parameter is plain, and it is called once */
int control_new(struct ev_loop *loop, const char *path, const struct control_command *commands,
		size_t n, void *arg, struct control **ret, char **ret_why)
{
	struct control *c;
	int fd = -1, r = control_listen(path, &fd, ret_why);

	if (r < 0)
		return r;
	c = xcalloc(1, sizeof(*c));
	*c = (struct control){
		.loop = loop,
		.commands = commands,
		.n_commands = n,
		.arg = arg,
		.fd = fd,
		.path = xstrdup(path),
	};
	(void)lstat(path, &c->bound);
	list_init(&c->clients);
	list_init(&c->calls);
	c->io = ev_io_new(loop, "control-listen", fd, on_accept, c);
	c->accept_timer = ev_timer_new(loop, "control-accept-pause", on_accept_timer, c);
	ev_io_want(c->io, EV_READ);
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	struct stat now;

	if (!c)
		return;
	list_for_each_safe (it, &c->clients)
		client_free(list_entry(it, struct client, link));
	list_for_each_safe (it, &c->calls)
		call_free(list_entry(it, struct control_call, link));
	/* not one that another agent has put there meanwhile */
	if (lstat(c->path, &now) == 0 && now.st_ino == c->bound.st_ino &&
	    now.st_dev == c->bound.st_dev)
		(void)unlink(c->path);
	ev_io_free(c->io);
	ev_timer_free(c->accept_timer);
	(void)close(c->fd);
	free(c->path);
	free(c);
}
