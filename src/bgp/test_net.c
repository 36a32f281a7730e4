/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bgp/test_net.h"

/*
 * The simulated loop is told what is readable. Sockets here are real, so a task asks poll(2) about
 * every descriptor in each turn as long as anything moves, and takes all marks away at the end: a
 * mark that is left would be an endless callback.
 */

#define SAME_MAX 4 /* turns without any change before the instant counts as settled */

static uint32_t net_random(struct test_net *net)
{
	net->seed = net->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(net->seed >> 33);
}

static void accepts_run(struct test_net *net)
{
	for (size_t i = 0; i < net->n_accepts;) {
		if (net->is_lazy && net_random(net) % 4 != 0) {
			i++;
			continue;
		}
		for (size_t k = 0; k < net->n_nodes; k++) {
			if (ip_same(&net->nodes[k].addr, &net->accepts[i].local))
				bgp_speaker_take(net->nodes[k].speaker, net->accepts[i].fd,
						 &net->accepts[i].remote, &net->accepts[i].local);
		}
		net->accepts[i] = net->accepts[--net->n_accepts];
		net->n_same = 0;
	}
}

static void marks_clear(struct test_net *net)
{
	for (int fd = 3; fd < TEST_NET_FDS; fd++)
		ev_sim_fd_set(net->loop, fd, 0);
}

static void marks_set(void *arg)
{
	struct test_net *net = arg;
	struct pollfd p[TEST_NET_FDS - 3];
	unsigned snapshot = 0;

	accepts_run(net);
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		p[i] = (struct pollfd){ .fd = (int)i + 3, .events = POLLIN | POLLOUT };
	CHECK("poll", poll(p, ARRAY_LEN(p), 0) >= 0);
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		unsigned ready = 0;
		int waiting = 0;

		if (!(p[i].revents & POLLNVAL)) {
			ready |= p[i].revents & (POLLIN | POLLHUP | POLLERR) ? EV_READ : 0;
			ready |= p[i].revents & (POLLOUT | POLLERR) ? EV_WRITE : 0;
		}
		if (p[i].revents & POLLIN)
			(void)ioctl(p[i].fd, FIONREAD, &waiting);
		if (net->is_lazy && net_random(net) % 3 != 0)
			ready = 0;
		snapshot = snapshot * 31u + ready * 7u + (unsigned)waiting;
		ev_sim_fd_set(net->loop, p[i].fd, ready);
	}
	net->n_same = snapshot == net->snapshot ? net->n_same + 1 : 0;
	net->snapshot = snapshot;
	/* A lazy net never settles by itself: its marks are drawn anew each time. */
	if (net->n_same < SAME_MAX && !(net->is_lazy && net_random(net) % 4 == 0))
		ev_task_post(net->task);
	else
		marks_clear(net);
}

void test_net_init(struct test_net *net, uint64_t seed, bool is_lazy)
{
	*net = (struct test_net){ .seed = seed * 2654435761u + 1, .is_lazy = is_lazy };
	net->loop = ev_new_sim(seed);
	net->task = ev_task_new(net->loop, "test-net", marks_set, net);
	net->script_fd = -1;
}

void test_net_run(struct test_net *net, int64_t us)
{
	struct mono end = mono_add_us(ev_now(net->loop), us);

	for (;;) {
		int64_t left = mono_diff_us(end, ev_now(net->loop)), step = left;
		struct mono next;

		net->n_same = 0;
		ev_task_post(net->task);
		(void)ev_sim_settle(net->loop);
		if (left <= 0)
			return;
		if (ev_sim_next_timer(net->loop, &next))
			step = MIN(step, MAX(mono_diff_us(next, ev_now(net->loop)), (int64_t)0));
		if (net->is_lazy)
			step = MIN(step, 3 * US_PER_MS);
		(void)ev_sim_advance(net->loop, step);
	}
}

/* --- nodes */

static void on_best(void *arg, const struct bgp_best *b)
{
	struct test_node *n = arg;
	char prefix[IP_PREFIX_FMT_MAX], nexthop[IP_ADDR_FMT_MAX], peer[IP_ADDR_FMT_MAX];

	n->n_best++;
	strbuf_fmt(&n->log, "%s via %s from %s\n", ip_prefix_fmt(prefix, &b->prefix),
		   ip_fmt(nexthop, &b->nexthop), ip_fmt(peer, &b->peer));
}

static void on_best_gone(void *arg, const struct ip_prefix *p)
{
	struct test_node *n = arg;
	char prefix[IP_PREFIX_FMT_MAX];

	strbuf_fmt(&n->log, "%s gone\n", ip_prefix_fmt(prefix, p));
}

static void on_peer(void *arg, const struct bgp_peer_status *st)
{
	struct test_node *n = arg;

	if (st->got_eor && !n->last.got_eor)
		n->n_best_at_eor = n->n_best;
	n->last = *st;
	n->n_reports++;
}

