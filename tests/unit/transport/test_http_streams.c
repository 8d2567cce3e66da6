#include "fixture.h"

#include "../../../src/transport/http_internal.h"

#include "kube_mcp/base/banned.h"

static int start(void **state)
{
  static struct fixture fixture;
  fixture_start(&fixture);
  *state = &fixture;
  return 0;
}

static int stop(void **state)
{
  fixture_done(*state);
  return 0;
}

/* -- answers that become streams ----------------------------------------------------------------------------------- */

/* The body of a chunked response, put together again. False if TEXT does not hold it to its end. */
static bool dechunk(const char *text, struct km_buf *ret)
{
  const char *at = strstr(text, "\r\n\r\n");
  assert_non_null(at);
  for (at += 4;;) {
    char *end = NULL;
    size_t len = strtoul(at, &end, 16);
    if (end == at || !km_starts_with(end, "\r\n") || strnlen(end, len + 4) < len + 4) {
      return false;
    }
    if (len == 0) {
      return true;
    }
    km_buf_append(ret, end + 2, len);
    at = end + 2 + len + 2;
  }
}

static void test_progress_makes_a_stream(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  struct km_buf response, body;
  talk(fixture->port, request("POST", "/mcp", with(&session, CLOSE), CALL("steps", "{\"number\":5}")),
       &response);
  assert_int_equal(status_of(response.data), 200);
  assert_contains(response.data, "Content-Type: text/event-stream\r\n");
  assert_contains(response.data, "Transfer-Encoding: chunked\r\n");
  assert_contains(response.data, "Cache-Control: no-cache, no-transform\r\n");
  km_buf_init(&body, 65536);
  assert_true(dechunk(response.data, &body));
  unsigned events = 0;
  for (char *rest = body.data, *event = NULL; *rest != '\0'; events++) {
    char *end = strstr(rest, "\n\n");
    assert_non_null(end);
    *end = '\0';
    event = rest;
    rest = end + 2;
    assert_true(km_starts_with(event, "event: message\ndata: {\"jsonrpc\":\"2.0\","));
    assert_null(strchr(event + strlen("event: message\n"), '\n'));
    assert_contains(event, events < 5 ? "notifications/progress" : "all steps done");
  }
  assert_int_equal(events, 6);
  km_buf_done(&body);
  km_buf_done(&response);
}

static void test_without_messages_an_answer_is_plain_json(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  assert_answer(fixture->port,
                request("POST", "/mcp", with(&session, CLOSE), CALL("echo", "{\"text\":\"plain\"}")), 200,
                "Content-Type: application/json\r\n");
  assert_soon(in_flight(fixture) == 0);
}

static void test_a_connection_outlives_its_stream(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  struct client client = client_open(fixture->port);
  for (int i = 0; i < 5; i++) {
    km_buf_clear(&client.text);
    client_send(&client, request("POST", "/mcp", session.headers, CALL("steps", "{\"number\":2}")));
    client_await(&client, "all steps done");
    client_await(&client, "\r\n0\r\n\r\n");
  }
  client_close(&client);
}

static void test_big_answers_on_a_stream(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  struct km_buf response, body;
  talk(fixture->port, request("POST", "/mcp", with(&session, CLOSE), CALL("big", "{\"number\":17000000}")),
       &response);
  km_buf_init(&body, (size_t)64 * 1024 * 1024);
  assert_true(dechunk(response.data, &body));
  assert_true(body.len > 17000000);
  assert_contains(body.data + body.len - 100, "\"}]}}\n\n");
  km_buf_done(&body);
  km_buf_done(&response);
}

/* -- long-lived streams -------------------------------------------------------------------------------------------- */

static void test_listening(void **state)
{
  const struct fixture *fixture = *state;
  struct client client = client_open(fixture->port);
  client_send(&client, request("POST", "/mcp", LISTEN_HEADERS, LISTEN));
  client_await(&client, "notifications/subscriptions/acknowledged");
  assert_contains(client.text.data, "text/event-stream");
  assert_int_equal(open_streams(fixture), 1);
  for (int i = 0; i < 3; i++) {
    km_buf_clear(&client.text);
    km_mcp_changed(fixture->mcp, KM_CHANGED_TOOLS | KM_CHANGED_PROMPTS);
    client_await(&client, "notifications/tools/list_changed");
    client_await(&client, "subscriptionId\":9");
    assert_null(strstr(client.text.data, "prompts"));
  }
  client_close(&client);
  assert_soon(open_streams(fixture) == 0);
}

