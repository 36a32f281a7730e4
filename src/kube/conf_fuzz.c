/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig: accepted, or refused with a text; first line up to a NUL may be --master. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = xstrndup((const char *)data, size);
	const char *url_why = NULL;
	struct kube_url u = { 0 };

	for (int with_master = 0; with_master < 2; with_master++) {
		struct kube_conf *c = xcalloc(1, sizeof(*c));
		char *why = NULL;
		int r = kube_conf_from_yaml(c, (const char *)data, size, "/dir",
					    with_master ? "https://m" : "", &why);

		assert((r == 0) == (why == NULL));
		assert(r < 0 || with_master || (c->server && c->url.host));
		free(why);
		kube_conf_free(c);
	}
	if (kube_url_parse(text, &u, &url_why) == 0)
		assert(*u.host && u.port && strlen(u.host) < 254);
	kube_url_fini(&u);
	return 0;
}
