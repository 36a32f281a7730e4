/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kinds of API object that are watched, and the few types of the API machinery around them
 * (meta/v1 and runtime), as tables for kube/pb.h. A new kind is a table of fields and one line.
 */
#include "kube/pb.h"
#include "kube/watch.h"
#include "model/node.h"

struct kube_kind {
	const char *name;        /* "nodes": resource name, for logs and metrics */
	const char *path;        /* "/api/v1/nodes" */
	const char *api_version; /* "v1" */
	const char *kind;        /* "Node" */
	const struct pb_type *type;
	size_t meta_offset; /* of struct object_meta in the object */
};

static inline const struct object_meta *kube_kind_meta(const struct kube_kind *k, const void *obj)
{
	return (const void *)((const char *)obj + k->meta_offset);
}

/* Enough to tell which object, and which version of it, it was that could not be read. */
struct kube_object_name {
	const char *name, *namespace_, *resource_version;
};
extern const struct pb_type kube_object_name_type; /* of ObjectMeta */

/* meta/v1 ListMeta */
struct kube_list_meta {
	const char *resource_version, *continue_;
};
extern const struct pb_type kube_list_meta_type;

/* meta/v1 Status */
struct kube_status {
	const char *message, *reason;
	int32_t code, retry_after_s;
};
extern const struct pb_type kube_status_type;

/*
 * The envelope of every protobuf object: "k8s" and a NUL, then runtime.Unknown. Finds apiVersion,
 * kind and the object's bytes; texts are cursors into the input. -EBADMSG.
 */
struct kube_envelope {
	struct rd api_version, kind, raw;
};
int kube_envelope_parse(struct rd in, struct kube_envelope *ret);
bool kube_text_is(struct rd text, const char *want);

#define KUBE_ENVELOPE_MAGIC "k8s" /* with its NUL: 4 bytes */
