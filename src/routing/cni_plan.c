/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-local hands every pod one address out of each range set, so a set too many is as wrong as
 * one missing: a pod CIDR that the node had before would give pods a second address that nobody
 * routes. The file does not say who wrote a set; one counts as ours when it has the one form we
 * (and the reference) write, a single range with nothing but `subnet`, and its family is one in
 * which the node has a pod CIDR now. A set with several ranges, with other keys (rangeStart,
 * gateway, ...) or of another family is the operator's and stays.
 */
#include "routing/cni_plan.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

struct cni {
	const char *path;
	const struct cni_want *want;
	char **ret_why;
};

static int fail(const struct cni *c, const char *field, const char *fault)
{
	*c->ret_why = xasprintf("failed to parse CNI Config: %s: %s %s", c->path, field, fault);
	return -EINVAL;
}

/* --- finding the bridge plugin --- */

static int check_ipam_types(const struct cni *c, json_t *plugin)
{
	json_t *ipam = json_object_get(plugin, "ipam");

	if (ipam && !json_is_object(ipam))
		return fail(c, "ipam", "is not an object");
	if (json_object_get(plugin, "mtu") && !json_is_integer(json_object_get(plugin, "mtu")))
		return fail(c, "mtu", "is not a whole number");
	return 0;
}

static int find_in_list(const struct cni *c, json_t *doc, json_t **ret_bridge)
{
	json_t *plugins = json_object_get(doc, "plugins"), *found = NULL;
	int r;

	if (plugins && !json_is_array(plugins))
		return fail(c, "plugins", "is not a list");
	if (json_array_size(plugins) == 0) {
		*c->ret_why = xasprintf("failed to parse CNI Config: CNI config list %s has no "
					"plugins",
					c->path);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(plugins); i++) {
		json_t *plugin = json_array_get(plugins, i);
		const char *type = json_string_value(json_object_get(plugin, "type"));

		if (!json_is_object(plugin))
			return fail(c, "plugins", "has an element that is not an object");
		r = check_ipam_types(c, plugin);
		if (r < 0)
			return r;
		if (!found && str_eq(type, "bridge"))
			found = plugin;
	}
	if (!found)
		return fail(c, "plugins", "has none of type bridge");
	*ret_bridge = found;
	return 0;
}

static int find_bridge(const struct cni *c, json_t *doc, json_t **ret_bridge)
{
	size_t len = strlen(c->path);

	if (!json_is_object(doc))
		return fail(c, "the document", "is not an object");
	if (len >= 9 && str_eq_nocase(c->path + len - 9, ".conflist"))
		return find_in_list(c, doc, ret_bridge);
	if (str_is_empty(json_string_value(json_object_get(doc, "type")))) {
		*c->ret_why = xasprintf("failed to parse CNI Config: error load CNI config, file "
					"appears to have no type: %s",
					c->path);
		return -EINVAL;
	}
	*ret_bridge = doc;
	return check_ipam_types(c, doc);
}

/* --- ranges --- */

/* The subnet of a range, or -EINVAL: no range, no text, no CIDR. */
static int range_subnet(json_t *range, struct ip_prefix *ret)
{
	const char *text = json_string_value(json_object_get(range, "subnet"));

	return text ? ip_prefix_parse(text, ret) : -EINVAL;
}

static bool want_has(const struct cni_want *want, const struct ip_prefix *p)
{
	for (size_t i = 0; i < want->cidrs.n; i++) {
		if (ip_prefix_same(&want->cidrs.v[i], p))
			return true;
	}
	return false;
}

static bool want_has_family(const struct cni_want *want, uint8_t family)
{
	for (size_t i = 0; i < want->cidrs.n; i++) {
		if (want->cidrs.v[i].addr.family == family)
			return true;
	}
	return false;
}

static bool set_has(json_t *set, const struct ip_prefix *p)
{
	for (size_t i = 0; i < json_array_size(set); i++) {
		struct ip_prefix have;

		if (range_subnet(json_array_get(set, i), &have) == 0 && ip_prefix_same(&have, p))
			return true;
	}
	return false;
}

static bool ranges_have(json_t *ranges, const struct ip_prefix *p)
{
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		if (set_has(json_array_get(ranges, i), p))
			return true;
	}
	return false;
}

static void ranges_add(json_t *ranges, const struct ip_prefix *p)
{
	char text[IP_PREFIX_FMT_MAX];
	json_t *range = json_object(), *set = json_array();

	(void)json_object_set_new(range, "subnet", json_string(ip_prefix_fmt(text, p)));
	(void)json_array_append_new(set, range);
	(void)json_array_append_new(ranges, set);
}

static int check_ranges(const struct cni *c, json_t *ranges)
{
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		json_t *set = json_array_get(ranges, i);

		if (!json_is_array(set))
			return fail(c, "ipam.ranges", "has an element that is not a list");
		for (size_t k = 0; k < json_array_size(set); k++) {
			struct ip_prefix p;

			if (range_subnet(json_array_get(set, k), &p) < 0)
				return fail(c, "ipam.ranges",
					    "has a range whose subnet is not a CIDR");
			json_object_sort_keys(json_array_get(set, k));
		}
	}
	return 0;
}

