/* TLS: who is trusted and who is not, under which name, with which identity, and what the messages say about
 * it. */
#include "net/client.h"

#include "kube_mcp/base/banned.h"

/* The authority of these tests, another one, and a server's certificate. */
static struct pki_pair authority, stranger, localhost;

static int make_certificates(void **state)
{
  (void)state;
  authority = pki_authority("test authority");
  stranger = pki_authority("another authority");
  localhost = pki_server(&authority);
  return 0;
}

static int forget_certificates(void **state)
{
  (void)state;
  pki_done(&localhost);
  pki_done(&stranger);
  pki_done(&authority);
  return 0;
}

/* "NAME OF CLIENT|SNI|HOST" */
static bool who(struct exchange *x)
{
  char answer[512], host[128] = "";
  (void)server_header(x, "Host", host, sizeof(host));
  (void)snprintf(answer, sizeof(answer), "%s|%s|%s", x->peer, x->sni, host);
  return server_reply(x, 200, "", answer);
}

static struct km_http_options options_for(const char *url, const struct pki_pair *ca)
{
  return (struct km_http_options){.base_url = url,
                                  .ca_pem = ca != NULL ? ca->cert_pem.data : NULL,
                                  .ca_pem_len = ca != NULL ? ca->cert_pem.len : 0,
                                  .connect_timeout_ms = 30000};
}

static void test_trusted_server(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, NULL);
  struct km_http_options options = options_for(server->url, &authority);
  struct km_http_client *client = new_client_with(loop, &options);
  char expected[64];
  (void)snprintf(expected, sizeof(expected), "||127.0.0.1:%d", server->port);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(get_and_compare(client, "/", expected), 200);
  }
  assert_int_equal(atomic_load(&server->connections), 1);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static void test_chain_of_authorities(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, NULL);
  struct km_buf bundle;
  km_buf_init(&bundle, 65536);
  km_buf_append(&bundle, stranger.cert_pem.data, stranger.cert_pem.len);
  km_buf_puts(&bundle, "\n# a comment\n");
  km_buf_append(&bundle, authority.cert_pem.data, authority.cert_pem.len);
  struct km_http_options options = options_for(server->url, NULL);
  options.ca_pem = bundle.data;
  options.ca_pem_len = bundle.len;
  struct km_http_client *client = new_client_with(loop, &options);
  km_buf_wipe(&bundle); /* the client has a copy */
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  expect_ok(client, &request, &response);
  km_http_response_done(&response);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

static void test_system_trust_can_be_chosen(void **state)
{
  (void)state;
  char path[] = "/tmp/km-trust-XXXXXX";
  int fd = mkstemp(path);
  assert_int_equal(write(fd, authority.cert_pem.data, authority.cert_pem.len), authority.cert_pem.len);
  close(fd);
  setenv("SSL_CERT_FILE", path, 1);
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, NULL);
  struct km_http_options options = options_for(server->url, NULL);
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  expect_ok(client, &request, &response);
  km_http_response_done(&response);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
  unsetenv("SSL_CERT_FILE");
  unlink(path);
}

/* The server shows IDENTITY; OPTIONS lack only the URL. */
static struct km_error expect_untrusted(const struct pki_pair *identity, struct km_http_options options,
                                        const char *part)
{
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, identity, NULL);
  options.base_url = server->url;
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_secret token = {0};
  km_secret_set(&token, "hunter2", 7);
  request.bearer = &token;
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, part);
  char peer[64];
  (void)snprintf(peer, sizeof(peer), "127.0.0.1:%d", server->port);
  assert_contains(err.message, peer);
  assert_true(err.hint[0] != '\0');
  assert_int_equal(atomic_load(&server->requests), 0); /* the token did not leave */
  km_secret_done(&token);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
  return err;
}

static struct pki_pair server_valid(time_t from, time_t until)
{
  return pki_issue(
      &authority,
      &(struct pki_request){
          .cn = "localhost", .dns = "localhost", .loopback = true, .not_before = from, .not_after = until});
}

