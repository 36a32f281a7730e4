/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The texts of routing's iptables rules, in the words of `iptables-save` after the chain's name.
 * Pure.
 *
 * They are a compatibility surface: `iptables -C` with the Go kube-router's arguments must find
 * them, so that an upgrade in place doubles nothing.
 */
#include "base/str.h"

/* Slot IPT_SLOT_FORWARD_ACCEPT: bridge out, bridge in, and the node's interface ("": left out). */
void hostrules_forward(struct strbuf *out, const char *bridge, const char *node_interface);

/* Slot IPT_SLOT_POD_EGRESS of one family (enum ip_family). */
void hostrules_pod_egress(struct strbuf *out, uint8_t family, bool random_fully);
