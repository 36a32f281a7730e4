/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Route messages of rtnetlink: encoders and the parser. Pure.
 */
#include "model/route.h"
#include "nl/nl.h"

/* A route of table main, as a message shows it. */
struct route_msg {
	struct ip_prefix dst;
	struct ip_addr gateway; /* IP_NONE: none, or one of the other family */
	uint32_t metric;        /* 0 or, for IPv6, 1024: the kernel's default */
	uint32_t oif;           /* 0: none */
	uint8_t protocol;       /* RTPROT_* */
	uint8_t type;           /* RTN_* */
	uint8_t tos;
	uint8_t scope;     /* RT_SCOPE_*; 0 is universe */
	bool is_multipath; /* several next hops, or a next hop object */
	bool is_plain;     /* what route_msg_add() makes: unicast via a gateway and nothing else */
};

/*
 * From the body of RTM_NEWROUTE or RTM_DELROUTE. 0; -ENOENT: of no interest (not of table main, not
 * IPv4 or IPv6, a cache entry); -EBADMSG.
 */
int route_msg_parse(struct rd body, struct route_msg *ret);

/* The metric of a route added without one. */
uint32_t route_msg_metric(uint8_t family);

/* exclusive: fails with EEXIST where a route with this destination and metric is. */
void route_msg_add(struct nl_batch *b, uint32_t tag, const struct route_key *key,
		   const struct route_value *value, bool exclusive);
/* Removes the first route of ours with this destination, gateway (or device and scope) and metric.
 */
void route_msg_del(struct nl_batch *b, uint32_t tag, const struct route_msg *r);
/* protocol RTPROT_UNSPEC: of all protocols. */
struct nl_dump *route_msg_dump(uint8_t family, uint8_t protocol);

#define ROUTE_MSG_FMT_MAX 160
/* "10.1.0.0/24 via 192.0.2.1 proto static (4)"; returns buf. */
const char *route_msg_fmt(char buf[ROUTE_MSG_FMT_MAX], const struct route_msg *r);
