/* km_yaml_write: the very bytes kubectl prints (goldens from sigs.k8s.io/yaml), and that all of it reads
 * back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube_mcp/codec/yaml.h"

#include "kube_mcp/base/banned.h"

#define MAX_OUT ((size_t)1 << 20)

static yyjson_val *parse_json(struct km_arena *arena, const char *json)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s: %s", json, err.message);
  }
  return yyjson_doc_get_root(doc);
}

static void assert_writes(const char *json, const char *yaml)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_buf out;
  km_buf_init(&out, MAX_OUT);
  assert_true(km_yaml_write(parse_json(arena, json), &out));
  if (strcmp(out.data, yaml) != 0) {
    fail_msg("%s\nwritten as\n%s\ninstead of\n%s", json, out.data, yaml);
  }
  km_buf_done(&out);
  km_arena_free(arena);
}

/* Equal, where 3.0 and 3 are the same number. */
static bool same(yyjson_val *a, yyjson_val *b)
{
  if (yyjson_is_num(a) && yyjson_is_num(b) && (yyjson_is_real(a) || yyjson_is_real(b))) {
    double x = yyjson_get_num(a);
    double y = yyjson_get_num(b);
    return x == y && signbit(x) == signbit(y);
  }
  if (yyjson_get_type(a) != yyjson_get_type(b)) {
    return false;
  }
  if (!yyjson_is_ctn(a)) {
    return yyjson_equals(a, b);
  }
  if (yyjson_get_len(a) != yyjson_get_len(b)) {
    return false;
  }
  if (yyjson_is_arr(a)) {
    for (size_t i = 0; i < yyjson_arr_size(a); i++) {
      if (!same(yyjson_arr_get(a, i), yyjson_arr_get(b, i))) {
        return false;
      }
    }
    return true;
  }
  yyjson_obj_iter iter_a = yyjson_obj_iter_with(a);
  yyjson_obj_iter iter_b = yyjson_obj_iter_with(b);
  for (yyjson_val *key = yyjson_obj_iter_next(&iter_a); key != NULL; key = yyjson_obj_iter_next(&iter_a)) {
    yyjson_val *other = yyjson_obj_iter_next(&iter_b);
    if (!yyjson_equals(key, other) || !same(yyjson_obj_iter_get_val(key), yyjson_obj_iter_get_val(other))) {
      return false;
    }
  }
  return true;
}

static void assert_reads_back(struct km_arena *arena, yyjson_val *val)
{
  struct km_buf out;
  km_buf_init(&out, MAX_OUT);
  assert_true(km_yaml_write(val, &out));
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_yaml_parse(arena, out.data, out.len, "written", &km_yaml_default_limits, &doc, &err) != KM_OK) {
    fail_msg("%s\n%s", err.message, out.data);
  }
  if (!same(val, yyjson_arr_get_first(yyjson_doc_get_root(doc)))) {
    struct km_buf json;
    km_buf_init(&json, MAX_OUT);
    km_json_write_val(val, false, &json);
    fail_msg("%s\nwas written as\n%s", json.data, out.data);
  }
  km_buf_done(&out);
}

