/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of the engine, shared by its own files only: rows, claims, tables, and the one struct
 * engine. engine.h is the contract with everybody else.
 *
 * Who owns what: a table owns its rows; a row owns its mirror, its operation in flight and its
 * fault; an owner owns its array of claims (a row only links them); values are counted references,
 * because the claims and the mirror of a row nearly always hold the same bytes.
 */
#include <assert.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "engine/engine.h"
#include "ev/ev.h"

/* Value bytes, shared. Room for alignment: planners and reconcilers read structs from data. */
struct engine_value {
	uint32_t refs; /* each is held by 40 bytes and more, so memory ends before they overflow */
	uint32_t len;
	uint8_t data[] __attribute__((aligned(8)));
};

struct owner;
struct row;

struct claim {
	struct row *row;
	struct owner *owner;
	struct claim *next, *prev; /* of the row */
	struct engine_value *value;
};

/* An operation without its result yet. */
struct engine_op {
	struct row *row;
	struct engine_value *want; /* NULL: a removal */
	struct engine_value *have; /* what the mirror held when it was sent */
	struct list node;          /* of table->inflight, oldest first; or table->overdue */
	struct mono sent;
	uint32_t tag;
	uint32_t step;  /* the pass step that waits for it */
	bool disturbed; /* something else was seen meanwhile: the result does not set the mirror */
	bool lost;      /* engine_table_lost() meanwhile: the result says nothing */
	bool overdue;
};

/* What is remembered of a row that fails or drifts. In the retry heap while it waits or fades. */
struct engine_fault {
	struct row *row;
	struct engine_value *tried; /* the wish that failed; NULL: a removal */
	char *text;
	struct mono at;    /* next try, or the end of the memory of drift */
	uint32_t heap_pos; /* ENGINE_HEAP_NONE: not in the heap */
	int err;
	unsigned n_failures, n_drifts;
	bool waiting; /* until `at` nothing is sent for this wish */
};
#define ENGINE_HEAP_NONE UINT32_MAX

enum row_place {
	ROW_PLACE_NONE,
	ROW_PLACE_TOUCHED, /* engine->touched or judging: to be judged */
	ROW_PLACE_DUE,     /* table->due_*: to be sent by this pass */
};

struct row {
	struct row *hash_next;
	struct table *table;
	struct claim *claims; /* in no order */
	struct claim *winner; /* invalid while `rescan` */
	struct engine_value *have;
	struct engine_op *op;
	struct engine_fault *fault;
	struct list place; /* in the list that `on` names */
	uint32_t hash;
	uint32_t
		seen; /* generation of the dump that saw it last, or in which it was acknowledged */
	uint32_t n_losing; /* claims whose value is not the winner's */
	uint16_t key_len;
	uint8_t on;         /* enum row_place */
	uint8_t state : 4;  /* enum row_state, as counted in table->n_state */
	uint8_t rescan : 1; /* the winner left: elect another before it is used */
	uint8_t told : 1;   /* that its claims differ was logged */
	uint8_t key[] __attribute__((aligned(8)));
};

static_assert(sizeof(struct claim) == 40 || sizeof(void *) != 8, "docs/decisions/0001 tells sizes");
static_assert(sizeof(struct row) == 88 || sizeof(void *) != 8, "docs/decisions/0001 tells sizes");
static_assert(sizeof(struct engine_op) == 64 || sizeof(void *) != 8, "docs/decisions/0001");
static_assert(sizeof(struct engine_fault) == 56 || sizeof(void *) != 8, "docs/decisions/0001");

struct table {
	struct engine *engine;
	const struct table_desc *desc;
	struct reconciler reconciler;
	struct row_sink sink;
	uint32_t pos; /* in engine->tables: claims sort by it */

	struct row **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_rows, n_present, n_claimed;
	size_t n_state[ROW_UNWANTED + 1];

	struct list due_set, due_del;

