/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/reader.h"

#include "base/mem.h"
#include "bgp/msg.h"
#include "ev/ev.h"

struct bgp_reader {
	struct ev_task *task;
	struct list queue; /* of bgp_reader_slot.link */
	uint8_t scratch[BGP_MSG_MAX_EXTENDED + BGP_READ_SLICE_BYTES];
};

static void reader_run(void *arg)
{
	struct bgp_reader *r = arg;
	size_t budget = BGP_READ_TURN_BYTES;

	while (budget > 0 && !list_is_empty(&r->queue)) {
		struct bgp_reader_slot *slot = list_first(&r->queue, struct bgp_reader_slot, link);
		size_t n;

		list_del(&slot->link);
		n = slot->read(slot->arg, MIN(budget, BGP_READ_SLICE_BYTES));
		budget -= MIN(budget, n);
	}
	if (!list_is_empty(&r->queue))
		ev_task_post(r->task);
}

struct bgp_reader *bgp_reader_new(struct ev_loop *loop)
{
	struct bgp_reader *r = xcalloc(1, sizeof(*r));

	list_init(&r->queue);
	r->task = ev_task_new(loop, "bgp-read", reader_run, r);
	return r;
}

void bgp_reader_free(struct bgp_reader *r)
{
	if (!r)
		return;
	ev_task_free(r->task);
	free(r);
}

void bgp_reader_slot_init(struct bgp_reader_slot *slot, size_t (*read)(void *arg, size_t max),
			  void *arg)
{
	list_init(&slot->link);
	slot->read = read;
	slot->arg = arg;
}

void bgp_reader_post(struct bgp_reader *r, struct bgp_reader_slot *slot)
{
	if (!list_is_empty(&slot->link))
		return;
	list_add_tail(&r->queue, &slot->link);
	ev_task_post(r->task);
}

void bgp_reader_cancel(struct bgp_reader_slot *slot)
{
	list_del(&slot->link);
}

uint8_t *bgp_reader_scratch(struct bgp_reader *r)
{
	return r->scratch;
}
