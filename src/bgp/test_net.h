/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests: speakers on a simulated loop, joined by socketpairs instead of TCP. Virtual time;
 * which socket is served first, how late a connection is accepted and a socket found readable,
 * comes from the seed. And a scripted peer: the test holds the other end and speaks raw messages.
 */
#include "bgp/peer.h"
#include "bgp/speaker_impl.h"
#include "ev/sim.h"

#define TEST_NET_NODES 4
#define TEST_NET_FDS   40 /* descriptors in use stay below */

struct test_net;

struct test_node {
	struct test_net *net;
	struct bgp_speaker *speaker;
	struct ip_addr addr;
	struct strbuf log;           /* best routes, one line each */
	struct bgp_peer_status last; /* of the last peer report */
	unsigned n_reports;
	unsigned n_best, n_best_at_eor; /* best routes told; how many when End-of-RIB was */
};

struct test_net {
	struct ev_loop *loop;
	struct ev_task *task;
	uint64_t seed;
	bool is_lazy; /* readiness and accepts come late, by the seed */
	bool is_dial_refused;
	struct test_node nodes[TEST_NET_NODES];
	size_t n_nodes;
	struct {
		int fd;
		struct ip_addr remote, local;
	} accepts[64]; /* dialled, not accepted yet */
	size_t n_accepts;
	unsigned snapshot, n_same;
	int script_fd; /* the test's end of the last dial to an address that no node has; -1 */
	unsigned n_dials;
};

void test_net_init(struct test_net *net, uint64_t seed, bool is_lazy);
void test_net_fini(struct test_net *net);
/* Address 10.0.0.(n + 1), router ID likewise. */
struct test_node *test_net_add(struct test_net *net, uint32_t asn);
/* Virtual time passes; everything that is due happens. */
void test_net_run(struct test_net *net, int64_t us);

struct ip_addr test_addr(const char *text);
struct ip_prefix test_prefix(const char *text);
/* Peer of this node with defaults; change and set it with test_peer_set(). */
struct bgp_peer_conf test_peer_conf(const struct test_node *n, const struct ip_addr *remote);
void test_peer_set(struct test_node *n, const struct bgp_peer_conf *c);
void test_announce(struct test_node *n, const char *prefix, const struct ip_addr *nexthop);
enum bgp_state test_state(struct test_node *n, const struct ip_addr *remote);

/* For log_sink_set(): tests that provoke many lines. */
void test_log_drop(void *arg, const char *line);

/* --- the scripted peer */

/* Connects to the node from this address. */
int test_script_connect(struct test_node *n, const struct ip_addr *from);
void test_script_send(int fd, const void *data, size_t len);
void test_script_open(int fd, uint32_t asn, uint32_t id, uint16_t hold_s);
void test_script_keepalive(int fd);
/*
 * The next message that the node sent: its type, *ret_body copied to buf (at least
 * BGP_MSG_MAX_EXTENDED). 0: none waits. -1: the node closed.
 */
int test_script_recv(int fd, uint8_t *buf, struct rd *ret_body);
/* Reads until a message of this type came (others are dropped); false if it did not. */
bool test_script_expect(int fd, int type, uint8_t *buf, struct rd *ret_body);
