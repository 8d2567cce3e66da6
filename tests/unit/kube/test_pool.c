/* The pool: one client per identity, bounded, the idle ones dropped, those in use never. */
#include "kube/fixture.h"

#include "kube_mcp/kube/pool.h"

#include "kube_mcp/base/banned.h"

static bool answer(struct exchange *x)
{
  return server_reply(x, 200, "", "{}");
}

static struct world *world;
static struct km_pool *pool;

static void new_pool(size_t max_clients, int64_t idle_ms)
{
  struct km_pool_options options = {.client = world->options, .max_clients = max_clients, .idle_ms = idle_ms};
  km_pool_free(pool);
  pool = km_pool_new(world->loop, &world->fake.provider, &options);
}

static int set_up(void **state)
{
  (void)state;
  world = world_new(answer, NULL);
  new_pool(4, 60000);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_pool_free(pool);
  pool = NULL;
  world_free(world);
  return 0;
}

static struct km_client *get(const char *context)
{
  struct km_client *client = NULL;
  if (km_pool_get(pool, context, false, &client, &world->err) != KM_OK) {
    fail_msg("%s: %s", context, world->err.message);
  }
  return client;
}

static void count(struct km_client *client, void *data)
{
  assert_non_null(km_client_endpoint(client));
  ++*(size_t *)data;
}

static size_t live(void)
{
  size_t clients = 0;
  km_pool_each(pool, count, &clients);
  return clients;
}

static void test_one_client_per_identity(void **state)
{
  (void)state;
  assert_ptr_equal(km_pool_provider(pool), &world->fake.provider);
  struct km_client *a = get("a");
  struct km_client *again = get("a");
  struct km_client *shared = get("a/other"); /* equal identity */
  struct km_client *b = get("b");
  struct km_client *by_default = get(NULL);
  struct km_client *by_empty = get("");
  assert_ptr_equal(a, again);
  assert_ptr_equal(a, shared);
  assert_ptr_not_equal(a, b);
  assert_ptr_equal(by_default, by_empty);
  assert_string_equal(km_client_endpoint(by_default)->context, "prod");
  assert_int_equal(live(), 3);
  struct km_client *all[] = {a, again, shared, b, by_default, by_empty};
  for (size_t i = 0; i < KM_ARRAY_LEN(all); i++) {
    km_client_unref(all[i]);
  }
  assert_int_equal(live(), 3); /* kept for the next call */
  assert_int_equal(world->fake.asked, 0);
  assert_int_equal(world->server->connections, 0);
}

static void test_unknown_context(void **state)
{
  (void)state;
  struct km_client *client = NULL;
  assert_int_equal(km_pool_get(pool, "unknown", false, &client, &world->err), KM_E_NOT_FOUND);
  assert_int_equal(world->err.type, KM_TYPE_UNKNOWN_CONTEXT);
  assert_null(client);
  assert_int_equal(live(), 0);
}

static void test_endpoint_that_cannot_be(void **state)
{
  (void)state;
  struct km_client *client = NULL;
  world->fake.endpoint.as.user = "a\nb";
  assert_int_equal(km_pool_get(pool, "a", false, &client, &world->err), KM_E_INVALID);
  world->fake.endpoint.as.user = NULL;
  km_client_unref(get("a"));
}

static void test_full_pool_drops_the_least_recently_used(void **state)
{
  (void)state;
  new_pool(2, 60000);
  struct km_client *a = get("a");
  km_client_unref(get("b"));
  km_client_unref(get("c")); /* b goes: a is older but in use */
  assert_int_equal(live(), 2);
  struct km_client *again = get("a");
  assert_ptr_equal(a, again);
  km_client_unref(again);
  km_client_unref(a);
  struct km_client *c = get("c");
  km_client_unref(get("d")); /* a goes */
  assert_int_equal(live(), 2);
  struct km_client *d = get("d");
  struct km_client *none = NULL;
  assert_int_equal(km_pool_get(pool, "e", false, &none, &world->err), KM_E_RATE_LIMITED);
  assert_contains(world->err.message, "all 2 clients");
  assert_null(none);
  km_client_unref(c);
  struct km_client *e = get("e");
  km_client_unref(e);
  km_client_unref(d);
}

static void test_sweep(void **state)
{
  (void)state;
  new_pool(8, 30);
  struct km_client *used = get("used");
  km_client_unref(get("a"));
  km_client_unref(get("b"));
  assert_int_equal(km_pool_sweep(pool), 0);
  sleep_ms(40);
  assert_int_equal(km_pool_sweep(pool), 2);
  assert_int_equal(live(), 1);
  km_client_unref(used);
  assert_int_equal(km_pool_sweep(pool), 0); /* idle only since the last sweep */
  sleep_ms(40);
  assert_int_equal(km_pool_sweep(pool), 1);
  assert_int_equal(live(), 0);
}

/* A client that was dropped in use, by the end of the pool, works until it is let go. */
static void test_client_outlives_the_pool(void **state)
{
  (void)state;
  world->client = get("a");
  km_pool_free(pool);
  pool = NULL;
  struct km_kube_request request = get_of("/api");
  assert_string_equal(expect_answer(world, &request), "{}");
}

static atomic_uint served;

static void *use_some(void *data)
{
  (void)data;
  for (unsigned i = 0; i < 60; i++) {
    char context[16];
    (void)snprintf(context, sizeof(context), "c%u", (i * 7 + atomic_load(&served)) % 6);
    struct km_client *client = NULL;
    struct km_error err = {0};
    enum km_rc rc = km_pool_get(pool, context, false, &client, &err);
    if (rc == KM_E_RATE_LIMITED) {
      continue;
    }
    if (rc != KM_OK) {
      abort();
    }
    struct km_kube_request request = get_of("/api");
    struct km_http_response response;
    if (km_client_do(client, &request, &response, &err) != KM_OK) {
      print_error("%s\n", err.message);
      abort();
    }
    km_http_response_done(&response);
    atomic_fetch_add(&served, 1);
    (void)km_pool_sweep(pool);
    km_client_unref(client);
  }
  return NULL;
}

static void test_many_threads(void **state)
{
  (void)state;
  new_pool(4, 0);
  in_parallel(4, use_some, NULL);
  assert_true(served > 50);
  assert_true(live() <= 4);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_one_client_per_identity, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_unknown_context, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_endpoint_that_cannot_be, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_full_pool_drops_the_least_recently_used, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_client_outlives_the_pool, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_many_threads, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
