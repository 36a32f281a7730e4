/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reconcilers report goes into one queue in the order it comes, and is handled by the engine's
 * task: never on the stack of the reconciler, which may be in the middle of apply or dump.
 *
 * Sightings (present, absent) are bounded: past ENGINE_REPORTS_MAX they are dropped and the table
 * is dumped again, as after ENOBUFS. Results are bounded by the operations in flight, the rest is
 * rare.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/core.h"

#define REPORTS_PER_TURN 4096

enum report_kind {
	REPORT_RESULT,
	REPORT_PRESENT,
	REPORT_ABSENT,
	REPORT_DUMP_BEGIN,
	REPORT_DUMP_END,
	REPORT_RETRY,
	REPORT_LOST,
};

struct engine_report {
	struct engine_report *next;
	struct table *table;
	uint32_t tag; /* of a dump's begin and end: how many sightings were dropped before */
	int err;
	uint32_t value_at, value_len; /* in data; a result's text is its value */
	uint16_t key_len;
	uint8_t kind; /* enum report_kind */
	uint8_t data[] __attribute__((aligned(8)));
};

static bool is_sighting(enum report_kind kind)
{
	return kind == REPORT_PRESENT || kind == REPORT_ABSENT;
}

static struct engine_report *report_put(struct table *t, enum report_kind kind, struct bytes key,
					struct bytes value)
{
	struct engine *e = t->engine;
	size_t value_at = (key.len + 7) & ~(size_t)7; /* structs are read from it */
	struct engine_report *r = xmalloc(sizeof(*r) + value_at + value.len);

	*r = (struct engine_report){
		.table = t,
		.value_at = (uint32_t)value_at,
		.value_len = (uint32_t)value.len,
		.key_len = (uint16_t)key.len,
		.kind = (uint8_t)kind,
	};
	if (key.len > 0)
		memcpy(r->data, key.data, key.len);
	if (value.len > 0)
		memcpy(r->data + value_at, value.data, value.len);
	*e->reports_tail = r;
	e->reports_tail = &r->next;
	e->n_reports += is_sighting(kind);
	ev_task_post(e->work);
	return r;
}

static void sighting_put(struct table *t, enum report_kind kind, struct bytes key,
			 struct bytes value)
{
	if (key.len == 0 || key.len > ENGINE_KEY_MAX || value.len > ENGINE_VALUE_MAX) {
		t->stats.refused++;
		LOG_LIMIT(log_warning,
			  "engine: sighting refused table=%s key_bytes=%zu value_bytes=%zu",
			  t->desc->name, key.len, value.len);
		return;
	}
	if (t->engine->n_reports >= ENGINE_REPORTS_MAX) {
		t->stats.dropped++;
		engine_dump_ask_later(t);
		return;
	}
	report_put(t, kind, key, value);
}

static void sink_result(void *arg, uint32_t tag, int err, const char *text)
{
	assert(err <= 0);
	size_t len = text ? strnlen(text, ENGINE_TEXT_MAX - 1) : 0;
	struct engine_report *r =
		report_put(arg, REPORT_RESULT, (struct bytes){ 0 }, (struct bytes){ text, len });

	r->tag = tag;
	r->err = err;
}

static void sink_present(void *arg, struct bytes key, struct bytes value)
{
	sighting_put(arg, REPORT_PRESENT, key, value);
}

static void sink_absent(void *arg, struct bytes key)
{
	sighting_put(arg, REPORT_ABSENT, key, (struct bytes){ 0 });
}

static void sink_dump_begin(void *arg)
{
	struct table *t = arg;

	report_put(t, REPORT_DUMP_BEGIN, (struct bytes){ 0 }, (struct bytes){ 0 })->tag =
		(uint32_t)t->stats.dropped;
}

static void sink_dump_end(void *arg, int err)
{
	struct table *t = arg;
	struct engine_report *r =
		report_put(t, REPORT_DUMP_END, (struct bytes){ 0 }, (struct bytes){ 0 });

	r->tag = (uint32_t)t->stats.dropped;
	r->err = err;
}

static void sink_retry(void *arg)
{
	report_put(arg, REPORT_RETRY, (struct bytes){ 0 }, (struct bytes){ 0 });
}

void engine_report_lost(struct table *t)
{
	report_put(t, REPORT_LOST, (struct bytes){ 0 }, (struct bytes){ 0 });
}

void engine_reports_sink(struct table *t)
{
	t->sink = (struct row_sink){
		.arg = t,
		.result = sink_result,
		.present = sink_present,
		.absent = sink_absent,
		.dump_begin = sink_dump_begin,
		.dump_end = sink_dump_end,
		.retry = sink_retry,
	};
}

static void report_handle(const struct engine_report *r)
{
	struct table *t = r->table;
	struct bytes key = { r->data, r->key_len };
	struct bytes value = { r->data + r->value_at, r->value_len };
	char text[ENGINE_TEXT_MAX];

	switch ((enum report_kind)r->kind) {
	case REPORT_RESULT:
		memcpy(text, value.data, value.len);
		text[value.len] = '\0';
		engine_mirror_result(t, r->tag, r->err, text);
		return;
	case REPORT_PRESENT:
		engine_mirror_present(t, key, value);
		return;
	case REPORT_ABSENT:
		engine_mirror_absent(t, key);
		return;
	case REPORT_DUMP_BEGIN:
		engine_mirror_dump_begin(t, r->tag);
		return;
	case REPORT_DUMP_END:
		engine_mirror_dump_end(t, r->tag, r->err);
		return;
	case REPORT_RETRY:
		engine_retry_table(t);
		return;
	case REPORT_LOST:
		engine_mirror_lost(t);
		return;
	}
}

static struct engine_report *report_take(struct engine *e)
{
	struct engine_report *r = e->reports_head;

	if (!r)
		return NULL;
	e->reports_head = r->next;
	if (!e->reports_head)
		e->reports_tail = &e->reports_head;
	e->n_reports -= is_sighting(r->kind);
	return r;
}

bool engine_reports_run(struct engine *e)
{
	for (int budget = REPORTS_PER_TURN; budget > 0; budget--) {
		struct engine_report *r = report_take(e);

		if (!r)
			break;
		report_handle(r);
		free(r);
	}
	return e->reports_head != NULL;
}

void engine_reports_fini(struct engine *e)
{
	struct engine_report *r;

	while ((r = report_take(e)))
		free(r);
}
