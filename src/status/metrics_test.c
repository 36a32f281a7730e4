/* SPDX-License-Identifier: Apache-2.0 */
#include "status/metrics.h"

#include <math.h>

#include "base/test.h"

/* The text without what every registry has of its own. */
static void write_own(struct metrics *m, struct strbuf *out)
{
	static const char own[] = "# HELP kube_router_metric_series_refused_total Series left out "
				  "because their metric had too many\n"
				  "# TYPE kube_router_metric_series_refused_total counter\n"
				  "kube_router_metric_series_refused_total 0\n";

	strbuf_clear(out);
	metrics_write(m, out);
	CHECK("own metric", str_starts(strbuf_text(out), own));
	strbuf_consume(out, sizeof(own) - 1);
}

static void test_counter_gauge(void **state)
{
	static const struct metric_desc plain = {
		"added_total", METRIC_COUNTER, "Things added", { NULL }, NULL
	};
	static const struct metric_desc labelled = {
		"sent", METRIC_GAUGE, "A \\ and\na line", { "type", "to" }, NULL
	};
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct metrics *m = metrics_new();
	struct metric *a = metrics_register(m, &plain, NULL);
	struct metric *b = metrics_register(m, &labelled, NULL);

	(void)state;
	write_own(m, &out);
	CHECK_STR("start", strbuf_text(&out),
		  "# HELP kube_router_added_total Things added\n"
		  "# TYPE kube_router_added_total counter\n"
		  "kube_router_added_total 0\n");
	metric_add(a, 1);
	metric_add(a, 2.5);
	metric_set(b, 7, "x", "y");
	metric_set(b, -1, "quote\"", "back\\ line\n \xff");
	metric_add(b, 1, "x", "y");
	write_own(m, &out);
	CHECK_STR("later", strbuf_text(&out),
		  "# HELP kube_router_added_total Things added\n"
		  "# TYPE kube_router_added_total counter\n"
		  "kube_router_added_total 3.5\n"
		  "# HELP kube_router_sent A \\\\ and\\na line\n"
		  "# TYPE kube_router_sent gauge\n"
		  "kube_router_sent{type=\"x\",to=\"y\"} 8\n"
		  "kube_router_sent{type=\"quote\\\"\",to=\"back\\\\ line\\n \xef\xbf\xbd\"} -1\n");
	metrics_free(m);
}

static void test_histogram(void **state)
{
	static const struct metric_desc desc = {
		"sync_time", METRIC_HISTOGRAM, "Time", { NULL }, NULL
	};
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct metrics *m = metrics_new();
	struct metric *h = metrics_register(m, &desc, NULL);

	(void)state;
	metric_observe(h, 0.005); /* a bound belongs to its bucket */
	metric_observe(h, 0.006);
	metric_observe(h, 0.75);
	metric_observe(h, 100);
	write_own(m, &out);
	CHECK_STR("histogram", strbuf_text(&out),
		  "# HELP kube_router_sync_time Time\n"
		  "# TYPE kube_router_sync_time histogram\n"
		  "kube_router_sync_time_bucket{le=\"0.005\"} 1\n"
		  "kube_router_sync_time_bucket{le=\"0.01\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"0.025\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"0.05\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"0.1\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"0.25\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"0.5\"} 2\n"
		  "kube_router_sync_time_bucket{le=\"1\"} 3\n"
		  "kube_router_sync_time_bucket{le=\"2.5\"} 3\n"
		  "kube_router_sync_time_bucket{le=\"5\"} 3\n"
		  "kube_router_sync_time_bucket{le=\"10\"} 3\n"
		  "kube_router_sync_time_bucket{le=\"+Inf\"} 4\n"
		  "kube_router_sync_time_sum 100.761\n"
		  "kube_router_sync_time_count 4\n");
	metrics_free(m);
}

struct value {
	double v;
	bool is_known;
};

static void collect_value(void *arg, struct metric *m)
{
	const struct value *v = arg;

	if (v->is_known)
		metric_sample(m, v->v, NULL);
}

