/* One message in: parsing, classifying by its body alone, the rules of the older revisions, batches. What can be answered
 * at once is; the rest comes back as a call for the transport to run. Nothing here blocks. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_BATCH 100

/* --- answers of the client ---------------------------------------------------------------------------------------- */

static void deliver_response(struct km_call *call, const struct km_message *message, yyjson_val *root)
{
  const char *id = yyjson_get_str(message->id);
  struct km_mcp *mcp = call->mcp;
  struct km_buf json;
  km_buf_init(&json, (size_t)16 * 1024 * 1024);
  if (id != NULL && km_json_write_val(root, false, &json)) {
    KM_SCOPED_LOCK(&mcp->mutex);
    for (struct pending_request *pending = mcp->pending; pending != NULL; pending = pending->next) {
      if (!pending->done && pending->session == call->private->session && km_streq(pending->id, id)) {
        pending->answer = km_buf_detach(&json, &pending->answer_len);
        pending->done = true;
        pthread_cond_broadcast(&pending->answered);
        break;
      }
    }
  }
  km_buf_done(&json);
}

/* --- the older revisions ------------------------------------------------------------------------------------------ */

/* Finds the session of an HTTP message. False if the message has been answered. */
static bool enter_http_session(struct km_call *call, const struct km_peer *peer, const char *method)
{
  const char *version = peer->protocol_version;
  bool names_modern = km_revision_parse(version) == KM_REV_MODERN;
  if (km_streq(method, "initialize")) {
    if (names_modern) {
      answer_error(call, 400, KM_RPC_HEADER_MISMATCH, NULL,
                   "Header MCP-Protocol-Version names a revision without initialize");
      return false;
    }
    return true; /* a stale session id is ignored: clients re-send it after a restart */
  }
  if (names_modern) {
    answer_error(call, 400, KM_RPC_INVALID_PARAMS, NULL,
                 "Missing in params._meta: \"" KM_META_VERSION "\", \"" KM_META_CAPABILITIES "\"");
    return false;
  }
  if (version != NULL && km_revision_parse(version) == KM_REV_NONE) {
    answer_error(call, 400, KM_RPC_INVALID_REQUEST, NULL, "Unsupported MCP-Protocol-Version: %.40s", version);
    return false;
  }
  if (peer->session_id == NULL) {
    answer_error(call, 400, KM_RPC_INVALID_REQUEST, NULL,
                 "Missing header: Mcp-Session-Id; send initialize first");
    return false;
  }
  call->private->session = session_find(call->mcp, peer->session_id, peer->principal);
  if (call->private->session == NULL) {
    answer_error(call, 404, KM_RPC_INVALID_REQUEST, NULL, "Unknown or ended session; send initialize again");
    return false;
  }
  return true;
}

static bool enter_legacy(struct km_call *call, const struct km_peer *peer, const char *method)
{
  if (peer->http) {
    if (!enter_http_session(call, peer, method)) {
      return false;
    }
  } else {
    call->private->session = session_for_connection(call->mcp, peer);
  }
  const struct km_session *session = call->private->session;
  call->revision = KM_REV_NEWEST_LEGACY;
  if (session != NULL) {
    KM_SCOPED_LOCK(&call->mcp->mutex);
    call->revision = session->revision;
    call->client_caps = session->caps;
    call->client_name = km_arena_strdup(call->arena, session->client_name);
    call->private->log_level = session->log_level;
  }
  return true;
}

static struct km_call *receive_legacy(struct km_call *call, const struct km_peer *peer,
                                      const struct km_message *message, yyjson_val *root)
{
  if (!enter_legacy(call, peer, message->method)) {
    return NULL;
  }
  switch (message->kind) {
  case KM_MESSAGE_RESPONSE:
    deliver_response(call, message, root);
    answer_nothing(call, 202);
    return NULL;
  case KM_MESSAGE_NOTIFICATION:
    handle_notification(call->mcp, peer, call->private->session, message);
    answer_nothing(call, 202);
    return NULL;
  case KM_MESSAGE_REQUEST: break;
  }
  const struct method *method = method_find(message->method);
  if (method == NULL || !method->legacy) {
    answer_error(call, 0, KM_RPC_METHOD_NOT_FOUND, NULL, "Method not found: %.80s", message->method);
    return NULL;
  }
  bool handshake = km_streq(message->method, "initialize") || km_streq(message->method, "ping");
  if (call->revision == KM_REV_NONE && !handshake) {
    answer_error(call, 0, KM_RPC_INVALID_REQUEST, NULL,
                 "Not initialized: send initialize first, or requests with the 2026-07-28 _meta envelope");
    return NULL;
  }
  call->private->method = method;
  return call;
}

