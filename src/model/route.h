/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel routes of ours: unicast, main table, protocol RTPROT_KUBE_ROUTER.
 */
#include "base/ip.h"
#include "base/str.h"
#include "model/reconcile.h"

/* 17: what the Go kube-router uses (the kernel's name for it is mrouted); `ip route` prints it. */
#define RTPROT_KUBE_ROUTER 17

struct route_key {
	struct ip_prefix dst;
};

struct route_value {
	struct ip_addr gateway;
};

/* For table_desc. */
void route_key_fmt(struct strbuf *out, struct bytes key);
void route_value_fmt(struct strbuf *out, struct bytes value);
