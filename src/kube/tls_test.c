/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real TLS over loopback: each row is a server (a child with certificates made here) and a client
 * configuration, and says whether they may talk.
 */
#include "kube/tls.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static void ext_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* issuer NULL: a CA signed by itself. san NULL: none. days < 0: expired. */
static struct identity identity_new(const char *name, const struct identity *issuer,
				    const char *san, long days)
{
	struct identity id = { .key = EVP_EC_gen("P-256"), .cert = X509_new() };
	X509_NAME *subject = X509_get_subject_name(id.cert);

	assert_non_null(id.key);
	X509_set_version(id.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), issuer ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -10 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), days * 86400L);
	X509_set_pubkey(id.cert, id.key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(id.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	ext_add(id.cert, issuer ? issuer->cert : id.cert, NID_basic_constraints,
		issuer ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		ext_add(id.cert, issuer ? issuer->cert : id.cert, NID_subject_alt_name, san);
	assert_true(X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256()) > 0);
	return id;
}

static void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static void pem_take(struct kube_secret *s, BIO *bio)
{
	const char *data;
	long len = BIO_get_mem_data(bio, &data);

	kube_secret_set(s, data, (size_t)len);
	BIO_free(bio);
}

static void cert_put(struct kube_secret *s, const struct identity *id)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, id->cert), 1);
	pem_take(s, bio);
}

static void key_put(struct kube_secret *s, const struct identity *id)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL), 1);
	pem_take(s, bio);
}

static int alpn_pick(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		     const unsigned char *in, unsigned in_len, void *arg)
{
	const bool *offers_h2 = arg;

	(void)ssl;
	if (!*offers_h2 || in_len != 3 || memcmp(in, "\2h2", 3) != 0)
		return SSL_TLSEXT_ERR_NOACK;
	*out = in + 1;
	*out_len = 2;
	return SSL_TLSEXT_ERR_OK;
}

struct server_plan {
	bool no_h2, wants_client, only_tls11;
};

/* In the child: one connection; says "hi" and waits for "yo". */
static void serve(int listener, const struct identity *id, const struct identity *ca,
		  const struct server_plan *plan)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	bool offers_h2 = !plan->no_h2;
	char got[2];
	SSL *ssl;
	int fd;

	SSL_CTX_use_certificate(ctx, id->cert);
	SSL_CTX_use_PrivateKey(ctx, id->key);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_pick, &offers_h2);
	if (plan->only_tls11) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, TLS1_1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	}
	if (plan->wants_client) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->cert);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_write(ssl, "hi", 2) == 2)
		(void)SSL_read(ssl, got, 2);
	_exit(0);
}

struct client {
	struct ev_loop *loop;
	struct kube_stream *stream;
	bool was_up, got_hi;
	char why[KUBE_STREAM_WHY_MAX];
};

static void on_down(void *arg, const char *why)
{
	struct client *c = arg;

	(void)str_copy(c->why, sizeof(c->why), why);
	ev_stop(c->loop);
}

static void on_ready(void *arg)
{
	struct client *c = arg;
	char got[16];
	ssize_t n = c->stream->ops->read(c->stream, got, sizeof(got));

	if (n == -EAGAIN)
		return;
	if (n == 2 && memcmp(got, "hi", 2) == 0)
		c->got_hi = true;
	else
		(void)str_copy(c->why, sizeof(c->why), c->stream->why);
	ev_stop(c->loop);
}

static void on_up(void *arg)
{
	struct client *c = arg;

	c->was_up = true;
	(void)c->stream->ops->write(c->stream, "yo", 2);
	on_ready(c);
}

static void on_late(void *arg)
{
	struct client *c = arg;

	(void)str_copy(c->why, sizeof(c->why), "the test took too long");
	ev_stop(c->loop);
}

static void client_run(struct kube_conf *conf, struct client *c)
{
	const struct kube_stream_events ev = { c, on_up, on_ready, on_down };
	struct ev_timer *late;

	*c = (struct client){ .loop = ev_new_real() };
	late = ev_timer_new(c->loop, "test-late", on_late, c);
	ev_timer_set(late, 10 * US_PER_S);
	c->stream = kube_tls_dial(c->loop, conf, &ev);
	ev_run(c->loop);
	c->stream->ops->close(c->stream);
	ev_timer_free(late);
	ev_free(c->loop);
}

