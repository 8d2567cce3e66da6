/* Resources: a table of fixed ones, and the template test://template/{id}/data. */
#include "fixtures.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define TEMPLATE_HEAD "test://template/"
#define TEMPLATE_TAIL "/data"

static const struct resource {
  const char *uri, *name, *description, *mime_type;
  const char *text, *blob; /* one of them */
} resources[] = {
    {"test://static-text", "static-text", "A text that never changes", "text/plain",
     "This is the content of the static text resource.", NULL},
    {"test://static-binary", "static-binary", "An image that never changes", "image/png", NULL, FIXTURE_PNG},
    {"test://watched-resource", "watched-resource", "A text that can be subscribed to", "text/plain",
     "This is the content of the watched resource.", NULL},
};

yyjson_mut_val *fixture_list_resources(struct km_call *call, yyjson_mut_doc *doc)
{
  (void)call;
  yyjson_mut_val *list = yyjson_mut_arr(doc);
  for (size_t i = 0; i < KM_ARRAY_LEN(resources); i++) {
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_obj_add_str(doc, entry, "uri", resources[i].uri);
    yyjson_mut_obj_add_str(doc, entry, "name", resources[i].name);
    yyjson_mut_obj_add_str(doc, entry, "description", resources[i].description);
    yyjson_mut_obj_add_str(doc, entry, "mimeType", resources[i].mime_type);
  }
  return list;
}

yyjson_mut_val *fixture_list_templates(struct km_call *call, yyjson_mut_doc *doc)
{
  return fixture_json(call, doc,
                      "[{\"uriTemplate\":\"" TEMPLATE_HEAD "{id}" TEMPLATE_TAIL "\",\"name\":\"template\","
                      "\"description\":\"Data by id\",\"mimeType\":\"application/json\"}]");
}

/* {"id":ID,...} as the text of the entry. */
static void add_template_text(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *entry,
                              const char *id)
{
  yyjson_mut_val *data = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_strcpy(doc, data, "id", id);
  yyjson_mut_obj_add_bool(doc, data, "templateTest", true);
  yyjson_mut_obj_add_strcpy(doc, data, "data", km_arena_printf(call->arena, "Data for ID: %s", id));
  struct km_buf text;
  km_buf_init(&text, (size_t)64 * 1024);
  km_json_write(data, false, &text);
  yyjson_mut_obj_add_strncpy(doc, entry, "text", text.data, text.len);
  km_buf_done(&text);
}

static const char *template_id(struct km_call *call, const char *uri)
{
  const size_t head = strlen(TEMPLATE_HEAD), tail = strlen(TEMPLATE_TAIL), len = strlen(uri);
  if (!km_starts_with(uri, TEMPLATE_HEAD) || !km_ends_with(uri, TEMPLATE_TAIL) || len <= head + tail) {
    return NULL;
  }
  return km_arena_strndup(call->arena, uri + head, len - head - tail);
}

enum km_rc fixture_read_resource(struct km_call *call, const char *uri, struct km_result *out,
                                 struct km_error *err)
{
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *entry = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_strcpy(doc, entry, "uri", uri);
  for (size_t i = 0; i < KM_ARRAY_LEN(resources); i++) {
    if (km_streq(uri, resources[i].uri)) {
      const struct resource *resource = &resources[i];
      yyjson_mut_obj_add_str(doc, entry, "mimeType", resource->mime_type);
      yyjson_mut_obj_add_str(doc, entry, resource->text != NULL ? "text" : "blob",
                             resource->text != NULL ? resource->text : resource->blob);
      km_result_block(out, entry);
      return KM_OK;
    }
  }
  const char *id = template_id(call, uri);
  if (id == NULL) {
    return km_error_set(err, KM_E_NOT_FOUND, "there is no resource %.200s", uri);
  }
  yyjson_mut_obj_add_str(doc, entry, "mimeType", "application/json");
  add_template_text(call, doc, entry, id);
  km_result_block(out, entry);
  return KM_OK;
}
