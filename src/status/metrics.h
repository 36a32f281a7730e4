/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The registry of metrics and their text form (Prometheus exposition format 0.0.4). Names carry the
 * prefix kube_router_, which is added here; but for those that begin with process_, which every
 * exporter has. A metric without any series yet is not printed.
 */
#include <stdint.h>

#include "base/str.h"

struct metrics;
struct metric;

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM, /* seconds; buckets as the Go client's default */
};

#define METRIC_LABELS_MAX 6
#define METRIC_PREFIX     "kube_router_"
/* Of one metric. More are refused and counted (metric_series_refused_total). */
#define METRIC_SERIES_MAX ((size_t)65536)
#define METRIC_VALUE_MAX  ((size_t)256) /* bytes of a label value; the rest is cut off */

struct metric_desc {
	const char *name; /* without prefix */
	enum metric_type type;
	const char *help;
	const char *labels[METRIC_LABELS_MAX]; /* NULL-terminated if fewer; none: one series */
	/*
	 * NULL: the value is what metric_add() and metric_set() made it. Otherwise asked at each
	 * scrape, and answers by metric_sample() for each series. Not for histograms.
	 */
	void (*collect)(void *arg, struct metric *m);
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* A name twice, or a name or label that is none, is a bug: asserts. desc is kept. */
struct metric *metrics_register(struct metrics *m, const struct metric_desc *desc, void *arg);

/* Series without labels, or of the label values given (as many as the desc has labels). */
void metric_add(struct metric *m, double v, ...);      /* counter, gauge; labels as const char * */
void metric_set(struct metric *m, double v, ...);      /* gauge */
void metric_observe(struct metric *m, double seconds); /* histogram, without labels */
/* Within collect only; each series once. label_values may be NULL without labels. */
void metric_sample(struct metric *m, double v, const char *const *label_values);

/* What goes past out->max is missing and out->overflow says so: then not to be served. */
void metrics_write(struct metrics *m, struct strbuf *out);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

/* process_* of this process, without prefix, as other exporters have them. */
void metrics_register_process(struct metrics *m);
/* In the order of registration. */
void metrics_walk(const struct metrics *m, void (*fn)(void *arg, const struct metric_desc *d),
		  void *arg);
