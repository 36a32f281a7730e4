/* SPDX-License-Identifier: Apache-2.0 */
#include "nl/msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define NL_ATTR_HEAD_LEN 4
#define NL_ALIGN_LEN     4

_Static_assert(NLMSG_HDRLEN == NL_HEAD_LEN, "header length");
_Static_assert(NLA_HDRLEN == NL_ATTR_HEAD_LEN, "attribute header length");

static size_t pad_of(size_t len)
{
	return (NL_ALIGN_LEN - len % NL_ALIGN_LEN) % NL_ALIGN_LEN;
}

void nl_msg_init(struct nl_msg *m, void *buf, size_t cap, uint16_t type, uint16_t flags)
{
	m->w = wr_init(buf, cap);
	wr_u32_host(&m->w, 0); /* length: nl_msg_close() */
	wr_u16_host(&m->w, type);
	wr_u16_host(&m->w, flags);
	wr_u32_host(&m->w, 0); /* sequence: when sent */
	wr_u32_host(&m->w, 0);
}

bool nl_msg_close(struct nl_msg *m)
{
	uint32_t len;

	wr_zero(&m->w, pad_of(m->w.len));
	if (m->w.overflow)
		return false;
	len = (uint32_t)m->w.len;
	memcpy(m->w.data, &len, sizeof(len));
	return true;
}

static void attr_head(struct nl_msg *m, uint16_t attr, size_t len)
{
	if (len > UINT16_MAX - NL_ATTR_HEAD_LEN)
		m->w.overflow = true;
	wr_u16_host(&m->w, (uint16_t)(NL_ATTR_HEAD_LEN + len));
	wr_u16_host(&m->w, attr);
}

void nl_put_bytes(struct nl_msg *m, uint16_t attr, const void *data, size_t len)
{
	attr_head(m, attr, len);
	wr_bytes(&m->w, data, len);
	wr_zero(&m->w, pad_of(len));
}

void nl_put_u8(struct nl_msg *m, uint16_t attr, uint8_t v)
{
	nl_put_bytes(m, attr, &v, sizeof(v));
}

void nl_put_u16(struct nl_msg *m, uint16_t attr, uint16_t v)
{
	nl_put_bytes(m, attr, &v, sizeof(v));
}

void nl_put_u32(struct nl_msg *m, uint16_t attr, uint32_t v)
{
	nl_put_bytes(m, attr, &v, sizeof(v));
}

void nl_put_be32(struct nl_msg *m, uint16_t attr, uint32_t v)
{
	attr_head(m, attr | NLA_F_NET_BYTEORDER, sizeof(v));
	wr_u32(&m->w, v);
}

void nl_put_str(struct nl_msg *m, uint16_t attr, const char *s)
{
	nl_put_bytes(m, attr, s, strlen(s) + 1);
}

void nl_put_ip(struct nl_msg *m, uint16_t attr, const struct ip_addr *a)
{
	nl_put_bytes(m, attr, a->bytes, ip_size(a->family));
}

size_t nl_nest_open(struct nl_msg *m, uint16_t attr)
{
	size_t at = m->w.len;

	attr_head(m, attr | NLA_F_NESTED, 0);
	return at;
}

void nl_nest_close(struct nl_msg *m, size_t at)
{
	size_t len = m->w.len - at;
	uint16_t len16 = (uint16_t)len;

	if (len > UINT16_MAX)
		m->w.overflow = true;
	if (!m->w.overflow)
		memcpy(m->w.data + at, &len16, sizeof(len16));
}

int nl_next(struct rd *in, struct nl_head *ret_head, struct rd *ret_body)
{
	struct nl_head h;
	struct rd body;

	if (in->left == 0 && !in->bad)
		return 0;
	h.len = rd_u32_host(in);
	h.type = rd_u16_host(in);
	h.flags = rd_u16_host(in);
	h.seq = rd_u32_host(in);
	h.pid = rd_u32_host(in);
	if (in->bad || h.len < NL_HEAD_LEN)
		return -EBADMSG;
	body = rd_sub(in, h.len - NL_HEAD_LEN);
	if (body.bad || in->bad)
		return -EBADMSG;
	/* The kernel pads between messages; the last one may end without. */
	rd_skip(in, MIN(pad_of(h.len), in->left));
	*ret_head = h;
	*ret_body = body;
	return 1;
}

int nl_attr_next(struct rd *in, uint16_t *ret_type, struct rd *ret_body)
{
	uint16_t len, type;
	struct rd body;

	if (in->left == 0 && !in->bad)
		return 0;
	len = rd_u16_host(in);
	type = rd_u16_host(in);
	if (in->bad || len < NL_ATTR_HEAD_LEN)
		return -EBADMSG;
	body = rd_sub(in, len - NL_ATTR_HEAD_LEN);
	if (body.bad)
		return -EBADMSG;
	rd_skip(in, MIN(pad_of(len), in->left));
	*ret_type = type & NLA_TYPE_MASK;
	*ret_body = body;
	return 1;
}

