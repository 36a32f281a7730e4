/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent: builds the objects in order, joins them, ends them. main.c parses the command line and
 * calls this.
 */
#include "agent/flags.h"

struct agent;

/*
 * Runs until a signal or a start error. Returns the exit status; a start error was printed to
 * stderr.
 */
int agent_run(const struct options *opt);