static int listen_loopback(uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&a, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void test_rows(void **state)
{
	static const struct {
		const char *name, *san, *tls_name;
		struct server_plan server;
		bool expired, other_ca, own_cert_as_ca, insecure, has_client;
		const char *why; /* NULL: they talk */
	} rows[] = {
		{ "address in SAN", "IP:127.0.0.1", NULL, .why = NULL },
		{ "name in SAN", "DNS:api.test", "api.test", .why = NULL },
		{ "wrong address", "IP:127.0.0.2", NULL, .why = "IP address mismatch" },
		{ "address as a name", "DNS:127.0.0.1", NULL, .why = "IP address mismatch" },
		{ "wrong name", "DNS:other.test", "api.test", .why = "ostname mismatch" },
		{ "name in CN only", NULL, "server", .why = "ostname mismatch" },
		{ "other authority", "IP:127.0.0.1", NULL, .other_ca = true,
		  .why = "unable to get local issuer certificate" },
		{ "the server's own certificate trusted", "IP:127.0.0.1", NULL,
		  .own_cert_as_ca = true, .why = NULL },
		{ "expired", "IP:127.0.0.1", NULL, .expired = true, .why = "has expired" },
		{ "not checked", "IP:127.0.0.2", NULL, .other_ca = true, .insecure = true,
		  .why = NULL },
		{ "no HTTP/2", "IP:127.0.0.1", NULL, .server.no_h2 = true,
		  .why = "does not offer HTTP/2" },
		{ "old TLS", "IP:127.0.0.1", NULL, .server.only_tls11 = true, .why = "TLS: " },
		{ "client certificate", "IP:127.0.0.1", NULL, .server.wants_client = true,
		  .has_client = true, .why = NULL },
		{ "no client certificate", "IP:127.0.0.1", NULL, .server.wants_client = true,
		  .why = "certificate required" },
	};
	struct identity ca = identity_new("ca", NULL, NULL, 10);
	struct identity other = identity_new("other ca", NULL, NULL, 10);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct identity server =
			identity_new("server", &ca, rows[i].san, rows[i].expired ? -1 : 10);
		struct kube_conf *conf = xcalloc(1, sizeof(*conf));
		struct client c;
		int listener, status;
		pid_t pid;

		listener = listen_loopback(&conf->url.port);
		conf->url.host = xstrdup("127.0.0.1");
		conf->tls_name = rows[i].tls_name ? xstrdup(rows[i].tls_name) : NULL;
		conf->is_insecure = rows[i].insecure;
		cert_put(&conf->ca, rows[i].other_ca         ? &other
				    : rows[i].own_cert_as_ca ? &server
							     : &ca);
		if (rows[i].has_client) {
			struct identity me = identity_new("node", &ca, NULL, 10);

			cert_put(&conf->cert, &me);
			key_put(&conf->key, &me);
			identity_free(&me);
		}
		pid = fork();
		if (pid == 0)
			serve(listener, &server, &ca, &rows[i].server);
		assert_true(pid > 0);
		client_run(conf, &c);
		if (rows[i].why && !strstr(c.why, rows[i].why))
			print_error("why: %s\n", c.why);
		if (!rows[i].why && !c.got_hi)
			print_error("why: %s\n", c.why);
		CHECK(rows[i].name,
		      rows[i].why ? strstr(c.why, rows[i].why) && !c.got_hi : c.got_hi);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		(void)close(listener);
		kube_conf_free(conf);
		identity_free(&server);
	}
	identity_free(&ca);
	identity_free(&other);
}

static void test_refused_and_bad_files(void **state)
{
	static const struct {
		const char *name, *ca, *cert, *key, *why;
	} rows[] = {
		{ "nobody listens", NULL, NULL, NULL, "127.0.0.1: Connection refused" },
		{ "CA is no PEM", "junk", NULL, NULL, "certificate-authority: no certificate" },
		{ "empty CA", "", NULL, NULL, "certificate-authority: no certificate" },
		{ "certificate is no PEM", NULL, "junk", "junk", "client-certificate: no usable" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_conf *conf = xcalloc(1, sizeof(*conf));
		int listener = listen_loopback(&conf->url.port);
		struct client c;

		(void)close(listener); /* the port is free again, and nobody listens */
		conf->url.host = xstrdup("127.0.0.1");
		if (rows[i].ca)
			kube_secret_set(&conf->ca, rows[i].ca, strlen(rows[i].ca));
		if (rows[i].cert) {
			kube_secret_set(&conf->cert, rows[i].cert, strlen(rows[i].cert));
			kube_secret_set(&conf->key, rows[i].key, strlen(rows[i].key));
		}
		client_run(conf, &c);
		if (!strstr(c.why, rows[i].why))
			print_error("why: %s\n", c.why);
		CHECK(rows[i].name, strstr(c.why, rows[i].why) && !c.was_up);
		kube_conf_free(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_refused_and_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
