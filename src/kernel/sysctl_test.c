/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "ev/sim.h"
#include "kernel/row_rig.h"

static char root[] = "/tmp/kr-sysctl-XXXXXX";

static struct bytes text(const char *s)
{
	return (struct bytes){ s, s ? strlen(s) : 0 };
}

static void put(const char *name, const char *content)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", root, name);
	CLEANUP_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(path, write(fd, content, strlen(content)) == (ssize_t)strlen(content));
}

static int make_files(void **state)
{
	CLEANUP_FREE char *dir = NULL;

	(void)state;
	if (!mkdtemp(root))
		return -1;
	dir = xasprintf("%s/net", root);
	return mkdir(dir, 0700);
}

static int remove_files(void **state)
{
	static const char *const names[] = { "net/a", "net/b", "net/full", "net" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", root, names[i]);

		(void)remove(path);
	}
	return rmdir(root);
}

static void test_set_and_dump(void **state)
{
	static const char *const paths[] = { "net/a", "net/b", "net/missing" };
	struct kernel_sysctl *s = kernel_sysctl_new(root, paths, ARRAY_LEN(paths));
	struct reconciler r = kernel_sysctl_reconciler(s);
	struct row_rig rig;

	(void)state;
	row_rig_attach(&rig, r);
	put("net/a", "0\n");
	put("net/b", "4096\t87380 \t\n\n");
	CHECK_STR("trimmed; a missing one is absent", row_rig_dump(&rig, r),
		  "net/a=0;net/b=4096\t87380;");
	CHECK("set", row_rig_op(&rig, r, "net/a", text("1")) == 0);
	CHECK_STR("no text", rig.text, "");
	CHECK_STR("is there", row_rig_dump(&rig, r), "net/a=1;net/b=4096\t87380;");
	strbuf_fini(&rig.dump);
	kernel_sysctl_free(s);
}

static void test_failures(void **state)
{
	struct kernel_sysctl *s = kernel_sysctl_new(root, NULL, 0);
	struct reconciler r = kernel_sysctl_reconciler(s);
	char long_path[SYSCTL_PATH_MAX + 2];
	struct row_rig rig;

	(void)state;
	row_rig_attach(&rig, r);
	CHECK("missing", row_rig_op(&rig, r, "net/missing", text("1")) == -ENOENT);
	CHECK(rig.text, strstr(rig.text, "/net/missing: No such file"));
	CHECK("never unset", row_rig_op(&rig, r, "net/a", text(NULL)) == -EPERM);
	CHECK("leads out", row_rig_op(&rig, r, "../x", text("1")) == -EINVAL);
	CHECK("empty", row_rig_op(&rig, r, "", text("1")) == -EINVAL);
	memset(long_path, 'a', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK("too long", row_rig_op(&rig, r, long_path, text("1")) == -EINVAL);
	/* A file longer than what is written keeps its tail: as a setting that refuses a value. */
	put("net/b", "12345");
	CHECK("did not take it", row_rig_op(&rig, r, "net/b", text("1")) == -EIO);
	CHECK(rig.text, strstr(rig.text, "did not take the value"));
	kernel_sysctl_free(s);
}

static void test_audit(void **state)
{
	static const char *const paths[] = { "net/a" };
	struct ev_loop *loop = ev_new_sim(1);
	struct kernel_sysctl *s = kernel_sysctl_new(root, paths, ARRAY_LEN(paths));
	struct audit_stats stats;
	struct row_rig rig;

	(void)state;
	row_rig_attach(&rig, kernel_sysctl_reconciler(s));
	put("net/a", "0\n");
	kernel_sysctl_audit(s, loop);
	(void)ev_sim_advance(loop, SYSCTL_AUDIT_US);
	CHECK_STR("looked unasked", strbuf_text(&rig.dump), "net/a=0;");
	put("net/a", "1\n");
	(void)ev_sim_advance(loop, SYSCTL_AUDIT_US);
	CHECK("changed by another", strstr(strbuf_text(&rig.dump), "net/a=1;"));
	kernel_sysctl_audit_get(s, &stats);
	CHECK("counted", stats.cycles >= 2 && stats.last_at.us > 0);
	strbuf_fini(&rig.dump);
	kernel_sysctl_free(s);
	ev_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_dump),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_audit),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
