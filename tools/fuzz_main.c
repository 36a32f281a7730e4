/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main() for fuzz targets without libFuzzer: runs the target over every file of the corpus
 * directories (and files) named, so that what a fuzzer found once stays a test for good. Besides
 * the file as it is, each is run cut short at every length (up to CUT_MAX): parsers fail at their
 * edges.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)8 << 20)
#define CUT_MAX   ((size_t)512)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own of exactly that size, so that the sanitizer sees a read behind the end. */
static void run_input(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int read_all(int fd, uint8_t **ret_data, size_t *ret_size)
{
	uint8_t *data = malloc(INPUT_MAX);
	size_t size = 0;
	ssize_t n;

	if (!data)
		abort();
	do {
		n = read(fd, data + size, INPUT_MAX - size);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0) {
		free(data);
		return -errno;
	}
	*ret_data = data;
	*ret_size = size;
	return 0;
}

static int run_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	uint8_t *data = NULL;
	size_t size = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, &data, &size);
	(void)close(fd);
	if (r < 0)
		return r;
	for (size_t cut = 0; cut < size && cut < CUT_MAX; cut++)
		run_input(data, cut);
	run_input(data, size);
	free(data);
	return 0;
}

/* The number of files run, or -errno. */
static int run_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0, r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		r = run_file(fd, e->d_name);
		if (r == 0)
			n++;
		else
			fprintf(stderr, "%s/%s: %s\n", path, e->d_name, strerror(-r));
	}
	(void)closedir(d);
	return r < 0 ? r : n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int r;

		if (stat(argv[i], &st) < 0)
			r = -errno;
		else if (S_ISDIR(st.st_mode))
			r = run_dir(argv[i]);
		else
			r = run_file(AT_FDCWD, argv[i]) < 0 ? -EIO : 1;
		if (r <= 0) {
			fprintf(stderr, "%s: %s\n", argv[i], r < 0 ? strerror(-r) : "empty corpus");
			return 1;
		}
		total += r;
	}
	printf("%d inputs\n", total);
	return total > 0 ? 0 : 1;
}