static void test_writes_a_pod_as_kubectl_does(void **state)
{
  (void)state;
  assert_writes(
      "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"a\":\"\",\"on\":\"true\"},"
      "\"creationTimestamp\":\"2024-01-02T03:04:05Z\",\"generateName\":\"web-\",\"labels\":{},"
      "\"name\":\"web-0\",\"resourceVersion\":\"12345\"},\"spec\":{\"containers\":[{\"args\":[\"--port=80\","
      "\"-v\"],"
      "\"command\":[\"sh\",\"-c\",\"while true; do\\n  sleep "
      "1\\ndone\\n\"],\"env\":[{\"name\":\"A\",\"value\":\"1\"}],"
      "\"image\":\"nginx:1.25\",\"ports\":[{\"containerPort\":80}],\"resources\":{\"limits\":{\"cpu\":"
      "\"500m\","
      "\"memory\":\"1Gi\"}}}],\"hostNetwork\":false,\"tolerations\":[],\"terminationGracePeriodSeconds\":30},"
      "\"status\":{\"hostIP\":\"10.0.0.1\",\"startTime\":null}}",
      "apiVersion: v1\n"
      "kind: Pod\n"
      "metadata:\n"
      "  annotations:\n"
      "    a: \"\"\n"
      "    \"on\": \"true\"\n"
      "  creationTimestamp: \"2024-01-02T03:04:05Z\"\n"
      "  generateName: web-\n"
      "  labels: {}\n"
      "  name: web-0\n"
      "  resourceVersion: \"12345\"\n"
      "spec:\n"
      "  containers:\n"
      "  - args:\n"
      "    - --port=80\n"
      "    - -v\n"
      "    command:\n"
      "    - sh\n"
      "    - -c\n"
      "    - |\n"
      "      while true; do\n"
      "        sleep 1\n"
      "      done\n"
      "    env:\n"
      "    - name: A\n"
      "      value: \"1\"\n"
      "    image: nginx:1.25\n"
      "    ports:\n"
      "    - containerPort: 80\n"
      "    resources:\n"
      "      limits:\n"
      "        cpu: 500m\n"
      "        memory: 1Gi\n"
      "  hostNetwork: false\n"
      "  tolerations: []\n"
      "  terminationGracePeriodSeconds: 30\n"
      "status:\n"
      "  hostIP: 10.0.0.1\n"
      "  startTime: null\n");
}

static void test_nesting(void **state)
{
  (void)state;
  assert_writes("[[1,[2,3]],[],{},[{\"a\":[{\"b\":1,\"c\":[4]}],\"d\":{}}]]", "- - 1\n"
                                                                              "  - - 2\n"
                                                                              "    - 3\n"
                                                                              "- []\n"
                                                                              "- {}\n"
                                                                              "- - a:\n"
                                                                              "    - b: 1\n"
                                                                              "      c:\n"
                                                                              "      - 4\n"
                                                                              "    d: {}\n");
  assert_writes("{}", "{}\n");
  assert_writes("[]", "[]\n");
  assert_writes("\"text\"", "text\n");
  assert_writes("null", "null\n");
  assert_writes("\"a\\nb\\n\"", "|\n  a\n  b\n");
}

static void test_strings_are_quoted_only_when_needed(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    const char *yaml;
  } cases[] = {
      {"plain text", "plain text"},
      {"http://x:80/y?z=1&w#q", "http://x:80/y?z=1&w#q"},
      {"a:b", "a:b"},
      {"-x", "-x"},
      {"?x", "?x"},
      {":x", ":x"},
      {"a, b [c] {d}", "a, b [c] {d}"},
      {"it's", "it's"},
      {"1.2.3", "1.2.3"},
      {"12:30:00", "\"12:30:00\""},
      {"2001-01-01", "\"2001-01-01\""},
      {"2001-13-01", "2001-13-01"},
      {"2001-02-30", "2001-02-30"},
      {"2001-1-1 1:2:3.5", "\"2001-1-1 1:2:3.5\""},
      {"2001-01-01T00:00:00", "2001-01-01T00:00:00"},
      {"yes", "\"yes\""},
      {"N", "\"N\""},
      {"null", "\"null\""},
      {"~", "\"~\""},
      {"~x", "~x"},
      {"0x1f", "\"0x1f\""},
      {"1_000", "\"1_000\""},
      {"1e3", "\"1e3\""},
      {"1e400", "1e400"},
      {".5", "\".5\""},
      {".inf", "\".inf\""},
      {"99999999999999999999999999", "\"99999999999999999999999999\""},
      {"<<", "<<"},
      {"=", "="},
      {"a: b", "'a: b'"},
      {"a:", "'a:'"},
      {"a #b", "'a #b'"},
      {"a# b", "a# b"},
      {"- x", "'- x'"},
      {"-", "'-'"},
      {"? x", "'? x'"},
      {"#x", "'#x'"},
      {"&x", "'&x'"},
      {"*x", "'*x'"},
      {"!x", "'!x'"},
      {"|", "'|'"},
      {"%x", "'%x'"},
      {"@x", "'@x'"},
      {"`x", "'`x'"},
      {"{{ x }}", "'{{ x }}'"},
      {"[x]", "'[x]'"},
      {"---", "'---'"},
      {"...", "'...'"},
      {"'x'", "'''x'''"},
      {"\\\"x\\\"", "'\"x\"'"},
      {" x", "' x'"},
      {"x ", "'x '"},
      {"\\t", "\"\\t\""},
      {"a\\tb", "\"a\\tb\""},
      {"a\\\\b", "a\\b"},
      {"a\\r\\nb", "\"a\\r\\nb\""},
      {"\\u0000\\u0007\\u001b\\u007f", "\"\\0\\a\\e\\x7F\""},
      {"\\u00e9\\u4e2d", "\xc3\xa9\xe4\xb8\xad"},
      {"\\u0085\\u2028\\u2029\\ufeff", "\"\\N\\L\\P\\uFEFF\""},
      {"\\ud83d\\ude00", "\"\\U0001F600\""},
      {"one\\ntwo", "|-\n  one\n  two"},
      {"one\\ntwo\\n", "|\n  one\n  two"},
      {"one\\n\\ntwo\\n\\n", "|+\n  one\n\n  two\n"},
      {"\\n", "|2+\n"},
      {"\\nx", "|2-\n\n  x"},
      {"  x\\ny", "|2-\n    x\n  y"},
      {"a\\n  b", "|-\n  a\n    b"},
      {"a \\nb", "\"a \\nb\""},
      {"a\\nb ", "\"a\\nb \""},
      {"a\\n\\tb", "\"a\\n\\tb\""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char *json = NULL;
    char *yaml = NULL;
    assert_true(asprintf(&json, "{\"k\":\"%s\"}", cases[i].json) > 0);
    assert_true(asprintf(&yaml, "k: %s\n", cases[i].yaml) > 0);
    assert_writes(json, yaml);
    free(json);
    free(yaml);
  }
}

