/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text that *-save prints and *-restore reads. Pure.
 */
#include <stddef.h>
#include <string.h>

#include "base/str.h"

/* *-restore up to 1.8 reads lines into a buffer of 10,240 bytes. */
#define IPT_LINE_MAX ((size_t)10000)
/* Words of one rule; *-restore takes 255. */
#define IPT_WORDS_MAX 255

/* A piece of the text; not terminated. */
struct ipt_span {
	const char *text;
	size_t len;
};

static inline bool ipt_span_is(struct ipt_span s, const char *text)
{
	return strlen(text) == s.len && memcmp(s.text, text, s.len) == 0;
}

struct ipt_save_visitor {
	void *arg;
	/* Anything but 0 stops the walk and is its result. Either may be NULL. */
	int (*chain)(void *arg, struct ipt_span table, struct ipt_span chain);
	/* rule: what stands after the chain's name, counters removed. */
	int (*rule)(void *arg, struct ipt_span table, struct ipt_span chain, struct ipt_span rule);
};

/*
 * Walks the output of *-save: 0, or -EBADMSG for text that is not such (also: cut off before a
 * COMMIT), or what the visitor said. No text at all is good: nft has no tables before their first
 * use.
 */
int ipt_save_walk(const char *text, size_t len, const struct ipt_save_visitor *visitor);

/*
 * The words of a rule without their quotes, appended: 0, or -EINVAL (open quote, control byte,
 * quote inside a word) or -E2BIG.
 */
int ipt_words(struct ipt_span rule, struct strv *words);

/* Words to text: a blank between them, quotes where needed. No newline. */
void ipt_words_fmt(struct strbuf *out, const struct strv *words);

/* A rule's canonical text, appended with a newline: 0 or -errno of ipt_words(). */
int ipt_rule_canonical(struct strbuf *out, struct ipt_span rule);

/* The next line of *text without its newline; false at the end. */
bool ipt_line_next(struct ipt_span *text, struct ipt_span *ret_line);

/*
 * What a failed program said, as one line for a log: its first line that is no warning or hint,
 * control bytes replaced, cut to the size of buf.
 */
const char *ipt_error_line(char *buf, size_t size, const char *text, size_t len);
