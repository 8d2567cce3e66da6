/* Walking schemas. A field refers to its type by $ref, or by an allOf with one member, which is how a description of its
 * own is put beside a reference; both are followed, at most MAX_REFERENCES times, so that circles end. Recursive types
 * (JSONSchemaProps) are no circle: each step of a path consumes a part of it. Keeps no state and allocates nothing. */
#include "kube_mcp/codec/schema.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_REFERENCES 16
#define MAX_NESTING    16 /* lists of lists */
#define MAX_FIELDS     1024
#define MAX_SHOWN      ((size_t)10) /* fields in an error */

/* --- references --------------------------------------------------------------------------------------------------------- */

static yyjson_val *components(yyjson_val *document)
{
  return km_json_obj(km_json_obj(document, "components"), "schemas");
}

/* The only member of an allOf, or NULL. */
static yyjson_val *only_part(yyjson_val *schema)
{
  yyjson_val *parts = km_json_arr(schema, "allOf");
  return yyjson_arr_size(parts) == 1 && yyjson_obj_get(schema, "properties") == NULL
             ? yyjson_arr_get_first(parts)
             : NULL;
}

static const char *last_part(const char *name)
{
  const char *dot = strrchr(name, '.');
  return dot != NULL ? dot + 1 : name;
}

/* FIELD with its type looked up. */
static struct km_schema resolve(yyjson_val *document, yyjson_val *field)
{
  static const char prefix[] = "#/components/schemas/";
  struct km_schema schema = {.document = document, .field = field, .type = field};
  for (int i = 0; i < MAX_REFERENCES; i++) {
    const char *ref = km_json_str(schema.type, "$ref");
    yyjson_val *next = only_part(schema.type);
    if (ref != NULL && km_starts_with(ref, prefix)) {
      schema.name = last_part(ref + strlen(prefix));
      next = yyjson_obj_get(components(document), ref + strlen(prefix));
    }
    if (next == NULL) {
      break;
    }
    schema.type = next;
  }
  return schema;
}

static bool is_of_kind(yyjson_val *schema, const char *group, const char *version, const char *kind)
{
  size_t i, max;
  yyjson_val *gvk;
  yyjson_arr_foreach(km_json_arr(schema, "x-kubernetes-group-version-kind"), i, max, gvk)
  {
    const char *own_group = km_json_str(gvk, "group");
    if (km_streq(own_group != NULL ? own_group : "", group) &&
        km_streq(km_json_str(gvk, "version"), version) && km_streq(km_json_str(gvk, "kind"), kind)) {
      return true;
    }
  }
  return false;
}

bool km_schema_of_kind(yyjson_val *document, const char *group, const char *version, const char *kind,
                       struct km_schema *ret)
{
  yyjson_val *schemas = components(document), *key, *schema;
  size_t i, max;
  if (schemas == NULL) {
    return false;
  }
  yyjson_obj_foreach(schemas, i, max, key, schema)
  {
    if (is_of_kind(schema, group, version, kind)) {
      *ret = resolve(document, schema);
      ret->name = kind;
      return true;
    }
  }
  return false;
}

/* --- what a schema says ------------------------------------------------------------------------------------------------- */

yyjson_val *km_schema_keyword(const struct km_schema *schema, const char *key)
{
  yyjson_val *own = yyjson_obj_get(schema->field, key);
  return own != NULL ? own : yyjson_obj_get(schema->type, key);
}

const char *km_schema_description(const struct km_schema *schema)
{
  const char *own = km_json_str(schema->field, "description");
  const char *of_type = km_json_str(schema->type, "description");
  return !km_str_empty(own) ? own : of_type != NULL ? of_type : "";
}

static yyjson_val *items_of(const struct km_schema *schema)
{
  return km_json_obj(schema->type, "items");
}

/* The schema of a map's values, or NULL. */
static yyjson_val *values_of(const struct km_schema *schema)
{
  return km_json_obj(schema->type, "additionalProperties");
}

static bool is_int_or_string(const struct km_schema *schema)
{
  yyjson_val *mark = km_schema_keyword(schema, "x-kubernetes-int-or-string");
  return yyjson_get_bool(mark);
}

