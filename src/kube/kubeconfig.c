/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig: current-context names a context, which names a cluster and a user. Unknown keys are
 * ignored (the manifests of this program carry a top-level clusterCIDR). What would make us someone
 * else than the file says (plugins, passwords, impersonation, a proxy) is refused by name rather
 * than left out: a client without its credentials fails later and darker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/conf.h"
#include "kube/yaml.h"

struct job {
	struct kube_conf *c;
	struct arena *arena;
	const char *dir;
	char **why;
};

static int refuse(struct job *j, const struct kube_yaml *at, const char *field, const char *what)
{
	*j->why = at ? xasprintf("%s (line %u): %s", field, at->line, what)
		     : xasprintf("%s: %s", field, what);
	return -EINVAL;
}

/* A text field: 0 with NULL when it is absent, null or empty. */
static int text_get(struct job *j, const struct kube_yaml *map, const char *where, const char *key,
		    const char **ret)
{
	const struct kube_yaml *n = kube_yaml_get(map, key);

	*ret = NULL;
	if (!n || kube_yaml_is_null(n))
		return 0;
	if (n->kind != KUBE_YAML_TEXT)
		return refuse(j, n, arena_fmt(j->arena, "%s.%s", where, key), "must be a text");
	if (*n->text)
		*ret = n->text;
	return 0;
}

/* The entry of a named list: clusters, contexts, users are lists of { name, <inner> }. */
static int entry_find(struct job *j, const struct kube_yaml *root, const char *list,
		      const char *inner, const char *name, const struct kube_yaml **ret)
{
	const struct kube_yaml *l = kube_yaml_get(root, list), *v;
	char quoted[LOG_QUOTE_MAX];

	if (l && l->kind != KUBE_YAML_LIST && !kube_yaml_is_null(l))
		return refuse(j, l, list, "must be a list");
	for (const struct kube_yaml *n = l ? l->first : NULL; n; n = n->next) {
		const struct kube_yaml *id = kube_yaml_get(n, "name");

		if (!id || id->kind != KUBE_YAML_TEXT || strcmp(id->text, name) != 0)
			continue;
		v = kube_yaml_get(n, inner);
		if (!v || v->kind != KUBE_YAML_MAP)
			return refuse(j, n, arena_fmt(j->arena, "%s[].%s", list, inner),
				      "missing or no mapping");
		*ret = v;
		return 0;
	}
	return refuse(j, NULL, list,
		      arena_fmt(j->arena, "no entry is named %s", log_quote(quoted, name)));
}

/* X-data (base64) wins over the file X, as client libraries have it. */
static int secret_get(struct job *j, const struct kube_yaml *map, const char *where,
		      const char *key, struct kube_secret *ret)
{
	const char *data_key = arena_fmt(j->arena, "%s-data", key), *text;
	size_t len;
	int r = text_get(j, map, where, data_key, &text);

	if (r < 0)
		return r;
	if (text) {
		size_t cap = strlen(text) / 4 * 3 + 3;
		uint8_t *bytes = arena_alloc(j->arena, cap);

		if (base64_decode(text, strlen(text), bytes, cap, &len) < 0)
			return refuse(j, kube_yaml_get(map, data_key),
				      arena_fmt(j->arena, "%s.%s", where, data_key),
				      "is not base64");
		kube_secret_set(ret, (const char *)bytes, len);
		explicit_bzero(bytes, cap);
		return 0;
	}
	r = text_get(j, map, where, key, &text);
	if (r < 0 || !text)
		return r;
	ret->path = *text == '/' ? xstrdup(text) : xasprintf("%s/%s", j->dir, text);
	return 0;
}

