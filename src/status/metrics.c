/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of two kinds share one form: those that are told (a value or histogram kept here, one for
 * each combination of label values) and those that are asked at each scrape (collect), which write
 * straight into the answer.
 */
#include "status/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define METRICS_MAX 1024

/* Upper bounds of the buckets, seconds; one more for all of them. */
static const double bucket_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
#define N_BUCKETS (ARRAY_LEN(bucket_bounds) + 1)

struct series {
	double value;
	char *labels; /* {a="b"} as printed, or "" */
};

struct histogram {
	uint64_t buckets[N_BUCKETS]; /* each for itself; added up when printed */
	double sum;
};

struct metric {
	struct metrics *registry;
	const struct metric_desc *desc;
	void *arg;
	size_t n_labels;
	struct map series; /* of label values, each with its terminator -> struct series */
	struct histogram *histogram;
	size_t n_printed; /* series of the scrape that is going on */
};

struct metrics {
	struct metric **v;
	size_t n, cap;
	struct map names;
	struct strbuf *out; /* during metrics_write() */
	uint64_t n_refused;
};

/* --- registry --- */

/* [a-zA-Z_][a-zA-Z0-9_]*; colons are for recording rules. */
static bool is_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	return len > 0 && s[len] == '\0' && !(s[0] >= '0' && s[0] <= '9');
}

static void collect_refused(void *arg, struct metric *m)
{
	const struct metrics *registry = arg;

	metric_sample(m, (double)registry->n_refused, NULL);
}

struct metrics *metrics_new(void)
{
	static const struct metric_desc refused = {
		.name = "metric_series_refused_total",
		.type = METRIC_COUNTER,
		.help = "Series left out because their metric had too many",
		.collect = collect_refused,
	};
	struct metrics *m = xcalloc(1, sizeof(*m));

	(void)metrics_register(m, &refused, m);
	return m;
}

static void metric_free(struct metric *m)
{
	map_for_each (&m->series, i) {
		struct series *s = map_at(&m->series, i, NULL, NULL);

		free(s->labels);
		free(s);
	}
	map_fini(&m->series);
	free(m->histogram);
	free(m);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		metric_free(m->v[i]);
	free(m->v);
	map_fini(&m->names);
	free(m);
}

struct metric *metrics_register(struct metrics *m, const struct metric_desc *desc, void *arg)
{
	struct metric *metric = xcalloc(1, sizeof(*metric));

	assert(m->n < METRICS_MAX);
	assert(is_name(desc->name));
	*metric = (struct metric){ .registry = m, .desc = desc, .arg = arg };
	while (metric->n_labels < METRIC_LABELS_MAX && desc->labels[metric->n_labels]) {
		assert(is_name(desc->labels[metric->n_labels]));
		metric->n_labels++;
	}
	if (desc->type == METRIC_HISTOGRAM) {
		assert(!desc->collect && metric->n_labels == 0);
		metric->histogram = xcalloc(1, sizeof(*metric->histogram));
	}
	bool is_twice = map_put_str(&m->names, desc->name, metric) != NULL;

	assert(!is_twice);
	GROW(m->v, m->n, m->cap);
	m->v[m->n++] = metric;
	return metric;
}

void metrics_walk(const struct metrics *m, void (*fn)(void *arg, const struct metric_desc *d),
		  void *arg)
{
	for (size_t i = 0; i < m->n; i++)
		fn(arg, m->v[i]->desc);
}

/* --- text --- */

/* Quotes are escaped in label values only. Bytes that are no UTF-8 become U+FFFD. */
static void text_write(struct strbuf *out, const char *s, size_t max, bool is_label)
{
	for (size_t done = 0; *s;) {
		size_t len = str_utf8_len(s);

		done += MAX(len, (size_t)1);
		if (done > max)
			return;
		if (len == 0)
			strbuf_puts(out, "\xef\xbf\xbd");
		else if (*s == '\n')
			strbuf_puts(out, "\\n");
		else if (*s == '\\')
			strbuf_puts(out, "\\\\");
		else if (*s == '"' && is_label)
			strbuf_puts(out, "\\\"");
		else
			strbuf_add(out, s, len);
		s += MAX(len, (size_t)1);
	}
}

/* The fewest digits that read back as v. */
static void value_write(struct strbuf *out, double v)
{
	char text[40];

	if (isnan(v) || isinf(v)) {
		strbuf_puts(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		double back;

		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		back = strtod(text, NULL);
		if (!(back < v) && !(back > v))
			break;
	}
	strbuf_puts(out, text);
}

static void labels_write(struct strbuf *out, const struct metric *m, const char *const *values)
{
	for (size_t i = 0; i < m->n_labels; i++) {
		strbuf_fmt(out, "%c%s=\"", i ? ',' : '{', m->desc->labels[i]);
		text_write(out, values[i], METRIC_VALUE_MAX, true);
		strbuf_putc(out, '"');
	}
	if (m->n_labels)
		strbuf_putc(out, '}');
}

static void name_write(struct strbuf *out, const struct metric *m)
{
	if (!str_starts(m->desc->name, "process_"))
		strbuf_puts(out, METRIC_PREFIX);
	strbuf_puts(out, m->desc->name);
}

static void head_write(struct strbuf *out, const struct metric *m)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	strbuf_puts(out, "# HELP ");
	name_write(out, m);
	strbuf_putc(out, ' ');
	text_write(out, m->desc->help, SIZE_MAX, false);
	strbuf_puts(out, "\n# TYPE ");
	name_write(out, m);
	strbuf_fmt(out, " %s\n", types[m->desc->type]);
}

