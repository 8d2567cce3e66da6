/* One key's value.
 *
 * Owns what each field type accepts and how it is written. TOML strings and plain text end in the same
 * function, so a duration means the same in a file, in the environment and behind a flag. Messages repeat a
 * value as it was written, never what ${NAME} made of it, and never a secret. */
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/file.h"
#include "kube_mcp/base/str.h"
#include "text.h"

#include "kube_mcp/base/banned.h"

/* The longest string after expansion. */
#define VALUE_MAX_BYTES ((size_t)1 << 20)

struct reading {
  struct km_arena *arena;
  const struct km_field *field;
  const char *place;
  const char *shown; /* the value as written, for messages */
  struct km_error *err;
};

/* "PLACE: section.name WHAT" */
static enum km_rc refuse(const struct reading *reading, const char *what)
{
  return km_error_set(reading->err, KM_E_INVALID, "%s: %s.%s %s", reading->place, reading->field->section,
                      reading->field->name, what);
}

/* NEAREST may be NULL. */
static enum km_rc refuse_value_near(const struct reading *reading, const char *nearest)
{
  const char *wanted = km_value_wanted(reading->arena, reading->field);
  return refuse(reading, nearest == NULL
                             ? km_arena_printf(reading->arena, "must be %s, not '%s'", wanted, reading->shown)
                             : km_arena_printf(reading->arena, "must be %s, not '%s'; did you mean '%s'?",
                                               wanted, reading->shown, nearest));
}

static enum km_rc refuse_value(const struct reading *reading)
{
  return refuse_value_near(reading, NULL);
}

/* --- units --- */

struct unit {
  const char *name;
  int64_t factor;
};

struct units {
  size_t count;
  size_t base;          /* what 0 is written in */
  struct unit units[5]; /* ascending */
};

static const struct units sizes = {
    .count = 4,
    .units = {{"B", 1}, {"KiB", (int64_t)1 << 10}, {"MiB", (int64_t)1 << 20}, {"GiB", (int64_t)1 << 30}},
};
static const struct units durations = {
    .count = 5,
    .base = 1,
    .units = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}},
};

static bool parse_size(const char *text, int64_t *ret)
{
  char number[24];
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits >= sizeof number) {
    return false;
  }
  memcpy(number, text, digits);
  number[digits] = '\0';
  const char *suffix = text + digits;
  int64_t value;
  if (!km_parse_i64(number, &value)) {
    return false;
  }
  for (size_t i = 0; i < sizes.count; i++) {
    if (km_strcaseeq(suffix, sizes.units[i].name) || (i == sizes.base && *suffix == '\0')) {
      return !__builtin_mul_overflow(value, sizes.units[i].factor, ret);
    }
  }
  return false;
}

/* VALUE in the largest unit that divides it. */
static void write_in_units(struct km_buf *out, int64_t value, const struct units *units)
{
  size_t best = units->base;
  for (size_t i = 0; i < units->count && value != 0; i++) {
    if (value % units->units[i].factor == 0) {
      best = i;
    }
  }
  km_buf_printf(out, "%lld%s", (long long)(value / units->units[best].factor), units->units[best].name);
}

/* An integer, duration or size without quotes. */
static void write_number(struct km_buf *out, const struct km_field *field, int64_t value)
{
  if (field->type == KM_FIELD_DURATION) {
    write_in_units(out, value, &durations);
  } else if (field->type == KM_FIELD_SIZE) {
    write_in_units(out, value, &sizes);
  } else {
    km_buf_printf(out, "%lld", (long long)value);
  }
}

/* --- what a field wants --- */

static bool is_bounded(const struct km_field *field)
{
  return field->min != 0 || field->max != 0;
}

static void write_members(struct km_buf *out, const char *const *members)
{
  for (size_t i = 0; members[i] != NULL; i++) {
    const char *separator = i == 0 ? "" : members[i + 1] != NULL ? ", " : " or ";
    km_buf_printf(out, "%s%s", separator, members[i]);
  }
}

static void write_bounds(struct km_buf *out, const struct km_field *field, const char *before)
{
  if (is_bounded(field)) {
    km_buf_printf(out, "%s between ", before);
    write_number(out, field, field->min);
    km_buf_puts(out, " and ");
    write_number(out, field, field->max);
  }
}

