/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_have.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

/* One walk. Lines of slots are collected by form, then joined: their order is that of the forms. */
struct walk {
	struct ipt_have *have;
	const struct ipt_have_filter *filter;
	struct strbuf forms[IPT_SLOT_N][IPT_FORMS_MAX];
	size_t n_lines[IPT_SLOT_N]; /* seen in the slot's chain so far */
};

void ipt_have_init(struct ipt_have *h, uint8_t family)
{
	memset(h, 0, sizeof(*h));
	h->family = family;
}

static void row_free(struct strbuf *row)
{
	if (!row)
		return;
	strbuf_fini(row);
	free(row);
}

void ipt_have_fini(struct ipt_have *h)
{
	map_for_each (&h->rows, i)
		row_free(map_at(&h->rows, i, NULL, NULL));
	map_fini(&h->rows);
}

struct bytes ipt_have_get(const struct ipt_have *h, const struct ipt_key *key)
{
	const struct strbuf *row = map_get(&h->rows, key, sizeof(*key));

	return row ? (struct bytes){ strbuf_text(row), row->len } : (struct bytes){ NULL, 0 };
}

static struct strbuf *row_make(struct ipt_have *h, const struct ipt_key *key)
{
	struct strbuf *row = map_get(&h->rows, key, sizeof(*key));

	if (row || h->rows.n == IPT_ROWS_MAX)
		return row;
	row = xcalloc(1, sizeof(*row));
	row->max = IPT_ROW_TEXT_MAX;
	(void)map_put(&h->rows, key, sizeof(*key), row);
	return row;
}

void ipt_have_set(struct ipt_have *h, const struct ipt_key *key, struct bytes text)
{
	struct strbuf *row = row_make(h, key);

	if (!row)
		return;
	strbuf_clear(row);
	strbuf_add(row, text.data, text.len);
}

void ipt_have_del(struct ipt_have *h, const struct ipt_key *key)
{
	row_free(map_del(&h->rows, key, sizeof(*key)));
}

/* False: names longer than ours ever are. */
static bool key_make(struct ipt_key *key, uint8_t family, struct ipt_span table,
		     struct ipt_span chain)
{
	memset(key, 0, sizeof(*key));
	if (table.len >= sizeof(key->table) || chain.len >= sizeof(key->chain))
		return false;
	memcpy(key->table, table.text, table.len);
	memcpy(key->chain, chain.text, chain.len);
	key->family = family;
	key->slot = IPT_SLOT_CHAIN;
	return true;
}

static bool is_ours(const struct walk *w, const struct ipt_key *key)
{
	return w->filter->is_our_chain && w->filter->is_our_chain(w->filter->arg, key);
}

static int on_chain(void *arg, struct ipt_span table, struct ipt_span chain)
{
	struct walk *w = arg;
	struct ipt_key key;

	if (!key_make(&key, w->have->family, table, chain) || !is_ours(w, &key))
		return 0;
	return row_make(w->have, &key) ? 0 : -EFBIG;
}

static void slot_rule(struct walk *w, unsigned slot, const struct strv *words)
{
	const char *below = ipt_slot_desc(slot)->below, *target = ipt_rule_target(words);
	int form = ipt_slot_form(slot, w->have->family, words);

	w->n_lines[slot]++;
	if (below && target && str_eq(below, target))
		w->have->above[slot] = w->n_lines[slot];
	if (form < 0)
		return;
	ipt_words_fmt(&w->forms[slot][form], words);
	strbuf_putc(&w->forms[slot][form], '\n');
}

/* A line that does not parse is nobody's of ours, but it is a line. */
static void slots_rule(struct walk *w, struct ipt_span table, struct ipt_span chain,
		       struct ipt_span rule)
{
	for (unsigned slot = 0; slot < IPT_SLOT_N; slot++) {
		const struct ipt_slot_desc *desc = ipt_slot_desc(slot);
		struct strv words = { 0 };

		if (!desc->table || !ipt_span_is(table, desc->table) ||
		    !ipt_span_is(chain, desc->chain))
			continue;
		if (ipt_words(rule, &words) == 0)
			slot_rule(w, slot, &words);
		else
			w->n_lines[slot]++;
		strv_fini(&words);
	}
}

static int on_rule(void *arg, struct ipt_span table, struct ipt_span chain, struct ipt_span rule)
{
	struct walk *w = arg;
	struct strbuf *row;
	struct ipt_key key;

	slots_rule(w, table, chain, rule);
	if (!key_make(&key, w->have->family, table, chain) || !is_ours(w, &key))
		return 0;
	row = row_make(w->have, &key);
	if (!row)
		return -EFBIG;
	if (ipt_rule_canonical(row, rule) < 0) { /* never equal to what is wanted: replaced */
		strbuf_add(row, rule.text, rule.len);
		strbuf_putc(row, '\n');
	}
	return row->overflow ? -EFBIG : 0;
}

static int slots_finish(struct walk *w)
{
	for (unsigned slot = 0; slot < IPT_SLOT_N; slot++) {
		const struct ipt_slot_desc *desc = ipt_slot_desc(slot);
		struct ipt_key key = { .family = w->have->family, .slot = (uint8_t)slot };
		struct strbuf *row = NULL;

		for (size_t i = 0; i < IPT_FORMS_MAX; i++) {
			const struct strbuf *lines = &w->forms[slot][i];

			if (lines->overflow)
				return -EFBIG;
			if (lines->len == 0)
				continue;
			(void)str_copy(key.table, sizeof(key.table), desc->table);
			(void)str_copy(key.chain, sizeof(key.chain), desc->chain);
			row = row_make(w->have, &key);
			if (!row)
				return -EFBIG;
			strbuf_add(row, lines->data, lines->len);
			if (row->overflow)
				return -EFBIG;
		}
	}
	return 0;
}

int ipt_have_add(struct ipt_have *h, const char *text, size_t len,
		 const struct ipt_have_filter *filter)
{
	struct walk w = { .have = h, .filter = filter };
	const struct ipt_save_visitor visitor = { .arg = &w, .chain = on_chain, .rule = on_rule };
	int r;

	r = ipt_save_walk(text, len, &visitor);
	if (r == 0)
		r = slots_finish(&w);
	for (unsigned slot = 0; slot < IPT_SLOT_N; slot++) {
		for (size_t i = 0; i < IPT_FORMS_MAX; i++)
			strbuf_fini(&w.forms[slot][i]);
	}
	return r;
}
