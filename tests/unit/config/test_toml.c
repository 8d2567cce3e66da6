/* The TOML parser: values, positions, messages and limits. The grammar's corners are the official suite's
 * (tests/toml). */
#include "testing.h"

#include <math.h>

#include "kube_mcp/base/buf.h"
#include "kube_mcp/config/toml.h"

#include "kube_mcp/base/banned.h"

static struct km_arena *arena;
static struct km_error err;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(SIZE_MAX);
  err = (struct km_error){0};
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static struct km_toml_value *parse(const char *text)
{
  struct km_toml_value *root = NULL;
  enum km_rc rc = km_toml_parse(arena, text, strlen(text), "f.toml", &root, &err);
  if (rc != KM_OK) {
    fail_msg("%s", err.message);
  }
  return root;
}

static void assert_refused(const char *text, const char *message)
{
  struct km_toml_value *root = NULL;
  struct km_error refusal = {0};
  assert_int_equal(km_toml_parse(arena, text, strlen(text), "f.toml", &root, &refusal), KM_E_INVALID);
  assert_null(root);
  assert_string_equal(refusal.message, message);
}

static void keeps_values_with_their_types(void **state)
{
  (void)state;
  struct km_toml_value *root = parse("s = \"a\\tb\"\ni = -1_000\nh = 0xff\nf = 1e3\nn = -inf\nb = true\n"
                                     "d = 2026-01-02 03:04:05.6z\nt = 23:59:60\na = [1, \"x\", [2.5]]\n");
  assert_string_equal(km_toml_get(root, "s")->as.string.data, "a\tb");
  assert_int_equal(km_toml_get(root, "i")->as.integer, -1000);
  assert_int_equal(km_toml_get(root, "h")->as.integer, 255);
  assert_true(km_toml_get(root, "f")->as.floating == 1000.0);
  assert_true(isinf(km_toml_get(root, "n")->as.floating));
  assert_true(km_toml_get(root, "b")->as.boolean);
  assert_int_equal(km_toml_get(root, "d")->type, KM_TOML_OFFSET_DATETIME);
  assert_string_equal(km_toml_get(root, "d")->as.string.data, "2026-01-02T03:04:05.6Z");
  assert_int_equal(km_toml_get(root, "t")->type, KM_TOML_LOCAL_TIME);
  assert_int_equal(km_toml_get(root, "a")->as.array.count, 3);
  assert_null(km_toml_get(root, "absent"));
}

static void integers_are_exact_to_their_limits(void **state)
{
  (void)state;
  struct km_toml_value *root = parse("min = -9223372036854775808\nmax = 9223372036854775807\n");
  assert_true(km_toml_get(root, "min")->as.integer == INT64_MIN);
  assert_true(km_toml_get(root, "max")->as.integer == INT64_MAX);
  assert_refused("a = 9223372036854775808", "f.toml:1:5: 9223372036854775808 does not fit into 64 bits");
  assert_refused("a = -9223372036854775809", "f.toml:1:5: -9223372036854775809 does not fit into 64 bits");
  assert_refused("a = 0xffffffffffffffff", "f.toml:1:5: 0xffffffffffffffff does not fit into 64 bits");
  assert_refused("a = 1e999", "f.toml:1:5: 1e999 is too large for a float");
}

static void strings_may_hold_nul_and_quotes(void **state)
{
  (void)state;
  struct km_toml_value *root =
      parse("a = \"x\\u0000y\"\nb = \"\"\"\n\"\"two\"\"\"\"\"\nc = '''\\'''\n\"\\u0000\" = 1\n");
  assert_string_equal(km_toml_get(parse("a = \"\"\"x\r\ny\"\"\""), "a")->as.string.data, "x\r\ny");
  struct km_toml_value *a = km_toml_get(root, "a");
  assert_int_equal(a->as.string.len, 3);
  assert_memory_equal(a->as.string.data, "x\0y", 4);
  assert_string_equal(km_toml_get(root, "b")->as.string.data, "\"\"two\"\"");
  assert_string_equal(km_toml_get(root, "c")->as.string.data, "\\");
  assert_int_equal(root->as.table.entries[3].key_len, 1);
}

