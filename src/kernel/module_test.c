/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/module.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"

#define DEP                                                                                        \
	"kernel/net/llc/llc.ko:\n"                                                                 \
	"kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko kernel/net/802/stp.ko "    \
	"kernel/net/llc/llc.ko\n"                                                                  \
	"kernel/net/ipv4/fou.ko.xz: kernel/net/ipv4/ip-tunnel.ko.zst\n"                            \
	"kernel/net/ipv4/foul.ko:\n"

static void test_dep_find(void **state)
{
	static const struct {
		const char *name, *text, *module;
		int result;
		const char *files; /* joined by blanks */
	} rows[] = {
		{ "what it needs first", DEP, "br_netfilter", 0,
		  "kernel/net/llc/llc.ko kernel/net/802/stp.ko kernel/net/bridge/bridge.ko "
		  "kernel/net/bridge/br_netfilter.ko " },
		{ "needs nothing", DEP, "llc", 0, "kernel/net/llc/llc.ko " },
		{ "compressed", DEP, "fou", 0,
		  "kernel/net/ipv4/ip-tunnel.ko.zst kernel/net/ipv4/fou.ko.xz " },
		{ "dash is underscore", "a/ip-x.ko:\n", "ip_x", 0, "a/ip-x.ko " },
		{ "underscore is dash", "a/ip_x.ko:\n", "ip-x", 0, "a/ip_x.ko " },
		{ "no directory", "x.ko:\n", "x", 0, "x.ko " },
		{ "no newline at the end", "x.ko: y.ko", "x", 0, "y.ko x.ko " },
		{ "only needed, not listed", "x.ko: y.ko\n", "y", -ENOENT, "" },
		{ "part of a name", DEP, "bridge_netfilter", -ENOENT, "" },
		{ "beginning of a name", DEP, "br", -ENOENT, "" },
		{ "nothing", "", "x", -ENOENT, "" },
		{ "no colon", "a/x.ko\n", "x", -EBADMSG, "" },
		{ "leads out", "a/x.ko: ../y.ko\n", "x", -EBADMSG, "" },
		{ "from the root", "/a/x.ko:\n", "x", -EBADMSG, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
		struct strv files = { 0 };

		CHECK(rows[i].name, module_dep_find(rows[i].text, strlen(rows[i].text),
						    rows[i].module, &files) == rows[i].result);
		for (size_t k = 0; k < files.n; k++)
			strbuf_fmt(&got, "%s ", files.v[k]);
		CHECK_STR(rows[i].name, strbuf_text(&got), rows[i].files);
		strv_fini(&files);
	}
}

static void test_dep_ceiling(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct strv files = { 0 };

	(void)state;
	strbuf_puts(&text, "x.ko:");
	for (int i = 0; i < MODULE_DEPS_MAX; i++)
		strbuf_fmt(&text, " y%d.ko", i);
	CHECK("as many as may be", module_dep_find(text.data, text.len, "x", &files) == 0);
	CHECK("all of them", files.n == MODULE_DEPS_MAX + 1);
	strv_fini(&files);
	files = (struct strv){ 0 };
	strbuf_puts(&text, " z.ko");
	CHECK("one more", module_dep_find(text.data, text.len, "x", &files) == -E2BIG);
	CHECK("none of them", files.n == 0);
	strv_fini(&files);
}

static void test_builtin(void **state)
{
	static const char text[] = "kernel/net/bridge/br_netfilter.ko\nkernel/lib/crc-t10.ko\n";

	(void)state;
	CHECK("listed", module_is_builtin(text, sizeof(text) - 1, "br_netfilter"));
	CHECK("dash", module_is_builtin(text, sizeof(text) - 1, "crc_t10"));
	CHECK("not listed", !module_is_builtin(text, sizeof(text) - 1, "bridge"));
	CHECK("empty", !module_is_builtin("", 0, "bridge"));
}

/* --- with files --- */

struct machine {
	char dir[64];
	struct strbuf loaded;
	const char *fails; /* part of a path */
	int fails_with;
};

static int fake_load(void *arg, const char *path)
{
	struct machine *m = arg;

	strbuf_fmt(&m->loaded, "%s ", strrchr(path, '/') + 1);
	return m->fails && strstr(path, m->fails) ? m->fails_with : 0;
}

static void put(const struct machine *m, const char *name, const char *text)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", m->dir, name);
	CLEANUP_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(path, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void drop(const struct machine *m, const char *name)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", m->dir, name);

	(void)unlink(path);
}

static int load(struct machine *m, const char *name, char **ret_why)
{
	const struct module_place place = { m->dir, m->dir, fake_load, m };

	strbuf_clear(&m->loaded);
	return module_load_at(&place, name, ret_why);
}

static void test_load(void **state)
{
	struct machine m = { .dir = "/tmp/kr-module-XXXXXX" };
	CLEANUP_FREE char *no_file = NULL, *unknown = NULL, *refused = NULL, *bad = NULL;

	(void)state;
	CHECK("directory", mkdtemp(m.dir));
	CHECK("no modules.dep", load(&m, "fou", &no_file) == -ENOENT);
	CHECK(no_file, strstr(no_file, "modules.dep"));
	put(&m, "modules.dep", DEP);
	CHECK("unknown", load(&m, "nosuch", &unknown) == -ENOENT);
	CHECK(unknown, strstr(unknown, "nosuch"));
	CHECK("loads", load(&m, "br_netfilter", NULL) == 0);
	CHECK_STR("in order", strbuf_text(&m.loaded), "llc.ko stp.ko bridge.ko br_netfilter.ko ");
	m.fails = "llc";
	m.fails_with = -EEXIST;
	CHECK("there already is good", load(&m, "br_netfilter", NULL) == 0);
	m.fails = "stp";
	m.fails_with = -EPERM;
	CHECK("not permitted", load(&m, "br_netfilter", &refused) == -EPERM);
	CHECK(refused, strstr(refused, "stp.ko"));
	CHECK_STR("stops there", strbuf_text(&m.loaded), "llc.ko stp.ko ");
	put(&m, "modules.builtin", "kernel/net/bridge/br_netfilter.ko\n");
	CHECK("built in", load(&m, "br_netfilter", NULL) == 0);
	CHECK_STR("nothing to load", strbuf_text(&m.loaded), "");
	put(&m, "ip_tunnel", "");
	CHECK("in /sys/module", load(&m, "ip-tunnel", NULL) == 0);
	CHECK("bad name", load(&m, "../x", &bad) == -EINVAL);
	drop(&m, "modules.dep");
	drop(&m, "modules.builtin");
	drop(&m, "ip_tunnel");
	(void)rmdir(m.dir);
	strbuf_fini(&m.loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dep_find),
		cmocka_unit_test(test_dep_ceiling),
		cmocka_unit_test(test_builtin),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