static void write_wanted(struct km_buf *out, const struct km_field *field)
{
  switch (field->type) {
  case KM_FIELD_BOOL: km_buf_puts(out, "true or false"); break;
  case KM_FIELD_INT:
    km_buf_puts(out, "an integer");
    write_bounds(out, field, "");
    break;
  case KM_FIELD_DOUBLE:
    km_buf_puts(out, "a number");
    write_bounds(out, field, "");
    break;
  case KM_FIELD_DURATION:
    km_buf_puts(out, "a duration like \"30s\" or a number of seconds");
    write_bounds(out, field, ",");
    break;
  case KM_FIELD_SIZE:
    km_buf_puts(out, "a size like \"32KiB\" or a number of bytes");
    write_bounds(out, field, ",");
    break;
  case KM_FIELD_ENUM: write_members(out, field->one_of); break;
  case KM_FIELD_STRINGS:
    km_buf_puts(out, "a list of ");
    if (field->one_of != NULL) {
      write_members(out, field->one_of);
    } else {
      km_buf_puts(out, "strings");
    }
    break;
  case KM_FIELD_PATH: km_buf_puts(out, "a path"); break;
  case KM_FIELD_STRING:
    if (field->one_of != NULL) {
      write_members(out, field->one_of);
      break;
    }
    km_buf_puts(out, "a string");
    break;
  case KM_FIELD_SECRET:
  default: km_buf_puts(out, "a string"); break;
  }
}

const char *km_value_wanted(struct km_arena *arena, const struct km_field *field)
{
  struct km_buf buf;
  km_buf_init(&buf, 1024);
  write_wanted(&buf, field);
  const char *copy = km_arena_strdup(arena, buf.data);
  km_buf_done(&buf);
  return copy;
}

/* --- reading --- */

static enum km_rc take_integer(const struct reading *reading, int64_t value, struct km_value *ret)
{
  if (is_bounded(reading->field) && (value < reading->field->min || value > reading->field->max)) {
    return refuse_value(reading);
  }
  ret->integer = value;
  return KM_OK;
}

static enum km_rc take_double(const struct reading *reading, double value, struct km_value *ret)
{
  const struct km_field *field = reading->field;
  if (!isfinite(value) || (is_bounded(field) && (value < (double)field->min || value > (double)field->max))) {
    return refuse_value(reading);
  }
  ret->floating = value;
  return KM_OK;
}

/* The member of one_of that TEXT means, directly or by an alias; -1 if none. */
static int find_member(const struct km_field *field, const char *text)
{
  for (const struct km_field_alias *alias = field->aliases; alias != NULL && alias->name != NULL; alias++) {
    if (km_streq(text, alias->name)) {
      text = alias->means;
      break;
    }
  }
  for (int i = 0; field->one_of[i] != NULL; i++) {
    if (km_streq(text, field->one_of[i])) {
      return i;
    }
  }
  return -1;
}

static enum km_rc refuse_member(const struct reading *reading, const char *text)
{
  size_t count = 0;
  while (reading->field->one_of[count] != NULL) {
    count++;
  }
  return refuse_value_near(reading, km_nearest(text, reading->field->one_of, count));
}

/* One string, or one item of a list: canonical spelling, then the field's own check. */
static enum km_rc take_text(const struct reading *reading, const char *text, const char **ret)
{
  const struct km_field *field = reading->field;
  if (field->one_of != NULL) {
    int index = find_member(field, text);
    if (index < 0) {
      return refuse_member(reading, text);
    }
    *ret = field->one_of[index];
    return KM_OK;
  }
  const char *problem = field->check != NULL ? field->check(text) : NULL;
  if (problem != NULL) {
    return refuse(reading, km_arena_printf(reading->arena, "%s, not '%s'", problem, reading->shown));
  }
  *ret = text;
  return KM_OK;
}

