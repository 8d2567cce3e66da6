/* km_yaml_parse: scalars typed as Kubernetes types them, merges, aliases, documents, and what is refused
 * where. The expectations were taken from sigs.k8s.io/yaml; where ours differ on purpose, the test says
 * so. */
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

/* Parses YAML and compares the array of its documents, as compact JSON. */
static void assert_reads_len(const char *yaml, size_t len, const char *json)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_yaml_parse(arena, yaml, len, "test", &km_yaml_default_limits, &doc, &err) != KM_OK) {
    fail_msg("%s\n%s", yaml, err.message);
  }
  struct km_buf out;
  km_buf_init(&out, MAX_OUT);
  assert_true(km_json_write_val(yyjson_doc_get_root(doc), false, &out));
  if (strcmp(out.data, json) != 0) {
    fail_msg("%s\nread as   %s\ninstead of %s", yaml, out.data, json);
  }
  km_buf_done(&out);
  km_arena_free(arena);
}

static void assert_reads(const char *yaml, const char *json)
{
  assert_reads_len(yaml, strlen(yaml), json);
}

static void assert_refused_with(const char *yaml, size_t len, const struct km_yaml_limits *limits,
                                enum km_rc code, const char *expected)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  enum km_rc rc = km_yaml_parse(arena, yaml, len, "test", limits, &doc, &err);
  if (rc != code || err.code != code || doc != NULL) {
    fail_msg("%.200s\ngave %d (%s)", yaml, (int)rc, err.message);
  }
  if (strstr(err.message, expected) == NULL) {
    fail_msg("%.200s\n\"%s\" is not in: %s", yaml, expected, err.message);
  }
  km_arena_free(arena);
}

static void assert_refused(const char *yaml, const char *expected)
{
  assert_refused_with(yaml, strlen(yaml), &km_yaml_default_limits, KM_E_INVALID, expected);
}