/* --- one message --------------------------------------------------------------------------------------------------- */

static struct km_call *receive_modern(struct km_call *call, const struct km_peer *peer,
                                      const struct km_message *message, const struct km_envelope *envelope)
{
  if (message->kind == KM_MESSAGE_NOTIFICATION) {
    handle_notification(call->mcp, peer, NULL, message);
    answer_nothing(call, 202);
    return NULL;
  }
  return modern_check(call, peer, message, envelope) ? call : NULL;
}

/* Returns the call if a worker has to run it. */
static struct km_call *receive_one(struct km_call *call, const struct km_peer *peer, yyjson_val *root)
{
  struct km_call_private *p = call->private;
  struct km_message message;
  struct km_error err = {0};
  int code = 0;
  enum km_rc rc = km_message_decode(root, &message, &code, &err);
  p->id = message.id;
  if (rc != KM_OK && !peer->http && message.kind != KM_MESSAGE_REQUEST) {
    answer_nothing(call, 400); /* nobody waits for an answer to these */
    return NULL;
  }
  if (rc != KM_OK) {
    answer_error(call, 400, code, NULL, "%s", err.message);
    return NULL;
  }
  atomic_fetch_add_explicit(&call->mcp->requests, 1, memory_order_relaxed);
  call->method = message.method;
  call->params = message.params;
  call->principal = km_arena_strdup(call->arena, peer->principal == NULL ? "" : peer->principal);
  p->connection = peer->connection;
  struct km_envelope envelope;
  km_envelope_read(message.params, &envelope);
  p->progress_token = envelope.progress_token;
  struct km_call *ready = envelope.present ? receive_modern(call, peer, &message, &envelope)
                                           : receive_legacy(call, peer, &message, root);
  if (ready == NULL) {
    return NULL;
  }
  if (p->method->deferred) {
    call_link(call);
    return call;
  }
  p->method->handle(call);
  return NULL;
}

/* --- batches (2025-03-26 only) ------------------------------------------------------------------------------------- */

struct batch {
  struct km_call *carrier; /* holds the transport's reply */
  pthread_mutex_t mutex;
  size_t open;           /* items without answer */
  struct km_buf answers; /* "[a,b" */
};

struct batch_item {
  struct km_reply reply;
  struct batch *batch;
};

static bool item_send(struct km_reply *reply, const char *json, size_t len)
{
  struct km_call_private *p = KM_CONTAINER_OF(reply, struct batch_item, reply)->batch->carrier->private;
  KM_SCOPED_LOCK(&p->reply_mutex);
  return p->reply != NULL && p->reply->ops->send(p->reply, json, len);
}

static void batch_close(struct batch *batch)
{
  struct km_call *carrier = batch->carrier;
  struct km_reply_head head = {.status = batch->answers.len > 0 ? 200 : 202};
  yyjson_mut_val *all = NULL;
  if (batch->answers.len > 0) {
    km_buf_putc(&batch->answers, ']');
    all = yyjson_mut_rawncpy(carrier->result.doc, batch->answers.data, batch->answers.len);
  }
  call_finish(carrier, &head, all);
  km_buf_done(&batch->answers);
  pthread_mutex_destroy(&batch->mutex);
  free(batch);
  call_unref(carrier);
}

static void batch_release(struct batch *batch)
{
  pthread_mutex_lock(&batch->mutex);
  bool last = --batch->open == 0;
  pthread_mutex_unlock(&batch->mutex);
  if (last) {
    batch_close(batch);
  }
}