	struct engine_op **ops; /* by the slot in the tag */
	uint16_t *op_gens;
	uint32_t *op_free; /* slots */
	size_t n_ops, n_op_free, ops_cap;
	struct list inflight, overdue; /* of engine_op.node */

	struct ev_timer *dump_timer; /* the next try after a failure */
	uint32_t gen;                /* of dumps */
	uint32_t gen_dropped;        /* sightings dropped before this dump began */
	unsigned n_dump_failures;    /* in a row */
	bool in_dump;
	bool answered; /* the first dump ended, well or not */
	bool known;    /* the mirror is true: a dump ended well since the start or the loss */
	bool released;
	struct table_stats stats; /* the counters of it */
};

struct owner {
	struct owner_kind *kind;
	struct claim *claims; /* sorted by table and key */
	size_t n_claims;
	char *problems; /* lines, each ended by a newline; NULL: none */
	struct list dirty;
	struct list starved; /* in engine->starved: a table had no room */
	char name[];         /* "node/node2" */
};

struct owner_kind {
	struct engine *engine;
	const char *name;
	size_t name_len;
	owner_plan_fn *plan;
	void *arg;
	struct map owners; /* by the name without the kind */
};

struct engine_callback {
	void (*fn)(void *arg);
	void *arg;
};

struct engine_callbacks {
	struct engine_callback *v;
	size_t n, cap;
};

struct engine_report;

enum pass_phase {
	PASS_NONE,
	PASS_PLAN,  /* owners are planned, slice by slice */
	PASS_JUDGE, /* touched rows: who wins, what is due */
	PASS_SEND,  /* steps are sent, results awaited */
};

struct engine {
	struct ev_loop *loop;
	struct table **tables;
	size_t n_tables, tables_cap;
	struct owner_kind **kinds;
	size_t n_kinds, kinds_cap;
	size_t n_owners;

	struct list dirty;    /* owners, for the next pass */
	struct list planning; /* owners, of this pass */
	struct list starved;
	struct list touched; /* rows, for the next pass */
	struct list judging; /* rows, of this pass */
	size_t n_inflight;   /* operations, all tables */

	enum pass_phase phase;
	unsigned step;
	uint32_t step_seq;  /* of the sent step: results of older ones do not count for it */
	size_t n_step_wait; /* operations of this step without a result */
	struct row_op *ops; /* room for one apply */
	size_t ops_cap;
	int64_t pass_us; /* work in the pass so far */

	struct mono kick_first, kick_last, pass_end;
	bool kicked, pass_is_due;
	struct ev_timer *pass_timer, *step_timer, *retry_timer, *watch_timer, *start_timer;
	struct ev_task *work;

	struct engine_report *reports_head, **reports_tail;
	size_t n_reports; /* sightings among them */

	struct engine_fault **heap;
	size_t n_heap, heap_cap;

	struct engine_callbacks on_ready, on_idle;
	bool started, start_over; /* start_over: ENGINE_START_WAIT_US passed without an answer */
	bool ready_is_due;        /* it passed and a table is still not known */
	bool is_ready;
	bool idle_due;    /* a pass ended since on_idle was called */
	bool is_planning; /* inside plan(): it may not call back in */
	bool room_made;   /* a table at its ceiling lost a claimed row */

	struct arena arena; /* of one plan() */
	struct engine_stats stats;
};

/* value.c */
struct engine_value *engine_value_new(struct bytes b);
struct engine_value *engine_value_ref(struct engine_value *v); /* NULL is passed on */
void engine_value_unref(struct engine_value *v);
bool engine_value_same(const struct engine_value *a, const struct engine_value *b); /* NULLs too */
bool engine_value_is(const struct engine_value *v, struct bytes b);
struct bytes engine_value_bytes(const struct engine_value *v); /* NULL gives data NULL */

