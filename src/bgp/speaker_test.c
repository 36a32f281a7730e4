/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "bgp/rib.h"
#include "bgp/test_net.h"
#include "bgp/update.h"

/* Routes in and out of a speaker, against a scripted peer. Virtual time. */

static uint8_t buf[BGP_MSG_MAX_EXTENDED + 1];

struct fixture {
	struct test_net net;
	struct test_node *n;
	struct ip_addr remote;
	struct bgp_peer_conf conf;
	struct bgp_peer *p;
	struct bgp_attr_table *attrs; /* the script's own */
	struct bgp_wire wire;
	int fd;
};

static void run_ms(struct fixture *f, int64_t ms)
{
	test_net_run(&f->net, ms * US_PER_MS);
}

static void connect_peer(struct fixture *f)
{
	f->fd = test_script_connect(f->n, &f->remote);
	test_script_open(f->fd, f->conf.remote_asn, 0x0a0000c8, 0);
	test_script_keepalive(f->fd);
	run_ms(f, 1);
	CHECK("established", f->p->state == BGP_STATE_ESTABLISHED);
}

static void start(struct fixture *f, uint32_t remote_asn, uint32_t prefix_max)
{
	*f = (struct fixture){ .attrs = bgp_attr_table_new(0) };
	test_net_init(&f->net, 11, false);
	f->net.is_dial_refused = true;
	f->n = test_net_add(&f->net, 64512);
	f->remote = test_addr("10.0.0.200");
	f->conf = test_peer_conf(f->n, &f->remote);
	f->conf.remote_asn = remote_asn;
	f->conf.role = remote_asn == 64512 ? BGP_PEER_NODE : BGP_PEER_EXTERNAL;
	f->conf.prefix_max = prefix_max;
	f->wire = (struct bgp_wire){
		.as4 = true,
		.is_internal = remote_asn == 64512,
		.families = BGP_AF_IPV4 | BGP_AF_IPV6,
		.msg_max = BGP_MSG_MAX,
	};
	test_peer_set(f->n, &f->conf);
	f->p = bgp_speaker_peer_get(f->n->speaker, &f->remote);
}

static void end(struct fixture *f)
{
	(void)close(f->fd);
	test_net_fini(&f->net);
	bgp_attr_table_free(f->attrs);
}

/* The script announces n prefixes (n <= 1000) with these attributes. Time does not pass yet. */
static void script_put(struct fixture *f, const struct ip_prefix *prefixes, size_t n,
		       const char *nexthop, uint32_t asn, uint32_t med)
{
	uint8_t path[16];
	struct wr pw = wr_init(path, sizeof(path)), w = wr_init(buf, sizeof(buf));
	struct bgp_attrs_draft d = {
		.has = BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP | BGP_HAS_MED |
		       (f->wire.is_internal ? BGP_HAS_LOCAL_PREF : 0),
		.local_pref = f->wire.is_internal ? 100 : 0,
		.med = med,
		.nexthop = test_addr(nexthop),
	};
	struct bgp_attrs *a;

	if (asn)
		bgp_as_path_write(&pw, &asn, 1);
	d.as_path = rd_init(path, pw.len);
	a = bgp_attrs_intern(f->attrs, &d, NULL);
	CHECK("fits", bgp_update_encode(&w, &f->wire, a, prefixes, n) == n);
	bgp_attrs_unref(f->attrs, a);
	test_script_send(f->fd, buf, w.len);
}

static void script_eor(struct fixture *f, unsigned family)
{
	struct wr w = wr_init(buf, sizeof(buf));

	bgp_eor_encode(&w, (uint8_t)family);
	test_script_send(f->fd, buf, w.len);
}

static void script_announce(struct fixture *f, const struct ip_prefix *prefixes, size_t n,
			    const char *nexthop, uint32_t asn, uint32_t med)
{
	script_put(f, prefixes, n, nexthop, asn, med);
	run_ms(f, 1);
}

static void script_withdraw(struct fixture *f, const char *prefix)
{
	struct ip_prefix p = test_prefix(prefix);
	struct wr w = wr_init(buf, sizeof(buf));

	CHECK("fits", bgp_withdraw_encode(&w, &f->wire, &p, 1) == 1);
	test_script_send(f->fd, buf, w.len);
	run_ms(f, 1);
}

static void expect_log(struct fixture *f, const char *name, const char *want)
{
	CHECK_STR(name, strbuf_text(&f->n->log), want);
	strbuf_clear(&f->n->log);
}

