/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is, in this order: --kubeconfig (its server replaced by --master, if set);
 * else
 * --master with the pod's service account, whose token and CA are optional; else the pod's
 * environment and service account. KUBECONFIG and ~/.kube/config are not read.
 */
#include "kube/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/tls.h"
#include "kube/yaml.h"

void kube_secret_fini(struct kube_secret *s)
{
	if (s->data)
		explicit_bzero(s->data, s->len);
	free(s->data);
	free(s->path);
	*s = (struct kube_secret){ 0 };
}

void kube_secret_set(struct kube_secret *s, const char *data, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, data, len);
	copy[len] = '\0';
	if (s->data)
		explicit_bzero(s->data, s->len);
	free(s->data);
	s->data = copy;
	s->len = len;
}

/* The whole file in a buffer of max + 1 bytes; its length, -EFBIG, or another -errno. */
static ssize_t file_read(const char *path, char *buf, size_t max)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len <= max) {
		ssize_t n = read(fd, buf + len, max + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		len += (size_t)n;
	}
	return -EFBIG;
}

int kube_secret_read(struct kube_secret *s, size_t max)
{
	char *buf = xmalloc(max + 1);
	ssize_t n = file_read(s->path, buf, max);

	if (n >= 0)
		kube_secret_set(s, buf, (size_t)n);
	explicit_bzero(buf, n > 0 ? (size_t)n : 0);
	free(buf);
	return n < 0 ? (int)n : 0;
}

void kube_url_fini(struct kube_url *u)
{
	free(u->host);
	free(u->path);
	free(u->authority);
	*u = (struct kube_url){ 0 };
}

static bool host_is_valid(const char *host, size_t len, bool is_bracketed)
{
	struct ip_addr a;

	if (is_bracketed)
		return ip_parse_n(host, len, &a) == 0;
	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr("-._", host[i]))
			return false;
	return true;
}

static bool path_is_valid(const char *path)
{
	for (; *path; path++)
		if (!isalnum((unsigned char)*path) && !strchr("/-._~%:@!$&'()*+,;=", *path))
			return false;
	return true;
}

int kube_url_parse(const char *text, struct kube_url *ret, const char **ret_why)
{
	const char *host = text, *end;
	uint64_t port = 443;
	bool is_bracketed;
	size_t host_len;

	if (str_starts(text, "http://")) {
		*ret_why = "http:// is not supported, the API is read over HTTP/2 with TLS: "
			   "use https://";
		return -EINVAL;
	}
	if (str_starts(text, "https://"))
		host = text + strlen("https://");
	*ret_why = "must be https://host[:port][/path]";
	is_bracketed = *host == '[';
	host += is_bracketed;
	host_len = strcspn(host, is_bracketed ? "]" : ":/");
	end = host + host_len;
	if (!host_is_valid(host, host_len, is_bracketed) || (is_bracketed && *end++ != ']'))
		return -EINVAL;
	if (*end == ':') {
		CLEANUP_FREE char *digits = xstrndup(end + 1, strcspn(end + 1, "/"));

		end += 1 + strlen(digits);
		if (str_to_u64(digits, 10, 65535, &port) < 0 || port == 0)
			return -EINVAL;
	}
	if ((*end && *end != '/') || !path_is_valid(end))
		return -EINVAL;
	*ret = (struct kube_url){
		.host = xstrndup(host, host_len),
		.port = (uint16_t)port,
		.path = xstrdup(end),
	};
	for (size_t len = strlen(ret->path); len > 0 && ret->path[len - 1] == '/'; len--)
		ret->path[len - 1] = '\0';
	ret->authority = is_bracketed ? xasprintf("[%s]:%u", ret->host, ret->port)
				      : xasprintf("%s:%u", ret->host, ret->port);
	return 0;
}

