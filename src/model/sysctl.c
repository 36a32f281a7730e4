/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sysctl.h"

void sysctl_key_fmt(struct strbuf *out, struct bytes key)
{
	strbuf_add(out, key.data, key.len);
}

void sysctl_value_fmt(struct strbuf *out, struct bytes value)
{
	strbuf_add(out, value.data, value.len);
}
