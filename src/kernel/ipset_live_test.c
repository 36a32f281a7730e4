/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipsets against the kernel, in a network namespace of the test's own.
 */
#include <errno.h>

#include "base/str.h"
#include "base/test.h"
#include "kernel/harness.h"
#include "kernel/ipset.h"

#define MANY 1000

struct fixture {
	struct ev_loop *loop;
	struct kernel_ipset *ki;
	struct harness_sink sets, members;
	struct harness_sink *waits; /* the sink whose results or dumps are waited for */
	size_t want_results;
	unsigned want_dumps;
};

static bool is_ours(void *arg, const char *name)
{
	(void)arg;
	return str_starts(name, "kr-") || str_starts(name, "inet6:kr-");
}

static bool dumped(void *arg)
{
	struct fixture *f = arg;

	return f->waits->n_dumps >= f->want_dumps;
}

static bool answered(void *arg)
{
	struct fixture *f = arg;

	return harness_results_in(f->waits, f->want_results);
}

static void dump(struct fixture *f, struct harness_sink *s)
{
	f->waits = s;
	f->want_dumps = s->n_dumps + 1;
	s->reconciler.ops->dump(s->reconciler.self);
	CHECK("dump", harness_until(f->loop, dumped, f) && s->dump_err == 0);
}

static struct fixture *setup(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	(void)harness_run("ipset flush"); /* a list holds references to its sets */
	(void)harness_run("ipset destroy");
	f->loop = ev_new_real();
	assert_int_equal(kernel_ipset_new(f->loop, NULL, is_ours, NULL, &f->ki), 0);
	harness_sink_init(&f->sets);
	harness_sink_init(&f->members);
	harness_sink_attach(&f->sets, kernel_ipset_reconciler(f->ki));
	harness_sink_attach(&f->members, kernel_ipset_member_reconciler(f->ki));
	dump(f, &f->sets);
	dump(f, &f->members);
	return f;
}

static void teardown(struct fixture *f)
{
	kernel_ipset_free(f->ki);
	harness_sink_fini(&f->sets);
	harness_sink_fini(&f->members);
	ev_free(f->loop);
	test_free(f);
}

static struct ipset_key set_key(const char *name)
{
	struct ipset_key key = { 0 };

	assert_int_equal(str_copy(key.name, sizeof(key.name), name), 0);
	return key;
}

static struct ipset_member_key member_key(const char *set, const char *prefix)
{
	struct ipset_member_key key = { 0 };

	assert_int_equal(str_copy(key.set, sizeof(key.set), set), 0);
	assert_int_equal(ip_prefix_parse(prefix, &key.prefix), 0);
	return key;
}

static struct harness_result *set(struct fixture *f, const char *name, struct ipset_value v)
{
	struct ipset_key key = set_key(name);

	harness_set(&f->sets, 0, (struct bytes){ &key, sizeof(key) },
		    (struct bytes){ &v, sizeof(v) });
	f->waits = &f->sets;
	f->want_results = 1;
	CHECK(name, harness_until(f->loop, answered, f));
	return &f->sets.results[0];
}

static struct harness_result *set_del(struct fixture *f, const char *name)
{
	struct ipset_key key = set_key(name);

	harness_del(&f->sets, 0, (struct bytes){ &key, sizeof(key) });
	f->waits = &f->sets;
	f->want_results = 1;
	CHECK(name, harness_until(f->loop, answered, f));
	return &f->sets.results[0];
}

static struct harness_result *member(struct fixture *f, const char *name, const char *prefix,
				     bool is_add)
{
	struct ipset_member_key key = member_key(name, prefix);
	struct bytes bytes = { &key, sizeof(key) };

	if (is_add)
		harness_set(&f->members, 0, bytes, (struct bytes){ 0 });
	else
		harness_del(&f->members, 0, bytes);
	f->waits = &f->members;
	f->want_results = 1;
	CHECK(prefix, harness_until(f->loop, answered, f));
	return &f->members.results[0];
}

static bool has_member(const struct fixture *f, const char *name, const char *prefix)
{
	struct ipset_member_key key = member_key(name, prefix);

	return harness_row(&f->members, (struct bytes){ &key, sizeof(key) }).data != NULL;
}

static const struct ipset_value hash_ip = { IPSET_HASH_IP, IP_V4, 1 };
static const struct ipset_value hash_net = { IPSET_HASH_NET, IP_V4, 1 };
static const struct ipset_value hash_net6 = { IPSET_HASH_NET, IP_V6, 1 };

