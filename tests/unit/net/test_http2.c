/* HTTP/2 against nghttpd: one connection for many calls, bodies of every size, and streams that are given up.
 * The option works whatever km_http2_is_sound says; that only decides what `auto` means. */
#include "net/client.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

#include "kube_mcp/base/banned.h"

#define SMALL_FILES 20
#define BIG_BYTES   (8 * MIB)

extern char **environ;

static struct pki_pair authority, localhost;
static char folder[] = "/tmp/km-http2-XXXXXX";
static pid_t nghttpd;
static char url[64];

static void write_file(const char *name, const void *data, size_t len)
{
  char path[128];
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
}

static void write_files(void)
{
  write_file("key.pem", localhost.key_pem.data, localhost.key_pem.len);
  write_file("cert.pem", localhost.cert_pem.data, localhost.cert_pem.len);
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    char name[32];
    (void)snprintf(name, sizeof(name), "small-%u", i);
    write_file(name, name, strlen(name));
  }
  char *big = malloc(BIG_BYTES);
  for (size_t i = 0; i < BIG_BYTES; i++) {
    big[i] = (char)('a' + i % 26);
  }
  write_file("big", big, BIG_BYTES);
  free(big);
}

static bool listens(int port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  bool ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
  close(fd);
  return ok;
}

