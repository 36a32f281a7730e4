/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * BGP messages: the frame around them, errors, and the small messages KEEPALIVE, NOTIFICATION and
 * ROUTE-REFRESH. OPEN is in bgp/open.h, UPDATE in bgp/update.h.
 *
 * Pure: parsers send, log and change nothing. Encoders append one whole message, header included,
 * to a struct wr; what does not fit sticks as w->overflow.
 */
#include "base/rd.h"
#include "base/wr.h"
#include "model/bgp.h"

#define BGP_HEADER_BYTES     19
#define BGP_MSG_MAX          4096
#define BGP_MSG_MAX_EXTENDED 65535 /* RFC 8654; never for OPEN and KEEPALIVE */

enum bgp_msg_type {
	BGP_MSG_OPEN = 1,
	BGP_MSG_UPDATE = 2,
	BGP_MSG_NOTIFICATION = 3,
	BGP_MSG_KEEPALIVE = 4,
	BGP_MSG_REFRESH = 5, /* RFC 2918 */
};

/* Error codes of NOTIFICATION, RFC 4271 4.5 and the IANA registry. */
enum bgp_err_code {
	BGP_NO_ERROR = 0,
	BGP_HEADER_ERROR = 1,
	BGP_OPEN_ERROR = 2,
	BGP_UPDATE_ERROR = 3,
	BGP_HOLD_ERROR = 4, /* hold timer expired */
	BGP_FSM_ERROR = 5,
	BGP_CEASE = 6,
	BGP_REFRESH_ERROR = 7,   /* RFC 7313 */
	BGP_SEND_HOLD_ERROR = 8, /* RFC 9687 */
};

/* Subcodes; 0 is "unspecific" everywhere. */
enum bgp_header_sub {
	BGP_HEADER_NOT_SYNCED = 1,
	BGP_HEADER_BAD_LENGTH = 2,
	BGP_HEADER_BAD_TYPE = 3,
};
enum bgp_open_sub {
	BGP_OPEN_BAD_VERSION = 1,
	BGP_OPEN_BAD_AS = 2,
	BGP_OPEN_BAD_ID = 3,
	BGP_OPEN_BAD_OPTION = 4,
	BGP_OPEN_BAD_HOLD = 6,
	BGP_OPEN_BAD_CAPABILITY = 7, /* RFC 5492: a capability we insist on is missing */
};
enum bgp_update_sub {
	BGP_UPDATE_BAD_LIST = 1,
	BGP_UPDATE_UNKNOWN_WELL_KNOWN = 2,
	BGP_UPDATE_MISSING_WELL_KNOWN = 3,
	BGP_UPDATE_BAD_FLAGS = 4,
	BGP_UPDATE_BAD_LENGTH = 5,
	BGP_UPDATE_BAD_ORIGIN = 6,
	BGP_UPDATE_BAD_NEXT_HOP = 8,
	BGP_UPDATE_BAD_OPTIONAL = 9,
	BGP_UPDATE_BAD_NETWORK = 10,
	BGP_UPDATE_BAD_AS_PATH = 11,
};
enum bgp_fsm_sub { /* RFC 6608 */
		   BGP_FSM_IN_OPENSENT = 1,
		   BGP_FSM_IN_OPENCONFIRM = 2,
		   BGP_FSM_IN_ESTABLISHED = 3,
};
enum bgp_cease_sub { /* RFC 4486, 8538 */
		     BGP_CEASE_PREFIX_MAX = 1,
		     BGP_CEASE_SHUTDOWN = 2,
		     BGP_CEASE_DECONFIGURED = 3,
		     BGP_CEASE_RESET = 4,
		     BGP_CEASE_REJECTED = 5,
		     BGP_CEASE_CONFIG_CHANGE = 6,
		     BGP_CEASE_COLLISION = 7,
		     BGP_CEASE_NO_RESOURCES = 8,
		     BGP_CEASE_HARD_RESET = 9,
		     BGP_CEASE_BFD_DOWN = 10, /* RFC 9384 */
};

