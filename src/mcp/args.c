/* Strict parsing of a tool's arguments into its C struct, driven by the tool's table. Unknown names, wrong types and
 * values out of range are refused with the field's name and the nearest valid choice; camelCase spellings and listed
 * aliases are accepted; defaults are filled in. Strings are borrowed from the message, which outlives the call. */
#include <ctype.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/tool.h"

#include "kube_mcp/base/banned.h"

#define DEFAULT_MAX_STRING ((size_t)4096)
#define DEFAULT_MAX_ITEMS  ((size_t)64)
#define MAX_SUGGESTIONS    64

#define refuse(err, ...) km_error_set_type((err), KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, __VA_ARGS__)

/* "labelSelector" names label_selector. */
static bool is_camel_of(const char *given, const char *name)
{
  while (*name != '\0' && *given != '\0') {
    if (*name == '_') {
      name++;
      if (toupper((unsigned char)*name) != *given) {
        return false;
      }
    } else if (*name != *given) {
      return false;
    }
    name++;
    given++;
  }
  return *name == '\0' && *given == '\0';
}

static bool names_arg(const char *given, const struct km_arg *arg)
{
  if (km_streq(given, arg->name) || is_camel_of(given, arg->name)) {
    return true;
  }
  for (size_t i = 0; arg->aliases != NULL && arg->aliases[i] != NULL; i++) {
    if (km_streq(given, arg->aliases[i]) || is_camel_of(given, arg->aliases[i])) {
      return true;
    }
  }
  return false;
}

const struct km_arg *km_tool_find_arg(const struct km_tool *tool, const char *given)
{
  for (size_t i = 0; i < tool->arg_count; i++) {
    if (names_arg(given, &tool->args[i])) {
      return &tool->args[i];
    }
  }
  return NULL;
}

static enum km_rc unknown_name(const struct km_tool *tool, const char *given, struct km_error *err)
{
  const char *names[MAX_SUGGESTIONS];
  size_t count = 0;
  struct km_buf list;
  km_buf_init(&list, 1024);
  for (size_t i = 0; i < tool->arg_count && count < MAX_SUGGESTIONS; i++) {
    names[count++] = tool->args[i].name;
    km_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", tool->args[i].name);
  }
  refuse(err, "%s has no argument '%.80s'", tool->name, given);
  const char *nearest = km_nearest(given, names, count);
  if (nearest != NULL) {
    km_error_hint(err, "did you mean '%s'? Arguments: %s", nearest, list.data);
  } else {
    km_error_hint(err, "arguments: %s", count == 0 ? "none" : list.data);
  }
  km_buf_done(&list);
  return err->code;
}

static enum km_rc wrong_type(const struct km_arg *arg, yyjson_val *val, const char *expected,
                             struct km_error *err)
{
  return refuse(err, "argument '%s' must be %s, not %s", arg->name, expected, km_json_type_name(val));
}

/* RFC 1123 label: what a namespace can be called. */
static bool is_dns_label(const char *text)
{
  size_t len = strlen(text);
  if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-') {
    return false;
  }
  return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* What the API server accepts as a path segment: object names are looser than DNS (RBAC roles contain ':'). */
static bool is_path_segment(const char *text)
{
  return strlen(text) <= 253 && !km_streq(text, ".") && !km_streq(text, "..") && strpbrk(text, "/%") == NULL;
}

static enum km_rc check_string(const struct km_arg *arg, yyjson_val *val, const char **ret,
                               struct km_error *err)
{
  const char *text = yyjson_get_str(val);
  size_t len = yyjson_get_len(val);
  size_t max = arg->max > 0 ? (size_t)arg->max : DEFAULT_MAX_STRING;
  if (len > max) {
    return refuse(err, "argument '%s' has %zu bytes; at most %zu are accepted", arg->name, len, max);
  }
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t' && text[i] != '\r') {
      return refuse(err, "argument '%s' contains a control character at byte %zu", arg->name, i + 1);
    }
  }
  if (len == 0) {
    if ((arg->flags & (KM_ARG_NONEMPTY | KM_ARG_REQUIRED)) != 0) {
      return refuse(err, "argument '%s' must not be empty", arg->name);
    }
    *ret = text;
    return KM_OK;
  }
  if ((arg->flags & KM_ARG_DNS_LABEL) != 0 && !is_dns_label(text)) {
    refuse(err, "argument '%s' is not a valid name: '%.80s'", arg->name, text);
    return km_error_hint(err, "lower-case letters, digits and '-', at most 63 characters");
  }
  if ((arg->flags & KM_ARG_DNS_NAME) != 0 && !is_path_segment(text)) {
    refuse(err, "argument '%s' is not a valid object name: '%.80s'", arg->name, text);
    return km_error_hint(
        err, "at most 253 characters, without '/' and '%%'; use `kind` and `namespace` for the rest");
  }
  *ret = text;
  return KM_OK;
}

