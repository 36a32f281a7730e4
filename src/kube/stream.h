/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The byte stream under an HTTP/2 connection: TLS over TCP in earnest (kube/tls.h), a pair of
 * buffers with a scripted server in tests.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kube_stream;

/* None of these is called before dial() has returned, nor after close(). */
struct kube_stream_events {
	void *arg;
	void (*up)(void *arg);    /* connected, name checked, HTTP/2 agreed; then bytes may flow */
	void (*ready)(void *arg); /* read or write is worth trying again */
	/* It is over; what is left is close(). why is valid during the call. */
	void (*down)(void *arg, const char *why);
};

struct kube_stream_ops {
	/* Bytes; 0: the peer ended it; -EAGAIN: ready() will follow; another -errno: broken. */
	ssize_t (*read)(struct kube_stream *s, void *buf, size_t len);
	ssize_t (*write)(struct kube_stream *s, const void *buf, size_t len);
	void (*close)(struct kube_stream *s); /* frees it; may be called from its own callbacks */
};

#define KUBE_STREAM_WHY_MAX 224

struct kube_stream {
	const struct kube_stream_ops *ops;
	char why[KUBE_STREAM_WHY_MAX]; /* of the last read or write that broke, "" if unknown */
};

/* Makes streams to one server. Never NULL; failures come through down(). */
struct kube_dialer {
	void *arg;
	struct kube_stream *(*dial)(void *arg, const struct kube_stream_events *ev);
};
