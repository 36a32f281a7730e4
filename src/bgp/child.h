/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The speaker's process: `kube-router bgp-speaker`, started by the agent only, with the link to it
 * as descriptor 3 and an empty environment. Everything a BGP peer sends is parsed here and nowhere
 * else.
 */

/* The word on the command line; not an operator's command. */
#define BGP_CHILD_COMMAND "bgp-speaker"
#define BGP_CHILD_FD      3

/* Until the link closes. Returns the exit status. */
int bgp_child_main(void);
