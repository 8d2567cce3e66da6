/* km_path_*: what paths select, in which order, how it is printed, and where a wrong path goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube_mcp/codec/path.h"

#include "kube_mcp/base/banned.h"

static const char pod[] =
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0\",\"labels\":{\"app\":\"web\",\"app.io/x\":\"y\","
    "\"it's\":\"q\"},\"annotations\":{\"note\":\"two\\nlines\\u001b[31m\"},\"deletionTimestamp\":null},"
    "\"spec\":{\"hostNetwork\":false,\"priority\":10,\"weight\":0.5,\"containers\":["
    "{\"name\":\"web\",\"image\":\"nginx:1\",\"ports\":[{\"containerPort\":80},{\"containerPort\":443}],"
    "\"tty\":true},"
    "{\"name\":\"side\",\"image\":\"envoy:2\",\"ports\":[{\"containerPort\":9901}]},"
    "{\"name\":\"bare\",\"image\":null}]},"
    "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"PodScheduled\"}]}}";

static yyjson_val *parse(struct km_arena *arena, const char *json)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  return yyjson_doc_get_root(doc);
}

static struct km_path *compile(struct km_arena *arena, const char *text)
{
  struct km_path *path = NULL;
  struct km_error err = {0};
  if (km_path_compile(arena, text, &path, &err) != KM_OK) {
    fail_msg("%s: %s", text, err.message);
  }
  return path;
}

static void assert_selects(const char *text, const char *expected)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_buf out;
  km_buf_init(&out, 4096);
  assert_true(km_path_format(compile(arena, text), parse(arena, pod), &out));
  if (strcmp(out.data, expected) != 0) {
    fail_msg("%s selects %s, not %s", text, out.data, expected);
  }
  km_buf_done(&out);
  km_arena_free(arena);
}

static void assert_refused(const char *text, const char *expected)
{
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_path *path = NULL;
  struct km_error err = {0};
  assert_int_equal(km_path_compile(arena, text, &path, &err), KM_E_INVALID);
  assert_null(path);
  if (strstr(err.message, expected) == NULL) {
    fail_msg("%s: \"%s\" is not in: %s", text, expected, err.message);
  }
  km_arena_free(arena);
}

static void test_members_and_items(void **state)
{
  (void)state;
  assert_selects(".metadata.name", "web-0");
  assert_selects("metadata.name", "web-0");
  assert_selects("$.metadata.name", "web-0");
  assert_selects("{.metadata.name}", "web-0");
  assert_selects(" { $.metadata.name } ", "web-0");
  assert_selects("@.kind", "Pod");
  assert_selects("['metadata']['name']", "web-0");
  assert_selects(".metadata[\"name\"]", "web-0");
  assert_selects(".metadata.labels['app.io/x']", "y");
  assert_selects(".metadata.labels.app\\.io/x", "y");
  assert_selects(".metadata.labels['it\\'s']", "q");
  assert_selects(".metadata.labels.*", "web,y,q");
  assert_selects(".spec.containers[*].image", "nginx:1,envoy:2,<none>");
  assert_selects(".spec.containers[0].image", "nginx:1");
  assert_selects(".spec.containers.[0].image", "nginx:1");
  assert_selects(".spec.containers[-2].name", "side");
  assert_selects(".spec.containers[ 1 ].ports[*].containerPort", "9901");
  assert_selects(".spec.containers[*].ports[*].containerPort", "80,443,9901");
  assert_selects("*.name", "web-0");
}

static void test_nothing_selected(void **state)
{
  (void)state;
  assert_selects(".metadata.namespace", "<none>");
  assert_selects(".metadata.name.further", "<none>");
  assert_selects(".spec.containers.image", "<none>");
  assert_selects(".spec.containers[3]", "<none>");
  assert_selects(".spec.containers[-4]", "<none>");
  assert_selects(".spec.containers[9223372036854775807]", "<none>");
  assert_selects(".spec.containers[-9223372036854775808]", "<none>");
  assert_selects(".metadata[0]", "<none>");
  assert_selects(".kind[*]", "<none>");
  assert_selects(".metadata[?(@.name)]", "<none>");
  assert_selects(".metadata.deletionTimestamp", "<none>");
  struct km_arena *arena = km_arena_new(1 << 16);
  struct km_buf out;
  km_buf_init(&out, 64);
  assert_true(km_path_format(compile(arena, ".a"), NULL, &out));
  assert_string_equal(out.data, "<none>");
  km_buf_done(&out);
  km_arena_free(arena);
}

static void test_filters(void **state)
{
  (void)state;
  assert_selects(".status.conditions[?(@.type==\"Ready\")].status", "True");
  assert_selects(".status.conditions[?( @.type == 'Ready' )].status", "True");
  assert_selects(".status.conditions[?(@['type']=='Ready')].status", "True");
  assert_selects(".spec.containers[?(@.name!=\"web\")].name", "side,bare");
  assert_selects(".spec.containers[?(@.tty)].name", "web");
  assert_selects(".spec.containers[?(@.tty==true)].name", "web");
  assert_selects(".spec.containers[?(@.tty!=true)].name", "<none>");
  assert_selects(".spec.containers[?(@.image==null)].name", "bare");
  assert_selects(".spec.containers[?(@.image!=null)].name", "web,side");
  assert_selects(".spec.containers[?(@.ports[0].containerPort>80)].name", "side");
  assert_selects(".spec.containers[?(@.ports[0].containerPort>=80)].name", "web,side");
  assert_selects(".spec.containers[?(@.ports[0].containerPort<9.9e3)].name", "web");
  assert_selects(".spec.containers[?(@.ports[0].containerPort<=-1)].name", "<none>");
  assert_selects(".spec.containers[?(@.name>\"side\")].name", "web");
  assert_selects(".spec.containers[?(@.name<=\"side\")].name", "side,bare");
  assert_selects(".metadata.labels[?(@.x)]", "<none>");
  /* no left side: not selected, whatever the operator */
  assert_selects(".status.conditions[?(@.status!=\"True\")].type", "<none>");
  /* types that differ are unequal and unordered */
  assert_selects(".spec.containers[?(@.name==1)].name", "<none>");
  assert_selects(".spec.containers[?(@.name!=1)].name", "web,side,bare");
  assert_selects(".spec.containers[?(@.name<1)].name", "<none>");
  assert_selects(".spec.containers[?(@.tty<=true)].name", "<none>");
}

