/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar: --name=value, --name value (not for booleans), bundled shorthands, `--`, flags and
 * positional arguments in any order. A scalar's last value wins; a list's first value replaces the
 * default and later ones append.
 */
#include "agent/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/flags_table.h"
#include "base/mem.h"
#include "base/time.h"

/* Where the descriptions start: the longest left part and three blanks. */
#define USAGE_COLUMN 54
#define LIST_MAX     4096 /* elements of one list flag */

struct parse {
	struct options *opt;
	bool *given; /* a bool for each row of the table */
	char **error;
};

/* --- values --- */

static void *at(const struct options *opt, const struct flag *f)
{
	return (char *)(uintptr_t)opt + f->offset;
}

static int set_uint(const struct flag *f, struct options *opt, const char *text, const char **why)
{
	static const uint64_t max[] = {
		[FLAG_UINT] = UINT64_MAX,
		[FLAG_UINT8] = UINT8_MAX,
		[FLAG_UINT16] = UINT16_MAX,
		[FLAG_UINT32] = UINT32_MAX,
	};
	uint64_t v;
	int r = str_to_u64(text, 0, max[f->type], &v);

	if (r < 0) {
		*why = r == -ERANGE ? "value out of range" : "invalid syntax";
		return r;
	}
	switch (f->type) {
	case FLAG_UINT8:
		*(uint8_t *)at(opt, f) = (uint8_t)v;
		break;
	case FLAG_UINT16:
		*(uint16_t *)at(opt, f) = (uint16_t)v;
		break;
	case FLAG_UINT32:
		*(uint32_t *)at(opt, f) = (uint32_t)v;
		break;
	case FLAG_UINT:
	case FLAG_BOOL:
	case FLAG_STRING:
	case FLAG_STRINGS:
	case FLAG_UINTS:
	case FLAG_DURATION:
	case FLAG_IPS:
		*(uint64_t *)at(opt, f) = v;
		break;
	}
	return 0;
}

/*
 * One CSV record: commas separate, double quotes protect them and double to stand for themselves.
 * An empty text is an empty list.
 */
static int csv_split(const char *text, struct strv *out, const char **why)
{
	CLEANUP_STRBUF struct strbuf field = STRBUF_INIT;

	if (!*text)
		return 0;
	for (const char *p = text;; p++) {
		bool quoted = *p == '"', closed = false;

		strbuf_clear(&field);
		for (p += quoted; *p && (quoted || *p != ','); p++) {
			if (*p == '"' && quoted && p[1] != '"') {
				closed = true;
				p++;
				break;
			}
			if (*p == '"' && !quoted) {
				*why = "bare \" in a field that is not quoted";
				return -EINVAL;
			}
			p += *p == '"'; /* a doubled one */
			strbuf_putc(&field, *p);
		}
		if (quoted && (!closed || (*p && *p != ','))) {
			*why = "a quoted field that does not end";
			return -EINVAL;
		}
		if (out->n == LIST_MAX) {
			*why = "too many elements";
			return -E2BIG;
		}
		strv_add(out, strbuf_text(&field));
		if (!*p)
			return 0;
	}
}

static int set_strings(struct strv *dst, const char *text, bool append, const char **why)
{
	struct strv parts = { 0 };
	int r = csv_split(text, &parts, why);

	if (r == 0 && !append) {
		strv_fini(dst);
		*dst = (struct strv){ 0 };
	}
	for (size_t i = 0; r == 0 && i < parts.n; i++)
		strv_add(dst, parts.v[i]);
	strv_fini(&parts);
	return r;
}

static int set_uints(struct flag_uints *dst, const char *text, bool append, const char **why)
{
	struct strv parts = { 0 };
	int r = 0;

	strv_split(&parts, text, ',');
	if (!append)
		dst->n = 0;
	for (size_t i = 0; i < parts.n && r == 0; i++) {
		uint64_t v;

		r = str_to_u64(parts.v[i], 10, UINT64_MAX, &v);
		if (dst->n >= LIST_MAX)
			r = -E2BIG;
		if (r < 0)
			break;
		GROW(dst->v, dst->n, dst->cap);
		dst->v[dst->n++] = v;
	}
	if (r < 0)
		*why = r == -ERANGE ? "value out of range" : "invalid syntax";
	strv_fini(&parts);
	return r;
}

static int ips_add(struct flag_ips *dst, char *element)
{
	static const char blanks[] = " \t\n\v\f\r";
	struct ip_addr a;
	size_t len;

	element += strspn(element, blanks);
	len = strlen(element);
	while (len && strchr(blanks, element[len - 1]))
		element[--len] = '\0';
	if (ip_parse_strict(element, &a) < 0 || dst->n >= LIST_MAX)
		return -EINVAL;
	GROW(dst->v, dst->n, dst->cap);
	dst->v[dst->n++] = a;
	return 0;
}

