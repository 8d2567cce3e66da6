/* Credential material never appears in a message, a hint, a problem or a listed server: canaries stand in every field that
 * can hold a credential, in good kubeconfigs and in every broken form of them that we can think of. */
#include "fixture.h"

#include "kube_mcp/base/banned.h"

/* Every credential in these texts contains this word, plain or in Base64. */
#define CANARY        "kanarie"
#define CANARY_BASE64 "a2FuYXJpZQ=="

static const char *const canaries[] = {CANARY, CANARY_BASE64, "a2FuYXJp"};

static void assert_silent(const char *text)
{
  for (size_t i = 0; text != NULL && i < KM_ARRAY_LEN(canaries); i++) {
    if (strstr(text, canaries[i]) != NULL) {
      fail_msg("credential shown: %s", text);
    }
  }
}

static void assert_error_silent(const struct km_error *err)
{
  assert_silent(err->message);
  assert_silent(err->hint);
  assert_silent(err->reason);
}

/* Asks everything that can be asked and looks at each text that comes back. */
static void probe(const struct fixture *fixture)
{
  struct km_provider *provider = fixture->provider;
  struct km_context_list list = {0};
  struct km_error err = {0};
  if (provider->ops->contexts(provider, fixture->arena, &list, &err) != KM_OK) {
    assert_error_silent(&err);
  }
  for (size_t i = 0; i < list.count; i++) {
    assert_silent(list.items[i].server);
    assert_silent(list.items[i].problem);
    struct km_endpoint endpoint = {0};
    struct km_credential credential = {0};
    enum km_rc rc = try_resolve(fixture, list.items[i].name, true, &endpoint, &err);
    if (rc == KM_OK) {
      assert_silent(endpoint.server);
      rc = try_credential(fixture, &endpoint, true, &credential, &err);
      km_credential_done(&credential);
    }
    if (rc != KM_OK) {
      assert_error_silent(&err);
    }
  }
  struct km_endpoint endpoint = {0};
  if (try_resolve(fixture, "", false, &endpoint, &err) != KM_OK) {
    assert_error_silent(&err);
  }
  bool changed = false;
  if (provider->ops->reload != NULL && provider->ops->reload(provider, &changed, &err) != KM_OK) {
    assert_error_silent(&err);
  }
}

static const char whole[] = "apiVersion: v1\n"
                            "kind: Config\n"
                            "clusters:\n"
                            "- name: c\n"
                            "  cluster:\n"
                            "    server: https://joe:" CANARY "@c\n"
                            "    proxy-url: http://joe:" CANARY "@proxy\n"
                            "- name: d\n"
                            "  cluster:\n"
                            "    server: https://d\n"
                            "    proxy-url: joe:" CANARY "@proxy\n"
                            "- name: e\n"
                            "  cluster:\n"
                            "    server: joe:" CANARY "@e\n"
                            "- name: f\n"
                            "  cluster:\n"
                            "    server: https://f\n"
                            "users:\n"
                            "- name: cert\n"
                            "  user:\n"
                            "    client-certificate-data: " CANARY_BASE64 "\n"
                            "    client-key-data: " CANARY_BASE64 "\n"
                            "- name: basic\n"
                            "  user:\n"
                            "    username: joe\n"
                            "    password: " CANARY "\n"
                            "- name: both\n"
                            "  user:\n"
                            "    token: " CANARY "\n"
                            "    password: " CANARY "\n"
                            "- name: lines\n"
                            "  user:\n"
                            "    token: \"" CANARY "\\n" CANARY "\"\n"
                            "- name: file\n"
                            "  user:\n"
                            "    tokenFile: token\n"
                            "- name: exec\n"
                            "  user:\n"
                            "    exec:\n"
                            "      command: aws\n"
                            "      args: [--password, " CANARY "]\n"
                            "      env: [{name: SECRET, value: " CANARY "}]\n"
                            "- name: provider\n"
                            "  user:\n"
                            "    auth-provider:\n"
                            "      name: oidc\n"
                            "      config: {client-secret: " CANARY ", refresh-token: " CANARY "}\n"
                            "contexts:\n"
                            "- {name: c-basic, context: {cluster: c, user: basic}}\n"
                            "- {name: d-basic, context: {cluster: d, user: basic}}\n"
                            "- {name: e-basic, context: {cluster: e, user: basic}}\n"
                            "- {name: f-cert, context: {cluster: f, user: cert}}\n"
                            "- {name: f-basic, context: {cluster: f, user: basic}}\n"
                            "- {name: f-both, context: {cluster: f, user: both}}\n"
                            "- {name: f-lines, context: {cluster: f, user: lines}}\n"
                            "- {name: f-file, context: {cluster: f, user: file}}\n"
                            "- {name: f-exec, context: {cluster: f, user: exec}}\n"
                            "- {name: f-provider, context: {cluster: f, user: provider}}\n";

static void test_a_kubeconfig_full_of_credentials(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "token", CANARY "\n" CANARY "\n");
  open_kubeconfig(fixture, whole);
  assert_int_equal(get_contexts(fixture).count, 10);
  probe(fixture);
}

static void test_queries_of_servers_are_dropped(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "clusters: [{name: c, cluster: {server: 'https://c/p?token=" CANARY "'}}]\n"
                           "contexts: [{name: x, context: {cluster: c}}]\n");
  assert_string_equal(resolve(fixture, "x").server, "https://c/p");
  probe(fixture);
}

/* Cut at every byte, as by a writer that was interrupted. */
static void test_half_written_files(void **state)
{
  struct fixture *fixture = *state;
  for (size_t len = 0; len < sizeof(whole); len++) {
    open_kubeconfig(fixture, km_arena_strndup(fixture->arena, whole, len));
    probe(fixture);
  }
}

/* One byte after another replaced by one that YAML finds special. */
static void test_damaged_files(void **state)
{
  static const char damage[] = "\n:{[\"'&*!-\t\x01";
  struct fixture *fixture = *state;
  for (size_t at = 0; at + 1 < sizeof(whole); at += 3) {
    char *text = km_arena_strdup(fixture->arena, whole);
    text[at] = damage[at / 3 % (sizeof(damage) - 1)];
    open_kubeconfig(fixture, text);
    probe(fixture);
  }
}

static void test_values_of_the_wrong_type(void **state)
{
  static const char *const users[] = {
      "token: [" CANARY "]",           "token: {" CANARY ": " CANARY "}",
      "password: [" CANARY "]",        "client-key-data: " CANARY "!",
      "client-key-data: [" CANARY "]", "client-certificate-data: '" CANARY "\\\\'",
      "as-groups: [[" CANARY "]]",     "exec: [" CANARY "]",
      "auth-provider: " CANARY,        "<<: " CANARY,
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < KM_ARRAY_LEN(users); i++) {
    open_kubeconfig(fixture, km_arena_printf(fixture->arena, "users:\n- name: u\n  user: {%s}\n", users[i]));
    struct km_context_list list = {0};
    struct km_error err = {0};
    assert_int_not_equal(fixture->provider->ops->contexts(fixture->provider, fixture->arena, &list, &err),
                         KM_OK);
    assert_error_silent(&err);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(test_a_kubeconfig_full_of_credentials),
      FIXTURE_TEST(test_queries_of_servers_are_dropped),
      FIXTURE_TEST(test_half_written_files),
      FIXTURE_TEST(test_damaged_files),
      FIXTURE_TEST(test_values_of_the_wrong_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
