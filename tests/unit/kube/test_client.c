/* The client's requests: credentials and their renewal, waiting and repeating, headers, deadlines. */
#include "kube/fixture.h"

#include "kube_mcp/base/banned.h"

/* What the server does, and what it has seen. */
struct script {
  pthread_mutex_t mutex;
  const char *good_bearer; /* others get 401 */
  int status;              /* of the first FAILURES answers with a good bearer */
  const char *headers;     /* of those answers */
  const char *body;
  atomic_uint failures;
  bool hang_up; /* instead of those answers: close without a word */
  atomic_uint seen, unauthorized;
  char last_head[8192];
};

static bool play(struct exchange *x)
{
  struct script *script = (struct script *)(uintptr_t)x->server->data;
  char authorization[256] = "";
  char expected[256];
  (void)server_header(x, "Authorization", authorization, sizeof(authorization));
  pthread_mutex_lock(&script->mutex);
  script->seen++;
  (void)snprintf(script->last_head, sizeof(script->last_head), "%s", x->head);
  (void)snprintf(expected, sizeof(expected), "Bearer %s",
                 script->good_bearer != NULL ? script->good_bearer : "");
  bool unauthorized = script->good_bearer != NULL && strcmp(authorization, expected) != 0;
  bool fail = !unauthorized && script->failures > 0;
  script->unauthorized += unauthorized;
  script->failures -= fail;
  bool hang_up = fail && script->hang_up;
  pthread_mutex_unlock(&script->mutex);
  if (unauthorized) {
    return server_reply(x, 401, "",
                        "{\"kind\":\"Status\",\"reason\":\"Unauthorized\",\"message\":\"Unauthorized\"}");
  }
  if (hang_up) {
    server_reset(x);
    return false;
  }
  if (fail) {
    return server_reply(x, script->status, script->headers != NULL ? script->headers : "",
                        script->body != NULL ? script->body : "");
  }
  return server_reply(x, 200, "Content-Type: application/json\r\n", "{\"ok\":true}");
}

static struct script *new_script(void)
{
  struct script *script = calloc(1, sizeof(*script));
  pthread_mutex_init(&script->mutex, NULL);
  return script;
}

/* Takes over what FROM says the server shall do. */
static void tell(struct script *script, struct script from)
{
  script->status = from.status;
  script->headers = from.headers;
  script->body = from.body;
  script->failures = from.failures;
}

static void end(struct world *world, struct script *script)
{
  world_free(world);
  pthread_mutex_destroy(&script->mutex);
  free(script);
}

/* -- credentials -------------------------------------------------------------------------------------------------- */

static void test_credential_is_asked_once(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "token-1";
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  for (int i = 0; i < 5; i++) {
    assert_string_equal(expect_answer(world, &request), "{\"ok\":true}");
  }
  assert_int_equal(world->fake.asked, 1);
  assert_int_equal(world->server->connections, 1);
  assert_contains(script->last_head, "Authorization: Bearer token-1\r\n");
  assert_contains(script->last_head, "Accept: application/json\r\n");
  assert_contains(script->last_head, "User-Agent: kube-mcp/");
  end(world, script);
}

static void test_401_renews_once(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "token-2";
  world->fake.forced_bearer = "token-2";
  world_client(world);
  struct km_kube_request request = {
      .method = "POST", .path = "/api/v1/namespaces/a/pods", .body = "{}", .body_len = 2};
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 2);
  assert_int_equal(world->fake.forced, 1);
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 2);
  assert_int_equal(script->unauthorized, 1);
  end(world, script);
}

static void test_401_for_good(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "another";
  world->fake.forced_bearer = "token-2";
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  const struct km_error *err = expect_error(world, &request, KM_E_UNAUTHENTICATED);
  assert_int_equal(err->http_status, 401);
  assert_contains(err->message, "context 'prod'");
  assert_true(err->hint[0] != '\0');
  assert_null(strstr(err->message, "token-"));
  assert_int_equal(script->seen, 2);
  assert_int_equal(world->fake.forced, 1);
  end(world, script);
}

