/* SPDX-License-Identifier: Apache-2.0 */
#include "nl/script.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "ev/sim.h"

#define FD_FIRST 1000 /* made up: the simulated loop touches no descriptor */

struct packet {
	struct list link;
	int err;
	uint32_t sender;
	size_t len, full_bytes;
	uint8_t data[];
};

struct nl_script_socket {
	struct nl_script *script;
	const char *name;
	int fd;
	bool is_open;
	struct list inbox;
	size_t n_sends;
};

struct nl_script {
	struct ev_loop *loop;
	nl_script_send_fn *on_send;
	void *arg;
	struct nl_script_socket sockets[NL_SCRIPT_SOCKETS_MAX];
	size_t n;
};

static void ready_update(const struct nl_script_socket *s)
{
	ev_sim_fd_set(s->script->loop, s->fd,
		      EV_WRITE | (s->is_open && !list_is_empty(&s->inbox) ? EV_READ : 0));
}

static void push(struct nl_script_socket *s, int err, uint32_t sender, struct rd data,
		 size_t full_bytes)
{
	struct packet *p = xcalloc(1, sizeof(*p) + data.left);

	p->err = err;
	p->sender = sender;
	p->len = data.left;
	p->full_bytes = full_bytes;
	if (data.left > 0)
		memcpy(p->data, data.pos, data.left);
	list_add_tail(&s->inbox, &p->link);
	ready_update(s);
}

void nl_script_push(struct nl_script_socket *s, const void *data, size_t len)
{
	push(s, 0, 0, rd_init(data, len), len);
}

void nl_script_push_from(struct nl_script_socket *s, const void *data, size_t len, uint32_t sender)
{
	push(s, 0, sender, rd_init(data, len), len);
}

void nl_script_push_err(struct nl_script_socket *s, int err)
{
	push(s, err, 0, rd_init(NULL, 0), 0);
}

void nl_script_push_cut(struct nl_script_socket *s, const void *data, size_t len, size_t full_bytes)
{
	push(s, 0, 0, rd_init(data, len), full_bytes);
}

static void push_msg(struct nl_script_socket *s, struct nl_msg *m, uint32_t seq)
{
	(void)nl_msg_close(m);
	memcpy(m->w.data + 8, &seq, sizeof(seq));
	nl_script_push(s, m->w.data, m->w.len);
}

void nl_script_ack(struct nl_script_socket *s, uint32_t seq, int err, const char *text)
{
	uint8_t buf[512];
	struct nl_msg m;

	nl_msg_init(&m, buf, sizeof(buf), NLMSG_ERROR, NLM_F_CAPPED | (text ? NLM_F_ACK_TLVS : 0));
	wr_u32_host(&m.w, (uint32_t)err);
	wr_u32_host(&m.w, NL_HEAD_LEN);
	wr_zero(&m.w, 4);
	wr_u32_host(&m.w, seq);
	wr_zero(&m.w, 4);
	if (text)
		nl_put_str(&m, NLMSGERR_ATTR_MSG, text);
	push_msg(s, &m, seq);
}

void nl_script_done(struct nl_script_socket *s, uint32_t seq, uint16_t flags, int err)
{
	uint32_t body = (uint32_t)err;

	nl_script_msg(s, NLMSG_DONE, flags, seq, &body, sizeof(body));
}

void nl_script_msg(struct nl_script_socket *s, uint16_t type, uint16_t flags, uint32_t seq,
		   const void *body, size_t len)
{
	uint8_t buf[NL_MSG_MAX];
	struct nl_msg m;

	nl_msg_init(&m, buf, sizeof(buf), type, flags);
	wr_bytes(&m.w, body, len);
	push_msg(s, &m, seq);
}

static int script_send(void *self, const void *data, size_t len)
{
	struct nl_script_socket *s = self;

	s->n_sends++;
	return s->script->on_send(s->script->arg, s, data, len);
}

static int script_recv(void *self, void *buf, size_t cap, struct nl_recv *ret)
{
	struct nl_script_socket *s = self;
	struct packet *p;
	int err;

	if (list_is_empty(&s->inbox))
		return -EAGAIN;
	p = list_first(&s->inbox, struct packet, link);
	list_del(&p->link);
	ready_update(s);
	err = p->err;
	if (err == 0) {
		ret->sender = p->sender;
		ret->len = MIN(p->len, cap);
		ret->full_bytes = p->full_bytes;
		memcpy(buf, p->data, ret->len);
	}
	free(p);
	return err;
}

static void script_close(void *self)
{
	struct nl_script_socket *s = self;

	list_for_each_safe (it, &s->inbox) {
		list_del(it);
		free(list_entry(it, struct packet, link));
	}
	s->is_open = false;
	ready_update(s);
}

static const struct nl_transport_ops script_ops = {
	.send = script_send,
	.recv = script_recv,
	.close = script_close,
};

static int script_open(void *arg, const struct nl_conf *conf, struct nl_transport *ret)
{
	struct nl_script *script = arg;
	struct nl_script_socket *s;

	if (script->n == NL_SCRIPT_SOCKETS_MAX)
		return -EMFILE;
	s = &script->sockets[script->n];
	s->script = script;
	s->name = conf->name;
	s->fd = FD_FIRST + (int)script->n++;
	s->is_open = true;
	list_init(&s->inbox);
	*ret = (struct nl_transport){ .ops = &script_ops, .self = s, .fd = s->fd };
	ready_update(s);
	return 0;
}

struct nl_script *nl_script_new(struct ev_loop *loop, nl_script_send_fn *on_send, void *arg)
{
	struct nl_script *script = xcalloc(1, sizeof(*script));

	script->loop = loop;
	script->on_send = on_send;
	script->arg = arg;
	return script;
}

void nl_script_free(struct nl_script *script)
{
	free(script);
}

struct nl_opener nl_script_opener(struct nl_script *script)
{
	return (struct nl_opener){ .open = script_open, .arg = script };
}

struct nl_script_socket *nl_script_find(struct nl_script *script, const char *name)
{
	for (size_t i = 0; i < script->n; i++) {
		if (script->sockets[i].is_open && strcmp(script->sockets[i].name, name) == 0)
			return &script->sockets[i];
	}
	return NULL;
}

const char *nl_script_name(const struct nl_script_socket *s)
{
	return s->name;
}

size_t nl_script_sends(const struct nl_script_socket *s)
{
	return s->n_sends;
}
