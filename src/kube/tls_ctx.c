/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/tls_ctx.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/ip.h"

#define CA_CERTS_MAX    1000 /* in one bundle */
#define CHAIN_CERTS_MAX 16   /* after the client's own */

static int refuse(char why[KUBE_TLS_WHY_MAX], const char *field, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)snprintf(why, KUBE_TLS_WHY_MAX, "%s: %s%s%s", field, what, reason ? ": " : "",
		       reason ? reason : "");
	ERR_clear_error();
	return -EINVAL;
}

void kube_tls_why(const SSL *ssl, char why[KUBE_TLS_WHY_MAX])
{
	unsigned long err = ERR_peek_last_error();
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(err);

	if (verify != X509_V_OK)
		(void)snprintf(why, KUBE_TLS_WHY_MAX, "certificate of the server refused: %s",
			       X509_verify_cert_error_string(verify));
	else
		(void)snprintf(why, KUBE_TLS_WHY_MAX, "TLS: %s",
			       reason ? reason : "connection lost");
	ERR_clear_error();
}

static BIO *bio_of(const struct kube_secret *s)
{
	return BIO_new_mem_buf(s->data, (int)s->len); /* at most KUBE_SECRET_MAX or a YAML file */
}

/* Never asks for a passphrase on the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the library's prototype */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static int ca_load(SSL_CTX *ctx, const struct kube_secret *ca, char why[KUBE_TLS_WHY_MAX])
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = bio_of(ca);
	size_t n = 0;
	X509 *cert;

	ERR_clear_error();
	while (n < CA_CERTS_MAX && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		(void)X509_STORE_add_cert(store, cert); /* a duplicate is no failure */
		X509_free(cert);
		n++;
	}
	BIO_free(bio);
	if (n == 0)
		return refuse(why, "certificate-authority", "no certificate in PEM form");
	ERR_clear_error(); /* the end of the file is an error to the PEM reader */
	/* an intermediate or the server's own certificate may be the trusted one */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return 0;
}

static int client_load(SSL_CTX *ctx, const struct kube_conf *conf, char why[KUBE_TLS_WHY_MAX])
{
	BIO *bio = bio_of(&conf->cert);
	X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL), *next;
	EVP_PKEY *key;
	int ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	for (int i = 0; ok && i < CHAIN_CERTS_MAX; i++) {
		next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!next)
			break;
		if (SSL_CTX_add0_chain_cert(ctx, next) != 1)
			X509_free(next);
	}
	BIO_free(bio);
	if (!ok)
		return refuse(why, "client-certificate", "no usable certificate in PEM form");
	ERR_clear_error();

	bio = bio_of(&conf->key);
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key); /* clears it with the last reference */
	if (!ok)
		return refuse(why, "client-key", "no usable key in PEM form for this certificate");
	return 0;
}

int kube_tls_ctx_new(const struct kube_conf *conf, SSL_CTX **ret_ctx, char why[KUBE_TLS_WHY_MAX])
{
	static const uint8_t alpn[] = { 2, 'h', '2' };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r = 0;

	if (!ctx)
		return refuse(why, "TLS", "cannot be set up");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn)) != 0)
		r = refuse(why, "TLS", "cannot be set up");
	SSL_CTX_set_verify(ctx, conf->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (r == 0 && conf->ca.data && !conf->is_insecure)
		r = ca_load(ctx, &conf->ca, why);
	else if (r == 0 && !conf->is_insecure && SSL_CTX_set_default_verify_paths(ctx) != 1)
		r = refuse(why, "certificate-authority", "the system has none");
	if (r == 0 && conf->cert.data && conf->key.data)
		r = client_load(ctx, conf, why);
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

/* OpenSSL's own socket BIO uses write(), which raises SIGPIPE when the server has gone. */

static int bio_fd(BIO *b)
{
	return (int)(intptr_t)BIO_get_data(b);
}

static int bio_result(BIO *b, ssize_t n, int retry_flags)
{
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_flags(b, retry_flags | BIO_FLAGS_SHOULD_RETRY);
	return (int)n;
}

static int bio_write(BIO *b, const char *data, int len)
{
	return bio_result(b, send(bio_fd(b), data, (size_t)len, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static int bio_read(BIO *b, char *data, int len)
{
	return bio_result(b, recv(bio_fd(b), data, (size_t)len, 0), BIO_FLAGS_READ);
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *m; /* one for the life of the process */

	if (!m) {
		m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_ctrl(m, bio_ctrl);
	}
	return m;
}

/* SSL_set_tlsext_host_name() as a macro casts const away. OpenSSL copies the name. */
static long sni_set(SSL *ssl, const char *name)
{
	union {
		const char *in;
		void *out;
	} u = { .in = name };

	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, u.out);
}

SSL *kube_tls_ssl_new(SSL_CTX *ctx, const struct kube_conf *conf, int fd)
{
	const char *name = conf->tls_name ? conf->tls_name : conf->url.host;
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new(bio_method());
	struct ip_addr ip;
	int ok;

	if (!ssl || !bio) {
		SSL_free(ssl);
		BIO_free(bio);
		return NULL;
	}
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (ip_parse(name, &ip) == 0)
		ok = X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip.bytes, ip_size(ip.family));
	else
		ok = SSL_set1_host(ssl, name) == 1 && sni_set(ssl, name) == 1;
	if (ok != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}
