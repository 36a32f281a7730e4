/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, prefixes, durations, numbers: what is accepted must come out and go in again. */
#include <assert.h>
#include <string.h>

#include "base/ip.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = xmalloc(size + 1);
	char addr_buf[IP_ADDR_FMT_MAX], prefix_buf[IP_PREFIX_FMT_MAX],
		duration_buf[DURATION_FMT_MAX];
	struct ip_addr a, a2;
	struct ip_prefix p, p2;
	const char *reason;
	int64_t ns, ns2;
	uint64_t v;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = 0;
	if (ip_parse(text, &a) == 0) {
		assert(ip_parse_strict(ip_fmt(addr_buf, &a), &a2) == 0 && ip_same(&a, &a2));
		assert(strlen(addr_buf) < sizeof(addr_buf));
	} else {
		assert(ip_parse_strict(text, &a) < 0);
	}
	if (ip_parse_n((const char *)data, size, &a) == 0)
		assert(!ip_is_none(&a));
	if (ip_prefix_parse(text, &p) == 0)
		assert(ip_prefix_parse(ip_prefix_fmt(prefix_buf, &p), &p2) == 0 &&
		       ip_prefix_same(&p, &p2) && ip_prefix_has(&p, &p.addr));
	if (ip_prefix_parse_host(text, &p) == 0)
		assert(ip_prefix_parse_host(ip_prefix_fmt(prefix_buf, &p), &p2) == 0 &&
		       ip_prefix_same(&p, &p2));
	if (duration_parse(text, &ns, &reason) == 0)
		assert(duration_parse(duration_fmt(duration_buf, ns), &ns2, &reason) == 0 &&
		       ns == ns2);
	if (str_to_u64(text, 10, 1000, &v) == 0)
		assert(v <= 1000);
	if (str_to_u64(text, 0, UINT32_MAX, &v) == 0)
		assert(v <= UINT32_MAX);
	return 0;
}
