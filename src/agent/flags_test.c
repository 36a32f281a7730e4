/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of the command line, its usage text, and that docs/man/kube-router.8 says the same.
 */
#include "agent/flags.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/flags_table.h"
#include "base/mem.h"
#include "base/test.h"

#define ARGV_MAX   8
#define N_FLAGS    79
#define SECONDS(n) ((n) * (int64_t)1000000000)

static const char *man_path;

/* Parses the words after "kube-router". */
static int parse(const char *const *words, struct options *opt, char **error)
{
	char *argv[ARGV_MAX + 2];
	char name[] = "kube-router";
	int argc = 0, r;

	argv[argc++] = name;
	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	argv[argc] = NULL;
	*error = NULL;
	r = flags_parse(argc, argv, opt, error);
	CHECK("an error has a text", (r == 0) == (*error == NULL));
	return r;
}

static void test_parse_errors(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX], *error;
	} rows[] = {
		{ "unknown flag", { "--nope" }, "unknown flag: --nope" },
		{ "unknown flag with value", { "--nope=1" }, "unknown flag: --nope" },
		{ "part of a name", { "--run" }, "unknown flag: --run" },
		{ "unknown shorthand", { "-x" }, "unknown shorthand flag: 'x' in -x" },
		{ "single dash long name", { "-help" }, "unknown shorthand flag: 'e' in -elp" },
		{ "shorthand with =", { "-h=" }, "unknown shorthand flag: '=' in -=" },
		{ "no value", { "--health-port" }, "flag needs an argument: --health-port" },
		{ "no value, short", { "-v" }, "flag needs an argument: 'v' in -v" },
		{ "no value, bundled", { "-hv" }, "flag needs an argument: 'v' in -v" },
		{ "three dashes", { "---a" }, "bad flag syntax: ---a" },
		{ "no name", { "--=a" }, "bad flag syntax: --=a" },
		{ "bad boolean",
		  { "--run-router=maybe" },
		  "invalid argument \"maybe\" for \"--run-router\" flag: " },
		{ "empty boolean",
		  { "--run-router=" },
		  "invalid argument \"\" for \"--run-router\" flag: " },
		{ "boolean yes",
		  { "--run-router=yes" },
		  "invalid argument \"yes\" for \"--run-router\" flag: " },
		{ "boolean in strange case",
		  { "--run-router=tRUE" },
		  "invalid argument \"tRUE\" for \"--run-router\" flag: " },
		{ "out of range",
		  { "--health-port=70000" },
		  "invalid argument \"70000\" for \"--health-port\" flag: value out of range" },
		{ "uint8 out of range",
		  { "--peer-router-multihop-ttl=256" },
		  "invalid argument \"256\" for \"--peer-router-multihop-ttl\" flag: value out of "
		  "range" },
		{ "uint32 out of range",
		  { "--bgp-port=4294967296" },
		  "invalid argument \"4294967296\" for \"--bgp-port\" flag: value out of range" },
		{ "signed",
		  { "--bgp-port=+1" },
		  "invalid argument \"+1\" for \"--bgp-port\" flag: " },
		{ "negative",
		  { "--bgp-port", "-1" },
		  "invalid argument \"-1\" for \"--bgp-port\" flag: invalid syntax" },
		{ "bad octal",
		  { "--bgp-port=08" },
		  "invalid argument \"08\" for \"--bgp-port\" flag: invalid syntax" },
		{ "empty number",
		  { "--bgp-port=" },
		  "invalid argument \"\" for \"--bgp-port\" flag: " },
		{ "uints empty",
		  { "--peer-router-asns=" },
		  "invalid argument \"\" for \"--peer-router-asns\" flag: " },
		{ "uints base 10 only",
		  { "--peer-router-asns=0x10" },
		  "invalid argument \"0x10\" for \"--peer-router-asns\" flag: invalid syntax" },
		{ "uints with a blank",
		  { "--peer-router-asns=1, 2" },
		  "invalid argument \"1, 2\" for \"--peer-router-asns\" flag: invalid syntax" },
		{ "uints with an empty one",
		  { "--peer-router-ports=1,,2" },
		  "invalid argument \"1,,2\" for \"--peer-router-ports\" flag: invalid syntax" },
		{ "bare quote",
		  { "--excluded-cidrs=a\"b" },
		  "invalid argument \"a\"b\" for \"--excluded-cidrs\" flag: bare \"" },
		{ "open quote", { "--excluded-cidrs=\"a" }, "invalid argument \"\"a\" for " },
		{ "quote alone", { "--excluded-cidrs=\"" }, "invalid argument \"\"\" for " },
		{ "open behind a doubled quote",
		  { "--excluded-cidrs=\"a\"\"" },
		  "invalid argument \"\"a\"\"\" for " },
		{ "text behind a quoted field",
		  { "--excluded-cidrs=\"a\"b" },
		  "invalid argument \"\"a\"b\" for " },
		{ "three octets",
		  { "--peer-router-ips=1.2.3" },
		  "invalid argument \"1.2.3\" for \"--peer-router-ips\" flag: invalid string being "
		  "converted to IP address" },
		{ "octet with a leading zero",
		  { "--peer-router-ips=10.0.0.01" },
		  "invalid argument \"10.0.0.01\" for \"--peer-router-ips\" flag: " },
		{ "the same inside IPv6",
		  { "--peer-router-ips=::ffff:10.0.0.01" },
		  "invalid argument \"::ffff:10.0.0.01\" for " },
		{ "an empty address",
		  { "--peer-router-ips=1.2.3.4," },
		  "invalid argument \"1.2.3.4,\" for " },
		{ "prefix",
		  { "--peer-router-ips=10.0.0.0/8" },
		  "invalid argument \"10.0.0.0/8\" for " },
		{ "duration without unit",
		  { "--bgp-holdtime=5" },
		  "invalid argument \"5\" for \"--bgp-holdtime\" flag: time: missing unit in "
		  "duration" },
		{ "days",
		  { "--bgp-holdtime", "1d" },
		  "invalid argument \"1d\" for \"--bgp-holdtime\" flag: time: unknown unit" },
		{ "empty duration",
		  { "--bgp-holdtime=" },
		  "invalid argument \"\" for \"--bgp-holdtime\" flag: time: invalid duration" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *error = NULL;
		struct options opt;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == -EINVAL);
		if (!str_starts(error, rows[i].error))
			CHECK_STR(rows[i].name, error, rows[i].error);
		options_fini(&opt);
	}
}

