/* Tables: the text kubectl would print, the budget that is never exceeded, and what is said about the rest. */
#include "testing.h"

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/table.h"

#include "kube_mcp/base/banned.h"

#define MIB ((size_t)1024 * 1024)

static yyjson_val *json_of(struct km_arena *arena, const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, copy, strlen(copy), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s in %s", err.message, copy);
  }
  return yyjson_doc_get_root(doc);
}

static struct km_arena *arena;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(64 * MIB);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static const char *render(const struct km_table *table)
{
  struct km_buf out;
  km_buf_init(&out, 16 * MIB);
  assert_true(km_table_render(table, &out));
  const char *text = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return text;
}

static const char *groups(const struct km_table *table)
{
  struct km_buf out;
  km_buf_init(&out, MIB);
  assert_true(km_table_groups(table, &out));
  const char *text = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return text;
}

#define PODS                                                                                                 \
  "{'kind':'Table','columnDefinitions':[{'name':'Name','priority':0},{'name':'Ready','priority':0},"         \
  "{'name':'Status','priority':0},{'name':'Restarts','priority':0},{'name':'Age','priority':0},"             \
  "{'name':'IP','priority':1}],'rows':["                                                                     \
  "{'cells':['web-6d4b75cb6d-hx2vq','1/1','Running','0','5m','10.0.0.1'],"                                   \
  "'object':{'metadata':{'name':'web','namespace':'shop','labels':{'app':'web'}}}},"                         \
  "{'cells':['db-0','0/1','CrashLoopBackOff','17 (2m ago)','3d','<none>'],"                                  \
  "'object':{'metadata':{'name':'db-0','namespace':'payments','labels':{'tier':'x'}}}},"                     \
  "{'cells':['job-1','0/1','Completed',3,null,true],'object':{'metadata':{'namespace':'shop'}}}]}"

static void test_as_kubectl(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  assert_string_equal(render(table), "");
  assert_int_equal(km_table_add(table, json_of(arena, PODS), 0), 3);
  assert_string_equal(render(table), "NAME                   READY   STATUS             RESTARTS      AGE\n"
                                     "web-6d4b75cb6d-hx2vq   1/1     Running            0             5m\n"
                                     "db-0                   0/1     CrashLoopBackOff   17 (2m ago)   3d\n"
                                     "job-1                  0/1     Completed          3\n");
  assert_int_equal(km_table_shown(table), 3);
  assert_int_equal(km_table_left_out(table), 0);
  assert_string_equal(groups(table), "");
}

