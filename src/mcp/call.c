/* Life of a call: created by receive, linked into the server's table while it is in flight, released when its answer has
 * gone out. A call's arena holds everything made for it, the call included.
 *
 * Where an answer goes can vanish at any time. p->reply is guarded by p->reply_mutex, which is held while the transport
 * is called, so when km_mcp_peer_gone has taken the reply nobody uses it any more. reply->owner is guarded by mcp->mutex.
 * Lock order: reply_mutex, then mcp->mutex. */
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_MESSAGE_BYTES ((size_t)96 * 1024 * 1024)

struct km_call *call_new(struct km_mcp *mcp, struct km_reply *reply)
{
  struct km_arena *arena = km_arena_new(mcp->features->max_call_bytes);
  struct km_call *call = KM_ARENA_NEW(arena, struct km_call);
  struct km_call_private *p = KM_ARENA_NEW(arena, struct km_call_private);
  call->mcp = mcp;
  call->arena = arena;
  call->cancel = km_cancel_new();
  call->client_name = "";
  call->principal = "";
  call->app = mcp->features->app;
  call->private = p;
  call->result.doc = km_json_new(arena);
  call->result.content = yyjson_mut_arr(call->result.doc);
  p->log_level = LOG_NONE;
  p->progress_last = -1; /* the first report may be of nothing done yet */
  p->started_ns = km_clock_ns();
  atomic_init(&p->refs, 1);
  pthread_mutex_init(&p->reply_mutex, NULL);
  p->reply = reply;
  KM_SCOPED_LOCK(&mcp->mutex);
  mcp->alive++;
  if (reply != NULL) {
    reply->owner = call;
  }
  return call;
}

void call_ref(struct km_call *call)
{
  atomic_fetch_add_explicit(&call->private->refs, 1, memory_order_relaxed);
}

void call_unref(struct km_call *call)
{
  struct km_call_private *p = call->private;
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
    return;
  }
  KM_ASSERT(p->reply == NULL);
  struct km_mcp *mcp = call->mcp;
  struct km_session *session = p->session;
  subscription_free(p->subscription);
  pthread_mutex_destroy(&p->reply_mutex);
  km_cancel_unref(call->cancel);
  km_arena_free(call->arena);
  if (session != NULL) {
    session_unref(mcp, session);
  }
  KM_SCOPED_LOCK(&mcp->mutex);
  if (--mcp->alive == 0) {
    pthread_cond_broadcast(&mcp->drained); /* km_mcp_free may go on once this returns */
  }
}

void call_link(struct km_call *call)
{
  struct km_mcp *mcp = call->mcp;
  struct km_call_private *p = call->private;
  call_ref(call);
  KM_SCOPED_LOCK(&mcp->mutex);
  p->linked = true;
  p->next = mcp->calls;
  if (mcp->calls != NULL) {
    mcp->calls->private->prev = call;
  }
  mcp->calls = call;
  *(p->subscription != NULL ? &mcp->streams : &mcp->in_flight) += 1;
}

void call_unlink(struct km_call *call)
{
  struct km_mcp *mcp = call->mcp;
  struct km_call_private *p = call->private;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    if (!p->linked) {
      return;
    }
    p->linked = false;
    *(p->prev != NULL ? &p->prev->private->next : &mcp->calls) = p->next;
    if (p->next != NULL) {
      p->next->private->prev = p->prev;
    }
    *(p->subscription != NULL ? &mcp->streams : &mcp->in_flight) -= 1;
  }
  call_unref(call);
}

static bool send_locked(struct km_call *call, const yyjson_mut_val *val)
{
  struct km_reply *reply = call->private->reply;
  struct km_buf json;
  km_buf_init(&json, MAX_MESSAGE_BYTES);
  bool sent =
      reply != NULL && km_json_write(val, false, &json) && reply->ops->send(reply, json.data, json.len);
  km_buf_done(&json);
  return sent;
}

bool call_send(struct km_call *call, const yyjson_mut_val *val)
{
  KM_SCOPED_LOCK(&call->private->reply_mutex);
  return send_locked(call, val);
}

bool call_link_and_send(struct km_call *call, const yyjson_mut_val *val)
{
  KM_SCOPED_LOCK(&call->private->reply_mutex);
  call_link(call);
  return send_locked(call, val);
}

