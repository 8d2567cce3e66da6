/* Signed, self-describing tokens that go out and come back: session ids, cursors, request states. HMAC-SHA256 under the
 * server's key, bound to a purpose, with an expiry. What they carry is readable, not secret; it cannot be forged. */
#ifndef KM_MCP_SEAL_H
#define KM_MCP_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/error.h"

struct km_sealer {
  struct km_secret key;
};

/* KEY is any text of at least 32 bytes; empty makes a random key. */
enum km_rc km_sealer_init(struct km_sealer *sealer, const struct km_secret *key, struct km_error *err);
void km_sealer_done(struct km_sealer *sealer);

/* URL-safe text that carries PAYLOAD, bound to PURPOSE and CONTEXT (a digest of what it belongs to; may be NULL).
 * TTL_MS 0 = never expires. */
char *km_seal(const struct km_sealer *sealer, struct km_arena *arena, const char *purpose,
              const char *context, int64_t ttl_ms, const void *payload, size_t len);
/* Errors: KM_E_INVALID (not ours, altered, other purpose or context), KM_E_TIMEOUT (expired). */
enum km_rc km_unseal(const struct km_sealer *sealer, struct km_arena *arena, const char *purpose,
                     const char *context, const char *token, const uint8_t **ret_payload, size_t *ret_len,
                     struct km_error *err);
/* When the token whose PAYLOAD km_unseal returned expires, in ms since the epoch; INT64_MAX = never. */
int64_t km_unsealed_expiry_ms(const uint8_t *payload);

#endif
