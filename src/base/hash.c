/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/macro.h"

void hash_sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES])
{
	static EVP_MD *md; /* fetched once: the look-up costs twice the hash; lives as long as we */

	if (!md)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	/* no provider with SHA-256 or no memory: nothing could be compared any more */
	if (!md || EVP_Digest(data, len, ret, NULL, md, NULL) != 1)
		abort();
}

uint32_t hash_fnv1a32(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x01000193;
	return h;
}

/* 0 to 63, or -1 */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four characters, n_pad of them `=`, as 24 bits in v. */
static int group_put(uint32_t v, unsigned n_pad, uint8_t *dst, size_t dst_size, size_t *n)
{
	for (unsigned i = 0; i < 3 - n_pad; i++) {
		if (*n == dst_size)
			return -EINVAL;
		dst[(*n)++] = (uint8_t)(v >> (16 - 8 * i));
	}
	return 0;
}

int base64_decode(const char *text, size_t len, uint8_t *dst, size_t dst_size, size_t *ret_len)
{
	unsigned n_chars = 0, n_pad = 0; /* of the group */
	uint32_t v = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		int six;

		if (c == '\r' || c == '\n')
			continue;
		/* `=` stands for the third and fourth character of the last group only */
		six = c == '=' ? 0 : sextet(c);
		if (six < 0 || (c == '=' && n_chars < 2) || (c != '=' && n_pad > 0))
			return -EINVAL;
		n_pad += c == '=';
		v = v << 6 | (uint32_t)six;
		if (++n_chars < 4)
			continue;
		if (group_put(v, n_pad, dst, dst_size, &n) < 0)
			return -EINVAL;
		v = 0;
		n_chars = 0;
	}
	if (n_chars != 0)
		return -EINVAL;
	*ret_len = n;
	return 0;
}
