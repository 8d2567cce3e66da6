/* km_json_*: what is refused and where, exact integers, documents on an arena with a cap, tolerant access. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube_mcp/codec/json.h"

#include "kube_mcp/base/banned.h"

static yyjson_val *parse(struct km_arena *arena, const char *text)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, text, strlen(text), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  return yyjson_doc_get_root(doc);
}

static void assert_refused(const char *text, size_t len, unsigned max_depth, const char *expected)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(km_json_parse(arena, text, len, max_depth, &doc, &err), KM_E_INVALID);
  assert_null(doc);
  assert_int_equal(err.code, KM_E_INVALID);
  if (strstr(err.message, expected) == NULL) {
    fail_msg("\"%s\" is not in: %s", expected, err.message);
  }
  km_arena_free(arena);
}

static void test_refuses_what_is_not_json(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    const char *expected;
  } cases[] = {
      {"", "empty"},
      {"  ", "empty"},
      {"{", "line 1, column 2"},
      {"{\n  \"a\": 1,\n  \"b\": tru\n}", "line 3, column 8"},
      {"[1,]", "line 1, column 3"},
      {"{\"a\":1} x", "line 1, column 9"},
      {"// c\n1", "line 1, column 1"},
      {"[NaN]", "line 1, column 2"},
      {"\"\xff\"", "line 1, column 2"},
      {"\"\xed\xa0\x80\"", "line 1, column 2"},
      {"\"\\ud800\"", "line 1"},
      {"[01]", "line 1"},
      {"'a'", "line 1, column 1"},
      {"\xef\xbb\xbf{}", "line 1"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_refused(cases[i].text, strlen(cases[i].text), KM_JSON_MAX_DEPTH, cases[i].expected);
  }
  assert_refused("[\"a\0b\"]", 7, KM_JSON_MAX_DEPTH, "line 1, column 4");
}

static void test_depth_is_bounded(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(km_json_parse(arena, "[[1]]", 5, 2, &doc, &err), KM_OK);
  assert_int_equal(km_json_parse(arena, "[[],[],[[]]]", 12, 3, &doc, &err), KM_OK);
  assert_refused("\n[[[1]]]", 8, 2, "line 2, column 3: nested deeper than 2");
  assert_refused("{\"a\":{\"b\":[]}}", 14, 2, "line 1, column 11");

  const char *brackets_in_text = "[\"[[[[{{{{\\\"[[[[\\\\\"]";
  assert_int_equal(km_json_parse(arena, brackets_in_text, strlen(brackets_in_text), 1, &doc, &err), KM_OK);

  size_t len = 1 << 20;
  char *deep = malloc(len);
  memset(deep, '[', len / 2);
  memset(deep + len / 2, ']', len / 2);
  assert_refused(deep, len, KM_JSON_MAX_DEPTH, "column 65: nested deeper than 64");
  free(deep);
  km_arena_free(arena);
}

static enum km_rc parse_buf(struct km_arena *arena, struct km_buf *text, const char *json, yyjson_doc **ret,
                            struct km_error *err)
{
  km_buf_init(text, strlen(json)); /* no room for what the parser needs behind the text */
  assert_true(km_buf_puts(text, json));
  enum km_rc rc = km_json_parse_buf(arena, text, 3, ret, err);
  assert_int_equal(text->len, 0);
  km_buf_done(text);
  return rc;
}

static void test_a_buffer_is_parsed_in_place(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_buf text;
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(parse_buf(arena, &text, "{\"a\\n\":[\"\\u00e9\",18446744073709551616]}", &doc, &err),
                   KM_OK);
  yyjson_val *list = km_json_arr(yyjson_doc_get_root(doc), "a\n");
  assert_string_equal(yyjson_get_str(yyjson_arr_get(list, 0)), "\xc3\xa9");
  assert_string_equal(yyjson_get_raw(yyjson_arr_get(list, 1)), "18446744073709551616");
  assert_int_equal(parse_buf(arena, &text, "7", &doc, &err), KM_OK);
  assert_int_equal(yyjson_get_int(yyjson_doc_get_root(doc)), 7);

  assert_int_equal(parse_buf(arena, &text, "[\"\\n\",tru]", &doc, &err), KM_E_INVALID);
  assert_non_null(strstr(err.message, "byte 7 of 10: not valid JSON"));
  assert_int_equal(parse_buf(arena, &text, "[[[[]]]]", &doc, &err), KM_E_INVALID);
  assert_string_equal(err.message, "nested deeper than 3 levels");
  assert_int_equal(parse_buf(arena, &text, "", &doc, &err), KM_E_INVALID);
  assert_string_equal(err.message, "the JSON text is empty");
  km_arena_free(arena);
}

static void test_integers_are_exact(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  static const char *const texts[] = {
      "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615]",
      "[18446744073709551616,-9223372036854775809,123456789012345678901234567890]",
      "[1e400,0.5,1e21]",
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct km_buf out;
    km_buf_init(&out, 1024);
    assert_true(km_json_write_val(parse(arena, texts[i]), false, &out));
    assert_string_equal(out.data, texts[i]);
    km_buf_done(&out);
  }
  km_arena_free(arena);
}

