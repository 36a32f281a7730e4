/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

/* Bytes of a line with its newline: no more than PIPE_BUF, so that a pipe never tears it. */
#define LOG_LINE_MAX 4096

static int verbosity;
static void (*sink)(void *arg, const char *line);
static void *sink_arg;

void log_verbosity_set(int v)
{
	verbosity = v;
	/* the zone file is read here and never again: later a sandbox may forbid to open it */
	tzset();
}

bool log_shows(int v)
{
	return v <= verbosity;
}

void log_sink_set(void (*fn)(void *arg, const char *line), void *arg)
{
	sink = fn;
	sink_arg = arg;
}

static size_t header_write(char *buf, size_t size, enum log_level level, const char *file, int line)
{
	static const char letters[] = "FEWI"; /* in the order of enum log_level */
	const char *base = strrchr(file, '/');
	struct wall now = wall_read();
	time_t seconds = (time_t)(now.us / US_PER_S);
	struct tm tm = { 0 };
	int n;

	(void)localtime_r(&seconds, &tm);
	n = snprintf(buf, size, "%c%02d%02d %02d:%02d:%02d.%06d %7d %s:%d] ", letters[level],
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		     (int)(now.us % US_PER_S), (int)getpid(), base ? base + 1 : file, line);
	assert(n > 0 && (size_t)n < size); /* file names are ours and short */
	return (size_t)n;
}

/* One write for the line; a log that cannot be written is no reason to stop. */
static void line_write(const char *text, size_t len)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, text, len);
	while (n < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
{
	static const char cut[] = "...";
	int saved = errno; /* callers log between a failure and its return */
	char buf[LOG_LINE_MAX];
	size_t head = header_write(buf, sizeof(buf), level, file, line);
	size_t room = sizeof(buf) - head, len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + head, room, fmt, ap);
	va_end(ap);
	len = head + (n < 0 ? 0 : MIN((size_t)n, room - 1));
	if (n > 0 && (size_t)n >= room) /* len is LOG_LINE_MAX - 1: what the newline leaves */
		memcpy(buf + len - (sizeof(cut) - 1), cut, sizeof(cut) - 1);
	/* values are quoted by the caller; this keeps a forgotten one from faking a second line */
	for (size_t i = head; i < len; i++)
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = ' ';
	if (sink) {
		buf[len] = 0;
		sink(sink_arg, buf);
	} else {
		buf[len] = '\n';
		line_write(buf, len + 1);
	}
	errno = saved;
}

bool log_limit_pass(struct log_limit *l, const char *file, int line)
{
	struct mono now = mono_read();

	if (l->start.us == 0 || mono_diff_us(now, l->start) >= 60 * US_PER_S) {
		unsigned dropped = l->dropped;

		*l = (struct log_limit){ .start = now, .shown = 1 };
		if (dropped > 0)
			log_write(LOG_LEVEL_WARNING, file, line,
				  "log: repeats of the next line were dropped count=%u", dropped);
		return true;
	}
	if (l->shown < LOG_LIMIT_BURST) {
		l->shown++;
		return true;
	}
	l->dropped++;
	return false;
}

const char *log_quote(char buf[LOG_QUOTE_MAX], const char *s)
{
	static const char end[] = "...\"";
	size_t n = 0, whole = 0; /* bytes written; bytes after which "..." still fits */

	if (!s) {
		memcpy(buf, "null", 5);
		return buf;
	}
	buf[n++] = '"';
	while (*s) {
		char part[STR_ESCAPE_MAX];
		size_t len = str_escape(part, &s);

		if (n + sizeof(end) <= LOG_QUOTE_MAX)
			whole = n;
		if (n + len + 2 > LOG_QUOTE_MAX) {
			memcpy(buf + whole, end, sizeof(end));
			return buf;
		}
		memcpy(buf + n, part, len);
		n += len;
	}
	buf[n++] = '"';
	buf[n] = 0;
	return buf;
}
