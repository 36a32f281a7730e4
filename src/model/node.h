/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A Kubernetes Node, as much of it as the program uses (core/v1 Node). Plain data; texts and arrays
 * belong to the arena or cache that made it.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct arena;

struct kv {
	const char *key, *value;
};

/* metadata of any object (meta/v1 ObjectMeta), as far as used */
struct object_meta {
	const char *name;
	const char *namespace_; /* "" for cluster-scoped kinds */
	const char *uid;
	const char *resource_version; /* opaque */
	const struct kv *labels;
	size_t n_labels;
	const struct kv *annotations;
	size_t n_annotations;
};

enum node_address_type {
	NODE_ADDRESS_OTHER, /* Hostname, InternalDNS, ...: not used */
	NODE_ADDRESS_INTERNAL_IP,
	NODE_ADDRESS_EXTERNAL_IP,
};

struct node_address {
	enum node_address_type type;
	const char *text;
};

struct node {
	struct object_meta meta;
	const char *pod_cidr;         /* spec.podCIDR, "" if unset */
	const char *const *pod_cidrs; /* spec.podCIDRs */
	size_t n_pod_cidrs;
	const char *provider_id;
	const struct node_address *addresses; /* status.addresses, in object order */
	size_t n_addresses;
};

/* The value of an annotation or label, NULL if the key is absent. */
const char *kv_get(const struct kv *v, size_t n, const char *key);
