/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "bgp/test_net.h"
#include "bgp/update.h"

/* The life of a session against a scripted peer: opening, errors, timers, back-off. Virtual time.
 */

#define PEER_ID  0x0a0000c8u
#define PEER_ASN 64512u

static uint8_t buf[BGP_MSG_MAX_EXTENDED + 1];

struct fixture {
	struct test_net net;
	struct test_node *n;
	struct ip_addr remote;
	struct bgp_peer_conf conf;
	struct bgp_peer *p;
	int fd; /* the script's end */
};

static void start(struct fixture *f, uint16_t hold_s)
{
	*f = (struct fixture){ .fd = -1 };
	test_net_init(&f->net, 7, false);
	f->n = test_net_add(&f->net, 64512);
	f->remote = test_addr("10.0.0.200");
	f->conf = test_peer_conf(f->n, &f->remote);
	f->conf.hold_s = hold_s;
	f->conf.remote_asn = PEER_ASN;
	test_peer_set(f->n, &f->conf);
	f->p = bgp_speaker_peer_get(f->n->speaker, &f->remote);
}

static void end(struct fixture *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	test_net_fini(&f->net);
}

static void run_ms(struct fixture *f, int64_t ms)
{
	test_net_run(&f->net, ms * US_PER_MS);
}

/* The node has dialled; the script answers up to Established. */
static void establish(struct fixture *f, uint16_t hold_s)
{
	struct rd body;

	run_ms(f, 100);
	CHECK("dialled", f->net.script_fd >= 0);
	f->fd = f->net.script_fd;
	f->net.script_fd = -1;
	CHECK("open", test_script_recv(f->fd, buf, &body) == BGP_MSG_OPEN);
	test_script_open(f->fd, PEER_ASN, PEER_ID, hold_s);
	run_ms(f, 1);
	CHECK("keepalive", test_script_recv(f->fd, buf, &body) == BGP_MSG_KEEPALIVE);
	CHECK("openconfirm", f->p->state == BGP_STATE_OPENCONFIRM);
	test_script_keepalive(f->fd);
	run_ms(f, 1);
	CHECK("established", f->p->state == BGP_STATE_ESTABLISHED);
}

static void expect_notification(struct fixture *f, const char *name, uint8_t code, uint8_t subcode)
{
	struct rd body;
	struct bgp_notification n;

	CHECK(name, test_script_expect(f->fd, BGP_MSG_NOTIFICATION, buf, &body));
	n = bgp_notification_parse(body);
	if (n.code != code || n.subcode != subcode)
		print_error("got %u/%u\n", n.code, n.subcode);
	CHECK(name, n.code == code && n.subcode == subcode);
	CHECK(name, test_script_recv(f->fd, buf, &body) == -1); /* closed behind it */
}

static void test_establish(void **state)
{
	struct fixture f;
	struct rd body;
	struct bgp_open o;
	struct bgp_update u;
	const struct bgp_wire wire = { .as4 = true, .families = BGP_AF_IPV4 | BGP_AF_IPV6 };

	(void)state;
	start(&f, 0);
	CHECK("idle first", f.p->state == BGP_STATE_IDLE);
	run_ms(&f, 100);
	f.fd = f.net.script_fd;
	f.net.script_fd = -1;
	CHECK("open", test_script_recv(f.fd, buf, &body) == BGP_MSG_OPEN);
	CHECK("parses", !bgp_err_is(bgp_open_parse(body, &o)));
	CHECK("version, asn, id", o.version == 4 && o.asn == 64512 && o.id == 0x0a000001);
	CHECK("hold", o.hold_s == BGP_HOLD_S_DEFAULT);
	CHECK("capabilities", o.has_refresh && o.has_as4 && o.has_ext_msg && !o.has_gr &&
				      o.families == (BGP_AF_IPV4 | BGP_AF_IPV6));
	test_script_open(f.fd, PEER_ASN, PEER_ID, 30);
	test_script_keepalive(f.fd); /* not waiting for the answer is allowed */
	run_ms(&f, 1);
	CHECK("established", f.p->state == BGP_STATE_ESTABLISHED);
	CHECK("negotiated", f.p->hold_s == 30 && f.p->up->neg.keepalive_s == 10);
	CHECK("keepalive", test_script_recv(f.fd, buf, &body) == BGP_MSG_KEEPALIVE);
	/* End-of-RIB of both families, although there is no table. */
	for (uint8_t af = BGP_AF_IPV4; af <= BGP_AF_IPV6; af++) {
		CHECK("update", test_script_recv(f.fd, buf, &body) == BGP_MSG_UPDATE);
		bgp_update_parse(body, &wire, &u);
		CHECK("end of rib", u.eor == af);
	}
	CHECK("nothing more", test_script_recv(f.fd, buf, &body) == 0);
	CHECK("reported", f.n->last.state == BGP_STATE_ESTABLISHED && f.n->last.is_internal &&
				  f.n->last.remote_id == PEER_ID && f.n->last.hold_s == 30);
	CHECK_STR("no reason", f.n->last.reason, "");
	end(&f);
}