/* When the provider has nothing else to offer, asking the server again is of no use. */
static void test_401_with_the_same_credential(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "another";
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  (void)expect_error(world, &request, KM_E_UNAUTHENTICATED);
  assert_int_equal(script->seen, 1);
  assert_int_equal(world->fake.forced, 1);
  end(world, script);
}

static void test_provider_fails(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world->fake.fail = KM_E_UNAUTHENTICATED;
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  const struct km_error *err = expect_error(world, &request, KM_E_UNAUTHENTICATED);
  assert_string_equal(err->message, "context 'prod': the plugin failed");
  assert_int_equal(err->type, KM_TYPE_EXEC_FAILED);
  assert_int_equal(script->seen, 0);
  /* An error is not kept. */
  world->fake.fail = KM_OK;
  (void)expect_answer(world, &request);
  end(world, script);
}

static void *ask(void *data)
{
  struct world *world = data;
  struct km_kube_request request = get_of("/api/v1/pods");
  struct km_http_response response;
  struct km_error err = {0};
  if (km_client_do(world->client, &request, &response, &err) != KM_OK) {
    print_error("%s\n", err.message);
    abort();
  }
  km_http_response_done(&response);
  return NULL;
}

static void test_401_storm_renews_once(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "token-2";
  world->fake.forced_bearer = "token-2";
  world->fake.delay_ms = 50;
  world_client(world);
  in_parallel(16, ask, world);
  assert_int_equal(world->fake.forced, 1);
  assert_int_equal(world->fake.asked, 2);
  end(world, script);
}

/* -- a clock that tests move; only what the client computes follows it, real waiting does not -- */

static _Atomic uint64_t skip_ns;

static uint64_t skipping_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * KM_NS_PER_S + (uint64_t)now.tv_nsec + skip_ns;
}

static int64_t skipping_wall_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + (int64_t)(skip_ns / KM_NS_PER_MS);
}

static const struct km_clock skipping = {.monotonic_ns = skipping_ns, .wall_ms = skipping_wall_ms};

static void test_renewal_at_80_percent(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world->fake.life_ms = 100000;
  skip_ns = 0;
  km_clock_install(&skipping);
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  (void)expect_answer(world, &request);
  skip_ns = 79 * KM_NS_PER_S;
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 1);
  skip_ns = 81 * KM_NS_PER_S;
  world->fake.bearer = "token-2";
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 2);
  assert_int_equal(world->fake.forced, 0);
  assert_contains(script->last_head, "Bearer token-2");
  /* A renewal that fails in advance is nobody's error, and not tried at every call. */
  skip_ns += 85 * KM_NS_PER_S;
  world->fake.fail = KM_E_UNAVAILABLE;
  (void)expect_answer(world, &request);
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 3);
  skip_ns += 11 * KM_NS_PER_S;
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 4);
  /* Expired: now it is. */
  skip_ns += 10 * KM_NS_PER_S;
  (void)expect_error(world, &request, KM_E_UNAVAILABLE);
  world->fake.fail = KM_OK;
  (void)expect_answer(world, &request);
  end(world, script);
  km_clock_install(NULL);
}

static void test_expired_on_arrival_is_tried(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world->fake.life_ms = -60000;
  world_client(world);
  struct km_kube_request request = get_of("/api/v1/pods");
  (void)expect_answer(world, &request);
  (void)expect_answer(world, &request);
  assert_int_equal(world->fake.asked, 1);
  end(world, script);
}

static bool tell_peer(struct exchange *x)
{
  return server_reply(x, 200, "", x->peer);
}

