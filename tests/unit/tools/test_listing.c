/* Listings through the tools: what is shown, what is left out, and where they go on. */
#include "tools/fixture.h"

#include "kube_mcp/base/banned.h"

static const char *const outputs[] = {"table", "wide", "json", "yaml", "name"};

/* -- walking ------------------------------------------------------------------------------------------------------ */

/* Notes the rows of TEXT, each of which must follow the one before. Returns how many there are. */
static int take_rows(const char *text, int *next)
{
  int count = 0;
  for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n' ? 1 : 0) {
    size_t len = strcspn(line, "\n");
    const char *at = memmem(line, len, "r0", 2);
    if (strncmp(line, "# ", 2) != 0 && at != NULL) {
      assert_int_equal(strtol(at + 1, NULL, 10), *next);
      *next += 1;
      count++;
    }
  }
  return count;
}

/* Follows the cursors from the first answer to the last. Returns how many answers that took. */
static int walk(struct kit *kit, const char *tool, const char *arguments, int first, int total)
{
  char *cursor = strdup("");
  int next = first, answers = 0;
  do {
    const char *text = expect(kit, tool, "{%s,'cursor':'%s'}", arguments, cursor);
    int rows = take_rows(text, &next);
    if (rows == 0 && total > first && strstr(text, "is larger than an answer may be") == NULL) {
      fail_msg("no progress at row %d of %d with %s: %s", next, total, arguments, text);
    }
    free(cursor);
    cursor = cursor_of(text);
    answers++;
  } while (*cursor != '\0');
  free(cursor);
  if (next != total) {
    fail_msg("%d of %d rows with %s", next, total, arguments);
  }
  return answers;
}

static void test_every_form_shows_every_row_once(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  static const int limits[] = {0, 1, 7, 10, 25, 100};
  for (size_t i = 0; i < KM_ARRAY_LEN(outputs); i++) {
    for (size_t j = 0; j < KM_ARRAY_LEN(limits); j++) {
      char arguments[128], limit[32] = "";
      if (limits[j] > 0) {
        (void)snprintf(limit, sizeof(limit), ",'limit':%d", limits[j]);
      }
      (void)snprintf(arguments, sizeof(arguments), "'output':'%s'%s", outputs[i], limit);
      int answers = walk(kit, "pods_list", arguments, 0, 43);
      assert_int_equal(answers, limits[j] == 0 ? 1 : (43 + limits[j] - 1) / limits[j]);
    }
  }
  kit_free(kit);
}

static unsigned draw(unsigned *seed, unsigned end)
{
  *seed = *seed * 1103515245U + 12345U;
  return *seed / 65536U % end;
}

/* Whatever the rows, pages, budgets and limits: no answer is too large, no row is lost or shown twice. */
static void test_any_size_fits_the_budget(void **state)
{
  (void)state;
  unsigned seed = 20;
  for (int round = 0; round < 60; round++) {
    struct kit *kit = kit_new((int)draw(&seed, 90));
    kit->cluster.name_bytes = (int)draw(&seed, 240);
    kit->cluster.remaining = draw(&seed, 2) == 0;
    kit->toolbox.page_size = 1 + draw(&seed, 20);
    kit->toolbox.max_result_bytes = 2048 + draw(&seed, 3000);
    kit->cluster.token_tail =
        draw(&seed, 2) == 0 ? "-and-a-long-tail-behind-the-number-as-real-tokens-have-it" : "";
    char arguments[256];
    unsigned limit = draw(&seed, 15);
    int len =
        snprintf(arguments, sizeof(arguments), "'output':'%s'", outputs[draw(&seed, KM_ARRAY_LEN(outputs))]);
    len += limit == 0 ? 0 : snprintf(arguments + len, sizeof(arguments) - (size_t)len, ",'limit':%u", limit);
    if (draw(&seed, 2) == 0) {
      (void)snprintf(arguments + len, sizeof(arguments) - (size_t)len,
                     ",'fields':['.spec.nodeName','.status']");
    }
    walk(kit, "pods_list", arguments, 0, kit->cluster.total);
    kit_free(kit);
  }
}

