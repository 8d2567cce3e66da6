/* What the files of src/mcp share: the server, its sessions, the private half of a call. */
#ifndef KM_MCP_INTERNAL_H
#define KM_MCP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "kube_mcp/base/map.h"
#include "kube_mcp/mcp/server.h"

/* A legacy session. Referenced by the table and by each call that belongs to it; fields guarded by mcp->mutex. */
struct km_session {
  char *id;               /* NULL for stdio */
  char *principal;        /* whom the id was issued to; NULL for stdio */
  const void *connection; /* stdio only */
  struct km_reply *push;  /* stdio: where messages outside any exchange go */
  unsigned refs;
  enum km_revision revision; /* KM_REV_NONE until initialize */
  unsigned caps;
  char client_name[64];
  int log_level;
  bool terminated;
  int64_t expires_wall_ms;
  struct km_map *subscriptions; /* URIs; NULL until used */
};

/* A server request waiting for the client's answer. Lives on the asking worker's stack. */
struct pending_request {
  char id[32];
  struct km_session *session;
  pthread_cond_t answered;
  bool done;
  char *answer; /* JSON of the whole response message, malloc'ed */
  size_t answer_len;
  struct pending_request *next;
};

/* What a subscriptions/listen, or the GET stream of a legacy session, wants to hear. */
struct km_subscription {
  bool listen;         /* else a legacy GET stream */
  unsigned changes;    /* enum km_changed bits */
  struct km_map *uris; /* NULL = none (legacy: the session's) */
};

struct km_call_private {
  struct km_session *session;
  yyjson_val *id;
  yyjson_val *progress_token;
  double progress_last;
  int log_level; /* enum km_log_level, or LOG_NONE */
  uint64_t started_ns;
  const struct method *method;
  const struct km_prompt *prompt; /* of prompts/get */
  struct km_subscription *subscription;
  atomic_uint refs;
  pthread_mutex_t reply_mutex; /* guards reply: held while the transport is called */
  struct km_reply *reply;
  const void *connection; /* stdio connection it came from */
  bool linked;            /* in mcp->calls; guarded by mcp->mutex, as are the links */
  struct km_call *prev, *next;
  struct km_call *batch_next; /* calls of one batch, run together */
};

#define LOG_NONE             ((int)KM_LOG_EMERGENCY + 1)
#define REQUEST_STATE_TTL_MS ((int64_t)10 * 60 * 1000)

struct km_mcp {
  const struct km_mcp_features *features;
  struct km_mcp_options options;
  struct km_sealer sealer;
  pthread_mutex_t mutex;   /* sessions, calls, pending */
  pthread_cond_t drained;  /* alive is 0 */
  struct km_map *sessions; /* id -> struct km_session */
  struct km_session *stdio_session;
  struct km_call *calls; /* in flight, and open streams */
  unsigned in_flight, streams;
  unsigned alive; /* call objects: those in flight, and those that somebody still holds */
  struct pending_request *pending;
  atomic_ullong next_id;
  atomic_ullong requests, tool_calls, tool_errors, protocol_errors;
};

/* --- call.c: life of a call ------------------------------------------------------------------------------------- */
struct km_call *call_new(struct km_mcp *mcp, struct km_reply *reply);
void call_ref(struct km_call *call);
void call_unref(struct km_call *call);
void call_link(struct km_call *call);   /* takes a reference; counted as in flight (or as stream) */
void call_unlink(struct km_call *call); /* drops it */
/* Sends JSON of VAL to the peer of the call; false if it is gone. */
bool call_send(struct km_call *call, const yyjson_mut_val *val);
/* Both in one: nothing can be sent to the call before VAL. */
bool call_link_and_send(struct km_call *call, const yyjson_mut_val *val);
/* Ends the exchange. VAL NULL = no body. */
void call_finish(struct km_call *call, const struct km_reply_head *head, const yyjson_mut_val *val);

/* --- input.c: questions to the client ----------------------------------------------------------------------------- */
/* Runs ATTEMPT; in older revisions asks what its result asks and runs it again, until nothing is asked. */
enum km_rc run_with_input(struct km_call *call,
                          enum km_rc (*attempt)(struct km_call *call, struct km_error *err),
                          struct km_error *err);
