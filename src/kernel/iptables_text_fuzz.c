/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a save program printed, through everything that looks at it; and the first line as a rule:
 * its canonical text must be its own canonical text.
 */
#include <assert.h>
#include <string.h>

#include "kernel/iptables_have.h"
#include "kernel/iptables_variant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool every_chain(void *arg, const struct ipt_key *key)
{
	(void)arg;
	return strnlen(key->chain, sizeof(key->chain)) < sizeof(key->chain);
}

static void canonical_twice(struct ipt_span rule)
{
	CLEANUP_STRBUF struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;

	if (ipt_rule_canonical(&once, rule) < 0) {
		assert(once.len == 0);
		return;
	}
	/* quoting may make it longer than a line */
	if (once.len - 1 > IPT_LINE_MAX)
		return;
	assert(ipt_rule_canonical(&twice, (struct ipt_span){ once.data, once.len - 1 }) == 0);
	assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipt_have_filter filter = { every_chain, NULL };
	const char *text = size > 0 ? (const char *)data : "";
	struct ipt_span rest = { text, size }, line;
	struct ipt_usage usage = { 0 };
	struct ipt_have have;
	char said[64];

	ipt_have_init(&have, IP_V4);
	(void)ipt_have_add(&have, text, size, &filter);
	ipt_have_fini(&have);
	ipt_usage_add(&usage, IP_V6, text, size);
	(void)ipt_error_line(said, sizeof(said), text, size);
	assert(strlen(said) < sizeof(said));
	if (ipt_line_next(&rest, &line))
		canonical_twice(line);
	return 0;
}
