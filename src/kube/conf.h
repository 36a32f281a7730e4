/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the parts of kube/ know of struct kube_conf (kube/watch.h has the face of it): the server,
 * and the secrets, each from memory or from a file that is read again.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/ip.h"
#include "base/macro.h"
#include "base/time.h"
#include "kube/watch.h"

#define KUBE_SECRET_MAX                                                                            \
	((size_t)512 << 10) /* bytes of one certificate bundle, key or token file                  \
			     */
#define KUBE_TOKEN_MAX ((size_t)16 << 10)
#define KUBE_TOKEN_AGE_US                                                                          \
	(50 * US_PER_S) /* bound tokens rotate: re-read before a minute is over                    \
			 */

/* Bytes with a NUL behind them; cleared before they are freed. */
struct kube_secret {
	char *path; /* NULL: given in place */
	char *data; /* NULL: none */
	size_t len;
};

struct kube_url {
	char *host; /* name or address, without brackets */
	uint16_t port;
	char *path; /* prefix of every request: "" or "/k8s/clusters/c-1", no slash at its end */
	char *authority; /* host:port as in the URL, for the :authority header */
};

struct kube_conf {
	char *server; /* as given */
	struct kube_url url;
	char *tls_name;   /* name to ask for and to check instead of the host; NULL: the host */
	bool is_insecure; /* the server's certificate is not checked */
	struct kube_secret ca, cert, key, token;
	struct mono token_read;
};

/*
 * https://host[:port][/path]; a bare host[:port] means https. -EINVAL with *ret_why, a constant
 * text. Fields to be freed with kube_url_fini().
 */
int kube_url_parse(const char *text, struct kube_url *ret, const char **ret_why);
void kube_url_fini(struct kube_url *u);

/* The bearer token, "" if there is none; its file is read again when it is older than the age. */
const char *kube_conf_token(struct kube_conf *c, struct mono now);
/* The server refused us: the next kube_conf_token() reads the file. */
void kube_conf_token_expire(struct kube_conf *c);
/* Reads certificates and key anew where they are files; what cannot be read keeps its old content.
 */
void kube_conf_tls_refresh(struct kube_conf *c);

/* 0 or -errno; at most max bytes; trailing blanks and newlines stay. */
int kube_secret_read(struct kube_secret *s, size_t max);
void kube_secret_set(struct kube_secret *s, const char *data, size_t len);
void kube_secret_fini(struct kube_secret *s);

/*
 * kubeconfig.c: the fields of the current context into c. dir: where relative paths start. master:
 * replaces the server, "" if unset. Secrets in files are named, not read. -EINVAL with *ret_why
 * (to free), which begins with the field.
 */
int kube_conf_from_yaml(struct kube_conf *c, const char *text, size_t len, const char *dir,
			const char *master, char **ret_why);