static void positions_count_lines_and_code_points(void **state)
{
  (void)state;
  struct km_toml_value *root = parse("\xef\xbb\xbf# é\r\n[t]\r\n\"ü\" = [ 1,\n  'z' ]\r\n");
  struct km_toml_value *table = km_toml_get(root, "t");
  const struct km_toml_entry *entry = &table->as.table.entries[0];
  assert_int_equal(table->line, 2);
  assert_int_equal(table->col, 2);
  assert_int_equal(entry->line, 3);
  assert_int_equal(entry->col, 1);
  assert_int_equal(entry->value->line, 3);
  assert_int_equal(entry->value->col, 7);
  assert_int_equal(entry->value->as.array.items[0]->col, 9);
  assert_int_equal(entry->value->as.array.items[1]->line, 4);
  assert_int_equal(entry->value->as.array.items[1]->col, 3);
}

static void messages_say_what_and_where(void **state)
{
  (void)state;
  assert_refused("a = info", "f.toml:1:5: 'info' is not a value; text needs quotes");
  assert_refused("a = ", "f.toml:1:5: expected a value, found the end of the file");
  assert_refused("a = #", "f.toml:1:5: expected a value, found '#'");
  assert_refused("a 1", "f.toml:1:3: expected '=' after the key, found '1'");
  assert_refused("= 1", "f.toml:1:1: expected a key, found '='");
  assert_refused("a = 1 b = 2", "f.toml:1:7: expected the end of the line, found 'b'");
  assert_refused("\n[a\n", "f.toml:2:3: expected ']' after the name, found the end of the line");
  assert_refused("[[a]\n", "f.toml:1:4: expected ']]' after the name, found ']'");
  assert_refused("a = [1 2]", "f.toml:1:8: expected ',' or ']' in the array, found '2'");
  assert_refused("a = {b = 1,}", "f.toml:1:12: expected a key, found '}'");
  assert_refused("a = {b = 1\n}",
                 "f.toml:1:11: expected ',' or '}' in the inline table, found the end of the line");
  assert_refused("a = \"x\ny\"", "f.toml:1:5: the string is not closed on its line");
  assert_refused("a = '''x", "f.toml:1:5: the string is not closed");
  assert_refused(
      "a = \"\\x\"",
      "f.toml:1:6: unknown escape; use \\\\ for a backslash or a 'literal string' in single quotes");
  assert_refused("a = \"\\ud800\"", "f.toml:1:6: \\ud800 is not a Unicode character");
  assert_refused("a = \"\\u12\"", "f.toml:1:6: \\u needs 4 hexadecimal digits");
  assert_refused("a = \"\a\"", "f.toml:1:6: the control character U+0007 is not allowed in a string");
  assert_refused("# \x7f", "f.toml:1:3: the control character U+007F is not allowed in a comment");
  assert_refused("\xc2\xa0"
                 "a = 1",
                 "f.toml:1:1: expected a key, found the character U+00A0");
  assert_refused("a = 1\nb = \"\xff\"", "f.toml:2:6: the text is not valid UTF-8 here");
  assert_refused("\"\"\"a\"\"\" = 1", "f.toml:1:1: a key cannot be a multi-line string");
  assert_refused("a = 012", "f.toml:1:5: 012 has a leading zero");
  assert_refused("a = 2026-02-29",
                 "f.toml:1:5: '2026-02-29' is not a date or time: that month has no such day");
  assert_refused("a = 2026-1-1",
                 "f.toml:1:5: '2026-1-1' is not a date or time: the month must be two digits, 01 to 12");
  assert_refused("a = 2026-01-02T03:04:05X",
                 "f.toml:1:5: '2026-01-02T03:04:05X' is not a date or time: a time is "
                 "followed by Z, +HH:MM, -HH:MM or nothing");
  assert_refused("a = 1979-05-27T07:32:00Z\na.b = 1",
                 "f.toml:2:1: 'a' is defined already, on line 1, as an offset "
                 "date-time");
  assert_refused("a = 99999999999999999999999999",
                 "f.toml:1:5: 99999999999999999999999999 does not fit into 64 bits");
  assert_refused("a = 12:30",
                 "f.toml:1:5: '12:30' is not a date or time: the seconds must be two digits, 00 to 60");
}

static void redefinitions_name_the_first_place(void **state)
{
  (void)state;
  assert_refused("a = 1\na = 2", "f.toml:2:1: 'a' is defined already, on line 1, as an integer");
  assert_refused("[a]\n[b]\n[a]", "f.toml:3:2: the table 'a' is defined already, on line 1");
  assert_refused("a = {}\n[a.b]", "f.toml:2:2: the inline table 'a' of line 1 cannot be added to");
  assert_refused("[[a]]\n[a]", "f.toml:2:2: 'a' is an array of tables since line 1: add with [[a]]");
  assert_refused("a = [{}]\n[[a]]", "f.toml:2:3: 'a' is defined already, on line 1, as an array");
  assert_refused("\"e\\u001b[1m\" = 1\n\"e\\u001b[1m\" = 2",
                 "f.toml:2:1: 'e' is defined already, on line 1, as an integer");
}

