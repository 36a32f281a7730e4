/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own parsers, because neither inet_pton() nor inet_aton() reads what Kubernetes stores: objects
 * may carry decimal octets with leading zeros and IPv4 in IPv6 form, and both keep that meaning.
 */
#include "base/ip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IP6_GROUPS 8

/* An address in IPv6 form whose last four bytes are an IPv4 address (RFC 4291 2.5.5.2). */
static const uint8_t mapped_head[12] = { [10] = 0xff, [11] = 0xff };

/* What is left of the text; parsers move p. */
struct text {
	const char *p, *end;
};

int ip_af(uint8_t family)
{
	return family == IP_V4 ? AF_INET : family == IP_V6 ? AF_INET6 : AF_UNSPEC;
}

uint8_t ip_family_of_af(int af)
{
	return af == AF_INET ? IP_V4 : af == AF_INET6 ? IP_V6 : IP_NONE;
}

struct ip_addr ip_v4(uint32_t host_order)
{
	struct ip_addr a = { .family = IP_V4 };

	for (unsigned i = 0; i < 4; i++)
		a.bytes[i] = (uint8_t)(host_order >> (24 - 8 * i));
	return a;
}

uint32_t ip_to_u32(const struct ip_addr *a)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v = v << 8 | a->bytes[i];
	return v;
}

struct ip_addr ip_from_bytes(uint8_t family, const void *bytes)
{
	struct ip_addr a = { .family = family };

	memcpy(a.bytes, bytes, ip_size(family));
	return a;
}

static bool is_mapped(const struct ip_addr *a)
{
	return a->family == IP_V6 && memcmp(a->bytes, mapped_head, sizeof(mapped_head)) == 0;
}

