/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/metrics.md is written from the table of metrics: `metrics_test --update FILE` does that, the
 * test compares. And the names that dashboards know are there, with their types and labels.
 */
#include <stdlib.h>

#include "agent/core.h"
#include "base/mem.h"
#include "base/test.h"

static const char *doc_path;

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static void labels_write(const struct metric_desc *d, struct strbuf *out)
{
	for (size_t i = 0; i < METRIC_LABELS_MAX && d->labels[i]; i++)
		strbuf_fmt(out, "%s`%s`", i ? ", " : "", d->labels[i]);
}

static void doc_row(void *arg, const struct metric_desc *d)
{
	struct strbuf *out = arg;

	strbuf_fmt(out, "| `%s%s` | %s | ", str_starts(d->name, "process_") ? "" : METRIC_PREFIX,
		   d->name, type_names[d->type]);
	labels_write(d, out);
	strbuf_fmt(out, " | %s |\n", d->help);
}

static struct metrics *all_metrics(struct agent *a)
{
	*a = (struct agent){ .metrics = metrics_new() };
	agent_metrics_register(a);
	return a->metrics;
}

static void doc_write(struct strbuf *out)
{
	struct agent a;
	struct metrics *m = all_metrics(&a);

	strbuf_puts(
		out,
		"<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
		"# Metrics\n\n"
		"Written by `metrics_test --update` from the table in `src/agent/metrics.c`.\n\n"
		"Served at `http://<--metrics-addr>:<--metrics-port><--metrics-path>` in the "
		"Prometheus text format. A metric\nwithout series is left out. Histograms are in "
		"seconds, with the buckets 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1\n2.5 5 10 +Inf.\n\n"
		"| name | type | labels | meaning |\n|---|---|---|---|\n");
	metrics_walk(m, doc_row, out);
	metrics_free(m);
}

static void test_document(void **state)
{
	CLEANUP_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
	FILE *f;
	char buf[4096];
	size_t n;

	(void)state;
	if (!doc_path)
		skip();
	f = fopen(doc_path, "re");
	CHECK(doc_path, f != NULL);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(&got, buf, n);
	(void)fclose(f);
	doc_write(&want);
	CHECK("docs/metrics.md is as the table (metrics_test --update FILE writes it)",
	      strcmp(strbuf_text(&got), strbuf_text(&want)) == 0);
}

/* What the reference exports of the parts that there are, and dashboards use. */
static void test_compatible(void **state)
{
	static const char *const rows[] = {
		"| `kube_router_build_info` | gauge | `goversion`, `version` |",
		"| `kube_router_bgp_peer_info` | gauge | `address`, `type`, `asn`, `state` |",
		"| `kube_router_controller_bgp_advertisements_received` | counter |  |",
		"| `kube_router_controller_bgp_advertisements_sent` | counter | `type` |",
		"| `kube_router_host_routes_synced` | gauge |  |",
		"| `kube_router_host_routes_added` | counter |  |",
		"| `kube_router_host_routes_removed` | counter |  |",
		"| `process_cpu_seconds_total` | counter |  |",
		"| `process_open_fds` | gauge |  |",
		"| `process_resident_memory_bytes` | gauge |  |",
		"| `process_start_time_seconds` | gauge |  |",
	};
	CLEANUP_STRBUF struct strbuf doc = STRBUF_INIT;

	(void)state;
	doc_write(&doc);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i], strstr(strbuf_text(&doc), rows[i]));
}

static int update(const char *path)
{
	CLEANUP_STRBUF struct strbuf doc = STRBUF_INIT;
	FILE *f = fopen(path, "we");

	doc_write(&doc);
	if (!f || fputs(strbuf_text(&doc), f) < 0 || fclose(f) != 0) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_compatible),
	};

	if (argc == 3 && strcmp(argv[1], "--update") == 0)
		return update(argv[2]);
	doc_path = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
