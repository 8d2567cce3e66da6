/* Discovery documents of every form, hostile ones, and how a client fetches and keeps them. */
#include "kube/fixture.h"

#include "../../../src/kube/discovery_snapshot.h"

#include "kube_mcp/base/banned.h"

#define AGGREGATED_APPS                                                                                      \
  "{'kind':'APIGroupDiscoveryList','apiVersion':'apidiscovery.k8s.io/%s','items':["                          \
  "{'metadata':{'name':'apps'},'versions':[{'version':'v1','freshness':'Current','resources':["              \
  "{'resource':'deployments','responseKind':{'group':'','version':'','kind':'Deployment'},'scope':'"         \
  "Namespaced',"                                                                                             \
  "'singularResource':'deployment','verbs':['get','list','watch','deletecollection','frobnicate'],"          \
  "'shortNames':['deploy'],'categories':['all'],"                                                            \
  "'subresources':[{'subresource':'scale','responseKind':{'kind':'Scale'},'verbs':['get']}]},"               \
  "{'resource':'onlysub','scope':'Cluster'}]}]},"                                                            \
  "{'metadata':{'name':'autoscaling'},'versions':["                                                          \
  "{'version':'v2','resources':[{'resource':'horizontalpodautoscalers','responseKind':{'kind':"              \
  "'HorizontalPodAutoscaler'},'scope':'Namespaced','verbs':['list'],'shortNames':['hpa']}]},"                \
  "{'version':'v1','resources':[{'resource':'horizontalpodautoscalers','responseKind':{'kind':"              \
  "'HorizontalPodAutoscaler'},'scope':'Namespaced','verbs':['list'],'shortNames':['hpa']}]}]},"              \
  "{'metadata':{'name':'metrics.k8s.io'},'versions':[{'version':'v1beta1','freshness':'Stale'}]}]}"

#define CORE                                                                                                 \
  "{'kind':'APIGroupDiscoveryList','items':[{'metadata':{},'versions':[{'version':'v1','resources':["        \
  "{'resource':'pods','responseKind':{'kind':'Pod'},'scope':'Namespaced','verbs':['get','list'],"            \
  "'shortNames':['po']},"                                                                                    \
  "{'resource':'nodes','responseKind':{'kind':'Node'},'scope':'Cluster','verbs':['get']}]}]}]}"

static struct km_discovery *finish(struct km_snapshot *snapshot, const struct km_resource **items,
                                   size_t *count)
{
  struct km_discovery *discovery = km_snapshot_finish(snapshot);
  *items = km_discovery_items(discovery, count);
  return discovery;
}

static void check_aggregated(const char *version)
{
  struct km_arena *arena = km_arena_new(MIB);
  struct km_snapshot *snapshot = km_snapshot_new();
  assert_true(km_snapshot_add_aggregated(snapshot, json_of(arena, CORE)));
  char *text = NULL;
  assert_true(asprintf(&text, AGGREGATED_APPS, version) > 0);
  assert_true(km_snapshot_add_aggregated(snapshot, json_of(arena, text)));
  free(text);
  km_arena_free(arena); /* nothing may point into the documents */
  const struct km_resource *items = NULL;
  size_t count = 0;
  struct km_discovery *discovery = finish(snapshot, &items, &count);
  assert_int_equal(count, 5);
  assert_string_equal(items[0].group, "");
  assert_string_equal(items[0].plural, "pods");
  assert_string_equal(items[0].singular, "pod"); /* guessed from the kind */
  assert_true(items[0].namespaced);
  assert_false(items[1].namespaced);
  assert_string_equal(items[2].plural, "deployments");
  assert_string_equal(items[2].group, "apps");
  assert_string_equal(items[2].version, "v1");
  assert_string_equal(items[2].kind, "Deployment");
  assert_int_equal(items[2].verbs, KM_VERB_GET | KM_VERB_LIST | KM_VERB_WATCH | KM_VERB_DELETE_COLLECTION);
  assert_int_equal(items[2].short_name_count, 1);
  assert_string_equal(items[2].short_names[0], "deploy");
  assert_string_equal(items[2].categories[0], "all");
  assert_true(items[2].preferred);
  assert_string_equal(items[3].version, "v2");
  assert_true(items[3].preferred);
  assert_string_equal(items[4].version, "v1");
  assert_false(items[4].preferred);
  const char *const *broken = km_discovery_broken(discovery);
  assert_contains(broken[0], "metrics.k8s.io/v1beta1: ");
  assert_null(broken[1]);
  km_discovery_unref(discovery);
}

