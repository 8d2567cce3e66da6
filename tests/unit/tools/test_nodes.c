/* nodes_summary over scripted clusters: the order, the sums, what is said of what cannot be read, and many of both. */
#include "tools/script.h"

#include "kube_mcp/base/banned.h"

#define COLUMNS       "'columnDefinitions':[{'name':'Name','priority':0},{'name':'Age','priority':0}]"
#define READY(status) "{'type':'Ready','status':'" status "'}"
#define ROOM(cpu, memory)                                                                                    \
  "'capacity':{'cpu':'8','memory':'32Gi','pods':'110'},'allocatable':{'cpu':'" cpu "','memory':'" memory     \
  "','pods':'100'}"
#define NODE(name, spec, labels, conditions)                                                                 \
  "{'cells':['" name "','3d'],'object':{'metadata':{'name':'" name "','labels':{" labels "}},'spec':{" spec  \
  "},'status':{'conditions':[" conditions "],'nodeInfo':{'kubeletVersion':'v1.34.1','architecture':'arm64'," \
  "'operatingSystem':'linux','containerRuntimeVersion':'containerd://2.1'}," ROOM("4", "8Gi") "}}}"
#define TABLE(rows) "{'kind':'Table','metadata':{}," COLUMNS ",'rows':[" rows "]}"

#define NODES                                                                                                \
  TABLE(NODE(                                                                                                \
      "fine", "", "'node-role.kubernetes.io/worker':'','kubernetes.io/role':'edge'",                         \
      READY("True")) "," NODE("cordoned",                                                                    \
                              "'unschedulable':true,'taints':[{'key':'k','effect':'NoSchedule'}]", "",       \
                              READY(                                                                         \
                                  "True")) "," NODE("pressed", "", "",                                       \
                                                    READY(                                                   \
                                                        "True") ",{'type':'MemoryPressure','status':'"       \
                                                                "True'},{'type':'StorageReady','status':'"   \
                                                                "False'},"                                   \
                                                                "{'type':'DiskPressure','status':'False'"    \
                                                                "}") "," NODE("lost", "", "",                \
                                                                              READY(                         \
                                                                                  "Unknown")) "," NODE("s"   \
                                                                                                       "i"   \
                                                                                                       "l"   \
                                                                                                       "e"   \
                                                                                                       "n"   \
                                                                                                       "t",  \
                                                                                                       "",   \
                                                                                                       "",   \
                                                                                                       ""))

#define POD(node, phase, cpu, memory)                                                                        \
  "{'spec':{'nodeName':'" node "','containers':[{'resources':{'requests':{'cpu':'" cpu "','memory':'" memory \
  "'}}}]},'status':{'phase':'" phase "'}}"
#define PODS                                                                                                 \
  "{'kind':'PodList','metadata':{},'items':[" POD("fine", "Running", "1", "1Gi") "," POD(                    \
      "fine", "Pending", "500m",                                                                             \
      "1Gi") "," POD("fine", "Succeeded", "4", "4Gi") "," POD("gone", "Running", "1",                        \
                                                              "1Gi") "," POD("", "Pending", "1", "1Gi") "]}"

