/* Messages in every era: whatever arrives is answered exactly once, with one JSON text that keeps the protocol's rules,
 * and nothing of it is left behind. The first line of the input holds the headers, separated by tabs: letters for the
 * transport ("h" HTTP, "s" a session that exists), then version, method, name and session id; the rest is the body. */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/mcp/server.h"

#include "kube_mcp/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- features --------------------------------------------------------------------------------------------------------- */

struct echo_args {
  const char *text;
  int64_t count;
};

static enum km_rc run_echo(struct km_call *call, const void *args, struct km_result *out,
                           struct km_error *err)
{
  (void)err;
  const struct echo_args *echo = args;
  km_call_progress(call, 1, 2, echo->text);
  km_call_log(call, KM_LOG_ERROR, "echo", echo->text);
  km_result_text(out, echo->text, strlen(echo->text));
  return KM_OK;
}

static enum km_rc get_prompt(struct km_call *call, yyjson_val *arguments, struct km_result *out,
                             struct km_error *err)
{
  (void)call;
  (void)arguments;
  (void)out;
  return km_error_set(err, KM_E_INVALID, "no such luck");
}

static const struct km_arg echo_args[] = {
    {.name = "text",
     .description = "Text",
     .flags = KM_ARG_REQUIRED,
     .header = "Text",
     KM_ARG_AT(struct echo_args, text)},
    {.name = "count",
     .description = "Count",
     .type = KM_ARG_INT,
     .max = 10,
     KM_ARG_AT(struct echo_args, count)},
};
static const struct km_tool echo_tool = {.name = "echo",
                                         .title = "Echo",
                                         .description = "Says it again.",
                                         .args = echo_args,
                                         .arg_count = KM_ARRAY_LEN(echo_args),
                                         .args_size = sizeof(struct echo_args),
                                         .run = run_echo};
static const struct km_tool *const tools[] = {&echo_tool};
static const struct km_prompt_arg prompt_args[] = {
    {.name = "topic", .description = "Topic", .required = true}};
static const struct km_prompt prompts[] = {
    {.name = "luck", .description = "Tries it.", .args = prompt_args, .arg_count = 1, .get = get_prompt}};
static const struct km_mcp_features features = {.name = "fuzz",
                                                .version = "1",
                                                .tools = tools,
                                                .tool_count = KM_ARRAY_LEN(tools),
                                                .tool_prefix = "",
                                                .prompts = prompts,
                                                .prompt_count = KM_ARRAY_LEN(prompts),
                                                .tools_list_changed = true,
                                                .logging = true,
                                                .default_deadline_ms = 1000,
                                                .max_call_bytes = (size_t)16 * 1024 * 1024};

/* --- a transport that checks what it is given ---------------------------------------------------------------------------- */

struct checked_reply {
  struct km_reply reply;
  atomic_int finished;
  bool http, error;
};

static yyjson_doc *check_json(const char *json, size_t len)
{
  yyjson_doc *doc = yyjson_read(json, len, 0);
  KM_ASSERT(doc != NULL && memchr(json, '\n', len) == NULL);
  return doc;
}

static void check_message(yyjson_val *message)
{
  KM_ASSERT(km_streq(km_json_str(message, "jsonrpc"), "2.0"));
  KM_ASSERT(!yyjson_is_null(yyjson_obj_get(message, "id")));
  yyjson_val *error = yyjson_obj_get(message, "error");
  bool result = yyjson_obj_get(message, "result") != NULL;
  KM_ASSERT((error != NULL) + result + (yyjson_obj_get(message, "method") != NULL) == 1);
  KM_ASSERT(error == NULL ||
            (yyjson_is_int(yyjson_obj_get(error, "code")) && km_json_str(error, "message") != NULL));
}

static bool check_sent(struct km_reply *reply, const char *json, size_t len)
{
  KM_ASSERT(atomic_load(&KM_CONTAINER_OF(reply, struct checked_reply, reply)->finished) == 0);
  yyjson_doc *doc = check_json(json, len);
  check_message(yyjson_doc_get_root(doc));
  KM_ASSERT(km_json_str(yyjson_doc_get_root(doc), "method") != NULL);
  yyjson_doc_free(doc);
  return true;
}

static void check_finished(struct km_reply *reply, const struct km_reply_head *head, const char *json,
                           size_t len)
{
  struct checked_reply *self = KM_CONTAINER_OF(reply, struct checked_reply, reply);
  KM_ASSERT(head->status == 200 || head->status == 202 || (head->status >= 400 && head->status < 500));
  /* On stdio a broken response or notification is dropped without a word. */
  KM_ASSERT((json == NULL) == (head->status == 202) || (json == NULL && !self->http));
  if (json != NULL) {
    yyjson_doc *doc = check_json(json, len);
    yyjson_val *root = yyjson_doc_get_root(doc), *item;
    size_t i, max;
    if (yyjson_is_arr(root)) {
      yyjson_arr_foreach(root, i, max, item)
      {
        check_message(item);
      }
    } else {
      check_message(root);
    }
    yyjson_doc_free(doc);
  }
  KM_ASSERT(atomic_fetch_add(&self->finished, 1) == 0);
}

