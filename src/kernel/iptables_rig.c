/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_rig.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

static void rows_clear(struct map *rows)
{
	map_for_each (rows, i)
		free(map_at(rows, i, NULL, NULL));
	map_fini(rows);
	*rows = (struct map)MAP_INIT;
}

static void on_result(void *arg, uint32_t tag, int err, const char *text)
{
	struct ipt_rig *rig = arg;
	const struct row_op *op;

	assert(tag < rig->n_ops && rig->err[tag] == 1);
	op = &rig->ops[tag];
	rig->err[tag] = err;
	(void)snprintf(rig->text[tag], sizeof(rig->text[tag]), "%s", text);
	rig->n_results++;
	if (err < 0)
		return;
	free(op->kind == ROW_SET ? map_put(&rig->rows, op->key.data, op->key.len,
					   xstrndup(op->want.data, op->want.len))
				 : map_del(&rig->rows, op->key.data, op->key.len));
}

static void on_present(void *arg, struct bytes key, struct bytes value)
{
	struct ipt_rig *rig = arg;

	free(map_put(rig->in_dump ? &rig->incoming : &rig->rows, key.data, key.len,
		     xstrndup(value.data, value.len)));
}

static void on_absent(void *arg, struct bytes key)
{
	struct ipt_rig *rig = arg;

	free(map_del(&rig->rows, key.data, key.len));
}

static void on_dump_begin(void *arg)
{
	struct ipt_rig *rig = arg;

	rows_clear(&rig->incoming);
	rig->in_dump = true;
}

static void on_dump_end(void *arg, int err)
{
	struct ipt_rig *rig = arg;

	rig->in_dump = false;
	rig->n_dumps++;
	rig->dump_err = err;
	if (err < 0)
		return;
	rows_clear(&rig->rows);
	rig->rows = rig->incoming;
	rig->incoming = (struct map)MAP_INIT;
}

void rig_init(struct ipt_rig *rig, struct ev_loop *loop, const struct ipt_conf *conf)
{
	const struct row_sink sink = {
		.arg = rig,
		.result = on_result,
		.present = on_present,
		.absent = on_absent,
		.dump_begin = on_dump_begin,
		.dump_end = on_dump_end,
	};
	int r;

	memset(rig, 0, sizeof(*rig));
	rig->loop = loop;
	r = kernel_iptables_new(loop, conf, &rig->k);
	assert(r == 0);
	rig->reconciler = kernel_iptables_reconciler(rig->k);
	rig->reconciler.ops->attach(rig->reconciler.self, &sink);
}

void rig_fini(struct ipt_rig *rig)
{
	kernel_iptables_free(rig->k);
	rows_clear(&rig->rows);
	rows_clear(&rig->incoming);
}

struct ipt_key rig_key(uint8_t family, const char *table, const char *chain, enum ipt_slot slot)
{
	struct ipt_key key = { .family = family, .slot = (uint8_t)slot };

	(void)str_copy(key.table, sizeof(key.table), table);
	(void)str_copy(key.chain, sizeof(key.chain), chain);
	return key;
}

const char *rig_row(const struct ipt_rig *rig, const struct ipt_key *key)
{
	return map_get(&rig->rows, key, sizeof(*key));
}

void rig_op(struct ipt_rig *rig, struct ipt_key key, const char *want)
{
	size_t i = rig->n_ops++;
	const char *have = rig_row(rig, &key);

	assert(i < RIG_OPS_MAX);
	rig->keys[i] = key;
	rig->err[i] = 1; /* no result yet */
	rig->ops[i] = (struct row_op){
		.kind = want ? ROW_SET : ROW_DEL,
		.tag = (uint32_t)i,
		.key = { &rig->keys[i], sizeof(key) },
		.want = { want, want ? strlen(want) : 0 },
		.have = { have, have ? strlen(have) : 0 },
	};
}

void rig_apply(struct ipt_rig *rig)
{
	rig->n_results = 0;
	rig->reconciler.ops->apply(rig->reconciler.self, rig->ops, rig->n_ops);
}
