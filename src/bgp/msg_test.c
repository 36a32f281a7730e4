/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>

#include "bgp/msg.h"

#define MESSAGE_ROOM (BGP_MSG_MAX_EXTENDED + 1)

static uint8_t room[MESSAGE_ROOM];

/* A message of that length and type, body zero. */
static void message_make(size_t size, uint8_t type)
{
	memset(room, 0, sizeof(room));
	memset(room, 0xff, 16);
	room[16] = (uint8_t)(size >> 8);
	room[17] = (uint8_t)size;
	room[18] = type;
}

static void frame_lengths(void **state)
{
	static const struct {
		const char *name;
		uint8_t type;
		size_t size, max;
		int want;
		uint8_t subcode;
	} rows[] = {
		{ "open shortest", BGP_MSG_OPEN, 29, BGP_MSG_MAX, 0, 0 },
		{ "open too short", BGP_MSG_OPEN, 28, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "open longest", BGP_MSG_OPEN, 4096, BGP_MSG_MAX_EXTENDED, 0, 0 },
		{ "open never extended", BGP_MSG_OPEN, 4097, BGP_MSG_MAX_EXTENDED, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "update shortest", BGP_MSG_UPDATE, 23, BGP_MSG_MAX, 0, 0 },
		{ "update too short", BGP_MSG_UPDATE, 22, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "update longest", BGP_MSG_UPDATE, 4096, BGP_MSG_MAX, 0, 0 },
		{ "update too long", BGP_MSG_UPDATE, 4097, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "update extended", BGP_MSG_UPDATE, 65535, BGP_MSG_MAX_EXTENDED, 0, 0 },
		{ "notification shortest", BGP_MSG_NOTIFICATION, 21, BGP_MSG_MAX, 0, 0 },
		{ "notification too short", BGP_MSG_NOTIFICATION, 20, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "notification too long", BGP_MSG_NOTIFICATION, 4097, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "notification extended", BGP_MSG_NOTIFICATION, 4097, BGP_MSG_MAX_EXTENDED, 0, 0 },
		{ "keepalive", BGP_MSG_KEEPALIVE, 19, BGP_MSG_MAX, 0, 0 },
		{ "keepalive too short", BGP_MSG_KEEPALIVE, 18, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "keepalive with a body", BGP_MSG_KEEPALIVE, 20, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "refresh", BGP_MSG_REFRESH, 23, BGP_MSG_MAX, 0, 0 },
		{ "refresh too short", BGP_MSG_REFRESH, 22, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "refresh with filter", BGP_MSG_REFRESH, 24, BGP_MSG_MAX, -EBADMSG,
		  BGP_HEADER_BAD_LENGTH },
		{ "type 0", 0, 23, BGP_MSG_MAX, -EBADMSG, BGP_HEADER_BAD_TYPE },
		{ "type 6", 6, 23, BGP_MSG_MAX, -EBADMSG, BGP_HEADER_BAD_TYPE },
		{ "type 255", 255, 23, BGP_MSG_MAX, -EBADMSG, BGP_HEADER_BAD_TYPE },
		{ "length 0", BGP_MSG_UPDATE, 0, BGP_MSG_MAX, -EBADMSG, BGP_HEADER_BAD_LENGTH },
		{ "length before type", 6, 18, BGP_MSG_MAX, -EBADMSG, BGP_HEADER_BAD_LENGTH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_msg msg = { 0 };
		struct bgp_err err = BGP_OK;

		message_make(rows[i].size, rows[i].type);
		int r = bgp_msg_next(room, sizeof(room), rows[i].max, &msg, &err);
		CHECK(rows[i].name, r == rows[i].want);
		CHECK(rows[i].name, err.subcode == rows[i].subcode);
		if (r == 0) {
			CHECK(rows[i].name, msg.type == rows[i].type && msg.size == rows[i].size);
			CHECK(rows[i].name, msg.body.left == rows[i].size - BGP_HEADER_BYTES);
			CHECK(rows[i].name, msg.body.pos == room + BGP_HEADER_BYTES);
			continue;
		}
		CHECK(rows[i].name, err.code == BGP_HEADER_ERROR);
		/* RFC 4271 6.1: the data is the erroneous field */
		if (err.subcode == BGP_HEADER_BAD_LENGTH)
			CHECK(rows[i].name, err.data_len == 2 && err.data == room + 16);
		else
			CHECK(rows[i].name, err.data_len == 1 && err.data == room + 18);
	}
}

static void frame_by_pieces(void **state)
{
	struct bgp_msg msg;
	struct bgp_err err;

	(void)state;
	message_make(30, BGP_MSG_UPDATE);
	for (size_t len = 0; len < 30; len++)
		CHECK("short", bgp_msg_next(room, len, BGP_MSG_MAX, &msg, &err) == -EAGAIN);
	CHECK("whole", bgp_msg_next(room, 30, BGP_MSG_MAX, &msg, &err) == 0);
	CHECK("more behind", bgp_msg_next(room, 31, BGP_MSG_MAX, &msg, &err) == 0);
	CHECK("size", msg.size == 30);
}

static void frame_marker(void **state)
{
	struct bgp_msg msg;
	struct bgp_err err;

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		message_make(19, BGP_MSG_KEEPALIVE);
		room[i] = 0xfe;
		CHECK("marker", bgp_msg_next(room, 19, BGP_MSG_MAX, &msg, &err) == -EBADMSG);
		CHECK("marker", err.subcode == BGP_HEADER_NOT_SYNCED && err.data_len == 0);
		/* seen as soon as the byte is there, not only when the header is whole */
		CHECK("early", bgp_msg_next(room, i, BGP_MSG_MAX, &msg, &err) == -EAGAIN);
		CHECK("early", bgp_msg_next(room, i + 1, BGP_MSG_MAX, &msg, &err) == -EBADMSG);
	}
}

static void refresh(void **state)
{
	static const struct {
		const char *name;
		uint8_t body[4];
		uint8_t family, subtype;
	} rows[] = {
		{ "ipv4", { 0, 1, 0, 1 }, BGP_AF_IPV4, 0 },
		{ "ipv6", { 0, 2, 0, 1 }, BGP_AF_IPV6, 0 },
		{ "begin of refresh", { 0, 2, 1, 1 }, BGP_AF_IPV6, 1 },
		{ "multicast", { 0, 1, 0, 2 }, 0, 0 },
		{ "l2vpn", { 0, 25, 0, 70 }, 0, 0 },
		{ "afi above 255", { 1, 1, 0, 1 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_refresh r = bgp_refresh_parse(rd_init(rows[i].body, 4));

		CHECK(rows[i].name, r.family == rows[i].family && r.subtype == rows[i].subtype);
	}
}

static void no_room(void **state)
{
	uint8_t buf[64];

	(void)state;
	for (size_t cap = 0; cap < BGP_HEADER_BYTES; cap++) {
		struct wr w = wr_init(buf, cap);

		bgp_keepalive_encode(&w);
		CHECK("keepalive", w.overflow);
	}
	struct wr w = wr_init(buf, 22);
	bgp_refresh_encode(&w, BGP_AF_IPV4);
	CHECK("refresh", w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_lengths), cmocka_unit_test(frame_by_pieces),
		cmocka_unit_test(frame_marker),  cmocka_unit_test(refresh),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
