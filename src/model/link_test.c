/* SPDX-License-Identifier: Apache-2.0 */
#include "model/link.h"

#include "base/test.h"

static struct bytes bytes_of(const struct link_value *v)
{
	return (struct bytes){ v, sizeof(*v) };
}

static void test_same(void **state)
{
	static const struct {
		const char *name;
		struct link_value want, have;
		bool same;
	} rows[] = {
		{ "equal", { 1500, LINK_KIND_BRIDGE, 1 }, { 1500, LINK_KIND_BRIDGE, 1 }, true },
		{ "any mtu", { 0, LINK_KIND_BRIDGE, 1 }, { 9000, LINK_KIND_BRIDGE, 1 }, true },
		{ "other mtu",
		  { 1400, LINK_KIND_BRIDGE, 1 },
		  { 1500, LINK_KIND_BRIDGE, 1 },
		  false },
		{ "down", { 0, LINK_KIND_BRIDGE, 1 }, { 1500, LINK_KIND_BRIDGE, 0 }, false },
		{ "kind", { 0, LINK_KIND_BRIDGE, 1 }, { 1500, LINK_KIND_OTHER, 1 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, link_value_same(bytes_of(&rows[i].want),
						    bytes_of(&rows[i].have)) == rows[i].same);
	CHECK("absent", !link_value_same(bytes_of(&rows[0].want), (struct bytes){ 0 }));
	CHECK("both absent", link_value_same((struct bytes){ 0 }, (struct bytes){ 0 }));
}

static void test_fmt(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct link_key k = { .name = "kube-bridge" };
	struct link_addr_key address = { .link = "kube-bridge" };
	struct link_key longest = { .name = "fifteen-letters" };
	struct link_value up = { 1480, LINK_KIND_BRIDGE, 1 }, down = { 0, LINK_KIND_OTHER, 0 };

	(void)state;
	link_key_fmt(&out, (struct bytes){ &k, sizeof(k) });
	CHECK_STR("key", strbuf_text(&out), "kube-bridge");
	strbuf_clear(&out);
	link_key_fmt(&out, (struct bytes){ &longest, sizeof(longest) });
	CHECK_STR("longest key", strbuf_text(&out), "fifteen-letters");
	strbuf_clear(&out);
	link_value_fmt(&out, bytes_of(&up));
	CHECK_STR("up", strbuf_text(&out), "bridge up mtu 1480");
	strbuf_clear(&out);
	link_value_fmt(&out, bytes_of(&down));
	CHECK_STR("down", strbuf_text(&out), "other down");
	CHECK("address", ip_prefix_parse_host("172.20.0.1/24", &address.prefix) == 0);
	strbuf_clear(&out);
	link_addr_key_fmt(&out, (struct bytes){ &address, sizeof(address) });
	CHECK_STR("address", strbuf_text(&out), "kube-bridge 172.20.0.1/24");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_fmt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
