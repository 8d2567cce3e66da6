/* Random bytes, digests against published vectors, encodings, fingerprints. */
#include "kube_mcp/base/crypto.h"

#include "testing.h"

#include "kube_mcp/base/buf.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static struct km_arena *arena;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(1 << 20);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_freep(&arena);
  return 0;
}

static void test_random(void **state)
{
  (void)state;
  uint8_t a[32] = {0};
  uint8_t b[32] = {0};
  km_random(a, sizeof(a));
  km_random(b, sizeof(b));
  assert_memory_not_equal(a, b, sizeof(a));
}

static void test_sha256(void **state)
{
  (void)state;
  uint8_t digest[KM_SHA256_LEN];
  char hex[2 * KM_SHA256_LEN + 1];
  km_sha256("abc", 3, digest);
  km_hex(hex, digest, sizeof(digest));
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  km_sha256("", 0, digest);
  km_hex(hex, digest, sizeof(digest));
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hmac(void **state)
{
  (void)state;
  uint8_t mac[KM_SHA256_LEN];
  char hex[2 * KM_SHA256_LEN + 1];
  const char *text = "what do ya want for nothing?"; /* RFC 4231, case 2 */
  km_hmac_sha256("Jefe", 4, text, strlen(text), mac);
  km_hex(hex, mac, sizeof(mac));
  assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_equal_and_wipe(void **state)
{
  (void)state;
  char data[] = "secret";
  assert_true(km_equal_const_time(data, "secret", 6));
  assert_false(km_equal_const_time(data, "secreT", 6));
  assert_true(km_equal_const_time(data, "other!", 0));
  km_wipe(data, sizeof(data));
  assert_memory_equal(data, "\0\0\0\0\0\0", 7);
  km_wipe(NULL, 10);
}

static void assert_decodes(const char *text, bool lenient, const char *expected)
{
  uint8_t *bytes = NULL;
  size_t len = 99;
  struct km_error err;
  if (km_base64_decode(arena, text, strlen(text), lenient, &bytes, &len, &err) != KM_OK) {
    fail_msg("%s: %s", text, err.message);
  }
  assert_int_equal(len, strlen(expected));
  assert_memory_equal(bytes, expected, len + 1);
}

static void test_base64(void **state)
{
  (void)state;
  static const char *const vectors[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xFB\xFF\xBF", "+/+/"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(vectors); i++) {
    assert_string_equal(km_base64_encode(arena, vectors[i][0], strlen(vectors[i][0])), vectors[i][1]);
    assert_decodes(vectors[i][1], false, vectors[i][0]);
  }
}

static void test_base64_lenient(void **state)
{
  (void)state;
  assert_decodes("  Zm9v\r\nYmFy\n", true, "foobar");
  assert_decodes("Zm9vYg=\n=", true, "foob");
  assert_decodes(" \n", true, "");
  uint8_t *bytes = NULL;
  size_t len = 0;
  struct km_error err;
  assert_int_equal(km_base64_decode(arena, "Zm9v\n", 5, false, &bytes, &len, &err), KM_E_INVALID);
  assert_contains(err.message, "byte 5");
}

static void test_base64_refuses(void **state)
{
  (void)state;
  static const char *const bad[] = {"Z",    "Zg",       "Zg=",  "Zm9",   "Zg===", "=",
                                    "====", "Zg==Zg==", "Z=g=", "Zm9-",  "Zm9_",  "Zm!v",
                                    "Zh==", "Zm9=",     "Z===", "Zm9vY", "Zm9v="};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    for (int lenient = 0; lenient < 2; lenient++) {
      uint8_t *bytes = NULL;
      size_t len = 77;
      struct km_error err = {0};
      if (km_base64_decode(arena, bad[i], strlen(bad[i]), lenient == 1, &bytes, &len, &err) != KM_E_INVALID) {
        fail_msg("%s", bad[i]);
      }
      assert_int_equal(err.code, KM_E_INVALID);
      assert_null(bytes);
      assert_int_equal(len, 77);
    }
  }
}

static void test_base64_errors_do_not_quote_the_text(void **state)
{
  (void)state;
  uint8_t *bytes = NULL;
  size_t len = 0;
  struct km_error err;
  const char *text = "c2VjcmV0cGFzc3dvcmQ!";
  assert_int_equal(km_base64_decode(arena, text, strlen(text), true, &bytes, &len, &err), KM_E_INVALID);
  assert_null(strstr(err.message, "c2Vj"));
}

static void test_base64_respects_the_cap(void **state)
{
  (void)state;
  struct km_arena *small = km_arena_new(5);
  uint8_t *bytes = NULL;
  size_t len = 0;
  struct km_error err;
  assert_int_equal(km_base64_decode(small, "Zm9vYmFy", 8, false, &bytes, &len, &err), KM_E_TOO_LARGE);
  assert_int_equal(km_base64_decode(small, "Zm9v", 4, false, &bytes, &len, &err), KM_OK);
  km_arena_free(small);
}

static void test_base64url(void **state)
{
  (void)state;
  static const struct {
    const char *bytes;
    const char *text;
  } vectors[] = {{"", ""},      {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xFB\xFF\xBF", "-_-_"},
                 {"\xFF", "_w"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(vectors); i++) {
    assert_string_equal(km_base64url_encode(arena, vectors[i].bytes, strlen(vectors[i].bytes)),
                        vectors[i].text);
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct km_error err;
    assert_int_equal(km_base64url_decode(arena, vectors[i].text, strlen(vectors[i].text), &bytes, &len, &err),
                     KM_OK);
    assert_int_equal(len, strlen(vectors[i].bytes));
    assert_memory_equal(bytes, vectors[i].bytes, len + 1);
  }
  static const char *const bad[] = {"Zg==", "+/+/", "Z", "Zm9vY", "Zm 9v", "Zh", "Zm9vYg\n"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct km_error err;
    assert_int_equal(km_base64url_decode(arena, bad[i], strlen(bad[i]), &bytes, &len, &err), KM_E_INVALID);
  }
}

static void test_base64_round_trip_of_large_data(void **state)
{
  (void)state;
  uint8_t *data = km_arena_alloc(arena, 100001);
  km_random(data, 100001);
  char *text = km_base64_encode(arena, data, 100001);
  uint8_t *bytes = NULL;
  size_t len = 0;
  struct km_error err;
  assert_int_equal(km_base64_decode(arena, text, strlen(text), false, &bytes, &len, &err), KM_OK);
  assert_int_equal(len, 100001);
  assert_memory_equal(bytes, data, len);
}

/* Every byte value and every length around a group comes back, and in lenient reading wherever a blank stands. */
static void test_base64_every_length_and_byte(void **state)
{
  (void)state;
  uint8_t data[256];
  for (size_t i = 0; i < sizeof(data); i++) {
    data[i] = (uint8_t)(255 - i);
  }
  for (size_t len = 0; len <= sizeof(data); len++) {
    struct km_arena *scratch = km_arena_new(64 * 1024);
    const char *text = km_base64_encode(scratch, data, len);
    const char *url = km_base64url_encode(scratch, data, len);
    struct km_buf folded;
    km_buf_init(&folded, 4096);
    for (size_t i = 0; text[i] != '\0'; i++) {
      km_buf_putc(&folded, text[i]);
      km_buf_puts(&folded, i % 7 == 0 ? "\r\n " : "");
    }
    uint8_t *bytes[3] = {NULL};
    size_t lens[3] = {77, 77, 77};
    struct km_error err;
    assert_int_equal(km_base64_decode(scratch, text, strlen(text), false, &bytes[0], &lens[0], &err), KM_OK);
    assert_int_equal(km_base64_decode(scratch, folded.len > 0 ? folded.data : "", folded.len, true, &bytes[1],
                                      &lens[1], &err),
                     KM_OK);
    assert_int_equal(km_base64url_decode(scratch, url, strlen(url), &bytes[2], &lens[2], &err), KM_OK);
    for (size_t i = 0; i < 3; i++) {
      assert_int_equal(lens[i], len);
      assert_memory_equal(bytes[i], data, len);
      assert_int_equal(bytes[i][len], 0);
    }
    km_buf_done(&folded);
    km_arena_free(scratch);
  }
}

/* Bytes beyond ASCII and NUL are refused where they stand; what lies behind LEN is not looked at. */
static void test_base64_foreign_bytes(void **state)
{
  (void)state;
  for (int c = 0; c < 256; c++) {
    char text[] = "Zm9vYmFy????";
    text[5] = (char)c;
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct km_error err = {0};
    bool letter =
        strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", c) != NULL && c != 0;
    bool plain = letter || c == '+' || c == '/';
    bool safe = letter || c == '-' || c == '_';
    assert_int_equal(km_base64_decode(arena, text, 8, false, &bytes, &len, &err),
                     plain ? KM_OK : KM_E_INVALID);
    if (!plain && c != '=') {
      assert_contains(err.message, "byte 6");
    }
    assert_int_equal(km_base64url_decode(arena, text, 8, &bytes, &len, &err), safe ? KM_OK : KM_E_INVALID);
  }
}

static void test_fingerprint(void **state)
{
  (void)state;
  char a[17];
  char b[17];
  char c[17];
  km_fingerprint(a, "token", 5);
  km_fingerprint(b, "token", 5);
  km_fingerprint(c, "tokem", 5);
  assert_int_equal(strlen(a), 16);
  assert_int_equal(strspn(a, "0123456789abcdef"), 16);
  assert_string_equal(a, b);
  assert_string_not_equal(a, c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random),
      cmocka_unit_test(test_sha256),
      cmocka_unit_test(test_hmac),
      cmocka_unit_test(test_equal_and_wipe),
      cmocka_unit_test_setup_teardown(test_base64, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_lenient, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_refuses, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_errors_do_not_quote_the_text, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_respects_the_cap, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64url, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_round_trip_of_large_data, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_every_length_and_byte, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_base64_foreign_bytes, set_up, tear_down),
      cmocka_unit_test(test_fingerprint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