/* A token goes into a header: blanks around it are cut, anything unprintable inside is refused. */
static int token_clean(struct kube_secret *s)
{
	size_t start = 0;

	if (!s->data)
		return 0;
	while (s->len > 0 && isspace((unsigned char)s->data[s->len - 1]))
		s->data[--s->len] = '\0';
	while (start < s->len && isspace((unsigned char)s->data[start]))
		start++;
	memmove(s->data, s->data + start, s->len - start + 1);
	s->len -= start;
	for (size_t i = 0; i < s->len; i++)
		if (s->data[i] <= ' ' || s->data[i] > '~')
			return -EINVAL;
	return s->len > KUBE_TOKEN_MAX ? -EFBIG : 0;
}

/* Into a copy first: a file that is bad for a moment must not cost the token that works. */
static int token_read(struct kube_conf *c)
{
	struct kube_secret fresh = { .path = xstrdup(c->token.path) };
	int r = kube_secret_read(&fresh, KUBE_TOKEN_MAX + 16);

	if (r == 0)
		r = token_clean(&fresh);
	if (r == 0 && fresh.len == 0)
		r = -ENODATA;
	if (r == 0)
		kube_secret_set(&c->token, fresh.data, fresh.len);
	kube_secret_fini(&fresh);
	return r;
}

const char *kube_conf_token(struct kube_conf *c, struct mono now)
{
	if (c->token.path &&
	    (c->token_read.us == 0 || mono_diff_us(now, c->token_read) >= KUBE_TOKEN_AGE_US)) {
		int r = token_read(c);

		c->token_read = (struct mono){ MAX(now.us, (int64_t)1) };
		if (r < 0)
			LOG_LIMIT(log_warning,
				  "kube: cannot read the token again file=%s reason=%s",
				  c->token.path, strerror(-r));
	}
	return c->token.data ? c->token.data : "";
}

void kube_conf_token_expire(struct kube_conf *c)
{
	c->token_read.us = 0;
}

void kube_conf_tls_refresh(struct kube_conf *c)
{
	struct kube_secret *const secrets[] = { &c->ca, &c->cert, &c->key };

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		int r = secrets[i]->path ? kube_secret_read(secrets[i], KUBE_SECRET_MAX) : 0;

		if (r < 0)
			LOG_LIMIT(log_warning, "kube: cannot read again file=%s reason=%s",
				  secrets[i]->path, strerror(-r));
	}
}

static int secrets_load(struct kube_conf *c, char **ret_why)
{
	static const char *const fields[] = { "certificate-authority", "client-certificate",
					      "client-key" };
	struct kube_secret *const secrets[] = { &c->ca, &c->cert, &c->key };
	int r;

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		r = secrets[i]->path ? kube_secret_read(secrets[i], KUBE_SECRET_MAX) : 0;
		if (r < 0) {
			*ret_why = xasprintf("%s: cannot read %s: %s", fields[i], secrets[i]->path,
					     strerror(-r));
			return r;
		}
	}
	r = c->token.path ? token_read(c) : token_clean(&c->token);
	if (r < 0)
		*ret_why = c->token.path ? xasprintf("token: cannot use %s: %s", c->token.path,
						     strerror(-r))
					 : xasprintf("token: not printable or too long");
	return r;
}

static int load_kubeconfig(struct kube_conf *c, const char *path, const char *master,
			   char **ret_why)
{
	struct kube_secret file = { .path = xstrdup(path) };
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	CLEANUP_FREE char *why = NULL;
	int r = kube_secret_read(&file, KUBE_YAML_SIZE_MAX);

	if (r < 0)
		why = xstrdup(strerror(-r));
	if (r == 0)
		r = kube_conf_from_yaml(c, file.data, file.len, dir, master, &why);
	if (r == 0)
		r = secrets_load(c, &why);
	if (r == 0)
		r = kube_tls_check(c, &why);
	if (r < 0)
		*ret_why = xasprintf("%s: %s", path, why);
	kube_secret_fini(&file);
	return r;
}

