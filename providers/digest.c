/* The running hash behind identities.
 *
 * Owns nothing. Each step hashes the state so far, the tag and the hash of the field:
 *   state' = SHA-256(state || tag || SHA-256(field))
 * so the order, the tag and the exact bytes of every field count. Two short hashes per field; safe on any thread. */
#include "digest.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

void km_digest_add(struct km_digest *digest, uint8_t tag, const void *data, size_t len)
{
  if (data == NULL) {
    return;
  }
  uint8_t block[KM_SHA256_LEN + 1 + KM_SHA256_LEN];
  memcpy(block, digest->state, KM_SHA256_LEN);
  block[KM_SHA256_LEN] = tag;
  km_sha256(data, len, block + KM_SHA256_LEN + 1);
  km_sha256(block, sizeof(block), digest->state);
}

void km_digest_add_text(struct km_digest *digest, uint8_t tag, const char *text)
{
  if (text != NULL) {
    km_digest_add(digest, tag, text, strlen(text));
  }
}

void km_digest_hex(const struct km_digest *digest, char ret[KM_DIGEST_HEX_LEN])
{
  km_hex(ret, digest->state, KM_SHA256_LEN);
}
