/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path-compressed binary trie. A node stands for a prefix; each child's prefix lies inside it and
 * differs in the bit behind its length. A node without a value is a fork and has both children, so
 * n values need at most 2n - 1 nodes and a path is at most 129 long. All loops are iterative.
 *
 * Memory: a node is 25 bytes and the address, so 29 (IPv4) or 41 (IPv6); glibc makes that 48
 * and 64.
 */
#include "base/trie.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define TRIE_DEPTH_MAX 129 /* lengths 0 to 128 */

struct trie_node {
	struct trie_node *child[2];
	void *value;     /* NULL: a fork */
	uint8_t len;     /* bits */
	uint8_t bytes[]; /* 4 or 16; bits behind len are zero */
};

static struct trie_node **trie_root(struct trie *t, uint8_t family)
{
	assert(family == IP_V4 || family == IP_V6);
	return family == IP_V4 ? &t->root4 : &t->root6;
}

static const struct trie_node *trie_root_const(const struct trie *t, uint8_t family)
{
	return family == IP_V4 ? t->root4 : family == IP_V6 ? t->root6 : NULL;
}

static unsigned bit_at(const uint8_t *bytes, unsigned i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* How many of the first max bits are equal. */
static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned max)
{
	for (unsigned i = 0; 8 * i < max; i++) {
		unsigned diff = (unsigned)(a[i] ^ b[i]);

		if (diff != 0)
			return MIN(8 * i + (unsigned)__builtin_clz(diff) - 24, max);
	}
	return max;
}

static struct trie_node *node_new(const struct ip_prefix *p)
{
	size_t size = ip_size(p->addr.family);
	struct trie_node *n = xcalloc(1, sizeof(*n) + size);

	n->len = p->len;
	memcpy(n->bytes, p->addr.bytes, size);
	return n;
}

/* What a depth-first walk still has to visit: at most one sibling for each level. */
struct trie_stack {
	struct trie_node *v[TRIE_DEPTH_MAX + 1];
	size_t n;
};

static void stack_push(struct trie_stack *s, struct trie_node *node)
{
	if (!node)
		return;
	assert(s->n < ARRAY_LEN(s->v));
	s->v[s->n++] = node;
}

static void nodes_free(struct trie_node *root)
{
	struct trie_stack todo = { .n = 0 };

	stack_push(&todo, root);
	while (todo.n > 0) {
		struct trie_node *node = todo.v[--todo.n];

		stack_push(&todo, node->child[0]);
		stack_push(&todo, node->child[1]);
		free(node);
	}
}

void trie_fini(struct trie *t)
{
	nodes_free(t->root4);
	nodes_free(t->root6);
	*t = (struct trie)TRIE_INIT;
}

void *trie_get(const struct trie *t, const struct ip_prefix *p)
{
	struct ip_prefix key = ip_prefix_make(&p->addr, p->len);
	const struct trie_node *n = trie_root_const(t, key.addr.family);

	while (n && n->len < key.len)
		n = n->child[bit_at(key.addr.bytes, n->len)];
	/* bits on the way down were not compared: compressed nodes skip some */
	if (!n || n->len != key.len || common_bits(n->bytes, key.addr.bytes, key.len) < key.len)
		return NULL;
	return n->value;
}

/*
 * Puts node where *link points to a node that is not inside the node's prefix nor around it: above
 * it, or beside it under a new fork.
 */
static void node_insert(struct trie_node **link, struct trie_node *node, unsigned common,
			uint8_t family)
{
	struct trie_node *below = *link, *fork;
	struct ip_prefix p;

	if (common == node->len) {
		node->child[bit_at(below->bytes, common)] = below;
		*link = node;
		return;
	}
	p = (struct ip_prefix){ .addr = { .family = family } };
	memcpy(p.addr.bytes, node->bytes, ip_size(family));
	p = ip_prefix_make(&p.addr, (uint8_t)common);
	fork = node_new(&p);
	fork->child[bit_at(node->bytes, common)] = node;
	fork->child[bit_at(below->bytes, common)] = below;
	*link = fork;
}