static void test_worst_first(void **state)
{
  (void)state;
  struct script script = SCRIPT({"/api/v1/nodes", 0, NODES, NULL}, {"/api/v1/pods", 0, PODS, NULL});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "nodes_summary", "{'label_selector':'a=b'}");
  const char *const order[] = {"\nlost ", "\nsilent ", "\npressed ", "\ncordoned ", "\nfine "};
  for (size_t i = 0, at = 0; i < KM_ARRAY_LEN(order); i++) {
    const char *found = strstr(text, order[i]);
    assert_non_null(found);
    assert_true((size_t)(found - text) >= at);
    at = (size_t)(found - text);
  }
  assert_contains(text, "lost       NotReady ");
  assert_contains(text, "silent     Unknown ");
  assert_contains(text, "MemoryPressure,StorageReady=False ");
  assert_contains(text, "Ready,SchedulingDisabled   <none>                              1 ");
  assert_contains(text,
                  "edge,worker   3d    v1.34.1   2      100        4     1500m (37%)   8Gi      2Gi (25%)\n");
  assert_contains(
      text,
      "# context prod: 5 nodes, 2 pods; cpu 1500m of 20 requested (7%); memory 2Gi of 40Gi requested (5%)\n"
      "# by status: Ready 2, NotReady 1, Ready,SchedulingDisabled 1, Unknown 1; by trouble: "
      "MemoryPressure,StorageReady=False 1; by version: v1.34.1 5\n"
      "# pods without a node yet: 1\n");
  assert_null(strstr(text, "containerd"));
  text = expect(kit, "nodes_summary", "{'output':'wide'}");
  assert_contains(text, "containerd://2.1   8         32Gi      110\n");
  kit_free(kit);
}

static void test_json(void **state)
{
  (void)state;
  struct script script = SCRIPT({"/api/v1/nodes", 0, NODES, NULL}, {"/api/v1/pods", 0, PODS, NULL});
  struct kit *kit = kit_of_script(&script);
  char *text = strdup(expect(kit, "nodes_summary", "{'output':'json','limit':4}"));
  assert_contains(text, "# the worst 4 are shown, 1 left out");
  char *at = text, *line = NULL;
  for (size_t i = 0; i < 4; i++) {
    line = strsep(&at, "\n");
  }
  yyjson_val *cordoned = json_of(kit->world->arena, line);
  assert_string_equal(km_json_str(cordoned, "name"), "cordoned");
  assert_string_equal(yyjson_get_str(yyjson_arr_get_first(km_json_arr(cordoned, "taints"))), "k:NoSchedule");
  assert_int_equal(km_json_int(km_json_obj(cordoned, "requested"), "cpu_percent", -1), 0);
  assert_string_equal(km_json_str(km_json_obj(cordoned, "allocatable"), "memory"), "8Gi");
  assert_int_equal(km_json_int(km_json_obj(cordoned, "capacity"), "pods", -1), 110);
  free(text);
  kit_free(kit);
}

/* Without the right to list pods there is still everything else. */
static void test_pods_forbidden(void **state)
{
  (void)state;
  struct script script =
      SCRIPT({"/api/v1/nodes", 0, NODES, NULL}, {"/api/v1/pods", 403, FORBIDDEN_BODY, NULL});
  struct kit *kit = kit_of_script(&script);
  const char *text = expect(kit, "nodes_summary", "{}");
  assert_contains(text, "pods may not be listed by this identity");
  assert_contains(text, "# context prod: 5 nodes; cpu 20 allocatable; memory 40Gi allocatable\n");
  assert_null(strstr(text, "CPU-REQ"));
  assert_null(strstr(expect(kit, "nodes_summary", "{'output':'json'}"), "\"requested\""));
  kit_free(kit);
}

static void test_failures(void **state)
{
  (void)state;
  struct script forbidden = SCRIPT({"/api/v1/nodes", 403, FORBIDDEN_BODY, NULL});
  struct kit *kit = kit_of_script(&forbidden);
  expect_failure(kit, KM_E_FORBIDDEN, "Forbidden", "nodes_summary", "{}");
  kit_free(kit);
  struct script broken = SCRIPT({"/api/v1/nodes", 0, NODES, NULL}, {"/api/v1/pods", 500, "{}", NULL});
  kit = kit_of_script(&broken);
  expect_failure(kit, KM_E_UNAVAILABLE, "KubernetesError", "nodes_summary", "{}");
  kit_free(kit);
}

static void test_none(void **state)
{
  (void)state;
  struct script script = SCRIPT({"/api/v1/nodes", 0, TABLE(""), NULL});
  struct kit *kit = kit_of_script(&script);
  assert_string_equal(expect(kit, "nodes_summary", "{}"), "# context prod: no nodes found\n");
  assert_contains(expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "nodes_summary", "{'name':'n7'}"),
                  "node 'n7' does not exist");
  kit_free(kit);
}

