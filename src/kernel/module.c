/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/module.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel/file.h"

#ifndef MODULE_INIT_COMPRESSED_FILE /* Linux 5.17 */
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

static int finit(void *arg, const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	int flags = str_ends(path, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;

	(void)arg;
	if (fd < 0)
		return -errno;
	return syscall(SYS_finit_module, fd, "", flags) < 0 ? -errno : 0;
}

static bool is_name(const char *name)
{
	return *name && strlen(name) < 64 && !strpbrk(name, "/. \t\n:");
}

/* In /sys/module every dash is an underscore. */
static bool is_loaded(const struct module_place *place, const char *name)
{
	CLEANUP_FREE char *dir = xasprintf("%s/%s", place->sys_dir, name);

	for (char *p = dir + strlen(place->sys_dir); *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	return access(dir, F_OK) == 0;
}

static int read_list(const struct module_place *place, const char *list, char **ret_text,
		     size_t *ret_len)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", place->lib_dir, list);

	return kernel_file_read_max(path, MODULE_FILE_MAX, ret_text, ret_len);
}

static bool is_builtin(const struct module_place *place, const char *name)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;

	return read_list(place, "modules.builtin", &text, &len) == 0 &&
	       module_is_builtin(text, len, name);
}

static int load_files(const struct module_place *place, const struct strv *files, char **ret_why)
{
	for (size_t i = 0; i < files->n; i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", place->lib_dir, files->v[i]);
		int r = place->load(place->arg, path);

		if (r < 0 && r != -EEXIST) {
			*ret_why = xasprintf("cannot load %s: %s", path, strerror(-r));
			return r;
		}
	}
	return 0;
}

int module_load_at(const struct module_place *place, const char *name, char **ret_why)
{
	CLEANUP_FREE char *text = NULL;
	struct strv files = { 0 };
	size_t len;
	int r;

	if (!is_name(name)) {
		*ret_why = xstrdup("not a name of a kernel module");
		return -EINVAL;
	}
	if (is_loaded(place, name) || is_builtin(place, name))
		return 0;
	r = read_list(place, "modules.dep", &text, &len);
	if (r < 0) {
		*ret_why =
			xasprintf("module %s is not loaded, and %s/modules.dep cannot be read: %s",
				  name, place->lib_dir, strerror(-r));
		return r;
	}
	r = module_dep_find(text, len, name, &files);
	if (r < 0)
		*ret_why = xasprintf("module %s: %s in %s/modules.dep", name,
				     r == -ENOENT ? "not listed" : "no good line", place->lib_dir);
	else
		r = load_files(place, &files, ret_why);
	strv_fini(&files);
	return r;
}

int kernel_module_load(const char *name, char **ret_why)
{
	struct utsname host;
	CLEANUP_FREE char *lib_dir = NULL;
	struct module_place place = { .sys_dir = "/sys/module", .load = finit };

	if (uname(&host) < 0) { /* cannot be */
		*ret_why = xstrdup("cannot learn the kernel's release");
		return -EFAULT;
	}
	lib_dir = xasprintf("/lib/modules/%s", host.release);
	place.lib_dir = lib_dir;
	return module_load_at(&place, name, ret_why);
}
