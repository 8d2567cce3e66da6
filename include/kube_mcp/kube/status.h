/* What an API server's refusal means. */
#ifndef KM_KUBE_STATUS_H
#define KM_KUBE_STATUS_H

#include "kube_mcp/codec/json.h"
#include "kube_mcp/net/http.h"

/* Turns a non-2xx answer into an error: category by status code and Status.reason, message from Status.message (cleaned,
 * cut) or from what else came, http_status, retry_after, hint. CONTEXT names the cluster in messages. */
enum km_rc km_status_error(const struct km_http_response *response, const char *context, const char *method,
                           const char *path, struct km_error *err);

#endif