static void test_wide_namespaces_and_paths(void **state)
{
  (void)state;
  struct km_path *paths[2];
  struct km_error err;
  assert_int_equal(km_path_compile(arena, ".metadata.labels.app", &paths[0], &err), KM_OK);
  assert_int_equal(km_path_compile(arena, ".metadata.labels", &paths[1], &err), KM_OK);
  const struct km_path *const extra[] = {paths[0], paths[1]};
  const char *const headings[] = {"app", "all labels"};
  struct km_table_options options = {
      .wide = true, .namespace_column = true, .extra = extra, .extra_count = 2, .max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  assert_int_equal(km_table_add(table, json_of(arena, PODS), 1), 2);
  assert_string_equal(
      render(table),
      "NAMESPACE   NAME    READY   STATUS             RESTARTS      AGE   IP       APP      LABELS\n"
      "payments    db-0    0/1     CrashLoopBackOff   17 (2m ago)   3d    <none>   <none>   "
      "{\"tier\":\"x\"}\n"
      "shop        job-1   0/1     Completed          3                   true     <none>   <none>\n");
  options.extra_headings = headings;
  table = km_table_new(arena, &options);
  km_table_add(table, json_of(arena, PODS), 0);
  assert_contains(render(table), "   APP      ALL LABELS\n");
}

static void test_pages_share_columns(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  km_table_add(table,
               json_of(arena, "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'Age'}],"
                              "'rows':[{'cells':['a','1d']}]}"),
               0);
  /* The next page has other columns in another order; the server was upgraded in between. */
  km_table_add(table,
               json_of(arena,
                       "{'kind':'Table','columnDefinitions':[{'name':'New'},{'name':'AGE'},{'name':'Name'}],"
                       "'rows':[{'cells':['n','2d','a-longer-name']}]}"),
               0);
  /* And one comes as a plain List. */
  km_table_add(table, json_of(arena, "{'kind':'List','items':[{'metadata':{'name':'listed'}}]}"), 0);
  assert_string_equal(render(table), "NAME            AGE\n"
                                     "a               1d\n"
                                     "a-longer-name   2d\n"
                                     "listed          <unknown>\n");
}

static int64_t wall_now(void)
{
  int64_t now = 0;
  assert_true(km_rfc3339_parse("2026-01-02T03:04:05Z", 20, &now));
  return now;
}

static uint64_t mono_now(void)
{
  return 1;
}

static void test_lists_and_objects(void **state)
{
  (void)state;
  static const struct km_clock clock = {.monotonic_ns = mono_now, .wall_ms = wall_now};
  km_clock_install(&clock);
  struct km_table_options options = {.namespace_column = true, .max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  yyjson_val *list =
      json_of(arena, "{'kind':'ThingList','items':["
                     "{'metadata':{'name':'a','namespace':'x','creationTimestamp':'2026-01-02T03:00:05Z'}},"
                     "{'metadata':{'name':'b','creationTimestamp':'yesterday'}},{},5,null]}");
  assert_int_equal(km_table_add(table, list, 0), 5);
  assert_string_equal(render(table), "NAMESPACE   NAME   AGE\n"
                                     "x           a      4m\n"
                                     "            b      <unknown>\n"
                                     "                   <unknown>\n"
                                     "                   <unknown>\n"
                                     "                   <unknown>\n");
  options.namespace_column = false;
  table = km_table_new(arena, &options);
  yyjson_val *object =
      json_of(arena, "{'kind':'Thing','metadata':{'name':'a','creationTimestamp':'2026-01-01T00:00:00Z'}}");
  assert_int_equal(km_table_add(table, object, 0), 1);
  assert_string_equal(render(table), "NAME   AGE\na      27h\n");
  km_clock_install(NULL);
}

static void test_no_tables(void **state)
{
  (void)state;
  static const char *const texts[] = {"null",
                                      "5",
                                      "[]",
                                      "'x'",
                                      "{}",
                                      "{'kind':'Status'}",
                                      "{'kind':'Table'}",
                                      "{'kind':'Table','columnDefinitions':5}"};
  struct km_table_options options = {.max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  for (size_t i = 0; i < KM_ARRAY_LEN(texts); i++) {
    assert_int_equal(km_table_add(table, json_of(arena, texts[i]), 0), -1);
  }
  assert_int_equal(km_table_add(table, NULL, 0), -1);
  assert_string_equal(render(table), "");
}

static void test_strange_cells(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 65536};
  struct km_table *table = km_table_new(arena, &options);
  yyjson_val *root = json_of(
      arena,
      "{'kind':'Table','columnDefinitions':[{'name':'A'},{'name':5},{},{'name':'A'},{'name':'Mess\\nage'}],"
      "'rows':[{'cells':['x',1,2,'second','one\\n\\n  two\\tthree  ']},"
      "{'cells':[1.5,0,0,18446744073709551615,{'k':[1]}]},"
      "{'cells':[-3,0,0,123456789012345678901234567890,'\\u001b[31mred\\u001b[0m\\u202e \\u0007bell']},"
      "{'cells':'none'},{},7,{'cells':[1,2,3,4,5,6,7,8,9]}]}");
  assert_int_equal(km_table_add(table, root, 0), 7);
  assert_string_equal(render(table), "A     A                                MESS AGE\n"
                                     "x     second                           one two three\n"
                                     "1.5   18446744073709551615             {\"k\":[1]}\n"
                                     "-3    123456789012345678901234567890   red bell\n"
                                     "\n"
                                     "\n"
                                     "\n"
                                     "1     4                                5\n");
}

static void test_width_of_characters(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 65536};
  struct km_table *table = km_table_new(arena, &options);
  km_table_add(table,
               json_of(arena,
                       "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'X'}],'rows':["
                       "{'cells':['日本語','1']},{'cells':['Zürich','2']},{'cells':['abcdefgh','3']}]}"),
               0);
  assert_string_equal(render(table), "NAME       X\n"
                                     "日本語     1\n"
                                     "Zürich     2\n"
                                     "abcdefgh   3\n");
}

static void test_long_cells_are_cut(void **state)
{
  (void)state;
  char *text = km_arena_alloc(arena, 300000);
  size_t at = (size_t)snprintf(text, 300000,
                               "{'kind':'Table','columnDefinitions':[{'name':'A'}],'rows':[{'cells':['");
  memset(text + at, 'm', 200000);
  (void)snprintf(text + at + 200000, 300000 - at - 200000, "']}]}");
  struct km_table_options options = {.max_bytes = 65536};
  struct km_table *table = km_table_new(arena, &options);
  assert_int_equal(km_table_add(table, json_of(arena, text), 0), 1);
  const char *line = strchr(render(table), '\n') + 1;
  assert_int_equal(km_utf8_width(line, strcspn(line, "\n")), 512);
  assert_contains(line, "m\xE2\x80\xA6\n");
}

/* -- the budget --------------------------------------------------------------------------------------------------- */

static void test_budget_is_exact(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 4096};
  struct km_table *table = km_table_new(arena, &options);
  yyjson_val *root = json_of(arena, "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'Age'}],"
                                    "'rows':[{'cells':['a','1d']},{'cells':['b','2d']}]}");
  km_table_add(table, root, 0);
  size_t full = strlen(render(table));
  for (size_t max = 0; max <= full; max++) {
    options.max_bytes = max;
    table = km_table_new(arena, &options);
    int64_t shown = km_table_add(table, root, 0);
    const char *text = render(table);
    assert_true(strlen(text) <= max);
    assert_int_equal(shown, km_table_shown(table));
    assert_int_equal(shown + km_table_left_out(table), 2);
    assert_int_equal(shown == 2, max == full);
  }
}

