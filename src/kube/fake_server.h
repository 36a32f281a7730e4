/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests: an HTTP/2 server inside the test process, on the far side of kube/stream.h. The test
 * says what it answers and how it fails; time is the simulated loop's.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "ev/ev.h"
#include "kube/stream.h"

#define FAKE_CONNS    16
#define FAKE_REQUESTS 64

struct fake_request {
	size_t conn;
	int32_t stream_id;
	char path[512], accept[96], authorization[96];
	bool is_whole; /* its last frame came */
	bool is_reset; /* the client reset it */
	struct strbuf body;
	size_t body_sent;
	bool body_ended;
};

struct fake_conn;

struct fake_server {
	struct ev_loop *loop;
	struct fake_conn *conns[FAKE_CONNS]; /* in the order of dialling */
	size_t n_conns;
	struct fake_request requests[FAKE_REQUESTS]; /* in the order of coming */
	size_t n_requests;
	bool refuse;       /* dialling fails */
	size_t mute_below; /* connections with a smaller index take bytes and never answer */
	bool byte_by_byte; /* the client gets one byte a read */
	uint64_t pings;
};

void fake_server_init(struct fake_server *s, struct ev_loop *loop);
void fake_server_fini(struct fake_server *s);
struct kube_dialer fake_server_dialer(struct fake_server *s);

/* i-th request ever; the test fails if it has not come. */
struct fake_request *fake_server_request(struct fake_server *s, size_t i);
/* Response headers. retry_after "" for none. */
void fake_server_answer(struct fake_server *s, struct fake_request *r, const char *status,
			const char *type, const char *retry_after);
void fake_server_send(struct fake_server *s, struct fake_request *r, const struct strbuf *bytes);
void fake_server_end(struct fake_server *s, struct fake_request *r);
void fake_server_reset(struct fake_server *s, struct fake_request *r);
void fake_server_goaway(struct fake_server *s, size_t conn);
/* The connection ends; what was sent is still read. */
void fake_server_cut(struct fake_server *s, size_t conn);
void fake_server_garbage(struct fake_server *s, size_t conn, const char *bytes);
bool fake_server_is_open(const struct fake_server *s, size_t conn);
