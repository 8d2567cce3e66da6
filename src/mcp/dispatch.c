/* The methods of the protocol, one table for both eras. A handler answers its call exactly once; those marked deferred
 * run on a worker lane, the others at once on the transport's thread and never block. */
#include <string.h>

#include "internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define MAX_SUBSCRIPTIONS ((size_t)1000)
#define MAX_COMPLETIONS   ((size_t)100)
#define MAX_NAMED         256

/* --- handshake and housekeeping ------------------------------------------------------------------------------------ */

static void handle_initialize(struct km_call *call)
{
  struct km_mcp *mcp = call->mcp;
  const char *requested = km_json_str(call->params, "protocolVersion");
  if (requested == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "params.protocolVersion must be a string");
    return;
  }
  enum km_revision revision = km_revision_parse(requested);
  if (revision == KM_REV_NONE || revision == KM_REV_MODERN) {
    revision = KM_REV_NEWEST_LEGACY; /* the client decides whether it can live with it */
  }
  unsigned caps = km_client_caps_parse(km_json_obj(call->params, "capabilities"));
  const char *client_name = km_json_str(km_json_obj(call->params, "clientInfo"), "name");
  struct km_session *session = call->private->session;
  struct km_reply_head head = {.status = 200};
  if (session == NULL) {
    session = session_create(mcp, revision, caps, client_name, call->principal);
    call->private->session = session;
    head.session_id = session->id;
  } else {
    KM_SCOPED_LOCK(&mcp->mutex);
    session->revision = revision;
    session->caps = caps;
    km_strcopy(session->client_name, sizeof(session->client_name), client_name == NULL ? "" : client_name);
  }
  call->revision = revision;
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  /* 2024-10-07 is echoed as it was asked for. */
  const char *answered = km_revision_parse(requested) == revision ? requested : km_revision_name(revision);
  yyjson_mut_obj_add_strcpy(doc, result, "protocolVersion", answered);
  yyjson_mut_obj_add_val(doc, result, "capabilities", encode_capabilities(mcp, doc, revision));
  yyjson_mut_obj_add_val(doc, result, "serverInfo", encode_server_info(mcp, doc));
  if (!km_str_empty(mcp->features->instructions)) {
    yyjson_mut_obj_add_str(doc, result, "instructions", mcp->features->instructions);
  }
  answer_result_with(call, &head, result);
}

static void handle_discover(struct km_call *call)
{
  struct km_mcp *mcp = call->mcp;
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_val *versions = yyjson_mut_obj_add_arr(doc, result, "supportedVersions");
  yyjson_mut_arr_add_str(doc, versions, km_revision_name(KM_REV_MODERN));
  yyjson_mut_val *caps = encode_capabilities(mcp, doc, KM_REV_MODERN);
  yyjson_mut_obj_add_obj(doc, caps, "extensions");
  yyjson_mut_obj_add_val(doc, result, "capabilities", caps);
  if (!km_str_empty(mcp->features->instructions)) {
    yyjson_mut_obj_add_str(doc, result, "instructions", mcp->features->instructions);
  }
  encode_cache_hint(call, doc, result, mcp->features->list_ttl_ms, true);
  answer_result(call, result);
}

static void answer_empty(struct km_call *call)
{
  answer_result(call, yyjson_mut_obj(call->result.doc));
}

static void handle_set_level(struct km_call *call)
{
  const char *name = km_json_str(call->params, "level");
  enum km_log_level level;
  if (!call->mcp->features->logging) {
    answer_error(call, 0, KM_RPC_METHOD_NOT_FOUND, NULL, "Logging is not offered");
  } else if (name == NULL || !km_log_level_parse(name, &level)) {
    answer_error(
        call, 0, KM_RPC_INVALID_PARAMS, NULL,
        "params.level must be one of debug, info, notice, warning, error, critical, alert, emergency");
  } else {
    {
      KM_SCOPED_LOCK(&call->mcp->mutex);
      call->private->session->log_level = (int)level;
    }
    answer_empty(call);
  }
}

/* Lists here are never paged, so the only cursor a client can hold is none. */
static bool refuse_cursor(struct km_call *call)
{
  yyjson_val *cursor = yyjson_obj_get(call->params, "cursor");
  if (cursor == NULL || (yyjson_is_str(cursor) && yyjson_get_len(cursor) == 0)) {
    return false;
  }
  answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "Unknown cursor");
  return true;
}

static void answer_list(struct km_call *call, const char *key, yyjson_mut_val *list, bool is_public)
{
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, result, key, list);
  encode_cache_hint(call, doc, result, call->mcp->features->list_ttl_ms, is_public);
  answer_result(call, result);
}