static int master_take(struct kube_conf *c, const char *master, char **ret_why)
{
	const char *why;
	char quoted[LOG_QUOTE_MAX];

	if (kube_url_parse(master, &c->url, &why) < 0) {
		*ret_why = xasprintf("--master %s: %s", log_quote(quoted, master), why);
		return -EINVAL;
	}
	c->server = xstrdup(master);
	return 0;
}

/*
 * The pod's service account. A CA that cannot be read is only logged (the system's authorities are
 * used then). The token must be there in a pod; with --master it may be missing.
 */
static int account_load(struct kube_conf *c, const char *dir, bool needs_token, char **ret_why)
{
	CLEANUP_FREE char *why = NULL;
	char quoted[LOG_QUOTE_MAX];
	int r;

	c->ca.path = xasprintf("%s/ca.crt", dir);
	r = kube_secret_read(&c->ca, KUBE_SECRET_MAX);
	if (r < 0)
		why = xstrdup(strerror(-r));
	else
		r = kube_tls_check(c, &why);
	if (r < 0) {
		if (needs_token)
			log_warning("kube: no authority for the API server, using the system's "
				    "file=%s reason=%s",
				    c->ca.path, log_quote(quoted, why));
		kube_secret_fini(&c->ca);
	}
	c->token.path = xasprintf("%s/token", dir);
	r = token_read(c);
	if (r == -ENOENT && !needs_token) {
		kube_secret_fini(&c->token);
		return 0;
	}
	if (r < 0)
		*ret_why = xasprintf("token: cannot use %s: %s", c->token.path, strerror(-r));
	return r;
}

static int load_in_cluster(struct kube_conf *c, const struct kube_conf_source *src, char **ret_why)
{
	const char *url_why;

	if (str_is_empty(src->service_host) || str_is_empty(src->service_port)) {
		*ret_why = xasprintf("unable to initialize inclusterconfig: %s is not set "
				     "(not in a pod? use --kubeconfig or --master)",
				     str_is_empty(src->service_host) ? "KUBERNETES_SERVICE_HOST"
								     : "KUBERNETES_SERVICE_PORT");
		return -EINVAL;
	}
	c->server = strchr(src->service_host, ':')
			    ? xasprintf("https://[%s]:%s", src->service_host, src->service_port)
			    : xasprintf("https://%s:%s", src->service_host, src->service_port);
	if (kube_url_parse(c->server, &c->url, &url_why) < 0) {
		*ret_why = xasprintf("unable to initialize inclusterconfig: "
				     "KUBERNETES_SERVICE_HOST or _PORT: %s",
				     url_why);
		return -EINVAL;
	}
	return account_load(c, src->account_dir, true, ret_why);
}

int kube_conf_load(const struct kube_conf_source *src, struct kube_conf **ret_conf, char **ret_why)
{
	struct kube_conf *c = xcalloc(1, sizeof(*c));
	bool has_master = !str_is_empty(src->master);
	int r = has_master ? master_take(c, src->master, ret_why) : 0;

	if (r == 0 && !str_is_empty(src->kubeconfig))
		r = load_kubeconfig(c, src->kubeconfig, has_master ? src->master : "", ret_why);
	else if (r == 0 && has_master)
		r = account_load(c, src->account_dir, false, ret_why);
	else if (r == 0)
		r = load_in_cluster(c, src, ret_why);
	if (r < 0) {
		kube_conf_free(c);
		return r;
	}
	*ret_conf = c;
	return 0;
}

void kube_conf_free(struct kube_conf *c)
{
	if (!c)
		return;
	kube_url_fini(&c->url);
	free(c->server);
	free(c->tls_name);
	kube_secret_fini(&c->ca);
	kube_secret_fini(&c->cert);
	kube_secret_fini(&c->key);
	kube_secret_fini(&c->token);
	free(c);
}

const char *kube_conf_server(const struct kube_conf *c)
{
	return c->server;
}