static void test_numbers(void **state)
{
  (void)state;
  assert_writes(
      "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615,123456789012345678901234567890]",
      "- 0\n- -1\n- 9223372036854775807\n- -9223372036854775808\n- 18446744073709551615\n"
      "- 123456789012345678901234567890\n");
  assert_writes(
      "[0.5,-0.25,1.0,100000.0,1e6,1234567.5,123456.5,0.0001,0.00001234,1e21,1.5e300,-0.0,0.1,5e-324]",
      "- 0.5\n- -0.25\n- 1\n- 100000\n- 1e+06\n- 1.2345675e+06\n- 123456.5\n- 0.0001\n- 1.234e-05\n"
      "- 1e+21\n- 1.5e+300\n- -0.0\n- 0.1\n- 5e-324\n");
}

static void test_long_lines_are_folded(void **state)
{
  (void)state;
  const char *words = "aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa ";
  char json[512];
  snprintf(json, sizeof(json), "{\"k\":[\"%sx y  z w\"]}", words);
  char yaml[512];
  snprintf(yaml, sizeof(yaml), "k:\n- %.79s\n  x y  z w\n", words);
  assert_writes(json, yaml);
  snprintf(json, sizeof(json), "{\"k\":\"it's: %sx y  z\"}", words);
  snprintf(yaml, sizeof(yaml), "k: 'it''s: %.79s\n  x y  z'\n", words);
  assert_writes(json, yaml);
  snprintf(json, sizeof(json), "{\"k\":\"\\t%.79s  x y z\"}", words);
  snprintf(yaml, sizeof(yaml), "k: \"\\t%.79s\n  \\ x y z\"\n", words);
  assert_writes(json, yaml);
}

static void test_keys(void **state)
{
  (void)state;
  assert_writes("{\"true\":1,\"1\":2,\"a b\":3,\"a: b\":4,\"\":5,\"<<\":6,\"x\\ty\":7}",
                "\"true\": 1\n\"1\": 2\na b: 3\n'a: b': 4\n\"\": 5\n\"<<\": 6\n\"x\\ty\": 7\n");
  assert_writes("{\"a\\nb\":1,\"c\":{\"d\\n\":{\"e\":[2]}}}",
                "? |-\n  a\n  b\n: 1\nc:\n  ? |\n    d\n  : e:\n    - 2\n");
  char json[256];
  char yaml[256];
  char key[130];
  memset(key, 'k', sizeof(key));
  snprintf(json, sizeof(json), "{\"%.128s\":[1]}", key);
  snprintf(yaml, sizeof(yaml), "%.128s:\n- 1\n", key);
  assert_writes(json, yaml);
  snprintf(json, sizeof(json), "{\"%.129s\":[1,2]}", key);
  snprintf(yaml, sizeof(yaml), "? %.129s\n: - 1\n  - 2\n", key);
  assert_writes(json, yaml);
}

