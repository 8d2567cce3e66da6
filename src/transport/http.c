/* MCP over Streamable HTTP. One libmicrohttpd thread with epoll parses requests, checks who asks and what, hands complete
 * bodies to the protocol layer and sends what comes back. The order of the checks: path, Host and Origin, headers given
 * twice, method, content type, size. Limits: body, header memory and connections as configured; a body has two minutes
 * to arrive. */
#include "kube_mcp/transport/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_internal.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/base/sync.h"

#include "kube_mcp/base/banned.h"

#define METHODS "POST, GET, DELETE"
#define CORS_HEADERS                                                                                         \
  "content-type, authorization, accept, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, "        \
  "last-event-id"

#define KEEP_ALIVE_NS   (15 * KM_NS_PER_S)
#define UPLOAD_LIMIT_NS (120 * KM_NS_PER_S)
/* How long streams may take to send their last message when the server stops. */
#define DRAIN_STEPS   25
#define DRAIN_STEP_NS ((long)(10 * KM_NS_PER_MS))

/* --- small answers -------------------------------------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

void allow_origin(const struct km_http_server *server, struct MHD_Connection *connection,
                  struct MHD_Response *response)
{
  const char *origin = header(connection, "Origin");
  if (origin != NULL &&
      origin_listed(origin, server->options.allowed_origins, server->options.allowed_origin_count)) {
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate");
    MHD_add_response_header(response, "Vary", "Origin");
  }
}

static enum MHD_Result answer(const struct km_http_server *server, struct MHD_Connection *connection,
                              unsigned status, const char *content_type, const char *text)
{
  struct MHD_Response *response =
      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
  KM_ASSERT(response != NULL);
  if (*text != '\0') {
    MHD_add_response_header(response, "Content-Type", content_type);
  }
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, "Allow", METHODS);
  }
  allow_origin(server, connection, response);
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result refuse(const struct km_http_server *server, struct MHD_Connection *connection,
                              unsigned status, const char *message)
{
  char text[256];
  (void)snprintf(text, sizeof(text), "{\"error\":\"%s\"}\n", message);
  return answer(server, connection, status, "application/json", text);
}

static enum MHD_Result answer_preflight(const struct km_http_server *server,
                                        struct MHD_Connection *connection)
{
  const char *origin = header(connection, "Origin");
  if (origin == NULL ||
      !origin_listed(origin, server->options.allowed_origins, server->options.allowed_origin_count)) {
    return refuse(server, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed");
  }
  struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  KM_ASSERT(response != NULL);
  const char *wanted = header(connection, "Access-Control-Request-Headers");
  allow_origin(server, connection, response);
  MHD_add_response_header(response, "Access-Control-Allow-Methods", METHODS);
  MHD_add_response_header(response, "Access-Control-Allow-Headers", wanted == NULL ? CORS_HEADERS : wanted);
  enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, response);
  MHD_destroy_response(response);
  return result;
}

/* --- headers ---------------------------------------------------------------------------------------------------------------- */

/* The headers of one request. Blanks around a value are not part of it, but libmicrohttpd keeps those at the end. */
struct request_headers {
  struct MHD_Connection *connection;
  struct km_arena *trimmed; /* copies of values that had such blanks; NULL until there is one */
};

static const char *trimmed_header(struct request_headers *headers, const char *name)
{
  const char *value = header(headers->connection, name);
  size_t len = value == NULL ? 0 : strlen(value);
  if (len == 0 || (value[len - 1] != ' ' && value[len - 1] != '\t')) {
    return value;
  }
  while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
    len--;
  }
  if (headers->trimmed == NULL) {
    headers->trimmed = km_arena_new(4096);
  }
  return km_arena_strndup(headers->trimmed, value, len);
}

static const char *param_header(const struct km_peer *peer, const char *name)
{
  char full[128];
  (void)snprintf(full, sizeof(full), "Mcp-Param-%s", name);
  return trimmed_header(km_unconst(peer->headers), full);
}

static bool is_decisive_header(const char *name)
{
  static const char *const names[] = {
      "Host",     "Origin",        "Content-Type",      "Content-Length", "Mcp-Method",
      "Mcp-Name", "Authorization", "Transfer-Encoding", "Mcp-Session-Id", "Mcp-Protocol-Version"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    if (strcasecmp(name, names[i]) == 0) {
      return true;
    }
  }
  return strncasecmp(name, "Mcp-Param-", 10) == 0;
}

struct duplicate_check {
  struct MHD_Connection *connection;
  const char *found;
};

