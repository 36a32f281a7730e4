/* SPDX-License-Identifier: Apache-2.0 */
/* The server with real sockets and, but for one test, virtual time. */
#include "status/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "status/test_io.h"

struct fixture {
	struct ev_loop *loop;
	struct http_server *server;
	uint16_t port;
	size_t body_size; /* of /big */
	unsigned n_big;
	struct strbuf got;
};

static void handle_ok(void *arg, struct http_response *res)
{
	(void)arg;
	strbuf_puts(&res->body, "OK\n");
}

static void handle_bad(void *arg, struct http_response *res)
{
	(void)arg;
	res->status = 500;
	strbuf_puts(&res->body, "Unhealthy");
}

static void handle_big(void *arg, struct http_response *res)
{
	struct fixture *f = arg;
	CLEANUP_FREE char *data = xmalloc(f->body_size);

	memset(data, 'b', f->body_size);
	res->content_type = "text/big";
	strbuf_add(&res->body, data, f->body_size);
	f->n_big++;
}

static void handle_overflow(void *arg, struct http_response *res)
{
	(void)arg;
	res->body.max = 4;
	strbuf_puts(&res->body, "12345");
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const struct http_route routes[] = {
		{ "/healthz", handle_ok, f },
		{ "/bad", handle_bad, f },
		{ "/big", handle_big, f },
		{ "/overflow", handle_overflow, f },
	};
	char *why = NULL;

	f->loop = ev_new_sim(7);
	f->body_size = (size_t)1 << 20;
	*state = f;
	if (http_server_new(f->loop, "127.0.0.1", 0, routes, ARRAY_LEN(routes), &f->server, &why) <
	    0)
		return -1;
	f->port = http_server_port(f->server);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	ev_free(f->loop);
	strbuf_fini(&f->got);
	free(f);
	return 0;
}

static size_t n_connections(const struct fixture *f)
{
	struct http_stats st;

	http_server_stats_get(f->server, &st);
	return st.n_connections;
}

/* Sends text on a new connection and collects all answers; true if the server has closed it. */
static bool ask(struct fixture *f, const char *text, int *ret_fd)
{
	int fd = test_io_connect_tcp(f->port);
	bool closed = false;

	strbuf_clear(&f->got);
	test_io_pump(f->loop);
	test_io_send(fd, text, strlen(text));
	for (int i = 0; i < 100 && !closed; i++) {
		test_io_pump(f->loop);
		closed = test_io_recv(fd, &f->got);
	}
	*ret_fd = fd;
	return closed;
}

static void check_answer(struct fixture *f, const char *name, const char *text, const char *first,
			 const char *last, bool close_wanted)
{
	int fd;
	bool closed = ask(f, text, &fd);

	CHECK(name, str_starts(strbuf_text(&f->got), first));
	CHECK(name, str_ends(strbuf_text(&f->got), last));
	CHECK(name, closed == close_wanted);
	CHECK(name,
	      close_wanted == (strstr(strbuf_text(&f->got), "\r\nConnection: close\r\n") != NULL));
	(void)close(fd);
	test_io_pump(f->loop);
	CHECK(name, n_connections(f) == 0);
}

