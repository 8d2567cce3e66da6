/* What all providers share: the registry, identities, wiping, and the UnknownContext error. */
#include "fixture.h"

#include "kube_mcp/base/banned.h"

static void test_registry_knows_kinds_and_aliases(void **state KM_UNUSED)
{
  static const struct {
    const char *name, *kind;
  } names[] = {
      {"kubeconfig", "kubeconfig"}, {"kubeconfig-contexts", "kubeconfig"}, {"single", "single"},
      {"single-fixed", "single"},   {"in-cluster", "in-cluster"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    const struct km_provider_ops *ops = km_provider_find(names[i].name);
    assert_non_null(ops);
    assert_string_equal(ops->kind, names[i].kind);
  }
  assert_null(km_provider_find("kubeconfi"));
  assert_null(km_provider_find(""));
}

static void test_every_provider_fills_the_mandatory_slots(void **state KM_UNUSED)
{
  size_t count = 0;
  for (; km_providers[count] != NULL; count++) {
    const struct km_provider_ops *ops = km_providers[count];
    assert_ptr_equal(km_provider_find(ops->kind), ops);
    assert_true(ops->open && ops->contexts && ops->resolve && ops->credential && ops->close);
    assert_true(!(ops->caps & KM_PROVIDER_RELOADS) || ops->reload != NULL);
    assert_true(!(ops->caps & KM_PROVIDER_REGISTERS) || (ops->add != NULL && ops->remove != NULL));
    for (const struct km_field *field = ops->fields; field != NULL && field->section != NULL; field++) {
      assert_true(field->offset < ops->config_size);
      assert_non_null(field->fallback);
      assert_true(strlen(field->doc) > 0);
    }
  }
  assert_int_equal(count, 3);
}

static enum km_rc fail_to_open(struct km_provider *provider, struct km_error *err)
{
  *(bool *)provider->state = true;
  return km_error_set(err, KM_E_INTERNAL, "no");
}

static void close_half_open(struct km_provider *provider)
{
  assert_true(*(bool *)provider->state);
}

static void test_open_closes_what_half_opened(void **state KM_UNUSED)
{
  struct km_provider_ops ops = {.open = fail_to_open, .close = close_half_open, .state_size = sizeof(bool)};
  struct km_provider *provider = NULL;
  struct km_error err = {0};
  assert_int_equal(km_provider_open(&ops, NULL, NULL, &provider, &err), KM_E_INTERNAL);
  assert_null(provider);
  km_provider_close(NULL);
}

static void test_credential_done_empties(void **state KM_UNUSED)
{
  struct km_credential credential = {.expires_wall_ms = 5};
  km_secret_set(&credential.bearer, "b", 1);
  km_secret_set(&credential.user, "u", 1);
  km_secret_set(&credential.password, "p", 1);
  km_secret_set(&credential.cert_pem, "c", 1);
  km_secret_set(&credential.key_pem, "k", 1);
  km_credential_done(&credential);
  struct km_credential empty = {0};
  assert_memory_equal(&credential, &empty, sizeof(empty));
}

/* ---- identities ---- */

static const char *const groups[] = {"g", "h"};
static const char *const extra[] = {"k", "v", "l", "w"};

static struct km_endpoint full_endpoint(void)
{
  struct km_endpoint endpoint = {
      .context = "x",
      .server = "https://s",
      .tls_server_name = "t",
      .proxy_url = "http://p",
      .default_namespace = "n",
      .cluster = "c",
      .user = "u",
      .ca_pem = "CA",
      .ca_pem_len = 2,
  };
  endpoint.as.user = "joe";
  endpoint.as.uid = "7";
  endpoint.as.groups = groups;
  endpoint.as.group_count = 2;
  endpoint.as.extra = extra;
  endpoint.as.extra_count = 2;
  return endpoint;
}

static void test_seal_is_stable(void **state KM_UNUSED)
{
  struct km_endpoint a = full_endpoint();
  struct km_endpoint b = full_endpoint();
  km_endpoint_seal(&a, "source");
  km_endpoint_seal(&b, "source");
  assert_int_equal(strlen(a.identity), 64);
  assert_string_equal(a.identity, b.identity);
}

/* Seals a copy with one thing changed and collects the identity. */
#define COLLECT(change)                                                                                      \
  do {                                                                                                       \
    struct km_endpoint endpoint = full_endpoint();                                                           \
    change;                                                                                                  \
    km_endpoint_seal(&endpoint, source);                                                                     \
    km_strcopy(seen[count++], sizeof(seen[0]), endpoint.identity);                                           \
  } while (0)

static void test_every_member_counts_in_the_identity(void **state KM_UNUSED)
{
  static const char *const swapped[] = {"h", "g"};
  static const char *const repaired[] = {"k", "w", "l", "v"};
  char seen[32][65];
  size_t count = 0;
  const char *source = "source";
  COLLECT((void)0);
  COLLECT(endpoint.context = "y");
  COLLECT(endpoint.server = "https://S");
  COLLECT(endpoint.tls_server_name = NULL);
  COLLECT(endpoint.tls_server_name = "");
  COLLECT(endpoint.proxy_url = NULL);
  COLLECT(endpoint.default_namespace = "m");
  COLLECT(endpoint.cluster = "d");
  COLLECT(endpoint.user = "v");
  COLLECT(endpoint.ca_pem_len = 1);
  COLLECT(endpoint.ca_pem = NULL);
  COLLECT(endpoint.insecure_skip_verify = true);
  COLLECT(endpoint.disable_compression = true);
  COLLECT(endpoint.as.user = "jim");
  COLLECT(endpoint.as.uid = "8");
  COLLECT(endpoint.as.groups = swapped);
  COLLECT(endpoint.as.group_count = 1);
  COLLECT(endpoint.as.extra = repaired);
  COLLECT(endpoint.as.extra_count = 1);
  COLLECT((endpoint.tls_server_name = "n", endpoint.default_namespace = "t"));
  source = "other source";
  COLLECT((void)0);
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      assert_string_not_equal(seen[i], seen[j]);
    }
  }
}

