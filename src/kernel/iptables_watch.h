/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Has somebody else changed chains in which rules of ours stand? Says "look again", not what.
 *
 * nft variant: events of nf_tables, filtered to the chains that matter. What our own programs did
 * is known by the port of the message's sender: a program's first netlink socket has its process id
 * as port. A program that has another is taken for somebody else, which costs one save.
 *
 * Legacy variant: the kernel tells nothing; two sizes and ten offsets of each table are read every
 * IPT_POLL_US (2 us each). A change that keeps them all (one rule replaced by one of equal size) is
 * found by the full audit.
 */
#include "kernel/iptables_have.h"
#include "kernel/iptables_variant.h"
#include "nl/nl.h"

struct ev_loop;
struct ipt_watch;

#define IPT_POLL_US (500 * US_PER_MS)

/* What the kernel says of a legacy table without its rules. */
struct ipt_info {
	uint32_t hooks;
	uint32_t hook_entry[5], underflow[5];
	uint32_t n_entries, size;
};
/* 0, or -errno. */
typedef int ipt_info_fn(void *arg, uint8_t family, const char *table, struct ipt_info *ret);

struct ipt_watch_host {
	void *arg;
	/* Something may have changed. May be said again before anybody looked. */
	void (*changed)(void *arg, uint8_t family);
	/* Is it a program of ours that has this process id? */
	bool (*is_ours)(void *arg, uint32_t pid);
	/* A program of ours runs for this family: now is no time to poll. */
	bool (*is_busy)(void *arg, uint8_t family);
};

struct ipt_watch_conf {
	struct ipt_have_filter filter;
	const struct nl_opener *opener; /* NULL: the kernel */
	ipt_info_fn *info;              /* NULL: the kernel */
	void *info_arg;
	bool families[2]; /* IPv4, IPv6 */
};

/* Never NULL: without sockets it tells nothing, which is logged. */
struct ipt_watch *ipt_watch_new(struct ev_loop *loop, const struct ipt_watch_conf *conf,
				const struct ipt_watch_host *host);
void ipt_watch_free(struct ipt_watch *w);

/* The variant in use is known: legacy tables are polled, or are not. */
void ipt_watch_variant(struct ipt_watch *w, enum ipt_variant variant);
/* The tables as they are now are as they should be: before a save begins, after a restore. */
void ipt_watch_mark(struct ipt_watch *w, uint8_t family);
/* Looks now, before something of ours changes what there is to see. */
void ipt_watch_check(struct ipt_watch *w, uint8_t family);
/* Reads the events that are there, while the program that caused them is still known as ours. */
void ipt_watch_drain(struct ipt_watch *w);

struct ipt_watch_stats {
	uint64_t polls, changes;
	int64_t us; /* of polls */
	struct nl_stats event;
};
void ipt_watch_stats_get(const struct ipt_watch *w, struct ipt_watch_stats *ret);

/*
 * A message of nf_tables: does it touch a chain with rules of ours, or all of a table? *ret_family
 * is written if so. Pure.
 */
bool ipt_watch_event_is(const struct nl_head *head, struct rd body,
			const struct ipt_have_filter *filter, uint8_t *ret_family);
