/* where, sort_by, group_by and contexts through the tools: whatever the form, the budget and the pages, the right rows are
 * shown once and in order. */
#include "tools/fixture.h"

#include "kube_mcp/base/banned.h"

#define MAX_ROWS 400

static const char *const outputs[] = {"table", "wide", "json", "yaml", "name"};

/* -- walking ------------------------------------------------------------------------------------------------------ */

struct walked {
  int rows[MAX_ROWS];
  int count;
};

/* Notes the numbers of the rows in TEXT. */
static void note_rows(const char *text, struct walked *walked)
{
  for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n' ? 1 : 0) {
    size_t len = strcspn(line, "\n");
    const char *at = memmem(line, len, "r0", 2);
    if (strncmp(line, "# ", 2) != 0 && at != NULL) {
      assert_true(walked->count < MAX_ROWS);
      walked->rows[walked->count++] = (int)strtol(at + 1, NULL, 10);
    }
  }
}

static struct walked walk(struct kit *kit, const char *arguments)
{
  struct walked walked = {0};
  char *cursor = strdup("");
  int answers = 0;
  do {
    const char *text = expect(kit, "pods_list", "{%s,'cursor':'%s'}", arguments, cursor);
    note_rows(text, &walked);
    free(cursor);
    cursor = cursor_of(text);
    assert_true(++answers < MAX_ROWS);
  } while (*cursor != '\0');
  free(cursor);
  return walked;
}

static unsigned draw(unsigned *seed, unsigned end)
{
  *seed = *seed * 1103515245U + 12345U;
  return *seed / 65536U % end;
}

/* A cluster of random shape. */
static struct kit *draw_kit(unsigned *seed)
{
  struct kit *kit = kit_new((int)draw(seed, 120));
  kit->cluster.namespaces = true;
  kit->cluster.name_bytes = (int)draw(seed, 240);
  kit->cluster.remaining = draw(seed, 2) == 0;
  kit->toolbox.page_size = 1 + draw(seed, 30);
  kit->toolbox.max_result_bytes = 2600 + draw(seed, 4000);
  return kit;
}

static size_t draw_arguments(unsigned *seed, const char *question, char *out, size_t size)
{
  unsigned limit = draw(seed, 20);
  int len = snprintf(out, size, "'output':'%s',%s", outputs[draw(seed, KM_ARRAY_LEN(outputs))], question);
  if (limit > 0) {
    len += snprintf(out + len, size - (size_t)len, ",'limit':%u", limit);
  }
  if (draw(seed, 2) == 0) {
    len += snprintf(out + len, size - (size_t)len, ",'fields':['.spec.nodeName']");
  }
  return (size_t)len;
}

/* -- where -------------------------------------------------------------------------------------------------------- */

static void test_a_condition_chooses_the_same_rows_in_every_form(void **state)
{
  (void)state;
  unsigned seed = 3;
  for (int round = 0; round < 80; round++) {
    struct kit *kit = draw_kit(&seed);
    char arguments[256];
    bool whole = draw(&seed, 2) == 0;
    draw_arguments(&seed,
                   whole ? "'where':'.spec.nodeName = node-1'"
                         : "'where':'.metadata.name matches ^r0*[0-9]*[05]x*$'",
                   arguments, sizeof(arguments));
    struct walked walked = walk(kit, arguments);
    int at = 0;
    for (int row = 0; row < kit->cluster.total; row++) {
      if (whole ? row % 3 == 1 : row % 5 == 0) {
        if (at >= walked.count || walked.rows[at] != row) {
          fail_msg("row %d is not the %dth of %s", row, at + 1, arguments);
        }
        at++;
      }
    }
    assert_int_equal(at, walked.count);
    kit_free(kit);
  }
}

static void test_what_a_condition_says(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  const char *text = expect(kit, "pods_list", "{'where':'.spec.nodeName = node-1'}");
  assert_contains(text, "# context prod: 14 rows match of 43 read\n");
  assert_contains(text, "STATUS"); /* the server's columns, though objects were looked at */
  assert_contains(expect(kit, "pods_list", "{'where':'.spec.nodeName = node-1','limit':3}"),
                  "rows 1-3 shown, ");
  assert_contains(expect(kit, "pods_list", "{'where':'.spec.nodeName = node-9'}"), "none matches of 43 read");
  assert_string_equal(expect(kit, "pods_list", "{'where':'.spec.nodeName = node-1','output':'count'}"),
                      "14\n");
  assert_contains(expect(kit, "pods_list", "{'where':'.spec.colour = red'}"),
                  "no object read has .spec.colour");
  text = expect(kit, "pods_list",
                "{'where':'.spec.nodeName = node-1','fields':['.spec.nodeName'],'output':'wide'}");
  assert_contains(text, "NODENAME");
  assert_null(strstr(text, "node-2"));
  kit_free(kit);
}

