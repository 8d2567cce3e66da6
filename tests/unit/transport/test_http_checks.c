#include "fixture.h"

#include "kube_mcp/base/banned.h"

/* -- what a request must look like --------------------------------------------------------------------------------- */

static int answer_livez(void *data, const char *path, const char **ret_content_type, struct km_buf *out)
{
  (void)data;
  if (!km_streq(path, "/livez")) {
    return 0;
  }
  *ret_content_type = "text/plain";
  km_buf_puts(out, "alive\n");
  return 200;
}

static const char *const origins[] = {"https://app.example.com"};
static const char *const hosts[] = {"mcp.example.com"};

static int start(void **state)
{
  static struct fixture fixture;
  fixture_init(&fixture);
  fixture.options.on_get = answer_livez;
  fixture.options.allowed_origins = origins;
  fixture.options.allowed_origin_count = KM_ARRAY_LEN(origins);
  fixture.options.allowed_hosts = hosts;
  fixture.options.allowed_host_count = KM_ARRAY_LEN(hosts);
  fixture_serve(&fixture);
  *state = &fixture;
  return 0;
}

static int stop(void **state)
{
  fixture_done(*state);
  return 0;
}

static void test_checks_in_their_order(void **state)
{
  const struct fixture *fixture = *state;
  static const struct {
    const char *method, *path, *host, *headers;
    int status;
    const char *part;
  } cases[] = {
      /* Each line breaks everything that is checked after what it expects. */
      {"PUT", "/other", "evil.example", "Origin: http://evil.example\r\n", 404, "another path"},
      {"PUT", "/mcp", "evil.example", "Origin: http://evil.example\r\n", 403, "allowed_hosts"},
      {"PUT", "/mcp", "localhost", "Origin: http://evil.example\r\nMcp-Name: a\r\nMcp-Name: b\r\n", 403,
       "allowed_origins"},
      {"PUT", "/mcp", "localhost", "Mcp-Name: a\r\nMcp-Name: b\r\nContent-Type: text/plain\r\n", 400,
       "-32020"},
      {"PUT", "/mcp", "localhost", "Content-Type: text/plain\r\n", 405, "Allow: POST, GET, DELETE"},
      {"POST", "/mcp", "localhost", "Content-Type: text/plain\r\nContent-Length: 99999999\r\n", 415,
       "application/json"},
      {"POST", "/mcp", "localhost", JSON_TYPE "Content-Length: 99999999\r\n", 413, "max_body_bytes"},
      {"POST", "/mcp", "localhost", JSON_TYPE "Content-Length: 0\r\n", 400, "-32700"},
      /* A host that is allowed by name, a page that is allowed because of its host. */
      {"PUT", "/mcp", "mcp.example.com:1234", "Origin: https://mcp.example.com\r\n", 405, NULL},
      {"PUT", "/mcp", "127.0.0.1", "Origin: https://app.example.com\r\n", 405, NULL},
      {"PUT", "/mcp", "127.0.0.1", "Origin: null\r\n", 403, NULL},
      {"PUT", "/mcp", "[::1]:8080", "Origin: http://[::1]:6274\r\n", 405, NULL},
      {"HEAD", "/mcp", "localhost", "", 405, NULL},
      {"OPTIONS", "/mcp", "localhost", "", 405, NULL},
      {"OPTIONS", "/mcp", "localhost", "Origin: http://localhost:6274\r\n", 405, NULL},
      {"GET", "/livez", "10.0.0.1:8080", "", 200, "alive"},
      {"HEAD", "/livez", "localhost", "", 200, NULL},
      {"GET", "/", "localhost", "", 404, NULL},
      {"GET", "/mcp/", "localhost", "", 404, NULL},
      {"GET", "/MCP", "localhost", "", 404, NULL},
      {"POST", "/livez", "localhost", JSON_TYPE, 404, NULL},
      {"GET", "/mcp", "localhost", "Accept: application/json\r\n", 406, "text/event-stream"},
      {"GET", "/mcp", "localhost", "Accept: text/event-stream\r\n", 400, "Mcp-Session-Id"},
      {"GET", "/mcp", "localhost", "Mcp-Session-Id: forged\r\n", 404, "session"},
      {"DELETE", "/mcp", "localhost", "", 400, "Mcp-Session-Id"},
      {"DELETE", "/mcp", "localhost", "Mcp-Session-Id: forged\r\n", 404, "session"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    char text[1024];
    (void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n",
                   cases[i].method, cases[i].path, cases[i].host, cases[i].headers);
    assert_answer(fixture->port, text, cases[i].status, cases[i].part);
  }
}

static void test_headers_given_twice(void **state)
{
  const struct fixture *fixture = *state;
  static const char *const decisive[] = {"mcp-protocol-version", "Mcp-Method",   "MCP-NAME",
                                         "Mcp-Session-Id",       "Content-Type", "mcp-param-Namespace",
                                         "Authorization"};
  for (size_t i = 0; i < KM_ARRAY_LEN(decisive); i++) {
    char headers[300];
    (void)snprintf(headers, sizeof(headers), CLOSE "%s: application/json\r\n%s: 2\r\n", decisive[i],
                   decisive[i]);
    assert_answer(fixture->port, request("POST", "/mcp", headers, PING), 400, "-32020");
  }
  /* The same value twice can only mean one thing. */
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE JSON_TYPE, INITIALIZE), 200,
                "2025-11-25");
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE "X-A: 1\r\nX-A: 2\r\n" JSON_TYPE, INITIALIZE),
                200, NULL);
  assert_answer(fixture->port,
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
                400, NULL);
}

