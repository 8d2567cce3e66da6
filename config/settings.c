/* The keys of all tables.
 *
 * Values are collected here, source by source, and reach the structs of the program only when every source
 * was sound: that is what makes loading atomic. One key may stand in the tables of several providers; then
 * each gets the value. Invariant: a setting's value is valid for its field at any moment, starting with the
 * default. Secrets are held by their settings and, once stored, by their targets; both go with the arena. */
#include "settings.h"

#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "text.h"

#include "kube_mcp/base/banned.h"

#define SECRET_FILE_MAX_BYTES ((size_t)64 << 10)
#define FILE_SUFFIX           "_file"

/* --- the tables --- */

static size_t field_count(const struct km_field *fields)
{
  size_t count = 0;
  while (fields != NULL && fields[count].section != NULL) {
    count++;
  }
  return count;
}

/* "server.http", "address" -> "KUBE_MCP_SERVER_HTTP_ADDRESS" */
static const char *environment_name(struct km_arena *arena, const struct km_field *field)
{
  char *name = km_arena_printf(arena, "KUBE_MCP_%s_%s", field->section, field->name);
  for (char *c = name; *c != '\0'; c++) {
    if (*c >= 'a' && *c <= 'z') {
      *c = (char)(*c - 'a' + 'A');
    } else if (*c == '.' || *c == '-') {
      *c = '_';
    }
  }
  return name;
}

/* The default, which the table writes in TOML; none means zero, empty or off. */
static enum km_rc read_default(struct km_arena *arena, struct km_setting *setting, struct km_error *err)
{
  const struct km_field *field = setting->field;
  setting->value.text = "";
  if (field->fallback == NULL) {
    return KM_OK;
  }
  struct km_toml_value *document;
  const char *text = km_arena_printf(arena, "value = %s", field->fallback);
  struct km_value_source source = {.place = "built-in default"};
  enum km_rc rc = km_toml_parse(arena, text, strlen(text), source.place, &document, err);
  if (rc == KM_OK) {
    source.toml = km_toml_get(document, "value");
    rc = km_value_read(arena, field, &source, &setting->value, err);
  }
  return rc == KM_OK ? rc : km_error_set(err, KM_E_INTERNAL, "%s", km_arena_strdup(arena, err->message));
}

