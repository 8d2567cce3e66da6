/* Requests and answers as they should be: what is sent, what comes back, how connections are reused, and how
 * a call is ended from outside. */
#include "net/client.h"

#include <fcntl.h>

#include "kube_mcp/base/banned.h"

/* -- what arrives at the server -------------------------------------------------------------------------- */

/* Answers with the head and body of the request. */
static bool echo(struct exchange *x)
{
  char answer[16384];
  (void)snprintf(answer, sizeof(answer), "%s|%.*s", x->head, (int)x->body_len, x->body);
  return server_reply(x, 200, "", answer);
}

struct world {
  struct km_loop *loop;
  struct server *server;
  struct km_http_client *client;
};

static struct world new_world(server_handler *handler, const void *data)
{
  struct world world = {.loop = new_loop(), .server = server_start(handler, data, NULL, NULL)};
  world.client = new_client(world.loop, world.server->url);
  return world;
}

static void end_world(struct world *world)
{
  km_http_client_free(world->client);
  server_stop(world->server);
  km_loop_free(world->loop);
}

static char *echoed(struct world *world, const struct km_http_request *request)
{
  struct km_http_response response;
  expect_ok(world->client, request, &response);
  assert_int_equal(response.status, 200);
  char *text = km_buf_detach(&response.body, NULL);
  km_http_response_done(&response);
  return text;
}