static void test_learn(void **state)
{
	struct fixture f;
	struct ip_prefix p = test_prefix("10.2.0.0/24"), p6 = test_prefix("2001:db8:2::/64");
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	start(&f, 64512, 0);
	connect_peer(&f);
	script_announce(&f, &p, 1, "10.0.0.200", 0, 1);
	expect_log(&f, "announced", "10.2.0.0/24 via 10.0.0.200 from 10.0.0.200\n");
	CHECK("counted", f.p->source->n_paths == 1);
	script_announce(&f, &p, 1, "10.0.0.200", 0, 1);
	expect_log(&f, "the same again", "");
	script_announce(&f, &p, 1, "10.0.0.201", 0, 1);
	expect_log(&f, "next hop changed", "10.2.0.0/24 via 10.0.0.201 from 10.0.0.200\n");
	script_announce(&f, &p6, 1, "2001:db8::200", 0, 1);
	expect_log(&f, "IPv6", "2001:db8:2::/64 via 2001:db8::200 from 10.0.0.200\n");
	script_announce(&f, &p, 1, "10.0.0.1", 0, 1);
	expect_log(&f, "our own address as next hop", "10.2.0.0/24 gone\n");
	script_announce(&f, &p, 1, "10.0.0.200", 64512, 1);
	expect_log(&f, "AS loop", "");
	script_announce(&f, &p, 1, "10.0.0.200", 0, 2);
	expect_log(&f, "good again", "10.2.0.0/24 via 10.0.0.200 from 10.0.0.200\n");
	script_withdraw(&f, "10.2.0.0/24");
	expect_log(&f, "withdrawn", "10.2.0.0/24 gone\n");
	CHECK("no end of rib yet", !f.n->last.got_eor);
	bgp_eor_encode(&w, BGP_AF_IPV4);
	test_script_send(f.fd, buf, w.len);
	run_ms(&f, 1);
	CHECK("one of two", !f.n->last.got_eor);
	w.len = 0;
	bgp_eor_encode(&w, BGP_AF_IPV6);
	test_script_send(f.fd, buf, w.len);
	run_ms(&f, 1);
	CHECK("end of rib", f.n->last.got_eor == 1);
	(void)shutdown(f.fd, SHUT_RDWR);
	run_ms(&f, 1);
	expect_log(&f, "session lost", "2001:db8:2::/64 gone\n");
	CHECK("none", f.p->source->n_paths == 0 && !f.n->last.got_eor);
	end(&f);
}

/* Who keeps routes over a restart lets go of them at End-of-RIB: it must not run ahead. */
static void test_end_of_rib_comes_after_the_routes(void **state)
{
	enum { BATCHES = 8, BATCH = 800 };
	struct ip_prefix prefixes[BATCH];
	struct fixture f;

	(void)state;
	start(&f, 64512, 0);
	connect_peer(&f);
	for (unsigned b = 0; b < BATCHES; b++) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct ip_addr a = ip_v4(0x0a000000u + (0x40000u + b * BATCH + i) * 256);

			prefixes[i] = ip_prefix_make(&a, 24);
		}
		script_put(&f, prefixes, BATCH, "10.0.0.200", 0, 1);
	}
	script_eor(&f, BGP_AF_IPV4);
	script_eor(&f, BGP_AF_IPV6);
	run_ms(&f, 10);
	CHECK("all came", f.n->n_best == BATCHES * BATCH);
	CHECK("End-of-RIB was told", f.n->last.got_eor);
	CHECK("after them", f.n->n_best_at_eor == BATCHES * BATCH);
	end(&f);
}

static void test_import_policy(void **state)
{
	struct fixture f;
	struct ip_prefix def = test_prefix("0.0.0.0/0"), vip = test_prefix("10.96.0.9/32");
	struct bgp_announce a = { .kind = BGP_ANNOUNCE_VIP };
	const char *why;

	(void)state;
	start(&f, 65001, 0);
	a.nexthop = f.n->addr;
	connect_peer(&f);
	script_announce(&f, &def, 1, "10.0.0.200", 65001, 0);
	expect_log(&f, "default route", "");
	script_announce(&f, &vip, 1, "10.0.0.200", 65001, 0);
	expect_log(&f, "not ours yet", "10.96.0.9/32 via 10.0.0.200 from 10.0.0.200\n");
	CHECK("announce", bgp_speaker_announce(f.n->speaker, &vip, &a, &why) == 0);
	expect_log(&f, "not from within the call", "");
	run_ms(&f, 1);
	expect_log(&f, "ours", "10.96.0.9/32 gone\n");
	CHECK("withdraw", bgp_speaker_withdraw(f.n->speaker, &vip) == 0);
	run_ms(&f, 1);
	expect_log(&f, "judged again", "10.96.0.9/32 via 10.0.0.200 from 10.0.0.200\n");
	end(&f);
}

