/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_model.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/iptables_slots.h"

struct model_chain *model_chain_get(struct ipt_model *m, const char *table, const char *name)
{
	for (size_t i = 0; i < m->n_chains; i++) {
		if (str_eq(m->chains[i].table, table) && str_eq(m->chains[i].name, name))
			return &m->chains[i];
	}
	return NULL;
}

static struct model_chain *chain_make(struct ipt_model *m, const char *table, const char *name)
{
	struct model_chain *c = &m->chains[m->n_chains++];

	assert(m->n_chains <= MODEL_CHAINS_MAX);
	memset(c, 0, sizeof(*c));
	(void)str_copy(c->table, sizeof(c->table), table);
	(void)str_copy(c->name, sizeof(c->name), name);
	return c;
}

void model_init(struct ipt_model *m)
{
	static const char *const builtin[][2] = {
		{ "filter", "INPUT" },   { "filter", "FORWARD" }, { "filter", "OUTPUT" },
		{ "nat", "PREROUTING" }, { "nat", "OUTPUT" },     { "nat", "POSTROUTING" },
	};

	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		chain_make(m, builtin[i][0], builtin[i][1])->is_builtin = true;
}

void model_fini(struct ipt_model *m)
{
	for (size_t i = 0; i < m->n_chains; i++)
		strv_fini(&m->chains[i].rules);
	m->n_chains = 0;
}

static void model_copy(struct ipt_model *to, const struct ipt_model *from)
{
	*to = *from;
	for (size_t i = 0; i < to->n_chains; i++) {
		to->chains[i].rules = (struct strv){ 0 };
		for (size_t k = 0; k < from->chains[i].rules.n; k++)
			strv_add(&to->chains[i].rules, from->chains[i].rules.v[k]);
	}
}

static void rules_clear(struct model_chain *c)
{
	strv_fini(&c->rules);
	c->rules = (struct strv){ 0 };
}

static int rule_insert(struct model_chain *c, size_t at, const char *rule)
{
	if (at > c->rules.n)
		return -EINVAL;
	strv_add(&c->rules, rule);
	for (size_t i = c->rules.n - 1; i > at; i--) {
		char *swap = c->rules.v[i];

		c->rules.v[i] = c->rules.v[i - 1];
		c->rules.v[i - 1] = swap;
	}
	return 0;
}

static int rule_delete(struct model_chain *c, const char *rule)
{
	for (size_t i = 0; i < c->rules.n; i++) {
		if (!str_eq(c->rules.v[i], rule))
			continue;
		free(c->rules.v[i]);
		memmove(&c->rules.v[i], &c->rules.v[i + 1],
			(c->rules.n - i - 1) * sizeof(*c->rules.v));
		c->rules.n--;
		return 0;
	}
	return -EINVAL;
}

/* A target in capitals that begins with KUBE- is a chain and must exist; NOSUCH never does. */
static bool target_is_good(struct ipt_model *m, const char *table, const char *rule)
{
	struct strv words = { 0 };
	const char *target;
	bool is = ipt_words((struct ipt_span){ rule, strlen(rule) }, &words) == 0;

	target = ipt_rule_target(&words);
	if (is && target)
		is = !str_starts(target, "NOSUCH") &&
		     (!str_starts(target, "KUBE-") || model_chain_get(m, table, target));
	strv_fini(&words);
	return is;
}

static bool is_referenced(const struct ipt_model *m, const struct model_chain *chain)
{
	for (size_t i = 0; i < m->n_chains; i++) {
		const struct model_chain *c = &m->chains[i];

		for (size_t k = 0; str_eq(c->table, chain->table) && k < c->rules.n; k++) {
			if (strstr(c->rules.v[k], chain->name))
				return true;
		}
	}
	return false;
}

static int chain_remove(struct ipt_model *m, struct model_chain *c)
{
	if (c->is_builtin || c->rules.n > 0 || is_referenced(m, c))
		return -EINVAL;
	rules_clear(c);
	*c = m->chains[--m->n_chains];
	return 0;
}

/* The words up to the rule; *rest is what follows. */
static char *next_word(char **rest)
{
	char *word = *rest, *end = strchrnul(word, ' ');

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int command(struct ipt_model *m, const char *table, char *line)
{
	const char *option = next_word(&line), *name;
	struct model_chain *c;
	uint64_t place = 1;

	if (option[0] == ':') {
		c = model_chain_get(m, table, option + 1);
		rules_clear(c ? c : chain_make(m, table, option + 1));
		return 0;
	}
	name = next_word(&line);
	c = model_chain_get(m, table, name);
	if (!c)
		return -EINVAL;
	if (str_eq(option, "-X"))
		return chain_remove(m, c);
	if (str_eq(option, "-D"))
		return rule_delete(c, line);
	if (str_eq(option, "-I") && (str_to_u64(next_word(&line), 10, 1000, &place) < 0 || !place))
		return -EINVAL;
	if (!target_is_good(m, table, line))
		return -EINVAL;
	return rule_insert(c, str_eq(option, "-A") ? c->rules.n : (size_t)place - 1, line);
}

int model_restore(struct ipt_model *m, const char *text, size_t len)
{
	struct ipt_span rest = { text, len }, line;
	struct ipt_model work;
	char table[32] = "";
	int r = 0;

	model_copy(&work, m);
	while (r == 0 && ipt_line_next(&rest, &line)) {
		CLEANUP_FREE char *copy = xstrndup(line.text, line.len);

		if (copy[0] == '*') {
			r = *table ? -EINVAL : str_copy(table, sizeof(table), copy + 1);
		} else if (str_eq(copy, "COMMIT")) {
			model_fini(m);
			model_copy(m, &work);
			table[0] = '\0';
		} else {
			r = command(&work, table, copy);
		}
	}
	model_fini(&work);
	return *table ? -EINVAL : r;
}

static void table_save(const struct ipt_model *m, const char *table, struct strbuf *out)
{
	strbuf_fmt(out, "*%s\n", table);
	for (size_t i = 0; i < m->n_chains; i++) {
		const struct model_chain *c = &m->chains[i];

		if (str_eq(c->table, table))
			strbuf_fmt(out, ":%s %s [0:0]\n", c->name, c->is_builtin ? "ACCEPT" : "-");
	}
	for (size_t i = 0; i < m->n_chains; i++) {
		const struct model_chain *c = &m->chains[i];

		for (size_t k = 0; str_eq(c->table, table) && k < c->rules.n; k++)
			strbuf_fmt(out, "-A %s %s\n", c->name, c->rules.v[k]);
	}
	strbuf_puts(out, "COMMIT\n");
}

void model_save(const struct ipt_model *m, const char *table, struct strbuf *out)
{
	static const char *const tables[] = { "filter", "nat" };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (!table || str_eq(table, tables[i]))
			table_save(m, tables[i], out);
	}
}
