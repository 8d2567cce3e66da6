#include "fixture.h"

#include "kube_mcp/base/banned.h"

/* -- many ------------------------------------------------------------------------------------------------------------ */

#define CLIENTS  64
#define REQUESTS 20

struct worker {
  pthread_t thread;
  const struct fixture *fixture;
  const struct session *session;
  unsigned number;
};

/* Every answer must be the one to this client's own request. */
static void *ask_and_compare(void *data)
{
  const struct worker *worker = data;
  struct client client = client_open(worker->fixture->port);
  for (unsigned i = 0; i < REQUESTS; i++) {
    char body[300], expected[64];
    (void)snprintf(expected, sizeof(expected), "answer-%u-%u", worker->number, i);
    (void)snprintf(
        body, sizeof(body),
        "{\"jsonrpc\":\"2.0\",\"id\":\"%u-%u\",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\","
        "\"arguments\":{\"text\":\"%s\"}}}",
        worker->number, i, expected);
    km_buf_clear(&client.text);
    client_send(&client, request("POST", "/mcp", worker->session->headers, body));
    client_await(&client, expected);
    (void)snprintf(expected, sizeof(expected), "\"id\":\"%u-%u\"", worker->number, i);
    client_await(&client, expected);
  }
  client_close(&client);
  return NULL;
}

static void run_workers(void *(*run)(void *data), const struct fixture *fixture,
                        const struct session *session)
{
  struct worker workers[CLIENTS];
  for (unsigned i = 0; i < CLIENTS; i++) {
    workers[i] = (struct worker){.fixture = fixture, .session = session, .number = i};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
  }
  for (unsigned i = 0; i < CLIENTS; i++) {
    pthread_join(workers[i].thread, NULL);
  }
}

static void test_many_clients_at_once(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  struct session session = session_open(fixture.port);
  run_workers(ask_and_compare, &fixture, &session);
  assert_soon(in_flight(&fixture) == 0);
  struct km_http_server_stats stats;
  km_http_server_stats(fixture.http, &stats);
  assert_int_equal(stats.requests, CLIENTS * REQUESTS + 1);
  assert_int_equal(stats.streams, 0);
  fixture_done(&fixture);
}

static void test_more_connections_than_allowed(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_init(&fixture);
  fixture.options.max_connections = 8;
  fixture_serve(&fixture);
  struct client clients[12];
  for (size_t i = 0; i < KM_ARRAY_LEN(clients); i++) {
    clients[i] = client_open(fixture.port);
    client_send(&clients[i], "POST /mcp HTTP/1.1\r\n");
  }
  sleep_ms(100);
  for (size_t i = 0; i < KM_ARRAY_LEN(clients); i++) {
    client_close(&clients[i]);
  }
  /* Those who hold connections keep others out, but only until they let go. */
  (void)session_open(fixture.port);
  fixture_done(&fixture);
}

/* -- who come and go --------------------------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
  *state = *state * 1664525U + 1013904223U;
  return *state >> 8;
}

/* Sends a part of a request, perhaps all of it, perhaps reads some of the answer, and vanishes. */
static void *come_and_go(void *data)
{
  const struct worker *worker = data;
  uint32_t random = worker->number * 7919 + 1;
  for (unsigned i = 0; i < REQUESTS; i++) {
    const char *text = NULL;
    switch (next_random(&random) % 5) {
    case 0:
      text = request("POST", "/mcp", MODERN_HEADERS("steps"), MODERN_CALL("steps", "{\"number\":5}"));
      break;
    case 1:
      text = request("POST", "/mcp", MODERN_HEADERS("block"), MODERN_CALL("block", "{\"number\":300}"));
      break;
    case 2: text = request("POST", "/mcp", worker->session->headers, CALL("steps", "{\"number\":3}")); break;
    case 3: text = request("POST", "/mcp", LISTEN_HEADERS, LISTEN); break;
    default: text = request("GET", "/mcp", worker->session->headers, ""); break;
    }
    size_t len = strlen(text);
    struct client client = client_open(worker->fixture->port);
    client_send_bytes(&client, text, next_random(&random) % 3 == 0 ? next_random(&random) % len : len);
    if (next_random(&random) % 2 == 0) {
      (void)client_receive(&client, (int)(next_random(&random) % 20));
    }
    next_random(&random) % 2 == 0 ? client_close(&client) : client_abort(&client);
  }
  return NULL;
}

