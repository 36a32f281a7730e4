/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Capabilities of OPEN (RFC 5492), one table row each. For bgp/open.c only.
 */
#include "bgp/open.h"

/* One Capabilities parameter: (code, length, value)*. 0, or -EBADMSG: OPEN message error. */
int bgp_caps_parse(struct rd in, struct bgp_open *o);
/* The capabilities o has, without the parameter's header. */
void bgp_caps_encode(struct wr *w, const struct bgp_open *o);
