/* The kubeconfig provider: which file, which context, what is refused, and what happens when files change. The merge of
 * several files has a test program of its own, and so have the rules for single entries. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kube_mcp/base/banned.h"

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://c'}}]\n"
#define USER    "users: [{name: u, user: {token: t}}]\n"
#define CONTEXTS                                                                                             \
  "contexts: [{name: dev, context: {cluster: c, user: u}}, {name: prod, context: {cluster: c, user: u}}]\n"

/* ---- which file ---- */

static void test_home_is_the_last_resort(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, ".kube/config", CLUSTER "contexts: [{name: home, context: {cluster: c}}]\n");
  write_file(fixture, "env", CLUSTER "contexts: [{name: env, context: {cluster: c}}]\n");
  open_provider(fixture, "kubeconfig", "");
  assert_string_equal(get_contexts(fixture).items[0].name, "home");
  setenv("KUBECONFIG", in_dir(fixture, "env"), 1);
  open_provider(fixture, "kubeconfig", "");
  assert_string_equal(get_contexts(fixture).items[0].name, "env");
}

static void test_configured_path_beats_the_environment(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "env", CLUSTER "contexts: [{name: env, context: {cluster: c}}]\n");
  setenv("KUBECONFIG", in_dir(fixture, "env"), 1);
  open_kubeconfig(fixture, CLUSTER "contexts: [{name: configured, context: {cluster: c}}]\n");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.items[0].name, "configured");
}

static void test_relative_paths_mean_the_folder_at_start(void **state)
{
  struct fixture *fixture = *state;
  write_file(fixture, "sub/config", CLUSTER "contexts: [{name: x, context: {cluster: c}}]\n");
  const struct km_provider_ops *ops = km_provider_find("kubeconfig");
  config_init(fixture, ops);
  *(const char **)config_member(fixture, ops->fields, "kubeconfig_path", KM_FIELD_PATH) = "sub/config";
  assert_int_equal(chdir(fixture->dir), 0);
  open_provider(fixture, "kubeconfig", "");
  assert_int_equal(chdir("/"), 0);
  assert_string_equal(get_contexts(fixture).items[0].name, "x");
}

static void assert_contexts_fail(const struct fixture *fixture, const char *part)
{
  struct km_context_list list = {0};
  struct km_error err = {0};
  assert_int_equal(fixture->provider->ops->contexts(fixture->provider, fixture->arena, &list, &err),
                   KM_E_INVALID);
  assert_int_equal(err.type, KM_TYPE_INVALID_KUBECONFIG);
  assert_contains(err.message, part);
  assert_null(list.items);
  assert_unresolved(fixture, "x", KM_TYPE_INVALID_KUBECONFIG, part);
}

static void test_missing_files(void **state)
{
  struct fixture *fixture = *state;
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "/.kube/config' does not exist (the default, as neither");
  setenv("KUBECONFIG", "/nowhere/a:/nowhere/b", 1);
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "'/nowhere/a' and every other file listed does not exist ($KUBECONFIG)");
  setenv("KUBECONFIG", ":", 1);
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "$KUBECONFIG names no file");
  open_kubeconfig(fixture, "");
  assert_int_equal(unlink(in_dir(fixture, "config")), 0);
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "does not exist (kubernetes.kubeconfig_path)");
}

static void test_unreadable_files(void **state)
{
  struct fixture *fixture = *state;
  setenv("KUBECONFIG", fixture->dir, 1);
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "a directory");
  if (geteuid() != 0) {
    write_file(fixture, "closed", CLUSTER);
    assert_int_equal(chmod(in_dir(fixture, "closed"), 0), 0);
    setenv("KUBECONFIG", in_dir(fixture, "closed"), 1);
    open_provider(fixture, "kubeconfig", "");
    assert_contexts_fail(fixture, "ermission denied");
  }
}

static void test_a_file_too_large(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "");
  assert_int_equal(truncate(in_dir(fixture, "config"), 16 * 1024 * 1024 + 1), 0);
  assert_contexts_fail(fixture, "is larger than");
}

/* ---- which context ---- */

static void test_default_context(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, CLUSTER USER CONTEXTS "current-context: prod\n");
  assert_string_equal(resolve(fixture, "").context, "prod");
  assert_string_equal(resolve(fixture, NULL).context, "prod");
  assert_string_equal(resolve(fixture, "dev").context, "dev");
  assert_string_equal(get_contexts(fixture).current, "prod");
  open_provider(fixture, "kubeconfig", "dev");
  assert_string_equal(resolve(fixture, "").context, "dev");
  assert_string_equal(get_contexts(fixture).current, "dev");
}

