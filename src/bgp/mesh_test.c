/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "bgp/test_net.h"

/*
 * Nodes of one cluster that all dial each other at once: each pair has two connections for a
 * moment. Whatever the order of events, both ends must keep the same one and no session may come up
 * and go down again.
 */

static void test_pair_orders(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct test_net net;
		struct test_node *a, *b;
		struct bgp_peer_conf ab, ba;
		struct bgp_peer *pa, *pb;
		char name[32];

		(void)snprintf(name, sizeof(name), "seed %u", (unsigned)seed);
		test_net_init(&net, seed, true);
		a = test_net_add(&net, 64512);
		b = test_net_add(&net, 64512);
		ab = test_peer_conf(a, &b->addr);
		ba = test_peer_conf(b, &a->addr);
		test_peer_set(a, &ab);
		test_peer_set(b, &ba);
		test_announce(a, "10.1.1.0/24", &a->addr);
		pa = bgp_speaker_peer_get(a->speaker, &b->addr);
		pb = bgp_speaker_peer_get(b->speaker, &a->addr);
		if (seed % 4 != 0) { /* in the same instant; else with the usual jitter */
			bgp_session_start(pa->out, 0);
			bgp_session_start(pb->out, 0);
		}
		test_net_run(&net, 2 * US_PER_S);
		CHECK(name, pa->state == BGP_STATE_ESTABLISHED);
		CHECK(name, pb->state == BGP_STATE_ESTABLISHED);
		CHECK(name, pa->n_flaps == 0 && pb->n_flaps == 0);
		CHECK("one direction", (pa->up == pa->out) == (pb->up == pb->in));
		net.is_lazy = false;
		test_net_run(&net, 200 * US_PER_S); /* past hold times and what was left over */
		CHECK(name, pa->n_flaps == 0 && pb->n_flaps == 0);
		CHECK_STR(name, strbuf_text(&b->log), "10.1.1.0/24 via 10.0.0.1 from 10.0.0.1\n");
		test_net_fini(&net);
	}
}

/* --- real sockets, real time */

#define N_NODES 3

struct mesh {
	struct ev_loop *loop;
	struct ev_timer *poll;
	struct bgp_speaker *speakers[N_NODES];
	struct ip_addr addrs[N_NODES];
	uint16_t port;
	size_t n_best[N_NODES];
	bool is_settled;
	struct mono deadline;
};

struct mesh_node {
	struct mesh *mesh;
	size_t i;
};

static void on_best(void *arg, const struct bgp_best *best)
{
	struct mesh_node *n = arg;

	(void)best;
	n->mesh->n_best[n->i]++;
}

static void on_gone(void *arg, const struct ip_prefix *prefix)
{
	struct mesh_node *n = arg;

	(void)prefix;
	n->mesh->n_best[n->i]--;
}

static void on_peer(void *arg, const struct bgp_peer_status *st)
{
	(void)arg;
	(void)st;
}

static bool mesh_is_up(struct mesh *m)
{
	for (size_t i = 0; i < N_NODES; i++) {
		for (size_t k = 0; k < N_NODES; k++) {
			struct bgp_peer *p;

			if (k == i)
				continue;
			p = bgp_speaker_peer_get(m->speakers[i], &m->addrs[k]);
			if (p->state != BGP_STATE_ESTABLISHED || m->n_best[i] != N_NODES - 1)
				return false;
		}
	}
	return true;
}

static void on_poll(void *arg)
{
	struct mesh *m = arg;

	m->is_settled = mesh_is_up(m);
	if (m->is_settled || mono_diff_us(ev_now(m->loop), m->deadline) > 0)
		ev_stop(m->loop);
	else
		ev_timer_set(m->poll, 2 * US_PER_MS);
}

/* All nodes listen on one port, each on its own address; -1 if the port is taken on one of them. */
static int mesh_listen(struct mesh *m, int fds[N_NODES])
{
	for (size_t i = 0; i < N_NODES; i++) {
		struct sockaddr_storage ss;
		socklen_t len = ip_to_sockaddr(&m->addrs[i], m->port, &ss);
		int one = 1;

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		CHECK("socket", fds[i] >= 0);
		(void)setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fds[i], (struct sockaddr *)&ss, len) < 0 || listen(fds[i], 16) < 0)
			return -1;
		if (m->port == 0) {
			len = sizeof(ss);
			CHECK("name", getsockname(fds[i], (struct sockaddr *)&ss, &len) == 0);
			(void)ip_from_sockaddr(&ss, &m->addrs[i], &m->port);
		}
	}
	return 0;
}

static void mesh_peers(struct mesh *m)
{
	for (size_t i = 0; i < N_NODES; i++) {
		for (size_t k = 0; k < N_NODES; k++) {
			const struct bgp_peer_conf c = {
				.addr = m->addrs[k],
				.local_addr = m->addrs[i],
				.role = BGP_PEER_NODE,
				.families = BGP_AF_IPV4,
				.port = m->port,
			};
			const char *why;

			if (k == i)
				continue;
			CHECK("peer", bgp_speaker_peer_set(m->speakers[i], &c, &why) == 0);
			bgp_session_start(bgp_speaker_peer_get(m->speakers[i], &m->addrs[k])->out,
					  0);
		}
	}
}

static void mesh_wait(struct mesh *m, int64_t us)
{
	m->deadline = mono_add_us(ev_now(m->loop), us);
	ev_timer_set(m->poll, 0);
	ev_run(m->loop);
}

static void mesh_round(void)
{
	struct mesh m = { .loop = ev_new_real() };
	struct mesh_node nodes[N_NODES];
	int fds[N_NODES];

	for (size_t i = 0; i < N_NODES; i++)
		m.addrs[i] = ip_v4(0x7f000016u + (uint32_t)i); /* 127.0.0.22 and on */
	if (mesh_listen(&m, fds) < 0) {
		print_message("port %u is taken on one address: skipped\n", m.port);
		skip();
	}
	m.poll = ev_timer_new(m.loop, "poll", on_poll, &m);
	for (size_t i = 0; i < N_NODES; i++) {
		const struct bgp_speaker_conf conf = { .asn = 64512,
						       .router_id = 100 + (uint32_t)i };
		const struct bgp_speaker_events events = { &nodes[i], on_best, on_gone, on_peer };
		struct ip_prefix p = ip_prefix_host(&m.addrs[i]);
		struct bgp_announce ann = { .nexthop = m.addrs[i], .to_nodes = 1 };
		const char *why;

		nodes[i] = (struct mesh_node){ &m, i };
		m.speakers[i] = bgp_speaker_new(m.loop, &conf, &events);
		CHECK("listen", bgp_speaker_listen(m.speakers[i], fds[i]) == 0);
		CHECK("announce", bgp_speaker_announce(m.speakers[i], &p, &ann, &why) == 0);
	}
	mesh_peers(&m);
	mesh_wait(&m, 10 * US_PER_S); /* generous: the machine may be busy */
	CHECK("settled", m.is_settled);
	for (size_t i = 0; i < N_NODES; i++) {
		for (size_t k = 0; k < N_NODES; k++) {
			if (k != i)
				CHECK("no flap",
				      bgp_speaker_peer_get(m.speakers[i], &m.addrs[k])->n_flaps ==
					      0);
		}
	}
	for (size_t i = 0; i < N_NODES; i++)
		bgp_speaker_free(m.speakers[i]);
	ev_timer_free(m.poll);
	ev_free(m.loop);
}

static void test_real_mesh(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		mesh_round();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair_orders),
		cmocka_unit_test(test_real_mesh),
	};

	log_sink_set(test_log_drop, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
