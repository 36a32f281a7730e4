/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/snapshot.h"

#include <errno.h>

#include "base/test.h"
#include "kernel/harness.h"

static struct bytes text(const char *s)
{
	return (struct bytes){ s, strlen(s) };
}

static bool is_row(const struct harness_sink *sink, const char *key, const char *value)
{
	struct bytes row = harness_row(sink, text(key));

	if (!value)
		return row.data == NULL;
	return row.len == strlen(value) && memcmp(row.data, value, row.len) == 0;
}

static struct row_sink captured;

static void capture(void *self, const struct row_sink *sink)
{
	(void)self;
	captured = *sink;
}

static void open_sink(struct harness_sink *h)
{
	static const struct reconciler_ops ops = { .attach = capture };

	harness_sink_init(h);
	harness_sink_attach(h, (struct reconciler){ .ops = &ops });
}

static void test_last_touch_wins(void **state)
{
	static const struct {
		const char *name;
		/* in this order: what happened; "" is gone */
		const char *touch_before, *dump, *touch_after, *want;
	} rows[] = {
		{ "dump only", NULL, "d", NULL, "d" },
		{ "gone before the dump is read", "", "d", NULL, NULL },
		{ "gone after", NULL, "d", "", NULL },
		{ "changed before the dump is read", "t", "d", NULL, "t" },
		{ "changed after", NULL, "d", "t", "t" },
		{ "gone, then back", "", "d", "t", "t" },
		{ "not in the dump, came meanwhile", "t", NULL, NULL, "t" },
		{ "came and went", "t", NULL, "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct harness_sink h;
		struct snapshot s;

		open_sink(&h);
		snapshot_init(&s, 10);
		snapshot_touch(&s, text("k"), true, text("before any dump"));
		snapshot_begin(&s);
		if (rows[i].touch_before)
			snapshot_touch(&s, text("k"), rows[i].touch_before[0] != '\0',
				       text(rows[i].touch_before));
		if (rows[i].dump)
			CHECK(rows[i].name, snapshot_add(&s, text("k"), text(rows[i].dump)) == 0);
		if (rows[i].touch_after)
			snapshot_touch(&s, text("k"), rows[i].touch_after[0] != '\0',
				       text(rows[i].touch_after));
		snapshot_report(&s, &captured);
		CHECK(rows[i].name, h.n_dumps == 1 && is_row(&h, "k", rows[i].want));
		CHECK("closed", !s.is_open && s.rows.n == 0);
		snapshot_fini(&s);
		harness_sink_fini(&h);
	}
}

static void test_restart_and_ceiling(void **state)
{
	struct harness_sink h;
	struct snapshot s;

	(void)state;
	open_sink(&h);
	snapshot_init(&s, 2);
	snapshot_begin(&s);
	CHECK("add", snapshot_add(&s, text("a"), text("1")) == 0);
	snapshot_begin(&s);
	CHECK("add", snapshot_add(&s, text("b"), text("2")) == 0);
	CHECK("add", snapshot_add(&s, text("c"), (struct bytes){ 0 }) == 0);
	CHECK("too many", snapshot_add(&s, text("d"), text("4")) == -E2BIG);
	CHECK("one that is there", snapshot_add(&s, text("b"), text("3")) == 0);
	snapshot_report(&s, &captured);
	CHECK("forgotten", is_row(&h, "a", NULL));
	CHECK("last value", is_row(&h, "b", "3"));
	CHECK("empty value is present", is_row(&h, "c", "") && h.rows.n == 2);
	snapshot_begin(&s);
	snapshot_fail(&s, &captured, -EINTR);
	CHECK("failure concludes nothing", h.dump_err == -EINTR && h.rows.n == 2 && !s.is_open);
	snapshot_fini(&s);
	harness_sink_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_touch_wins),
		cmocka_unit_test(test_restart_and_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
