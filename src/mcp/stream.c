/* Long-lived streams and what they hear: subscriptions/listen (2026-07-28), the GET stream of a legacy HTTP session, the
 * output of a stdio session. A stream is a call that stays linked; it ends when its peer goes, when it is cancelled, when
 * its session is deleted, or when the server stops. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_STREAMS ((unsigned)1024)
#define MAX_URIS    ((size_t)1000)

void subscription_free(struct km_subscription *subscription)
{
  if (subscription != NULL) {
    km_map_free(subscription->uris);
    free(subscription);
  }
}

static struct km_subscription *subscription_new(bool listen)
{
  struct km_subscription *subscription = calloc(1, sizeof(*subscription));
  KM_ASSERT(subscription != NULL);
  subscription->listen = listen;
  return subscription;
}

static bool too_many_streams(struct km_mcp *mcp)
{
  KM_SCOPED_LOCK(&mcp->mutex);
  return mcp->streams >= MAX_STREAMS;
}

static void add_subscription_id(struct km_call *call, yyjson_mut_doc *doc, yyjson_mut_val *holder)
{
  yyjson_mut_val *meta = yyjson_mut_obj_add_obj(doc, holder, "_meta");
  yyjson_mut_obj_add_val(doc, meta, KM_META_SUBSCRIPTION_ID, yyjson_val_mut_copy(doc, call->private->id));
}

/* Takes from WANTED what the server announces; what is honoured is written to HONOURED. */
static void honour(struct km_call *call, yyjson_val *wanted, struct km_subscription *subscription,
                   yyjson_mut_val *honoured)
{
  const struct km_mcp_features *features = call->mcp->features;
  const struct {
    const char *name;
    bool offered;
    enum km_changed change;
  } kinds[] = {
      {"toolsListChanged", features->tools_list_changed, KM_CHANGED_TOOLS},
      {"promptsListChanged", features->prompts_list_changed, KM_CHANGED_PROMPTS},
      {"resourcesListChanged", features->resources_list_changed, KM_CHANGED_RESOURCES},
  };
  yyjson_mut_doc *doc = call->result.doc;
  for (size_t i = 0; i < KM_ARRAY_LEN(kinds); i++) {
    if (kinds[i].offered && km_json_bool(wanted, kinds[i].name, false)) {
      subscription->changes |= kinds[i].change;
      yyjson_mut_obj_add_bool(doc, honoured, kinds[i].name, true);
    }
  }
  yyjson_val *uris = km_json_arr(wanted, "resourceSubscriptions");
  if (!features->resources_subscribe || uris == NULL) {
    return;
  }
  subscription->uris = km_map_new(NULL);
  yyjson_mut_val *accepted = yyjson_mut_obj_add_arr(doc, honoured, "resourceSubscriptions");
  size_t i, max;
  yyjson_val *uri;
  yyjson_arr_foreach(uris, i, max, uri)
  {
    if (yyjson_is_str(uri) && km_map_count(subscription->uris) < MAX_URIS) {
      km_map_put(subscription->uris, yyjson_get_str(uri), subscription);
      yyjson_mut_arr_add_strcpy(doc, accepted, yyjson_get_str(uri));
    }
  }
}

void handle_listen(struct km_call *call)
{
  yyjson_val *wanted = km_json_obj(call->params, "notifications");
  if (wanted == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "params.notifications must be an object");
    return;
  }
  if (too_many_streams(call->mcp)) {
    answer_error(call, 0, KM_RPC_INTERNAL, NULL, "Too many open streams (at most %u)", MAX_STREAMS);
    return;
  }
  struct km_subscription *subscription = subscription_new(true);
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *params = yyjson_mut_obj(doc);
  honour(call, wanted, subscription, yyjson_mut_obj_add_obj(doc, params, "notifications"));
  add_subscription_id(call, doc, params);
  call->private->subscription = subscription;
  /* The acknowledgement is the first message of the stream. */
  if (!call_link_and_send(call,
                          encode_notification(doc, "notifications/subscriptions/acknowledged", params))) {
    stream_end(call);
  }
}

int km_mcp_open_stream(struct km_mcp *mcp, const struct km_peer *peer, struct km_reply *reply)
{
  if (peer->session_id == NULL) {
    return 400;
  }
  struct km_session *session = session_find(mcp, peer->session_id, peer->principal);
  if (session == NULL) {
    return 404;
  }
  struct km_call *call = call_new(mcp, NULL);
  call->revision = session->revision;
  call->private->session = session;
  call->private->subscription = subscription_new(false);
  bool taken = false;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    for (struct km_call *other = mcp->calls; other != NULL && !taken; other = other->private->next) {
      taken = other->private->session == session && other->private->subscription != NULL;
    }
    if (!taken) {
      call->private->reply = reply;
      reply->owner = call;
    }
  }
  bool full = !taken && too_many_streams(mcp);
  if (!taken && !full) {
    call_link(call);
  } else if (full) {
    KM_SCOPED_LOCK(&mcp->mutex);
    call->private->reply = NULL;
    reply->owner = NULL;
  }
  call_unref(call);
  return taken ? 409 : full ? 503 : 200;
}

