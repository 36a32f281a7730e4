/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field numbers are those of the generated.proto files of k8s.io/api and k8s.io/apimachinery; they
 * never change once released. Fields that are not listed are not used, so a change in one of them
 * (the conditions in a Node's heartbeat, managedFields) is no change of the object.
 */
#include "kube/kind.h"

#include <errno.h>
#include <string.h>

/* clang-format off: one row per field, in columns */
#define TYPE(c_type, fields_)                                                                      \
	{                                                                                          \
		.size = sizeof(c_type), .fields = (fields_), .n_fields = ARRAY_LEN(fields_)

static const struct pb_field kv_fields[] = {
	{ 1, PB_STRING, "key", offsetof(struct kv, key) },
	{ 2, PB_STRING, "value", offsetof(struct kv, value) },
};
static const struct pb_type kv_type = TYPE(struct kv, kv_fields), .name = "map"
}
;

static const struct pb_field object_meta_fields[] = {
	{ 1, PB_STRING, "name", offsetof(struct object_meta, name) },
	{ 3, PB_STRING, "namespace", offsetof(struct object_meta, namespace_) },
	{ 5, PB_STRING, "uid", offsetof(struct object_meta, uid) },
	{ 6, PB_STRING, "resourceVersion", offsetof(struct object_meta, resource_version),
	  .is_version = true },
	{ 11, PB_MESSAGES, "labels", offsetof(struct object_meta, labels),
	  offsetof(struct object_meta, n_labels), .type = &kv_type },
	{ 12, PB_MESSAGES, "annotations", offsetof(struct object_meta, annotations),
	  offsetof(struct object_meta, n_annotations), .type = &kv_type },
};
static const struct pb_type object_meta_type = TYPE(struct object_meta, object_meta_fields),
			    .name = "ObjectMeta"
}
;

/* core/v1 Node */

static const struct pb_field node_spec_fields[] = {
	{ 1, PB_STRING, "podCIDR", offsetof(struct node, pod_cidr) },
	{ 3, PB_STRING, "providerID", offsetof(struct node, provider_id) },
	{ 7, PB_STRINGS, "podCIDRs", offsetof(struct node, pod_cidrs),
	  offsetof(struct node, n_pod_cidrs) },
};
static const struct pb_type node_spec_type = TYPE(struct node, node_spec_fields), .name = "NodeSpec"
}
;

static const char *const node_address_types[] = {
	[NODE_ADDRESS_OTHER] = "",
	[NODE_ADDRESS_INTERNAL_IP] = "InternalIP",
	[NODE_ADDRESS_EXTERNAL_IP] = "ExternalIP",
	NULL,
};
static const struct pb_field node_address_fields[] = {
	{ 1, PB_CHOICE, "type", offsetof(struct node_address, type),
	  .choices = node_address_types },
	{ 2, PB_STRING, "address", offsetof(struct node_address, text) },
};
static const struct pb_type node_address_type = TYPE(struct node_address, node_address_fields),
			    .name = "NodeAddress"
}
;

static const struct pb_field node_status_fields[] = {
	{ 5, PB_MESSAGES, "addresses", offsetof(struct node, addresses),
	  offsetof(struct node, n_addresses), .type = &node_address_type },
};
static const struct pb_type node_status_type = TYPE(struct node, node_status_fields),
			    .name = "NodeStatus"
}
;

static const struct pb_field node_fields[] = {
	{ 1, PB_MESSAGE, "metadata", offsetof(struct node, meta), .type = &object_meta_type },
	{ 2, PB_MESSAGE, "spec", 0, .type = &node_spec_type },
	{ 3, PB_MESSAGE, "status", 0, .type = &node_status_type },
};
static const struct pb_type node_type = TYPE(struct node, node_fields), .name = "Node"
}
;

const struct kube_kind kube_kind_node = {
	"nodes", "/api/v1/nodes", "v1", "Node", &node_type, offsetof(struct node, meta),
};

/* The machinery's own types */

static const struct pb_field name_fields[] = {
	{ 1, PB_STRING, "name", offsetof(struct kube_object_name, name) },
	{ 3, PB_STRING, "namespace", offsetof(struct kube_object_name, namespace_) },
	{ 6, PB_STRING, "resourceVersion", offsetof(struct kube_object_name, resource_version) },
};
const struct pb_type kube_object_name_type = TYPE(struct kube_object_name, name_fields),
		     .name = "ObjectMeta"
}
;

static const struct pb_field list_meta_fields[] = {
	{ 2, PB_STRING, "resourceVersion", offsetof(struct kube_list_meta, resource_version) },
	{ 3, PB_STRING, "continue", offsetof(struct kube_list_meta, continue_) },
};
const struct pb_type kube_list_meta_type = TYPE(struct kube_list_meta, list_meta_fields),
		     .name = "ListMeta"
}
;

static const struct pb_field status_details_fields[] = {
	{ 5, PB_INT32, "retryAfterSeconds", offsetof(struct kube_status, retry_after_s) },
};
static const struct pb_type status_details_type = TYPE(struct kube_status, status_details_fields),
			    .name = "StatusDetails"
}
;
static const struct pb_field status_fields[] = {
	{ 3, PB_STRING, "message", offsetof(struct kube_status, message) },
	{ 4, PB_STRING, "reason", offsetof(struct kube_status, reason) },
	{ 5, PB_MESSAGE, "details", 0, .type = &status_details_type },
	{ 6, PB_INT32, "code", offsetof(struct kube_status, code) },
};
const struct pb_type kube_status_type = TYPE(struct kube_status, status_fields), .name = "Status"
}
;
/* clang-format on */

bool kube_text_is(struct rd text, const char *want)
{
	size_t len = strlen(want);

	return text.left == len && (len == 0 || memcmp(text.pos, want, len) == 0);
}

static int type_meta_parse(struct rd in, struct kube_envelope *ret)
{
	struct pb_item it;

	while (pb_next(&in, &it)) {
		if (it.wire != PB_WIRE_BYTES)
			continue;
		if (it.number == 1)
			ret->api_version = it.bytes;
		else if (it.number == 2)
			ret->kind = it.bytes;
	}
	return in.bad ? -EBADMSG : 0;
}

int kube_envelope_parse(struct rd in, struct kube_envelope *ret)
{
	struct kube_envelope e = { 0 };
	const uint8_t *magic = rd_bytes(&in, sizeof(KUBE_ENVELOPE_MAGIC));
	struct pb_item it;

	if (!magic || memcmp(magic, KUBE_ENVELOPE_MAGIC, sizeof(KUBE_ENVELOPE_MAGIC)) != 0)
		return -EBADMSG;
	while (pb_next(&in, &it)) {
		if (it.wire != PB_WIRE_BYTES)
			continue;
		if (it.number == 1 && type_meta_parse(it.bytes, &e) < 0)
			return -EBADMSG;
		if (it.number == 2)
			e.raw = it.bytes;
		if (it.number == 3 && it.bytes.left > 0)
			return -EBADMSG; /* contentEncoding: none was asked for */
	}
	if (in.bad)
		return -EBADMSG;
	*ret = e;
	return 0;
}
