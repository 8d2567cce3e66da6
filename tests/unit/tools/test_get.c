/* Single objects, contexts and the tool table, through the tools. */
#include "tools/fixture.h"

#include "kube_mcp/base/banned.h"

static void test_forms(void **state)
{
  (void)state;
  struct kit *kit = kit_new(6);
  const char *text = expect(kit, "pods_get", "{'namespace':'alpha','name':'r00001'}");
  assert_contains(text, "kind: Pod\n");
  assert_contains(text, "  nodeName: node-1\n");
  assert_null(strstr(text, "managedFields"));
  text = expect(kit, "pods_get", "{'namespace':'alpha','name':'r00001','output':'json'}");
  yyjson_val *pod = json_of(kit->world->arena, text);
  assert_string_equal(km_json_str(km_json_obj(pod, "spec"), "nodeName"), "node-1");
  assert_string_equal(expect(kit, "pods_get", "{'namespace':'alpha','name':'r00001','output':'name'}"),
                      "pod/r00001\n");
  assert_string_equal(expect(kit, "pods_get", "{'namespace':'alpha','name':'r00001','output':'table'}"),
                      "NAMESPACE   NAME\nalpha       r00001\n");
  kit_free(kit);
}

static void test_fields(void **state)
{
  (void)state;
  struct kit *kit = kit_new(6);
  const char *text =
      expect(kit, "pods_get", "{'name':'r00001','fields':['.spec.nodeName','.spec.none','.metadata']}");
  assert_contains(text, "# .spec.nodeName\nnode-1\n# .spec.none: not set\n# .metadata\n");
  assert_contains(text, "name: r00001\n");
  text =
      expect(kit, "pods_get", "{'name':'r00001','output':'json','fields':['.spec.nodeName','.spec.none']}");
  yyjson_val *parts = json_of(kit->world->arena, text);
  assert_string_equal(km_json_str(parts, ".spec.nodeName"), "node-1");
  assert_true(yyjson_is_null(yyjson_obj_get(parts, ".spec.none")));
  assert_string_equal(km_json_str(parts, "name"), "r00001");
  expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_get", "{'name':'r00001','fields':['.a[']}");
  kit_free(kit);
}

/* A single huge object ends on a line, says how much there is, and stays within every budget. */
static void test_cut(void **state)
{
  (void)state;
  struct kit *kit = kit_new(6);
  kit->cluster.big_row = 1;
  static const size_t budgets[] = {1024, 1500, 2048, 32 * 1024};
  static const char *const forms[] = {"yaml", "json"};
  for (size_t i = 0; i < KM_ARRAY_LEN(budgets); i++) {
    for (size_t j = 0; j < KM_ARRAY_LEN(forms); j++) {
      kit->toolbox.max_result_bytes = budgets[i];
      kit->cluster.big_bytes = 100000;
      const char *text = expect(kit, "pods_get", "{'name':'r00001','output':'%s'}", forms[j]);
      assert_contains(text, "# cut: ");
      assert_contains(text, "fields=[\".spec\"]");
      kit->cluster.big_bytes = 10;
      assert_null(strstr(expect(kit, "pods_get", "{'name':'r00001','output':'%s'}", forms[j]), "# cut"));
    }
  }
  kit_free(kit);
}

static void test_absent(void **state)
{
  (void)state;
  struct kit *kit = kit_new(1);
  const char *text = expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "pods_get", "{'name':'none'}");
  assert_contains(text, "looked in namespace 'default'; list with pods_list");
  assert_contains(text, "\"http_status\":404");
  kit_free(kit);
  kit = kit_new(1);
  kit->world->fake.endpoint.default_namespace = "beta";
  assert_contains(
      expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "resources_get", "{'kind':'secret','name':'none'}"),
      "looked in namespace 'beta'; list with resources_list");
  kit_free(kit);
}

static void test_a_secret_needs_the_right(void **state)
{
  (void)state;
  struct kit *kit = kit_new(4);
  kit->toolbox.require_rbac = true;
  (void)expect(kit, "resources_get", "{'kind':'secret','name':'r00001','namespace':'alpha'}");
  assert_int_equal(kit->cluster.reviews, 1);
  (void)expect(kit, "pods_get", "{'name':'r00001','namespace':'alpha'}");
  assert_int_equal(kit->cluster.reviews, 1);
  kit_free(kit);
}

/* -- contexts ----------------------------------------------------------------------------------------------------- */

static size_t context_count;

static enum km_rc many_contexts(struct km_provider *provider, struct km_arena *arena,
                                struct km_context_list *ret, struct km_error *err)
{
  (void)provider;
  (void)err;
  struct km_context_info *items = KM_ARENA_ARRAY(arena, struct km_context_info, context_count);
  for (size_t i = 0; i < context_count; i++) {
    items[i] =
        (struct km_context_info){.name = km_arena_printf(arena, "ctx-%zu", i), .cluster = "c", .user = "u"};
  }
  items[0].problem = "user 'u' is not defined";
  *ret = (struct km_context_list){.items = items, .count = context_count, .current = "ctx-1"};
  return KM_OK;
}