static void tables_that_headers_imply_may_be_defined_later(void **state)
{
  (void)state;
  struct km_toml_value *root = parse("[a.b.c]\nx = 1\n[a]\ny = 2\n[[a.l]]\n[a.l.m]\n[[a.l]]\n");
  struct km_toml_value *a = km_toml_get(root, "a");
  assert_int_equal(a->line, 3);
  assert_int_equal(km_toml_get(a, "y")->as.integer, 2);
  assert_int_equal(km_toml_get(km_toml_get(km_toml_get(a, "b"), "c"), "x")->as.integer, 1);
  struct km_toml_value *list = km_toml_get(a, "l");
  assert_int_equal(list->as.array.count, 2);
  assert_int_equal(list->as.array.items[0]->as.table.count, 1);
  assert_int_equal(list->as.array.items[1]->as.table.count, 0);
}

/* OPEN and CLOSE repeated COUNT times around INNER, after "a = ". */
static enum km_rc parse_nested(int count, const char *open, const char *inner, const char *close)
{
  struct km_buf text;
  struct km_toml_value *root;
  km_buf_init(&text, (size_t)1 << 20);
  km_buf_puts(&text, "a = ");
  for (int i = 0; i < count; i++) {
    km_buf_puts(&text, open);
  }
  km_buf_puts(&text, inner);
  for (int i = 0; i < count; i++) {
    km_buf_puts(&text, close);
  }
  enum km_rc rc = km_toml_parse(arena, text.data, text.len, "f.toml", &root, &err);
  km_buf_done(&text);
  return rc;
}

static void depth_is_bounded(void **state)
{
  (void)state;
  assert_int_equal(parse_nested(KM_TOML_MAX_DEPTH, "[", "", "]"), KM_OK);
  assert_int_equal(parse_nested(KM_TOML_MAX_DEPTH + 1, "[", "", "]"), KM_E_INVALID);
  assert_string_equal(err.message, "f.toml:1:69: nested more than 64 levels deep");
  assert_int_equal(parse_nested(100000, "[", "", "]"), KM_E_INVALID);
  assert_int_equal(parse_nested(100000, "{a=", "1", "}"), KM_E_INVALID);
  assert_int_equal(parse_nested(KM_TOML_MAX_DEPTH, "{a.a.a=", "1", "}"), KM_E_INVALID);
}

static void size_and_keys_are_bounded(void **state)
{
  (void)state;
  struct km_buf text;
  struct km_toml_value *root;
  km_buf_init(&text, (size_t)4 << 20);
  for (int i = 0; i < KM_TOML_MAX_KEYS; i++) {
    km_buf_printf(&text, "k%d = 1\n", i);
  }
  assert_int_equal(km_toml_parse(arena, text.data, text.len, "f.toml", &root, &err), KM_OK);
  km_buf_puts(&text, "more = 1\n");
  assert_int_equal(km_toml_parse(arena, text.data, text.len, "f.toml", &root, &err), KM_E_INVALID);
  assert_string_equal(err.message, "f.toml:4097:1: more than 4096 keys in one table");
  km_buf_fill(&text, '\n', KM_TOML_MAX_BYTES);
  assert_int_equal(km_toml_parse(arena, text.data, text.len, "f.toml", &root, &err), KM_E_TOO_LARGE);
  km_buf_done(&text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(keeps_values_with_their_types, set_up, tear_down),
      cmocka_unit_test_setup_teardown(integers_are_exact_to_their_limits, set_up, tear_down),
      cmocka_unit_test_setup_teardown(strings_may_hold_nul_and_quotes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(positions_count_lines_and_code_points, set_up, tear_down),
      cmocka_unit_test_setup_teardown(messages_say_what_and_where, set_up, tear_down),
      cmocka_unit_test_setup_teardown(redefinitions_name_the_first_place, set_up, tear_down),
      cmocka_unit_test_setup_teardown(tables_that_headers_imply_may_be_defined_later, set_up, tear_down),
      cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
      cmocka_unit_test_setup_teardown(size_and_keys_are_bounded, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
