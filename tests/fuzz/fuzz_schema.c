/* A path up to the first newline, followed through the OpenAPI document behind it, or through a small one. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/schema.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KIND "\"x-kubernetes-group-version-kind\":[{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"}]"

static const char small[] =
    "{\"components\":{\"schemas\":{\"a.Pod\":{" KIND
    ",\"properties\":{\"spec\":{\"allOf\":[{\"$ref\":\"#/components/schemas/a.Spec\"}]},"
    "\"self\":{\"$ref\":\"#/components/schemas/"
    "a.Pod\"},\"labels\":{\"additionalProperties\":{\"type\":\"string\"}}}},"
    "\"a.Spec\":{\"required\":[\"list\"],\"properties\":{\"list\":{\"items\":{\"items\":{\"type\":"
    "\"integer\"}}}}}}}}";

static bool find_root(struct km_arena *arena, const char *json, size_t len, struct km_schema *ret)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  return km_json_parse(arena, json, len, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK &&
         km_schema_of_kind(yyjson_doc_get_root(doc), "", "v1", "Pod", ret);
}

static void count_field(void *data, const char *name, const struct km_schema *field)
{
  size_t *count = data;
  KM_ASSERT(name != NULL && km_schema_description(field) != NULL);
  (*count)++;
}

static void look_at(const struct km_schema *schema)
{
  struct km_buf type;
  km_buf_init(&type, (size_t)1024 * 1024);
  km_schema_put_type(schema, &type);
  KM_ASSERT(type.failed || type.len > 0);
  km_buf_done(&type);
  size_t count = 0;
  struct km_schema element = km_schema_element(schema);
  km_schema_each_field(&element, count_field, &count);
  KM_ASSERT(km_schema_description(schema) != NULL);
  (void)km_schema_keyword(schema, "enum");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  const char *text = (const char *)data;
  const char *newline = memchr(data, '\n', size);
  size_t path_len = newline != NULL ? (size_t)(newline - text) : size;
  const char *path = km_arena_printf(arena, "pod%s", km_arena_strndup(arena, text, path_len));
  struct km_schema root, found;
  struct km_error err = {0};
  const char *json = newline != NULL ? newline + 1 : "";
  if (!find_root(arena, json, newline != NULL ? size - path_len - 1 : 0, &root)) {
    KM_ASSERT(find_root(arena, small, strlen(small), &root));
  }
  look_at(&root);
  enum km_rc rc = km_schema_walk(&root, path, path + strlen("pod"), &found, &err);
  if (rc == KM_OK) {
    look_at(&found);
  } else {
    KM_ASSERT((rc == KM_E_NOT_FOUND || rc == KM_E_INVALID) &&
              strstr(err.message, "position ") == err.message);
  }
  km_arena_free(arena);
  return 0;
}
