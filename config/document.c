/* What people read of the configuration: the effective values, the documented example, the tables of the
 * manual.
 *
 * All three walk the same settings, section by section, and print each key once even if several providers
 * have it. Nothing here knows a key by name. Secrets are never printed: a set one shows as a commented
 * "<set>". */
#include "kube_mcp/config/config.h"

#include <string.h>

#include "kube_mcp/base/str.h"
#include "settings.h"
#include "text.h"

#include "kube_mcp/base/banned.h"

#define COMMENT_COLUMNS 98

struct document {
  const struct km_settings *settings;
  struct km_buf *out;
  struct km_arena *arena; /* for the text being put together */
  /* Whether a key appears, and how. */
  bool (*includes)(const struct km_settings *settings, const struct km_setting *setting);
  void (*print_section)(const struct document *document, const char *section);
  void (*print)(const struct document *document, const struct km_setting *setting);
};

/* --- the walk --- */

/* "kubernetes" is the group of [kubernetes] and [kubernetes.single]. */
static bool same_group(const struct km_field *a, const struct km_field *b)
{
  size_t len = strcspn(a->section, ".");
  return len == strcspn(b->section, ".") && memcmp(a->section, b->section, len) == 0;
}

static bool same_section(const struct km_field *a, const struct km_field *b)
{
  return km_streq(a->section, b->section);
}

static bool same_key(const struct km_field *a, const struct km_field *b)
{
  return same_section(a, b) && km_streq(a->name, b->name);
}

/* True if the setting at INDEX appears and none before it is ALIKE. */
static bool is_first(const struct document *document, size_t index,
                     bool (*alike)(const struct km_field *a, const struct km_field *b))
{
  const struct km_setting *items = document->settings->items;
  if (!document->includes(document->settings, &items[index])) {
    return false;
  }
  for (size_t i = 0; i < index; i++) {
    if (document->includes(document->settings, &items[i]) && alike(items[i].field, items[index].field)) {
      return false;
    }
  }
  return true;
}

static void print_section(const struct document *document, const struct km_field *first)
{
  document->print_section(document, first->section);
  for (size_t i = 0; i < document->settings->count; i++) {
    const struct km_setting *setting = &document->settings->items[i];
    if (same_section(setting->field, first) && is_first(document, i, same_key)) {
      document->print(document, setting);
    }
  }
}

static void print_group(const struct document *document, const struct km_field *first)
{
  for (size_t i = 0; i < document->settings->count; i++) {
    const struct km_field *field = document->settings->items[i].field;
    if (same_group(field, first) && is_first(document, i, same_section)) {
      print_section(document, field);
    }
  }
}

/* Groups and sections in the order of their first key. */
static bool print_document(const struct document *document)
{
  for (size_t i = 0; i < document->settings->count; i++) {
    if (is_first(document, i, same_group)) {
      print_group(document, document->settings->items[i].field);
    }
  }
  return !document->out->failed;
}

static bool includes_all(const struct km_settings *settings, const struct km_setting *setting)
{
  (void)settings;
  (void)setting;
  return true;
}

static void print_header(const struct document *document, const char *section)
{
  km_buf_printf(document->out, "\n[%s]\n", section);
}

/* --- show --- */

/* The keys of providers that were not chosen are noise unless somebody set them. */
static bool includes_effective(const struct km_settings *settings, const struct km_setting *setting)
{
  if (setting->extension == NULL || setting->origin != NULL) {
    return true;
  }
  for (size_t i = 0; i < settings->count; i++) {
    const struct km_setting *other = &settings->items[i];
    if (other->extension == NULL && km_streq(other->field->section, "kubernetes") &&
        km_streq(other->field->name, "provider")) {
      return km_streq(other->value.text, setting->extension->kind);
    }
  }
  return false;
}

/* scheme://user:password@host: a URL that is a credential too. */
static bool holds_userinfo(const char *text)
{
  const char *authority = strstr(text, "://");
  return authority != NULL && memchr(authority, '@', 3 + strcspn(authority + 3, "/?#")) != NULL;
}

static void print_effective(const struct document *document, const struct km_setting *setting)
{
  struct km_buf *out = document->out;
  if (setting->field->type == KM_FIELD_STRING && holds_userinfo(setting->value.text)) {
    km_buf_printf(out, "# %s = \"<set, with credentials>\"\n", setting->field->name);
    return;
  }
  if (setting->field->type == KM_FIELD_SECRET && !km_secret_empty(&setting->value.secret)) {
    km_buf_puts(out, "# ");
  }
  km_buf_printf(out, "%s = ", setting->field->name);
  km_value_write(setting->field, &setting->value, out);
  if (setting->origin != NULL) {
    km_buf_printf(out, "  # %s", km_text_shown(document->arena, setting->origin, strlen(setting->origin)));
  }
  km_buf_putc(out, '\n');
}

bool km_config_show(const struct km_config *config, struct km_buf *out)
{
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  const struct document document = {.settings = config->settings,
                                    .out = out,
                                    .arena = arena,
                                    .includes = includes_effective,
                                    .print_section = print_header,
                                    .print = print_effective};
  km_buf_puts(out,
              "# The effective configuration. A comment behind a value says where it was set; the others are "
              "defaults.\n");
  for (size_t i = 0; i < config->sources.count; i++) {
    const char *source = config->sources.items[i];
    km_buf_printf(out, "# Read: %s\n", km_text_shown(arena, source, strlen(source)));
  }
  bool complete = print_document(&document);
  km_arena_free(arena);
  return complete;
}