/* A flag with a shorthand is named with both. */
static void test_shorthand_error(void **state)
{
	static const char *const words[] = { "-h=no", NULL };
	CLEANUP_FREE char *error = NULL;
	struct options opt;

	(void)state;
	CHECK("refused", parse(words, &opt, &error) == -EINVAL);
	CHECK("named", str_starts(error, "invalid argument \"no\" for \"-h, --help\" flag: "));
	options_fini(&opt);
}

static void test_booleans(void **state)
{
	static const struct {
		const char *word;
		bool want;
	} rows[] = {
		{ "--enable-ipv6", true },        { "--enable-ipv6=1", true },
		{ "--enable-ipv6=t", true },      { "--enable-ipv6=T", true },
		{ "--enable-ipv6=TRUE", true },   { "--enable-ipv6=true", true },
		{ "--enable-ipv6=True", true },   { "--enable-ipv6=0", false },
		{ "--enable-ipv6=f", false },     { "--enable-ipv6=F", false },
		{ "--enable-ipv6=FALSE", false }, { "--enable-ipv6=false", false },
		{ "--enable-ipv6=False", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const words[] = { rows[i].word, NULL };
		struct options opt;
		char *error;

		CHECK(rows[i].word, parse(words, &opt, &error) == 0);
		CHECK(rows[i].word, opt.enable_ipv6 == rows[i].want);
		options_fini(&opt);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *word;
		uint32_t want;
	} rows[] = {
		{ "--bgp-port=1790", 1790 },   { "--bgp-port=0x6fe", 1790 },
		{ "--bgp-port=0o3376", 1790 }, { "--bgp-port=03376", 1790 },
		{ "--bgp-port=0b11", 3 },      { "--bgp-port=1_790", 1790 },
		{ "--bgp-port=0", 0 },         { "--bgp-port=4294967295", UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const words[] = { rows[i].word, NULL };
		struct options opt;
		char *error;

		CHECK(rows[i].word, parse(words, &opt, &error) == 0);
		CHECK(rows[i].word, opt.bgp_port == rows[i].want);
		options_fini(&opt);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *word;
		int64_t want_ns;
	} rows[] = {
		{ "--bgp-holdtime=90s", SECONDS(90) },
		{ "--bgp-holdtime=1m30s", SECONDS(90) },
		{ "--bgp-holdtime=1h2m3.5s", SECONDS(3723) + 500000000 },
		{ "--bgp-holdtime=.5m", SECONDS(30) },
		{ "--bgp-holdtime=0", 0 },
		{ "--bgp-holdtime=-1s", -SECONDS(1) },
		{ "--bgp-holdtime=1500ms", SECONDS(1) + 500000000 },
		{ "--bgp-holdtime=1us", 1000 },
		{ "--bgp-holdtime=1\xc2\xb5s", 1000 },
		{ "--bgp-holdtime=7ns", 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const words[] = { rows[i].word, NULL };
		struct options opt;
		char *error;

		CHECK(rows[i].word, parse(words, &opt, &error) == 0);
		CHECK(rows[i].word, opt.bgp_holdtime == rows[i].want_ns);
		options_fini(&opt);
	}
}

/* The elements joined by |. */
static void test_strings(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX], *want;
	} rows[] = {
		{ "default", { NULL }, "10.96.0.0/12" },
		{ "one", { "--service-cluster-ip-range=a" }, "a" },
		{ "two", { "--service-cluster-ip-range", "a,b" }, "a|b" },
		{ "first replaces, later append",
		  { "--service-cluster-ip-range=a", "--service-cluster-ip-range=b,c" },
		  "a|b|c" },
		{ "quotes protect commas", { "--service-cluster-ip-range=\"a,b\",c" }, "a,b|c" },
		{ "doubled quotes", { "--service-cluster-ip-range=\"a\"\"b\"" }, "a\"b" },
		{ "empty quoted field", { "--service-cluster-ip-range=\"\",a" }, "|a" },
		{ "trailing comma", { "--service-cluster-ip-range=a," }, "a|" },
		{ "blanks stay", { "--service-cluster-ip-range=a, b" }, "a| b" },
		{ "empty is an empty list", { "--service-cluster-ip-range=" }, "(none)" },
		{ "empty, then more",
		  { "--service-cluster-ip-range=", "--service-cluster-ip-range=a" },
		  "a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
		struct options opt;
		char *error;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == 0);
		for (size_t k = 0; k < opt.service_cluster_ip_range.n; k++)
			strbuf_fmt(&got, "%s%s", k ? "|" : "", opt.service_cluster_ip_range.v[k]);
		if (opt.service_cluster_ip_range.n == 0)
			strbuf_puts(&got, "(none)");
		CHECK_STR(rows[i].name, strbuf_text(&got), rows[i].want);
		options_fini(&opt);
	}
}

static void test_addresses(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX], *want;
	} rows[] = {
		{ "both families", { "--peer-router-ips=10.0.0.1,fd00::1" }, "10.0.0.1|fd00::1" },
		{ "blanks around",
		  { "--peer-router-ips= 10.0.0.1 ,\t10.0.0.2\n" },
		  "10.0.0.1|10.0.0.2" },
		{ "quotes are dropped",
		  { "--peer-router-ips=\"10.0.0.1\",'10.0.0.2',`10.0.0.3`" },
		  "10.0.0.1|10.0.0.2|10.0.0.3" },
		{ "appended",
		  { "--peer-router-ips=10.0.0.1", "--peer-router-ips=10.0.0.2" },
		  "10.0.0.1|10.0.0.2" },
		{ "empty", { "--peer-router-ips=" }, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
		char text[IP_ADDR_FMT_MAX];
		struct options opt;
		char *error;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == 0);
		for (size_t k = 0; k < opt.peer_router_ips.n; k++)
			strbuf_fmt(&got, "%s%s", k ? "|" : "",
				   ip_fmt(text, &opt.peer_router_ips.v[k]));
		CHECK_STR(rows[i].name, strbuf_text(&got), rows[i].want);
		options_fini(&opt);
	}
}

