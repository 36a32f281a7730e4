/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include "base/map.h"
#include "bgp/adj_out.h"
#include "bgp/update.h"

/* What the peer should have, as the test says; what it has, as the UPDATEs say. */
struct fixture {
	struct bgp_attr_table *attrs;
	struct bgp_adj_out *out;
	struct bgp_wire wire;
	struct bgp_attrs *want[256]; /* of 10.0.0.i/32, borrowed */
	size_t n_asked;
	uint8_t buf[BGP_MSG_MAX];
	uint32_t med[256]; /* 0: not announced */
	size_t n_updates, n_said;
};

static struct ip_prefix prefix(uint8_t i)
{
	struct ip_addr a = ip_v4(0x0a000000u + i);

	return ip_prefix_host(&a);
}

static struct bgp_attrs *want(void *arg, const struct ip_prefix *p)
{
	struct fixture *f = arg;

	f->n_asked++;
	return f->want[p->addr.bytes[3]];
}

static struct bgp_attrs *attrs(struct fixture *f, uint32_t med)
{
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP | BGP_HAS_MED |
		       BGP_HAS_LOCAL_PREF,
		.med = med,
		.nexthop = ip_v4(0x0a0000ffu),
	};

	return bgp_attrs_intern(f->attrs, &d, NULL);
}

static void take(struct fixture *f, const struct wr *w)
{
	struct bgp_update u;
	struct ip_prefix p;

	if (w->len == 0)
		return;
	f->n_updates++;
	bgp_update_parse(
		(struct rd){ w->data + BGP_HEADER_BYTES, w->len - BGP_HEADER_BYTES, false },
		&f->wire, &u);
	CHECK("sound", u.fault.grade == BGP_GRADE_OK);
	while (bgp_nlri_next(&u.gone[0].nlri, &p)) {
		CHECK("withdraws only what is there", f->med[p.addr.bytes[3]] != 0);
		f->med[p.addr.bytes[3]] = 0;
		f->n_said++;
	}
	while (bgp_nlri_next(&u.reach[0].nlri, &p)) {
		f->med[p.addr.bytes[3]] = u.attrs.med;
		f->n_said++;
	}
}

/* Sends all; what the peer has afterwards must be what it should have. */
static void drain(struct fixture *f, const char *name)
{
	size_t n = 0;

	for (;;) {
		struct wr w = wr_init(f->buf, f->wire.msg_max);

		if (bgp_adj_out_next(f->out, &w, &f->wire, want, f) == 0)
			break;
		take(f, &w);
	}
	for (size_t i = 0; i < ARRAY_LEN(f->want); i++) {
		CHECK(name, f->med[i] == (f->want[i] ? f->want[i]->med : 0));
		n += !!f->want[i];
	}
	CHECK(name, bgp_adj_out_n(f->out) == n);
	CHECK(name, !bgp_adj_out_is_pending(f->out, BGP_AF_IPV4));
}

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){
		.attrs = bgp_attr_table_new(0),
		.wire = { .as4 = true,
			  .is_internal = true,
			  .families = BGP_AF_IPV4,
			  .msg_max = 200 },
	};
	f->out = bgp_adj_out_new(f->attrs);
}

static void mark(struct fixture *f, uint8_t i)
{
	struct ip_prefix p = prefix(i);

	bgp_adj_out_mark(f->out, &p);
}

static void test_states(void **state)
{
	struct fixture f;
	struct bgp_attrs *a, *b;

	(void)state;
	fixture_init(&f);
	a = attrs(&f, 1);
	b = attrs(&f, 2);
	for (unsigned i = 0; i < 100; i++) {
		f.want[i] = a;
		mark(&f, (uint8_t)i);
		mark(&f, (uint8_t)i);
	}
	drain(&f, "announced");
	CHECK("each once", f.n_said == 100);
	CHECK("packed", f.n_updates <= 4);
	f.n_said = 0;
	for (unsigned i = 0; i < 100; i++)
		mark(&f, (uint8_t)i);
	drain(&f, "nothing changed");
	CHECK("silence", f.n_said == 0);
	f.want[3] = b;
	f.want[4] = NULL;
	mark(&f, 3);
	mark(&f, 4);
	mark(&f, 200); /* never announced, nothing wanted */
	drain(&f, "changed, gone, never there");
	CHECK("two", f.n_said == 2);
	f.n_said = 0;
	bgp_adj_out_resend(f.out, BGP_AF_IPV6);
	drain(&f, "refresh of another family");
	CHECK("silence", f.n_said == 0);
	bgp_adj_out_resend(f.out, BGP_AF_IPV4);
	drain(&f, "refresh");
	CHECK("all", f.n_said == 99);
	bgp_adj_out_clear(f.out);
	CHECK("cleared", bgp_adj_out_n(f.out) == 0);
	bgp_adj_out_free(f.out);
	bgp_attrs_unref(f.attrs, a);
	bgp_attrs_unref(f.attrs, b);
	bgp_attr_table_free(f.attrs);
}

/* Any history of changes, with sending in between: the peer ends up with what it should have. */
static void test_random(void **state)
{
	struct fixture f;
	struct bgp_attrs *sets[4] = { NULL };
	uint32_t seed = 99;

	(void)state;
	fixture_init(&f);
	for (uint32_t i = 1; i < ARRAY_LEN(sets); i++)
		sets[i] = attrs(&f, i);
	for (int round = 0; round < 3000; round++) {
		seed = seed * 1664525u + 1013904223u;
		f.want[seed >> 24] = sets[(seed >> 16) % ARRAY_LEN(sets)];
		mark(&f, (uint8_t)(seed >> 24));
		if ((seed >> 8) % 50 == 0)
			drain(&f, "drained");
		if ((seed >> 8) % 200 == 1) {
			struct wr w = wr_init(f.buf, f.wire.msg_max);

			(void)bgp_adj_out_next(f.out, &w, &f.wire, want, &f);
			take(&f, &w);
		}
	}
	drain(&f, "at the end");
	bgp_adj_out_free(f.out);
	for (uint32_t i = 1; i < ARRAY_LEN(sets); i++)
		bgp_attrs_unref(f.attrs, sets[i]);
	bgp_attr_table_free(f.attrs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
