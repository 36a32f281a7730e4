/* SPDX-License-Identifier: Apache-2.0 */
/* A receive buffer: framing, then every message by its parser. */
#include <assert.h>

#include "bgp/open.h"
#include "bgp/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void message_take(const struct bgp_msg *msg)
{
	const struct bgp_wire wire = { true, true, BGP_AF_IPV4 | BGP_AF_IPV6, BGP_MSG_MAX };
	struct bgp_notification n;
	struct bgp_update u;
	struct bgp_open o;

	switch (msg->type) {
	case BGP_MSG_OPEN:
		(void)bgp_open_parse(msg->body, &o);
		break;
	case BGP_MSG_UPDATE:
		bgp_update_parse(msg->body, &wire, &u);
		break;
	case BGP_MSG_NOTIFICATION:
		n = bgp_notification_parse(msg->body);
		assert(!n.text || n.text_len < n.data_len);
		break;
	case BGP_MSG_REFRESH:
		(void)bgp_refresh_parse(msg->body);
		break;
	case BGP_MSG_KEEPALIVE:
		assert(msg->body.left == 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bgp_msg msg;
	struct bgp_err err;

	while (bgp_msg_next(data, size, BGP_MSG_MAX_EXTENDED, &msg, &err) == 0) {
		assert(msg.size >= BGP_HEADER_BYTES && msg.size <= size);
		message_take(&msg);
		data += msg.size;
		size -= msg.size;
	}
	return 0;
}