static void sample_write(struct metric *m, const char *labels, double v)
{
	struct strbuf *out = m->registry->out;

	if (m->n_printed++ == 0)
		head_write(out, m);
	name_write(out, m);
	strbuf_puts(out, labels);
	strbuf_putc(out, ' ');
	value_write(out, v);
	strbuf_putc(out, '\n');
}

static void histogram_write(struct metric *m)
{
	struct strbuf *out = m->registry->out;
	uint64_t count = 0;

	head_write(out, m);
	for (size_t i = 0; i < N_BUCKETS; i++) {
		count += m->histogram->buckets[i];
		name_write(out, m);
		strbuf_puts(out, "_bucket{le=\"");
		value_write(out, i < N_BUCKETS - 1 ? bucket_bounds[i] : HUGE_VAL);
		strbuf_fmt(out, "\"} %" PRIu64 "\n", count);
	}
	name_write(out, m);
	strbuf_puts(out, "_sum ");
	value_write(out, m->histogram->sum);
	strbuf_putc(out, '\n');
	name_write(out, m);
	strbuf_fmt(out, "_count %" PRIu64 "\n", count);
}

void metric_sample(struct metric *m, double v, const char *const *label_values)
{
	CLEANUP_STRBUF struct strbuf labels = STRBUF_INIT;

	assert(m->registry->out && m->desc->collect);
	assert(label_values || m->n_labels == 0);
	if (m->n_printed == METRIC_SERIES_MAX) {
		m->registry->n_refused++;
		return;
	}
	labels_write(&labels, m, label_values);
	sample_write(m, strbuf_text(&labels), v);
}

void metrics_write(struct metrics *m, struct strbuf *out)
{
	assert(!m->out);
	m->out = out;
	for (size_t i = 0; i < m->n; i++) {
		struct metric *metric = m->v[i];

		metric->n_printed = 0;
		if (metric->desc->collect)
			metric->desc->collect(metric->arg, metric);
		else if (metric->histogram)
			histogram_write(metric);
		else if (metric->n_labels == 0 && metric->series.n == 0)
			sample_write(metric, "", 0); /* known to be 0 from the start */
		map_for_each (&metric->series, s) {
			const struct series *series = map_at(&metric->series, s, NULL, NULL);

			sample_write(metric, series->labels, series->value);
		}
	}
	m->out = NULL;
}

/* --- values that are told --- */

/* The series of these label values, made if new; NULL when there are too many. */
static struct series *series_get(struct metric *m, const char *const *values)
{
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT, labels = STRBUF_INIT;
	struct series *s;

	assert(!m->desc->collect && !m->histogram);
	for (size_t i = 0; i < m->n_labels; i++) {
		strbuf_puts(&key, values[i]);
		strbuf_putc(&key, '\0');
	}
	s = map_get(&m->series, strbuf_text(&key), key.len);
	if (s)
		return s;
	if (m->series.n == METRIC_SERIES_MAX) {
		m->registry->n_refused++;
		return NULL;
	}
	labels_write(&labels, m, values);
	s = xcalloc(1, sizeof(*s));
	s->labels = strbuf_take(&labels);
	(void)map_put(&m->series, strbuf_text(&key), key.len, s);
	return s;
}

void metric_add(struct metric *m, double v, ...)
{
	const char *values[METRIC_LABELS_MAX] = { NULL };
	struct series *s;
	va_list ap;

	assert(m->desc->type == METRIC_GAUGE || v >= 0);
	va_start(ap, v);
	for (size_t i = 0; i < m->n_labels; i++)
		/* NOLINTNEXTLINE(clang-analyzer-valist*): 14 forgets va_start in a later file */
		values[i] = va_arg(ap, const char *);
	va_end(ap);
	s = series_get(m, values);
	if (s)
		s->value += v;
}

void metric_set(struct metric *m, double v, ...)
{
	const char *values[METRIC_LABELS_MAX] = { NULL };
	struct series *s;
	va_list ap;

	assert(m->desc->type == METRIC_GAUGE);
	va_start(ap, v);
	for (size_t i = 0; i < m->n_labels; i++)
		/* NOLINTNEXTLINE(clang-analyzer-valist*): 14 forgets va_start in a later file */
		values[i] = va_arg(ap, const char *);
	va_end(ap);
	s = series_get(m, values);
	if (s)
		s->value = v;
}

void metric_observe(struct metric *m, double seconds)
{
	size_t i = 0;

	assert(m->histogram);
	while (i < N_BUCKETS - 1 && seconds > bucket_bounds[i])
		i++;
	m->histogram->buckets[i]++;
	m->histogram->sum += seconds;
}