static bool push_sent(struct km_reply *reply, const char *json, size_t len)
{
  (void)reply;
  yyjson_doc_free(check_json(json, len));
  return true;
}

static const struct km_reply_ops checked_ops = {.send = check_sent, .finish = check_finished};
static const struct km_reply_ops push_ops = {.send = push_sent};

static const char *param_header(const struct km_peer *peer, const char *name)
{
  return km_streq(name, "Text") ? peer->last_event_id : NULL;
}

/* --- one input ------------------------------------------------------------------------------------------------------------- */

static void receive(struct km_mcp *mcp, const struct km_peer *peer, const char *body, size_t len)
{
  struct checked_reply reply = {.reply = {.ops = &checked_ops}, .http = peer->http};
  struct km_call *call = km_mcp_receive(mcp, peer, body, len, &reply.reply);
  if (call != NULL) {
    km_mcp_run(call);
  }
  /* Calls end by themselves; what is still open afterwards is a stream, whose client now goes. */
  struct km_mcp_stats stats;
  for (km_mcp_stats(mcp, &stats); stats.in_flight > 0; km_mcp_stats(mcp, &stats)) {
    (void)sched_yield();
  }
  if (atomic_load(&reply.finished) == 0) {
    KM_ASSERT(km_mcp_peer_gone(mcp, &reply.reply));
  }
  km_mcp_stats(mcp, &stats);
  KM_ASSERT(stats.in_flight == 0 && stats.streams == 0);
}

struct headers {
  const char *kind, *version, *method, *name, *session, *param;
};

static struct headers split_headers(char *line)
{
  struct headers headers = {.kind = strsep(&line, "\t")};
  headers.version = strsep(&line, "\t");
  headers.method = strsep(&line, "\t");
  headers.name = strsep(&line, "\t");
  headers.session = strsep(&line, "\t");
  headers.param = strsep(&line, "\t");
  return headers;
}

static const char *unless_empty(const char *text)
{
  return km_str_empty(text) ? NULL : text;
}

/* Has a session started, so that the message under test finds one. */
static void open_stdio_session(struct km_mcp *mcp, const struct km_peer *peer, const char *version)
{
  char body[256];
  int len =
      snprintf(body, sizeof(body),
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
               "\"%s\"}}",
               km_revision_name(km_revision_parse(version)));
  receive(mcp, peer, body, (size_t)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *newline = size == 0 ? NULL : memchr(data, '\n', size);
  if (newline == NULL) {
    return 0;
  }
  size_t line_len = (size_t)(newline - (const char *)data);
  char *line = strndup((const char *)data, line_len);
  size_t body_len = size - line_len - 1;
  char *body = malloc(body_len + 1);
  KM_ASSERT(line != NULL && body != NULL);
  memcpy(body, newline + 1, body_len);
  km_log_set_level(KM_LOG_EMERGENCY);

  struct km_error err = {0};
  struct km_mcp *mcp = NULL;
  struct km_lane *lane = km_lane_new("fuzz", 1, 200);
  const struct km_mcp_options options = {
      .short_lane = lane, .stream_lane = lane, .session_ttl_ms = 1000000, .max_sessions = 2};
  KM_ASSERT(km_mcp_new(&features, &options, &mcp, &err) == KM_OK);
  struct headers headers = split_headers(line);
  struct km_reply push = {.ops = &push_ops};
  struct km_peer peer = {.principal = ""};
  if (strchr(headers.kind, 'h') != NULL) {
    peer.http = true;
    peer.protocol_version = unless_empty(headers.version);
    peer.method = unless_empty(headers.method);
    peer.name = unless_empty(headers.name);
    peer.session_id = unless_empty(headers.session);
    peer.last_event_id = unless_empty(headers.param);
    peer.param_header = param_header;
  } else {
    peer.connection = mcp;
    peer.push = &push;
    if (strchr(headers.kind, 's') != NULL) {
      open_stdio_session(mcp, &peer, headers.version);
    }
  }
  receive(mcp, &peer, body, body_len);
  if (!peer.http) {
    km_mcp_connection_closed(mcp, mcp);
  }
  km_mcp_free(mcp);
  km_lane_free(lane);
  free(body);
  free(line);
  return 0;
}