/* --- tools ----------------------------------------------------------------------------------------------------------- */

static bool tool_visible(const struct km_mcp_features *features, const struct km_tool *tool)
{
  struct km_error ignored = {0};
  return features->gate == NULL || features->gate(features->app, tool, &ignored) == KM_OK;
}

const struct km_tool *tool_find(struct km_mcp *mcp, const char *name)
{
  const struct km_mcp_features *features = mcp->features;
  if (name == NULL) {
    return NULL;
  }
  if (!km_str_empty(features->tool_prefix) && km_starts_with(name, features->tool_prefix)) {
    name += strlen(features->tool_prefix);
  }
  for (size_t i = 0; i < features->tool_count; i++) {
    if (km_streq(name, features->tools[i]->name)) {
      return features->tools[i];
    }
  }
  return NULL;
}

yyjson_mut_val *list_tools(struct km_mcp *mcp, yyjson_mut_doc *doc)
{
  const struct km_mcp_features *features = mcp->features;
  yyjson_mut_val *list = yyjson_mut_arr(doc);
  for (size_t i = 0; i < features->tool_count; i++) {
    if (tool_visible(features, features->tools[i])) {
      yyjson_mut_arr_append(list, km_tool_describe(doc, features->tools[i], features->tool_prefix));
    }
  }
  return list;
}

static void handle_tools_list(struct km_call *call)
{
  if (!refuse_cursor(call)) {
    answer_list(call, "tools", list_tools(call->mcp, call->result.doc), true);
  }
}

/* The error a tool ended with goes to the log once, here. */
static void log_outcome(struct km_call *call, enum km_rc rc, const struct km_error *err)
{
  uint64_t us = (km_clock_ns() - call->private->started_ns) / 1000;
  if (rc == KM_OK) {
    km_log(KM_LOG_DEBUG, "tool call", "tool=%s context=%s client=%s us=%llu", call->tool->name,
           call->cluster == NULL ? "" : call->cluster, call->client_name, (unsigned long long)us);
  } else {
    km_log((enum km_log_level)km_error_class(rc)->log_level, "tool call failed",
           "tool=%s context=%s client=%s us=%llu type=%s error=%s at=%s:%d", call->tool->name,
           call->cluster == NULL ? "" : call->cluster, call->client_name, (unsigned long long)us,
           km_error_type_name(km_error_effective_type(err)), err->message, err->func, err->line);
  }
}

static enum km_rc tool_attempt(struct km_call *call, yyjson_val *arguments, struct km_error *err)
{
  const struct km_mcp_features *features = call->mcp->features;
  const struct km_tool *tool = call->tool;
  enum km_rc rc = features->gate == NULL ? KM_OK : features->gate(features->app, tool, err);
  if (rc != KM_OK) {
    return rc;
  }
  if ((tool->needs_client & ~call->client_caps) != 0) {
    return km_error_set(err, KM_E_INVALID, "%s needs a capability that this client did not declare",
                        tool->name);
  }
  void *args = km_arena_alloc(call->arena, tool->args_size + 1);
  rc = km_tool_parse_args(tool, arguments, call->arena, args, err);
  return rc == KM_OK ? tool->run(call, args, &call->result, err) : rc;
}

enum km_rc tool_run(struct km_call *call, yyjson_val *arguments)
{
  struct km_error err = {0};
  const struct km_tool *tool = call->tool;
  int64_t deadline_ms = tool->deadline_ms > 0 ? tool->deadline_ms : call->mcp->features->default_deadline_ms;
  call->deadline = km_deadline_in_ms(deadline_ms);
  enum km_rc rc = tool_attempt(call, arguments, &err);
  atomic_fetch_add_explicit(&call->mcp->tool_calls, 1, memory_order_relaxed);
  if (rc != KM_OK) {
    atomic_fetch_add_explicit(&call->mcp->tool_errors, 1, memory_order_relaxed);
    km_result_error(&call->result, &err, call->cluster, tool->name);
  }
  log_outcome(call, rc, &err);
  return rc;
}

static void unknown_tool(struct km_call *call, const char *name)
{
  const struct km_mcp_features *features = call->mcp->features;
  const char *names[MAX_NAMED];
  size_t count = 0;
  for (size_t i = 0; i < features->tool_count && count < MAX_NAMED; i++) {
    if (tool_visible(features, features->tools[i])) {
      names[count++] = features->tools[i]->name;
    }
  }
  const char *nearest = km_nearest(name, names, count);
  answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "Unknown tool: %.80s%s%s%s", name,
               nearest == NULL ? "" : " (did you mean ", nearest == NULL ? "" : nearest,
               nearest == NULL ? "" : "?)");
}