static bool count_up(yyjson_val *val, void *data)
{
  (void)val;
  int *count = data;
  return ++*count < 2;
}

static void test_evaluation_stops_when_told(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  int count = 0;
  km_path_eval(compile(arena, ".spec.containers[*].ports[*]"), parse(arena, pod), count_up, &count);
  assert_int_equal(count, 2);
  km_arena_free(arena);
}

static void test_formatting(void **state)
{
  (void)state;
  assert_selects(".spec.hostNetwork", "false");
  assert_selects(".spec.priority", "10");
  assert_selects(".spec.weight", "0.5");
  assert_selects(".status.conditions",
                 "[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"PodScheduled\"}]");
  assert_selects(".metadata.annotations.note", "two lines");
  struct km_arena *arena = km_arena_new(1 << 16);
  yyjson_val *root = parse(arena, "{\"a\":1}");
  static const char *const whole[] = {".", "$", "{}", "{.}", "@", "{ $ }"};
  for (size_t i = 0; i < KM_ARRAY_LEN(whole); i++) {
    struct km_buf out;
    km_buf_init(&out, 64);
    assert_true(km_path_format(compile(arena, whole[i]), root, &out));
    assert_string_equal(out.data, "{\"a\":1}");
    km_buf_done(&out);
  }
  struct km_buf out;
  km_buf_init(&out, 4);
  assert_false(km_path_format(compile(arena, "."), root, &out));
  assert_true(out.failed);
  km_buf_done(&out);
  km_arena_free(arena);
}