/* A new certificate gets connections of its own; the client goes on without a break. */
static void test_changed_certificate(void **state)
{
  (void)state;
  struct pki_pair ca = pki_authority("test authority");
  struct pki_pair server_pair = pki_server(&ca);
  struct pki_pair alice = pki_client(&ca, "alice");
  struct pki_pair bob = pki_client(&ca, "bob");
  struct world *world = world_new(tell_peer, NULL);
  server_stop(world->server);
  world->server = server_start(tell_peer, NULL, &server_pair, &ca);
  world->fake.server = world->server->url;
  world->fake.endpoint.ca_pem = ca.cert_pem.data;
  world->fake.endpoint.ca_pem_len = ca.cert_pem.len;
  world->fake.bearer = NULL;
  world->fake.identity = &alice;
  world->fake.life_ms = 100000;
  skip_ns = 0;
  km_clock_install(&skipping);
  world_client(world);
  struct km_kube_request request = get_of("/api");
  assert_string_equal(expect_answer(world, &request), "alice");
  assert_string_equal(expect_answer(world, &request), "alice");
  world->fake.identity = &bob;
  skip_ns = 101 * KM_NS_PER_S;
  assert_string_equal(expect_answer(world, &request), "bob");
  struct km_client_stats stats;
  km_client_stats(world->client, &stats);
  assert_int_equal(stats.http.requests, 3);
  assert_int_equal(stats.http.connections_opened, 2);
  assert_int_equal(stats.refreshes, 2);
  world_free(world);
  km_clock_install(NULL);
  pki_done(&bob);
  pki_done(&alice);
  pki_done(&server_pair);
  pki_done(&ca);
}

static void test_renewed_token_keeps_connections(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->good_bearer = "token-2";
  world->fake.forced_bearer = "token-2";
  world_client(world);
  struct km_kube_request request = get_of("/api");
  (void)expect_answer(world, &request);
  assert_int_equal(world->server->connections, 1);
  end(world, script);
}

static void test_headers(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  static const char *const groups[] = {"system:masters", "dev"};
  static const char *const extra[] = {"Example.com/Scope", "a", "reason", "b c"};
  world->fake.endpoint.as.user = "jane";
  world->fake.endpoint.as.uid = "42";
  world->fake.endpoint.as.groups = groups;
  world->fake.endpoint.as.group_count = 2;
  world->fake.endpoint.as.extra = extra;
  world->fake.endpoint.as.extra_count = 2;
  world_client(world);
  struct km_kube_request request = get_of("/api");
  request.accept = "application/yaml";
  (void)expect_answer(world, &request);
  static const char *const lines[] = {"Impersonate-User: jane\r\n",
                                      "Impersonate-Uid: 42\r\n",
                                      "Impersonate-Group: system:masters\r\n",
                                      "Impersonate-Group: dev\r\n",
                                      "Impersonate-Extra-Example.com%2FScope: a\r\n",
                                      "Impersonate-Extra-reason: b c\r\n",
                                      "Accept: application/yaml\r\n"};
  for (size_t i = 0; i < KM_ARRAY_LEN(lines); i++) {
    assert_contains(script->last_head, lines[i]);
  }
  end(world, script);
}

static void test_impersonation_cannot_smuggle_headers(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  struct km_endpoint endpoint = {
      .context = "prod", .server = world->server->url, .as = {.user = "a\r\nX-Evil: 1"}};
  struct km_client *client = NULL;
  assert_int_equal(
      km_client_new(world->loop, &world->fake.provider, &endpoint, &world->options, &client, &world->err),
      KM_E_INVALID);
  assert_contains(world->err.message, "Impersonate-User");
  const char *groups[100];
  for (size_t i = 0; i < 100; i++) {
    groups[i] = "g";
  }
  endpoint.as.user = "a";
  endpoint.as.groups = groups;
  endpoint.as.group_count = 100;
  assert_int_equal(
      km_client_new(world->loop, &world->fake.provider, &endpoint, &world->options, &client, &world->err),
      KM_E_INVALID);
  assert_null(client);
  end(world, script);
}

/* -- waiting and repeating ---------------------------------------------------------------------------------------- */

struct notices {
  unsigned count;
  char last[256];
};

static void take_notice(void *data, const char *text)
{
  struct notices *notices = data;
  notices->count++;
  (void)snprintf(notices->last, sizeof(notices->last), "%s", text);
}

