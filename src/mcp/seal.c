/* Signed tokens. Layout before base64url: 1 byte format, 8 bytes expiry (ms since the epoch, big endian, 0 = never),
 * 16 bytes of the HMAC-SHA256 over purpose, context, format, expiry and payload, then the payload itself. The lengths of
 * purpose and context are part of what is signed, so no two pairs of them read the same. */
#include "kube_mcp/mcp/seal.h"

#include <string.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/clock.h"

#include "kube_mcp/base/banned.h"

#define FORMAT      1
#define MIN_KEY_LEN 32
#define EXPIRY_AT   1
#define MAC_AT      9
#define MAC_LEN     16
#define PAYLOAD_AT  (MAC_AT + MAC_LEN)
#define MAX_PAYLOAD ((size_t)64 * 1024)
#define MAX_TEXT    ((PAYLOAD_AT + MAX_PAYLOAD + 2) / 3 * 4)

enum km_rc km_sealer_init(struct km_sealer *sealer, const struct km_secret *key, struct km_error *err)
{
  *sealer = (struct km_sealer){0};
  if (key != NULL && !km_secret_empty(key)) {
    if (key->len < MIN_KEY_LEN) {
      return km_error_set(err, KM_E_INVALID, "the session key has %zu bytes; it needs at least %d", key->len,
                          MIN_KEY_LEN);
    }
    km_secret_copy(&sealer->key, key);
    return KM_OK;
  }
  uint8_t random[MIN_KEY_LEN];
  km_random(random, sizeof(random));
  km_secret_set(&sealer->key, random, sizeof(random));
  km_wipe(random, sizeof(random));
  return KM_OK;
}

void km_sealer_done(struct km_sealer *sealer)
{
  km_secret_done(&sealer->key);
}

static void put_u64(uint8_t *out, uint64_t value)
{
  for (int i = 7; i >= 0; i--) {
    out[i] = (uint8_t)value;
    value >>= 8;
  }
}

static uint64_t get_u64(const uint8_t *in)
{
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) {
    value = value << 8 | in[i];
  }
  return value;
}

static void append_counted(struct km_buf *buf, const char *text)
{
  uint8_t len[8];
  size_t text_len = text == NULL ? 0 : strlen(text);
  put_u64(len, text_len);
  km_buf_append(buf, len, sizeof(len));
  km_buf_append(buf, text == NULL ? "" : text, text_len);
}

static void sign(const struct km_sealer *sealer, const char *purpose, const char *context,
                 const uint8_t *token, size_t len, uint8_t ret[KM_SHA256_LEN])
{
  struct km_buf message;
  km_buf_init(&message, MAX_PAYLOAD * 3);
  append_counted(&message, purpose);
  append_counted(&message, context);
  km_buf_append(&message, token, MAC_AT);
  km_buf_append(&message, token + PAYLOAD_AT, len - PAYLOAD_AT);
  KM_ASSERT(!message.failed);
  km_hmac_sha256(sealer->key.data, sealer->key.len, message.data, message.len, ret);
  km_buf_done(&message);
}

char *km_seal(const struct km_sealer *sealer, struct km_arena *arena, const char *purpose,
              const char *context, int64_t ttl_ms, const void *payload, size_t len)
{
  KM_ASSERT(len <= MAX_PAYLOAD);
  uint8_t *token = km_arena_alloc(arena, PAYLOAD_AT + len);
  token[0] = FORMAT;
  put_u64(token + EXPIRY_AT, ttl_ms > 0 ? (uint64_t)(km_clock_wall_ms() + ttl_ms) : 0);
  memcpy(token + PAYLOAD_AT, payload, len);
  uint8_t mac[KM_SHA256_LEN];
  sign(sealer, purpose, context, token, PAYLOAD_AT + len, mac);
  memcpy(token + MAC_AT, mac, MAC_LEN);
  return km_base64url_encode(arena, token, PAYLOAD_AT + len);
}

enum km_rc km_unseal(const struct km_sealer *sealer, struct km_arena *arena, const char *purpose,
                     const char *context, const char *token, const uint8_t **ret_payload, size_t *ret_len,
                     struct km_error *err)
{
  size_t text_len = strlen(token);
  uint8_t *raw = NULL;
  size_t len = 0;
  if (text_len > MAX_TEXT || km_base64url_decode(arena, token, text_len, &raw, &len, err) != KM_OK ||
      len < PAYLOAD_AT || len - PAYLOAD_AT > MAX_PAYLOAD || raw[0] != FORMAT) {
    return km_error_set(err, KM_E_INVALID, "this %s was not issued by this server", purpose);
  }
  uint8_t mac[KM_SHA256_LEN];
  sign(sealer, purpose, context, raw, len, mac);
  if (!km_equal_const_time(mac, raw + MAC_AT, MAC_LEN)) {
    return km_error_set(err, KM_E_INVALID,
                        "this %s was not issued by this server, or belongs to another request", purpose);
  }
  uint64_t expiry = get_u64(raw + EXPIRY_AT);
  if (expiry != 0 && (uint64_t)km_clock_wall_ms() >= expiry) {
    return km_error_set(err, KM_E_TIMEOUT, "this %s has expired", purpose);
  }
  *ret_payload = raw + PAYLOAD_AT;
  *ret_len = len - PAYLOAD_AT;
  return KM_OK;
}

int64_t km_unsealed_expiry_ms(const uint8_t *payload)
{
  uint64_t expiry = get_u64(payload - PAYLOAD_AT + EXPIRY_AT);
  return expiry == 0 || expiry > INT64_MAX ? INT64_MAX : (int64_t)expiry;
}