/* A page may be smaller when it is fetched again than it was when the cursor was made. */
static void test_pages_may_change_their_size(void **state)
{
  (void)state;
  struct kit *kit = kit_new(40);
  char *cursor = cursor_of(expect(kit, "pods_list", "{'limit':9}"));
  kit->toolbox.page_size = 4;
  int next = 9;
  const char *text = expect(kit, "pods_list", "{'limit':20,'cursor':'%s'}", cursor);
  assert_int_equal(take_rows(text, &next), 20);
  free(cursor);
  cursor = cursor_of(text);
  kit->toolbox.page_size = 1;
  assert_int_equal(take_rows(expect(kit, "pods_list", "{'cursor':'%s'}", cursor), &next), 11);
  free(cursor);
  kit_free(kit);
}

/* Pages that outgrow the client's limit are asked for again in smaller pieces, and the call succeeds. */
static void test_pages_too_large_for_the_client(void **state)
{
  (void)state;
  struct kit *kit = kit_new(40);
  kit->cluster.big_row = 20;
  kit->cluster.big_bytes = 5 * MIB; /* more than the client takes: alone on its page it is an error */
  kit->toolbox.page_size = 40;
  expect_failure(kit, KM_E_TOO_LARGE, "TooLarge", "pods_list", "{'fields':['.spec.nodeName']}");
  kit->cluster.big_bytes = 3 * MIB;
  kit->cluster.name_bytes = 200;
  walk(kit, "pods_list", "'fields':['.spec.nodeName']", 0, 40);
  kit_free(kit);
}

static void test_footer(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  assert_contains(expect(kit, "pods_list", "{}"), "# context prod: 43 rows\n");
  const char *text = expect(kit, "pods_list", "{'limit':3}");
  assert_contains(text, "# context prod: rows 1-3 shown, 40 left out");
  char *cursor = cursor_of(text);
  assert_contains(expect(kit, "pods_list", "{'limit':2,'cursor':'%s'}", cursor),
                  "rows 4-5 shown, 38 left out");
  assert_contains(expect(kit, "pods_list", "{'cursor':'%s'}", cursor),
                  "# context prod: 43 rows, all shown now\n");
  free(cursor);
  kit->toolbox.max_result_bytes = 2200;
  kit->cluster.name_bytes = 40;
  kit->cluster.namespaces = true;
  text = expect(kit, "pods_list", "{}");
  assert_contains(text, "left out (by namespace: ");
  assert_contains(text, "; by status: Running ");
  kit->cluster.remaining = false;
  assert_contains(expect(kit, "pods_list", "{'output':'name'}"), " left out (by status: Running ");
  assert_contains(expect(kit, "pods_list", "{'output':'name','limit':3}"), "rows 1-3 shown, more left out\n");
  kit->cluster.total = 0;
  assert_string_equal(expect(kit, "pods_list", "{}"), "# context prod: nothing found\n");
  kit_free(kit);
}

/* -- counting ----------------------------------------------------------------------------------------------------- */

static void test_count(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  assert_string_equal(expect(kit, "pods_list", "{'output':'count'}"), "43\n");
  assert_int_equal(kit->cluster.lists, 1); /* the server says how many remain */
  assert_string_equal(expect(kit, "pods_list", "{'output':'count','limit':3}"), "43\n");
  assert_string_equal(expect(kit, "pods_list", "{'output':'count','namespace':'alpha'}"), "21\n");
  kit->cluster.remaining = false;
  kit->cluster.lists = 0;
  kit->toolbox.page_size = 1; /* pages for counting have ten times as many rows */
  assert_string_equal(expect(kit, "pods_list", "{'output':'count'}"), "43\n");
  assert_int_equal(kit->cluster.lists, 5);
  kit->toolbox.page_size = 10;
  assert_string_equal(expect(kit, "pods_list", "{'output':'count','limit':3}"), "43\n");
  char *cursor = cursor_of(expect(kit, "pods_list", "{'limit':13}"));
  assert_string_equal(expect(kit, "pods_list", "{'output':'count','cursor':'%s'}", cursor), "43\n");
  free(cursor);
  kit->cluster.total = 0;
  assert_string_equal(expect(kit, "pods_list", "{'output':'count'}"), "0\n");
  kit_free(kit);
}

/* -- cursors ------------------------------------------------------------------------------------------------------ */

