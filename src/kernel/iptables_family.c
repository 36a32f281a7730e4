/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An apply is one restore with everything that changes. If that fails, nothing is known about whose
 * fault it was, nor (with several tables) about what was done: the kernel is read again, and the
 * operations are tried in halves until the ones at fault stand alone. So a bad row costs some
 * log2(n) programs, and a good one is not hurt. What is nobody's fault (no program, lock held by
 * another, time over) fails all at once: the engine tries again later.
 *
 * A row fails only in a try that was made on a fresh save: else a line that somebody else removed
 * meanwhile would look like a bad row.
 */
#include "kernel/iptables_family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/iptables_job.h"

#define SAVE_TIMEOUT_US    (10 * US_PER_S)
#define RESTORE_TIMEOUT_US (15 * US_PER_S) /* the lock's 5 s included */
#define LOCK_WAIT_S        "5"
#define APPLY_LIMIT_US     (25 * US_PER_S) /* of all tries of one apply */
/* Counted places are right only on a save not older than this. */
#define PLACE_FRESH_US (2 * US_PER_S)
#define EXIT_RESOURCE  4 /* of the tools: for one, the lock is held by another */
#define TEXT_MAX       400

static const char *const save_tables[] = { "filter", "nat" };

static void run(void *arg);

void ipt_family_init(struct ipt_family *f, struct ev_loop *loop, uint8_t family,
		     const struct ipt_family_host *host, const struct ipt_have_filter *filter)
{
	memset(f, 0, sizeof(*f));
	f->loop = loop;
	f->family = family;
	f->host = *host;
	f->filter = *filter;
	ipt_have_init(&f->have, family);
	ipt_have_init(&f->incoming, family);
	list_init(&f->jobs);
	f->run = ev_task_new(loop, "iptables", run, f);
}

void ipt_family_fini(struct ipt_family *f)
{
	if (f->child)
		ev_child_forget(f->child);
	ev_task_free(f->run);
	while (!list_is_empty(&f->jobs))
		ipt_job_free(list_first(&f->jobs, struct ipt_job, link));
	ipt_have_fini(&f->have);
	ipt_have_fini(&f->incoming);
}

/* What went wrong with a program, in words; 0 if nothing did. */
static int child_error(const struct ev_child_status *st, const char *program, char text[TEXT_MAX])
{
	char said[TEXT_MAX / 2];

	if (st->err == -ENOENT) {
		(void)snprintf(text, TEXT_MAX, "%s: no such program on PATH", program);
		return st->err;
	}
	if (st->err < 0) {
		(void)snprintf(text, TEXT_MAX, "%s: %s", program, strerror(-st->err));
		return st->err;
	}
	if (st->timed_out) {
		(void)snprintf(text, TEXT_MAX, "%s: took too long", program);
		return -ETIMEDOUT;
	}
	if (st->exit_code == 0)
		return 0;
	(void)ipt_error_line(said, sizeof(said), st->err_text, st->err_text_len);
	(void)snprintf(text, TEXT_MAX, "%s: exit %d: %s", program, st->exit_code, said);
	return st->exit_code == EXIT_RESOURCE && strstr(st->err_text, "xtables lock") ? -EBUSY
										      : -EIO;
}

static void child_start(struct ipt_family *f, const char *suffix, const char *const *options,
			struct bytes input, int64_t timeout_us, ev_child_fn *done)
{
	char program[IPT_PROGRAM_MAX];
	const char *argv[8] = { ipt_program(program, f->variant, f->family, suffix) };
	const struct ev_child_spec spec = {
		.name = "iptables",
		.argv = argv,
		.input = input.data,
		.input_len = input.len,
		.timeout_us = timeout_us,
	};

	for (size_t i = 0; options[i]; i++)
		argv[i + 1] = options[i];
	f->child = ev_child_start(f->loop, &spec, done, f);
	f->child_pid = (uint32_t)ev_child_pid(f->child);
}

static struct ipt_job *job_current(struct ipt_family *f)
{
	return list_first(&f->jobs, struct ipt_job, link);
}

/* --- operations: how they end --- */

