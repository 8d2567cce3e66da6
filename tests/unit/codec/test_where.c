/* km_where_*: what conditions hold for, which do not parse and what is said of them, and what a test costs. */
#include <time.h>

#include "kube_mcp/codec/where.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

/* 2026-01-02T03:04:05Z */
#define NOW_MS INT64_C(1767323045000)

static const char pod[] =
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\",\"labels\":{\"app\":\"web\","
    "\"app.kubernetes.io/"
    "name\":\"shop\",\"enabled\":\"true\",\"build\":\"007\",\"day\":\"2026-01-02\"},\"finalizers\":[],"
    "\"deletionTimestamp\":null,"
    "\"creationTimestamp\":\"2026-01-02T01:04:05Z\",\"generation\":3},"
    "\"spec\":{\"hostNetwork\":false,\"priority\":10,\"weight\":0.5,\"replicas\":3,\"containers\":["
    "{\"name\":\"web\",\"image\":\"nginx:1.25\",\"args\":[\"--port=80\",\"-v\"],\"resources\":{\"limits\":{"
    "\"memory\":\"1Gi\","
    "\"cpu\":\"500m\"}}},"
    "{\"name\":\"side\",\"image\":\"envoy:2\",\"resources\":{\"limits\":{\"memory\":\"64Mi\"}}},"
    "{\"name\":\"bare\",\"image\":null}]},"
    "\"status\":{\"phase\":\"Running\",\"readyReplicas\":2,\"podIP\":\"10.0.0.1\",\"containerStatuses\":["
    "{\"restartCount\":5,\"ready\":true},{\"restartCount\":0,\"ready\":false}],"
    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"PodScheduled\",\"status\":"
    "\"False\"}]}}";

static yyjson_val *parse(struct km_arena *arena, const char *json)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  return yyjson_doc_get_root(doc);
}

static struct km_where *compile(struct km_arena *arena, const char *text)
{
  struct km_where *where = NULL;
  struct km_error err = {0};
  if (km_where_compile(arena, text, NOW_MS, &where, &err) != KM_OK) {
    fail_msg("%s: %s (%s)", text, err.message, err.hint);
  }
  return where;
}

static bool holds(const char *text)
{
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_error err = {0};
  bool result = false;
  if (km_where_test(compile(arena, text), parse(arena, pod), &result, &err) != KM_OK) {
    fail_msg("%s: %s", text, err.message);
  }
  km_arena_free(arena);
  return result;
}

