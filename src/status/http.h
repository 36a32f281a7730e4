/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small HTTP/1.1 server for /healthz, /readyz and metrics. Its port is open to the network:
 * bounded requests, connections and times; answers come from memory.
 */
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"

struct ev_loop;
struct http_server;

#define HTTP_CONNECTIONS_MAX 64             /* one more: the one that is silent longest is closed */
#define HTTP_HEADER_US       (5 * US_PER_S) /* for the whole request to come */
#define HTTP_IDLE_US         (120 * US_PER_S) /* between two requests */
#define HTTP_WRITE_US        (10 * US_PER_S)  /* for the answer to be taken */
#define HTTP_ROUTES_MAX      8
/* Of answers not taken yet, all connections together; past it large ones are refused (503). */
#define HTTP_PENDING_MAX ((size_t)32 << 20)

struct http_response {
	int status;               /* starts as 200 */
	const char *content_type; /* constant text; starts as plain text */
	struct strbuf body;       /* when it overflows, the answer is 500 */
};

struct http_route {
	const char *path; /* exact */
	void (*handle)(void *arg, struct http_response *res);
	void *arg;
};

/*
 * addr: "" for all addresses, else an address, IPv6 with or without brackets, or "localhost".
 * routes are copied, their texts are not. port 0: any (for tests). 0, or -errno with *ret_why, a
 * text to free that names address and port: "failed to listen on 127.0.0.1:20244: Address already
 * in use".
 */
int http_server_new(struct ev_loop *loop, const char *addr, uint16_t port,
		    const struct http_route *routes, size_t n, struct http_server **ret,
		    char **ret_why);
void http_server_free(struct http_server *s);
uint16_t http_server_port(const struct http_server *s);

struct http_stats {
	uint64_t requests, refused; /* refused: answered with 400 and above before any handler */
	uint64_t evicted;           /* closed to make room */
	uint64_t timeouts;
	size_t n_connections;
};
void http_server_stats_get(const struct http_server *s, struct http_stats *ret);
