/* JSON-RPC 2.0 as MCP uses it: decoding and classifying one message, and the error codes. */
#ifndef KM_MCP_JSONRPC_H
#define KM_MCP_JSONRPC_H

#include "kube_mcp/codec/json.h"

enum km_jsonrpc_code {
  KM_RPC_PARSE_ERROR = -32700,
  KM_RPC_INVALID_REQUEST = -32600,
  KM_RPC_METHOD_NOT_FOUND = -32601,
  KM_RPC_INVALID_PARAMS = -32602,
  KM_RPC_INTERNAL = -32603,
  KM_RPC_RESOURCE_NOT_FOUND = -32002, /* legacy revisions only */
  KM_RPC_HEADER_MISMATCH = -32020,    /* 2026-07-28 only, as are the next two */
  KM_RPC_MISSING_CAPABILITY = -32021,
  KM_RPC_UNSUPPORTED_VERSION = -32022,
};

enum km_message_kind { KM_MESSAGE_REQUEST, KM_MESSAGE_NOTIFICATION, KM_MESSAGE_RESPONSE };

struct km_message {
  enum km_message_kind kind;
  yyjson_val *id;     /* requests and responses: string or integer, never null */
  const char *method; /* requests and notifications */
  yyjson_val *params; /* object or NULL */
  yyjson_val *result; /* responses */
  yyjson_val *error;  /* responses */
};

/* Checks ROOT against JSON-RPC 2.0 as MCP narrows it. On failure RET->id is still set when it was readable.
 * Errors: KM_E_INVALID; *RET_CODE gets the JSON-RPC code. */
enum km_rc km_message_decode(yyjson_val *root, struct km_message *ret, int *ret_code, struct km_error *err);

#endif
