/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine without a kernel: what a row costs in memory, and what an event costs in time beside
 * many rows. The reconciler answers every operation at once; the loop is simulated, so waiting
 * costs nothing and all time measured is the engine's (and, for a small part, the reconciler's).
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "engine/engine.h"
#include "ev/sim.h"

#define OWNERS    10000
#define PER_OWNER 10
#define EVENTS    10000
#define KEY_BYTES 52 /* a set's name and a prefix: the longest of the small keys */
#define AS_ROUTES 18 /* a prefix */
#define WAIT_US   (5 * US_PER_MS)

struct bench {
	struct ev_loop *loop;
	struct engine *e;
	struct table *table;
	struct owner_kind *kind;
	struct row_sink sink;
	size_t key_bytes, value_bytes;
	uint32_t values[OWNERS]; /* changes with each event */
	bool is_gone;
	uint64_t n_ops;
};

static void attach(void *self, const struct row_sink *sink)
{
	((struct bench *)self)->sink = *sink;
}

static void apply(void *self, const struct row_op *ops, size_t n)
{
	struct bench *b = self;

	b->n_ops += n;
	for (size_t i = 0; i < n; i++)
		b->sink.result(b->sink.arg, ops[i].tag, 0, "");
}

static void key_make(uint8_t key[KEY_BYTES], uint32_t owner, uint32_t i)
{
	memset(key, 0, KEY_BYTES);
	memcpy(key, &owner, sizeof(owner));
	memcpy(key + 4, &i, sizeof(i));
}

static void dump(void *self)
{
	struct bench *b = self;
	uint8_t key[KEY_BYTES], value[KEY_BYTES] = { 0 };

	b->sink.dump_begin(b->sink.arg);
	for (uint32_t o = 0; b->n_ops > 0 && o < OWNERS; o++) {
		for (uint32_t i = 0; i < PER_OWNER; i++) {
			key_make(key, o, i);
			memset(value, 0, 4);
			memcpy(value, &b->values[o], i == 0 && b->value_bytes ? 4 : 0);
			b->sink.present(b->sink.arg, (struct bytes){ key, b->key_bytes },
					(struct bytes){ value, b->value_bytes });
		}
	}
	b->sink.dump_end(b->sink.arg, 0);
}

static void plan(void *arg, const char *owner, struct claims *c)
{
	struct bench *b = arg;
	uint8_t key[KEY_BYTES], value[KEY_BYTES] = { 0 };
	uint64_t o = 0;

	if (b->is_gone || str_to_u64(owner, 10, OWNERS, &o) < 0)
		return;
	for (uint32_t i = 0; i < PER_OWNER; i++) {
		key_make(key, (uint32_t)o, i);
		memcpy(value, &b->values[o], i == 0 && b->value_bytes ? 4 : 0);
		claim(c, b->table, (struct bytes){ key, b->key_bytes },
		      (struct bytes){ value, b->value_bytes });
		memset(value, 0, 4);
	}
}

static void key_fmt(struct strbuf *out, struct bytes key)
{
	strbuf_fmt(out, "%zu", key.len);
}

static void dirty(struct bench *b, uint32_t owner)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", owner);
	engine_dirty(b->kind, name);
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void report(const char *what, struct mono since, double per)
{
	int64_t us = mono_diff_us(mono_read(), since);

	printf("  %-46s %8.1f ms  %8.3f us each\n", what, (double)us / 1e3, (double)us / per);
}

static void run(const char *name, size_t key_bytes, size_t value_bytes)
{
	static const struct reconciler_ops ops = { .attach = attach, .apply = apply, .dump = dump };
	static const struct table_desc desc = {
		.name = "rows",
		.help = "bench",
		.stage = STAGE_ROUTES,
		.max_rows = ENGINE_ROWS_MAX,
		.key_fmt = key_fmt,
		.value_fmt = key_fmt,
	};
	struct bench *b = xcalloc(1, sizeof(*b));
	size_t before;
	struct mono start;

	b->key_bytes = key_bytes;
	b->value_bytes = value_bytes;
	b->loop = ev_new_sim(1);
	b->e = engine_new(b->loop);
	b->table = engine_table_add(b->e, &desc, (struct reconciler){ &ops, b });
	b->kind = engine_owner_kind_add(b->e, "o", plan, b);
	engine_start(b->e);
	(void)ev_sim_settle(b->loop);
	engine_table_release(b->table);
	printf("%s: %d owners of %d rows, key %zu, value %zu bytes\n", name, OWNERS, PER_OWNER,
	       key_bytes, value_bytes);

	before = heap_bytes();
	start = mono_read();
	for (uint32_t o = 0; o < OWNERS; o++)
		dirty(b, o);
	(void)ev_sim_advance(b->loop, WAIT_US);
	report("all rows new", start, (double)OWNERS * PER_OWNER);
	printf("  %-46s %8.1f MB  %8.1f bytes each\n", "memory of a row with its claim",
	       (double)(heap_bytes() - before) / 1e6,
	       (double)(heap_bytes() - before) / (OWNERS * PER_OWNER));

	start = mono_read();
	for (uint32_t i = 0; i < EVENTS; i++) {
		dirty(b, i * 7919u % OWNERS);
		(void)ev_sim_advance(b->loop, WAIT_US);
	}
	report("an event that changes nothing, a pass each", start, EVENTS);
	if (value_bytes > 0) {
		start = mono_read();
		for (uint32_t i = 0; i < EVENTS; i++) {
			b->values[i * 7919u % OWNERS]++;
			dirty(b, i * 7919u % OWNERS);
			(void)ev_sim_advance(b->loop, WAIT_US);
		}
		report("an event that changes one row, a pass each", start, EVENTS);
	}
	start = mono_read();
	for (uint32_t o = 0; o < OWNERS; o++)
		dirty(b, o);
	(void)ev_sim_advance(b->loop, WAIT_US);
	report("all owners planned again, nothing changed", start, (double)OWNERS * PER_OWNER);
	start = mono_read();
	dump(b);
	(void)ev_sim_advance(b->loop, WAIT_US);
	report("a dump that shows what is known", start, (double)OWNERS * PER_OWNER);
	start = mono_read();
	b->is_gone = true;
	for (uint32_t o = 0; o < OWNERS; o++)
		dirty(b, o);
	(void)ev_sim_advance(b->loop, WAIT_US);
	report("all rows removed", start, (double)OWNERS * PER_OWNER);
	printf("  operations %llu\n", (unsigned long long)b->n_ops);
	engine_free(b->e);
	ev_free(b->loop);
	free(b);
}

int main(void)
{
	run("routes", AS_ROUTES, 17);
	run("set members", KEY_BYTES, 0);
	return 0;
}
