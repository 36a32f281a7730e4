/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Small YAML documents from outside (kubeconfig, annotations) as a tree: the one door to libyaml.
 *
 * Bounded in size, depth, nodes and anchors. An alias points at the node of its anchor and is never
 * expanded, so it costs nothing; one inside its own anchor is refused, so the tree has no cycle.
 * Exactly one document; a duplicate key is refused. Tags are ignored; merge keys are plain keys.
 * Memory: the tree lives in the arena given.
 */
#include <stddef.h>

#include "base/arena.h"
#include "base/macro.h"

#define KUBE_YAML_SIZE_MAX    ((size_t)1 << 20)
#define KUBE_YAML_DEPTH_MAX   16
#define KUBE_YAML_NODES_MAX   20000
#define KUBE_YAML_KEYS_MAX    1024 /* in one mapping */
#define KUBE_YAML_ANCHORS_MAX 64

enum kube_yaml_kind {
	KUBE_YAML_TEXT,
	KUBE_YAML_LIST,
	KUBE_YAML_MAP,
};

struct kube_yaml {
	enum kube_yaml_kind kind;
	bool is_plain;    /* text without quotes: may mean null, a number or a bool */
	unsigned line;    /* from 1 */
	const char *text; /* KUBE_YAML_TEXT; without NUL inside */
	const char *key;  /* in a mapping: the key this node is the value of, else "" */
	struct kube_yaml *first, *next; /* children in order; next sibling */
};

struct kube_yaml_err {
	unsigned line; /* 0: unknown */
	char what[128];
};

/* 0, or -EINVAL / -E2BIG with *ret_err. An empty document gives a plain "" text. */
int kube_yaml_parse(struct arena *a, const char *text, size_t len,
		    const struct kube_yaml **ret_root, struct kube_yaml_err *ret_err);

/* The value of a key, also through an alias; NULL if map is NULL, no mapping, or has no such key.
 */
const struct kube_yaml *kube_yaml_get(const struct kube_yaml *map, const char *key);
/* null, ~ or nothing, unquoted */
bool kube_yaml_is_null(const struct kube_yaml *n);
