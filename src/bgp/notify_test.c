/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"

#include <errno.h>

#include "bgp/msg.h"

static void names(void **state)
{
	static const struct {
		const char *want;
		uint8_t code, subcode;
	} rows[] = {
		{ "no error", 0, 0 },
		{ "header error", 1, 0 },
		{ "header error/not synchronized", 1, 1 },
		{ "header error/bad message type", 1, 3 },
		{ "open error/unsupported version", 2, 1 },
		{ "open error/5", 2, 5 },
		{ "open error/unacceptable hold time", 2, 6 },
		{ "update error/unrecognized attribute", 3, 2 },
		{ "update error/7", 3, 7 },
		{ "hold timer expired", 4, 0 },
		{ "hold timer expired/1", 4, 1 },
		{ "fsm error", 5, 0 },
		{ "fsm error/unexpected in openconfirm", 5, 2 },
		{ "cease/maximum prefixes reached", 6, 1 },
		{ "cease/peer de-configured", 6, 3 },
		{ "cease/connection collision", 6, 7 },
		{ "cease/bfd down", 6, 10 },
		{ "cease/11", 6, 11 },
		{ "refresh error/invalid message length", 7, 1 },
		{ "send hold timer expired", 8, 0 },
		{ "code 9/0", 9, 0 },
		{ "code 255/255", 255, 255 },
	};
	char buf[BGP_ERR_FMT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(rows[i].want, bgp_err_fmt(buf, rows[i].code, rows[i].subcode),
			  rows[i].want);
	/* No name is cut, and each fits the reason of a peer's status with its prefix. */
	for (unsigned code = 0; code < 256; code++)
		for (unsigned sub = 0; sub < 256; sub++) {
			(void)bgp_err_fmt(buf, (uint8_t)code, (uint8_t)sub);
			CHECK(buf, strlen(buf) < BGP_ERR_FMT_MAX - 1);
			CHECK(buf,
			      strlen("notification received: ") + strlen(buf) < BGP_REASON_MAX);
		}
}

static void parse(void **state)
{
	static const struct {
		const char *name;
		uint8_t body[12];
		size_t len;
		uint8_t code, subcode;
		bool is_hard;
		size_t data_len, text_len;
	} rows[] = {
		{ "plain", { 4, 0 }, 2, 4, 0, false, 0, 0 },
		{ "data", { 1, 2, 0, 18 }, 4, 1, 2, false, 2, 0 },
		{ "shutdown", { 6, 2, 2, 'h', 'i' }, 5, 6, 2, false, 3, 2 },
		{ "reset", { 6, 4, 1, 'x' }, 4, 6, 4, false, 2, 1 },
		{ "shutdown without text", { 6, 2 }, 2, 6, 2, false, 0, 0 },
		{ "shutdown, empty text", { 6, 2, 0 }, 3, 6, 2, false, 1, 0 },
		{ "shutdown, text runs over", { 6, 2, 9, 'x' }, 4, 6, 2, false, 2, 0 },
		{ "text only for shutdown", { 6, 3, 1, 'x' }, 4, 6, 3, false, 2, 0 },
		{ "hard reset", { 6, 9, 6, 4, 1, 'x' }, 6, 6, 4, true, 2, 1 },
		{ "hard reset, nothing inside", { 6, 9, 6 }, 3, 6, 9, false, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_notification n =
			bgp_notification_parse(rd_init(rows[i].body, rows[i].len));

		CHECK(rows[i].name, n.code == rows[i].code && n.subcode == rows[i].subcode);
		CHECK(rows[i].name, n.is_hard == rows[i].is_hard);
		CHECK(rows[i].name, n.data_len == rows[i].data_len);
		CHECK(rows[i].name, n.text_len == rows[i].text_len);
		CHECK(rows[i].name, (n.text != NULL) == (n.text_len > 0));
	}
}

static void data_is_cut(void **state)
{
	static uint8_t data[BGP_MSG_MAX], buf[2 * BGP_MSG_MAX];
	struct bgp_err err = { 3, 9, sizeof(data), data };
	struct wr w = wr_init(buf, sizeof(buf));
	struct bgp_msg msg;

	(void)state;
	bgp_notification_encode(&w, err);
	CHECK("fits", !w.overflow && w.len == BGP_MSG_MAX);
	CHECK("frame", bgp_msg_next(buf, w.len, BGP_MSG_MAX, &msg, &err) == 0);
}

static void shutdown_text(void **state)
{
	char text[300];
	uint8_t buf[512];
	static const struct {
		const char *name;
		size_t ascii; /* bytes before a three-byte character */
		size_t want;
	} rows[] = {
		{ "whole character fits", 252, 255 },
		{ "one byte over", 253, 253 },
		{ "two bytes over", 254, 254 },
		{ "all over", 255, 255 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w = wr_init(buf, sizeof(buf));

		memset(text, 'a', sizeof(text));
		memcpy(text + rows[i].ascii, "\xe2\x82\xac", 4);
		bgp_shutdown_encode(&w, BGP_CEASE_RESET, text);
		struct bgp_notification n = bgp_notification_parse(
			rd_init(buf + BGP_HEADER_BYTES, w.len - BGP_HEADER_BYTES));
		CHECK(rows[i].name, n.text_len == rows[i].want);
		CHECK(rows[i].name, memcmp(n.text, text, n.text_len) == 0);
	}
	struct wr w = wr_init(buf, sizeof(buf));
	bgp_shutdown_encode(&w, BGP_CEASE_DECONFIGURED, "no text here");
	CHECK("subcode without text", w.len == 21);
	w = wr_init(buf, sizeof(buf));
	bgp_shutdown_encode(&w, BGP_CEASE_SHUTDOWN, NULL);
	CHECK("no text", w.len == 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(parse),
		cmocka_unit_test(data_is_cut),
		cmocka_unit_test(shutdown_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
