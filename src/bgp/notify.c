/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOTIFICATION (RFC 4271 4.5): names of the codes, the message, and what may ride in it: a shutdown
 * communication (RFC 9003) and another notification (RFC 8538, Hard Reset).
 */
#include <stdio.h>
#include <string.h>

#include "bgp/msg.h"

static const char *const header_subs[] = {
	[BGP_HEADER_NOT_SYNCED] = "not synchronized",
	[BGP_HEADER_BAD_LENGTH] = "bad message length",
	[BGP_HEADER_BAD_TYPE] = "bad message type",
};
static const char *const open_subs[] = {
	[BGP_OPEN_BAD_VERSION] = "unsupported version",
	[BGP_OPEN_BAD_AS] = "bad peer as",
	[BGP_OPEN_BAD_ID] = "bad bgp identifier",
	[BGP_OPEN_BAD_OPTION] = "unsupported option",
	[BGP_OPEN_BAD_HOLD] = "unacceptable hold time",
	[BGP_OPEN_BAD_CAPABILITY] = "unsupported capability",
};
static const char *const update_subs[] = {
	[BGP_UPDATE_BAD_LIST] = "malformed attribute list",
	[BGP_UPDATE_UNKNOWN_WELL_KNOWN] = "unrecognized attribute",
	[BGP_UPDATE_MISSING_WELL_KNOWN] = "missing attribute",
	[BGP_UPDATE_BAD_FLAGS] = "attribute flags error",
	[BGP_UPDATE_BAD_LENGTH] = "attribute length error",
	[BGP_UPDATE_BAD_ORIGIN] = "invalid origin",
	[BGP_UPDATE_BAD_NEXT_HOP] = "invalid next hop",
	[BGP_UPDATE_BAD_OPTIONAL] = "optional attribute error",
	[BGP_UPDATE_BAD_NETWORK] = "invalid network field",
	[BGP_UPDATE_BAD_AS_PATH] = "malformed as path",
};
static const char *const fsm_subs[] = {
	[BGP_FSM_IN_OPENSENT] = "unexpected in opensent",
	[BGP_FSM_IN_OPENCONFIRM] = "unexpected in openconfirm",
	[BGP_FSM_IN_ESTABLISHED] = "unexpected in established",
};
static const char *const cease_subs[] = {
	[BGP_CEASE_PREFIX_MAX] = "maximum prefixes reached",
	[BGP_CEASE_SHUTDOWN] = "administrative shutdown",
	[BGP_CEASE_DECONFIGURED] = "peer de-configured",
	[BGP_CEASE_RESET] = "administrative reset",
	[BGP_CEASE_REJECTED] = "connection rejected",
	[BGP_CEASE_CONFIG_CHANGE] = "other configuration change",
	[BGP_CEASE_COLLISION] = "connection collision",
	[BGP_CEASE_NO_RESOURCES] = "out of resources",
	[BGP_CEASE_HARD_RESET] = "hard reset",
	[BGP_CEASE_BFD_DOWN] = "bfd down",
};
static const char *const refresh_subs[] = {
	[1] = "invalid message length",
};

static const struct {
	const char *name;
	const char *const *subs;
	size_t n_subs;
} codes[] = {
	[BGP_NO_ERROR] = { "no error", NULL, 0 },
	[BGP_HEADER_ERROR] = { "header error", header_subs, ARRAY_LEN(header_subs) },
	[BGP_OPEN_ERROR] = { "open error", open_subs, ARRAY_LEN(open_subs) },
	[BGP_UPDATE_ERROR] = { "update error", update_subs, ARRAY_LEN(update_subs) },
	[BGP_HOLD_ERROR] = { "hold timer expired", NULL, 0 },
	[BGP_FSM_ERROR] = { "fsm error", fsm_subs, ARRAY_LEN(fsm_subs) },
	[BGP_CEASE] = { "cease", cease_subs, ARRAY_LEN(cease_subs) },
	[BGP_REFRESH_ERROR] = { "refresh error", refresh_subs, ARRAY_LEN(refresh_subs) },
	[BGP_SEND_HOLD_ERROR] = { "send hold timer expired", NULL, 0 },
};

const char *bgp_err_fmt(char buf[BGP_ERR_FMT_MAX], uint8_t code, uint8_t subcode)
{
	if (code >= ARRAY_LEN(codes)) {
		(void)snprintf(buf, BGP_ERR_FMT_MAX, "code %u/%u", code, subcode);
		return buf;
	}
	const char *name = codes[code].name;
	const char *sub = subcode < codes[code].n_subs ? codes[code].subs[subcode] : NULL;

	if (sub)
		(void)snprintf(buf, BGP_ERR_FMT_MAX, "%s/%s", name, sub);
	else if (subcode > 0)
		(void)snprintf(buf, BGP_ERR_FMT_MAX, "%s/%u", name, subcode);
	else
		(void)snprintf(buf, BGP_ERR_FMT_MAX, "%s", name);
	return buf;
}

static bool has_shutdown_text(uint8_t code, uint8_t subcode)
{
	return code == BGP_CEASE && (subcode == BGP_CEASE_SHUTDOWN || subcode == BGP_CEASE_RESET);
}

struct bgp_notification bgp_notification_parse(struct rd body)
{
	struct bgp_notification n = { 0 };

	n.code = rd_u8(&body);
	n.subcode = rd_u8(&body);
	if (n.code == BGP_CEASE && n.subcode == BGP_CEASE_HARD_RESET && body.left >= 2) {
		n.is_hard = true;
		n.code = rd_u8(&body);
		n.subcode = rd_u8(&body);
	}
	n.data_len = (uint16_t)body.left;
	n.data = n.data_len > 0 ? body.pos : NULL;

	if (has_shutdown_text(n.code, n.subcode)) {
		struct rd text = rd_sub(&body, rd_u8(&body));

		if (!text.bad && text.left > 0) {
			n.text_len = text.left;
			n.text = (const char *)text.pos;
		}
	}
	return n;
}

void bgp_notification_encode(struct wr *w, struct bgp_err err)
{
	size_t room = BGP_MSG_MAX - BGP_HEADER_BYTES - 2;
	size_t at = bgp_msg_open(w, BGP_MSG_NOTIFICATION);

	wr_u8(w, err.code);
	wr_u8(w, err.subcode);
	if (err.data_len > 0)
		wr_bytes(w, err.data, MIN((size_t)err.data_len, room));
	bgp_msg_close(w, at);
}

/* Bytes of text that fit: never half a character (continuation bytes are 10xxxxxx). */
static size_t utf8_cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return len;
	len = max;
	while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void bgp_shutdown_encode(struct wr *w, uint8_t subcode, const char *text)
{
	size_t at = bgp_msg_open(w, BGP_MSG_NOTIFICATION);

	wr_u8(w, BGP_CEASE);
	wr_u8(w, subcode);
	if (text && has_shutdown_text(BGP_CEASE, subcode)) {
		size_t len = utf8_cut(text, BGP_SHUTDOWN_TEXT_MAX);

		wr_u8(w, (uint8_t)len);
		wr_bytes(w, text, len);
	}
	bgp_msg_close(w, at);
}
