/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One question to the agent and its answer, over the control socket (status/control.h describes
 * both). Blocks: this is the operator's process, not the agent's.
 */
#include "base/str.h"

struct ctl_answer {
	int exit_code;
	char *error; /* for stderr; NULL: none */
};

/* Where the body of the answer goes, as it comes; write returns 0, or -errno to end it. */
struct ctl_sink {
	int (*write)(void *arg, const char *data, size_t len);
	void *arg;
};

/*
 * Sends line. 0 with *ret, or -errno with one line in *ret_why; error and why are texts to free.
 * The sink may have got a part of the body by then.
 */
int ctl_exchange(const char *path, const struct strbuf *line, struct ctl_sink sink,
		 struct ctl_answer *ret, char **ret_why);
