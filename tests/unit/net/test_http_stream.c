/* Bodies that go to a caller who takes his time. */
#include "client.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define BODY_BYTES  (48 * MIB) /* far more than the sockets of both sides hold */
#define BLOCK_BYTES ((size_t)64 * 1024)

/* What the server has sent so far. */
static atomic_size_t sent;

/* "/whole" sends the body, "/short" announces one byte more than it sends, "/403" refuses. Byte I is I / 7 mod 251. */
static bool serve(struct exchange *x)
{
  if (km_streq(x->path, "/403")) {
    return server_reply(x, 403, "", "no");
  }
  char head[128];
  (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                 (size_t)BODY_BYTES + (km_streq(x->path, "/short") ? 1 : 0));
  bool ok = server_puts(x, head);
  char *block = malloc(BLOCK_BYTES);
  for (size_t at = 0; ok && at < BODY_BYTES; at += BLOCK_BYTES) {
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
      block[i] = (char)((at + i) / 7 % 251);
    }
    ok = server_send(x, block, BLOCK_BYTES);
    atomic_fetch_add(&sent, ok ? BLOCK_BYTES : 0);
  }
  free(block);
  return ok && !km_streq(x->path, "/short");
}

struct reader {
  pthread_t thread;
  size_t bytes, stop_after;
  bool intact, rests;
  struct km_cancel *cancel_at_rest;
};

static bool take(void *data, const char *piece, size_t len)
{
  struct reader *reader = data;
  assert_true(pthread_equal(pthread_self(), reader->thread));
  for (size_t i = 0; i < len; i++) {
    reader->intact &= piece[i] == (char)((reader->bytes + i) / 7 % 251);
  }
  reader->bytes += len;
  if (reader->rests) {
    reader->rests = false;
    sleep_ms(300);
    assert_true(atomic_load(&sent) < BODY_BYTES); /* the server was made to wait */
    if (reader->cancel_at_rest != NULL) {
      km_cancel_trigger(reader->cancel_at_rest, "enough");
    }
  }
  return reader->stop_after == 0 || reader->bytes < reader->stop_after;
}

struct world {
  struct km_loop *loop;
  struct server *server;
  struct km_http_client *client;
  struct reader reader;
  struct km_http_request request;
};

static struct world new_world(const char *path)
{
  struct world world = {.loop = new_loop(), .server = server_start(serve, NULL, NULL, NULL)};
  world.client = new_client(world.loop, world.server->url);
  world.reader = (struct reader){.thread = pthread_self(), .intact = true};
  world.request = get_request(path);
  world.request.max_body_bytes = 10; /* binds only what is collected */
  world.request.on_piece = take;
  atomic_store(&sent, 0);
  return world;
}

static void end_world(struct world *world)
{
  km_http_client_free(world->client);
  server_stop(world->server);
  km_loop_free(world->loop);
}

static enum km_rc run(struct world *world, struct km_error *err)
{
  struct km_http_response response = {0};
  world->request.on_piece_arg = &world->reader;
  enum km_rc rc = km_http_do(world->client, &world->request, &response, err);
  km_http_response_done(&response);
  return rc;
}

static void test_slow_reader(void **state)
{
  (void)state;
  struct world world = new_world("/whole");
  struct km_error err = {0};
  for (int round = 0; round < 2; round++) { /* again with the same transfer */
    world.reader.bytes = 0;
    world.reader.rests = true;
    atomic_store(&sent, 0);
    assert_int_equal(run(&world, &err), KM_OK);
    assert_int_equal(world.reader.bytes, BODY_BYTES);
    assert_true(world.reader.intact);
    assert_false(world.reader.rests);
  }
  end_world(&world);
}

static void test_reader_has_enough(void **state)
{
  (void)state;
  struct world world = new_world("/whole");
  struct km_error err = {0};
  world.reader.stop_after = 1000;
  assert_int_equal(run(&world, &err), KM_OK);
  assert_true(world.reader.bytes >= 1000 && world.reader.bytes < BODY_BYTES);
  world.reader = (struct reader){.thread = pthread_self(), .intact = true, .stop_after = 1, .rests = true};
  assert_int_equal(run(&world, &err), KM_OK); /* stopped while the connection is left unread */
  assert_true(world.reader.bytes < BODY_BYTES && world.reader.intact);
  end_world(&world);
}

static void test_cancelled_while_unread(void **state)
{
  (void)state;
  struct world world = new_world("/whole");
  struct km_error err = {0};
  struct km_cancel *cancel = km_cancel_new();
  world.request.cancel = cancel;
  world.reader.rests = true;
  world.reader.cancel_at_rest = cancel;
  assert_int_equal(run(&world, &err), KM_E_CANCELLED);
  assert_true(world.reader.bytes < BODY_BYTES);
  km_cancel_unref(cancel);
  end_world(&world);
}

static void test_deadline_while_unread(void **state)
{
  (void)state;
  struct world world = new_world("/whole");
  struct km_error err = {0};
  world.request.deadline = km_deadline_in_ms(150);
  world.reader.rests = true;
  assert_int_equal(run(&world, &err), KM_E_TIMEOUT);
  assert_true(world.reader.bytes < BODY_BYTES);
  end_world(&world);
}

static void test_broken_off(void **state)
{
  (void)state;
  struct world world = new_world("/short");
  struct km_error err = {0};
  assert_int_equal(run(&world, &err), KM_E_PROTOCOL);
  assert_string_equal(err.reason, "ConnectionLost");
  assert_int_equal(world.reader.bytes, BODY_BYTES); /* what came was delivered */
  assert_true(world.reader.intact);
  end_world(&world);
}

static void test_refusals_are_collected(void **state)
{
  (void)state;
  struct world world = new_world("/403");
  struct km_error err = {0};
  struct km_http_response response;
  world.request.on_piece_arg = &world.reader;
  if (km_http_do(world.client, &world.request, &response, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  assert_int_equal(response.status, 403);
  assert_string_equal(response.body.data, "no");
  assert_int_equal(world.reader.bytes, 0);
  km_http_response_done(&response);
  end_world(&world);
}

static void test_free_while_unread(void **state)
{
  (void)state;
  struct world world = new_world("/whole");
  struct km_http_response response = {0};
  struct km_error err = {0};
  world.reader.stop_after = 1;
  world.request.on_piece_arg = &world.reader;
  assert_int_equal(km_http_do(world.client, &world.request, &response, &err), KM_OK);
  km_http_response_done(&response);
  end_world(&world); /* with the stopped transfer among the idle ones */
}

int main(void)
{
  clear_proxy_environment();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_slow_reader),
      cmocka_unit_test(test_reader_has_enough),
      cmocka_unit_test(test_cancelled_while_unread),
      cmocka_unit_test(test_deadline_while_unread),
      cmocka_unit_test(test_broken_off),
      cmocka_unit_test(test_refusals_are_collected),
      cmocka_unit_test(test_free_while_unread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
