/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"

struct anchor {
	const char *name;
	struct kube_yaml *node;
	bool is_open; /* its end has not been seen: an alias to it would be a cycle */
};

struct frame {
	struct kube_yaml *node;
	struct kube_yaml **tail;
	const char *key; /* of the next value; NULL: the next text is a key */
	size_t n_keys;
	size_t anchor; /* index + 1 of the anchor on this node, 0: none */
};

struct job {
	struct arena *arena;
	struct kube_yaml_err *err;
	struct kube_yaml *root;
	struct frame stack[KUBE_YAML_DEPTH_MAX];
	size_t depth, n_nodes;
	struct anchor anchors[KUBE_YAML_ANCHORS_MAX];
	size_t n_anchors;
	unsigned line;
};

static int fail(struct job *j, int err, const char *what)
{
	j->err->line = j->line;
	(void)snprintf(j->err->what, sizeof(j->err->what), "%s", what);
	return err;
}

static bool key_is_there(const struct frame *f, const char *key)
{
	for (const struct kube_yaml *n = f->node->first; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return true;
	return false;
}

/* A text in key position becomes the key of what follows. 1: it did. */
static int key_take(struct job *j, const char *text)
{
	struct frame *f = j->depth > 0 ? &j->stack[j->depth - 1] : NULL;

	if (!f)
		return 0;
	assert(f->node); /* every level was opened with one */
	if (f->node->kind != KUBE_YAML_MAP || f->key)
		return 0;
	if (!text)
		return fail(j, -EINVAL, "a key that is no text");
	if (++f->n_keys > KUBE_YAML_KEYS_MAX)
		return fail(j, -E2BIG, "too many keys in one mapping");
	if (key_is_there(f, text))
		return fail(j, -EINVAL, "a key is given twice");
	f->key = text;
	return 1;
}

/* Hangs a node into its parent (or makes it the root). */
static int node_place(struct job *j, struct kube_yaml *n)
{
	struct frame *f;

	if (++j->n_nodes > KUBE_YAML_NODES_MAX)
		return fail(j, -E2BIG, "too many values");
	n->line = j->line;
	n->key = "";
	if (j->depth == 0) {
		if (j->root)
			return fail(j, -EINVAL, "more than one document");
		j->root = n;
		return 0;
	}
	f = &j->stack[j->depth - 1];
	if (f->node->kind == KUBE_YAML_MAP) {
		n->key = f->key;
		f->key = NULL;
	}
	*f->tail = n;
	f->tail = &n->next;
	return 0;
}

static int anchor_add(struct job *j, const yaml_char_t *name, struct kube_yaml *n, bool is_open,
		      size_t *ret_index)
{
	*ret_index = 0;
	if (!name)
		return 0;
	if (j->n_anchors == KUBE_YAML_ANCHORS_MAX)
		return fail(j, -E2BIG, "too many anchors");
	j->anchors[j->n_anchors++] =
		(struct anchor){ arena_strdup(j->arena, (const char *)name), n, is_open };
	*ret_index = j->n_anchors;
	return 0;
}

static int text_add(struct job *j, const yaml_event_t *ev)
{
	const char *value = (const char *)ev->data.scalar.value;
	struct kube_yaml *n;
	size_t ignored;
	int r;

	if (strlen(value) != ev->data.scalar.length)
		return fail(j, -EINVAL, "a NUL byte in a text");
	value = arena_strdup(j->arena, value);
	r = key_take(j, value);
	if (r != 0)
		return MIN(r, 0);
	n = arena_new(j->arena, struct kube_yaml);
	n->kind = KUBE_YAML_TEXT;
	n->text = value;
	n->is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	r = node_place(j, n);
	return r < 0 ? r : anchor_add(j, ev->data.scalar.anchor, n, false, &ignored);
}

static int level_open(struct job *j, enum kube_yaml_kind kind, const yaml_char_t *anchor)
{
	struct kube_yaml *n;
	struct frame *f;
	int r = key_take(j, NULL);

	if (r < 0)
		return r;
	if (j->depth == KUBE_YAML_DEPTH_MAX)
		return fail(j, -E2BIG, "nested too deep");
	n = arena_new(j->arena, struct kube_yaml);
	n->kind = kind;
	n->text = "";
	r = node_place(j, n);
	if (r < 0)
		return r;
	f = &j->stack[j->depth++];
	*f = (struct frame){ .node = n, .tail = &n->first };
	return anchor_add(j, anchor, n, true, &f->anchor);
}

static void level_close(struct job *j)
{
	struct frame *f = &j->stack[--j->depth];

	if (f->anchor > 0)
		j->anchors[f->anchor - 1].is_open = false;
}

static int alias_add(struct job *j, const char *name)
{
	struct kube_yaml *n;
	int r = key_take(j, NULL);

	if (r < 0)
		return r;
	for (size_t i = j->n_anchors; i-- > 0;) { /* the newest of a name counts */
		if (strcmp(j->anchors[i].name, name) != 0)
			continue;
		if (j->anchors[i].is_open)
			return fail(j, -EINVAL, "an alias inside its own anchor");
		/* a copy of the one node: its own key and sibling, the same children */
		n = arena_memdup(j->arena, j->anchors[i].node, sizeof(*n));
		n->next = NULL;
		return node_place(j, n);
	}
	return fail(j, -EINVAL, "an alias without an anchor");
}

static int event_take(struct job *j, const yaml_event_t *ev)
{
	j->line = (unsigned)ev->start_mark.line + 1;
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return text_add(j, ev);
	case YAML_SEQUENCE_START_EVENT:
		return level_open(j, KUBE_YAML_LIST, ev->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return level_open(j, KUBE_YAML_MAP, ev->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		level_close(j);
		return 0;
	case YAML_ALIAS_EVENT:
		return alias_add(j, (const char *)ev->data.alias.anchor);
	case YAML_DOCUMENT_START_EVENT:
		return j->root ? fail(j, -EINVAL, "more than one document") : 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

static int events_read(struct job *j, yaml_parser_t *p)
{
	for (bool is_end = false; !is_end;) {
		yaml_event_t ev;
		int r;

		if (!yaml_parser_parse(p, &ev)) {
			j->line = (unsigned)p->problem_mark.line + 1;
			return fail(j, -EINVAL, p->problem ? p->problem : "no YAML");
		}
		r = event_take(j, &ev);
		is_end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
		if (r < 0)
			return r;
	}
	return 0;
}

int kube_yaml_parse(struct arena *a, const char *text, size_t len,
		    const struct kube_yaml **ret_root, struct kube_yaml_err *ret_err)
{
	struct job j = { .arena = a, .err = ret_err };
	yaml_parser_t p;
	int r;

	if (len > KUBE_YAML_SIZE_MAX)
		return fail(&j, -E2BIG, "too large");
	if (!yaml_parser_initialize(&p))
		return fail(&j, -ENOMEM, "out of memory");
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	r = events_read(&j, &p);
	yaml_parser_delete(&p);
	if (r < 0)
		return r;
	if (!j.root) {
		j.root = arena_new(a, struct kube_yaml);
		*j.root = (struct kube_yaml){ .is_plain = true, .text = "", .key = "" };
	}
	*ret_root = j.root;
	return 0;
}

const struct kube_yaml *kube_yaml_get(const struct kube_yaml *map, const char *key)
{
	if (!map || map->kind != KUBE_YAML_MAP)
		return NULL;
	for (const struct kube_yaml *n = map->first; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

bool kube_yaml_is_null(const struct kube_yaml *n)
{
	return n->kind == KUBE_YAML_TEXT && n->is_plain &&
	       (*n->text == '\0' || str_eq(n->text, "~") || str_eq(n->text, "null") ||
		str_eq(n->text, "Null") || str_eq(n->text, "NULL"));
}