static void test_the_only_context_is_the_default(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, CLUSTER "contexts: [{name: only, context: {cluster: c}}]\n");
  assert_string_equal(resolve(fixture, "").context, "only");
  assert_string_equal(get_contexts(fixture).current, "only");
}

static void test_no_default(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, CLUSTER USER CONTEXTS);
  assert_null(get_contexts(fixture).current);
  assert_unresolved(fixture, "", KM_TYPE_UNKNOWN_CONTEXT,
                    "no context was named and there is no current one; there are: dev, prod");
}

static void test_defaults_that_lead_nowhere(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, CLUSTER USER CONTEXTS "current-context: gone\n");
  assert_null(get_contexts(fixture).current);
  assert_unresolved(fixture, "", KM_TYPE_UNKNOWN_CONTEXT,
                    "current-context: context 'gone' does not exist; there are: dev, prod");
  open_provider(fixture, "kubeconfig", "lost");
  assert_unresolved(fixture, "", KM_TYPE_UNKNOWN_CONTEXT,
                    "kubernetes.context: context 'lost' does not exist");
  assert_string_equal(resolve(fixture, "dev").context, "dev");
}

static void test_unknown_context(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, CLUSTER USER CONTEXTS);
  struct km_endpoint endpoint;
  struct km_error err;
  assert_int_equal(try_resolve(fixture, "prdo", true, &endpoint, &err), KM_E_NOT_FOUND);
  assert_int_equal(err.type, KM_TYPE_UNKNOWN_CONTEXT);
  assert_string_equal(err.message, "context 'prdo' does not exist; there are: dev, prod");
  assert_string_equal(err.hint, "did you mean 'prod'?");
}

static void test_an_empty_file_is_valid_and_defines_nothing(void **state)
{
  static const char *const texts[] = {"", "\n", "# comment\n---\n", "apiVersion: v1\nkind: Config\n",
                                      "null\n"};
  for (size_t i = 0; i < KM_ARRAY_LEN(texts); i++) {
    void *fresh = NULL;
    fixture_setup(&fresh);
    struct fixture *fixture = fresh;
    open_kubeconfig(fixture, texts[i]);
    struct km_context_list list = get_contexts(fixture);
    assert_int_equal(list.count, 0);
    assert_null(list.current);
    assert_unresolved(fixture, "", KM_TYPE_UNKNOWN_CONTEXT, "/config' defines no contexts");
    assert_unresolved(fixture, "x", KM_TYPE_UNKNOWN_CONTEXT, "/config' defines no contexts");
    fixture_teardown(&fresh);
  }
  (void)state;
}

static void test_listed_with_names_and_problems(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "clusters:\n"
                           "- {name: c, cluster: {server: 'https://c:6443/'}}\n"
                           "users:\n"
                           "- {name: u, user: {token: t}}\n"
                           "contexts:\n"
                           "- {name: good, context: {cluster: c, user: u, namespace: shop}}\n"
                           "- {name: no-cluster, context: {user: u}}\n"
                           "- {name: lost-cluster, context: {cluster: d, user: u}}\n"
                           "- {name: lost-user, context: {cluster: c, user: v}}\n"
                           "- {name: anonymous, context: {cluster: c}}\n"
                           "- {name: bare}\n");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 6);
  assert_string_equal(list.items[0].cluster, "c");
  assert_string_equal(list.items[0].user, "u");
  assert_string_equal(list.items[0].namespace, "shop");
  assert_string_equal(list.items[0].server, "https://c:6443");
  assert_null(list.items[0].problem);
  assert_contains(list.items[1].problem, "/config:7) names no cluster");
  assert_contains(list.items[2].problem, "/config:8) names the cluster 'd', which is not defined");
  assert_contains(list.items[3].problem, "/config:9) names the user 'v', which is not defined");
  assert_string_equal(list.items[3].user, "v");
  assert_null(list.items[4].problem);
  assert_string_equal(list.items[4].user, "");
  assert_non_null(list.items[5].problem);
  assert_unresolved(fixture, "lost-cluster", KM_TYPE_INVALID_KUBECONFIG,
                    "names the cluster 'd', which is not defined");
  assert_unresolved(fixture, "lost-user", KM_TYPE_INVALID_KUBECONFIG,
                    "names the user 'v', which is not defined");
}

