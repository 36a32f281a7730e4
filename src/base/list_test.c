/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include "base/mem.h"
#include "base/test.h"

struct item {
	int id;
	struct list link;
};

static void test_list(void **state)
{
	struct list head;
	struct item v[4];
	int want = 0;

	(void)state;
	list_init(&head);
	CHECK("empty", list_is_empty(&head));
	for (int i = 0; i < 4; i++)
		v[i].id = i;
	list_add_tail(&head, &v[1].link);
	list_add_tail(&head, &v[2].link);
	list_add_head(&head, &v[0].link);
	list_add_tail(&head, &v[3].link);
	list_for_each (it, &head)
		CHECK("order", list_entry(it, struct item, link)->id == want++);
	CHECK("all", want == 4 && list_first(&head, struct item, link) == &v[0]);
	list_del(&v[2].link);
	list_del(&v[2].link); /* twice is harmless */
	CHECK("unlinked", list_is_empty(&v[2].link));
	want = 0;
	list_for_each (it, &head)
		want++;
	CHECK("three left", want == 3);
}

static void test_del_in_walk(void **state)
{
	struct list head;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 10; i++) {
		struct item *it = xcalloc(1, sizeof(*it));

		it->id = i;
		list_add_tail(&head, &it->link);
	}
	list_for_each_safe (it, &head) {
		struct item *item = list_entry(it, struct item, link);

		list_del(&item->link);
		free(item);
	}
	CHECK("all gone", list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_del_in_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