static void test_life(void **state)
{
	struct fixture *f = setup();

	(void)state;
	CHECK("create", set(f, "kr-ips", hash_ip)->err == 0);
	CHECK("create net", set(f, "kr-nets", hash_net)->err == 0);
	CHECK("create ipv6", set(f, "inet6:kr-nets", hash_net6)->err == 0);
	CHECK("again", set(f, "kr-ips", hash_ip)->err == 0);
	CHECK("as the ipset program would",
	      harness_count("ipset list kr-ips", "timeout 0") == 1 &&
		      harness_run("ipset create -exist kr-ips hash:ip "
				  "timeout 0") == 0);
	CHECK("add", member(f, "kr-ips", "192.0.2.1/32", true)->err == 0);
	CHECK("add again", member(f, "kr-ips", "192.0.2.1/32", true)->err == 0);
	CHECK("add net", member(f, "kr-nets", "10.1.0.0/16", true)->err == 0);
	CHECK("add host to net", member(f, "kr-nets", "10.9.9.9/32", true)->err == 0);
	CHECK("add ipv6", member(f, "inet6:kr-nets", "2001:db8:1::/64", true)->err == 0);
	CHECK("permanent", harness_count("ipset list kr-ips", "192.0.2.1 timeout 0") == 1);
	dump(f, &f->members);
	CHECK("dumped", f->members.rows.n == 4 && has_member(f, "kr-ips", "192.0.2.1/32") &&
				has_member(f, "kr-nets", "10.1.0.0/16") &&
				has_member(f, "kr-nets", "10.9.9.9/32") &&
				has_member(f, "inet6:kr-nets", "2001:db8:1::/64"));
	CHECK("delete", member(f, "kr-ips", "192.0.2.1/32", false)->err == 0);
	CHECK("delete again", member(f, "kr-ips", "192.0.2.1/32", false)->err == 0);
	CHECK("empty", harness_count("ipset list kr-ips", "entries: 0") == 1);
	CHECK("destroy", set_del(f, "kr-ips")->err == 0);
	CHECK("destroy again", set_del(f, "kr-ips")->err == 0);
	CHECK("member of no set", member(f, "kr-ips", "192.0.2.1/32", true)->err == -ENOENT);
	CHECK("named", strstr(f->members.results[0].text, "does not exist"));
	CHECK("its deletion", member(f, "kr-ips", "192.0.2.1/32", false)->err == 0);
	teardown(f);
}

static void test_adoption(void **state)
{
	struct fixture *f = setup();
	struct ipset_key key = set_key("kr-ips");
	struct bytes row;

	(void)state;
	assert_int_equal(harness_run("ipset create kr-ips hash:ip timeout 0"), 0);
	assert_int_equal(harness_run("ipset create foreign hash:ip"), 0);
	assert_int_equal(harness_run("ipset add foreign 192.0.2.77"), 0);
	assert_int_equal(harness_run("ipset add kr-ips 192.0.2.1"), 0);
	assert_int_equal(harness_run("ipset add kr-ips 192.0.2.2 timeout 3000"), 0);
	dump(f, &f->sets);
	dump(f, &f->members);
	row = harness_row(&f->sets, (struct bytes){ &key, sizeof(key) });
	CHECK("ours only", f->sets.rows.n == 1);
	CHECK("as wanted",
	      row.data && ipset_value_same((struct bytes){ &hash_ip, sizeof(hash_ip) }, row));
	CHECK("expiring members do not count",
	      f->members.rows.n == 1 && has_member(f, "kr-ips", "192.0.2.1/32"));
	CHECK("adding makes it permanent", member(f, "kr-ips", "192.0.2.2/32", true)->err == 0);
	CHECK("seen", harness_count("ipset list kr-ips", "192.0.2.2 timeout 0") == 1);
	teardown(f);
}

static bool members_are_told_gone(void *arg)
{
	struct fixture *f = arg;

	return f->members.rows.n == 0 && f->members.n_dumps >= f->want_dumps;
}