static struct kit *kit_of_contexts(struct km_provider_ops *ops, size_t count)
{
  struct kit *kit = kit_new(1);
  *ops = fake_ops;
  ops->contexts = many_contexts;
  kit->world->fake.provider.ops = ops;
  context_count = count;
  return kit;
}

static void test_contexts(void **state)
{
  (void)state;
  struct km_provider_ops ops;
  struct kit *kit = kit_of_contexts(&ops, 3);
  (void)expect(kit, "config_contexts_list", "{}");
  yyjson_val *list = km_json_obj(yyjson_doc_get_root(kit->doc), "structuredContent");
  assert_string_equal(km_json_str(list, "current_context"), "ctx-1");
  yyjson_val *contexts = km_json_arr(list, "contexts");
  assert_int_equal(yyjson_arr_size(contexts), 3);
  assert_string_equal(km_json_str(yyjson_arr_get(contexts, 0), "error"), "user 'u' is not defined");
  assert_string_equal(km_json_str(yyjson_arr_get(contexts, 2), "namespace"), "");
  assert_null(yyjson_obj_get(yyjson_arr_get(contexts, 2), "reachable"));
  kit_free(kit);
}

static void test_contexts_checked(void **state)
{
  (void)state;
  struct km_provider_ops ops;
  struct kit *kit = kit_of_contexts(&ops, 3);
  kit->world->fake.server = "http://127.0.0.1:1";
  (void)expect(kit, "config_contexts_list", "{'check':true}");
  yyjson_val *contexts =
      km_json_arr(km_json_obj(yyjson_doc_get_root(kit->doc), "structuredContent"), "contexts");
  for (size_t i = 0; i < 3; i++) {
    yyjson_val *context = yyjson_arr_get(contexts, i);
    assert_false(km_json_bool(context, "reachable", true));
    assert_non_null(km_json_str(context, "error"));
  }
  assert_string_equal(km_json_str(yyjson_arr_get(contexts, 0), "error"), "user 'u' is not defined");
  kit_free(kit);
}

/* -- the table of tools ------------------------------------------------------------------------------------------- */

static void test_arguments(void **state)
{
  (void)state;
  struct kit *kit = kit_new(3);
  static const char *const bad[][2] = {
      {"{'namspace':'x'}", "did you mean 'namespace'"}, {"{'limit':0}", "between 1 and 10000"},
      {"{'limit':'5'}", "must be an integer"},          {"{'output':'tabel'}", "did you mean 'table'"},
      {"{'fields':[]  ,'namespace':'A'}", "namespace"}, {"{'namespace':'../nodes'}", "namespace"},
      {"{'context':'a','cluster':'b'}", "given twice"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    assert_contains(expect_failure(kit, KM_E_INVALID, "ValidationError", "pods_list", "%s", bad[i][0]),
                    bad[i][1]);
  }
  assert_int_equal(kit->cluster.lists, 0);
  (void)expect(kit, "pods_list", "{'labelSelector':'a=b','namespace':'','context':null,'limit':2.0}");
  kit_free(kit);
}

static void test_table_of_tools(void **state)
{
  (void)state;
  for (size_t i = 0; i < km_tool_count(); i++) {
    const struct km_tool *tool = km_tools[i];
    assert_true(strlen(tool->name) <= 40);
    assert_true(strspn(tool->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(tool->name));
    assert_non_null(tool->title);
    assert_non_null(tool->description);
    assert_true((tool->hints & KM_HINT_READ_ONLY) != 0 && (tool->hints & KM_HINT_DESTRUCTIVE) == 0);
    for (size_t j = 0; j < tool->arg_count; j++) {
      const struct km_arg *arg = &tool->args[j];
      assert_non_null(arg->description);
      assert_true(arg->offset < tool->args_size);
      for (size_t k = 0; k < j; k++) {
        assert_string_not_equal(arg->name, tool->args[k].name);
        assert_int_not_equal(arg->offset, tool->args[k].offset);
      }
    }
  }
  assert_null(km_tools[km_tool_count()]);
}

static void test_the_gate_hides_and_refuses(void **state)
{
  (void)state;
  struct kit *kit = kit_new(1);
  const char *denied[] = {"pods_*"};
  kit->toolbox.gate.denied_tools = (struct km_strings){.items = denied, .count = 1};
  char *list = km_mcp_list_tools(kit->mcp);
  assert_null(strstr(list, "\"pods_list\""));
  assert_contains(list, "\"resources_list\"");
  free(list);
  expect_failure(kit, KM_E_FORBIDDEN, "PolicyDenied", "pods_list", "{}");
  assert_int_equal(kit->cluster.lists, 0);
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forms),
      cmocka_unit_test(test_fields),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_absent),
      cmocka_unit_test(test_a_secret_needs_the_right),
      cmocka_unit_test(test_contexts),
      cmocka_unit_test(test_contexts_checked),
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_table_of_tools),
      cmocka_unit_test(test_the_gate_hides_and_refuses),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
