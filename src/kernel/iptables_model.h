/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests: a model of the kernel's rules, which takes the input of *-restore --noflush as the
 * real programs do, and prints a save. Each block is one transaction.
 */
#include "base/str.h"

struct model_chain {
	char table[32], name[32];
	bool is_builtin;
	struct strv rules; /* as they stand behind the chain's name */
};

#define MODEL_CHAINS_MAX 64

struct ipt_model {
	struct model_chain chains[MODEL_CHAINS_MAX];
	size_t n_chains;
};

void model_init(struct ipt_model *m); /* filter and nat with their built-in chains */
void model_fini(struct ipt_model *m);
/* 0, or -EINVAL: what was done before the failing table stays. */
int model_restore(struct ipt_model *m, const char *text, size_t len);
/* table NULL: all */
void model_save(const struct ipt_model *m, const char *table, struct strbuf *out);
struct model_chain *model_chain_get(struct ipt_model *m, const char *table, const char *name);
