/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "bgp/peer.h"
#include "bgp/speaker_impl.h"
#include "bgp/update.h"
#include "ev/sim.h"

/*
 * Bytes of a peer through a whole speaker. The first byte says how far the session is before they
 * come (bits 0-1: nothing, OPEN, OPEN and KEEPALIVE), whether the peer is external (bit 2), whether
 * they come in two pieces (bit 3), and what happens behind them (bits 4-5: nothing, time passes,
 * the peer is changed, the peer is deleted). The speaker announces something, so that both
 * directions are alive.
 */

static void on_best(void *arg, const struct bgp_best *best)
{
	(void)arg;
	(void)best;
}

static void on_gone(void *arg, const struct ip_prefix *prefix)
{
	(void)arg;
	(void)prefix;
}

static void on_peer(void *arg, const struct bgp_peer_status *status)
{
	(void)arg;
	(void)status;
}

static int on_dial(void *arg, const struct bgp_peer *p, int *ret_fd)
{
	(void)arg;
	(void)p;
	(void)ret_fd;
	return -ECONNREFUSED;
}

static void on_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

struct fuzz {
	struct ev_loop *loop;
	struct bgp_speaker *speaker;
	struct bgp_peer_conf conf;
	int near, far;
};

/* What was sent is read; the mark goes before the loop could spin on it. */
static void pump(struct fuzz *f)
{
	uint8_t drop[4096];

	/* The speaker closes `near` itself; its number is not used again while far is open. */
	for (int i = 0; i < 4; i++) {
		struct bgp_peer *p = bgp_speaker_peer_get(f->speaker, &f->conf.addr);

		if (p && p->in && p->in->fd >= 0)
			bgp_reader_post(p->in->reader, &p->in->slot);
		(void)ev_sim_advance(f->loop, 0);
	}
	while (recv(f->far, drop, sizeof(drop), MSG_DONTWAIT) > 0)
		;
}

static void say(struct fuzz *f, const void *data, size_t len)
{
	const uint8_t *pos = data;

	while (len > 0) {
		ssize_t n = send(f->far, pos, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			return; /* closed, or full: pump() made room as far as the speaker reads */
		pos += n;
		len -= (size_t)n;
		pump(f);
	}
}

static void say_opening(struct fuzz *f, unsigned stage)
{
	uint8_t buf[BGP_MSG_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	const struct bgp_open o = {
		.version = BGP_VERSION,
		.hold_s = 90,
		.asn = f->conf.remote_asn,
		.id = 0x0a000002,
		.families = BGP_AF_IPV4 | BGP_AF_IPV6,
		.has_mp = true,
		.has_as4 = true,
		.has_ext_msg = true,
	};

	if (stage >= 1)
		bgp_open_encode(&w, &o);
	if (stage >= 2)
		bgp_keepalive_encode(&w);
	say(f, buf, w.len);
}

static void set_up(struct fuzz *f, bool is_external)
{
	const struct bgp_speaker_conf conf = { .asn = 64512, .router_id = 0x0a000001 };
	const struct bgp_speaker_events events = { NULL, on_best, on_gone, on_peer };
	struct ip_addr local = ip_v4(0x0a000001), vip = ip_v4(0x0a600001);
	struct ip_prefix prefix = ip_prefix_host(&vip);
	const struct bgp_announce a = { .nexthop = local, .to_nodes = 1, .to_external = 1 };
	const char *why;
	int pair[2];

	f->loop = ev_new_sim(1);
	f->speaker = bgp_speaker_new(f->loop, &conf, &events);
	bgp_speaker_dial_set(f->speaker, on_dial, NULL);
	f->conf = (struct bgp_peer_conf){
		.addr = ip_v4(0x0a000002),
		.local_addr = local,
		.role = is_external ? BGP_PEER_EXTERNAL : BGP_PEER_NODE,
		.families = BGP_AF_IPV4 | BGP_AF_IPV6,
		.remote_asn = is_external ? 65001 : 64512,
		.prefix_max = 1000,
	};
	if (bgp_speaker_peer_set(f->speaker, &f->conf, &why) < 0 ||
	    bgp_speaker_announce(f->speaker, &prefix, &a, &why) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	f->near = pair[0];
	f->far = pair[1];
	bgp_speaker_take(f->speaker, f->near, &f->conf.addr, &local);
}

static void wind_up(struct fuzz *f, unsigned how)
{
	const char *why;

	switch (how) {
	case 1:
		(void)ev_sim_advance(f->loop, 600 * US_PER_S);
		break;
	case 2:
		f->conf.hold_s = 30;
		(void)bgp_speaker_peer_set(f->speaker, &f->conf, &why);
		(void)ev_sim_advance(f->loop, US_PER_S);
		break;
	case 3:
		(void)bgp_speaker_peer_del(f->speaker, &f->conf.addr);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f;
	size_t half;

	if (size == 0)
		return 0;
	log_sink_set(on_log, NULL);
	set_up(&f, data[0] & 4);
	say_opening(&f, data[0] & 3);
	half = data[0] & 8 ? (size - 1) / 2 : 0;
	say(&f, data + 1, half);
	say(&f, data + 1 + half, size - 1 - half);
	pump(&f);
	wind_up(&f, data[0] >> 4 & 3);
	bgp_speaker_free(f.speaker);
	(void)close(f.far);
	ev_free(f.loop);
	return 0;
}
