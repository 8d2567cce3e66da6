/* Random bytes, hashes, MACs, encodings: the only users of GnuTLS below net. */
#ifndef KM_BASE_CRYPTO_H
#define KM_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/error.h"

#define KM_SHA256_LEN 32

void km_random(void *out, size_t len); /* cryptographic; aborts if the system has none */
void km_sha256(const void *data, size_t len, uint8_t ret[KM_SHA256_LEN]);
void km_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                    uint8_t ret[KM_SHA256_LEN]);
bool km_equal_const_time(const void *a, const void *b, size_t len);
void km_wipe(void *data, size_t len); /* explicit_bzero; accepts NULL */

/* Base64 of RFC 4648: standard alphabet with padding, or URL-safe without. Decoding is strict; the standard form
 * tolerates line breaks and surrounding blanks when LENIENT (kubeconfig data). Decoded bytes are followed by a NUL. */
char *km_base64_encode(struct km_arena *arena, const void *data, size_t len);
char *km_base64url_encode(struct km_arena *arena, const void *data, size_t len);
enum km_rc km_base64_decode(struct km_arena *arena, const char *text, size_t len, bool lenient, uint8_t **ret,
                            size_t *ret_len, struct km_error *err);
enum km_rc km_base64url_decode(struct km_arena *arena, const char *text, size_t len, uint8_t **ret,
                               size_t *ret_len, struct km_error *err);
/* Lower-case hexadecimal into BUF of at least 2*LEN+1 bytes. */
void km_hex(char *buf, const void *data, size_t len);

/* Text or bytes whose memory is wiped when it is let go. Zeroed struct = empty. Kept out of core files. */
struct km_secret {
  char *data; /* NUL-terminated, or NULL when empty */
  size_t len;
};
void km_secret_set(struct km_secret *secret, const void *data, size_t len); /* copies; replaces */
void km_secret_copy(struct km_secret *dest, const struct km_secret *src);
void km_secret_done(struct km_secret *secret);
bool km_secret_empty(const struct km_secret *secret);
bool km_secret_equal(const struct km_secret *a, const struct km_secret *b);

/* A short keyed fingerprint (16 hex digits, key random per process): equal secrets compare equal within one process,
 * nothing about the value can be told from it. BUF at least 17 bytes. */
void km_fingerprint(char buf[17], const void *data, size_t len);

#endif
