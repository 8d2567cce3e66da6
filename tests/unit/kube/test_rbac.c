/* Access reviews: the question, the answer, how long it holds, and who asks when many want to know. */
#include "kube/fixture.h"

#include "kube_mcp/kube/rbac.h"

#include "kube_mcp/base/banned.h"

/* The judge: allows the verb "get", and keeps the last question. */
struct judge {
  pthread_mutex_t mutex;
  char last_body[4096];
  unsigned asked;
  const char *instead; /* this answer instead of a verdict */
  int status;          /* with INSTEAD */
  long delay_ms;
};

static bool judge_access(struct exchange *x)
{
  struct judge *judge = (struct judge *)(uintptr_t)x->server->data;
  sleep_ms(judge->delay_ms);
  pthread_mutex_lock(&judge->mutex);
  judge->asked++;
  (void)snprintf(judge->last_body, sizeof(judge->last_body), "%s %s %.*s", x->method, x->path,
                 (int)x->body_len, x->body);
  bool allowed = strstr(judge->last_body, "\"verb\":\"get\"") != NULL;
  pthread_mutex_unlock(&judge->mutex);
  if (judge->instead != NULL) {
    return server_reply(x, judge->status, "", judge->instead);
  }
  return server_reply(x, 201, "Content-Type: application/json\r\n",
                      allowed ? "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{\"allowed\":true}}"
                              : "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{\"allowed\":false,"
                                "\"reason\":\"no RBAC\\npolicy\\u001b[0m matched\"}}");
}

static struct judge judge;
static struct world *world;

static int set_up(void **state)
{
  (void)state;
  memset(&judge, 0, sizeof(judge));
  pthread_mutex_init(&judge.mutex, NULL);
  world = world_new(judge_access, &judge);
  world->options.read_only = true; /* reviews are the POST that may leave */
  world_client(world);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  world_free(world);
  pthread_mutex_destroy(&judge.mutex);
  km_clock_install(NULL);
  return 0;
}

static enum km_rc may(const struct km_access *access)
{
  struct km_kube_request request = {0};
  km_error_clear(&world->err);
  return km_client_access(world->client, access, &request, &world->err);
}

