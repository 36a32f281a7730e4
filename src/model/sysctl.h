/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel settings under /proc/sys. Key: the path below /proc/sys ("net/ipv4/ip_forward"), text
 * without terminator. Value: the text written, without the newline.
 */
#include "base/str.h"
#include "model/reconcile.h"

#define SYSCTL_PATH_MAX  128
#define SYSCTL_VALUE_MAX 64

void sysctl_key_fmt(struct strbuf *out, struct bytes key);
void sysctl_value_fmt(struct strbuf *out, struct bytes value);
