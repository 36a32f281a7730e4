/* SPDX-License-Identifier: Apache-2.0 */
/* The CNI file, list and single form: a result planned again must be itself. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "routing/cni_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan_twice(const char *path, const char *text, size_t len, const struct cni_want *want)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, again = STRBUF_INIT;
	CLEANUP_FREE char *why = NULL;

	if (cni_plan(path, text, len, want, &out, &why) < 0) {
		assert(why && out.len == 0);
		return;
	}
	assert(!why);
	assert(cni_plan(path, out.data, out.len, want, &again, &why) == 0);
	assert(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_want want = { .mtu = 1480 }, nothing = { 0 };
	const char *text = size > 0 ? (const char *)data : "";

	want.cidrs.n = 2;
	(void)ip_prefix_parse("10.244.1.0/24", &want.cidrs.v[0]);
	(void)ip_prefix_parse("2001:db8:42::/64", &want.cidrs.v[1]);
	plan_twice("a.conflist", text, size, &want);
	plan_twice("a.conf", text, size, &want);
	plan_twice("a.conf", text, size, &nothing);
	return 0;
}
