/* The sources of a configuration.
 *
 * Each function reads one source and assigns what it says to the settings; the caller's order is the
 * precedence. A source is applied key by key, so what it does not mention stays as it was. The first thing
 * wrong ends the load. */
#include "layers.h"

#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "text.h"

#include "kube_mcp/base/banned.h"

#define PREFIX "KUBE_MCP_"

/* --- names of other systems --- */

/* Other systems spell levels and modes in capitals too. */
static const char *lower_case(struct km_arena *arena, const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    if (*c >= 'A' && *c <= 'Z') {
      *c = (char)(*c - 'A' + 'a');
    }
  }
  return copy;
}

/* The entry of NAME unless its value is empty, which elsewhere means unset. */
static const struct km_environment_entry *find_filled(const struct km_environment *env, const char *name)
{
  const struct km_environment_entry *entry = km_environment_find(env, name);
  return entry != NULL && *entry->value != '\0' ? entry : NULL;
}

/* Two names, "HOST:PORT", that each replace their half of an address. */
static bool foreign_address(struct km_arena *arena, const struct km_environment *env,
                            const struct km_setting *setting, struct km_value_source *ret)
{
  const char *names_colon = strchr(setting->field->env, ':');
  const char *host_name =
      km_arena_strndup(arena, setting->field->env, (size_t)(names_colon - setting->field->env));
  const struct km_environment_entry *host = find_filled(env, host_name);
  const struct km_environment_entry *port = find_filled(env, names_colon + 1);
  if (host == NULL && port == NULL) {
    return false;
  }
  const char *address = setting->value.text;
  const char *colon = strrchr(address, ':');
  KM_ASSERT(colon != NULL);
  ret->text = km_arena_printf(arena, "%s:%s",
                              host != NULL ? host->value
                                           : km_arena_strndup(arena, address, (size_t)(colon - address)),
                              port != NULL ? port->value : colon + 1);
  ret->place = host != NULL ? host->place : port->place;
  return true;
}

static bool foreign_value(struct km_arena *arena, const struct km_environment *env,
                          const struct km_setting *setting, struct km_value_source *ret)
{
  if (strchr(setting->field->env, ':') != NULL) {
    return foreign_address(arena, env, setting, ret);
  }
  const struct km_environment_entry *entry = find_filled(env, setting->field->env);
  if (entry == NULL) {
    return false;
  }
  ret->text = setting->field->type == KM_FIELD_ENUM ? lower_case(arena, entry->value) : entry->value;
  ret->place = entry->place;
  return true;
}

enum km_rc km_layer_foreign(struct km_settings *settings, const struct km_environment *env,
                            struct km_error *err)
{
  settings->layer++;
  for (size_t i = 0; i < settings->count; i++) {
    const struct km_setting *setting = &settings->items[i];
    struct km_value_source source = {.toml = NULL};
    if (setting->field->env != NULL && foreign_value(settings->arena, env, setting, &source)) {
      enum km_rc rc =
          km_settings_assign(settings, setting->field->section, setting->field->name, &source, err);
      if (rc != KM_OK) {
        return rc;
      }
    }
  }
  return KM_OK;
}

/* --- a file --- */

struct file_reader {
  struct km_settings *settings;
  const struct km_environment *env;
  const char *path;
  struct km_error *err;
};

static const char *place(const struct file_reader *reader, int line, int col)
{
  return km_arena_printf(reader->settings->arena, "%s:%d:%d", reader->path, line, col);
}

static enum km_rc apply_table(const struct file_reader *reader, const struct km_toml_value *table,
                              const char *section);

static enum km_rc apply_entry(const struct file_reader *reader, const struct km_toml_entry *entry,
                              const char *section)
{
  struct km_settings *settings = reader->settings;
  const struct km_toml_value *value = entry->value;
  /* A quoted key could otherwise pass for a dotted one. */
  bool plain = strlen(entry->key) == entry->key_len && strchr(entry->key, '.') == NULL;
  if (plain && km_settings_has_key(settings, section, entry->key)) {
    const struct km_value_source source = {
        .toml = value, .env = reader->env, .place = place(reader, value->line, value->col)};
    return km_settings_assign(settings, section, entry->key, &source, reader->err);
  }
  const char *path =
      *section == '\0' ? entry->key : km_arena_printf(settings->arena, "%s.%s", section, entry->key);
  if (plain && km_settings_has_section(settings, path)) {
    return value->type == KM_TOML_TABLE
               ? apply_table(reader, value, path)
               : km_error_set(reader->err, KM_E_INVALID, "%s: [%s] is a section and cannot be %s",
                              place(reader, value->line, value->col), path, km_toml_type_name(value->type));
  }
  const char *where = place(reader, entry->line, entry->col);
  return value->type == KM_TOML_TABLE
             ? km_settings_unknown_section(settings, where, path, reader->err)
             : km_settings_unknown_key(settings, where, section, entry->key, reader->err);
}