static void test_uints(void **state)
{
	static const char *const words[] = { "--peer-router-asns=1,4294967295",
					     "--peer-router-asns", "64512", NULL };
	struct options opt;
	char *error;

	(void)state;
	CHECK("parsed", parse(words, &opt, &error) == 0);
	CHECK("three", opt.peer_router_asns.n == 3);
	CHECK("values", opt.peer_router_asns.v[0] == 1 && opt.peer_router_asns.v[1] == 4294967295 &&
				opt.peer_router_asns.v[2] == 64512);
	options_fini(&opt);
}

/* What is a value, what a flag, what neither. */
static void test_words(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX];
		const char *hostname, *verbosity, *positional; /* positional: joined by | */
		bool help, version;
	} rows[] = {
		{ "nothing", { NULL }, "", "0", "", false, false },
		{ "value behind", { "--hostname-override", "n" }, "n", "0", "", false, false },
		{ "a value may look like a flag",
		  { "--hostname-override", "--help" },
		  "--help",
		  "0",
		  "",
		  false,
		  false },
		{ "or be --", { "--hostname-override", "--" }, "--", "0", "", false, false },
		{ "empty value", { "--hostname-override=" }, "", "0", "", false, false },
		{ "= in the value", { "--hostname-override=a=b" }, "a=b", "0", "", false, false },
		{ "last one wins",
		  { "--hostname-override=a", "--hostname-override=b" },
		  "b",
		  "0",
		  "",
		  false,
		  false },
		{ "a boolean takes no value behind",
		  { "--help", "false" },
		  "",
		  "0",
		  "false",
		  true,
		  false },
		{ "bundled", { "-hV" }, "", "0", "", true, true },
		{ "short value behind", { "-v", "2" }, "", "2", "", false, false },
		{ "short value glued", { "-v2" }, "", "2", "", false, false },
		{ "short value with =", { "-v=2" }, "", "2", "", false, false },
		{ "-vh is verbosity h", { "-vh" }, "", "h", "", false, false },
		{ "bundle that ends with a value", { "-hv2" }, "", "2", "", true, false },
		{ "long name of a short one", { "--v=3" }, "", "3", "", false, false },
		{ "interspersed", { "a", "-h", "b" }, "", "0", "a|b", true, false },
		{ "terminator", { "-V", "--", "-h", "--" }, "", "0", "-h|--", false, true },
		{ "a lone dash", { "-", "-h" }, "", "0", "-", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
		struct options opt;
		char *error;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == 0);
		CHECK_STR(rows[i].name, opt.hostname_override, rows[i].hostname);
		CHECK_STR(rows[i].name, opt.verbosity_text, rows[i].verbosity);
		CHECK(rows[i].name, opt.help == rows[i].help && opt.version == rows[i].version);
		for (size_t k = 0; k < opt.positional.n; k++)
			strbuf_fmt(&got, "%s%s", k ? "|" : "", opt.positional.v[k]);
		CHECK_STR(rows[i].name, strbuf_text(&got), rows[i].positional);
		options_fini(&opt);
	}
}