static bool is_string(const struct rd *body)
{
	const uint8_t *nul = body->left > 0 ? memchr(body->pos, 0, body->left) : NULL;

	return nul == body->pos + body->left - 1 && body->left > 0;
}

static bool is_within(const struct nl_policy *p, size_t len)
{
	return len >= p->min && (p->max == 0 || len <= p->max);
}

static bool policy_allows(const struct nl_policy *p, const struct rd *body)
{
	switch ((enum nl_attr_kind)p->kind) {
	case NL_ATTR_U8:
		return body->left == 1;
	case NL_ATTR_U16:
		return body->left == 2;
	case NL_ATTR_U32:
		return body->left == 4;
	case NL_ATTR_IP:
		return body->left == 4 || body->left == 16;
	case NL_ATTR_STRING:
		return is_within(p, body->left) && is_string(body);
	case NL_ATTR_BYTES:
		return is_within(p, body->left);
	case NL_ATTR_SKIP:
	case NL_ATTR_NESTED:
		return true;
	}
	return false;
}

int nl_attrs_parse(struct rd in, const struct nl_policy *policy, size_t n, struct nl_attr *ret)
{
	struct rd body;
	uint16_t type;
	int r;

	memset(ret, 0, n * sizeof(*ret));
	while ((r = nl_attr_next(&in, &type, &body)) > 0) {
		if (type >= n || policy[type].kind == NL_ATTR_SKIP)
			continue;
		if (!policy_allows(&policy[type], &body))
			return -EBADMSG;
		ret[type] = (struct nl_attr){ .is_set = true, .body = body };
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (policy[i].required && !ret[i].is_set)
			return -EBADMSG;
	}
	return 0;
}

uint8_t nl_attr_u8(const struct nl_attr *a)
{
	struct rd r = a->body;

	return a->is_set ? rd_u8(&r) : 0;
}

uint16_t nl_attr_u16(const struct nl_attr *a)
{
	struct rd r = a->body;

	return a->is_set ? rd_u16_host(&r) : 0;
}

uint32_t nl_attr_u32(const struct nl_attr *a)
{
	struct rd r = a->body;

	return a->is_set ? rd_u32_host(&r) : 0;
}

uint32_t nl_attr_be32(const struct nl_attr *a)
{
	struct rd r = a->body;

	return a->is_set ? rd_u32(&r) : 0;
}

bool nl_attr_ip(const struct nl_attr *a, uint8_t family, struct ip_addr *ret)
{
	if (!a->is_set || family == IP_NONE || a->body.left != ip_size(family))
		return false;
	*ret = ip_from_bytes(family, a->body.pos);
	return true;
}

bool nl_attr_str(const struct nl_attr *a, char *dst, size_t size)
{
	memset(dst, 0, size);
	if (!a->is_set || a->body.left > size)
		return false;
	memcpy(dst, a->body.pos, a->body.left);
	return true;
}

static void ack_text(const struct nl_attr *a, char *dst)
{
	size_t len = a->is_set ? MIN(a->body.left, (size_t)NL_TEXT_MAX - 1) : 0;

	memset(dst, 0, NL_TEXT_MAX);
	for (size_t i = 0; i < len && a->body.pos[i]; i++)
		dst[i] = (char)(a->body.pos[i] < ' ' || a->body.pos[i] == 0x7f ? ' '
									       : a->body.pos[i]);
}

int nl_ack_parse(uint16_t flags, struct rd body, bool is_done, struct nl_ack *ret)
{
	static const struct nl_policy policy[] = {
		[NLMSGERR_ATTR_MSG] = { NL_ATTR_BYTES },
	};
	struct nl_attr attrs[ARRAY_LEN(policy)] = { 0 };
	struct nl_ack ack;

	ack.err = (int)rd_u32_host(&body);
	if (!is_done) { /* the request's header, and unless capped its body */
		uint32_t req_len = rd_u32_host(&body);

		rd_skip(&body, NL_HEAD_LEN - sizeof(req_len));
		if (body.bad || req_len < NL_HEAD_LEN)
			return -EBADMSG;
		if (!(flags & NLM_F_CAPPED))
			rd_skip(&body,
				MIN((size_t)req_len - NL_HEAD_LEN + pad_of(req_len), body.left));
	}
	if (body.bad || ack.err > 0)
		return -EBADMSG;
	/* A text that cannot be read must not hide the answer. */
	if (flags & NLM_F_ACK_TLVS)
		(void)nl_attrs_parse(body, policy, ARRAY_LEN(policy), attrs);
	ack_text(&attrs[NLMSGERR_ATTR_MSG], ack.text);
	*ret = ack;
	return 0;
}
