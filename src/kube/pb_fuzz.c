/* SPDX-License-Identifier: Apache-2.0 */
/* One Node's bytes: what is measured is what is filled, and the same bytes give the same object. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kube/kind.h"
#include "kube/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pb_type *const types[] = { kube_kind_node.type, &kube_status_type,
						&kube_list_meta_type };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct pb_err err;
		size_t packed;
		void *a, *b;

		if (pb_measure(types[i], rd_init(data, size), &packed, &err) < 0) {
			assert(err.type && err.field && err.what);
			continue;
		}
		assert(packed >= types[i]->size &&
		       packed <= PB_PACKED_MAX + size + PB_VERSION_ROOM);
		a = xmalloc(packed);
		b = xmalloc(packed);
		pb_fill(types[i], rd_init(data, size), a, packed);
		pb_fill(types[i], rd_init(data, size), b, packed);
		assert(pb_same(types[i], a, b));
		free(a);
		free(b);
	}
	return 0;
}