static void test_429_waits_as_told(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){.status = 429, .headers = "Retry-After: 1\r\n", .failures = 1});
  world_client(world);
  struct notices notices = {0};
  struct km_observer observer = {.notice = take_notice, .data = &notices};
  struct km_kube_request request = {
      .method = "POST", .path = "/api/v1/namespaces/a/pods", .observer = &observer};
  uint64_t start_ns = km_clock_ns();
  (void)expect_answer(world, &request);
  assert_in_range(elapsed_ms_since(start_ns), 1000, 3000);
  assert_int_equal(script->seen, 2);
  assert_int_equal(notices.count, 1);
  assert_contains(notices.last, "rate limited by the API server; waiting 1.0 s");
  struct km_client_stats stats;
  km_client_stats(world->client, &stats);
  assert_int_equal(stats.retries, 1);
  assert_int_equal(stats.throttled, 1);
  end(world, script);
}

static void test_429_beyond_the_deadline(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){
                   .status = 429,
                   .headers = "Retry-After: 30\r\n",
                   .failures = 100,
                   .body = "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"slow down\"}"});
  world_client(world);
  struct km_kube_request request = get_of("/api");
  uint64_t start_ns = km_clock_ns();
  const struct km_error *err = expect_error(world, &request, KM_E_RATE_LIMITED);
  assert_true(elapsed_ms_since(start_ns) < 1000);
  assert_int_equal(err->retry_after_ms, 30000);
  assert_contains(err->message, "slow down");
  assert_int_equal(script->seen, 1);
  end(world, script);
}

static void test_429_closes_the_gate_for_others(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){.status = 429, .headers = "Retry-After: 3\r\n", .failures = 1});
  world_client(world);
  pthread_t thread;
  pthread_create(&thread, NULL, ask, world);
  while (script->failures > 0) {
    sleep_ms(5);
  }
  sleep_ms(200);
  struct km_kube_request request = get_of("/api");
  request.deadline = km_deadline_in_ms(500);
  const struct km_error *err = expect_error(world, &request, KM_E_RATE_LIMITED);
  assert_contains(err->message, "the API server asked for a pause");
  assert_in_range(err->retry_after_ms, 1500, 3000);
  assert_int_equal(script->seen, 1);
  pthread_join(thread, NULL);
  end(world, script);
}

static void test_tries_are_counted(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){.status = 429, .failures = 100});
  world_client(world);
  struct km_kube_request request = get_of("/api");
  (void)expect_error(world, &request, KM_E_RATE_LIMITED);
  assert_int_equal(script->seen, 3);
  end(world, script);
}

static void test_503_repeats_only_reads(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){.status = 503, .failures = 2});
  world_client(world);
  struct km_kube_request request = get_of("/api");
  (void)expect_answer(world, &request);
  assert_int_equal(script->seen, 3);
  script->failures = 1;
  request.method = "POST";
  const struct km_error *err = expect_error(world, &request, KM_E_UNAVAILABLE);
  assert_int_equal(err->http_status, 503);
  assert_int_equal(script->seen, 4);
  end(world, script);
}

static void test_other_failures_are_final(void **state)
{
  (void)state;
  static const int statuses[] = {400, 403, 404, 409, 500, 502, 504};
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world_client(world);
  struct km_kube_request request = get_of("/api");
  for (size_t i = 0; i < KM_ARRAY_LEN(statuses); i++) {
    script->status = statuses[i];
    script->failures = 1;
    script->seen = 0;
    struct km_http_response response;
    assert_int_not_equal(km_client_do(world->client, &request, &response, &world->err), KM_OK);
    assert_int_equal(world->err.http_status, statuses[i]);
    assert_int_equal(script->seen, 1);
    script->failures = 0;
  }
  end(world, script);
}

static void test_broken_connection(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  script->hang_up = true;
  world_client(world);
  struct km_kube_request request = get_of("/api");
  script->failures = 1;
  (void)expect_answer(world, &request);
  script->seen = 0;
  script->failures = 100;
  const struct km_error *err = expect_error(world, &request, KM_E_UNAVAILABLE);
  assert_contains(err->message, "context 'prod'");
  assert_true(script->seen >= 2);
  /* What writes is sent once. */
  script->seen = 0;
  struct km_kube_request post = {
      .method = "POST", .path = "/api/v1/namespaces/a/pods", .body = "{}", .body_len = 2};
  (void)expect_error(world, &post, KM_E_UNAVAILABLE);
  assert_int_equal(script->seen, 1);
  end(world, script);
}