static void test_scalars_are_typed_as_kubernetes_does(void **state)
{
  (void)state;
  static const struct {
    const char *scalar;
    const char *json;
  } cases[] = {
      /* words */
      {"true", "true"},
      {"True", "true"},
      {"TRUE", "true"},
      {"tRUE", "\"tRUE\""},
      {"yes", "true"},
      {"on", "true"},
      {"y", "true"},
      {"Y", "true"},
      {"no", "false"},
      {"Off", "false"},
      {"n", "false"},
      {"NO", "false"},
      {"'yes'", "\"yes\""},
      {"\"no\"", "\"no\""},
      {"null", "null"},
      {"~", "null"},
      {"", "null"},
      {"NULL", "null"},
      {"nULL", "\"nULL\""},
      {"''", "\"\""},
      /* integers */
      {"0", "0"},
      {"-0", "0"},
      {"+12", "12"},
      {"0x1F", "31"},
      {"-0x1f", "-31"},
      {"0o17", "15"},
      {"017", "15"},
      {"0b11", "3"},
      {"1_000", "1000"},
      {"1__0_", "10"},
      {"_1", "\"_1\""},
      {"0x", "\"0x\""},
      {"0xg", "\"0xg\""},
      {"1a", "\"1a\""},
      {"-x", "\"-x\""},
      {"--1", "\"--1\""},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"0xffffffffffffffff", "18446744073709551615"},
      {"0xffffffffffffffffff", "\"0xffffffffffffffffff\""},
      /* exact where sigs.k8s.io/yaml loses digits */
      {"18446744073709551616", "18446744073709551616"},
      {"-12345678901234567890", "-12345678901234567890"},
      {"+123_456_789_012_345_678_901_234", "123456789012345678901234"},
      /* floats: whole ones are integers, as Kubernetes' JSON encoder prints them */
      {"0.5", "0.5"},
      {".5", "0.5"},
      {"+.5", "0.5"},
      {"-1_0.5", "-10.5"},
      {".5_0", "0.5"},
      {"._5", "\"._5\""},
      {"1.", "1"},
      {"1.0", "1"},
      {"1e3", "1000"},
      {"1.5e+3", "1500"},
      {"08", "8"},
      {"0777777777777777777777777", "7.777777777777778e23"},
      {"1e400", "\"1e400\""},
      {"1e", "\"1e\""},
      {".", "\".\""},
      {"1.2.3", "\"1.2.3\""},
      {"'.inf'", "\".inf\""},
      /* neither */
      {"2001-01-01", "\"2001-01-01\""},
      {"2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
      {"190:20:30", "\"190:20:30\""},
      {"<<", "\"<<\""},
      {"=", "\"=\""},
      {"a b  c", "\"a b  c\""},
      {"http://x:80/y#z", "\"http://x:80/y#z\""},
      /* tags */
      {"!!str 12", "\"12\""},
      {"! 12", "\"12\""},
      {"!!int \"3\"", "3"},
      {"!!float 3", "3"},
      {"!!bool yes", "true"},
      {"!!null ''", "null"},
      {"!!timestamp 2001-01-01", "\"2001-01-01\""},
      {"!!map {}", "{}"},
      {"!!seq []", "[]"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char *yaml = NULL;
    char *json = NULL;
    assert_true(asprintf(&yaml, "k: %s\n", cases[i].scalar) > 0);
    assert_true(asprintf(&json, "[{\"k\":%s}]", cases[i].json) > 0);
    assert_reads(yaml, json);
    free(yaml);
    free(json);
  }
}

static void test_keys_become_strings(void **state)
{
  (void)state;
  assert_reads("yes: 1\n0x10: 2\n1.5: 3\n'~': 4\n2001-01-01: 5\n!!str 7: 6\n-1: 7\n",
               "[{\"true\":1,\"16\":2,\"1.5\":3,\"~\":4,\"2001-01-01\":5,\"7\":6,\"-1\":7}]");
  assert_reads("3.14159265358979: a\n18446744073709551616: b\n1e-9: c\n",
               "[{\"3.1415927\":\"a\",\"18446744073709551616\":\"b\",\"1e-09\":\"c\"}]");
  assert_reads("? long\n: v\n? |\n  a\n  b\n: w\n", "[{\"long\":\"v\",\"a\\nb\\n\":\"w\"}]");
  assert_reads("{a, b: }", "[{\"a\":null,\"b\":null}]");
  assert_reads("&k key: *k\n", "[{\"key\":\"key\"}]");
  assert_refused("ok: 1\n~: 1\n", "test:2:1: a key must be");
  assert_refused("[a]: 1\n", "test:1:1: a key must be");
  assert_refused("a: {{ .Values.x }}\n", "test:1:5: a key must be");
}

static void test_strings_in_every_style(void **state)
{
  (void)state;
  assert_reads("a: |\n  x\n   y\n\n", "[{\"a\":\"x\\n y\\n\"}]");
  assert_reads("a: |-\n  x\n", "[{\"a\":\"x\"}]");
  assert_reads("a: |+\n  x\n\n", "[{\"a\":\"x\\n\\n\"}]");
  assert_reads("a: >\n  x\n  y\n\n  z\n", "[{\"a\":\"x y\\nz\\n\"}]");
  assert_reads("a: 'it''s\n  here'\n", "[{\"a\":\"it's here\"}]");
  assert_reads("a: \"t\\t\\x41\\u00e9\\\"\\\n  b\"\n", "[{\"a\":\"t\\tA\xc3\xa9\\\"b\"}]");
  assert_reads("a: plain\n  goes on\n", "[{\"a\":\"plain goes on\"}]");
  assert_reads("a: \"x\\0y\"\n", "[{\"a\":\"x\\u0000y\"}]");
  assert_reads("a: 12 # twelve\n", "[{\"a\":12}]");
}

static void test_documents(void **state)
{
  (void)state;
  assert_reads("", "[]");
  assert_reads_len(NULL, 0, "[]");
  assert_reads("# nothing\n", "[]");
  assert_reads("---\n---\na: 1\n---\n# empty\n---\n- 2\n...\n", "[{\"a\":1},[2]]");
  assert_reads("text", "[\"text\"]");
  assert_reads("%YAML 1.2\n---\na: 1\n", "[{\"a\":1}]");
  assert_reads("\xef\xbb\xbf"
               "a: 1\r\nb: 2\r\n",
               "[{\"a\":1,\"b\":2}]");
  static const char utf16[] = "\xff\xfe"
                              "a\0:\0 \0\xe9\0\n";
  assert_reads_len(utf16, sizeof(utf16), "[{\"a\":\"\xc3\xa9\"}]");
  /* an anchor ends with its document */
  assert_refused("a: &x 1\n---\nb: *x\n", "test:3:4: no anchor &x");
}

static void test_json_is_yaml(void **state)
{
  (void)state;
  assert_reads("{\"a\":[1,\"\\ud83d\\ude00\\/\",null,1.0,1.5]}",
               "[{\"a\":[1,\"\xf0\x9f\x98\x80/\",null,1,1.5]}]");
  assert_reads("\n\t[123456789012345678901234567890]\n", "[[123456789012345678901234567890]]");
  assert_reads("{a: 1, 'b': [x, z,],}", "[{\"a\":1,\"b\":[\"x\",\"z\"]}]");
  assert_reads("{\"a\": 1}\n---\n{\"b\": 2}\n", "[{\"a\":1},{\"b\":2}]");
  assert_refused("{\"a\": 1,\n \"a\": 2}", "test:2:2: the key \"a\" is given twice");
}

static void test_aliases_and_merges(void **state)
{
  (void)state;
  assert_reads("a: &x {k: [1, 2]}\nb: *x\nc: *x\n",
               "[{\"a\":{\"k\":[1,2]},\"b\":{\"k\":[1,2]},\"c\":{\"k\":[1,2]}}]");
  assert_reads("- &x 1\n- &x 2\n- *x\n", "[[1,2,2]]");
  assert_reads("base: &b {w: 1, x: 2}\nd: {<<: *b, x: 3, z: 4}\n",
               "[{\"base\":{\"w\":1,\"x\":2},\"d\":{\"w\":1,\"x\":3,\"z\":4}}]");
  assert_reads("{<<: [{a: 1}, {a: 2, b: 3}], c: 4}", "[{\"a\":1,\"b\":3,\"c\":4}]");
  /* a merge after the key replaces its value, as in the Kubernetes library */
  assert_reads("{a: 1, <<: {a: 2}}", "[{\"a\":2}]");
  assert_reads("{'<<': 1}", "[{\"<<\":1}]");
  assert_reads("m: {<<: &i {a: 1}}\no: *i\n", "[{\"m\":{\"a\":1},\"o\":{\"a\":1}}]");
  assert_refused("a: {<<: 1}", "test:1:5: the merge key");
  assert_refused("a: {<<: [{b: 1}, 2]}", "test:1:5: the merge key");
  assert_refused("a: *nobody", "test:1:4: no anchor &nobody");
  assert_refused("a: &x [1, *x]", "test:1:11: the anchor &x contains itself");
}

static void test_duplicate_keys_are_refused(void **state)
{
  (void)state;
  assert_refused("a: 1\nb: 2\na: 3\n", "test:3:1: the key \"a\" is given twice");
  assert_refused("x:\n  z: 1\n  z: 1\n", "test:3:3: the key \"z\"");
  assert_refused("1: a\n'1': b\n", "test:2:1: the key \"1\"");
  assert_refused("{<<: {a: 1}, a: 2, a: 3}", "test:1:20: the key \"a\"");
  assert_refused("\"k\\e[31m\": 1\n\"k\\e[31m\": 2\n", "the key \"k\" is given");

  /* the second of many, in a mapping too large for anything quadratic */
  size_t cap = 1 << 20;
  char *yaml = malloc(cap);
  size_t len = 0;
  for (int i = 0; i < 50000; i++) {
    len += (size_t)snprintf(yaml + len, cap - len, "key%d: 1\n", i);
  }
  snprintf(yaml + len, cap - len, "key777: 2\n");
  assert_refused(yaml, "test:50001:1: the key \"key777\"");
  free(yaml);
}

static void test_syntax_errors_say_where(void **state)
{
  (void)state;
  assert_refused("a: b: c\n", "test:1:5: mapping values are not allowed");
  assert_refused("a:\n\t- b\n", "test:2:1: found character that cannot start any token");
  assert_refused("a: [1,\n  2\n", "that began in line 1");
  assert_refused("a: \"open\n", "quoted scalar");
  assert_refused("a: 1\n b: 2\n", "test:2:3");
  assert_refused("a: \xff\n", "test:1:4: not readable as text");
  assert_refused("a: b\nc: \x01\n", "test:2:4: not readable as text: control characters");
  assert_refused("a: .inf\n", "test:1:4: JSON has no infinity");
  assert_refused("- .NaN\n", "test:1:3: JSON has no");
  assert_refused("a: !!binary aGk=\n", "test:1:4: the tag !!binary");
  assert_refused("a: !vault x\n", "test:1:4: the tag !vault");
  assert_refused("a: !!set {b}\n", "test:1:4: the tag !!set");
  assert_refused("a: !!map x\n", "the tag !!map");
  assert_refused("a: !!str [x]\n", "the tag !!str");
  assert_refused("a: !!int 1.5\n", "test:1:4: the value is not a !!int");
  assert_refused("a: !!bool secret\n", "test:1:4: the value is not a !!bool");
}

static void test_values_never_appear_in_messages(void **state)
{
  (void)state;
  static const char *const texts[] = {"a: !!int s3cr3t\n", "token: \"s3cr3t\n", "a: s3cr3t: x\n",
                                      "a: [s3cr3t\n"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct km_arena *arena = km_arena_new(4096);
    yyjson_doc *doc = NULL;
    struct km_error err = {0};
    assert_int_equal(
        km_yaml_parse(arena, texts[i], strlen(texts[i]), "t", &km_yaml_default_limits, &doc, &err),
        KM_E_INVALID);
    assert_null(strstr(err.message, "s3cr3t"));
    assert_null(strstr(err.hint, "s3cr3t"));
    km_arena_free(arena);
  }
}

static void test_limits(void **state)
{
  (void)state;
  struct km_yaml_limits limits = {.max_depth = 3, .max_nodes = 11, .max_bytes = 64};
  const char *deep = "a: {b: {c: [1]}}";
  assert_refused_with(deep, strlen(deep), &limits, KM_E_TOO_LARGE, "test:1:12: nested deeper than 3");
  const char *deep_alias = "a: &x {b: {}}\nc: [[*x]]\n";
  assert_refused_with(deep_alias, strlen(deep_alias), &limits, KM_E_TOO_LARGE,
                      "test:2:6: nested deeper than 3");
  const char *deep_json = "[[[[1]]]]";
  assert_refused_with(deep_json, strlen(deep_json), &limits, KM_E_TOO_LARGE, "nested deeper than 3");
  const char *many = "[1,2,3,4,5,6,7,8,9,10,11]";
  assert_refused_with(many, strlen(many), &limits, KM_E_TOO_LARGE, "test:1:23: more than 11 nodes");
  const char *copies = "a: &x [1,2]\nb: [*x,*x]\n";
  assert_refused_with(copies, strlen(copies), &limits, KM_E_TOO_LARGE, "test:2:8: more than 11 nodes");
  const char *text = "- &x 12345678901234567890\n- [*x,*x]\n- *x";
  assert_refused_with(text, strlen(text), &limits, KM_E_TOO_LARGE, "test:3:3: more than 64 bytes of text");
  char large[65];
  memset(large, 'x', sizeof(large));
  assert_refused_with(large, sizeof(large), &limits, KM_E_TOO_LARGE, "65 bytes are more than the 64");
  limits.max_depth = 4;
  limits.max_nodes = 12;
  struct km_arena *arena = km_arena_new(4096);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(km_yaml_parse(arena, many, strlen(many), "t", &limits, &doc, &err), KM_OK);
  assert_int_equal(km_yaml_parse(arena, deep, strlen(deep), "t", &limits, &doc, &err), KM_OK);
  km_arena_free(arena);
}

/* Each line ten times the one before: 10^11 nodes from 400 bytes. */
static void test_alias_bombs_are_refused_at_once(void **state)
{
  (void)state;
  struct km_buf bomb;
  km_buf_init(&bomb, 4096);
  km_buf_puts(&bomb, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
  for (int c = 'b'; c <= 'k'; c++) {
    km_buf_printf(&bomb, "%c: &%c [", c, c);
    for (int i = 0; i < 10; i++) {
      km_buf_printf(&bomb, "*%c,", c - 1);
    }
    km_buf_puts(&bomb, "]\n");
  }
  assert_refused_with(bomb.data, bomb.len, &km_yaml_default_limits, KM_E_TOO_LARGE,
                      "more than 1000000 nodes");
  km_buf_done(&bomb);

  km_buf_init(&bomb, (size_t)1 << 21);
  km_buf_puts(&bomb, "- &a ");
  km_buf_fill(&bomb, 'x', 1000000);
  for (int i = 0; i < 20; i++) {
    km_buf_puts(&bomb, "\n- *a");
  }
  assert_refused_with(bomb.data, bomb.len, &km_yaml_default_limits, KM_E_TOO_LARGE, "bytes of text");
  km_buf_done(&bomb);

  km_buf_init(&bomb, (size_t)1 << 22);
  for (int i = 0; i < 200000; i++) {
    km_buf_printf(&bomb, "%%TAG !%x! x\n", (unsigned)i);
  }
  assert_refused_with(bomb.data, bomb.len, &km_yaml_default_limits, KM_E_TOO_LARGE, "%TAG");
  km_buf_done(&bomb);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars_are_typed_as_kubernetes_does),
      cmocka_unit_test(test_keys_become_strings),
      cmocka_unit_test(test_strings_in_every_style),
      cmocka_unit_test(test_documents),
      cmocka_unit_test(test_json_is_yaml),
      cmocka_unit_test(test_aliases_and_merges),
      cmocka_unit_test(test_duplicate_keys_are_refused),
      cmocka_unit_test(test_syntax_errors_say_where),
      cmocka_unit_test(test_values_never_appear_in_messages),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_alias_bombs_are_refused_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
