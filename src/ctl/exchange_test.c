/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's end of the socket, against an agent that says what the test wants. */
#include "ctl/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"

#define REQUEST "{\"cmd\":\"x\"}\n"

static char request_text[] = REQUEST;
static const struct strbuf request = { .data = request_text, .len = sizeof(request_text) - 1 };

struct agent {
	char dir[40];
	char *path;
	int fd; /* listening */
	int pid;
};

static void agent_init(struct agent *a)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)snprintf(a->dir, sizeof(a->dir), "/tmp/kube-router-ctl-XXXXXX");
	CHECK("directory", mkdtemp(a->dir) != NULL);
	a->path = xasprintf("%s/s", a->dir);
	CHECK("path", str_copy(sun.sun_path, sizeof(sun.sun_path), a->path) == 0);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK("bind", bind(a->fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	CHECK("listen", listen(a->fd, 1) == 0);
}

static void agent_fini(struct agent *a)
{
	(void)close(a->fd);
	CHECK("socket", unlink(a->path) == 0);
	CHECK("directory", rmdir(a->dir) == 0);
	free(a->path);
}

/* In a child: takes one request and answers in pieces, then repeats the last byte n_more times. */
static void agent_start(struct agent *a, const char *answer, size_t piece, size_t n_more)
{
	char buf[256];
	size_t len = strlen(answer);
	int fd;

	a->pid = fork();
	CHECK("fork", a->pid >= 0);
	if (a->pid > 0)
		return;
	fd = accept(a->fd, NULL, NULL);
	if (recv(fd, buf, sizeof(buf), 0) != (ssize_t)strlen(REQUEST) ||
	    memcmp(buf, REQUEST, strlen(REQUEST)) != 0)
		_exit(1);
	for (size_t i = 0; i < len; i += piece)
		(void)send(fd, answer + i, MIN(piece, len - i), MSG_NOSIGNAL);
	memset(buf, len ? answer[len - 1] : 0, sizeof(buf));
	for (size_t i = 0; i < n_more; i += MIN(sizeof(buf), n_more - i))
		(void)send(fd, buf, MIN(sizeof(buf), n_more - i), MSG_NOSIGNAL);
	_exit(0);
}

static void agent_wait(struct agent *a)
{
	int status = 0;

	CHECK("waited", waitpid(a->pid, &status, 0) == a->pid);
	CHECK("got the request", WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int sink(void *arg, const char *data, size_t len)
{
	strbuf_add(arg, data, len);
	return 0;
}

static int sink_full(void *arg, const char *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return -ENOSPC;
}

static void test_answers(void **state)
{
	static const struct {
		const char *name, *answer;
		int want, exit_code;
		const char *body, *error; /* error: of the agent; when want < 0 what went wrong */
	} rows[] = {
		{ "body", "{\"exit\":0,\"length\":3}\nabc", 0, 0, "abc", NULL },
		{ "empty body", "{\"exit\":0,\"length\":0}\n", 0, 0, "", NULL },
		{ "more than announced is left", "{\"exit\":0,\"length\":3}\nabcdef", 0, 0, "abc",
		  NULL },
		{ "error", "{\"exit\":2,\"error\":\"no such table\"}\n", 0, 2, "",
		  "no such table" },
		{ "unknown keys", "{\"exit\":0,\"length\":1,\"later\":1}\nx", 0, 0, "x", NULL },
		{ "cut off", "{\"exit\":0,\"length\":4}\nabc", -EPROTO, 0, "abc",
		  "the agent's answer is cut off or not understood" },
		{ "no answer", "", -EPROTO, 0, "",
		  "the agent's answer is cut off or not understood" },
		{ "no JSON", "hello\n", -EPROTO, 0, "",
		  "the agent's answer is cut off or not understood" },
		{ "no exit status", "{\"length\":1}\nx", -EPROTO, 0, "",
		  "the agent's answer is cut off or not understood" },
		{ "bad exit status", "{\"exit\":256}\n", -EPROTO, 0, "",
		  "the agent's answer is cut off or not understood" },
		{ "bad length", "{\"exit\":0,\"length\":-1}\n", -EPROTO, 0, "",
		  "the agent's answer is cut off or not understood" },
	};
	static const size_t pieces[] = { 1, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(pieces); i++) {
		size_t row = i / ARRAY_LEN(pieces);
		CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
		struct ctl_answer answer = { 0 };
		struct agent a;
		char *why = NULL;
		int r;

		agent_init(&a);
		agent_start(&a, rows[row].answer, pieces[i % ARRAY_LEN(pieces)], 0);
		r = ctl_exchange(a.path, &request, (struct ctl_sink){ sink, &body }, &answer, &why);
		CHECK(rows[row].name, r == rows[row].want);
		CHECK_STR(rows[row].name, strbuf_text(&body), rows[row].body);
		if (r < 0)
			CHECK_STR(rows[row].name, why, rows[row].error);
		else
			CHECK(rows[row].name, answer.exit_code == rows[row].exit_code &&
						      str_eq(answer.error, rows[row].error));
		free(r < 0 ? why : answer.error);
		agent_wait(&a);
		agent_fini(&a);
	}
}

static void test_sizes(void **state)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct ctl_answer answer = { 0 };
	struct agent a;
	char *why = NULL;

	(void)state;
	agent_init(&a);
	agent_start(&a, "{\"exit\":0,\"length\":10000000}\nx", 1000, 9999999);
	CHECK("large body",
	      ctl_exchange(a.path, &request, (struct ctl_sink){ sink, &body }, &answer, &why) == 0);
	CHECK("all of it", body.len == 10000000);
	agent_wait(&a);
	agent_start(&a, "{", 1, 100000);
	CHECK("endless head", ctl_exchange(a.path, &request, (struct ctl_sink){ sink, &body },
					   &answer, &why) == -EPROTO);
	free(why);
	agent_wait(&a);
	agent_start(&a, "{\"exit\":0,\"length\":1}\nx", 1000, 0);
	CHECK("the result cannot be written",
	      ctl_exchange(a.path, &request, (struct ctl_sink){ sink_full, NULL }, &answer, &why) ==
		      -ENOSPC);
	CHECK_STR("text", why, "No space left on device");
	free(why);
	agent_wait(&a);
	agent_fini(&a);
}

static void test_not_running(void **state)
{
	CLEANUP_FREE char *why = NULL, *why_stale = NULL, *why_long = NULL;
	struct ctl_answer answer;
	char long_path[200];
	struct agent a;

	(void)state;
	CHECK("no socket", ctl_exchange("/nonexistent/s", &request, (struct ctl_sink){ sink, NULL },
					&answer, &why) == -ENOENT);
	CHECK_STR("text", why, "the agent is not running (nobody answers on /nonexistent/s)");
	agent_init(&a);
	(void)close(a.fd);
	a.fd = -1;
	CHECK("stale socket", ctl_exchange(a.path, &request, (struct ctl_sink){ sink, NULL },
					   &answer, &why_stale) == -ECONNREFUSED);
	CHECK("the same text", str_starts(why_stale, "the agent is not running"));
	agent_fini(&a);
	memset(long_path, 'p', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK("long path", ctl_exchange(long_path, &request, (struct ctl_sink){ sink, NULL },
					&answer, &why_long) == -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_not_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
