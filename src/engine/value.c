/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "engine/core.h"

/* All empty values are this one, which never goes: set members, the most numerous rows, have it. */
static struct engine_value empty = { .refs = 1 };

struct engine_value *engine_value_new(struct bytes b)
{
	struct engine_value *v;

	if (b.len == 0)
		return engine_value_ref(&empty);
	v = xmalloc(sizeof(*v) + b.len);
	assert(b.len <= ENGINE_VALUE_MAX);
	v->refs = 1;
	v->len = (uint32_t)b.len;
	memcpy(v->data, b.data, b.len);
	return v;
}

struct engine_value *engine_value_ref(struct engine_value *v)
{
	if (v)
		v->refs++;
	return v;
}

void engine_value_unref(struct engine_value *v)
{
	if (v && --v->refs == 0)
		free(v);
}

bool engine_value_same(const struct engine_value *a, const struct engine_value *b)
{
	if (a == b)
		return true;
	return a && b && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

bool engine_value_is(const struct engine_value *v, struct bytes b)
{
	return v && v->len == b.len && (b.len == 0 || memcmp(v->data, b.data, b.len) == 0);
}

struct bytes engine_value_bytes(const struct engine_value *v)
{
	if (!v)
		return (struct bytes){ 0 };
	return (struct bytes){ v->data, v->len };
}