/* ---- what is refused ---- */

static void test_refused_files(void **state KM_UNUSED)
{
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"a: [\n", "config:2:1: "},
      {"a: b: c\n", "config:1:"},
      {"users:\n- name: u\n user: {}\n", "config:3:"},
      {"users:\n\t- name: u\n", "config:2:"},
      {"[1, 2]\n", "config: a kubeconfig must be a mapping with clusters, users and contexts, not"},
      {"just text\n", "a kubeconfig must be a mapping"},
      {"kind: Pod\n", "kind is 'Pod' where a kubeconfig has 'Config'"},
      {"apiVersion: v2\nkind: Config\n", "apiVersion is 'v2' where a kubeconfig has 'v1'"},
      {"apiVersion: 1\n", "apiVersion must be a string"},
      {"current-context: 7\n", "current-context must be a string"},
      {"users: {u: {token: t}}\n", "users must be a list"},
      {"clusters: c\n", "clusters must be a list"},
      {"contexts:\n- dev\n", "config:2: contexts: an item must be a mapping"},
      {"contexts:\n\n# one\n- name: 5\n", "config:4: contexts: name must be a string"},
      {"contexts:\n- name: x\n  context: dev\n", "config:2: contexts: context must be a mapping"},
      {"users:\n- name: u\n- name: v\n  user:\n    token: 5\n", "config:3: user 'v': token must be a string"},
      {"users:\n  - name: u\n    user: {tokenFile: [a]}\n", "config:2: user 'u': tokenFile must be a string"},
      {"users: [{name: u, user: {token: yes}}]\n", "config: user 'u': token must be a string"},
      {"users: [{name: u, user: {as-groups: g}}]\n", "as-groups must be a list of strings"},
      {"users: [{name: u, user: {as-groups: [1]}}]\n", "as-groups must be a string"},
      {"users: [{name: u, user: {as-user-extra: [g]}}]\n", "as-user-extra must be a mapping of lists"},
      {"users: [{name: u, user: {as-user-extra: {k: v}}}]\n", "as-user-extra must be a list of strings"},
      {"users: [{name: u, user: {exec: aws}}]\n", "exec must be a mapping"},
      {"users: [{name: u, user: {auth-provider: gcp}}]\n", "auth-provider must be a mapping"},
      {"users: [{name: u, user: {client-key-data: '***'}}]\n", "user 'u': client-key-data: not valid Base64"},
      {"clusters: [{name: c, cluster: {certificate-authority-data: 'QQ'}}]\n",
       "certificate-authority-data: not valid"},
      {"clusters: [{name: c, cluster: {insecure-skip-tls-verify: 'true'}}]\n",
       "cluster 'c': insecure-skip-tls-verify must be true or false"},
      {"clusters: [{name: c, cluster: {server: \"https://a\\0b\"}}]\n", "server holds a NUL"},
      {"clusters:\n- {name: c}\n- {name: d}\n- {name: c}\n",
       "config:4: clusters: there is more than one cluster 'c'"},
      {"users: [{name: u}, {name: u}]\n", "there is more than one user 'u'"},
      {"contexts: [{name: x}, {name: x}]\n", "there is more than one context 'x'"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    void *fresh = NULL;
    fixture_setup(&fresh);
    struct fixture *fixture = fresh;
    open_kubeconfig(fixture, cases[i].text);
    assert_contexts_fail(fixture, cases[i].message);
    fixture_teardown(&fresh);
  }
}

static void test_limits(void **state)
{
  struct fixture *fixture = *state;
  KM_CLEANUP(km_buf_done) struct km_buf text;
  km_buf_init(&text, (size_t)1024 * 1024);
  km_buf_puts(&text, "contexts:\n");
  for (int i = 0; i < 20001; i++) {
    km_buf_puts(&text, "- {}\n");
  }
  open_kubeconfig(fixture, text.data);
  assert_contexts_fail(fixture, "contexts has more than 20000 entries");
  km_buf_clear(&text);
  km_buf_puts(&text, "users: [{name: u, user: {as-user-extra: {");
  for (int i = 0; i < 1001; i++) {
    km_buf_printf(&text, "k%d: [v], ", i);
  }
  km_buf_puts(&text, "}}}]\n");
  write_file(fixture, "config", text.data);
  assert_contexts_fail(fixture, "as-user-extra holds more than 1000 values");
}

