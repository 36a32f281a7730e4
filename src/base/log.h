/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One log line per event, on stderr, with the header that klog writes:
 *
 *   I1122 21:54:02.123456    1234 session.c:88] bgp: session up peer=192.0.2.1
 *
 * The text is `area: what happened key=value ...`, lower case; values from outside go through
 * log_quote(). Secrets never. err needs a person; warning was wrong but handled; info is a state
 * change an operator cares about; debug(N) shows with -v N and above.
 */
#include "base/macro.h"
#include "base/time.h"

enum log_level {
	LOG_LEVEL_FATAL,
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
};

void log_verbosity_set(int v); /* -v */
bool log_shows(int v);

void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#define log_err(...)     log_write(LOG_LEVEL_ERR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(v, ...)                                                                          \
	do {                                                                                       \
		if (log_shows(v))                                                                  \
			log_write(LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__);                \
	} while (0)
/* Header with severity F; the caller then leaves with exit status 255. */
#define log_fatal(...) log_write(LOG_LEVEL_FATAL, __FILE__, __LINE__, __VA_ARGS__)

/*
 * Repeats are limited per call site: LOG_LIMIT(log_warning, "...") lets LOG_LIMIT_BURST lines
 * through per minute, and the next line let through is preceded by the count of those dropped.
 */
#define LOG_LIMIT_BURST 10
struct log_limit {
	struct mono start;
	unsigned shown, dropped;
};
bool log_limit_pass(struct log_limit *l, const char *file, int line);
#define LOG_LIMIT(call, ...)                                                                       \
	do {                                                                                       \
		static struct log_limit limit_;                                                    \
		if (log_limit_pass(&limit_, __FILE__, __LINE__))                                   \
			call(__VA_ARGS__);                                                         \
	} while (0)

#define LOG_QUOTE_MAX 256
/* Quoted and escaped copy, cut with "..." when longer; returns buf. NULL gives "null". */
const char *log_quote(char buf[LOG_QUOTE_MAX], const char *s);

/* Tests and the simulator look at lines (no newline) instead of printing them; NULL: stderr again.
 */
void log_sink_set(void (*fn)(void *arg, const char *line), void *arg);