/* A tool's failure is a result like another. */
static enum km_rc attempt_tool(struct km_call *call, struct km_error *err)
{
  (void)err;
  (void)tool_run(call, yyjson_obj_get(call->params, "arguments"));
  return KM_OK;
}

static void handle_tools_call(struct km_call *call)
{
  const char *name = km_json_str(call->params, "name");
  if (name == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "params.name must be a string");
    return;
  }
  call->tool = tool_find(call->mcp, name);
  if (call->tool == NULL) {
    unknown_tool(call, name);
    return;
  }
  struct km_error err = {0};
  if (run_with_input(call, attempt_tool, &err) != KM_OK) {
    km_result_error(&call->result, &err, call->cluster, call->tool->name);
  }
  if (!needs_no_result(call)) {
    answer_result(call, encode_tool_result(call, call->result.doc));
  }
}

/* --- resources --------------------------------------------------------------------------------------------------------- */

static bool without_resources(struct km_call *call)
{
  if (call->mcp->features->list_resources != NULL) {
    return false;
  }
  answer_error(call, call->revision == KM_REV_MODERN ? 404 : 0, KM_RPC_METHOD_NOT_FOUND, NULL,
               "Method not found: %s (resources are not offered)", call->method);
  return true;
}

static void handle_resources_list(struct km_call *call)
{
  if (!without_resources(call) && !refuse_cursor(call)) {
    answer_list(call, "resources", call->mcp->features->list_resources(call, call->result.doc), false);
  }
}

static void handle_templates_list(struct km_call *call)
{
  if (!without_resources(call) && !refuse_cursor(call)) {
    yyjson_mut_doc *doc = call->result.doc;
    const struct km_mcp_features *features = call->mcp->features;
    yyjson_mut_val *list =
        features->list_templates == NULL ? yyjson_mut_arr(doc) : features->list_templates(call, doc);
    answer_list(call, "resourceTemplates", list, true);
  }
}

/* A failure outside tools is a JSON-RPC error; DATA says what was asked for. */
static void answer_failure(struct km_call *call, const struct km_error *err, yyjson_mut_val *data)
{
  answer_error(call, 0, km_error_class(err->code)->jsonrpc_code, data, "%s", err->message);
}

static enum km_rc attempt_read(struct km_call *call, struct km_error *err)
{
  return call->mcp->features->read_resource(call, km_json_str(call->params, "uri"), &call->result, err);
}

static void handle_resources_read(struct km_call *call)
{
  if (without_resources(call)) {
    return;
  }
  const char *uri = km_json_str(call->params, "uri");
  if (uri == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "params.uri must be a string");
    return;
  }
  struct km_error err = {0};
  yyjson_mut_doc *doc = call->result.doc;
  enum km_rc rc = run_with_input(call, attempt_read, &err);
  if (needs_no_result(call)) {
    return;
  }
  if (rc == KM_OK) {
    yyjson_mut_val *result = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_val(doc, result, "contents", call->result.content);
    encode_cache_hint(call, doc, result, 0, false);
    answer_result(call, result);
    return;
  }
  yyjson_mut_val *data = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_strcpy(doc, data, "uri", uri);
  if (rc == KM_E_NOT_FOUND) {
    int code = call->revision == KM_REV_MODERN ? KM_RPC_INVALID_PARAMS : KM_RPC_RESOURCE_NOT_FOUND;
    answer_error(call, 0, code, data, "Resource not found: %.200s", uri);
  } else {
    answer_failure(call, &err, data);
  }
}

static void change_subscription(struct km_call *call, bool subscribe)
{
  const char *uri = km_json_str(call->params, "uri");
  if (without_resources(call)) {
    return;
  }
  if (!call->mcp->features->resources_subscribe || uri == NULL) {
    answer_error(call, 0, uri == NULL ? KM_RPC_INVALID_PARAMS : KM_RPC_METHOD_NOT_FOUND, NULL,
                 uri == NULL ? "params.uri must be a string" : "Subscriptions are not offered");
    return;
  }
  bool full = false;
  {
    KM_SCOPED_LOCK(&call->mcp->mutex);
    struct km_session *session = call->private->session;
    if (session->subscriptions == NULL) {
      session->subscriptions = km_map_new(NULL);
    }
    full = subscribe && km_map_count(session->subscriptions) >= MAX_SUBSCRIPTIONS;
    if (subscribe && !full) {
      km_map_put(session->subscriptions, uri, session);
    } else if (!subscribe) {
      km_map_remove(session->subscriptions, uri);
    }
  }
  if (full) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "At most %zu subscriptions per session",
                 MAX_SUBSCRIPTIONS);
  } else {
    answer_empty(call);
  }
}

