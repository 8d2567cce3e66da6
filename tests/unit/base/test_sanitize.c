/* km_text_sanitize: nothing that arrives may steer a terminal, forge a line or hide text. */
#include "kube_mcp/base/str.h"

#include "testing.h"

#include "kube_mcp/base/clock.h"

#include "kube_mcp/base/banned.h"

#define FFFD "\xEF\xBF\xBD"

struct cleaning {
  const char *in;
  const char *out;
  size_t changes;
};

static void assert_cleaned(const struct cleaning *cases, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    struct km_buf out;
    km_buf_init(&out, 1 << 16);
    size_t changes = km_text_sanitize(&out, cases[i].in, strlen(cases[i].in));
    if (strcmp(out.data, cases[i].out) != 0 || changes != cases[i].changes) {
      fail_msg("case %zu: \"%s\" with %zu changes instead of \"%s\" with %zu", i, out.data, changes,
               cases[i].out, cases[i].changes);
    }
    km_buf_done(&out);
  }
}

static void test_keeps_text(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"", "", 0},
      {"plain text\twith tab\nand line", "plain text\twith tab\nand line", 0},
      {"caf\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x9A\x80",
       "caf\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x9A\x80", 0},
      {"e\xCC\x81 \xD7\xA9\xD6\xB8", "e\xCC\x81 \xD7\xA9\xD6\xB8", 0},
      {"[31m looks like colour", "[31m looks like colour", 0},
      {"\xC2\xA0", "\xC2\xA0", 0}, /* the first code point behind the C1 controls */
      {"a\r\nb\r\n", "a\nb\n", 0},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_drops_controls(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"a\x01\x02\x07\x08z", "az", 4},
      {"progress 10%\rprogress 20%", "progress 10%progress 20%", 1},
      {"a\x7Fz", "az", 1},
      {"a\xC2\x80\xC2\x85\xC2\x9Cz", "az", 3},
      {"a\x0B\x0C\x0E\x0Fz", "az", 4},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_drops_control_sequences_whole(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"\x1b[31mred\x1b[0m", "red", 2},
      {"\x1b[1;38;5;208mx", "x", 1},
      {"\x1b[?1049h\x1b[2J\x1b[Hx", "x", 3},
      {"\x1b[>0;276;0cx", "x", 1},
      {"\x1b[ qx", "x", 1},
      {"\xC2\x9B"
       "31mred",
       "red", 1},          /* C1 form */
      {"\x1b(Bx", "x", 1}, /* character set */
      {"\x1b%Gx", "x", 1},
      {"\x1b"
       "c\x1b"
       "7\x1b=x",
       "x", 3},
      {"\x1b\x1b[31mx", "x", 2},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_drops_control_strings_whole(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"\x1b]0;owned\x07x", "x", 1},
      {"\x1b]0;owned\x1b\\x", "x", 1},
      {"\x1b]0;owned\xC2\x9Cx", "x", 1},
      {"\xC2\x9D"
       "0;owned\x07x",
       "x", 1},
      {"\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text", 2},
      {"\x1b]52;c;cm0gLXJm\x07x", "x", 1}, /* writes the clipboard */
      {"\x1bP1$q\"p\x1b\\x", "x", 1},
      {"\xC2\x90q\xC2\x9Cx", "x", 1},
      {"\x1bXsos\x1b\\\x1b^pm\x1b\\\x1b_apc\x1b\\x", "x", 3},
      {"\x1b]0;t\xC3\xADtulo\x07x", "x", 1},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_broken_sequences_do_not_swallow_text(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"x\x1b", "x", 1},
      {"x\x1b[", "x", 1},
      {"x\x1b[31", "x31", 1},
      {"\x1b[31\nERROR real", "31\nERROR real", 1},
      {"\x1b[31\xC3\xA9", "31\xC3\xA9", 1},
      {"\x1b]0;never closed, all the rest", "0;never closed, all the rest", 1},
      {"\x1b]0;title\nERROR real\x07", "0;title\nERROR real", 2},
      {"\x1b]0;a\x1b[31mb\x07z", "0;abz", 3}, /* another sequence cancels the string */
      {"\x1bP\x18x\x1b\\", "x", 3},           /* CAN cancels it */
      {"\x1b]0;a\xC2\x9B"
       "31mb\x07",
       "0;ab", 3},
      {"\x1b\xC3\xA9", "\xC3\xA9", 1},
      {"\x1b\n", "\n", 1},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_endless_parameters_are_text(void **state)
{
  (void)state;
  char text[200] = "\x1b[";
  memset(text + 2, '1', 150);
  text[152] = 'm';
  struct km_buf out;
  km_buf_init(&out, 1000);
  assert_int_equal(km_text_sanitize(&out, text, strlen(text)), 1);
  assert_int_equal(out.len, 151);
  km_buf_done(&out);
}

