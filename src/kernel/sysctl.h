/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reconciler of kernel settings: written, then read back. A setting that does not exist is a failed
 * row that names the file (a module may bring it later; the engine tries again).
 *
 * The files are in memory of the kernel: reading and writing them does not wait.
 */
#include "kernel/audit.h"
#include "model/reconcile.h"
#include "model/sysctl.h"

struct ev_loop;
struct kernel_sysctl;

/* The kernel tells nobody when a setting changes; reading one takes 3 us. */
#define SYSCTL_AUDIT_US (5 * US_PER_S)

/* root: "/proc/sys", or a directory of a test. paths: those a dump reads; copied. */
struct kernel_sysctl *kernel_sysctl_new(const char *root, const char *const *paths, size_t n);
void kernel_sysctl_free(struct kernel_sysctl *s);
struct reconciler kernel_sysctl_reconciler(struct kernel_sysctl *s);

/* Dumps by itself from now on, each SYSCTL_AUDIT_US. */
void kernel_sysctl_audit(struct kernel_sysctl *s, struct ev_loop *loop);
void kernel_sysctl_audit_get(const struct kernel_sysctl *s, struct audit_stats *ret);