static int set_ips(struct flag_ips *dst, const char *text, bool append, const char **why)
{
	CLEANUP_FREE char *bare = xstrdup(text);
	struct strv parts = { 0 };
	size_t n = 0;
	int r;

	for (const char *p = text; *p; p++) {
		if (*p != '"' && *p != '\'' && *p != '`')
			bare[n++] = *p;
	}
	bare[n] = '\0';
	r = csv_split(bare, &parts, why);
	if (r == 0 && !append)
		dst->n = 0;
	for (size_t i = 0; r == 0 && i < parts.n; i++) {
		r = ips_add(dst, parts.v[i]);
		if (r < 0)
			*why = "invalid string being converted to IP address";
	}
	strv_fini(&parts);
	return r;
}

static int set_value(const struct flag *f, struct options *opt, const char *text, bool append,
		     const char **why)
{
	int r = 0;

	*why = "invalid syntax";
	switch (f->type) {
	case FLAG_BOOL:
		r = str_to_bool(text, at(opt, f));
		break;
	case FLAG_STRING:
		*(const char **)at(opt, f) = text;
		break;
	case FLAG_STRINGS:
		r = set_strings(at(opt, f), text, append, why);
		break;
	case FLAG_UINT:
	case FLAG_UINT8:
	case FLAG_UINT16:
	case FLAG_UINT32:
		r = set_uint(f, opt, text, why);
		break;
	case FLAG_UINTS:
		r = set_uints(at(opt, f), text, append, why);
		break;
	case FLAG_DURATION:
		r = duration_parse(text, at(opt, f), why);
		break;
	case FLAG_IPS:
		r = set_ips(at(opt, f), text, append, why);
		break;
	}
	return r;
}

static void set_defaults(struct options *opt)
{
	memset(opt, 0, sizeof(*opt));
	for (size_t i = 0; i < flag_table_len; i++) {
		const struct flag *f = &flag_table[i];
		const char *why;

		if (f->type == FLAG_STRING)
			*(const char **)at(opt, f) = f->default_;
		else if (*f->default_)
			(void)set_value(f, opt, f->default_, false,
					&why); /* flags_test: all good */
	}
}

/* --- grammar --- */

static const struct flag *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < flag_table_len; i++) {
		const struct flag *f = &flag_table[i];

		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	}
	return NULL;
}

static const struct flag *find_short(char c)
{
	for (size_t i = 0; i < flag_table_len; i++) {
		if (flag_table[i].shorthand == c)
			return &flag_table[i];
	}
	return NULL;
}

static int take_value(struct parse *p, const struct flag *f, const char *text)
{
	bool *given = &p->given[f - flag_table];
	const char *why = "";
	int r = set_value(f, p->opt, text, *given, &why);

	if (r == 0) {
		*given = true;
		return 0;
	}
	if (f->shorthand)
		*p->error = xasprintf("invalid argument \"%s\" for \"-%c, --%s\" flag: %s", text,
				      f->shorthand, f->name, why);
	else
		*p->error = xasprintf("invalid argument \"%s\" for \"--%s\" flag: %s", text,
				      f->name, why);
	return -EINVAL;
}

/* One --name, --name=value or --name value; *i moves past what was taken. */
static int parse_long(struct parse *p, int argc, char *const *argv, int *i)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct flag *f;

	if (len == 0 || *name == '-' || *name == '=') {
		*p->error = xasprintf("bad flag syntax: %s", argv[*i]);
		return -EINVAL;
	}
	f = find_long(name, len);
	if (!f) {
		*p->error = xasprintf("unknown flag: --%.*s", (int)len, name);
		return -EINVAL;
	}
	if (eq)
		return take_value(p, f, eq + 1);
	if (f->type == FLAG_BOOL)
		return take_value(p, f, "true");
	if (*i + 1 >= argc) {
		*p->error = xasprintf("flag needs an argument: --%s", f->name);
		return -EINVAL;
	}
	return take_value(p, f, argv[++*i]);
}

/* -h, -hV, -v2, -v=2, -v 2 */
static int parse_short(struct parse *p, int argc, char *const *argv, int *i)
{
	const char *arg = argv[*i];

	for (const char *c = arg + 1; *c; c++) {
		const struct flag *f = find_short(*c);
		int r;

		if (!f) {
			*p->error = xasprintf("unknown shorthand flag: '%c' in -%s", *c, c);
			return -EINVAL;
		}
		if (c[1] == '=' && c[2])
			return take_value(p, f, c + 2);
		if (f->type != FLAG_BOOL && c[1])
			return take_value(p, f, c + 1);
		if (f->type != FLAG_BOOL) {
			if (*i + 1 >= argc) {
				*p->error = xasprintf("flag needs an argument: '%c' in -%s", *c, c);
				return -EINVAL;
			}
			return take_value(p, f, argv[++*i]);
		}
		r = take_value(p, f, "true");
		if (r < 0)
			return r;
	}
	return 0;
}

