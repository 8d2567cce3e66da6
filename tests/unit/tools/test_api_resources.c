/* api_resources_list over scripted clusters: filters, what is left out, broken groups, 300 CRDs, and explain. */
#include "tools/script.h"

#include "kube_mcp/base/banned.h"

#define RESOURCE(plural, singular, kind, scope, more)                                                        \
  "{'resource':'" plural "','singularResource':'" singular "','responseKind':{'kind':'" kind                 \
  "'},'scope':'" scope "','verbs':['get','list']" more "}"
#define GROUP(name, versions)       "{'metadata':{'name':'" name "'},'versions':[" versions "]}"
#define VERSION(version, resources) "{'version':'" version "','resources':[" resources "]}"
#define DISCOVERY(groups)           "{'kind':'APIGroupDiscoveryList','items':[" groups "]}"

#define CORE_GROUP                                                                                           \
  DISCOVERY("{'metadata':{},'versions':[" VERSION(                                                           \
      "v1", RESOURCE("pods", "pod", "Pod", "Namespaced",                                                     \
                     ",'shortNames':['po'],'categories':['all']") "," RESOURCE("nodes", "node", "Node",      \
                                                                               "Cluster", "")) "]}")
#define ALL_VERBS ",'verbs':['get','list','watch','create','update','patch','delete','deletecollection']"
#define HPA                                                                                                  \
  "{'resource':'horizontalpodautoscalers','singularResource':'','responseKind':{'kind':'"                    \
  "HorizontalPodAutoscaler'},'scope':'Namespaced','shortNames':['hpa']" ALL_VERBS "}"
#define GROUPS                                                                                               \
  DISCOVERY(                                                                                                 \
      GROUP("z.example.com",                                                                                 \
            VERSION("v1alpha1",                                                                              \
                    RESOURCE("widgets", "widget", "Widget", "Namespaced",                                    \
                             ""))) "," GROUP("autoscaling",                                                  \
                                             VERSION("v2", HPA) "," VERSION(                                 \
                                                 "v1", HPA)) "," GROUP("metrics.k8s.io",                     \
                                                                       "{'version':'v1beta1','freshness':'"  \
                                                                       "Stale','resources':[]}"))

#define SERVED(groups)                                                                                       \
  {"/api", 0, CORE_GROUP, NULL},                                                                             \
  {                                                                                                          \
    "/apis", 0, groups, NULL                                                                                 \
  }

static void test_all(void **state)
{
  (void)state;
  struct script script = SCRIPT(SERVED(GROUPS));
  struct kit *kit = kit_of_script(&script);
  assert_string_equal(expect(kit, "api_resources_list", "{}"),
                      "NAME                       SHORT   APIVERSION               NAMESPACED   KIND         "
                      "             VERBS\n"
                      "nodes                              v1                       false        Node         "
                      "             get,list\n"
                      "pods                       po      v1                       true         Pod          "
                      "             get,list\n"
                      "horizontalpodautoscalers   hpa     autoscaling/v2,v1        true         "
                      "HorizontalPodAutoscaler   all\n"
                      "widgets                            z.example.com/v1alpha1   true         Widget       "
                      "             get,list\n"
                      "# context prod: 4 kinds\n"
                      "# not listed, broken: metrics.k8s.io/v1beta1: the API server behind it cannot be "
                      "reached (stale discovery)\n");
  kit_free(kit);
}

