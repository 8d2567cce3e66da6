/* One call in flight, neutral of era and transport: what a tool sees of the protocol. */
#ifndef KM_MCP_CALL_H
#define KM_MCP_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "kube_mcp/base/arena.h"
#include "kube_mcp/base/cancel.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/log.h"
#include "kube_mcp/mcp/era.h"
#include "kube_mcp/mcp/result.h"
#include "kube_mcp/mcp/seal.h"
#include "kube_mcp/tool.h"

struct km_mcp;     /* mcp/server.h */
struct km_reply;   /* transport.h */
struct km_session; /* mcp/session.h */

struct km_call {
  struct km_mcp *mcp;
  struct km_arena *arena;
  struct km_cancel *cancel;
  km_deadline deadline;
  enum km_revision revision;
  unsigned client_caps;        /* enum km_client_cap */
  const char *client_name;     /* "" if unknown */
  const char *method;          /* "tools/call" */
  const struct km_tool *tool;  /* for tools/call */
  const char *cluster;         /* set by the tool once the context is resolved: named in errors and the log */
  const char *principal;       /* authenticated caller, "" = none */
  yyjson_val *params;          /* of the request */
  yyjson_val *input_responses; /* object, or NULL (2026-07-28 retries) */
  const char *request_state;   /* verified plain text of the echoed state, or NULL */
  void *app;                   /* what the tools belong to: struct km_server in the product */
  struct km_result result;
  struct km_call_private *private; /* src/mcp only */
};

/* Sends notifications/progress if the client asked for it; values that do not increase are dropped. TOTAL < 0 and
 * MESSAGE NULL leave those members out. */
void km_call_progress(struct km_call *call, double progress, double total, const char *message);
/* Sends notifications/message if the client wants LEVEL. DATA belongs to any document, or TEXT is used. */
void km_call_log(struct km_call *call, enum km_log_level level, const char *logger, const char *text);
/* Legacy revisions: sends a request to the client on this call's stream and waits for its answer. RET_RESULT lives in
 * the call's arena. Errors: KM_E_INVALID (not declared by the client, or its error answer), KM_E_TIMEOUT,
 * KM_E_CANCELLED, KM_E_UNAVAILABLE (the transport cannot). */
enum km_rc km_call_request(struct km_call *call, const char *method, yyjson_mut_val *params,
                           int64_t timeout_ms, yyjson_val **ret_result, struct km_error *err);
/* KM_E_CANCELLED or KM_E_TIMEOUT when the call should end. */
enum km_rc km_call_check(struct km_call *call, struct km_error *err);

/* A call that works for CALL on another thread: memory, result and deadline (at most DEADLINE_MS from now) of its own, the
 * same caller, cancellation and tools. What it reports goes nowhere. Ends with km_call_join, before CALL does. */
struct km_call *km_call_fork(struct km_call *call, int64_t deadline_ms);
void km_call_join(struct km_call *part);

#endif