static void test_browsers_read_answers_of_listed_origins_only(void **state)
{
  const struct fixture *fixture = *state;
  static const char allow[] = "Access-Control-Allow-Origin: https://app.example.com";
  static const char listed[] = CLOSE JSON_TYPE "Origin: https://app.example.com\r\n";
  assert_answer(fixture->port, request("POST", "/mcp", listed, INITIALIZE), 200, allow);
  assert_answer(fixture->port, request("POST", "/mcp", listed, INITIALIZE), 200,
                "Access-Control-Expose-Headers: Mcp-Session-Id");
  /* A page must be able to read refusals as well: they tell it to initialise again. */
  assert_answer(fixture->port, request("POST", "/mcp", listed, PING), 400, allow);
  assert_answer(
      fixture->port,
      request("DELETE", "/mcp", CLOSE "Origin: https://app.example.com\r\nMcp-Session-Id: x\r\n", ""), 404,
      allow);
  assert_answer(fixture->port,
                request("OPTIONS", "/mcp",
                        CLOSE "Origin: https://app.example.com\r\n"
                              "Access-Control-Request-Headers: mcp-param-a, content-type\r\n",
                        ""),
                204, "Access-Control-Allow-Headers: mcp-param-a, content-type");
  struct km_buf response;
  talk(fixture->port,
       request("POST", "/mcp", CLOSE JSON_TYPE "Origin: http://localhost:6274\r\n", INITIALIZE), &response);
  assert_int_equal(status_of(response.data), 200);
  assert_null(strstr(response.data, "Access-Control"));
  km_buf_done(&response);
}

/* -- sizes --------------------------------------------------------------------------------------------------------- */

static void test_bodies_up_to_the_limit(void **state)
{
  const struct fixture *fixture = *state;
  static char body[65538];
  memset(body, ' ', sizeof(body) - 1);
  memcpy(body, PING, strlen(PING));
  body[65536] = '\0';
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE, body), 400, "Mcp-Session-Id");
  body[65536] = ' ';
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE, body), 413, "max_body_bytes");
}

/* Sends BLOCKS chunks of 8 KiB of blanks in front of an initialize. */
static int status_of_chunked(unsigned port, int blocks)
{
  static char block[8192 + 16];
  int len = snprintf(block, sizeof(block), "2000\r\n");
  memset(block + len, ' ', 8192);
  memcpy(block + len + 8192, "\r\n", 2);
  struct client client = client_open(port);
  client_send(&client, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" CLOSE JSON_TYPE
                       "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < blocks; i++) {
    client_send_bytes(&client, block, (size_t)len + 8194);
  }
  char last[512];
  (void)snprintf(last, sizeof(last), "%zx\r\n%s\r\n0\r\n\r\n", strlen(INITIALIZE), INITIALIZE);
  client_send(&client, last);
  client_await_end(&client);
  int status = status_of(client.text.data);
  client_close(&client);
  return status;
}

static void test_chunked_bodies(void **state)
{
  const struct fixture *fixture = *state;
  assert_int_equal(status_of_chunked(fixture->port, 0), 200);
  assert_int_equal(status_of_chunked(fixture->port, 7), 200);
  assert_int_equal(status_of_chunked(fixture->port, 8), 413);
  assert_int_equal(status_of_chunked(fixture->port, 200), 413);
}