static void test_filters(void **state)
{
  (void)state;
  struct script script = SCRIPT(SERVED(GROUPS));
  struct kit *kit = kit_of_script(&script);
  static const struct {
    const char *arguments, *finds;
  } cases[] = {
      {"{'match':'po'}", "pods horizontalpodautoscalers "}, /* short name, part of a name */
      {"{'match':'HPA'}", "horizontalpodautoscalers "},
      {"{'match':'Wid*'}", "widgets "},
      {"{'match':'*s','scope':'cluster'}", "nodes "},
      {"{'scope':'namespaced'}", "pods horizontalpodautoscalers widgets "},
      {"{'category':'ALL'}", "pods "},
      {"{'api_version':'v1'}", "nodes pods "},
      {"{'api_version':'core'}", "nodes pods "},
      {"{'apiGroup':'autoscaling'}", "horizontalpodautoscalers "},
      {"{'api_group':'*.example.com'}", "widgets "},
      {"{'api_version':'z.example.com/v1'}", ""},
      {"{'match':'pods','api_version':'autoscaling'}", ""},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    const char *text = expect(kit, "api_resources_list", "%s", cases[i].arguments);
    struct km_buf found;
    km_buf_init(&found, 1024);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
      if (*line != '#' && !km_starts_with(line, "NAME ")) {
        km_buf_append(&found, line, strcspn(line, " "));
        km_buf_putc(&found, ' ');
      }
    }
    if (!km_streq(found.data, cases[i].finds)) {
      fail_msg("%s: %s", cases[i].arguments, text);
    }
    km_buf_done(&found);
  }
  assert_contains(expect(kit, "api_resources_list", "{'api_version':'autoscaling/v1'}"), "autoscaling/v1 ");
  assert_contains(expect(kit, "api_resources_list", "{'match':'widgest'}"),
                  "no kind matches; did you mean 'widgets'?");
  kit_free(kit);
}

/* 300 CRDs, one group that cannot be reached, and a budget that holds neither. */
static void test_many(void **state)
{
  (void)state;
  struct km_buf groups;
  km_buf_init(&groups, MIB);
  km_buf_puts(&groups, "{'kind':'APIGroupDiscoveryList','items':[" GROUP(
                           "broken.example.com", "{'version':'v1','freshness':'Stale'}"));
  for (int i = 0; i < 300; i++) {
    km_buf_printf(&groups,
                  "," GROUP("group-%d.example.com", VERSION("v1", RESOURCE("things%03d", "thing%03d",
                                                                           "Thing%03d", "Namespaced", ""))),
                  i / 50, i, i, i);
  }
  km_buf_puts(&groups, "]}");
  struct script script = SCRIPT(SERVED(groups.data));
  struct kit *kit = kit_of_script(&script);
  assert_contains(expect(kit, "api_resources_list", "{}"),
                  "# context prod: 302 kinds\n# not listed, broken: broken.example.com/v1: ");
  kit->toolbox.max_result_bytes = 8 * 1024;
  const char *text = expect(kit, "api_resources_list", "{}");
  assert_contains(text, "# context prod: 302 kinds, ");
  assert_contains(text, " left out (by group: group-2.example.com 50, group-3.example.com 50,");
  assert_contains(text, "# not listed, broken: broken.example.com/v1: ");
  assert_contains(expect(kit, "api_resources_list", "{'match':'thing299'}"), "group-5.example.com/v1");
  kit_free(kit);
  km_buf_done(&groups);
}

/* -- explain ------------------------------------------------------------------------------------------------------ */

#define SCHEMA                                                                                               \
  "{'components':{'schemas':{'com.example.z.v1alpha1.Widget':{'type':'object','description':'A "             \
  "widget.','required':['spec'],"                                                                            \
  "'properties':{'spec':{'type':'object','required':['size'],'properties':{"                                 \
  "'size':{'description':'How big, e.g. 3. Never zero.','type':'integer','minimum':1,'maximum':9},"          \
  "'shape':{'type':'string','enum':['round','square'],'default':'round','description':'Its "                 \
  "shape\\u001b[31m.\\nSecond line.'},"                                                                      \
  "'parts':{'type':'array','items':{'type':'object','properties':{'name':{'type':'string','description':'"   \
  "Hidden here.'},"                                                                                          \
  "'more':{'type':'object','properties':{'deep':{'type':'boolean'}}}}}}}}},"                                 \
  "'x-kubernetes-group-version-kind':[{'group':'z.example.com','version':'v1alpha1','kind':'Widget'}]}}}}"

#define EXPLAINED                                                                                            \
  SERVED(GROUPS),                                                                                            \
  {                                                                                                          \
    "/openapi/v3/apis/z.example.com/v1alpha1", 0, SCHEMA, NULL                                               \
  }

