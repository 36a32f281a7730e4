/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One request to the API server. It waits while the connection is down, is sent once, and ends
 * once: done() comes exactly one time unless the request is cancelled, never before
 * kube_request_new() returned. It is not repeated: what a lost answer means, the caller knows.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macro.h"
#include "base/str.h"

struct kube_client;
struct kube_conn;
struct kube_request;
struct ev_timer;

#define KUBE_REQUESTS_MAX      64 /* waiting and under way in one client */
#define KUBE_REQUEST_BODY_MAX  ((size_t)1 << 20)
#define KUBE_PROBLEM_BODY_MAX  ((size_t)64 << 10) /* of an error answer; the rest is dropped */
#define KUBE_RETRY_AFTER_MAX_S 120

#define KUBE_TYPE_PROTOBUF "application/vnd.kubernetes.protobuf"

/* Why a request failed: an error of ours or of the connection, or the server's Status. */
struct kube_problem {
	int err;                /* 0: the server answered; else -errno */
	int code;               /* HTTP status or Status.code; 0: none */
	int64_t retry_after_us; /* -1: not said */
	char reason[48];        /* "Expired", "Forbidden"; "" if not said */
	char message[256];      /* cut, not escaped: to be quoted in a log */
};

struct kube_response {
	int status;                  /* HTTP; 0 when none came */
	struct kube_problem problem; /* problem.err == 0 && status 2xx: none */
};

struct kube_request_spec {
	const char *method;       /* "GET"; constant */
	const char *path;         /* with its query; copied */
	const char *accept;       /* constant */
	const char *content_type; /* of the body; constant; NULL: no body */
	const void *body;         /* copied */
	size_t body_len;
	int64_t timeout_us; /* from now until done(); <= 0 is a bug */
	void *arg;
	/*
	 * Bytes of a 2xx answer. A negative result ends the request: done() gets it as problem.err.
	 * After cancelling (or freeing) itself the callback returns 0.
	 */
	int (*data)(void *arg, const uint8_t *data, size_t len);
	/* The handle is gone when it returns. */
	void (*done)(void *arg, const struct kube_response *res);
};

/* -EAGAIN: too many requests wait already. */
int kube_request_new(struct kube_client *c, const struct kube_request_spec *spec,
		     struct kube_request **ret_request);
/* done() will not be called. NULL is allowed. */
void kube_request_cancel(struct kube_request *r);

/* Pure: the Status in an error body of any content type. problem->code is set before. */
void kube_problem_parse(struct kube_problem *p, const char *content_type, const uint8_t *body,
			size_t len);
/* The same from the bytes of an object in its envelope (an ERROR event). -EBADMSG: no Status. */
int kube_problem_from_status(struct kube_problem *p, const uint8_t *data, size_t len);
/* "HTTP 403 Forbidden: ..." or the text of an errno; returns buf. */
#define KUBE_PROBLEM_FMT_MAX 400
const char *kube_problem_fmt(char buf[KUBE_PROBLEM_FMT_MAX], const struct kube_problem *p);