static void test_one_get_stream_for_each_session(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  struct client client = client_open(fixture->port);
  client_send(&client, request("GET", "/mcp", with(&session, "Accept: text/event-stream\r\n"), ""));
  client_await(&client, "text/event-stream");
  assert_answer(fixture->port, request("GET", "/mcp", with(&session, CLOSE), ""), 409, NULL);
  km_mcp_changed(fixture->mcp, KM_CHANGED_TOOLS);
  client_await(&client, "notifications/tools/list_changed");
  /* Once the client has gone, the session can have another stream. */
  client_close(&client);
  assert_soon(open_streams(fixture) == 0);
  client = client_open(fixture->port);
  client_send(&client, request("GET", "/mcp", with(&session, ""), ""));
  client_await(&client, "text/event-stream");
  /* The end of the session is the end of its stream. */
  assert_answer(fixture->port, request("DELETE", "/mcp", with(&session, CLOSE), ""), 204, NULL);
  client_await(&client, "\r\n0\r\n\r\n");
  assert_answer(fixture->port, request("GET", "/mcp", with(&session, CLOSE), ""), 404, NULL);
  assert_answer(fixture->port, request("DELETE", "/mcp", with(&session, CLOSE), ""), 404, NULL);
  assert_answer(fixture->port, request("POST", "/mcp", with(&session, CLOSE), PING), 404, NULL);
  client_close(&client);
}

static void test_quiet_streams_are_kept_alive(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  fixture.http->keep_alive_ns = 50 * KM_NS_PER_MS;
  struct session session = session_open(fixture.port);
  struct client stream = client_open(fixture.port), call = client_open(fixture.port);
  client_send(&stream, request("GET", "/mcp", session.headers, ""));
  client_send(&call, request("POST", "/mcp", session.headers, CALL("block", "{\"number\":1000}")));
  for (int i = 0; i < 2; i++) {
    km_buf_clear(&stream.text);
    client_await(&stream, ": keep-alive\n\n");
  }
  /* A call that has not become a stream has nowhere to put a comment. */
  client_await(&call, "waited");
  assert_contains(call.text.data, "application/json");
  assert_null(strstr(call.text.data, "keep-alive\n"));
  client_close(&stream);
  client_close(&call);
  fixture_done(&fixture);
}

/* -- clients that go ------------------------------------------------------------------------------------------------- */

static void test_2026_calls_end_with_their_client(void **state)
{
  const struct fixture *fixture = *state;
  for (int i = 0; i < 4; i++) {
    atomic_store(&blocking_cancelled, 0);
    atomic_store(&blocking_started, 0);
    struct client client = client_open(fixture->port);
    client_send(&client, request("POST", "/mcp", MODERN_HEADERS("block"), MODERN_CALL("block", "{}")));
    assert_soon(atomic_load(&blocking_started) == 1);
    i % 2 == 0 ? client_close(&client) : client_abort(&client);
    assert_soon(atomic_load(&blocking_cancelled) == 1);
    assert_soon(in_flight(fixture) == 0);
  }
}

static void test_older_calls_run_on_without_their_client(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  atomic_store(&blocking_started, 0);
  atomic_store(&blocking_cancelled, 0);
  atomic_store(&blocking_finished, 0);
  struct client client = client_open(fixture->port);
  client_send(&client, request("POST", "/mcp", session.headers, CALL("block", "{\"number\":800}")));
  assert_soon(atomic_load(&blocking_started) == 1);
  client_close(&client);
  assert_soon(atomic_load(&blocking_finished) == 1);
  assert_int_equal(atomic_load(&blocking_cancelled), 0);
  assert_soon(in_flight(fixture) == 0);
}