static void test_clients_that_vanish_at_every_moment(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  struct session session = session_open(fixture.port);
  run_workers(come_and_go, &fixture, &session);
  assert_soon(in_flight(&fixture) == 0 && open_streams(&fixture) == 0);
  struct km_http_server_stats stats;
  do {
    km_http_server_stats(fixture.http, &stats);
  } while (stats.streams > 0);
  assert_answer(fixture.port, request("POST", "/mcp", with(&session, CLOSE), PING), 200, "\"result\":{}");
  fixture_done(&fixture);
}

static void *ask_until_refused(void *data)
{
  const struct worker *worker = data;
  struct client client = client_open(worker->fixture->port);
  do {
    km_buf_clear(&client.text);
    client_send(&client, request("POST", "/mcp", worker->session->headers, CALL("steps", "{\"number\":2}")));
    while (strstr(client.text.data, "all steps done") == NULL && client_receive(&client, PATIENCE_MS)) {
    }
  } while (strstr(client.text.data, "all steps done") != NULL);
  client_close(&client);
  return NULL;
}

static void test_stopping_under_load(void **state)
{
  (void)state;
  for (int i = 0; i < 5; i++) {
    struct fixture fixture;
    struct worker workers[16];
    fixture_start(&fixture);
    struct session session = session_open(fixture.port);
    for (unsigned w = 0; w < KM_ARRAY_LEN(workers); w++) {
      workers[w] = (struct worker){.fixture = &fixture, .session = &session};
      assert_int_equal(pthread_create(&workers[w].thread, NULL, ask_until_refused, &workers[w]), 0);
    }
    sleep_ms(60 + 7 * i);
    km_http_server_stop(fixture.http);
    fixture.http = NULL;
    for (unsigned w = 0; w < KM_ARRAY_LEN(workers); w++) {
      pthread_join(workers[w].thread, NULL);
    }
    fixture_done(&fixture);
  }
}

/* -- who are slow ------------------------------------------------------------------------------------------------------ */

static void test_slow_senders_do_not_delay_others(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  struct session session = session_open(fixture.port);
  struct client slow[100];
  char text[2000];
  km_strcopy(text, sizeof(text),
             request("POST", "/mcp", session.headers, CALL("echo", "{\"text\":\"slow\"}")));
  for (size_t i = 0; i < KM_ARRAY_LEN(slow); i++) {
    slow[i] = client_open(fixture.port);
  }
  for (size_t sent = 0; sent < 20; sent++) {
    for (size_t i = 0; i < KM_ARRAY_LEN(slow); i++) {
      client_send_bytes(&slow[i], text + sent, 1);
    }
    uint64_t started_ns = km_clock_ns();
    assert_answer(fixture.port, request("POST", "/mcp", with(&session, CLOSE), PING), 200, NULL);
    assert_true(km_clock_ns() - started_ns < 2 * KM_NS_PER_S);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(slow); i++) {
    client_send(&slow[i], text + 20);
    client_await(&slow[i], "slow");
    client_close(&slow[i]);
  }
  fixture_done(&fixture);
}

static void test_clients_that_read_slowly_get_everything(void **state)
{
  (void)state;
  struct fixture fixture;
  fixture_start(&fixture);
  struct session session = session_open(fixture.port);
  struct client client = client_open(fixture.port);
  (void)setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
  client_send(&client, request("POST", "/mcp", session.headers, CALL("big", "{\"number\":1000000}")));
  for (int i = 0; i < 20; i++) {
    sleep_ms(5);
    assert_true(client_receive(&client, PATIENCE_MS));
  }
  client_await(&client, "\r\n0\r\n\r\n");
  assert_true(client.text.len > 1000000);
  client_close(&client);
  fixture_done(&fixture);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_many_clients_at_once),
      cmocka_unit_test(test_more_connections_than_allowed),
      cmocka_unit_test(test_clients_that_vanish_at_every_moment),
      cmocka_unit_test(test_stopping_under_load),
      cmocka_unit_test(test_slow_senders_do_not_delay_others),
      cmocka_unit_test(test_clients_that_read_slowly_get_everything),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
