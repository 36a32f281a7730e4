/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/row_rig.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void on_result(void *arg, uint32_t tag, int err, const char *text)
{
	struct row_rig *rig = arg;

	assert(tag == 7);
	rig->err = err;
	rig->n_results++;
	(void)snprintf(rig->text, sizeof(rig->text), "%s", text);
}

static void on_present(void *arg, struct bytes key, struct bytes value)
{
	struct row_rig *rig = arg;

	strbuf_add(&rig->dump, key.data, key.len);
	strbuf_putc(&rig->dump, '=');
	strbuf_add(&rig->dump, value.data, value.len);
	strbuf_putc(&rig->dump, ';');
}

static void on_dump_begin(void *arg)
{
	struct row_rig *rig = arg;

	strbuf_clear(&rig->dump);
}

static void on_dump_end(void *arg, int err)
{
	struct row_rig *rig = arg;

	assert(err == 0);
	rig->n_dumps++;
}

void row_rig_attach(struct row_rig *rig, struct reconciler reconciler)
{
	const struct row_sink sink = {
		.arg = rig,
		.result = on_result,
		.present = on_present,
		.dump_begin = on_dump_begin,
		.dump_end = on_dump_end,
	};

	memset(rig, 0, sizeof(*rig));
	reconciler.ops->attach(reconciler.self, &sink);
}

int row_rig_op(struct row_rig *rig, struct reconciler reconciler, const char *key,
	       struct bytes want)
{
	const struct row_op op = {
		.kind = want.data ? ROW_SET : ROW_DEL,
		.tag = 7,
		.key = { key, strlen(key) },
		.want = want,
	};
	unsigned before = rig->n_results;

	reconciler.ops->apply(reconciler.self, &op, 1);
	assert(rig->n_results == before + 1);
	return rig->err;
}

const char *row_rig_dump(struct row_rig *rig, struct reconciler reconciler)
{
	unsigned before = rig->n_dumps;

	reconciler.ops->dump(reconciler.self);
	assert(rig->n_dumps == before + 1);
	return strbuf_text(&rig->dump);
}