static void test_dead_server(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world->fake.server = "http://127.0.0.1:1";
  world_client(world);
  struct km_kube_request request = get_of("/api");
  const struct km_error *err = expect_error(world, &request, KM_E_UNAVAILABLE);
  assert_contains(err->message, "127.0.0.1:1");
  struct km_client_stats stats;
  km_client_stats(world->client, &stats);
  assert_int_equal(stats.http.requests, 1);
  end(world, script);
}

static void test_own_rate(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  world->options.qps = 20;
  world->options.burst = 1;
  world_client(world);
  struct km_kube_request request = get_of("/api");
  uint64_t start_ns = km_clock_ns();
  for (int i = 0; i < 4; i++) {
    (void)expect_answer(world, &request);
  }
  assert_true(elapsed_ms_since(start_ns) >= 140);
  request.deadline = km_deadline_in_ms(10);
  const struct km_error *err = expect_error(world, &request, KM_E_RATE_LIMITED);
  assert_contains(err->message, "qps");
  assert_in_range(err->retry_after_ms, 1, 60);
  end(world, script);
}

static void *cancel_soon(void *data)
{
  sleep_ms(50);
  km_cancel_trigger(data, "the caller hung up");
  return NULL;
}

static void test_cancelled_while_waiting(void **state)
{
  (void)state;
  struct script *script = new_script();
  struct world *world = world_new(play, script);
  tell(script, (struct script){.status = 429, .headers = "Retry-After: 4\r\n", .failures = 1});
  world_client(world);
  struct km_cancel *cancel = km_cancel_new();
  pthread_t thread;
  pthread_create(&thread, NULL, cancel_soon, cancel);
  struct km_kube_request request = get_of("/api");
  request.cancel = cancel;
  uint64_t start_ns = km_clock_ns();
  const struct km_error *err = expect_error(world, &request, KM_E_CANCELLED);
  assert_contains(err->message, "the caller hung up");
  assert_true(elapsed_ms_since(start_ns) < 2000);
  pthread_join(thread, NULL);
  km_cancel_unref(cancel);
  end(world, script);
}

static bool stall(struct exchange *x)
{
  server_stall(x, 3000);
  return false;
}

static void test_deadline_is_the_nearer_one(void **state)
{
  (void)state;
  struct world *world = world_new(stall, NULL);
  world->options.timeout_ms = 150;
  world_client(world);
  struct km_kube_request request = get_of("/api");
  request.deadline = km_deadline_in_ms(60000);
  uint64_t start_ns = km_clock_ns();
  (void)expect_error(world, &request, KM_E_TIMEOUT);
  assert_in_range(elapsed_ms_since(start_ns), 140, 1500);
  world_free(world);
}

/* -- answers ------------------------------------------------------------------------------------------------------ */

static bool echo_authorization(struct exchange *x)
{
  char authorization[256] = "";
  char body[512];
  (void)server_header(x, "Authorization", authorization, sizeof(authorization));
  (void)snprintf(body, sizeof(body), "<h1>denied: %s</h1>", authorization);
  return server_reply(x, 502, "", body);
}

static void test_echoed_credentials_are_blanked(void **state)
{
  (void)state;
  struct world *world = world_new(echo_authorization, NULL);
  world->fake.bearer = "canary-0123456789";
  world_client(world);
  struct km_kube_request request = get_of("/api");
  const struct km_error *err = expect_error(world, &request, KM_E_UNAVAILABLE);
  assert_contains(err->message, "denied: Bearer *****************");
  assert_null(strstr(err->message, "canary"));
  world_free(world);
}

static void test_echoed_passwords_are_blanked(void **state)
{
  (void)state;
  struct world *world = world_new(echo_authorization, NULL);
  world->fake.bearer = NULL;
  world->fake.user = "jane";
  world->fake.password = "canary-01234567";
  world_client(world);
  struct km_kube_request request = get_of("/api");
  const struct km_error *err = expect_error(world, &request, KM_E_UNAVAILABLE);
  assert_contains(err->message, "denied: Basic ****************************");
  world_free(world);
}

static bool answer_text(struct exchange *x)
{
  return server_reply(x, 200, "", (const char *)x->server->data);
}

