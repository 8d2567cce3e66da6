/* A folder of files and a provider opened on it, for the tests of this layer. */
#ifndef KM_TESTS_PROVIDERS_FIXTURE_H
#define KM_TESTS_PROVIDERS_FIXTURE_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/provider.h"

struct fixture {
  char dir[64];
  struct km_arena *arena;
  char *config; /* struct described by the provider's fields */
  struct km_provider *provider;
};

static inline int fixture_setup(void **state)
{
  struct fixture *fixture = calloc(1, sizeof(*fixture));
  assert_non_null(fixture);
  (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/km-providers-XXXXXX");
  assert_non_null(mkdtemp(fixture->dir));
  fixture->arena = km_arena_new((size_t)64 * 1024 * 1024);
  setenv("HOME", fixture->dir, 1);
  unsetenv("KUBECONFIG");
  *state = fixture;
  return 0;
}

static inline int remove_entry(const char *path, const struct stat *st KM_UNUSED, int type KM_UNUSED,
                               struct FTW *ftw KM_UNUSED)
{
  return remove(path);
}

static inline int fixture_teardown(void **state)
{
  struct fixture *fixture = *state;
  km_provider_close(fixture->provider);
  free(fixture->config);
  km_arena_free(fixture->arena);
  int rc = nftw(fixture->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  free(fixture);
  return rc;
}

/* NAME within the fixture's folder. */
static inline const char *in_dir(const struct fixture *fixture, const char *name)
{
  return km_path_join(fixture->arena, fixture->dir, name);
}

/* Writes a file and the folders above it; a new inode each time, so that its stamp always changes. */
static inline void write_file(const struct fixture *fixture, const char *name, const char *text)
{
  char *path = km_arena_printf(fixture->arena, "%s/%s", fixture->dir, name);
  for (char *slash = strchr(path + strlen(fixture->dir) + 1, '/'); slash != NULL;
       slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    *slash = '/';
  }
  const char *fresh = km_arena_printf(fixture->arena, "%s.new", path);
  FILE *file = fopen(fresh, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
  assert_int_equal(rename(fresh, path), 0);
}

static inline void *config_member(const struct fixture *fixture, const struct km_field *fields,
                                  const char *name, enum km_field_type type)
{
  for (const struct km_field *field = fields; field->section != NULL; field++) {
    if (strcmp(field->name, name) == 0) {
      assert_int_equal(field->type, type);
      return fixture->config + field->offset;
    }
  }
  print_error("there is no key %s\n", name);
  abort();
}

/* The provider's configuration with every key at the default of its type. */
static inline void config_init(struct fixture *fixture, const struct km_provider_ops *ops)
{
  free(fixture->config);
  fixture->config = calloc(1, ops->config_size + 1);
  assert_non_null(fixture->config);
  for (const struct km_field *field = ops->fields; field != NULL && field->section != NULL; field++) {
    if (field->type == KM_FIELD_STRING || field->type == KM_FIELD_PATH) {
      const char *empty = "";
      memcpy(fixture->config + field->offset, &empty, sizeof(empty));
    }
  }
}

static inline void open_provider(struct fixture *fixture, const char *kind, const char *default_context)
{
  struct km_error err = {0};
  const struct km_provider_ops *ops = km_provider_find(kind);
  assert_non_null(ops);
  km_provider_close(fixture->provider);
  fixture->provider = NULL;
  if (fixture->config == NULL) {
    config_init(fixture, ops);
  }
  assert_int_equal(km_provider_open(ops, fixture->config, default_context, &fixture->provider, &err), KM_OK);
}

/* Opens the kubeconfig provider on TEXT as its only file, "config". */
static inline void open_kubeconfig(struct fixture *fixture, const char *text)
{
  const struct km_provider_ops *ops = km_provider_find("kubeconfig");
  write_file(fixture, "config", text);
  km_provider_close(fixture->provider);
  fixture->provider = NULL;
  config_init(fixture, ops);
  *(const char **)config_member(fixture, ops->fields, "kubeconfig_path", KM_FIELD_PATH) =
      in_dir(fixture, "config");
  open_provider(fixture, "kubeconfig", "");
}

static inline struct km_context_list get_contexts(const struct fixture *fixture)
{
  struct km_context_list list = {0};
  struct km_error err = {0};
  enum km_rc rc = fixture->provider->ops->contexts(fixture->provider, fixture->arena, &list, &err);
  if (rc != KM_OK) {
    fail_msg("contexts: %s", err.message);
  }
  return list;
}

static inline enum km_rc try_resolve(const struct fixture *fixture, const char *context, bool writes,
                                     struct km_endpoint *ret, struct km_error *err)
{
  *err = (struct km_error){0};
  return fixture->provider->ops->resolve(fixture->provider, context, writes, fixture->arena, ret, err);
}

static inline struct km_endpoint resolve(const struct fixture *fixture, const char *context)
{
  struct km_endpoint endpoint = {0};
  struct km_error err;
  if (try_resolve(fixture, context, false, &endpoint, &err) != KM_OK) {
    fail_msg("resolving '%s': %s", context != NULL ? context : "", err.message);
  }
  return endpoint;
}

static inline enum km_rc try_credential(const struct fixture *fixture, const struct km_endpoint *endpoint,
                                        bool force, struct km_credential *ret, struct km_error *err)
{
  *err = (struct km_error){0};
  *ret = (struct km_credential){0};
  return fixture->provider->ops->credential(fixture->provider, endpoint, force, 0, NULL, ret, err);
}

/* The credential of CONTEXT; the caller ends it. */
static inline struct km_credential credential_of(const struct fixture *fixture, const char *context)
{
  struct km_endpoint endpoint = resolve(fixture, context);
  struct km_credential credential;
  struct km_error err;
  if (try_credential(fixture, &endpoint, false, &credential, &err) != KM_OK) {
    fail_msg("credential of '%s': %s", context, err.message);
  }
  return credential;
}

static inline void assert_secret(const struct km_secret *secret, const char *expected)
{
  if (expected == NULL) {
    assert_true(km_secret_empty(secret));
    return;
  }
  assert_non_null(secret->data);
  assert_string_equal(secret->data, expected);
}

static inline void assert_contains(const char *text, const char *part)
{
  if (strstr(text, part) == NULL) {
    fail_msg("'%s' does not contain '%s'", text, part);
  }
}

/* Resolving CONTEXT fails with TYPE and a message that has PART in it. */
static inline void assert_unresolved(const struct fixture *fixture, const char *context,
                                     enum km_error_type type, const char *part)
{
  struct km_endpoint endpoint = {0};
  struct km_error err;
  assert_int_not_equal(try_resolve(fixture, context, false, &endpoint, &err), KM_OK);
  assert_contains(err.message, part);
  assert_string_equal(km_error_type_name(km_error_effective_type(&err)), km_error_type_name(type));
  assert_null(endpoint.server);
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
