/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For the tests of nl/: a socket, the script behind it, and a record of every callback.
 */
#include "nl/nl.h"
#include "nl/script.h"

#define NL_RIG_SEQ_MAX 4096

struct nl_rig {
	struct ev_loop *loop;
	struct nl_script *script;
	struct nl *nl;
	/* the kernel's side: what arrived */
	uint32_t seqs[NL_RIG_SEQ_MAX];
	size_t n_seqs;
	size_t msgs_of_send[256];
	size_t n_sends;
	int (*behave)(struct nl_rig *f, struct nl_script_socket *s, const struct nl_head *head,
		      size_t i);
	int send_err; /* for the next sends */
	unsigned send_err_left;
	/* our side: what was called */
	struct nl_result results[NL_RIG_SEQ_MAX];
	char texts[NL_RIG_SEQ_MAX][40];
	size_t n_results;
	unsigned n_done;
	unsigned n_begin, n_msgs, n_events, n_overruns;
	int dump_err;
	char dump_text[NL_TEXT_MAX];
	bool free_in_callback;
	int msg_ret;
};

/* events: a socket for events instead of requests. */
struct nl_rig *nl_rig_setup(bool events);
void nl_rig_teardown(struct nl_rig *f);
/* A batch of n requests, tags from 100 on. */
void nl_rig_batch_start(struct nl_rig *f, size_t n);
/* For batches that a test makes itself: keeps the results. */
void nl_rig_batch_done(void *arg, const struct nl_result *res, size_t n);
void nl_rig_dump_start(struct nl_rig *f, uint16_t flags);
struct nl_stats nl_rig_stats_of(const struct nl_rig *f);