static void test_get_json(void **state)
{
  (void)state;
  struct world *world = world_new(answer_text, "{\"a\":[1,2]}");
  world_client(world);
  struct km_kube_request request = get_of("/api");
  yyjson_doc *doc = NULL;
  assert_int_equal(km_client_get_json(world->client, &request, world->arena, &doc, &world->err), KM_OK);
  assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "a")), 2);
  world->server->data = "<html>login</html>";
  request.path = "/api?secret=x";
  assert_int_equal(km_client_get_json(world->client, &request, world->arena, &doc, &world->err),
                   KM_E_PROTOCOL);
  assert_contains(world->err.message, "context 'prod': the answer to GET /api is not the JSON it should be");
  world_free(world);
}

static void test_response_limit(void **state)
{
  (void)state;
  char *big = malloc(100001);
  memset(big, ' ', 100000);
  big[100000] = '\0';
  struct world *world = world_new(answer_text, big);
  world->options.max_response_bytes = 50000;
  world_client(world);
  struct km_kube_request request = get_of("/api");
  (void)expect_error(world, &request, KM_E_TOO_LARGE);
  request.max_bytes = 200000;
  assert_int_equal(strlen(expect_answer(world, &request)), 100000);
  world_free(world);
  free(big);
}

static void test_version_is_kept_for_a_minute(void **state)
{
  (void)state;
  struct world *world = world_new(answer_text, "{\"gitVersion\":\"v1.36.3\"}");
  skip_ns = 0;
  km_clock_install(&skipping);
  world_client(world);
  struct km_kube_request base = {0};
  const char *version = NULL;
  assert_int_equal(km_client_version(world->client, &base, world->arena, &version, &world->err), KM_OK);
  assert_string_equal(version, "v1.36.3");
  world->server->data = "{\"gitVersion\":\"v1.37.0\\u001b[0m\"}";
  assert_int_equal(km_client_version(world->client, &base, world->arena, &version, &world->err), KM_OK);
  assert_string_equal(version, "v1.36.3");
  skip_ns = 61 * KM_NS_PER_S;
  assert_int_equal(km_client_version(world->client, &base, world->arena, &version, &world->err), KM_OK);
  assert_string_equal(version, "v1.37.0");
  world->server->data = "{}";
  skip_ns = 122 * KM_NS_PER_S;
  assert_int_equal(km_client_version(world->client, &base, world->arena, &version, &world->err),
                   KM_E_PROTOCOL);
  world_free(world);
  km_clock_install(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_credential_is_asked_once),
      cmocka_unit_test(test_401_renews_once),
      cmocka_unit_test(test_401_for_good),
      cmocka_unit_test(test_401_with_the_same_credential),
      cmocka_unit_test(test_provider_fails),
      cmocka_unit_test(test_401_storm_renews_once),
      cmocka_unit_test(test_renewal_at_80_percent),
      cmocka_unit_test(test_expired_on_arrival_is_tried),
      cmocka_unit_test(test_changed_certificate),
      cmocka_unit_test(test_renewed_token_keeps_connections),
      cmocka_unit_test(test_headers),
      cmocka_unit_test(test_impersonation_cannot_smuggle_headers),
      cmocka_unit_test(test_429_waits_as_told),
      cmocka_unit_test(test_429_beyond_the_deadline),
      cmocka_unit_test(test_429_closes_the_gate_for_others),
      cmocka_unit_test(test_tries_are_counted),
      cmocka_unit_test(test_503_repeats_only_reads),
      cmocka_unit_test(test_other_failures_are_final),
      cmocka_unit_test(test_broken_connection),
      cmocka_unit_test(test_dead_server),
      cmocka_unit_test(test_own_rate),
      cmocka_unit_test(test_cancelled_while_waiting),
      cmocka_unit_test(test_deadline_is_the_nearer_one),
      cmocka_unit_test(test_echoed_credentials_are_blanked),
      cmocka_unit_test(test_echoed_passwords_are_blanked),
      cmocka_unit_test(test_get_json),
      cmocka_unit_test(test_response_limit),
      cmocka_unit_test(test_version_is_kept_for_a_minute),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
