/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ev/ev.h"

struct kernel_sysctl {
	char *root;
	struct strv paths;
	struct row_sink sink;
	struct ev_loop *loop; /* NULL: no audit */
	struct ev_timer *audit;
	struct audit_stats stats;
};

/* A path that leaves the root cannot come from our planners; refuse it anyway. */
static int sysctl_open(const struct kernel_sysctl *s, const char *path, size_t len, int flags)
{
	CLEANUP_FREE char *file = NULL;
	int fd;

	if (len == 0 || len > SYSCTL_PATH_MAX || memchr(path, '\0', len) ||
	    memmem(path, len, "..", 2))
		return -EINVAL;
	file = xasprintf("%s/%.*s", s->root, (int)len, path);
	fd = open(file, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The value without trailing blanks, terminated; its length or -errno. */
static int sysctl_read(const struct kernel_sysctl *s, const char *path, size_t path_len,
		       char value[SYSCTL_VALUE_MAX])
{
	CLEANUP_CLOSE int fd = sysctl_open(s, path, path_len, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, SYSCTL_VALUE_MAX - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	value[n] = '\0';
	return (int)n;
}

static int sysctl_write(const struct kernel_sysctl *s, const struct row_op *op)
{
	CLEANUP_CLOSE int fd = sysctl_open(s, op->key.data, op->key.len, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, op->want.data, op->want.len);
	if (n < 0)
		return -errno;
	return (size_t)n == op->want.len ? 0 : -EIO;
}

static int sysctl_set(const struct kernel_sysctl *s, const struct row_op *op, char *text,
		      size_t text_size)
{
	char value[SYSCTL_VALUE_MAX];
	int r = sysctl_write(s, op);

	if (r < 0) {
		(void)snprintf(text, text_size, "cannot write %s/%.*s: %s", s->root,
			       (int)op->key.len, (const char *)op->key.data, strerror(-r));
		return r;
	}
	r = sysctl_read(s, op->key.data, op->key.len, value);
	if (r < 0 || (size_t)r != op->want.len || memcmp(value, op->want.data, op->want.len) != 0) {
		(void)snprintf(text, text_size, "%s/%.*s did not take the value", s->root,
			       (int)op->key.len, (const char *)op->key.data);
		return r < 0 ? r : -EIO;
	}
	return 0;
}

static void sysctl_attach(void *self, const struct row_sink *sink)
{
	struct kernel_sysctl *s = self;

	s->sink = *sink;
}

static void sysctl_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_sysctl *s = self;

	for (size_t i = 0; i < n; i++) {
		char text[SYSCTL_PATH_MAX + 128] = "";
		int r;

		if (ops[i].kind == ROW_SET)
			r = sysctl_set(s, &ops[i], text, sizeof(text));
		else
			r = -EPERM; /* there is no "unset"; the table keeps unclaimed rows */
		s->sink.result(s->sink.arg, ops[i].tag, r, text);
	}
}

static void sysctl_dump(void *self)
{
	struct kernel_sysctl *s = self;

	s->sink.dump_begin(s->sink.arg);
	for (size_t i = 0; i < s->paths.n; i++) {
		const char *path = s->paths.v[i];
		char value[SYSCTL_VALUE_MAX];
		int len = sysctl_read(s, path, strlen(path), value);

		if (len >= 0)
			s->sink.present(s->sink.arg, (struct bytes){ path, strlen(path) },
					(struct bytes){ value, (size_t)len });
	}
	s->sink.dump_end(s->sink.arg, 0);
}

struct kernel_sysctl *kernel_sysctl_new(const char *root, const char *const *paths, size_t n)
{
	struct kernel_sysctl *s = xcalloc(1, sizeof(*s));

	s->root = xstrdup(root);
	for (size_t i = 0; i < n; i++)
		strv_add(&s->paths, paths[i]);
	return s;
}

void kernel_sysctl_free(struct kernel_sysctl *s)
{
	if (!s)
		return;
	ev_timer_free(s->audit);
	strv_fini(&s->paths);
	free(s->root);
	free(s);
}

struct reconciler kernel_sysctl_reconciler(struct kernel_sysctl *s)
{
	static const struct reconciler_ops ops = {
		.attach = sysctl_attach,
		.apply = sysctl_apply,
		.dump = sysctl_dump,
	};

	return (struct reconciler){ .ops = &ops, .self = s };
}

static void on_audit(void *arg)
{
	struct kernel_sysctl *s = arg;
	struct mono start = mono_read();

	if (s->sink.result)
		sysctl_dump(s);
	s->stats.looks++;
	s->stats.cycles++;
	s->stats.last_at = ev_now(s->loop);
	s->stats.us += mono_diff_us(mono_read(), start);
	ev_timer_set(s->audit, ev_jitter_us(s->loop, SYSCTL_AUDIT_US));
}

void kernel_sysctl_audit(struct kernel_sysctl *s, struct ev_loop *loop)
{
	s->loop = loop;
	s->audit = ev_timer_new(loop, "sysctl-audit", on_audit, s);
	ev_timer_set(s->audit, ev_jitter_us(loop, SYSCTL_AUDIT_US));
}

void kernel_sysctl_audit_get(const struct kernel_sysctl *s, struct audit_stats *ret)
{
	*ret = s->stats;
}
