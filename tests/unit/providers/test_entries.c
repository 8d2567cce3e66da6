/* The rules for one cluster and one user, seen through kubeconfigs with one context. What kubectl accepts or refuses was
 * tried with kubectl 1.32 against a server that echoed what it was sent. */
#include "fixture.h"

#include "kube_mcp/base/banned.h"

#define SERVER "server: 'https://c'"

/* Opens a kubeconfig with context x of cluster {CLUSTER} and user {USER}. */
static void open_entries(struct fixture *fixture, const char *cluster, const char *user)
{
  open_kubeconfig(fixture,
                  km_arena_printf(fixture->arena,
                                  "clusters:\n- {name: c, cluster: {%s}}\nusers:\n- {name: u, user: {%s}}\n"
                                  "contexts:\n- {name: x, context: {cluster: c, user: u}}\n",
                                  cluster, user));
}

static void assert_refused(struct fixture *fixture, const char *cluster, const char *user,
                           const char *message)
{
  open_entries(fixture, cluster, user);
  struct km_context_list list = get_contexts(fixture);
  assert_non_null(list.items[0].problem);
  assert_contains(list.items[0].problem, message);
  assert_unresolved(fixture, "x", KM_TYPE_INVALID_KUBECONFIG, message);
}

/* ---- clusters ---- */

