/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ev/ev.h"

/* What a look compares; all zero: there is no such file. */
struct identity {
	uint64_t dev, ino, size;
	int64_t mtime_s, mtime_ns;
};

struct kernel_file {
	struct strv paths;
	struct identity *known; /* of each path, as last read or written */
	struct row_sink sink;
	struct ev_loop *loop; /* NULL: no audit */
	struct ev_timer *audit;
	void (*changed)(void *arg);
	void *arg;
	struct audit_stats stats;
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

static struct identity identity_get(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct identity){ 0 };
	return (struct identity){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_s = st.st_mtim.tv_sec,
		.mtime_ns = st.st_mtim.tv_nsec,
	};
}

static bool identity_same(const struct identity *a, const struct identity *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* What we wrote ourselves is no news. */
static void written(struct kernel_file *f, struct bytes key)
{
	for (size_t i = 0; i < f->paths.n; i++) {
		if (strlen(f->paths.v[i]) == key.len &&
		    memcmp(f->paths.v[i], key.data, key.len) == 0)
			f->known[i] = identity_get(f->paths.v[i]);
	}
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

		if (r == 0)
			written(f, ops[i].key);
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

		f->known[i] = identity_get(path); /* before reading: a change after is seen */
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
	f->known = xcalloc(n + 1, sizeof(*f->known));
	return f;
}

void kernel_file_free(struct kernel_file *f)
{
	if (!f)
		return;
	ev_timer_free(f->audit);
	strv_fini(&f->paths);
	free(f->known);
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

static void on_audit(void *arg)
{
	struct kernel_file *f = arg;
	struct mono start = mono_read();
	bool is_changed = false;

	for (size_t i = 0; i < f->paths.n; i++) {
		struct identity now = identity_get(f->paths.v[i]);

		is_changed |= !identity_same(&now, &f->known[i]);
	}
	if (is_changed && f->sink.result) {
		f->stats.finds++;
		file_dump(f);
		f->changed(f->arg);
	}
	f->stats.looks++;
	f->stats.cycles++;
	f->stats.last_at = ev_now(f->loop);
	f->stats.us += mono_diff_us(mono_read(), start);
	ev_timer_set(f->audit, ev_jitter_us(f->loop, FILE_AUDIT_US));
}

void kernel_file_audit(struct kernel_file *f, struct ev_loop *loop, void (*changed)(void *arg),
		       void *arg)
{
	f->loop = loop;
	f->changed = changed;
	f->arg = arg;
	f->audit = ev_timer_new(loop, "file-audit", on_audit, f);
	if (f->paths.n > 0)
		ev_timer_set(f->audit, ev_jitter_us(loop, FILE_AUDIT_US));
}

void kernel_file_audit_get(const struct kernel_file *f, struct audit_stats *ret)
{
	*ret = f->stats;
}

void file_key_fmt(struct strbuf *out, struct bytes key)
{
	strbuf_add(out, key.data, key.len);
}

void file_value_fmt(struct strbuf *out, struct bytes value)
{
	strbuf_fmt(out, "%zu bytes", value.len);
}