/* Other options: swapped under a rule's feet. Here another set holds the reference. */
static void test_options_differ(void **state)
{
	static const struct {
		const char *name, *create;
		struct ipset_value want;
	} rows[] = {
		{ "timeout missing", "ipset create kr-x hash:ip", { IPSET_HASH_IP, IP_V4, 1 } },
		{ "maxelem",
		  "ipset create kr-x hash:ip timeout 0 maxelem 9",
		  { IPSET_HASH_IP, IP_V4, 1 } },
		{ "default timeout",
		  "ipset create kr-x hash:ip timeout 60",
		  { IPSET_HASH_IP, IP_V4, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = setup();

		assert_int_equal(harness_run(rows[i].create), 0);
		assert_int_equal(harness_run("ipset add kr-x 192.0.2.1"), 0);
		assert_int_equal(harness_run("ipset create holder list:set"), 0);
		assert_int_equal(harness_run("ipset add holder kr-x"), 0);
		assert_int_equal(harness_run("ipset create TMP-kr-left hash:ip"), 0);
		dump(f, &f->sets);
		dump(f, &f->members);
		f->want_dumps = f->members.n_dumps + 1;
		CHECK(rows[i].name, set(f, "kr-x", rows[i].want)->err == 0);
		CHECK("members looked at by itself",
		      harness_until(f->loop, members_are_told_gone, f));
		dump(f, &f->sets);
		CHECK(rows[i].name, f->sets.rows.n == 1);
		CHECK("still referred to", harness_count("ipset list kr-x", "References: 1") == 1);
		CHECK("as wanted",
		      harness_count("ipset list kr-x", "maxelem 65536 timeout 0") == 1);
		CHECK("no temporary one left", harness_count("ipset list -n", "TMP-kr-") == 1);
		teardown(f);
	}
}

static void test_type_differs(void **state)
{
	struct fixture *f = setup();
	struct harness_result *r;

	(void)state;
	assert_int_equal(harness_run("ipset create kr-x hash:net timeout 0"), 0);
	assert_int_equal(harness_run("ipset create holder list:set"), 0);
	assert_int_equal(harness_run("ipset add holder kr-x"), 0);
	dump(f, &f->sets);
	r = set(f, "kr-x", hash_ip);
	CHECK("in use", r->err == -EBUSY && strstr(r->text, "in use"));
	CHECK("untouched", harness_count("ipset list kr-x", "hash:net") == 1);
	assert_int_equal(harness_run("ipset destroy holder"), 0);
	CHECK("free", set(f, "kr-x", hash_ip)->err == 0);
	CHECK("made anew", harness_count("ipset list kr-x", "hash:ip") == 1);
	assert_int_equal(harness_run("ipset create holder list:set"), 0);
	assert_int_equal(harness_run("ipset add holder kr-x"), 0);
	r = set_del(f, "kr-x");
	CHECK("not destroyed while in use", r->err == -EBUSY && strstr(r->text, "in use"));
	/* The mirror knows nothing of it: create says EEXIST, then the same way. */
	assert_int_equal(harness_run("ipset create kr-y hash:ip"), 0);
	CHECK("unknown and different", set(f, "kr-y", hash_ip)->err == 0);
	CHECK("options", harness_count("ipset list kr-y", "timeout 0") == 1);
	teardown(f);
}

static void members_apply(struct fixture *f, const struct ipset_member_key *keys,
			  enum row_op_kind kind)
{
	struct row_op *ops = test_calloc(MANY, sizeof(*ops));

	for (uint32_t i = 0; i < MANY; i++) {
		f->members.results[i] = (struct harness_result){ 0 };
		ops[i] = (struct row_op){ .kind = kind,
					  .tag = i,
					  .key = { &keys[i], sizeof(keys[i]) } };
	}
	f->members.reconciler.ops->apply(f->members.reconciler.self, ops, MANY);
	f->waits = &f->members;
	f->want_results = MANY;
	CHECK("answered", harness_until(f->loop, answered, f));
	test_free(ops);
}

/* A set too small for a tenth of them: each of those fails alone, with its text. */
static void test_many(void **state)
{
	struct fixture *f = setup();
	struct ipset_member_key *keys = test_calloc(MANY, sizeof(*keys));
	struct ipset_value small = { IPSET_HASH_IP, IP_V4, 1, .maxelem = MANY };
	size_t failed = 0;

	(void)state;
	CHECK("create", set(f, "kr-many", small)->err == 0);
	for (uint32_t i = 0; i < MANY; i++) {
		struct ip_addr a = ip_v4(0x0a000000 + i);

		keys[i] = member_key("kr-many", "0.0.0.0/0");
		keys[i].prefix = ip_prefix_host(&a);
	}
	keys[0].prefix.addr = ip_v4(0); /* the kernel takes no 0.0.0.0 */
	members_apply(f, keys, ROW_SET);
	for (size_t i = 0; i < MANY; i++)
		failed += f->members.results[i].err != 0;
	CHECK("one bad row costs itself only", failed == 1 && f->members.results[0].err != 0);
	CHECK("its text", strstr(f->members.results[0].text, "null address"));
	CHECK("in the kernel", harness_count("ipset list kr-many", "entries: 999") == 1);
	dump(f, &f->members);
	CHECK("dumped", f->members.rows.n == MANY - 1);
	members_apply(f, keys + 0, ROW_DEL);
	CHECK("emptied", harness_count("ipset list kr-many", "entries: 0") == 1);
	test_free(keys);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),           cmocka_unit_test(test_adoption),
		cmocka_unit_test(test_options_differ), cmocka_unit_test(test_type_differs),
		cmocka_unit_test(test_many),
	};

	if (!harness_netns()) {
		(void)printf("1..0 # SKIP network namespaces are not permitted here\n");
		return 77;
	}
	if (harness_run("ipset create kr-probe hash:ip") != 0) {
		(void)printf("1..0 # SKIP no ipset program or no ip_set in this kernel\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