/* Objects are looked at as they may be shown. */
static void test_conditions_do_not_see_secrets(void **state)
{
  (void)state;
  struct kit *kit = kit_new(6);
  static const char *const questions[] = {
      "'where':'.stringData.more matches ^canary'",
      "'where':'.data.password = Y2FuYXJ5LWluLWEtc2VjcmV0'",
      "'where':'.metadata.annotations contains canary'",
      "'where':'.metadata.managedFields[0].manager = m'",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(questions); i++) {
    const char *text = expect(kit, "resources_list", "{'kind':'secrets',%s}", questions[i]);
    assert_contains(text, "none matches");
  }
  const char *text = expect(kit, "resources_list",
                            "{'kind':'secrets','group_by':['.stringData.more','.metadata.annotations']}");
  assert_null(strstr(text, CANARY));
  text = expect(kit, "resources_list", "{'kind':'secrets','sort_by':'.data.password','fields':['.data']}");
  assert_null(strstr(text, "Y2FuYXJ5"));
  kit_free(kit);
}

static void test_large_values(void **state)
{
  (void)state;
  struct kit *kit = kit_new(6);
  kit->cluster.big_row = 2;
  kit->cluster.big_bytes = (size_t)100 * 1024;
  assert_contains(expect(kit, "pods_list", "{'fields':['.spec.big']}"), "<larger than 64 KiB>");
  assert_contains(expect(kit, "pods_list", "{'where':'.spec.big matches bbb','fields':['.spec.big']}"),
                  "<larger than 64 KiB>");
  const char *text = expect(kit, "pods_list", "{'group_by':['.spec.big']}");
  assert_contains(text, "\xE2\x80\xA6 (102400 bytes, fingerprint ");
  kit_free(kit);
}

/* What a value is replaced by says the same of it in every form. */
static void test_secrets_are_masked_once(void **state)
{
  (void)state;
  struct kit *kit = kit_new(2);
  static const char *const forms[] = {
      "'output':'json'",
      "'output':'json','where':'.metadata.name exists'",
      "'output':'yaml','sort_by':'.metadata.name'",
      "'output':'table','fields':['.data.password']",
      "'output':'table','where':'.data.password exists','fields':['.data.password']",
      "'group_by':['.data.password']",
  };
  char mask[80] = "";
  for (size_t i = 0; i < KM_ARRAY_LEN(forms); i++) {
    const char *text = expect(kit, "resources_list", "{'kind':'secrets',%s}", forms[i]);
    const char *at = strstr(text, "<redacted 18 bytes, fingerprint ");
    assert_non_null(at);
    if (*mask == '\0') {
      (void)snprintf(mask, sizeof(mask), "%.*s", (int)(strchr(at, '>') - at), at);
    }
    assert_contains(text, mask);
  }
  kit_free(kit);
}

/* -- sort_by ------------------------------------------------------------------------------------------------------ */

static void test_a_sorted_walk_shows_every_row_once(void **state)
{
  (void)state;
  unsigned seed = 5;
  for (int round = 0; round < 60; round++) {
    struct kit *kit = draw_kit(&seed);
    char arguments[256];
    bool down = draw(&seed, 2) == 0, by_node = draw(&seed, 2) == 0;
    char question[64];
    (void)snprintf(question, sizeof(question), "'sort_by':'%s%s'", down ? "-" : "",
                   by_node ? ".spec.nodeName" : ".metadata.name");
    draw_arguments(&seed, question, arguments, sizeof(arguments));
    struct walked walked = walk(kit, arguments);
    assert_int_equal(walked.count, kit->cluster.total);
    for (int i = 1; i < walked.count; i++) {
      int before = walked.rows[i - 1], row = walked.rows[i];
      int first = by_node ? before % 3 : before, second = by_node ? row % 3 : row;
      bool in_order = first == second ? before < row : down ? first > second : first < second;
      if (!in_order) {
        fail_msg("row %d before row %d with %s", before, row, arguments);
      }
    }
    kit_free(kit);
  }
}

/* -- group_by ----------------------------------------------------------------------------------------------------- */

