/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fake_kernel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

struct fake_op {
	struct fake_kernel *kernel;
	struct ev_timer *timer; /* NULL: held */
	uint32_t tag;
	char *key, *value; /* value NULL: a removal */
	int err;
	bool takes_effect; /* with the result */
};

struct bytes fake_bytes(const char *text)
{
	return (struct bytes){ text, text ? strlen(text) : 0 };
}

static char *text_of(struct bytes b)
{
	return b.data ? xstrndup(b.data, b.len) : NULL;
}

const char *fake_get(const struct fake_kernel *f, const char *key)
{
	return map_get_str(&f->rows, key);
}

void fake_put(struct fake_kernel *f, const char *key, const char *value)
{
	free(value ? map_put_str(&f->rows, key, xstrdup(value)) : map_del_str(&f->rows, key));
}

void fake_change(struct fake_kernel *f, const char *key, const char *value)
{
	fake_put(f, key, value);
	if (value)
		f->sink.present(f->sink.arg, fake_bytes(key), fake_bytes(value));
	else
		f->sink.absent(f->sink.arg, fake_bytes(key));
}

static void op_effect(struct fake_op *op)
{
	if (op->kernel->echoes)
		fake_change(op->kernel, op->key, op->value);
	else
		fake_put(op->kernel, op->key, op->value);
}

static void op_free(struct fake_op *op)
{
	struct fake_kernel *f = op->kernel;
	size_t i = 0;

	while (f->ops[i] != op)
		i++;
	f->n_waiting--;
	memmove(&f->ops[i], &f->ops[i + 1], (f->n_waiting - i) * sizeof(struct fake_op *));
	if (op->timer)
		ev_timer_free(op->timer);
	free(op->key);
	free(op->value);
	free(op);
}

static void op_answer(void *arg)
{
	struct fake_op *op = arg;
	struct fake_kernel *f = op->kernel;

	if (op->takes_effect)
		op_effect(op);
	f->n_failed += op->err < 0;
	f->sink.result(f->sink.arg, op->tag, op->err, op->err < 0 ? "told to fail" : "");
	op_free(op);
}

void fake_results(struct fake_kernel *f, size_t n, int err)
{
	while (n-- > 0) {
		assert(f->n_waiting > 0);
		if (err < 0) {
			f->ops[0]->err = err;
			f->ops[0]->takes_effect = false;
		}
		op_answer(f->ops[0]);
	}
}

uint32_t fake_tag(const struct fake_kernel *f, size_t i)
{
	assert(i < f->n_waiting);
	return f->ops[i]->tag;
}

static bool percent(struct fake_kernel *f, unsigned n)
{
	return n > 0 && f->random(f->random_arg) % 100 < n;
}

static void journal_op(struct fake_kernel *f, const struct fake_op *op)
{
	struct strbuf *j = f->journal;

	if (!j)
		return;
	if (j->data[j->len - 1] != '(')
		strbuf_putc(j, ' ');
	strbuf_fmt(j, "%c%s", op->value ? '+' : '-', op->key);
	if (!str_is_empty(op->value))
		strbuf_fmt(j, "=%s", op->value);
}

static void op_start(struct fake_kernel *f, const struct row_op *in)
{
	struct fake_op *op = xcalloc(1, sizeof(*op));
	bool is_applied;

	assert((in->kind == ROW_SET) == (in->want.data != NULL));
	op->kernel = f;
	op->tag = in->tag;
	op->key = text_of(in->key);
	op->value = text_of(in->want);
	if (str_eq(f->bad_key, op->key))
		op->err = f->bad_err;
	else if (percent(f, f->fail_percent))
		op->err = -EBUSY;
	is_applied = op->err == 0 || percent(f, f->fail_applied_percent);
	op->takes_effect = is_applied && f->effect_late;
	GROW(f->ops, f->n_waiting, f->ops_cap);
	f->ops[f->n_waiting++] = op;
	if (is_applied && !f->effect_late)
		op_effect(op);
	journal_op(f, op);
	if (f->hold)
		return;
	if (f->delay_us == 0) {
		op_answer(op);
		return;
	}
	op->timer = ev_timer_new(f->loop, "fake-op", op_answer, op);
	ev_timer_set(op->timer, f->delay_us + (f->delay_spread_us == 0
						       ? 0
						       : (int64_t)(f->random(f->random_arg) %
								   (uint64_t)f->delay_spread_us)));
}

static void fake_apply(void *self, const struct row_op *ops, size_t n)
{
	struct fake_kernel *f = self;

	assert(f->depth == 0 && n > 0);
	f->depth++;
	f->n_applies++;
	f->n_ops += n;
	if (f->journal)
		strbuf_fmt(f->journal, "%s%s(", f->journal->len > 0 ? " " : "", f->name);
	for (size_t i = 0; i < n; i++)
		op_start(f, &ops[i]);
	if (f->journal)
		strbuf_putc(f->journal, ')');
	f->depth--;
}

void fake_dump(struct fake_kernel *f)
{
	f->sink.dump_begin(f->sink.arg);
	map_for_each (&f->rows, i) {
		const void *key;
		size_t len;
		const char *value = map_at(&f->rows, i, &key, &len);

		f->sink.present(f->sink.arg, (struct bytes){ key, len }, fake_bytes(value));
	}
	f->sink.dump_end(f->sink.arg, f->dump_err);
}

static void fake_dump_asked(void *self)
{
	struct fake_kernel *f = self;

	f->n_dumps++;
	if (!f->hold_dumps)
		fake_dump(f);
}

static void fake_attach(void *self, const struct row_sink *sink)
{
	((struct fake_kernel *)self)->sink = *sink;
}

struct reconciler fake_kernel_reconciler(struct fake_kernel *f)
{
	static const struct reconciler_ops ops = {
		.attach = fake_attach,
		.apply = fake_apply,
		.dump = fake_dump_asked,
	};

	return (struct reconciler){ &ops, f };
}

void fake_kernel_init(struct fake_kernel *f, const char *name, struct ev_loop *loop)
{
	*f = (struct fake_kernel){ .name = name, .loop = loop };
}

void fake_kernel_fini(struct fake_kernel *f)
{
	while (f->n_waiting > 0)
		op_free(f->ops[0]);
	map_for_each (&f->rows, i)
		free(map_at(&f->rows, i, NULL, NULL));
	map_fini(&f->rows);
	free(f->ops);
}
