/* From the tool table to what clients see: JSON Schema and tools/list entries. Schemas have an object root, no root
 * combinators, type unions, references or bare booleans, and name every default: the forms all hosts accept. */
#include "kube_mcp/tool.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static const char *schema_type(enum km_arg_type type)
{
  switch (type) {
  case KM_ARG_INT: return "integer";
  case KM_ARG_NUMBER: return "number";
  case KM_ARG_BOOL: return "boolean";
  case KM_ARG_STRINGS: return "array";
  case KM_ARG_OBJECT: return "object";
  case KM_ARG_STRING:
  case KM_ARG_ENUM: break;
  }
  return "string";
}

/* Copies constant JSON text (a default, a verbatim schema) into DOC. */
static yyjson_mut_val *copy_json(yyjson_mut_doc *doc, const char *text)
{
  yyjson_doc *parsed = yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
  KM_ASSERT(parsed != NULL);
  yyjson_mut_val *copy = yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
  yyjson_doc_free(parsed);
  return copy;
}

static void add_bounds(yyjson_mut_doc *doc, yyjson_mut_val *schema, const struct km_arg *arg)
{
  bool bounded = arg->min != 0 || arg->max != 0;
  switch (arg->type) {
  case KM_ARG_INT:
  case KM_ARG_NUMBER:
    if (bounded) {
      yyjson_mut_obj_add_sint(doc, schema, "minimum", arg->min);
      yyjson_mut_obj_add_sint(doc, schema, "maximum", arg->max);
    }
    break;
  case KM_ARG_STRING:
    if ((arg->flags & (KM_ARG_NONEMPTY | KM_ARG_REQUIRED)) != 0) {
      yyjson_mut_obj_add_int(doc, schema, "minLength", 1);
    }
    if (arg->max != 0) {
      yyjson_mut_obj_add_sint(doc, schema, "maxLength", arg->max);
    }
    break;
  case KM_ARG_STRINGS: {
    yyjson_mut_val *items = yyjson_mut_obj_add_obj(doc, schema, "items");
    yyjson_mut_obj_add_str(doc, items, "type", "string");
    if (arg->max != 0) {
      yyjson_mut_obj_add_sint(doc, schema, "maxItems", arg->max);
    }
    break;
  }
  case KM_ARG_ENUM: {
    yyjson_mut_val *members = yyjson_mut_obj_add_arr(doc, schema, "enum");
    for (size_t i = 0; arg->one_of[i] != NULL; i++) {
      yyjson_mut_arr_add_str(doc, members, arg->one_of[i]);
    }
    break;
  }
  case KM_ARG_OBJECT: yyjson_mut_obj_add_bool(doc, schema, "additionalProperties", true); break;
  case KM_ARG_BOOL: break;
  }
}

static yyjson_mut_val *arg_schema(yyjson_mut_doc *doc, const struct km_arg *arg)
{
  yyjson_mut_val *schema = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, schema, "type", schema_type(arg->type));
  if (arg->title != NULL) {
    yyjson_mut_obj_add_str(doc, schema, "title", arg->title);
  }
  yyjson_mut_obj_add_str(doc, schema, "description", arg->description);
  add_bounds(doc, schema, arg);
  if (arg->fallback != NULL) {
    yyjson_mut_obj_add_val(doc, schema, "default", copy_json(doc, arg->fallback));
  }
  if (arg->header != NULL) {
    yyjson_mut_obj_add_str(doc, schema, "x-mcp-header", arg->header);
  }
  return schema;
}

yyjson_mut_val *km_tool_input_schema(yyjson_mut_doc *doc, const struct km_tool *tool)
{
  if (tool->input_schema != NULL) {
    return copy_json(doc, tool->input_schema);
  }
  yyjson_mut_val *schema = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, schema, "type", "object");
  yyjson_mut_val *required = NULL;
  if (tool->arg_count > 0) {
    yyjson_mut_val *properties = yyjson_mut_obj_add_obj(doc, schema, "properties");
    for (size_t i = 0; i < tool->arg_count; i++) {
      const struct km_arg *arg = &tool->args[i];
      yyjson_mut_obj_add_val(doc, properties, arg->name, arg_schema(doc, arg));
      if ((arg->flags & KM_ARG_REQUIRED) != 0) {
        required = required == NULL ? yyjson_mut_arr(doc) : required;
        yyjson_mut_arr_add_str(doc, required, arg->name);
      }
    }
  }
  if (required != NULL) {
    yyjson_mut_obj_add_val(doc, schema, "required", required);
  }
  yyjson_mut_obj_add_bool(doc, schema, "additionalProperties", false);
  return schema;
}

yyjson_mut_val *km_tool_describe(yyjson_mut_doc *doc, const struct km_tool *tool, const char *prefix)
{
  yyjson_mut_val *entry = yyjson_mut_obj(doc);
  yyjson_mut_val *name = yyjson_mut_strcpy(doc, tool->name);
  if (!km_str_empty(prefix)) {
    struct km_buf full;
    km_buf_init(&full, 256);
    km_buf_printf(&full, "%s%s", prefix, tool->name);
    name = yyjson_mut_strncpy(doc, full.data, full.len);
    km_buf_done(&full);
  }
  yyjson_mut_obj_add_val(doc, entry, "name", name);
  yyjson_mut_obj_add_str(doc, entry, "title", tool->title);
  yyjson_mut_obj_add_str(doc, entry, "description", tool->description);
  yyjson_mut_obj_add_val(doc, entry, "inputSchema", km_tool_input_schema(doc, tool));
  if (tool->output_schema != NULL) {
    yyjson_mut_obj_add_val(doc, entry, "outputSchema", copy_json(doc, tool->output_schema));
  }
  yyjson_mut_val *hints = yyjson_mut_obj_add_obj(doc, entry, "annotations");
  yyjson_mut_obj_add_str(doc, hints, "title", tool->title);
  yyjson_mut_obj_add_bool(doc, hints, "readOnlyHint", (tool->hints & KM_HINT_READ_ONLY) != 0);
  yyjson_mut_obj_add_bool(doc, hints, "destructiveHint", (tool->hints & KM_HINT_DESTRUCTIVE) != 0);
  yyjson_mut_obj_add_bool(doc, hints, "idempotentHint", (tool->hints & KM_HINT_IDEMPOTENT) != 0);
  yyjson_mut_obj_add_bool(doc, hints, "openWorldHint", (tool->hints & KM_HINT_OPEN_WORLD) != 0);
  return entry;
}