/* True when a call that has run was answered here: it was cancelled, or asks what its client did not declare. */
bool needs_no_result(struct km_call *call);

/* --- encode_modern.c, encode.c: result -> message --------------------------------------------- */
/* The `result` member for a finished call in its era, from call->result or RESULT members already in OBJ. */
yyjson_mut_val *encode_tool_result(struct km_call *call, yyjson_mut_doc *doc);
void encode_envelope(struct km_call *call, yyjson_mut_doc *doc,
                     yyjson_mut_val *result); /* resultType, _meta */
void encode_cache_hint(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *result, int64_t ttl_ms,
                       bool is_public);
/* {"jsonrpc":"2.0","id":ID,"result":RESULT}; RESULT belongs to DOC. */
yyjson_mut_val *encode_response(yyjson_mut_doc *doc, yyjson_val *id, yyjson_mut_val *result);
yyjson_mut_val *encode_error(yyjson_mut_doc *doc, yyjson_val *id, int code, const char *message,
                             yyjson_mut_val *data);
yyjson_mut_val *encode_notification(yyjson_mut_doc *doc, const char *method, yyjson_mut_val *params);
yyjson_mut_val *encode_server_info(struct km_mcp *mcp, yyjson_mut_doc *doc);
yyjson_mut_val *encode_capabilities(struct km_mcp *mcp, yyjson_mut_doc *doc, enum km_revision revision);

/* Answers with a JSON-RPC error, once. STATUS 0 = 200 for HTTP. */
void answer_error(struct km_call *call, int status, int code, yyjson_mut_val *data, const char *format, ...)
    KM_PRINTF(5, 6);
void answer_result(struct km_call *call, yyjson_mut_val *result);
void answer_result_with(struct km_call *call, const struct km_reply_head *head, yyjson_mut_val *result);
void answer_nothing(struct km_call *call, int status);

/* --- session.c --------------------------------------------------------------------------------------------------- */
/* A new HTTP session; the id to send is (*ret)->id. Returned with a reference. */
struct km_session *session_create(struct km_mcp *mcp, enum km_revision revision, unsigned caps,
                                  const char *client_name, const char *principal);
/* The session of an id from a header: from the table, or rebuilt from the signed id. NULL = unknown or ended. */
struct km_session *session_find(struct km_mcp *mcp, const char *id, const char *principal);
struct km_session *session_for_connection(struct km_mcp *mcp, const struct km_peer *peer);
void session_unref(struct km_mcp *mcp, struct km_session *session);
void sessions_free(struct km_mcp *mcp);

/* --- dispatch.c: methods ------------------------------------------------------------------------------------------ */
struct method {
  const char *name;
  bool legacy, modern;
  bool deferred;          /* runs on a worker lane */
  const char *name_param; /* member of params that Mcp-Name repeats, or NULL */
  void (*handle)(struct km_call *call);
};
const struct method *method_find(const char *name);
void handle_notification(struct km_mcp *mcp, const struct km_peer *peer, struct km_session *session,
                         const struct km_message *message);
yyjson_mut_val *list_tools(struct km_mcp *mcp, yyjson_mut_doc *doc);
const struct km_tool *tool_find(struct km_mcp *mcp, const char *name);
/* Runs CALL's tool with ARGUMENTS into call->result (errors included as envelope). Returns the tool's category. */
enum km_rc tool_run(struct km_call *call, yyjson_val *arguments);

/* --- stream.c: subscriptions and what they hear -------------------------------------------------------------------- */
void handle_listen(struct km_call *call);
void subscription_free(struct km_subscription *subscription);
/* Ends a stream from our side (listen: with its result). */
void stream_end(struct km_call *call);
/* Ends a stream that its client has cancelled: it expects no answer any more. */
void stream_drop(struct km_call *call);

/* --- modern.c: the checks a 2026-07-28 request passes before it is dispatched --------------------------------------- */
/* False if it has been answered. */
bool modern_check(struct km_call *call, const struct km_peer *peer, const struct km_message *message,
                  const struct km_envelope *envelope);
/* What binds an echoed state to its request: a digest of method, caller and all params but the answers. */
const char *request_digest(struct km_call *call);
/* Refuses the call for the client capabilities in MISSING (enum km_client_cap). */
void answer_missing_capability(struct km_call *call, unsigned missing);

#endif
