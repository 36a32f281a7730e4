/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_text.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

static int note_chain(void *arg, struct ipt_span table, struct ipt_span chain)
{
	strbuf_fmt(arg, "chain %.*s/%.*s\n", (int)table.len, table.text, (int)chain.len,
		   chain.text);
	return 0;
}

static int note_rule(void *arg, struct ipt_span table, struct ipt_span chain, struct ipt_span rule)
{
	strbuf_fmt(arg, "rule %.*s/%.*s <%.*s>\n", (int)table.len, table.text, (int)chain.len,
		   chain.text, (int)rule.len, rule.text);
	return 0;
}

static void test_save_walk(void **state)
{
	static const struct {
		const char *name, *text, *want;
		int result;
	} rows[] = {
		{ "nothing", "", "", 0 },
		{ "two tables",
		  "# x\n*filter\n:INPUT ACCEPT [0:0]\n:KUBE-A - [1:2]\n"
		  "-A INPUT -j KUBE-A\n-A KUBE-A\nCOMMIT\n# y\n*nat\nCOMMIT\n",
		  "chain filter/INPUT\nchain filter/KUBE-A\nrule filter/INPUT <-j KUBE-A>\n"
		  "rule filter/KUBE-A <>\n",
		  0 },
		{ "counters", "*filter\n[12:34] -A INPUT -s 192.0.2.1/32 -j DROP \nCOMMIT\n",
		  "rule filter/INPUT <-s 192.0.2.1/32 -j DROP>\n", 0 },
		{ "no newline at the end", "*filter\nCOMMIT", "", 0 },
		{ "cut before COMMIT", "*filter\n:INPUT ACCEPT [0:0]\n", "chain filter/INPUT\n",
		  -EBADMSG },
		{ "rule outside of a table", "-A INPUT -j DROP\n", "", -EBADMSG },
		{ "table in a table", "*filter\n*nat\nCOMMIT\n", "", -EBADMSG },
		{ "table without a name", "*\nCOMMIT\n", "", -EBADMSG },
		{ "chain without a name", "*filter\n:\nCOMMIT\n", "", -EBADMSG },
		{ "not -A", "*filter\n-I INPUT -j DROP\nCOMMIT\n", "", -EBADMSG },
		{ "rule without a chain", "*filter\n-A\nCOMMIT\n", "", -EBADMSG },
		{ "garbage", "Segmentation fault\n", "", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf seen = STRBUF_INIT;
		const struct ipt_save_visitor v = { &seen, note_chain, note_rule };

		CHECK(rows[i].name,
		      ipt_save_walk(rows[i].text, strlen(rows[i].text), &v) == rows[i].result);
		CHECK_STR(rows[i].name, strbuf_text(&seen), rows[i].want);
	}
	CHECK("zero byte", ipt_save_walk("*a\n:\0 -\nCOMMIT\n", 16,
					 &(struct ipt_save_visitor){ 0 }) == -EBADMSG);
}

static void test_canonical(void **state)
{
	static const struct {
		const char *name, *text, *want;
		int result;
	} rows[] = {
		{ "plain", "-i eth0 -j ACCEPT", "-i eth0 -j ACCEPT\n", 0 },
		{ "blanks", "  -i\teth0   -j ACCEPT ", "-i eth0 -j ACCEPT\n", 0 },
		{ "needless quotes", "--comment \"a:b\" -j X", "--comment a:b -j X\n", 0 },
		{ "needed quotes", "--comment \"a b\"", "--comment \"a b\"\n", 0 },
		{ "escapes", "--comment \"q\\\"u\\\\o \\'y\\'\"", "--comment \"q\\\"u\\\\o 'y'\"\n",
		  0 },
		{ "empty word", "--comment \"\" -j X", "--comment \"\" -j X\n", 0 },
		{ "backslash outside is a byte", "--comment a\\b", "--comment \"a\\\\b\"\n", 0 },
		{ "open quote", "--comment \"a", "", -EINVAL },
		{ "ends in a backslash", "--comment \"a\\", "", -EINVAL },
		{ "quote inside a word", "--comment a\"b\"", "", -EINVAL },
		{ "text behind a quote", "--comment \"a\"b", "", -EINVAL },
		{ "control byte", "--comment a\x01", "", -EINVAL },
		{ "newline", "-j A\n-j B", "", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
		const struct ipt_span rule = { rows[i].text, strlen(rows[i].text) };

		CHECK(rows[i].name, ipt_rule_canonical(&out, rule) == rows[i].result);
		CHECK_STR(rows[i].name, strbuf_text(&out), rows[i].want);
	}
}

static void test_ceilings(void **state)
{
	CLEANUP_FREE char *text = xmalloc(IPT_LINE_MAX + 1);
	struct strv words = { 0 };

	(void)state;
	memset(text, 'a', IPT_LINE_MAX + 1);
	CHECK("longest", ipt_words((struct ipt_span){ text, IPT_LINE_MAX }, &words) == 0);
	CHECK("longer", ipt_words((struct ipt_span){ text, IPT_LINE_MAX + 1 }, &words) == -E2BIG);
	strv_fini(&words);
	words = (struct strv){ 0 };
	for (size_t i = 0; i < 2 * IPT_WORDS_MAX + 2; i++)
		text[i] = i & 1 ? ' ' : 'a';
	CHECK("most words",
	      ipt_words((struct ipt_span){ text, (size_t)2 * IPT_WORDS_MAX }, &words) == 0);
	CHECK("counted", words.n == IPT_WORDS_MAX);
	strv_fini(&words);
	words = (struct strv){ 0 };
	CHECK("more words", ipt_words((struct ipt_span){ text, (size_t)2 * IPT_WORDS_MAX + 2 },
				      &words) == -E2BIG);
	strv_fini(&words);
}

static void test_error_line(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "nothing said", "", "" },
		{ "warning first",
		  "# Warning: iptables-legacy tables present\n"
		  "iptables-nft-restore v1.8.9 (nf_tables): Chain 'X' does not exist\n"
		  "Error occurred at line: 4\n",
		  "iptables-nft-restore v1.8.9 (nf_tables): Chain 'X' does not exist" },
		{ "control bytes", "a\tb\x1b[0m\n", "a b [0m" },
		{ "cut",
		  "0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789XYZ",
		  "012345678901234567890123456789012345678901234567890123456789012345678901234567"
		  "8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[80];

		CHECK_STR(rows[i].name,
			  ipt_error_line(buf, sizeof(buf), rows[i].text, strlen(rows[i].text)),
			  rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_save_walk),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_error_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
