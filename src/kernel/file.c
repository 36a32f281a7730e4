/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct kernel_file {
	struct strv paths;
	struct row_sink sink;
};

int kernel_file_read(const char *path, char **ret_text, size_t *ret_len)
{
	return kernel_file_read_max(path, FILE_ROW_MAX, ret_text, ret_len);
}

int kernel_file_read_max(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	size_t len = 0, cap = 4096;

	if (fd < 0)
		return -errno;
	text = xmalloc(cap);
	for (;;) {
		ssize_t n = read(fd, text + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (cap - len < 2) {
			cap *= 2;
			text = xreallocarray(text, cap, 1);
		}
	}
	text[len] = '\0';
	*ret_len = len;
	*ret_text = take_ptr(text);
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The temporary file takes over mode and owner before it takes over the name. */
static int fill_temporary(int fd, const struct stat *old, struct bytes content)
{
	int r = write_all(fd, content.data, content.len);

	if (r < 0)
		return r;
	if (fchmod(fd, old->st_mode & 07777) < 0)
		return -errno;
	if ((old->st_uid != geteuid() || old->st_gid != getegid()) &&
	    fchown(fd, old->st_uid, old->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* A link stays one: what it points at is replaced. */
static int file_replace(const char *link_or_path, struct bytes content)
{
	CLEANUP_FREE char *path = realpath(link_or_path, NULL), *temporary = NULL;
	struct stat old;
	int fd, r;

	if (!path || stat(path, &old) < 0)
		return -errno;
	if (!S_ISREG(old.st_mode))
		return S_ISDIR(old.st_mode) ? -EISDIR : -EINVAL;
	temporary = xasprintf("%s.tmp-XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fill_temporary(fd, &old, content);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

static int file_set(const struct row_op *op, char *text, size_t text_size)
{
	CLEANUP_FREE char *path = xstrndup(op->key.data, op->key.len);
	int r = op->want.len > FILE_ROW_MAX ? -EFBIG : file_replace(path, op->want);

	if (r < 0)
		(void)snprintf(text, text_size, "cannot replace %s: %s", path, strerror(-r));
	return r;
}

static void file_attach(void *self, const struct row_sink *sink)
{
	struct kernel_file *f = self;

	f->sink = *sink;
}

static void file_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_file *f = self;

	for (size_t i = 0; i < n; i++) {
		char text[512] = "";
		int r = ops[i].kind == ROW_SET ? file_set(&ops[i], text, sizeof(text)) : -EPERM;

		f->sink.result(f->sink.arg, ops[i].tag, r, text);
	}
}

static void file_dump(void *self)
{
	struct kernel_file *f = self;

	f->sink.dump_begin(f->sink.arg);
	for (size_t i = 0; i < f->paths.n; i++) {
		const char *path = f->paths.v[i];
		CLEANUP_FREE char *text = NULL;
		size_t len = 0;

		if (kernel_file_read(path, &text, &len) == 0)
			f->sink.present(f->sink.arg, (struct bytes){ path, strlen(path) },
					(struct bytes){ text, len });
	}
	f->sink.dump_end(f->sink.arg, 0);
}

struct kernel_file *kernel_file_new(const char *const *paths, size_t n)
{
	struct kernel_file *f = xcalloc(1, sizeof(*f));

	for (size_t i = 0; i < n; i++)
		strv_add(&f->paths, paths[i]);
	return f;
}

void kernel_file_free(struct kernel_file *f)
{
	if (!f)
		return;
	strv_fini(&f->paths);
	free(f);
}

struct reconciler kernel_file_reconciler(struct kernel_file *f)
{
	static const struct reconciler_ops ops = {
		.attach = file_attach,
		.apply = file_apply,
		.dump = file_dump,
	};

	return (struct reconciler){ .ops = &ops, .self = f };
}

void file_key_fmt(struct strbuf *out, struct bytes key)
{
	strbuf_add(out, key.data, key.len);
}

void file_value_fmt(struct strbuf *out, struct bytes value)
{
	strbuf_fmt(out, "%zu bytes", value.len);
}
