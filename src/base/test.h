/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What every unit test includes: cmocka and one check that names the table row that failed.
 */
/* cmocka wants these before it, in this order */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

/* name: the row of the table, or what is being checked */
#define CHECK(name, cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			print_error("%s:%d: %s: %s\n", __FILE__, __LINE__, (name), #cond);         \
			fail();                                                                    \
			__builtin_unreachable(); /* cmocka does not say so itself */               \
		}                                                                                  \
	} while (0)
/* The same for texts, showing both. */
#define CHECK_STR(name, got, want)                                                                 \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (strcmp(got_, want_) != 0) {                                                    \
			print_error("%s:%d: %s:\n got: %s\nwant: %s\n", __FILE__, __LINE__,        \
				    (name), got_, want_);                                          \
			fail();                                                                    \
		}                                                                                  \
	} while (0)
