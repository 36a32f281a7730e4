/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Gives up every right the speaker does not need, for good: own uid and gid, no capabilities, no
 * new privileges, no core dump, no file descriptors but the standard ones and its link, and a
 * system call filter without open, exec, ptrace and the like.
 */
#include "base/macro.h"

/*
 * The user and group of the speaker's process: a number that distributions leave unused, so that it
 * owns no file and may signal no other process.
 */
#define BGP_SANDBOX_UID 60179u

/*
 * keep_fd: the one descriptor above 2 that stays open. 0, or -errno with *ret_why a constant text.
 * Not root: uid and gid stay as they are (unit tests, a user trying things).
 */
int bgp_sandbox_identity(int keep_fd, const char **ret_why);

/*
 * The filter; after the event loop was made, since that opens descriptors. Filtered calls fail with
 * EPERM; those that only an intruder makes (exec, open, ptrace, ...) end the process. In sanitized
 * builds nothing is installed: their runtime needs calls the product never makes.
 */
int bgp_sandbox_filter(const char **ret_why);