static void test_cursors_are_bound_to_their_query(void **state)
{
  (void)state;
  struct kit *kit = kit_new(20);
  char *cursor = cursor_of(expect(kit, "pods_list", "{'limit':3}"));
  static const char *const others[] = {"'namespace':'alpha'", "'label_selector':'a=b'",
                                       "'field_selector':'a=b'", "'context':'staging'"};
  for (size_t i = 0; i < KM_ARRAY_LEN(others); i++) {
    const char *text = expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "{%s,'cursor':'%s'}",
                                      others[i], cursor);
    assert_contains(text, "argument 'cursor'");
    assert_contains(text, "list again without it");
  }
  expect_failure(kit, KM_E_INVALID, "ValidationError", "namespaces_list", "{'cursor':'%s'}", cursor);
  expect_failure(kit, KM_E_INVALID, "ValidationError", "resources_list", "{'kind':'secrets','cursor':'%s'}",
                 cursor);
  /* The same query by other words, in another form and size, is the same query. */
  int next = 3;
  assert_int_equal(
      take_rows(expect(kit, "resources_list", "{'kind':'Pod','output':'name','cursor':'%s'}", cursor), &next),
      17);
  for (size_t i = 0; i < strlen(cursor); i += 5) {
    char was = cursor[i];
    cursor[i] = was == 'A' ? 'B' : 'A';
    expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "{'cursor':'%s'}", cursor);
    cursor[i] = was;
  }
  expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "{'cursor':'abc'}");
  free(cursor);
  kit_free(kit);
}

/* A token that no cursor can hold ends the walk with a reason, not the process. */
static void test_a_page_token_too_long_for_a_cursor(void **state)
{
  (void)state;
  struct kit *kit = kit_new(25);
  char *tail = malloc(5001);
  memset(tail, 't', 5000);
  tail[5000] = '\0';
  kit->cluster.token_tail = tail;
  const char *text = expect(kit, "pods_list", "{'limit':10}");
  assert_contains(text, "cannot be continued");
  assert_null(strstr(text, "next cursor"));
  int next = 0;
  assert_int_equal(take_rows(text, &next), 10);
  assert_contains(expect(kit, "pods_list", "{}"), "25 rows");
  kit_free(kit);
  free(tail);
}

static void test_an_expired_token(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  char *cursor = cursor_of(expect(kit, "pods_list", "{'limit':20}"));
  kit->cluster.expired = 20;
  const char *text =
      expect_failure(kit, KM_E_CONFLICT, "KubernetesError", "pods_list", "{'cursor':'%s'}", cursor);
  assert_contains(text, "list again without cursor");
  kit->cluster.fresh = true;
  text = expect(kit, "pods_list", "{'cursor':'%s'}", cursor);
  assert_contains(text, "the list changed while it was read");
  int next = 20;
  assert_int_equal(take_rows(text, &next), 23);
  /* In the middle of one call the server's fresh token does as well. */
  text = expect(kit, "pods_list", "{}");
  next = 0;
  assert_int_equal(take_rows(text, &next), 43);
  assert_contains(text, "the list changed");
  free(cursor);
  kit_free(kit);
}

/* A cut on the first page names the version of the list; when that has gone, today's list takes its place. */
static void test_an_expired_version(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  kit->toolbox.max_result_bytes = 2100;
  kit->toolbox.page_size = 100;
  for (size_t i = 0; i < KM_ARRAY_LEN(outputs); i++) {
    kit->cluster.expired = 0;
    const char *text = expect(kit, "pods_list", "{'output':'%s','limit':40}", outputs[i]);
    int next = 0;
    (void)take_rows(text, &next);
    char *cursor = cursor_of(text);
    if (*cursor != '\0' && strstr(text, "limit") == NULL) {
      kit->cluster.expired = -1;
      text = expect(kit, "pods_list", "{'output':'%s','cursor':'%s'}", outputs[i], cursor);
      int before = next;
      assert_true(take_rows(text, &next) > 0);
      assert_true(next > before);
    }
    free(cursor);
  }
  kit_free(kit);
}

/* -- rights ------------------------------------------------------------------------------------------------------- */

static void test_forbidden_across_namespaces(void **state)
{
  (void)state;
  struct kit *kit = kit_new(40);
  kit->cluster.across_forbidden = true;
  expect_failure(kit, KM_E_FORBIDDEN, "Forbidden", "pods_list", "{}");
  kit_free(kit);

  kit = kit_new(40);
  kit->cluster.across_forbidden = true;
  kit->world->fake.endpoint.default_namespace = "beta";
  const char *text = expect(kit, "pods_list", "{}");
  int next = 20;
  assert_int_equal(take_rows(text, &next), 20);
  assert_contains(text, "listing all namespaces is forbidden here: this is the context's namespace 'beta'");
  assert_null(strstr(text, "NAMESPACE"));
  kit->cluster.lists = 0;
  assert_int_equal(walk(kit, "pods_list", "'limit':6", 20, 40), 4);
  assert_int_equal(kit->cluster.lists, 5); /* a cursor knows the namespace: it asks for all but once */
  assert_contains(expect(kit, "pods_list", "{'output':'count'}"),
                  "20\n# listing all namespaces is forbidden here");
  kit_free(kit);
}

