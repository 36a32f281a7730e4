/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/ipc.h"

#include <errno.h>
#include <string.h>

/*
 * Each shape has one function for both directions: a field codec that either writes or reads. So
 * the two cannot drift apart, and the property parse(encode(x)) = x holds by construction.
 */
struct codec {
	struct wr *w; /* writing when set */
	struct rd *r;
};

static void code_u8(struct codec *c, uint8_t *v)
{
	if (c->w)
		wr_u8(c->w, *v);
	else
		*v = rd_u8(c->r);
}

static void code_u16(struct codec *c, uint16_t *v)
{
	if (c->w)
		wr_u16(c->w, *v);
	else
		*v = rd_u16(c->r);
}

static void code_u32(struct codec *c, uint32_t *v)
{
	if (c->w)
		wr_u32(c->w, *v);
	else
		*v = rd_u32(c->r);
}

static void code_u64(struct codec *c, uint64_t *v)
{
	if (c->w)
		wr_u64(c->w, *v);
	else
		*v = rd_u64(c->r);
}

static void code_bad(struct codec *c)
{
	if (c->r) {
		c->r->bad = true;
		c->r->left = 0;
	}
}

static void code_i32(struct codec *c, int32_t *v)
{
	uint32_t u = (uint32_t)*v;

	code_u32(c, &u);
	*v = (int32_t)u;
}

static void code_i64(struct codec *c, int64_t *v)
{
	uint64_t u = (uint64_t)*v;

	code_u64(c, &u);
	*v = (int64_t)u;
}

/* A text in an array: u8 length and the bytes; the reader terminates. */
static void code_text(struct codec *c, char *text, size_t size)
{
	uint8_t len = c->w ? (uint8_t)strnlen(text, size - 1) : 0;

	code_u8(c, &len);
	if (c->w) {
		wr_bytes(c->w, text, len);
		return;
	}
	if (len >= size) {
		code_bad(c);
		return;
	}
	rd_copy(c->r, text, len);
	text[len] = '\0';
}

static void code_addr(struct codec *c, struct ip_addr *a)
{
	code_u8(c, &a->family);
	if (c->w) {
		wr_bytes(c->w, a->bytes, ip_size(a->family));
		return;
	}
	if (a->family != IP_NONE && a->family != IP_V4 && a->family != IP_V6) {
		code_bad(c);
		return;
	}
	rd_copy(c->r, a->bytes, ip_size(a->family));
}

static void code_prefix(struct codec *c, struct ip_prefix *p)
{
	code_addr(c, &p->addr);
	code_u8(c, &p->len);
	if (p->len > ip_bits(p->addr.family))
		code_bad(c);
}

static void code_conf(struct codec *c, struct bgp_speaker_conf *s)
{
	code_u32(c, &s->asn);
	code_u32(c, &s->router_id);
	code_u16(c, &s->port);
}

static void code_peer(struct codec *c, struct bgp_peer_conf *p)
{
	code_addr(c, &p->addr);
	code_addr(c, &p->local_addr);
	code_u8(c, &p->role);
	code_u8(c, &p->families);
	code_u16(c, &p->port);
	code_u16(c, &p->hold_s);
	code_u32(c, &p->remote_asn);
	code_u32(c, &p->prefix_max);
}

static void code_announce(struct codec *c, struct bgp_announce *a)
{
	code_addr(c, &a->nexthop);
	code_u8(c, &a->kind);
	code_u8(c, &a->to_nodes);
	code_u8(c, &a->to_external);
}

static void code_best(struct codec *c, struct bgp_best *b)
{
	code_prefix(c, &b->prefix);
	code_addr(c, &b->nexthop);
	code_addr(c, &b->peer);
	code_u8(c, &b->peer_role);
	code_u8(c, &b->stale);
}

static void code_status(struct codec *c, struct bgp_peer_status *s)
{
	code_addr(c, &s->addr);
	code_addr(c, &s->local_addr);
	code_u8(c, &s->role);
	code_u8(c, &s->state);
	code_u8(c, &s->is_internal);
	code_u8(c, &s->got_eor);
	code_u16(c, &s->remote_port);
	code_u16(c, &s->local_port);
	code_u16(c, &s->hold_s);
	code_u16(c, &s->n_flaps);
	code_u32(c, &s->conf_asn);
	code_u32(c, &s->remote_asn);
	code_u32(c, &s->remote_id);
	code_u32(c, &s->n_received);
	code_u32(c, &s->n_sent);
	code_u64(c, &s->msgs_in);
	code_u64(c, &s->msgs_out);
	code_u64(c, &s->updates_in);
	code_u64(c, &s->updates_out);
	code_u64(c, &s->treat_as_withdraw);
	code_i64(c, &s->since_us);
	code_text(c, s->reason, sizeof(s->reason));
	if (s->state == BGP_STATE_NONE || s->state >= BGP_STATE_N)
		code_bad(c);
}

static void code_version(struct codec *c)
{
	uint32_t version = BGP_IPC_VERSION;

	code_u32(c, &version);
	if (version != BGP_IPC_VERSION)
		code_bad(c);
}

static void code_body(struct codec *c, struct bgp_ipc_msg *m)
{
	switch (m->type) {
	case BGP_IPC_HELLO:
		code_version(c);
		code_conf(c, &m->conf);
		break;
	case BGP_IPC_PEER_SET:
		code_u32(c, &m->tag);
		code_peer(c, &m->peer);
		break;
	case BGP_IPC_PEER_DEL:
		code_u32(c, &m->tag);
		code_addr(c, &m->addr);
		break;
	case BGP_IPC_ANNOUNCE:
		code_u32(c, &m->tag);
		code_prefix(c, &m->prefix);
		code_announce(c, &m->announce);
		break;
	case BGP_IPC_WITHDRAW:
		code_u32(c, &m->tag);
		code_prefix(c, &m->prefix);
		break;
	case BGP_IPC_RESULT:
		code_u32(c, &m->tag);
		code_i32(c, &m->err);
		code_text(c, m->text, sizeof(m->text));
		break;
	case BGP_IPC_BEST:
		code_best(c, &m->best);
		break;
	case BGP_IPC_BEST_GONE:
		code_prefix(c, &m->prefix);
		break;
	case BGP_IPC_PEER:
		code_status(c, &m->status);
		break;
	case BGP_IPC_REPORT:
		code_u32(c, &m->tag);
		break;
	case BGP_IPC_LISTEN:
		break;
	case BGP_IPC_NONE:
	case BGP_IPC_TYPE_N:
		code_bad(c);
		break;
	}
}

void bgp_ipc_encode(struct wr *w, const struct bgp_ipc_msg *m)
{
	struct bgp_ipc_msg copy = *m; /* the codec takes what it may write to */
	struct codec c = { .w = w };
	size_t at = wr_len16_open(w);

	wr_u8(w, (uint8_t)m->type);
	code_body(&c, &copy);
	wr_len16_close(w, at);
}

int bgp_ipc_decode(struct rd *r, struct bgp_ipc_msg *ret)
{
	struct bgp_ipc_msg m = { 0 };
	struct rd body;
	struct codec c = { .r = &body };
	uint16_t len;
	uint8_t type;

	if (r->left == 0 && !r->bad)
		return 0;
	len = rd_u16(r);
	body = rd_sub(r, len);
	type = rd_u8(&body);
	if (body.bad || type >= BGP_IPC_TYPE_N)
		return -EBADMSG;
	m.type = (enum bgp_ipc_type)type;
	code_body(&c, &m);
	if (!rd_done(&body))
		return -EBADMSG;
	*ret = m;
	return 1;
}
