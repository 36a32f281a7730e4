/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection takes turns: it reads one request, answers it, and only then looks at what follows;
 * one request is handled per callback, so that pipelined ones leave room for the rest of the loop.
 *
 *   READ --complete--> WRITE --taken--> READ ...            keep-alive
 *                            `-------> LINGER --> closed    the last answer
 *
 * LINGER: our side is closed, what the client still sends is read and dropped; closing at once
 * would reset the connection and could take the answer with it.
 *
 * The port is open to the network. All times are limited. When all connections are taken, the one
 * that has been silent longest makes room: so idle or slow clients cannot keep the liveness probe
 * out, whose request comes right behind its connection.
 */
#include "status/http.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "status/http_request.h"

#define ACCEPTS_PER_TURN 16
#define READ_CHUNK       ((size_t)2048)
#define LINGER_US        (1 * US_PER_S)
#define LINGER_READS     64 /* chunks dropped at most */
#define ACCEPT_PAUSE_US  (1 * US_PER_S)
#define SMALL_ANSWER     ((size_t)4096) /* never refused for HTTP_PENDING_MAX */

enum conn_state {
	CONN_READ,
	CONN_WRITE,
	CONN_LINGER,
};

struct conn {
	struct http_server *server;
	struct list link; /* server->conns, the one active last at the end */
	int fd;
	struct ev_io *io;
	struct ev_timer *timer;
	enum conn_state state;
	struct http_request *request;
	char in[READ_CHUNK]; /* read, not parsed yet */
	size_t in_len;
	struct strbuf out;
	size_t out_done;
	bool closing; /* after this answer */
	unsigned n_dropped;
};

struct http_server {
	struct ev_loop *loop;
	int fd;
	struct ev_io *io;
	struct ev_timer *accept_timer; /* no descriptors left: accepting pauses */
	struct list conns;
	size_t n_conns;
	size_t n_pending; /* bytes of answers not taken yet */
	struct http_route routes[HTTP_ROUTES_MAX];
	size_t n_routes;
	struct http_stats stats;
};

/* --- connections --- */

static void conn_free(struct conn *c)
{
	struct http_server *s = c->server;

	list_del(&c->link);
	s->n_conns--;
	s->n_pending -= c->out.len - c->out_done;
	ev_io_free(c->io);
	ev_timer_free(c->timer);
	(void)close(c->fd);
	http_request_free(c->request);
	strbuf_fini(&c->out);
	free(c);
}

static void conn_touch(struct conn *c)
{
	list_del(&c->link);
	list_add_tail(&c->server->conns, &c->link);
}

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 404, "Not Found" },
		{ 414, "URI Too Long" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].status == status)
			return rows[i].text;
	}
	return "Status";
}

static void date_add(struct strbuf *out, struct wall now)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(now.us / US_PER_S);
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return;
	strbuf_fmt(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
		   tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		   tm.tm_sec);
}

static void body_replace(struct http_response *res, int status, const char *text)
{
	res->status = status;
	res->content_type = "text/plain; charset=utf-8";
	strbuf_fini(&res->body);
	res->body = (struct strbuf)STRBUF_INIT;
	strbuf_puts(&res->body, text);
}

/* Puts the answer into c->out. */
static void respond(struct conn *c, struct http_response *res, bool is_head, bool is_1_0)
{
	struct http_server *s = c->server;

	if (res->body.overflow)
		body_replace(res, 500, "The answer is too long\n");
	if (res->body.len > SMALL_ANSWER && s->n_pending + res->body.len > HTTP_PENDING_MAX)
		body_replace(res, 503, "Too many answers are waiting to be taken\n");
	assert(c->out.len == 0);
	strbuf_fmt(&c->out, "HTTP/1.1 %d %s\r\n", res->status, status_text(res->status));
	date_add(&c->out, ev_wall(s->loop));
	strbuf_fmt(&c->out, "Content-Type: %s\r\nContent-Length: %zu\r\n", res->content_type,
		   res->body.len);
	if (c->closing)
		strbuf_puts(&c->out, "Connection: close\r\n");
	else if (is_1_0)
		strbuf_puts(&c->out, "Connection: keep-alive\r\n");
	strbuf_puts(&c->out, "\r\n");
	if (!is_head)
		strbuf_add(&c->out, strbuf_text(&res->body), res->body.len);
	c->out_done = 0;
	s->n_pending += c->out.len;
	c->state = CONN_WRITE;
	ev_timer_set(c->timer, HTTP_WRITE_US);
}

static void handle(struct conn *c)
{
	struct http_server *s = c->server;
	const struct http_request *r = c->request;
	struct http_response res = { .status = 200, .content_type = "text/plain; charset=utf-8" };
	const struct http_route *route = NULL;

	s->stats.requests++;
	c->closing = !http_request_keeps_alive(r);
	for (size_t i = 0; i < s->n_routes && !route; i++) {
		if (str_eq(s->routes[i].path, http_request_path(r)))
			route = &s->routes[i];
	}
	if (route)
		route->handle(route->arg, &res);
	else
		body_replace(&res, 404, "404 page not found\n");
	respond(c, &res, http_request_is_head(r), http_request_is_1_0(r));
	strbuf_fini(&res.body);
}

static void refuse(struct conn *c)
{
	struct http_response res = { .status = 400 };
	int status = http_request_error(c->request);

	c->server->stats.refused++;
	c->closing = true;
	body_replace(&res, status, status_text(status));
	strbuf_putc(&res.body, '\n');
	respond(c, &res, false, false);
	strbuf_fini(&res.body);
}

/* Parses what was read; once a request is whole, the answer is in c->out. */
static void conn_parse(struct conn *c)
{
	size_t used = 0;

	switch (http_request_feed(c->request, c->in, c->in_len, &used)) {
	case HTTP_REQUEST_EMPTY:
	case HTTP_REQUEST_PART:
		break;
	case HTTP_REQUEST_COMPLETE:
		handle(c);
		break;
	case HTTP_REQUEST_BAD:
		refuse(c);
		used = c->in_len;
		break;
	}
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
}

static void linger(struct conn *c)
{
	c->state = CONN_LINGER;
	(void)shutdown(c->fd, SHUT_WR);
	ev_io_want(c->io, EV_READ);
	ev_timer_set(c->timer, LINGER_US);
}

/* The answer is taken: the next request, or the end. */
static void conn_answered(struct conn *c)
{
	strbuf_fini(&c->out); /* large ones do not stay with idle connections */
	c->out = (struct strbuf)STRBUF_INIT;
	c->out_done = 0;
	conn_touch(c);
	if (c->closing) {
		linger(c);
		return;
	}
	http_request_reset(c->request);
	c->state = CONN_READ;
	ev_timer_set(c->timer, c->in_len ? HTTP_HEADER_US : HTTP_IDLE_US);
	/* the next request may be here already: the socket is writable, so we are called again */
	ev_io_want(c->io, c->in_len ? EV_READ | EV_WRITE : EV_READ);
}

/* False: the connection is gone. */
static bool conn_write(struct conn *c)
{
	while (c->out_done < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out_done, c->out.len - c->out_done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_want(c->io, EV_WRITE);
			return true;
		}
		if (n < 0) {
			conn_free(c);
			return false;
		}
		c->out_done += (size_t)n;
		c->server->n_pending -= (size_t)n;
	}
	conn_answered(c);
	return true;
}

static void conn_read(struct conn *c)
{
	enum http_request_state before = http_request_state(c->request);
	ssize_t n = 0;

	if (c->in_len == 0) {
		n = recv(c->fd, c->in, sizeof(c->in), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_free(c);
			return;
		}
		c->in_len = (size_t)n;
	}
	conn_parse(c);
	if (c->state == CONN_WRITE) {
		(void)conn_write(c);
		return;
	}
	ev_io_want(c->io, EV_READ);
	/* the time runs from the first byte of a request, not anew with each one that trickles in
	 */
	if (before == HTTP_REQUEST_EMPTY && http_request_state(c->request) == HTTP_REQUEST_PART) {
		conn_touch(c);
		ev_timer_set(c->timer, HTTP_HEADER_US);
	}
}

static void conn_drop_input(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in, sizeof(c->in), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || ++c->n_dropped == LINGER_READS)
		conn_free(c);
}

static void on_conn(void *arg, unsigned events)
{
	struct conn *c = arg;

	(void)events; /* the state says what is to be done; the calls do not block */
	switch (c->state) {
	case CONN_READ:
		conn_read(c);
		break;
	case CONN_WRITE:
		(void)conn_write(c);
		break;
	case CONN_LINGER:
		conn_drop_input(c);
		break;
	}
}

static void on_conn_timer(void *arg)
{
	struct conn *c = arg;
	bool idle = c->state == CONN_READ && http_request_state(c->request) == HTTP_REQUEST_EMPTY;

	if (!idle && c->state != CONN_LINGER)
		c->server->stats.timeouts++;
	conn_free(c);
}

static void conn_new(struct http_server *s, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	*c = (struct conn){ .server = s, .fd = fd, .state = CONN_READ };
	c->request = http_request_new();
	c->io = ev_io_new(s->loop, "http-connection", fd, on_conn, c);
	c->timer = ev_timer_new(s->loop, "http-connection-time", on_conn_timer, c);
	list_add_tail(&s->conns, &c->link);
	s->n_conns++;
	ev_timer_set(c->timer, HTTP_HEADER_US);
	ev_io_want(c->io, EV_READ);
}

/* --- the listener --- */

static void evict(struct http_server *s)
{
	s->stats.evicted++;
	conn_free(list_first(&s->conns, struct conn, link));
}

static void on_accept(void *arg, unsigned events)
{
	struct http_server *s = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			if (s->n_conns == HTTP_CONNECTIONS_MAX)
				evict(s);
			conn_new(s, fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)
			continue;
		/* no descriptors or memory: make room, else pause, since asking again would spin */
		LOG_LIMIT(log_warning, "http: accept failed error=%s", strerror(errno));
		if (s->n_conns > 0) {
			evict(s);
			continue;
		}
		ev_io_want(s->io, 0);
		ev_timer_set(s->accept_timer, ACCEPT_PAUSE_US);
		return;
	}
}

static void on_accept_timer(void *arg)
{
	struct http_server *s = arg;

	ev_io_want(s->io, EV_READ);
}

/* An address with or without brackets; "" is IP_NONE. */
static int addr_parse(const char *text, struct ip_addr *ret)
{
	size_t len = strlen(text);

	if (len == 0) {
		*ret = (struct ip_addr){ 0 };
		return 0;
	}
	if (str_eq(text, "localhost")) { /* RFC 6761 6.3: needs no look-up */
		*ret = ip_v4(0x7f000001);
		return 0;
	}
	if (text[0] != '[')
		return ip_parse_strict(text, ret);
	if (len < 2 || text[len - 1] != ']')
		return -EINVAL;
	return ip_parse_n(text + 1, len - 2, ret);
}

static int bind_and_listen(int fd, const struct sockaddr_storage *ss, socklen_t len, int v6_only)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (ss->ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)ss, len) < 0 || listen(fd, HTTP_CONNECTIONS_MAX) < 0)
		return -errno;
	return 0;
}

static int listen_on(const struct sockaddr_storage *ss, socklen_t len, int v6_only, int *ret_fd)
{
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = bind_and_listen(fd, ss, len, v6_only);
	if (r < 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* All addresses: one socket for both families, or IPv4 alone on a host without IPv6. */
static int listen_all(uint16_t port, int *ret_fd)
{
	const uint8_t zero[16] = { 0 };
	struct ip_addr any = ip_from_bytes(IP_V6, zero);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&any, port, &ss);
	int r = listen_on(&ss, len, 0, ret_fd);

	if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
		return r;
	any = ip_from_bytes(IP_V4, zero);
	len = ip_to_sockaddr(&any, port, &ss);
	return listen_on(&ss, len, 0, ret_fd);
}

static int server_listen(const char *addr, uint16_t port, int *ret_fd, char **ret_why)
{
	struct sockaddr_storage ss;
	struct ip_addr a;
	socklen_t len;
	bool has_brackets;
	int r = addr_parse(addr, &a);

	if (r < 0) {
		*ret_why = xasprintf("failed to listen on %s:%u: \"%s\" is not an IP address", addr,
				     port, addr);
		return r;
	}
	if (ip_is_none(&a)) {
		r = listen_all(port, ret_fd);
	} else {
		len = ip_to_sockaddr(&a, port, &ss);
		r = listen_on(&ss, len, 1, ret_fd);
	}
	has_brackets = a.family == IP_V6 && addr[0] != '[';
	if (r < 0)
		*ret_why = xasprintf("failed to listen on %s%s%s:%u: %s", has_brackets ? "[" : "",
				     addr, has_brackets ? "]" : "", port, strerror(-r));
	return r;
}

/* NOLINTNEXTLINE(readability-function-size): each parameter is plain, and it is called twice */
int http_server_new(struct ev_loop *loop, const char *addr, uint16_t port,
		    const struct http_route *routes, size_t n, struct http_server **ret,
		    char **ret_why)
{
	struct http_server *s;
	int fd = -1, r = server_listen(addr, port, &fd, ret_why);

	if (r < 0)
		return r;
	assert(n <= HTTP_ROUTES_MAX);
	s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->fd = fd;
	s->n_routes = n;
	for (size_t i = 0; i < n; i++)
		s->routes[i] = routes[i];
	list_init(&s->conns);
	s->io = ev_io_new(loop, "http-listen", fd, on_accept, s);
	s->accept_timer = ev_timer_new(loop, "http-accept-pause", on_accept_timer, s);
	ev_io_want(s->io, EV_READ);
	*ret = s;
	return 0;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	list_for_each_safe (it, &s->conns)
		conn_free(list_entry(it, struct conn, link));
	ev_io_free(s->io);
	ev_timer_free(s->accept_timer);
	(void)close(s->fd);
	free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ip_addr a;
	uint16_t port = 0;

	memset(&ss, 0, sizeof(ss));
	if (getsockname(s->fd, (struct sockaddr *)&ss, &len) == 0)
		(void)ip_from_sockaddr(&ss, &a, &port);
	return port;
}

void http_server_stats_get(const struct http_server *s, struct http_stats *ret)
{
	*ret = s->stats;
	ret->n_connections = s->n_conns;
}
