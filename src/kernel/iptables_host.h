/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For the tests of the iptables reconciler: a host in the simulated loop whose programs work on the
 * model kernel, with faults to choose.
 */
#include "kernel/iptables_model.h"
#include "kernel/iptables_rig.h"
#include "nl/script.h"

struct host {
	struct ev_loop *loop;
	struct ipt_rig rig;
	struct ipt_model v4, v6;
	struct strbuf out; /* of the program that is being answered */
	/* faults */
	bool no_v6, no_programs, hangs, is_locked;
	bool is_legacy; /* the programs of that variant are there, and none of the other */
	const char *version;
	unsigned n_saves, n_restores, n_waiting; /* n_waiting: restores with -w */
	int fail_restores;                       /* so many more fail for no reason of a row */
	/* The other writer, in the midst of our program: called before each answer. */
	void (*during)(struct host *h, const char *program);
	unsigned n_started; /* programs, also those that are not there */
	uint32_t last_pid;  /* of the one started last */
	/* events of nf_tables */
	struct nl_script *script;
};

/* The chains named KUBE-T... are ours. Log lines are dropped. */
void host_init(struct host *h);
void host_init_legacy(struct host *h);
void host_fini(struct host *h);
/* Asks for a dump, and waits for it. */
void host_dump(struct host *h);
/* Sends what rig_op() collected, and waits for the results. */
void host_apply(struct host *h);
/* Somebody else's commands, as input of *-restore; they must succeed. */
void host_other(struct host *h, struct ipt_model *m, const char *text);
/* An event of nf_tables about a rule of this chain, sent by the program with this process id. */
void host_event(struct host *h, uint8_t family, const char *table, const char *chain, uint32_t pid);
