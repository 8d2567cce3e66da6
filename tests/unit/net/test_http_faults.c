/* Servers and networks that misbehave: every failure is told apart, names the peer, and leaves the client fit
 * for the next request. Name resolution is ours here, so that its failures can be had without a network. */
#include "net/client.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>

#include "kube_mcp/base/banned.h"

/* -- names ----------------------------------------------------------------------------------------------- */

static atomic_bool resolver_stuck;
static atomic_uint resolver_calls;

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **ret);

static int resolve_literal(const char *address, const char *service, const struct addrinfo *hints,
                           struct addrinfo **ret)
{
  getaddrinfo_fn *real = NULL;
  void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
  memcpy(&real, &symbol, sizeof(real));
  return real(address, service, hints, ret);
}

/* Stands in for the C library's. "missing.test" does not exist, "slow.test" hangs while resolver_stuck;
 * "two.test" and "dual.test" have two addresses, of one family or both, of which the first refuses
 * connections. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
  atomic_fetch_add(&resolver_calls, 1);
  if (strcmp(node, "missing.test") == 0) {
    return EAI_NONAME;
  }
  if (strcmp(node, "slow.test") == 0) {
    while (atomic_load(&resolver_stuck)) {
      sleep_ms(5);
    }
    return EAI_AGAIN;
  }
  bool two = strcmp(node, "two.test") == 0;
  if (!two && strcmp(node, "dual.test") != 0) {
    return resolve_literal(node, service, hints, ret);
  }
  int status = resolve_literal(two ? "127.0.0.2" : "::1", service, hints, ret);
  return status != 0 ? status : resolve_literal("127.0.0.1", service, hints, &(*ret)->ai_next);
}

static int unused_port(void)
{
  int port = 0;
  close(listen_on_loopback(&port));
  return port;
}

static struct km_error fail_at(const char *url, enum km_rc rc, const char *part)
{
  struct km_loop *loop = new_loop();
  struct km_http_client *client = new_client(loop, url);
  struct km_http_request request = get_request("/api");
  struct km_error err = expect_failure(client, &request, rc, part);
  km_http_client_free(client);
  km_loop_free(loop);
  return err;
}

static void test_name_that_does_not_exist(void **state)
{
  (void)state;
  struct km_error err =
      fail_at("https://missing.test:6443", KM_E_UNAVAILABLE, "could not resolve the name of");
  assert_contains(err.message, "missing.test");
  assert_contains(err.hint, "DNS");
}

/* Neither the deadline nor the end of the client waits for a resolver that hangs. */
static void test_resolver_that_hangs(void **state)
{
  (void)state;
  atomic_store(&resolver_stuck, true);
  struct km_loop *loop = new_loop();
  struct km_http_client *client = new_client_with(
      loop, &(struct km_http_options){.base_url = "https://slow.test", .connect_timeout_ms = 150});
  uint64_t start = km_clock_ns();
  struct km_http_request request = get_request("/");
  request.deadline = km_deadline_in_ms(60);
  expect_failure(client, &request, KM_E_TIMEOUT, "resolving the name");
  request.deadline = km_deadline_in_ms(5000);
  struct km_error err =
      expect_failure(client, &request, KM_E_UNAVAILABLE, "could not connect to slow.test:443 within");
  assert_contains(err.message, "resolving the name");
  km_http_client_free(client);
  km_loop_free(loop);
  assert_true((km_clock_ns() - start) / KM_NS_PER_MS < 2000);
  atomic_store(&resolver_stuck, false);
  sleep_ms(50); /* lets the resolver's threads end before the process does */
}

static bool hello(struct exchange *x)
{
  return server_reply(x, 200, "", "hello");
}

/* libcurl 7.88 lets 200 ms pass between addresses of one family. */
static void test_second_address_is_tried(void **state)
{
  (void)state;
  static const struct {
    const char *host;
    uint64_t most_ms;
  } cases[] = {{"two.test", 1000}, {"dual.test", 150}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_loop *loop = new_loop();
    struct server *server = server_start(hello, NULL, NULL, NULL);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://%s:%d", cases[i].host, server->port);
    struct km_http_client *client = new_client(loop, url);
    uint64_t start = km_clock_ns();
    assert_int_equal(get_and_compare(client, "/", "hello"), 200);
    assert_true((km_clock_ns() - start) / KM_NS_PER_MS < cases[i].most_ms);
    unsigned calls = atomic_load(&resolver_calls);
    assert_int_equal(get_and_compare(client, "/", "hello"), 200);
    assert_int_equal(atomic_load(&resolver_calls), calls);
    km_http_client_free(client);
    server_stop(server);
    km_loop_free(loop);
  }
}