static enum km_rc parse_enum(const struct km_arg *arg, yyjson_val *val, int *ret, struct km_error *err)
{
  if (!yyjson_is_str(val)) {
    return wrong_type(arg, val, "a string", err);
  }
  const char *text = yyjson_get_str(val);
  struct km_buf list;
  km_buf_init(&list, 512);
  size_t count = 0;
  for (; arg->one_of[count] != NULL; count++) {
    if (km_streq(text, arg->one_of[count])) {
      *ret = (int)count;
      km_buf_done(&list);
      return KM_OK;
    }
    km_buf_printf(&list, "%s%s", count == 0 ? "" : ", ", arg->one_of[count]);
  }
  refuse(err, "argument '%s' cannot be '%.80s'; it is one of %s", arg->name, text, list.data);
  km_buf_done(&list);
  const char *nearest = km_nearest(text, arg->one_of, count);
  return nearest == NULL ? err->code : km_error_hint(err, "did you mean '%s'?", nearest);
}

static enum km_rc parse_strings(const struct km_arg *arg, yyjson_val *val, struct km_arena *arena,
                                struct km_arg_strings *ret, struct km_error *err)
{
  /* A single string where a list is expected is what models often write; its meaning is plain. */
  bool single = yyjson_is_str(val);
  if (!single && !yyjson_is_arr(val)) {
    return wrong_type(arg, val, "an array of strings", err);
  }
  size_t count = single ? 1 : yyjson_arr_size(val);
  size_t max = arg->max > 0 ? (size_t)arg->max : DEFAULT_MAX_ITEMS;
  if (count > max) {
    return refuse(err, "argument '%s' has %zu items; at most %zu are accepted", arg->name, count, max);
  }
  const struct km_arg item_arg = {.name = arg->name, .flags = KM_ARG_NONEMPTY};
  const char **items = KM_ARENA_ARRAY(arena, const char *, count + 1);
  for (size_t i = 0; i < count; i++) {
    yyjson_val *item = single ? val : yyjson_arr_get(val, i);
    if (!yyjson_is_str(item)) {
      return refuse(err, "argument '%s', item %zu, must be a string, not %s", arg->name, i + 1,
                    km_json_type_name(item));
    }
    enum km_rc rc = check_string(&item_arg, item, &items[i], err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  *ret = (struct km_arg_strings){.items = items, .count = count};
  return KM_OK;
}

static enum km_rc parse_int(const struct km_arg *arg, yyjson_val *val, int64_t *ret, struct km_error *err)
{
  int64_t number = 0;
  if (yyjson_is_sint(val) || (yyjson_is_uint(val) && yyjson_get_uint(val) <= INT64_MAX)) {
    number = yyjson_get_sint(val);
  } else if (yyjson_is_real(val) && yyjson_get_real(val) >= -9e15 && yyjson_get_real(val) <= 9e15 &&
             yyjson_get_real(val) == (double)(int64_t)yyjson_get_real(val)) {
    number = (int64_t)yyjson_get_real(val); /* 50.0: some clients write every number so */
  } else {
    return wrong_type(arg, val, "an integer", err);
  }
  if ((arg->min != 0 || arg->max != 0) && (number < arg->min || number > arg->max)) {
    return refuse(err, "argument '%s' is %lld; it must be between %lld and %lld", arg->name,
                  (long long)number, (long long)arg->min, (long long)arg->max);
  }
  *ret = number;
  return KM_OK;
}

static enum km_rc parse_number(const struct km_arg *arg, yyjson_val *val, double *ret, struct km_error *err)
{
  if (!yyjson_is_num(val)) {
    return wrong_type(arg, val, "a number", err);
  }
  double number = yyjson_get_num(val);
  if ((arg->min != 0 || arg->max != 0) && (number < (double)arg->min || number > (double)arg->max)) {
    return refuse(err, "argument '%s' is %g; it must be between %lld and %lld", arg->name, number,
                  (long long)arg->min, (long long)arg->max);
  }
  *ret = number;
  return KM_OK;
}

static enum km_rc parse_arg(const struct km_arg *arg, yyjson_val *val, struct km_arena *arena, void *args,
                            struct km_error *err)
{
  void *field = (char *)args + arg->offset;
  switch (arg->type) {
  case KM_ARG_STRING:
    if (!yyjson_is_str(val)) {
      return wrong_type(arg, val, "a string", err);
    }
    return check_string(arg, val, (const char **)field, err);
  case KM_ARG_INT: return parse_int(arg, val, (int64_t *)field, err);
  case KM_ARG_NUMBER: return parse_number(arg, val, (double *)field, err);
  case KM_ARG_BOOL:
    if (!yyjson_is_bool(val)) {
      return wrong_type(arg, val, "true or false", err);
    }
    *(bool *)field = yyjson_get_bool(val);
    return KM_OK;
  case KM_ARG_ENUM: return parse_enum(arg, val, (int *)field, err);
  case KM_ARG_STRINGS: return parse_strings(arg, val, arena, (struct km_arg_strings *)field, err);
  case KM_ARG_OBJECT:
    if (!yyjson_is_obj(val)) {
      return wrong_type(arg, val, "an object", err);
    }
    *(yyjson_val **)field = val;
    return KM_OK;
  }
  return km_error_set(err, KM_E_INTERNAL, "argument '%s' has no type", arg->name);
}

static enum km_rc fill_absent(const struct km_tool *tool, const bool *given, struct km_arena *arena,
                              void *args, struct km_error *err)
{
  for (size_t i = 0; i < tool->arg_count; i++) {
    const struct km_arg *arg = &tool->args[i];
    if (given[i]) {
      continue;
    }
    if ((arg->flags & KM_ARG_REQUIRED) != 0) {
      refuse(err, "%s needs the argument '%s'", tool->name, arg->name);
      return km_error_hint(err, "%s", arg->description);
    }
    if (arg->type == KM_ARG_ENUM) {
      *(int *)(void *)((char *)args + arg->offset) = -1;
    }
    if (arg->fallback != NULL) {
      yyjson_doc *doc = NULL;
      enum km_rc rc =
          km_json_parse(arena, arg->fallback, strlen(arg->fallback), KM_JSON_MAX_DEPTH, &doc, err);
      if (rc == KM_OK) {
        rc = parse_arg(arg, yyjson_doc_get_root(doc), arena, args, err);
      }
      if (rc != KM_OK) {
        return rc;
      }
    }
  }
  return KM_OK;
}

enum km_rc km_tool_parse_args(const struct km_tool *tool, yyjson_val *arguments, struct km_arena *arena,
                              void *args, struct km_error *err)
{
  if (arguments != NULL && !yyjson_is_obj(arguments)) {
    return refuse(err, "arguments must be an object, not %s", km_json_type_name(arguments));
  }
  bool *given = KM_ARENA_ARRAY(arena, bool, tool->arg_count + 1);
  yyjson_obj_iter members = yyjson_obj_iter_with(arguments); /* unlike the macro, it takes NULL */
  for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
    yyjson_val *val = yyjson_obj_iter_get_val(key);
    const char *name = yyjson_get_str(key);
    const struct km_arg *arg = km_tool_find_arg(tool, name);
    if (arg == NULL) {
      return unknown_name(tool, name, err);
    }
    bool *seen = &given[arg - tool->args];
    if (*seen) {
      return refuse(err, "argument '%s' is given twice", arg->name);
    }
    if (yyjson_is_null(val)) {
      continue; /* null is how several clients spell "not given" */
    }
    *seen = true;
    enum km_rc rc = parse_arg(arg, val, arena, args, err);
    if (rc != KM_OK) {
      return rc;
    }
  }
  return fill_absent(tool, given, arena, args, err);
}
