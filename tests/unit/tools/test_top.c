/* pods_top and nodes_top over scripted clusters: figures, order, age, and each way in which metrics can be missing. */
#include "tools/script.h"

#include "kube_mcp/base/banned.h"

#define METRICS            "/apis/metrics.k8s.io/v1beta1"
#define USAGE(cpu, memory) "'usage':{'cpu':'" cpu "','memory':'" memory "'}"
#define POD_USAGE(ns, name, time, containers)                                                                \
  "{'metadata':{'namespace':'" ns "','name':'" name "'},'timestamp':'" time                                  \
  "','window':'30s','containers':[" containers "]}"
#define LIST(items) "{'kind':'List','metadata':{},'items':[" items "]}"

#define POD_METRICS                                                                                          \
  LIST(POD_USAGE(                                                                                            \
      "a", "small", "2026-01-01T00:00:00Z",                                                                  \
      "{'name':'c'," USAGE(                                                                                  \
          "4123456n",                                                                                        \
          "10Mi") "}") "," POD_USAGE("b", "big", "2026-01-01T00:00:20Z",                                     \
                                     "{'name':'c'," USAGE("250m", "100Mi") "},{'name':'d'," USAGE(           \
                                         "1",                                                                \
                                         "28Mi") "}") "," POD_USAGE("b", "gone", "2026-01-01T00:00:20Z",     \
                                                                    "{'name':'c'," USAGE("1m", "1Gi") "}"))
#define DATE "Date: Thu, 01 Jan 2026 00:00:30 GMT\r\n"

#define POD(ns, name, containers)                                                                            \
  "{'kind':'Pod','metadata':{'namespace':'" ns "','name':'" name "'},'spec':{'containers':[" containers "]}" \
  "}"
#define BIG                                                                                                  \
  POD("b", "big",                                                                                            \
      "{'name':'c','resources':{'requests':{'cpu':'500m'},'limits':{'cpu':'1','memory':'128Mi'}}},"          \
      "{'name':'d','resources':{'requests':{'cpu':'500m'},'limits':{'memory':'128Mi'}}}")

static const struct route pod_routes[] = {
    {METRICS "/pods", 0, POD_METRICS, DATE},
    {"/api/v1/namespaces/a/pods/small", 0, POD("a", "small", "{'name':'c'}"), NULL},
    {"/api/v1/namespaces/b/pods/big", 0, BIG, NULL},
};

static void test_pods(void **state)
{
  (void)state;
  struct script script = {.routes = pod_routes, .count = KM_ARRAY_LEN(pod_routes)};
  struct kit *kit = kit_of_script(&script);
  assert_string_equal(expect(kit, "pods_top", "{}"),
                      "NAMESPACE   POD     CPU     CPU-REQ     CPU-LIM     MEMORY   MEM-REQ     MEM-LIM\n"
                      "b           big     1250m   1 (125%)    <none>      128Mi    <none>      256Mi (50%)\n"
                      "a           small   5m      <none>      <none>      10Mi     <none>      <none>\n"
                      "b           gone    1m      <unknown>   <unknown>   1Gi      <unknown>   <unknown>\n"
                      "# context prod: 3 pods: cpu 1256m, memory 1162Mi\n"
                      "# measured 10 to 30 s ago, over 30s\n");
  const char *text = expect(kit, "pods_top", "{'sort_by':'memory','limit':1}");
  assert_contains(text, "\nb           gone   ");
  assert_contains(
      text,
      "# the first 1 by memory are shown, 2 left out: cpu 1255m, memory 138Mi (by namespace: a 1, b 1)\n");
  assert_null(strstr(text, "big"));
  kit_free(kit);
}

static void test_containers(void **state)
{
  (void)state;
  struct script script = {.routes = pod_routes, .count = KM_ARRAY_LEN(pod_routes)};
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "pods_top", "{'containers':true}");
  assert_contains(text, "b           big     d           1      500m (200%)   <none>");
  assert_contains(text, "b           big     c           250m   500m (50%)    1 (25%)");
  assert_contains(text, "100Mi    <none>      128Mi (78%)\n");
  assert_contains(text, "# context prod: 4 containers: ");
  assert_int_equal(script.hits[2], 1); /* one pod, two rows */
  kit_free(kit);
}