static void test_secrets_need_the_right(void **state)
{
  (void)state;
  struct kit *kit = kit_new(4);
  kit->toolbox.require_rbac = true;
  kit->cluster.review_forbids_across = true;
  expect_failure(kit, KM_E_FORBIDDEN, "Forbidden", "resources_list", "{'kind':'secrets'}");
  assert_int_equal(kit->cluster.lists, 0);
  assert_contains(expect(kit, "resources_list", "{'kind':'secrets','namespace':'alpha'}"), "2 rows");
  kit_free(kit);

  kit = kit_new(4);
  kit->toolbox.require_rbac = true;
  kit->cluster.review_forbids_across = true;
  kit->world->fake.endpoint.default_namespace = "alpha";
  assert_contains(expect(kit, "resources_list", "{'kind':'secrets'}"), "context's namespace 'alpha'");
  assert_int_equal(kit->cluster.lists, 1);
  kit_free(kit);
}

static void expect_no_canary(struct kit *kit, const char *text)
{
  (void)expect_within(kit, text);
  if (strstr(text, CANARY) != NULL || strstr(text, "Y2FuYXJ5") != NULL) {
    fail_msg("leaks: %s", text);
  }
}

static void test_secrets_stay_secret(void **state)
{
  (void)state;
  static const char *const forms[] = {"table", "wide", "json", "yaml", "name", "count"};
  static const char *const fields[] = {"", ",'fields':['.data']",
                                       ",'fields':['.data.password','.stringData.more']",
                                       ",'fields':['.metadata.annotations']", ",'fields':['.metadata']"};
  for (int no_tables = 0; no_tables < 2; no_tables++) {
    struct kit *kit = kit_new(5);
    kit->cluster.no_tables = no_tables == 1;
    for (size_t i = 0; i < KM_ARRAY_LEN(forms); i++) {
      for (size_t j = 0; j < KM_ARRAY_LEN(fields); j++) {
        expect_no_canary(
            kit, call(kit, "resources_list", "{'kind':'secrets','output':'%s'%s}", forms[i], fields[j]));
        if (i < KM_ARRAY_LEN(outputs)) {
          expect_no_canary(kit, call(kit, "resources_get",
                                     "{'kind':'secret','namespace':'alpha','name':'r00001',"
                                     "'output':'%s'%s}",
                                     forms[i], fields[j]));
        }
      }
    }
    assert_contains(expect(kit, "resources_list", "{'kind':'secrets','fields':['.data.password']}"),
                    "<redacted 18 bytes");
    assert_contains(expect(kit, "resources_list", "{'kind':'secrets','output':'json'}"),
                    "\"kind\":\"Secret\"");
    kit_free(kit);
  }
}

/* -- sizes -------------------------------------------------------------------------------------------------------- */

static void test_a_row_larger_than_an_answer(void **state)
{
  (void)state;
  struct kit *kit = kit_new(12);
  kit->toolbox.max_result_bytes = 2048;
  kit->cluster.big_row = 5;
  kit->cluster.big_bytes = 10000;
  walk(kit, "pods_list", "'output':'json'", 0, 12);
  walk(kit, "pods_list", "'output':'yaml'", 0, 12);
  walk(kit, "pods_list", "'output':'json','limit':1", 0, 12);
  kit->toolbox.max_result_bytes = 4096;
  char *cursor = cursor_of(expect(kit, "pods_list", "{'output':'json','limit':5}"));
  assert_contains(expect(kit, "pods_list", "{'output':'json','cursor':'%s'}", cursor),
                  "{\"namespace\":\"alpha\",\"name\":\"r00005\",\"left_out\":\"larger than an answer may be");
  free(cursor);
  kit_free(kit);
}