/* Leaves `nghttpd` 0 when there is no such program. */
static int start_nghttpd(void **state)
{
  (void)state;
  authority = pki_authority("test authority");
  localhost = pki_server(&authority);
  assert_non_null(mkdtemp(folder));
  write_files();
  int port = 0;
  close(listen_on_loopback(&port));
  char port_text[16], root[64], key[64], cert[64];
  (void)snprintf(port_text, sizeof(port_text), "%d", port);
  (void)snprintf(root, sizeof(root), "-d%s", folder);
  (void)snprintf(key, sizeof(key), "%s/key.pem", folder);
  (void)snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
  (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
  char program[] = "nghttpd", address[] = "-a127.0.0.1", echo[] = "--echo-upload";
  char *argv[] = {program, address, echo, root, port_text, key, cert, NULL};
  if (posix_spawnp(&nghttpd, program, NULL, NULL, argv, environ) != 0) {
    nghttpd = 0;
    return 0;
  }
  for (int i = 0; i < 500 && !listens(port); i++) {
    sleep_ms(10);
  }
  return listens(port) ? 0 : -1;
}

static int stop_nghttpd(void **state)
{
  (void)state;
  if (nghttpd > 0) {
    kill(nghttpd, SIGKILL);
    waitpid(nghttpd, NULL, 0);
  }
  char path[128];
  static const char *const names[] = {"key.pem", "cert.pem", "big"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names) + SMALL_FILES; i++) {
    if (i < KM_ARRAY_LEN(names)) {
      (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    } else {
      (void)snprintf(path, sizeof(path), "%s/small-%zu", folder, i - KM_ARRAY_LEN(names));
    }
    unlink(path);
  }
  rmdir(folder);
  pki_done(&localhost);
  pki_done(&authority);
  return 0;
}

static struct km_http_client *http2_client(struct km_loop *loop, const char *base_url)
{
  return new_client_with(loop, &(struct km_http_options){.base_url = base_url,
                                                         .ca_pem = authority.cert_pem.data,
                                                         .ca_pem_len = authority.cert_pem.len,
                                                         .http2 = KM_HTTP2_ON,
                                                         .connect_timeout_ms = 30000});
}

struct caller {
  struct km_http_client *client;
  unsigned number, wrong;
};

static void *get_small_files(void *data)
{
  struct caller *caller = data;
  for (unsigned i = 0; i < 30; i++) {
    char path[32];
    (void)snprintf(path, sizeof(path), "/small-%u", (caller->number + i) % SMALL_FILES);
    struct km_http_request request = get_request(path);
    struct km_http_response response;
    struct km_error err;
    if (km_http_do(caller->client, &request, &response, &err) != KM_OK) {
      print_error("%s: %s\n", path, err.message);
      caller->wrong++;
      continue;
    }
    caller->wrong += response.status != 200 || strcmp(response.body.data, path + 1) != 0;
    km_http_response_done(&response);
  }
  return NULL;
}

#define CALLERS 64

static void test_one_connection_for_all(void **state)
{
  (void)state;
  if (nghttpd == 0) {
    skip();
  }
  struct km_loop *loop = new_loop();
  struct km_http_client *client = http2_client(loop, url);
  struct caller callers[CALLERS];
  pthread_t threads[CALLERS];
  for (unsigned i = 0; i < CALLERS; i++) {
    callers[i] = (struct caller){.client = client, .number = i};
    pthread_create(&threads[i], NULL, get_small_files, &callers[i]);
  }
  for (unsigned i = 0; i < CALLERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(callers[i].wrong, 0);
  }
  struct km_http_stats stats = stats_of(client);
  assert_int_equal(stats.requests, CALLERS * 30);
  assert_int_equal(stats.connections_opened, 1);
  km_http_client_free(client);
  km_loop_free(loop);
}

static void test_big_bodies_side_by_side(void **state)
{
  (void)state;
  if (nghttpd == 0) {
    skip();
  }
  struct km_loop *loop = new_loop();
  struct km_http_client *client = http2_client(loop, url);
  for (int i = 0; i < 4; i++) {
    struct km_http_request request = get_request("/big");
    struct km_http_response response;
    request.max_body_bytes = BIG_BYTES;
    expect_ok(client, &request, &response);
    assert_int_equal(response.body.len, BIG_BYTES);
    for (size_t at = 0; at < BIG_BYTES; at += 4093) {
      assert_int_equal(response.body.data[at], 'a' + (int)(at % 26));
    }
    km_http_response_done(&response);
    request.max_body_bytes = MIB;
    expect_failure(client, &request, KM_E_TOO_LARGE, "larger than 1048576 bytes");
    assert_int_equal(get_and_compare(client, "/small-3", "small-3"), 200);
  }
  km_http_client_free(client);
  km_loop_free(loop);
}

static void test_upload(void **state)
{
  (void)state;
  if (nghttpd == 0) {
    skip();
  }
  struct km_loop *loop = new_loop();
  struct km_http_client *client = http2_client(loop, url);
  size_t len = 400000;
  char *body = test_malloc(len);
  memset(body, 'u', len);
  struct km_http_request request = get_request("/upload");
  request.method = "POST";
  request.body = body;
  request.body_len = len;
  for (int i = 0; i < 5; i++) {
    struct km_http_response response;
    expect_ok(client, &request, &response);
    assert_int_equal(response.body.len, len);
    assert_memory_equal(response.body.data, body, len);
    km_http_response_done(&response);
  }
  assert_int_equal(stats_of(client).connections_opened, 1);
  test_free(body);
  km_http_client_free(client);
  km_loop_free(loop);
}

static void *cancel_soon(void *data)
{
  sleep_ms(3);
  km_cancel_trigger(data, "enough");
  return NULL;
}

static void test_cancelled_streams_leave_the_connection_usable(void **state)
{
  (void)state;
  if (nghttpd == 0) {
    skip();
  }
  struct km_loop *loop = new_loop();
  struct km_http_client *client = http2_client(loop, url);
  unsigned cancelled = 0;
  for (int i = 0; i < 20; i++) {
    struct km_cancel *cancel = km_cancel_new();
    pthread_t thread;
    struct km_http_request request = get_request("/big");
    struct km_http_response response;
    struct km_error err;
    request.max_body_bytes = BIG_BYTES;
    request.cancel = cancel;
    pthread_create(&thread, NULL, cancel_soon, cancel);
    enum km_rc rc = km_http_do(client, &request, &response, &err);
    pthread_join(thread, NULL);
    km_cancel_unref(cancel);
    if (rc == KM_OK) {
      km_http_response_done(&response);
    } else {
      assert_int_equal(rc, KM_E_CANCELLED);
      cancelled++;
    }
    assert_int_equal(get_and_compare(client, "/small-1", "small-1"), 200);
  }
  assert_true(cancelled > 0);
  km_http_client_free(client);
  km_loop_free(loop);
}

static bool hello(struct exchange *x)
{
  return server_reply(x, 200, "", "hello");
}

static bool count_bytes(void *data, const char *piece, size_t len)
{
  (void)piece;
  *(size_t *)data += len;
  return true;
}

/* A server that knows only HTTP/1.1 is served as such, and streams do not touch the connections of other
 * calls. */
static void test_http1_server_and_streams(void **state)
{
  (void)state;
  struct km_loop *loop = new_loop();
  struct server *server = server_start(hello, NULL, &localhost, NULL);
  struct km_http_client *client = http2_client(loop, server->url);
  assert_int_equal(get_and_compare(client, "/", "hello"), 200);
  assert_int_equal(get_and_compare(client, "/", "hello"), 200);
  assert_int_equal(atomic_load(&server->connections), 1);
  for (unsigned i = 0; i < 3; i++) {
    size_t bytes = 0;
    struct km_http_request request = get_request("/");
    struct km_http_response response;
    request.on_data = count_bytes;
    request.on_data_arg = &bytes;
    expect_ok(client, &request, &response);
    assert_int_equal(bytes, 5);
    assert_false(response.reused_connection);
    km_http_response_done(&response);
    assert_int_equal(get_and_compare(client, "/", "hello"), 200);
  }
  assert_int_equal(atomic_load(&server->connections), 4);
  km_http_client_free(client);
  server_stop(server);
  km_loop_free(loop);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_connection_for_all),
      cmocka_unit_test(test_big_bodies_side_by_side),
      cmocka_unit_test(test_upload),
      cmocka_unit_test(test_cancelled_streams_leave_the_connection_usable),
      cmocka_unit_test(test_http1_server_and_streams),
  };
  return cmocka_run_group_tests(tests, start_nghttpd, stop_nghttpd);
}
