/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name look-ups of the real loop: getaddrinfo() in libuv's thread pool, which is started by the
 * first name that is not an address. Nothing else here uses threads.
 */
#include "ev/real.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

/* Characters of a name (RFC 1035 2.3.4, without the final dot) */
#define EV_HOST_MAX 253

struct real_resolve {
	struct ev_resolve r;
	uv_getaddrinfo_t *req; /* NULL: none under way */
	struct ev_task *finish;
	int err;
	struct ip_addr addrs[EV_RESOLVE_MAX];
	size_t n;
};

static struct real_resolve *real_resolve_of(struct ev_resolve *r)
{
	return container_of(r, struct real_resolve, r);
}

static void resolve_free(struct real_resolve *res)
{
	if (res->req) {
		res->req->data = NULL;
		(void)uv_cancel(
			(uv_req_t *)res->req); /* too late is fine: found_cb sees no owner */
	}
	ev_task_free(res->finish);
	ev_handle_bury(&res->r.h);
}

static void finish_cb(void *arg)
{
	struct real_resolve *res = arg;

	res->r.done(res->r.arg, res->err, res->addrs, res->n);
	resolve_free(res);
}

static int errno_of(int status)
{
	switch (status) {
	case 0:
		return 0;
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
	case UV_EAI_ADDRFAMILY:
		return -ENOENT;
	case UV_EAI_AGAIN:
		return -EAGAIN;
	case UV_EAI_MEMORY:
		return -ENOMEM;
	default:
		return status <= UV_EAI_ADDRFAMILY ? -EIO : status; /* libuv's own are -errno */
	}
}

static void addr_add(struct real_resolve *res, const struct addrinfo *ai)
{
	struct sockaddr_storage ss = { 0 };
	struct ip_addr a;
	uint16_t port;

	if (res->n == EV_RESOLVE_MAX || ai->ai_addrlen > sizeof(ss))
		return;
	memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
	if (!ip_from_sockaddr(&ss, &a, &port))
		return;
	for (size_t i = 0; i < res->n; i++)
		if (ip_same(&res->addrs[i], &a))
			return;
	res->addrs[res->n++] = a;
}

static void found_cb(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct real_resolve *res = req->data;

	if (res) {
		res->req = NULL;
		res->err = errno_of(status);
		for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
			addr_add(res, ai);
		if (res->err == 0 && res->n == 0)
			res->err = -ENOENT;
		ev_task_post(res->finish);
	}
	uv_freeaddrinfo(list);
	free(req);
}

static int look_up(struct real_resolve *res, const char *host)
{
	struct ev_real *real = ev_real_of(res->r.h.loop);
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	uv_getaddrinfo_t *req = xcalloc(1, sizeof(*req));
	int r = uv_getaddrinfo(&real->uv, req, found_cb, host, NULL, &hints);

	if (r < 0) {
		free(req);
		return errno_of(r);
	}
	req->data = res;
	res->req = req;
	return 0;
}

struct ev_resolve *ev_resolve_start_real(struct ev_loop *loop, const char *host)
{
	struct real_resolve *res = xcalloc(1, sizeof(*res));
	bool is_numeric;

	ev_handle_init(&res->r.h, loop, "resolve");
	res->finish = ev_task_new(loop, "resolve", finish_cb, res);
	is_numeric = ip_parse(host, &res->addrs[0]) == 0;
	if (is_numeric)
		res->n = 1;
	else if (!*host || strlen(host) > EV_HOST_MAX)
		res->err = -EINVAL;
	else
		res->err = look_up(res, host);
	if (is_numeric || res->err < 0)
		ev_task_post(res->finish);
	return &res->r;
}

void ev_resolve_cancel_real(struct ev_resolve *r)
{
	resolve_free(real_resolve_of(r));
}
