/* Decoding one JSON-RPC 2.0 message as MCP narrows it: ids are strings or integers, params are objects, notifications
 * have no id, a response has exactly one of result and error. Nothing is copied: results borrow from the parsed tree. */
#include "kube_mcp/mcp/jsonrpc.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

static bool id_is_valid(yyjson_val *id)
{
  return yyjson_is_str(id) || yyjson_is_int(id) || yyjson_is_raw(id);
}

/* Raw text is a number beyond 64 bits: an integer only if it is made of digits alone. */
static bool raw_is_integer(yyjson_val *id)
{
  const char *text = yyjson_get_raw(id);
  size_t len = yyjson_get_len(id);
  for (size_t i = text[0] == '-' ? 1 : 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') {
      return false;
    }
  }
  return true;
}

static enum km_rc invalid(int code, int *ret_code, struct km_error *err, const char *what)
{
  *ret_code = code;
  return km_error_set(err, KM_E_INVALID, "Invalid request: %s", what);
}

static enum km_rc decode_response(yyjson_val *root, struct km_message *msg, int *ret_code,
                                  struct km_error *err)
{
  msg->kind = KM_MESSAGE_RESPONSE;
  msg->result = yyjson_obj_get(root, "result");
  msg->error = yyjson_obj_get(root, "error");
  if ((msg->result == NULL) == (msg->error == NULL)) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err,
                   "a message needs a method, or exactly one of result and error");
  }
  if (msg->id == NULL) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err, "a response needs the id of its request");
  }
  return KM_OK;
}

enum km_rc km_message_decode(yyjson_val *root, struct km_message *ret, int *ret_code, struct km_error *err)
{
  *ret = (struct km_message){.kind = KM_MESSAGE_REQUEST};
  if (!yyjson_is_obj(root)) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err, "a message is a JSON object");
  }
  yyjson_val *id = yyjson_obj_get(root, "id");
  if (id != NULL && (!id_is_valid(id) || (yyjson_is_raw(id) && !raw_is_integer(id)))) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err, "id must be a string or an integer");
  }
  ret->id = id;
  if (!km_streq(km_json_str(root, "jsonrpc"), "2.0")) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err, "jsonrpc must be \"2.0\"");
  }
  yyjson_val *method = yyjson_obj_get(root, "method");
  if (method == NULL) {
    return decode_response(root, ret, ret_code, err);
  }
  if (!yyjson_is_str(method) || strlen(yyjson_get_str(method)) != yyjson_get_len(method)) {
    return invalid(KM_RPC_INVALID_REQUEST, ret_code, err, "method must be a string");
  }
  ret->method = yyjson_get_str(method);
  ret->kind = id == NULL ? KM_MESSAGE_NOTIFICATION : KM_MESSAGE_REQUEST;
  yyjson_val *params = yyjson_obj_get(root, "params");
  if (params != NULL && !yyjson_is_obj(params)) {
    return invalid(KM_RPC_INVALID_PARAMS, ret_code, err, "params must be an object");
  }
  ret->params = params;
  return KM_OK;
}