/* RFC 7606: the session and the other routes stay. */
static void test_malformed(void **state)
{
	static const uint8_t no_nexthop[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0,    42,   2,    0,    0,    0,    15,   0x40, 1,    1,    0,    0x40,
		2,    0,    0x40, 5,    5,    0,    0,    0,    100,  0,    24,   10,   2,    0,
	};
	static const uint8_t bad_prefix[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0,    25,   2,    0,    2,    33,   10,   0,    0,
	};
	struct fixture f;
	struct ip_prefix p[2] = { test_prefix("10.2.0.0/24"), test_prefix("10.3.0.0/24") };
	struct rd body;

	(void)state;
	start(&f, 64512, 0);
	connect_peer(&f);
	script_announce(&f, p, 2, "10.0.0.200", 0, 1);
	strbuf_clear(&f.n->log);
	test_script_send(f.fd, no_nexthop, sizeof(no_nexthop));
	run_ms(&f, 1);
	CHECK("stays", f.p->state == BGP_STATE_ESTABLISHED && f.p->n_flaps == 0);
	CHECK("counted", f.p->counters.treat_as_withdraw == 1);
	expect_log(&f, "this route only", "10.2.0.0/24 gone\n");
	CHECK("the other", f.p->source->n_paths == 1);
	test_script_send(f.fd, bad_prefix, sizeof(bad_prefix));
	run_ms(&f, 1);
	CHECK("what cannot be read is the end", f.p->n_flaps == 1);
	CHECK("answered", test_script_expect(f.fd, BGP_MSG_NOTIFICATION, buf, &body));
	CHECK("update error", bgp_notification_parse(body).code == BGP_UPDATE_ERROR);
	end(&f);
}

static void test_prefix_limit(void **state)
{
	struct fixture f;
	struct ip_prefix p[11];
	struct rd body;
	struct bgp_notification n;
	unsigned n_dials;
	int again;

	(void)state;
	start(&f, 64512, 10);
	connect_peer(&f);
	for (uint32_t i = 0; i < ARRAY_LEN(p); i++) {
		struct ip_addr a = ip_v4(0x0b000000u + i);

		p[i] = ip_prefix_host(&a);
	}
	script_announce(&f, p, 10, "10.0.0.200", 0, 1);
	script_announce(&f, p, 10, "10.0.0.200", 0, 2); /* not ten more */
	CHECK("at the limit", f.p->state == BGP_STATE_ESTABLISHED && f.p->source->n_paths == 10);
	strbuf_clear(&f.n->log);
	script_announce(&f, p + 10, 1, "10.0.0.200", 0, 1);
	CHECK("notification", test_script_expect(f.fd, BGP_MSG_NOTIFICATION, buf, &body));
	n = bgp_notification_parse(body);
	CHECK("cease", n.code == BGP_CEASE && n.subcode == BGP_CEASE_PREFIX_MAX);
	CHECK("nothing is kept", f.p->source->n_paths == 0);
	CHECK_STR("reason", f.n->last.reason, "notification sent: cease/maximum prefixes reached");
	again = test_script_connect(f.n, &f.remote);
	CHECK("left alone", test_script_recv(again, buf, &body) == -1);
	(void)close(again);
	n_dials = f.net.n_dials;
	run_ms(&f, 299 * 1000);
	CHECK("for five minutes", f.net.n_dials == n_dials);
	run_ms(&f, 2 * 1000);
	CHECK("then tried again", f.net.n_dials > n_dials);
	f.conf.prefix_max = 20;
	test_peer_set(f.n, &f.conf);
	(void)close(f.fd);
	connect_peer(&f);
	script_announce(&f, p, 11, "10.0.0.200", 0, 1);
	CHECK("below the new limit", f.p->source->n_paths == 11);
	end(&f);
}

/* The UPDATEs that wait at the script's end: prefixes announced less withdrawn, last attributes. */
struct heard {
	size_t n_updates, n_reach, n_gone;
	uint8_t eor;
	struct bgp_attrs_draft attrs; /* points into buf */
	struct ip_addr nexthop;
};

