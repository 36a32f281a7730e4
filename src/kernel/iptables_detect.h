/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runs every *-save there may be and one --version, and says which programs to use.
 */
#include "kernel/iptables_variant.h"

struct ev_loop;
struct ipt_detect;

struct ipt_detected {
	enum ipt_variant variant;
	const char *why; /* constant text */
	struct ipt_usage usage[IPT_VARIANT_N];
	bool has_version;
	struct ipt_version version;
};
typedef void ipt_detect_fn(void *arg, const struct ipt_detected *result);

/* done comes once, later; the handle frees itself before it. Bounded by the children's limits. */
struct ipt_detect *ipt_detect_start(struct ev_loop *loop, ipt_detect_fn *done, void *arg);
void ipt_detect_cancel(struct ipt_detect *d);
