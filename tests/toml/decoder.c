/* kube-mcp-toml-decoder: the decoder program that the official toml-test runner drives. Reads TOML from
 * standard input and writes the suite's tagged JSON, or exits with 1 and the parser's message on standard
 * error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/buf.h"
#include "kube_mcp/config/toml.h"

#include "kube_mcp/base/banned.h"

static const char *tag_of(enum km_toml_type type)
{
  switch (type) {
  case KM_TOML_STRING: return "string";
  case KM_TOML_INTEGER: return "integer";
  case KM_TOML_FLOAT: return "float";
  case KM_TOML_BOOLEAN: return "bool";
  case KM_TOML_OFFSET_DATETIME: return "datetime";
  case KM_TOML_LOCAL_DATETIME: return "datetime-local";
  case KM_TOML_LOCAL_DATE: return "date-local";
  case KM_TOML_LOCAL_TIME: return "time-local";
  case KM_TOML_ARRAY:
  case KM_TOML_TABLE:
  default: abort();
  }
}

static yyjson_mut_val *tagged(yyjson_mut_doc *doc, enum km_toml_type type, yyjson_mut_val *text)
{
  yyjson_mut_val *object = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, object, "type", tag_of(type));
  yyjson_mut_obj_add_val(doc, object, "value", text);
  return object;
}

static yyjson_mut_val *encode_float(yyjson_mut_doc *doc, double value)
{
  char text[40];
  if (isnan(value)) {
    return yyjson_mut_str(doc, "nan");
  }
  snprintf(text, sizeof text, "%.17g", value);
  return yyjson_mut_strcpy(doc, text);
}

static yyjson_mut_val *encode(yyjson_mut_doc *doc, const struct km_toml_value *value)
{
  yyjson_mut_val *result = NULL;
  char text[40];
  switch (value->type) {
  case KM_TOML_TABLE:
    result = yyjson_mut_obj(doc);
    for (size_t i = 0; i < value->as.table.count; i++) {
      const struct km_toml_entry *entry = &value->as.table.entries[i];
      yyjson_mut_val *key = yyjson_mut_strncpy(doc, entry->key, entry->key_len);
      yyjson_mut_obj_add(result, key, encode(doc, entry->value));
    }
    return result;
  case KM_TOML_ARRAY:
    result = yyjson_mut_arr(doc);
    for (size_t i = 0; i < value->as.array.count; i++) {
      yyjson_mut_arr_append(result, encode(doc, value->as.array.items[i]));
    }
    return result;
  case KM_TOML_INTEGER:
    snprintf(text, sizeof text, "%lld", (long long)value->as.integer);
    return tagged(doc, value->type, yyjson_mut_strcpy(doc, text));
  case KM_TOML_FLOAT: return tagged(doc, value->type, encode_float(doc, value->as.floating));
  case KM_TOML_BOOLEAN:
    return tagged(doc, value->type, yyjson_mut_str(doc, value->as.boolean ? "true" : "false"));
  case KM_TOML_STRING:
  case KM_TOML_OFFSET_DATETIME:
  case KM_TOML_LOCAL_DATETIME:
  case KM_TOML_LOCAL_DATE:
  case KM_TOML_LOCAL_TIME:
  default:
    return tagged(doc, value->type, yyjson_mut_strncpy(doc, value->as.string.data, value->as.string.len));
  }
}

static bool read_all(FILE *in, struct km_buf *out)
{
  char chunk[4096];
  size_t len;
  while ((len = fread(chunk, 1, sizeof chunk, in)) > 0) {
    km_buf_append(out, chunk, len);
  }
  return !out->failed && !ferror(in);
}

int main(void)
{
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_buf input;
  struct km_toml_value *root;
  struct km_error err = {0};
  int status = EXIT_FAILURE;

  km_buf_init(&input, KM_TOML_MAX_BYTES + 1);
  if (!read_all(stdin, &input)) {
    fprintf(stderr, "cannot read the document\n");
  } else if (km_toml_parse(arena, input.data, input.len, "stdin", &root, &err) != KM_OK) {
    fprintf(stderr, "%s\n", err.message);
  } else {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(doc, encode(doc, root));
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
    status = json != NULL && puts(json) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    free(json);
    yyjson_mut_doc_free(doc);
  }
  km_buf_done(&input);
  km_arena_free(arena);
  return status;
}