static void test_headings(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(1 << 16);
  assert_string_equal(km_path_heading(compile(arena, ".spec.containers[*].image")), "IMAGE");
  assert_string_equal(km_path_heading(compile(arena, ".spec.containers[*]")), "CONTAINERS");
  assert_string_equal(km_path_heading(compile(arena, ".metadata.labels['app.io/x']")), "APP.IO/X");
  assert_string_equal(km_path_heading(compile(arena, ".spec.ports[?(@.name==\"web\")]")), "PORTS");
  assert_string_equal(km_path_heading(compile(arena, "$")), "VALUE");
  assert_string_equal(km_path_heading(compile(arena, ".a['']")), "A");
  km_arena_free(arena);
}

static void test_wrong_paths_are_refused_where_they_are_wrong(void **state)
{
  (void)state;
  assert_refused("", "column 1: the path is empty");
  assert_refused("  ", "column 3: the path is empty");
  assert_refused("..name", "column 1: searching at any depth");
  assert_refused(".items..name", "column 7: searching at any depth");
  assert_refused(".a.", "column 4: expected the name");
  assert_refused(".a b", "column 4: expected a step");
  assert_refused("{.a", "column 4: expected a step such as .name or [0], or the closing }");
  assert_refused("{.a} {.b}", "column 6: expected a step");
  assert_refused(".a[", "column 4: expected *, a number");
  assert_refused(".a[b]", "column 4: expected *, a number");
  assert_refused(".a[1.5]", "column 4: expected *, a number");
  assert_refused(".a[0", "column 5: expected ]");
  assert_refused(".a[0:2]", "column 5: ranges are not supported");
  assert_refused(".a['b','c']", "column 7: several names");
  assert_refused(".a['b]", "column 4: the quote is not closed");
  assert_refused(".a['b\\", "column 4: the quote is not closed");
  assert_refused(".a\\", "column 4: nothing follows the backslash");
  assert_refused("$name", "column 2: expected a step");
  assert_refused(".\xc3\xa9\xc3\xa9[", "column 5: expected *, a number");
  assert_refused(".\xff", "not valid UTF-8");
  assert_refused(".a['b\n']", "column 6: a control character");
  assert_refused(".a[?@.b]", "column 5: a filter is written");
  assert_refused(".a[?(b)]", "column 6: the left side of a filter begins with @");
  assert_refused(".a[?(@.b=1)]", "column 9: expected ==");
  assert_refused(".a[?(@.b=~'x')]", "column 9: expected ==");
  assert_refused(".a[?(@.b==)]", "column 11: compare with");
  assert_refused(".a[?(@.b==x)]", "column 11: compare with");
  assert_refused(".a[?(@.b==1 && @.c)]", "column 13: a filter holds one comparison");
  assert_refused(".a[?(@.b[?(@.c)])]", "column 10: a filter within a filter");
  assert_refused(".a[?(@.b==\"x\"]", "column 14: expected ==");
  assert_refused(".a[?(@.b)", "column 10: expected ]");
  assert_refused(".a[99999999999999999999]", "column 4: expected *, a number");
}

static void test_bounds(void **state)
{
  (void)state;
  char text[1200];
  memset(text, 'a', sizeof(text));
  text[sizeof(text) - 1] = '\0';
  assert_refused(text, "the path has 1199 bytes");
  for (size_t i = 0; i < 33; i++) {
    memcpy(text + 2 * i, ".a", 2);
  }
  text[66] = '\0';
  assert_refused(text, "column 65: more than 32 steps");
  text[64] = '\0';
  struct km_arena *arena = km_arena_new(1 << 16);
  compile(arena, text);
  km_arena_free(arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members_and_items),
      cmocka_unit_test(test_nothing_selected),
      cmocka_unit_test(test_filters),
      cmocka_unit_test(test_evaluation_stops_when_told),
      cmocka_unit_test(test_formatting),
      cmocka_unit_test(test_headings),
      cmocka_unit_test(test_wrong_paths_are_refused_where_they_are_wrong),
      cmocka_unit_test(test_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
