/* Fuzzes the TOML parser: any bytes either parse into a tree that can be walked to its leaves or give a
 * message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/config/toml.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte that the tree points to, so that the sanitizer sees dangling or short ones. */
static size_t walk(const struct km_toml_value *value)
{
  size_t sum = (size_t)value->line + (size_t)value->col;
  switch (value->type) {
  case KM_TOML_TABLE:
    for (size_t i = 0; i < value->as.table.count; i++) {
      const struct km_toml_entry *entry = &value->as.table.entries[i];
      if (entry->key[entry->key_len] != '\0') {
        abort();
      }
      sum += strlen(entry->key) + walk(entry->value);
    }
    return sum;
  case KM_TOML_ARRAY:
    for (size_t i = 0; i < value->as.array.count; i++) {
      sum += walk(value->as.array.items[i]);
    }
    return sum;
  case KM_TOML_STRING:
  case KM_TOML_OFFSET_DATETIME:
  case KM_TOML_LOCAL_DATETIME:
  case KM_TOML_LOCAL_DATE:
  case KM_TOML_LOCAL_TIME:
    if (value->as.string.data[value->as.string.len] != '\0') {
      abort();
    }
    return sum + strlen(value->as.string.data);
  case KM_TOML_INTEGER:
  case KM_TOML_FLOAT:
  case KM_TOML_BOOLEAN:
  default: return sum;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_toml_value *root;
  struct km_error err = {0};
  enum km_rc rc = km_toml_parse(arena, (const char *)data, size, "fuzz", &root, &err);
  if (rc == KM_OK ? walk(root) == 0 : err.message[0] == '\0') {
    abort();
  }
  km_arena_free(arena);
  return 0;
}
