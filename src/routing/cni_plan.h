/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The CNI configuration file, completed: this node's pod CIDRs as ranges of the bridge plugin's
 * host-local IPAM, and its MTU. Pure: text in, text out; the same input twice gives the same text,
 * and a complete text gives itself.
 *
 * A path that ends in .conflist (any case) is a list, of which the first plugin of type bridge is
 * edited; anything else is a single configuration with a type. Unknown keys and plugins are kept.
 */
#include "base/str.h"
#include "cluster/identity.h"

struct cni_want {
	struct node_pod_cidrs cidrs;
	uint32_t mtu; /* 0: leave the file's */
};

/*
 * 0 and the whole new text in *out; or -EINVAL with *ret_why, a text to free that names path and
 * field. out is untouched on failure.
 */
int cni_plan(const char *path, const char *text, size_t len, const struct cni_want *want,
	     struct strbuf *out, char **ret_why);
