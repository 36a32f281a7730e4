/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "ev/sim.h"
#include "kernel/row_rig.h"

static char dir[] = "/tmp/kr-file-XXXXXX";
static char path[64];

static struct bytes text(const char *s)
{
	return (struct bytes){ s, s ? strlen(s) : 0 };
}

static void put(const char *content, size_t len, mode_t mode)
{
	CLEANUP_CLOSE int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(path, fd >= 0 && write(fd, content, len) == (ssize_t)len && fchmod(fd, mode) == 0);
}

static unsigned files_in_dir(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	CHECK(dir, d);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/10-kuberouter.conflist", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void test_replace(void **state)
{
	const char *const paths[] = { path };
	struct kernel_file *f = kernel_file_new(paths, 1);
	struct reconciler r = kernel_file_reconciler(f);
	struct stat before, after;
	struct row_rig rig;
	CLEANUP_FREE char *shown = xasprintf("%s=new;", path);

	(void)state;
	row_rig_attach(&rig, r);
	put("old and longer", 14, 0640);
	CHECK("before", stat(path, &before) == 0);
	CHECK("replaced", row_rig_op(&rig, r, path, text("new")) == 0);
	CHECK("after", stat(path, &after) == 0);
	CHECK("mode is kept", (after.st_mode & 07777) == 0640);
	CHECK("another file took the name", before.st_ino != after.st_ino);
	CHECK("nothing is left behind", files_in_dir() == 1);
	CHECK_STR("dump", row_rig_dump(&rig, r), shown);
	strbuf_fini(&rig.dump);
	kernel_file_free(f);
}

/* What a reader has open stays whole: it sees the old text to its end. */
static void test_readers_see_one_text(void **state)
{
	struct kernel_file *f = kernel_file_new(NULL, 0);
	struct reconciler r = kernel_file_reconciler(f);
	char buf[16] = "";
	struct row_rig rig;
	int fd;

	(void)state;
	row_rig_attach(&rig, r);
	put("abcdef", 6, 0644);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK("first half", read(fd, buf, 3) == 3);
	CHECK("replaced", row_rig_op(&rig, r, path, text("XYZ")) == 0);
	CHECK("second half", read(fd, buf + 3, 10) == 3);
	CHECK_STR("whole", buf, "abcdef");
	(void)close(fd);
	kernel_file_free(f);
}

/* A link stays one (a configuration that is kept elsewhere). */
static void test_link_is_kept(void **state)
{
	struct kernel_file *f = kernel_file_new(NULL, 0);
	struct reconciler r = kernel_file_reconciler(f);
	CLEANUP_FREE char *link = xasprintf("%s/link", dir), *got = NULL;
	struct row_rig rig;
	struct stat st;
	size_t len;

	(void)state;
	row_rig_attach(&rig, r);
	put("old", 3, 0644);
	CHECK("link", symlink(path, link) == 0);
	CHECK("replaced", row_rig_op(&rig, r, link, text("new")) == 0);
	CHECK("still a link", lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK("read", kernel_file_read(path, &got, &len) == 0);
	CHECK_STR("what it points at has the text", got, "new");
	(void)unlink(link);
	kernel_file_free(f);
}

static void test_refused(void **state)
{
	struct kernel_file *f = kernel_file_new(NULL, 0);
	struct reconciler r = kernel_file_reconciler(f);
	CLEANUP_FREE char *big = xcalloc(1, FILE_ROW_MAX + 1), *got = NULL;
	CLEANUP_FREE char *missing = xasprintf("%s/none", dir);
	struct row_rig rig;
	size_t len;

	(void)state;
	row_rig_attach(&rig, r);
	CHECK("never made", row_rig_op(&rig, r, missing, text("x")) == -ENOENT);
	CHECK(rig.text, strstr(rig.text, "/none: No such file"));
	CHECK("never removed", row_rig_op(&rig, r, path, text(NULL)) == -EPERM);
	CHECK("a directory is no file", row_rig_op(&rig, r, dir, text("x")) == -EISDIR);
	CHECK("too big",
	      row_rig_op(&rig, r, path, (struct bytes){ big, FILE_ROW_MAX + 1 }) == -EFBIG);
	CHECK("as big as may be",
	      row_rig_op(&rig, r, path, (struct bytes){ big, FILE_ROW_MAX }) == 0);
	CHECK("read back", kernel_file_read(path, &got, &len) == 0 && len == FILE_ROW_MAX);
	put(big, FILE_ROW_MAX + 1, 0644);
	CHECK("grown too big", kernel_file_read(path, &got, &len) == -EFBIG);
	CHECK("nothing is left behind", files_in_dir() == 1);
	kernel_file_free(f);
}

static void count_change(void *arg)
{
	(*(unsigned *)arg)++;
}

static void test_audit(void **state)
{
	const char *const paths[] = { path };
	struct ev_loop *loop = ev_new_sim(1);
	struct kernel_file *f = kernel_file_new(paths, 1);
	struct reconciler r = kernel_file_reconciler(f);
	CLEANUP_FREE char *shown = xasprintf("%s=theirs;", path);
	struct audit_stats stats;
	struct row_rig rig;
	unsigned n_changes = 0;

	(void)state;
	row_rig_attach(&rig, r);
	put("ours", 4, 0644);
	(void)row_rig_dump(&rig, r);
	kernel_file_audit(f, loop, count_change, &n_changes);
	(void)ev_sim_advance(loop, 3 * FILE_AUDIT_US);
	CHECK("nothing new", n_changes == 0);
	CHECK("replaced by us", row_rig_op(&rig, r, path, text("ours again")) == 0);
	(void)ev_sim_advance(loop, 3 * FILE_AUDIT_US);
	CHECK("no news", n_changes == 0);
	put("theirs", 6, 0644);
	strbuf_clear(&rig.dump);
	(void)ev_sim_advance(loop, FILE_AUDIT_US);
	CHECK_STR("read", strbuf_text(&rig.dump), shown);
	CHECK("said", n_changes == 1);
	CHECK("removed", unlink(path) == 0);
	(void)ev_sim_advance(loop, 3 * FILE_AUDIT_US);
	CHECK("said once", n_changes == 2);
	put("back", 4, 0644);
	(void)ev_sim_advance(loop, FILE_AUDIT_US);
	CHECK("made again", n_changes == 3);
	kernel_file_audit_get(f, &stats);
	CHECK("counted", stats.finds == 3 && stats.looks >= 10);
	strbuf_fini(&rig.dump);
	kernel_file_free(f);
	ev_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),      cmocka_unit_test(test_readers_see_one_text),
		cmocka_unit_test(test_link_is_kept), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_audit),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
