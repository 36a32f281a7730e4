/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/test.h"
#include "kube/yaml.h"

static void test_url(void **state)
{
	static const struct {
		const char *text, *host, *path, *authority; /* host NULL: refused */
		uint16_t port;
	} rows[] = {
		{ "https://192.168.1.250:6443", "192.168.1.250", "", "192.168.1.250:6443", 6443 },
		{ "https://api.example", "api.example", "", "api.example:443", 443 },
		{ "api.example:8443", "api.example", "", "api.example:8443", 8443 },
		{ "https://[2001:db8::1]:6443/", "2001:db8::1", "", "[2001:db8::1]:6443", 6443 },
		{ "https://h/k8s/clusters/c-1/", "h", "/k8s/clusters/c-1", "h:443", 443 },
		{ "http://192.168.1.1:8080", NULL, NULL, NULL, 0 },
		{ "ftp://x", NULL, NULL, NULL, 0 },
		{ "https://", NULL, NULL, NULL, 0 },
		{ "https://h:0", NULL, NULL, NULL, 0 },
		{ "https://h:65536", NULL, NULL, NULL, 0 },
		{ "https://h:", NULL, NULL, NULL, 0 },
		{ "https://user@h", NULL, NULL, NULL, 0 },
		{ "https://h?x=1", NULL, NULL, NULL, 0 },
		{ "https://h/a b", NULL, NULL, NULL, 0 },
		{ "https://h/a\r\nx: y", NULL, NULL, NULL, 0 },
		{ "https://[::1", NULL, NULL, NULL, 0 },
		{ "https://[nonsense]:1", NULL, NULL, NULL, 0 },
		{ "", NULL, NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_url u = { 0 };
		const char *why = NULL;
		int r = kube_url_parse(rows[i].text, &u, &why);

		CHECK(rows[i].text, r == (rows[i].host ? 0 : -EINVAL));
		if (r == 0) {
			CHECK_STR(rows[i].text, u.host, rows[i].host);
			CHECK_STR(rows[i].text, u.path, rows[i].path);
			CHECK_STR(rows[i].text, u.authority, rows[i].authority);
			CHECK(rows[i].text, u.port == rows[i].port);
		} else {
			CHECK(rows[i].text, why && *why);
		}
		kube_url_fini(&u);
	}
}

#define HEAD                                                                                       \
	"current-context: c\n"                                                                     \
	"clusterCIDR: 10.0.0.0/8\n"                                                                \
	"contexts: [{name: other, context: {}}, {name: c, context: {cluster: k, user: u}}]\n"
#define CLUSTER(fields) "clusters: [{name: k, cluster: {server: 'https://s:1'" fields "}}]\n"
#define USER(fields)    "users: [{name: u, user: {" fields "}}]\n"

static void test_kubeconfig(void **state)
{
	static const struct {
		const char *name, *text, *master, *why; /* why NULL: good */
	} rows[] = {
		{ "good", HEAD CLUSTER("") USER("token: t"), "", NULL },
		{ "JSON",
		  "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{"
		  "\"cluster\":\"k\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":"
		  "\"https://s:1\"}}]}",
		  "", NULL },
		{ "alias",
		  "x: &k {server: 'https://s:1'}\n" HEAD
		  "clusters: [{name: k, cluster: *k}]\n" USER("token: t"),
		  "", NULL },
		{ "nulls",
		  HEAD CLUSTER(", proxy-url: ~, insecure-skip-tls-verify: null")
			  USER("exec: null, token: t"),
		  "", NULL },
		{ "no context", "clusters: []\n", "", "current-context: missing" },
		{ "no context, but --master", "clusters: []\n", "https://m", NULL },
		{ "empty", "", "", "kubeconfig (line 0): no mapping at the top" },
		{ "unknown context", "current-context: x\n", "",
		  "contexts: no entry is named \"x\"" },
		{ "unknown cluster", HEAD USER("token: t"), "",
		  "clusters: no entry is named \"k\"" },
		{ "unknown user", HEAD CLUSTER(""), "", "users: no entry is named \"u\"" },
		{ "no server", HEAD "clusters: [{name: k, cluster: {}}]\n", "",
		  "cluster.server (line 4): missing" },
		{ "http", HEAD "clusters: [{name: k, cluster: {server: 'http://s:1'}}]\n", "",
		  "cluster.server (line 4): http:// is not supported, the API is read over HTTP/2 "
		  "with "
		  "TLS: use https://" },
		{ "list as text", HEAD "clusters: [{name: k, cluster: {server: [a]}}]\n", "",
		  "cluster.server (line 4): must be a text" },
		{ "list as mapping", HEAD "clusters: {}\n", "",
		  "clusters (line 4): must be a list" },
		{ "proxy", HEAD CLUSTER(", proxy-url: 'http://p'"), "",
		  "cluster.proxy-url (line 4): a proxy is not supported" },
		{ "not a bool", HEAD CLUSTER(", insecure-skip-tls-verify: maybe"), "",
		  "cluster.insecure-skip-tls-verify (line 4): must be true or false" },
		{ "CA not base64", HEAD CLUSTER(", certificate-authority-data: '!!'"), "",
		  "cluster.certificate-authority-data (line 4): is not base64" },
		{ "exec", HEAD CLUSTER("") USER("exec: {command: aws}"), "",
		  "user.exec (line 5): credential plugins are not supported; use a token or a "
		  "certificate" },
		{ "password", HEAD CLUSTER("") USER("username: a, password: b"), "",
		  "user.username (line 5): passwords are not supported; use a token or a "
		  "certificate" },
		{ "certificate without key",
		  HEAD CLUSTER("") USER("client-certificate-data: 'YQ=='"), "",
		  "user.client-certificate (line 5): certificate and key are needed together" },
		{ "broken", "a: [", "", NULL },
		{ "key twice", "a: 1\na: 2\n", "", "line 2: a key is given twice" },
		{ "two documents", "a: 1\n---\nb: 2\n", "", "line 2: more than one document" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_conf *c = xcalloc(1, sizeof(*c));
		char *why = NULL;
		int r = kube_conf_from_yaml(c, rows[i].text, strlen(rows[i].text), "/dir",
					    rows[i].master, &why);

		if (rows[i].why)
			CHECK_STR(rows[i].name, why ? why : "accepted", rows[i].why);
		else
			CHECK(rows[i].name, (r < 0) == (strcmp(rows[i].name, "broken") == 0));
		free(why);
		kube_conf_free(c);
	}
}

static void test_secrets_and_paths(void **state)
{
	static const char text[] =
		HEAD CLUSTER(", certificate-authority: ca.crt, tls-server-name: n, "
			     "insecure-skip-tls-verify: true")
			USER("client-certificate: /abs/c.crt, client-key: k.pem, "
			     "client-key-data: 'a2V5', token: t, tokenFile: tok");
	struct kube_conf *c = xcalloc(1, sizeof(*c));
	char *why = NULL;

	(void)state;
	CHECK("good", kube_conf_from_yaml(c, text, strlen(text), "/dir", "", &why) == 0);
	CHECK_STR("relative to the file", c->ca.path, "/dir/ca.crt");
	CHECK_STR("absolute", c->cert.path, "/abs/c.crt");
	CHECK("data goes first", !c->key.path && strcmp(c->key.data, "key") == 0);
	CHECK_STR("tokenFile goes first", c->token.path, "/dir/tok");
	CHECK("flags", c->is_insecure && strcmp(c->tls_name, "n") == 0);
	kube_conf_free(c);
}

static void yaml_bomb(struct strbuf *b, const char *open, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_puts(b, open);
}

static void test_yaml_ceilings(void **state)
{
	static const struct {
		const char *name, *start, *repeat;
		size_t n;
		int want;
	} rows[] = {
		{ "depth", "", "[", KUBE_YAML_DEPTH_MAX + 1, -E2BIG },
		{ "nodes", "", "- x\n", KUBE_YAML_NODES_MAX + 1, -E2BIG },
		{ "nodes at the ceiling", "", "- x\n", KUBE_YAML_NODES_MAX - 1, 0 },
		{ "size", "", "#aaaaaaaaaaaaaa\n", KUBE_YAML_SIZE_MAX / 16 + 1, -E2BIG },
		{ "anchors", "", "- &a x\n", KUBE_YAML_ANCHORS_MAX + 1, -E2BIG },
		{ "aliases cost nothing", "- &a [x, x, x]\n", "- [*a, *a, *a]\n", 1000, 0 },
		{ "cycle", "&a [", "*a,", 1, -EINVAL },
		{ "alias of nothing", "", "*a", 1, -EINVAL },
		{ "NUL in a text", "\"a\\0", "b\"", 1, -EINVAL },
		{ "list as key", "", "? [a]\n: b\n", 1, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
		CLEANUP_ARENA struct arena a = ARENA_INIT;
		const struct kube_yaml *root;
		struct kube_yaml_err err;

		strbuf_puts(&b, rows[i].start);
		yaml_bomb(&b, rows[i].repeat, rows[i].n);
		CHECK(rows[i].name,
		      kube_yaml_parse(&a, b.data, b.len, &root, &err) == rows[i].want);
	}
}

static void file_put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void file_del(const char *dir, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

static void no_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void test_sources(void **state)
{
	char dir[] = "/tmp/kube-conf-test-XXXXXX", path[256];
	struct kube_conf_source src = { "", "", "10.96.0.1", "443", dir };
	struct kube_conf *c;
	char *why = NULL;

	(void)state;
	log_sink_set(no_line, NULL);
	assert_non_null(mkdtemp(dir));
	CHECK("in a pod without token", kube_conf_load(&src, &c, &why) == -ENOENT);
	CHECK("names the file", strstr(why, "token: cannot use") && strstr(why, dir));
	free(why);
	file_put(dir, "token", " tok\n");
	file_put(dir, "ca.crt", "junk"); /* only logged, as the reference does */
	CHECK("in a pod", kube_conf_load(&src, &c, &why) == 0);
	CHECK_STR("server", kube_conf_server(c), "https://10.96.0.1:443");
	CHECK_STR("trimmed", kube_conf_token(c, (struct mono){ 5 }), "tok");
	file_put(dir, "token", "new");
	CHECK_STR("not read each time", kube_conf_token(c, (struct mono){ US_PER_S }), "tok");
	CHECK_STR("read within a minute", kube_conf_token(c, (struct mono){ 60 * US_PER_S }),
		  "new");
	file_put(dir, "token", "bad\ntoken");
	CHECK_STR("a bad file keeps the old", kube_conf_token(c, (struct mono){ 120 * US_PER_S }),
		  "new");
	file_put(dir, "token", "refused");
	kube_conf_token_expire(c);
	CHECK_STR("read after a refusal", kube_conf_token(c, (struct mono){ 121 * US_PER_S }),
		  "refused");
	kube_conf_free(c);

	src.service_host = "2001:db8::1";
	CHECK("IPv6 service", kube_conf_load(&src, &c, &why) == 0);
	CHECK_STR("server", kube_conf_server(c), "https://[2001:db8::1]:443");
	kube_conf_free(c);

	src.service_host = NULL;
	CHECK("not in a pod", kube_conf_load(&src, &c, &why) == -EINVAL);
	CHECK("says what to do", strstr(why, "unable to initialize inclusterconfig: "
					     "KUBERNETES_SERVICE_HOST"));
	free(why);

	src.master = "https://192.0.2.1:6443";
	CHECK("--master with token", kube_conf_load(&src, &c, &why) == 0);
	CHECK_STR("token", kube_conf_token(c, (struct mono){ 5 }), "refused");
	kube_conf_free(c);
	file_del(dir, "token");
	file_del(dir, "ca.crt");
	CHECK("--master without token (Q6)", kube_conf_load(&src, &c, &why) == 0);
	CHECK_STR("none", kube_conf_token(c, (struct mono){ 5 }), "");
	kube_conf_free(c);
	src.master = "http://192.0.2.1:8080";
	CHECK("--master http", kube_conf_load(&src, &c, &why) == -EINVAL);
	CHECK("names flag and value", strstr(why, "--master \"http://192.0.2.1:8080\": http://"));
	free(why);

	src.master = "https://192.0.2.9:1";
	(void)snprintf(path, sizeof(path), "%s/kc", dir);
	src.kubeconfig = path;
	CHECK("missing kubeconfig", kube_conf_load(&src, &c, &why) == -ENOENT);
	CHECK("names it", strstr(why, path));
	free(why);
	file_put(dir, "kc", HEAD CLUSTER("") USER("tokenFile: tok"));
	file_put(dir, "tok", "from-file");
	CHECK("kubeconfig", kube_conf_load(&src, &c, &why) == 0);
	CHECK_STR("--master replaces its server", kube_conf_server(c), "https://192.0.2.9:1");
	CHECK_STR("token", kube_conf_token(c, (struct mono){ 5 }), "from-file");
	kube_conf_free(c);
	file_put(dir, "kc", HEAD CLUSTER(", certificate-authority: nowhere") USER(""));
	CHECK("missing CA", kube_conf_load(&src, &c, &why) == -ENOENT);
	CHECK("names field and file", strstr(why, "certificate-authority: cannot read"));
	free(why);
	file_put(dir, "kc", HEAD CLUSTER(", certificate-authority-data: anVuaw==") USER(""));
	CHECK("CA that is none", kube_conf_load(&src, &c, &why) == -EINVAL);
	CHECK("names the field", strstr(why, "certificate-authority: no certificate"));
	free(why);
	file_del(dir, "tok");
	file_del(dir, "kc");
	(void)rmdir(dir);
	log_sink_set(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_kubeconfig),
		cmocka_unit_test(test_secrets_and_paths),
		cmocka_unit_test(test_yaml_ceilings),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