void km_schema_put_type(const struct km_schema *schema, struct km_buf *out)
{
  struct km_schema inner = *schema;
  for (int i = 0; i < MAX_NESTING && (items_of(&inner) != NULL || values_of(&inner) != NULL); i++) {
    bool list = items_of(&inner) != NULL;
    km_buf_puts(out, list ? "[]" : "map[string]");
    inner = resolve(inner.document, list ? items_of(&inner) : values_of(&inner));
  }
  const char *type = km_json_str(inner.type, "type");
  if (is_int_or_string(&inner)) {
    km_buf_puts(out, "IntOrString");
  } else if (!km_str_empty(inner.name) && (km_str_empty(type) || km_streq(type, "object"))) {
    km_buf_puts(out, inner.name);
  } else {
    km_buf_puts(out, km_str_empty(type) ? "object" : type);
  }
}

struct km_schema km_schema_element(const struct km_schema *schema)
{
  struct km_schema inner = *schema;
  for (int i = 0; i < MAX_NESTING && (items_of(&inner) != NULL || values_of(&inner) != NULL); i++) {
    inner = resolve(inner.document, items_of(&inner) != NULL ? items_of(&inner) : values_of(&inner));
  }
  return inner;
}

static bool is_required(const struct km_schema *owner, const char *name)
{
  size_t i, max;
  yyjson_val *required;
  yyjson_arr_foreach(km_json_arr(owner->type, "required"), i, max, required)
  {
    if (yyjson_equals_str(required, name)) {
      return true;
    }
  }
  return false;
}

static struct km_schema field_of(const struct km_schema *owner, const char *name, yyjson_val *field)
{
  struct km_schema schema = resolve(owner->document, field);
  schema.required = is_required(owner, name);
  return schema;
}

void km_schema_each_field(const struct km_schema *schema,
                          void (*fn)(void *data, const char *name, const struct km_schema *field), void *data)
{
  yyjson_val *properties = km_json_obj(schema->type, "properties"), *key, *value;
  size_t i, max;
  if (properties == NULL) {
    return;
  }
  yyjson_obj_foreach(properties, i, max, key, value)
  {
    struct km_schema field = field_of(schema, yyjson_get_str(key), value);
    fn(data, yyjson_get_str(key), &field);
  }
}

/* --- paths -------------------------------------------------------------------------------------------------------------- */

/* A step of a path, and where it stands. */
struct step {
  const char *name; /* NULL: an element of a list or map, "[]" */
  size_t len;
  const char *at;
};

struct walk {
  const char *text, *path, *rest;
  struct km_error *err;
};

static int column_of(const struct walk *walk, const char *at)
{
  return (int)(at - walk->text) + 1;
}

/* Reads "[]", "[*]", "[0]", "['any key']". */
static enum km_rc read_bracket(struct walk *walk, struct step *ret)
{
  const char *open = walk->rest, *inside = open + 1;
  char quote = *inside == '\'' || *inside == '"' ? *inside : '\0';
  const char *close = quote != '\0' ? strchr(inside + 1, quote) : strchr(inside, ']');
  if (close == NULL || (quote != '\0' && close[1] != ']')) {
    return km_error_set_type(walk->err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                             "position %d: \"[\" has no \"]\"", column_of(walk, open));
  }
  *ret = (struct step){.at = open};
  walk->rest = quote != '\0' ? close + 2 : close + 1;
  return KM_OK;
}

static enum km_rc read_step(struct walk *walk, struct step *ret)
{
  if (*walk->rest == '[') {
    return read_bracket(walk, ret);
  }
  walk->rest += *walk->rest == '.' ? 1 : 0;
  size_t len = strcspn(walk->rest, ".[");
  if (len == 0 || memchr(walk->rest, ']', len) != NULL) {
    return km_error_set_type(walk->err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                             "position %d: the name of a field is expected", column_of(walk, walk->rest));
  }
  *ret = (struct step){.name = walk->rest, .len = len, .at = walk->rest};
  walk->rest += len;
  return KM_OK;
}

struct names {
  const char *items[MAX_FIELDS];
  size_t count;
};

static void collect_name(void *data, const char *name, const struct km_schema *field)
{
  (void)field;
  struct names *names = data;
  if (names->count < MAX_FIELDS) {
    names->items[names->count++] = name;
  }
}