static bool is_stale(json_t *set, const struct cni_want *want)
{
	json_t *range = json_array_get(set, 0);
	struct ip_prefix p;

	return json_array_size(set) == 1 && json_object_size(range) == 1 &&
	       range_subnet(range, &p) == 0 && !want_has(want, &p) &&
	       want_has_family(want, p.addr.family);
}

/*
 * A set in our form whose range another set holds, too. The Go kube-router appends a CIDR anew at
 * each start if the file spells it otherwise; host-local refuses ranges that overlap.
 */
static bool is_repeated(json_t *ranges, size_t i)
{
	json_t *set = json_array_get(ranges, i), *range = json_array_get(set, 0);
	struct ip_prefix p;

	if (json_array_size(set) != 1 || json_object_size(range) != 1 ||
	    range_subnet(range, &p) < 0)
		return false;
	for (size_t k = 0; k < json_array_size(ranges); k++) {
		if (k != i && set_has(json_array_get(ranges, k), &p))
			return true;
	}
	return false;
}

/* A range in our form whose text is not canonical is the same range: written as we write it. */
static void canonicalize(json_t *set)
{
	json_t *range = json_array_get(set, 0);
	char text[IP_PREFIX_FMT_MAX];
	struct ip_prefix p;

	if (json_array_size(set) != 1 || json_object_size(range) != 1 ||
	    range_subnet(range, &p) < 0)
		return;
	(void)json_object_set_new(range, "subnet", json_string(ip_prefix_fmt(text, &p)));
}

static int fold_subnet(const struct cni *c, json_t *ipam, json_t *ranges)
{
	json_t *subnet = json_object_get(ipam, "subnet");
	struct ip_prefix p;

	if (!subnet)
		return 0;
	if (!json_is_string(subnet))
		return fail(c, "ipam.subnet", "is not a text");
	if (!str_is_empty(json_string_value(subnet))) {
		if (ip_prefix_parse(json_string_value(subnet), &p) < 0)
			return fail(c, "ipam.subnet", "is not a CIDR");
		if (!ranges_have(ranges, &p))
			ranges_add(ranges, &p);
	}
	(void)json_object_del(ipam, "subnet");
	return 0;
}

static int complete_ranges(const struct cni *c, json_t *ipam)
{
	json_t *ranges = json_object_get(ipam, "ranges");
	int r;

	if (!ranges || json_is_null(ranges)) {
		ranges = json_array();
		(void)json_object_set_new(ipam, "ranges", ranges);
	}
	if (!json_is_array(ranges))
		return fail(c, "ipam.ranges", "is not a list");
	r = check_ranges(c, ranges);
	if (r == 0)
		r = fold_subnet(c, ipam, ranges);
	if (r < 0)
		return r;
	for (size_t i = json_array_size(ranges); i-- > 0;) {
		if (is_stale(json_array_get(ranges, i), c->want) || is_repeated(ranges, i))
			(void)json_array_remove(ranges, i);
		else
			canonicalize(json_array_get(ranges, i));
	}
	for (unsigned family = IP_V4; family <= IP_V6; family += IP_V6 - IP_V4) {
		for (size_t i = 0; i < c->want->cidrs.n; i++) {
			const struct ip_prefix *p = &c->want->cidrs.v[i];

			if (p->addr.family == family && !ranges_have(ranges, p))
				ranges_add(ranges, p);
		}
	}
	return 0;
}

/*
 * Of the document, of every plugin and of its ipam, as the Go kube-router writes them; what stands
 * below has its own order.
 */
static void sort_keys(json_t *doc)
{
	json_t *plugins = json_object_get(doc, "plugins");

	json_object_sort_keys(doc);
	if (json_is_object(json_object_get(doc, "ipam")))
		json_object_sort_keys(json_object_get(doc, "ipam"));
	for (size_t i = 0; i < json_array_size(plugins); i++) {
		json_t *plugin = json_array_get(plugins, i);

		if (!json_is_object(plugin))
			continue; /* of a single configuration, to which the key means nothing */
		json_object_sort_keys(plugin);
		if (json_is_object(json_object_get(plugin, "ipam")))
			json_object_sort_keys(json_object_get(plugin, "ipam"));
	}
}

int cni_plan(const char *path, const char *text, size_t len, const struct cni_want *want,
	     struct strbuf *out, char **ret_why)
{
	const struct cni c = { .path = path, .want = want, .ret_why = ret_why };
	struct json_err err;
	CLEANUP(json_decref) json_t *doc = json_doc_parse(text, len, &err);
	json_t *bridge = NULL, *ipam;
	int r;

	if (!doc) {
		*ret_why = xasprintf("failed to parse CNI Config: %s: at byte %zu: %s", path,
				     err.offset, err.what);
		return -EINVAL;
	}
	r = find_bridge(&c, doc, &bridge);
	if (r < 0)
		return r;
	ipam = json_object_get(bridge, "ipam");
	if (!ipam)
		return fail(&c, "the bridge plugin", "has no ipam");
	r = complete_ranges(&c, ipam);
	if (r < 0)
		return r;
	if (want->mtu)
		(void)json_object_set_new(bridge, "mtu", json_integer(want->mtu));
	sort_keys(doc);
	json_doc_write_go(out, doc);
	return 0;
}
