/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests of reconcilers: a network namespace of the test's own, and a sink that records.
 */
#include "base/map.h"
#include "base/str.h"
#include "ev/ev.h"
#include "model/reconcile.h"

/* ---- the kernel ---- */

/* A new network namespace with lo up. False: not permitted here; the test then ends with 77. */
bool harness_netns(void);
/* Runs a command, words separated by single blanks; its exit status, 127 if it cannot be run. */
int harness_run(const char *command);
/* The same; what it prints, replacing out. */
int harness_output(const char *command, struct strbuf *out);
/* How often the text occurs in what the command prints. */
size_t harness_count(const char *command, const char *text);

/* Turns the loop until done(arg), at most 10 seconds. False: it did not become true. */
bool harness_until(struct ev_loop *loop, bool (*done)(void *arg), void *arg);
/* Turns the loop for this long. */
void harness_for(struct ev_loop *loop, int64_t us);

/* ---- the sink: what an engine would know ---- */

#define HARNESS_RESULTS_MAX 70000

struct harness_result {
	unsigned n; /* times reported: must be 1 */
	int err;
	char text[240];
	/* of the operation */
	bool is_set;
	uint8_t key[64], want[64];
	size_t key_len, want_len;
};

struct harness_sink {
	struct map rows;  /* key -> struct bytes of the value, as told */
	struct map known; /* the same, and what was acknowledged: an engine's mirror */
	struct map dump;  /* the rows of the dump that runs */
	bool is_dumping;
	unsigned n_dumps;
	int dump_err;
	unsigned n_present, n_absent, n_retries;
	struct harness_result *results; /* by tag */
	size_t n_results;
	struct reconciler reconciler;
};

void harness_sink_init(struct harness_sink *s);
void harness_sink_fini(struct harness_sink *s);
void harness_sink_attach(struct harness_sink *s, struct reconciler r);
/* One operation. have: what the sink knows to be there, as an engine would say. */
void harness_set(struct harness_sink *s, uint32_t tag, struct bytes key, struct bytes want);
void harness_del(struct harness_sink *s, uint32_t tag, struct bytes key);
/* The value, or NULL data if the row is absent. */
struct bytes harness_row(const struct harness_sink *s, struct bytes key);
/* Has each of the first n tags exactly one result? Asserts that none has two. */
bool harness_results_in(const struct harness_sink *s, size_t n);