/* What there is instead: the nearest, else the first few. */
static enum km_rc hint_at_fields(const struct km_schema *owner, const char *wanted, struct km_error *err)
{
  struct names names = {.count = 0};
  km_schema_each_field(owner, collect_name, &names);
  const char *nearest = km_nearest(wanted, names.items, names.count);
  if (nearest != NULL) {
    return km_error_hint(err, "did you mean '%s'?", nearest);
  }
  struct km_buf list;
  km_buf_init(&list, sizeof(err->hint));
  for (size_t i = 0; i < names.count && i < MAX_SHOWN; i++) {
    km_buf_printf(&list, "%s%.60s", i > 0 ? ", " : "", names.items[i]);
  }
  if (names.count == 0) {
    km_schema_put_type(owner, &list);
  }
  km_error_hint(err, names.count > 0 ? "its fields are %s%s" : "it has none: its type is %s%s", list.data,
                names.count > MAX_SHOWN ? ", ..." : "");
  km_buf_done(&list);
  return km_failure(err->code);
}

static enum km_rc no_such_field(const struct walk *walk, const struct km_schema *owner,
                                const struct step *step)
{
  char wanted[128];
  size_t before = (size_t)(step->at - walk->text);
  before -= before > 0 && step->at[-1] == '.' ? 1 : 0;
  const char *name = step->name != NULL ? step->name : "[]";
  size_t len = step->name != NULL ? step->len : strlen(name);
  len = len < sizeof(wanted) ? len : sizeof(wanted) - 1;
  memcpy(wanted, name, len);
  wanted[len] = '\0';
  if (step->name == NULL) {
    km_error_set(walk->err, KM_E_NOT_FOUND, "position %d: '%.*s' is no list or map",
                 column_of(walk, step->at), (int)before, walk->text);
  } else {
    km_error_set(walk->err, KM_E_NOT_FOUND, "position %d: '%.*s' has no field '%s'",
                 column_of(walk, step->at), (int)before, walk->text, wanted);
  }
  (void)km_strcopy(walk->err->reason, sizeof(walk->err->reason), "UnknownField");
  if (yyjson_get_bool(km_schema_keyword(owner, "x-kubernetes-preserve-unknown-fields"))) {
    return km_error_hint(walk->err, "any field is allowed there, and none is described");
  }
  return hint_at_fields(owner, wanted, walk->err);
}

/* The list or map that CURRENT is, entered; false when it is neither. */
static bool enter(const struct km_schema *current, struct km_schema *ret)
{
  yyjson_val *inside = items_of(current) != NULL ? items_of(current) : values_of(current);
  if (inside != NULL) {
    *ret = resolve(current->document, inside);
  }
  return inside != NULL;
}

static enum km_rc take_step(const struct walk *walk, const struct step *step, struct km_schema *current)
{
  struct km_schema owner = *current;
  if (step->name == NULL) {
    return enter(&owner, current) ? KM_OK : no_such_field(walk, &owner, step);
  }
  for (int i = 0; i < MAX_NESTING && items_of(&owner) != NULL; i++) {
    owner = resolve(owner.document, items_of(&owner));
  }
  yyjson_val *field = yyjson_obj_getn(km_json_obj(owner.type, "properties"), step->name, step->len);
  if (field != NULL) {
    char name[256];
    size_t len = step->len < sizeof(name) ? step->len : sizeof(name) - 1;
    memcpy(name, step->name, len);
    name[len] = '\0';
    *current = field_of(&owner, name, field);
    return KM_OK;
  }
  if (values_of(&owner) != NULL) { /* any key */
    *current = resolve(owner.document, values_of(&owner));
    return KM_OK;
  }
  return no_such_field(walk, &owner, step);
}

enum km_rc km_schema_walk(const struct km_schema *start, const char *text, const char *path,
                          struct km_schema *ret, struct km_error *err)
{
  struct walk walk = {.text = text, .path = path, .rest = path, .err = err};
  struct km_schema current = *start;
  while (*walk.rest != '\0') {
    struct step step;
    enum km_rc rc = read_step(&walk, &step);
    if (rc == KM_OK) {
      rc = take_step(&walk, &step, &current);
    }
    if (rc != KM_OK) {
      return rc;
    }
  }
  *ret = current;
  return KM_OK;
}