static int on_dial(void *arg, const struct bgp_peer *p, int *ret_fd)
{
	struct test_node *n = arg;
	struct test_net *net = n->net;
	int pair[2];

	net->n_dials++;
	if (net->is_dial_refused)
		return -ECONNREFUSED;
	CHECK("socketpair",
	      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	*ret_fd = pair[0];
	for (size_t i = 0; i < net->n_nodes; i++) {
		if (!ip_same(&net->nodes[i].addr, &p->conf.addr))
			continue;
		CHECK("room", net->n_accepts < ARRAY_LEN(net->accepts));
		net->accepts[net->n_accepts].fd = pair[1];
		net->accepts[net->n_accepts].remote = n->addr;
		net->accepts[net->n_accepts++].local = p->conf.addr;
		return 0;
	}
	if (net->script_fd >= 0)
		(void)close(net->script_fd);
	net->script_fd = pair[1];
	return 0;
}

struct test_node *test_net_add(struct test_net *net, uint32_t asn)
{
	struct test_node *n = &net->nodes[net->n_nodes++];
	uint32_t id = 0x0a000000u + (uint32_t)net->n_nodes;
	const struct bgp_speaker_conf conf = { .asn = asn, .router_id = id };
	const struct bgp_speaker_events events = { n, on_best, on_best_gone, on_peer };

	n->net = net;
	n->addr = ip_v4(id);
	n->speaker = bgp_speaker_new(net->loop, &conf, &events);
	bgp_speaker_dial_set(n->speaker, on_dial, n);
	return n;
}

void test_net_fini(struct test_net *net)
{
	for (size_t i = 0; i < net->n_nodes; i++) {
		bgp_speaker_free(net->nodes[i].speaker);
		strbuf_fini(&net->nodes[i].log);
	}
	for (size_t i = 0; i < net->n_accepts; i++)
		(void)close(net->accepts[i].fd);
	if (net->script_fd >= 0)
		(void)close(net->script_fd);
	ev_task_free(net->task);
	ev_free(net->loop);
}

struct ip_addr test_addr(const char *text)
{
	struct ip_addr a;

	CHECK(text, ip_parse(text, &a) == 0);
	return a;
}

struct ip_prefix test_prefix(const char *text)
{
	struct ip_prefix p;

	CHECK(text, ip_prefix_parse(text, &p) == 0);
	return p;
}

struct bgp_peer_conf test_peer_conf(const struct test_node *n, const struct ip_addr *remote)
{
	return (struct bgp_peer_conf){
		.addr = *remote,
		.local_addr = n->addr,
		.role = BGP_PEER_NODE,
		.families = BGP_AF_IPV4 | BGP_AF_IPV6,
	};
}

void test_peer_set(struct test_node *n, const struct bgp_peer_conf *c)
{
	const char *why = "";

	if (bgp_speaker_peer_set(n->speaker, c, &why) != 0) {
		print_error("peer_set: %s\n", why);
		fail();
	}
}

void test_announce(struct test_node *n, const char *prefix, const struct ip_addr *nexthop)
{
	struct ip_prefix p = test_prefix(prefix);
	struct bgp_announce a = {
		.nexthop = *nexthop,
		.kind = BGP_ANNOUNCE_POD_CIDR,
		.to_nodes = 1,
		.to_external = 1,
	};
	const char *why;

	CHECK(prefix, bgp_speaker_announce(n->speaker, &p, &a, &why) == 0);
}

enum bgp_state test_state(struct test_node *n, const struct ip_addr *remote)
{
	return bgp_speaker_peer_get(n->speaker, remote)->state;
}

void test_log_drop(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* --- the scripted peer */

int test_script_connect(struct test_node *n, const struct ip_addr *from)
{
	int pair[2];

	CHECK("socketpair",
	      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	bgp_speaker_take(n->speaker, pair[0], from, &n->addr);
	return pair[1];
}

void test_script_send(int fd, const void *data, size_t len)
{
	CHECK("the script's message fits", send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

void test_script_open(int fd, uint32_t asn, uint32_t id, uint16_t hold_s)
{
	uint8_t buf[BGP_MSG_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	const struct bgp_open o = {
		.version = BGP_VERSION,
		.hold_s = hold_s,
		.asn = asn,
		.id = id,
		.families = BGP_AF_IPV4 | BGP_AF_IPV6,
		.has_mp = true,
		.has_refresh = true,
		.has_as4 = true,
	};

	bgp_open_encode(&w, &o);
	test_script_send(fd, buf, w.len);
}

void test_script_keepalive(int fd)
{
	uint8_t buf[BGP_HEADER_BYTES];
	struct wr w = wr_init(buf, sizeof(buf));

	bgp_keepalive_encode(&w);
	test_script_send(fd, buf, w.len);
}

int test_script_recv(int fd, uint8_t *buf, struct rd *ret_body)
{
	ssize_t n = recv(fd, buf, BGP_HEADER_BYTES, MSG_PEEK);
	struct bgp_msg msg;
	struct bgp_err err;
	size_t size;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -1;
	if (n < BGP_HEADER_BYTES)
		return 0;
	size = (size_t)buf[16] << 8 | buf[17];
	n = recv(fd, buf, size, 0);
	CHECK("a whole message", n == (ssize_t)size);
	CHECK("well-formed", bgp_msg_next(buf, size, BGP_MSG_MAX_EXTENDED, &msg, &err) == 0);
	*ret_body = msg.body;
	return (int)msg.type;
}

bool test_script_expect(int fd, int type, uint8_t *buf, struct rd *ret_body)
{
	int got;

	while ((got = test_script_recv(fd, buf, ret_body)) > 0) {
		if (got == type)
			return true;
	}
	return false;
}
