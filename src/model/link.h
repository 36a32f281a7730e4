/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Network links. Ours by name (kube-bridge); others are only looked at.
 */
#include <net/if.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "model/reconcile.h"

enum link_kind {
	LINK_KIND_OTHER,
	LINK_KIND_BRIDGE,
};

struct link_key {
	char name[IFNAMSIZ]; /* zero-filled */
};

struct link_value {
	uint32_t mtu; /* 0: any */
	uint8_t kind; /* enum link_kind */
	uint8_t up;
	uint8_t unused[2];
};

void link_key_fmt(struct strbuf *out, struct bytes key);
void link_value_fmt(struct strbuf *out, struct bytes value);
/* mtu 0 in want accepts every MTU. */
bool link_value_same(struct bytes want, struct bytes have);

/* An address on a link of ours; the row's value is empty. */
struct link_addr_key {
	char link[IFNAMSIZ];     /* zero-filled */
	struct ip_prefix prefix; /* host bits kept */
};
void link_addr_key_fmt(struct strbuf *out, struct bytes key);

/* An address on an interface, as the kernel shows it. */
struct if_addr {
	struct ip_prefix prefix; /* host bits kept: the local address and its mask */
	uint32_t ifindex;
	char ifname[IFNAMSIZ];
	uint32_t mtu; /* of the interface */
};
