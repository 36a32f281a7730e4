/* SPDX-License-Identifier: Apache-2.0 */
/* The socket with real clients and virtual time. */
#include "status/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "status/test_io.h"

struct fixture {
	struct ev_loop *loop;
	struct control *control;
	char *dir, *path;
	struct control_call *waiting[CONTROL_CLIENTS_MAX];
	struct show *waiting_show[CONTROL_CLIENTS_MAX];
	size_t n_waiting;
	struct strbuf got;
};

static void run_echo(void *arg, struct control_call *call, struct show *show,
		     const char *const *args, size_t n_args)
{
	(void)arg;
	show_begin(show);
	show_field_uint(show, "n", "N", n_args);
	for (size_t i = 0; i < n_args; i++)
		show_field_text(show, "arg", "Arg", args[i]);
	show_end(show);
	control_done(call);
}

static void run_fail(void *arg, struct control_call *call, struct show *show,
		     const char *const *args, size_t n_args)
{
	char text[2000];

	(void)arg;
	(void)show;
	(void)args;
	memset(text, 'e', sizeof(text));
	text[n_args ? sizeof(text) - 1 : 3] = '\0';
	control_fail(call, 1, text);
}

static void run_wait(void *arg, struct control_call *call, struct show *show,
		     const char *const *args, size_t n_args)
{
	struct fixture *f = arg;

	(void)args;
	(void)n_args;
	CHECK("room", f->n_waiting < CONTROL_CLIENTS_MAX);
	f->waiting_show[f->n_waiting] = show;
	f->waiting[f->n_waiting++] = call;
}

