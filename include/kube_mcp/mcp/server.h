/* The protocol server: dispatch of messages to features, for every transport. Knows nothing of Kubernetes; the product
 * and the conformance fixtures hand it their features as tables. */
#ifndef KM_MCP_SERVER_H
#define KM_MCP_SERVER_H

#include "kube_mcp/base/lane.h"
#include "kube_mcp/mcp/call.h"
#include "kube_mcp/transport.h"

struct km_prompt_arg {
  const char *name, *description;
  bool required;
};

struct km_prompt {
  const char *name, *title, *description;
  const struct km_prompt_arg *args;
  size_t arg_count;
  /* Fills result->content with {role, content} messages. ARGUMENTS: object of strings, or NULL. */
  enum km_rc (*get)(struct km_call *call, yyjson_val *arguments, struct km_result *out, struct km_error *err);
};

struct km_mcp_features {
  const char *name, *title, *version, *instructions, *website; /* serverInfo; the last two may be NULL */
  void *app;                                                   /* call->app */
  const struct km_tool *const *tools;                          /* in listing order */
  size_t tool_count;
  const char *tool_prefix; /* "" = none */
  /* May this tool be seen and called? NULL = always. On refusal ERR says why. */
  enum km_rc (*gate)(void *app, const struct km_tool *tool, struct km_error *err);
  /* Resources: NULL list_resources = not offered. Lists are arrays of entries built in DOC. */
  yyjson_mut_val *(*list_resources)(struct km_call *call, yyjson_mut_doc *doc);
  yyjson_mut_val *(*list_templates)(struct km_call *call, yyjson_mut_doc *doc);
  /* Fills result->content with the `contents` entries. KM_E_NOT_FOUND for an unknown URI. */
  enum km_rc (*read_resource)(struct km_call *call, const char *uri, struct km_result *out,
                              struct km_error *err);
  bool resources_subscribe;
  const struct km_prompt *prompts;
  size_t prompt_count;
  /* Completion: appends up to 100 strings to the array VALUES; NULL = not offered. */
  enum km_rc (*complete)(struct km_call *call, yyjson_val *ref, const char *argument, const char *value,
                         yyjson_mut_doc *doc, yyjson_mut_val *values, struct km_error *err);
  bool tools_list_changed, prompts_list_changed,
      resources_list_changed; /* announced and supported by km_mcp_changed */
  bool logging;
  int64_t list_ttl_ms; /* cache hint of lists */
  int64_t default_deadline_ms;
  size_t max_call_bytes; /* arena cap of one call */
};

struct km_mcp_options {
  struct km_lane *short_lane, *stream_lane;
  struct km_secret session_key;
  int64_t session_ttl_ms;
  size_t max_sessions;
};

/* FEATURES and what it points to must outlive the server. */
enum km_rc km_mcp_new(const struct km_mcp_features *features, const struct km_mcp_options *options,
                      struct km_mcp **ret, struct km_error *err);
/* Cancels every call in flight and ends every stream, without waiting. */
void km_mcp_cancel_all(struct km_mcp *mcp);
/* Cancels what is in flight and waits for it. Transports must be stopped first. */
void km_mcp_free(struct km_mcp *mcp);

/* Receives one message (LEN bytes, not necessarily valid anything) from a transport. Answers at once through REPLY, or
 * returns a prepared call that the transport must pass to km_mcp_run when it is ready for answers from other threads
 * (libmicrohttpd: after suspending). PEER describes transport and headers; it is only used during this function.
 * Never blocks. */
struct km_call *km_mcp_receive(struct km_mcp *mcp, const struct km_peer *peer, const char *data, size_t len,
                               struct km_reply *reply);
/* Queues CALL on its lane (or answers that the server is busy). */
void km_mcp_run(struct km_call *call);
/* A stdio connection ended: its session, subscriptions and calls go. */
void km_mcp_connection_closed(struct km_mcp *mcp, const void *connection);
/* The transport lost the peer of this exchange: 2026-07-28 calls and streams are cancelled, legacy calls run on with
 * their answers going nowhere. True: REPLY is not used any more, finish() will not come. False: finish() was called, or
 * is just being called by another thread. */
bool km_mcp_peer_gone(struct km_mcp *mcp, struct km_reply *reply);

/* HTTP session operations: GET (opens the stream on REPLY) and DELETE. Return the HTTP status; 200 from open means the
 * stream is REPLY's from now on. */
int km_mcp_open_stream(struct km_mcp *mcp, const struct km_peer *peer, struct km_reply *reply);
int km_mcp_delete_session(struct km_mcp *mcp, const struct km_peer *peer);

enum km_changed { KM_CHANGED_TOOLS = 1, KM_CHANGED_PROMPTS = 2, KM_CHANGED_RESOURCES = 4 };
/* Tells every legacy stream and every subscriptions/listen that asked. */
void km_mcp_changed(struct km_mcp *mcp, unsigned what);
void km_mcp_resource_updated(struct km_mcp *mcp, const char *uri);

/* Runs one tool in-process without a transport, for the command line: RET_JSON gets the CallToolResult (malloc'ed).
 * RET_RC the tool's own category. */
enum km_rc km_mcp_call_tool(struct km_mcp *mcp, const char *name, const char *arguments_json,
                            struct km_cancel *cancel, char **ret_json, enum km_rc *ret_rc,
                            struct km_error *err);
/* tools/list as malloc'ed JSON array text. */
char *km_mcp_list_tools(struct km_mcp *mcp);

struct km_mcp_stats {
  uint64_t requests, tool_calls, tool_errors, protocol_errors;
  unsigned in_flight, streams;
};
void km_mcp_stats(struct km_mcp *mcp, struct km_mcp_stats *ret);

const struct km_sealer *km_mcp_sealer(const struct km_mcp *mcp);

#endif
