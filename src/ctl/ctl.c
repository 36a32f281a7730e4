/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/command.h"
#include "ctl/exchange.h"

/* Both are described in status/control.h: the two ends share words, not code. */
#define CONTROL_PATH     "/run/kube-router/control.sock"
#define CONTROL_PATH_ENV "KUBE_ROUTER_CONTROL_SOCKET"

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

bool ctl_is_command(const char *word)
{
	return ctl_command_find(word) != NULL;
}

static int print(void *arg, const char *data, size_t len)
{
	(void)arg;
	return fwrite(data, 1, len, stdout) == len ? 0 : -errno;
}

static int print_help(const struct ctl_command *c)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	ctl_help(c, &text);
	return print(NULL, text.data, text.len) == 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int usage_error(const char *word, const char *why)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct ctl_command *c = ctl_command_find(word);

	if (c)
		ctl_usage(c, &text);
	fprintf(stderr, "kube-router: %s\n%s", why, strbuf_text(&text));
	return EXIT_USAGE;
}

static int ask(const struct ctl_request *request)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	const char *path = getenv(CONTROL_PATH_ENV);
	struct ctl_answer answer;
	char *why;

	ctl_request_encode(request, &line);
	if (ctl_exchange(str_is_empty(path) ? CONTROL_PATH : path, &line,
			 (struct ctl_sink){ print, NULL }, &answer, &why) < 0) {
		fprintf(stderr, "kube-router: %s\n", why);
		free(why);
		return EXIT_FAILED;
	}
	if (answer.error)
		fprintf(stderr, "kube-router: %s\n", answer.error);
	free(answer.error);
	if (fflush(stdout) != 0) {
		perror("kube-router: cannot write the result");
		return EXIT_FAILED;
	}
	return answer.exit_code;
}

int ctl_main(int argc, char *const *argv)
{
	struct ctl_request request;
	char *why;

	if (ctl_request_parse(argc, (const char *const *)argv, &request, &why) < 0) {
		int status = usage_error(argc > 1 ? argv[1] : "", why);

		free(why);
		return status;
	}
	return request.help ? print_help(request.command) : ask(&request);
}