static void test_older_calls_are_cancelled_by_message(void **state)
{
  const struct fixture *fixture = *state;
  struct session session = session_open(fixture->port);
  atomic_store(&blocking_started, 0);
  atomic_store(&blocking_cancelled, 0);
  struct client client = client_open(fixture->port);
  client_send(&client, request("POST", "/mcp", session.headers, CALL("block", "{}")));
  assert_soon(atomic_load(&blocking_started) == 1);
  static const char cancel[] =
      "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}";
  struct session other = session_open(fixture->port);
  assert_answer(fixture->port, request("POST", "/mcp", with(&other, CLOSE), cancel), 202, NULL);
  sleep_ms(50);
  assert_int_equal(atomic_load(&blocking_cancelled), 0);
  assert_answer(fixture->port, request("POST", "/mcp", with(&session, CLOSE), cancel), 202, NULL);
  client_await(&client, "HTTP/1.1 202");
  assert_int_equal(atomic_load(&blocking_cancelled), 1);
  client_close(&client);
}

static void test_a_client_that_does_not_read_is_dropped(void **state)
{
  const struct fixture *fixture = *state;
  struct client client = client_open(fixture->port);
  client_send(&client,
              request("POST", "/mcp", MODERN_HEADERS("flood"), MODERN_CALL("flood", "{\"number\":2000}")));
  client_await(&client, "notifications/message");
  /* 125 MiB do not pile up for somebody who reads nothing. */
  assert_soon(in_flight(fixture) == 0);
  while (client_receive(&client, 1000)) {
  }
  assert_true(client.text.len < (size_t)40 * 1024 * 1024);
  assert_null(strstr(client.text.data, "\r\n0\r\n\r\n"));
  client_close(&client);
}

/* -- stopping -------------------------------------------------------------------------------------------------------- */

static void test_stopping_ends_everything(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  struct session session = session_open(fixture.port);
  struct client listener = client_open(fixture.port), get = client_open(fixture.port);
  struct client modern = client_open(fixture.port), legacy = client_open(fixture.port);
  struct client idle = client_open(fixture.port), half = client_open(fixture.port);
  client_send(&listener, request("POST", "/mcp", LISTEN_HEADERS, LISTEN));
  client_send(&get, request("GET", "/mcp", session.headers, ""));
  client_send(&modern, request("POST", "/mcp", MODERN_HEADERS("block"), MODERN_CALL("block", "{}")));
  client_send(&legacy, request("POST", "/mcp", session.headers, CALL("block", "{}")));
  client_send(&half, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE "Content-Length: 100\r\n\r\n{");
  client_await(&listener, "acknowledged");
  client_await(&get, "event-stream");
  assert_soon(atomic_load(&blocking_started) == 2);
  uint64_t started_ns = km_clock_ns();
  km_http_server_stop(fixture.http);
  fixture.http = NULL;
  assert_true(km_clock_ns() - started_ns < 3 * KM_NS_PER_S);
  struct client *all[] = {&listener, &get, &modern, &legacy, &idle, &half};
  for (size_t i = 0; i < KM_ARRAY_LEN(all); i++) {
    client_await_end(all[i]);
  }
  /* Streams say that they have ended. */
  assert_contains(listener.text.data, "\"resultType\":\"complete\"");
  assert_contains(listener.text.data, "\r\n0\r\n\r\n");
  assert_contains(get.text.data, "\r\n0\r\n\r\n");
  for (size_t i = 0; i < KM_ARRAY_LEN(all); i++) {
    client_close(all[i]);
  }
  assert_soon(atomic_load(&blocking_cancelled) == 2);
  fixture_done(&fixture);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_progress_makes_a_stream),
      cmocka_unit_test(test_without_messages_an_answer_is_plain_json),
      cmocka_unit_test(test_a_connection_outlives_its_stream),
      cmocka_unit_test(test_big_answers_on_a_stream),
      cmocka_unit_test(test_listening),
      cmocka_unit_test(test_one_get_stream_for_each_session),
      cmocka_unit_test(test_quiet_streams_are_kept_alive),
      cmocka_unit_test(test_2026_calls_end_with_their_client),
      cmocka_unit_test(test_older_calls_run_on_without_their_client),
      cmocka_unit_test(test_older_calls_are_cancelled_by_message),
      cmocka_unit_test(test_a_client_that_does_not_read_is_dropped),
      cmocka_unit_test(test_stopping_ends_everything),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
