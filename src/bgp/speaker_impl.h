/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What tests and the fuzzer see of a speaker beyond bgp/speaker.h: connections that did not come
 * from a listener, and a way of dialling that opens no TCP socket.
 */
#include "bgp/speaker.h"

struct bgp_peer;
struct bgp_attr_table_stats;
struct bgp_rib_stats;

struct bgp_speaker_stats {
	uint64_t n_accepted;
	uint64_t n_unknown; /* connections from, or to, addresses that no peer has */
	uint64_t n_accept_errors;
};

/* As if a listener had accepted fd from remote on local. */
void bgp_speaker_take(struct bgp_speaker *s, int fd, const struct ip_addr *remote,
		      const struct ip_addr *local);
void bgp_speaker_dial_set(struct bgp_speaker *s,
			  int (*dial)(void *arg, const struct bgp_peer *p, int *ret_fd), void *arg);
struct bgp_peer *bgp_speaker_peer_get(struct bgp_speaker *s, const struct ip_addr *addr);
struct bgp_speaker_stats bgp_speaker_stats_get(const struct bgp_speaker *s);
void bgp_speaker_tables_get(const struct bgp_speaker *s, struct bgp_rib_stats *ret_rib,
			    struct bgp_attr_table_stats *ret_attrs);