static void test_what_holds(void **state)
{
  (void)state;
  static const char *const cases[] = {
      /* text */
      ".metadata.labels.day = 2026-01-02",
      ".metadata.labels.day in ('2026-01-01', '2026-01-02')",
      ".status.phase = Running",
      "status.phase==Running",
      ".status.phase=\"Running\"",
      ".status.phase='Running'",
      ".status.phase != Pending",
      "\"Running\" = .status.phase",
      "{.status.phase} = Running",
      "$.status.phase = Running",
      ".metadata.name > web",
      ".metadata.name < x",
      ".metadata.labels['app.kubernetes.io/name'] = shop",
      "metadata.labels.app\\.kubernetes\\.io/name = shop",
      /* numbers and quantities */
      ".spec.priority = 10",
      ".spec.priority > 9",
      ".spec.priority >= 10",
      ".spec.priority < 1e2",
      ".spec.priority = \"10\"",
      "9 < .spec.priority",
      ".spec.weight = 500m",
      ".spec.weight > .4",
      ".spec.containers[0].resources.limits.memory = 1024Mi",
      ".spec.containers[*].resources.limits.memory > 512Mi",
      ".spec.containers[*].resources.limits.memory <= 64Mi",
      ".spec.containers[*].resources.limits.cpu = 0.5",
      ".metadata.labels.build = 7",
      ".metadata.labels.build = 007",
      /* truth */
      ".spec.hostNetwork = false",
      ".metadata.labels.enabled = true",
      ".metadata.labels.enabled = \"true\"",
      ".status.conditions[?(@.type==\"Ready\")].status = True",
      ".status.conditions[?(@.type == 'Ready')].status = true",
      ".status.containerStatuses[*].ready = false",
      ".spec.hostNetwork != true",
      /* time */
      ".metadata.creationTimestamp > now-3h",
      ".metadata.creationTimestamp < now - 1h30m",
      ".metadata.creationTimestamp < now -1h",
      ".metadata.creationTimestamp < now",
      "now-1d < .metadata.creationTimestamp",
      ".metadata.creationTimestamp < NOW + 1h",
      ".metadata.creationTimestamp > 2026-01-02",
      ".metadata.creationTimestamp = 2026-01-02T02:04:05+01:00",
      ".metadata.creationTimestamp > \"2026-01-02T01:04:04Z\"",
      /* any value, no value */
      ".status.containerStatuses[*].restartCount > 3",
      "not .status.containerStatuses[*].restartCount > 5",
      ".status.containerStatuses[*].restartCount != 7",
      ".spec.none != x",
      ".spec.none !~ x",
      ".spec.none not in (x)",
      ".spec.none not contains x",
      ".spec.none = null",
      ".metadata.deletionTimestamp = null",
      ".status.phase != null",
      ".spec.none in (a, null)",
      /* existence */
      ".metadata.deletionTimestamp not exists",
      "not exists .metadata.deletionTimestamp",
      "exists .spec.priority",
      "exists(.spec.priority)",
      "! exists .spec.none",
      "!exists(.spec.none)",
      ".metadata.finalizers exists",
      ".spec.priority EXISTS",
      "status.phase exists",
      /* lists */
      ".metadata.namespace in (shop, checkout)",
      ".metadata.namespace in ('shop')",
      ".metadata.namespace not in (a,b)",
      ".spec.priority in (1, 10)",
      ".spec.containers[*].name in (side)",
      /* contains */
      ".metadata.name contains eb-",
      ".spec.containers[*].args contains -v",
      ".metadata.labels contains app",
      ".metadata.labels contains \"app.kubernetes.io/name\"",
      ".spec.priority contains 1",
      ".metadata.name contains \"\"",
      ".spec.containers[*].args contains \"--port=80\"",
      ".metadata.name not contains api",
      ".metadata.name contains .metadata.labels.app",
      /* regular expressions */
      ".metadata.name =~ ^web-",
      ".metadata.name matches \"^(web|api)-\\d+$\"",
      ".metadata.name !~ ^api",
      ".metadata.name =~ '(?i)WEB'",
      ".spec.containers[*].image =~ \":\\\\d\"",
      ".spec.containers[*].args =~ ^--port",
      ".spec.priority =~ ^1.$",
      ".spec.weight =~ 5$",
      ".metadata.name not matches api",
      /* two paths, counts */
      ".status.readyReplicas < .spec.replicas",
      ".metadata.generation = .spec.replicas",
      "count(.spec.containers) = 3",
      "count(.spec.containers[*]) = 3",
      "count(.spec.containers[*].args) = 2",
      "count (.spec.none) = 0",
      "count(.metadata.labels.*) >= 4",
      "COUNT(.metadata.finalizers) < 1",
      "3 = count(.spec.containers)",
      "count(.spec.containers) = .spec.replicas",
      ".spec.replicas = count(.spec.containers)",
      /* joining */
      ".status.phase = Running and .spec.priority > 3",
      ".status.phase = x or .spec.priority > 3",
      ".a = 1 and .b = 2 or .status.phase = Running",
      ".status.phase = Running or .a = 1 and .b = 2",
      "(.status.phase = Running or .a = 1) and not (.b = 2)",
      ".status.phase = Running && .spec.priority = 10 || .a = 1",
      "NOT .a = 1 AND .status.phase = Running",
      "!(.a = 1)",
      "!!(.status.phase = Running)",
      "not not .spec.priority = 10",
      /* arrays and objects as text */
      ".metadata.finalizers = \"[]\"",
      ".status.containerStatuses[1] = '{\"restartCount\":0,\"ready\":false}'",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (!holds(cases[i])) {
      fail_msg("does not hold: %s", cases[i]);
    }
  }
}