/* One pod by its name, in the namespace of the context. */
static void test_one_pod(void **state)
{
  (void)state;
  struct script script = SCRIPT(
      {METRICS "/namespaces/default/pods/web", 0,
       POD_USAGE("default", "web", "2026-01-01T00:00:00Z", "{'name':'c'," USAGE("4m", "10Mi") "}"), DATE});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "pods_top", "{'name':'web'}");
  assert_contains(text, "POD   CPU   CPU-REQ     CPU-LIM     MEMORY   MEM-REQ     MEM-LIM\nweb   4m ");
  assert_contains(text, "# context prod: 1 pod: cpu 4m, memory 10Mi\n# measured 30 s ago, over 30s\n");
  kit_free(kit);
}

/* Clocks: the age is the difference of two server clocks, so that ours does not matter. */
static void test_age(void **state)
{
  (void)state;
  static const struct {
    const char *date, *says;
  } cases[] = {
      {"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
       "# measured 0 s ago, over 30s\n# the clock of what measures is 20 s ahead"},
      {"Date: Thu, 01 Jan 2026 00:10:00 GMT\r\n",
       "# measured 580 to 600 s ago, over 30s\n# some of this is stale"},
      {"X-Date: none\r\n", "# measured at 2026-01-01T00:00:00"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct script script =
        SCRIPT({METRICS "/pods", 0, POD_METRICS, cases[i].date}, {"/api/v1/", 403, FORBIDDEN_BODY, NULL});
    struct kit *kit = kit_of_script(&script);
    assert_contains(expect(kit, "pods_top", "{}"), cases[i].says);
    kit_free(kit);
  }
}

/* Metrics without the pods: the figures alone. */
static void test_pods_forbidden(void **state)
{
  (void)state;
  struct script script =
      SCRIPT({METRICS "/pods", 0, POD_METRICS, DATE}, {"/api/v1/", 403, FORBIDDEN_BODY, NULL});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "pods_top", "{}");
  assert_contains(text, "NAMESPACE   POD     CPU     MEMORY\n");
  assert_contains(text, "may not read the pods themselves");
  kit_free(kit);
}

/* All namespaces forbidden: the context's, as in listings. */
static void test_narrowed(void **state)
{
  (void)state;
  struct script script =
      SCRIPT({METRICS "/pods", 403, FORBIDDEN_BODY, NULL},
             {METRICS "/namespaces/own/pods", 0, POD_METRICS, DATE}, {"/api/v1/", 403, FORBIDDEN_BODY, NULL});
  struct kit *kit = kit_of_script(&script);
  expect_failure(kit, KM_E_FORBIDDEN, "Forbidden", "pods_top", "{}");
  kit_free(kit);
  kit = kit_of_script(&script);
  kit->world->fake.endpoint.default_namespace = "own";
  assert_contains(expect(kit, "pods_top", "{}"), "this is the context's namespace 'own'");
  kit_free(kit);
}

/* More pods than are worth getting one by one are listed. */
static void test_many(void **state)
{
  (void)state;
  struct km_buf metrics, pods;
  km_buf_init(&metrics, MIB);
  km_buf_init(&pods, MIB);
  for (int i = 0; i < 40; i++) {
    km_buf_printf(
        &metrics,
        "%s" POD_USAGE("n", "p%02d", "2026-01-01T00:00:00Z", "{'name':'c'," USAGE("%dm", "1Mi") "}"),
        i > 0 ? "," : "{'items':[", i, i);
    km_buf_printf(&pods, "%s" POD("n", "p%02d", "{'name':'c','resources':{'requests':{'cpu':'100m'}}}"),
                  i > 0 ? "," : "{'kind':'List','metadata':{},'items':[", i);
  }
  km_buf_puts(&metrics, "]}");
  km_buf_puts(&pods, "]}");
  struct script script = SCRIPT({METRICS "/namespaces/n/pods?labelSelector=app%3Dx", 0, metrics.data, DATE},
                                {"/api/v1/namespaces/n/pods?", 0, pods.data, NULL});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "pods_top", "{'namespace':'n','label_selector':'app=x'}");
  assert_contains(text, "p39   39m   100m (39%)");
  assert_contains(text, "p00   0     100m (0%)");
  assert_int_equal(script.hits[1], 1);
  kit_free(kit);
  km_buf_done(&metrics);
  km_buf_done(&pods);
}

