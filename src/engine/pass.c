/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass: plan the dirty owners, judge the touched rows, send what is due in steps, wait for the
 * results of each step before the next.
 *
 *   kick -> task, or pass timer -> PLAN -> JUDGE -> SEND step 0 .. STEP_N-1 -> end -> (kicked
 *   meanwhile: again)
 *
 * The first kick after a quiet time starts a pass at the end of its turn of the loop; what follows
 * closely waits in the timer for more of its kind.
 *
 * Steps: for each stage upwards, removals of del_first tables, then sets; then for each stage
 * downwards the other removals. A step without rows costs a look at each table.
 *
 * Owners, rows and results that come while a pass runs go into lists for the next pass. So a pass
 * is finite, and the next one starts when its last step is answered or ENGINE_STEP_WAIT_US is over
 * for each step that hangs.
 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

#define PLAN_PER_TURN  2048 /* owners and claims */
#define JUDGE_PER_TURN 8192 /* rows */
#define OPS_KEEP       1024 /* room for operations kept between passes */

#define STEP_N (3u * STAGE_N)

struct pass_step {
	enum engine_stage stage;
	enum row_due due;
	bool only_del_first;
};

static struct pass_step step_at(unsigned i)
{
	if (i >= 2u * STAGE_N)
		return (struct pass_step){ .stage = (enum engine_stage)(STEP_N - 1 - i),
					   .due = ROW_DUE_DEL };
	if (i % 2 == 0)
		return (struct pass_step){ .stage = (enum engine_stage)(i / 2),
					   .due = ROW_DUE_DEL,
					   .only_del_first = true };
	return (struct pass_step){ .stage = (enum engine_stage)(i / 2), .due = ROW_DUE_SET };
}

/* How long until the pass that was asked for. */
static int64_t kick_wait_us(const struct engine *e)
{
	struct mono quiet = mono_add_us(e->kick_last, ENGINE_DELAY_IDLE_US);
	struct mono limit = mono_add_us(e->kick_first, ENGINE_DELAY_BUSY_US);
	int64_t wait_us = MIN(quiet.us, limit.us) - ev_now(e->loop).us;

	if (mono_diff_us(e->kick_first, e->pass_end) >= ENGINE_DELAY_IDLE_US)
		return 0;
	return MAX(wait_us, (int64_t)0);
}

void engine_kick(struct engine *e)
{
	int64_t wait_us;

	e->kick_last = ev_now(e->loop);
	if (!e->kicked)
		e->kick_first = e->kick_last;
	e->kicked = true;
	/* A set timer looks at kick_last when it fires; setting it again for each event costs more.
	 */
	if (e->phase != PASS_NONE || !engine_may_pass(e) || ev_timer_is_set(e->pass_timer))
		return;
	wait_us = kick_wait_us(e);
	if (wait_us > 0) {
		ev_timer_set(e->pass_timer, wait_us);
		return;
	}
	e->pass_is_due = true; /* a timer would come up to a millisecond later */
	ev_task_post(e->work);
}

