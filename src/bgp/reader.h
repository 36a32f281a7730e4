/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who may read next. All sessions of a speaker share one reader: a session whose socket has input
 * queues here and the reader lets the sessions read in turn, a bounded number of bytes per turn of
 * the loop over all of them. So a hundred peers that send their tables at once delay a keepalive by
 * one turn, not by a hundred tables.
 */
#include "base/list.h"

struct ev_loop;
struct bgp_reader;

/*
 * Bytes that one turn takes from all sockets together, and one session at a time. A /24 takes 4
 * bytes of an UPDATE and some 2 microseconds to file (bench/bgp_rib.c), so a turn is below 10 ms.
 * Only an extended message (64 KB, RFC 8654) is handled whole in the turn that its last byte comes
 * in.
 */
#define BGP_READ_TURN_BYTES  ((size_t)16 << 10)
#define BGP_READ_SLICE_BYTES ((size_t)8 << 10)

struct bgp_reader_slot {
	struct list link;
	/* Reads and handles at most max bytes; returns how many, 0 when there is no more for now.
	 */
	size_t (*read)(void *arg, size_t max);
	void *arg;
};

struct bgp_reader *bgp_reader_new(struct ev_loop *loop);
void bgp_reader_free(struct bgp_reader *r);
void bgp_reader_slot_init(struct bgp_reader_slot *slot, size_t (*read)(void *arg, size_t max),
			  void *arg);
/* Queues at the tail; does nothing if queued. */
void bgp_reader_post(struct bgp_reader *r, struct bgp_reader_slot *slot);
/* May be called at any time, from within read() too. */
void bgp_reader_cancel(struct bgp_reader_slot *slot);
/* Room for one slice behind the largest unfinished message; valid within one read(). */
uint8_t *bgp_reader_scratch(struct bgp_reader *r);