static int cluster_take(struct job *j, const struct kube_yaml *cl, const char *master)
{
	const struct kube_yaml *n = kube_yaml_get(cl, "insecure-skip-tls-verify");
	const char *text, *why;
	int r = text_get(j, cl, "cluster", "proxy-url", &text);

	if (r < 0)
		return r;
	if (text)
		return refuse(j, kube_yaml_get(cl, "proxy-url"), "cluster.proxy-url",
			      "a proxy is not supported");
	if (n && !kube_yaml_is_null(n) &&
	    (n->kind != KUBE_YAML_TEXT || str_to_bool(n->text, &j->c->is_insecure) < 0))
		return refuse(j, n, "cluster.insecure-skip-tls-verify", "must be true or false");
	r = text_get(j, cl, "cluster", "tls-server-name", &text);
	if (r < 0)
		return r;
	if (text)
		j->c->tls_name = xstrdup(text);
	r = secret_get(j, cl, "cluster", "certificate-authority", &j->c->ca);
	if (r < 0 || *master)
		return r;
	r = text_get(j, cl, "cluster", "server", &text);
	if (r < 0)
		return r;
	if (!text)
		return refuse(j, cl, "cluster.server", "missing");
	if (kube_url_parse(text, &j->c->url, &why) < 0)
		return refuse(j, kube_yaml_get(cl, "server"), "cluster.server", why);
	j->c->server = xstrdup(text);
	return 0;
}

static int user_take(struct job *j, const struct kube_yaml *user)
{
	static const struct {
		const char *key, *what;
	} refused[] = {
		{ "exec", "credential plugins are not supported; use a token or a certificate" },
		{ "auth-provider",
		  "credential plugins are not supported; use a token or a certificate" },
		{ "username", "passwords are not supported; use a token or a certificate" },
		{ "as", "impersonation is not supported" },
	};
	const char *token = NULL, *token_file = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct kube_yaml *n = kube_yaml_get(user, refused[i].key);

		if (n && !kube_yaml_is_null(n))
			return refuse(j, n, arena_fmt(j->arena, "user.%s", refused[i].key),
				      refused[i].what);
	}
	r = secret_get(j, user, "user", "client-certificate", &j->c->cert);
	if (r == 0)
		r = secret_get(j, user, "user", "client-key", &j->c->key);
	if (r == 0)
		r = text_get(j, user, "user", "token", &token);
	if (r == 0)
		r = text_get(j, user, "user", "tokenFile", &token_file);
	if (r < 0)
		return r;
	if (token_file) /* it rotates, so it goes first */
		j->c->token.path = *token_file == '/' ? xstrdup(token_file)
						      : xasprintf("%s/%s", j->dir, token_file);
	else if (token)
		kube_secret_set(&j->c->token, token, strlen(token));
	if (!!(j->c->cert.path || j->c->cert.data) != !!(j->c->key.path || j->c->key.data))
		return refuse(j, user, "user.client-certificate",
			      "certificate and key are needed together");
	return 0;
}

static int context_take(struct job *j, const struct kube_yaml *root, const char *master)
{
	const struct kube_yaml *context, *entry;
	const char *name, *cluster = NULL, *user = NULL;
	int r;

	if (root->kind != KUBE_YAML_MAP)
		return refuse(j, root, "kubeconfig", "no mapping at the top");
	r = text_get(j, root, "kubeconfig", "current-context", &name);
	if (r < 0)
		return r;
	if (!name) /* with --master such a file only says nothing */
		return *master ? 0 : refuse(j, NULL, "current-context", "missing");
	r = entry_find(j, root, "contexts", "context", name, &context);
	if (r == 0)
		r = text_get(j, context, "context", "cluster", &cluster);
	if (r == 0)
		r = text_get(j, context, "context", "user", &user);
	if (r < 0)
		return r;
	if (!cluster)
		return refuse(j, context, "context.cluster", "missing");
	r = entry_find(j, root, "clusters", "cluster", cluster, &entry);
	if (r == 0)
		r = cluster_take(j, entry, master);
	if (r < 0 || !user)
		return r;
	r = entry_find(j, root, "users", "user", user, &entry);
	return r < 0 ? r : user_take(j, entry);
}

int kube_conf_from_yaml(struct kube_conf *c, const char *text, size_t len, const char *dir,
			const char *master, char **ret_why)
{
	CLEANUP_ARENA struct arena arena = ARENA_INIT;
	struct job j = { .c = c, .arena = &arena, .dir = dir, .why = ret_why };
	const struct kube_yaml *root;
	struct kube_yaml_err err;

	if (kube_yaml_parse(&arena, text, len, &root, &err) < 0) {
		*ret_why = xasprintf("line %u: %s", err.line, err.what);
		return -EINVAL;
	}
	return context_take(&j, root, master);
}