/* A header that comes twice with different values could mean one thing to a gateway and another to us. */
static enum MHD_Result check_duplicate(void *data, enum MHD_ValueKind kind, const char *key,
                                       const char *value)
{
  (void)kind;
  struct duplicate_check *check = data;
  if (is_decisive_header(key)) {
    const char *first = header(check->connection, key);
    if (value == NULL || first == NULL || !km_streq(first, value)) {
      check->found = key;
      return MHD_NO;
    }
  }
  return MHD_YES;
}

/* True if the request has been refused. */
static bool refuse_duplicates(const struct km_http_server *server, struct MHD_Connection *connection,
                              enum MHD_Result *result)
{
  struct duplicate_check check = {.connection = connection};
  MHD_get_connection_values(connection, MHD_HEADER_KIND, check_duplicate, &check);
  if (check.found == NULL) {
    return false;
  }
  *result =
      answer(server, connection, MHD_HTTP_BAD_REQUEST, "application/json",
             "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32020,\"message\":\"A header that decides how the "
             "request is handled is given twice with different values\"}}\n");
  return true;
}

/* HEADERS must outlive the peer; its arena is the caller's to free. */
static struct km_peer make_peer(struct request_headers *headers)
{
  return (struct km_peer){
      .http = true,
      .principal = "",
      .protocol_version = trimmed_header(headers, "MCP-Protocol-Version"),
      .method = trimmed_header(headers, "Mcp-Method"),
      .name = trimmed_header(headers, "Mcp-Name"),
      .session_id = trimmed_header(headers, "Mcp-Session-Id"),
      .last_event_id = trimmed_header(headers, "Last-Event-ID"),
      .param_header = param_header,
      .headers = headers,
  };
}

/* --- requests ------------------------------------------------------------------------------------------------------------------ */

static enum MHD_Result handle_get_elsewhere(struct km_http_server *server, struct MHD_Connection *connection,
                                            const char *url)
{
  struct km_buf body;
  km_buf_init(&body, (size_t)4 * 1024 * 1024);
  const char *type = "text/plain";
  int status = server->options.on_get == NULL
                   ? 0
                   : server->options.on_get(server->options.on_get_data, url, &type, &body);
  enum MHD_Result result =
      status == 0 ? refuse(server, connection, MHD_HTTP_NOT_FOUND, "not found; MCP is served on another path")
                  : answer(server, connection, (unsigned)status, type, body.data);
  km_buf_done(&body);
  return result;
}

static bool wants_event_stream(struct MHD_Connection *connection)
{
  const char *accept = header(connection, "Accept");
  return accept == NULL || strstr(accept, "text/event-stream") != NULL || strstr(accept, "*/*") != NULL;
}

static enum MHD_Result open_stream(struct km_http_server *server, struct exchange *exchange)
{
  struct MHD_Connection *connection = exchange->connection;
  if (!wants_event_stream(connection)) {
    return refuse(server, connection, MHD_HTTP_NOT_ACCEPTABLE, "Accept must allow text/event-stream");
  }
  struct request_headers headers = {.connection = connection};
  struct km_peer peer = make_peer(&headers);
  exchange->streaming = true;
  exchange->written_ns = km_clock_ns();
  exchange_ref(exchange); /* the protocol's */
  int status = km_mcp_open_stream(server->mcp, &peer, &exchange->reply);
  km_arena_free(headers.trimmed);
  if (status == 200) {
    exchange->phase = PHASE_RUNNING;
    return exchange_respond(exchange);
  }
  exchange_unref(exchange);
  exchange->streaming = false;
  return refuse(server, connection, (unsigned)status,
                status == 400   ? "missing header Mcp-Session-Id; send initialize first"
                : status == 404 ? "unknown or ended session"
                : status == 409 ? "this session has a stream already"
                                : "too many open streams");
}

static enum MHD_Result delete_session(struct km_http_server *server, struct MHD_Connection *connection)
{
  struct request_headers headers = {.connection = connection};
  struct km_peer peer = make_peer(&headers);
  int status = km_mcp_delete_session(server->mcp, &peer);
  km_arena_free(headers.trimmed);
  if (status == 204) {
    return answer(server, connection, MHD_HTTP_NO_CONTENT, NULL, "");
  }
  return refuse(server, connection, (unsigned)status,
                status == 404 ? "unknown or ended session" : "missing header Mcp-Session-Id");
}

