/* The ladder of checks for a 2026-07-28 request: envelope, headers against body, version, method, parameter headers,
 * client capabilities, echoed request state. The order decides which error a client sees and is that of the
 * specification (reference: Streamable HTTP transport, "Server validation"). */
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define BASE64_PREFIX "=?base64?"
#define BASE64_SUFFIX "?="

/* The value a header carries: literal text, or base64 between the markers. NULL if malformed. */
static const char *header_decode(struct km_arena *arena, const char *value)
{
  size_t len = strlen(value);
  size_t prefix = strlen(BASE64_PREFIX), suffix = strlen(BASE64_SUFFIX);
  if (!km_starts_with(value, BASE64_PREFIX) || !km_ends_with(value, BASE64_SUFFIX) || len < prefix + suffix) {
    return value;
  }
  uint8_t *decoded = NULL;
  size_t decoded_len = 0;
  struct km_error ignored = {0};
  if (km_base64_decode(arena, value + prefix, len - prefix - suffix, false, &decoded, &decoded_len,
                       &ignored) != KM_OK ||
      strlen((char *)decoded) != decoded_len) {
    return NULL;
  }
  return (const char *)decoded;
}

static bool fail_header(struct km_call *call, const char *format, const char *detail)
{
  char text[256];
  (void)snprintf(text, sizeof(text), "%s", detail);
  struct km_buf message;
  km_buf_init(&message, 1024);
  km_buf_puts(&message, format);
  km_buf_puts(&message, text);
  answer_error(call, 400, KM_RPC_HEADER_MISMATCH, NULL, "%s", message.data);
  km_buf_done(&message);
  return false;
}

static bool check_envelope(struct km_call *call, const struct km_envelope *envelope)
{
  if (envelope->version == NULL) {
    answer_error(call, 400, KM_RPC_INVALID_PARAMS, NULL, "_meta[\"" KM_META_VERSION "\"] must be a string");
    return false;
  }
  if (envelope->capabilities == NULL) {
    answer_error(call, 400, KM_RPC_INVALID_PARAMS, NULL,
                 "_meta[\"" KM_META_CAPABILITIES "\"] is required and must be an object");
    return false;
  }
  return true;
}

static bool check_version(struct km_call *call, const struct km_envelope *envelope)
{
  if (envelope->revision != KM_REV_NONE) {
    return true;
  }
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *data = yyjson_mut_obj(doc);
  yyjson_mut_val *supported = yyjson_mut_obj_add_arr(doc, data, "supported");
  yyjson_mut_arr_add_str(doc, supported, km_revision_name(KM_REV_MODERN));
  yyjson_mut_obj_add_strcpy(doc, data, "requested", envelope->version);
  answer_error(call, 400, KM_RPC_UNSUPPORTED_VERSION, data, "Unsupported protocol version: %.40s",
               envelope->version);
  return false;
}

static bool check_presence(struct km_call *call, const struct km_peer *peer, const char *wanted_name,
                           const char *name_param)
{
  if (peer->protocol_version == NULL) {
    return fail_header(call, "Missing header: ", "MCP-Protocol-Version");
  }
  if (peer->method == NULL) {
    return fail_header(call, "Missing header: ", "Mcp-Method");
  }
  if (name_param == NULL || wanted_name == NULL) {
    return true;
  }
  if (peer->name == NULL) {
    return fail_header(call, "Missing header: Mcp-Name, which repeats params.", name_param);
  }
  const char *given = header_decode(call->arena, peer->name);
  if (given == NULL) {
    return fail_header(call, "Malformed base64 in header ", "Mcp-Name");
  }
  if (!km_streq(given, wanted_name)) {
    return fail_header(call, "Header Mcp-Name differs from params.", name_param);
  }
  return true;
}

static bool param_equals(const struct km_arg *arg, yyjson_val *value, const char *header)
{
  if (yyjson_is_bool(value)) {
    return km_streq(header, yyjson_get_bool(value) ? "true" : "false");
  }
  int64_t number = 0;
  if (arg->type == KM_ARG_INT && yyjson_is_int(value)) {
    return km_parse_i64(header, &number) && number == yyjson_get_sint(value);
  }
  return yyjson_is_str(value) && km_streq(header, yyjson_get_str(value));
}

/* Mcp-Param-NAME headers must repeat the arguments that the tool's schema marks with x-mcp-header. */
static bool check_params(struct km_call *call, const struct km_peer *peer, const struct km_tool *tool)
{
  yyjson_val *arguments = km_json_obj(call->params, "arguments");
  for (size_t i = 0; i < tool->arg_count; i++) {
    const struct km_arg *arg = &tool->args[i];
    if (arg->header == NULL) {
      continue;
    }
    yyjson_val *value = yyjson_obj_get(arguments, arg->name);
    const char *header = peer->param_header == NULL ? NULL : peer->param_header(peer, arg->header);
    if (value == NULL || yyjson_is_null(value)) {
      if (header != NULL) {
        return fail_header(call, "Unexpected header: Mcp-Param-", arg->header);
      }
      continue;
    }
    const char *decoded = header == NULL ? NULL : header_decode(call->arena, header);
    if (decoded == NULL) {
      return fail_header(call, "Missing or malformed header: Mcp-Param-", arg->header);
    }
    if (!param_equals(arg, value, decoded)) {
      return fail_header(call, "Header differs from its argument: Mcp-Param-", arg->header);
    }
  }
  return true;
}