/* -- nodes -------------------------------------------------------------------------------------------------------- */

#define NODE_USAGE(name, cpu, memory)                                                                        \
  "{'metadata':{'name':'" name "'},'timestamp':'2026-01-01T00:00:00Z','window':'15s'," USAGE(cpu, memory) "}"
#define NODE(name)                                                                                           \
  "{'metadata':{'name':'" name                                                                               \
  "'},'status':{'conditions':[{'type':'Ready','status':'True'}],'allocatable':{'cpu':'4','memory':'8Gi'}}}"

static void test_nodes(void **state)
{
  (void)state;
  struct script script = SCRIPT(
      {METRICS "/nodes", 0, LIST(NODE_USAGE("n1", "1", "1Gi") "," NODE_USAGE("n2", "2001m", "2Gi")), DATE},
      {"/api/v1/nodes", 0, LIST(NODE("n1") "," NODE("n2") "," NODE("n3")), NULL});
  struct kit *kit = kit_of_script(&script);
  assert_string_equal(expect(kit, "nodes_top", "{}"),
                      "NAME   STATUS   CPU         CPU-ALLOC   MEMORY      MEM-ALLOC\n"
                      "n2     Ready    2001m       4 (50%)     2Gi         8Gi (25%)\n"
                      "n1     Ready    1           4 (25%)     1Gi         8Gi (12%)\n"
                      "n3     Ready    <unknown>   4           <unknown>   8Gi\n"
                      "# context prod: 3 nodes: cpu 3001m, memory 3Gi\n"
                      "# measured 30 s ago, over 15s\n");
  kit_free(kit);
  struct script alone = SCRIPT({METRICS "/nodes", 0, LIST(NODE_USAGE("n1", "1", "1Gi")), DATE},
                               {"/api/v1/nodes", 403, FORBIDDEN_BODY, NULL});
  kit = kit_of_script(&alone);
  const char *text = expect(kit, "nodes_top", "{}");
  assert_contains(text, "NAME   CPU   MEMORY\nn1     1     1Gi\n");
  assert_contains(text, "may not read the nodes themselves");
  kit_free(kit);
}

/* -- no metrics --------------------------------------------------------------------------------------------------- */

#define SERVED                                                                                               \
  {METRICS "?", 0, "{}", NULL},                                                                              \
  {                                                                                                          \
    METRICS, 0, "{'kind':'APIResourceList'}", NULL                                                           \
  }

static void test_absent(void **state)
{
  (void)state;
  struct script script = SCRIPT({"/api/v1/nodes", 0, LIST(NODE("n1")), NULL});
  struct kit *kit = kit_of_script(&script);
  static const char *const tools[] = {"nodes_top", "pods_top"};
  for (size_t i = 0; i < KM_ARRAY_LEN(tools); i++) {
    const char *text = expect_failure(kit, KM_E_NOT_FOUND, "MetricsUnavailable", tools[i], "{}");
    assert_contains(text, "has no metrics API");
    assert_contains(text, "\"http_status\":404");
    assert_contains(text, "metrics-server");
    expect_failure(kit, KM_E_NOT_FOUND, "MetricsUnavailable", tools[i], "{'name':'x'}");
  }
  kit_free(kit);
}

static void test_broken(void **state)
{
  (void)state;
  struct script script =
      SCRIPT({METRICS, 503,
              "{'kind':'Status','message':'the server is currently unable to handle the request'}", NULL});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect_failure(kit, KM_E_UNAVAILABLE, "MetricsUnavailable", "pods_top", "{}");
  assert_contains(text, "unable to handle the request");
  assert_contains(text, "v1beta1.metrics.k8s.io");
  expect_failure(kit, KM_E_UNAVAILABLE, "MetricsUnavailable", "nodes_top", "{}");
  kit_free(kit);
  /* A cluster that cannot be reached is not a matter of metrics. */
  kit = kit_of_script(&script);
  kit->world->fake.server = "http://127.0.0.1:1";
  expect_failure(kit, KM_E_UNAVAILABLE, "Unreachable", "nodes_top", "{}");
  kit_free(kit);
}