/* The text forms of all types. */
static enum km_rc take(const struct reading *reading, const char *text, struct km_value *ret)
{
  const struct km_field *field = reading->field;
  int64_t integer;
  switch (field->type) {
  case KM_FIELD_BOOL:
    ret->boolean = km_streq(text, "true") || km_streq(text, "1");
    return ret->boolean || km_streq(text, "false") || km_streq(text, "0") ? KM_OK : refuse_value(reading);
  case KM_FIELD_INT:
    return km_parse_i64(text, &integer) ? take_integer(reading, integer, ret) : refuse_value(reading);
  case KM_FIELD_DURATION:
    return km_duration_parse(text, &integer) ? take_integer(reading, integer, ret) : refuse_value(reading);
  case KM_FIELD_SIZE:
    return parse_size(text, &integer) ? take_integer(reading, integer, ret) : refuse_value(reading);
  case KM_FIELD_DOUBLE: {
    char *end;
    /* strtod alone would also take blanks, hexadecimal, "inf" and "nan". */
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
      return refuse_value(reading);
    }
    double floating = strtod(text, &end);
    return *end == '\0' ? take_double(reading, floating, ret) : refuse_value(reading);
  }
  case KM_FIELD_ENUM:
    ret->integer = find_member(field, text);
    return ret->integer >= 0 ? KM_OK : refuse_member(reading, text);
  case KM_FIELD_SECRET: km_secret_set(&ret->secret, text, strlen(text)); return KM_OK;
  case KM_FIELD_PATH:
    text = km_path_expand(reading->arena, text);
    return take_text(reading, text, &ret->text);
  case KM_FIELD_STRING: return take_text(reading, text, &ret->text);
  case KM_FIELD_STRINGS:
  default: return refuse_value(reading);
  }
}

static enum km_rc check_count(const struct reading *reading, size_t count)
{
  const struct km_field *field = reading->field;
  if (!is_bounded(field) || ((int64_t)count >= field->min && (int64_t)count <= field->max)) {
    return KM_OK;
  }
  return refuse(reading, km_arena_printf(reading->arena, "must have %lld to %lld items, not %zu",
                                         (long long)field->min, (long long)field->max, count));
}

/* "a, b": the plain form of a list; "" is the empty one. */
static enum km_rc take_comma_list(struct reading *reading, const char *text, struct km_value *ret)
{
  struct km_strings list = {.count = 0};
  text += strspn(text, " ");
  size_t most = 1;
  for (const char *c = text; *c != '\0'; c++) {
    most += *c == ',';
  }
  list.items = KM_ARENA_ARRAY(reading->arena, const char *, most);
  while (*text != '\0') {
    text += strspn(text, " ");
    size_t whole = strcspn(text, ",");
    size_t len = whole;
    while (len > 0 && text[len - 1] == ' ') {
      len--;
    }
    bool more = text[whole] == ',';
    if (len == 0) {
      return refuse(reading, "has an empty item between its commas");
    }
    const char *item = km_arena_strndup(reading->arena, text, len);
    reading->shown = km_text_shown(reading->arena, item, len);
    enum km_rc rc = take_text(reading, item, &list.items[list.count++]);
    if (rc != KM_OK) {
      return rc;
    }
    text += whole + more;
    if (more && *text == '\0') {
      return refuse(reading, "has an empty item behind its last comma");
    }
  }
  ret->list = list;
  return check_count(reading, list.count);
}

/* --- reading TOML --- */

static enum km_rc mismatch(const struct reading *reading, const struct km_toml_value *toml)
{
  return refuse(reading, km_arena_printf(reading->arena, "must be %s, not %s",
                                         km_value_wanted(reading->arena, reading->field),
                                         km_toml_type_name(toml->type)));
}

/* Appends the contents of a TOML string, with ${NAME} replaced, to OUT. */
static enum km_rc expand(struct reading *reading, const struct km_toml_value *toml,
                         const struct km_environment *env, struct km_buf *out)
{
  const char *text = toml->as.string.data;
  bool secret = reading->field->type == KM_FIELD_SECRET;
  reading->shown = secret ? "" : km_text_shown(reading->arena, text, toml->as.string.len);
  if (strlen(text) != toml->as.string.len) {
    return refuse(reading, "must not contain a NUL character");
  }
  if (env == NULL) {
    km_buf_puts(out, text);
  } else {
    const char *problem = km_environment_expand(env, reading->arena, text, out);
    if (problem != NULL) {
      return refuse(reading, problem);
    }
  }
  return out->failed ? refuse(reading, "is too long") : KM_OK;
}

