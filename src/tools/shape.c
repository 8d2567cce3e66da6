/* What may be shown of an object: never without redaction, whole or only the parts that `fields` ask for. Keeps no state;
 * what it makes belongs to the document it is given. */
#include "common.h"

#include "kube_mcp/base/banned.h"

enum km_rc compile_paths(struct km_call *call, const char *name, const struct km_arg_strings *texts,
                         struct km_path ***ret, struct km_error *err)
{
  struct km_path **paths = KM_ARENA_ARRAY(call->arena, struct km_path *, texts->count + 1);
  for (size_t i = 0; i < texts->count; i++) {
    if (km_path_compile(call->arena, texts->items[i], &paths[i], err) != KM_OK) {
      err->type = KM_TYPE_VALIDATION_ERROR;
      return km_error_wrap(err, "argument '%s', item %zu", name, i + 1);
    }
  }
  *ret = paths;
  return KM_OK;
}

/* Items of a list do not repeat what they are. */
static void add_type(yyjson_mut_doc *doc, yyjson_mut_val *shown, const struct km_resource *resource)
{
  if (!yyjson_mut_is_obj(shown) || yyjson_mut_obj_get(shown, "kind") != NULL) {
    return;
  }
  bool core = km_str_empty(resource->group);
  struct km_buf version;
  km_buf_init(&version, 1024);
  km_buf_printf(&version, "%s%s%s", core ? "" : resource->group, core ? "" : "/", resource->version);
  yyjson_mut_obj_insert(shown, yyjson_mut_str(doc, "kind"), yyjson_mut_strcpy(doc, resource->kind), 0);
  yyjson_mut_obj_insert(shown, yyjson_mut_str(doc, "apiVersion"), yyjson_mut_strcpy(doc, version.data), 0);
  km_buf_done(&version);
}

yyjson_mut_val *shown_object(yyjson_mut_doc *doc, const struct km_resource *resource, yyjson_val *object)
{
  yyjson_mut_val *shown = km_redact_item(doc, object, resource->kind);
  add_type(doc, shown, resource);
  return shown;
}

struct collected {
  yyjson_mut_doc *doc;
  yyjson_mut_val *values;
};

static bool collect(yyjson_val *val, void *data)
{
  struct collected *collected = data;
  yyjson_mut_arr_append(collected->values, yyjson_val_mut_copy(collected->doc, val));
  return true;
}

static yyjson_mut_val *field_value(yyjson_mut_doc *doc, yyjson_val *shown, const struct km_path *path)
{
  struct collected collected = {.doc = doc, .values = yyjson_mut_arr(doc)};
  km_path_eval(path, shown, collect, &collected);
  switch (yyjson_mut_arr_size(collected.values)) {
  case 0: return yyjson_mut_null(doc);
  case 1: return yyjson_mut_arr_remove_first(collected.values);
  default: return collected.values;
  }
}

yyjson_mut_val *shown_fields(yyjson_mut_doc *doc, yyjson_val *shown, const struct km_arg_strings *fields,
                             struct km_path *const *paths)
{
  static const char *const identity[] = {"namespace", "name"};
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  for (size_t i = 0; i < KM_ARRAY_LEN(identity); i++) {
    const char *text = km_json_str(km_json_obj(shown, "metadata"), identity[i]);
    if (text != NULL) {
      yyjson_mut_obj_add_strcpy(doc, result, identity[i], text);
    }
  }
  for (size_t i = 0; i < fields->count; i++) {
    yyjson_mut_obj_add(result, yyjson_mut_strcpy(doc, fields->items[i]), field_value(doc, shown, paths[i]));
  }
  return result;
}

void put_object_name(const struct km_resource *resource, yyjson_val *object, struct km_buf *out)
{
  const char *name = km_json_str(km_json_obj(object, "metadata"), "name");
  const char *singular = km_str_empty(resource->singular) ? resource->plural : resource->singular;
  km_buf_printf(out, "%s%s%s/%s\n", singular, km_str_empty(resource->group) ? "" : ".", resource->group,
                name == NULL ? "" : name);
}
