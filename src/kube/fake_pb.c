/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/fake_pb.h"

#include <stdio.h>
#include <string.h>

void fake_varint(struct strbuf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_putc(b, (char)((v & 0x7f) | 0x80));
	strbuf_putc(b, (char)v);
}

void fake_number(struct strbuf *b, unsigned field, uint64_t v)
{
	fake_varint(b, (uint64_t)field << 3);
	fake_varint(b, v);
}

void fake_bytes(struct strbuf *b, unsigned field, const void *data, size_t len)
{
	fake_varint(b, (uint64_t)field << 3 | 2);
	fake_varint(b, len);
	strbuf_add(b, data, len);
}

void fake_text(struct strbuf *b, unsigned field, const char *text)
{
	fake_bytes(b, field, text, strlen(text));
}

void fake_sub(struct strbuf *b, unsigned field, const struct strbuf *sub)
{
	fake_bytes(b, field, strbuf_text(sub), sub->len);
}

static void node_meta(struct strbuf *b, const struct fake_node *n)
{
	CLEANUP_STRBUF struct strbuf meta = STRBUF_INIT, kv = STRBUF_INIT;

	fake_text(&meta, 1, n->name);
	fake_text(&meta, 2, ""); /* generateName */
	fake_text(&meta, 3, "");
	fake_text(&meta, 5, "uid");
	fake_text(&meta, 6, n->version);
	fake_number(&meta, 7, 0);
	if (n->label) {
		fake_text(&kv, 1, "l");
		fake_text(&kv, 2, n->label);
		fake_sub(&meta, 11, &kv);
	}
	fake_sub(b, 1, &meta);
}

static void node_status(struct strbuf *b, const struct fake_node *n)
{
	CLEANUP_STRBUF struct strbuf status = STRBUF_INIT, part = STRBUF_INIT;

	fake_number(&part, 3, n->heartbeat);
	fake_sub(&status, 4, &part); /* a condition */
	strbuf_clear(&part);
	fake_text(&part, 1, "InternalIP");
	fake_text(&part, 2, "192.0.2.1");
	fake_sub(&status, 5, &part);
	strbuf_clear(&part);
	for (size_t i = 0; i < n->image_bytes; i++)
		strbuf_putc(&part, 'i');
	fake_sub(&status, 8, &part);
	fake_sub(b, 3, &status);
}

void fake_node(struct strbuf *b, const struct fake_node *n)
{
	CLEANUP_STRBUF struct strbuf spec = STRBUF_INIT;

	node_meta(b, n);
	fake_text(&spec, 1, n->pod_cidr ? n->pod_cidr : "");
	if (n->pod_cidr)
		fake_text(&spec, 7, n->pod_cidr);
	fake_sub(b, 2, &spec);
	node_status(b, n);
}

void fake_list_meta(struct strbuf *b, const char *version, const char *continue_)
{
	fake_text(b, 1, "");
	fake_text(b, 2, version);
	fake_text(b, 3, continue_);
}

void fake_status(struct strbuf *b, int code, const char *reason, const char *message)
{
	fake_text(b, 2, "Failure");
	fake_text(b, 3, message);
	fake_text(b, 4, reason);
	fake_number(b, 6, (uint64_t)code);
}

void fake_envelope(struct strbuf *b, const char *kind, const struct strbuf *object)
{
	CLEANUP_STRBUF struct strbuf type = STRBUF_INIT;

	strbuf_add(b, "k8s", 4);
	fake_text(&type, 1, "v1");
	fake_text(&type, 2, kind);
	fake_sub(b, 1, &type);
	fake_sub(b, 2, object);
	fake_text(b, 3, "");
	fake_text(b, 4, "");
}

void fake_frame(struct strbuf *b, const char *type, const char *kind, const struct strbuf *object)
{
	CLEANUP_STRBUF struct strbuf event = STRBUF_INIT, raw = STRBUF_INIT, env = STRBUF_INIT;

	fake_envelope(&env, kind, object);
	fake_sub(&raw, 1, &env);
	fake_text(&event, 1, type);
	fake_sub(&event, 2, &raw);
	for (int shift = 24; shift >= 0; shift -= 8)
		strbuf_putc(b, (char)(event.len >> shift));
	strbuf_add(b, strbuf_text(&event), event.len);
}
