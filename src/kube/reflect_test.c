/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflect.h"

#include "base/test.h"

#define DROP  KUBE_REFLECT_ACT_DROP
#define APPLY KUBE_REFLECT_ACT_APPLY
#define BEGIN KUBE_REFLECT_ACT_BEGIN
#define PAGE  KUBE_REFLECT_ACT_PAGE
#define WATCH KUBE_REFLECT_ACT_WATCH
#define WAIT  KUBE_REFLECT_ACT_WAIT

/* Every cell: an event that cannot come in a state has NONE, and watch.c asserts that it does not.
 */
static void test_every_cell(void **state)
{
	/* clang-format off: one row per cell that is filled */
	static const struct {
		const char *name;
		enum kube_reflect_state from;
		enum kube_reflect_event event;
		enum kube_reflect_state to;
		unsigned act;
	} rows[] = {
		{ "start or retry", KUBE_REFLECT_LIST_WAIT, KUBE_REFLECT_TIMER, KUBE_REFLECT_LIST,
		  BEGIN },
		{ "page", KUBE_REFLECT_LIST, KUBE_REFLECT_PAGE, KUBE_REFLECT_LIST, PAGE },
		{ "listed", KUBE_REFLECT_LIST, KUBE_REFLECT_LISTED, KUBE_REFLECT_WATCH,
		  APPLY | WATCH },
		{ "list failed", KUBE_REFLECT_LIST, KUBE_REFLECT_FAILED, KUBE_REFLECT_LIST_WAIT,
		  DROP | WAIT },
		{ "token expired", KUBE_REFLECT_LIST, KUBE_REFLECT_EXPIRED, KUBE_REFLECT_LIST_WAIT,
		  DROP | WAIT },
		{ "watch ended", KUBE_REFLECT_WATCH, KUBE_REFLECT_ENDED, KUBE_REFLECT_WATCH,
		  WATCH },
		{ "ended soon", KUBE_REFLECT_WATCH, KUBE_REFLECT_ENDED_SOON,
		  KUBE_REFLECT_WATCH_WAIT, WAIT },
		{ "watch failed", KUBE_REFLECT_WATCH, KUBE_REFLECT_FAILED, KUBE_REFLECT_WATCH_WAIT,
		  WAIT },
		{ "refused too often", KUBE_REFLECT_WATCH, KUBE_REFLECT_STALE,
		  KUBE_REFLECT_LIST_WAIT, WAIT },
		{ "version expired", KUBE_REFLECT_WATCH, KUBE_REFLECT_EXPIRED,
		  KUBE_REFLECT_LIST_WAIT, WAIT },
		{ "watch again", KUBE_REFLECT_WATCH_WAIT, KUBE_REFLECT_TIMER, KUBE_REFLECT_WATCH,
		  WATCH },
	};
	/* clang-format on */
	size_t filled = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_reflect_step s = kube_reflect_step(rows[i].from, rows[i].event);

		CHECK(rows[i].name, s.next == rows[i].to && s.act == rows[i].act);
	}
	for (unsigned st = 0; st < KUBE_REFLECT_STATE_N; st++)
		for (unsigned ev = 0; ev < KUBE_REFLECT_EVENT_N; ev++)
			filled += kube_reflect_step((enum kube_reflect_state)st,
						    (enum kube_reflect_event)ev)
					  .next != KUBE_REFLECT_NONE;
	CHECK("no cell without a row", filled == ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_cell) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
