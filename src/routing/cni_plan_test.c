/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/cni_plan.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

#define LIST "/etc/cni/net.d/10-kuberouter.conflist"
#define CONF "/etc/cni/net.d/10-kuberouter.conf"

static struct cni_want want_make(const char *cidr4, const char *cidr6, uint32_t mtu)
{
	struct cni_want want = { .mtu = mtu };

	if (cidr4)
		CHECK(cidr4, ip_prefix_parse(cidr4, &want.cidrs.v[want.cidrs.n++]) == 0);
	if (cidr6)
		CHECK(cidr6, ip_prefix_parse(cidr6, &want.cidrs.v[want.cidrs.n++]) == 0);
	return want;
}

struct row {
	const char *name, *path, *text;
	const char *cidr4, *cidr6;
	uint32_t mtu;
	const char *want; /* the new text, or a part of the error */
};

/* The result is planned once more: it must be its own result (nothing is written twice). */
static void check_good(const struct row *row)
{
	const struct cni_want want = want_make(row->cidr4, row->cidr6, row->mtu);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, again = STRBUF_INIT;
	CLEANUP_FREE char *why = NULL;

	(void)cni_plan(row->path, row->text, strlen(row->text), &want, &out, &why);
	CHECK_STR(row->name, why ? why : "", "");
	CHECK_STR(row->name, strbuf_text(&out), row->want);
	CHECK(row->name, cni_plan(row->path, strbuf_text(&out), out.len, &want, &again, &why) == 0);
	CHECK_STR(row->name, strbuf_text(&again), strbuf_text(&out));
}

static void check_bad(const struct row *row)
{
	const struct cni_want want = want_make(row->cidr4, row->cidr6, row->mtu);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	CLEANUP_FREE char *why = NULL;

	strbuf_puts(&out, "untouched");
	CHECK(row->name,
	      cni_plan(row->path, row->text, strlen(row->text), &want, &out, &why) == -EINVAL);
	CHECK_STR(row->name, strbuf_text(&out), "untouched");
	CHECK(why, why && strstr(why, row->want) && strstr(why, row->path) &&
			   strstr(why, "failed to parse CNI Config: ") == why);
}