static void test_drops_the_invisible(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"a\xE2\x80\xAE"
       "b\xE2\x80\xAC",
       "ab", 2},                                                                 /* U+202E, U+202C */
      {"\xE2\x80\xAA\xE2\x80\xAB\xE2\x80\xAD", "", 3},                           /* U+202A, B, D */
      {"\xE2\x81\xA6\xE2\x81\xA7\xE2\x81\xA8\xE2\x81\xA9x", "x", 4},             /* U+2066 to U+2069 */
      {"\xE2\x80\x8B\xE2\x80\x8C\xE2\x80\x8D\xE2\x80\x8E\xE2\x80\x8Fx", "x", 5}, /* U+200B to U+200F */
      {"\xE2\x80\x90x", "\xE2\x80\x90x", 0},                                     /* U+2010 is a hyphen */
      {"\xEF\xBB\xBFx", "x", 1},                                                 /* byte order mark */
      {"x\xF3\xA0\x81\x81\xF3\xA0\x81\xBF", "x", 2},                             /* tags U+E0041, U+E007F */
      {"x\xF3\xA0\x84\x80\xF3\xA0\x87\xAF", "x", 2},   /* selectors U+E0100, U+E01EF */
      {"\xE2\x9D\xA4\xEF\xB8\x8F", "\xE2\x9D\xA4", 1}, /* heart, U+FE0F */
      {"soft\xC2\xADhyphen", "softhyphen", 1},
      {"a\xD8\x9C"
       "b\xE2\x81\xA0"
       "c",
       "abc", 2},                                        /* U+061C, U+2060 */
      {"\xE3\x85\xA4\xE1\x85\x9F\xEF\xBE\xA0x", "x", 3}, /* Hangul fillers */
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_separators_become_newlines(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {{"a\xE2\x80\xA8"
                                           "b\xE2\x80\xA9"
                                           "c",
                                           "a\nb\nc", 2}};
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
}

static void test_replaces_what_is_not_utf8(void **state)
{
  (void)state;
  static const struct cleaning cases[] = {
      {"a\xFFz", "a" FFFD "z", 1},
      {"a\xC3", "a" FFFD, 1},
      {"\xE2\x82z", FFFD "z", 1}, /* one for the part that belongs together */
      {"\xF0\x9F\x9A", FFFD, 1},
      {"\xED\xA0\x80", FFFD FFFD FFFD, 3}, /* a surrogate */
      {"\xC0\xAF", FFFD FFFD, 2},          /* overlong */
      {"\x9B"
       "31mx",
       FFFD "31mx", 1}, /* 8-bit CSI is not UTF-8 */
      {"\xC0\x9B"
       "31m",
       FFFD FFFD "31m", 2},
  };
  assert_cleaned(cases, KM_ARRAY_LEN(cases));
  struct km_buf out;
  km_buf_init(&out, 100);
  assert_int_equal(km_text_sanitize(&out, "a\0b", 3), 1);
  assert_string_equal(out.data, "ab");
  km_buf_done(&out);
}

/* Cheap pseudo-random bytes, the same in every run. */
static uint32_t next_random(uint32_t *seed)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  *seed ^= *seed << 5;
  return *seed;
}

static void test_output_is_harmless_and_stable_whatever_comes_in(void **state)
{
  (void)state;
  static const char *const pieces[] = {"\x1b", "[",    "]",    "P",    "\\",   "\x07", "\xC2", "\x9B",
                                       "\x9D", "\x9C", "\xE2", "\x80", "\xAE", "\xF3", "\xA0", "\x81",
                                       "m",    "0;",   "\n",   "\r",   "\xEF", "\xBB", "\xBF", "text"};
  uint32_t seed = 12345;
  for (int round = 0; round < 20000; round++) {
    char text[128] = "";
    size_t len = 0;
    for (uint32_t i = next_random(&seed) % 24; i > 0; i--) {
      const char *piece = pieces[next_random(&seed) % KM_ARRAY_LEN(pieces)];
      memcpy(text + len, piece, strlen(piece));
      len += strlen(piece);
    }
    struct km_buf once;
    struct km_buf twice;
    km_buf_init(&once, 1024);
    km_buf_init(&twice, 1024);
    km_text_sanitize(&once, text, len);
    assert_true(km_utf8_valid(once.data, once.len));
    for (size_t i = 0; i < once.len; i++) {
      unsigned char byte = (unsigned char)once.data[i];
      assert_true(byte == '\n' || byte == '\t' || (byte >= 0x20 && byte != 0x7F));
    }
    assert_int_equal(km_text_sanitize(&twice, once.data, once.len), 0);
    assert_string_equal(once.data, twice.data);
    km_buf_done(&once);
    km_buf_done(&twice);
  }
}

static void test_time_is_linear(void **state)
{
  (void)state;
  static const char *const openers[] = {"\x1b]", "\xC2\x9D", "\x1b[0", "\x1b]0;\xC2\x9D"};
  for (size_t i = 0; i < KM_ARRAY_LEN(openers); i++) {
    struct km_buf in;
    struct km_buf out;
    km_buf_init(&in, 4 << 20);
    km_buf_init(&out, 16 << 20);
    while (in.len < 1 << 20) {
      km_buf_puts(&in, openers[i]);
    }
    /* Square time would be minutes even without valgrind. */
    uint64_t start = km_clock_ns();
    km_text_sanitize(&out, in.data, in.len);
    assert_true(km_clock_ns() - start < 20 * KM_NS_PER_S);
    km_buf_done(&in);
    km_buf_done(&out);
  }
}

static void test_a_full_buffer_fails_quietly(void **state)
{
  (void)state;
  struct km_buf out;
  km_buf_init(&out, 3);
  (void)km_text_sanitize(&out, "ab\xFF", 3);
  assert_true(out.failed);
  assert_string_equal(out.data, "ab");
  km_buf_done(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keeps_text),
      cmocka_unit_test(test_drops_controls),
      cmocka_unit_test(test_drops_control_sequences_whole),
      cmocka_unit_test(test_drops_control_strings_whole),
      cmocka_unit_test(test_broken_sequences_do_not_swallow_text),
      cmocka_unit_test(test_endless_parameters_are_text),
      cmocka_unit_test(test_drops_the_invisible),
      cmocka_unit_test(test_separators_become_newlines),
      cmocka_unit_test(test_replaces_what_is_not_utf8),
      cmocka_unit_test(test_output_is_harmless_and_stable_whatever_comes_in),
      cmocka_unit_test(test_time_is_linear),
      cmocka_unit_test(test_a_full_buffer_fails_quietly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
