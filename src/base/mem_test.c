/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/test.h"

static void test_alloc(void **state)
{
	CLEANUP_FREE char *text = xasprintf("%s-%d", "pod", 7);
	CLEANUP_FREE char *cut = xstrndup("abcdef", 3);
	CLEANUP_FREE char *all = xstrndup("abc", 10);
	CLEANUP_FREE void *none = xmalloc(0);
	CLEANUP_FREE unsigned char *zero = xcalloc(3, 7);
	int *v = NULL;
	size_t n = 0, cap = 0;

	(void)state;
	CHECK_STR("asprintf", text, "pod-7");
	CHECK_STR("cut", cut, "abc");
	CHECK_STR("shorter than the limit", all, "abc");
	CHECK("size 0 is a pointer", none != NULL);
	for (size_t i = 0; i < 21; i++)
		CHECK("zeroed", zero[i] == 0);
	for (int i = 0; i < 1000; i++) {
		GROW(v, n, cap);
		v[n++] = i;
	}
	for (int i = 0; i < 1000; i++)
		CHECK("kept while growing", v[i] == i);
	CHECK("doubles", cap == 1024);
	free(v);
}

static void test_cleanup_close(void **state)
{
	int fd;

	(void)state;
	{
		CLEANUP_CLOSE int scoped = open("/dev/null", O_RDONLY | O_CLOEXEC);
		CLEANUP_CLOSE int none = -1;

		CHECK("opened", scoped >= 0 && none < 0);
		fd = scoped;
	}
	CHECK("closed at the end of the scope", fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

static void test_arena(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4096, 5000, 300000, 8 };
	CLEANUP_ARENA struct arena a = ARENA_INIT;

	(void)state;
	for (int round = 0; round < 3; round++) {
		unsigned char *parts[200];
		size_t total = 0;

		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			size_t size = sizes[i % ARRAY_LEN(sizes)];

			parts[i] = arena_alloc(&a, size);
			CHECK("aligned", (uintptr_t)parts[i] % 16 == 0);
			for (size_t k = 0; k < size; k++)
				CHECK("zeroed, after a reset too", parts[i][k] == 0);
			memset(parts[i], (int)i + 1, size);
			total += size;
		}
		for (size_t i = 0; i < ARRAY_LEN(parts); i++)
			for (size_t k = 0; k < sizes[i % ARRAY_LEN(sizes)]; k++)
				CHECK("apart", parts[i][k] == (unsigned char)(i + 1));
		CHECK("counted", a.used_bytes >= total && a.used_bytes < total + 200 * 32);
		arena_reset(&a);
		CHECK("reset", a.used_bytes == 0);
	}
}

static void test_arena_text(void **state)
{
	CLEANUP_ARENA struct arena a = ARENA_INIT;

	(void)state;
	CHECK_STR("strdup", arena_strdup(&a, "node-1"), "node-1");
	CHECK_STR("strndup", arena_strndup(&a, "node-1", 4), "node");
	CHECK_STR("strndup of less", arena_strndup(&a, "no", 4), "no");
	CHECK_STR("fmt", arena_fmt(&a, "%s/%d", "10.0.0.0", 8), "10.0.0.0/8");
	CHECK("memdup", memcmp(arena_memdup(&a, "a\0b", 3), "a\0b", 3) == 0);
	CHECK("memdup of nothing", arena_memdup(&a, NULL, 0) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_cleanup_close),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
