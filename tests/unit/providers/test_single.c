/* The single provider: one context from our own configuration. */
#include "fixture.h"

#include "kube_mcp/base/banned.h"

static const struct km_field *fields(void)
{
  return km_provider_find("single")->fields;
}

static void set(const struct fixture *fixture, const char *name, enum km_field_type type, const char *value)
{
  *(const char **)config_member(fixture, fields(), name, type) = value;
}

static struct km_secret *secret(const struct fixture *fixture, const char *name)
{
  return config_member(fixture, fields(), name, KM_FIELD_SECRET);
}

static void set_secret(const struct fixture *fixture, const char *name, const char *value)
{
  km_secret_set(secret(fixture, name), value, strlen(value));
}

static struct fixture *configure(void **state, const char *server)
{
  struct fixture *fixture = *state;
  config_init(fixture, km_provider_find("single"));
  set(fixture, "name", KM_FIELD_STRING, "prod");
  set(fixture, "server", KM_FIELD_STRING, server);
  return fixture;
}

static int teardown(void **state)
{
  static const char *const names[] = {"token", "password", "client_certificate_data", "client_key_data"};
  struct fixture *fixture = *state;
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    km_secret_done(secret(fixture, names[i]));
  }
  return fixture_teardown(state);
}

static void test_the_one_context(void **state)
{
  struct fixture *fixture = configure(state, "https://c:6443/");
  set(fixture, "namespace", KM_FIELD_STRING, "shop");
  set(fixture, "tls_server_name", KM_FIELD_STRING, "t");
  set(fixture, "proxy_url", KM_FIELD_STRING, "socks5://p:1080");
  set_secret(fixture, "token", "tok");
  open_provider(fixture, "single", "");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.current, "prod");
  assert_string_equal(list.items[0].name, "prod");
  assert_string_equal(list.items[0].server, "https://c:6443");
  assert_string_equal(list.items[0].namespace, "shop");
  assert_null(list.items[0].problem);
  struct km_endpoint endpoint = resolve(fixture, "");
  assert_string_equal(endpoint.context, "prod");
  assert_string_equal(endpoint.default_namespace, "shop");
  assert_string_equal(endpoint.tls_server_name, "t");
  assert_string_equal(endpoint.proxy_url, "socks5://p:1080");
  assert_string_equal(resolve(fixture, "prod").identity, endpoint.identity);
  struct km_credential credential = credential_of(fixture, "prod");
  assert_secret(&credential.bearer, "tok");
  km_credential_done(&credential);
}

static void test_another_context(void **state)
{
  struct fixture *fixture = configure(state, "https://c");
  open_provider(fixture, "single", "");
  assert_unresolved(fixture, "x", KM_TYPE_UNKNOWN_CONTEXT,
                    "Context 'x' not available in single-cluster mode (configured: prod)");
}

static void test_certificates_as_pem_base64_or_file(void **state)
{
  struct fixture *fixture = configure(state, "https://c");
  set(fixture, "certificate_authority_data", KM_FIELD_STRING, "-----BEGIN CERTIFICATE-----\nCA\n");
  set_secret(fixture, "client_certificate_data", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==");
  set_secret(fixture, "client_key_data", "-----BEGIN PRIVATE KEY-----\nK\n");
  open_provider(fixture, "single", "");
  assert_string_equal(resolve(fixture, "").ca_pem, "-----BEGIN CERTIFICATE-----\nCA\n");
  struct km_credential credential = credential_of(fixture, "");
  assert_secret(&credential.cert_pem, "-----BEGIN CERTIFICATE-----\n");
  assert_secret(&credential.key_pem, "-----BEGIN PRIVATE KEY-----\nK\n");
  km_credential_done(&credential);
  write_file(fixture, "ca", "CA file");
  set(fixture, "certificate_authority_data", KM_FIELD_STRING, "");
  set(fixture, "certificate_authority", KM_FIELD_PATH, in_dir(fixture, "ca"));
  open_provider(fixture, "single", "");
  assert_string_equal(resolve(fixture, "").ca_pem, "CA file");
}

static void test_basic_authentication(void **state)
{
  struct fixture *fixture = configure(state, "https://c");
  set(fixture, "username", KM_FIELD_STRING, "joe");
  set_secret(fixture, "password", "pw");
  *(bool *)config_member(fixture, fields(), "insecure_skip_tls_verify", KM_FIELD_BOOL) = true;
  open_provider(fixture, "single", "");
  assert_true(resolve(fixture, "").insecure_skip_verify);
  struct km_credential credential = credential_of(fixture, "");
  assert_secret(&credential.user, "joe");
  assert_secret(&credential.password, "pw");
  km_credential_done(&credential);
}

static void assert_problem(struct fixture *fixture, const char *part)
{
  open_provider(fixture, "single", "");
  assert_contains(get_contexts(fixture).items[0].problem, "[kubernetes.single]");
  assert_contains(get_contexts(fixture).items[0].problem, part);
  assert_unresolved(fixture, "", KM_TYPE_VALIDATION_ERROR, part);
}

static void test_problems_are_told_at_use(void **state)
{
  struct fixture *fixture = configure(state, "");
  assert_problem(fixture, "has no server");
  set(fixture, "server", KM_FIELD_STRING, "c:6443");
  assert_problem(fixture, "does not start with https://");
  set(fixture, "server", KM_FIELD_STRING, "https://c");
  set(fixture, "certificate_authority_data", KM_FIELD_STRING, "not base64!");
  assert_problem(fixture, "certificate_authority_data is neither PEM nor Base64");
  set(fixture, "certificate_authority_data", KM_FIELD_STRING, "");
  set_secret(fixture, "client_key_data", "canary!");
  open_provider(fixture, "single", "");
  assert_contains(get_contexts(fixture).items[0].problem, "client_key_data is neither PEM nor Base64");
  assert_null(strstr(get_contexts(fixture).items[0].problem, "canary"));
}

#define SINGLE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      SINGLE_TEST(test_the_one_context),
      SINGLE_TEST(test_another_context),
      SINGLE_TEST(test_certificates_as_pem_base64_or_file),
      SINGLE_TEST(test_basic_authentication),
      SINGLE_TEST(test_problems_are_told_at_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