static void test_untrusted_servers(void **state)
{
  (void)state;
  expect_untrusted(&localhost, options_for(NULL, &stranger), "not signed by the given certificate authority");
  expect_untrusted(&localhost, options_for(NULL, NULL), "not signed by an authority this machine trusts");
  struct pki_pair old = server_valid(-2L * PKI_HOUR, -PKI_HOUR),
                  early = server_valid(PKI_HOUR, 2L * PKI_HOUR);
  expect_untrusted(&old, options_for(NULL, &authority), "has expired");
  expect_untrusted(&early, options_for(NULL, &authority), "not valid yet");
  pki_done(&old);
  pki_done(&early);
}

static void test_wrong_name(void **state)
{
  (void)state;
  struct pki_pair other = pki_issue(&authority, &(struct pki_request){.cn = "other.example",
                                                                      .dns = "other.example",
                                                                      .not_before = -PKI_HOUR,
                                                                      .not_after = PKI_HOUR});
  struct km_error err = expect_untrusted(&other, options_for(NULL, &authority), "is for another name");
  assert_contains(err.message, "other.example");
  assert_contains(err.hint, "tls-server-name");
  struct km_http_options options = options_for(NULL, &authority);
  options.tls_server_name = "third.example";
  expect_untrusted(&other, options, "is for another name");
  pki_done(&other);
}

static void test_tls_server_name(void **state)
{
  (void)state;
  struct pki_pair other =
      pki_issue(&authority,
                &(struct pki_request){
                    .cn = "x", .dns = "api.cluster.example", .not_before = -PKI_HOUR, .not_after = PKI_HOUR});
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &other, NULL);
  struct km_http_options options = options_for(server->url, &authority);
  options.tls_server_name = "api.cluster.example";
  struct km_http_client *client = new_client_with(loop, &options);
  char expected[128];
  (void)snprintf(expected, sizeof(expected), "|api.cluster.example|127.0.0.1:%d", server->port);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(get_and_compare(client, "/", expected), 200);
  }
  assert_int_equal(atomic_load(&server->connections), 1);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
  pki_done(&other);
}

static void test_verification_switched_off(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct pki_pair old = server_valid(-2L * PKI_HOUR, -PKI_HOUR);
  struct server *server = server_start(who, NULL, &old, NULL);
  struct km_http_options options = options_for(server->url, &stranger);
  options.insecure_skip_verify = true;
  options.tls_server_name = "whatever.example";
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_http_response response;
  expect_ok(client, &request, &response);
  assert_contains(response.body.data, "|whatever.example|");
  km_http_response_done(&response);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
  pki_done(&old);
}

/* -- client certificates --------------------------------------------------------------------------------- */

static struct km_http_client *client_as(struct km_loop *loop, const char *url,
                                        const struct pki_pair *identity)
{
  struct km_http_options options = options_for(url, &authority);
  options.client_cert_pem = &identity->cert_pem;
  options.client_key_pem = &identity->key_pem;
  return new_client_with(loop, &options);
}

struct caller {
  struct km_http_client *client;
  const char *expected;
  unsigned wrong;
};

static void *call_often(void *data)
{
  struct caller *caller = data;
  for (int i = 0; i < 50; i++) {
    struct km_http_request request = get_request("/");
    struct km_http_response response;
    struct km_error err;
    if (km_http_do(caller->client, &request, &response, &err) != KM_OK) {
      caller->wrong++;
      continue;
    }
    caller->wrong += strncmp(response.body.data, caller->expected, strlen(caller->expected)) != 0;
    km_http_response_done(&response);
  }
  return NULL;
}

