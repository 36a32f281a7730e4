/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel modules, loaded without a program. Called before the loop starts, because it needs a right
 * (CAP_SYS_MODULE) that is given up then; it reads two files and runs init functions, nothing that
 * waits.
 */
#include <stddef.h>

#include "base/str.h"

/*
 * 0: the module is there now (loaded before, built in, or loaded with what it needs); or -errno
 * with *ret_why, a text to free: -ENOENT if this kernel's module directory does not know it.
 */
int kernel_module_load(const char *name, char **ret_why);

/* The same elsewhere: for tests. */
struct module_place {
	const char *sys_dir; /* "/sys/module" */
	const char *lib_dir; /* "/lib/modules/" and the release */
	/* 0 or -errno, -EEXIST for a module that is loaded. */
	int (*load)(void *arg, const char *path);
	void *arg;
};
int module_load_at(const struct module_place *place, const char *name, char **ret_why);

#define MODULE_FILE_MAX ((size_t)8 << 20) /* bytes of modules.dep; distributions have 0.7 MB */
#define MODULE_DEPS_MAX 64                /* modules that one module needs */

/*
 * modules.dep: the files to load for a module, in that order, itself last. In names a dash is an
 * underscore. 0, -ENOENT, -E2BIG (too many), or -EBADMSG (its line is no such line, or leads
 * out of the directory). Pure.
 */
int module_dep_find(const char *text, size_t len, const char *name, struct strv *ret_files);
/* modules.builtin: is the module part of the kernel? Pure. */
bool module_is_builtin(const char *text, size_t len, const char *name);
