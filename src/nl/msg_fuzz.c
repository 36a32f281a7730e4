/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever arrives: messages, acks and attributes are taken apart, nested ones too, and every value
 * that a policy let through is read.
 */
#include <linux/netlink.h>
#include <stdlib.h>

#include "nl/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ATTR_N = 8, DEPTH_MAX = 4 };

static const struct nl_policy policy[ATTR_N] = {
	[0] = { NL_ATTR_BYTES, .min = 1 },
	[1] = { NL_ATTR_U8 },
	[2] = { NL_ATTR_U16 },
	[3] = { NL_ATTR_U32 },
	[4] = { NL_ATTR_STRING, .min = 1, .max = 16 },
	[5] = { NL_ATTR_IP },
	[6] = { NL_ATTR_NESTED },
	[7] = { NL_ATTR_BYTES, .max = 9 },
};

static void values_read(const struct nl_attr *attrs)
{
	struct ip_addr addr;
	char text[16];

	(void)nl_attr_u8(&attrs[1]);
	(void)nl_attr_u16(&attrs[2]);
	(void)nl_attr_u32(&attrs[3]);
	(void)nl_attr_be32(&attrs[3]);
	if (attrs[4].is_set && !nl_attr_str(&attrs[4], text, sizeof(text)))
		abort(); /* the policy's maximum is the buffer */
	if (attrs[5].is_set && !nl_attr_ip(&attrs[5], IP_V4, &addr) &&
	    !nl_attr_ip(&attrs[5], IP_V6, &addr))
		abort();
	if (attrs[7].is_set && attrs[7].body.left > 9)
		abort();
}

static void attrs_read(struct rd body, unsigned depth)
{
	struct nl_attr attrs[ATTR_N];

	if (depth == DEPTH_MAX || nl_attrs_parse(body, policy, ATTR_N, attrs) < 0)
		return;
	values_read(attrs);
	if (attrs[6].is_set)
		attrs_read(attrs[6].body, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_init(data, size), body;
	struct nl_head head;
	struct nl_ack ack;

	while (nl_next(&in, &head, &body) > 0) {
		if (nl_ack_parse(head.flags, body, head.type == NLMSG_DONE, &ack) == 0 &&
		    ack.err > 0)
			abort();
		attrs_read(body, 0);
	}
	return 0;
}