static void test_explain(void **state)
{
  (void)state;
  struct script script = SCRIPT(EXPLAINED);
  struct kit *kit = kit_of_script(&script);
  static const char *const same[] = {"widgets.spec", "widget.z.example.com.spec",
                                     "Widget.v1alpha1.z.example.com.spec"};
  for (size_t i = 0; i < KM_ARRAY_LEN(same); i++) {
    const char *text = expect(kit, "api_resources_list", "{'explain':'%s'}", same[i]);
    assert_contains(text, ".spec <object> required (z.example.com/v1alpha1)\n"
                          "fields:\n"
                          "  size <integer> required: How big, e.g. 3.\n"
                          "  shape <string>, one of [\"round\",\"square\"], default \"round\": Its shape.\n"
                          "  parts <[]object>\n"
                          "# context prod: z.example.com/v1alpha1\n");
  }
  assert_string_equal(
      expect(kit, "api_resources_list", "{'explain':'widgets.spec.size'}"),
      "Widget.spec.size <integer> required (z.example.com/v1alpha1)\n"
      "  How big, e.g. 3. Never zero.\nminimum: 1\nmaximum: 9\n# context prod: z.example.com/v1alpha1\n");
  assert_contains(expect(kit, "api_resources_list", "{'explain':'widgets.spec.shape'}"),
                  "  Its shape.\n  Second line.\n");
  assert_contains(expect(kit, "api_resources_list",
                         "{'explain':'widgets','api_version':'z.example.com/v1alpha1','depth':3}"),
                  "  spec <object> required\n    size <integer> required\n    shape <string>, one of "
                  "[\"round\",\"square\"], "
                  "default \"round\"\n    parts <[]object>\n      name <string>\n      more <object>\n#");
  kit_free(kit);
}

static void test_explain_fails(void **state)
{
  (void)state;
  struct script script = SCRIPT(EXPLAINED, {"/openapi/v3/api/v1", 0, "{}", NULL});
  struct kit *kit = kit_of_script(&script);
  assert_contains(expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "api_resources_list",
                                 "{'explain':'widgets.spec.sice'}"),
                  "position 14: 'widgets.spec' has no field 'sice'");
  assert_contains(
      expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "api_resources_list", "{'explain':'widgest.spec'}"),
      "Widget");
  assert_contains(
      expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "api_resources_list", "{'explain':'hpa.spec'}"),
      "no schema (OpenAPI v3) is published for autoscaling/v2");
  assert_contains(
      expect_failure(kit, KM_E_PROTOCOL, "KubernetesError", "api_resources_list", "{'explain':'pods.spec'}"),
      "does not describe Pod");
  expect_failure(kit, KM_E_INVALID, "ValidationError", "api_resources_list", "{'explain':'widgets.spec['}");
  assert_contains(expect_failure(kit, KM_E_INVALID, "ValidationError", "api_resources_list",
                                 "{'explain':'widgets','match':'w'}"),
                  "do not go with it");
  kit_free(kit);
}

/* A text that outgrows the answer ends on a line, and says so. */
static void test_explain_is_cut(void **state)
{
  (void)state;
  struct km_buf schema;
  km_buf_init(&schema, MIB);
  km_buf_puts(&schema, "{'components':{'schemas':{'W':{'x-kubernetes-group-version-kind':[{'group':'z."
                       "example.com','version':'v1alpha1','kind':'Widget'}],"
                       "'properties':{");
  for (int i = 0; i < 500; i++) {
    km_buf_printf(&schema, "%s'field%d':{'type':'string','description':'Number %d of many.'}",
                  i > 0 ? "," : "", i, i);
  }
  km_buf_puts(&schema, "}}}}}");
  struct script script =
      SCRIPT(SERVED(GROUPS), {"/openapi/v3/apis/z.example.com/v1alpha1", 0, schema.data, NULL});
  struct kit *kit = kit_of_script(&script);
  kit->toolbox.max_result_bytes = 4096;
  const char *text = expect(kit, "api_resources_list", "{'explain':'widgets'}");
  assert_contains(text, "of many.\n# context prod: z.example.com/v1alpha1, cut: ");
  kit_free(kit);
  km_buf_done(&schema);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_all),           cmocka_unit_test(test_filters),
      cmocka_unit_test(test_many),          cmocka_unit_test(test_explain),
      cmocka_unit_test(test_explain_fails), cmocka_unit_test(test_explain_is_cut),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
