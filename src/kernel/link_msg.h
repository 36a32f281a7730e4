/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Link and address messages of rtnetlink: encoders and parsers. Pure.
 */
#include "model/link.h"
#include "nl/nl.h"

struct link_msg {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	struct link_value value;
	bool is_turned; /* an event that says that it was set up or down just now */
	bool is_part; /* a message of the bridge about a port (AF_BRIDGE): not about the link itself
		       */
};
/* From the body of RTM_NEWLINK or RTM_DELLINK. 0 or -EBADMSG. */
int link_msg_parse(struct rd body, struct link_msg *ret);

/*
 * With an address of its own the bridge keeps it: else it takes the lowest of its ports' and
 * changes it as they come and go, and pods lose packets until their neighbour entries are renewed.
 */
#define LINK_MAC_LEN 6
void link_msg_bridge_add(struct nl_batch *b, uint32_t tag, const char *name,
			 const uint8_t mac[LINK_MAC_LEN]);
void link_msg_up(struct nl_batch *b, uint32_t tag, const char *name);
void link_msg_mtu(struct nl_batch *b, uint32_t tag, const char *name, uint32_t mtu);
void link_msg_del(struct nl_batch *b, uint32_t tag, const char *name);
struct nl_dump *link_msg_dump(void);

struct addr_msg {
	uint32_t ifindex;
	struct ip_addr peer; /* IFA_ADDRESS: the other side, or the address itself */
	/* Host bits kept; of a point-to-point address: the local side as /32 or /128. */
	struct ip_prefix prefix;
};
void addr_msg_add(struct nl_batch *b, uint32_t tag, uint32_t ifindex, const struct ip_prefix *p);
void addr_msg_del(struct nl_batch *b, uint32_t tag, uint32_t ifindex, const struct ip_prefix *p);
/* From the body of RTM_NEWADDR or RTM_DELADDR. 0, -ENOENT (not IPv4 or IPv6) or -EBADMSG. */
int addr_msg_parse(struct rd body, struct addr_msg *ret);
struct nl_dump *addr_msg_dump(void); /* both families */