/* ---- UnknownContext ---- */

static struct km_context_list make_list(struct km_context_info *items, size_t count, const char *const *names)
{
  for (size_t i = 0; i < count; i++) {
    items[i] = (struct km_context_info){.name = names[i]};
  }
  return (struct km_context_list){.items = items, .count = count};
}

static void test_unknown_context_lists_and_suggests(void **state KM_UNUSED)
{
  static const char *const names[] = {"dev", "prod", "staging"};
  struct km_context_info items[3];
  struct km_context_list list = make_list(items, 3, names);
  struct km_error err = {0};
  assert_int_equal(km_unknown_context(&err, "prdo", &list), KM_E_NOT_FOUND);
  assert_int_equal(err.type, KM_TYPE_UNKNOWN_CONTEXT);
  assert_string_equal(err.message, "context 'prdo' does not exist; there are: dev, prod, staging");
  assert_string_equal(err.hint, "did you mean 'prod'?");
  km_error_clear(&err);
  km_unknown_context(&err, "qqqqqqqqqqq", &list);
  assert_null(strstr(err.hint, "did you mean"));
  assert_true(strlen(err.hint) > 0);
}

static void test_unknown_context_without_name_or_contexts(void **state KM_UNUSED)
{
  static const char *const names[] = {"a", "b"};
  struct km_context_info items[2];
  struct km_context_list list = make_list(items, 2, names);
  struct km_error err = {0};
  km_unknown_context(&err, NULL, &list);
  assert_string_equal(err.message, "no context was named and there is no current one; there are: a, b");
  list.count = 0;
  km_error_clear(&err);
  assert_int_equal(km_unknown_context(&err, "a", &list), KM_E_NOT_FOUND);
  assert_int_equal(err.type, KM_TYPE_UNKNOWN_CONTEXT);
  assert_string_equal(err.message, "context 'a' does not exist; no context is known");
}

static void test_unknown_context_names_twenty_and_counts_the_rest(void **state KM_UNUSED)
{
  char text[500][16];
  const char *names[500];
  struct km_context_info items[500];
  for (int i = 0; i < 500; i++) {
    (void)snprintf(text[i], sizeof(text[i]), "ctx-%03d", i);
    names[i] = text[i];
  }
  struct km_context_list list = make_list(items, 500, names);
  struct km_error err = {0};
  km_unknown_context(&err, "ctx-4321", &list);
  assert_contains(err.message, "ctx-000, ctx-001");
  assert_contains(err.message, "ctx-019 and 480 more");
  assert_null(strstr(err.message, "ctx-020"));
}

static void test_unknown_context_bounds_long_names(void **state KM_UNUSED)
{
  char longest[3001];
  for (size_t i = 0; i < 3000; i += 3) {
    memcpy(longest + i, "\xE2\x82\xAC", 3);
  }
  longest[3000] = '\0';
  const char *names[30];
  struct km_context_info items[30];
  for (size_t i = 0; i < 30; i++) {
    names[i] = longest;
  }
  struct km_context_list list = make_list(items, 30, names);
  struct km_error err = {0};
  km_unknown_context(&err, longest, &list);
  assert_true(km_utf8_valid(err.message, strlen(err.message)));
  assert_true(km_utf8_valid(err.hint, strlen(err.hint)));
  assert_contains(err.message, " more");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_registry_knows_kinds_and_aliases),
      cmocka_unit_test(test_every_provider_fills_the_mandatory_slots),
      cmocka_unit_test(test_open_closes_what_half_opened),
      cmocka_unit_test(test_credential_done_empties),
      cmocka_unit_test(test_seal_is_stable),
      cmocka_unit_test(test_every_member_counts_in_the_identity),
      cmocka_unit_test(test_unknown_context_lists_and_suggests),
      cmocka_unit_test(test_unknown_context_without_name_or_contexts),
      cmocka_unit_test(test_unknown_context_names_twenty_and_counts_the_rest),
      cmocka_unit_test(test_unknown_context_bounds_long_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