static void test_values(void **state)
{
	static const struct metric_desc desc = { "v", METRIC_GAUGE, "V", { NULL }, collect_value };
	static const struct {
		const char *name;
		double v;
		const char *text;
	} rows[] = {
		{ "zero", 0, "0" },
		{ "integer", 4294967294.0, "4294967294" },
		{ "tenth", 0.1, "0.1" },
		{ "third", 1.0 / 3, "0.3333333333333333" },
		{ "large", 1e300, "1e+300" },
		{ "infinite", HUGE_VAL, "+Inf" },
		{ "minus infinite", -HUGE_VAL, "-Inf" },
		{ "no number", (double)NAN, "NaN" },
	};
	struct value v = { 0 };
	struct metrics *m = metrics_new();

	(void)state;
	(void)metrics_register(m, &desc, &v);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, want = STRBUF_INIT;

		v = (struct value){ rows[i].v, true };
		write_own(m, &out);
		strbuf_fmt(&want,
			   "# HELP kube_router_v V\n# TYPE kube_router_v gauge\n"
			   "kube_router_v %s\n",
			   rows[i].text);
		CHECK_STR(rows[i].name, strbuf_text(&out), strbuf_text(&want));
	}
	v.is_known = false;
	{
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

		write_own(m, &out);
		CHECK_STR("no series, no heading", strbuf_text(&out), "");
	}
	metrics_free(m);
}

static void collect_many(void *arg, struct metric *m)
{
	const size_t *n = arg;

	for (size_t i = 0; i < *n; i++) {
		char text[24];
		const char *const labels[] = { text };

		(void)snprintf(text, sizeof(text), "%zu", i);
		metric_sample(m, 1, labels);
	}
}

/*
 * Lines that begin with `what`. Not by strstr(): the sanitizer's version measures all of the text
 * at each call.
 */
static size_t count_of(const struct strbuf *text, const char *what)
{
	const char *p = strbuf_text(text), *end = p + text->len;
	size_t n = 0, len = strlen(what);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		n += (size_t)(end - p) >= len && memcmp(p, what, len) == 0;
		p = eol ? eol + 1 : end;
	}
	return n;
}

static void test_ceiling(void **state)
{
	static const struct metric_desc asked = {
		"asked", METRIC_GAUGE, "A", { "i" }, collect_many
	};
	static const struct metric_desc told = { "told", METRIC_COUNTER, "T", { "i" }, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct metrics *m = metrics_new();
	size_t n = METRIC_SERIES_MAX, n_x = 0;
	char long_value[METRIC_VALUE_MAX + 10];
	struct metric *t;

	(void)state;
	(void)metrics_register(m, &asked, &n);
	t = metrics_register(m, &told, NULL);
	for (size_t i = 0; i < METRIC_SERIES_MAX + 3; i++) {
		char text[24];

		(void)snprintf(text, sizeof(text), "%zu", i);
		metric_add(t, 1, text);
	}
	metric_add(t, 1, "7"); /* one that is there is not refused */
	metrics_write(m, &out);
	CHECK("all asked", count_of(&out, "kube_router_asked{") == METRIC_SERIES_MAX);
	CHECK("told up to the ceiling", count_of(&out, "kube_router_told{") == METRIC_SERIES_MAX);
	CHECK("three refused", strstr(strbuf_text(&out), "series_refused_total 3\n"));
	CHECK("seven", strstr(strbuf_text(&out), "told{i=\"7\"} 2\n"));
	n++;
	strbuf_clear(&out);
	metrics_write(m, &out);
	CHECK("one too many", count_of(&out, "kube_router_asked{") == METRIC_SERIES_MAX);
	strbuf_clear(&out);
	metrics_write(m, &out);
	CHECK("counted, seen by the next scrape",
	      strstr(strbuf_text(&out), "series_refused_total 4\n"));
	metrics_free(m);

	m = metrics_new();
	t = metrics_register(m, &told, NULL);
	memset(long_value, 'x', sizeof(long_value));
	long_value[sizeof(long_value) - 1] = '\0';
	metric_add(t, 1, long_value);
	strbuf_clear(&out);
	metrics_write(m, &out);
	for (size_t i = 0; i < out.len; i++)
		n_x += out.data[i] == 'x';
	CHECK("long value is cut", n_x == METRIC_VALUE_MAX);
	metrics_free(m);
}

static void count_names(void *arg, const struct metric_desc *d)
{
	size_t *n = arg;

	*n += d->name[0] != '\0' && d->help[0] != '\0';
}

static void test_process(void **state)
{
	static const char *const names[] = {
		"\nprocess_cpu_seconds_total ",
		"\nprocess_open_fds ",
		"\nprocess_max_fds ",
		"\nprocess_virtual_memory_bytes ",
		"\nprocess_virtual_memory_max_bytes ",
		"\nprocess_resident_memory_bytes ",
		"\nprocess_start_time_seconds 1",
	};
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct metrics *m = metrics_new();
	size_t n = 0;

	(void)state;
	metrics_register_process(m);
	metrics_write(m, &out);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK(names[i], strstr(strbuf_text(&out), names[i]));
	CHECK("no prefix", !strstr(strbuf_text(&out), "kube_router_process"));
	metrics_walk(m, count_names, &n);
	CHECK("walk", n == 10);
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter_gauge), cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_values),        cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
