/* SPDX-License-Identifier: Apache-2.0 */
/* A request is taken whole, within its ceilings, or refused with a reason. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "status/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request r;
	char *why = NULL;

	if (control_request_parse((const char *)data, size, &r, &why) < 0) {
		assert(why && *why);
		free(why);
		return 0;
	}
	assert(r.command && *r.command && r.args.n <= CONTROL_ARGS_MAX);
	for (size_t i = 0; i < r.args.n; i++)
		assert(r.args.v[i]);
	control_request_fini(&r);
	return 0;
}
