/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_*: read from /proc at each scrape. What cannot be read has no series.
 */
#include "status/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "status/metrics.h"

#define PROC_FILE_MAX ((size_t)1 << 20) /* /proc/stat has a line for each CPU and long ones */

/* Fields of /proc/PID/stat, counted from 1 as proc(5) does. */
enum {
	STAT_STATE = 3, /* the first one behind the name */
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_START = 22,
	STAT_VSIZE = 23,
	STAT_RSS = 24,
};

/* The word at *p up to a blank or the line's end; *p moves behind it. Its length, 0: no more. */
static size_t word(const char **p, const char **ret_word)
{
	size_t len;

	*p += strspn(*p, " ");
	*ret_word = *p;
	len = strcspn(*p, " \n");
	*p += len;
	return len;
}

static int word_to_u64(const char *w, size_t len, uint64_t *ret)
{
	CLEANUP_FREE char *text = xstrndup(w, len);

	return str_to_u64(text, 10, UINT64_MAX, ret);
}

int process_stat_parse(const char *text, struct process_stat *ret)
{
	struct process_stat st = { 0 };
	const struct {
		int field;
		uint64_t *value;
	} wanted[] = {
		{ STAT_UTIME, &st.utime_ticks }, { STAT_STIME, &st.stime_ticks },
		{ STAT_START, &st.start_ticks }, { STAT_VSIZE, &st.vsize_bytes },
		{ STAT_RSS, &st.rss_pages },
	};
	/* the name may hold blanks and brackets: it ends at the last bracket */
	const char *p = strrchr(text, ')'), *w;
	size_t len, i = 0;

	if (!p)
		return -EINVAL;
	p++;
	for (int field = STAT_STATE; i < ARRAY_LEN(wanted); field++) {
		len = word(&p, &w);
		if (len == 0)
			return -EINVAL;
		if (field != wanted[i].field)
			continue;
		if (word_to_u64(w, len, wanted[i].value) < 0)
			return -EINVAL;
		i++;
	}
	*ret = st;
	return 0;
}

int process_btime_parse(const char *text, uint64_t *ret)
{
	const char *line = str_starts(text, "btime ") ? text : strstr(text, "\nbtime "), *w;
	size_t len;

	if (!line)
		return -EINVAL;
	line = strchr(line, ' ');
	len = word(&line, &w);
	return word_to_u64(w, len, ret);
}

/* The line of that group at or after p, behind the colon; NULL: none. */
static const char *group_line(const char *p, const char *group)
{
	size_t len = strlen(group);

	while (p && *p) {
		if (strncmp(p, group, len) == 0 && p[len] == ':')
			return p + len + 1;
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return NULL;
}

int process_netstat_parse(const char *text, const char *group, const char *name, uint64_t *ret)
{
	const char *names = group_line(text, group), *numbers, *n, *v;
	size_t n_len, v_len;

	numbers = names ? group_line(names, group) : NULL;
	if (!numbers)
		return -EINVAL;
	do {
		n_len = word(&names, &n);
		v_len = word(&numbers, &v);
		if (n_len == 0 || v_len == 0)
			return -EINVAL;
	} while (n_len != strlen(name) || memcmp(n, name, n_len) != 0);
	return word_to_u64(v, v_len, ret);
}

/* --- effects --- */

static int file_read(const char *path, struct strbuf *out)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return -errno;
	out->max = PROC_FILE_MAX;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(out, buf, (size_t)n);
	return n < 0 ? -errno : out->overflow ? -EFBIG : 0;
}

static int stat_read(struct process_stat *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int r = file_read("/proc/self/stat", &text);

	return r < 0 ? r : process_stat_parse(strbuf_text(&text), ret);
}

static void collect_cpu(void *arg, struct metric *m)
{
	struct process_stat st;

	(void)arg;
	if (stat_read(&st) == 0)
		metric_sample(
			m, (double)(st.utime_ticks + st.stime_ticks) / (double)sysconf(_SC_CLK_TCK),
			NULL);
}

static void collect_vsize(void *arg, struct metric *m)
{
	struct process_stat st;

	(void)arg;
	if (stat_read(&st) == 0)
		metric_sample(m, (double)st.vsize_bytes, NULL);
}

static void collect_rss(void *arg, struct metric *m)
{
	struct process_stat st;

	(void)arg;
	if (stat_read(&st) == 0)
		metric_sample(m, (double)st.rss_pages * (double)sysconf(_SC_PAGESIZE), NULL);
}

static void collect_start(void *arg, struct metric *m)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct process_stat st;
	uint64_t btime;

	(void)arg;
	if (stat_read(&st) == 0 && file_read("/proc/stat", &text) == 0 &&
	    process_btime_parse(strbuf_text(&text), &btime) == 0)
		metric_sample(m,
			      (double)btime + (double)st.start_ticks / (double)sysconf(_SC_CLK_TCK),
			      NULL);
}

static void collect_fds(void *arg, struct metric *m)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	(void)arg;
	if (!d)
		return;
	while (readdir(d))
		n++;
	(void)closedir(d);
	metric_sample(m, (double)(n - 3), NULL); /* without ".", ".." and the one just used */
}

static void sample_limit(struct metric *m, int resource)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) < 0)
		return;
	metric_sample(m, lim.rlim_cur == RLIM_INFINITY ? -1 : (double)lim.rlim_cur, NULL);
}

static void collect_fds_max(void *arg, struct metric *m)
{
	(void)arg;
	sample_limit(m, RLIMIT_NOFILE);
}

static void collect_vsize_max(void *arg, struct metric *m)
{
	(void)arg;
	sample_limit(m, RLIMIT_AS);
}

static void sample_netstat(struct metric *m, const char *name)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	uint64_t v;

	if (file_read("/proc/self/net/netstat", &text) == 0 &&
	    process_netstat_parse(strbuf_text(&text), "IpExt", name, &v) == 0)
		metric_sample(m, (double)v, NULL);
}

static void collect_received(void *arg, struct metric *m)
{
	(void)arg;
	sample_netstat(m, "InOctets");
}

static void collect_transmitted(void *arg, struct metric *m)
{
	(void)arg;
	sample_netstat(m, "OutOctets");
}

static const struct metric_desc rows[] = {
	{ "process_cpu_seconds_total",
	  METRIC_COUNTER,
	  "User and system CPU time spent",
	  { NULL },
	  collect_cpu },
	{ "process_open_fds", METRIC_GAUGE, "Open file descriptors", { NULL }, collect_fds },
	{ "process_max_fds",
	  METRIC_GAUGE,
	  "Most file descriptors it may open; -1: no limit",
	  { NULL },
	  collect_fds_max },
	{ "process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory", { NULL }, collect_vsize },
	{ "process_virtual_memory_max_bytes",
	  METRIC_GAUGE,
	  "Most virtual memory it may have; -1: no limit",
	  { NULL },
	  collect_vsize_max },
	{ "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory", { NULL }, collect_rss },
	{ "process_start_time_seconds",
	  METRIC_GAUGE,
	  "When it was started, in seconds since 1970",
	  { NULL },
	  collect_start },
	{ "process_network_receive_bytes_total",
	  METRIC_COUNTER,
	  "Bytes received by its network namespace",
	  { NULL },
	  collect_received },
	{ "process_network_transmit_bytes_total",
	  METRIC_COUNTER,
	  "Bytes sent by its network namespace",
	  { NULL },
	  collect_transmitted },
};

void metrics_register_process(struct metrics *m)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)metrics_register(m, &rows[i], NULL);
}
