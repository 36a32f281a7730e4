/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include <string.h>

const char *kv_get(const struct kv *v, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].key, key) == 0)
			return v[i].value;
	return NULL;
}