/* A string is taken in a buffer that is wiped, and so is the parser's copy: it may be a secret. */
static enum km_rc take_toml_string(struct reading *reading, const struct km_toml_value *toml,
                                   const struct km_environment *env, struct km_value *ret)
{
  struct km_buf text;
  km_buf_init_secret(&text, VALUE_MAX_BYTES);
  enum km_rc rc = expand(reading, toml, env, &text);
  if (rc == KM_OK && reading->field->type == KM_FIELD_SECRET) {
    km_secret_set(&ret->secret, text.data, text.len);
    km_wipe(toml->as.string.data, toml->as.string.len);
  } else if (rc == KM_OK) {
    rc = take(reading, km_arena_strndup(reading->arena, text.data, text.len), ret);
  }
  km_buf_done(&text);
  return rc;
}

static enum km_rc take_toml_list(struct reading *reading, const struct km_toml_value *toml,
                                 const struct km_environment *env, struct km_value *ret)
{
  size_t count = toml->as.array.count;
  struct km_strings list = {.items = KM_ARENA_ARRAY(reading->arena, const char *, count + 1), .count = count};
  for (size_t i = 0; i < count; i++) {
    const struct km_toml_value *item = toml->as.array.items[i];
    if (item->type != KM_TOML_STRING) {
      return refuse(reading, km_arena_printf(reading->arena, "must be %s; item %zu is %s",
                                             km_value_wanted(reading->arena, reading->field), i + 1,
                                             km_toml_type_name(item->type)));
    }
    struct km_buf text;
    km_buf_init(&text, VALUE_MAX_BYTES);
    enum km_rc rc = expand(reading, item, env, &text);
    if (rc == KM_OK) {
      rc = take_text(reading, km_arena_strdup(reading->arena, text.data), &list.items[i]);
    }
    km_buf_done(&text);
    if (rc != KM_OK) {
      return rc;
    }
  }
  ret->list = list;
  return check_count(reading, count);
}

static bool is_written_as_string(enum km_field_type type)
{
  return type == KM_FIELD_STRING || type == KM_FIELD_PATH || type == KM_FIELD_SECRET ||
         type == KM_FIELD_ENUM || type == KM_FIELD_DURATION || type == KM_FIELD_SIZE;
}

static enum km_rc take_toml_integer(struct reading *reading, const struct km_toml_value *toml,
                                    struct km_value *ret)
{
  int64_t value = toml->as.integer;
  reading->shown = km_arena_printf(reading->arena, "%lld", (long long)value);
  switch (reading->field->type) {
  case KM_FIELD_INT: return take_integer(reading, value, ret);
  case KM_FIELD_DOUBLE: return take_double(reading, (double)value, ret);
  case KM_FIELD_DURATION:
  case KM_FIELD_SIZE: return take(reading, reading->shown, ret);
  case KM_FIELD_BOOL:
  case KM_FIELD_STRING:
  case KM_FIELD_PATH:
  case KM_FIELD_SECRET:
  case KM_FIELD_ENUM:
  case KM_FIELD_STRINGS:
  default: return mismatch(reading, toml);
  }
}

static enum km_rc take_toml(struct reading *reading, const struct km_toml_value *toml,
                            const struct km_environment *env, struct km_value *ret)
{
  enum km_field_type type = reading->field->type;
  if (toml->type == KM_TOML_STRING && is_written_as_string(type)) {
    return take_toml_string(reading, toml, env, ret);
  }
  if (toml->type == KM_TOML_INTEGER) {
    return take_toml_integer(reading, toml, ret);
  }
  if (toml->type == KM_TOML_FLOAT && type == KM_FIELD_DOUBLE) {
    reading->shown = km_arena_printf(reading->arena, "%g", toml->as.floating);
    return take_double(reading, toml->as.floating, ret);
  }
  if (toml->type == KM_TOML_ARRAY && type == KM_FIELD_STRINGS) {
    return take_toml_list(reading, toml, env, ret);
  }
  if (toml->type == KM_TOML_BOOLEAN && type == KM_FIELD_BOOL) {
    ret->boolean = toml->as.boolean;
    return KM_OK;
  }
  return mismatch(reading, toml);
}

/* A list from the environment or a flag: "a,b", or written as in the file: ["a", "b"]. What only begins like the second
 * is refused: taken for one odd item it would, in a list of what is denied, deny nothing. */
