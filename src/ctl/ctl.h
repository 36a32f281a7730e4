/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The operator's commands: kube-router status | table [NAME] ... [-o json]. A command is a row of a
 * table here; the work is done by the agent, asked over its control socket.
 */
#include "base/macro.h"

/* Is this first argument a command? Asked before flags are parsed. */
bool ctl_is_command(const char *word);

/* argv[1] is the command. Results to stdout, remarks to stderr; returns the exit status: 0, 1, 2.
 */
int ctl_main(int argc, char *const *argv);