static void item_finish(struct km_reply *reply, const struct km_reply_head *head, const char *json,
                        size_t len)
{
  (void)head; /* one status for the whole batch */
  struct batch_item *item = KM_CONTAINER_OF(reply, struct batch_item, reply);
  struct batch *batch = item->batch;
  if (json != NULL) {
    KM_SCOPED_LOCK(&batch->mutex);
    km_buf_putc(&batch->answers, batch->answers.len == 0 ? '[' : ',');
    km_buf_append(&batch->answers, json, len);
  }
  free(item);
  batch_release(batch);
}

static const struct km_reply_ops item_ops = {.send = item_send, .finish = item_finish};

/* True when a batch may be processed: the peer negotiated 2025-03-26 and no element is of another kind. */
static bool batch_allowed(struct km_call *carrier, const struct km_peer *peer, yyjson_val *root)
{
  size_t i, max;
  yyjson_val *item;
  yyjson_arr_foreach(root, i, max, item)
  {
    struct km_envelope envelope;
    km_envelope_read(km_json_obj(item, "params"), &envelope);
    if (envelope.present || km_streq(km_json_str(item, "method"), "initialize")) {
      return false;
    }
  }
  struct km_session *session = NULL;
  if (!peer->http) {
    session = session_for_connection(carrier->mcp, peer);
  } else if (peer->session_id != NULL) {
    session = session_find(carrier->mcp, peer->session_id, peer->principal);
  }
  carrier->private->session = session;
  return session != NULL && session->revision == KM_REV_2025_03_26;
}

static struct km_call *receive_batch(struct km_call *carrier, const struct km_peer *peer, yyjson_val *root)
{
  size_t count = yyjson_arr_size(root);
  if (count == 0 || count > MAX_BATCH || !batch_allowed(carrier, peer, root)) {
    answer_error(carrier, 400, KM_RPC_INVALID_REQUEST, NULL, "Invalid request: %s",
                 count == 0
                     ? "a batch must not be empty"
                     : "batches exist only in revision 2025-03-26, without initialize, up to 100 messages");
    call_unref(carrier);
    return NULL;
  }
  struct batch *batch = calloc(1, sizeof(*batch));
  KM_ASSERT(batch != NULL);
  batch->carrier = carrier;
  batch->open = count + 1; /* ours until all items have been received */
  pthread_mutex_init(&batch->mutex, NULL);
  km_buf_init(&batch->answers, (size_t)64 * 1024 * 1024);
  struct km_call *first = NULL;
  size_t i, max;
  yyjson_val *element;
  yyjson_arr_foreach(root, i, max, element)
  {
    struct batch_item *item = calloc(1, sizeof(*item));
    KM_ASSERT(item != NULL);
    item->reply.ops = &item_ops;
    item->batch = batch;
    struct km_call *call = call_new(carrier->mcp, &item->reply);
    /* Each item outlives the batch's text, so it gets a copy of its own. */
    yyjson_doc *copy = NULL;
    struct km_buf json;
    struct km_error err = {0};
    km_buf_init(&json, (size_t)64 * 1024 * 1024);
    km_json_write_val(element, false, &json);
    if (km_json_parse(call->arena, json.data, json.len, KM_JSON_MAX_DEPTH, &copy, &err) != KM_OK) {
      answer_error(call, 400, KM_RPC_PARSE_ERROR, NULL, "Parse error: %s", err.message);
    } else if (receive_one(call, peer, yyjson_doc_get_root(copy)) != NULL) {
      call->private->batch_next = first;
      first = call;
    }
    km_buf_done(&json);
    call_unref(call);
  }
  batch_release(batch);
  return first;
}

/* --- entry --------------------------------------------------------------------------------------------------------- */

struct km_call *km_mcp_receive(struct km_mcp *mcp, const struct km_peer *peer, const char *data, size_t len,
                               struct km_reply *reply)
{
  struct km_call *call = call_new(mcp, reply);
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(call->arena, data, len, KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    answer_error(call, 400, KM_RPC_PARSE_ERROR, NULL, "Parse error: %s", err.message);
    call_unref(call);
    return NULL;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  if (yyjson_is_arr(root)) {
    return receive_batch(call, peer, root);
  }
  struct km_call *ready = receive_one(call, peer, root);
  call_unref(call); /* a deferred call is held by the table */
  return ready;
}