static void run_big(void *arg, struct control_call *call, struct show *show,
		    const char *const *args, size_t n_args)
{
	(void)arg;
	(void)args;
	(void)n_args;
	static const struct show_column columns[] = { { "a", "A" } };

	show_begin(show);
	show_list_begin(show, "rows", NULL, columns, 1);
	for (int i = 0; i < 200000; i++) {
		show_row_begin(show);
		show_cell_text(show, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	}
	show_list_end(show);
	show_end(show);
	control_done(call);
}

static const struct control_command commands[] = {
	{ "echo", run_echo },
	{ "fail", run_fail },
	{ "wait", run_wait },
	{ "big", run_big },
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char dir[] = "/tmp/kube-router-control-XXXXXX";
	char *why = NULL;

	*state = f;
	if (!mkdtemp(dir))
		return -1;
	f->loop = ev_new_sim(3);
	f->dir = xstrdup(dir);
	f->path = xasprintf("%s/run/control.sock", dir);
	return control_new(f->loop, f->path, commands, ARRAY_LEN(commands), f, &f->control, &why);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *run = xasprintf("%s/run", f->dir);

	control_free(f->control);
	ev_free(f->loop);
	CHECK("socket removed", access(f->path, F_OK) < 0 && errno == ENOENT);
	CHECK("directory", rmdir(run) == 0 && rmdir(f->dir) == 0);
	strbuf_fini(&f->got);
	free(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static int client(const struct fixture *f)
{
	int fd = test_io_connect_unix(f->path);

	CHECK("connected", fd >= 0);
	test_io_pump(f->loop);
	return fd;
}

/* The whole answer to one line. */
static const char *ask(struct fixture *f, const char *line)
{
	int fd = client(f);
	bool closed = false;

	strbuf_clear(&f->got);
	test_io_send(fd, line, strlen(line));
	for (int i = 0; i < 1000 && !closed; i++) {
		test_io_pump(f->loop);
		closed = test_io_recv(fd, &f->got);
	}
	CHECK("closed", closed);
	(void)close(fd);
	return strbuf_text(&f->got);
}

static void test_answers(void **state)
{
	static const struct {
		const char *name, *line, *answer;
	} rows[] = {
		{ "text", "{\"cmd\":\"echo\",\"args\":[\"x y\"]}\n",
		  "{\"exit\":0,\"length\":18}\nN:    1\nArg:  x y\n" },
		{ "JSON", "{\"cmd\":\"echo\",\"output\":\"json\"}\n",
		  "{\"exit\":0,\"length\":13}\n{\n  \"n\": 0\n}\n" },
		{ "failed", "{\"cmd\":\"fail\"}\n", "{\"exit\":1,\"error\":\"eee\"}\n" },
		{ "unknown", "{\"cmd\":\"a\\\"b\\n\"}\n",
		  "{\"exit\":2,\"error\":\"the agent knows no command "
		  "\\\"a\\\\\\\"b\\\\n\\\"\"}\n" },
		{ "no JSON", "status\n", "{\"exit\":2,\"error\":\"the request is not JSON: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = ask(*state, rows[i].line);

		CHECK(rows[i].name, str_starts(got, rows[i].answer));
	}
	CHECK("a long error is cut",
	      strlen(ask(*state, "{\"cmd\":\"fail\",\"args\":[\"\"]}\n")) ==
		      strlen("{\"exit\":1,\"error\":\"\"}\n") + CONTROL_ERROR_MAX);
}

static void test_big(void **state)
{
	const char *got = ask(*state, "{\"cmd\":\"big\"}\n");

	CHECK("head", str_starts(got, "{\"exit\":0,\"length\":10000002}\n"));
	CHECK("all", strlen(got) == strlen("{\"exit\":0,\"length\":10000002}\n") + 10000002);
}

static void test_request_size(void **state)
{
	struct fixture *f = *state;
	char line[CONTROL_REQUEST_MAX + 1];
	int fd;

	/* the longest: blanks are JSON, too */
	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"cmd\":\"echo\"}", 14);
	line[CONTROL_REQUEST_MAX - 1] = '\n';
	line[CONTROL_REQUEST_MAX] = '\0';
	CHECK("longest", str_starts(ask(f, line), "{\"exit\":0,"));
	line[CONTROL_REQUEST_MAX - 1] = ' ';
	CHECK("longer",
	      str_eq(ask(f, line), "{\"exit\":2,\"error\":\"the request is too long\"}\n"));
	/* byte by byte */
	fd = client(f);
	strbuf_clear(&f->got);
	for (const char *p = "{\"cmd\":\"fail\"}\n"; *p; p++) {
		CHECK("nothing yet", !test_io_recv(fd, &f->got) && f->got.len == 0);
		test_io_send(fd, p, 1);
		test_io_pump(f->loop);
	}
	CHECK("answered", test_io_recv(fd, &f->got) && f->got.len > 0);
	(void)close(fd);
}

static void test_later(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	test_io_send(fd, "{\"cmd\":\"wait\"}\n", 15);
	test_io_advance(f->loop, CONTROL_TIMEOUT_US - 1);
	CHECK("waits", f->n_waiting == 1 && !test_io_recv(fd, &f->got) && f->got.len == 0);
	show_begin(f->waiting_show[0]);
	show_end(f->waiting_show[0]);
	control_done(f->waiting[0]);
	test_io_pump(f->loop);
	CHECK("answered", test_io_recv(fd, &f->got));
	CHECK_STR("answer", strbuf_text(&f->got), "{\"exit\":0,\"length\":0}\n");
	(void)close(fd);
}

/* The handler comes back after its client was told that it takes too long, or has left. */
static void test_too_late(void **state)
{
	struct fixture *f = *state;
	int slow = client(f), gone = client(f);

	test_io_send(slow, "{\"cmd\":\"wait\"}\n", 15);
	test_io_pump(f->loop);
	test_io_send(gone, "{\"cmd\":\"wait\"}\n", 15);
	test_io_pump(f->loop);
	CHECK("both wait", f->n_waiting == 2);
	(void)close(gone);
	test_io_advance(f->loop, CONTROL_TIMEOUT_US);
	CHECK("told", test_io_recv(slow, &f->got));
	CHECK_STR("answer", strbuf_text(&f->got),
		  "{\"exit\":1,\"error\":\"no answer within 10 s\"}\n");
	control_fail(f->waiting[0], 1, "late");
	show_begin(f->waiting_show[1]);
	show_end(f->waiting_show[1]);
	control_done(f->waiting[1]);
	(void)close(slow);
	CHECK("still works", str_starts(ask(f, "{\"cmd\":\"echo\"}\n"), "{\"exit\":0,"));
}

static void test_slow_clients(void **state)
{
	struct fixture *f = *state;
	int silent = client(f), reader = client(f);

	test_io_send(reader, "{\"cmd\":\"big\"}\n", 14);
	test_io_advance(f->loop, CONTROL_TIMEOUT_US);
	CHECK("silent is closed", test_io_recv(silent, &f->got) && f->got.len == 0);
	CHECK("one that does not read is closed", test_io_recv(reader, &f->got));
	CHECK("had a part", f->got.len > 0 && f->got.len < 10000002);
	(void)close(silent);
	(void)close(reader);
}

/* At the ceiling the others wait, and get their turn. Calls without a client count. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_CLIENTS_MAX], next;
	bool closed = false;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client(f);
		test_io_send(fds[i], "{\"cmd\":\"wait\"}\n", 15);
		test_io_pump(f->loop);
	}
	CHECK("all wait", f->n_waiting == CONTROL_CLIENTS_MAX);
	next = client(f);
	test_io_send(next, "{\"cmd\":\"echo\"}\n", 15);
	test_io_advance(f->loop, CONTROL_TIMEOUT_US); /* their clients are told */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		CHECK("told", test_io_recv(fds[i], &f->got));
	strbuf_clear(&f->got);
	CHECK("not yet its turn", !test_io_recv(next, &f->got) && f->got.len == 0);
	control_fail(f->waiting[0], 1, "late");
	for (int i = 0; i < 10 && !closed; i++) {
		test_io_pump(f->loop);
		closed = test_io_recv(next, &f->got);
	}
	CHECK("its turn", closed && str_starts(strbuf_text(&f->got), "{\"exit\":0,"));
	(void)close(next);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	/* the calls still open end with the socket */
}

static void test_socket(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *run = xasprintf("%s/run", f->dir), *why = NULL, *file_why = NULL;
	CLEANUP_FREE char *file = xasprintf("%s/file", f->dir), *long_why = NULL;
	char long_path[200];
	struct control *other;
	struct stat st;

	CHECK("socket", lstat(f->path, &st) == 0 && (st.st_mode & 07777) == 0660);
	CHECK("directory", lstat(run, &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK("a second agent",
	      control_new(f->loop, f->path, commands, 1, f, &other, &why) == -EADDRINUSE);
	CHECK("names the socket", strstr(why, f->path) && strstr(why, "another agent"));

	(void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CHECK("a file", control_new(f->loop, file, commands, 1, f, &other, &file_why) == -EEXIST);
	CHECK("stays", access(file, F_OK) == 0 && unlink(file) == 0);

	memset(long_path, 'p', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK("long path",
	      control_new(f->loop, long_path, commands, 1, f, &other, &long_why) == -ENAMETOOLONG);
}

/* A socket file left by an agent that died is replaced; one of a successor is left alone. */
static void test_stale(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = xasprintf("%s/s", f->dir), *moved = xasprintf("%s/t", f->dir);
	struct control *first, *second;
	char *why = NULL;
	int fd;

	CHECK("first", control_new(f->loop, path, commands, 1, f, &first, &why) == 0);
	CHECK("moved", rename(path, moved) == 0);
	control_free(first);
	CHECK("was not its own any more", access(moved, F_OK) == 0);
	CHECK("nobody answers", test_io_connect_unix(moved) < 0);
	CHECK("replaced", control_new(f->loop, moved, commands, 1, f, &second, &why) == 0);
	fd = test_io_connect_unix(moved);
	CHECK("answers", fd >= 0);
	(void)close(fd);
	test_io_pump(f->loop);
	control_free(second);
	CHECK("removed", access(moved, F_OK) < 0);
}

#define WITH_SOCKET(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(test_answers),      WITH_SOCKET(test_big),
		WITH_SOCKET(test_request_size), WITH_SOCKET(test_later),
		WITH_SOCKET(test_too_late),     WITH_SOCKET(test_slow_clients),
		WITH_SOCKET(test_full),         WITH_SOCKET(test_socket),
		WITH_SOCKET(test_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