static uint32_t random_state = 12345;

static uint32_t next_random(void)
{
  random_state = random_state * 1664525u + 1013904223u;
  return random_state >> 8;
}

static void put_random_text(struct km_buf *out)
{
  static const char *const pieces[] = {"a",          "bc", "日", "é",         " ",      "\\n",
                                       "\\u001b[1m", "-",  "0",  "e\xCC\x81", "\\u202e"};
  uint32_t len = next_random() % 4 == 0 ? next_random() % 60 : next_random() % 12;
  for (uint32_t i = 0; i < len; i++) {
    km_buf_puts(out, pieces[next_random() % KM_ARRAY_LEN(pieces)]);
  }
}

static yyjson_val *random_table(uint32_t columns, uint32_t rows)
{
  struct km_buf text;
  km_buf_init(&text, 4 * MIB);
  km_buf_puts(&text, "{\"kind\":\"Table\",\"columnDefinitions\":[");
  for (uint32_t c = 0; c < columns; c++) {
    km_buf_printf(&text, "%s{\"name\":\"C%u\",\"priority\":%u}", c > 0 ? "," : "", c, next_random() % 5 == 0);
  }
  km_buf_puts(&text, "],\"rows\":[");
  for (uint32_t r = 0; r < rows; r++) {
    km_buf_printf(&text, "%s{\"object\":{\"metadata\":{\"namespace\":\"n%u\"}},\"cells\":[", r > 0 ? "," : "",
                  next_random() % 20);
    for (uint32_t c = 0; c < columns; c++) {
      km_buf_puts(&text, c > 0 ? ",\"" : "\"");
      put_random_text(&text);
      km_buf_putc(&text, '"');
    }
    km_buf_puts(&text, "]}");
  }
  km_buf_puts(&text, "]}");
  yyjson_val *root = json_of(arena, text.data);
  km_buf_done(&text);
  return root;
}

static size_t count_lines(const char *text)
{
  size_t lines = 0;
  for (; *text != '\0'; text++) {
    lines += *text == '\n';
  }
  return lines;
}

/* Whatever the rows, the text fits, has one line per row shown, and every row is either shown or counted. */
static void test_budget_holds_for_random_tables(void **state)
{
  (void)state;
  for (int round = 0; round < 300; round++) {
    km_arena_free(arena);
    arena = km_arena_new(64 * MIB);
    uint32_t pages = 1 + next_random() % 3;
    struct km_table_options options = {.wide = next_random() % 2 == 0,
                                       .namespace_column = next_random() % 2 == 0,
                                       .max_rows = next_random() % 4 == 0 ? next_random() % 30 : 0,
                                       .max_bytes = next_random() % 6000};
    struct km_table *table = km_table_new(arena, &options);
    int64_t met = 0;
    uint32_t columns = 1 + next_random() % 9;
    for (uint32_t p = 0; p < pages; p++) {
      uint32_t rows = next_random() % 60;
      uint32_t skip = next_random() % 5 == 0 ? next_random() % 70 : 0;
      int64_t shown = km_table_add(table, random_table(columns, rows), skip);
      assert_in_range(shown, 0, rows);
      met += skip < rows ? rows - skip : 0;
    }
    const char *text = render(table);
    assert_true(strlen(text) <= options.max_bytes);
    assert_true(km_utf8_valid(text, strlen(text)));
    assert_int_equal(km_table_shown(table) + km_table_left_out(table), met);
    assert_true(options.max_rows == 0 || km_table_shown(table) <= options.max_rows);
    size_t lines = km_table_shown(table) > 0 ? 1 + (size_t)km_table_shown(table) : 0;
    assert_int_equal(count_lines(text), lines);
    assert_int_equal(groups(table)[0] != '\0', km_table_left_out(table) > 0 && options.namespace_column);
  }
}