void stream_end(struct km_call *call)
{
  if (!call->private->subscription->listen) {
    stream_drop(call);
    return;
  }
  struct km_arena *arena = km_arena_new(4096); /* the call's belongs to the thread that opened the stream */
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, result, "resultType", "complete");
  add_subscription_id(call, doc, result);
  struct km_reply_head head = {.status = 200};
  call_finish(call, &head, encode_response(doc, call->private->id, result));
  call_unlink(call);
  km_arena_free(arena);
}

void stream_drop(struct km_call *call)
{
  answer_nothing(call, 200);
  call_unlink(call);
}

/* --- telling them ---------------------------------------------------------------------------------------------------- */

static bool wants(const struct km_call *call, unsigned change, const char *uri)
{
  const struct km_subscription *subscription = call->private->subscription;
  if (subscription == NULL) {
    return false;
  }
  if (uri == NULL) {
    return !subscription->listen || (subscription->changes & change) != 0;
  }
  const struct km_map *uris =
      subscription->listen ? subscription->uris : call->private->session->subscriptions;
  return uris != NULL && km_map_get(uris, uri) != NULL;
}

/* One message for one stream; built for each because a listen's carries its subscription id. */
static void tell(struct km_call *call, const char *method, const char *uri)
{
  struct km_arena *arena = km_arena_new(4096);
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *params = yyjson_mut_obj(doc);
  if (uri != NULL) {
    yyjson_mut_obj_add_strcpy(doc, params, "uri", uri);
  }
  if (call->private->subscription->listen) {
    add_subscription_id(call, doc, params);
  }
  call_send(call, encode_notification(doc, method, params));
  km_arena_free(arena);
}

/* The stdio session hears everything of its era; it has no stream of its own to open. */
static void tell_stdio_locked(struct km_mcp *mcp, const char *method, const char *uri)
{
  struct km_session *session = mcp->stdio_session;
  if (session == NULL || session->push == NULL || session->revision == KM_REV_NONE) {
    return;
  }
  if (uri != NULL && (session->subscriptions == NULL || km_map_get(session->subscriptions, uri) == NULL)) {
    return;
  }
  struct km_arena *arena = km_arena_new(4096);
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *params = uri == NULL ? NULL : yyjson_mut_obj(doc);
  if (uri != NULL) {
    yyjson_mut_obj_add_strcpy(doc, params, "uri", uri);
  }
  struct km_buf json;
  km_buf_init(&json, 65536);
  if (km_json_write(encode_notification(doc, method, params), false, &json)) {
    session->push->ops->send(session->push, json.data, json.len);
  }
  km_buf_done(&json);
  km_arena_free(arena);
}

static void tell_all(struct km_mcp *mcp, unsigned change, const char *method, const char *uri)
{
  struct km_call **listeners = NULL;
  size_t count = 0;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    listeners = calloc(mcp->streams + 1, sizeof(struct km_call *));
    KM_ASSERT(listeners != NULL);
    for (struct km_call *call = mcp->calls; call != NULL; call = call->private->next) {
      if (wants(call, change, uri)) {
        call_ref(call);
        listeners[count++] = call;
      }
    }
    tell_stdio_locked(mcp, method, uri);
  }
  for (size_t i = 0; i < count; i++) {
    tell(listeners[i], method, uri);
    call_unref(listeners[i]);
  }
  free(listeners);
}

void km_mcp_changed(struct km_mcp *mcp, unsigned what)
{
  if ((what & KM_CHANGED_TOOLS) != 0) {
    tell_all(mcp, KM_CHANGED_TOOLS, "notifications/tools/list_changed", NULL);
  }
  if ((what & KM_CHANGED_PROMPTS) != 0) {
    tell_all(mcp, KM_CHANGED_PROMPTS, "notifications/prompts/list_changed", NULL);
  }
  if ((what & KM_CHANGED_RESOURCES) != 0) {
    tell_all(mcp, KM_CHANGED_RESOURCES, "notifications/resources/list_changed", NULL);
  }
}

void km_mcp_resource_updated(struct km_mcp *mcp, const char *uri)
{
  tell_all(mcp, 0, "notifications/resources/updated", uri);
}
