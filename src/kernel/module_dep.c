/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.dep has a line for each module: its file, a colon, the files it needs. Each of these
 * stands behind those that need it, so that they are loaded from the last to the first.
 */
#include <errno.h>
#include <string.h>

#include "kernel/module.h"

struct piece {
	const char *text;
	size_t len;
};

static bool next_piece(struct piece *rest, const char *separators, struct piece *ret)
{
	size_t n = 0;

	while (rest->len > 0 && strchr(separators, *rest->text)) {
		rest->text++;
		rest->len--;
	}
	while (n < rest->len && !strchr(separators, rest->text[n]))
		n++;
	*ret = (struct piece){ rest->text, n };
	rest->text += n;
	rest->len -= n;
	return n > 0;
}

static char fold(char c)
{
	return (char)(c == '-' ? '_' : c);
}

/* "kernel/net/bridge/br_netfilter.ko.xz" is the module br_netfilter. */
static bool file_is_module(struct piece file, const char *name)
{
	const char *slash = memrchr(file.text, '/', file.len);
	size_t i = 0, len = file.len;

	if (slash) {
		len -= (size_t)(slash + 1 - file.text);
		file.text = slash + 1;
	}
	while (i < len && name[i] && fold(file.text[i]) == fold(name[i]))
		i++;
	return !name[i] && len - i >= 3 && memcmp(file.text + i, ".ko", 3) == 0 &&
	       (len - i == 3 || file.text[i + 3] == '.');
}

static bool file_is_good(struct piece file)
{
	return *file.text != '/' && !memmem(file.text, file.len, "..", 2);
}

static int files_of_line(struct piece file, struct piece needs, struct strv *ret_files)
{
	struct piece found[MODULE_DEPS_MAX], need;
	size_t n = 0;

	while (next_piece(&needs, " \t", &need)) {
		if (n == MODULE_DEPS_MAX)
			return -E2BIG;
		if (!file_is_good(need))
			return -EBADMSG;
		found[n++] = need;
	}
	if (!file_is_good(file))
		return -EBADMSG;
	while (n-- > 0)
		strv_add_n(ret_files, found[n].text, found[n].len);
	strv_add_n(ret_files, file.text, file.len);
	return 0;
}

int module_dep_find(const char *text, size_t len, const char *name, struct strv *ret_files)
{
	struct piece rest = { text, len }, line;

	if (memchr(text, '\0', len))
		return -EBADMSG;
	while (next_piece(&rest, "\n", &line)) {
		const char *colon = memchr(line.text, ':', line.len);
		struct piece file = { line.text, colon ? (size_t)(colon - line.text) : line.len };

		if (!file_is_module(file, name))
			continue;
		if (!colon)
			return -EBADMSG;
		return files_of_line(file, (struct piece){ colon + 1, line.len - file.len - 1 },
				     ret_files);
	}
	return -ENOENT;
}

bool module_is_builtin(const char *text, size_t len, const char *name)
{
	struct piece rest = { text, len }, line;

	while (!memchr(text, '\0', len) && next_piece(&rest, "\n", &line)) {
		if (file_is_module(line, name))
			return true;
	}
	return false;
}