static void test_allowed(void **state)
{
  (void)state;
  struct km_access access = {
      .verb = "get", .resource = "pods", .subresource = "log", .ns = "shop", .name = "web"};
  assert_int_equal(may(&access), KM_OK);
  assert_string_equal(
      judge.last_body,
      "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews "
      "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":{"
      "\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\",\"subresource\":\"log\","
      "\"namespace\":\"shop\",\"name\":\"web\"}}}");
  assert_int_equal(may(&access), KM_OK);
  assert_int_equal(judge.asked, 1);
}

static void test_forbidden(void **state)
{
  (void)state;
  struct km_access access = {
      .verb = "delete", .group = "apps", .resource = "deployments", .ns = "shop", .name = "web"};
  assert_int_equal(may(&access), KM_E_FORBIDDEN);
  assert_string_equal(world->err.message,
                      "context 'prod': user 'tester' may not delete deployments.apps 'web' in "
                      "namespace 'shop': no RBAC policy matched");
  assert_contains(world->err.hint, "Role granted that allows verb 'delete' on 'deployments.apps'");
  assert_int_equal(may(&access), KM_E_FORBIDDEN);
  assert_contains(world->err.message, "no RBAC policy matched");
  assert_int_equal(judge.asked, 1);
  struct km_access everywhere = {.verb = "list", .resource = "secrets"};
  assert_int_equal(may(&everywhere), KM_E_FORBIDDEN);
  assert_contains(world->err.message, "may not list secrets in all namespaces");
  assert_contains(world->err.hint, "ClusterRole");
}

static void test_impersonated_user_is_named(void **state)
{
  (void)state;
  km_client_unref(world->client);
  world->fake.endpoint.as.user = "jane";
  world_client(world);
  struct km_access access = {.verb = "list", .resource = "secrets"};
  assert_int_equal(may(&access), KM_E_FORBIDDEN);
  assert_contains(world->err.message, "user 'jane' may not");
}

static void test_questions_are_told_apart(void **state)
{
  (void)state;
  static const struct km_access questions[] = {
      {.verb = "get", .resource = "pods"},
      {.verb = "get", .resource = "pods", .ns = "a"},
      {.verb = "get", .resource = "pods", .name = "a"},
      {.verb = "get", .resource = "pods", .subresource = "a"},
      {.verb = "get", .group = "a", .resource = "pods"},
      {.verb = "get", .resource = "pods", .ns = "a", .name = "b"},
      {.verb = "get", .resource = "pods", .ns = "a 1:b"},
      {.verb = "get", .resource = "pods", .ns = "a 1", .name = "b"},
  };
  for (size_t round = 0; round < 2; round++) {
    for (size_t i = 0; i < KM_ARRAY_LEN(questions); i++) {
      assert_int_equal(may(&questions[i]), KM_OK);
    }
  }
  assert_int_equal(judge.asked, KM_ARRAY_LEN(questions));
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

static void test_answers_expire(void **state)
{
  (void)state;
  static const struct km_clock skipping = {.monotonic_ns = skipping_ns, .wall_ms = wall_ms};
  skip_ns = 0;
  km_clock_install(&skipping);
  struct km_access access = {.verb = "get", .resource = "pods"};
  assert_int_equal(may(&access), KM_OK);
  skip_ns = 4900 * KM_NS_PER_MS;
  assert_int_equal(may(&access), KM_OK);
  assert_int_equal(judge.asked, 1);
  skip_ns = 5100 * KM_NS_PER_MS;
  assert_int_equal(may(&access), KM_OK);
  assert_int_equal(judge.asked, 2);
}

static void test_without_cache(void **state)
{
  (void)state;
  km_client_unref(world->client);
  world->options.rbac_ttl_ms = 0;
  world_client(world);
  struct km_access access = {.verb = "get", .resource = "pods"};
  for (unsigned i = 1; i <= 3; i++) {
    assert_int_equal(may(&access), KM_OK);
    assert_int_equal(judge.asked, i);
  }
}

static void test_errors_are_not_kept(void **state)
{
  (void)state;
  struct km_access access = {.verb = "get", .resource = "pods"};
  judge.status = 500;
  judge.instead = "{\"kind\":\"Status\",\"message\":\"etcd is gone\"}";
  assert_int_equal(may(&access), KM_E_UNAVAILABLE);
  assert_contains(world->err.message, "etcd is gone");
  judge.status = 201;
  judge.instead = "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{}}";
  assert_int_equal(may(&access), KM_E_PROTOCOL);
  judge.instead = "{\"status\":{\"allowed\":\"true\"}}";
  assert_int_equal(may(&access), KM_E_PROTOCOL);
  judge.instead = NULL;
  assert_int_equal(may(&access), KM_OK);
}

static void test_cache_is_bounded(void **state)
{
  (void)state;
  char name[32];
  struct km_access access = {.verb = "get", .resource = "pods", .name = name};
  for (int i = 0; i < 513; i++) {
    (void)snprintf(name, sizeof(name), "pod-%d", i);
    assert_int_equal(may(&access), KM_OK);
    if (i == 511) { /* the oldest becomes the most recently used */
      (void)snprintf(name, sizeof(name), "pod-0");
      assert_int_equal(may(&access), KM_OK);
      assert_int_equal(judge.asked, 512);
    }
  }
  assert_int_equal(judge.asked, 513);
  (void)snprintf(name, sizeof(name), "pod-0");
  assert_int_equal(may(&access), KM_OK);
  assert_int_equal(judge.asked, 513);
  (void)snprintf(name, sizeof(name), "pod-1");
  assert_int_equal(may(&access), KM_OK);
  assert_int_equal(judge.asked, 514);
}

static void *ask(void *data)
{
  const struct km_access *access = data;
  struct km_kube_request request = {0};
  struct km_error err = {0};
  if (km_client_access(world->client, access, &request, &err) != KM_OK) {
    print_error("%s\n", err.message);
    abort();
  }
  return NULL;
}

static void test_many_callers_one_review(void **state)
{
  (void)state;
  judge.delay_ms = 50;
  struct km_access access = {.verb = "get", .resource = "pods"};
  in_parallel(16, ask, &access);
  assert_int_equal(judge.asked, 1);
}

static void test_names_too_long(void **state)
{
  (void)state;
  char *name = calloc(1, 200001);
  memset(name, 'n', 200000);
  struct km_access access = {.verb = "get", .resource = "pods", .name = name};
  assert_int_equal(may(&access), KM_E_TOO_LARGE);
  assert_int_equal(judge.asked, 0);
  free(name);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_allowed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_forbidden, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_impersonated_user_is_named, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_questions_are_told_apart, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_answers_expire, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_without_cache, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_errors_are_not_kept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_cache_is_bounded, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_many_callers_one_review, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_names_too_long, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
