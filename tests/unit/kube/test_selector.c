/* km_label_selector_check, km_field_selector_check: the grammar with its oddities, and where a mistake is. That the real API
 * server agrees is the business of tests/integration/cases/selectors.py. */
#include "kube_mcp/kube/selector.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

#define REPEAT_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef enum km_rc check_fn(const char *text, struct km_error *err);

static void assert_fine(check_fn *check, const char *text)
{
  struct km_error err = {0};
  if (check(text, &err) != KM_OK) {
    fail_msg("'%s' is refused: %s", text, err.message);
  }
}

static void assert_refused(check_fn *check, const char *text, const char *message, const char *hint)
{
  struct km_error err = {0};
  if (check(text, &err) != KM_E_INVALID) {
    fail_msg("'%s' is accepted", text);
  }
  assert_contains(err.message, message);
  assert_contains(err.hint, hint);
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_VALIDATION_ERROR);
}

static void test_legal_labels(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "",
      "  ",
      "a",
      "!a",
      "! a",
      "a=b",
      "a==b",
      "a!=b",
      " a = b ",
      "a=",
      "a!=",
      "a=,b",
      "a in (b)",
      "a in(b,c)",
      "a notin (b)",
      "a in ()",
      "a in (,)",
      "a in (b,)",
      "a in (,b)",
      "a in (b,,c)",
      "a in (,,b)",
      "a in (b,,)",
      "a in (,,)",
      "a\tin\n(b)",
      "in=b",
      "in in (in)",
      "notin",
      "a=in",
      "a=notin",
      "a in (in,notin)",
      "a>1",
      "a<9223372036854775807",
      "a > 007",
      "app.kubernetes.io/name=x",
      "a/b",
      "A=B",
      "a_b.c-d=e_f.g-h",
      "1=2",
      "a=b,c!=d,!e,f in (g),h>1",
      REPEAT_63 "=" REPEAT_63,
      REPEAT_63 "." REPEAT_63 "." REPEAT_63
                ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/a",
      "x--y.z/a",
  };
  assert_fine(km_label_selector_check, NULL);
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    assert_fine(km_label_selector_check, cases[i]);
  }
}

static void test_illegal_labels(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message, *hint;
  } cases[] = {
      {",", "label_selector: column 1: expected the key of a label, or ! and a key, found ','", ""},
      {"a,", "column 3: expected the key of a label, but the selector ends", ""},
      {"a,,b", "column 3: expected the key of a label", ""},
      {"=b", "column 1: expected the key", ""},
      {"a b", "column 3: expected one of = == != in notin < > or a comma, found 'b'", ""},
      {"a not in (b)", "column 3: expected one of", "notin (a,b)"},
      {"a=b c", "column 5: expected a comma or the end of the selector, found 'c'", ""},
      {"a=b=c", "column 4: expected a comma or the end of the selector, found '='", ""},
      {"a===b", "column 4: expected a value, found '='", ""},
      {"!a=b", "column 3: expected a comma or the end", ""},
      {"!!a", "column 2: expected the key of a label, found '!'", ""},
      {"!", "column 2: expected the key of a label, but the selector ends", ""},
      {"a in (", "column 7: expected a value or ), but the selector ends", ""},
      {"a in b", "column 6: expected ( and a list of values, found 'b'", ""},
      {"a in (b c)", "column 9: expected a comma or ), found 'c'", ""},
      {"a in (b", "column 8: expected a comma or )", ""},
      {"a in (=)", "column 7: expected a value or ), found '='", ""},
      {"a in (b) c", "column 10: expected a comma", ""},
      {"a=(b)", "column 3: expected a value, found '('", ""},
      {"a>b", "column 3: expected a whole number, found 'b'", ""},
      {"a>", "column 3: expected a whole number, but", ""},
      {"a>1.5", "column 3: expected a whole number", ""},
      {"a>-1", "column 3: expected a whole number", ""},
      {"a<9223372036854775808", "column 3: expected a whole number", ""},
      {"a>=1", "column 3: expected a whole number, found '='", ""},
      {"a=\"b\"", "column 3: no label can have the value '\"b\"'", "no quotes"},
      {"a=web-*", "column 3: no label can have the value 'web-*'", "globs"},
      {"a=-b", "column 3: no label can have the value", ""},
      {"a in (b,c-)", "column 9: no label can have the value 'c-'", ""},
      {"a=" REPEAT_63 "a", "column 3: the value of a label has at most 63 bytes, this has 64", ""},
      {"-a", "column 1: no label can have the key '-a'", "at most 63"},
      {"a.=b", "column 1: no label can have the key 'a.'", ""},
      {REPEAT_63 "a", "column 1: no label can have the key", ""},
      {"A.io/b", "column 1: no label can have the key", "DNS name"},
      {"a..b/c", "column 1: no label can have the key", ""},
      {"a-.b/c", "column 1: no label can have the key", ""},
      {"a.-b/c", "column 1: no label can have the key", ""},
      {"/a", "column 1: no label can have the key", ""},
      {"a/", "column 1: no label can have the key", ""},
      {"a/b/c", "column 1: no label can have the key", ""},
      {"x,\xc3\xa9=b,?", "column 3: no label can have the key", ""},
      {"a=b,\xc3\xa9", "column 5: no label", ""},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    assert_refused(km_label_selector_check, cases[i].text, cases[i].message, cases[i].hint);
  }
}

static void test_legal_fields(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "",
      ",",
      "status.phase=Running",
      "a==b",
      "a!=b",
      "a=",
      "a!=",
      "a=b,c=d",
      ",a=b,,c=d,",
      "a=x y",
      "a= b",
      "a=b\\,c\\=d\\\\",
      "a=\\\\",
      "metadata.name=x:y",
      "a=!",
  };
  assert_fine(km_field_selector_check, NULL);
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    assert_fine(km_field_selector_check, cases[i]);
  }
}

static void test_illegal_fields(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message, *hint;
  } cases[] = {
      {"a", "field_selector: column 2: expected = or != after 'a'", "status.phase=Running"},
      {"a=b,c", "column 6: expected = or != after 'c'", ""},
      {"status.phase in (Running)", "column 26: expected = or !=", ""},
      {"a>1", "column 4: expected = or !=", ""},
      {"=b", "column 1: expected the name of a field", ""},
      {"!=b", "column 1: expected the name of a field", ""},
      {"status.phase = Running", "column 1: the name of a field holds no blanks", ""},
      {"a=b=c", "column 4: a = in a value is written \\=", ""},
      {"a===b", "column 4: a = in a value", ""},
      {"a=b\\c", "column 4: a backslash stands only before", ""},
      {"a=\\", "column 3: a backslash stands only before", ""},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    assert_refused(km_field_selector_check, cases[i].text, cases[i].message, cases[i].hint);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_legal_labels),
      cmocka_unit_test(test_illegal_labels),
      cmocka_unit_test(test_legal_fields),
      cmocka_unit_test(test_illegal_fields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