/* Cells are cut, but sixteen long ones can still outgrow a small budget: such a row is named and passed over. */
static void test_a_table_row_larger_than_an_answer(void **state)
{
  (void)state;
  struct kit *kit = kit_new(8);
  kit->toolbox.max_result_bytes = 2048;
  kit->cluster.big_row = 2;
  kit->cluster.big_bytes = 3000;
  char *cursor = strdup("");
  int rows = 0, passed = 0, answers = 0;
  do {
    const char *text = expect(kit, "pods_list", "{'fields':['.spec.big','.spec'],'cursor':'%s'}", cursor);
    passed += strstr(text, "row 3 (alpha/r00002) is larger than an answer may be") != NULL ? 1 : 0;
    for (const char *at = text; (at = strstr(at, "\nalpha")) != NULL; at++) {
      rows++;
    }
    for (const char *at = text; (at = strstr(at, "\nbeta")) != NULL; at++) {
      rows++;
    }
    free(cursor);
    cursor = cursor_of(text);
    answers++;
  } while (*cursor != '\0' && answers < 20);
  free(cursor);
  assert_int_equal(passed, 1);
  assert_int_equal(rows, 7);
  kit_free(kit);
}

/* -- failures ----------------------------------------------------------------------------------------------------- */

static void test_unknown_context(void **state)
{
  (void)state;
  struct kit *kit = kit_new(1);
  const char *text =
      expect_failure(kit, KM_E_NOT_FOUND, "UnknownContext", "pods_list", "{'context':'unknown'}");
  assert_contains(text, "\"cluster\":\"unknown\"");
  assert_contains(text, "\"tool\":\"pods_list\"");
  expect_failure(kit, KM_E_NOT_FOUND, "UnknownContext", "pods_get", "{'context':'unknown','name':'x'}");
  expect_failure(kit, KM_E_NOT_FOUND, "UnknownContext", "resources_list",
                 "{'cluster':'unknown','kind':'po'}");
  kit_free(kit);
}

static void *cancel_soon(void *data)
{
  sleep_ms(150);
  km_cancel_trigger(data, "enough");
  return NULL;
}

static void test_cancel_in_mid_list(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  kit->cluster.stall_at = 20;
  kit->cancel = km_cancel_new();
  pthread_t thread;
  uint64_t start_ns = km_clock_ns();
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, kit->cancel), 0);
  expect_failure(kit, KM_E_CANCELLED, "Cancelled", "pods_list", "{}");
  assert_true(elapsed_ms_since(start_ns) < 3000);
  pthread_join(thread, NULL);
  km_cancel_unref(kit->cancel);
  kit->cancel = NULL;
  kit->cluster.stall_at = 0;
  assert_contains(expect(kit, "pods_list", "{}"), "43 rows");
  kit_free(kit);
}

static void test_deadline_in_mid_list(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  kit->cluster.stall_at = 20;
  kit->features.default_deadline_ms = 300;
  uint64_t start_ns = km_clock_ns();
  expect_failure(kit, KM_E_TIMEOUT, "Timeout", "pods_list", "{}");
  assert_true(elapsed_ms_since(start_ns) < 3000);
  kit_free(kit);
}

static void test_bad_fields(void **state)
{
  (void)state;
  struct kit *kit = kit_new(3);
  assert_contains(
      expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "{'fields':['.a','.b[']}"),
      "argument 'fields', item 2");
  assert_int_equal(kit->cluster.lists, 0);
  expect_failure(kit, KM_E_INVALID, "ValidationError", "resources_list",
                 "{'kind':'nodes','namespace':'alpha'}");
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_form_shows_every_row_once),
      cmocka_unit_test(test_any_size_fits_the_budget),
      cmocka_unit_test(test_pages_may_change_their_size),
      cmocka_unit_test(test_pages_too_large_for_the_client),
      cmocka_unit_test(test_footer),
      cmocka_unit_test(test_count),
      cmocka_unit_test(test_cursors_are_bound_to_their_query),
      cmocka_unit_test(test_a_page_token_too_long_for_a_cursor),
      cmocka_unit_test(test_an_expired_token),
      cmocka_unit_test(test_an_expired_version),
      cmocka_unit_test(test_forbidden_across_namespaces),
      cmocka_unit_test(test_secrets_need_the_right),
      cmocka_unit_test(test_secrets_stay_secret),
      cmocka_unit_test(test_a_row_larger_than_an_answer),
      cmocka_unit_test(test_a_table_row_larger_than_an_answer),
      cmocka_unit_test(test_unknown_context),
      cmocka_unit_test(test_cancel_in_mid_list),
      cmocka_unit_test(test_deadline_in_mid_list),
      cmocka_unit_test(test_bad_fields),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
