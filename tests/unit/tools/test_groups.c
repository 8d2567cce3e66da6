/* Counting objects by the values of paths. */
#include "testing.h"

#include "../../../src/tools/groups.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static struct km_arena *arena;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(SIZE_MAX);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static struct groups *make(const char *const *texts, size_t count)
{
  struct km_path **paths = KM_ARENA_ARRAY(arena, struct km_path *, count);
  struct km_error err = {0};
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(km_path_compile(arena, texts[i], &paths[i], &err), KM_OK);
  }
  return groups_new(arena, paths, count);
}

static void add(struct groups *groups, const char *json)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  char *text = km_arena_strdup(arena, json);
  for (char *c = text; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  assert_int_equal(km_json_parse(arena, text, strlen(text), KM_JSON_MAX_DEPTH, &doc, &err), KM_OK);
  groups_add(groups, yyjson_doc_get_root(doc));
}

static const char *shown(struct groups *groups, size_t paths)
{
  size_t count = 0;
  const struct group *sorted = groups_sorted(groups, &count);
  char *text = km_arena_strdup(arena, "");
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < paths; j++) {
      text = km_arena_printf(arena, "%s%s,", text, sorted[i].values[j]);
    }
    text = km_arena_printf(arena, "%s%d ", text, (int)sorted[i].count);
  }
  return text;
}

static void test_values_of_one_path(void **state)
{
  (void)state;
  static const char *const paths[] = {".c[*].image"};
  struct groups *groups = make(paths, 1);
  add(groups, "{'c':[{'image':'web'},{'image':'web'},{'image':'log'}]}"); /* counts once for web */
  add(groups, "{'c':[{'image':'web'}]}");
  add(groups, "{'c':[]}");
  add(groups, "{'c':[{'image':null},{'image':7},{'image':{'a':1}}]}");
  assert_string_equal(shown(groups, 1), "<none>,2 web,2 7,1 log,1 {\"a\":1},1 ");
  assert_int_equal(groups_uncounted(groups), 0);
}

static void test_combinations_of_paths(void **state)
{
  (void)state;
  static const char *const paths[] = {".a[*]", ".b"};
  struct groups *groups = make(paths, 2);
  add(groups, "{'a':['x','y'],'b':'1'}");
  add(groups, "{'a':['x'],'b':'1'}");
  add(groups, "{'a':['x'],'b':'2'}");
  assert_string_equal(shown(groups, 2), "x,1,2 x,2,1 y,1,1 ");
}

static void test_values_are_one_clean_line(void **state)
{
  (void)state;
  static const char *const paths[] = {".a"};
  struct groups *groups = make(paths, 1);
  add(groups, "{'a':'two\\nlines\\u001b[31m'}");
  const char *text = shown(groups, 1);
  assert_null(strpbrk(text, "\n\x1b"));
  assert_non_null(strstr(text, "two lines"));
}

static void test_long_values_are_told_apart(void **state)
{
  (void)state;
  static const char *const paths[] = {".a"};
  struct groups *groups = make(paths, 1);
  char *text = km_arena_alloc(arena, 5001);
  memset(text, 'x', 5000);
  for (int i = 0; i < 3; i++) {
    text[4999] = (char)('0' + i % 2);
    add(groups, km_arena_printf(arena, "{'a':'%s'}", text));
  }
  size_t count = 0;
  const struct group *sorted = groups_sorted(groups, &count);
  assert_int_equal(count, 2);
  assert_int_equal(sorted[0].count, 2);
  assert_non_null(strstr(sorted[0].values[0], "(5000 bytes, fingerprint "));
}

static void test_what_finds_no_room_is_said(void **state)
{
  (void)state;
  static const char *const paths[] = {".a"};
  struct groups *groups = make(paths, 1);
  for (int i = 0; i < 10007; i++) {
    add(groups, km_arena_printf(arena, "{'a':%d}", i));
  }
  size_t count = 0;
  (void)groups_sorted(groups, &count);
  assert_int_equal(count, 10000);
  assert_int_equal(groups_uncounted(groups), 7);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_of_one_path),         cmocka_unit_test(test_combinations_of_paths),
      cmocka_unit_test(test_values_are_one_clean_line),  cmocka_unit_test(test_long_values_are_told_apart),
      cmocka_unit_test(test_what_finds_no_room_is_said),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