static void test_identities_are_never_mixed(void **state)
{
  (void)state;
  struct pki_pair alice = pki_client(&authority, "alice"), bob = pki_client(&authority, "bob");
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, &authority);
  struct km_http_client *as_alice = client_as(loop, server->url, &alice);
  struct km_http_client *as_bob = client_as(loop, server->url, &bob);
  struct caller callers[8];
  pthread_t threads[KM_ARRAY_LEN(callers)];
  for (size_t i = 0; i < KM_ARRAY_LEN(callers); i++) {
    callers[i] = (struct caller){.client = i % 2 ? as_alice : as_bob, .expected = i % 2 ? "alice|" : "bob|"};
    pthread_create(&threads[i], NULL, call_often, &callers[i]);
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(callers); i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(callers[i].wrong, 0);
  }
  km_http_client_free(as_alice);
  km_http_client_free(as_bob);
  server_stop(server);
  km_loop_free(loop);
  pki_done(&alice);
  pki_done(&bob);
}

/* A new client whose certificates sit on the numbers of an old one's descriptors must not meet its
 * connections. */
static void test_descriptor_numbers_may_return(void **state)
{
  (void)state;
  static const char *const names[] = {"alice", "bob", "carol"};
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, &authority);
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    struct pki_pair identity = pki_client(&authority, names[i]);
    struct km_http_client *client = client_as(loop, server->url, &identity);
    struct km_http_request request = get_request("/");
    struct km_http_response response;
    expect_ok(client, &request, &response);
    assert_ptr_equal(strstr(response.body.data, names[i]), response.body.data);
    km_http_response_done(&response);
    km_http_client_free(client);
    pki_done(&identity);
  }
  server_stop(server);
  km_loop_free(loop);
}

static void test_server_wants_a_certificate(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, &localhost, &authority);
  struct km_http_options options = options_for(server->url, &authority);
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "127.0.0.1:");
  assert_contains(err.hint, "client certificate");
  assert_int_equal(atomic_load(&server->requests), 0);
  km_http_client_free(client);
  struct pki_pair mallory = pki_client(&stranger, "mallory");
  client = client_as(loop, server->url, &mallory);
  err = expect_failure(client, &request, KM_E_UNAVAILABLE, "127.0.0.1:");
  assert_contains(err.hint, "client certificate");
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
  pki_done(&mallory);
}

static struct km_error expect_bad_options(const struct km_http_options *options, enum km_rc rc,
                                          const char *part)
{
  struct km_loop *loop = new_loop();
  struct km_http_client *untouched = NULL;
  struct km_error err = {0};
  assert_int_equal(km_http_client_new(loop, options, &untouched, &err), rc);
  assert_contains(err.message, part);
  assert_null(untouched);
  km_loop_free(loop);
  return err;
}

static void test_options_that_cannot_work(void **state)
{
  (void)state;
  struct pki_pair alice = pki_client(&authority, "alice"), bob = pki_client(&authority, "bob");
  struct km_http_options options = options_for("https://h", &authority);
  options.client_cert_pem = &alice.cert_pem;
  expect_bad_options(&options, KM_E_INVALID, "needs its key");
  options.client_key_pem = &bob.key_pem;
  expect_bad_options(&options, KM_E_INVALID, "do not belong together");
  options.client_cert_pem = NULL;
  expect_bad_options(&options, KM_E_INVALID, "needs its key");
  options = options_for("https://h", &authority);
  options.ca_pem = "nonsense";
  options.ca_pem_len = 8;
  expect_bad_options(&options, KM_E_INVALID, "certificate authority");
  options = options_for("nonsense://", NULL);
  expect_bad_options(&options, KM_E_INVALID, "server URL");
  options = options_for("https://h", NULL);
  options.proxy_url = "ftp://me:hunter2@p";
  struct km_error err = expect_bad_options(&options, KM_E_INVALID, "proxy-url");
  assert_null(strstr(err.message, "hunter2"));
  pki_done(&alice);
  pki_done(&bob);
}

