/* Questions to the client during a call. A tool, prompt or resource leaves its questions in its result and runs again when
 * they are answered. A 2026-07-28 client gets them as the result and repeats its request; an older one is sent each as a
 * request on the call's own stream while the worker waits. Nobody is asked for what it did not declare.
 *
 * Who waits is linked in mcp->pending, on the waiting worker's stack, guarded by mcp->mutex. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_INPUT_ROUNDS 8
#define INPUT_TIMEOUT_MS ((int64_t)5 * 60 * 1000)

/* The capability (enum km_client_cap) a client must have declared to be asked METHOD with PARAMS. */
static unsigned request_needs(const char *method, yyjson_mut_val *params)
{
  if (km_streq(method, "elicitation/create")) {
    bool url = km_streq(yyjson_mut_get_str(yyjson_mut_obj_get(params, "mode")), "url");
    return url ? KM_CAP_ELICITATION_URL : KM_CAP_ELICITATION_FORM;
  }
  if (km_streq(method, "sampling/createMessage")) {
    return KM_CAP_SAMPLING;
  }
  return km_streq(method, "roots/list") ? KM_CAP_ROOTS : 0;
}

static void wake_pending(void *data)
{
  struct pending_request *pending = data;
  pthread_cond_broadcast(&pending->answered);
}

static void pending_init(struct pending_request *pending, struct km_call *call)
{
  *pending = (struct pending_request){.session = call->private->session};
  (void)snprintf(pending->id, sizeof(pending->id), "kube-mcp-%llu",
                 (unsigned long long)atomic_fetch_add(&call->mcp->next_id, 1));
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&pending->answered, &attributes);
  pthread_condattr_destroy(&attributes);
}

static void pending_link(struct km_mcp *mcp, struct pending_request *pending)
{
  KM_SCOPED_LOCK(&mcp->mutex);
  pending->next = mcp->pending;
  mcp->pending = pending;
}

static void pending_unlink(struct km_mcp *mcp, struct pending_request *pending)
{
  KM_SCOPED_LOCK(&mcp->mutex);
  struct pending_request **link = &mcp->pending;
  while (*link != pending) {
    link = &(*link)->next;
  }
  *link = pending->next;
}

/* Waits in short steps: a cancellation between the check and the wait is noticed within one step. */
static bool pending_wait(struct km_call *call, struct pending_request *pending, km_deadline deadline)
{
  const uint64_t step_ns = 100 * KM_NS_PER_MS;
  KM_SCOPED_LOCK(&call->mcp->mutex);
  while (!pending->done && !km_cancelled(call->cancel) && km_deadline_left_ms(deadline) > 0) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + step_ns;
    until.tv_sec += (time_t)(ns / KM_NS_PER_S);
    until.tv_nsec = (long)(ns % KM_NS_PER_S);
    pthread_cond_timedwait(&pending->answered, &call->mcp->mutex, &until);
  }
  return pending->done;
}

static enum km_rc read_answer(struct km_call *call, const char *method, const struct pending_request *pending,
                              yyjson_val **ret_result, struct km_error *err)
{
  yyjson_doc *doc = NULL;
  enum km_rc rc =
      km_json_parse(call->arena, pending->answer, pending->answer_len, KM_JSON_MAX_DEPTH, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  yyjson_val *error = yyjson_obj_get(root, "error");
  if (error != NULL) {
    const char *message = km_json_str(error, "message");
    return km_error_set(err, KM_E_INVALID, "the client refused %s: %s", method,
                        message == NULL ? "" : message);
  }
  *ret_result = yyjson_obj_get(root, "result");
  return KM_OK;
}

enum km_rc km_call_request(struct km_call *call, const char *method, yyjson_mut_val *params,
                           int64_t timeout_ms, yyjson_val **ret_result, struct km_error *err)
{
  struct km_mcp *mcp = call->mcp;
  if (call->private->session == NULL) {
    return km_error_set(err, KM_E_UNAVAILABLE, "this client cannot be asked questions during a call");
  }
  if ((request_needs(method, params) & ~call->client_caps) != 0) {
    return km_error_set(err, KM_E_INVALID, "this client did not declare that it answers %s", method);
  }
  struct pending_request pending;
  pending_init(&pending, call);
  pending_link(mcp, &pending);
  struct km_cancel_hook hook = {.fn = wake_pending, .data = &pending};
  km_cancel_hook_add(call->cancel, &hook);

  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *request = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, request, "jsonrpc", "2.0");
  yyjson_mut_obj_add_strcpy(doc, request, "id", pending.id);
  yyjson_mut_obj_add_strcpy(doc, request, "method", method);
  yyjson_mut_obj_add_val(doc, request, "params", params);
  km_deadline deadline = km_deadline_min(km_deadline_in_ms(timeout_ms), call->deadline);
  bool sent = call_send(call, request);
  bool answered = sent && pending_wait(call, &pending, deadline);

  km_cancel_hook_remove(call->cancel, &hook);
  pending_unlink(mcp, &pending);
  pthread_cond_destroy(&pending.answered);
  enum km_rc rc = KM_OK;
  if (!sent) {
    rc = km_error_set(err, KM_E_UNAVAILABLE, "the client is gone; %s could not be asked", method);
  } else if (answered) {
    rc = read_answer(call, method, &pending, ret_result, err);
  } else {
    rc = km_cancel_check(call->cancel, err);
    if (rc == KM_OK) {
      rc = km_error_set(err, KM_E_TIMEOUT, "the client did not answer %s in time", method);
    }
  }
  free(pending.answer);
  return rc;
}