static void test_lines_are_only_claimed_when_known(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "description: |\n"
                           "  contexts:\n"
                           "  - name: not this one\n"
                           "contexts:   # the list\n"
                           "    # a comment\n"
                           "    - name: a\n"
                           "      context:\n"
                           "        cluster: |-\n"
                           "          - c\n"
                           "    -\n"
                           "      name: b\n"
                           "kind: Config\n");
  struct km_context_list list = get_contexts(fixture);
  assert_int_equal(list.count, 2);
  assert_contains(list.items[0].problem, "config:6)");
  assert_contains(list.items[1].problem, "config:10)");
  write_file(fixture, "config", "contexts:\n- {name: a}\n---\ncontexts:\n- {name: b}\n- {name: c}\n");
  assert_contains(get_contexts(fixture).items[0].problem, "config:2)");
  write_file(fixture, "config", "'contexts':\n- {name: a}\n");
  assert_contains(get_contexts(fixture).items[0].problem, "/config)");
  write_file(fixture, "config", "contexts:\r\n- name: a\r\n- name: b\r\n");
  assert_contains(get_contexts(fixture).items[1].problem, "config:3)");
}

/* ---- changes ---- */

static const char good[] = CLUSTER USER CONTEXTS "current-context: dev\n";

static enum km_rc reload(const struct fixture *fixture, bool *changed, struct km_error *err)
{
  *changed = false;
  *err = (struct km_error){0};
  return fixture->provider->ops->reload(fixture->provider, changed, err);
}

static void test_changes_are_noticed_by_every_call(void **state)
{
  struct fixture *fixture = *state;
  bool changed = false;
  struct km_error err;
  open_kubeconfig(fixture, good);
  assert_string_equal(resolve(fixture, "").context, "dev");
  assert_int_equal(reload(fixture, &changed, &err), KM_OK);
  assert_false(changed);
  write_file(fixture, "config", CLUSTER USER CONTEXTS "current-context: prod\n");
  assert_string_equal(resolve(fixture, "").context, "prod");
  assert_int_equal(reload(fixture, &changed, &err), KM_OK);
  assert_true(changed);
  assert_int_equal(reload(fixture, &changed, &err), KM_OK);
  assert_false(changed);
  write_file(fixture, "config", "clusters: [{name: c, cluster: {server: 'https://d'}}]\n" USER CONTEXTS);
  assert_string_equal(get_contexts(fixture).items[0].server, "https://d");
}

static void test_a_broken_edit_keeps_the_last_good_state(void **state)
{
  struct fixture *fixture = *state;
  bool changed = false;
  struct km_error err;
  open_kubeconfig(fixture, good);
  assert_int_equal(get_contexts(fixture).count, 2);
  write_file(fixture, "config", "contexts: [\n");
  assert_int_equal(get_contexts(fixture).count, 2);
  assert_string_equal(resolve(fixture, "prod").context, "prod");
  assert_int_equal(reload(fixture, &changed, &err), KM_E_INVALID);
  assert_int_equal(err.type, KM_TYPE_INVALID_KUBECONFIG);
  assert_contains(err.message, "config:2:1");
  assert_int_equal(unlink(in_dir(fixture, "config")), 0);
  assert_int_equal(get_contexts(fixture).count, 2);
  assert_int_equal(reload(fixture, &changed, &err), KM_E_INVALID);
  assert_contains(err.message, "does not exist");
  write_file(fixture, "config", CLUSTER "contexts: [{name: new, context: {cluster: c}}]\n");
  assert_int_equal(reload(fixture, &changed, &err), KM_OK);
  assert_true(changed);
  assert_string_equal(get_contexts(fixture).items[0].name, "new");
}

static uint64_t fake_ns;

static uint64_t read_fake_ns(void)
{
  return fake_ns;
}

static int64_t read_fake_wall_ms(void)
{
  return 0;
}

/* Replaces the content of "config" in place and puts its time back: what chmod does to a stamp, namely nothing. */
static void rewrite_under_the_same_stamp(const struct fixture *fixture, const char *text)
{
  const char *path = in_dir(fixture, "config");
  uint64_t stamp = km_file_stamp(path);
  struct stat before;
  assert_int_equal(stat(path, &before), 0);
  FILE *file = fopen(path, "r+");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), before.st_size);
  assert_int_equal(fclose(file), 0);
  struct timespec times[] = {before.st_atim, before.st_mtim};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  assert_true(km_file_stamp(path) == stamp);
}

