/* A folder for a test's files, a sample provider, and the shortest way to load a configuration. */
#ifndef KM_TEST_CONFIG_FIXTURE_H
#define KM_TEST_CONFIG_FIXTURE_H

#include "testing.h"

#include <ftw.h>
#include <sys/stat.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/config/config.h"

/* --- a provider with a key in a section of the core, and a secret --- */

struct sample_config {
  const char *kubeconfig_path;
  const char *server;
  struct km_secret token;
};

static const struct km_field sample_fields[] = {
    {.section = "kubernetes",
     .name = "kubeconfig_path",
     .type = KM_FIELD_PATH,
     .offset = offsetof(struct sample_config, kubeconfig_path),
     .fallback = "\"\"",
     .env = "KUBECONFIG_PATH",
     .doc = "The kubeconfig file."},
    {.section = "kubernetes.single",
     .name = "server",
     .type = KM_FIELD_STRING,
     .offset = offsetof(struct sample_config, server),
     .fallback = "\"\"",
     .doc = "The API server."},
    {.section = "kubernetes.single",
     .name = "token",
     .type = KM_FIELD_SECRET,
     .offset = offsetof(struct sample_config, token),
     .doc = "The bearer token."},
    {.section = NULL},
};

/* Two kinds share the table: each gets a struct of its own. */
static const struct km_config_extension sample_extensions[] = {
    {.kind = "kubeconfig", .fields = sample_fields, .size = sizeof(struct sample_config)},
    {.kind = "in-cluster"},
    {.kind = "single", .fields = sample_fields, .size = sizeof(struct sample_config)},
};

/* --- the fixture: one folder, which is also the working and home folder --- */

static struct {
  struct km_arena *arena;
  char *folder;
  struct km_error err;
  struct km_config *config;
} fx;

static inline int fixture_set_up(void **state)
{
  char template[] = "/tmp/kube-mcp-test-XXXXXX";
  (void)state;
  memset(&fx, 0, sizeof fx);
  fx.arena = km_arena_new(SIZE_MAX);
  fx.folder = km_arena_strdup(fx.arena, mkdtemp(template));
  return setenv("HOME", fx.folder, 1) != 0 || chdir(fx.folder) != 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
  (void)status;
  (void)type;
  (void)place;
  return remove(path);
}

static inline int fixture_tear_down(void **state)
{
  (void)state;
  int failed = nftw(fx.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
  km_config_free(fx.config);
  km_arena_free(fx.arena);
  return failed;
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

static inline const char *write_file(const char *name, const char *text)
{
  FILE *file = fopen(name, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  return name;
}

/* An environment block of the "NAME=value" texts up to NULL. */
static inline char **environment_of(const char *first, ...)
{
  char **block = KM_ARENA_ARRAY(fx.arena, char *, 16);
  size_t count = 0;
  va_list args;
  va_start(args, first);
  for (const char *pair = first; pair != NULL; pair = va_arg(args, const char *)) {
    assert_true(count < 15);
    block[count++] = km_arena_strdup(fx.arena, pair);
  }
  va_end(args);
  return block;
}

/* Loads INPUT with the sample providers in place of the last configuration. */
static inline enum km_rc load(struct km_config_input input)
{
  struct km_config *loaded = NULL;
  input.extensions = sample_extensions;
  input.extension_count = KM_ARRAY_LEN(sample_extensions);
  enum km_rc rc = km_config_load(&input, &loaded, &fx.err);
  if (rc != KM_OK) {
    assert_null(loaded);
    return rc;
  }
  km_config_free(fx.config);
  fx.config = loaded;
  return rc;
}

static inline void must_load(struct km_config_input input)
{
  if (load(input) != KM_OK) {
    fail_msg("%s", fx.err.message);
  }
}

static inline void must_load_text(const char *toml)
{
  must_load((struct km_config_input){.file = write_file("c.toml", toml)});
}

static inline void assert_input_refused(struct km_config_input input, const char *message)
{
  km_error_clear(&fx.err);
  assert_int_not_equal(load(input), KM_OK);
  assert_string_equal(fx.err.message, message);
}

/* MESSAGE starts with the place "c.toml:LINE:COL". */
static inline void assert_text_refused(const char *toml, const char *message)
{
  assert_input_refused((struct km_config_input){.file = write_file("c.toml", toml)}, message);
  assert_int_equal(fx.err.code, KM_E_INVALID);
}

static inline const struct sample_config *sample(void)
{
  return fx.config->provider_config;
}

#endif