static struct heard hear(struct fixture *f)
{
	struct heard h = { 0 };
	struct bgp_update u;
	struct rd body;

	for (;;) {
		run_ms(f, 1);
		int type = test_script_recv(f->fd, buf, &body);

		if (type <= 0)
			return h;
		if (type != BGP_MSG_UPDATE)
			continue;
		bgp_update_parse(body, &f->wire, &u);
		CHECK("sound", u.fault.grade == BGP_GRADE_OK);
		h.n_updates++;
		h.eor |= u.eor;
		for (size_t i = 0; i < BGP_UPDATE_LISTS; i++) {
			h.n_reach += u.reach[i].n;
			h.n_gone += u.gone[i].n;
			if (u.reach[i].n == 0)
				continue;
			h.attrs = u.attrs;
			h.nexthop = u.reach[i].nexthop;
		}
	}
}

static void test_announce_internal(void **state)
{
	struct fixture f;
	struct ip_addr nexthop6 = test_addr("2001:db8::1"), other = test_addr("10.0.0.9");
	struct heard h;
	static const uint8_t refresh[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0,    23,   5,    0,    1,    0,    1,
	};
	struct ip_prefix p = test_prefix("10.1.0.0/24");

	(void)state;
	start(&f, 64512, 0);
	test_announce(f.n, "10.1.0.0/24", &f.n->addr);
	connect_peer(&f);
	h = hear(&f);
	CHECK("table, then End-of-RIB",
	      h.n_reach == 1 && h.n_updates == 3 && h.eor == (BGP_AF_IPV4 | BGP_AF_IPV6));
	CHECK("attributes", h.attrs.has == (BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP |
					    BGP_HAS_LOCAL_PREF));
	CHECK("values", h.attrs.origin == BGP_ORIGIN_IGP && h.attrs.local_pref == 100 &&
				h.attrs.as_path.left == 0 && ip_same(&h.nexthop, &f.n->addr));
	test_announce(f.n, "10.1.0.0/24", &f.n->addr);
	h = hear(&f);
	CHECK("identical: silence", h.n_updates == 0);
	test_announce(f.n, "10.1.0.0/24", &other);
	h = hear(&f);
	CHECK("changed", h.n_updates == 1 && h.n_reach == 1 && ip_same(&h.nexthop, &other));
	test_announce(f.n, "2001:db8:1::/64", &nexthop6);
	h = hear(&f);
	CHECK("IPv6", h.n_updates == 1 && h.n_reach == 1 && ip_same(&h.nexthop, &nexthop6));
	run_ms(&f, 1);
	CHECK("count", bgp_peer_status_get(f.p).n_sent == 2);
	test_script_send(f.fd, refresh, sizeof(refresh));
	h = hear(&f);
	CHECK("refresh: IPv4 only", h.n_reach == 1 && ip_same(&h.nexthop, &other));
	CHECK("withdraw", bgp_speaker_withdraw(f.n->speaker, &p) == 0);
	CHECK("unknown", bgp_speaker_withdraw(f.n->speaker, &p) == -ENOENT);
	h = hear(&f);
	CHECK("withdrawn", h.n_gone == 1 && h.n_reach == 0);
	test_announce(f.n, "10.1.0.0/24", &other);
	CHECK("and back before it left", bgp_speaker_withdraw(f.n->speaker, &p) == 0);
	h = hear(&f);
	CHECK("nothing to say", h.n_updates == 0);
	end(&f);
}

static void test_announce_external(void **state)
{
	struct fixture f;
	struct heard h;
	struct bgp_announce a = { .kind = BGP_ANNOUNCE_POD_CIDR, .to_nodes = 1 };
	struct ip_prefix p = test_prefix("10.1.0.0/24"), q = test_prefix("10.2.0.0/24");
	const char *why;

	(void)state;
	start(&f, 65001, 0);
	a.nexthop = f.n->addr;
	CHECK("announce", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == 0);
	connect_peer(&f);
	script_announce(&f, &q, 1, "10.0.0.200", 65001, 0);
	h = hear(&f);
	CHECK("not to routers, and nothing learned goes back", h.n_reach == 0);
	a.to_external = 1;
	CHECK("announce", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == 0);
	h = hear(&f);
	CHECK("now", h.n_reach == 1);
	CHECK("no LOCAL_PREF",
	      h.attrs.has == (BGP_HAS_ORIGIN | BGP_HAS_AS_PATH | BGP_HAS_NEXT_HOP));
	CHECK("our ASN once",
	      h.attrs.as_path.left == 6); /* type, count, 64512; buf still holds it */
	a.to_external = 0;
	CHECK("announce", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == 0);
	h = hear(&f);
	CHECK("taken back", h.n_gone == 1);
	end(&f);
}