int flags_parse(int argc, char *const *argv, struct options *opt, char **error)
{
	CLEANUP_FREE bool *given = xcalloc(flag_table_len, sizeof(*given));
	struct parse p = { .opt = opt, .given = given, .error = error };
	bool flags_ended = false;
	int r = 0;

	set_defaults(opt);
	for (int i = 1; i < argc && r == 0; i++) {
		const char *arg = argv[i];

		if (flags_ended || arg[0] != '-' || arg[1] == '\0')
			strv_add(&opt->positional, arg);
		else if (strcmp(arg, "--") == 0)
			flags_ended = true;
		else if (arg[1] == '-')
			r = parse_long(&p, argc, argv, &i);
		else
			r = parse_short(&p, argc, argv, &i);
	}
	return r;
}

void options_fini(struct options *opt)
{
	for (size_t i = 0; i < flag_table_len; i++) {
		const struct flag *f = &flag_table[i];

		if (f->type == FLAG_STRINGS)
			strv_fini(at(opt, f));
		else if (f->type == FLAG_UINTS)
			free(((struct flag_uints *)at(opt, f))->v);
		else if (f->type == FLAG_IPS)
			free(((struct flag_ips *)at(opt, f))->v);
	}
	strv_fini(&opt->positional);
	memset(opt, 0, sizeof(*opt));
}

/* --- usage --- */

static const char *type_word(enum flag_type type)
{
	switch (type) {
	case FLAG_BOOL:
		return "";
	case FLAG_STRING:
		return "string";
	case FLAG_STRINGS:
		return "strings";
	case FLAG_UINT:
		return "uint";
	case FLAG_UINTS:
		return "uints";
	case FLAG_UINT8:
		return "uint8";
	case FLAG_UINT16:
		return "uint16";
	case FLAG_UINT32:
		return "uint32";
	case FLAG_DURATION:
		return "duration";
	case FLAG_IPS:
		return "ipSlice";
	}
	return "";
}

/* "" for the zero value of the type */
static void default_text(struct strbuf *out, const struct flag *f)
{
	char text[DURATION_FMT_MAX];
	const char *why;
	int64_t ns;

	switch (f->type) {
	case FLAG_STRING:
		if (*f->default_)
			strbuf_fmt(out, "\"%s\"", f->default_);
		break;
	case FLAG_STRINGS:
		if (*f->default_)
			strbuf_fmt(out, "[%s]", f->default_);
		break;
	case FLAG_UINTS:
	case FLAG_IPS:
		strbuf_fmt(out, "[%s]", f->default_);
		break;
	case FLAG_DURATION:
		if (*f->default_ && duration_parse(f->default_, &ns, &why) == 0)
			strbuf_puts(out, duration_fmt(text, ns));
		break;
	case FLAG_BOOL:
	case FLAG_UINT:
	case FLAG_UINT8:
	case FLAG_UINT16:
	case FLAG_UINT32:
		strbuf_puts(out, f->default_);
		break;
	}
}

static void usage_line(struct strbuf *out, const struct flag *f)
{
	CLEANUP_STRBUF struct strbuf left = STRBUF_INIT, def = STRBUF_INIT;

	if (f->shorthand)
		strbuf_fmt(&left, "  -%c, --%s", f->shorthand, f->name);
	else
		strbuf_fmt(&left, "      --%s", f->name);
	if (f->type != FLAG_BOOL)
		strbuf_fmt(&left, " %s", type_word(f->type));
	default_text(&def, f);
	strbuf_fmt(out, "%-*s%s", USAGE_COLUMN, strbuf_text(&left), f->help);
	if (def.len)
		strbuf_fmt(out, " (default %s)", strbuf_text(&def));
	strbuf_putc(out, '\n');
}

void flags_usage(struct strbuf *out, const char *argv0)
{
	strbuf_fmt(out, "Usage of %s:\n", argv0);
	for (size_t i = 0; i < flag_table_len; i++)
		usage_line(out, &flag_table[i]);
}

void flags_walk(void (*fn)(void *arg, const char *name, const char *type, const char *default_,
			   const char *help),
		void *arg)
{
	for (size_t i = 0; i < flag_table_len; i++) {
		CLEANUP_STRBUF struct strbuf def = STRBUF_INIT;

		default_text(&def, &flag_table[i]);
		fn(arg, flag_table[i].name, type_word(flag_table[i].type), strbuf_text(&def),
		   flag_table[i].help);
	}
}
