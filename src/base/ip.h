/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * IP addresses and prefixes, both families in one type. Plain values: copy, compare with the
 * functions here, use as map keys (no padding, unused bytes are zero).
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum ip_family {
	IP_NONE = 0, /* no address */
	IP_V4 = 4,
	IP_V6 = 6,
};

struct ip_addr {
	uint8_t family;    /* enum ip_family; one byte so that the struct has no padding */
	uint8_t bytes[16]; /* network order; IPv4 uses the first 4, the rest is zero */
};

struct ip_prefix {
	struct ip_addr addr; /* host bits zero, unless made by ip_prefix_parse_host() */
	uint8_t len;         /* bits */
};

#define IP_ADDR_FMT_MAX   46 /* INET6_ADDRSTRLEN */
#define IP_PREFIX_FMT_MAX 50

static inline bool ip_is_none(const struct ip_addr *a)
{
	return a->family == IP_NONE;
}
static inline unsigned ip_bits(uint8_t family)
{
	return family == IP_V4 ? 32 : family == IP_V6 ? 128 : 0;
}
static inline size_t ip_size(uint8_t family) /* bytes on the wire */
{
	return ip_bits(family) / 8;
}
static inline bool ip_is_link_local(const struct ip_addr *a)
{
	if (a->family == IP_V6)
		return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
	return a->family == IP_V4 && a->bytes[0] == 169 && a->bytes[1] == 254;
}
/* AF_INET, AF_INET6 or AF_UNSPEC */
int ip_af(uint8_t family);
uint8_t ip_family_of_af(int af);

struct ip_addr ip_v4(uint32_t host_order);
uint32_t ip_to_u32(const struct ip_addr *a); /* IPv4 only; host order */
struct ip_addr ip_from_bytes(uint8_t family, const void *bytes);

/*
 * Text to value, whole text, no zone. As Kubernetes accepts it in objects: IPv4 octets may have
 * leading zeros (decimal all the same), IPv4 in IPv6 form (::ffff:1.2.3.4) becomes IPv4. -EINVAL.
 */
int ip_parse(const char *text, struct ip_addr *ret);
int ip_parse_n(const char *text, size_t len, struct ip_addr *ret);
/* For the command line: the same, but octets with leading zeros are refused. */
int ip_parse_strict(const char *text, struct ip_addr *ret);
/*
 * "10.1.0.0/24"; host bits are masked off. A bare address is -EINVAL. ::ffff:10.1.0.0/120 is
 * 10.1.0.0/24.
 */
int ip_prefix_parse(const char *text, struct ip_prefix *ret);
/* The same, host bits kept (an interface address). */
int ip_prefix_parse_host(const char *text, struct ip_prefix *ret);

/* Canonical text (RFC 5952 for IPv6); returns buf. "none" for IP_NONE. */
const char *ip_fmt(char buf[IP_ADDR_FMT_MAX], const struct ip_addr *a);
const char *ip_prefix_fmt(char buf[IP_PREFIX_FMT_MAX], const struct ip_prefix *p);

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b);
bool ip_same(const struct ip_addr *a, const struct ip_addr *b);
int ip_prefix_cmp(const struct ip_prefix *a,
		  const struct ip_prefix *b); /* family, address, length */
bool ip_prefix_same(const struct ip_prefix *a, const struct ip_prefix *b);

struct ip_prefix ip_prefix_make(const struct ip_addr *a, uint8_t len); /* masks; len is clamped */
struct ip_prefix ip_prefix_host(const struct ip_addr *a);              /* /32 or /128 */
bool ip_prefix_has(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);

/* sockaddr for connect/bind; returns its length, 0 for IP_NONE. */
socklen_t ip_to_sockaddr(const struct ip_addr *a, uint16_t port, struct sockaddr_storage *ret);
/* Address and port out of a sockaddr; false for a foreign family. IPv4-mapped becomes IPv4. */
bool ip_from_sockaddr(const struct sockaddr_storage *ss, struct ip_addr *ret, uint16_t *ret_port);
