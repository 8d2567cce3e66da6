/* A protocol server with a handful of tools, and an HTTP client that sends and reads raw bytes. */
#ifndef KM_TESTS_UNIT_TRANSPORT_FIXTURE_H
#define KM_TESTS_UNIT_TRANSPORT_FIXTURE_H

#include "testing.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/mcp/server.h"
#include "kube_mcp/transport/http.h"

#define PATIENCE_MS 120000

static inline void sleep_ms(long ms)
{
  (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Fails unless CONDITION comes true in time. */
#define assert_soon(condition)                                                                               \
  do {                                                                                                       \
    for (int waited_ms = 0; !(condition); waited_ms += 5) {                                                  \
      assert_true(waited_ms < PATIENCE_MS);                                                                  \
      sleep_ms(5);                                                                                           \
    }                                                                                                        \
  } while (0)

/* --- tools ---------------------------------------------------------------------------------------------------------- */

static atomic_uint blocking_started, blocking_cancelled, blocking_finished;

struct echo_args {
  const char *text;
};
struct number_args {
  int64_t number;
};

static inline enum km_rc run_echo(struct km_call *call, const void *args, struct km_result *out,
                                  struct km_error *err)
{
  (void)call;
  (void)err;
  const struct echo_args *echo = args;
  km_result_text(out, echo->text, strlen(echo->text));
  return KM_OK;
}

/* Reports progress a NUMBER of times. */
static inline enum km_rc run_steps(struct km_call *call, const void *args, struct km_result *out,
                                   struct km_error *err)
{
  (void)err;
  const struct number_args *steps = args;
  for (int64_t i = 1; i <= steps->number; i++) {
    km_call_progress(call, (double)i, (double)steps->number, "one more");
    sleep_ms(2);
  }
  km_result_text(out, "all steps done", strlen("all steps done"));
  return KM_OK;
}

/* Waits for its cancellation, at most NUMBER milliseconds. */
static inline enum km_rc run_block(struct km_call *call, const void *args, struct km_result *out,
                                   struct km_error *err)
{
  const struct number_args *block = args;
  atomic_fetch_add(&blocking_started, 1);
  enum km_rc rc = KM_OK;
  for (int64_t waited_ms = 0; rc == KM_OK && waited_ms < block->number; waited_ms += 5) {
    sleep_ms(5);
    rc = km_call_check(call, err);
  }
  km_result_text(out, "waited", strlen("waited"));
  atomic_fetch_add(rc == KM_E_CANCELLED ? &blocking_cancelled : &blocking_finished, 1);
  return rc;
}

/* Answers with a text of NUMBER bytes. */
static inline enum km_rc run_big(struct km_call *call, const void *args, struct km_result *out,
                                 struct km_error *err)
{
  (void)call;
  (void)err;
  const struct number_args *big = args;
  char *text = malloc((size_t)big->number);
  assert_non_null(text);
  memset(text, 'x', (size_t)big->number);
  km_call_progress(call, 1, 1, NULL);
  km_result_text(out, text, (size_t)big->number);
  free(text);
  return KM_OK;
}

/* Sends up to NUMBER messages of 64 KiB, whether they are read or not, until it is cancelled. */
static inline enum km_rc run_flood(struct km_call *call, const void *args, struct km_result *out,
                                   struct km_error *err)
{
  (void)out;
  const struct number_args *flood = args;
  char *text = malloc(65536);
  assert_non_null(text);
  memset(text, 'f', 65535);
  text[65535] = '\0';
  enum km_rc rc = KM_OK;
  for (int64_t i = 1; rc == KM_OK && i <= flood->number; i++) {
    km_call_log(call, KM_LOG_ERROR, "flood", text);
    rc = km_call_check(call, err);
  }
  free(text);
  return rc;
}

static const struct km_arg echo_arg[] = {
    {.name = "text", .description = "Text", .flags = KM_ARG_REQUIRED, KM_ARG_AT(struct echo_args, text)}};
static const struct km_arg number_arg[] = {{.name = "number",
                                            .description = "Number",
                                            .type = KM_ARG_INT,
                                            .max = 100000000,
                                            .fallback = "60000",
                                            KM_ARG_AT(struct number_args, number)}};

#define NUMBER_TOOL(tool, what)                                                                              \
  {                                                                                                          \
    .name = (tool), .title = (tool), .description = "A test tool.", .args = number_arg, .arg_count = 1,      \
    .args_size = sizeof(struct number_args), .run = (what)                                                   \
  }

static const struct km_tool echo_tool = {.name = "echo",
                                         .title = "Echo",
                                         .description = "Says it again.",
                                         .args = echo_arg,
                                         .arg_count = 1,
                                         .args_size = sizeof(struct echo_args),
                                         .run = run_echo};
static const struct km_tool steps_tool = NUMBER_TOOL("steps", run_steps);
static const struct km_tool block_tool = NUMBER_TOOL("block", run_block);
static const struct km_tool big_tool = NUMBER_TOOL("big", run_big);
static const struct km_tool flood_tool = NUMBER_TOOL("flood", run_flood);
static const struct km_tool *const test_tools[] = {&echo_tool, &steps_tool, &block_tool, &big_tool,
                                                   &flood_tool};

static const struct km_mcp_features test_features = {.name = "test",
                                                     .version = "1",
                                                     .tools = test_tools,
                                                     .tool_count = KM_ARRAY_LEN(test_tools),
                                                     .tool_prefix = "",
                                                     .tools_list_changed = true,
                                                     .logging = true,
                                                     .list_ttl_ms = 1000,
                                                     .default_deadline_ms = 60000,
                                                     .max_call_bytes = (size_t)256 * 1024 * 1024};

/* --- the server ----------------------------------------------------------------------------------------------------- */

struct fixture {
  struct km_lane *lane;
  struct km_mcp *mcp;
  struct km_http_server_options options; /* changed by a test before fixture_serve() */
  struct km_http_server *http;
  unsigned port;
};

static inline void fixture_init_ttl(struct fixture *fixture, int64_t session_ttl_ms)
{
  struct km_error err = {0};
  km_log_set_level(KM_LOG_ERROR); /* cancelled calls are expected here */
  *fixture = (struct fixture){.lane = km_lane_new("test", 8, 1024)};
  fixture->options = (struct km_http_server_options){.address = "127.0.0.1:0",
                                                     .path = "/mcp",
                                                     .max_body_bytes = 65536,
                                                     .connection_memory_bytes = 16384,
                                                     .max_connections = 512,
                                                     .idle_timeout_ms = 30000};
  const struct km_mcp_options options = {.short_lane = fixture->lane,
                                         .stream_lane = fixture->lane,
                                         .session_ttl_ms = session_ttl_ms,
                                         .max_sessions = 1000};
  assert_int_equal(km_mcp_new(&test_features, &options, &fixture->mcp, &err), KM_OK);
  atomic_store(&blocking_started, 0);
  atomic_store(&blocking_cancelled, 0);
  atomic_store(&blocking_finished, 0);
}

static inline void fixture_init(struct fixture *fixture)
{
  fixture_init_ttl(fixture, 3600000);
}

static inline void fixture_serve(struct fixture *fixture)
{
  struct km_error err = {0};
  assert_int_equal(km_http_server_start(fixture->mcp, &fixture->options, &fixture->http, &err), KM_OK);
  fixture->port = km_http_server_port(fixture->http);
}

static inline void fixture_start(struct fixture *fixture)
{
  fixture_init(fixture);
  fixture_serve(fixture);
}

static inline void fixture_done(struct fixture *fixture)
{
  km_http_server_stop(fixture->http);
  km_mcp_free(fixture->mcp);
  km_lane_free(fixture->lane);
}

static inline unsigned in_flight(const struct fixture *fixture)
{
  struct km_mcp_stats stats;
  km_mcp_stats(fixture->mcp, &stats);
  return stats.in_flight;
}

static inline unsigned open_streams(const struct fixture *fixture)
{
  struct km_mcp_stats stats;
  km_mcp_stats(fixture->mcp, &stats);
  return stats.streams;
}

/* --- the client ----------------------------------------------------------------------------------------------------- */

struct client {
  int fd;
  struct km_buf text; /* everything received */
};

static inline struct client client_open(unsigned port)
{
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  km_buf_init(&client.text, (size_t)256 * 1024 * 1024);
  assert_true(client.fd >= 0);
  assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
  (void)setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return client;
}

static inline void client_close(struct client *client)
{
  close(client->fd);
  km_buf_done(&client->text);
}

/* Closes with a reset instead of an orderly end. */
static inline void client_abort(struct client *client)
{
  const struct linger linger = {.l_onoff = 1};
  (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  client_close(client);
}

/* What the server no longer wants may be lost. */
static inline void client_send_bytes(struct client *client, const char *data, size_t len)
{
  while (len > 0) {
    ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL);
    if (n <= 0) {
      return;
    }
    data += n;
    len -= (size_t)n;
  }
}

static inline void client_send(struct client *client, const char *text)
{
  client_send_bytes(client, text, strlen(text));
}

/* Receives some bytes; false at the end, or when none come in time. */
static inline bool client_receive(struct client *client, int timeout_ms)
{
  static _Thread_local char chunk[65536];
  struct pollfd ready = {.fd = client->fd, .events = POLLIN};
  if (poll(&ready, 1, timeout_ms) <= 0) {
    return false;
  }
  ssize_t n = recv(client->fd, chunk, sizeof(chunk), 0);
  return n > 0 && km_buf_append(&client->text, chunk, (size_t)n);
}

#define client_await(client, part) client_await_at((client), (part), __FILE__, __LINE__)
static inline void client_await_at(struct client *client, const char *part, const char *file, int line)
{
  size_t overlap = strlen(part), from = 0;
  while (strstr(client->text.data + from, part) == NULL) {
    from = client->text.len < overlap ? 0 : client->text.len - overlap;
    if (!client_receive(client, PATIENCE_MS)) {
      print_error("\"%s\" did not come; received: %.2000s\n", part, client->text.data);
      _fail(file, line);
    }
  }
}

/* Reads to the end, which must come. */
static inline void client_await_end(struct client *client)
{
  struct pollfd ready = {.fd = client->fd, .events = POLLIN};
  while (client_receive(client, PATIENCE_MS)) {
  }
  assert_int_equal(poll(&ready, 1, 0), 1);
}

/* Sends TEXT over a connection of its own; RET gets all that comes back. */
static inline void talk(unsigned port, const char *text, struct km_buf *ret)
{
  struct client client = client_open(port);
  client_send(&client, text);
  client_await_end(&client);
  *ret = client.text;
  close(client.fd);
}

static inline int status_of(const char *response)
{
  return km_starts_with(response, "HTTP/1.1 ") || km_starts_with(response, "HTTP/1.0 ")
             ? (int)strtol(response + strlen("HTTP/1.1 "), NULL, 10)
             : 0;
}

/* Sends TEXT, expects STATUS and, unless NULL, PART in the answer. */
#define assert_answer(port, text, status, part)                                                              \
  assert_answer_at((port), (text), (status), (part), __FILE__, __LINE__)
static inline void assert_answer_at(unsigned port, const char *text, int status, const char *part,
                                    const char *file, int line)
{
  struct km_buf response;
  talk(port, text, &response);
  if (status_of(response.data) != status) {
    print_error("status is not %d: %.2000s\n", status, response.data);
    _fail(file, line);
  }
  if (part != NULL) {
    assert_contains_at(response.data, part, file, line);
  }
  km_buf_done(&response);
}

/* A request; HEADERS is "" or lines that end in CRLF. The text is valid until the next call of the same thread. */
static inline const char *request(const char *method, const char *path, const char *headers, const char *body)
{
  static _Thread_local char text[200000];
  (void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
                 method, path, headers, strlen(body), body);
  return text;
}

#define JSON_TYPE "Content-Type: application/json\r\n"
#define CLOSE     "Connection: close\r\n"
#define PING      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"
#define INITIALIZE                                                                                           \
  "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\","  \
  "\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}"
#define CALL(tool, arguments)                                                                                \
  "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"" tool                     \
  "\",\"arguments\":" arguments ",\"_meta\":{\"progressToken\":\"p\"}}}"
#define ENVELOPE                                                                                             \
  "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                                              \
  "\"io.modelcontextprotocol/clientCapabilities\":{}"
#define MODERN_CALL(tool, arguments)                                                                         \
  "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"" tool                     \
  "\",\"arguments\":" arguments ",\"_meta\":{" ENVELOPE                                                      \
  ",\"io.modelcontextprotocol/logLevel\":\"error\",\"progressToken\":\"p\"}}}"
#define MODERN_HEADERS(tool)                                                                                 \
  JSON_TYPE "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: " tool "\r\n"
#define LISTEN                                                                                               \
  "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{"        \
  "\"toolsListChanged\":true},\"_meta\":{" ENVELOPE "}}}"
#define LISTEN_HEADERS JSON_TYPE "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n"

struct session {
  char id[512];
  char headers[700]; /* content type, and the session's */
};

static inline struct session session_open(unsigned port)
{
  struct session session;
  struct km_buf response;
  talk(port, request("POST", "/mcp", JSON_TYPE CLOSE, INITIALIZE), &response);
  assert_int_equal(status_of(response.data), 200);
  const char *id = strstr(response.data, "Mcp-Session-Id: ");
  assert_non_null(id);
  assert_int_equal(sscanf(id, "Mcp-Session-Id: %511[^\r]", session.id), 1);
  (void)snprintf(session.headers, sizeof(session.headers), JSON_TYPE "Mcp-Session-Id: %s\r\n", session.id);
  km_buf_done(&response);
  return session;
}

/* SESSION's headers and MORE; valid until the next call of the same thread. */
static inline const char *with(const struct session *session, const char *more)
{
  static _Thread_local char headers[1400];
  (void)snprintf(headers, sizeof(headers), "%s%s", session->headers, more);
  return headers;
}

#endif
