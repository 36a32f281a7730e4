/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry: which of the program's three faces is wanted (BGP process, operator's command, agent),
 * and the command line's checks in the order scripts rely on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/flags.h"
#include "base/log.h"
#include "bgp/child.h"
#include "ctl/ctl.h"
#include "version.h"

static void print_version(const char *argv0)
{
	(void)fprintf(stderr, "Running %s version %s, built on %s, %s\n", argv0,
		      KUBE_ROUTER_VERSION, KUBE_ROUTER_BUILT, "C " __VERSION__);
}

static void print_usage(const char *argv0)
{
	CLEANUP_STRBUF struct strbuf usage = STRBUF_INIT;

	flags_usage(&usage, argv0);
	(void)fputs(strbuf_text(&usage), stderr);
}

static int fail(int status, char *error)
{
	(void)fprintf(stderr, "%s\n", error);
	free(error);
	return status;
}

static int run(int argc, char **argv, struct options *opt)
{
	char *error = NULL;

	if (flags_parse(argc, argv, opt, &error) < 0) {
		print_usage(argv[0]);
		return fail(2, error);
	}
	if (options_check_first(opt, &error) < 0)
		return fail(1, error);
	if (opt->help) {
		print_usage(argv[0]);
		return 0;
	}
	if (opt->version) {
		print_version(argv[0]);
		return 0;
	}
	if (geteuid() != 0) {
		(void)fprintf(stderr, "kube-router needs to be run with privileges to execute "
				      "iptables, ipset and configure ipvs\n");
		return 1;
	}
	if (options_check(opt, &error) < 0)
		return fail(1, error);
	log_verbosity_set(opt->verbosity);
	log_info("agent: version=%s built=\"%s\" toolchain=\"C %s\"", KUBE_ROUTER_VERSION,
		 KUBE_ROUTER_BUILT, __VERSION__);
	return agent_run(opt);
}

int main(int argc, char **argv)
{
	struct options opt;
	int status;

	if (argc == 2 && strcmp(argv[1], BGP_CHILD_COMMAND) == 0)
		return bgp_child_main();
	if (argc > 1 && ctl_is_command(argv[1]))
		return ctl_main(argc, argv);
	status = run(argc, argv, &opt);
	options_fini(&opt);
	return status;
}