static const uint8_t *message(const char *hex, size_t *ret_len)
{
	static uint8_t bytes[256];
	size_t n = 0;

	for (const char *p = hex; *p;) {
		unsigned v;

		if (*p == ' ') {
			p++;
			continue;
		}
		CHECK(hex, sscanf(p, "%2x", &v) == 1); /* NOLINT: constants of this file */
		bytes[n++] = (uint8_t)v;
		p += 2;
	}
	*ret_len = n;
	return bytes;
}

#define MARKER "ffffffffffffffffffffffffffffffff "

/* What an OPEN, or something in its place, is answered with. */
static void test_bad_open(void **state)
{
	static const struct {
		const char *name, *hex, *reason;
		uint8_t code, subcode;
	} rows[] = {
		{ "wrong AS", MARKER "001d01 04 fde9 005a 0a0000c8 00",
		  "notification sent: open error/bad peer as", BGP_OPEN_ERROR, BGP_OPEN_BAD_AS },
		{ "version 3", MARKER "001d01 03 fc00 005a 0a0000c8 00", NULL, BGP_OPEN_ERROR,
		  BGP_OPEN_BAD_VERSION },
		{ "router ID 0", MARKER "001d01 04 fc00 005a 00000000 00", NULL, BGP_OPEN_ERROR,
		  BGP_OPEN_BAD_ID },
		{ "our router ID", MARKER "001d01 04 fc00 005a 0a000001 00", NULL, BGP_OPEN_ERROR,
		  BGP_OPEN_BAD_ID },
		{ "hold time 2", MARKER "001d01 04 fc00 0002 0a0000c8 00", NULL, BGP_OPEN_ERROR,
		  BGP_OPEN_BAD_HOLD },
		{ "only a family we do not have", /* multiprotocol: IPv4 multicast */
		  MARKER "002501 04 fc00 005a 0a0000c8 08 0206 0104 0001 00 02", NULL,
		  BGP_OPEN_ERROR, BGP_OPEN_BAD_CAPABILITY },
		{ "no marker", "00ffffffffffffffffffffffffffffff 001d01", NULL, BGP_HEADER_ERROR,
		  BGP_HEADER_NOT_SYNCED },
		{ "length 18", MARKER "001204", NULL, BGP_HEADER_ERROR, BGP_HEADER_BAD_LENGTH },
		{ "type 9", MARKER "001309", NULL, BGP_HEADER_ERROR, BGP_HEADER_BAD_TYPE },
		{ "KEEPALIVE before OPEN", MARKER "001304", NULL, BGP_FSM_ERROR,
		  BGP_FSM_IN_OPENSENT },
		{ "OPEN twice",
		  MARKER "001d01 04 fc00 005a 0a0000c8 00" MARKER "001d01 04 fc00 005a 0a0000c8 00",
		  NULL, BGP_FSM_ERROR, BGP_FSM_IN_OPENCONFIRM },
		{ "UPDATE before KEEPALIVE",
		  MARKER "001d01 04 fc00 005a 0a0000c8 00" MARKER "001702 0000 0000", NULL,
		  BGP_FSM_ERROR, BGP_FSM_IN_OPENCONFIRM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;
		const uint8_t *bytes;
		size_t len;
		int again;

		start(&f, 0);
		run_ms(&f, 100);
		f.fd = f.net.script_fd;
		f.net.script_fd = -1;
		bytes = message(rows[i].hex, &len);
		test_script_send(f.fd, bytes, len);
		run_ms(&f, 1);
		expect_notification(&f, rows[i].name, rows[i].code, rows[i].subcode);
		CHECK(rows[i].name, f.p->state == BGP_STATE_IDLE && f.p->n_flaps == 0);
		if (rows[i].reason)
			CHECK_STR(rows[i].name, f.n->last.reason, rows[i].reason);
		/* Idle hold: it may not just connect again. */
		again = test_script_connect(f.n, &f.remote);
		run_ms(&f, 1);
		CHECK(rows[i].name, f.p->in == NULL);
		(void)close(again);
		run_ms(&f, 1100);
		CHECK("but is dialled after a while", f.net.script_fd >= 0);
		(void)close(f.net.script_fd);
		f.net.script_fd = -1;
		run_ms(&f, 1);
		if (rows[i].reason) /* not covered by what came of the next attempt */
			CHECK_STR(rows[i].name, bgp_peer_status_get(f.p).reason, rows[i].reason);
		end(&f);
	}
}

static void test_hold_expiry(void **state)
{
	struct fixture f;
	struct rd body;
	int n = 0;

	(void)state;
	start(&f, 9);
	establish(&f, 90);
	run_ms(&f, 8900);
	CHECK("still there", f.p->state == BGP_STATE_ESTABLISHED);
	while (test_script_recv(f.fd, buf, &body) == BGP_MSG_KEEPALIVE || body.left == 4 ||
	       body.left == 10)
		n++; /* keepalives, and the two End-of-RIB */
	CHECK("keepalives went out", n >= 4 && n <= 7);
	run_ms(&f, 200);
	expect_notification(&f, "hold", BGP_HOLD_ERROR, 0);
	CHECK("idle", f.p->state == BGP_STATE_IDLE);
	CHECK_STR("reason", f.n->last.reason, "hold timer expired");
	CHECK("flap counted", f.n->last.n_flaps == 1);
	run_ms(&f, 1100);
	CHECK("dialled again", f.net.script_fd >= 0);
	end(&f);
}

/* The message is in the socket, but the loop had no time to look: the timer must not be quicker. */
static void test_hold_reads_first(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 9);
	establish(&f, 90);
	for (int i = 0; i < 5; i++) {
		test_script_keepalive(f.fd);
		(void)ev_sim_advance(f.net.loop, 9 * US_PER_S + 1); /* no descriptor is marked */
		CHECK("alive", f.p->state == BGP_STATE_ESTABLISHED);
	}
	(void)ev_sim_advance(f.net.loop, 9 * US_PER_S + 1);
	CHECK("without input it ends", f.p->state == BGP_STATE_IDLE);
	end(&f);
}

