/* UTF-8: validity against the standard's table, width, cutting. */
#include "kube_mcp/base/str.h"

#include "testing.h"

#include "kube_mcp/base/banned.h"

/* Encodes CODE without looking whether it is one; returns the length. */
static size_t encode(char out[4], uint32_t code)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = len - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  out[0] = (char)((0xF00u >> len & 0xF0u) | code);
  return len;
}

static void test_every_code_point(void **state)
{
  (void)state;
  for (uint32_t code = 0; code < 0x120000; code++) {
    char text[4];
    size_t len = encode(text, code);
    bool expected = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    if (km_utf8_valid(text, len) != expected) {
      fail_msg("U+%04X", code);
    }
    if (len > 1 && km_utf8_valid(text, len - 1)) {
      fail_msg("U+%04X cut short", code);
    }
  }
}

static void test_malformed(void **state)
{
  (void)state;
  static const char *const bad[] = {"\x80",
                                    "\xBF",
                                    "\xC0\xAF",
                                    "\xC1\xBF",
                                    "\xE0\x80\xAF",
                                    "\xE0\x9F\xBF",
                                    "\xF0\x80\x80\xAF",
                                    "\xF0\x8F\xBF\xBF",
                                    "\xF5\x80\x80\x80",
                                    "\xF8\x88\x80\x80\x80",
                                    "\xFE",
                                    "\xFF",
                                    "a\xC3",
                                    "a\xC3z",
                                    "\xE2\x82z",
                                    "\xED\xA0\x80\xED\xB0\x80"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_false(km_utf8_valid(bad[i], strlen(bad[i])));
  }
  assert_true(km_utf8_valid("", 0));
  assert_true(km_utf8_valid("a\0b", 3));
}

static void assert_width(const char *text, size_t expected)
{
  size_t width = km_utf8_width(text, strlen(text));
  if (width != expected) {
    fail_msg("%s: %zu instead of %zu", text, width, expected);
  }
}

static void test_width(void **state)
{
  (void)state;
  assert_width("", 0);
  assert_width("nginx-7d9", 9);
  assert_width("caf\xC3\xA9", 4);
  assert_width("cafe\xCC\x81", 4);             /* combining acute */
  assert_width("\xE6\x97\xA5\xE6\x9C\xAC", 4); /* two ideographs */
  assert_width("\xED\x95\x9C", 2);             /* a Hangul syllable */
  assert_width("\xEF\xBC\xA1", 2);             /* full-width A */
  assert_width("\xEF\xBD\xB1", 1);             /* half-width katakana */
  assert_width("\xF0\x9F\x9A\x80", 2);         /* rocket */
  assert_width("\xE2\x9C\x85", 2);             /* white heavy check mark */
  assert_width("\xE2\x9C\x93", 1);             /* check mark */
  assert_width("\xE2\x94\x80", 1);             /* box drawing */
  assert_width("\xD7\xA9\xD6\xB8", 1);         /* Hebrew letter and point */
  assert_width("\xE0\xB8\x81\xE0\xB8\xB4", 1); /* Thai consonant and vowel */
  assert_width("a\xE2\x80\x8B"
               "b",
               2);             /* zero-width space */
  assert_width("a\tb\x1b", 2); /* controls have none */
  assert_width("\xFF\xFE", 2); /* replaced by one character each */
}

static void test_prefix(void **state)
{
  (void)state;
  const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80"; /* 1, 2, 3 and 4 bytes */
  static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10, 10};
  for (size_t max = 0; max < KM_ARRAY_LEN(expected); max++) {
    assert_int_equal(km_utf8_prefix(text, 10, max), expected[max]);
  }
  assert_int_equal(km_utf8_prefix("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_code_point),
      cmocka_unit_test(test_malformed),
      cmocka_unit_test(test_width),
      cmocka_unit_test(test_prefix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