static bool bytes_same(struct bytes a, struct bytes b)
{
	if (!a.data || !b.data)
		return !a.data && !b.data;
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void op_worked(struct ipt_family *f, struct ipt_op *op)
{
	if (op->is_set)
		ipt_have_set(&f->have, &op->key, ipt_op_want(op));
	else
		ipt_have_del(&f->have, &op->key);
	if (op->key.slot != IPT_SLOT_CHAIN)
		f->claimed[op->key.slot] = op->is_set;
	op->is_done = true;
	f->host.result(f->host.arg, op->tag, 0, "");
}

static void op_failed(struct ipt_family *f, struct ipt_op *op, int err, const char *text)
{
	struct bytes have = ipt_have_get(&f->have, &op->key);

	op->is_done = true;
	if (f->is_known && !bytes_same(have, ipt_op_known(op)))
		f->host.seen(f->host.arg, &op->key, have);
	f->host.result(f->host.arg, op->tag, err, text);
}

static void rest_failed(struct ipt_family *f, struct ipt_job *j, int err, const char *text)
{
	j->n_ranges = 0;
	for (size_t i = 0; i < j->n_ops; i++) {
		if (!j->ops[i].is_done)
			op_failed(f, &j->ops[i], err, text);
	}
}

static struct ipt_change change_of(const struct ipt_family *f, const struct ipt_op *op)
{
	return (struct ipt_change){
		.key = op->key,
		.have = ipt_have_get(&f->have, &op->key),
		.want = ipt_op_want(op),
		.above = op->key.slot < IPT_SLOT_N ? f->have.above[op->key.slot] : 0,
	};
}

/* Rows that may not be sent at all fail before anything runs. */
static void ops_check(struct ipt_family *f, struct ipt_job *j)
{
	for (size_t i = 0; i < j->n_ops; i++) {
		struct ipt_op *op = &j->ops[i];
		const struct ipt_change c = change_of(f, op);
		const char *what = "not a chain of ours";
		int r = ipt_change_check(&c, &what);

		if (r == 0 && op->want_len > IPT_ROW_TEXT_MAX) {
			what = "too many rules in one row";
			r = -E2BIG;
		}
		if (r == 0 && op->key.slot == IPT_SLOT_CHAIN &&
		    !(f->filter.is_our_chain && f->filter.is_our_chain(f->filter.arg, &op->key))) {
			what = "not a chain of ours";
			r = -EPERM;
		}
		if (r < 0)
			op_failed(f, op, r, what);
	}
}

/* --- saving --- */

static void save_start(struct ipt_family *f);

static void save_end(struct ipt_family *f, int err, const char *text)
{
	struct ipt_job *j = job_current(f);

	if (err == -ENOENT)
		f->has_programs = false;
	if (j->kind == IPT_JOB_SAVE) {
		uint8_t family = f->family;

		ipt_job_free(j);
		f->host.saved(f->host.arg, family, err, text);
	} else if (err < 0) {
		rest_failed(f, j, err, text);
	} else {
		j->is_fresh = true;
	}
}

/* Slots that are wanted empty are rows without text. */
static void claimed_keep(struct ipt_family *f)
{
	for (unsigned slot = 0; slot < IPT_SLOT_N; slot++) {
		const struct ipt_slot_desc *desc = ipt_slot_desc(slot);
		struct ipt_key key = { .family = f->family, .slot = (uint8_t)slot };

		if (!f->claimed[slot] || !desc->table)
			continue;
		(void)str_copy(key.table, sizeof(key.table), desc->table);
		(void)str_copy(key.chain, sizeof(key.chain), desc->chain);
		if (!ipt_have_get(&f->incoming, &key).data)
			ipt_have_set(&f->incoming, &key, (struct bytes){ "", 0 });
	}
}

/*
 * nft: a table with rules that the tool cannot show is no empty table. Legacy: a table the kernel
 * does not have holds nothing; who wants a row in it learns so from the restore.
 */
static int save_judge(struct ipt_family *f, const struct ev_child_status *st, const char *program,
		      char text[TEXT_MAX])
{
	int r = child_error(st, program, text);

	if (r == -EIO && strstr(st->err_text, "Table does not exist"))
		return 0;
	if (r < 0)
		return r;
	if (strstr(st->out, "is incompatible, use 'nft' tool")) {
		(void)snprintf(text, TEXT_MAX,
			       "%s: table %s was changed by another tool than iptables", program,
			       save_tables[f->save_table]);
		return -EIO;
	}
	r = ipt_have_add(&f->incoming, st->out, st->out_len, &f->filter);
	if (r < 0)
		(void)snprintf(text, TEXT_MAX, "%s: table %s: output not understood: %s", program,
			       save_tables[f->save_table], strerror(-r));
	return r;
}

static void on_saved(void *arg, const struct ev_child_status *st)
{
	struct ipt_family *f = arg;
	char program[IPT_PROGRAM_MAX], text[TEXT_MAX] = "";
	int r;

	f->child = NULL;
	f->child_pid = 0;
	r = save_judge(f, st, ipt_program(program, f->variant, f->family, "-save"), text);
	if (r == 0 && ++f->save_table < ARRAY_LEN(save_tables)) {
		save_start(f);
		return;
	}
	if (r == 0) {
		claimed_keep(f);
		ipt_have_fini(&f->have);
		f->have = f->incoming;
		ipt_have_init(&f->incoming, f->family);
		f->is_known = true;
		f->saved_at = ev_now(f->loop);
		f->n_saves++;
	}
	f->save_us += mono_diff_us(ev_now(f->loop), f->save_began);
	save_end(f, r, text);
	ev_task_post(f->run);
}

static void save_start(struct ipt_family *f)
{
	const char *const options[] = { "-t", save_tables[f->save_table], NULL };

	child_start(f, "-save", options, (struct bytes){ NULL, 0 }, SAVE_TIMEOUT_US, on_saved);
}

static void save_begin(struct ipt_family *f)
{
	ipt_have_fini(&f->incoming);
	ipt_have_init(&f->incoming, f->family);
	f->save_table = 0;
	f->save_began = ev_now(f->loop);
	f->host.saving(f->host.arg, f->family);
	save_start(f);
}

/* --- restoring --- */

static void range_drop(struct ipt_job *j)
{
	j->n_ranges--;
}

static void range_worked(struct ipt_family *f, struct ipt_job *j)
{
	struct ipt_range r = j->ranges[j->n_ranges - 1];

	range_drop(j);
	for (size_t i = r.from; i < r.to; i++) {
		if (!j->ops[i].is_done)
			op_worked(f, &j->ops[i]);
	}
}

/* The first half is tried first: order of the operations is kept. */
static void range_split(struct ipt_family *f, struct ipt_job *j, int err, const char *text)
{
	struct ipt_range r = j->ranges[j->n_ranges - 1];
	size_t middle = r.from + (r.to - r.from) / 2;

	range_drop(j);
	if (r.to - r.from == 1) {
		if (!j->ops[r.from].is_done)
			op_failed(f, &j->ops[r.from], err, text);
		return;
	}
	j->ranges[j->n_ranges++] = (struct ipt_range){ middle, r.to };
	j->ranges[j->n_ranges++] = (struct ipt_range){ r.from, middle };
}

static void on_restored(void *arg, const struct ev_child_status *st)
{
	struct ipt_family *f = arg;
	struct ipt_job *j = job_current(f);
	char program[IPT_PROGRAM_MAX], text[TEXT_MAX] = "";
	int r;

	f->host.restored(f->host.arg, f->family);
	f->child = NULL;
	f->child_pid = 0;
	r = child_error(st, ipt_program(program, f->variant, f->family, "-restore"), text);
	ev_task_post(f->run);
	if (r == 0) {
		range_worked(f, j);
		return;
	}
	f->n_restore_failures++;
	log_debug(1, "kernel: iptables refused error=\"%s\"", text);
	if (r == -ENOENT)
		f->has_programs = false;
	if (r != -EIO || st->signal != 0) {
		f->is_known = false; /* killed: who knows how far it came */
		rest_failed(f, j, r, text);
		return;
	}
	if (!j->is_fresh) {
		f->is_known = false; /* the same range again, on a fresh save */
		return;
	}
	if (j->is_many_tables)
		f->is_known = false; /* the first tables may have been done */
	range_split(f, j, r, text);
}

/* A counted place in a chain is right only as long as nobody else inserts there. */
static bool needs_fresh_place(const struct ipt_family *f, const struct ipt_job *j)
{
	if (mono_diff_us(ev_now(f->loop), f->saved_at) < PLACE_FRESH_US)
		return false;
	for (size_t i = 0; i < j->n_ops; i++) {
		if (!j->ops[i].is_done && ipt_slot_desc(j->ops[i].key.slot)->below &&
		    j->ops[i].want_len > 0)
			return true;
	}
	return false;
}

static void restore_start(struct ipt_family *f, struct bytes input)
{
	const char *const waiting[] = { "--noflush", "-w", LOCK_WAIT_S, NULL };
	const char *const plain[] = { "--noflush", NULL };

	f->n_restores++;
	f->host.restoring(f->host.arg, f->family);
	child_start(f, "-restore", f->has_wait ? waiting : plain, input, RESTORE_TIMEOUT_US,
		    on_restored);
}

/* The last range: sends it, or finds that there is nothing to send. */
static void range_try(struct ipt_family *f, struct ipt_job *j)
{
	struct ipt_range r = j->ranges[j->n_ranges - 1];
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct ipt_batch batch = { 0 };
	int err = 0;

	for (size_t i = r.from; i < r.to && err == 0; i++) {
		const struct ipt_change c = change_of(f, &j->ops[i]);

		if (!j->ops[i].is_done)
			err = ipt_batch_add(&batch, &c);
	}
	j->is_many_tables = batch.n_tables > 1;
	if (err == 0)
		ipt_batch_text(&batch, &text);
	if (err < 0 || text.overflow)
		range_split(f, j, -E2BIG, "too much for one call");
	else if (ipt_batch_is_empty(&batch))
		range_worked(f, j);
	else
		restore_start(f, (struct bytes){ text.data, text.len });
	ipt_batch_fini(&batch);
}

/* --- the queue --- */

/* One step of an apply; it is over when no range is left. */
static void apply_step(struct ipt_family *f, struct ipt_job *j)
{
	struct mono now = ev_now(f->loop);

	if (j->deadline.us == 0) {
		j->deadline = mono_add_us(now, APPLY_LIMIT_US);
		if (needs_fresh_place(f, j))
			f->is_known = false;
	}
	if (mono_diff_us(now, j->deadline) > 0) {
		rest_failed(f, j, -ETIMEDOUT, "iptables: no time left for this row in this round");
		return;
	}
	if (!f->is_known)
		save_begin(f);
	else
		range_try(f, j);
}

static void job_step(struct ipt_family *f, struct ipt_job *j)
{
	if (!f->has_programs && !j->asked_programs) {
		j->asked_programs = true;
		f->waits_programs = true;
		f->host.want_programs(f->host.arg);
	} else if (j->kind == IPT_JOB_SAVE) {
		save_begin(f);
	} else if (j->n_ranges > 0) {
		apply_step(f, j);
	} else {
		ipt_job_free(j);
	}
}

static void run(void *arg)
{
	struct ipt_family *f = arg;

	while (!list_is_empty(&f->jobs) && !f->child && !f->waits_programs)
		job_step(f, job_current(f));
}

void ipt_family_programs(struct ipt_family *f, const struct ipt_detected *detected)
{
	f->waits_programs = false;
	f->has_programs = true;
	f->variant = detected->variant;
	/* unknown: so old that it does not say, or a replacement that knows what is current */
	f->has_wait = !detected->has_version || ipt_version_is_1_6_2(&detected->version);
	ev_task_post(f->run);
}

void ipt_family_save(struct ipt_family *f)
{
	struct ipt_job *j = ipt_job_new(IPT_JOB_SAVE);

	list_add_tail(&f->jobs, &j->link);
	ev_task_post(f->run);
}

void ipt_family_apply(struct ipt_family *f, const struct row_op *ops, size_t n)
{
	struct ipt_job *j = ipt_job_new(IPT_JOB_APPLY);

	ipt_job_ops_set(j, ops, n);
	ops_check(f, j);
	list_add_tail(&f->jobs, &j->link);
	ev_task_post(f->run);
}

void ipt_family_rows_each(struct ipt_family *f,
			  void (*fn)(void *arg, const struct ipt_key *key, struct bytes value),
			  void *arg)
{
	map_for_each (&f->have.rows, i) {
		const void *key_bytes;
		struct ipt_key key;
		const struct strbuf *row = map_at(&f->have.rows, i, &key_bytes, NULL);

		memcpy(&key, key_bytes, sizeof(key));
		fn(arg, &key, (struct bytes){ strbuf_text(row), row->len });
	}
}