static void test_headers_over_the_limit(void **state)
{
  const struct fixture *fixture = *state;
  static char value[32000], headers[33000];
  memset(value, 'a', sizeof(value) - 1);
  (void)snprintf(headers, sizeof(headers), CLOSE JSON_TYPE "Authorization: Bearer %.9000s\r\n", value);
  assert_answer(fixture->port, request("POST", "/mcp", headers, INITIALIZE), 200, NULL);
  (void)snprintf(headers, sizeof(headers), CLOSE JSON_TYPE "Authorization: Bearer %s\r\n", value);
  assert_answer(fixture->port, request("POST", "/mcp", headers, INITIALIZE), 431, NULL);
}

/* -- what is no HTTP, or hardly ------------------------------------------------------------------------------------- */

static void test_malformed_requests_end_their_connection_only(void **state)
{
  const struct fixture *fixture = *state;
  static const char *const bad[] = {
      "GET\r\n\r\n",
      "POST /mcp\r\n\r\n",
      "POST /mcp HTTP/9.9\r\nHost: localhost\r\n\r\n",
      "POST /mcp HTTP/1.1\r\n\r\n",
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE "Content-Length: -1\r\n\r\n{}",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE "Content-Length: 18446744073709551616\r\n\r\n{}",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE "Content-Length: 2x\r\n\r\n{}",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
      "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
      "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n",
      "GET /%00%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(bad); i++) {
    struct client client = client_open(fixture->port);
    client_send(&client, bad[i]);
    (void)shutdown(client.fd, SHUT_WR);
    client_await_end(&client);
    int status = status_of(client.text.data);
    if (status == 200 || status == 500) {
      fail_msg("case %zu: %s", i, client.text.data);
    }
    client_close(&client);
  }
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE, INITIALIZE), 200, NULL);
}

