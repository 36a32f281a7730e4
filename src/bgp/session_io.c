/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/session.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "ev/ev.h"

/*
 * The bytes of a session.
 *
 * In: a readable socket queues the session at the shared reader, which lets it read a slice into a
 * scratch buffer that all sessions share; what is left of an unfinished message is kept. An idle
 * session holds no buffer.
 *
 * Out: messages are appended whole to one buffer, and written until the socket takes no more. A
 * producer asks bgp_session_has_room() before each message; below the low mark it is called again.
 * While anything waits, the send hold timer runs; each byte taken restarts it (RFC 9687).
 */

/* Read before a close, so that the kernel sends FIN and not RST, which could overtake (and at the
 * other end erase) the NOTIFICATION. */
#define LINGER_BYTES   ((size_t)64 << 10)
#define OUT_KEEP_BYTES ((size_t)4 << 10) /* memory that an empty buffer may hold on to */

static void lost(struct bgp_session *s, int err)
{
	if (err == 0)
		bgp_session_reason_set(s, "connection closed by peer");
	else
		bgp_session_reason_set(s, "%s: %s",
				       s->is_connecting ? "connect" : "connection lost",
				       strerror(err));
	bgp_session_event(s, BGP_EV_TCP_LOST);
}

/* --- in */

static void in_keep(struct bgp_session *s, const uint8_t *data, size_t len)
{
	if (len == 0) {
		free(take_ptr(s->in));
		s->in_len = 0;
		return;
	}
	uint8_t *copy = xmemdup(data, len);

	free(s->in);
	s->in = copy;
	s->in_len = len;
}

/* Handles the messages of a buffer; what is unfinished, or held back, is kept. */
static void in_handle(struct bgp_session *s, const uint8_t *buf, size_t len)
{
	unsigned conn = s->conn;
	size_t at = 0;

	while (conn == s->conn && !s->is_parked) {
		struct bgp_msg msg;
		int r = bgp_msg_next(buf + at, len - at, BGP_MSG_MAX_EXTENDED, &msg, &s->err);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			bgp_session_event(s, BGP_EV_HEADER_BAD);
			return;
		}
		at += msg.size;
		s->counters->msgs_in++;
		bgp_session_message(s, &msg);
	}
	if (conn == s->conn)
		in_keep(s, buf + at, len - at);
}

static size_t session_read(void *arg, size_t max)
{
	struct bgp_session *s = arg;
	uint8_t *buf = bgp_reader_scratch(s->reader);
	unsigned conn = s->conn;
	size_t kept = s->in_len;
	ssize_t n;

	if (s->fd < 0 || s->is_parked)
		return 0;
	if (kept > 0)
		memcpy(buf, s->in, kept);
	do
		n = recv(s->fd, buf + kept, max, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	int err = n < 0 ? errno : 0;

	if (n > 0 || (kept > 0 && err == EAGAIN))
		in_handle(s, buf, kept + (n > 0 ? (size_t)n : 0));
	if (conn != s->conn)
		return n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && err != EAGAIN)) {
		lost(s, err);
		return 0;
	}
	if (s->is_parked)
		return n > 0 ? (size_t)n : 0;
	if (n > 0 && (size_t)n == max)
		bgp_reader_post(s->reader, &s->slot); /* there may be more: after the others */
	else
		ev_io_want(s->io, EV_READ | (s->out_len > 0 ? EV_WRITE : 0));
	return n > 0 ? (size_t)n : 0;
}