/* -- connecting ------------------------------------------------------------------------------------------ */

static void test_connection_refused(void **state)
{
  (void)state;
  char url[64], peer[64];
  int port = unused_port();
  (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
  (void)snprintf(peer, sizeof(peer), "connection refused by 127.0.0.1:%d", port);
  struct km_error err = fail_at(url, KM_E_UNAVAILABLE, peer);
  assert_true(err.hint[0] != '\0');
}

/* A listener whose queue is full lets further connects hang. */
static void test_connect_deadline(void **state)
{
  (void)state;
  int port = 0, listener = listen_on_loopback(&port), fillers[4];
  assert_int_equal(listen(listener, 0), 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  for (size_t i = 0; i < KM_ARRAY_LEN(fillers); i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
  }
  struct km_loop *loop = new_loop();
  char url[64];
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
  struct km_http_client *client =
      new_client_with(loop, &(struct km_http_options){.base_url = url, .connect_timeout_ms = 120});
  struct km_http_request request = get_request("/");
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "could not connect to 127.0.0.1:");
  assert_contains(err.message, "ms (still connecting)");
  request.deadline = km_deadline_in_ms(40);
  expect_failure(client, &request, KM_E_TIMEOUT, "still connecting");
  km_http_client_free(client);
  km_loop_free(loop);
  for (size_t i = 0; i < KM_ARRAY_LEN(fillers); i++) {
    close(fillers[i]);
  }
  close(listener);
}

/* -- answers that are none ------------------------------------------------------------------------------- */

/* Sends the server's data and closes; "/well" is answered as it should be. */
static bool say(struct exchange *x)
{
  if (strcmp(x->path, "/well") == 0) {
    return hello(x);
  }
  const char *text = x->server->data;
  server_puts(x, text);
  return false;
}

static bool say_and_reset(struct exchange *x)
{
  if (say(x)) {
    return true;
  }
  sleep_ms(50); /* lets the client read it first */
  server_reset(x);
  return false;
}

static void expect_fault(server_handler *handler, const char *data, enum km_rc rc, const char *part)
{
  struct km_loop *loop = new_loop();
  struct server *server = server_start(handler, data, NULL, NULL);
  struct km_http_client *client = new_client(loop, server->url);
  struct km_http_request request = get_request("/");
  struct km_error err = expect_failure(client, &request, rc, part);
  char peer[32];
  (void)snprintf(peer, sizeof(peer), "127.0.0.1:%d", server->port);
  assert_contains(err.message, peer);
  assert_int_equal(atomic_load(&server->requests), 1); /* a fresh connection is not tried twice */
  assert_int_equal(get_and_compare(client, "/well", "hello"), 200);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static void test_no_answer(void **state)
{
  (void)state;
  expect_fault(say, "", KM_E_UNAVAILABLE, "closed the connection before answering");
  expect_fault(say_and_reset, "", KM_E_UNAVAILABLE, "broke the connection before answering");
}

static void test_broken_in_the_middle(void **state)
{
  (void)state;
  expect_fault(say, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", KM_E_PROTOCOL, "cut off");
  expect_fault(say, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", KM_E_PROTOCOL,
               "cut off");
  expect_fault(say, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", KM_E_PROTOCOL,
               "cut off");
  expect_fault(say_and_reset, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", KM_E_UNAVAILABLE,
               "in the middle of its answer");
}

static void test_garbage(void **state)
{
  (void)state;
  expect_fault(say, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", KM_E_PROTOCOL, "does not speak HTTP");
  expect_fault(say, "\x15\x03\x01\x00\x02\x02\x16", KM_E_PROTOCOL, "does not speak HTTP");
  expect_fault(say, "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc", KM_E_PROTOCOL, "not valid HTTP");
  expect_fault(say, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n broken\r\nno colon here\r\n\r\nabc",
               KM_E_PROTOCOL, "not valid HTTP");
  expect_fault(say, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", KM_E_UNAVAILABLE,
               "in the middle of its answer");
}

/* "/line" sends one endless header line, "/lines" endless lines, anything else endless interim answers. */
static bool endless_headers(struct exchange *x)
{
  char chunk[4097];
  memset(chunk, 'h', 4096);
  chunk[4096] = '\0';
  bool interim = strcmp(x->path, "/interim") == 0;
  bool ok = interim || server_puts(x, "HTTP/1.1 200 OK\r\nX-Endless: ");
  for (int i = 0; ok && i < 1000; i++) {
    ok = interim ? server_puts(x, "HTTP/1.1 103 Early Hints\r\nLink: ") : true;
    ok = ok && server_send(x, chunk, 4096);
    if (ok && strcmp(x->path, "/line") != 0) {
      ok = server_puts(x, interim ? "\r\n\r\n" : "\r\nX-Next: ");
    }
  }
  return false;
}

static void test_endless_headers(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(endless_headers, NULL, NULL, NULL);
  struct km_http_client *client = new_client(loop, server->url);
  static const char *const paths[] = {"/line", "/lines"};
  for (size_t i = 0; i < KM_ARRAY_LEN(paths); i++) {
    struct km_http_request request = get_request(paths[i]);
    expect_failure(client, &request, KM_E_TOO_LARGE, "header");
  }
  struct km_http_request request = get_request("/interim");
  expect_failure(client, &request, KM_E_TOO_LARGE, "header");
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static bool trickle(struct exchange *x)
{
  bool ok = server_puts(x, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
  while (ok && !atomic_load(&x->server->stopping)) {
    sleep_ms(5);
    ok = server_puts(x, "x");
  }
  return false;
}

static void test_trickle_ends_at_the_deadline(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(trickle, NULL, NULL, NULL);
  struct km_http_client *client = new_client(loop, server->url);
  struct km_http_request request = get_request("/");
  request.deadline = km_deadline_in_ms(150);
  uint64_t start = km_clock_ns();
  expect_failure(client, &request, KM_E_TIMEOUT, "receiving the answer");
  assert_true((km_clock_ns() - start) / KM_NS_PER_MS < 1500);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

/* Claims gzip, sends something else. */
static void test_damaged_compression(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(
      say, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot-gzip", NULL, NULL);
  struct km_http_client *client =
      new_client_with(loop, &(struct km_http_options){.base_url = server->url, .accept_encoding = true});
  struct km_http_request request = get_request("/");
  expect_failure(client, &request, KM_E_PROTOCOL, "damaged");
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

/* -- kept-alive connections that die --------------------------------------------------------------------- */

struct repeats {
  atomic_uint calls[2]; /* GET, others */
};

/* Serves the first request of a connection; dies without a word on any later one. */
static bool die_when_reused(struct exchange *x)
{
  const struct repeats *constant = x->server->data;
  struct repeats *repeats = (struct repeats *)(uintptr_t)constant;
  atomic_fetch_add(&repeats->calls[strcmp(x->method, "GET") != 0], 1);
  if (x->number == 1) {
    return server_reply(x, 200, "", "hello");
  }
  return false;
}

static void test_get_is_repeated_on_a_new_connection(void **state)
{
  (void)state;
  struct repeats repeats = {0};
  struct km_loop *loop = new_loop();
  struct server *server = server_start(die_when_reused, &repeats, NULL, NULL);
  struct km_http_client *client = new_client(loop, server->url);
  for (int i = 0; i < 5; i++) {
    struct km_http_request request = get_request("/");
    struct km_http_response response;
    expect_ok(client, &request, &response);
    assert_string_equal(response.body.data, "hello");
    assert_false(response.reused_connection);
    km_http_response_done(&response);
  }
  assert_int_equal(atomic_load(&repeats.calls[0]), 9); /* four of the five were sent twice */
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static void test_writes_are_never_repeated(void **state)
{
  (void)state;
  static const struct {
    const char *method, *body;
  } cases[] = {{"POST", "{}"},   {"PATCH", "{}"}, {"PUT", "{}"},
               {"DELETE", "{}"}, {"POST", NULL},  {"DELETE", NULL}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct repeats repeats = {0};
    struct km_loop *loop = new_loop();
    struct server *server = server_start(die_when_reused, &repeats, NULL, NULL);
    struct km_http_client *client = new_client(loop, server->url);
    assert_int_equal(get_and_compare(client, "/", "hello"), 200);
    struct km_http_request request = get_request("/");
    request.method = cases[i].method;
    request.body = cases[i].body;
    request.body_len = cases[i].body != NULL ? strlen(cases[i].body) : 0;
    if (cases[i].body != NULL) {
      struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "is not known");
      assert_true(err.hint[0] != '\0');
    } else { /* goes out on a connection of its own */
      struct km_http_response response;
      expect_ok(client, &request, &response);
      km_http_response_done(&response);
    }
    assert_int_equal(atomic_load(&repeats.calls[1]), 1);
    km_http_client_free(client);
    server_stop(server);
    km_loop_free(loop);
  }
}

/* Answers, then closes without having said so. */
static bool close_after(struct exchange *x)
{
  server_reply(x, 200, "", "hello");
  return false;
}

static void test_connection_closed_while_idle(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(close_after, NULL, NULL, NULL);
  struct km_http_client *client = new_client(loop, server->url);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(get_and_compare(client, "/", "hello"), 200);
    sleep_ms(20);
  }
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  request.method = "POST"; /* a close that has arrived is seen before anything is sent */
  request.body = "{}";
  request.body_len = 2;
  expect_ok(client, &request, &response);
  km_http_response_done(&response);
  assert_int_equal(stats_of(client).connections_opened, 6);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

/* -- proxies --------------------------------------------------------------------------------------------- */

static bool proxy(struct exchange *x)
{
  char header[256] = "";
  if (strcmp(x->method, "CONNECT") == 0) {
    assert_string_equal(x->path, "10.255.255.1:6443"); /* the real host, not the tls-server-name */
    assert_false(server_header(x, "Authorization", header, sizeof(header)));
    return server_reply(x, 403, "", "no");
  }
  return server_reply(x, 200, "", x->path);
}

static struct km_http_client *proxied_client(struct km_loop *loop, const struct server *server,
                                             const char *base_url)
{
  char proxy_url[128];
  (void)snprintf(proxy_url, sizeof(proxy_url), "http://me:hunter2@127.0.0.1:%d", server->port);
  return new_client_with(loop, &(struct km_http_options){.base_url = base_url,
                                                         .proxy_url = proxy_url,
                                                         .tls_server_name = "kubernetes",
                                                         .connect_timeout_ms = 30000});
}

static void test_proxy(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(proxy, NULL, NULL, NULL);
  struct km_http_client *client = proxied_client(loop, server, "http://10.255.255.1:8080/p");
  assert_int_equal(get_and_compare(client, "/x", "http://10.255.255.1:8080/p/x"), 200);
  km_http_client_free(client);
  client = proxied_client(loop, server, "https://10.255.255.1:6443");
  struct km_http_request request = get_request("/");
  struct km_secret token = {0};
  km_secret_set(&token, "hunter2", 7);
  request.bearer = &token;
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "10.255.255.1:6443");
  assert_contains(err.message, "403");
  assert_null(strstr(err.message, "hunter2"));
  km_secret_done(&token);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static void test_dead_proxy(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  char proxy_url[128];
  (void)snprintf(proxy_url, sizeof(proxy_url), "http://me:hunter2@127.0.0.1:%d", unused_port());
  static const struct {
    const char *url, *part;
  } cases[] = {{NULL, "connection refused by the proxy 127.0.0.1:"},
               {"http://missing.test:3128", "could not resolve the name of the proxy"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    const char *url = cases[i].url != NULL ? cases[i].url : proxy_url;
    struct km_http_client *client = new_client_with(
        loop, &(struct km_http_options){.base_url = "https://10.255.255.1", .proxy_url = url});
    struct km_http_request request = get_request("/");
    struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, cases[i].part);
    assert_null(strstr(err.message, "hunter2"));
    km_http_client_free(client);
  }
  km_loop_free(loop);
}

int main(void)
{
  clear_proxy_environment();
  setenv("NO_PROXY", "*", 1); /* binds the environment's proxies, not one that is given */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_name_that_does_not_exist),
      cmocka_unit_test(test_resolver_that_hangs),
      cmocka_unit_test(test_second_address_is_tried),
      cmocka_unit_test(test_connection_refused),
      cmocka_unit_test(test_connect_deadline),
      cmocka_unit_test(test_no_answer),
      cmocka_unit_test(test_broken_in_the_middle),
      cmocka_unit_test(test_garbage),
      cmocka_unit_test(test_endless_headers),
      cmocka_unit_test(test_trickle_ends_at_the_deadline),
      cmocka_unit_test(test_damaged_compression),
      cmocka_unit_test(test_get_is_repeated_on_a_new_connection),
      cmocka_unit_test(test_writes_are_never_repeated),
      cmocka_unit_test(test_connection_closed_while_idle),
      cmocka_unit_test(test_proxy),
      cmocka_unit_test(test_dead_proxy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