/* Nothing that could be answered: libmicrohttpd waits for the rest, up to the idle limit. */
static void test_silent_connections_are_closed(void **state)
{
  (void)state;
  struct fixture impatient;
  fixture_init(&impatient);
  impatient.options.idle_timeout_ms = 1000;
  fixture_serve(&impatient);
  static const char *const unfinished[] = {"",
                                           "\r\n\r\n",
                                           "\x16\x03\x01\x02\x01\x01",
                                           "POST /mcp HT",
                                           "POST /mcp HTTP/1.1\r\nHost: local",
                                           "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                                           "Content-Length: 10\r\n\r\n{"};
  struct client clients[KM_ARRAY_LEN(unfinished)];
  for (size_t i = 0; i < KM_ARRAY_LEN(unfinished); i++) {
    clients[i] = client_open(impatient.port);
    client_send(&clients[i], unfinished[i]);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(unfinished); i++) {
    client_await_end(&clients[i]);
    client_close(&clients[i]);
  }
  fixture_done(&impatient);
}

static void test_bodies_that_are_no_message(void **state)
{
  const struct fixture *fixture = *state;
  static const struct {
    const char *body, *code;
  } cases[] = {
      {"", "-32700"},           {"{", "-32700"},
      {"\xff\xfe", "-32700"},   {"{\"a\":\"\xff\"}", "-32700"},
      {"[]", "-32600"},         {"\"text\"", "-32600"},
      {"null", "-32600"},       {"{}", "-32600"},
      {"[" PING "]", "-32600"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE, cases[i].body), 400, cases[i].code);
  }
  static char deep[60001];
  memset(deep, '[', 60000);
  assert_answer(fixture->port, request("POST", "/mcp", CLOSE JSON_TYPE, deep), 400, "-32700");
}

static void test_http_1_0(void **state)
{
  const struct fixture *fixture = *state;
  char text[512];
  (void)snprintf(text, sizeof(text),
                 "POST /mcp HTTP/1.0\r\nHost: localhost\r\n" JSON_TYPE "Content-Length: %zu\r\n\r\n%s",
                 strlen(INITIALIZE), INITIALIZE);
  assert_answer(fixture->port, text, 200, "2025-11-25");
  /* A stream has no chunks there, and ends with the connection. */
  (void)snprintf(
      text, sizeof(text),
      "POST /mcp HTTP/1.0\r\nHost: localhost\r\n" MODERN_HEADERS("steps") "Content-Length: %zu\r\n\r\n%s",
      strlen(MODERN_CALL("steps", "{\"number\":3}")), MODERN_CALL("steps", "{\"number\":3}"));
  assert_answer(fixture->port, text, 200, "\r\n\r\nevent: message\ndata: {");
}

static void test_one_connection_many_requests(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  struct client client = client_open(fixture->port);
  for (int i = 0; i < 50; i++) {
    km_buf_clear(&client.text);
    if (i % 2 == 0) {
      client_send(&client, request("POST", "/mcp", session.headers, PING));
      client_await(&client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    } else {
      client_send(&client, request("POST", "/mcp", session.headers, CALL("echo", "{\"text\":\"hello\"}")));
      client_await(&client, "hello");
    }
  }
  /* All at once, and byte by byte. */
  km_buf_clear(&client.text);
  client_send(&client, request("POST", "/mcp", session.headers, CALL("echo", "{\"text\":\"first\"}")));
  client_send(&client, request("POST", "/mcp", session.headers, CALL("echo", "{\"text\":\"second\"}")));
  client_await(&client, "second");
  assert_contains(client.text.data, "first");
  const char *text = request("POST", "/mcp", session.headers, CALL("echo", "{\"text\":\"third\"}"));
  for (const char *c = text; *c != '\0'; c++) {
    client_send_bytes(&client, c, 1);
  }
  client_await(&client, "third");
  client_close(&client);
}

static void test_notifications_and_responses_have_no_answer(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  static const char *const bodies[] = {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
                                       "{\"jsonrpc\":\"2.0\",\"id\":\"none\",\"result\":{}}"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bodies); i++) {
    struct km_buf response;
    talk(fixture->port, request("POST", "/mcp", with(&session, CLOSE), bodies[i]), &response);
    assert_int_equal(status_of(response.data), 202);
    assert_contains(response.data, "Content-Length: 0\r\n");
    assert_true(km_ends_with(response.data, "\r\n\r\n"));
    km_buf_done(&response);
  }
}

static void test_sessions_expire(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_init_ttl(&fixture, 700);
  fixture_serve(&fixture);
  struct session session = session_open(fixture.port);
  assert_answer(fixture.port, request("POST", "/mcp", with(&session, CLOSE), PING), 200, NULL);
  session.headers[strlen(session.headers) - 3] ^= 1; /* one bit of the last character */
  assert_answer(fixture.port, request("POST", "/mcp", with(&session, CLOSE), PING), 404, NULL);
  session.headers[strlen(session.headers) - 3] ^= 1;
  sleep_ms(750);
  assert_answer(fixture.port, request("POST", "/mcp", with(&session, CLOSE), PING), 404, NULL);
  fixture_done(&fixture);
}

/* -- starting ------------------------------------------------------------------------------------------------------ */

static void test_addresses_that_cannot_be_used(void **state)
{
  struct fixture *fixture = *state;
  struct km_http_server_options options = fixture->options;
  struct km_http_server *server = NULL;
  struct km_error err = {0};
  char taken[64];
  (void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", fixture->port);
  options.address = taken;
  assert_int_equal(km_http_server_start(fixture->mcp, &options, &server, &err), KM_E_CONFLICT);
  assert_contains(err.message, "in use");
  static const char *const open[] = {"0.0.0.0:0", ":0", "[::]:0"};
  for (size_t i = 0; i < KM_ARRAY_LEN(open); i++) {
    options.address = open[i];
    err = (struct km_error){0};
    assert_int_equal(km_http_server_start(fixture->mcp, &options, &server, &err), KM_E_INVALID);
    assert_contains(err.message, "without authentication");
    assert_contains(err.hint, "insecure_no_auth");
  }
  options.address = "192.0.2.1:0";
  options.insecure_no_auth = true;
  err = (struct km_error){0};
  assert_int_not_equal(km_http_server_start(fixture->mcp, &options, &server, &err), KM_OK);
  assert_contains(err.message, "192.0.2.1");
  assert_null(server);
  options.address = "0.0.0.0:0";
  assert_int_equal(km_http_server_start(fixture->mcp, &options, &server, &err), KM_OK);
  assert_answer(km_http_server_port(server), request("POST", "/mcp", CLOSE JSON_TYPE, INITIALIZE), 200, NULL);
  km_http_server_stop(server);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_checks_in_their_order),
      cmocka_unit_test(test_headers_given_twice),
      cmocka_unit_test(test_browsers_read_answers_of_listed_origins_only),
      cmocka_unit_test(test_bodies_up_to_the_limit),
      cmocka_unit_test(test_chunked_bodies),
      cmocka_unit_test(test_headers_over_the_limit),
      cmocka_unit_test(test_malformed_requests_end_their_connection_only),
      cmocka_unit_test(test_silent_connections_are_closed),
      cmocka_unit_test(test_bodies_that_are_no_message),
      cmocka_unit_test(test_http_1_0),
      cmocka_unit_test(test_one_connection_many_requests),
      cmocka_unit_test(test_notifications_and_responses_have_no_answer),
      cmocka_unit_test(test_sessions_expire),
      cmocka_unit_test(test_addresses_that_cannot_be_used),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