static void test_what_does_not_hold(void **state)
{
  (void)state;
  static const char *const cases[] = {
      ".status.phase = running",
      ".status.phase > 3",
      ".status.phase < 3",
      ".spec.priority > Running",
      ".spec.none > 1",
      ".spec.none = x",
      ".spec.none contains x",
      ".spec.none =~ x",
      ".spec.none = \"\"",
      ".spec.none < 1",
      ".spec.none = \"null\"",
      ".status.phase = null",
      ".status.containerStatuses[*].restartCount != 0",
      ".status.containerStatuses[*].restartCount not in (5, 9)",
      ".spec.containers[*].image !~ nginx",
      ".metadata.deletionTimestamp exists",
      "exists .spec.none",
      "not exists .spec.priority",
      ".spec.containers[2].image exists",
      ".metadata.creationTimestamp > now",
      ".metadata.creationTimestamp > now-1h",
      ".status.podIP = 10",
      ".status.podIP > 1",
      ".spec.containers[*].args contains -",
      ".metadata.labels contains web",
      ".spec.hostNetwork = true",
      ".metadata.name =~ ^WEB",
      "count(.spec.containers) > 3",
      ".metadata.namespace in (a, b)",
      ".status.phase = Running and .a = 1",
      ".a = 1 or .b = 1",
      "not .status.phase = Running",
      ".metadata.name > .status.readyReplicas",
      ".spec.none = .spec.neither",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    if (holds(cases[i])) {
      fail_msg("holds: %s", cases[i]);
    }
  }
}

static void test_what_does_not_parse(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message, *hint;
  } cases[] = {
      {"", "column 1: expected a test such as", ""},
      {"   ", "column 4: expected a test such as", ""},
      {".status.phase", "column 14: expected an operator", "a path alone is no test"},
      {".a = 1 and .b", "column 14: expected an operator", "`.a exists`"},
      {"(.a) = 1", "column 4: expected an operator", "a path alone is no test"},
      {".a =", "column 5: expected a value, but the condition ends", "an empty text is \"\""},
      {".a = and .b = 1", "column 6: expected a value, found 'and'", "exists"},
      {".a = )", "column 6: expected a value, found ')'", ""},
      {".a LIKE '%x%'", "column 4: expected an operator: =", "contains"},
      {".a is null", "column 4: expected an operator", "not exists"},
      {".a is not null", "column 4: expected an operator", "exists"},
      {".a <> 1", "column 4: there is no operator '<>'", "write !="},
      {".a === 1", "column 4: there is no operator '==='", "write ="},
      {".a => 1", "column 4: there is no operator '=>'", "write >="},
      {".a ~ x", "column 4: there is no operator '~'", "write =~"},
      {".a & .b", "column 4: there is no operator '&'", "write and"},
      {".a ?= 1", "column 4: expected an operator", ""},
      {".a startswith web", "column 4: expected an operator", "with ^"},
      {".a notin (x)", "column 4: expected an operator", "not in (a, b)"},
      {".a not = x", "column 8: expected in, exists, contains or matches after not, found '='", ""},
      {".a in x", "column 7: expected (, found 'x'", "round brackets"},
      {".a in [x, y]", "column 7: expected (", "round brackets"},
      {".a in ()", "column 8: expected a value, found ')'", ""},
      {".a in (x y)", "column 10: expected a comma or ), found 'y'", ""},
      {".a in (x", "column 9: expected a comma or ), but the condition ends", ""},
      {".a = b c", "column 8: expected and, or, or the end, found 'c'", "quotes"},
      {".a = 1)", "column 7: expected and, or, or the end, found ')'", ""},
      {"(.a = 1", "column 8: expected and, or, or the closing )", ""},
      {".a = \"x", "column 6: the quote is not closed", ""},
      {".a[0 = 1", "column 3: the bracket is not closed", ""},
      {"1 = 1", "column 1: this test reads no path", "without quotes"},
      {"'status.phase' = Running", "column 1: this test reads no path", "without quotes"},
      {".a = 1 and 2 in (2)", "column 12: this test reads no path", ""},
      {"5 exists", "column 1: this test reads no path", ""},
      {"count(.a) exists", "column 1: this test reads no path", ""},
      {"len(.a) > 1", "column 1: there is no function 'len'", "count(path)"},
      {"contains(.a, 'x')", "column 1: there is no function 'contains'", ".metadata.name contains web"},
      {".a = lower(x)", "column 6: there is no function 'lower'", "quotes"},
      {"count(3) > 1 and", "column 17: expected a test", ""},
      {"count('a') > 1", "column 7: expected a path to count, as in count(.spec.containers), found 'a'", ""},
      {"count(.a > 1", "column 10: expected ), found '>'", ""},
      {"exists 'x'", "column 8: expected a path after exists", ""},
      {".a =~ \"(b\"", "column 7: the regular expression: column 3: missing closing parenthesis", ""},
      {".a =~ ^(b|c)", "column 8: a regular expression with brackets needs quotes", "^(web|api)-"},
      {".a =~ .b and .c =~", "column 19: expected a regular expression", ""},
      {".a > true", "column 6: null, true and false have no order", "write = or !="},
      {".a <= null", "column 7: null, true and false have no order", ""},
      {".a > now-x", "column 6: 'x' is no duration", "now-1h30m"},
      {".a > now - ", "column 12: expected a duration", ""},
      {".a > now-9223372036854775807s", "column 6: ", ""},
      {"\xc3\xa9.b = 1 and .c..d = 2", "column 15: searching at any depth", ""},
      {".a = b\\", "column 7: nothing follows the backslash", ""},
      {".a[1:2] = 1", "column 5: ranges are not supported", ""},
      {".a = \xff", "not valid UTF-8", ""},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_arena *arena = km_arena_new(1 << 20);
    struct km_where *where = NULL;
    struct km_error err = {0};
    if (km_where_compile(arena, cases[i].text, NOW_MS, &where, &err) != KM_E_INVALID || where != NULL) {
      fail_msg("compiles: %s", cases[i].text);
    }
    if (strstr(err.message, cases[i].message) == NULL || strstr(err.hint, cases[i].hint) == NULL) {
      fail_msg("%s: %s (%s), not: %s (%s)", cases[i].text, err.message, err.hint, cases[i].message,
               cases[i].hint);
    }
    assert_int_equal(km_error_effective_type(&err), KM_TYPE_VALIDATION_ERROR);
    km_arena_free(arena);
  }
}

