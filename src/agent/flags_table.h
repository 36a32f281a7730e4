/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the command line: the table that flags.c parses by and prints. Rows are sorted by name.
 */
#include "agent/flags.h"

enum flag_type {
	FLAG_BOOL,
	FLAG_STRING,
	FLAG_STRINGS,
	FLAG_UINT,
	FLAG_UINTS,
	FLAG_UINT8,
	FLAG_UINT16,
	FLAG_UINT32,
	FLAG_DURATION,
	FLAG_IPS,
};

struct flag {
	const char *name;
	char shorthand; /* 0: none */
	enum flag_type type;
	size_t offset;        /* of the destination in struct options */
	const char *default_; /* as it would be given; "" for the zero value */
	bool without_effect;  /* accepted, and nothing listens to it yet */
	const char *help;
};

extern const struct flag flag_table[];
extern const size_t flag_table_len;
