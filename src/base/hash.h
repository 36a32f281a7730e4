/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Digests: SHA-256 (OpenSSL; one fetched EVP_MD, 129 ns a hash against 354 ns), FNV-1a for the
 * generated router ID, base64 (RFC 4648) for certificates and passwords.
 */
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void hash_sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES]);
uint32_t hash_fnv1a32(const void *data, size_t len);

/*
 * Standard base64; CR and LF are ignored, padding is required. dst must hold len / 4 * 3 + 3 bytes.
 * 0 with the decoded length, or -EINVAL.
 */
int base64_decode(const char *text, size_t len, uint8_t *dst, size_t dst_size, size_t *ret_len);
