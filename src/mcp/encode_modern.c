/* What 2026-07-28 adds to every result: resultType, serverInfo in _meta, cache hints, requests for input. Results of
 * older revisions pass through untouched: several of them must have no other member than theirs. */
#include <string.h>

#include "internal.h"

#include "kube_mcp/base/banned.h"

static yyjson_mut_val *sealed_state(struct km_call *call, yyjson_mut_doc *doc)
{
  const char *state = call->result.request_state;
  const char *sealed = km_seal(&call->mcp->sealer, call->arena, "requestState", request_digest(call),
                               REQUEST_STATE_TTL_MS, state, strlen(state));
  return yyjson_mut_str(doc, sealed);
}

/* Replaces what is in RESULT by the request for more input. */
static void encode_input_required(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *result)
{
  yyjson_mut_obj_clear(result);
  yyjson_mut_obj_add_str(doc, result, "resultType", "input_required");
  if (call->result.input_requests != NULL) {
    yyjson_mut_obj_add_val(doc, result, "inputRequests", call->result.input_requests);
  }
  if (call->result.request_state != NULL) {
    yyjson_mut_obj_add_val(doc, result, "requestState", sealed_state(call, doc));
  }
}

void encode_envelope(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *result)
{
  if (call->revision != KM_REV_MODERN) {
    return;
  }
  if (call->result.input_requests != NULL || call->result.request_state != NULL) {
    encode_input_required(call, doc, result);
  } else {
    yyjson_mut_obj_add_str(doc, result, "resultType", "complete");
  }
  yyjson_mut_val *meta = yyjson_mut_obj_get(result, "_meta");
  if (meta == NULL) {
    meta = yyjson_mut_obj_add_obj(doc, result, "_meta");
  }
  yyjson_mut_obj_add_val(doc, meta, KM_META_SERVER_INFO, encode_server_info(call->mcp, doc));
}

void encode_cache_hint(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *result, int64_t ttl_ms,
                       bool is_public)
{
  if (call->revision == KM_REV_MODERN) {
    yyjson_mut_obj_add_sint(doc, result, "ttlMs", ttl_ms);
    yyjson_mut_obj_add_str(doc, result, "cacheScope", is_public ? "public" : "private");
  }
}
