/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What looking at the kernel unasked costs, and how old the last complete look is. Each reconciler
 * that audits keeps one; metrics read it.
 */
#include "base/time.h"

struct audit_stats {
	uint64_t looks;      /* polls: cheap, may miss a change that keeps all counts */
	uint64_t cycles;     /* complete looks: everything that is ours was compared */
	uint64_t finds;      /* differences that made us read again */
	int64_t us;          /* spent in this process, or waiting for a helper program */
	struct mono last_at; /* end of the last complete look; us 0: none yet */
};