/* --- rounds of questions ------------------------------------------------------------------------------------------------ */

/* Asks every question of the result, one after the other, and puts the answers where the next run looks for them. */
static enum km_rc collect_input(struct km_call *call, struct km_error *err)
{
  yyjson_mut_doc *doc = km_json_new(call->arena);
  yyjson_mut_val *answers = yyjson_mut_obj(doc);
  yyjson_mut_doc_set_root(doc, answers);
  size_t i, max;
  yyjson_mut_val *key, *request;
  yyjson_mut_obj_foreach(call->result.input_requests, i, max, key, request)
  {
    yyjson_val *answer = NULL;
    const char *method = yyjson_mut_get_str(yyjson_mut_obj_get(request, "method"));
    enum km_rc rc =
        km_call_request(call, method, yyjson_mut_obj_get(request, "params"), INPUT_TIMEOUT_MS, &answer, err);
    if (rc != KM_OK) {
      return rc;
    }
    yyjson_mut_obj_add_val(doc, answers, yyjson_mut_get_str(key), yyjson_val_mut_copy(doc, answer));
  }
  yyjson_doc *read = yyjson_mut_doc_imut_copy(doc, NULL);
  km_arena_defer(call->arena, (void (*)(void *))yyjson_doc_free, read);
  call->input_responses = yyjson_doc_get_root(read);
  call->request_state = call->result.request_state;
  call->result.input_requests = NULL;
  call->result.request_state = NULL;
  call->result.content = yyjson_mut_arr(call->result.doc);
  return KM_OK;
}

enum km_rc run_with_input(struct km_call *call,
                          enum km_rc (*attempt)(struct km_call *call, struct km_error *err),
                          struct km_error *err)
{
  enum km_rc rc = attempt(call, err);
  if (call->revision == KM_REV_MODERN) {
    return rc;
  }
  for (int round = 0; rc == KM_OK && call->result.input_requests != NULL; round++) {
    rc = round < MAX_INPUT_ROUNDS ? collect_input(call, err)
                                  : km_error_set(err, KM_E_INVALID, "too many questions to the client");
    if (rc == KM_OK) {
      rc = attempt(call, err);
    }
  }
  return rc;
}

static unsigned missing_for_input(const struct km_call *call)
{
  unsigned needed = 0;
  size_t i, max;
  yyjson_mut_val *key, *request;
  yyjson_mut_obj_foreach(call->result.input_requests, i, max, key, request)
  {
    needed |= request_needs(yyjson_mut_get_str(yyjson_mut_obj_get(request, "method")),
                            yyjson_mut_obj_get(request, "params"));
  }
  return needed & ~call->client_caps;
}

bool needs_no_result(struct km_call *call)
{
  if (km_cancelled(call->cancel)) {
    answer_nothing(call, 202); /* a cancelled request gets no response */
    return true;
  }
  unsigned missing = call->revision == KM_REV_MODERN ? missing_for_input(call) : 0;
  if (missing != 0) {
    answer_missing_capability(call, missing);
  }
  return missing != 0;
}
