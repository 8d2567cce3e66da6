/* What may leave the process, and what may not whatever it says of itself. */
#include "kube/fixture.h"

#include "../../../src/kube/internal.h"

#include "kube_mcp/base/banned.h"

static enum km_rc guard(bool read_only, const struct km_kube_request *request)
{
  struct km_error err = {0};
  enum km_rc rc = km_guard_request(read_only, request, &err);
  assert_int_equal(rc, err.code);
  if (rc == KM_E_FORBIDDEN) {
    assert_int_equal(err.type, KM_TYPE_POLICY_DENIED);
    assert_contains(err.message, "read-only");
  }
  return rc;
}

/* One row: may it leave in read-only mode? */
static const struct {
  const char *method, *path;
  bool review, dry_run;
  bool leaves;
} cases[] = {
    {NULL, "/api/v1/pods", false, false, true},
    {"GET", "/api/v1/namespaces/a/pods/b/log?follow=true", false, false, true},
    {"HEAD", "/version", false, false, true},
    {"GET", "/api/v1/namespaces/a/services/b/proxy/metrics", false, false, true},
    {"GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode", false, false, true},
    /* methods that write */
    {"POST", "/api/v1/namespaces/a/pods", false, false, false},
    {"PUT", "/api/v1/namespaces/a/pods/b", false, false, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b", false, false, false},
    {"DELETE", "/api/v1/namespaces/a/pods/b", false, false, false},
    {"get", "/api/v1/pods", false, false, false},
    {"FOO", "/api/v1/pods", false, false, false},
    /* GET that acts */
    {"GET", "/api/v1/namespaces/a/pods/b/exec?command=sh", false, false, false},
    {"GET", "/api/v1/namespaces/a/pods/b/attach", false, false, false},
    {"GET", "/api/v1/namespaces/a/pods/b/portforward", false, false, false},
    /* access reviews: only with the flag, only where they are */
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true, false, true},
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", true, false, true},
    {"POST", "/apis/authorization.k8s.io/v1beta1/subjectaccessreviews", true, false, true},
    {"POST", "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews", true, false, true},
    {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", true, false, true},
    {"POST", "/apis/authentication.k8s.io/v1/tokenreviews", true, false, true},
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", false, false, false},
    {"PUT", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true, false, false},
    {"POST", "/api/v1/namespaces/a/pods", true, false, false},
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", true, false, false},
    {"POST", "/apis/evil.example.com/v1/selfsubjectaccessreviews", true, false, false},
    {"POST", "/apis/authorization.k8s.io/v1/namespaces/selfsubjectaccessreviews/pods", true, false, false},
    {"POST", "/api/v1/namespaces/a/secrets?x=/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true,
     false, false},
    /* dry runs: only with the flag and the parameter */
    {"PATCH", "/api/v1/namespaces/a/pods/b?dryRun=All", false, true, true},
    {"DELETE", "/api/v1/namespaces/a/pods/b?propagationPolicy=Orphan&dryRun=All", false, true, true},
    {"POST", "/api/v1/namespaces/a/pods/b/eviction?dryRun=All", false, true, true},
    {"PATCH", "/api/v1/namespaces/a/pods/b?dryRun=All", false, false, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b", false, true, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b?dryRun=all", false, true, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b?dryRun=Allx", false, true, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b?xdryRun=All", false, true, false},
    {"PATCH", "/api/v1/namespaces/a/pods/b?dryRun=All&dryRun=", false, true, false},
    {"PATCH", "/api/v1/namespaces/a/pods/dryRun=All", false, true, false},
    {"POST", "/api/v1/namespaces/a/pods/b/exec?dryRun=All", false, true, false},
    {"POST", "/api/v1/namespaces/a/services/b/proxy?dryRun=All", false, true, false},
    {"POST", "/api/v1/nodes/b/proxy/run?dryRun=All", false, true, false},
    {"POST", "/api/v1/namespaces/a/serviceaccounts/b/token?dryRun=All", false, true, false},
};

static void test_read_only(void **state)
{
  (void)state;
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_kube_request request = {.method = cases[i].method,
                                      .path = cases[i].path,
                                      .access_review = cases[i].review,
                                      .dry_run = cases[i].dry_run};
    enum km_rc expected = cases[i].leaves ? KM_OK : KM_E_FORBIDDEN;
    enum km_rc got = guard(true, &request);
    if (got != expected) {
      fail_msg("%s %s: %d", cases[i].method, cases[i].path, (int)got);
    }
    assert_int_equal(guard(false, &request), KM_OK);
  }
}