static void test_failures_are_retried_after_a_second(void **state)
{
  struct fixture *fixture = *state;
  static const struct km_clock clock = {.monotonic_ns = read_fake_ns, .wall_ms = read_fake_wall_ms};
  fake_ns = 5 * KM_NS_PER_S;
  km_clock_install(&clock);
  open_kubeconfig(fixture, "contexts: [{name: x}[\n");
  assert_contexts_fail(fixture, "config:1:");
  rewrite_under_the_same_stamp(fixture, "contexts: [{name: x}]\n");
  fake_ns += KM_NS_PER_S - 1;
  assert_contexts_fail(fixture, "config:1:");
  fake_ns += 1;
  assert_int_equal(get_contexts(fixture).count, 1);
  rewrite_under_the_same_stamp(fixture, "contexts: [{name: x}[\n");
  fake_ns += 10 * KM_NS_PER_S;
  assert_int_equal(get_contexts(fixture).count, 1);
  assert_int_equal(fixture->provider->ops->reload(fixture->provider, &(bool){false}, &(struct km_error){0}),
                   KM_OK);
  km_clock_install(NULL);
}

static void test_a_file_may_appear_later(void **state)
{
  struct fixture *fixture = *state;
  bool changed = false;
  struct km_error err;
  open_provider(fixture, "kubeconfig", "");
  assert_contexts_fail(fixture, "does not exist");
  write_file(fixture, ".kube/config", good);
  assert_int_equal(get_contexts(fixture).count, 2);
  assert_int_equal(reload(fixture, &changed, &err), KM_OK);
  assert_true(changed);
}

static void test_answers_outlive_the_state_they_came_from(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, good);
  struct km_endpoint endpoint = resolve(fixture, "dev");
  struct km_context_list list = get_contexts(fixture);
  for (int i = 0; i < 3; i++) {
    write_file(fixture, "config", km_arena_printf(fixture->arena, CLUSTER "contexts: [{name: n%d}]\n", i));
    assert_int_equal(get_contexts(fixture).count, 1);
  }
  km_provider_close(fixture->provider);
  fixture->provider = NULL;
  assert_string_equal(endpoint.server, "https://c");
  assert_string_equal(endpoint.user, "u");
  assert_string_equal(list.items[1].name, "prod");
}

/* A user entry that now belongs to another server must not be sent to the old one, nor the new token to the old
 * endpoint. */
static void test_a_credential_belongs_to_its_endpoint(void **state)
{
  struct fixture *fixture = *state;
  struct km_credential credential;
  struct km_error err;
  open_kubeconfig(fixture, good);
  struct km_endpoint old = resolve(fixture, "dev");
  write_file(fixture, "config", CLUSTER "users: [{name: u, user: {token: new}}]\n" CONTEXTS);
  struct km_endpoint new = resolve(fixture, "dev");
  assert_string_not_equal(old.identity, new.identity);
  assert_int_equal(try_credential(fixture, &new, false, &credential, &err), KM_OK);
  assert_secret(&credential.bearer, "new");
  km_credential_done(&credential);
  assert_int_equal(try_credential(fixture, &old, true, &credential, &err), KM_OK);
  assert_secret(&credential.bearer, "t");
  km_credential_done(&credential);
  write_file(fixture, "config", CLUSTER "users: [{name: u, user: {token: newest}}]\n" CONTEXTS);
  assert_int_equal(try_credential(fixture, &old, true, &credential, &err), KM_E_CONFLICT);
  assert_contains(err.message, "context 'dev' changed in the kubeconfig");
  assert_true(km_secret_empty(&credential.bearer));
}

/* ---- many contexts, many threads ---- */

static void write_many(const struct fixture *fixture, int count, int generation)
{
  KM_CLEANUP(km_buf_done) struct km_buf text;
  km_buf_init(&text, (size_t)8 * 1024 * 1024);
  km_buf_puts(&text, "clusters:\n");
  for (int i = 0; i < count; i++) {
    km_buf_printf(&text, "- name: c%d\n  cluster:\n    server: https://c%d-%d.example\n", i, i, generation);
  }
  km_buf_puts(&text, "users:\n");
  for (int i = 0; i < count; i++) {
    km_buf_printf(&text, "- name: u%d\n  user:\n    token: token-%d-%d\n", i, i, generation);
  }
  km_buf_puts(&text, "contexts:\n");
  for (int i = 0; i < count; i++) {
    km_buf_printf(&text, "- name: x%d\n  context:\n    cluster: c%d\n    user: u%d\n", i, i, i);
  }
  write_file(fixture, "config", text.data);
}