/* row.c: the index, claims on a row, what a row needs. */
struct row *row_get(const struct table *t, struct bytes key);
/* Makes the row if it is not there. NULL: the ceiling, for claimed or for unclaimed rows. */
struct row *row_make(struct table *t, struct bytes key, bool for_claim);
void row_free(struct row *r); /* with its fault; no claims, no operation */
static inline struct bytes row_key(const struct row *r)
{
	return (struct bytes){ r->key, r->key_len };
}
void row_claim_link(struct row *r, struct claim *c);
void row_claim_unlink(struct claim *c);
void row_claim_move(struct claim *to, struct claim *from); /* same row, same value */
void row_elect(struct row *r);
bool owner_precedes(const struct claim *a, const struct claim *b);
struct engine_value *row_want(const struct row *r);
bool row_satisfied(const struct row *r, const struct engine_value *want);
enum row_due {
	ROW_DUE_NONE,
	ROW_DUE_SET,
	ROW_DUE_DEL,
};
enum row_due row_due(const struct row *r);
enum row_state row_state(const struct row *r);
void row_have_set(struct row *r, struct engine_value *v); /* takes a reference */
/* Into the list of rows to judge. */
void row_touch(struct row *r);
void row_recount(struct row *r); /* its state in table->n_state */
/* After any change outside planning: counts its state, touches it if something is due, frees it if
 * it says nothing any more. The row may be gone after. */
void row_settle(struct row *r);
void row_key_log(const struct row *r, struct strbuf *out); /* "routes 10.0.0.0/24" */

/* op.c: operations in flight. */
struct engine_op *engine_op_new(struct row *r, enum row_due due);
struct engine_op *engine_op_find(struct table *t, uint32_t tag);
void engine_op_free(struct engine_op *op);
/* The watch timer's work: counts what became overdue. */
void engine_ops_watch(struct engine *e);
void engine_watch_arm(struct engine *e);

/* retry.c: failures, drift, the heap of waiting rows. */
void engine_row_failed(struct row *r, struct engine_value *tried, int err, const char *text);
void engine_row_drifted(struct row *r);
void engine_row_worked(struct row *r); /* the wish is present: failures are over */
void engine_fault_stop_waiting(struct row *r);
void engine_fault_free(struct row *r);
void engine_retry_run(struct engine *e);
void engine_retry_table(struct table *t); /* its waiting rows need not wait any more */
int64_t engine_backoff_us(struct engine *e, unsigned n_failures);

/* report.c: what reconcilers say, queued. */
void engine_reports_sink(struct table *t);
void engine_report_lost(struct table *t);
/* Handles up to a budget; true if some are left. */
bool engine_reports_run(struct engine *e);
void engine_reports_fini(struct engine *e);

/* mirror.c: reports change the mirror. */
void engine_mirror_result(struct table *t, uint32_t tag, int err, const char *text);
void engine_mirror_present(struct table *t, struct bytes key, struct bytes value);
void engine_mirror_absent(struct table *t, struct bytes key);
void engine_mirror_dump_begin(struct table *t, uint32_t n_dropped);
void engine_mirror_dump_end(struct table *t, uint32_t n_dropped, int err);
void engine_mirror_lost(struct table *t);
void engine_dump_ask_later(struct table *t);

/* claim.c: planning one owner. */
size_t owner_plan(struct owner *o); /* returns the work done, in claims; may free the owner */
void owner_free(struct owner *o);   /* without claims */
void owners_starved_dirty(struct engine *e);
void owner_mark(struct owner *o);
void owner_kind_fini(struct owner_kind *kind); /* at the end: drops claims without judging rows */

/* pass.c */
void engine_kick(struct engine *e); /* something is to do: a pass soon */
void engine_pass_timer(void *arg);
void engine_pass_begin(struct engine *e); /* if it is due; in the task */
void engine_step_timer(void *arg);
void engine_pass_run(struct engine *e); /* as far as it gets now; PASS_NONE at its end */
void engine_step_result(struct engine *e, const struct engine_op *op);

/* engine.c */
bool engine_may_pass(const struct engine *e);

/* table.c */
void table_free(struct table *t);