static struct ip_addr unmap(const struct ip_addr *a)
{
	return is_mapped(a) ? ip_from_bytes(IP_V4, a->bytes + sizeof(mapped_head)) : *a;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four decimal numbers up to the end of the text. */
static bool parse_v4(struct text t, bool strict, uint8_t ret[4])
{
	for (unsigned i = 0; i < 4; i++) {
		const char *start = t.p;
		unsigned v = 0;

		if (i > 0) {
			if (t.p == t.end || *t.p != '.')
				return false;
			start = ++t.p;
		}
		for (; t.p < t.end && is_digit(*t.p); t.p++) {
			v = 10 * v + (unsigned)(*t.p - '0');
			if (v > 255)
				return false;
		}
		if (t.p == start || (strict && *start == '0' && t.p - start > 1))
			return false;
		ret[i] = (uint8_t)v;
	}
	return t.p == t.end;
}

/* One group of at most four hexadecimal digits. */
static bool parse_group(struct text *t, uint8_t ret[2])
{
	unsigned v = 0, n = 0;

	while (t->p < t->end && hex_value(*t->p) >= 0) {
		if (++n > 4)
			return false;
		v = v << 4 | (unsigned)hex_value(*t->p++);
	}
	ret[0] = (uint8_t)(v >> 8);
	ret[1] = (uint8_t)v;
	return n > 0;
}

/* `::` stands for the groups that are missing, at least one: moves what came after it to the end.
 */
static void open_gap(uint8_t bytes[16], size_t gap, size_t len)
{
	memmove(bytes + 16 - (len - gap), bytes + gap, len - gap);
	memset(bytes + gap, 0, 16 - len);
}

static bool parse_v6(struct text t, bool strict, uint8_t ret[16])
{
	size_t len = 0, gap = SIZE_MAX; /* bytes; where `::` stood */

	memset(ret, 0, 16);
	if (t.end - t.p >= 2 && t.p[0] == ':' && t.p[1] == ':') {
		gap = 0;
		t.p += 2;
	}
	while (t.p < t.end) {
		const char *start = t.p;

		if (len == 16 || !parse_group(&t, ret + len))
			return false;
		if (t.p < t.end && *t.p == '.') {
			struct text tail = { start, t.end };

			if (len > 12 || !parse_v4(tail, strict, ret + len))
				return false;
			len += 4;
			break;
		}
		len += 2;
		if (t.p == t.end)
			break;
		if (*t.p++ != ':' || t.p == t.end)
			return false;
		if (*t.p == ':') {
			if (gap != SIZE_MAX)
				return false;
			gap = len;
			t.p++;
		}
	}
	if (gap == SIZE_MAX)
		return len == 16;
	if (len > 14)
		return false;
	open_gap(ret, gap, len);
	return true;
}

/* As written: IPv4 in IPv6 form stays IPv6. */
static int parse_raw(const char *text, size_t len, bool strict, struct ip_addr *ret)
{
	struct text t = { text, text + len };
	struct ip_addr a = { 0 };

	if (memchr(text, ':', len)) {
		a.family = IP_V6;
		if (!parse_v6(t, strict, a.bytes))
			return -EINVAL;
	} else {
		a.family = IP_V4;
		if (!parse_v4(t, strict, a.bytes))
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

int ip_parse_n(const char *text, size_t len, struct ip_addr *ret)
{
	struct ip_addr a;

	if (parse_raw(text, len, false, &a) < 0)
		return -EINVAL;
	*ret = unmap(&a);
	return 0;
}

int ip_parse(const char *text, struct ip_addr *ret)
{
	return ip_parse_n(text, strlen(text), ret);
}

int ip_parse_strict(const char *text, struct ip_addr *ret)
{
	struct ip_addr a;

	if (parse_raw(text, strlen(text), true, &a) < 0)
		return -EINVAL;
	*ret = unmap(&a);
	return 0;
}

/* Host bits off, in place. */
static void mask_bits(struct ip_addr *a, unsigned len)
{
	for (unsigned i = 0; i < ip_size(a->family); i++) {
		unsigned keep = len > 8 * i ? MIN(len - 8 * i, 8u) : 0;

		a->bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
}

/* Decimal; leading zeros pass here as they do in octets. */
static int parse_len(const char *s, unsigned max, uint8_t *ret)
{
	unsigned v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (!is_digit(*s))
			return -EINVAL;
		v = 10 * v + (unsigned)(*s - '0');
		if (v > max)
			return -EINVAL;
	}
	*ret = (uint8_t)v;
	return 0;
}

static int prefix_parse(const char *text, bool keep_host, struct ip_prefix *ret)
{
	const char *slash = strchr(text, '/');
	struct ip_prefix p;

	if (!slash || parse_raw(text, (size_t)(slash - text), false, &p.addr) < 0)
		return -EINVAL;
	if (parse_len(slash + 1, ip_bits(p.addr.family), &p.len) < 0)
		return -EINVAL;
	if (is_mapped(&p.addr)) {
		if (p.len >= 96) {
			p.addr = unmap(&p.addr);
			p.len = (uint8_t)(p.len - 96);
		} else if (keep_host) {
			return -EINVAL; /* an IPv4 address with more than 32 bits of network */
		}
	}
	if (!keep_host)
		mask_bits(&p.addr, p.len);
	*ret = p;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret)
{
	return prefix_parse(text, false, ret);
}

int ip_prefix_parse_host(const char *text, struct ip_prefix *ret)
{
	return prefix_parse(text, true, ret);
}

/* The longest run of two or more zero groups, the first of equal ones (RFC 5952 4.2). */
static void longest_zeros(const unsigned group[IP6_GROUPS], unsigned *ret_at, unsigned *ret_n)
{
	unsigned at = IP6_GROUPS, n = 1;

	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		unsigned run = 0;

		while (i + run < IP6_GROUPS && group[i + run] == 0)
			run++;
		if (run > n) {
			at = i;
			n = run;
		}
		i += run;
	}
	*ret_at = at;
	*ret_n = at < IP6_GROUPS ? n : 0;
}

static char *put_hex(char *p, unsigned v)
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned shift = 16; shift > 0; shift -= 4)
		if (shift == 4 || v >> (shift - 4) != 0)
			*p++ = hex[v >> (shift - 4) & 15];
	return p;
}

static char *put_v4(char *p, const uint8_t bytes[4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		if (bytes[i] >= 100)
			*p++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*p++ = (char)('0' + bytes[i] / 10 % 10);
		*p++ = (char)('0' + bytes[i] % 10);
	}
	return p;
}

