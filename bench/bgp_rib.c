/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB with 100,000 prefixes: memory per prefix and per path, time per route, and the longest
 * portion of work, which is what a keepalive may have to wait for.
 */
#include <malloc.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/time.h"
#include "bgp/attr.h"
#include "bgp/rib.h"

#define N_PREFIXES 100000u
#define N_SOURCES  3u
#define PORTION    ((size_t)2048)

static size_t n_best, n_gone;

static void on_best(void *arg, const struct bgp_best *best)
{
	(void)arg;
	(void)best;
	n_best++;
}

static void on_gone(void *arg, const struct ip_prefix *prefix)
{
	(void)arg;
	(void)prefix;
	n_gone++;
}

static void on_work(void *arg)
{
	(void)arg;
}

static bool is_own(void *arg, const struct ip_addr *addr)
{
	(void)arg;
	return ip_to_u32(addr) == 1;
}

static size_t heap(void)
{
	return mallinfo2().uordblks;
}

static double ms(struct mono from)
{
	return (double)mono_diff_us(mono_read(), from) / (double)US_PER_MS;
}

static struct bgp_attrs *attrs_make(struct bgp_attr_table *t, uint32_t i)
{
	uint8_t path[32];
	struct wr w = wr_init(path, sizeof(path));
	const uint32_t asns[3] = { 65001, 65002 + i % 50, 65100 };
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP,
		.nexthop = ip_v4(0x0a000002u + i % 8),
	};

	bgp_as_path_write(&w, asns, 3);
	d.as_path = rd_init(path, w.len);
	return bgp_attrs_intern(t, &d, NULL);
}

static void fill(struct bgp_rib_source *src, struct bgp_attr_table *t, uint32_t salt)
{
	for (uint32_t i = 0; i < N_PREFIXES; i++) {
		struct ip_addr a = ip_v4(0x0b000000u + (i << 8));
		struct ip_prefix p = ip_prefix_make(&a, 24);

		(void)bgp_rib_path_set(src, &p, attrs_make(t, i / 100 + salt), 1);
	}
}

/* Milliseconds of the longest portion. */
static double run_all(struct bgp_rib *rib)
{
	double longest = 0;
	bool is_more;

	do {
		struct mono from = mono_read();
		double took;

		is_more = bgp_rib_run(rib, PORTION);
		took = ms(from);
		longest = took > longest ? took : longest;
	} while (is_more);
	return longest;
}

int main(void)
{
	struct bgp_attr_table *t = bgp_attr_table_new(0);
	const struct bgp_rib_events events = { NULL, on_best, on_gone, on_work, is_own };
	struct bgp_rib *rib = bgp_rib_new(t, 64512, 1, &events);
	struct bgp_rib_source *src[N_SOURCES];
	struct bgp_attr_table_stats ts;
	size_t before = heap();
	double longest = 0;

	for (uint32_t k = 0; k < N_SOURCES; k++) {
		struct ip_addr peer = ip_v4(0x0a000100u + k);
		struct mono from = mono_read();
		double set_ms, run_ms, longest_here;
		size_t at = heap();

		src[k] = bgp_rib_source_new(rib, &peer);
		src[k]->router_id = k + 1;
		fill(src[k], t, k);
		set_ms = ms(from);
		from = mono_read();
		longest_here = run_all(rib);
		run_ms = ms(from);
		longest = longest_here > longest ? longest_here : longest;
		printf("peer %u: %u routes, %.0f ns a route in, %.0f ns a decision, %.1f heap "
		       "bytes "
		       "a route\n",
		       k + 1, N_PREFIXES, set_ms * 1e6 / N_PREFIXES, run_ms * 1e6 / N_PREFIXES,
		       (double)(heap() - at) / N_PREFIXES);
	}
	bgp_attr_table_stats_get(t, &ts);
	printf("structs: %zu bytes a prefix, %zu a path; %zu attribute sets of %zu bytes on "
	       "average\n",
	       sizeof(struct bgp_rib_entry), sizeof(struct bgp_rib_path), ts.n_sets,
	       ts.n_bytes / ts.n_sets);
	printf("heap: %.1f bytes a prefix with %u paths\n", (double)(heap() - before) / N_PREFIXES,
	       N_SOURCES);

	struct mono from = mono_read();

	bgp_rib_source_flush(src[0]);
	printf("session lost: %.3f ms at once, ", ms(from));
	from = mono_read();
	{
		double longest_here = run_all(rib);

		longest = longest_here > longest ? longest_here : longest;
	}
	printf("%.1f ms in portions\n", ms(from));
	printf("longest portion of %zu units: %.2f ms\n", PORTION, longest);
	printf("reports: %zu best, %zu gone\n", n_best, n_gone);
	for (uint32_t k = 0; k < N_SOURCES; k++)
		bgp_rib_source_close(src[k]);
	bgp_rib_free(rib);
	bgp_attr_table_free(t);
	return 0;
}
