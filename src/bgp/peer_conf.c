/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration of a peer means by itself: checks, defaults, the socket made from it. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgp/peer.h"

const char *bgp_peer_conf_check(const struct bgp_peer_conf *c)
{
	if (ip_is_none(&c->addr))
		return "addr: no address";
	if (c->local_addr.family != c->addr.family)
		return "local_addr: not of the family of addr";
	if (ip_same(&c->addr, &c->local_addr))
		return "addr: equals local_addr";
	if (c->role != BGP_PEER_NODE && c->role != BGP_PEER_EXTERNAL)
		return "role: unknown";
	if (c->families == 0 || (c->families & ~(BGP_AF_IPV4 | BGP_AF_IPV6)))
		return "families: none, or unknown ones";
	if (c->hold_s == 1 || c->hold_s == 2)
		return "hold_s: 1 and 2 are not allowed (RFC 4271 4.2)";
	if (c->remote_asn == 0 && c->role == BGP_PEER_EXTERNAL)
		return "remote_asn: an external peer needs one";
	return NULL;
}

struct bgp_peer_conf bgp_peer_conf_full(const struct bgp_peer_conf *c)
{
	struct bgp_peer_conf full = *c;

	full.port = c->port ? c->port : BGP_PORT;
	full.hold_s = c->hold_s ? c->hold_s : BGP_HOLD_S_DEFAULT;
	full.prefix_max = c->prefix_max ? c->prefix_max : BGP_PREFIX_MAX_DEFAULT;
	return full;
}

bool bgp_peer_conf_needs_reset(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b)
{
	return !ip_same(&a->local_addr, &b->local_addr) || a->families != b->families ||
	       a->hold_s != b->hold_s || a->remote_asn != b->remote_asn || a->port != b->port;
}

void bgp_peer_socket_tune(const struct bgp_peer *p, int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* An external router is a neighbour on the link: nothing of ours goes further (RFC 4271
	 * leaves it to the implementation; every router expects it). */
	if (p->conf.role != BGP_PEER_EXTERNAL || p->conf.remote_asn == p->host->conf.asn)
		return;
	if (p->conf.addr.family == IP_V4)
		(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
}

static int socket_start(const struct bgp_peer *p, int fd)
{
	struct sockaddr_storage local, remote;
	socklen_t local_len = ip_to_sockaddr(&p->conf.local_addr, 0, &local);
	socklen_t remote_len = ip_to_sockaddr(&p->conf.addr, p->conf.port, &remote);

	bgp_peer_socket_tune(p, fd);
	if (bind(fd, (struct sockaddr *)&local, local_len) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&remote, remote_len) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

int bgp_peer_socket(const struct bgp_peer *p, int *ret_fd)
{
	int fd = socket(ip_af(p->conf.addr.family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			IPPROTO_TCP);
	int r;

	if (fd < 0)
		return -errno;
	r = socket_start(p, fd);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