static void list_move(struct list *to, struct list *from)
{
	assert(list_is_empty(to));
	if (list_is_empty(from))
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

void engine_pass_timer(void *arg)
{
	struct engine *e = arg;
	int64_t wait_us = kick_wait_us(e);

	if (wait_us > 0) { /* kicked again meanwhile */
		ev_timer_set(e->pass_timer, wait_us);
		return;
	}
	e->pass_is_due = true;
	/* In the task, so that what is queued already is known to this pass. */
	ev_task_post(e->work);
}

void engine_pass_begin(struct engine *e)
{
	if (!e->pass_is_due)
		return;
	e->pass_is_due = e->kicked = false;
	if (e->phase != PASS_NONE || (list_is_empty(&e->dirty) && list_is_empty(&e->touched)))
		return;
	e->phase = PASS_PLAN;
	e->pass_us = 0;
	e->stats.passes++;
	list_move(&e->planning, &e->dirty);
}

static bool plan_slice(struct engine *e)
{
	size_t work = 0;

	while (!list_is_empty(&e->planning)) {
		if (work >= PLAN_PER_TURN)
			return false;
		work += owner_plan(list_first(&e->planning, struct owner, dirty));
	}
	if (e->room_made) {
		e->room_made = false;
		owners_starved_dirty(e);
	}
	return true;
}

static void conflict_tell(struct row *r)
{
	struct strbuf text CLEANUP_STRBUF = STRBUF_INIT;
	char owner[LOG_QUOTE_MAX];
	bool was_told = r->told;

	r->told = r->n_losing > 0;
	if (!r->told || was_told)
		return;
	row_key_log(r, &text);
	LOG_LIMIT(log_warning, "engine: claims differ row=%s winner=%s losers=%u",
		  strbuf_text(&text), log_quote(owner, r->winner->owner->name), r->n_losing);
}

static void row_judge(struct row *r)
{
	struct table *t = r->table;
	enum row_due due;

	list_del(&r->place);
	r->on = ROW_PLACE_NONE;
	row_elect(r);
	conflict_tell(r);
	due = row_due(r);
	if (due == ROW_DUE_NONE) {
		row_settle(r);
		return;
	}
	row_recount(r);
	r->on = ROW_PLACE_DUE;
	list_add_tail(due == ROW_DUE_SET ? &t->due_set : &t->due_del, &r->place);
}

static bool judge_slice(struct engine *e)
{
	for (int budget = JUDGE_PER_TURN; !list_is_empty(&e->judging); budget--) {
		if (budget == 0)
			return false;
		row_judge(list_first(&e->judging, struct row, place));
	}
	return true;
}

static void ops_room(struct engine *e)
{
	if (e->ops_cap >= ENGINE_APPLY_MAX)
		return;
	e->ops_cap = e->ops_cap ? 2 * e->ops_cap : OPS_KEEP;
	e->ops = xreallocarray(e->ops, e->ops_cap, sizeof(*e->ops));
}

static void table_send(struct table *t, enum row_due due)
{
	struct engine *e = t->engine;
	struct list *from = due == ROW_DUE_SET ? &t->due_set : &t->due_del;
	size_t n = 0;

	while (!list_is_empty(from) && n < ENGINE_APPLY_MAX) {
		struct row *r = list_first(from, struct row, place);
		struct engine_op *op;

		list_del(&r->place);
		r->on = ROW_PLACE_NONE;
		if (row_due(r) != due) { /* something was seen since it was judged */
			row_settle(r);
			continue;
		}
		op = engine_op_new(r, due);
		row_recount(r);
		if (n == e->ops_cap)
			ops_room(e);
		e->ops[n++] = (struct row_op){
			.kind = due == ROW_DUE_SET ? ROW_SET : ROW_DEL,
			.tag = op->tag,
			.key = row_key(r),
			.want = engine_value_bytes(op->want),
			.have = engine_value_bytes(op->have),
		};
	}
	if (n == 0)
		return;
	e->n_step_wait += n;
	if (due == ROW_DUE_SET)
		t->stats.sets += n;
	else
		t->stats.dels += n;
	t->reconciler.ops->apply(t->reconciler.self, e->ops, n);
}

/* False: nothing (more) is due in this step. */
static bool step_send(struct engine *e)
{
	struct pass_step step = step_at(e->step);

	e->step_seq++;
	for (size_t i = 0; i < e->n_tables; i++) {
		struct table *t = e->tables[i];

		if (t->desc->stage == step.stage && (t->desc->del_first || !step.only_del_first))
			table_send(t, step.due);
	}
	if (e->n_step_wait == 0)
		return false;
	engine_watch_arm(e);
	ev_timer_set(e->step_timer, ENGINE_STEP_WAIT_US);
	return true;
}

static void pass_end(struct engine *e)
{
	e->phase = PASS_NONE;
	e->pass_end = ev_now(e->loop);
	e->idle_due = true;
	e->stats.last_pass_us = e->pass_us;
	e->stats.longest_pass_us = MAX(e->stats.longest_pass_us, e->pass_us);
	if (e->ops_cap > OPS_KEEP) {
		free(e->ops);
		e->ops = NULL;
		e->ops_cap = 0;
	}
	if (e->kicked)
		ev_timer_set(e->pass_timer, kick_wait_us(e));
}

static void steps_run(struct engine *e)
{
	if (e->n_step_wait > 0)
		return;
	ev_timer_stop(e->step_timer);
	while (!step_send(e)) {
		if (++e->step == STEP_N) {
			pass_end(e);
			return;
		}
	}
}

void engine_pass_run(struct engine *e)
{
	struct mono start = mono_read();
	enum pass_phase phase = e->phase;

	if (phase == PASS_PLAN && plan_slice(e)) {
		list_move(&e->judging, &e->touched);
		e->phase = phase = PASS_JUDGE;
	}
	if (phase == PASS_JUDGE && judge_slice(e)) {
		e->step = 0;
		e->phase = phase = PASS_SEND;
	}
	if (phase == PASS_SEND)
		steps_run(e);
	e->pass_us += mono_diff_us(mono_read(), start);
}

void engine_step_result(struct engine *e, const struct engine_op *op)
{
	if (e->phase == PASS_SEND && op->step == e->step_seq && e->n_step_wait > 0)
		e->n_step_wait--;
}

void engine_step_timer(void *arg)
{
	struct engine *e = arg;

	if (e->phase != PASS_SEND || e->n_step_wait == 0)
		return;
	e->stats.step_timeouts++;
	for (size_t i = 0; i < e->n_tables; i++) {
		const struct table *t = e->tables[i];

		if (!list_is_empty(&t->inflight) || !list_is_empty(&t->overdue))
			LOG_LIMIT(log_warning,
				  "engine: no results yet, going on table=%s missing=%zu",
				  t->desc->name, e->n_step_wait);
	}
	e->n_step_wait = 0;
	e->step_seq++; /* what comes now counts for no step */
	engine_pass_run(e);
	ev_task_post(e->work);
}