/* COUNT times PART, joined by SEPARATOR, between HEAD and TAIL. */
static enum km_rc compile_repeated(const char *head, const char *part, const char *separator, size_t count,
                                   const char *tail, struct km_error *err)
{
  struct km_buf text;
  km_buf_init(&text, 1 << 16);
  km_buf_puts(&text, head);
  for (size_t i = 0; i < count; i++) {
    km_buf_printf(&text, "%s%s", i == 0 ? "" : separator, part);
  }
  km_buf_puts(&text, tail);
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_where *where = NULL;
  enum km_rc rc = km_where_compile(arena, text.data, NOW_MS, &where, err);
  km_arena_free(arena);
  km_buf_done(&text);
  return rc;
}

static void test_bounds(void **state)
{
  (void)state;
  struct km_error err = {0};
  assert_int_equal(compile_repeated("", ".a = 1", " and ", 64, "", &err), KM_OK);
  assert_int_equal(compile_repeated("", ".a = 1", " and ", 65, "", &err), KM_E_INVALID);
  assert_contains(err.message, "column 705: more than 64 tests");
  assert_int_equal(compile_repeated("", "not", " ", 32, " .a = 1", &err), KM_OK);
  assert_int_equal(compile_repeated("", "not", " ", 33, " .a = 1", &err), KM_E_INVALID);
  assert_contains(err.message, "nested deeper than 32");
  assert_int_equal(compile_repeated("", "(", "", 33, ".a = 1", &err), KM_E_INVALID);
  assert_contains(err.message, "nested deeper than 32");
  assert_int_equal(compile_repeated(".a in (", "1", ",", 256, ")", &err), KM_OK);
  assert_int_equal(compile_repeated(".a in (", "1", ",", 257, ")", &err), KM_E_INVALID);
  assert_contains(err.message, "more than 256 values");
  assert_int_equal(compile_repeated(".a = ", "x", "", 4091, "", &err), KM_OK);
  assert_int_equal(compile_repeated(".a = ", "x", "", 4092, "", &err), KM_E_INVALID);
  assert_contains(err.message, "4097 bytes, more than 4096");
}

