/* SPDX-License-Identifier: Apache-2.0 */
/* modules.dep and modules.builtin: the files to load stay below their directory. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kernel/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size > 0 ? (const char *)data : "";
	struct strv files = { 0 };
	int r = module_dep_find(text, size, "br_netfilter", &files);

	assert(r == 0 ? files.n > 0 && files.n <= MODULE_DEPS_MAX + 1 : files.n == 0);
	for (size_t i = 0; i < files.n; i++)
		assert(*files.v[i] && *files.v[i] != '/' && !strstr(files.v[i], ".."));
	(void)module_is_builtin(text, size, "br_netfilter");
	strv_fini(&files);
	return 0;
}