static void test_a_full_buffer_is_reported(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(4096);
  struct km_buf out;
  km_buf_init(&out, 8);
  assert_false(km_yaml_write(parse_json(arena, "{\"key\":\"value\"}"), &out));
  assert_true(out.failed);
  km_buf_done(&out);
  km_arena_free(arena);
}

static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525 + 1013904223;
  return *seed >> 8;
}

/* Text made of the pieces that YAML gives a meaning to. */
static yyjson_mut_val *nasty_string(yyjson_mut_doc *doc, uint32_t *seed)
{
  static const char *const pieces[] = {
      " ",
      "\n",
      "\n\n",
      "\t",
      "\r",
      ":",
      ": ",
      "#",
      " #",
      "-",
      "- ",
      "?",
      "? ",
      "'",
      "\"",
      "\\",
      ",",
      "[",
      "]",
      "{",
      "}",
      "&a",
      "*a",
      "!!str",
      "|",
      ">",
      "%",
      "@",
      "`",
      "~",
      "=",
      "<<",
      "---",
      "...",
      "yes",
      "null",
      "0x1f",
      "1",
      "1e3",
      ".5",
      "_",
      "+",
      ".inf",
      "12:30",
      "2001-01-01",
      "a",
      "b c",
      "word",
      "\xc3\xa9",
      "\xc2\x85",
      "\xe2\x80\xa8",
      "\xe2\x80\xa9",
      "\xef\xbb\xbf",
      "\x01",
      "\x7f",
      "\xf0\x9f\x98\x80",
      "long long words that fill a line quickly ",
  };
  struct km_buf text;
  km_buf_init(&text, 4096);
  for (uint32_t n = next_random(seed) % 8; n > 0; n--) {
    km_buf_puts(&text, pieces[next_random(seed) % KM_ARRAY_LEN(pieces)]);
  }
  if (next_random(seed) % 16 == 0) {
    km_buf_append(&text, "", 1);
  }
  yyjson_mut_val *val = yyjson_mut_strncpy(doc, text.data, text.len);
  km_buf_done(&text);
  return val;
}

static yyjson_mut_val *nasty_tree(yyjson_mut_doc *doc, uint32_t *seed, unsigned depth)
{
  uint32_t kind = next_random(seed) % 10;
  if (depth == 0 || kind < 5) {
    return kind == 4 ? yyjson_mut_sint(doc, (int64_t)next_random(seed) - 5000) : nasty_string(doc, seed);
  }
  yyjson_mut_val *container = kind < 8 ? yyjson_mut_obj(doc) : yyjson_mut_arr(doc);
  for (uint32_t n = next_random(seed) % 4; n > 0; n--) {
    yyjson_mut_val *val = nasty_tree(doc, seed, depth - 1);
    if (kind < 8) {
      yyjson_mut_obj_put(container, nasty_string(doc, seed), val);
    } else {
      yyjson_mut_arr_append(container, val);
    }
  }
  return container;
}

static void test_whatever_is_written_reads_back(void **state)
{
  (void)state;
  uint32_t seed = 2026;
  for (int i = 0; i < 4000; i++) {
    struct km_arena *arena = km_arena_new(1 << 20);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *wrapped = yyjson_mut_arr(doc);
    yyjson_mut_arr_append(wrapped, nasty_tree(doc, &seed, 4));
    yyjson_doc *copy = yyjson_mut_val_imut_copy(wrapped, NULL);
    assert_reads_back(arena, yyjson_doc_get_root(copy));
    yyjson_val *inner = yyjson_arr_get_first(yyjson_doc_get_root(copy));
    if (!yyjson_is_null(inner)) {
      assert_reads_back(arena, inner);
    }
    yyjson_doc_free(copy);
    yyjson_mut_doc_free(doc);
    km_arena_free(arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_writes_a_pod_as_kubectl_does),
      cmocka_unit_test(test_nesting),
      cmocka_unit_test(test_strings_are_quoted_only_when_needed),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_long_lines_are_folded),
      cmocka_unit_test(test_keys),
      cmocka_unit_test(test_a_full_buffer_is_reported),
      cmocka_unit_test(test_whatever_is_written_reads_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
