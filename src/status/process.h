/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What /proc says of this process: the pure half of metrics_register_process(), for its tests.
 */
#include <stdint.h>

#include "base/macro.h"

struct process_stat {
	uint64_t utime_ticks, stime_ticks, start_ticks; /* start: since boot */
	uint64_t vsize_bytes, rss_pages;
};

/* The one line of /proc/PID/stat. 0 or -EINVAL. */
int process_stat_parse(const char *text, struct process_stat *ret);
/* The line "btime 1700000000" of /proc/stat: when the system booted, seconds. 0 or -EINVAL. */
int process_btime_parse(const char *text, uint64_t *ret);
/* A counter of a group of /proc/PID/net/netstat (two lines: names, numbers). 0 or -EINVAL. */
int process_netstat_parse(const char *text, const char *group, const char *name, uint64_t *ret);