/* A name asks for that node and its pods alone. */
static void test_one_node(void **state)
{
  (void)state;
  struct script script = SCRIPT({"/api/v1/nodes", 0, TABLE(NODE("fine", "", "", READY("True"))), NULL},
                                {"/api/v1/pods", 0, PODS, NULL});
  struct kit *kit = kit_of_script(&script);
  (void)expect(kit, "nodes_summary", "{'name':'fine'}");
  assert_contains(script.last_query, "fieldSelector=spec.nodeName%3Dfine%2Cstatus.phase%21%3DSucceeded");
  kit_free(kit);
}

/* -- many --------------------------------------------------------------------------------------------------------- */

#define MANY_NODES 3000
#define MANY_PODS  20000

static void put_pod(int index, struct km_buf *out)
{
  km_buf_printf(
      out,
      "{\"spec\":{\"nodeName\":\"node-%04d\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100m\","
      "\"memory\":\"128Mi\"}}}]},\"status\":{\"phase\":\"Running\"}}",
      index % MANY_NODES);
}

static void put_node(int index, struct km_buf *out)
{
  km_buf_printf(out,
                "{\"metadata\":{\"name\":\"node-%04d\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
                "\"status\":\"%s\"}],"
                "\"allocatable\":{\"cpu\":\"8\",\"memory\":\"16Gi\",\"pods\":\"110\"}}}",
                index, index == 1234 ? "False" : "True");
}

/* Lists of as many as LIMIT asks for; the token is the number of the next. */
static bool serve_many(struct exchange *x)
{
  bool nodes = km_starts_with(x->path, "/api/v1/nodes");
  int start = query_number(x->path, "continue=", 0), limit = query_number(x->path, "limit=", 500);
  int total = nodes ? MANY_NODES : MANY_PODS;
  int stop = start + limit < total ? start + limit : total;
  struct km_buf out;
  km_buf_init(&out, 64 * MIB);
  km_buf_puts(&out, "{\"kind\":\"List\",\"metadata\":{");
  if (stop < total) {
    km_buf_printf(&out, "\"continue\":\"%d\"", stop);
  }
  km_buf_puts(&out, "},\"items\":[");
  for (int i = start; i < stop; i++) {
    km_buf_puts(&out, i > start ? "," : "");
    (nodes ? put_node : put_pod)(i, &out);
  }
  km_buf_puts(&out, "]}");
  bool open = server_reply(x, 200, "Content-Type: application/json\r\n", out.data);
  km_buf_done(&out);
  return open;
}

static void test_thousands(void **state)
{
  (void)state;
  struct kit *kit = kit_new(0);
  kit->world->server->handler = serve_many;
  kit->toolbox.page_size = 500;
  const char *text = expect(kit, "nodes_summary", "{}");
  assert_contains(text, "NAME        STATUS     TROUBLE");
  assert_int_equal(strstr(text, "\nnode-1234   NotReady ") - text, strcspn(text, "\n")); /* the first row */
  assert_contains(text, "# context prod: 3000 nodes, 20000 pods; cpu 2000 of 24000 requested (8%)");
  assert_contains(text, "by status: Ready 2999, NotReady 1;");
  assert_contains(text, " left out: narrow with label_selector\n");
  text = expect(kit, "nodes_summary", "{'limit':1,'output':'json'}");
  assert_contains(text, "{\"name\":\"node-1234\",\"status\":\"NotReady\"");
  assert_contains(text, "# the worst 1 are shown, 2999 left out");
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_worst_first), cmocka_unit_test(test_json), cmocka_unit_test(test_pods_forbidden),
      cmocka_unit_test(test_failures),    cmocka_unit_test(test_none), cmocka_unit_test(test_one_node),
      cmocka_unit_test(test_thousands),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