bool bgp_session_io_read_now(struct bgp_session *s)
{
	uint8_t byte;

	if (s->fd < 0 || s->is_parked || s->is_connecting)
		return false;
	if (recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return false;
	bgp_reader_cancel(&s->slot);
	(void)session_read(s, BGP_READ_SLICE_BYTES);
	return true;
}

void bgp_session_io_pause(struct bgp_session *s)
{
	bgp_reader_cancel(&s->slot);
	ev_io_want(s->io, s->out_len > 0 ? EV_WRITE : 0);
}

void bgp_session_io_resume(struct bgp_session *s)
{
	bgp_reader_post(s->reader, &s->slot);
}

/* --- out */

static void send_hold_arm(struct bgp_session *s)
{
	int64_t hold_s = MAX((int64_t)BGP_SEND_HOLD_S, 2 * (int64_t)s->neg.hold_s);

	ev_timer_set(s->send_hold, hold_s * US_PER_S);
}

static void out_compact(struct bgp_session *s)
{
	if (s->out_off == s->out_len) {
		s->out_off = s->out_len = 0;
		if (s->out_cap > OUT_KEEP_BYTES) {
			free(take_ptr(s->out));
			s->out_cap = 0;
		}
	} else if (s->out_off > 0) {
		memmove(s->out, s->out + s->out_off, s->out_len - s->out_off);
		s->out_len -= s->out_off;
		s->out_off = 0;
	}
}

/* Writes what the socket takes; 0, or the errno that ends the connection. */
static int out_write(struct bgp_session *s)
{
	while (s->out_off < s->out_len) {
		ssize_t n = send(s->fd, s->out + s->out_off, s->out_len - s->out_off,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		s->out_off += (size_t)n;
		send_hold_arm(s);
	}
	return 0;
}

void bgp_session_flush(struct bgp_session *s)
{
	bool is_reading;
	int err;

	if (s->fd < 0 || s->is_connecting)
		return;
	err = out_write(s);
	if (err) {
		lost(s, err);
		return;
	}
	out_compact(s);
	if (s->out_len == 0)
		ev_timer_stop(s->send_hold);
	else if (!ev_timer_is_set(s->send_hold))
		send_hold_arm(s);
	is_reading = !s->is_parked && list_is_empty(&s->slot.link);
	ev_io_want(s->io, (is_reading ? EV_READ : 0) | (s->out_len > 0 ? EV_WRITE : 0));
}

bool bgp_session_has_room(const struct bgp_session *s)
{
	return s->out_len - s->out_off < BGP_OUT_HIGH_BYTES;
}

struct wr bgp_session_io_begin(struct bgp_session *s, size_t max)
{
	size_t need = s->out_len + max;

	assert(need <= BGP_OUT_MAX_BYTES);
	if (need > s->out_cap) {
		s->out_cap = MAX(need, MIN(2 * s->out_cap, BGP_OUT_MAX_BYTES));
		s->out = xreallocarray(s->out, s->out_cap, 1);
	}
	return wr_init(s->out + s->out_len, max);
}

void bgp_session_io_end(struct bgp_session *s, const struct wr *w)
{
	assert(!w->overflow);
	s->out_len += w->len;
	if (!bgp_session_has_room(s))
		s->is_above = true;
}

struct wr bgp_session_write_begin(struct bgp_session *s)
{
	return bgp_session_io_begin(s, s->neg.wire.msg_max);
}

void bgp_session_write_end(struct bgp_session *s, const struct wr *w, size_t n_updates)
{
	bgp_session_io_end(s, w);
	s->counters->msgs_out += n_updates;
	s->counters->updates_out += n_updates;
}

/* --- the socket */

static void connect_done(struct bgp_session *s)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err) {
		lost(s, err);
		return;
	}
	s->is_connecting = false;
	ev_io_want(s->io, EV_READ);
	bgp_session_event(s, BGP_EV_TCP_UP);
}

static void session_io(void *arg, unsigned events)
{
	struct bgp_session *s = arg;
	unsigned conn = s->conn;

	if (s->is_connecting) {
		connect_done(s);
		return;
	}
	if (events & EV_READ) {
		bgp_reader_post(s->reader, &s->slot);
		ev_io_want(s->io, s->out_len > 0 ? EV_WRITE : 0); /* until it was its turn */
	}
	if (!(events & EV_WRITE))
		return;
	bgp_session_flush(s);
	if (conn == s->conn && s->is_above && s->out_len - s->out_off <= BGP_OUT_LOW_BYTES) {
		s->is_above = false;
		s->ops->drained(s->arg, s);
	}
}

void bgp_session_io_open(struct bgp_session *s, int fd, bool is_connecting)
{
	assert(s->fd < 0);
	s->fd = fd;
	s->conn++;
	s->is_connecting = is_connecting;
	s->io = ev_io_new(s->loop, "bgp-session", fd, session_io, s);
	ev_io_want(s->io, is_connecting ? EV_WRITE : EV_READ);
}

static void linger(int fd)
{
	uint8_t drop[1024];

	if (shutdown(fd, SHUT_WR) < 0)
		return;
	for (size_t got = 0; got < LINGER_BYTES;) {
		ssize_t n = recv(fd, drop, sizeof(drop), MSG_DONTWAIT);

		if (n <= 0)
			return;
		got += (size_t)n;
	}
}

void bgp_session_io_close(struct bgp_session *s)
{
	bgp_reader_cancel(&s->slot);
	ev_timer_stop(s->send_hold);
	if (s->fd >= 0) {
		ev_io_free(take_ptr(s->io));
		if (!s->is_connecting)
			linger(s->fd);
		(void)close(s->fd);
		s->fd = -1;
		s->conn++;
	}
	s->is_connecting = s->is_parked = s->is_above = false;
	in_keep(s, NULL, 0);
	free(take_ptr(s->out));
	s->out_off = s->out_len = s->out_cap = 0;
}

void bgp_session_io_init(struct bgp_session *s)
{
	s->fd = -1;
	bgp_reader_slot_init(&s->slot, session_read, s);
}