/* The file the manifests ship, hostPort variant, on a dual-stack node. */
static void test_manifest_example(void **state)
{
	static const struct row rows[] = {
		{ "first start", LIST,
		  "{\n  \"cniVersion\":\"0.3.0\",\n  \"name\":\"mynet\",\n  \"plugins\":[\n"
		  "    {\"name\":\"kubernetes\",\"type\":\"bridge\",\"bridge\":\"kube-bridge\","
		  "\"isDefaultGateway\":true,\"hairpinMode\":true,\n"
		  "     \"ipam\":{\"type\":\"host-local\"}},\n"
		  "    "
		  "{\"type\":\"portmap\",\"capabilities\":{\"snat\":true,\"portMappings\":true}}\n"
		  "  ]\n}\n",
		  "10.244.1.0/24", "2001:db8:42::/64", 1500,
		  "{\"cniVersion\":\"0.3.0\",\"name\":\"mynet\",\"plugins\":[{\"bridge\":"
		  "\"kube-bridge\",\"hairpinMode\":true,\"ipam\":{\"ranges\":[[{\"subnet\":"
		  "\"10.244.1.0/24\"}],[{\"subnet\":\"2001:db8:42::/64\"}]],\"type\":"
		  "\"host-local\"},\"isDefaultGateway\":true,\"mtu\":1500,\"name\":\"kubernetes\","
		  "\"type\":\"bridge\"},{\"capabilities\":{\"snat\":true,\"portMappings\":true},"
		  "\"type\":\"portmap\"}]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_good(&rows[i]);
}

#define BRIDGE(ranges)                                                                             \
	"{\"ipam\":{\"ranges\":[" ranges "],\"type\":\"host-local\"},\"type\":\"bridge\"}"
#define OWN(cidr) "[{\"subnet\":\"" cidr "\"}]"

static void test_merging(void **state)
{
	static const struct row rows[] = {
		{ "subnet is folded", CONF,
		  "{\"type\":\"bridge\",\"ipam\":{\"type\":\"host-local\",\"subnet\":\"10.1.0.0/"
		  "24\"}}",
		  "10.1.0.0/24", NULL, 0, BRIDGE(OWN("10.1.0.0/24")) },
		{ "empty subnet goes", CONF,
		  "{\"type\":\"bridge\",\"ipam\":{\"type\":\"host-local\",\"subnet\":\"\"}}",
		  "10.1.0.0/24", NULL, 0, BRIDGE(OWN("10.1.0.0/24")) },
		{ "folded subnet comes before the new ones", CONF,
		  "{\"type\":\"bridge\",\"ipam\":{\"type\":\"host-local\",\"subnet\":"
		  "\"2001:db8:1::/64\"}}",
		  "10.1.0.0/24", NULL, 0, BRIDGE(OWN("2001:db8:1::/64") "," OWN("10.1.0.0/24")) },
		{ "mtu is left alone", CONF, BRIDGE(OWN("10.1.0.0/24")), "10.1.0.0/24", NULL, 0,
		  BRIDGE(OWN("10.1.0.0/24")) },
		{ "suffix in capitals is a list", "/x/A.CONFLIST", "{\"plugins\":[" BRIDGE("") "]}",
		  "10.1.0.0/24", NULL, 0, "{\"plugins\":[" BRIDGE(OWN("10.1.0.0/24")) "]}" },
		{ "the operator's set with several ranges stays", CONF,
		  BRIDGE("[{\"subnet\":\"10.9.0.0/24\"},{\"subnet\":\"10.8.0.0/24\"}]"),
		  "10.1.0.0/24", NULL, 0,
		  BRIDGE("[{\"subnet\":\"10.9.0.0/24\"},{\"subnet\":\"10.8.0.0/24\"}]," OWN(
			  "10.1.0.0/24")) },
		{ "the operator's set with other keys stays", CONF,
		  BRIDGE("[{\"subnet\":\"10.9.0.0/24\",\"gateway\":\"10.9.0.9\"}]"), "10.1.0.0/24",
		  NULL, 0,
		  BRIDGE("[{\"gateway\":\"10.9.0.9\",\"subnet\":\"10.9.0.0/24\"}]," OWN(
			  "10.1.0.0/24")) },
		{ "unknown values keep their order, signs are escaped", CONF,
		  "{\"type\":\"bridge\",\"x\":{\"b\":\"<&>\",\"a\":[1, 2]},\"ipam\":{}}", NULL,
		  NULL, 0,
		  "{\"ipam\":{\"ranges\":[]},\"type\":\"bridge\",\"x\":{\"b\":"
		  "\"\\u003c\\u0026\\u003e\",\"a\":[1,2]}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_good(&rows[i]);
}

/* Q18: the Go kube-router crashes on each of these. */
static void test_q18_error_instead_of_crash(void **state)
{
	static const struct row rows[] = {
		{ "no bridge plugin", LIST, "{\"plugins\":[{\"type\":\"portmap\"}]}", NULL, NULL, 0,
		  "bridge" },
		{ "null before it", LIST, "{\"plugins\":[null," BRIDGE("") "]}", NULL, NULL, 0,
		  "plugins" },
		{ "no ipam in a list", LIST, "{\"plugins\":[{\"type\":\"bridge\"}]}", NULL, NULL, 0,
		  "ipam" },
		{ "no ipam in a single one", CONF, "{\"type\":\"bridge\"}", "10.1.0.0/24", NULL, 0,
		  "ipam" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_bad(&rows[i]);
}

static void test_refused(void **state)
{
	static const struct row rows[] = {
		{ "no plugins", LIST, "{\"plugins\":[]}", NULL, NULL, 0, "has no plugins" },
		{ "plugins missing", LIST, "{}", NULL, NULL, 0, "has no plugins" },
		{ "plugins is text", LIST, "{\"plugins\":\"x\"}", NULL, NULL, 0, "plugins" },
		{ "no type", CONF, "{\"ipam\":{}}", NULL, NULL, 0,
		  "error load CNI config, file appears to have no type" },
		{ "mtu as text", CONF, "{\"type\":\"bridge\",\"mtu\":\"1500\",\"ipam\":{}}", NULL,
		  NULL, 0, "mtu" },
		{ "ipam of another plugin is no object", LIST,
		  "{\"plugins\":[" BRIDGE("") ",{\"type\":\"x\",\"ipam\":1}]}", NULL, NULL, 0,
		  "ipam" },
		{ "range is no CIDR", CONF, BRIDGE(OWN("10.1.0.0")), NULL, NULL, 0, "CIDR" },
		{ "set is no list", CONF, BRIDGE("{\"subnet\":\"10.1.0.0/24\"}"), NULL, NULL, 0,
		  "ipam.ranges" },
		{ "ranges is no list", CONF, "{\"type\":\"bridge\",\"ipam\":{\"ranges\":1}}", NULL,
		  NULL, 0, "ipam.ranges" },
		{ "subnet is no CIDR", CONF, "{\"type\":\"bridge\",\"ipam\":{\"subnet\":\"x\"}}",
		  NULL, NULL, 0, "ipam.subnet" },
		{ "no JSON", CONF, "{\"type\":", NULL, NULL, 0, "at byte" },
		{ "trailing bytes", CONF, "{\"type\":\"bridge\",\"ipam\":{}} x", NULL, NULL, 0,
		  "at byte" },
		{ "not an object", CONF, "[]", NULL, NULL, 0, "not an object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_bad(&rows[i]);
}

/* Q19: own ranges are compared as what they mean, and replaced when the node's CIDR changed. */
static void test_q19_stale_and_repeated_ranges(void **state)
{
	static const struct row rows[] = {
		{ "the CIDR before is replaced", CONF, BRIDGE(OWN("10.9.0.0/24")), "10.1.0.0/24",
		  NULL, 0, BRIDGE(OWN("10.1.0.0/24")) },
		{ "one family leaves the other's alone", CONF,
		  BRIDGE(OWN("10.9.0.0/24") "," OWN("2001:db8:9::/64")), "10.1.0.0/24", NULL, 0,
		  BRIDGE(OWN("2001:db8:9::/64") "," OWN("10.1.0.0/24")) },
		{ "no CIDR known removes nothing", CONF, BRIDGE(OWN("10.9.0.0/24")), NULL, NULL, 0,
		  BRIDGE(OWN("10.9.0.0/24")) },
		{ "another spelling is the same", CONF, BRIDGE(OWN("10.1.0.7/24")), "10.1.0.0/24",
		  NULL, 0, BRIDGE(OWN("10.1.0.0/24")) },
		{ "another spelling, v6", CONF, BRIDGE(OWN("2001:DB8:42:0::/64")), NULL,
		  "2001:db8:42::/64", 0, BRIDGE(OWN("2001:db8:42::/64")) },
		{ "what restarts had appended is one again", CONF,
		  BRIDGE(OWN("10.1.0.7/24") "," OWN("10.1.0.0/24") "," OWN("10.1.0.0/24")),
		  "10.1.0.0/24", NULL, 0, BRIDGE(OWN("10.1.0.0/24")) },
		{ "within the operator's set it is there already", CONF,
		  BRIDGE(OWN("10.1.0.0/24") ",[{\"subnet\":\"10.9.0.0/24\"},{\"subnet\":"
					    "\"10.1.0.0/24\"}]"),
		  "10.1.0.0/24", NULL, 0,
		  BRIDGE("[{\"subnet\":\"10.9.0.0/24\"},{\"subnet\":\"10.1.0.0/24\"}]") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_good(&rows[i]);
}

/* Q20: a complete text is its own result, so that the file row is equal and nothing is written. */
static void test_q20_unchanged_text(void **state)
{
	static const char text[] =
		"{\"cniVersion\":\"0.3.0\",\"name\":\"mynet\",\"plugins\":[{\"bridge\":"
		"\"kube-bridge\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.244.1.0/24\"}]],\"type\":"
		"\"host-local\"},\"mtu\":1500,\"type\":\"bridge\"}]}";
	const struct row row = { "unchanged", LIST, text, "10.244.1.0/24", NULL, 1500, text };

	(void)state;
	check_good(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest_example),
		cmocka_unit_test(test_merging),
		cmocka_unit_test(test_q18_error_instead_of_crash),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_q19_stale_and_repeated_ranges),
		cmocka_unit_test(test_q20_unchanged_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
