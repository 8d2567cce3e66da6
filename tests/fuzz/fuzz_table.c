/* Fuzzes tables: any JSON is either refused or laid out; the text fits its budget, is clean UTF-8, and has one line per
 * row. The first bytes choose the options. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/table.h"

#include "kube_mcp/base/banned.h"

#define OPTION_BYTES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct km_table *table, const struct km_table_options *options)
{
  struct km_buf out;
  km_buf_init(&out, options->max_bytes + 1);
  if (!km_table_render(table, &out) || out.len > options->max_bytes || !km_utf8_valid(out.data, out.len)) {
    abort();
  }
  int64_t lines = 0;
  for (size_t i = 0; i < out.len; i++) {
    unsigned char c = (unsigned char)out.data[i];
    if ((c < ' ' && c != '\n') || c == 0x7F) {
      abort();
    }
    lines += c == '\n';
  }
  if (lines != (km_table_shown(table) > 0 ? km_table_shown(table) + 1 : 0)) {
    abort();
  }
  km_buf_done(&out);
  km_buf_init(&out, 64 * 1024);
  if (!km_table_groups(table, &out) || !km_utf8_valid(out.data, out.len)) {
    abort();
  }
  km_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < OPTION_BYTES) {
    return 0;
  }
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_error err;
  struct km_path *path;
  if (km_path_compile(arena, ".metadata", &path, &err) != KM_OK) {
    abort();
  }
  const struct km_path *const extra[] = {path};
  struct km_table_options options = {.wide = (data[0] & 1) != 0,
                                     .namespace_column = (data[0] & 2) != 0,
                                     .extra = extra,
                                     .extra_count = (data[0] & 4) != 0,
                                     .max_rows = data[0] >> 4,
                                     .max_bytes = (size_t)data[1] * 16};
  struct km_table *table = km_table_new(arena, &options);
  yyjson_doc *doc;
  if (km_json_parse(arena, (const char *)data + OPTION_BYTES, size - OPTION_BYTES, KM_JSON_MAX_DEPTH, &doc,
                    &err) == KM_OK) {
    (void)km_table_add(table, yyjson_doc_get_root(doc), data[2]);
    (void)km_table_add(table, yyjson_doc_get_root(doc), 0);
    check(table, &options);
  }
  km_arena_free(arena);
  return 0;
}