static void test_empty(void **state)
{
  (void)state;
  struct script script = SCRIPT(
      {METRICS "/pods", 0, LIST(""), DATE}, {METRICS "/nodes", 0, "{'items':[]}", DATE},
      {"/api/v1/nodes", 0, LIST(NODE("n1")), NULL}, {"/api/v1/pods", 0, LIST(POD("a", "b", "")), NULL});
  struct kit *kit = kit_of_script(&script);
  assert_contains(expect_failure(kit, KM_E_NOT_FOUND, "MetricsUnavailable", "pods_top", "{}"),
                  "no data of the pods that run yet");
  assert_contains(expect_failure(kit, KM_E_NOT_FOUND, "MetricsUnavailable", "nodes_top", "{}"),
                  "no data of the nodes yet");
  kit_free(kit);
  struct script idle = SCRIPT({METRICS "/pods", 0, LIST(""), DATE}, {"/api/v1/pods", 0, LIST(""), NULL});
  kit = kit_of_script(&idle);
  assert_string_equal(expect(kit, "pods_top", "{}"), "# context prod: nothing found\n");
  assert_contains(idle.last_query, "status.phase%3DRunning");
  kit_free(kit);
}

/* A pod that exists but is not measured yet, and one that does not exist. */
static void test_one_missing(void **state)
{
  (void)state;
  static const char not_found[] =
      "{'kind':'Status','reason':'NotFound','message':'no such thing','details':{'name':'x'},'code':404}";
  struct script script =
      SCRIPT({METRICS, 0, "{'kind':'APIResourceList'}", NULL}, {METRICS "/", 404, not_found, NULL},
             {"/api/v1/namespaces/a/pods/new", 0, POD("a", "new", ""), NULL},
             {"/api/v1/namespaces/a/pods/none", 404, not_found, NULL});
  struct kit *kit = kit_of_script(&script);
  assert_contains(
      expect_failure(kit, KM_E_NOT_FOUND, "MetricsUnavailable", "pods_top", "{'namespace':'a','name':'new'}"),
      "no data of pod 'new' yet");
  expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "pods_top", "{'namespace':'a','name':'none'}");
  kit_free(kit);
}

static void test_nonsense(void **state)
{
  (void)state;
  static const char *const bodies[] = {"5",
                                       "[]",
                                       "{}",
                                       "{'items':",
                                       "{'items':7}",
                                       "{'items':[5]}",
                                       "{'items':[{}]}",
                                       "{'items':[{'metadata':{'name':'x'}}]}"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bodies); i++) {
    struct script script = SCRIPT({METRICS "/pods", 0, bodies[i], DATE});
    struct kit *kit = kit_of_script(&script);
    expect_failure(kit, KM_E_PROTOCOL, "KubernetesError", "pods_top", "{}");
    kit_free(kit);
  }
  struct script odd = SCRIPT(
      {METRICS "/pods", 0, "{'items':[{'metadata':{'namespace':'a','name':'x'},'containers':[7]}]}", DATE},
      {"/api/v1/", 403, FORBIDDEN_BODY, NULL});
  struct kit *kit = kit_of_script(&odd);
  assert_contains(expect(kit, "pods_top", "{}"), "a           x     <unknown>   <unknown>\n");
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pods),           cmocka_unit_test(test_containers),
      cmocka_unit_test(test_one_pod),        cmocka_unit_test(test_age),
      cmocka_unit_test(test_pods_forbidden), cmocka_unit_test(test_narrowed),
      cmocka_unit_test(test_many),           cmocka_unit_test(test_nodes),
      cmocka_unit_test(test_absent),         cmocka_unit_test(test_broken),
      cmocka_unit_test(test_empty),          cmocka_unit_test(test_one_missing),
      cmocka_unit_test(test_nonsense),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