void *trie_put(struct trie *t, const struct ip_prefix *p, void *value)
{
	struct ip_prefix key = ip_prefix_make(&p->addr, p->len);
	struct trie_node **link = trie_root(t, key.addr.family), *node;
	unsigned common = 0;
	void *old;

	assert(value);
	while (*link) {
		node = *link;
		common = common_bits(node->bytes, key.addr.bytes, MIN(node->len, key.len));
		if (common < node->len)
			break;
		if (node->len == key.len) {
			old = node->value;
			node->value = value;
			t->n += old == NULL;
			return old;
		}
		link = &node->child[bit_at(key.addr.bytes, node->len)];
	}
	node = node_new(&key);
	node->value = value;
	t->n++;
	if (*link)
		node_insert(link, node, common, key.addr.family);
	else
		*link = node;
	return NULL;
}

void *trie_del(struct trie *t, const struct ip_prefix *p)
{
	struct ip_prefix key = ip_prefix_make(&p->addr, p->len);
	struct trie_node **link, **up = NULL, *node, *parent;
	void *old;

	if (key.addr.family == IP_NONE)
		return NULL;
	link = trie_root(t, key.addr.family);
	while (*link && (*link)->len < key.len) {
		up = link;
		link = &(*link)->child[bit_at(key.addr.bytes, (*link)->len)];
	}
	node = *link;
	if (!node || node->len != key.len || !node->value ||
	    common_bits(node->bytes, key.addr.bytes, key.len) < key.len)
		return NULL;
	old = node->value;
	node->value = NULL;
	t->n--;
	if (node->child[0] && node->child[1])
		return old; /* stays as a fork */
	*link = node->child[0] ? node->child[0] : node->child[1];
	free(node);
	parent = up ? *up : NULL;
	if (*link || !parent || parent->value)
		return old;
	/* a fork that lost a child gives way to the other one */
	*up = parent->child[0] ? parent->child[0] : parent->child[1];
	free(parent);
	return old;
}

static struct ip_prefix node_prefix(const struct trie_node *n, uint8_t family)
{
	struct ip_prefix p = { .addr = { .family = family }, .len = n->len };

	memcpy(p.addr.bytes, n->bytes, ip_size(family));
	return p;
}

void *trie_match(const struct trie *t, const struct ip_addr *a, struct ip_prefix *ret_prefix)
{
	const struct trie_node *n = trie_root_const(t, a->family), *best = NULL;
	unsigned bits = ip_bits(a->family);

	while (n && common_bits(n->bytes, a->bytes, n->len) == n->len) {
		if (n->value)
			best = n;
		if (n->len == bits)
			break;
		n = n->child[bit_at(a->bytes, n->len)];
	}
	if (!best)
		return NULL;
	if (ret_prefix)
		*ret_prefix = node_prefix(best, a->family);
	return best->value;
}

static int walk_family(struct trie_node *root, uint8_t family,
		       int (*fn)(void *arg, const struct ip_prefix *p, void *value), void *arg)
{
	struct trie_stack todo = { .n = 0 };

	stack_push(&todo, root);
	while (todo.n > 0) {
		struct trie_node *n = todo.v[--todo.n];

		stack_push(&todo, n->child[1]);
		stack_push(&todo, n->child[0]);
		if (n->value) {
			struct ip_prefix p = node_prefix(n, family);
			int r = fn(arg, &p, n->value);

			if (r != 0)
				return r;
		}
	}
	return 0;
}

int trie_walk(const struct trie *t, int (*fn)(void *arg, const struct ip_prefix *p, void *value),
	      void *arg)
{
	int r = walk_family(t->root4, IP_V4, fn, arg);

	return r != 0 ? r : walk_family(t->root6, IP_V6, fn, arg);
}