static void test_get(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  const struct km_http_header headers[] = {{"Accept", "application/json;as=Table"}, {"X-Empty", ""}};
  struct km_http_request request = get_request("/api/v1/pods?limit=5&labelSelector=a%3Db");
  request.headers = headers;
  request.header_count = 2;
  char *text = echoed(&world, &request);
  char host[64];
  (void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", world.server->port);
  assert_ptr_equal(strstr(text, "GET /api/v1/pods?limit=5&labelSelector=a%3Db HTTP/1.1\r\n"), text);
  assert_contains(text, host);
  assert_contains(text, "\r\nUser-Agent: test/1\r\n");
  assert_contains(text, "\r\nAccept: application/json;as=Table\r\n");
  assert_contains(text, "\r\nX-Empty:\r\n");
  assert_null(strstr(text, "Authorization"));
  assert_null(strstr(text, "Accept-Encoding"));
  free(text);
  end_world(&world);
}

static void test_prefix_of_the_base_url(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  char url[128];
  (void)snprintf(url, sizeof(url), "%s/k8s/clusters/c-1/", world.server->url);
  struct km_http_client *client = new_client(world.loop, url);
  struct km_http_request request = get_request("/version");
  struct km_http_response response;
  expect_ok(client, &request, &response);
  assert_contains(response.body.data, "GET /k8s/clusters/c-1/version HTTP/1.1");
  km_http_response_done(&response);
  km_http_client_free(client);
  end_world(&world);
}

/* Dots in a path are the server's to judge, not ours to resolve away. */
static void test_path_is_sent_as_it_is(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  struct km_http_request request = get_request("/api/v1/namespaces/../../secrets/./x");
  char *text = echoed(&world, &request);
  assert_contains(text, "GET /api/v1/namespaces/../../secrets/./x HTTP/1.1");
  free(text);
  end_world(&world);
}

static void test_bodies_and_methods(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
  const struct km_http_header type = {"Content-Type", "application/merge-patch+json"};
  for (size_t i = 0; i < KM_ARRAY_LEN(methods); i++) {
    struct km_http_request request = get_request("/x");
    request.method = methods[i];
    request.body = "{\"a\":1}";
    request.body_len = 7;
    request.headers = &type;
    request.header_count = 1;
    char *text = echoed(&world, &request);
    assert_ptr_equal(strstr(text, methods[i]), text);
    assert_contains(text, "Content-Length: 7\r\n");
    assert_contains(text, "Content-Type: application/merge-patch+json\r\n");
    assert_contains(text, "|{\"a\":1}");
    assert_null(strstr(text, "Expect"));
    free(text);
  }
  struct km_http_request request = get_request("/x");
  request.method = "DELETE";
  char *text = echoed(&world, &request);
  assert_contains(text, "DELETE /x HTTP/1.1");
  free(text);
  request.method = "POST"; /* without a body, and afterwards a GET is a GET again */
  text = echoed(&world, &request);
  assert_contains(text, "POST /x HTTP/1.1");
  assert_contains(text, "Content-Length: 0");
  assert_null(strstr(text, "Content-Type: application/x-www-form-urlencoded"));
  free(text);
  request.method = "GET";
  text = echoed(&world, &request);
  assert_contains(text, "GET /x HTTP/1.1");
  assert_null(strstr(text, "Content-Length"));
  free(text);
  end_world(&world);
}

static bool head_only(struct exchange *x)
{
  assert_string_equal(x->method, "HEAD");
  return server_puts(x, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n");
}

static void test_head(void **state)
{
  (void)state;
  struct world world = new_world(head_only, NULL);
  struct km_http_request request = get_request("/");
  request.method = "HEAD";
  struct km_http_response response;
  for (int i = 0; i < 2; i++) {
    expect_ok(world.client, &request, &response);
    assert_int_equal(response.body.len, 0);
    assert_string_equal(response.content_type, "text/plain");
    km_http_response_done(&response);
  }
  end_world(&world);
}

static bool count_body(struct exchange *x)
{
  char answer[64];
  unsigned sum = 0;
  for (size_t i = 0; i < x->body_len; i++) {
    sum += (unsigned char)x->body[i];
  }
  (void)snprintf(answer, sizeof(answer), "%zu %u", x->body_len, sum);
  return server_reply(x, 201, "", answer);
}

static void test_large_request_body(void **state)
{
  (void)state;
  struct world world = new_world(count_body, NULL);
  size_t len = 300000;
  char *body = test_malloc(len), expected[64];
  unsigned sum = 0;
  for (size_t i = 0; i < len; i++) {
    body[i] = (char)(i * 7);
    sum += (unsigned char)body[i];
  }
  (void)snprintf(expected, sizeof(expected), "%zu %u", len, sum);
  struct km_http_request request = get_request("/");
  request.method = "POST";
  request.body = body;
  request.body_len = len;
  struct km_http_response response;
  for (int i = 0; i < 3; i++) {
    expect_ok(world.client, &request, &response);
    assert_int_equal(response.status, 201);
    assert_string_equal(response.body.data, expected);
    km_http_response_done(&response);
  }
  assert_true(stats_of(world.client).bytes_out >= 3 * len);
  test_free(body);
  end_world(&world);
}

static struct km_secret secret(const char *text)
{
  struct km_secret value = {0};
  km_secret_set(&value, text, strlen(text));
  return value;
}

static void test_credentials(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  struct km_secret token = secret("abc.def-123"), user = secret("alice"), password = secret("p:w \xC3\xA4");
  struct km_http_request request = get_request("/");
  request.bearer = &token;
  char *text = echoed(&world, &request);
  assert_contains(text, "\r\nAuthorization: Bearer abc.def-123\r\n");
  free(text);
  request.bearer = NULL;
  request.basic_user = &user;
  request.basic_password = &password;
  text = echoed(&world, &request);
  assert_contains(text, "\r\nAuthorization: Basic YWxpY2U6cDp3IMOk\r\n");
  free(text);
  request.basic_password = NULL;
  text = echoed(&world, &request);
  assert_contains(text, "\r\nAuthorization: Basic YWxpY2U6\r\n");
  free(text);
  request.basic_user = NULL; /* nothing of it is left on the next request */
  text = echoed(&world, &request);
  assert_null(strstr(text, "Authorization"));
  free(text);
  km_secret_done(&token);
  km_secret_done(&user);
  km_secret_done(&password);
  end_world(&world);
}

static void expect_refused(struct world *world, const struct km_http_request *request, enum km_rc rc,
                           const char *part)
{
  struct km_error err = expect_failure(world->client, request, rc, part);
  assert_null(strstr(err.message, "hunter2"));
  assert_int_equal(atomic_load(&world->server->requests), 0);
}

static void test_malformed_requests_are_not_sent(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  static const char *const paths[] = {"", "x", "/a b", "/a\r\nX: y", "/a\n", "/\xC3\xA4", "/a#b", NULL};
  static const char *const methods[] = {"", "get", "GET /x", "GET\r\n", "AVERYLONGMETHODNAME", NULL};
  static const struct km_http_header headers[] = {
      {"X", "a\r\nEvil: 1"}, {"X", "a\n"}, {"X\r\n", "a"}, {"", "a"},
      {"X:", "a"},           {"X y", "a"}, {"X", "\x7f"}};
  static const char *const tokens[] = {"hunter2\r\nEvil: 1", "hunter2\n", "hunter2 x", "hunter2\xC3\xA4"};
  for (size_t i = 0; i < KM_ARRAY_LEN(paths); i++) {
    struct km_http_request request = get_request(paths[i]);
    expect_refused(&world, &request, KM_E_INVALID, "path");
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(methods); i++) {
    struct km_http_request request = get_request("/");
    request.method = methods[i];
    expect_refused(&world, &request, KM_E_INVALID, "method");
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(headers); i++) {
    struct km_http_request request = get_request("/");
    request.headers = &headers[i];
    request.header_count = 1;
    expect_refused(&world, &request, KM_E_INVALID, "header");
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(tokens); i++) {
    struct km_http_request request = get_request("/");
    struct km_secret token = secret(tokens[i]);
    request.bearer = &token;
    expect_refused(&world, &request, KM_E_INVALID, "bearer token");
    km_secret_done(&token);
  }
  struct km_secret user = secret("al:ice"), password = secret("hunter2\r\nX: y");
  struct km_http_request request = get_request("/");
  request.basic_user = &user;
  expect_refused(&world, &request, KM_E_INVALID, "user name");
  km_secret_done(&user);
  user = secret("alice");
  request.basic_password = &password;
  expect_refused(&world, &request, KM_E_INVALID, "password");
  km_secret_done(&user);
  km_secret_done(&password);
  end_world(&world);
}

static void test_oversized_requests_are_not_sent(void **state)
{
  (void)state;
  struct world world = new_world(echo, NULL);
  char *path = test_calloc(1, 100001);
  memset(path, 'a', 100000);
  path[0] = '/';
  struct km_http_request request = get_request(path);
  expect_refused(&world, &request, KM_E_TOO_LARGE, "path");
  struct km_http_header *headers = test_calloc(200, sizeof(*headers));
  for (size_t i = 0; i < 200; i++) {
    headers[i] = (struct km_http_header){"X-Big", path};
  }
  request = get_request("/");
  request.headers = headers;
  request.header_count = 200;
  expect_refused(&world, &request, KM_E_TOO_LARGE, "200 headers");
  request.header_count = 3;
  expect_refused(&world, &request, KM_E_TOO_LARGE, "headers of the request");
  request.header_count = 0; /* the transfer is fit for use again */
  char *text = echoed(&world, &request);
  assert_null(strstr(text, "X-Big"));
  free(text);
  test_free(headers);
  test_free(path);
  end_world(&world);
}

/* -- what the answer says -------------------------------------------------------------------------------- */

/* Answers with the status in the path and the headers in `data`. */
static bool with_headers(struct exchange *x)
{
  return server_reply(x, (int)strtol(x->path + 1, NULL, 10), x->server->data, "body");
}

static struct km_http_response answer_with(const char *path, const char *headers)
{
  static char copy[200000];
  assert_true((size_t)snprintf(copy, sizeof(copy), "%s", headers) < sizeof(copy));
  struct world world = new_world(with_headers, copy);
  struct km_http_request request = get_request(path);
  struct km_http_response response;
  expect_ok(world.client, &request, &response);
  end_world(&world);
  return response;
}

static void test_any_status_is_an_answer(void **state)
{
  (void)state;
  static const int statuses[] = {200, 201, 301, 401, 403, 404, 409, 410, 429, 500, 503, 599};
  struct world world = new_world(with_headers, "Location: /elsewhere\r\nContent-Type: application/json\r\n");
  for (size_t i = 0; i < KM_ARRAY_LEN(statuses); i++) {
    char path[16];
    (void)snprintf(path, sizeof(path), "/%d", statuses[i]);
    assert_int_equal(get_and_compare(world.client, path, "body"), statuses[i]);
  }
  assert_int_equal(atomic_load(&world.server->requests),
                   KM_ARRAY_LEN(statuses)); /* no redirect was followed */
  assert_int_equal(stats_of(world.client).requests, KM_ARRAY_LEN(statuses));
  end_world(&world);
}

static void test_headers_of_the_answer(void **state)
{
  (void)state;
  struct km_http_response response = answer_with(
      "/200", "content-type: application/json; charset=utf-8\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
              "Warning: 299 - \"v1 Endpoints is deprecated\"\r\nwarning: 299 - \"also \x1b[31mthis\"\r\n");
  assert_string_equal(response.content_type, "application/json; charset=utf-8");
  assert_true(response.date_wall_ms == 784111777000);
  assert_string_equal(response.audit_warning, "299 - \"v1 Endpoints is deprecated\", 299 - \"also this\"");
  assert_int_equal(response.retry_after_ms, 0);
  assert_true(response.elapsed_ns > 0);
  km_http_response_done(&response);

  response = answer_with("/200", "Date: yesterday-ish\r\n");
  assert_string_equal(response.content_type, "");
  assert_true(response.date_wall_ms == 0);
  assert_null(response.audit_warning);
  km_http_response_done(&response);
}

static void test_long_headers_are_cut(void **state)
{
  (void)state;
  char headers[20000] = "Content-Type: application/";
  size_t len = strlen(headers);
  memset(headers + len, 'x', 300);
  len += 300;
  for (int i = 0; i < 10; i++) {
    len += (size_t)snprintf(headers + len, sizeof(headers) - len, "\r\nWarning: %d-%0990d", i, 0);
  }
  (void)snprintf(headers + len, sizeof(headers) - len, "\r\n");
  struct km_http_response response = answer_with("/200", headers);
  assert_int_equal(strlen(response.content_type), sizeof(response.content_type) - 1);
  size_t joined = strlen(response.audit_warning);
  assert_true(joined > 3900 && joined <= 4096);
  assert_contains(response.audit_warning, "3-000");
  assert_null(strstr(response.audit_warning, "9-000"));
  km_http_response_done(&response);
}

static void expect_retry_after(const char *headers, int64_t low_ms, int64_t high_ms)
{
  struct km_http_response response = answer_with("/429", headers);
  int64_t got = response.retry_after_ms;
  if (got < low_ms || got > high_ms) {
    fail_msg("%s gave %lld ms", headers, (long long)got);
  }
  km_http_response_done(&response);
}

static void test_retry_after(void **state)
{
  (void)state;
  expect_retry_after("", 0, 0);
  expect_retry_after("Retry-After: 1\r\n", 1000, 1000);
  expect_retry_after("retry-after: 120\r\n", 120000, 120000);
  expect_retry_after("Retry-After: 0\r\n", 0, 0);
  expect_retry_after("Retry-After: -5\r\n", 0, 0);
  expect_retry_after("Retry-After: soon\r\n", 0, 0);
  expect_retry_after("Retry-After:\r\n", 0, 0);
  expect_retry_after("Retry-After: 99999999999999999999999\r\n", UINT32_MAX, UINT32_MAX);
  expect_retry_after("Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                     30000, 30000);
  expect_retry_after("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 0);
  expect_retry_after("Retry-After: Sun, 06 Nov 2094 08:49:37 GMT\r\n", UINT32_MAX, UINT32_MAX);
}

/* "hello hello …" in gzip, or plain when the client did not ask. */
static bool compressed(struct exchange *x)
{
  static const unsigned char gzip[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0,    0x02,
                                       0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                       0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
  char accept[64] = "";
  if (!server_header(x, "Accept-Encoding", accept, sizeof(accept))) {
    return server_reply(x, 200, "", "hello");
  }
  assert_contains(accept, "gzip");
  char head[128];
  int len =
      snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               sizeof(gzip));
  return server_send(x, head, (size_t)len) && server_send(x, (const char *)gzip, sizeof(gzip));
}

static void test_compression_only_when_wanted(void **state)
{
  (void)state;
  struct world world = new_world(compressed, NULL);
  assert_int_equal(get_and_compare(world.client, "/", "hello"), 200);
  struct km_http_client *client = new_client_with(
      world.loop, &(struct km_http_options){.base_url = world.server->url, .accept_encoding = true});
  assert_int_equal(get_and_compare(client, "/", "hello"), 200);
  km_http_client_free(client);
  end_world(&world);
}

/* 100,000 zeros in gzip. */
static bool bomb(struct exchange *x)
{
  static const unsigned char gzip[] = {
      0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00,
      0xc2, 0xa0, 0xf5, 0x4f, 0x6d, 0x0d, 0x0f, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x80, 0x57, 0x03, 0x7d, 0x95, 0x11, 0xd4, 0xa0, 0x86, 0x01, 0x00};
  char head[128];
  int len =
      snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               sizeof(gzip));
  return server_send(x, head, (size_t)len) && server_send(x, (const char *)gzip, sizeof(gzip));
}

static void test_compressed_bodies_are_measured_unfolded(void **state)
{
  (void)state;
  struct world world = new_world(bomb, NULL);
  struct km_http_client *client = new_client_with(
      world.loop, &(struct km_http_options){.base_url = world.server->url, .accept_encoding = true});
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  request.max_body_bytes = 100000;
  expect_ok(client, &request, &response);
  assert_int_equal(response.body.len, 100000);
  km_http_response_done(&response);
  request.max_body_bytes = 99999;
  expect_failure(client, &request, KM_E_TOO_LARGE, "99999 bytes");
  km_http_client_free(client);
  end_world(&world);
}

/* -- bodies ---------------------------------------------------------------------------------------------- */

#define BIG_BODY ((size_t)700000)

/* "/length" announces the length, anything else sends chunks. */
static bool big(struct exchange *x)
{
  char head[128], *body = malloc(BIG_BODY);
  bool announce = strcmp(x->path, "/length") == 0;
  memset(body, 'b', BIG_BODY);
  int len = announce
                ? snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BIG_BODY)
                : snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  bool ok = server_send(x, head, (size_t)len);
  for (size_t sent = 0; ok && sent < BIG_BODY; sent += 70000) {
    if (!announce) {
      ok = server_puts(x, "11170\r\n");
    }
    ok = ok && server_send(x, body + sent, 70000);
    if (!announce) {
      ok = ok && server_puts(x, "\r\n");
    }
  }
  ok = ok && (announce || server_puts(x, "0\r\n\r\n"));
  free(body);
  return ok;
}

static void test_body_limit(void **state)
{
  (void)state;
  struct world world = new_world(big, NULL);
  static const char *const paths[] = {"/length", "/chunks"};
  for (size_t i = 0; i < 2; i++) {
    struct km_http_request request = get_request(paths[i]);
    struct km_http_response response;
    request.max_body_bytes = BIG_BODY;
    expect_ok(world.client, &request, &response);
    assert_int_equal(response.body.len, BIG_BODY);
    km_http_response_done(&response);
    request.max_body_bytes = BIG_BODY - 1;
    struct km_error err = expect_failure(world.client, &request, KM_E_TOO_LARGE, "699999 bytes");
    assert_int_equal(err.http_status, 200);
    assert_true(err.hint[0] != '\0');
    request.max_body_bytes = 0;
    expect_failure(world.client, &request, KM_E_TOO_LARGE, "127.0.0.1:");
  }
  end_world(&world);
}

struct stream {
  size_t bytes, pieces, stop_after;
};

static bool on_piece(void *data, const char *piece, size_t len)
{
  struct stream *stream = data;
  stream->bytes += len;
  stream->pieces += piece[0] != '\0';
  return stream->stop_after == 0 || stream->bytes < stream->stop_after;
}

static void test_streaming(void **state)
{
  (void)state;
  struct world world = new_world(big, NULL);
  struct stream stream = {0};
  struct km_http_request request = get_request("/chunks");
  request.max_body_bytes = 10; /* binds only what is collected */
  request.on_data = on_piece;
  request.on_data_arg = &stream;
  struct km_http_response response;
  expect_ok(world.client, &request, &response);
  assert_int_equal(stream.bytes, BIG_BODY);
  assert_true(stream.pieces > 1);
  assert_int_equal(response.body.len, 0);
  km_http_response_done(&response);

  stream = (struct stream){.stop_after = 1000};
  expect_ok(world.client, &request, &response);
  assert_int_equal(response.status, 200);
  assert_true(stream.bytes >= 1000 && stream.bytes < BIG_BODY);
  km_http_response_done(&response);
  end_world(&world);
}

static void test_error_bodies_are_collected_not_streamed(void **state)
{
  (void)state;
  struct world world = new_world(with_headers, "");
  struct stream stream = {0};
  struct km_http_request request = get_request("/403");
  request.on_data = on_piece;
  request.on_data_arg = &stream;
  struct km_http_response response;
  expect_ok(world.client, &request, &response);
  assert_int_equal(response.status, 403);
  assert_string_equal(response.body.data, "body");
  assert_int_equal(stream.bytes, 0);
  km_http_response_done(&response);
  end_world(&world);
}

/* -- connections ----------------------------------------------------------------------------------------- */

static bool hello(struct exchange *x)
{
  return server_reply(x, 200, "", "hello");
}

static void test_keep_alive(void **state)
{
  (void)state;
  struct world world = new_world(hello, NULL);
  for (unsigned i = 0; i < 20; i++) {
    struct km_http_request request = get_request("/");
    struct km_http_response response;
    expect_ok(world.client, &request, &response);
    assert_int_equal(response.reused_connection, i > 0);
    km_http_response_done(&response);
  }
  struct km_http_stats stats = stats_of(world.client);
  assert_int_equal(stats.requests, 20);
  assert_int_equal(stats.connections_opened, 1);
  assert_int_equal(stats.in_flight, 0);
  assert_true(stats.bytes_in >= 20 * strlen("hello"));
  assert_true(stats.bytes_out >= 20 * strlen("GET / HTTP/1.1"));
  assert_int_equal(atomic_load(&world.server->connections), 1);
  end_world(&world);
}

static unsigned open_fds(void)
{
  unsigned count = 0;
  for (int fd = 0; fd < 1024; fd++) {
    count += fcntl(fd, F_GETFD) != -1;
  }
  return count;
}

static void test_idle_connections_are_closed(void **state)
{
  (void)state;
  struct world world = new_world(hello, NULL);
  struct km_http_client *client =
      new_client_with(world.loop, &(struct km_http_options){.base_url = world.server->url, .idle_ms = 100});
  assert_int_equal(get_and_compare(world.client, "/", "hello"), 200); /* stays: its minute has not passed */
  unsigned fds = open_fds();
  assert_int_equal(get_and_compare(client, "/", "hello"), 200);
  assert_true(open_fds() > fds);
  for (int i = 0; i < 300 && open_fds() > fds; i++) {
    sleep_ms(10);
  }
  assert_int_equal(open_fds(), fds);
  assert_int_equal(get_and_compare(client, "/", "hello"), 200); /* and it wakes up again */
  assert_int_equal(stats_of(client).connections_opened, 2);
  km_http_client_free(client);
  end_world(&world);
}

static void test_sockets_are_not_inherited(void **state)
{
  (void)state;
  struct world world = new_world(hello, NULL);
  assert_int_equal(get_and_compare(world.client, "/", "hello"), 200);
  for (int fd = 3; fd < 64; fd++) {
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
        ntohs(peer.sin_port) == world.server->port) {
      assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  }
  end_world(&world);
}

#define THREADS  64
#define REQUESTS 40

struct hammer {
  struct km_http_client *client;
  unsigned number, wrong;
};

/* The answer must be the one to this very request. */
static void *hammer_main(void *data)
{
  struct hammer *hammer = data;
  for (unsigned i = 0; i < REQUESTS; i++) {
    char path[32];
    (void)snprintf(path, sizeof(path), "/%u-%u", hammer->number, i);
    struct km_http_request request = get_request(path);
    struct km_http_response response;
    struct km_error err;
    if (km_http_do(hammer->client, &request, &response, &err) != KM_OK) {
      hammer->wrong++;
      continue;
    }
    hammer->wrong += strcmp(response.body.data, path) != 0 || response.status != 200;
    km_http_response_done(&response);
  }
  return NULL;
}

static bool echo_path(struct exchange *x)
{
  return server_reply(x, 200, "", x->path);
}

static void hammer_with(struct world *world, struct km_http_client *client, unsigned most_connections)
{
  struct hammer hammers[THREADS];
  pthread_t threads[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    hammers[i] = (struct hammer){.client = client, .number = i};
    pthread_create(&threads[i], NULL, hammer_main, &hammers[i]);
  }
  unsigned wrong = 0;
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    wrong += hammers[i].wrong;
  }
  assert_int_equal(wrong, 0);
  assert_int_equal(atomic_load(&world->server->requests), THREADS * REQUESTS);
  assert_true(atomic_load(&world->server->connections) <= most_connections);
  assert_int_equal(stats_of(client).requests, THREADS * REQUESTS);
  assert_int_equal(stats_of(client).in_flight, 0);
}

static void test_many_threads(void **state)
{
  (void)state;
  struct world world = new_world(echo_path, NULL);
  hammer_with(&world, world.client, THREADS);
  end_world(&world);
}

static void test_few_connections_for_many_threads(void **state)
{
  (void)state;
  struct world world = new_world(echo_path, NULL);
  struct km_http_client *client = new_client_with(
      world.loop, &(struct km_http_options){.base_url = world.server->url, .max_connections = 3});
  hammer_with(&world, client, 3);
  km_http_client_free(client);
  end_world(&world);
}

/* -- endings --------------------------------------------------------------------------------------------- */

/* "/body" stops in the middle of the body, anything else before the first byte. */
static bool stall(struct exchange *x)
{
  if (strcmp(x->path, "/quick") == 0) {
    return hello(x);
  }
  if (strcmp(x->path, "/body") == 0) {
    server_puts(x, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
  }
  server_stall(x, 5000);
  return false;
}

static uint64_t now_ms(void)
{
  return km_clock_ns() / KM_NS_PER_MS;
}

static void test_deadline(void **state)
{
  (void)state;
  struct world world = new_world(stall, NULL);
  static const struct {
    const char *path, *phase;
  } cases[] = {{"/", "waiting for the answer"}, {"/body", "receiving the answer"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_http_request request = get_request(cases[i].path);
    uint64_t start = now_ms();
    request.deadline = km_deadline_in_ms(120);
    struct km_error err = expect_failure(world.client, &request, KM_E_TIMEOUT, cases[i].phase);
    assert_contains(err.message, "127.0.0.1:");
    assert_in_range(now_ms() - start, 100, 2000);
  }
  struct km_http_request request = get_request("/quick");
  request.deadline = km_clock_ns(); /* already passed */
  expect_failure(world.client, &request, KM_E_TIMEOUT, "127.0.0.1:");
  assert_int_equal(get_and_compare(world.client, "/quick", "hello"), 200);
  end_world(&world);
}

struct background {
  struct km_http_client *client;
  struct km_http_request request;
  enum km_rc rc;
  struct km_error err;
  pthread_t thread;
};

static void *background_main(void *data)
{
  struct background *background = data;
  struct km_http_response response;
  background->rc = km_http_do(background->client, &background->request, &response, &background->err);
  if (background->rc == KM_OK) {
    km_http_response_done(&response);
  }
  return NULL;
}

static void start_background(struct background *background, struct km_http_client *client, const char *path,
                             struct km_cancel *cancel)
{
  *background = (struct background){.client = client, .request = get_request(path)};
  background->request.cancel = cancel;
  pthread_create(&background->thread, NULL, background_main, background);
}

/* libcurl does not time what waits for a connection; we do. */
static void test_deadline_in_the_queue(void **state)
{
  (void)state;
  struct world world = new_world(stall, NULL);
  struct km_http_client *client = new_client_with(
      world.loop, &(struct km_http_options){.base_url = world.server->url, .max_connections = 1});
  struct km_cancel *cancel = km_cancel_new();
  struct background first;
  start_background(&first, client, "/", cancel);
  while (atomic_load(&world.server->requests) == 0) {
    sleep_ms(1);
  }
  struct km_http_request request = get_request("/quick");
  request.deadline = km_deadline_in_ms(80);
  expect_failure(client, &request, KM_E_TIMEOUT, "waiting for a free connection");
  km_cancel_trigger(cancel, NULL);
  pthread_join(first.thread, NULL);
  assert_int_equal(get_and_compare(client, "/quick", "hello"), 200);
  km_cancel_unref(cancel);
  km_http_client_free(client);
  end_world(&world);
}

static void test_cancel(void **state)
{
  (void)state;
  struct world world = new_world(stall, NULL);
  static const char *const paths[] = {"/", "/body"};
  for (unsigned i = 0; i < 2; i++) {
    struct km_cancel *cancel = km_cancel_new();
    struct background call;
    unsigned before = atomic_load(&world.server->requests);
    start_background(&call, world.client, paths[i], cancel);
    while (atomic_load(&world.server->requests) == before) {
      sleep_ms(1);
    }
    sleep_ms(20);
    uint64_t start = now_ms();
    km_cancel_trigger(cancel, "the client went away");
    pthread_join(call.thread, NULL);
    assert_true(now_ms() - start < 2000);
    assert_int_equal(call.rc, KM_E_CANCELLED);
    assert_contains(call.err.message, "the client went away");
    struct km_http_request request = get_request("/quick");
    request.cancel = cancel; /* already cancelled: nothing is sent */
    before = atomic_load(&world.server->requests);
    expect_failure(world.client, &request, KM_E_CANCELLED, "went away");
    assert_int_equal(atomic_load(&world.server->requests), before);
    km_cancel_unref(cancel);
  }
  assert_int_equal(get_and_compare(world.client, "/quick", "hello"), 200);
  end_world(&world);
}

/* Cancels at every moment of short calls: an abort may overtake or follow the end. */
static void test_cancel_races_with_the_end(void **state)
{
  (void)state;
  struct world world = new_world(hello, NULL);
  for (unsigned i = 0; i < 300; i++) {
    struct km_cancel *cancel = km_cancel_new();
    struct background call;
    start_background(&call, world.client, "/", cancel);
    for (volatile unsigned spin = 0; spin < i * 300; spin++) {
    }
    km_cancel_trigger(cancel, "race");
    pthread_join(call.thread, NULL);
    assert_true(call.rc == KM_OK || call.rc == KM_E_CANCELLED);
    km_cancel_unref(cancel);
  }
  assert_int_equal(get_and_compare(world.client, "/", "hello"), 200);
  end_world(&world);
}

static void test_free_while_in_flight(void **state)
{
  (void)state;
  struct world world = new_world(stall, NULL);
  struct km_http_client *client = new_client(world.loop, world.server->url);
  struct background calls[8];
  for (unsigned i = 0; i < KM_ARRAY_LEN(calls); i++) {
    start_background(&calls[i], client, i % 2 ? "/" : "/body", NULL);
  }
  while (atomic_load(&world.server->requests) < KM_ARRAY_LEN(calls)) {
    sleep_ms(1);
  }
  uint64_t start = now_ms();
  km_http_client_free(client);
  assert_true(now_ms() - start < 2000);
  for (unsigned i = 0; i < KM_ARRAY_LEN(calls); i++) {
    pthread_join(calls[i].thread, NULL);
    assert_int_equal(calls[i].rc, KM_E_CANCELLED);
    assert_contains(calls[i].err.message, "closed");
  }
  end_world(&world);
}

static void test_free_of_an_unused_client(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  km_http_client_free(new_client(loop, "https://127.0.0.1:1"));
  km_http_client_free(NULL);
  km_loop_free(loop);
}

static bool ask_on_loop(void *data, const char *piece, size_t len)
{
  (void)piece;
  (void)len;
  struct world *world = data;
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  struct km_error err;
  return km_http_do(world->client, &request, &response, &err) == KM_OK;
}

static void call_from_the_loop_thread(void *data)
{
  (void)data;
  struct world world = new_world(hello, NULL);
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  struct km_error err;
  request.on_data = ask_on_loop;
  request.on_data_arg = &world;
  (void)km_http_do(world.client, &request, &response, &err);
}

static void test_the_loop_thread_may_not_wait(void **state)
{
  (void)state;
  assert_aborts(call_from_the_loop_thread, NULL);
}

static void test_library_version(void **state)
{
  (void)state;
  unsigned major = 0, minor = 0;
  assert_int_equal(sscanf(km_http_library_version(), "%u.%u", &major, &minor), 2);
  assert_int_equal(km_http2_is_sound(), major > 8 || (major == 8 && minor >= 13));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_loop_thread_may_not_wait), /* forks: before this process has threads */
      cmocka_unit_test(test_get),
      cmocka_unit_test(test_prefix_of_the_base_url),
      cmocka_unit_test(test_path_is_sent_as_it_is),
      cmocka_unit_test(test_bodies_and_methods),
      cmocka_unit_test(test_head),
      cmocka_unit_test(test_large_request_body),
      cmocka_unit_test(test_credentials),
      cmocka_unit_test(test_malformed_requests_are_not_sent),
      cmocka_unit_test(test_oversized_requests_are_not_sent),
      cmocka_unit_test(test_any_status_is_an_answer),
      cmocka_unit_test(test_headers_of_the_answer),
      cmocka_unit_test(test_long_headers_are_cut),
      cmocka_unit_test(test_retry_after),
      cmocka_unit_test(test_compression_only_when_wanted),
      cmocka_unit_test(test_compressed_bodies_are_measured_unfolded),
      cmocka_unit_test(test_body_limit),
      cmocka_unit_test(test_streaming),
      cmocka_unit_test(test_error_bodies_are_collected_not_streamed),
      cmocka_unit_test(test_keep_alive),
      cmocka_unit_test(test_idle_connections_are_closed),
      cmocka_unit_test(test_sockets_are_not_inherited),
      cmocka_unit_test(test_many_threads),
      cmocka_unit_test(test_few_connections_for_many_threads),
      cmocka_unit_test(test_deadline),
      cmocka_unit_test(test_deadline_in_the_queue),
      cmocka_unit_test(test_cancel),
      cmocka_unit_test(test_cancel_races_with_the_end),
      cmocka_unit_test(test_free_while_in_flight),
      cmocka_unit_test(test_free_of_an_unused_client),
      cmocka_unit_test(test_library_version),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
