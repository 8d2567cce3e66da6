/* $KUBECONFIG with several files, against what kubectl made of the same files. Everything is seen through the
 * provider's answers: which contexts there are, where they lead, and with which credential. */
#include "fixture.h"
#include "merge_cases.h"

#include "kube_mcp/base/banned.h"

static void put(struct km_buf *out, const char *key, const char *value, size_t len)
{
  if (value != NULL && len > 0) {
    km_buf_printf(out, " | %s=%.*s", key, (int)len, value);
  }
}

static void put_text(struct km_buf *out, const char *key, const char *value)
{
  put(out, key, value, value != NULL ? strlen(value) : 0);
}

static void put_secret(struct km_buf *out, const char *key, const struct km_secret *secret)
{
  put(out, key, secret->data, secret->len);
}

static void render_context(const struct fixture *fixture, const char *name, struct km_buf *out)
{
  struct km_endpoint endpoint = resolve(fixture, name);
  struct km_credential credential = credential_of(fixture, name);
  km_buf_printf(out, "%s | cluster=%s | user=%s", endpoint.context, endpoint.cluster, endpoint.user);
  put_text(out, "namespace", endpoint.default_namespace);
  put_text(out, "server", endpoint.server);
  put_text(out, "tls", endpoint.tls_server_name);
  put_text(out, "proxy", endpoint.proxy_url);
  put_text(out, "insecure", endpoint.insecure_skip_verify ? "true" : NULL);
  put_text(out, "uncompressed", endpoint.disable_compression ? "true" : NULL);
  put(out, "ca", endpoint.ca_pem, endpoint.ca_pem_len);
  put_secret(out, "bearer", &credential.bearer);
  if (!km_secret_empty(&credential.user)) {
    km_buf_printf(out, " | basic=%s:%s", credential.user.data,
                  credential.password.data != NULL ? credential.password.data : "");
  }
  put_secret(out, "cert", &credential.cert_pem);
  put_secret(out, "key", &credential.key_pem);
  put_text(out, "as", endpoint.as.user);
  put_text(out, "uid", endpoint.as.uid);
  for (size_t i = 0; i < endpoint.as.group_count; i++) {
    put_text(out, "group", endpoint.as.groups[i]);
  }
  for (size_t i = 0; i < endpoint.as.extra_count; i++) {
    km_buf_printf(out, " | extra=%s:%s", endpoint.as.extra[2 * i], endpoint.as.extra[2 * i + 1]);
  }
  km_buf_putc(out, '\n');
  km_credential_done(&credential);
}

static int by_name(const void *a, const void *b)
{
  return strcmp(((const struct km_context_info *)a)->name, ((const struct km_context_info *)b)->name);
}

static bool is_known(const struct km_context_list *list, const char *name)
{
  for (size_t i = 0; i < list->count; i++) {
    if (km_streq(list->items[i].name, name)) {
      return true;
    }
  }
  return false;
}

/* kubectl shows current-context as written; ours is NULL when it leads nowhere, and the only context is current. */
static const char *current_for_kubectl(const struct km_context_list *list, const char *expected)
{
  bool expects_none = km_starts_with(expected, "current -");
  if (expects_none && list->count == 1) {
    assert_string_equal(list->current, list->items[0].name);
    return "-";
  }
  assert_true(list->current == NULL || is_known(list, list->current));
  return list->current != NULL ? list->current : "-";
}

static void run_case(struct fixture *fixture, const struct merge_case *merge)
{
  for (size_t i = 0; i < MAX_FILES && merge->files[i].path != NULL; i++) {
    write_file(fixture, merge->files[i].path, merge->files[i].text);
  }
  assert_int_equal(chdir(fixture->dir), 0);
  setenv("KUBECONFIG", merge->list, 1);
  open_provider(fixture, "kubeconfig", "");
  assert_int_equal(chdir("/"), 0);
  struct km_context_list list = get_contexts(fixture);
  KM_CLEANUP(km_buf_done) struct km_buf out;
  km_buf_init(&out, 65536);
  km_buf_printf(&out, "current %s\n", current_for_kubectl(&list, merge->expected));
  qsort(list.items, list.count, sizeof(*list.items), by_name);
  for (size_t i = 0; i < list.count; i++) {
    assert_null(list.items[i].problem);
    render_context(fixture, list.items[i].name, &out);
  }
  if (strcmp(out.data, merge->expected) != 0) {
    fail_msg("%s:\n%s", merge->name, out.data);
  }
}

static void test_merges_like_kubectl(void **state KM_UNUSED)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(merge_cases); i++) {
    void *fixture = NULL;
    fixture_setup(&fixture);
    run_case(fixture, &merge_cases[i]);
    assert_int_equal(fixture_teardown(&fixture), 0);
  }
}

static void test_keeps_the_order_of_the_files(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "a", HEADER "contexts: [{name: z}, {name: m}]\n");
  write_file(fixture, "b", HEADER "contexts: [{name: m}, {name: a}]\n");
  setenv("KUBECONFIG", km_arena_printf(fixture->arena, "%s/a:%s/b", fixture->dir, fixture->dir), 1);
  open_provider(fixture, "kubeconfig", "");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 3);
  assert_string_equal(list.items[0].name, "z");
  assert_string_equal(list.items[1].name, "m");
  assert_string_equal(list.items[2].name, "a");
}

static void test_one_malformed_file_fails_the_whole(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "a", FILE_A);
  write_file(fixture, "b", "- no kubeconfig\n");
  setenv("KUBECONFIG", km_arena_printf(fixture->arena, "%s/a:%s/b", fixture->dir, fixture->dir), 1);
  open_provider(fixture, "kubeconfig", "");
  assert_unresolved(fixture, "one", KM_TYPE_INVALID_KUBECONFIG, "/b: ");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_merges_like_kubectl),
      FIXTURE_TEST(test_keeps_the_order_of_the_files),
      FIXTURE_TEST(test_one_malformed_file_fails_the_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
