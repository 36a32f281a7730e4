/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reconciler of whole files that already exist (the CNI configuration): replaced at once (temporary
 * file, fsync, rename in the same directory), mode and owner kept, and only when the content
 * differs. Files are never created where there was none, and never removed; a symbolic
 * link stays one, what it points at is replaced.
 *
 * Row: key is the path, value the content; neither is terminated.
 */
#include "base/str.h"
#include "kernel/audit.h"
#include "model/reconcile.h"

#define FILE_ROW_MAX ((size_t)1 << 20) /* bytes of one file */

struct ev_loop;
struct kernel_file;

/* One stat() for each file this often; what it shows differs: it is read. */
#define FILE_AUDIT_US (1 * US_PER_S)

struct kernel_file *kernel_file_new(const char *const *paths, size_t n); /* those a dump reads */
void kernel_file_free(struct kernel_file *f);
struct reconciler kernel_file_reconciler(struct kernel_file *f);
/*
 * Looks by itself from now on, each FILE_AUDIT_US. changed: after a dump because somebody else
 * changed, removed or made a file; whoever completes what is there must plan anew then.
 */
void kernel_file_audit(struct kernel_file *f, struct ev_loop *loop, void (*changed)(void *arg),
		       void *arg);
void kernel_file_audit_get(const struct kernel_file *f, struct audit_stats *ret);

/* The whole file, terminated: 0 with a text to free, or -errno (-EFBIG above FILE_ROW_MAX). */
int kernel_file_read(const char *path, char **ret_text, size_t *ret_len);
/* The same with another ceiling. */
int kernel_file_read_max(const char *path, size_t max, char **ret_text, size_t *ret_len);

void file_key_fmt(struct strbuf *out, struct bytes key);
void file_value_fmt(struct strbuf *out, struct bytes value);