void answer_missing_capability(struct km_call *call, unsigned missing)
{
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *data = yyjson_mut_obj(doc);
  yyjson_mut_val *required = yyjson_mut_obj_add_obj(doc, data, "requiredCapabilities");
  if ((missing & KM_CAP_SAMPLING) != 0) {
    yyjson_mut_obj_add_obj(doc, required, "sampling");
  }
  if ((missing & (KM_CAP_ELICITATION_FORM | KM_CAP_ELICITATION_URL)) != 0) {
    yyjson_mut_obj_add_obj(doc, required, "elicitation");
  }
  if ((missing & KM_CAP_ROOTS) != 0) {
    yyjson_mut_obj_add_obj(doc, required, "roots");
  }
  answer_error(call, 400, KM_RPC_MISSING_CAPABILITY, data,
               "%s needs a capability that the client did not declare", call->method);
}

const char *request_digest(struct km_call *call)
{
  yyjson_mut_doc *doc = km_json_new(call->arena);
  yyjson_mut_val *copy = yyjson_val_mut_copy(doc, call->params);
  yyjson_mut_obj_remove_key(copy, "_meta");
  yyjson_mut_obj_remove_key(copy, "inputResponses");
  yyjson_mut_obj_remove_key(copy, "requestState");
  struct km_buf text;
  km_buf_init(&text, (size_t)128 * 1024 * 1024);
  km_buf_printf(&text, "%s\n%s\n", call->method, call->principal);
  km_json_write(copy, false, &text);
  uint8_t digest[KM_SHA256_LEN];
  km_sha256(text.data, text.len, digest);
  km_buf_done(&text);
  char *hex = km_arena_alloc(call->arena, 2 * KM_SHA256_LEN + 1);
  km_hex(hex, digest, KM_SHA256_LEN);
  return hex;
}

static bool check_state(struct km_call *call)
{
  call->input_responses = km_json_obj(call->params, "inputResponses");
  const char *state = km_json_str(call->params, "requestState");
  if (state == NULL) {
    return true;
  }
  const uint8_t *plain = NULL;
  size_t len = 0;
  struct km_error err = {0};
  if (km_unseal(&call->mcp->sealer, call->arena, "requestState", request_digest(call), state, &plain, &len,
                &err) != KM_OK) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "%s", err.message);
    return false;
  }
  call->request_state = km_arena_strndup(call->arena, (const char *)plain, len);
  return true;
}

static bool check_log_level(struct km_call *call, const struct km_envelope *envelope)
{
  if (envelope->log_level == NULL) {
    return true;
  }
  enum km_log_level level;
  if (!km_log_level_parse(envelope->log_level, &level)) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "Unknown log level '%.40s'", envelope->log_level);
    return false;
  }
  call->private->log_level = (int)level;
  return true;
}

bool modern_check(struct km_call *call, const struct km_peer *peer, const struct km_message *message,
                  const struct km_envelope *envelope)
{
  if (!check_envelope(call, envelope)) {
    return false;
  }
  if (peer->http) {
    if (peer->protocol_version != NULL && !km_streq(peer->protocol_version, envelope->version)) {
      return fail_header(call, "Header differs from the body: ", "MCP-Protocol-Version");
    }
    if (peer->method != NULL && !km_streq(peer->method, message->method)) {
      return fail_header(call, "Header differs from the body: ", "Mcp-Method");
    }
  }
  if (!check_version(call, envelope)) {
    return false;
  }
  call->revision = KM_REV_MODERN;
  call->client_caps = envelope->caps;
  call->client_name = envelope->client_name == NULL ? "" : envelope->client_name;
  const struct method *method = method_find(message->method);
  const char *name_param = method == NULL ? NULL : method->name_param;
  const char *wanted_name = name_param == NULL ? NULL : km_json_str(message->params, name_param);
  if (peer->http && !check_presence(call, peer, wanted_name, name_param)) {
    return false;
  }
  if (method == NULL || !method->modern) {
    answer_error(call, 404, KM_RPC_METHOD_NOT_FOUND, NULL, "Method not found: %.80s", message->method);
    return false;
  }
  call->private->method = method;
  const struct km_tool *tool =
      km_streq(message->method, "tools/call") ? tool_find(call->mcp, wanted_name) : NULL;
  if (tool != NULL && peer->http && !check_params(call, peer, tool)) {
    return false;
  }
  if (tool != NULL && (tool->needs_client & ~call->client_caps) != 0) {
    answer_missing_capability(call, tool->needs_client & ~call->client_caps);
    return false;
  }
  return check_log_level(call, envelope) && check_state(call);
}
