/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * OpenSSL set up from the configuration: authorities, client certificate, versions, and a BIO that
 * writes to a socket without SIGPIPE.
 */
#include <openssl/ssl.h>

#include "base/macro.h"
#include "kube/conf.h"

#define KUBE_TLS_WHY_MAX 160 /* room is left for an address: KUBE_STREAM_WHY_MAX */

/* 0 with a context to free with SSL_CTX_free(); -EINVAL with a text in why. */
int kube_tls_ctx_new(const struct kube_conf *conf, SSL_CTX **ret_ctx, char why[KUBE_TLS_WHY_MAX]);

/* A client session on a connected non-blocking socket. The descriptor stays the caller's. */
SSL *kube_tls_ssl_new(SSL_CTX *ctx, const struct kube_conf *conf, int fd);

/* Text of the newest OpenSSL error or of the failed certificate check. */
void kube_tls_why(const SSL *ssl, char why[KUBE_TLS_WHY_MAX]);