static void test_expired_client_certificate(void **state)
{
  (void)state;
  struct pki_request request = {.cn = "alice", .not_before = -2L * PKI_HOUR, .not_after = -PKI_HOUR};
  struct pki_pair old = pki_issue(&authority, &request);
  struct km_http_options options = options_for("https://h", &authority);
  options.client_cert_pem = &old.cert_pem;
  options.client_key_pem = &old.key_pem;
  struct km_error err = expect_bad_options(&options, KM_E_UNAUTHENTICATED, "expired at 2");
  assert_true(err.hint[0] != '\0');
  pki_done(&old);
  request = (struct pki_request){.cn = "alice", .not_before = PKI_HOUR, .not_after = 2L * PKI_HOUR};
  old = pki_issue(&authority, &request);
  options.client_cert_pem = &old.cert_pem;
  options.client_key_pem = &old.key_pem;
  expect_bad_options(&options, KM_E_UNAUTHENTICATED, "not valid before 2");
  pki_done(&old);
}

/* -- not quite TLS --------------------------------------------------------------------------------------- */

static void test_tls_to_a_plain_server(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(who, NULL, NULL, NULL);
  char url[64];
  (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", server->port);
  struct km_http_options options = options_for(url, &authority);
  options.connect_timeout_ms = 150;
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "127.0.0.1:");
  assert_contains(err.message, "TLS handshake");
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

/* Accepts connections and never says a word. */
static void test_handshake_deadline(void **state)
{
  (void)state;
  int port = 0, listener = listen_on_loopback(&port);
  char url[64];
  (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
  struct km_loop *loop = new_loop();
  struct km_http_options options = options_for(url, &authority);
  options.connect_timeout_ms = 120;
  struct km_http_client *client = new_client_with(loop, &options);
  struct km_http_request request = get_request("/");
  struct km_error err = expect_failure(client, &request, KM_E_UNAVAILABLE, "could not connect to 127.0.0.1:");
  assert_contains(err.message, "in the TLS handshake");
  request.deadline = km_deadline_in_ms(40);
  expect_failure(client, &request, KM_E_TIMEOUT, "in the TLS handshake");
  km_http_client_free(client);
  km_loop_free(loop);
  close(listener);
}

/* Hangs up without TLS' goodbye in the middle of the body: an attacker could have done that. */
static bool cut_off(struct exchange *x)
{
  server_puts(x, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of the");
  sleep_ms(20);
  shutdown(x->fd, SHUT_RDWR);
  return false;
}

static bool hang_up(struct exchange *x)
{
  shutdown(x->fd, SHUT_RDWR);
  return false;
}

static void test_truncation_is_noticed(void **state)
{
  (void)state;
  static const struct {
    server_handler *handler;
    const char *part;
  } cases[] = {{cut_off, "in the middle of its answer"}, {hang_up, "before answering"}};
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_loop *loop = new_loop();
    struct server *server = server_start(cases[i].handler, NULL, &localhost, NULL);
    struct km_http_options options = options_for(server->url, &authority);
    struct km_http_client *client = new_client_with(loop, &options);
    struct km_http_request request = get_request("/");
    expect_failure(client, &request, KM_E_UNAVAILABLE, cases[i].part);
    km_http_client_free(client);
    server_stop(server);
    km_loop_free(loop);
  }
}

int main(void)
{
  unsetenv("SSL_CERT_FILE");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_trusted_server),
      cmocka_unit_test(test_chain_of_authorities),
      cmocka_unit_test(test_system_trust_can_be_chosen),
      cmocka_unit_test(test_untrusted_servers),
      cmocka_unit_test(test_wrong_name),
      cmocka_unit_test(test_tls_server_name),
      cmocka_unit_test(test_verification_switched_off),
      cmocka_unit_test(test_identities_are_never_mixed),
      cmocka_unit_test(test_descriptor_numbers_may_return),
      cmocka_unit_test(test_server_wants_a_certificate),
      cmocka_unit_test(test_options_that_cannot_work),
      cmocka_unit_test(test_expired_client_certificate),
      cmocka_unit_test(test_tls_to_a_plain_server),
      cmocka_unit_test(test_handshake_deadline),
      cmocka_unit_test(test_truncation_is_noticed),
  };
  return cmocka_run_group_tests(tests, make_certificates, forget_certificates);
}