static void test_check_first(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX], *error; /* NULL: good */
		int32_t verbosity;
	} rows[] = {
		{ "default", { NULL }, NULL, 0 },
		{ "verbosity", { "-v", "+4" }, NULL, 4 },
		{ "negative", { "-v", "-2147483648" }, NULL, INT32_MIN },
		{ "no number",
		  { "-v=abc", "--help" },
		  "failed to set log level to \"abc\": strconv.ParseInt: parsing \"abc\": invalid "
		  "syntax",
		  0 },
		{ "base 10 only",
		  { "-v0x1" },
		  "failed to set log level to \"0x1\": strconv.ParseInt: parsing \"0x1\": invalid "
		  "syntax",
		  0 },
		{ "too large",
		  { "-v2147483648" },
		  "failed to set log level to \"2147483648\": strconv.ParseInt: parsing "
		  "\"2147483648\": value out of range",
		  0 },
		{ "verbosity before arguments",
		  { "foo", "-v"
			   "x" },
		  "failed to set log level to \"x\": strconv.ParseInt: parsing \"x\": invalid "
		  "syntax",
		  0 },
		{ "positional",
		  { "foo", "--help" },
		  "unrecognized positional argument(s): [foo]",
		  0 },
		{ "two", { "foo", "bar" }, "unrecognized positional argument(s): [foo bar]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *error = NULL;
		struct options opt;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == 0);
		CHECK(rows[i].name,
		      options_check_first(&opt, &error) == (rows[i].error ? -EINVAL : 0));
		if (rows[i].error)
			CHECK_STR(rows[i].name, error, rows[i].error);
		else
			CHECK(rows[i].name, opt.verbosity == rows[i].verbosity);
		options_fini(&opt);
	}
}

