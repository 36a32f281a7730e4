/* SPDX-License-Identifier: Apache-2.0 */
#include "status/process.h"

#include <errno.h>

#include "base/test.h"

#define STAT_TAIL                                                                                  \
	" S 1 77 77 0 -1 4194560 2000 0 3 0 150 50 0 0 20 0 4 0 9000 104857600 2560 "              \
	"18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0\n"

static void test_stat(void **state)
{
	static const struct {
		const char *name, *text;
		int want;
	} rows[] = {
		{ "plain", "77 (kube-router)" STAT_TAIL, 0 },
		{ "brackets and blanks in the name", "77 (a) S 1 (b)" STAT_TAIL, 0 },
		{ "empty", "", -EINVAL },
		{ "no name", "77 kube-router S 1", -EINVAL },
		{ "cut off", "77 (x) S 1 77 77 0 -1 4194560 2000 0 3 0 150 50 0 0 20 0 4 0 9000",
		  -EINVAL },
		{ "no number",
		  "77 (x) S 1 77 77 0 -1 4194560 2000 0 3 0 x 50 0 0 20 0 4 0 9000 1 2", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct process_stat st = { 0 };

		CHECK(rows[i].name, process_stat_parse(rows[i].text, &st) == rows[i].want);
		if (rows[i].want < 0)
			continue;
		CHECK(rows[i].name, st.utime_ticks == 150 && st.stime_ticks == 50);
		CHECK(rows[i].name, st.start_ticks == 9000);
		CHECK(rows[i].name, st.vsize_bytes == 104857600 && st.rss_pages == 2560);
	}
}

static void test_btime(void **state)
{
	uint64_t v = 0;

	(void)state;
	CHECK("in the middle",
	      process_btime_parse("cpu  1 2\nbtime 1700000000\nctxt 5\n", &v) == 0);
	CHECK("value", v == 1700000000);
	CHECK("first", process_btime_parse("btime 5\n", &v) == 0 && v == 5);
	CHECK("missing", process_btime_parse("cpu 1\nxbtime 5\n", &v) == -EINVAL);
	CHECK("no number", process_btime_parse("btime \n", &v) == -EINVAL);
}

static void test_netstat(void **state)
{
	static const char text[] = "TcpExt: A InOctets\nTcpExt: 1 2\n"
				   "IpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 123 456\n";
	uint64_t v = 0;

	(void)state;
	CHECK("in", process_netstat_parse(text, "IpExt", "InOctets", &v) == 0 && v == 123);
	CHECK("out", process_netstat_parse(text, "IpExt", "OutOctets", &v) == 0 && v == 456);
	CHECK("other name", process_netstat_parse(text, "IpExt", "InOct", &v) == -EINVAL);
	CHECK("other group", process_netstat_parse(text, "Ip", "InOctets", &v) == -EINVAL);
	CHECK("one line",
	      process_netstat_parse("IpExt: InOctets\n", "IpExt", "InOctets", &v) == -EINVAL);
	CHECK("fewer numbers", process_netstat_parse("IpExt: A InOctets\nIpExt: 1\n", "IpExt",
						     "InOctets", &v) == -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_btime),
		cmocka_unit_test(test_netstat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