static void test_aggregated(void **state)
{
  (void)state;
  check_aggregated("v2");
  check_aggregated("v2beta1");
}

static void test_legacy(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(MIB);
  size_t count = 0;
  struct km_group_version *core =
      km_legacy_versions(arena, json_of(arena, "{'kind':'APIVersions','versions':['v1']}"), &count);
  assert_int_equal(count, 1);
  assert_string_equal(core[0].group, "");
  assert_string_equal(core[0].version, "v1");
  assert_true(core[0].preferred);
  struct km_group_version *groups = km_legacy_versions(
      arena,
      json_of(
          arena,
          "{'kind':'APIGroupList','groups':[{'name':'batch','preferredVersion':{'version':'v1'},"
          "'versions':[{'version':'v1beta1'},{'version':'v1'}]},{'name':'x','versions':[{'version':'v3'}]},"
          "{'name':'a/b','versions':[{'version':'v1'}]},{'versions':[{'version':'v1'}]}]}"),
      &count);
  assert_int_equal(count, 3);
  assert_string_equal(groups[0].version, "v1");
  assert_true(groups[0].preferred);
  assert_string_equal(groups[1].version, "v1beta1");
  assert_false(groups[1].preferred);
  assert_string_equal(groups[2].group, "x");
  assert_null(km_legacy_versions(arena, json_of(arena, "{'kind':'Status'}"), &count));
  struct km_snapshot *snapshot = km_snapshot_new();
  yyjson_val *list = json_of(
      arena,
      "{'kind':'APIResourceList','groupVersion':'batch/v1','resources':["
      "{'name':'jobs','singularName':'job','namespaced':true,'kind':'Job','verbs':['create','update','patch',"
      "'delete']},{'name':'jobs/status','kind':'Job','namespaced':true}]}");
  assert_true(km_snapshot_add_legacy(snapshot, list, "batch", "v1", true));
  assert_false(km_snapshot_add_legacy(snapshot, json_of(arena, "{'kind':'List'}"), "batch", "v1", true));
  km_snapshot_add_broken(snapshot, "metrics.k8s.io", "v1beta1", "context 'x':\nno\x1b[31m endpoints");
  km_snapshot_add_broken(snapshot, "", "v1", "why");
  const struct km_resource *items = NULL;
  struct km_discovery *discovery = finish(snapshot, &items, &count);
  assert_int_equal(count, 1);
  assert_string_equal(items[0].singular, "job");
  assert_int_equal(items[0].verbs, KM_VERB_CREATE | KM_VERB_UPDATE | KM_VERB_PATCH | KM_VERB_DELETE);
  assert_string_equal(km_discovery_broken(discovery)[0], "metrics.k8s.io/v1beta1: context 'x': no endpoints");
  assert_string_equal(km_discovery_broken(discovery)[1], "v1: why");
  km_discovery_unref(discovery);
  km_arena_free(arena);
}

static void test_hostile_documents(void **state)
{
  (void)state;
  static const char *const texts[] = {
      "null",
      "[]",
      "5",
      "{}",
      "{'kind':'APIGroupDiscoveryList'}",
      "{'kind':'APIGroupDiscoveryList','items':{}}",
      "{'kind':'APIGroupDiscoveryList','items':[5,null,{},{'versions':[7]},{'versions':[{'version':5}]}]}",
      "{'kind':'APIGroupDiscoveryList','items':[{'metadata':{'name':'../"
      "x'},'versions':[{'version':'v1','resources':"
      "[{'resource':'a','responseKind':{'kind':'A'}}]}]}]}",
      "{'kind':'APIGroupDiscoveryList','items':[{'versions':[{'version':'v1','resources':[{'resource':'a/b',"
      "'responseKind':{'kind':'A'}},{'resource':'a','responseKind':{'kind':'A b'}},{'resource':'',"
      "'responseKind':{'kind':'A'}},{'resource':'a','responseKind':5},7]}]}]}"};
  struct km_arena *arena = km_arena_new(MIB);
  for (size_t i = 0; i < KM_ARRAY_LEN(texts); i++) {
    struct km_snapshot *snapshot = km_snapshot_new();
    (void)km_snapshot_add_aggregated(snapshot, json_of(arena, texts[i]));
    const struct km_resource *items = NULL;
    size_t count = 0;
    struct km_discovery *discovery = finish(snapshot, &items, &count);
    assert_int_equal(count, 0);
    assert_null(km_discovery_broken(discovery)[0]);
    km_discovery_unref(discovery);
  }
  km_arena_free(arena);
}

