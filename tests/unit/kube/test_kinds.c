/* Names of kinds: what kubectl makes of them, and what is said about those that mean nothing. */
#include "kube/fixture.h"

#include "../../../src/kube/kinds.h"

#include "kube_mcp/base/banned.h"

#define R(resource, singular, kind, scope, more)                                                             \
  "{'resource':'" resource "','singularResource':'" singular "','responseKind':{'kind':'" kind               \
  "'},'scope':'" scope "','verbs':['get','list']" more "}"
#define N "Namespaced"

static const char *const api =
    "{'kind':'APIGroupDiscoveryList','items':[{'versions':[{'version':'v1','resources':[" R(
        "pods", "pod", "Pod", N,
        ",'shortNames':['po']") "," R("services", "service", "Service", N,
                                      ",'shortNames':['svc']") "," R("events", "event", "Event", N,
                                                                     ",'shortNames':['ev']") "," R("nodes",
                                                                                                   "node",
                                                                                                   "Node",
                                                                                                   "Cluster",
                                                                                                   ",'"
                                                                                                   "shortName"
                                                                                                   "s':['no'"
                                                                                                   "]") "]}]}"
                                                                                                        "]}";

static const char *const apis =
    "{'kind':'APIGroupDiscoveryList','items':["
    "{'metadata':{'name':'apps'},'versions':[{'version':'v1','resources':[" R(
        "deployments", "deployment", "Deployment",
        N, ",'shortNames':['deploy']") "," R("daemonsets", "daemonset", "DaemonSet", N,
                                             ",'shortNames':['ds']") "]}]},"
                                                                     "{'metadata':{'name':'events.k8s.io'},'"
                                                                     "versions':[{'version':'v1','resources':"
                                                                     "[" R("events", "event", "Event", N, ",'shortNames':['ev']") "]}]},"
                                                                                                                                  "{'metadata':{'name':'autoscaling'},'versions':[{'version':'v2','resources':[" R("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", N, ",'shortNames':['hpa']") "]},{'version':'v1','resources':[" R("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", N, ",'shortNames':['hpa']") "," R("oldthings",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "oldthing",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "OldThing",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          N,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "") "]}]},"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              "{'metadata':{'name':'storage.k8s.io'},'versions':[{'version':'v1','resources':[" R("storageclasses",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "storageclass",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "StorageClass",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "Cluster",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  ",'shortNames':['sc']") "]}]},"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "{'metadata':{'name':'metrics.k8s.io'},'versions':[{'version':'v1beta1','resources':[" R("pods", "pod", "PodMetrics", N, "") "," R("nodes",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "node",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "NodeMetrics",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "Cluster",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "") "]}]},"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 "{'metadata':{'name':'serving.knative.dev'},'versions':[{'version':'v1','resources':[" R("services",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "service", "Service", N, ",'shortNames':['kservice','ksvc']") "]}]},"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        "{'metadata':{'name':'shop.example.com'},'versions':[{'version':'v1alpha1','resources':[" R(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "carts",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "cart", "ShoppingCart", N, ",'shortNames':['sc','ct']") "," R("ds",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          "d", "DataStore", N, "") "," R("geese",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "goose",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "Goose",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         N,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "") "]}]}]}";

static atomic_uint requests;
static const char *apis_now;

static bool serve(struct exchange *x)
{
  atomic_fetch_add(&requests, 1);
  char *copy = strdup(strcmp(x->path, "/api") == 0 ? api : apis_now);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  bool open = server_reply(x, 200, "", copy);
  free(copy);
  return open;
}

static struct world *world;

static int set_up(void **state)
{
  (void)state;
  apis_now = apis;
  atomic_store(&requests, 0);
  world = world_new(serve, NULL);
  world_client(world);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  world_free(world);
  km_clock_install(NULL);
  return 0;
}

static enum km_rc resolve(const char *kind, const char *api_version, struct km_resource *ret)
{
  struct km_kube_request request = {0};
  km_error_clear(&world->err);
  return km_client_resolve_kind(world->client, kind, api_version, &request, world->arena, ret, &world->err);
}

/* KIND, in API_VERSION, is PLURAL.VERSION.GROUP. */
static void expect(const char *kind, const char *api_version, const char *expected)
{
  struct km_resource resource;
  if (resolve(kind, api_version, &resource) != KM_OK) {
    fail_msg("%s %s: %s", kind, api_version != NULL ? api_version : "", world->err.message);
  }
  char got[256];
  (void)snprintf(got, sizeof(got), "%s.%s.%s", resource.plural, resource.version, resource.group);
  if (strcmp(got, expected) != 0) {
    fail_msg("%s %s is %s, not %s", kind, api_version != NULL ? api_version : "", got, expected);
  }
}