static void test_servers_are_normalised(void **state)
{
  static const struct {
    const char *written, *normal;
  } cases[] = {
      {"https://c", "https://c"},
      {"HTTPS://C:6443/", "https://C:6443"},
      {"http://127.0.0.1:8001", "http://127.0.0.1:8001"},
      {"https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"},
      {"https://[::1]", "https://[::1]"},
      {"https://rancher/k8s/clusters/c-1//", "https://rancher/k8s/clusters/c-1"},
      {"https://c/p/?a=b#f", "https://c/p"},
      {"https://c?token=x", "https://c"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    open_entries(fixture, km_arena_printf(fixture->arena, "server: '%s'", cases[i].written), "");
    assert_string_equal(resolve(fixture, "x").server, cases[i].normal);
    assert_string_equal(get_contexts(fixture).items[0].server, cases[i].normal);
  }
}

static void test_bad_servers(void **state)
{
  static const struct {
    const char *written, *message;
  } cases[] = {
      {"", "cluster 'c' (%s:2) has no server"},
      {"server: ''", "has no server"},
      {"server: c:6443", "its server does not start with https:// or http://"},
      {"server: 'ftp://c'", "does not start with https://"},
      {"server: 'https://'", "not a valid URL"},
      {"server: 'https:///x'", "not a valid URL"},
      {"server: 'https://:6443'", "not a valid URL"},
      {"server: 'https://c:'", "not a valid URL"},
      {"server: 'https://c:0'", "not a valid URL"},
      {"server: 'https://c:65536'", "not a valid URL"},
      {"server: 'https://c:64a'", "not a valid URL"},
      {"server: 'https://c:6443:1'", "not a valid URL"},
      {"server: 'https://::1'", "not a valid URL"},
      {"server: 'https://[::1'", "not a valid URL"},
      {"server: 'https://[]'", "not a valid URL"},
      {"server: 'https://a b'", "not a valid URL"},
      {"server: \"https://c\\n\"", "not a valid URL"},
      {"server: \"https://c/\\x01\"", "not a valid URL"},
      {"server: 'https://u:p&c'", "not a valid URL"},
      {"server: 'https://u:p@c'", "its server URL holds credentials"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    const char *path = in_dir(fixture, "config");
    bool has_path = strstr(cases[i].message, "%s") != NULL;
    const char *message = has_path ? km_arena_printf(fixture->arena, "cluster 'c' (%s:2) has no server", path)
                                   : cases[i].message;
    assert_refused(fixture, cases[i].written, "", message);
  }
  assert_string_equal(get_contexts(fixture).items[0].server, "https://c");
}

static void test_cluster_members_reach_the_endpoint(void **state)
{
  struct fixture *fixture = *state;
  open_entries(fixture,
               SERVER ", tls-server-name: t, proxy-url: 'http://u:p@proxy:3128', disable-compression: true",
               "as: joe, as-uid: '7', as-groups: [g, h], as-user-extra: {k: [v, w]}");
  struct km_endpoint endpoint = resolve(fixture, "x");
  assert_string_equal(endpoint.tls_server_name, "t");
  assert_string_equal(endpoint.proxy_url, "http://u:p@proxy:3128");
  assert_true(endpoint.disable_compression);
  assert_false(endpoint.insecure_skip_verify);
  assert_null(endpoint.ca_pem);
  assert_null(endpoint.default_namespace);
  assert_string_equal(endpoint.as.user, "joe");
  assert_string_equal(endpoint.as.uid, "7");
  assert_int_equal(endpoint.as.group_count, 2);
  assert_string_equal(endpoint.as.groups[1], "h");
  assert_int_equal(endpoint.as.extra_count, 2);
  assert_string_equal(endpoint.as.extra[2], "k");
  assert_string_equal(endpoint.as.extra[3], "w");
  open_entries(fixture, SERVER ", insecure-skip-tls-verify: true", "");
  assert_true(resolve(fixture, "x").insecure_skip_verify);
}

static void test_bad_clusters(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "ca.crt", "CA");
  assert_refused(fixture, SERVER ", proxy-url: 'foo://x'", "", "proxy URL that does not start with");
  assert_refused(fixture, SERVER ", proxy-url: 'http://'", "", "proxy URL that does not start with");
  assert_refused(fixture, SERVER ", proxy-url: 'proxy:3128'", "", "proxy URL that does not start with");
  assert_refused(fixture, SERVER ", certificate-authority: ca.crt, certificate-authority-data: Q0E=", "",
                 "names its CA twice");
  assert_refused(fixture, SERVER ", certificate-authority: ca.crt, insecure-skip-tls-verify: true", "",
                 "not to verify the server");
  assert_refused(fixture, SERVER ", certificate-authority-data: Q0E=, insecure-skip-tls-verify: true", "",
                 "not to verify the server");
  assert_refused(fixture, SERVER ", certificate-authority: gone.crt", "", "/gone.crt");
}

static void test_ca_files_are_read_each_time(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "ca.crt", "first");
  open_entries(fixture, SERVER ", certificate-authority: ca.crt", "");
  struct km_endpoint first = resolve(fixture, "x");
  assert_string_equal(first.ca_pem, "first");
  assert_int_equal(first.ca_pem_len, 5);
  assert_string_equal(first.identity, resolve(fixture, "x").identity);
  write_file(fixture, "ca.crt", "second");
  struct km_endpoint second = resolve(fixture, "x");
  assert_string_equal(second.ca_pem, "second");
  assert_string_not_equal(first.identity, second.identity);
}

/* ---- users ---- */

static void test_bad_users(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "f", "F");
  assert_refused(fixture, SERVER, "token: t, username: u", "has a token and also a username or password");
  assert_refused(fixture, SERVER, "tokenFile: f, password: p", "has a token and also a username or password");
  assert_refused(fixture, SERVER, "token: \"a\\nb\"", "token with line breaks");
  assert_refused(fixture, SERVER, "client-certificate: f", "user 'u' (");
  assert_refused(fixture, SERVER, "client-certificate: f", "client certificate but no client key");
  assert_refused(fixture, SERVER, "client-certificate: f, client-certificate-data: Rg==, client-key: f",
                 "client certificate twice");
  assert_refused(fixture, SERVER,
                 "client-certificate: f, client-key: f, client-key-data: Rg==", "client key twice");
  assert_refused(fixture, SERVER, "token: t, as-groups: [g]", "but no user; add `as`");
  assert_refused(fixture, SERVER, "token: t, as-uid: '7'", "but no user; add `as`");
  assert_refused(fixture, SERVER, "token: t, as-user-extra: {k: [v]}", "but no user; add `as`");
}