/* Paths that a server could read in another way than the guard does. */
static void test_no_disguised_paths(void **state)
{
  (void)state;
  static const char *const paths[] = {
      "",
      "api/v1/pods",
      "https://other/api",
      "/",
      "//api/v1/pods",
      "/api/v1//pods",
      "/api/v1/pods/",
      "/api/v1/namespaces/a/pods/../secrets",
      "/api/v1/namespaces/a/pods/.",
      "/api/v1/namespaces/a/pods/%2e%2e/secrets",
      "/api/v1/namespaces/a/pods/.%2E",
      "/api/v1/namespaces/a/pods/b%2Fexec",
      "/api/v1/namespaces/a/pods/b%2fexec",
      "/api/v1/namespaces/a/pods/b/%65xec",
      "/api/v1/namespaces/a/pods/b/exe%63",
      "/api/v1/namespaces/a/pods/b%252Fexec",
      "/api/v1/namespaces/a/pods/b%5Cexec",
      "/api/v1/namespaces/a/pods/b%00",
      "/api/v1/namespaces/a/pods/b%0A",
      "/api/v1/namespaces/a/pods/b%",
      "/api/v1/namespaces/a/pods/b%2",
      "/api/v1/namespaces/a/pods/b%zz",
      "/api/v1/pods#fragment",
      "/api/v1/pods x",
      "/api/v1/pods\r\nX: y",
      "/api/v1/pods?a=b\tc",
      "/api/v1/p\303\266ds",
      "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(paths); i++) {
    struct km_kube_request request = {.path = paths[i]};
    if (guard(true, &request) != KM_E_INVALID || guard(false, &request) != KM_E_INVALID) {
      fail_msg("let through: %s", paths[i]);
    }
  }
  struct km_kube_request escaped = {.path =
                                        "/api/v1/namespaces/a/pods/b%3Ac?labelSelector=a%2Fb%20in%20%28c%29"};
  assert_int_equal(guard(true, &escaped), KM_OK);
}

static void test_path_length(void **state)
{
  (void)state;
  char *path = calloc(1, 20001);
  memset(path, 'a', 20000);
  path[0] = '/';
  struct km_kube_request request = {.path = path};
  assert_int_equal(guard(false, &request), KM_E_INVALID);
  path[16000] = '\0';
  assert_int_equal(guard(false, &request), KM_OK);
  free(path);
}

static bool never(struct exchange *x)
{
  return server_reply(x, 200, "", "{}");
}

/* The same through the client: nothing reaches the server. */
static void test_client_refuses(void **state)
{
  (void)state;
  struct world *world = world_new(never, NULL);
  world->options.read_only = true;
  world_client(world);
  struct km_kube_request request = {.method = "DELETE", .path = "/api/v1/namespaces/a/pods/b"};
  const struct km_error *err = expect_error(world, &request, KM_E_FORBIDDEN);
  assert_string_equal(km_error_type_name(km_error_effective_type(err)), "PolicyDenied");
  assert_contains(err->message, "context 'prod'");
  assert_int_equal(atomic_load(&world->server->connections), 0);
  assert_int_equal(atomic_load(&world->fake.asked), 0);
  request.dry_run = true;
  request.path = "/api/v1/namespaces/a/pods/b?dryRun=All";
  assert_string_equal(expect_answer(world, &request), "{}");
  world_free(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_no_disguised_paths),
      cmocka_unit_test(test_path_length),
      cmocka_unit_test(test_client_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