static void test_answers(void **state)
{
	static const struct {
		const char *name, *text, *first, *last;
		bool closed;
	} rows[] = {
		{ "found", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: ",
		  " GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
		  "3\r\n\r\nOK\n",
		  false },
		{ "head", "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
		  "\r\nContent-Length: 3\r\n\r\n", false },
		{ "any method", "DELETE /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 200 OK\r\n", "\r\n\r\nOK\n", false },
		{ "status of the handler", "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 500 Internal Server Error\r\n", "Length: 9\r\n\r\nUnhealthy", false },
		{ "path is exact", "GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n404 page not found\n", false },
		{ "close", "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		  "HTTP/1.1 200 OK\r\n", "\r\n\r\nOK\n", true },
		{ "1.0", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nOK\n",
		  true },
		{ "1.0 that stays", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		  "HTTP/1.1 200 OK\r\n", "\r\nConnection: keep-alive\r\n\r\nOK\n", false },
		{ "no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
		  "\r\n\r\nBad Request\n", true },
		{ "answer that overflowed", "GET /overflow HTTP/1.1\r\nHost: x\r\n\r\n",
		  "HTTP/1.1 500 ", "The answer is too long\n", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_answer(*state, rows[i].name, rows[i].text, rows[i].first, rows[i].last,
			     rows[i].closed);
}

static size_t count_of(const struct strbuf *text, const char *what)
{
	size_t n = 0;

	for (const char *p = strbuf_text(text); (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void test_pipelined(void **state)
{
	struct fixture *f = *state;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct http_stats st;
	int fd;

	for (int i = 0; i < 200; i++)
		strbuf_puts(&text, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	strbuf_puts(&text, "nonsense\r\n\r\n");
	CHECK("closed after the last", ask(f, strbuf_text(&text), &fd));
	CHECK("all answered", count_of(&f->got, "HTTP/1.1 200 OK\r\n") == 200);
	CHECK("and the nonsense", count_of(&f->got, "HTTP/1.1 400 ") == 1);
	http_server_stats_get(f->server, &st);
	CHECK("counted", st.requests == 200 && st.refused == 1);
	(void)close(fd);
	test_io_pump(f->loop);
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	int fd = test_io_connect_tcp(f->port);

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		CHECK("nothing yet", f->got.len == 0);
		test_io_send(fd, text + i, 1);
		test_io_pump(f->loop);
		(void)test_io_recv(fd, &f->got);
	}
	CHECK("answered", str_starts(strbuf_text(&f->got), "HTTP/1.1 200 OK\r\n"));
	(void)close(fd);
	test_io_pump(f->loop);
}

/* More than the socket takes at once. */
static void test_big(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->body_size = (size_t)20 << 20;
	CHECK("stays open", !ask(f, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n", &fd));
	for (int i = 0; i < 10000 && f->got.len < f->body_size; i++) {
		test_io_pump(f->loop);
		(void)test_io_recv(fd, &f->got);
	}
	CHECK("length", count_of(&f->got, "Content-Length: 20971520\r\n") == 1);
	CHECK("type", count_of(&f->got, "Content-Type: text/big\r\n") == 1);
	CHECK("all of it", strlen(strstr(strbuf_text(&f->got), "\r\n\r\n") + 4) == f->body_size);
	(void)close(fd);
	test_io_pump(f->loop);
}

/* Clients that ask for much and take nothing. */
static void test_pending(void **state)
{
	static const char text[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	int fds[4], small;

	f->body_size = (size_t)15 << 20;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = test_io_connect_tcp(f->port);
		test_io_send(fds[i], text, sizeof(text) - 1);
		test_io_pump(f->loop);
	}
	CHECK("asked", f->n_big == ARRAY_LEN(fds));
	(void)test_io_recv(fds[ARRAY_LEN(fds) - 1], &f->got);
	CHECK("the last is refused",
	      str_starts(strbuf_text(&f->got), "HTTP/1.1 503 Service Unavailable\r\n"));
	CHECK("small answers never are",
	      !ask(f, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &small));
	CHECK("OK", str_starts(strbuf_text(&f->got), "HTTP/1.1 200 OK\r\n"));
	test_io_advance(f->loop, HTTP_WRITE_US + 1);
	/* those with an answer that is not taken: two; two were refused, one was small */
	CHECK("given up", n_connections(f) == 3);
	(void)close(small);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	test_io_pump(f->loop);
	CHECK("none left", n_connections(f) == 0);
}

static void test_times(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	int silent = test_io_connect_tcp(f->port), slow = test_io_connect_tcp(f->port);
	int idle = test_io_connect_tcp(f->port);
	struct http_stats st;

	test_io_send(idle, text, sizeof(text) - 1);
	test_io_send(slow, "GET", 3);
	test_io_pump(f->loop);
	CHECK("three", n_connections(f) == 3);
	test_io_advance(f->loop, HTTP_HEADER_US / 2);
	test_io_send(slow, " /", 2); /* gains it nothing */
	test_io_advance(f->loop, HTTP_HEADER_US / 2 - 1);
	CHECK("still three", n_connections(f) == 3);
	test_io_advance(f->loop, 1);
	CHECK("silent and slow are closed", n_connections(f) == 1);
	CHECK("told so", test_io_recv(silent, &f->got) && test_io_recv(slow, &f->got));
	http_server_stats_get(f->server, &st);
	CHECK("counted", st.timeouts == 1); /* who asked nothing is idle, not late */
	test_io_advance(f->loop, HTTP_IDLE_US - HTTP_HEADER_US - 1);
	CHECK("idle stays longer", n_connections(f) == 1);
	test_io_advance(f->loop, 1);
	CHECK("not for ever", n_connections(f) == 0);
	(void)close(silent);
	(void)close(slow);
	(void)close(idle);
}

/* A full server makes room: the probe behind 64 silent clients is answered. */
static void test_full(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	int fds[HTTP_CONNECTIONS_MAX], probe;
	struct http_stats st;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = test_io_connect_tcp(f->port);
		test_io_pump(f->loop);
	}
	test_io_send(fds[0], text, sizeof(text) - 1); /* the oldest, but active */
	test_io_pump(f->loop);
	CHECK("full", n_connections(f) == HTTP_CONNECTIONS_MAX);
	CHECK("stays open", !ask(f, text, &probe));
	CHECK("answered", str_starts(strbuf_text(&f->got), "HTTP/1.1 200 OK\r\n"));
	CHECK("still full", n_connections(f) == HTTP_CONNECTIONS_MAX);
	http_server_stats_get(f->server, &st);
	CHECK("one closed", st.evicted == 1);
	CHECK("not the active one", !test_io_recv(fds[0], &f->got));
	CHECK("the silent one", test_io_recv(fds[1], &f->got));
	(void)close(probe);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	test_io_pump(f->loop);
	CHECK("none left", n_connections(f) == 0);
}

/* What a refused client still sends does not take the answer with it; but not for ever. */
static void test_linger(void **state)
{
	struct fixture *f = *state;
	char junk[4096];
	int fd;

	memset(junk, 'j', sizeof(junk));
	CHECK("closed by the server", ask(f, "nonsense\r\n\r\n", &fd));
	CHECK("answer", str_starts(strbuf_text(&f->got), "HTTP/1.1 400 "));
	for (int i = 0; i < 20; i++) {
		test_io_send(fd, junk, sizeof(junk));
		test_io_pump(f->loop);
	}
	CHECK("lingers", n_connections(f) == 1);
	test_io_advance(f->loop, 1 * US_PER_S);
	CHECK("gone", n_connections(f) == 0);
	(void)close(fd);
}

static void test_listen(void **state)
{
	static const struct {
		const char *name, *addr, *why; /* why: behind "failed to listen on "; NULL: works */
		int want;
	} rows[] = {
		{ "all", "", NULL, 0 },
		{ "IPv4", "127.0.0.1", NULL, 0 },
		{ "IPv6", "::1", NULL, 0 },
		{ "IPv6 in brackets", "[::1]", NULL, 0 },
		{ "localhost", "localhost", NULL, 0 },
		{ "leading zero", "127.0.0.01", "127.0.0.01:0: \"127.0.0.01\" is not an IP address",
		  -EINVAL },
		{ "half a bracket", "[::1", "[::1:0: \"[::1\" is not an IP address", -EINVAL },
		{ "bracket alone", "[", "[:0: \"[\" is not an IP address", -EINVAL },
		{ "name", "node1", "node1:0: \"node1\" is not an IP address", -EINVAL },
		{ "not of this host", "192.0.2.1", "192.0.2.1:0: Cannot assign requested address",
		  -EADDRNOTAVAIL },
		{ "not of this host, IPv6", "2001:db8::1",
		  "[2001:db8::1]:0: Cannot assign requested address", -EADDRNOTAVAIL },
	};
	struct ev_loop *loop = ev_new_sim(1);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *why = NULL;
		struct http_server *s;
		int r = http_server_new(loop, rows[i].addr, 0, NULL, 0, &s, &why);

		if (r == -EAFNOSUPPORT || (r == -EADDRNOTAVAIL && rows[i].want == 0))
			continue; /* a host without IPv6 */
		CHECK(rows[i].name, r == rows[i].want);
		if (r == 0) {
			CHECK(rows[i].name, http_server_port(s) != 0);
			http_server_free(s);
			continue;
		}
		CHECK(rows[i].name, str_starts(why, "failed to listen on "));
		CHECK_STR(rows[i].name, why + strlen("failed to listen on "), rows[i].why);
	}
	ev_free(loop);
}

static void test_port_taken(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *why = NULL, *want = NULL;
	struct http_server *s;

	want = xasprintf("failed to listen on 127.0.0.1:%u: Address already in use", f->port);
	CHECK("taken",
	      http_server_new(f->loop, "127.0.0.1", f->port, NULL, 0, &s, &why) == -EADDRINUSE);
	CHECK_STR("text", why, want);
}

/* --- the real loop --- */

static void on_tick(void *arg)
{
	ev_stop(arg);
}

static void test_real_loop(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	const struct http_route route = { "/healthz", handle_ok, NULL };
	struct ev_loop *loop = ev_new_real();
	struct ev_timer *tick = ev_timer_new(loop, "test-tick", on_tick, loop);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct http_server *s;
	bool closed = false;
	char *why;
	int fd;

	(void)state;
	CHECK("listens", http_server_new(loop, "", 0, &route, 1, &s, &why) == 0);
	fd = test_io_connect_tcp(http_server_port(s));
	test_io_send(fd, text, sizeof(text) - 1);
	for (int i = 0; i < 5000 && !closed; i++) {
		ev_timer_set(tick, US_PER_MS);
		ev_run(loop);
		closed = test_io_recv(fd, &got);
	}
	CHECK("closed", closed);
	CHECK("answer", str_starts(strbuf_text(&got), "HTTP/1.1 200 OK\r\n"));
	CHECK("body", str_ends(strbuf_text(&got), "\r\n\r\nOK\n"));
	(void)close(fd);
	http_server_free(s);
	ev_timer_free(tick);
	ev_free(loop);
}

#define WITH_SERVER(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_answers),        WITH_SERVER(test_pipelined),
		WITH_SERVER(test_byte_by_byte),   WITH_SERVER(test_big),
		WITH_SERVER(test_pending),        WITH_SERVER(test_times),
		WITH_SERVER(test_full),           WITH_SERVER(test_linger),
		WITH_SERVER(test_port_taken),     cmocka_unit_test(test_listen),
		cmocka_unit_test(test_real_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
