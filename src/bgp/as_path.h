/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * AS_PATH segments: check, count, convert between 2 and 4 octets, merge AS4_PATH. For the attribute
 * code of this room.
 */
#include "base/rd.h"
#include "base/wr.h"

/* Form only: segment types, counts, lengths, no AS 0 (RFC 7607). Confederations only if allowed. */
bool bgp_as_path_is_good(struct rd path, size_t asn_size, bool allow_confed);

/* The rest take paths that are good. Hops: RFC 4271 9.1.2.2 a, RFC 5065 5.3. */
size_t bgp_as_path_hops(struct rd path, size_t asn_size);
bool bgp_as_path_has(struct rd path, uint32_t asn); /* 4-octet path */
uint32_t bgp_as_path_first(struct rd path);         /* 4-octet path */
/* Any ASN above 65535 in a 4-octet path? */
bool bgp_as_path_is_wide(struct rd path);

/* Rewrites a path; an ASN that 2 octets cannot hold becomes AS_TRANS. */
void bgp_as_path_convert(struct wr *w, struct rd path, size_t from_size, size_t to_size);
/* A 4-octet path without its confederation segments: what AS4_PATH may hold. */
void bgp_as_path_write_as4(struct wr *w, struct rd path);
/* RFC 6793 4.2.3: the 4-octet path that a 2-octet AS_PATH and its AS4_PATH stand for. */
void bgp_as_path_merge(struct wr *w, struct rd path2, struct rd path4);