static void test_an_expensive_expression(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_error err = {0};
  bool result = false;
  struct km_where *where = compile(arena, ".a = 1 or .b =~ \"(x+)+$\"");
  yyjson_val *object = parse(arena, "{\"b\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!\"}");
  assert_int_equal(km_where_test(where, object, &result, &err), KM_E_INVALID);
  assert_contains(err.message, "'(x+)+$' is too expensive");
  km_arena_free(arena);
}

static void test_paths_that_are_never_found(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_where *where = compile(arena, ".a = 1 and (.b.c > 2 or .a = 3) and .d exists");
  struct km_error err = {0};
  bool result = false;
  size_t count = 0;
  const struct km_path *const *paths = km_where_paths(where, &count);
  assert_int_equal(count, 3);
  assert_string_equal(km_path_heading(paths[0]), "A");
  assert_string_equal(km_path_heading(paths[1]), "C");
  assert_string_equal(km_path_heading(paths[2]), "D");
  assert_null(km_where_never_found(where));
  assert_int_equal(km_where_test(where, parse(arena, "{}"), &result, &err), KM_OK);
  assert_string_equal(km_where_never_found(where), ".a");
  /* Also where the first test has decided: the second side's path is looked for all the same. */
  assert_int_equal(km_where_test(where, parse(arena, "{\"a\":2,\"d\":1}"), &result, &err), KM_OK);
  assert_string_equal(km_where_never_found(where), ".b.c");
  assert_int_equal(km_where_test(where, parse(arena, "{\"b\":{\"c\":3}}"), &result, &err), KM_OK);
  assert_null(km_where_never_found(where));
  km_arena_free(arena);
}

/* A test leaves no memory behind. */
static void test_needs_no_memory(void **state)
{
  (void)state;
  enum { ROUNDS = 1000 };
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_where *where =
      compile(arena, ".status.containerStatuses[*].restartCount > 7 or .metadata.namespace in (a, b) or "
                     ".spec.containers[*].resources.limits.memory > 2Gi");
  yyjson_val *object = parse(arena, pod);
  struct km_error err = {0};
  bool result = true;
  size_t used = km_arena_used(arena);
  for (int i = 0; i < ROUNDS; i++) {
    assert_int_equal(km_where_test(where, object, &result, &err), KM_OK);
    assert_false(result);
  }
  assert_int_equal(km_arena_used(arena), used);
  km_arena_free(arena);
}

static void test_paths_that_are_missing_where_order_matters(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 20);
  struct km_where *where = compile(arena, ".kind = x or .ready < .wanted");
  struct km_error err = {0};
  bool result = true;
  int64_t objects = 0;
  assert_int_equal(km_where_test(where, parse(arena, "{\"ready\":1,\"wanted\":2}"), &result, &err), KM_OK);
  assert_true(result);
  assert_null(km_where_often_missing(where, &objects)); /* .kind is missing, but not compared by order */
  assert_int_equal(km_where_test(where, parse(arena, "{\"wanted\":2}"), &result, &err), KM_OK);
  assert_false(result);
  assert_string_equal(km_where_often_missing(where, &objects), ".ready");
  assert_int_equal(objects, 1);
  where = compile(arena, ".ready < 2 or not exists .ready");
  assert_int_equal(km_where_test(where, parse(arena, "{}"), &result, &err), KM_OK);
  assert_true(result);
  assert_null(km_where_often_missing(where, &objects)); /* the question has thought of it */
  km_arena_free(arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_holds),
      cmocka_unit_test(test_what_does_not_hold),
      cmocka_unit_test(test_what_does_not_parse),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_an_expensive_expression),
      cmocka_unit_test(test_paths_that_are_never_found),
      cmocka_unit_test(test_paths_that_are_missing_where_order_matters),
      cmocka_unit_test(test_needs_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