/* Checks a POST by its headers. True if the body is wanted. */
static bool accept_post(struct km_http_server *server, struct MHD_Connection *connection,
                        enum MHD_Result *result)
{
  if (!media_type_is(header(connection, "Content-Type"), "application/json")) {
    *result =
        refuse(server, connection, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
    return false;
  }
  const char *length = header(connection, "Content-Length");
  uint64_t bytes = 0;
  if (length != NULL && km_parse_u64(length, &bytes) && bytes > server->options.max_body_bytes) {
    *result =
        refuse(server, connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body exceeds server.http.max_body_bytes");
    return false;
  }
  return true;
}

/* The first time a request is seen: everything but the body is known. */
static enum MHD_Result begin(struct km_http_server *server, struct MHD_Connection *connection,
                             const char *url, const char *method, void **state)
{
  atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
  const struct km_http_server_options *options = &server->options;
  if (atomic_load_explicit(&server->draining, memory_order_relaxed)) {
    return refuse(server, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
  }
  if (!km_streq(url, options->path)) {
    return km_streq(method, "GET") || km_streq(method, "HEAD")
               ? handle_get_elsewhere(server, connection, url)
               : refuse(server, connection, MHD_HTTP_NOT_FOUND, "not found; MCP is served on another path");
  }
  if (!host_allowed(header(connection, "Host"), &server->bound, options->allowed_hosts,
                    options->allowed_host_count)) {
    return refuse(server, connection, MHD_HTTP_FORBIDDEN,
                  "Host is not allowed; see server.http.allowed_hosts");
  }
  const char *origin = header(connection, "Origin");
  if (origin != NULL &&
      !origin_allowed(origin, &server->bound, options->allowed_hosts, options->allowed_host_count,
                      options->allowed_origins, options->allowed_origin_count)) {
    return refuse(server, connection, MHD_HTTP_FORBIDDEN,
                  "Origin is not allowed; see server.http.allowed_origins");
  }
  enum MHD_Result result = MHD_YES;
  if (refuse_duplicates(server, connection, &result)) {
    return result;
  }
  if (km_streq(method, "OPTIONS")) {
    return answer_preflight(server, connection);
  }
  if (km_streq(method, "DELETE")) {
    return delete_session(server, connection);
  }
  bool is_get = km_streq(method, "GET");
  if (!is_get && !km_streq(method, "POST")) {
    return refuse(server, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed");
  }
  if (!is_get && !accept_post(server, connection, &result)) {
    return result;
  }
  struct exchange *exchange = exchange_new(server, connection);
  exchange->peer_fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  *state = exchange;
  return is_get ? open_stream(server, exchange) : MHD_YES;
}

/* The body is complete. */
static enum MHD_Result dispatch(struct km_http_server *server, struct exchange *exchange)
{
  if (exchange->too_large) {
    exchange->phase = PHASE_ANSWERED;
    return refuse(server, exchange->connection, MHD_HTTP_CONTENT_TOO_LARGE,
                  "the body exceeds server.http.max_body_bytes");
  }
  struct request_headers headers = {.connection = exchange->connection};
  struct km_peer peer = make_peer(&headers);
  exchange->phase = PHASE_RUNNING;
  exchange_ref(exchange); /* the protocol's, until finish() or km_mcp_peer_gone() */
  struct km_call *call =
      km_mcp_receive(server->mcp, &peer, exchange->body.data, exchange->body.len, &exchange->reply);
  km_arena_free(headers.trimmed);
  km_buf_done(&exchange->body);
  km_buf_init(&exchange->body, 1);
  if (call == NULL) {
    return exchange_respond(exchange); /* answered, or begun as a stream */
  }
  bool suspended = exchange_suspend(exchange);
  km_mcp_run(call);
  return suspended ? MHD_YES : MHD_NO; /* the latter only while stopping */
}

static void collect_body(struct exchange *exchange, const char *data, size_t len)
{
  if (!exchange->too_large && !km_buf_append(&exchange->body, data, len)) {
    exchange->too_large = true; /* the rest is read and dropped, so that the client sees the answer */
    km_buf_clear(&exchange->body);
  }
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
  (void)version;
  struct km_http_server *server = data;
  struct exchange *exchange = *state;
  if (exchange == NULL) {
    return begin(server, connection, url, method, state);
  }
  if (*upload_len > 0) {
    if (km_clock_ns() > exchange->started_ns + server->upload_limit_ns) {
      return MHD_NO;
    }
    collect_body(exchange, upload, *upload_len);
    *upload_len = 0;
    return MHD_YES;
  }
  if (exchange->phase == PHASE_UPLOADING) {
    return dispatch(server, exchange);
  }
  /* Resumed: there is an answer, the beginning of a stream, or nobody to send it to. */
  return exchange_respond(exchange);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode reason)
{
  (void)data;
  (void)connection;
  (void)reason;
  if (*state != NULL) {
    exchange_closed(*state);
    *state = NULL;
  }
}

/* --- start and stop ---------------------------------------------------------------------------------------------------------------- */

static enum km_rc start_daemon(struct km_http_server *server, struct km_error *err)
{
  const struct km_http_server_options *options = &server->options;
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  if (server->bound.sockaddr.ss_family == AF_INET6) {
    flags |= MHD_USE_IPv6;
  }
  errno = 0;
  server->daemon = MHD_start_daemon(
      flags, (uint16_t)server->bound.port, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
      (struct sockaddr *)&server->bound.sockaddr, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory_bytes, MHD_OPTION_CONNECTION_LIMIT,
      options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(options->idle_timeout_ms / 1000),
      MHD_OPTION_END);
  if (server->daemon != NULL) {
    server->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return KM_OK;
  }
  if (errno == EADDRINUSE) {
    km_error_set(err, KM_E_CONFLICT, "%s is in use by another program", options->address);
    return km_error_hint(err, "choose another with --address, or port 0 for a free one");
  }
  return km_error_errno(err, errno == 0 ? EINVAL : errno, "listening on %s", options->address);
}

static enum km_rc check_address(const struct km_http_server_options *options, struct bind_address *ret,
                                struct km_error *err)
{
  enum km_rc rc = bind_address_parse(options->address, ret, err);
  if (rc == KM_OK && !ret->loopback && !options->insecure_no_auth) {
    km_error_set(err, KM_E_INVALID, "refusing to listen on %s without authentication", options->address);
    return km_error_hint(
        err, "bind to 127.0.0.1, or set server.http.insecure_no_auth = true if the network is trusted");
  }
  return rc;
}

enum km_rc km_http_server_check(const struct km_http_server_options *options, struct km_error *err)
{
  struct bind_address unused;
  return check_address(options, &unused, err);
}

enum km_rc km_http_server_start(struct km_mcp *mcp, const struct km_http_server_options *options,
                                struct km_http_server **ret, struct km_error *err)
{
  struct km_http_server *server = calloc(1, sizeof(*server));
  KM_ASSERT(server != NULL);
  server->mcp = mcp;
  server->options = *options;
  server->keep_alive_ns = KEEP_ALIVE_NS;
  server->upload_limit_ns = UPLOAD_LIMIT_NS;
  enum km_rc rc = check_address(options, &server->bound, err);
  pthread_mutex_init(&server->mutex, NULL);
  pthread_cond_init(&server->watch_wanted, NULL);
  if (rc == KM_OK) {
    rc = start_daemon(server, err);
  }
  if (rc != KM_OK) {
    pthread_cond_destroy(&server->watch_wanted);
    pthread_mutex_destroy(&server->mutex);
    free(server);
    return rc;
  }
  *ret = server;
  return KM_OK;
}

/* Streams that have ended get a moment to say so. */
static void drain(const struct km_http_server *server)
{
  const struct timespec step = {.tv_nsec = DRAIN_STEP_NS};
  for (int i = 0; i < DRAIN_STEPS && atomic_load(&server->streams) > 0; i++) {
    (void)nanosleep(&step, NULL);
  }
}

/* libmicrohttpd must not be stopped while a connection is suspended. */
static void resume_all(struct km_http_server *server)
{
  for (;;) {
    struct exchange *exchange = NULL;
    {
      KM_SCOPED_LOCK(&server->mutex);
      exchange = server->suspended;
      if (exchange == NULL) {
        return;
      }
      exchange_ref(exchange);
    }
    {
      KM_SCOPED_LOCK(&exchange->mutex);
      exchange->gone = true;
      exchange_wake_locked(exchange);
    }
    exchange_unref(exchange);
  }
}

void km_http_server_stop(struct km_http_server *server)
{
  if (server == NULL) {
    return;
  }
  MHD_socket listener = MHD_quiesce_daemon(server->daemon);
  atomic_store(&server->draining, true);
  km_mcp_cancel_all(server->mcp);
  drain(server);
  watch_stop(server);
  resume_all(server);
  MHD_stop_daemon(server->daemon);
  if (listener != MHD_INVALID_SOCKET) {
    (void)close(listener);
  }
  pthread_cond_destroy(&server->watch_wanted);
  pthread_mutex_destroy(&server->mutex);
  free(server);
}

unsigned km_http_server_port(const struct km_http_server *server)
{
  return server->port;
}

void km_http_server_stats(const struct km_http_server *server, struct km_http_server_stats *ret)
{
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  *ret = (struct km_http_server_stats){
      .requests = atomic_load(&server->requests),
      .connections = info == NULL ? 0 : info->num_connections,
      .streams = atomic_load(&server->streams),
  };
}
