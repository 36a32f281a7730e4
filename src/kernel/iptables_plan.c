/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_plan.h"

#include <errno.h>
#include <string.h>

#define CHAIN_NAME_MAX 28 /* XT_EXTENSION_MAXNAMELEN less terminator; the tools refuse longer */

static bool name_is_good(const char name[IPT_NAME_MAX], size_t max)
{
	size_t len = strnlen(name, IPT_NAME_MAX);

	if (len == 0 || len > max || name[0] == '-' || name[0] == '!')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '[')
			return false;
	}
	return true;
}

static int rules_check(struct bytes text, const char **ret_what)
{
	struct ipt_span rest = { text.data, text.len }, line;

	*ret_what = "the last rule has no end";
	if (text.len > 0 && rest.text[text.len - 1] != '\n')
		return -EINVAL;
	while (ipt_line_next(&rest, &line)) {
		struct strv words = { 0 };
		int r = ipt_words(line, &words);

		if (r == 0 && words.n == 0)
			r = -EINVAL;
		strv_fini(&words);
		*ret_what = r == -E2BIG ? "a rule is too long" : "a rule is no text of a rule";
		if (r < 0)
			return r;
	}
	return 0;
}

int ipt_change_check(const struct ipt_change *c, const char **ret_what)
{
	const struct ipt_slot_desc *slot = ipt_slot_desc(c->key.slot);

	*ret_what = "not a name of a table or chain";
	if (!name_is_good(c->key.table, IPT_NAME_MAX - 1) ||
	    !name_is_good(c->key.chain, CHAIN_NAME_MAX))
		return -EINVAL;
	*ret_what = "no such slot in this chain";
	if (c->key.slot != IPT_SLOT_CHAIN && (!slot->table || !str_eq(slot->table, c->key.table) ||
					      !str_eq(slot->chain, c->key.chain)))
		return -EINVAL;
	return c->want.data ? rules_check(c->want, ret_what) : 0;
}

static struct strbuf *sections_get(struct ipt_batch *b, const char *table)
{
	for (size_t i = 0; i < b->n_tables; i++) {
		if (str_eq(b->tables[i].name, table))
			return b->tables[i].sections;
	}
	if (b->n_tables == IPT_TABLES_MAX)
		return NULL;
	(void)str_copy(b->tables[b->n_tables].name, IPT_NAME_MAX, table);
	return b->tables[b->n_tables++].sections;
}

static void command(struct strbuf *out, const char *option, const char *chain, struct ipt_span rule)
{
	strbuf_fmt(out, "%s %s", option, chain);
	if (rule.len > 0) {
		strbuf_putc(out, ' ');
		strbuf_add(out, rule.text, rule.len);
	}
	strbuf_putc(out, '\n');
}

static size_t count(struct bytes text, struct ipt_span line)
{
	struct ipt_span rest = { text.data, text.len }, other;
	size_t n = 0;

	while (ipt_line_next(&rest, &other))
		n += other.len == line.len && memcmp(other.text, line.text, line.len) == 0;
	return n;
}

static struct bytes until(struct bytes text, struct ipt_span line)
{
	return (struct bytes){ text.data, (size_t)(line.text - (const char *)text.data) };
}

/* Lines that `text` holds more often than `other`: fn for each such occurrence. */
static void surplus_each(struct bytes text, struct bytes other,
			 void (*fn)(void *arg, struct ipt_span line), void *arg)
{
	struct ipt_span rest = { text.data, text.len }, line;

	while (ipt_line_next(&rest, &line)) {
		if (count(until(text, line), line) >= count(other, line))
			fn(arg, line);
	}
}

struct slot_edit {
	struct strbuf *sections;
	const struct ipt_change *change;
	const struct ipt_slot_desc *desc;
	size_t n_inserted;
};

static void slot_delete(void *arg, struct ipt_span line)
{
	struct slot_edit *e = arg;

	command(&e->sections[IPT_SECTION_DELETES], "-D", e->change->key.chain, line);
}

/* Each next line one place lower: they end up in the order of the value. */
static void slot_insert(void *arg, struct ipt_span line)
{
	struct slot_edit *e = arg;
	struct strbuf *out = &e->sections[IPT_SECTION_INSERTS];
	size_t place = e->change->above + ++e->n_inserted;

	if (e->desc->place == IPT_PLACE_END) {
		command(out, "-A", e->change->key.chain, line);
		return;
	}
	strbuf_fmt(out, "-I %s %zu ", e->change->key.chain, place);
	strbuf_add(out, line.text, line.len);
	strbuf_putc(out, '\n');
}

/*
 * Inserts come before deletes, so that the counted place is still right. A delete, which takes the
 * first line of that text, cannot hit what was just inserted: no text is both surplus and missing.
 */
static void slot_change(struct strbuf *sections, const struct ipt_change *c)
{
	struct slot_edit e = { sections, c, ipt_slot_desc(c->key.slot), 0 };

	surplus_each(c->want, c->have, slot_insert, &e);
	surplus_each(c->have, c->want, slot_delete, &e);
}

static void chain_change(struct strbuf *sections, const struct ipt_change *c)
{
	struct ipt_span rest = { c->want.data, c->want.len }, line;

	if (!c->want.data && !c->have.data)
		return;
	if (c->want.data && c->have.data && c->want.len == c->have.len &&
	    memcmp(c->want.data, c->have.data, c->want.len) == 0)
		return;
	strbuf_fmt(&sections[IPT_SECTION_CHAINS], ":%s - [0:0]\n", c->key.chain);
	if (!c->want.data) {
		strbuf_fmt(&sections[IPT_SECTION_GONE], "-X %s\n", c->key.chain);
		return;
	}
	while (ipt_line_next(&rest, &line))
		command(&sections[IPT_SECTION_RULES], "-A", c->key.chain, line);
}

int ipt_batch_add(struct ipt_batch *b, const struct ipt_change *c)
{
	struct strbuf *sections = sections_get(b, c->key.table);

	if (!sections)
		return -E2BIG;
	if (c->key.slot == IPT_SLOT_CHAIN)
		chain_change(sections, c);
	else
		slot_change(sections, c);
	return 0;
}

static bool table_is_empty(const struct strbuf *sections)
{
	for (int i = 0; i < IPT_SECTION_N; i++) {
		if (sections[i].len > 0 || sections[i].overflow)
			return false;
	}
	return true;
}

bool ipt_batch_is_empty(const struct ipt_batch *b)
{
	for (size_t i = 0; i < b->n_tables; i++) {
		if (!table_is_empty(b->tables[i].sections))
			return false;
	}
	return true;
}

void ipt_batch_text(const struct ipt_batch *b, struct strbuf *out)
{
	for (size_t i = 0; i < b->n_tables; i++) {
		const struct strbuf *sections = b->tables[i].sections;

		if (table_is_empty(sections))
			continue;
		strbuf_fmt(out, "*%s\n", b->tables[i].name);
		for (int s = 0; s < IPT_SECTION_N; s++) {
			strbuf_add(out, strbuf_text(&sections[s]), sections[s].len);
			out->overflow |= sections[s].overflow;
		}
		strbuf_puts(out, "COMMIT\n");
	}
}

void ipt_batch_fini(struct ipt_batch *b)
{
	for (size_t i = 0; i < b->n_tables; i++) {
		for (int s = 0; s < IPT_SECTION_N; s++)
			strbuf_fini(&b->tables[i].sections[s]);
	}
	memset(b, 0, sizeof(*b));
}