static enum km_rc take_list(struct reading *reading, const struct km_value_source *source,
                            struct km_value *ret)
{
  const char *text = source->text + strspn(source->text, " ");
  if (*text != '[') {
    return take_comma_list(reading, text, ret);
  }
  struct km_toml_value *root;
  struct km_error ignored = {0};
  const char *document = km_arena_printf(reading->arena, "list = %s", text);
  if (km_toml_parse(reading->arena, document, strlen(document), "list", &root, &ignored) != KM_OK ||
      root->as.table.count != 1 || root->as.table.entries[0].value->type != KM_TOML_ARRAY) {
    return refuse(reading, "begins with [ but is no list: write a,b or [\"a\", \"b\"]");
  }
  return take_toml_list(reading, root->as.table.entries[0].value, source->env, ret);
}

enum km_rc km_value_read(struct km_arena *arena, const struct km_field *field,
                         const struct km_value_source *source, struct km_value *ret, struct km_error *err)
{
  struct reading reading = {.arena = arena, .field = field, .place = source->place, .err = err};
  struct km_value value = {.text = ""};
  enum km_rc rc;
  if (source->toml != NULL) {
    rc = take_toml(&reading, source->toml, source->env, &value);
  } else if (field->type == KM_FIELD_STRINGS) {
    rc = take_list(&reading, source, &value);
  } else {
    reading.shown =
        field->type == KM_FIELD_SECRET ? "" : km_text_shown(arena, source->text, strlen(source->text));
    rc = take(&reading, source->text, &value);
  }
  if (rc == KM_OK) {
    *ret = value;
  }
  return rc;
}

/* --- storing and writing --- */

void km_value_store(const struct km_field *field, const struct km_value *value, void *target)
{
  void *at = (char *)target + field->offset;
  switch (field->type) {
  case KM_FIELD_BOOL: *(bool *)at = value->boolean; break;
  case KM_FIELD_INT:
  case KM_FIELD_DURATION:
  case KM_FIELD_SIZE: *(int64_t *)at = value->integer; break;
  case KM_FIELD_DOUBLE: *(double *)at = value->floating; break;
  case KM_FIELD_STRING:
  case KM_FIELD_PATH: *(const char **)at = value->text; break;
  case KM_FIELD_SECRET: km_secret_copy(at, &value->secret); break;
  case KM_FIELD_ENUM: *(int *)at = (int)value->integer; break;
  case KM_FIELD_STRINGS: *(struct km_strings *)at = value->list; break;
  default: KM_ASSERT(false);
  }
}

static void write_double(struct km_buf *out, double value)
{
  char text[40];
  snprintf(text, sizeof text, "%.15g", value);
  if (strtod(text, NULL) != value) {
    snprintf(text, sizeof text, "%.17g", value);
  }
  km_buf_puts(out, text);
}

/* A string in which ${ stands for itself. */
static void write_string(struct km_buf *out, const char *text)
{
  struct km_buf escaped;
  km_buf_init(&escaped, 2 * VALUE_MAX_BYTES);
  for (const char *c = text; *c != '\0'; c++) {
    if (c[0] == '$' && c[1] == '{') {
      km_buf_putc(&escaped, '$');
    }
    km_buf_putc(&escaped, *c);
  }
  km_text_write_toml(out, escaped.data);
  km_buf_done(&escaped);
}

bool km_value_write(const struct km_field *field, const struct km_value *value, struct km_buf *out)
{
  switch (field->type) {
  case KM_FIELD_BOOL: return km_buf_puts(out, value->boolean ? "true" : "false");
  case KM_FIELD_INT: write_number(out, field, value->integer); break;
  case KM_FIELD_DURATION:
  case KM_FIELD_SIZE:
    km_buf_putc(out, '"');
    write_number(out, field, value->integer);
    km_buf_putc(out, '"');
    break;
  case KM_FIELD_DOUBLE: write_double(out, value->floating); break;
  case KM_FIELD_STRING:
  case KM_FIELD_PATH: write_string(out, value->text); break;
  case KM_FIELD_SECRET: km_buf_puts(out, km_secret_empty(&value->secret) ? "\"\"" : "\"<set>\""); break;
  case KM_FIELD_ENUM: km_text_write_toml(out, field->one_of[value->integer]); break;
  case KM_FIELD_STRINGS:
    km_buf_putc(out, '[');
    for (size_t i = 0; i < value->list.count; i++) {
      km_buf_puts(out, i == 0 ? "" : ", ");
      write_string(out, value->list.items[i]);
    }
    km_buf_putc(out, ']');
    break;
  default: KM_ASSERT(false);
  }
  return !out->failed;
}
