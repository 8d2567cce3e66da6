/* The .env grammar and how it merges with the real environment. */
#include "fixture.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* The merged environment of the .env TEXT and BLOCK. */
static char **merged(const char *text, char **block)
{
  char **result = NULL;
  write_file("env", text);
  if (km_config_environment(fx.arena, "env", block, &result, &fx.err) != KM_OK) {
    fail_msg("%s", fx.err.message);
  }
  return result;
}

static void assert_merged(const char *text, const char *only_pair)
{
  char **pairs = merged(text, NULL);
  assert_non_null(pairs[0]);
  assert_string_equal(pairs[0], only_pair);
  assert_null(pairs[1]);
}

static void assert_line_refused(const char *text, const char *message)
{
  char **result = NULL;
  write_file("env", text);
  assert_int_equal(km_config_environment(fx.arena, "env", NULL, &result, &fx.err), KM_E_INVALID);
  assert_null(result);
  assert_string_equal(fx.err.message, message);
}

static void values_may_be_bare_or_quoted(void **state)
{
  (void)state;
  assert_merged("A=b", "A=b");
  assert_merged("\n# comment\n  export A = b c  # comment\r\n", "A=b c");
  assert_merged("A=b#c\n", "A=b#c");
  assert_merged("A=\n", "A=");
  assert_merged("A= # nothing\n", "A=");
  assert_merged("A='b # ${C} \\n'  # comment\n", "A=b # ${C} \\n");
  assert_merged("A=\"b\\tc\\n\\\"\\\\\\$ \\x\"\n", "A=b\tc\n\"\\$ \\x");
  assert_merged("A=b=c\n", "A=b=c");
  assert_merged("exported=1\n", "exported=1");
}

static void later_lines_and_the_real_environment_win(void **state)
{
  (void)state;
  char **pairs = merged("A=1\nB=2\nA=3\n", environment_of("B=real", "C=only", NULL));
  assert_string_equal(pairs[0], "B=real");
  assert_string_equal(pairs[1], "C=only");
  assert_string_equal(pairs[2], "A=3");
  assert_null(pairs[3]);
}

static void malformed_lines_have_a_place_and_no_value(void **state)
{
  (void)state;
  assert_line_refused("A=1\njust text\n", "env:2:6: expected '=' after the name");
  assert_line_refused("=1\n", "env:1:1: expected NAME=value");
  assert_line_refused("1A=1\n", "env:1:1: expected NAME=value");
  assert_line_refused("A=\"secret\n", "env:1:3: the quoted value is not closed on its line");
  assert_line_refused("A='secret' more\n", "env:1:12: text follows the quoted value");
}

static void nul_characters_are_refused(void **state)
{
  (void)state;
  char **result = NULL;
  FILE *file = fopen("env", "w");
  assert_non_null(file);
  assert_int_equal(fwrite("A=1\nB=\0", 1, 7, file), 7);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(km_config_environment(fx.arena, "env", NULL, &result, &fx.err), KM_E_INVALID);
  assert_string_equal(fx.err.message, "env:2:1: the line contains a NUL character");
}

static void the_number_of_names_is_bounded(void **state)
{
  (void)state;
  struct km_buf text;
  char **result = NULL;
  km_buf_init(&text, (size_t)1 << 20);
  for (int i = 0; i <= 1000; i++) {
    km_buf_printf(&text, "N%d=\n", i);
  }
  write_file("env", text.data);
  assert_int_equal(km_config_environment(fx.arena, "env", NULL, &result, &fx.err), KM_E_INVALID);
  assert_true(km_ends_with(fx.err.message, "too many names"));
  km_buf_fill(&text, '#', (size_t)64 << 10);
  write_file("env", text.data);
  assert_int_equal(km_config_environment(fx.arena, "env", NULL, &result, &fx.err), KM_E_TOO_LARGE);
  km_buf_done(&text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(values_may_be_bare_or_quoted),
      FIXTURE_TEST(later_lines_and_the_real_environment_win),
      FIXTURE_TEST(malformed_lines_have_a_place_and_no_value),
      FIXTURE_TEST(nul_characters_are_refused),
      FIXTURE_TEST(the_number_of_names_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