/* A late row that widens a column may not make the rows before it outgrow the budget. */
static void test_late_wide_row(void **state)
{
  (void)state;
  struct km_buf text;
  km_buf_init(&text, MIB);
  km_buf_puts(&text, "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'Age'}],'rows':[");
  for (int i = 0; i < 50; i++) {
    km_buf_puts(&text, "{'cells':['a','1d']},");
  }
  km_buf_puts(&text, "{'cells':['");
  km_buf_fill(&text, 'w', 100);
  km_buf_puts(&text, "','1d']},{'cells':['b','1d']}]}");
  struct km_table_options options = {.max_bytes = 1000};
  struct km_table *table = km_table_new(arena, &options);
  assert_int_equal(km_table_add(table, json_of(arena, text.data), 0), 50);
  assert_int_equal(km_table_left_out(table), 2); /* the list goes on behind the first row left out */
  assert_true(strlen(render(table)) <= 1000);
  options.max_bytes = 10000;
  table = km_table_new(arena, &options);
  assert_int_equal(km_table_add(table, json_of(arena, text.data), 0), 52);
  km_buf_done(&text);
}

static void test_groups(void **state)
{
  (void)state;
  struct km_buf text;
  km_buf_init(&text, MIB);
  km_buf_puts(
      &text,
      "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'Ready'},{'name':'Status'}],'rows':[");
  for (int i = 0; i < 40; i++) {
    km_buf_printf(&text, "%s{'cells':['p','1/1','%s'],'object':{'metadata':{'namespace':'ns-%d'}}}",
                  i > 0 ? "," : "", i % 4 == 0 ? "Pending" : "Running", i % 10);
  }
  km_buf_puts(&text, ",{'cells':['p']}]}");
  struct km_table_options options = {.namespace_column = true, .max_bytes = 65536, .max_rows = 1};
  struct km_table *table = km_table_new(arena, &options);
  assert_int_equal(km_table_add(table, json_of(arena, text.data), 0), 1);
  assert_int_equal(km_table_left_out(table), 40);
  assert_string_equal(
      groups(table),
      "by namespace: ns-1 4, ns-2 4, ns-3 4, ns-4 4, ns-5 4, ns-6 4, ns-7 4, ns-8 4, others 8; "
      "by status: Running 30, Pending 9, <none> 1");
  km_buf_done(&text);
}

static void test_groups_by_what_there_is(void **state)
{
  (void)state;
  struct km_table_options options = {.max_bytes = 65536, .max_rows = 1};
  struct km_table *table = km_table_new(arena, &options);
  km_table_add(table,
               json_of(arena,
                       "{'kind':'Table','columnDefinitions':[{'name':'Name'},{'name':'Ready','priority':1}],"
                       "'rows':[{'cells':['a','3/3']},{'cells':['b','2/3']},{'cells':['c','2/3']}]}"),
               0);
  assert_string_equal(groups(table), "by ready: 2/3 2");
  table = km_table_new(arena, &options);
  km_table_add(table,
               json_of(arena, "{'kind':'Table','columnDefinitions':[{'name':'Name'}],"
                              "'rows':[{'cells':['a']},{'cells':['b']}]}"),
               0);
  assert_int_equal(km_table_left_out(table), 1);
  assert_string_equal(groups(table), "");
}

/* Ten thousand different states do not cost ten thousand counters. */
static void test_groups_are_bounded(void **state)
{
  (void)state;
  struct km_buf text;
  km_buf_init(&text, 4 * MIB);
  km_buf_puts(&text, "{'kind':'Table','columnDefinitions':[{'name':'Status'}],'rows':[{'cells':['first']}");
  for (int i = 0; i < 10000; i++) {
    km_buf_printf(&text, ",{'cells':['state-%d']}", i);
  }
  km_buf_puts(&text, "]}");
  struct km_table_options options = {.max_bytes = 65536, .max_rows = 1};
  struct km_table *table = km_table_new(arena, &options);
  km_table_add(table, json_of(arena, text.data), 0);
  km_buf_done(&text);
  assert_contains(groups(table), "by status: state-0 1, state-1 1, ");
  assert_contains(groups(table), ", others 9992");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_as_kubectl, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_wide_namespaces_and_paths, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_pages_share_columns, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_lists_and_objects, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_no_tables, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_strange_cells, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_width_of_characters, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_long_cells_are_cut, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_budget_is_exact, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_budget_holds_for_random_tables, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_late_wide_row, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_groups_by_what_there_is, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_groups_are_bounded, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