static void test_no_hold(void **state)
{
	struct fixture f;
	struct rd body;

	(void)state;
	start(&f, 0);
	establish(&f, 0);
	while (test_script_recv(f.fd, buf, &body) > 0)
		;
	run_ms(&f, 3600 * 1000);
	CHECK("an hour of silence", f.p->state == BGP_STATE_ESTABLISHED);
	CHECK("from both", test_script_recv(f.fd, buf, &body) == 0);
	end(&f);
}

static void test_send_hold(void **state)
{
	struct fixture f;
	uint8_t junk[4096] = { 0 };

	(void)state;
	start(&f, 0);
	establish(&f, 0);
	/* The peer stops reading: its buffer is full, with bytes that are not ours to count. */
	while (send(f.p->up->fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	test_announce(f.n, "10.1.0.0/24", &f.n->addr);
	run_ms(&f, 1);
	CHECK("waits", f.p->up->out_len > 0);
	run_ms(&f, 479 * 1000);
	CHECK("patient", f.p->state == BGP_STATE_ESTABLISHED);
	run_ms(&f, 2000);
	CHECK("ended", f.p->n_flaps == 1);
	CHECK_STR("reason", f.n->last.reason, "send hold timer expired");
	end(&f);
}

static void test_notification_received(void **state)
{
	struct fixture f;
	const uint8_t *bytes;
	size_t len;

	(void)state;
	start(&f, 0);
	establish(&f, 90);
	bytes = message(MARKER "001503 06 03", &len);
	test_script_send(f.fd, bytes, len);
	run_ms(&f, 1);
	CHECK("down", f.p->state == BGP_STATE_IDLE);
	CHECK_STR("reason", f.n->last.reason, "notification received: cease/peer de-configured");
	run_ms(&f, 1100);
	CHECK("dialled again", f.net.script_fd >= 0);
	end(&f);
}

static void test_closed_by_peer(void **state)
{
	struct fixture f;
	struct rd body;

	(void)state;
	start(&f, 0);
	establish(&f, 90);
	while (test_script_recv(f.fd, buf, &body) > 0)
		; /* unread bytes would make it a reset */
	(void)close(f.fd);
	f.fd = -1;
	run_ms(&f, 1);
	CHECK_STR("reason", f.n->last.reason, "connection closed by peer");
	run_ms(&f, 1100);
	establish(&f, 90);
	CHECK("flap", f.p->n_flaps == 1);
	end(&f);
}

/* 1 s, doubled to 30 s, less up to a quarter. */
static void test_backoff(void **state)
{
	struct fixture f;
	unsigned n_early, n_late;

	(void)state;
	start(&f, 0);
	f.net.is_dial_refused = true;
	run_ms(&f, 100);
	CHECK("at once", f.net.n_dials == 1);
	CHECK("active between", f.p->state == BGP_STATE_ACTIVE);
	run_ms(&f, 1100);
	CHECK("after a second", f.net.n_dials == 2);
	run_ms(&f, 60 * 1000);
	n_early = f.net.n_dials; /* 2 4 8 16 30 */
	CHECK("slower", n_early >= 6 && n_early <= 8);
	run_ms(&f, 300 * 1000);
	n_late = f.net.n_dials - n_early;
	CHECK("but never slower than 30 s", n_late >= 10 && n_late <= 14);
	CHECK_STR("why", bgp_peer_status_get(f.p).reason, "connect: Connection refused");
	f.net.is_dial_refused = false;
	run_ms(&f, 30 * 1000);
	CHECK("it goes on", f.net.script_fd >= 0);
	end(&f);
}

static void test_deconfigured(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0);
	establish(&f, 90);
	CHECK("del", bgp_speaker_peer_del(f.n->speaker, &f.remote) == 0);
	expect_notification(&f, "cease", BGP_CEASE, BGP_CEASE_DECONFIGURED);
	CHECK("twice", bgp_speaker_peer_del(f.n->speaker, &f.remote) == -ENOENT);
	run_ms(&f, 60 * 1000);
	CHECK("not dialled", f.net.script_fd < 0);
	end(&f);
}

static void test_conf_change(void **state)
{
	struct fixture f;
	unsigned n_dials;

	(void)state;
	start(&f, 0);
	establish(&f, 90);
	n_dials = f.net.n_dials;
	test_peer_set(f.n, &f.conf);
	f.conf.prefix_max = 5;
	test_peer_set(f.n, &f.conf);
	f.conf.role = BGP_PEER_EXTERNAL;
	test_peer_set(f.n, &f.conf);
	run_ms(&f, 1000);
	CHECK("live", f.p->n_flaps == 0 && f.net.n_dials == n_dials);
	f.conf.hold_s = 33;
	test_peer_set(f.n, &f.conf);
	expect_notification(&f, "hold time", BGP_CEASE, BGP_CEASE_CONFIG_CHANGE);
	(void)close(f.fd);
	establish(&f, 90); /* soon, without back-off */
	CHECK("new", f.p->hold_s == 33);
	end(&f);
}

static void test_passive(void **state)
{
	struct fixture f;
	struct ip_addr stranger = test_addr("10.0.0.66"), other = test_addr("10.0.0.2");
	struct rd body;
	int fd, second;

	(void)state;
	start(&f, 0);
	f.net.is_dial_refused = true;
	run_ms(&f, 100);
	fd = test_script_connect(f.n, &stranger);
	CHECK("stranger", test_script_recv(fd, buf, &body) == -1);
	(void)close(fd);
	f.n->addr = other; /* as if the listener were on another address of the node */
	fd = test_script_connect(f.n, &f.remote);
	CHECK("wrong local address", test_script_recv(fd, buf, &body) == -1);
	(void)close(fd);
	CHECK("counted", bgp_speaker_stats_get(f.n->speaker).n_unknown == 2);

	f.n->addr = f.conf.local_addr;
	f.fd = test_script_connect(f.n, &f.remote);
	CHECK("open comes at once", test_script_recv(f.fd, buf, &body) == BGP_MSG_OPEN);
	second = test_script_connect(f.n, &f.remote);
	CHECK("one at a time", test_script_recv(second, buf, &body) == -1);
	(void)close(second);
	test_script_open(f.fd, PEER_ASN, PEER_ID, 90);
	test_script_keepalive(f.fd);
	run_ms(&f, 1);
	CHECK("established", f.p->state == BGP_STATE_ESTABLISHED && f.p->up == f.p->in);
	f.net.is_dial_refused = false;
	run_ms(&f, 80 * 1000);
	CHECK("nothing is dialled beside it", f.net.script_fd < 0);
	(void)close(f.fd);
	f.fd = -1;
	run_ms(&f, 1100);
	CHECK("but after it", f.net.script_fd >= 0);
	CHECK("one flap", f.p->n_flaps == 1);
	end(&f);
}

/* A good OPEN on the connection that is to lose waits for the other; which never says a word. */
static void test_parked(void **state)
{
	struct fixture f;
	struct rd body;
	int mine;

	(void)state;
	start(&f, 0);
	run_ms(&f, 100);
	mine = f.net.script_fd; /* the peer has the higher ID: its own connection is preferred */
	f.net.script_fd = -1;
	f.fd = test_script_connect(f.n, &f.remote);
	test_script_open(mine, PEER_ASN, PEER_ID, 90);
	test_script_keepalive(mine);
	run_ms(&f, 100);
	CHECK("parked", f.p->out->is_parked && f.p->out->state == BGP_STATE_OPENSENT);
	run_ms(&f, 5000);
	CHECK("goes on", f.p->state == BGP_STATE_ESTABLISHED && f.p->up == f.p->out);
	expect_notification(&f, "the silent one", BGP_CEASE, BGP_CEASE_COLLISION);
	(void)close(f.fd);
	f.fd = mine;
	CHECK("open", test_script_expect(mine, BGP_MSG_KEEPALIVE, buf, &body));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_establish),
		cmocka_unit_test(test_bad_open),
		cmocka_unit_test(test_hold_expiry),
		cmocka_unit_test(test_hold_reads_first),
		cmocka_unit_test(test_no_hold),
		cmocka_unit_test(test_send_hold),
		cmocka_unit_test(test_notification_received),
		cmocka_unit_test(test_closed_by_peer),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_deconfigured),
		cmocka_unit_test(test_conf_change),
		cmocka_unit_test(test_passive),
		cmocka_unit_test(test_parked),
	};

	log_sink_set(test_log_drop, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
