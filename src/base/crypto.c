/* Random bytes, hashes, MACs, Base64 and hexadecimal, all computed by GnuTLS.
 *
 * Owns one value: the random key of km_fingerprint, made on first use and never changed. GnuTLS initialises itself
 * when the process loads it (0.1 ms); nothing else here runs before it is called. GnuTLS decodes Base64 leniently and
 * knows only the standard alphabet, so input is first brought into strict canonical form in a buffer that is wiped
 * afterwards, because what is decoded here is mostly keys. A failing random source or hash is a broken system: the
 * process aborts rather than go on with predictable values. Every function is safe on any thread. */
#include "kube_mcp/base/crypto.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "kube_mcp/base/buf.h"

#include "kube_mcp/base/banned.h"

void km_random(void *out, size_t len)
{
  int rc = gnutls_rnd(GNUTLS_RND_KEY, out, len);
  KM_ASSERT(rc == GNUTLS_E_SUCCESS);
}

void km_sha256(const void *data, size_t len, uint8_t ret[KM_SHA256_LEN])
{
  int rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, ret);
  KM_ASSERT(rc == GNUTLS_E_SUCCESS);
}

void km_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[KM_SHA256_LEN])
{
  int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, data, len, ret);
  KM_ASSERT(rc == GNUTLS_E_SUCCESS);
}

bool km_equal_const_time(const void *a, const void *b, size_t len)
{
  return gnutls_memcmp(a, b, len) == 0;
}

void km_wipe(void *data, size_t len)
{
  if (data != NULL) {
    explicit_bzero(data, len);
  }
}

void km_hex(char *buf, const void *data, size_t len)
{
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = data;
  for (size_t i = 0; i < len; i++) {
    *buf++ = digits[bytes[i] >> 4];
    *buf++ = digits[bytes[i] & 0x0F];
  }
  *buf = '\0';
}

/* Made once, so that fingerprints of one process can be compared and those of two cannot. */
static uint8_t fingerprint_key[KM_SHA256_LEN];

static void make_fingerprint_key(void)
{
  km_random(fingerprint_key, sizeof(fingerprint_key));
}

void km_fingerprint(char buf[17], const void *data, size_t len)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_fingerprint_key);
  uint8_t mac[KM_SHA256_LEN];
  km_hmac_sha256(fingerprint_key, sizeof(fingerprint_key), data, len, mac);
  km_hex(buf, mac, 8);
}

/* What GnuTLS allocated, wiped before it goes. */
static void datum_done(gnutls_datum_t *datum)
{
  km_wipe(datum->data, datum->size);
  gnutls_free(datum->data);
}

char *km_base64_encode(struct km_arena *arena, const void *data, size_t len)
{
  if (len == 0) {
    return km_arena_strdup(arena, "");
  }
  KM_ASSERT(len <= UINT_MAX / 2);
  gnutls_datum_t in = {.data = km_unconst(data), .size = (unsigned)len};
  KM_CLEANUP(datum_done) gnutls_datum_t out = {0};
  int rc = gnutls_base64_encode2(&in, &out);
  KM_ASSERT(rc == GNUTLS_E_SUCCESS);
  return km_arena_strndup(arena, (const char *)out.data, out.size);
}

char *km_base64url_encode(struct km_arena *arena, const void *data, size_t len)
{
  char *text = km_base64_encode(arena, data, len);
  for (char *at = text; *at != '\0'; at++) {
    if (*at == '+') {
      *at = '-';
    } else if (*at == '/') {
      *at = '_';
    } else if (*at == '=') {
      *at = '\0';
      break;
    }
  }
  return text;
}

