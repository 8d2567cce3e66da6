/* Messages out: the parts that are the same in both eras. Optional members are left out, never null. Values that come
 * from constants or the call's arena are referenced; anything else is copied into the document. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

yyjson_mut_val *encode_response(yyjson_mut_doc *doc, yyjson_val *id, yyjson_mut_val *result)
{
  yyjson_mut_val *message = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, message, "jsonrpc", "2.0");
  yyjson_mut_obj_add_val(doc, message, "id", yyjson_val_mut_copy(doc, id));
  yyjson_mut_obj_add_val(doc, message, "result", result);
  return message;
}

yyjson_mut_val *encode_error(yyjson_mut_doc *doc, yyjson_val *id, int code, const char *text,
                             yyjson_mut_val *data)
{
  yyjson_mut_val *message = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, message, "jsonrpc", "2.0");
  if (id != NULL) { /* clients reject a null id */
    yyjson_mut_obj_add_val(doc, message, "id", yyjson_val_mut_copy(doc, id));
  }
  yyjson_mut_val *error = yyjson_mut_obj_add_obj(doc, message, "error");
  yyjson_mut_obj_add_int(doc, error, "code", code);
  yyjson_mut_obj_add_strcpy(doc, error, "message", text);
  if (data != NULL) {
    yyjson_mut_obj_add_val(doc, error, "data", data);
  }
  return message;
}

yyjson_mut_val *encode_notification(yyjson_mut_doc *doc, const char *method, yyjson_mut_val *params)
{
  yyjson_mut_val *message = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, message, "jsonrpc", "2.0");
  yyjson_mut_obj_add_str(doc, message, "method", method);
  if (params != NULL) {
    yyjson_mut_obj_add_val(doc, message, "params", params);
  }
  return message;
}

yyjson_mut_val *encode_server_info(struct km_mcp *mcp, yyjson_mut_doc *doc)
{
  const struct km_mcp_features *features = mcp->features;
  yyjson_mut_val *info = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, info, "name", features->name);
  if (features->title != NULL) {
    yyjson_mut_obj_add_str(doc, info, "title", features->title);
  }
  yyjson_mut_obj_add_str(doc, info, "version", features->version);
  if (features->website != NULL) {
    yyjson_mut_obj_add_str(doc, info, "websiteUrl", features->website);
  }
  return info;
}

static void add_capability(yyjson_mut_doc *doc, yyjson_mut_val *caps, const char *name, bool list_changed,
                           bool subscribe)
{
  yyjson_mut_val *capability = yyjson_mut_obj_add_obj(doc, caps, name);
  if (subscribe) {
    yyjson_mut_obj_add_bool(doc, capability, "subscribe", true);
  }
  if (list_changed) {
    yyjson_mut_obj_add_bool(doc, capability, "listChanged", true);
  }
}

yyjson_mut_val *encode_capabilities(struct km_mcp *mcp, yyjson_mut_doc *doc, enum km_revision revision)
{
  const struct km_mcp_features *features = mcp->features;
  yyjson_mut_val *caps = yyjson_mut_obj(doc);
  add_capability(doc, caps, "tools", features->tools_list_changed, false);
  if (features->list_resources != NULL) {
    add_capability(doc, caps, "resources", features->resources_list_changed, features->resources_subscribe);
  }
  if (features->prompt_count > 0) {
    add_capability(doc, caps, "prompts", features->prompts_list_changed, false);
  }
  if (features->logging) {
    yyjson_mut_obj_add_obj(doc, caps, "logging");
  }
  if (features->complete != NULL && revision != KM_REV_2024_11_05) {
    yyjson_mut_obj_add_obj(doc, caps, "completions");
  }
  return caps;
}

void answer_error(struct km_call *call, int status, int code, yyjson_mut_val *data, const char *format, ...)
{
  char text[1024];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  atomic_fetch_add_explicit(&call->mcp->protocol_errors, 1, memory_order_relaxed);
  struct km_buf clean; /* the text may quote what the peer sent, cut anywhere */
  km_buf_init(&clean, sizeof(text) * 3);
  km_text_sanitize(&clean, text, strlen(text));
  struct km_reply_head head = {.status = status == 0 ? 200 : status};
  call_finish(call, &head, encode_error(call->result.doc, call->private->id, code, clean.data, data));
  km_buf_done(&clean);
}

void answer_result_with(struct km_call *call, const struct km_reply_head *head, yyjson_mut_val *result)
{
  encode_envelope(call, call->result.doc, result);
  call_finish(call, head, encode_response(call->result.doc, call->private->id, result));
}

void answer_result(struct km_call *call, yyjson_mut_val *result)
{
  struct km_reply_head head = {.status = 200};
  answer_result_with(call, &head, result);
}

void answer_nothing(struct km_call *call, int status)
{
  struct km_reply_head head = {.status = status};
  call_finish(call, &head, NULL);
}

yyjson_mut_val *encode_tool_result(struct km_call *call, yyjson_mut_doc *doc)
{
  struct km_result *out = &call->result;
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, result, "content", out->content);
  /* structuredContent appeared with 2025-06-18; older clients would be sent it for nothing. */
  if (out->structured != NULL && call->revision >= KM_REV_2025_06_18) {
    yyjson_mut_obj_add_val(doc, result, "structuredContent", yyjson_mut_val_mut_copy(doc, out->structured));
  }
  if (out->is_error) {
    yyjson_mut_obj_add_bool(doc, result, "isError", true);
  }
  return result;
}