static void test_plugins(void **state)
{
  struct fixture *fixture = *state;
  assert_refused(fixture, SERVER, "token: t, auth-provider: {name: gcp}", "gke-gcloud-auth-plugin");
  assert_refused(fixture, SERVER, "auth-provider: {name: azure}", "kubelogin");
  assert_refused(fixture, SERVER, "auth-provider: {name: oidc}", "Kubernetes has removed");
  assert_refused(fixture, SERVER, "auth-provider: {}", "auth-provider '(unnamed)'");
  open_entries(fixture, SERVER,
               "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [canary]}");
  assert_contains(get_contexts(fixture).items[0].problem, "exec plugin 'aws'");
  assert_null(strstr(get_contexts(fixture).items[0].problem, "canary"));
  assert_unresolved(fixture, "x", KM_TYPE_FEATURE_DISABLED, "token, a tokenFile or a client certificate");
}

static void test_a_token_passes_over_the_exec_plugin(void **state)
{
  struct fixture *fixture = *state;
  open_entries(fixture, SERVER, "token: t, exec: {command: aws}");
  struct km_credential credential = credential_of(fixture, "x");
  assert_secret(&credential.bearer, "t");
  km_credential_done(&credential);
  open_entries(fixture, SERVER, "username: joe, exec: {command: aws}");
  credential = credential_of(fixture, "x");
  assert_secret(&credential.user, "joe");
  assert_secret(&credential.password, NULL);
  km_credential_done(&credential);
}

static void assert_credential_fails(const struct fixture *fixture, const char *part)
{
  struct km_endpoint endpoint = resolve(fixture, "x");
  struct km_credential credential;
  struct km_error err;
  assert_int_equal(try_credential(fixture, &endpoint, false, &credential, &err), KM_E_INVALID);
  assert_int_equal(err.type, KM_TYPE_INVALID_KUBECONFIG);
  assert_contains(err.message, "user 'u' (");
  assert_contains(err.message, part);
  struct km_credential untouched = {0};
  assert_memory_equal(&credential, &untouched, sizeof(untouched));
}

static void test_token_files(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "token", " \n from-file\r\n");
  open_entries(fixture, SERVER, "tokenFile: token, token: fallback");
  struct km_endpoint endpoint = resolve(fixture, "x");
  struct km_credential credential = credential_of(fixture, "x");
  assert_secret(&credential.bearer, "from-file");
  assert_true(credential.expires_wall_ms > km_clock_wall_ms());
  assert_true(credential.expires_wall_ms <= km_clock_wall_ms() + 60000);
  km_credential_done(&credential);
  write_file(fixture, "token", "rotated");
  credential = credential_of(fixture, "x");
  assert_secret(&credential.bearer, "rotated");
  km_credential_done(&credential);
  assert_string_equal(resolve(fixture, "x").identity, endpoint.identity);
  assert_int_equal(unlink(in_dir(fixture, "token")), 0);
  credential = credential_of(fixture, "x");
  assert_secret(&credential.bearer, "fallback");
  km_credential_done(&credential);
  write_file(fixture, "token", " \n");
  credential = credential_of(fixture, "x");
  assert_secret(&credential.bearer, "fallback");
  km_credential_done(&credential);
}

static void test_bad_token_files(void **state)
{
  struct fixture *fixture = *state;
  open_entries(fixture, SERVER, "tokenFile: token");
  assert_contains(get_contexts(fixture).items[0].problem, "/token' does not exist");
  assert_credential_fails(fixture, "/token");
  write_file(fixture, "token", "");
  assert_null(get_contexts(fixture).items[0].problem);
  assert_credential_fails(fixture, "/token' is empty");
  write_file(fixture, "token", "one\ntwo\n");
  assert_credential_fails(fixture, "/token' holds more than one line");
  char *huge = km_arena_alloc(fixture->arena, 65538);
  memset(huge, 'a', 65537);
  write_file(fixture, "token", huge);
  assert_credential_fails(fixture, "larger than");
}

