/* A condition up to the first NUL byte or newline, tested on the JSON that follows it, and on a small pod. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/where.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pod[] = "{\"metadata\":{\"name\":\"web\",\"labels\":{\"app.io/"
                          "x\":\"y\"},\"creationTimestamp\":\"2026-01-02T03:04:05Z\"},"
                          "\"spec\":{\"replicas\":3,\"containers\":[{\"name\":\"a\",\"memory\":\"1Gi\","
                          "\"ports\":[{\"p\":80},{\"p\":443}]},"
                          "{\"name\":\"b\",\"tty\":true,\"none\":null}]}}";

/* A test gives the same answer twice, and the opposite of its negation. */
static void check_test(struct km_where *where, struct km_where *negated, yyjson_val *object)
{
  struct km_error err = {0};
  bool first = false;
  bool second = false;
  bool opposite = false;
  if (km_where_test(where, object, &first, &err) != KM_OK ||
      km_where_test(where, object, &second, &err) != KM_OK) {
    KM_ASSERT(err.code == KM_E_INVALID && strstr(err.message, "too expensive") != NULL);
    return;
  }
  KM_ASSERT(first == second);
  if (negated != NULL && km_where_test(negated, object, &opposite, &err) == KM_OK) {
    KM_ASSERT(first != opposite);
  }
}

static void check_paths(const struct km_where *where)
{
  size_t count = 0;
  const struct km_path *const *paths = km_where_paths(where, &count);
  KM_ASSERT(count > 0);
  for (size_t i = 0; i < count; i++) {
    KM_ASSERT(*km_path_heading(paths[i]) != '\0');
  }
  const char *missing = km_where_never_found(where);
  KM_ASSERT(missing == NULL || km_utf8_valid(missing, strlen(missing)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const int64_t now_ms = INT64_C(1767323045000);
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  const char *newline = memchr(data, '\n', size);
  size_t len = newline != NULL ? (size_t)(newline - (const char *)data) : size;
  const char *text = km_arena_strndup(arena, (const char *)data, len);
  struct km_where *where = NULL;
  struct km_where *negated = NULL;
  struct km_error err = {0};
  if (km_where_compile(arena, text, now_ms, &where, &err) == KM_OK) {
    yyjson_doc *doc = NULL;
    if (km_where_compile(arena, km_arena_printf(arena, "not (%s)", text), now_ms, &negated, &err) != KM_OK) {
      /* Only the bounds can be in the way. */
      KM_ASSERT(strstr(err.message, "deeper than") != NULL ||
                strstr(err.message, "bytes, more than") != NULL);
    }
    if (newline != NULL &&
        km_json_parse(arena, newline + 1, size - len - 1, KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK) {
      check_test(where, negated, yyjson_doc_get_root(doc));
    }
    KM_ASSERT(km_json_parse(arena, pod, strlen(pod), KM_JSON_MAX_DEPTH, &doc, &err) == KM_OK);
    check_test(where, negated, yyjson_doc_get_root(doc));
    check_paths(where);
  } else {
    KM_ASSERT(where == NULL && err.code == KM_E_INVALID && km_utf8_valid(err.message, strlen(err.message)));
  }
  km_arena_free(arena);
  return 0;
}