static void test_check(void **state)
{
	static const struct {
		const char *name, *words[ARGV_MAX];
		const char *flag, *value; /* in the error; NULL: good */
	} rows[] = {
		{ "defaults", { NULL }, NULL, NULL },
		{ "routes", { "--routes-sync-period=0" }, "--routes-sync-period", "0s" },
		{ "injected",
		  { "--injected-routes-sync-period=-1s" },
		  "--injected-routes-sync-period",
		  "-1s" },
		{ "iptables", { "--iptables-sync-period=0" }, "--iptables-sync-period", "0s" },
		{ "ipvs", { "--ipvs-sync-period=0" }, "--ipvs-sync-period", "0s" },
		{ "overlay type", { "--overlay-type=fulll" }, "--overlay-type", "\"fulll\"" },
		{ "overlay type full", { "--overlay-type=full" }, NULL, NULL },
		{ "overlay encap", { "--overlay-encap=vxlan" }, "--overlay-encap", "\"vxlan\"" },
		{ "overlay encap fou", { "--overlay-encap=fou" }, NULL, NULL },
		{ "overlay port", { "--overlay-encap-port=1023" }, "--overlay-encap-port", "1023" },
		{ "lowest overlay port", { "--overlay-encap-port=1024" }, NULL, NULL },
		{ "hold time", { "--bgp-holdtime=2.9s" }, "--bgp-holdtime", "2.9s" },
		{ "shortest hold time", { "--bgp-holdtime=3s" }, NULL, NULL },
		{ "longest hold time", { "--bgp-holdtime=65535s" }, NULL, NULL },
		{ "longer hold time", { "--bgp-holdtime=65536s" }, "--bgp-holdtime", "18h12m16s" },
		{ "ASN", { "--cluster-asn=64511" }, "cluster ASN", "64511" },
		{ "first private ASN", { "--cluster-asn=64512" }, NULL, NULL },
		{ "last of two octets", { "--cluster-asn=65535" }, NULL, NULL },
		{ "between", { "--cluster-asn=65536" }, "cluster ASN", "65536" },
		{ "first of four octets", { "--cluster-asn=4200000000" }, NULL, NULL },
		{ "last of four octets", { "--cluster-asn=4294967294" }, NULL, NULL },
		{ "past it", { "--cluster-asn=4294967295" }, "cluster ASN", "4294967295" },
		{ "huge ASN",
		  { "--cluster-asn=18446744073709551615" },
		  "cluster ASN",
		  "18446744073709551615" },
		{ "BGP port", { "--bgp-port=65536" }, "--bgp-port", "65536" },
		{ "metrics path", { "--metrics-path=metrics" }, "--metrics-path", "\"metrics\"" },
		{ "metrics port 65535", { "--metrics-port=65535" }, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *error = NULL;
		struct options opt;

		CHECK(rows[i].name, parse(rows[i].words, &opt, &error) == 0);
		CHECK(rows[i].name, options_check(&opt, &error) == (rows[i].flag ? -EINVAL : 0));
		if (rows[i].flag) {
			CHECK(rows[i].name, strstr(error, rows[i].flag));
			CHECK(rows[i].name, strstr(error, rows[i].value));
			CHECK(rows[i].name, !strchr(error, '\n'));
		}
		options_fini(&opt);
	}
}

static void count_flag(void *arg, const char *flag)
{
	size_t *n = arg;

	(*n)++;
	CHECK("it is the one that was set",
	      str_eq(flag, "hairpin-mode") || str_eq(flag, "--hairpin-mode"));
}

static void test_without_effect(void **state)
{
	static const char *const words[] = { "--hairpin-mode", "--masquerade-all=false", "-v1",
					     NULL };
	struct options opt;
	size_t n = 0;
	char *error;
	bool applies = false;

	(void)state;
	for (size_t i = 0; i < flag_table_len; i++)
		applies = applies || (str_eq(flag_table[i].name, "hairpin-mode") &&
				      flag_table[i].without_effect);
	CHECK("parsed", parse(words, &opt, &error) == 0);
	options_without_effect(&opt, count_flag, &n);
	CHECK("told once, where it has none", n == (applies ? 1 : 0));
	options_fini(&opt);
}

/* --- the table --- */

static void test_table(void **state)
{
	(void)state;
	CHECK("79 flags", flag_table_len == N_FLAGS);
	for (size_t i = 0; i < flag_table_len; i++) {
		const struct flag *f = &flag_table[i];
		char *argv[3];
		CLEANUP_FREE char *word = NULL;
		struct options opt;
		char *error = NULL;

		CHECK(f->name, i == 0 || strcmp(flag_table[i - 1].name, f->name) < 0);
		CHECK(f->name, *f->help && strlen(f->help) < 160 && !strpbrk(f->help, "`\n"));
		CHECK(f->name, f->offset + 1 <= sizeof(opt));
		for (size_t k = 0; k < i; k++)
			CHECK(f->name, flag_table[k].offset != f->offset);
		if (!*f->default_)
			continue;
		/* a default is a value that could have been given */
		word = xasprintf("--%s=%s", f->name, f->default_);
		argv[0] = word;
		argv[1] = word;
		argv[2] = NULL;
		CHECK(f->name, flags_parse(2, argv, &opt, &error) == 0);
		options_fini(&opt);
	}
}

static void test_usage(void **state)
{
	static const char *const lines[] = {
		"  -h, --help                                          ",
		"  -V, --version                                       ",
		"  -v, --v string                                      ",
		"      --bgp-graceful-restart-deferral-time duration   ",
		"      --peer-router-ips ipSlice                       ",
		"      --peer-router-multihop-ttl uint8                ",
		"      --health-port uint16                            ",
		"      --bgp-port uint32                               ",
		"      --cluster-asn uint                              ",
		"      --peer-router-asns uints                        ",
		"      --excluded-cidrs strings                        ",
	};
	static const struct {
		const char *flag, *end;
	} ends[] = {
		{ "--help ", "." },
		{ "--run-router ", " (default true)" },
		{ "--v string ", " (default \"0\")" },
		{ "--bgp-holdtime ", " (default 1m30s)" },
		{ "--bgp-graceful-restart-deferral-time ", " (default 6m0s)" },
		{ "--cache-sync-timeout ", " (default 1m0s)" },
		{ "--service-tcp-timeout ", "." },
		{ "--peer-router-asns uints", " (default [])" },
		{ "--peer-router-ips ipSlice", " (default [])" },
		{ "--peer-router-passwords strings ", "." },
		{ "--service-cluster-ip-range ", " (default [10.96.0.0/12])" },
		{ "--health-port ", " (default 20244)" },
		{ "--metrics-port ", "." },
		{ "--metrics-path ", " (default \"/metrics\")" },
		{ "--kubeconfig ", "." },
	};
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct strv v = { 0 };

	(void)state;
	flags_usage(&out, "./kube-router");
	CHECK("ends with a newline", str_ends(strbuf_text(&out), "\n"));
	strv_split(&v, strbuf_text(&out), '\n');
	CHECK("a line each and a first one", v.n == N_FLAGS + 2); /* the last is empty */
	CHECK_STR("first", v.v[0], "Usage of ./kube-router:");
	for (size_t i = 1; i <= N_FLAGS; i++) {
		CHECK(v.v[i], v.v[i][53] == ' ' && v.v[i][54] != ' ');
		CHECK(v.v[i], strstr(v.v[i], flag_table[i - 1].name));
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CHECK(lines[i], strstr(strbuf_text(&out), lines[i]));
		CHECK(lines[i], strlen(lines[i]) == 54);
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		bool found = false;

		for (size_t k = 1; k <= N_FLAGS; k++) {
			if (strstr(v.v[k], ends[i].flag)) {
				found = true;
				CHECK(ends[i].flag, str_ends(v.v[k], ends[i].end));
			}
		}
		CHECK(ends[i].flag, found);
	}
	strv_fini(&v);
}

/* --- the manual --- */

#define MAN_BEGIN ".\\\" flags: written by flags_test --update from the table\n"
#define MAN_END   ".\\\" end of flags\n"

/* mdoc: a leading dot or quote would be a request, a backslash starts an escape. */
static void man_text(struct strbuf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		strbuf_puts(out, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			strbuf_puts(out, "\\e");
		else if (*text == '-' && text[1] == '-')
			strbuf_puts(out, "\\-");
		else
			strbuf_putc(out, *text);
	}
	strbuf_putc(out, '\n');
}

static void man_flag(void *arg, const char *name, const char *type, const char *default_,
		     const char *help)
{
	struct strbuf *out = arg;
	const struct flag *f = flag_table;

	while (!str_eq(f->name, name))
		f++;
	strbuf_puts(out, ".It ");
	if (f->shorthand)
		strbuf_fmt(out, "Fl %c , ", f->shorthand);
	strbuf_fmt(out, "Fl Fl %s", name);
	if (*type)
		strbuf_fmt(out, " Ar %s", type);
	strbuf_putc(out, '\n');
	man_text(out, help);
	if (*default_) {
		CLEANUP_FREE char *sentence = xasprintf("Default: %s.", default_);

		man_text(out, sentence);
	}
	if (f->without_effect)
		strbuf_puts(out, "Accepted, without effect yet.\n");
}

static char *file_read(const char *path)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	FILE *f = fopen(path, "re");
	char buf[4096];
	size_t n;

	CHECK(path, f != NULL);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(&text, buf, n);
	(void)fclose(f);
	return strbuf_take(&text);
}