static char *put_v6(char *p, const uint8_t bytes[16])
{
	unsigned group[IP6_GROUPS], gap, n_gap;

	for (size_t i = 0; i < IP6_GROUPS; i++)
		group[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
	longest_zeros(group, &gap, &n_gap);
	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		if (n_gap > 0 && i == gap) {
			*p++ = ':';
			*p++ = ':';
			i += n_gap - 1;
			continue;
		}
		if (i > 0 && !(n_gap > 0 && i == gap + n_gap))
			*p++ = ':';
		p = put_hex(p, group[i]);
	}
	return p;
}

const char *ip_fmt(char buf[IP_ADDR_FMT_MAX], const struct ip_addr *a)
{
	static const char head[] = "::ffff:";
	char *p = buf;

	if (a->family == IP_NONE) {
		memcpy(buf, "none", 5);
		return buf;
	}
	if (a->family == IP_V4) {
		p = put_v4(p, a->bytes);
	} else if (is_mapped(a)) { /* only ip_from_bytes() makes these; RFC 5952 5 */
		memcpy(p, head, sizeof(head) - 1);
		p = put_v4(p + sizeof(head) - 1, a->bytes + sizeof(mapped_head));
	} else {
		p = put_v6(p, a->bytes);
	}
	*p = 0;
	return buf;
}

const char *ip_prefix_fmt(char buf[IP_PREFIX_FMT_MAX], const struct ip_prefix *p)
{
	char addr[IP_ADDR_FMT_MAX];

	(void)snprintf(buf, IP_PREFIX_FMT_MAX, "%s/%u", ip_fmt(addr, &p->addr), p->len);
	return buf;
}

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_same(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_cmp(a, b) == 0;
}

int ip_prefix_cmp(const struct ip_prefix *a, const struct ip_prefix *b)
{
	int order = ip_cmp(&a->addr, &b->addr);

	return order ? order : (int)a->len - (int)b->len;
}

bool ip_prefix_same(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return ip_prefix_cmp(a, b) == 0;
}

struct ip_prefix ip_prefix_make(const struct ip_addr *a, uint8_t len)
{
	struct ip_prefix p = { .addr = *a, .len = (uint8_t)MIN(len, ip_bits(a->family)) };

	mask_bits(&p.addr, p.len);
	return p;
}

struct ip_prefix ip_prefix_host(const struct ip_addr *a)
{
	return (struct ip_prefix){ .addr = *a, .len = (uint8_t)ip_bits(a->family) };
}

/* The first n bits of two addresses are equal. */
static bool bits_same(const uint8_t *a, const uint8_t *b, unsigned n)
{
	if (memcmp(a, b, n / 8) != 0)
		return false;
	return n % 8 == 0 || ((a[n / 8] ^ b[n / 8]) & (0xff00u >> n % 8) & 0xff) == 0;
}

bool ip_prefix_has(const struct ip_prefix *p, const struct ip_addr *a)
{
	return p->addr.family != IP_NONE && p->addr.family == a->family &&
	       bits_same(p->addr.bytes, a->bytes, p->len);
}

bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->len <= inner->len && ip_prefix_has(outer, &inner->addr);
}

socklen_t ip_to_sockaddr(const struct ip_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(ret, 0, sizeof(*ret));
	if (a->family == IP_V4) {
		memcpy(&in4.sin_addr, a->bytes, 4);
		memcpy(ret, &in4, sizeof(in4));
		return sizeof(in4);
	}
	if (a->family == IP_V6) {
		memcpy(&in6.sin6_addr, a->bytes, 16);
		memcpy(ret, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

bool ip_from_sockaddr(const struct sockaddr_storage *ss, struct ip_addr *ret, uint16_t *ret_port)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct ip_addr a;

	if (ss->ss_family == AF_INET) {
		memcpy(&in4, ss, sizeof(in4));
		*ret = ip_from_bytes(IP_V4, &in4.sin_addr);
		*ret_port = ntohs(in4.sin_port);
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		memcpy(&in6, ss, sizeof(in6));
		a = ip_from_bytes(IP_V6, &in6.sin6_addr);
		*ret = unmap(&a);
		*ret_port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}