static void test_groups(void **state)
{
  (void)state;
  struct kit *kit = kit_new(43);
  const char *text = expect(kit, "pods_list", "{'group_by':['.spec.nodeName']}");
  assert_contains(text, "NODENAME   COUNT\nnode-0     15\nnode-1     14\nnode-2     14\n");
  assert_contains(text, "# context prod: 3 groups of 43 objects\n");
  text = expect(kit, "pods_list", "{'group_by':['.metadata.namespace','.spec.nodeName'],'limit':1}");
  assert_contains(text, "beta        node-0     8\n"); /* rows 21 to 42 */
  assert_contains(text, "# the 5 smallest groups are left out, with counts of 35 together");
  text = expect(kit, "pods_list",
                "{'group_by':['.spec.nodeName'],'output':'json','where':'.metadata.namespace = beta'}");
  assert_contains(text, "{\".spec.nodeName\":\"node-0\",\"count\":8}\n");
  assert_contains(text, "of 22 objects that match, 43 read");
  kit->cluster.lists = 0;
  expect(kit, "pods_list", "{'group_by':['.metadata.namespace']}");
  assert_int_equal(kit->cluster.lists, 5);
  expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "{'group_by':['.a'],'cursor':'x'}");
  kit_free(kit);
}

/* -- contexts ----------------------------------------------------------------------------------------------------- */

static void test_contexts_share_an_answer(void **state)
{
  (void)state;
  struct kit *kit = kit_new(200);
  const char *text = expect(kit, "pods_list", "{'contexts':['prod','stag*'],'output':'table'}");
  assert_contains(text, "CONTEXT   NAMESPACE   NAME     STATUS\n");
  assert_contains(text, "# context prod: 200 rows\n");
  assert_contains(text, "# context staging: 200 rows\n");
  kit->toolbox.max_result_bytes = 6000;
  for (size_t i = 0; i < KM_ARRAY_LEN(outputs); i++) {
    text = expect(kit, "pods_list", "{'contexts':['*'],'output':'%s'}", outputs[i]);
    int prod = 0, dead = 0;
    assert_int_equal(sscanf(strstr(text, "# context prod: rows"), "# context prod: rows 1-%d", &prod), 1);
    assert_int_equal(sscanf(strstr(text, "# context dead: rows"), "# context dead: rows 1-%d", &dead), 1);
    assert_in_range(prod, 5, 200);
    assert_in_range(dead, prod - 1, prod + 1); /* the same share */
    assert_contains(text, "list it alone");
  }
  assert_contains(expect(kit, "pods_list", "{'contexts':['prod','dead'],'output':'count'}"),
                  "prod: 200\ndead: 200\nall: 400\n");
  text = expect(kit, "pods_list", "{'contexts':['prod','dead'],'group_by':['.spec.nodeName']}");
  assert_contains(text, "CONTEXT   NODENAME   COUNT\n");
  text = expect(kit, "pods_list",
                "{'contexts':['prod','dead'],'sort_by':'.metadata.name','limit':4,'output':'name'}");
  assert_contains(text, "prod: alpha/pod/r00000\ndead: alpha/pod/r00000\n");
  expect_failure(kit, KM_E_NOT_FOUND, "UnknownContext", "pods_list", "{'contexts':['none']}");
  kit_free(kit);
}

static void test_one_context_of_many_fails(void **state)
{
  (void)state;
  struct kit *kit = kit_new(20);
  kit->toolbox.page_size = 5;
  kit->cluster.expired = 5;
  expect_failure(kit, KM_E_CONFLICT, "KubernetesError", "pods_list",
                 "{'contexts':['prod','dead'],'output':'json'}");
  kit_free(kit);
}

static void test_objects_of_contexts(void **state)
{
  (void)state;
  struct kit *kit = kit_new(20);
  const char *text =
      expect(kit, "pods_get",
             "{'contexts':['prod','dead'],'name':'r00003','namespace':'alpha','fields':['.spec.nodeName']}");
  assert_contains(text, "=== context prod ===\n# .spec.nodeName\nnode-0\n\n=== context dead ===\n");
  expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "pods_get", "{'contexts':['prod','dead'],'name':'none'}");
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_condition_chooses_the_same_rows_in_every_form),
      cmocka_unit_test(test_what_a_condition_says),
      cmocka_unit_test(test_conditions_do_not_see_secrets),
      cmocka_unit_test(test_secrets_are_masked_once),
      cmocka_unit_test(test_large_values),
      cmocka_unit_test(test_a_sorted_walk_shows_every_row_once),
      cmocka_unit_test(test_groups),
      cmocka_unit_test(test_contexts_share_an_answer),
      cmocka_unit_test(test_one_context_of_many_fails),
      cmocka_unit_test(test_objects_of_contexts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
