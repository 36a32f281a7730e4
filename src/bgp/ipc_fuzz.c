/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records between the processes: the agent reads what the speaker's process sends, and must stay
 * whole even if that process was taken over.
 */
#include <assert.h>
#include <string.h>

#include "bgp/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	struct bgp_ipc_msg m, again;

	while (bgp_ipc_decode(&r, &m) == 1) {
		uint8_t buf[1024];
		struct wr w = wr_init(buf, sizeof(buf));
		struct rd back;

		bgp_ipc_encode(&w, &m);
		assert(!w.overflow);
		back = rd_init(buf, w.len);
		assert(bgp_ipc_decode(&back, &again) == 1);
		assert(memcmp(&m, &again, sizeof(m)) == 0);
	}
	return 0;
}