static enum km_rc add_fields(struct km_settings *settings, const struct km_field *fields,
                             const struct km_config_extension *extension, struct km_error *err)
{
  size_t count = field_count(fields);
  for (size_t i = 0; i < count; i++) {
    struct km_setting *setting = &settings->items[settings->count++];
    setting->field = &fields[i];
    setting->extension = extension;
    setting->environment_name = environment_name(settings->arena, &fields[i]);
    enum km_rc rc = read_default(settings->arena, setting, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  return KM_OK;
}

static void wipe_secrets(void *data)
{
  struct km_settings *settings = data;
  for (size_t i = 0; i < settings->count; i++) {
    struct km_setting *setting = &settings->items[i];
    if (setting->field->type != KM_FIELD_SECRET) {
      continue;
    }
    km_secret_done(&setting->value.secret);
    if (setting->target != NULL) {
      km_secret_done((struct km_secret *)(void *)((char *)setting->target + setting->field->offset));
    }
  }
}

enum km_rc km_settings_new(struct km_arena *arena, const struct km_config_extension *extensions, size_t count,
                           struct km_settings **ret, struct km_error *err)
{
  size_t total = field_count(km_config_fields);
  for (size_t i = 0; i < count; i++) {
    total += field_count(extensions[i].fields);
  }
  struct km_settings *settings = KM_ARENA_NEW(arena, struct km_settings);
  settings->arena = arena;
  settings->items = KM_ARENA_ARRAY(arena, struct km_setting, total);
  settings->extensions = extensions;
  settings->extension_count = count;
  km_arena_defer(arena, wipe_secrets, settings);
  enum km_rc rc = add_fields(settings, km_config_fields, NULL, err);
  for (size_t i = 0; i < count && rc == KM_OK; i++) {
    rc = add_fields(settings, extensions[i].fields, &extensions[i], err);
  }
  if (rc == KM_OK) {
    *ret = settings;
  }
  return rc;
}

/* --- finding --- */

static bool is_key(const struct km_setting *setting, const char *section, const char *name)
{
  return km_streq(setting->field->name, name) && km_streq(setting->field->section, section);
}

/* True if NAME is "KEY_file" and KEY a secret. */
static bool is_file_of(const struct km_setting *setting, const char *section, const char *name)
{
  size_t len = strlen(setting->field->name);
  return setting->field->type == KM_FIELD_SECRET && km_streq(setting->field->section, section) &&
         strncmp(name, setting->field->name, len) == 0 && km_streq(name + len, FILE_SUFFIX);
}

bool km_settings_has_key(const struct km_settings *settings, const char *section, const char *name)
{
  for (size_t i = 0; i < settings->count; i++) {
    if (is_key(&settings->items[i], section, name) || is_file_of(&settings->items[i], section, name)) {
      return true;
    }
  }
  return false;
}

bool km_settings_has_section(const struct km_settings *settings, const char *path)
{
  size_t len = strlen(path);
  for (size_t i = 0; i < settings->count; i++) {
    const char *section = settings->items[i].field->section;
    if (strncmp(section, path, len) == 0 && (section[len] == '\0' || section[len] == '.')) {
      return true;
    }
  }
  return false;
}

/* --- assigning --- */

static void strip_line_end(struct km_secret *secret)
{
  while (secret->len > 0 &&
         (secret->data[secret->len - 1] == '\n' || secret->data[secret->len - 1] == '\r')) {
    secret->data[--secret->len] = '\0';
  }
}

/* Reads the file that NAME_file names. */
static enum km_rc read_secret_file(struct km_arena *arena, const struct km_field *secret, const char *name,
                                   const struct km_value_source *source, struct km_value *ret,
                                   struct km_error *err)
{
  const struct km_field path_field = {.section = secret->section, .name = name, .type = KM_FIELD_PATH};
  struct km_value path;
  struct km_value value = {.text = ""};
  enum km_rc rc = km_value_read(arena, &path_field, source, &path, err);
  if (rc != KM_OK) {
    return rc;
  }
  if (*path.text != '\0') {
    rc = km_file_read_secret(path.text, SECRET_FILE_MAX_BYTES, &value.secret, err);
    if (rc != KM_OK) {
      return km_error_wrap(err, "%s: %s.%s", source->place, secret->section, name);
    }
    strip_line_end(&value.secret);
  }
  *ret = value;
  return KM_OK;
}

static enum km_rc assign(struct km_settings *settings, struct km_setting *setting, const char *name,
                         const struct km_value_source *source, struct km_error *err)
{
  const struct km_field *field = setting->field;
  if (setting->layer == settings->layer && setting->set_as != NULL && !km_streq(setting->set_as, name)) {
    return km_error_set(err, KM_E_INVALID, "%s: %s.%s is set beside %s (%s); keep one of the two",
                        source->place, field->section, name, setting->set_as, setting->origin);
  }
  struct km_value value;
  enum km_rc rc = km_streq(name, field->name)
                      ? km_value_read(settings->arena, field, source, &value, err)
                      : read_secret_file(settings->arena, field, name, source, &value, err);
  if (rc != KM_OK) {
    return rc;
  }
  km_secret_done(&setting->value.secret);
  setting->value = value;
  setting->origin = km_arena_strdup(settings->arena, source->place);
  setting->set_as = km_arena_strdup(settings->arena, name);
  setting->layer = settings->layer;
  return KM_OK;
}

enum km_rc km_settings_assign(struct km_settings *settings, const char *section, const char *name,
                              const struct km_value_source *source, struct km_error *err)
{
  for (size_t i = 0; i < settings->count; i++) {
    struct km_setting *setting = &settings->items[i];
    if (is_key(setting, section, name) || is_file_of(setting, section, name)) {
      enum km_rc rc = assign(settings, setting, name, source, err);
      if (rc != KM_OK) {
        return rc;
      }
    }
  }
  return KM_OK;
}

/* --- what does not exist --- */

/* The name in SECTION that is most like NAME. */
static const char *nearest_key(const struct km_settings *settings, const char *section, const char *name)
{
  const char **names = KM_ARENA_ARRAY(settings->arena, const char *, settings->count);
  size_t count = 0;
  for (size_t i = 0; i < settings->count; i++) {
    if (km_streq(settings->items[i].field->section, section)) {
      names[count++] = settings->items[i].field->name;
    }
  }
  return km_nearest(name, names, count);
}

/* Another section that has exactly this key. */
static const char *section_of(const struct km_settings *settings, const char *name)
{
  for (size_t i = 0; i < settings->count; i++) {
    if (km_streq(settings->items[i].field->name, name)) {
      return settings->items[i].field->section;
    }
  }
  return NULL;
}

enum km_rc km_settings_unknown_key(const struct km_settings *settings, const char *place, const char *section,
                                   const char *name, struct km_error *err)
{
  const char *shown = km_text_shown(settings->arena, name, strlen(name));
  const char *where =
      *section == '\0' ? "at the top level" : km_arena_printf(settings->arena, "in [%s]", section);
  const char *other = section_of(settings, name);
  if (other != NULL) {
    return km_error_set(err, KM_E_INVALID, "%s: unknown key '%s' %s; '%s' belongs in [%s]", place, shown,
                        where, shown, other);
  }
  const char *nearest = nearest_key(settings, section, name);
  if (nearest != NULL) {
    return km_error_set(err, KM_E_INVALID, "%s: unknown key '%s' %s; did you mean '%s'?", place, shown, where,
                        nearest);
  }
  return km_error_set(err, KM_E_INVALID, "%s: unknown key '%s' %s; `kube-mcp config example` lists all keys",
                      place, shown, where);
}

enum km_rc km_settings_unknown_section(const struct km_settings *settings, const char *place,
                                       const char *path, struct km_error *err)
{
  const char **sections = KM_ARENA_ARRAY(settings->arena, const char *, settings->count);
  for (size_t i = 0; i < settings->count; i++) {
    sections[i] = settings->items[i].field->section;
  }
  const char *shown = km_text_shown(settings->arena, path, strlen(path));
  const char *nearest = km_nearest(path, sections, settings->count);
  if (nearest != NULL) {
    return km_error_set(err, KM_E_INVALID, "%s: unknown section [%s]; did you mean [%s]?", place, shown,
                        nearest);
  }
  return km_error_set(err, KM_E_INVALID,
                      "%s: unknown section [%s]; `kube-mcp config example` lists all sections", place, shown);
}

/* --- storing --- */

void km_settings_store(struct km_settings *settings, struct km_config *config)
{
  void **structs = KM_ARENA_ARRAY(config->arena, void *, settings->extension_count + 1);
  for (size_t i = 0; i < settings->extension_count; i++) {
    structs[i] = km_arena_alloc(config->arena, settings->extensions[i].size);
  }
  for (size_t i = 0; i < settings->count; i++) {
    struct km_setting *setting = &settings->items[i];
    setting->target =
        setting->extension == NULL ? config : structs[setting->extension - settings->extensions];
    km_value_store(setting->field, &setting->value, setting->target);
  }
  for (size_t i = 0; i < settings->extension_count; i++) {
    if (km_streq(settings->extensions[i].kind, config->kubernetes.provider)) {
      config->provider_config = settings->extensions[i].size > 0 ? structs[i] : NULL;
    }
  }
}