static void test_members_tolerate_absence_and_other_types(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_val *obj =
      parse(arena, "{\"s\":\"x\",\"i\":-7,\"u\":18446744073709551615,\"max\":9223372036854775807,"
                   "\"r\":1.5,\"b\":true,\"n\":null,\"a\":[1],\"o\":{\"name\":\"web\"},"
                   "\"big\":123456789012345678901234567890}");
  assert_string_equal(km_json_str(obj, "s"), "x");
  assert_null(km_json_str(obj, "i"));
  assert_null(km_json_str(obj, "absent"));
  assert_null(km_json_str(NULL, "s"));
  assert_int_equal(km_json_int(obj, "i", 3), -7);
  assert_int_equal(km_json_int(obj, "max", 3), INT64_MAX);
  assert_int_equal(km_json_int(obj, "u", 3), 3);
  assert_int_equal(km_json_int(obj, "r", 3), 3);
  assert_int_equal(km_json_int(obj, "s", 3), 3);
  assert_int_equal(km_json_int(NULL, "i", 3), 3);
  assert_true(km_json_bool(obj, "b", false));
  assert_true(km_json_bool(obj, "s", true));
  assert_false(km_json_bool(obj, "absent", false));
  assert_non_null(km_json_obj(obj, "o"));
  assert_null(km_json_obj(obj, "a"));
  assert_non_null(km_json_arr(obj, "a"));
  assert_null(km_json_arr(obj, "o"));
  assert_string_equal(yyjson_get_str(km_json_at(obj, "o", "name", NULL)), "web");
  assert_null(km_json_at(obj, "o", "name", "further", NULL));
  assert_null(km_json_at(obj, "absent", "name", NULL));
  assert_ptr_equal(km_json_at(obj, NULL), obj);

  static const struct {
    const char *key;
    const char *type;
  } types[] = {{"s", "string"},    {"i", "integer"},     {"u", "integer"}, {"r", "number"},
               {"b", "boolean"},   {"n", "null"},        {"a", "array"},   {"o", "object"},
               {"big", "integer"}, {"absent", "nothing"}};
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    assert_string_equal(km_json_type_name(yyjson_obj_get(obj, types[i].key)), types[i].type);
  }
  km_arena_free(arena);
}

static void test_builds_on_the_arena(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 20);
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *list = yyjson_mut_arr(doc);
  for (int i = 0; i < 1000; i++) {
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, list);
    assert_true(yyjson_mut_obj_add_int(doc, item, "i", i));
    assert_true(yyjson_mut_obj_add_strcpy(doc, item, "text", "some text that is copied"));
  }
  assert_true(km_json_complete(doc));
  struct km_buf out;
  km_buf_init(&out, 1 << 20);
  assert_true(km_json_write(list, false, &out));
  yyjson_val *read_back = parse(arena, out.data);
  assert_int_equal(yyjson_arr_size(read_back), 1000);
  assert_int_equal(km_json_int(yyjson_arr_get(read_back, 999), "i", -1), 999);
  km_buf_done(&out);
  km_arena_free(arena);
}

static void test_the_cap_of_the_arena_shows(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(4096);
  yyjson_mut_doc *doc = km_json_new(arena);
  assert_non_null(doc);
  yyjson_mut_val *obj = yyjson_mut_obj(doc);
  char *big = calloc(1, 8192);
  memset(big, 'x', 8191);
  assert_false(yyjson_mut_obj_add_strcpy(doc, obj, "big", big));
  assert_false(km_json_complete(doc));
  free(big);
  km_arena_free(arena);
  assert_false(km_json_complete(NULL));
}

static void test_writes_into_a_bounded_buffer(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_val *val = parse(arena, "{\"a\":[1,\"\\u00e9\\n\\u0000\"],\"b\":{}}");
  struct km_buf out;
  km_buf_init(&out, 256);
  assert_true(km_json_write_val(val, false, &out));
  assert_string_equal(out.data, "{\"a\":[1,\"\xc3\xa9\\n\\u0000\"],\"b\":{}}");
  km_buf_clear(&out);
  assert_true(km_json_write_val(val, true, &out));
  assert_string_equal(out.data, "{\n  \"a\": [\n    1,\n    \"\xc3\xa9\\n\\u0000\"\n  ],\n  \"b\": {}\n}");
  km_buf_done(&out);

  km_buf_init(&out, 8);
  assert_false(km_json_write_val(val, false, &out));
  assert_true(out.failed);
  km_buf_done(&out);

  km_buf_init(&out, 64);
  assert_false(km_json_write_val(NULL, false, &out));
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *list = yyjson_mut_arr(doc);
  yyjson_mut_arr_add_real(doc, list, __builtin_inf());
  yyjson_mut_arr_add_real(doc, list, 0.5);
  assert_true(km_json_write(list, false, &out));
  assert_string_equal(out.data, "[null,0.5]");
  km_buf_done(&out);
  km_arena_free(arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refuses_what_is_not_json),
      cmocka_unit_test(test_depth_is_bounded),
      cmocka_unit_test(test_a_buffer_is_parsed_in_place),
      cmocka_unit_test(test_integers_are_exact),
      cmocka_unit_test(test_members_tolerate_absence_and_other_types),
      cmocka_unit_test(test_builds_on_the_arena),
      cmocka_unit_test(test_the_cap_of_the_arena_shows),
      cmocka_unit_test(test_writes_into_a_bounded_buffer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