static void test_as_kubectl(void **state)
{
  (void)state;
  expect("po", NULL, "pods.v1.");
  expect("svc", NULL, "services.v1.");
  expect("service", NULL, "services.v1."); /* not Knative's */
  expect("ev", NULL, "events.v1.");        /* core before events.k8s.io */
  expect("events.events.k8s.io", NULL, "events.v1.events.k8s.io");
  expect("event.events", NULL, "events.v1.events.k8s.io");
  expect("deploy", NULL, "deployments.v1.apps");
  expect("deploy.apps", NULL, "deployments.v1.apps");
  expect("deployments.v1.apps", NULL, "deployments.v1.apps");
  expect("Deployment.v1.apps", NULL, "deployments.v1.apps");
  expect("DEPLOYMENTS.apps", NULL, "deployments.v1.apps");
  expect("hpa", NULL, "horizontalpodautoscalers.v2.autoscaling"); /* the preferred version */
  expect("hpa.v1.autoscaling", NULL, "horizontalpodautoscalers.v1.autoscaling");
  expect("oldthings", NULL, "oldthings.v1.autoscaling"); /* only in a version that is not preferred */
  expect("storageclass.storage", NULL, "storageclasses.v1.storage.k8s.io");
  expect("pods.metrics.k8s.io", NULL, "pods.v1beta1.metrics.k8s.io");
  expect("pods.metrics", NULL, "pods.v1beta1.metrics.k8s.io");
  expect("PodMetrics", NULL, "pods.v1beta1.metrics.k8s.io");
  expect("ksvc", NULL, "services.v1.serving.knative.dev");
  expect("sc", NULL, "storageclasses.v1.storage.k8s.io"); /* of two short names the first group's */
  expect("sc.shop.example.com", NULL, "carts.v1alpha1.shop.example.com");
  expect("ShoppingCart", NULL, "carts.v1alpha1.shop.example.com");
  expect("shoppingcart.shop", NULL, "carts.v1alpha1.shop.example.com");
  expect("carts.v1alpha1.shop.example.com", NULL, "carts.v1alpha1.shop.example.com");
  expect("goose", NULL, "geese.v1alpha1.shop.example.com");
  expect("ds", NULL, "ds.v1alpha1.shop.example.com"); /* a full name goes before DaemonSet's short one */
  expect("pods.v1.", NULL, "pods.v1.");
}

static void test_api_version_narrows(void **state)
{
  (void)state;
  expect("events", "v1", "events.v1.");
  expect("events", "events.k8s.io/v1", "events.v1.events.k8s.io");
  expect("events", "events.k8s.io", "events.v1.events.k8s.io");
  expect("services", "serving.knative.dev/v1", "services.v1.serving.knative.dev");
  expect("hpa", "autoscaling/v1", "horizontalpodautoscalers.v1.autoscaling");
  expect("HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers.v2.autoscaling");
  expect("deployments.apps", "apps/v1", "deployments.v1.apps");
  expect("Pod", "", "pods.v1.");
}

/* Built-in kinds by their full names need no request at all. */
static void test_builtins_without_requests(void **state)
{
  (void)state;
  expect("pods", NULL, "pods.v1.");
  expect("Pod", "v1", "pods.v1.");
  expect("Namespace", NULL, "namespaces.v1.");
  expect("nodes", NULL, "nodes.v1.");
  expect("events", NULL, "events.v1.");
  expect("configmap", NULL, "configmaps.v1.");
  expect("Secret", NULL, "secrets.v1.");
  expect("deployments", NULL, "deployments.v1.apps");
  expect("deployments.apps", NULL, "deployments.v1.apps");
  expect("Deployment", "apps/v1", "deployments.v1.apps");
  expect("statefulset", "apps", "statefulsets.v1.apps");
  expect("jobs", NULL, "jobs.v1.batch");
  assert_int_equal(requests, 0);
  expect("po", NULL, "pods.v1.");
  assert_int_equal(requests, 2);
  expect("pods.metrics.k8s.io", NULL, "pods.v1beta1.metrics.k8s.io");
  assert_int_equal(requests, 2);
}

static void test_members(void **state)
{
  (void)state;
  struct km_resource resource;
  assert_int_equal(resolve("nodes", NULL, &resource), KM_OK);
  assert_false(resource.namespaced);
  assert_int_equal(resolve("carts", NULL, &resource), KM_OK);
  assert_true(resource.namespaced);
  assert_string_equal(resource.kind, "ShoppingCart");
  assert_int_equal(resource.short_name_count, 2);
  assert_string_equal(resource.short_names[1], "ct");
  assert_int_equal(resource.verbs, KM_VERB_GET | KM_VERB_LIST);
}

