/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * TLS over TCP to the API server: name look-up, connect, handshake, bytes.
 *
 * TLS 1.2 or newer, ALPN must agree on h2, the certificate is checked against the configured
 * authorities (the system's if none is given) and must name the host or address we asked for.
 */
#include "ev/ev.h"
#include "kube/conf.h"
#include "kube/stream.h"

/* Each address gets so long, the handshake as well. */
#define KUBE_TLS_CONNECT_US   (5 * US_PER_S)
#define KUBE_TLS_HANDSHAKE_US (10 * US_PER_S)
#define KUBE_TLS_RESOLVE_US   (15 * US_PER_S)

/* Reads certificate files again. conf and loop outlive the stream. */
struct kube_stream *kube_tls_dial(struct ev_loop *loop, struct kube_conf *conf,
				  const struct kube_stream_events *ev);

/*
 * Whether the certificates and the key can be used at all: 0, or -EINVAL with *ret_why, to free.
 * For a clear error at start; it opens no connection.
 */
int kube_tls_check(const struct kube_conf *conf, char **ret_why);