/* What wraps and indents Base64 in YAML and PEM-like files. */
static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_alphanumeric(char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Base64 digits in the standard alphabet without blanks and padding; how much padding there was. */
struct canonical {
  struct km_buf digits;
  size_t padding;
};

static void canonical_done(struct canonical *text)
{
  km_buf_done(&text->digits);
}

/* Reads the standard alphabet; blanks only when LENIENT. */
static enum km_rc canonicalise_standard(const char *text, size_t len, bool lenient, struct canonical *out,
                                        struct km_error *err)
{
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (lenient && is_blank(c)) {
      continue;
    }
    if (c == '=') {
      out->padding++;
    } else if (out->padding == 0 && (is_alphanumeric(c) || c == '+' || c == '/')) {
      km_buf_putc(&out->digits, c);
    } else {
      return km_error_set(err, KM_E_INVALID, "not valid Base64: unexpected character at byte %zu", i + 1);
    }
  }
  if (out->padding != (4 - out->digits.len % 4) % 4) {
    return km_error_set(err, KM_E_INVALID, "not valid Base64: the text is cut off or its padding is wrong");
  }
  return KM_OK;
}

/* The digit of the standard alphabet that has the value of C in the URL-safe one. */
static char to_standard(char c)
{
  switch (c) {
  case '-': return '+';
  case '_': return '/';
  default: return c;
  }
}

/* Reads the URL-safe alphabet, which here never has padding. */
static enum km_rc canonicalise_url(const char *text, size_t len, struct canonical *out, struct km_error *err)
{
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (!is_alphanumeric(c) && c != '-' && c != '_') {
      return km_error_set(err, KM_E_INVALID, "not valid URL-safe Base64: unexpected character at byte %zu",
                          i + 1);
    }
    km_buf_putc(&out->digits, to_standard(c));
  }
  out->padding = (4 - out->digits.len % 4) % 4;
  return KM_OK;
}

/* The bytes of TEXT, followed by a NUL, in the arena. GnuTLS checks what canonical form leaves open: that the bits
 * behind the last byte are zero, so that no two texts decode to the same bytes. */
static enum km_rc decode_canonical(struct km_arena *arena, struct canonical *text, uint8_t **ret,
                                   size_t *ret_len, struct km_error *err)
{
  KM_CLEANUP(datum_done) gnutls_datum_t out = {0};
  if (text->digits.len > 0) {
    /* Three signs of padding would mean a last byte of six bits. */
    if (text->padding > 2 || !km_buf_fill(&text->digits, '=', text->padding) || text->digits.len > UINT_MAX) {
      return km_error_set(err, KM_E_INVALID, "not valid Base64: the text is cut off");
    }
    gnutls_datum_t in = {.data = (unsigned char *)text->digits.data, .size = (unsigned)text->digits.len};
    if (gnutls_base64_decode2(&in, &out) != GNUTLS_E_SUCCESS) {
      return km_error_set(err, KM_E_INVALID,
                          "not valid Base64: the last digit has bits that belong to no byte");
    }
  }
  uint8_t *bytes = km_arena_try_alloc(arena, (size_t)out.size + 1);
  if (bytes == NULL) {
    return km_error_set(err, KM_E_TOO_LARGE, "%u bytes of Base64 data exceed the memory of this call",
                        out.size);
  }
  if (out.size > 0) {
    memcpy(bytes, out.data, out.size);
  }
  *ret = bytes;
  *ret_len = out.size;
  return KM_OK;
}

enum km_rc km_base64_decode(struct km_arena *arena, const char *text, size_t len, bool lenient, uint8_t **ret,
                            size_t *ret_len, struct km_error *err)
{
  KM_CLEANUP(canonical_done) struct canonical in = {0};
  km_buf_init_secret(&in.digits, len);
  enum km_rc rc = canonicalise_standard(text, len, lenient, &in, err);
  return rc == KM_OK ? decode_canonical(arena, &in, ret, ret_len, err) : rc;
}

enum km_rc km_base64url_decode(struct km_arena *arena, const char *text, size_t len, uint8_t **ret,
                               size_t *ret_len, struct km_error *err)
{
  KM_CLEANUP(canonical_done) struct canonical in = {0};
  km_buf_init_secret(&in.digits, len + 3); /* padding is added */
  enum km_rc rc = canonicalise_url(text, len, &in, err);
  return rc == KM_OK ? decode_canonical(arena, &in, ret, ret_len, err) : rc;
}