/* Takes the reply out of the call; after this nobody finds the call through it. */
static struct km_reply *take_reply_locked(struct km_call *call)
{
  struct km_reply *reply = call->private->reply;
  call->private->reply = NULL;
  if (reply != NULL) {
    KM_SCOPED_LOCK(&call->mcp->mutex);
    reply->owner = NULL;
  }
  return reply;
}

void call_finish(struct km_call *call, const struct km_reply_head *head, const yyjson_mut_val *val)
{
  struct km_buf json;
  km_buf_init(&json, MAX_MESSAGE_BYTES);
  if (val != NULL) {
    km_json_write(val, false, &json);
  }
  KM_SCOPED_LOCK(&call->private->reply_mutex);
  struct km_reply *reply = take_reply_locked(call);
  if (reply != NULL) {
    reply->ops->finish(reply, head, val == NULL ? NULL : json.data, json.len);
  }
  km_buf_done(&json);
}

bool km_mcp_peer_gone(struct km_mcp *mcp, struct km_reply *reply)
{
  struct km_call *call = NULL;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    call = reply->owner;
    if (call == NULL) {
      return false;
    }
    call_ref(call);
  }
  bool taken = false;
  {
    KM_SCOPED_LOCK(&call->private->reply_mutex);
    taken = take_reply_locked(call) != NULL;
  }
  bool is_stream = call->private->subscription != NULL;
  if (is_stream || call->revision == KM_REV_MODERN) {
    km_cancel_trigger(call->cancel, "the client closed the connection");
  }
  if (is_stream) {
    call_unlink(call);
  }
  call_unref(call);
  return taken;
}

struct km_call *km_call_fork(struct km_call *call, int64_t deadline_ms)
{
  struct km_arena *arena = km_arena_new(call->mcp->features->max_call_bytes);
  struct km_call *part = KM_ARENA_NEW(arena, struct km_call);
  struct km_call_private *p = KM_ARENA_NEW(arena, struct km_call_private);
  *part = *call;
  part->arena = arena;
  part->deadline = km_deadline_min(call->deadline, km_deadline_in_ms(deadline_ms));
  part->private = p;
  part->result = (struct km_result){.doc = km_json_new(arena)};
  part->result.content = yyjson_mut_arr(part->result.doc);
  p->log_level = LOG_NONE;
  p->started_ns = km_clock_ns();
  atomic_init(&p->refs, 1);
  pthread_mutex_init(&p->reply_mutex, NULL);
  return part;
}

void km_call_join(struct km_call *part)
{
  pthread_mutex_destroy(&part->private->reply_mutex);
  km_arena_free(part->arena);
}

void km_call_progress(struct km_call *call, double progress, double total, const char *message)
{
  struct km_call_private *p = call->private;
  if (p->progress_token == NULL || progress <= p->progress_last) {
    return;
  }
  p->progress_last = progress;
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *params = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, params, "progressToken", yyjson_val_mut_copy(doc, p->progress_token));
  yyjson_mut_obj_add_real(doc, params, "progress", progress);
  if (total >= 0) {
    yyjson_mut_obj_add_real(doc, params, "total", total);
  }
  if (message != NULL && call->revision != KM_REV_2024_11_05) {
    yyjson_mut_obj_add_strcpy(doc, params, "message", message);
  }
  call_send(call, encode_notification(doc, "notifications/progress", params));
}

void km_call_log(struct km_call *call, enum km_log_level level, const char *logger, const char *text)
{
  if ((int)level < call->private->log_level) {
    return;
  }
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *params = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, params, "level", km_log_level_name(level));
  if (logger != NULL) {
    yyjson_mut_obj_add_strcpy(doc, params, "logger", logger);
  }
  yyjson_mut_obj_add_strcpy(doc, params, "data", text);
  call_send(call, encode_notification(doc, "notifications/message", params));
}

enum km_rc km_call_check(struct km_call *call, struct km_error *err)
{
  enum km_rc rc = km_cancel_check(call->cancel, err);
  if (rc == KM_OK && call->deadline != 0 && km_deadline_left_ms(call->deadline) == 0) {
    return km_error_set(err, KM_E_TIMEOUT, "the call's deadline has passed");
  }
  return rc;
}