/* --- example --- */

/* TEXT as comment lines, broken between words. */
static void print_comment(struct km_buf *out, const char *text)
{
  while (*text != '\0') {
    size_t len = strlen(text);
    if (len > COMMENT_COLUMNS) {
      len = COMMENT_COLUMNS;
      while (len > 0 && text[len] != ' ') {
        len--;
      }
      if (len == 0) {
        len = strcspn(text, " ");
      }
    }
    km_buf_printf(out, "# %.*s\n", (int)len, text);
    text += len;
    text += strspn(text, " ");
  }
}

/* The names of other systems that give the default, as "A, B" in QUOTEs; "" without any. */
static const char *foreign_names(const struct document *document, const struct km_field *field,
                                 const char *quote)
{
  struct km_buf names;
  km_buf_init(&names, 256);
  for (const char *name = field->env; name != NULL && *name != '\0';) {
    size_t len = strcspn(name, ":");
    km_buf_printf(&names, "%s%s%.*s%s", names.len > 0 ? ", " : "", quote, (int)len, name, quote);
    name += len + (name[len] == ':');
  }
  const char *copy = km_arena_strdup(document->arena, names.data);
  km_buf_done(&names);
  return copy;
}

static const char *default_of(const struct km_field *field)
{
  return field->fallback != NULL ? field->fallback : "\"\"";
}

static void print_example(const struct document *document, const struct km_setting *setting)
{
  const struct km_field *field = setting->field;
  print_comment(document->out, field->doc);
  if (field->min != 0 || field->max != 0 || field->one_of != NULL) {
    const char *wanted = km_value_wanted(document->arena, field);
    print_comment(document->out, km_arena_printf(document->arena, "Takes %s.", wanted));
  }
  const char *foreign = foreign_names(document, field, "");
  if (*foreign != '\0') {
    print_comment(document->out,
                  km_arena_printf(document->arena, "Default from the environment: %s.", foreign));
  }
  if (field->type == KM_FIELD_SECRET) {
    km_buf_printf(document->out, "#%s_file = \"\"\n", field->name);
  }
  km_buf_printf(document->out, "#%s = %s\n\n", field->name, default_of(field));
}

/* Prints a document over the tables alone. */
static bool print_tables(struct document *document, const struct km_config_extension *extensions,
                         size_t count)
{
  struct km_settings *settings;
  struct km_error err = {0};
  document->arena = km_arena_new(SIZE_MAX);
  document->includes = includes_all;
  bool complete = km_settings_new(document->arena, extensions, count, &settings, &err) == KM_OK;
  if (complete) {
    document->settings = settings;
    complete = print_document(document);
  }
  km_arena_free(document->arena);
  return complete;
}

bool km_config_example(const struct km_config_extension *extensions, size_t count, struct km_buf *out)
{
  km_buf_puts(out,
              "# kube-mcp: every key with its default. Remove the # before a key to change it.\n"
              "#\n"
              "# Precedence: this file < *.toml of --config-dir in name order < environment < flags.\n"
              "# The environment spells [server.http] address as KUBE_MCP_SERVER_HTTP_ADDRESS, and so on.\n"
              "# ${NAME} in a string is replaced by an environment variable; $${ is a plain ${.\n"
              "# A key that ends in _file names a file that holds the value of the key after it.\n"
              "# Generated by `kube-mcp config example`; docs/configuration.md explains the rest.\n");
  struct document document = {.out = out, .print_section = print_header, .print = print_example};
  return print_tables(&document, extensions, count);
}

/* --- manual --- */

/* TEXT inside a table cell. */
static void print_cell(struct km_buf *out, const char *text)
{
  for (; *text != '\0'; text++) {
    if (*text == '|') {
      km_buf_putc(out, '\\');
    }
    km_buf_putc(out, *text);
  }
}

static void print_table_head(const struct document *document, const char *section)
{
  km_buf_printf(document->out, "\n### `[%s]`\n\n| key | default | takes | meaning |\n|---|---|---|---|\n",
                section);
}

static void print_row(const struct document *document, const struct km_setting *setting)
{
  struct km_buf *out = document->out;
  const struct km_field *field = setting->field;
  km_buf_printf(out, "| `%s`%s | `%s` | ", field->name, field->type == KM_FIELD_SECRET ? ", `*_file`" : "",
                default_of(field));
  print_cell(out, km_value_wanted(document->arena, field));
  km_buf_puts(out, " | ");
  print_cell(out, field->doc);
  const char *foreign = foreign_names(document, field, "`");
  if (*foreign != '\0') {
    km_buf_printf(out, " Default from the environment: %s.", foreign);
  }
  km_buf_puts(out, " |\n");
}

bool km_config_markdown(const struct km_config_extension *extensions, size_t count, struct km_buf *out)
{
  struct document document = {.out = out, .print_section = print_table_head, .print = print_row};
  return print_tables(&document, extensions, count);
}