static void handle_subscribe(struct km_call *call)
{
  change_subscription(call, true);
}

static void handle_unsubscribe(struct km_call *call)
{
  change_subscription(call, false);
}

/* --- prompts and completion ------------------------------------------------------------------------------------------ */

static bool without(struct km_call *call, bool offered, const char *what)
{
  if (!offered) {
    answer_error(call, call->revision == KM_REV_MODERN ? 404 : 0, KM_RPC_METHOD_NOT_FOUND, NULL,
                 "Method not found: %s (%s are not offered)", call->method, what);
  }
  return !offered;
}

static yyjson_mut_val *describe_prompt(yyjson_mut_doc *doc, const struct km_prompt *prompt)
{
  yyjson_mut_val *entry = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, entry, "name", prompt->name);
  if (prompt->title != NULL) {
    yyjson_mut_obj_add_str(doc, entry, "title", prompt->title);
  }
  yyjson_mut_obj_add_str(doc, entry, "description", prompt->description);
  yyjson_mut_val *args = yyjson_mut_obj_add_arr(doc, entry, "arguments");
  for (size_t i = 0; i < prompt->arg_count; i++) {
    yyjson_mut_val *arg = yyjson_mut_arr_add_obj(doc, args);
    yyjson_mut_obj_add_str(doc, arg, "name", prompt->args[i].name);
    yyjson_mut_obj_add_str(doc, arg, "description", prompt->args[i].description);
    yyjson_mut_obj_add_bool(doc, arg, "required", prompt->args[i].required);
  }
  return entry;
}

static void handle_prompts_list(struct km_call *call)
{
  const struct km_mcp_features *features = call->mcp->features;
  if (without(call, features->prompt_count > 0, "prompts") || refuse_cursor(call)) {
    return;
  }
  yyjson_mut_val *list = yyjson_mut_arr(call->result.doc);
  for (size_t i = 0; i < features->prompt_count; i++) {
    yyjson_mut_arr_append(list, describe_prompt(call->result.doc, &features->prompts[i]));
  }
  answer_list(call, "prompts", list, true);
}

static const struct km_prompt *prompt_find(struct km_mcp *mcp, const char *name)
{
  for (size_t i = 0; i < mcp->features->prompt_count; i++) {
    if (km_streq(name, mcp->features->prompts[i].name)) {
      return &mcp->features->prompts[i];
    }
  }
  return NULL;
}

/* The first required argument that is missing or not a string, or NULL. */
static const char *missing_prompt_arg(const struct km_prompt *prompt, yyjson_val *arguments)
{
  for (size_t i = 0; i < prompt->arg_count; i++) {
    if (prompt->args[i].required && km_json_str(arguments, prompt->args[i].name) == NULL) {
      return prompt->args[i].name;
    }
  }
  return NULL;
}

static enum km_rc attempt_prompt(struct km_call *call, struct km_error *err)
{
  return call->private->prompt->get(call, km_json_obj(call->params, "arguments"), &call->result, err);
}

static void handle_prompts_get(struct km_call *call)
{
  struct km_mcp *mcp = call->mcp;
  if (without(call, mcp->features->prompt_count > 0, "prompts")) {
    return;
  }
  const char *name = km_json_str(call->params, "name");
  const struct km_prompt *prompt = prompt_find(mcp, name);
  if (prompt == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "Unknown prompt: %.80s", name == NULL ? "" : name);
    return;
  }
  const char *missing = missing_prompt_arg(prompt, km_json_obj(call->params, "arguments"));
  if (missing != NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "Prompt '%s' needs the argument '%s'", name, missing);
    return;
  }
  call->private->prompt = prompt;
  struct km_error err = {0};
  enum km_rc rc = run_with_input(call, attempt_prompt, &err);
  if (needs_no_result(call)) {
    return;
  }
  if (rc != KM_OK) {
    answer_failure(call, &err, NULL);
    return;
  }
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, result, "description", prompt->description);
  yyjson_mut_obj_add_val(doc, result, "messages", call->result.content);
  answer_result(call, result);
}

