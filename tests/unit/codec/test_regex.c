/* km_regex_*: what is found, what is refused with its column, and that nothing keeps a thread busy. */
#include <time.h>

#include "kube_mcp/codec/regex.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

static int64_t cpu_ms(void)
{
  struct timespec now;
  assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool finds(const char *pattern, unsigned flags, const char *text, size_t len)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_regex *regex = NULL;
  struct km_error err = {0};
  bool found = false;
  if (km_regex_compile(arena, pattern, flags, &regex, &err) != KM_OK ||
      km_regex_search(regex, text, len, &found, &err) != KM_OK) {
    fail_msg("%s: %s", pattern, err.message);
  }
  km_arena_free(arena);
  return found;
}

static void test_searching(void **state)
{
  (void)state;
  static const struct {
    const char *pattern, *text;
    bool found;
  } cases[] = {
      {"b", "abc", true},
      {"^b", "abc", false},
      {"^(web|api)-\\d+$", "api-12", true},
      {"a|b", "xb", true},
      {"a|b", "xc", false},
      {"(?i)ERROR", "an error", true},
      {"", "", true},
      {"^$", "", true},
      {"\\bOOM\\b", "OOMKilled", false},
      {"(?<=a)b", "ab", true},
      {"(\\w)\\1", "hello", true},
      {"\\p{Lu}", "\xc3\x89t\xc3\xa9", true},
      {"^.$", "\xc3\xa9", true},
      {"a.*z", "a\nz", false},
      {"(?s)a.*z", "a\nz", true},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (finds(cases[i].pattern, 0, cases[i].text, strlen(cases[i].text)) != cases[i].found) {
      fail_msg("'%s' in '%s'", cases[i].pattern, cases[i].text);
    }
  }
  assert_true(finds("error", KM_REGEX_CASELESS, "ERROR", 5));
  assert_true(finds("\xc3\xa9", KM_REGEX_CASELESS, "\xc3\x89", 2));
}

static void test_binary_text(void **state)
{
  (void)state;
  static const char text[] = "a\0b\xff\xfe"
                             "c\xc3";
  assert_true(finds("c", 0, text, sizeof(text) - 1));
  assert_true(finds("b", 0, text, sizeof(text) - 1));
  assert_true(finds("\\x00b", 0, text, sizeof(text) - 1));
  assert_false(finds("b.*c", 0, text, sizeof(text) - 1)); /* nothing spans invalid bytes */
  assert_true(finds("^a", 0, text, sizeof(text) - 1));
}

static void assert_refused(const char *pattern, const char *expected)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_regex *regex = NULL;
  struct km_error err = {0};
  assert_int_equal(km_regex_compile(arena, pattern, 0, &regex, &err), KM_E_INVALID);
  assert_null(regex);
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_VALIDATION_ERROR);
  assert_contains(err.message, expected);
  km_arena_free(arena);
}

static void test_what_does_not_parse(void **state)
{
  (void)state;
  assert_refused("a(b", "column 4: missing closing parenthesis");
  assert_refused("a)b", "column 2: unmatched closing parenthesis");
  assert_refused("*a", "column 1: quantifier does not follow a repeatable item");
  assert_refused("\xc3\xa9[b", "column 4: missing terminating ]");
  assert_refused("\\C", "using \\C is disabled");
  assert_refused("a\\", "\\ at end of pattern");
  assert_refused("(*UCP)a", "column");
  assert_refused("a\xff", "not valid UTF-8");
  char nested[201];
  memset(nested, '(', 100);
  memset(nested + 100, ')', 100);
  nested[200] = '\0';
  assert_refused(nested, "nested");
  char longest[1026];
  memset(longest, 'a', sizeof(longest) - 1);
  longest[1025] = '\0';
  assert_refused(longest, "1025 bytes, more than 1024");
}

static void test_endless_recursion(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_regex *regex = NULL;
  struct km_error err = {0};
  bool found = false;
  assert_int_equal(km_regex_compile(arena, "(?R)", 0, &regex, &err), KM_OK);
  assert_int_equal(km_regex_search(regex, "a", 1, &found, &err), KM_E_INVALID);
  assert_contains(err.message, "'(?R)' calls itself without end");
  km_arena_free(arena);
}

/* Fails unless PATTERN is given up on TEXT, in time. */
static void assert_too_expensive(const char *pattern, const char *text, size_t len, int64_t within_ms)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_regex *regex = NULL;
  struct km_error err = {0};
  bool found = false;
  assert_int_equal(km_regex_compile(arena, pattern, 0, &regex, &err), KM_OK);
  int64_t start = cpu_ms();
  if (km_regex_search(regex, text, len, &found, &err) != KM_E_INVALID) {
    fail_msg("'%s' is not given up", pattern);
  }
  int64_t took = cpu_ms() - start;
  if (took > within_ms) {
    fail_msg("'%s' took %lld ms", pattern, (long long)took);
  }
  assert_contains(err.message, "too expensive");
  assert_contains(err.message, pattern);
  assert_contains(err.hint, "repetition");
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_VALIDATION_ERROR);
  /* The expression is as good as new for another text. */
  err = (struct km_error){0};
  assert_int_equal(km_regex_search(regex, "b", 1, &found, &err), KM_OK);
  km_arena_free(arena);
}

static void test_explosions_end(void **state)
{
  (void)state;
  static const char *const patterns[] = {"(a+)+$",        "(a*)*c?$",          "(a|a)*$",
                                         "(a|aa)+$",      "^(a?){40}a{40}$",   "(.*)*[xy]$",
                                         "(?:a+a+)+[bc]", "(([a-z])+.)+[A-Z]$"};
  char text[65] = "";
  memset(text, 'a', 63);
  text[63] = '!';
  for (size_t i = 0; i < KM_ARRAY_LEN(patterns); i++) {
    assert_too_expensive(patterns[i], text, strlen(text), 50);
  }
}

/* Cheap at each start, but at very many of them: the steps do not add up, the clock does. */
static void test_long_texts_end(void **state)
{
  (void)state;
  size_t len = (size_t)8 * 1024 * 1024;
  char *text = malloc(len);
  assert_non_null(text);
  memset(text, 'a', len);
  assert_too_expensive("a*[bc]", text, len, 3000);
  assert_too_expensive("a{1,20}(a{1,20}){3}[bc]", text, len, 3000);
  free(text);
}

static void test_long_texts_are_searched(void **state)
{
  (void)state;
  /* What a search may cost is processor time, of which some tools take twenty times as much. */
  size_t len = runs_slowly() ? (size_t)8 * 1024 : (size_t)8 * 1024 * 1024;
  char *text = malloc(len);
  assert_non_null(text);
  for (size_t i = 0; i < len; i++) {
    text[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
  }
  memcpy(text + len - 16, "ERROR code=1234\n", 16);
  assert_true(finds("ERROR code=\\d{4}", 0, text, len));
  assert_true(finds("(?i)error.*\\d$", 0, text, len));
  assert_true(finds("(OOM|ERROR|FATAL)", 0, text, len));
  assert_true(finds("[a-z]+\\s+ERROR|\\d{4}", 0, text, len));
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_searching),
      cmocka_unit_test(test_binary_text),
      cmocka_unit_test(test_what_does_not_parse),
      cmocka_unit_test(test_endless_recursion),
      cmocka_unit_test(test_explosions_end),
      cmocka_unit_test(test_long_texts_end),
      cmocka_unit_test(test_long_texts_are_searched),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
