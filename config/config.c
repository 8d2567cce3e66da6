/* Loading the configuration.
 *
 * Owns the order of the sources: defaults, names of other systems, the file, the drop-ins in name order, our
 * environment names, flags. Everything is collected in settings first; the structs of the program are written
 * at the very end, when nothing can fail any more. One arena holds a configuration: its strings, its
 * settings, its secrets' wiping. Thread-safe: no state outside it. Limits: 256 drop-ins, 1 MiB each. */
#include "kube_mcp/config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "layers.h"

#include "kube_mcp/base/banned.h"

#define MAX_DROP_INS 256

/* The file to read, or NULL: what was asked for must exist, the usual places need not. */
static const char *find_file(struct km_arena *arena, const struct km_config_input *input,
                             const struct km_environment *env)
{
  static const char *const usual[] = {"/etc/kube-mcp/config.toml", "~/.config/kube-mcp/config.toml"};
  if (input->file != NULL) {
    return km_path_expand(arena, input->file);
  }
  const struct km_environment_entry *named = km_environment_find(env, "KUBE_MCP_CONFIG");
  if (named != NULL && *named->value != '\0') {
    return km_path_expand(arena, named->value);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(usual); i++) {
    const char *path = km_path_expand(arena, usual[i]);
    if (access(path, F_OK) == 0) {
      return path;
    }
  }
  return NULL;
}

static int is_drop_in(const struct dirent *entry)
{
  return entry->d_name[0] != '.' && km_ends_with(entry->d_name, ".toml");
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* The paths of the folder's *.toml in name order. */
static enum km_rc list_drop_ins(struct km_arena *arena, const char *directory, struct km_strings *ret,
                                struct km_error *err)
{
  struct dirent **entries;
  int count = scandir(directory, &entries, is_drop_in, compare_names);
  if (count < 0) {
    return km_error_errno(err, errno, "configuration folder %s", directory);
  }
  struct km_strings list = {.items = KM_ARENA_ARRAY(arena, const char *, (size_t)count + 1)};
  for (int i = 0; i < count; i++) {
    list.items[list.count++] = km_path_join(arena, directory, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  if (count > MAX_DROP_INS) {
    return km_error_set(err, KM_E_TOO_LARGE, "configuration folder %s: more than %d files", directory,
                        MAX_DROP_INS);
  }
  *ret = list;
  return KM_OK;
}

/* All files to read, in order. */
static enum km_rc list_files(struct km_arena *arena, const struct km_config_input *input,
                             const struct km_environment *env, struct km_strings *ret, struct km_error *err)
{
  const char *file = find_file(arena, input, env);
  struct km_strings drop_ins = {.count = 0};
  if (input->directory != NULL) {
    enum km_rc rc = list_drop_ins(arena, km_path_expand(arena, input->directory), &drop_ins, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  struct km_strings list = {.items = KM_ARENA_ARRAY(arena, const char *, drop_ins.count + 1)};
  if (file != NULL) {
    list.items[list.count++] = file;
  }
  for (size_t i = 0; i < drop_ins.count; i++) {
    list.items[list.count++] = drop_ins.items[i];
  }
  *ret = list;
  return KM_OK;
}

static enum km_rc apply_layers(struct km_settings *settings, const struct km_config_input *input,
                               const struct km_environment *env, const struct km_strings *files,
                               struct km_error *err)
{
  enum km_rc rc = km_layer_foreign(settings, env, err);
  for (size_t i = 0; i < files->count && rc == KM_OK; i++) {
    rc = km_layer_file(settings, env, files->items[i], err);
  }
  if (rc == KM_OK) {
    rc = km_layer_environment(settings, env, err);
  }
  if (rc == KM_OK) {
    rc = km_layer_flags(settings, input->flags, input->flag_count, err);
  }
  return rc;
}

static enum km_rc load(struct km_config *config, const struct km_config_input *input, struct km_error *err)
{
  struct km_environment env;
  enum km_rc rc = km_environment_read(config->arena, input->env_file, input->environ_block, &env, err);
  if (rc == KM_OK) {
    rc = list_files(config->arena, input, &env, &config->sources, err);
  }
  if (rc == KM_OK) {
    rc = km_settings_new(config->arena, input->extensions, input->extension_count, &config->settings, err);
  }
  if (rc == KM_OK) {
    rc = apply_layers(config->settings, input, &env, &config->sources, err);
  }
  if (rc == KM_OK) {
    km_settings_store(config->settings, config);
  }
  return rc;
}

enum km_rc km_config_load(const struct km_config_input *input, struct km_config **ret, struct km_error *err)
{
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_config *config = KM_ARENA_NEW(arena, struct km_config);
  config->arena = arena;
  enum km_rc rc = load(config, input, err);
  if (rc == KM_OK) {
    *ret = config;
  } else {
    km_config_free(config);
  }
  return rc;
}

void km_config_free(struct km_config *config)
{
  if (config != NULL) {
    km_arena_free(config->arena);
  }
}