static void handle_complete(struct km_call *call)
{
  const struct km_mcp_features *features = call->mcp->features;
  if (without(call, features->complete != NULL, "completions")) {
    return;
  }
  yyjson_val *ref = km_json_obj(call->params, "ref");
  yyjson_val *argument = km_json_obj(call->params, "argument");
  const char *name = km_json_str(argument, "name");
  const char *value = km_json_str(argument, "value");
  if (ref == NULL || name == NULL || value == NULL) {
    answer_error(call, 0, KM_RPC_INVALID_PARAMS, NULL, "params need ref, argument.name and argument.value");
    return;
  }
  struct km_error err = {0};
  yyjson_mut_doc *doc = call->result.doc;
  yyjson_mut_val *values = yyjson_mut_arr(doc);
  if (features->complete(call, ref, name, value, doc, values, &err) != KM_OK) {
    answer_failure(call, &err, NULL);
    return;
  }
  bool more = yyjson_mut_arr_size(values) > MAX_COMPLETIONS;
  while (yyjson_mut_arr_size(values) > MAX_COMPLETIONS) {
    yyjson_mut_arr_remove_last(values);
  }
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  yyjson_mut_val *completion = yyjson_mut_obj_add_obj(doc, result, "completion");
  yyjson_mut_obj_add_val(doc, completion, "values", values);
  yyjson_mut_obj_add_bool(doc, completion, "hasMore", more);
  answer_result(call, result);
}

/* --- notifications ------------------------------------------------------------------------------------------------------ */

/* A request of one sender, found by its id: the sender is a session, or for 2026-07-28 on stdio the connection. */
static bool is_request_of(const struct km_call *call, const struct km_peer *peer,
                          const struct km_session *session, yyjson_val *id)
{
  const struct km_call_private *p = call->private;
  bool same_sender = session != NULL
                         ? p->session == session || (!peer->http && p->connection == peer->connection)
                         : !peer->http && p->connection == peer->connection;
  return same_sender && p->id != NULL && yyjson_equals(p->id, id);
}

void handle_notification(struct km_mcp *mcp, const struct km_peer *peer, struct km_session *session,
                         const struct km_message *message)
{
  if (!km_streq(message->method, "notifications/cancelled")) {
    return; /* initialized and unknown ones need nothing done */
  }
  yyjson_val *id = yyjson_obj_get(message->params, "requestId");
  struct km_call *target = NULL;
  if (id != NULL) {
    KM_SCOPED_LOCK(&mcp->mutex);
    for (struct km_call *call = mcp->calls; call != NULL && target == NULL; call = call->private->next) {
      if (is_request_of(call, peer, session, id)) {
        target = call;
        call_ref(target);
      }
    }
  }
  if (target == NULL) {
    return;
  }
  const char *reason = km_json_str(message->params, "reason");
  km_cancel_trigger(target->cancel, reason == NULL ? "cancelled by the client" : reason);
  if (target->private->subscription != NULL) {
    stream_drop(target);
  }
  call_unref(target);
}

/* --- the table ------------------------------------------------------------------------------------------------------------ */

static const struct method methods[] = {
    {"initialize", .legacy = true, .handle = handle_initialize},
    {"ping", .legacy = true, .handle = answer_empty},
    {"server/discover", .modern = true, .handle = handle_discover},
    {"tools/list", .legacy = true, .modern = true, .handle = handle_tools_list},
    {"tools/call", .legacy = true, .modern = true, .deferred = true, .name_param = "name",
     .handle = handle_tools_call},
    {"resources/list", .legacy = true, .modern = true, .deferred = true, .handle = handle_resources_list},
    {"resources/templates/list", .legacy = true, .modern = true, .deferred = true,
     .handle = handle_templates_list},
    {"resources/read", .legacy = true, .modern = true, .deferred = true, .name_param = "uri",
     .handle = handle_resources_read},
    {"resources/subscribe", .legacy = true, .handle = handle_subscribe},
    {"resources/unsubscribe", .legacy = true, .handle = handle_unsubscribe},
    {"prompts/list", .legacy = true, .modern = true, .handle = handle_prompts_list},
    {"prompts/get", .legacy = true, .modern = true, .deferred = true, .name_param = "name",
     .handle = handle_prompts_get},
    {"completion/complete", .legacy = true, .modern = true, .deferred = true, .handle = handle_complete},
    {"logging/setLevel", .legacy = true, .handle = handle_set_level},
    {"subscriptions/listen", .modern = true, .handle = handle_listen},
};

const struct method *method_find(const char *name)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(methods); i++) {
    if (km_streq(name, methods[i].name)) {
      return &methods[i];
    }
  }
  return NULL;
}
