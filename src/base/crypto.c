/* Random bytes, hashes, MACs and Base64 encoding by GnuTLS; hexadecimal and Base64 decoding.
 *
 * Owns one value: the random key of km_fingerprint, made on first use and never changed. GnuTLS initialises itself
 * when the process loads it (0.1 ms); nothing else here runs before it is called. GnuTLS decodes Base64 leniently and
 * knows only the standard alphabet, so decoding is done here: a first pass checks the whole text, a second writes the
 * bytes, so that nothing of a damaged key is left in the caller's arena. A failing random source or hash is a broken
 * system: the process aborts rather than go on with predictable values. Every function is safe on any thread. */
#include "kube_mcp/base/crypto.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

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

/* -- decoding Base64 ----------------------------------------------------------------------------------------------- */

/* What a byte means: 1 + the value of a digit, one of the two below, or 0 for what has no place in the text. */
enum { DIGIT_MAX = 64, PADDING, BLANK };

struct alphabet {
  const char *name;
  bool padded;
  uint8_t meaning[256];
};

/* clang-format off */
#define COMMON_DIGITS                                                                                        \
  ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,             \
  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,            \
  ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,            \
  ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,            \
  ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,            \
  ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,            \
  ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,            \
  ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
/* clang-format on */

/* The blanks are what wraps and indents Base64 in YAML and PEM-like files. */
static const struct alphabet standard = {
    .name = "Base64",
    .padded = true,
    .meaning = {COMMON_DIGITS, ['+'] = 63, ['/'] = 64, ['='] = PADDING, [' '] = BLANK, ['\t'] = BLANK,
                ['\n'] = BLANK, ['\r'] = BLANK},
};
static const struct alphabet url_safe = {
    .name = "URL-safe Base64",
    .meaning = {COMMON_DIGITS, ['-'] = 63, ['_'] = 64},
};

/* Counts the digits of TEXT and refuses every text but the one that encoding would have given, blanks aside: no two
 * texts decode to the same bytes. */
static enum km_rc check_text(const struct alphabet *alphabet, const char *text, size_t len, bool lenient,
                             size_t *ret_digits, struct km_error *err)
{
  size_t digits = 0, padding = 0;
  unsigned last = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned meaning = alphabet->meaning[(unsigned char)text[i]];
    if (meaning - 1 < DIGIT_MAX && padding == 0) {
      digits++;
      last = meaning - 1;
    } else if (meaning == PADDING) {
      padding++;
    } else if (meaning != BLANK || !lenient) {
      return km_error_set(err, KM_E_INVALID, "not valid %s: unexpected character at byte %zu", alphabet->name,
                          i + 1);
    }
  }
  size_t open = digits % 4; /* digits of the unfinished group: one has too few bits for a byte */
  if (open == 1 || (alphabet->padded && padding != (4 - open) % 4)) {
    return km_error_set(err, KM_E_INVALID, "not valid %s: the text is cut off%s", alphabet->name,
                        alphabet->padded ? " or its padding is wrong" : "");
  }
  unsigned spare_bits = open == 2 ? 0x0F : open == 3 ? 0x03 : 0;
  if ((last & spare_bits) != 0) {
    return km_error_set(err, KM_E_INVALID, "not valid %s: the last digit has bits that belong to no byte",
                        alphabet->name);
  }
  *ret_digits = digits;
  return KM_OK;
}

/* Writes the bytes of a checked TEXT. */
static void write_bytes(const struct alphabet *alphabet, const char *text, size_t len, uint8_t *out)
{
  uint32_t bits = 0;
  unsigned bit_count = 0; /* of those not yet written */
  for (size_t i = 0; i < len; i++) {
    unsigned value = alphabet->meaning[(unsigned char)text[i]] - 1U;
    if (value >= DIGIT_MAX) {
      continue;
    }
    bits = bits << 6 | value;
    bit_count += 6;
    if (bit_count == 24) {
      *out++ = (uint8_t)(bits >> 16);
      *out++ = (uint8_t)(bits >> 8);
      *out++ = (uint8_t)bits;
      bit_count = 0;
    }
  }
  for (; bit_count >= 8; bit_count -= 8) {
    *out++ = (uint8_t)(bits >> (bit_count - 8));
  }
  *out = '\0';
}

static enum km_rc decode(const struct alphabet *alphabet, struct km_arena *arena, const char *text,
                         size_t len, bool lenient, uint8_t **ret, size_t *ret_len, struct km_error *err)
{
  size_t digits = 0;
  enum km_rc rc = check_text(alphabet, text, len, lenient, &digits, err);
  if (rc != KM_OK) {
    return rc;
  }
  size_t byte_count = digits / 4 * 3 + digits % 4 * 3 / 4;
  uint8_t *bytes = km_arena_try_alloc(arena, byte_count + 1);
  if (bytes == NULL) {
    return km_error_set(err, KM_E_TOO_LARGE, "%zu bytes of Base64 data exceed the memory of this call",
                        byte_count);
  }
  write_bytes(alphabet, text, len, bytes);
  *ret = bytes;
  *ret_len = byte_count;
  return KM_OK;
}

enum km_rc km_base64_decode(struct km_arena *arena, const char *text, size_t len, bool lenient, uint8_t **ret,
                            size_t *ret_len, struct km_error *err)
{
  return decode(&standard, arena, text, len, lenient, ret, ret_len, err);
}

enum km_rc km_base64url_decode(struct km_arena *arena, const char *text, size_t len, uint8_t **ret,
                               size_t *ret_len, struct km_error *err)
{
  return decode(&url_safe, arena, text, len, false, ret, ret_len, err);
}
