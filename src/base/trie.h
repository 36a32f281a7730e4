/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Prefix trie (path-compressed binary), one per address family inside one object: exact look-up,
 * longest match, ordered walk. Values are the caller's pointers, not NULL.
 */
#include "base/ip.h"

struct trie_node;

struct trie {
	struct trie_node *root4, *root6;
	size_t n; /* values */
};

#define TRIE_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

void trie_fini(struct trie *t); /* frees nodes, not values */
void *trie_get(const struct trie *t, const struct ip_prefix *p);
void *trie_put(struct trie *t, const struct ip_prefix *p, void *value); /* old value or NULL */
void *trie_del(struct trie *t, const struct ip_prefix *p);              /* old value or NULL */
/* The value of the longest prefix that holds the address, or NULL; ret_prefix may be NULL. */
void *trie_match(const struct trie *t, const struct ip_addr *a, struct ip_prefix *ret_prefix);
/* In prefix order. Returning anything but 0 stops and is returned. The walk must not change t. */
int trie_walk(const struct trie *t, int (*fn)(void *arg, const struct ip_prefix *p, void *value),
	      void *arg);