static void test_client_certificates(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "c.crt", "CERT");
  write_file(fixture, "k.pem", "KEY");
  open_entries(fixture, SERVER, "client-certificate: c.crt, client-key: k.pem, token: t");
  struct km_endpoint before = resolve(fixture, "x");
  struct km_credential credential = credential_of(fixture, "x");
  assert_secret(&credential.cert_pem, "CERT");
  assert_secret(&credential.key_pem, "KEY");
  assert_secret(&credential.bearer, "t");
  assert_int_equal(credential.expires_wall_ms, 0);
  km_credential_done(&credential);
  write_file(fixture, "c.crt", "CERT2");
  assert_string_not_equal(resolve(fixture, "x").identity, before.identity);
  credential = credential_of(fixture, "x");
  assert_secret(&credential.cert_pem, "CERT2");
  km_credential_done(&credential);
  assert_int_equal(unlink(in_dir(fixture, "k.pem")), 0);
  assert_contains(get_contexts(fixture).items[0].problem, "client key");
  assert_credential_fails(fixture, "client key");
}

static void test_a_key_without_certificate_is_passed_over(void **state)
{
  struct fixture *fixture = *state;
  open_entries(fixture, SERVER, "client-key: nowhere, token: t");
  assert_null(get_contexts(fixture).items[0].problem);
  struct km_credential credential = credential_of(fixture, "x");
  assert_secret(&credential.key_pem, NULL);
  assert_secret(&credential.bearer, "t");
  km_credential_done(&credential);
}

static void test_no_credential_over_plain_http(void **state)
{
  static const char *const users[] = {"token: t", "username: u, password: p",
                                      "client-certificate-data: Qw==, client-key-data: Sw=="};
  struct fixture *fixture = *state;
  for (size_t i = 0; i < KM_ARRAY_LEN(users); i++) {
    open_entries(fixture, "server: 'http://c'", users[i]);
    struct km_credential credential = credential_of(fixture, "x");
    struct km_credential none = {0};
    assert_memory_equal(&credential, &none, sizeof(none));
    open_entries(fixture, SERVER, users[i]);
    credential = credential_of(fixture, "x");
    assert_memory_not_equal(&credential, &none, sizeof(none));
    km_credential_done(&credential);
  }
}

static void test_identity_follows_the_credential(void **state)
{
  static const char *const users[] = {
      "",
      "token: a",
      "token: b",
      "tokenFile: a",
      "username: a",
      "username: a, password: a",
      "username: a, password: b",
      "client-certificate-data: Qw==, client-key-data: Sw==",
      "client-certificate-data: RA==, client-key-data: Sw==",
      "client-certificate-data: Qw==, client-key-data: TA==",
      "token: a, as: joe",
      "token: a, as: joe, as-groups: [g]",
      "token: a, as: joe, as-user-extra: {k: [v]}",
  };
  struct fixture *fixture = *state;
  char seen[KM_ARRAY_LEN(users)][65];
  for (size_t i = 0; i < KM_ARRAY_LEN(users); i++) {
    open_entries(fixture, SERVER, users[i]);
    km_strcopy(seen[i], sizeof(seen[i]), resolve(fixture, "x").identity);
    assert_string_equal(resolve(fixture, "x").identity, seen[i]);
    for (size_t j = 0; j < i; j++) {
      assert_string_not_equal(seen[i], seen[j]);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(test_servers_are_normalised),
      FIXTURE_TEST(test_bad_servers),
      FIXTURE_TEST(test_cluster_members_reach_the_endpoint),
      FIXTURE_TEST(test_bad_clusters),
      FIXTURE_TEST(test_ca_files_are_read_each_time),
      FIXTURE_TEST(test_bad_users),
      FIXTURE_TEST(test_plugins),
      FIXTURE_TEST(test_a_token_passes_over_the_exec_plugin),
      FIXTURE_TEST(test_token_files),
      FIXTURE_TEST(test_bad_token_files),
      FIXTURE_TEST(test_client_certificates),
      FIXTURE_TEST(test_a_key_without_certificate_is_passed_over),
      FIXTURE_TEST(test_no_credential_over_plain_http),
      FIXTURE_TEST(test_identity_follows_the_credential),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
