/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests of reconcilers that answer at once: the last result, and what a dump showed.
 */
#include "base/str.h"
#include "model/reconcile.h"

struct row_rig {
	int err;
	unsigned n_results;
	char text[600];
	struct strbuf dump; /* "key=value;" for each row */
	unsigned n_dumps;
};

void row_rig_attach(struct row_rig *rig, struct reconciler reconciler);
/* One operation; want NULL: ROW_DEL. Its result. */
int row_rig_op(struct row_rig *rig, struct reconciler reconciler, const char *key,
	       struct bytes want);
/* What a dump shows. */
const char *row_rig_dump(struct row_rig *rig, struct reconciler reconciler);
