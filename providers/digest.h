/* A running SHA-256 over tagged fields. Neither the lengths of the fields nor absent ones can make two different
 * sequences collide, and no field is ever copied, so credentials may go in. */
#ifndef KM_PROVIDERS_DIGEST_H
#define KM_PROVIDERS_DIGEST_H

#include "kube_mcp/base/crypto.h"

#define KM_DIGEST_HEX_LEN (2 * KM_SHA256_LEN + 1)

struct km_digest {
  uint8_t state[KM_SHA256_LEN]; /* all zero = nothing added */
};

/* DATA NULL leaves the digest as it is: an absent field is told from others by its tag. */
void km_digest_add(struct km_digest *digest, uint8_t tag, const void *data, size_t len);
void km_digest_add_text(struct km_digest *digest, uint8_t tag, const char *text);
void km_digest_hex(const struct km_digest *digest, char ret[KM_DIGEST_HEX_LEN]);

#endif
