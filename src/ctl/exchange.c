/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

#define HEAD_MAX  ((size_t)4096) /* bytes of the answer's first line */
#define CHUNK     ((size_t)65536)
#define TIMEOUT_S 15 /* longer than the agent's own limit, whose text says more */

/* The answer's reader: bytes of the first line are followed by those of the body. */
struct reader {
	int fd;
	struct strbuf in; /* at most CHUNK bytes */
	bool ended;
};

static int reader_fill(struct reader *r)
{
	char buf[4096];
	ssize_t n;

	do
		n = recv(r->fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	r->ended = n == 0;
	strbuf_add(&r->in, buf, (size_t)n);
	return 0;
}

static char *connect_why(const char *path, int e)
{
	if (e == -ENOENT || e == -ECONNREFUSED)
		return xasprintf("the agent is not running (nobody answers on %s)", path);
	if (e == -EACCES || e == -EPERM)
		return xasprintf(
			"no permission to ask the agent on %s: become root, or a member of "
			"the socket's group",
			path);
	return xasprintf("cannot ask the agent on %s: %s", path, strerror(-e));
}

static int agent_connect(int fd, const char *path, char **ret_why)
{
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int e;

	if (str_copy(sun.sun_path, sizeof(sun.sun_path), path) < 0) {
		*ret_why = xasprintf("the path of the control socket is too long: %s", path);
		return -ENAMETOOLONG;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return 0;
	e = -errno;
	*ret_why = connect_why(path, e);
	return e;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The first line; r->in then begins with the body. */
static int head_read(struct reader *r, struct ctl_answer *ret, uint64_t *ret_length)
{
	CLEANUP(json_decref) json_t *head = NULL;
	const char *newline = NULL;
	struct json_err err;
	const json_t *exit_code, *length;

	while (!newline) {
		int e = reader_fill(r);

		if (e < 0)
			return e;
		newline = r->in.len ? memchr(r->in.data, '\n', r->in.len) : NULL;
		if (!newline && (r->ended || r->in.len > HEAD_MAX))
			return -EPROTO;
	}
	head = json_doc_parse(r->in.data, (size_t)(newline - r->in.data), &err);
	exit_code = json_object_get(head, "exit");
	length = json_object_get(head, "length");
	if (!json_is_integer(exit_code) || json_integer_value(exit_code) < 0 ||
	    json_integer_value(exit_code) > 255 || json_integer_value(length) < 0)
		return -EPROTO;
	ret->exit_code = (int)json_integer_value(exit_code);
	if (json_is_string(json_object_get(head, "error")))
		ret->error = xstrdup(json_string_value(json_object_get(head, "error")));
	*ret_length = (uint64_t)json_integer_value(length);
	strbuf_consume(&r->in, (size_t)(newline - r->in.data) + 1);
	return 0;
}

static int body_read(struct reader *r, uint64_t length, struct ctl_sink sink)
{
	int e = 0;

	while (e == 0 && length > 0) {
		size_t n = (size_t)MIN(length, (uint64_t)r->in.len);

		if (n > 0) {
			e = sink.write(sink.arg, r->in.data, n);
			strbuf_consume(&r->in, n);
			length -= n;
		} else if (r->ended) {
			e = -EPROTO; /* the agent ended in the middle of it */
		} else {
			e = reader_fill(r);
		}
	}
	return e;
}

static int exchange(struct reader *r, const struct strbuf *line, struct ctl_sink sink,
		    struct ctl_answer *answer)
{
	uint64_t length = 0;
	int e = send_all(r->fd, line->data, line->len);

	/* EPIPE: it may have refused the request before all of it was sent, and said why */
	if (e == 0 || e == -EPIPE)
		e = head_read(r, answer, &length);
	if (e == 0)
		e = body_read(r, length, sink);
	return e;
}

int ctl_exchange(const char *path, const struct strbuf *line, struct ctl_sink sink,
		 struct ctl_answer *ret, char **ret_why)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct reader r = { .fd = fd, .in = { .max = CHUNK } };
	struct ctl_answer answer = { 0 };
	int e;

	*ret_why = NULL;
	e = fd < 0 ? -errno : agent_connect(fd, path, ret_why);
	if (e == 0)
		e = exchange(&r, line, sink, &answer);
	strbuf_fini(&r.in);
	if (e == 0) {
		*ret = answer;
		return 0;
	}
	free(answer.error);
	if (!*ret_why && e == -ETIMEDOUT)
		*ret_why = xasprintf("the agent did not answer in %d s", TIMEOUT_S);
	else if (!*ret_why && e == -EPROTO)
		*ret_why = xstrdup("the agent's answer is cut off or not understood");
	else if (!*ret_why)
		*ret_why = xstrdup(strerror(-e));
	return e;
}
