/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One family's worker: saves and restores one after the other, never two programs at once.
 */
#include "base/list.h"
#include "base/time.h"
#include "kernel/iptables_detect.h"
#include "kernel/iptables_have.h"
#include "kernel/iptables_plan.h"

struct ev_child;
struct ev_loop;
struct ipt_job;

/* What a family asks of its owner; all may be called from the loop only. */
struct ipt_family_host {
	void *arg;
	/* Find the programs (again); ends with ipt_family_programs() for every family. */
	void (*want_programs)(void *arg);
	void (*saved)(void *arg, uint8_t family, int err, const char *text);
	/* Of one operation; err and text as in struct row_sink. */
	void (*result)(void *arg, uint32_t tag, int err, const char *text);
	/* A failed row is not what the engine thought it is; data NULL: absent. */
	void (*seen)(void *arg, const struct ipt_key *key, struct bytes value);
	/* A save is about to run; so is a restore; a restore has ended (child_pid still names it).
	 */
	void (*saving)(void *arg, uint8_t family);
	void (*restoring)(void *arg, uint8_t family);
	void (*restored)(void *arg, uint8_t family);
};

struct ipt_family {
	struct ev_loop *loop;
	struct ipt_family_host host;
	struct ipt_have_filter filter;
	uint8_t family;
	/* programs */
	bool has_programs, has_wait;
	enum ipt_variant variant;
	/* what is there */
	struct ipt_have have;
	bool is_known;            /* have is right, as far as we know */
	struct mono saved_at;     /* of the last good save */
	bool claimed[IPT_SLOT_N]; /* an empty slot that is wanted so is a row, too */
	/* what runs */
	struct list jobs; /* the first one runs */
	struct ev_task *run;
	struct ev_child *child;
	uint32_t child_pid; /* 0: none runs */
	bool waits_programs;
	/* the save that runs */
	struct ipt_have incoming;
	unsigned save_table;
	struct mono save_began;
	int64_t save_us; /* of all saves together */
	uint64_t n_saves, n_restores, n_restore_failures;
};

void ipt_family_init(struct ipt_family *f, struct ev_loop *loop, uint8_t family,
		     const struct ipt_family_host *host, const struct ipt_have_filter *filter);
void ipt_family_fini(struct ipt_family *f); /* no results for what is queued */

/* The answer to want_programs(). */
void ipt_family_programs(struct ipt_family *f, const struct ipt_detected *detected);

/* Queue a save; host.saved comes later, once. */
void ipt_family_save(struct ipt_family *f);
/* Queue operations of this family; one result each, maybe before the return. Bytes are copied. */
void ipt_family_apply(struct ipt_family *f, const struct row_op *ops, size_t n);

/* Every row, to fn; for a dump. */
void ipt_family_rows_each(struct ipt_family *f,
			  void (*fn)(void *arg, const struct ipt_key *key, struct bytes value),
			  void *arg);