static void expect_unknown(const char *kind, const char *api_version, const char *hint)
{
  struct km_resource resource = {.group = "untouched"};
  assert_int_equal(resolve(kind, api_version, &resource), KM_E_NOT_FOUND);
  assert_string_equal(world->err.reason, "UnknownKind");
  assert_contains(world->err.message, "context 'prod'");
  assert_contains(world->err.hint, hint);
  assert_string_equal(resource.group, "untouched");
}

static void test_unknown(void **state)
{
  (void)state;
  expect_unknown("deploymnet", NULL, "Deployment (apps/v1)");
  expect_unknown("cartz", NULL, "ShoppingCart (shop.example.com/v1alpha1)");
  expect_unknown("Deployment", "v1", "it is served as Deployment (apps/v1)");
  expect_unknown("Deployment", "extensions/v1beta1", "it is served as Deployment (apps/v1)");
  expect_unknown("hpa", "autoscaling/v9", "HorizontalPodAutoscaler (autoscaling/v2)");
  expect_unknown("deployments.apps", "batch/v1", "it is served as Deployment (apps/v1)");
  expect_unknown("qqqqqqqqqqqq", NULL, "kinds are named as for kubectl");
  expect_unknown("..", NULL, "");
  expect_unknown(".apps", NULL, "");
  struct km_resource resource;
  assert_int_equal(resolve("", NULL, &resource), KM_E_INVALID);
  assert_int_equal(resolve(NULL, NULL, &resource), KM_E_INVALID);
  char long_kind[2000];
  memset(long_kind, 'k', sizeof(long_kind) - 1);
  long_kind[sizeof(long_kind) - 1] = '\0';
  assert_int_equal(resolve(long_kind, NULL, &resource), KM_E_INVALID);
}

static uint64_t skip_ns;

static uint64_t skipping_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec + skip_ns;
}

static int64_t wall_ms(void)
{
  return 0;
}

static void test_new_kind_is_found_soon(void **state)
{
  (void)state;
  static const struct km_clock skipping = {.monotonic_ns = skipping_ns, .wall_ms = wall_ms};
  skip_ns = 0;
  km_clock_install(&skipping);
  apis_now = "{'kind':'APIGroupDiscoveryList','items':[]}";
  expect_unknown("carts", NULL, "");
  assert_int_equal(requests, 2);
  expect_unknown("carts", NULL, "");
  assert_int_equal(requests, 2); /* too fresh to be asked again */
  apis_now = apis;
  skip_ns = 11 * KM_NS_PER_S;
  expect("carts", NULL, "carts.v1alpha1.shop.example.com");
  assert_int_equal(requests, 4);
}

static void test_broken_group_is_mentioned(void **state)
{
  (void)state;
  apis_now = "{'kind':'APIGroupDiscoveryList','items':[{'metadata':{'name':'metrics.k8s.io'},"
             "'versions':[{'version':'v1beta1','freshness':'Stale'}]}]}";
  expect_unknown("PodMetrics", NULL, "metrics.k8s.io/v1beta1: ");
}

static void test_paths(void **state)
{
  (void)state;
  struct km_arena *arena = world->arena;
  struct km_resource pods = {.group = "", .version = "v1", .plural = "pods"};
  struct km_resource deployments = {.group = "apps", .version = "v1", .plural = "deployments"};
  struct km_resource roles = {
      .group = "rbac.authorization.k8s.io", .version = "v1", .plural = "clusterroles"};
  assert_string_equal(km_resource_path(arena, &pods, NULL, NULL, NULL), "/api/v1/pods");
  assert_string_equal(km_resource_path(arena, &pods, "shop", "web-0", NULL),
                      "/api/v1/namespaces/shop/pods/web-0");
  assert_string_equal(km_resource_path(arena, &pods, "shop", "web-0", "log"),
                      "/api/v1/namespaces/shop/pods/web-0/log");
  assert_string_equal(km_resource_path(arena, &deployments, "shop", NULL, NULL),
                      "/apis/apps/v1/namespaces/shop/deployments");
  assert_string_equal(km_resource_path(arena, &roles, NULL, "system:node", NULL),
                      "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode");
  assert_string_equal(km_resource_path(arena, &pods, "a/b", "c?d#e f", NULL),
                      "/api/v1/namespaces/a%2Fb/pods/c%3Fd%23e%20f");
  assert_string_equal(km_resource_display(arena, &pods), "pods");
  assert_string_equal(km_resource_display(arena, &deployments), "deployments.apps");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_as_kubectl, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_api_version_narrows, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_builtins_without_requests, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_members, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_new_kind_is_found_soon, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_broken_group_is_mentioned, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
