/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was written once and read again is written the same from then on. The first writing may
 * differ: a real without fraction (1e2, -0.0) is written as an integer and is one when read.
 */
#include <assert.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False if the written text is one that may not be read. */
static bool again(const struct strbuf *in, struct strbuf *out)
{
	struct json_err err;
	CLEANUP(json_decref) json_t *doc = NULL;

	/* escapes may make it longer than what may be read */
	if (in->overflow || in->len > JSON_DOC_MAX)
		return false;
	doc = json_doc_parse(strbuf_text(in), in->len, &err);
	if (!doc) /* 1e20 is written without exponent, and is no 64-bit integer */
		assert(strstr(err.what, "too big"));
	else
		json_doc_write_go(out, doc);
	return doc != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_STRBUF struct strbuf first = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf second = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf third = STRBUF_INIT;
	struct json_err err;
	CLEANUP(json_decref) json_t *doc = json_doc_parse((const char *)data, size, &err);

	if (!doc)
		return 0;
	json_doc_write_go(&first, doc);
	if (again(&first, &second) && again(&second, &third))
		assert(strcmp(strbuf_text(&second), strbuf_text(&third)) == 0);
	return 0;
}