static void test_five_hundred_contexts(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "");
  write_many(fixture, 500, 0);
  assert_int_equal(get_contexts(fixture).count, 500);
  struct km_credential credential = credential_of(fixture, "x499");
  assert_secret(&credential.bearer, "token-499-0");
  km_credential_done(&credential);
}

struct hammer {
  struct km_provider *provider;
  atomic_bool stop;
  atomic_int wrong, calls;
};

/* Resolves and asks for credentials; token and server must always be of the same generation. */
static void *hammer_run(void *data)
{
  struct hammer *hammer = data;
  struct km_error err;
  while (!atomic_load(&hammer->stop)) {
    struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
    struct km_endpoint endpoint;
    struct km_credential credential = {0};
    if (hammer->provider->ops->resolve(hammer->provider, "x7", false, arena, &endpoint, &err) != KM_OK) {
      atomic_fetch_add(&hammer->wrong, 1);
    } else if (hammer->provider->ops->credential(hammer->provider, &endpoint, false, 0, NULL, &credential,
                                                 &err) == KM_OK) {
      const char *server = strchr(endpoint.server, '-');
      const char *token = strrchr(credential.bearer.data, '-');
      size_t digits = strspn(server + 1, "0123456789") + 1;
      atomic_fetch_add(&hammer->wrong, strlen(token) != digits || memcmp(server, token, digits) != 0 ? 1 : 0);
      km_credential_done(&credential);
    } else if (err.code != KM_E_CONFLICT) {
      atomic_fetch_add(&hammer->wrong, 1);
    }
    km_arena_free(arena);
    atomic_fetch_add(&hammer->calls, 1);
  }
  return NULL;
}

static void test_threads_never_mix_generations(void **state)
{
  struct fixture *fixture = *state;
  open_kubeconfig(fixture, "");
  write_many(fixture, 10, 0);
  struct hammer hammer = {.provider = fixture->provider};
  pthread_t threads[4];
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, hammer_run, &hammer), 0);
  }
  for (int generation = 1; generation <= 40; generation++) {
    int before = atomic_load(&hammer.calls);
    write_many(fixture, 10, generation);
    while (atomic_load(&hammer.calls) < before + 20) {
      usleep(200);
    }
  }
  atomic_store(&hammer.stop, true);
  for (size_t i = 0; i < KM_ARRAY_LEN(threads); i++) {
    pthread_join(threads[i], NULL);
  }
  assert_int_equal(atomic_load(&hammer.wrong), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(test_home_is_the_last_resort),
      FIXTURE_TEST(test_configured_path_beats_the_environment),
      FIXTURE_TEST(test_relative_paths_mean_the_folder_at_start),
      FIXTURE_TEST(test_missing_files),
      FIXTURE_TEST(test_unreadable_files),
      FIXTURE_TEST(test_a_file_too_large),
      FIXTURE_TEST(test_default_context),
      FIXTURE_TEST(test_the_only_context_is_the_default),
      FIXTURE_TEST(test_no_default),
      FIXTURE_TEST(test_defaults_that_lead_nowhere),
      FIXTURE_TEST(test_unknown_context),
      FIXTURE_TEST(test_an_empty_file_is_valid_and_defines_nothing),
      FIXTURE_TEST(test_listed_with_names_and_problems),
      cmocka_unit_test(test_refused_files),
      FIXTURE_TEST(test_limits),
      FIXTURE_TEST(test_lines_are_only_claimed_when_known),
      FIXTURE_TEST(test_changes_are_noticed_by_every_call),
      FIXTURE_TEST(test_a_broken_edit_keeps_the_last_good_state),
      FIXTURE_TEST(test_failures_are_retried_after_a_second),
      FIXTURE_TEST(test_a_file_may_appear_later),
      FIXTURE_TEST(test_answers_outlive_the_state_they_came_from),
      FIXTURE_TEST(test_a_credential_belongs_to_its_endpoint),
      FIXTURE_TEST(test_five_hundred_contexts),
      FIXTURE_TEST(test_threads_never_mix_generations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