/* -- fetching ----------------------------------------------------------------------------------------------------- */

/* One cluster's answers by path; NULL = 404. */
struct cluster {
  const char *api, *apis;
  bool legacy;
  atomic_uint requests;
  long delay_ms;
};

static void reply_json(struct exchange *x, const char *text)
{
  char *copy = strdup(text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  (void)server_reply(x, 200, "Content-Type: application/json\r\n", copy);
  free(copy);
}

static bool serve_discovery(struct exchange *x)
{
  struct cluster *cluster = (struct cluster *)(uintptr_t)x->server->data;
  atomic_fetch_add(&cluster->requests, 1);
  sleep_ms(cluster->delay_ms);
  char accept[512] = "";
  (void)server_header(x, "Accept", accept, sizeof(accept));
  if (strcmp(x->path, "/api") == 0) {
    assert_contains(accept, "as=APIGroupDiscoveryList");
    reply_json(x, cluster->api);
  } else if (strcmp(x->path, "/apis") == 0) {
    reply_json(x, cluster->apis);
  } else if (strcmp(x->path, "/api/v1") == 0) {
    reply_json(x, "{'kind':'APIResourceList','resources':[{'name':'pods','singularName':'','namespaced':true,"
                  "'kind':'Pod','verbs':['list']}]}");
  } else if (strcmp(x->path, "/apis/apps/v1") == 0) {
    reply_json(x, "{'kind':'APIResourceList','resources':[{'name':'deployments','singularName':'deployment',"
                  "'namespaced':true,'kind':'Deployment','verbs':['list'],'shortNames':['deploy']}]}");
  } else if (strcmp(x->path, "/apis/apps/v1beta1") == 0) {
    reply_json(x, "{'kind':'APIResourceList','resources':[{'name':'deployments','singularName':'deployment',"
                  "'namespaced':true,'kind':'Deployment','verbs':['list']}]}");
  } else {
    return server_reply(x, 500, "", "{\"kind\":\"Status\",\"message\":\"the backend is down\"}");
  }
  return true;
}

static struct km_discovery *discover(struct world *world)
{
  struct km_kube_request request = {0};
  struct km_discovery *discovery = NULL;
  if (km_client_discovery(world->client, &request, &discovery, &world->err) != KM_OK) {
    fail_msg("%s", world->err.message);
  }
  return discovery;
}

static void test_fetch_aggregated_once(void **state)
{
  (void)state;
  struct cluster cluster = {.api = CORE, .apis = "{'kind':'APIGroupDiscoveryList','items':[]}"};
  struct world *world = world_new(serve_discovery, &cluster);
  world_client(world);
  struct km_discovery *first = discover(world);
  struct km_discovery *second = discover(world);
  assert_ptr_equal(first, second);
  assert_int_equal(cluster.requests, 2);
  km_discovery_unref(first);
  km_discovery_unref(second);
  world_free(world);
}

static void test_fetch_legacy(void **state)
{
  (void)state;
  struct cluster cluster = {
      .api = "{'kind':'APIVersions','versions':['v1']}",
      .apis = "{'kind':'APIGroupList','groups':[{'name':'metrics.k8s.io','versions':[{'version':'v1beta1'}],"
              "'preferredVersion':{'version':'v1beta1'}},{'name':'apps','versions':[{'version':'v1beta1'},"
              "{'version':'v1'}],'preferredVersion':{'version':'v1'}}]}"};
  struct world *world = world_new(serve_discovery, &cluster);
  world_client(world);
  struct km_discovery *discovery = discover(world);
  size_t count = 0;
  const struct km_resource *items = km_discovery_items(discovery, &count);
  assert_int_equal(count, 3);
  assert_string_equal(items[0].kind, "Pod");
  assert_string_equal(items[1].version, "v1");
  assert_string_equal(items[2].version, "v1beta1");
  const char *const *broken = km_discovery_broken(discovery);
  assert_contains(broken[0], "metrics.k8s.io/v1beta1: ");
  assert_contains(broken[0], "the backend is down");
  assert_null(broken[1]);
  km_discovery_unref(discovery);
  world_free(world);
}

static void test_fetch_expires(void **state)
{
  (void)state;
  struct cluster cluster = {.api = CORE, .apis = "{'kind':'APIGroupDiscoveryList','items':[]}"};
  struct world *world = world_new(serve_discovery, &cluster);
  world->options.discovery_ttl_ms = 30;
  world_client(world);
  struct km_discovery *first = discover(world);
  sleep_ms(40);
  cluster.api = "{'kind':'APIGroupDiscoveryList','items':[]}";
  struct km_discovery *second = discover(world);
  size_t count = 0;
  (void)km_discovery_items(second, &count);
  assert_int_equal(count, 0);
  (void)km_discovery_items(first, &count); /* the old one is still whole */
  assert_int_equal(count, 2);
  km_discovery_unref(first);
  km_discovery_unref(second);
  world_free(world);
}

static void *discover_and_drop(void *data)
{
  km_discovery_unref(discover(data));
  return NULL;
}

static void test_many_callers_one_fetch(void **state)
{
  (void)state;
  struct cluster cluster = {
      .api = CORE, .apis = "{'kind':'APIGroupDiscoveryList','items':[]}", .delay_ms = 50};
  struct world *world = world_new(serve_discovery, &cluster);
  world_client(world);
  in_parallel(16, discover_and_drop, world);
  assert_int_equal(cluster.requests, 2);
  world_free(world);
}

static void test_fetch_fails(void **state)
{
  (void)state;
  struct cluster cluster = {.api = "{'kind':'Pod'}", .apis = "{}"};
  struct world *world = world_new(serve_discovery, &cluster);
  world_client(world);
  struct km_kube_request request = {0};
  struct km_discovery *discovery = NULL;
  assert_int_equal(km_client_discovery(world->client, &request, &discovery, &world->err), KM_E_PROTOCOL);
  assert_contains(world->err.message, "context 'prod'");
  assert_null(discovery);
  world_free(world);
}

/* A deadline that passes in the middle ends the call instead of leaving half a snapshot. */
static void test_deadline_in_legacy_fetch(void **state)
{
  (void)state;
  struct cluster cluster = {
      .api = "{'kind':'APIVersions','versions':['v1','v2','v3']}", .apis = "{}", .delay_ms = 150};
  struct world *world = world_new(serve_discovery, &cluster);
  world_client(world);
  struct km_kube_request request = {.deadline = km_deadline_in_ms(220)};
  struct km_discovery *discovery = NULL;
  assert_int_equal(km_client_discovery(world->client, &request, &discovery, &world->err), KM_E_TIMEOUT);
  world_free(world);
}

/* 300 CRDs in as many groups. */
static void test_large_cluster(void **state)
{
  (void)state;
  struct km_buf text;
  km_buf_init(&text, 4 * MIB);
  km_buf_puts(&text, "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[");
  for (int i = 0; i < 300; i++) {
    km_buf_printf(
        &text,
        "%s{\"metadata\":{\"name\":\"group%d.example.com\"},\"versions\":[{\"version\":\"v1\",\"resources\":["
        "{\"resource\":\"things%d\",\"responseKind\":{\"kind\":\"Thing%d\"},\"scope\":\"Namespaced\","
        "\"verbs\":[\"list\"],\"shortNames\":[\"t%d\"]}]}]}",
        i > 0 ? "," : "", i, i, i, i);
  }
  km_buf_puts(&text, "]}");
  struct km_arena *arena = km_arena_new(MIB);
  struct km_snapshot *snapshot = km_snapshot_new();
  assert_true(km_snapshot_add_aggregated(snapshot, json_of(arena, text.data)));
  const struct km_resource *items = NULL;
  size_t count = 0;
  struct km_discovery *discovery = finish(snapshot, &items, &count);
  assert_int_equal(count, 300);
  assert_string_equal(items[299].group, "group299.example.com");
  km_discovery_unref(discovery);
  km_arena_free(arena);
  km_buf_done(&text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_aggregated),
      cmocka_unit_test(test_legacy),
      cmocka_unit_test(test_hostile_documents),
      cmocka_unit_test(test_fetch_aggregated_once),
      cmocka_unit_test(test_fetch_legacy),
      cmocka_unit_test(test_fetch_expires),
      cmocka_unit_test(test_many_callers_one_fetch),
      cmocka_unit_test(test_fetch_fails),
      cmocka_unit_test(test_deadline_in_legacy_fetch),
      cmocka_unit_test(test_large_cluster),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
