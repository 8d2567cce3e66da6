/* JSON text: what is accepted can be written, reads back the same, and is no deeper than asked for. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"

#include "kube_mcp/base/banned.h"

#define MAX_DEPTH 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned depth_of(yyjson_val *val)
{
  unsigned deepest = 0;
  if (!yyjson_is_ctn(val)) {
    return 0;
  }
  bool object = yyjson_is_obj(val);
  yyjson_obj_iter members = yyjson_obj_iter_with(val);
  yyjson_arr_iter items = yyjson_arr_iter_with(val);
  for (size_t i = 0; i < yyjson_get_len(val); i++) {
    yyjson_val *child =
        object ? yyjson_obj_iter_get_val(yyjson_obj_iter_next(&members)) : yyjson_arr_iter_next(&items);
    unsigned depth = depth_of(child);
    deepest = depth > deepest ? depth : deepest;
  }
  return deepest + 1;
}

static void check_written(struct km_arena *arena, yyjson_val *root, bool pretty)
{
  struct km_buf first;
  struct km_buf second;
  struct km_error err = {0};
  yyjson_doc *again = NULL;
  km_buf_init(&first, (size_t)64 * 1024 * 1024);
  km_buf_init(&second, (size_t)64 * 1024 * 1024);
  KM_ASSERT(km_json_write_val(root, pretty, &first));
  KM_ASSERT(km_json_parse(arena, first.data, first.len, MAX_DEPTH, &again, &err) == KM_OK);
  KM_ASSERT(km_json_write_val(yyjson_doc_get_root(again), pretty, &second));
  KM_ASSERT(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
  km_buf_done(&first);
  km_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, (const char *)data, size, MAX_DEPTH, &doc, &err) == KM_OK) {
    yyjson_val *root = yyjson_doc_get_root(doc);
    KM_ASSERT(depth_of(root) <= MAX_DEPTH);
    check_written(arena, root, false);
    check_written(arena, root, true);
  } else {
    KM_ASSERT(doc == NULL && err.code == KM_E_INVALID && km_utf8_valid(err.message, strlen(err.message)));
  }
  km_arena_free(arena);
  return 0;
}
