/* YAML text: what is accepted stays within the limits, and each document can be written and reads back the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/yaml.h"

#include "kube_mcp/base/banned.h"

#define MAX_OUT ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct km_yaml_limits limits = {.max_depth = 16, .max_nodes = 5000, .max_bytes = 65536};
/* Escapes and indentation make the written form larger than what was read. */
static const struct km_yaml_limits written_limits = {
    .max_depth = 16, .max_nodes = 5000, .max_bytes = MAX_OUT};

static void write_json(yyjson_val *val, struct km_buf *out)
{
  km_buf_init(out, MAX_OUT);
  KM_ASSERT(km_json_write_val(val, false, out));
}

static void check_document(struct km_arena *arena, yyjson_val *val)
{
  struct km_buf yaml;
  struct km_buf before;
  struct km_buf after;
  struct km_error err = {0};
  yyjson_doc *again = NULL;
  km_buf_init(&yaml, MAX_OUT);
  KM_ASSERT(km_yaml_write(val, &yaml));
  KM_ASSERT(km_yaml_parse(arena, yaml.data, yaml.len, "written", &written_limits, &again, &err) == KM_OK);
  KM_ASSERT(yyjson_arr_size(yyjson_doc_get_root(again)) == 1);
  write_json(val, &before);
  write_json(yyjson_arr_get_first(yyjson_doc_get_root(again)), &after);
  KM_ASSERT(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
  km_buf_done(&yaml);
  km_buf_done(&before);
  km_buf_done(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new((size_t)1024 * 1024);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_yaml_parse(arena, (const char *)data, size, "fuzz", &limits, &doc, &err) == KM_OK) {
    yyjson_val *documents = yyjson_doc_get_root(doc);
    KM_ASSERT(yyjson_doc_get_val_count(doc) <= limits.max_nodes + 1);
    for (size_t i = 0; i < yyjson_arr_size(documents); i++) {
      check_document(arena, yyjson_arr_get(documents, i));
    }
  } else {
    KM_ASSERT(doc == NULL && (err.code == KM_E_INVALID || err.code == KM_E_TOO_LARGE));
    KM_ASSERT(km_utf8_valid(err.message, strlen(err.message)));
  }
  km_arena_free(arena);
  return 0;
}
