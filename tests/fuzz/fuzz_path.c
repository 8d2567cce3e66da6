/* Path text up to the first newline, evaluated on the JSON that follows it, or on a small pod. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/path.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pod[] =
    "{\"metadata\":{\"name\":\"web\",\"labels\":{\"app.io/x\":\"y\"}},\"spec\":{\"containers\":["
    "{\"name\":\"a\",\"ports\":[{\"p\":80},{\"p\":443}]},{\"name\":\"b\",\"tty\":true}]}}";

static yyjson_val *parse_root(struct km_arena *arena, const char *json, size_t len)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, json, len, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK) {
    return yyjson_doc_get_root(doc);
  }
  KM_ASSERT(km_json_parse(arena, pod, strlen(pod), KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK);
  return yyjson_doc_get_root(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  const char *text = (const char *)data;
  const char *newline = memchr(data, '\n', size);
  size_t path_len = newline != NULL ? (size_t)(newline - text) : size;
  struct km_path *path = NULL;
  struct km_error err = {0};
  if (km_path_compile(arena, km_arena_strndup(arena, text, path_len), &path, &err) == KM_OK) {
    const char *json = newline != NULL ? newline + 1 : "";
    yyjson_val *root = parse_root(arena, json, newline != NULL ? size - path_len - 1 : 0);
    struct km_buf out;
    km_buf_init(&out, (size_t)16 * 1024 * 1024);
    KM_ASSERT(km_path_format(path, root, &out));
    KM_ASSERT(km_utf8_valid(out.data, out.len) && strpbrk(out.data, "\n\r\t\x1b") == NULL);
    KM_ASSERT(*km_path_heading(path) != '\0');
    km_buf_done(&out);
  } else {
    KM_ASSERT(path == NULL && err.code == KM_E_INVALID && km_utf8_valid(err.message, strlen(err.message)));
  }
  km_arena_free(arena);
  return 0;
}
