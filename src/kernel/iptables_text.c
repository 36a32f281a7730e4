/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A save is lines:
 *
 *   # comment
 *   *table
 *   :CHAIN POLICY [packets:bytes]
 *   [packets:bytes] -A CHAIN rule...
 *   COMMIT
 *
 * Quoting is that of *-restore: a word that begins with " goes to the next " that has no backslash
 * before it; inside, a backslash takes the next byte as it is; outside of quotes it has no meaning.
 */
#include "kernel/iptables_text.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool ipt_line_next(struct ipt_span *text, struct ipt_span *ret_line)
{
	const char *nl;
	size_t len, step;

	if (text->len == 0)
		return false;
	nl = memchr(text->text, '\n', text->len);
	len = nl ? (size_t)(nl - text->text) : text->len;
	step = nl ? len + 1 : len;
	*ret_line = (struct ipt_span){ text->text, len };
	text->text += step;
	text->len -= step;
	return true;
}

static struct ipt_span skip(struct ipt_span s, size_t n)
{
	return (struct ipt_span){ s.text + n, s.len - n };
}

static struct ipt_span skip_blanks(struct ipt_span s)
{
	while (s.len > 0 && is_blank(*s.text))
		s = skip(s, 1);
	return s;
}

/* Up to the next blank; *s moves behind it. */
static struct ipt_span plain_word(struct ipt_span *s)
{
	struct ipt_span word = { s->text, 0 };

	while (word.len < s->len && !is_blank(s->text[word.len]))
		word.len++;
	*s = skip_blanks(skip(*s, word.len));
	return word;
}

static struct ipt_span skip_counters(struct ipt_span line)
{
	if (line.len > 0 && *line.text == '[')
		(void)plain_word(&line);
	return line;
}

static int walk_rule(const struct ipt_save_visitor *v, struct ipt_span table, struct ipt_span line)
{
	struct ipt_span chain;

	line = skip_counters(line);
	if (!ipt_span_is(plain_word(&line), "-A"))
		return -EBADMSG;
	chain = plain_word(&line);
	if (chain.len == 0)
		return -EBADMSG;
	while (line.len > 0 && is_blank(line.text[line.len - 1]))
		line.len--;
	return v->rule ? v->rule(v->arg, table, chain, line) : 0;
}

static int walk_line(const struct ipt_save_visitor *v, struct ipt_span *table, struct ipt_span line)
{
	struct ipt_span chain;

	if (line.len == 0 || *line.text == '#')
		return 0;
	if (*line.text == '*') {
		if (table->len > 0 || line.len == 1)
			return -EBADMSG;
		*table = skip(line, 1);
		return 0;
	}
	if (table->len == 0)
		return -EBADMSG;
	if (ipt_span_is(line, "COMMIT")) {
		*table = (struct ipt_span){ "", 0 };
		return 0;
	}
	if (*line.text != ':')
		return walk_rule(v, *table, line);
	line = skip(line, 1);
	chain = plain_word(&line);
	if (chain.len == 0)
		return -EBADMSG;
	return v->chain ? v->chain(v->arg, *table, chain) : 0;
}

int ipt_save_walk(const char *text, size_t len, const struct ipt_save_visitor *visitor)
{
	struct ipt_span rest = { text, len }, table = { "", 0 }, line;

	while (ipt_line_next(&rest, &line)) {
		int r = memchr(line.text, '\0', line.len) ? -EBADMSG
							  : walk_line(visitor, &table, line);

		if (r != 0)
			return r;
	}
	return table.len == 0 ? 0 : -EBADMSG;
}

/* *s stands behind the opening quote. */
static int quoted_word(struct ipt_span *s, struct strbuf *word)
{
	while (s->len > 0) {
		char c = *s->text;

		*s = skip(*s, 1);
		if (c == '"')
			return s->len == 0 || is_blank(*s->text) ? 0 : -EINVAL;
		if (c == '\\') {
			if (s->len == 0)
				return -EINVAL;
			c = *s->text;
			*s = skip(*s, 1);
		}
		strbuf_putc(word, c);
	}
	return -EINVAL;
}

int ipt_words(struct ipt_span rule, struct strv *words)
{
	CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;

	if (rule.len > IPT_LINE_MAX)
		return -E2BIG;
	for (size_t i = 0; i < rule.len; i++) {
		unsigned char c = (unsigned char)rule.text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return -EINVAL;
	}
	for (rule = skip_blanks(rule); rule.len > 0; rule = skip_blanks(rule)) {
		if (words->n == IPT_WORDS_MAX)
			return -E2BIG;
		strbuf_clear(&word);
		if (*rule.text == '"') {
			rule = skip(rule, 1);
			if (quoted_word(&rule, &word) < 0)
				return -EINVAL;
		} else {
			struct ipt_span plain = plain_word(&rule);

			if (memchr(plain.text, '"', plain.len))
				return -EINVAL;
			strbuf_add(&word, plain.text, plain.len);
		}
		strv_add_n(words, strbuf_text(&word), word.len);
	}
	return 0;
}

static void word_fmt(struct strbuf *out, const char *word)
{
	if (*word && !strpbrk(word, " \t\"'\\")) {
		strbuf_puts(out, word);
		return;
	}
	strbuf_putc(out, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			strbuf_putc(out, '\\');
		strbuf_putc(out, *word);
	}
	strbuf_putc(out, '"');
}

void ipt_words_fmt(struct strbuf *out, const struct strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			strbuf_putc(out, ' ');
		word_fmt(out, words->v[i]);
	}
}

int ipt_rule_canonical(struct strbuf *out, struct ipt_span rule)
{
	struct strv words = { 0 };
	int r = ipt_words(rule, &words);

	if (r == 0) {
		ipt_words_fmt(out, &words);
		strbuf_putc(out, '\n');
	}
	strv_fini(&words);
	return r;
}

static bool says_something(struct ipt_span line)
{
	static const char *const noise[] = { "#", "Try `", "Error occurred at line" };

	for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
		size_t len = strlen(noise[i]);

		if (line.len >= len && memcmp(line.text, noise[i], len) == 0)
			return false;
	}
	return skip_blanks(line).len > 0;
}

const char *ipt_error_line(char *buf, size_t size, const char *text, size_t len)
{
	struct ipt_span rest = { text, len }, line, said = { "", 0 };

	while (said.len == 0 && ipt_line_next(&rest, &line)) {
		if (says_something(line))
			said = line;
	}
	said.len = MIN(said.len, size - 1);
	for (size_t i = 0; i < said.len; i++) {
		unsigned char c = (unsigned char)said.text[i];

		buf[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : said.text[i]);
	}
	buf[said.len] = '\0';
	return buf;
}