/* A peer that reads slowly: bounded memory here, and it hears the newest state of each prefix. */
static void test_slow_peer(void **state)
{
	enum { N = 30000 };
	struct fixture f;
	struct heard h;
	struct bgp_announce a = { .kind = BGP_ANNOUNCE_VIP, .to_nodes = 1 };
	const char *why;

	(void)state;
	start(&f, 64512, 0);
	connect_peer(&f);
	(void)hear(&f);
	for (uint32_t round = 0; round < 40; round++) {
		a.nexthop = ip_v4(0x0a000001u + round % 7);
		for (uint32_t i = 0; i < N; i++) {
			struct ip_addr vip = ip_v4(0x0a600000u + i);
			struct ip_prefix p = ip_prefix_host(&vip);

			CHECK("set", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == 0);
		}
		run_ms(&f, 1);
		CHECK("bounded",
		      f.p->up->out_len - f.p->up->out_off <= BGP_OUT_HIGH_BYTES + BGP_MSG_MAX);
	}
	CHECK("it waits", f.p->up->out_len > 0);
	h = hear(&f);
	CHECK("all", bgp_peer_status_get(f.p).n_sent == N && h.n_reach >= N);
	CHECK("but not all of each round", h.n_reach < (size_t)N * 12);
	CHECK("newest", ip_same(&h.nexthop, &a.nexthop));
	CHECK("drained", f.p->up->out_len == 0 && f.p->state == BGP_STATE_ESTABLISHED);
	end(&f);
}

static void test_refused_values(void **state)
{
	struct fixture f;
	struct bgp_peer_conf c;
	struct bgp_announce a = { .kind = BGP_ANNOUNCE_VIP };
	struct ip_prefix p = test_prefix("10.1.0.0/24"), p6 = test_prefix("2001:db8::/64");
	const char *why;

	(void)state;
	start(&f, 64512, 0);
	f.fd = -1;
	a.nexthop = f.n->addr;
#define REFUSED(field, change)                                                                     \
	c = test_peer_conf(f.n, &f.remote);                                                        \
	change;                                                                                    \
	why = "";                                                                                  \
	CHECK(field, bgp_speaker_peer_set(f.n->speaker, &c, &why) == -EINVAL);                     \
	CHECK(field, strncmp(why, field ":", strlen(field ":")) == 0)
	REFUSED("addr", c.addr = (struct ip_addr){ 0 });
	REFUSED("local_addr", c.local_addr = test_addr("2001:db8::1"));
	REFUSED("addr", c.addr = c.local_addr);
	REFUSED("role", c.role = 9);
	REFUSED("families", c.families = 0);
	REFUSED("families", c.families = 0x80);
	REFUSED("hold_s", c.hold_s = 2);
	REFUSED("remote_asn", c.role = BGP_PEER_EXTERNAL);
#undef REFUSED
	CHECK("nexthop", bgp_speaker_announce(f.n->speaker, &p6, &a, &why) == -EINVAL);
	CHECK_STR("nexthop", why, "nexthop: not of the family of the prefix");
	p.addr.bytes[3] = 1;
	CHECK("host bits", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == -EINVAL);
	p = test_prefix("10.1.0.0/24");
	a.kind = 7;
	CHECK("kind", bgp_speaker_announce(f.n->speaker, &p, &a, &why) == -EINVAL);
	f.n->n_reports = 0;
	bgp_speaker_report(f.n->speaker);
	CHECK("not from within", f.n->n_reports == 0);
	run_ms(&f, 1);
	CHECK("report", f.n->n_reports == 1 && ip_same(&f.n->last.addr, &f.remote));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_end_of_rib_comes_after_the_routes),
		cmocka_unit_test(test_import_policy),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_prefix_limit),
		cmocka_unit_test(test_announce_internal),
		cmocka_unit_test(test_announce_external),
		cmocka_unit_test(test_slow_peer),
		cmocka_unit_test(test_refused_values),
	};

	log_sink_set(test_log_drop, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
