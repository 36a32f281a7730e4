/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For the tests of the iptables reconciler: a sink that remembers, as the engine would.
 */
#include "base/map.h"
#include "base/str.h"
#include "ev/ev.h"
#include "kernel/iptables.h"

#define RIG_OPS_MAX 64

struct ipt_rig {
	struct ev_loop *loop;
	struct kernel_iptables *k;
	struct reconciler reconciler;
	struct map rows;     /* struct ipt_key -> char *, owned: present */
	struct map incoming; /* of the dump that is being told */
	bool in_dump;
	unsigned n_dumps;
	int dump_err;
	/* of the last apply, by tag */
	unsigned n_results;
	int err[RIG_OPS_MAX];
	char text[RIG_OPS_MAX][512];
	/* operations being collected */
	struct row_op ops[RIG_OPS_MAX];
	struct ipt_key keys[RIG_OPS_MAX];
	size_t n_ops;
};

void rig_init(struct ipt_rig *rig, struct ev_loop *loop, const struct ipt_conf *conf);
void rig_fini(struct ipt_rig *rig);

struct ipt_key rig_key(uint8_t family, const char *table, const char *chain, enum ipt_slot slot);
/* Present text of a row, NULL: absent. */
const char *rig_row(const struct ipt_rig *rig, const struct ipt_key *key);

/* Collects an operation; want NULL: the row shall go. want must live until rig_apply(). */
void rig_op(struct ipt_rig *rig, struct ipt_key key, const char *want);
/* Sends what was collected; results come while the caller runs the loop. */
void rig_apply(struct ipt_rig *rig);