static enum km_rc apply_table(const struct file_reader *reader, const struct km_toml_value *table,
                              const char *section)
{
  for (size_t i = 0; i < table->as.table.count; i++) {
    enum km_rc rc = apply_entry(reader, &table->as.table.entries[i], section);
    if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}

enum km_rc km_layer_file(struct km_settings *settings, const struct km_environment *env, const char *path,
                         struct km_error *err)
{
  struct km_secret text = {.data = NULL};
  enum km_rc rc = km_file_read_secret(path, KM_TOML_MAX_BYTES, &text, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "configuration file");
  }
  settings->layer++;
  struct km_arena *parsed = km_arena_new(SIZE_MAX);
  struct km_toml_value *root;
  rc = km_toml_parse(parsed, text.data != NULL ? text.data : "", text.len, path, &root, err);
  if (rc == KM_OK) {
    const struct file_reader reader = {.settings = settings, .env = env, .path = path, .err = err};
    rc = apply_table(&reader, root, "");
  }
  km_arena_free(parsed);
  km_secret_done(&text);
  return rc;
}

/* --- our environment names --- */

/* Names with our prefix that are no keys: where the file is, secrets of the state, and names of tools and
 * tests. */
static bool is_reserved(const char *name)
{
  static const char *const reserved[] = {"KUBE_MCP_CONFIG", "KUBE_MCP_STATE_KEY", "KUBE_MCP_CACHE",
                                         "KUBE_MCP_CLUSTER_DIR"};
  for (size_t i = 0; i < KM_ARRAY_LEN(reserved); i++) {
    if (km_streq(name, reserved[i])) {
      return true;
    }
  }
  return km_starts_with(name, "KUBE_MCP_TEST_");
}

static enum km_rc unknown_name(const struct km_settings *settings, const struct km_environment_entry *entry,
                               struct km_error *err)
{
  const char **names = KM_ARENA_ARRAY(settings->arena, const char *, settings->count);
  for (size_t i = 0; i < settings->count; i++) {
    names[i] = settings->items[i].environment_name;
  }
  const char *nearest = km_nearest(entry->name, names, settings->count);
  const char *shown = km_text_shown(settings->arena, entry->name, strlen(entry->name));
  return nearest != NULL ? km_error_set(err, KM_E_INVALID, "%s: unknown name %s; did you mean %s?",
                                        entry->place, shown, nearest)
                         : km_error_set(err, KM_E_INVALID,
                                        "%s: unknown name %s; `kube-mcp config example` lists all keys",
                                        entry->place, shown);
}

/* The key that ENTRY's name spells, in *RET_NAME with "_file" if it has that. */
static const struct km_setting *find_by_environment(const struct km_settings *settings,
                                                    const struct km_environment_entry *entry,
                                                    const char **ret_name)
{
  for (size_t i = 0; i < settings->count; i++) {
    const struct km_setting *setting = &settings->items[i];
    size_t len = strlen(setting->environment_name);
    if (strncmp(entry->name, setting->environment_name, len) != 0) {
      continue;
    }
    if (entry->name[len] == '\0') {
      *ret_name = setting->field->name;
      return setting;
    }
    if (setting->field->type == KM_FIELD_SECRET && km_streq(entry->name + len, "_FILE")) {
      *ret_name = km_arena_printf(settings->arena, "%s_file", setting->field->name);
      return setting;
    }
  }
  return NULL;
}

enum km_rc km_layer_environment(struct km_settings *settings, const struct km_environment *env,
                                struct km_error *err)
{
  settings->layer++;
  for (size_t i = 0; i < env->count; i++) {
    const struct km_environment_entry *entry = &env->items[i];
    if (!km_starts_with(entry->name, PREFIX) || is_reserved(entry->name)) {
      continue;
    }
    const char *name;
    const struct km_setting *setting = find_by_environment(settings, entry, &name);
    if (setting == NULL) {
      return unknown_name(settings, entry, err);
    }
    const struct km_value_source source = {.text = entry->value, .place = entry->place};
    enum km_rc rc = km_settings_assign(settings, setting->field->section, name, &source, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}

/* --- flags --- */

static const char *flag_spelling(struct km_arena *arena, const struct km_config_flag *flag)
{
  if (flag->spelling != NULL) {
    return flag->spelling;
  }
  char *spelling = km_arena_printf(arena, "--%s", flag->name);
  for (char *c = spelling; *c != '\0'; c++) {
    if (*c == '_') {
      *c = '-';
    }
  }
  return spelling;
}

enum km_rc km_layer_flags(struct km_settings *settings, const struct km_config_flag *flags, size_t count,
                          struct km_error *err)
{
  settings->layer++;
  for (size_t i = 0; i < count; i++) {
    const struct km_config_flag *flag = &flags[i];
    const char *where = km_arena_printf(settings->arena, "flag %s", flag_spelling(settings->arena, flag));
    if (!km_settings_has_key(settings, flag->section, flag->name)) {
      return km_settings_unknown_key(settings, where, flag->section, flag->name, err);
    }
    const struct km_value_source source = {.text = flag->value, .place = where};
    enum km_rc rc = km_settings_assign(settings, flag->section, flag->name, &source, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}
