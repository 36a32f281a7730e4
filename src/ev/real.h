/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The real loop's own state, for real.c, child.c and resolve.c only.
 */
#include <uv.h>
/* it brings sys/param.h, whose MIN and MAX evaluate twice; so this header goes before base/'s */
#undef MIN
#undef MAX

#include "ev/core.h"

struct ev_real {
	struct ev_loop loop;
	uv_loop_t uv;
	uv_prepare_t prepare; /* before polling: arms the clock */
	uv_check_t check;     /* after polling: runs the tasks */
	uv_idle_t idle;       /* active while tasks wait: polling does not sleep then */
	uv_timer_t clock;     /* set to the earliest timer of the heap */
	bool stopping;
	struct list children; /* struct real_child, forgotten ones too */
};

static inline struct ev_real *ev_real_of(struct ev_loop *loop)
{
	return container_of(loop, struct ev_real, loop);
}

/* At the end of the loop: children nobody waits for are let go of. */
void ev_children_drop(struct ev_real *real);
