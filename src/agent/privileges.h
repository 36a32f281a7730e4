/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's rights: what it keeps, why, and giving up the rest.
 */

/*
 * Drops every capability but those listed in privileges.c, from all sets and for all children, and
 * sets no_new_privs. Kernel modules must be loaded before. 0, or -errno with *ret_why a constant
 * text. A listed capability that we do not have is not an error here: what needs it fails and says
 * so.
 */
int privileges_drop(const char **ret_why);
