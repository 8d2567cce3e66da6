/* The protocol server as a whole: making it, running calls on their lanes, using it without a transport, stopping it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

enum km_rc km_mcp_new(const struct km_mcp_features *features, const struct km_mcp_options *options,
                      struct km_mcp **ret, struct km_error *err)
{
  struct km_mcp *mcp = calloc(1, sizeof(*mcp));
  KM_ASSERT(mcp != NULL);
  mcp->features = features;
  mcp->options = *options;
  mcp->options.session_key = (struct km_secret){0};
  enum km_rc rc = km_sealer_init(&mcp->sealer, &options->session_key, err);
  if (rc != KM_OK) {
    free(mcp);
    return rc;
  }
  pthread_mutex_init(&mcp->mutex, NULL);
  pthread_cond_init(&mcp->drained, NULL);
  atomic_init(&mcp->next_id, 1);
  *ret = mcp;
  return KM_OK;
}

/* Ends every stream and cancels every call; they unlink themselves. */
void km_mcp_cancel_all(struct km_mcp *mcp)
{
  struct km_call **calls = NULL;
  size_t count = 0;
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    calls = calloc(mcp->in_flight + mcp->streams + 1, sizeof(struct km_call *));
    KM_ASSERT(calls != NULL);
    for (struct km_call *call = mcp->calls; call != NULL; call = call->private->next) {
      call_ref(call);
      calls[count++] = call;
    }
  }
  for (size_t i = 0; i < count; i++) {
    km_cancel_trigger(calls[i]->cancel, "the server is stopping");
    if (calls[i]->private->subscription != NULL) {
      stream_end(calls[i]);
    }
    call_unref(calls[i]);
  }
  free(calls);
}

void km_mcp_free(struct km_mcp *mcp)
{
  if (mcp == NULL) {
    return;
  }
  km_mcp_cancel_all(mcp);
  {
    KM_SCOPED_LOCK(&mcp->mutex);
    while (mcp->alive > 0) {
      pthread_cond_wait(&mcp->drained, &mcp->mutex);
    }
  }
  sessions_free(mcp);
  km_sealer_done(&mcp->sealer);
  pthread_cond_destroy(&mcp->drained);
  pthread_mutex_destroy(&mcp->mutex);
  free(mcp);
}

static void run_on_worker(void *data)
{
  struct km_call *call = data;
  call->deadline = km_deadline_in_ms(call->mcp->features->default_deadline_ms);
  call->private->method->handle(call);
  call_unlink(call);
}

void km_mcp_run(struct km_call *call)
{
  while (call != NULL) {
    struct km_call *next = call->private->batch_next;
    const struct km_mcp_options *options = &call->mcp->options;
    const struct km_tool *tool =
        km_streq(call->method, "tools/call") ? tool_find(call->mcp, km_json_str(call->params, "name")) : NULL;
    bool stream = tool != NULL && tool->lane == KM_LANE_STREAM;
    if (!km_lane_submit(stream ? options->stream_lane : options->short_lane, run_on_worker, call)) {
      answer_error(call, 503, KM_RPC_INTERNAL, NULL, "The server is busy; try again in a moment");
      call_unlink(call);
    }
    call = next;
  }
}

/* --- without a transport ------------------------------------------------------------------------------------------------ */

static char *detach_json(const yyjson_mut_val *val)
{
  struct km_buf json;
  km_buf_init(&json, (size_t)96 * 1024 * 1024);
  km_json_write(val, false, &json);
  size_t len = 0;
  return km_buf_detach(&json, &len);
}

char *km_mcp_list_tools(struct km_mcp *mcp)
{
  struct km_arena *arena = km_arena_new(mcp->features->max_call_bytes);
  yyjson_mut_doc *doc = km_json_new(arena);
  char *json = detach_json(list_tools(mcp, doc));
  km_arena_free(arena);
  return json;
}

static enum km_rc call_in_process(struct km_call *call, const char *name, const char *arguments_json,
                                  char **ret_json, enum km_rc *ret_rc, struct km_error *err)
{
  call->tool = tool_find(call->mcp, name);
  if (call->tool == NULL) {
    return km_error_set(err, KM_E_NOT_FOUND, "there is no tool '%s'", name);
  }
  yyjson_doc *doc = NULL;
  enum km_rc rc =
      km_json_parse(call->arena, arguments_json, strlen(arguments_json), KM_JSON_MAX_DEPTH, &doc, err);
  if (rc != KM_OK) {
    return km_error_wrap(err, "arguments");
  }
  *ret_rc = tool_run(call, yyjson_doc_get_root(doc));
  *ret_json = detach_json(encode_tool_result(call, call->result.doc));
  return KM_OK;
}

enum km_rc km_mcp_call_tool(struct km_mcp *mcp, const char *name, const char *arguments_json,
                            struct km_cancel *cancel, char **ret_json, enum km_rc *ret_rc,
                            struct km_error *err)
{
  struct km_call *call = call_new(mcp, NULL);
  call->revision = KM_REV_NEWEST_LEGACY;
  call->method = "tools/call";
  if (cancel != NULL) {
    km_cancel_unref(call->cancel);
    call->cancel = km_cancel_ref(cancel);
  }
  enum km_rc rc = call_in_process(call, name, arguments_json, ret_json, ret_rc, err);
  call_unref(call);
  return rc;
}

void km_mcp_stats(struct km_mcp *mcp, struct km_mcp_stats *ret)
{
  *ret = (struct km_mcp_stats){
      .requests = atomic_load(&mcp->requests),
      .tool_calls = atomic_load(&mcp->tool_calls),
      .tool_errors = atomic_load(&mcp->tool_errors),
      .protocol_errors = atomic_load(&mcp->protocol_errors),
  };
  KM_SCOPED_LOCK(&mcp->mutex);
  ret->in_flight = mcp->in_flight;
  ret->streams = mcp->streams;
}

const struct km_sealer *km_mcp_sealer(const struct km_mcp *mcp)
{
  return &mcp->sealer;
}