/* The whole manual with the flags as the table has them. */
static char *man_wanted(const char *man)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	const char *begin = strstr(man, MAN_BEGIN), *end = strstr(man, MAN_END);

	CHECK("the manual has the marks around its flags", begin && end && begin < end);
	strbuf_add(&out, man, (size_t)(begin - man));
	strbuf_puts(&out, MAN_BEGIN);
	flags_walk(man_flag, &out);
	strbuf_puts(&out, end);
	return strbuf_take(&out);
}

static void test_manual(void **state)
{
	CLEANUP_FREE char *man = NULL, *want = NULL;

	(void)state;
	if (!man_path)
		skip();
	man = file_read(man_path);
	want = man_wanted(man);
	CHECK("docs/man/kube-router.8 is as the table (flags_test --update FILE writes it)",
	      strcmp(man, want) == 0);
}

static int update(const char *path)
{
	CLEANUP_FREE char *man = file_read(path), *want = man_wanted(man);
	FILE *f = fopen(path, "we");

	if (!f || fputs(want, f) < 0 || fclose(f) != 0) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_errors), cmocka_unit_test(test_shorthand_error),
		cmocka_unit_test(test_booleans),     cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_durations),    cmocka_unit_test(test_strings),
		cmocka_unit_test(test_addresses),    cmocka_unit_test(test_uints),
		cmocka_unit_test(test_words),        cmocka_unit_test(test_check_first),
		cmocka_unit_test(test_check),        cmocka_unit_test(test_without_effect),
		cmocka_unit_test(test_table),        cmocka_unit_test(test_usage),
		cmocka_unit_test(test_manual),
	};

	if (argc == 3 && strcmp(argv[1], "--update") == 0)
		return update(argv[2]);
	man_path = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