/*
 * What is wrong, as a NOTIFICATION says it; code 0 is "nothing". data is borrowed: it points into
 * the message that was parsed, or at a constant, and is valid as long as these.
 */
struct bgp_err {
	uint8_t code, subcode;
	uint16_t data_len;
	const uint8_t *data;
};
#define BGP_OK                   ((struct bgp_err){ 0 })
#define BGP_ERR(code_, subcode_) ((struct bgp_err){ .code = (code_), .subcode = (subcode_) })

static inline bool bgp_err_is(struct bgp_err e) /* true: there is an error */
{
	return e.code != BGP_NO_ERROR;
}

#define BGP_ERR_FMT_MAX 41 /* with "notification received: " it fits BGP_REASON_MAX */
/* "cease/peer de-configured", "hold timer expired", "code 99/7"; returns buf. */
const char *bgp_err_fmt(char buf[BGP_ERR_FMT_MAX], uint8_t code, uint8_t subcode);

/*
 * How messages of one session are written and read. From the two OPENs by bgp_negotiate() in
 * bgp/open.h; plain data, so tests make their own.
 */
struct bgp_wire {
	bool as4;         /* ASNs have 4 octets (RFC 6793) */
	bool is_internal; /* iBGP */
	uint8_t families; /* BGP_AF_*: others are ignored when received, never sent */
	uint16_t msg_max; /* bytes we may send in one message */
};

struct bgp_msg {
	enum bgp_msg_type type;
	struct rd body; /* what follows the header */
	size_t size;    /* bytes of the whole message: the caller drops these from its buffer */
};

/*
 * The first message of a receive buffer; it stays there, body points into it. max is
 * BGP_MSG_MAX_EXTENDED if we have announced extended messages and sent our OPEN, else BGP_MSG_MAX;
 * the limits of each type come on top of it.
 * 0: *ret_msg. -EAGAIN: not all there yet. -EBADMSG: *ret_err (RFC 4271 6.1), found as soon as the
 * bytes that are there show it.
 */
int bgp_msg_next(const uint8_t *buf, size_t len, size_t max, struct bgp_msg *ret_msg,
		 struct bgp_err *ret_err);

/* Header with length left open; bgp_msg_close() fills it in. For the encoders of this room. */
size_t bgp_msg_open(struct wr *w, enum bgp_msg_type type);
void bgp_msg_close(struct wr *w, size_t at);

void bgp_keepalive_encode(struct wr *w);

#define BGP_SHUTDOWN_TEXT_MAX 255 /* bytes, RFC 9003 */

struct bgp_notification {
	uint8_t code, subcode;
	bool is_hard; /* came inside Cease/Hard Reset (RFC 8538); code and subcode are the inner */
	uint16_t data_len;   /* without the encapsulation */
	const uint8_t *data; /* borrowed from the message */
	/*
	 * Shutdown communication (RFC 9003) of Cease/Administrative Shutdown and Reset, borrowed,
	 * not terminated, from outside: quote it. NULL: none, or not well-formed.
	 */
	const char *text;
	size_t text_len;
};
/* Cannot fail: the frame has checked that code and subcode are there. */
struct bgp_notification bgp_notification_parse(struct rd body);
/* err->data is cut where the message would pass BGP_MSG_MAX. */
void bgp_notification_encode(struct wr *w, struct bgp_err err);
/* Cease with a shutdown communication; text is cut at BGP_SHUTDOWN_TEXT_MAX at a UTF-8 border. */
void bgp_shutdown_encode(struct wr *w, uint8_t subcode, const char *text);

struct bgp_refresh {
	uint8_t family;  /* one BGP_AF_*, or 0: a family we do not know (ignore the message) */
	uint8_t subtype; /* 0: plain; else RFC 7313, which we do not announce (ignore the message)
			  */
};
struct bgp_refresh
bgp_refresh_parse(struct rd body); /* cannot fail: the frame checked the length */
void bgp_refresh_encode(struct wr *w, uint8_t family);
