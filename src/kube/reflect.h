/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The course of list and watch as a pure table: state and event give the next state and the
 * actions.
 *
 *     LIST_WAIT --timer--> LIST --listed--> WATCH <--timer-- WATCH_WAIT
 *         ^                 | ^ page          | |  ended soon, failed   ^
 *         |--failed---------+ +-              | +-----------------------+
 *         +--expired, stale-------------------+   (ended: the next watch at once)
 */
#include "base/macro.h"

enum kube_reflect_state {
	KUBE_REFLECT_NONE,
	KUBE_REFLECT_LIST_WAIT, /* no request; a timer runs */
	KUBE_REFLECT_LIST,
	KUBE_REFLECT_WATCH,
	KUBE_REFLECT_WATCH_WAIT,
	KUBE_REFLECT_STATE_N,
};

enum kube_reflect_event {
	KUBE_REFLECT_TIMER,
	KUBE_REFLECT_PAGE,       /* a whole page, more follow */
	KUBE_REFLECT_LISTED,     /* the last page is whole */
	KUBE_REFLECT_ENDED,      /* the server ended a watch that had lasted */
	KUBE_REFLECT_ENDED_SOON, /* it ended at once: do not run in circles */
	KUBE_REFLECT_FAILED,     /* connection, server, refusal */
	KUBE_REFLECT_STALE,      /* the server refused the watch too often: start over */
	KUBE_REFLECT_EXPIRED,    /* 410: the version or the continue token is too old */
	KUBE_REFLECT_EVENT_N,
};

#define KUBE_REFLECT_ACT_DROP  (1u << 0) /* what the unfinished list staged */
#define KUBE_REFLECT_ACT_APPLY (1u << 1) /* the list replaces the cache */
#define KUBE_REFLECT_ACT_BEGIN (1u << 2) /* a new list, first page */
#define KUBE_REFLECT_ACT_PAGE  (1u << 3) /* its next page */
#define KUBE_REFLECT_ACT_WATCH (1u << 4)
#define KUBE_REFLECT_ACT_WAIT  (1u << 5) /* back off, then TIMER */

struct kube_reflect_step {
	enum kube_reflect_state next; /* NONE: the event cannot come in this state */
	unsigned act;
};

struct kube_reflect_step kube_reflect_step(enum kube_reflect_state state,
					   enum kube_reflect_event event);
