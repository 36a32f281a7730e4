/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The engine: keyed tables, claims by owners, passes, results, retry. docs/decisions/0001-engine.md
 * says why; ARCHITECTURE.md follows one event through it.
 *
 *   engine_dirty(owner) -> pass: plan(owner) claims rows from scratch -> compared with that owner's
 *   previous claims -> changed rows -> stage by stage to their reconcilers -> results -> mirrors
 *
 * A row has a winner (the value wanted, chosen among its claims by the table's rule) and a mirror
 * (the value known to be present: acknowledged or seen). Whenever the two differ and nothing is in
 * flight, an operation is due. Rows that are present, ours, and claimed by nobody are removed, but
 * only once their table is released (engine_table_release): before the caches are synced we do not
 * know enough to remove anything.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"
#include "model/reconcile.h"

struct engine;
struct ev_loop;
struct table;
struct claims;

/*
 * Order within a pass. Rows are set in this order and removed in the reverse one; a stage starts
 * when the results of the one before are in.
 */
enum engine_stage {
	STAGE_SYSCTL, /* what later stages need switched on */
	STAGE_SETS,   /* ipsets, then (next) their members, then the chains that name them */
	STAGE_MEMBERS,
	STAGE_CHAINS,
	STAGE_LINKS,
	STAGE_ADDRS, /* of links made by the stage before */
	STAGE_ROUTES,
	STAGE_BGP_PEERS,
	STAGE_ANNOUNCEMENTS,
	STAGE_FILES,
	STAGE_N
};

struct table_desc {
	const char *name; /* what `kube-router table` takes: "routes" */
	const char *help; /* one line */
	enum engine_stage stage;
	size_t max_rows; /* a claim past it is refused, counted and reported on its owner */
	void (*key_fmt)(struct strbuf *out, struct bytes key);
	void (*value_fmt)(struct strbuf *out, struct bytes value);
	/* Does what is present satisfy what is wanted? NULL: the bytes are equal. */
	bool (*same)(struct bytes want, struct bytes have);
	/*
	 * Unequal claims of one key: > 0 if a wins over b, < 0 if b does. NULL or 0: the owner
	 * first by name. Must be a total order up to ties.
	 */
	int (*prefer)(struct bytes a, struct bytes b);
	/* Removing an unclaimed row is never right for some tables (sysctls, files). */
	bool keep_unclaimed;
	/* Removals go before the sets of this stage: rows that grant access to reusable addresses.
	 */
	bool del_first;
	/*
	 * Owners of a row that starts or stops failing are planned again; their planner asks
	 * table_failure(). It goes on claiming the failed row beside its substitute: who claims it
	 * no more ends the retries.
	 */
	bool replan_on_failure;
};

/*
 * Coalescing: an engine that has been quiet for the first time starts a pass at once (at the end of
 * the turn of the loop); else what comes waits until nothing came for that long, at most the
 * second.
 */
#define ENGINE_DELAY_IDLE_US (2 * US_PER_MS)
#define ENGINE_DELAY_BUSY_US (100 * US_PER_MS)
/* Back-off of a failed row, doubling; and of a dump that failed. */
#define ENGINE_RETRY_MIN_US (100 * US_PER_MS)
#define ENGINE_RETRY_MAX_US (30 * US_PER_S)
/* A step waits at most this long for its results; then the pass goes on without them. */
#define ENGINE_STEP_WAIT_US (5 * US_PER_S)
/* Older operations without a result are counted as overdue. */
#define ENGINE_OVERDUE_US (30 * US_PER_S)
/* Passes do not wait longer for tables that never answer their first dump. */
#define ENGINE_START_WAIT_US (10 * US_PER_S)
/* A row that drifts again within this time backs off. */
#define ENGINE_DRIFT_MEMORY_US (60 * US_PER_S)

/* Ceilings. */
#define ENGINE_ROWS_MAX   ((size_t)1 << 20) /* of max_rows */
#define ENGINE_KEY_MAX    ((size_t)1024)    /* bytes */
#define ENGINE_VALUE_MAX  ((size_t)16 << 20)
#define ENGINE_CLAIMS_MAX ((size_t)1 << 20) /* of one owner */
#define ENGINE_OWNERS_MAX ((size_t)1 << 18)
#define ENGINE_REPORTS_MAX                                                                         \
	((size_t)1 << 20)                 /* queued sightings; past it the table is dumped again */
#define ENGINE_PROBLEMS_MAX 8             /* of one owner */
#define ENGINE_TEXT_MAX     ((size_t)512) /* of a problem or a failure, with the terminator */
#define ENGINE_APPLY_MAX    ((size_t)65536) /* operations in one apply */

struct engine *engine_new(struct ev_loop *loop);
/* Sends nothing: what is in the kernel stays. Reconcilers report nothing from here on. */
void engine_free(struct engine *e);

/* Before engine_start(). The table lives as long as the engine; desc is kept, not copied. */
struct table *engine_table_add(struct engine *e, const struct table_desc *desc,
			       struct reconciler reconciler);
struct table *engine_table_find(const struct engine *e, const char *name);

/*
 * A kind of owner: plan() makes ALL claims of ONE owner, from scratch, by claim(). It is pure but
 * for reading its caches. An owner that exists no more simply claims nothing.
 */
typedef void owner_plan_fn(void *arg, const char *owner, struct claims *c);
struct owner_kind;
struct owner_kind *engine_owner_kind_add(struct engine *e, const char *kind, owner_plan_fn *plan,
					 void *arg);
/* Plan this owner in the next pass. May be called from anywhere but plan(). */
void engine_dirty(struct owner_kind *kind, const char *owner);

void claim(struct claims *c, struct table *t, struct bytes key, struct bytes value);
/*
 * The object of this owner is at fault: shown with the owner, logged once per change of text.
 * Losing a key to another owner, or a ceiling, is reported by the engine itself.
 */
void claims_problem(struct claims *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Dumps every table; passes run when all first dumps are in (or failed and are being retried). */
void engine_start(struct engine *e);
/*
 * Called once, when every table had its first dump; rows are adopted by then. At the latest
 * ENGINE_START_WAIT_US after the start: a table that cannot be read is logged, its rows wait for
 * its dump, and the others go on.
 */
void engine_on_ready(struct engine *e, void (*fn)(void *arg), void *arg);
/* Present but unclaimed rows of ours may be removed from now on. */
void engine_table_release(struct table *t);
/* Everything present is unknown again (a child process restarted): dump, then repair. */
void engine_table_lost(struct table *t);
/* Called after a pass whose results are all in. */
void engine_on_idle(struct engine *e, void (*fn)(void *arg), void *arg);
bool engine_is_idle(const struct engine *e); /* nothing dirty, due or in flight */

/* Looking in: tables, metrics, tests. */
enum row_state {
	ROW_OK,       /* present as wanted */
	ROW_PENDING,  /* an operation is due or in flight */
	ROW_FAILED,   /* waits for its next try */
	ROW_UNWANTED, /* present, ours, claimed by nobody, not yet removed */
};
const char *row_state_name(enum row_state s);

struct row_view {
	struct bytes key, want, have; /* data NULL: not wanted / not present */
	enum row_state state;
	int err; /* of the last failure; 0: none since the last success */
	const char *err_text;
	unsigned n_failures;       /* in a row */
	int64_t retry_in_us;       /* ROW_FAILED only */
	const char *const *owners; /* "node/node2", winner first; */
	size_t n_owners;
	bool conflict; /* claims differ; the loser is in owners too */
};
/* Sorted by key text. Anything but 0 from fn stops. The walk must not change the engine. */
int table_walk(struct table *t, int (*fn)(void *arg, const struct row_view *row), void *arg);
/* One row's present value, data NULL if absent. Valid until the next change. */
struct bytes table_have(const struct table *t, struct bytes key);
/* Input for planners: -errno while this row's operations fail, else 0 (also: no such row). */
int table_failure(const struct table *t, struct bytes key);

struct table_stats {
	size_t n_rows, n_present, n_pending, n_failed;
	uint64_t sets, dels; /* operations sent */
	uint64_t failures, drift;
	uint64_t refused;       /* claims or sightings past a ceiling */
	uint64_t adopted;       /* rows seen that we had not made */
	uint64_t stray_results; /* late, double or unknown tags; ignored */
	uint64_t overdue;       /* operations that were older than ENGINE_OVERDUE_US */
	uint64_t dump_failures;
	uint64_t dropped; /* sightings past ENGINE_REPORTS_MAX; each such burst leads to a dump */
};
void table_stats_get(const struct table *t, struct table_stats *ret);
const struct table_desc *table_desc_get(const struct table *t);
size_t engine_table_count(const struct engine *e);
struct table *engine_table_at(const struct engine *e, size_t i);

struct engine_stats {
	uint64_t passes, owners_planned, claims;
	uint64_t step_timeouts;  /* ENGINE_STEP_WAIT_US was over */
	uint64_t owners_refused; /* past ENGINE_OWNERS_MAX */
	/* Planning and sending, without waiting for results; real time, also in the simulator. */
	int64_t last_pass_us;
	int64_t longest_pass_us;
};
void engine_stats_get(const struct engine *e, struct engine_stats *ret);
/* Problems reported by owners: fn(arg, "node/node2", "spec.podCIDRs[0]: not a CIDR"). */
void engine_problems_walk(struct engine *e,
			  void (*fn)(void *arg, const char *owner, const char *text), void *arg);
