/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

#include "base/test.h"

#define LINE_MAX_SEEN 8192

static char last[LINE_MAX_SEEN];
static unsigned n_lines;

static void sink(void *arg, const char *line)
{
	(void)arg;
	n_lines++;
	(void)snprintf(last, sizeof(last), "%s", line);
}

static bool matches(const char *line, const char *pattern)
{
	regex_t re;
	bool ok;

	CHECK(pattern, regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	ok = regexec(&re, line, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static void test_header(void **state)
{
	static const char head[] =
		"[01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6} "
		"[ 0-9]{7,} log_test\\.c:[0-9]+\\] ";
	char pattern[256];

	(void)state;
	log_sink_set(sink, NULL);
	errno = EAGAIN;
	log_info("bgp: session up peer=%s", "192.0.2.1");
	CHECK("errno is kept", errno == EAGAIN);
	(void)snprintf(pattern, sizeof(pattern), "^I%sbgp: session up peer=192\\.0\\.2\\.1$", head);
	CHECK(last, matches(last, pattern));
	log_warning("x");
	(void)snprintf(pattern, sizeof(pattern), "^W%sx$", head);
	CHECK(last, matches(last, pattern));
	log_err("x");
	CHECK(last, last[0] == 'E');
	log_fatal("x");
	CHECK(last, last[0] == 'F');
	log_write(LOG_LEVEL_INFO, "src/bgp/a.c", 5, "x");
	CHECK(last, strstr(last, " a.c:5] x") != NULL);
	log_sink_set(NULL, NULL);
}

static void test_verbosity(void **state)
{
	(void)state;
	log_sink_set(sink, NULL);
	n_lines = 0;
	log_verbosity_set(1);
	log_debug(2, "hidden");
	CHECK("above", n_lines == 0 && !log_shows(2));
	log_debug(1, "shown");
	CHECK("at", n_lines == 1 && log_shows(1));
	log_verbosity_set(0);
	log_debug(1, "hidden");
	CHECK("lowered", n_lines == 1);
	log_sink_set(NULL, NULL);
}

/* One line stays one line, and ends at the ceiling. */
static void test_line(void **state)
{
	static char text[LINE_MAX_SEEN];
	int fds[2];
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	(void)state;
	CHECK("pipe", saved >= 0 && pipe2(fds, O_CLOEXEC) == 0);
	memset(text, 'x', sizeof(text) - 1);
	CHECK("dup", dup2(fds[1], STDERR_FILENO) == STDERR_FILENO);
	log_info("area: forged\nE1122 line %s", text);
	CHECK("dup back", dup2(saved, STDERR_FILENO) == STDERR_FILENO);
	n = read(fds[0], last, sizeof(last));
	CHECK("cut at the ceiling", n == 4096);
	CHECK("marked", memcmp(last + n - 4, "...\n", 4) == 0);
	CHECK("one newline", memchr(last, '\n', (size_t)n) == last + n - 1);
	close(fds[0]);
	close(fds[1]);
	close(saved);
}

static void noisy(void)
{
	LOG_LIMIT(log_warning, "area: again");
}

static void test_limit(void **state)
{
	struct log_limit l = { 0 };

	(void)state;
	log_sink_set(sink, NULL);
	n_lines = 0;
	for (int i = 0; i < 100; i++)
		noisy();
	CHECK("burst", n_lines == LOG_LIMIT_BURST);

	n_lines = 0;
	for (int i = 0; i < LOG_LIMIT_BURST; i++)
		CHECK("passes", log_limit_pass(&l, "a.c", 1));
	for (int i = 0; i < 25; i++)
		CHECK("dropped", !log_limit_pass(&l, "a.c", 1));
	CHECK("silent so far", n_lines == 0);
	l.start.us -= 60 * US_PER_S; /* a minute goes by */
	CHECK("passes again", log_limit_pass(&l, "a.c", 1));
	CHECK("says how many", n_lines == 1 && strstr(last, "count=25") != NULL);
	CHECK("and counts anew", l.shown == 1 && l.dropped == 0);
	log_sink_set(NULL, NULL);
}

static void test_quote(void **state)
{
	static char text[400];
	char buf[LOG_QUOTE_MAX];

	(void)state;
	CHECK_STR("NULL", log_quote(buf, NULL), "null");
	CHECK_STR("escapes", log_quote(buf, "a\n\"\x01"), "\"a\\n\\\"\\x01\"");
	for (size_t len = 240; len < 300; len++) {
		memset(text, 'x', len);
		text[len] = 0;
		(void)log_quote(buf, text);
		CHECK("fits or is cut", strlen(buf) == MIN(len + 2, (size_t)LOG_QUOTE_MAX - 1));
		CHECK("ends with a quote", buf[strlen(buf) - 1] == '"');
		CHECK("marked", (len + 2 > LOG_QUOTE_MAX - 1) == (strstr(buf, "x...\"") != NULL));
	}
	/* an escape is never cut in two */
	for (size_t at = 240; at < 256; at++) {
		memset(text, 'x', at);
		memset(text + at, 1, 20);
		text[at + 20] = 0;
		(void)log_quote(buf, text);
		CHECK("whole escapes", matches(buf, "^\"x+(\\\\x01)*\\.\\.\\.\"$"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header), cmocka_unit_test(test_verbosity),
		cmocka_unit_test(test_line),   cmocka_unit_test(test_limit),
		cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
