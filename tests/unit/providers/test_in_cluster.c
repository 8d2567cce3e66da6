/* The in-cluster provider, on a folder that stands for the service account's. */
#include "fixture.h"

#include "kube_mcp/base/banned.h"

static int setup(void **state)
{
  fixture_setup(state);
  struct fixture *fixture = *state;
  write_file(fixture, "token", "sa-token\n");
  write_file(fixture, "ca.crt", "CA");
  write_file(fixture, "namespace", "shop\n");
  setenv("KUBE_MCP_TEST_SERVICEACCOUNT_DIR", fixture->dir, 1);
  setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
  setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  return 0;
}

static void test_the_pods_own_cluster(void **state)
{
  struct fixture *fixture = *state;
  open_provider(fixture, "in-cluster", "");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.current, "in-cluster");
  assert_string_equal(list.items[0].namespace, "shop");
  assert_null(list.items[0].problem);
  struct km_endpoint endpoint = resolve(fixture, "");
  assert_string_equal(endpoint.context, "in-cluster");
  assert_string_equal(endpoint.server, "https://10.0.0.1:443");
  assert_string_equal(endpoint.ca_pem, "CA");
  assert_string_equal(endpoint.default_namespace, "shop");
  struct km_credential credential = credential_of(fixture, "");
  assert_secret(&credential.bearer, "sa-token");
  assert_true(credential.expires_wall_ms > km_clock_wall_ms());
  km_credential_done(&credential);
}

static void test_ipv6_hosts_are_bracketed(void **state)
{
  struct fixture *fixture = *state;
  setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  open_provider(fixture, "in-cluster", "");
  assert_string_equal(resolve(fixture, "").server, "https://[fd00::1]:443");
  setenv("KUBERNETES_SERVICE_HOST", "[fd00::1]", 1);
  open_provider(fixture, "in-cluster", "");
  assert_string_equal(resolve(fixture, "").server, "https://[fd00::1]:443");
}

static void test_rotation(void **state)
{
  struct fixture *fixture = *state;
  open_provider(fixture, "in-cluster", "");
  struct km_endpoint before = resolve(fixture, "");
  struct km_credential credential;
  struct km_error err;
  write_file(fixture, "token", "rotated");
  assert_int_equal(try_credential(fixture, &before, true, &credential, &err), KM_OK);
  assert_secret(&credential.bearer, "rotated");
  km_credential_done(&credential);
  assert_string_equal(resolve(fixture, "").identity, before.identity);
  write_file(fixture, "ca.crt", "CA2");
  assert_string_not_equal(resolve(fixture, "").identity, before.identity);
}

static void test_another_context_reads_but_never_writes(void **state)
{
  struct fixture *fixture = *state;
  open_provider(fixture, "in-cluster", "");
  struct km_endpoint endpoint = {0};
  struct km_error err;
  assert_int_equal(try_resolve(fixture, "prod", false, &endpoint, &err), KM_OK);
  assert_string_equal(endpoint.context, "in-cluster");
  assert_int_equal(try_resolve(fixture, "prod", true, &endpoint, &err), KM_E_NOT_FOUND);
  assert_int_equal(err.type, KM_TYPE_UNKNOWN_CONTEXT);
  assert_contains(err.message, "context 'prod' does not exist");
  assert_int_equal(try_resolve(fixture, "in-cluster", true, &endpoint, &err), KM_OK);
  assert_int_equal(try_resolve(fixture, "", true, &endpoint, &err), KM_OK);
}

static void test_outside_a_cluster(void **state)
{
  struct fixture *fixture = *state;
  unsetenv("KUBERNETES_SERVICE_PORT");
  open_provider(fixture, "in-cluster", "");
  assert_contains(get_contexts(fixture).items[0].problem, "does not run in a cluster");
  assert_unresolved(fixture, "", KM_TYPE_VALIDATION_ERROR, "does not run in a cluster");
  unsetenv("KUBERNETES_SERVICE_HOST");
  open_provider(fixture, "in-cluster", "");
  assert_unresolved(fixture, "", KM_TYPE_VALIDATION_ERROR, "provider = \"kubeconfig\"");
}

static void test_missing_files(void **state)
{
  struct fixture *fixture = *state;
  struct km_credential credential;
  struct km_error err;
  open_provider(fixture, "in-cluster", "");
  assert_int_equal(unlink(in_dir(fixture, "namespace")), 0);
  struct km_endpoint endpoint = resolve(fixture, "");
  assert_null(endpoint.default_namespace);
  assert_int_equal(unlink(in_dir(fixture, "token")), 0);
  assert_contains(get_contexts(fixture).items[0].problem, "/token' does not exist");
  assert_int_equal(try_credential(fixture, &endpoint, false, &credential, &err), KM_E_INVALID);
  assert_contains(err.message, "the service account of this pod: token file");
  assert_int_equal(unlink(in_dir(fixture, "ca.crt")), 0);
  assert_unresolved(fixture, "", KM_TYPE_VALIDATION_ERROR, "/ca.crt");
}

#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      CLUSTER_TEST(test_the_pods_own_cluster),
      CLUSTER_TEST(test_ipv6_hosts_are_bracketed),
      CLUSTER_TEST(test_rotation),
      CLUSTER_TEST(test_another_context_reads_but_never_writes),
      CLUSTER_TEST(test_outside_a_cluster),
      CLUSTER_TEST(test_missing_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
