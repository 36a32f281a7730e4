/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/snapshot.h"

#include <errno.h>
#include <string.h>

struct snapshot_row {
	bool is_touched, is_present;
	size_t len;
	uint8_t value[];
};

void snapshot_init(struct snapshot *s, size_t max)
{
	*s = (struct snapshot){ .max = max };
}

static void forget(struct snapshot *s)
{
	map_fini(&s->rows);
	s->rows = (struct map)MAP_INIT;
	arena_fini(&s->arena);
	s->arena = (struct arena)ARENA_INIT;
	s->is_open = false;
}

void snapshot_fini(struct snapshot *s)
{
	forget(s);
}

void snapshot_begin(struct snapshot *s)
{
	forget(s);
	s->is_open = true;
}

static void row_put(struct snapshot *s, struct bytes key, struct bytes value, bool is_touched,
		    bool is_present)
{
	struct snapshot_row *row = arena_alloc(&s->arena, sizeof(*row) + value.len);

	row->is_touched = is_touched;
	row->is_present = is_present;
	row->len = value.len;
	if (value.len > 0)
		memcpy(row->value, value.data, value.len);
	(void)map_put(&s->rows, key.data, key.len, row);
}

int snapshot_add(struct snapshot *s, struct bytes key, struct bytes value)
{
	const struct snapshot_row *row = map_get(&s->rows, key.data, key.len);

	if (row && row->is_touched)
		return 0;
	if (!row && s->rows.n >= s->max)
		return -E2BIG;
	row_put(s, key, value, false, true);
	return 0;
}

void snapshot_touch(struct snapshot *s, struct bytes key, bool present, struct bytes value)
{
	if (s->is_open)
		row_put(s, key, value, true, present);
}

void snapshot_report(struct snapshot *s, const struct row_sink *sink)
{
	/* The sink may start the next dump. */
	struct map rows = s->rows;
	struct arena arena = s->arena;

	s->rows = (struct map)MAP_INIT;
	s->arena = (struct arena)ARENA_INIT;
	s->is_open = false;
	sink->dump_begin(sink->arg);
	map_for_each (&rows, i) {
		const void *key;
		size_t key_len;
		const struct snapshot_row *row = map_at(&rows, i, &key, &key_len);

		if (row->is_present)
			sink->present(sink->arg, (struct bytes){ key, key_len },
				      (struct bytes){ row->value, row->len });
	}
	sink->dump_end(sink->arg, 0);
	map_fini(&rows);
	arena_fini(&arena);
}

void snapshot_fail(struct snapshot *s, const struct row_sink *sink, int err)
{
	forget(s);
	sink->dump_begin(sink->arg);
	sink->dump_end(sink->arg, err);
}
