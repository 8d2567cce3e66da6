/* Results under construction, and the one error envelope. Text goes out sanitized: whatever a cluster put into it is
 * valid UTF-8 without terminal escapes or invisible controls. Everything belongs to the result's document. */
#include "kube_mcp/mcp/result.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_TEXT_BYTES ((size_t)64 * 1024 * 1024)

void km_result_text(struct km_result *result, const char *text, size_t len)
{
  struct km_buf clean;
  km_buf_init(&clean, MAX_TEXT_BYTES);
  km_text_sanitize(&clean, text, len);
  yyjson_mut_val *block = yyjson_mut_arr_add_obj(result->doc, result->content);
  yyjson_mut_obj_add_str(result->doc, block, "type", "text");
  yyjson_mut_obj_add_strncpy(result->doc, block, "text", clean.data, clean.len);
  km_buf_done(&clean);
}

void km_result_printf(struct km_result *result, const char *format, ...)
{
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  va_list args;
  va_start(args, format);
  km_buf_vprintf(&text, format, args);
  va_end(args);
  km_result_text(result, text.data, text.len);
  km_buf_done(&text);
}

void km_result_structured(struct km_result *result, yyjson_mut_val *object)
{
  struct km_buf json;
  km_buf_init(&json, MAX_TEXT_BYTES);
  km_json_write(object, false, &json);
  km_result_text(result, json.data, json.len);
  km_buf_done(&json);
  result->structured = object;
}

void km_result_block(struct km_result *result, yyjson_mut_val *block)
{
  yyjson_mut_arr_append(result->content, block);
}

void km_result_need_input(struct km_result *result, const char *key, const char *method,
                          yyjson_mut_val *params)
{
  yyjson_mut_doc *doc = result->doc;
  if (result->input_requests == NULL) {
    result->input_requests = yyjson_mut_obj(doc);
  }
  yyjson_mut_val *request = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_strcpy(doc, request, "method", method);
  yyjson_mut_obj_add_val(doc, request, "params", params);
  yyjson_mut_obj_add(result->input_requests, yyjson_mut_strcpy(doc, key), request);
}

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
  struct km_buf clean;
  km_buf_init(&clean, MAX_TEXT_BYTES);
  km_text_sanitize(&clean, text, strlen(text));
  yyjson_mut_obj_add_strncpy(doc, object, key, clean.data, clean.len);
  km_buf_done(&clean);
}

void km_result_error(struct km_result *result, const struct km_error *err, const char *cluster,
                     const char *tool)
{
  yyjson_mut_doc *doc = result->doc;
  yyjson_mut_val *root = yyjson_mut_obj(doc);
  yyjson_mut_val *envelope = yyjson_mut_obj_add_obj(doc, root, "error");
  yyjson_mut_obj_add_str(doc, envelope, "type", km_error_type_name(km_error_effective_type(err)));
  add_text(doc, envelope, "message", err->message);
  yyjson_mut_val *details = yyjson_mut_obj_add_obj(doc, envelope, "details");
  yyjson_mut_obj_add_str(doc, details, "category", km_error_class(err->code)->name);
  if (!km_str_empty(cluster)) {
    add_text(doc, envelope, "cluster", cluster);
  }
  if (!km_str_empty(tool)) {
    add_text(doc, envelope, "tool", tool);
  }
  if (err->reason[0] != '\0') {
    add_text(doc, envelope, "reason", err->reason);
  }
  if (err->http_status != 0) {
    yyjson_mut_obj_add_int(doc, envelope, "http_status", err->http_status);
  }
  if (err->retry_after_ms != 0) {
    yyjson_mut_obj_add_uint(doc, envelope, "retry_after_s", (err->retry_after_ms + 999) / 1000);
  }
  if (err->hint[0] != '\0') {
    add_text(doc, envelope, "hint", err->hint);
  }
  result->content = yyjson_mut_arr(doc);
  result->structured = NULL;
  result->input_requests = NULL;
  result->request_state = NULL;
  km_result_structured(result, root);
  result->structured = NULL;
  result->is_error = true;
}
