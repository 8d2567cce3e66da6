/* Log streams cut into lines, and the request for them. */
#include "kube/fixture.h"

#include "kube_mcp/kube/logs.h"

#include "kube_mcp/base/banned.h"

/* -- lines -------------------------------------------------------------------------------------------------------- */

/* Lines as "text+dropped|". */
struct seen {
  struct km_buf text;
  size_t lines, stop_after;
  size_t longest;
};

static bool see(void *data, const struct km_log_line *line)
{
  struct seen *seen = data;
  km_buf_append(&seen->text, line->text, line->len < 20 ? line->len : 20);
  km_buf_printf(&seen->text, "+%llu|", (unsigned long long)line->dropped);
  seen->longest = line->len > seen->longest ? line->len : seen->longest;
  seen->lines++;
  return seen->stop_after == 0 || seen->lines < seen->stop_after;
}

/* The lines of TEXT when it comes in pieces of STEP bytes. */
static void expect_lines(const char *text, size_t step, size_t stop_after, const char *expected)
{
  struct seen seen = {.stop_after = stop_after};
  km_buf_init(&seen.text, MIB);
  struct km_log_splitter splitter;
  km_log_splitter_init(&splitter, see, &seen);
  bool wanted = true;
  size_t len = strlen(text);
  for (size_t at = 0; wanted && at < len; at += step) {
    wanted = km_log_splitter_feed(&splitter, text + at, at + step < len ? step : len - at);
  }
  km_log_splitter_done(&splitter, wanted);
  assert_string_equal(seen.text.data, expected);
  km_buf_done(&seen.text);
}

static void test_lines_in_any_pieces(void **state)
{
  (void)state;
  for (size_t step = 1; step < 12; step++) {
    expect_lines("one\ntwo\n\nlast", step, 0, "one+0|two+0|+0|last+0|");
    expect_lines("one\ntwo\n", step, 0, "one+0|two+0|");
    expect_lines("", step, 0, "");
    expect_lines("one\ntwo\nthree", step, 2, "one+0|two+0|"); /* nothing after "no more" */
  }
}

static void test_long_lines_are_counted(void **state)
{
  (void)state;
  struct seen seen = {0};
  km_buf_init(&seen.text, MIB);
  struct km_log_splitter splitter;
  km_log_splitter_init(&splitter, see, &seen);
  char *block = calloc(1, 10 * MIB);
  memset(block, 'x', 10 * MIB);
  block[0] = '\n';
  assert_true(km_log_splitter_feed(&splitter, block, 10 * MIB));
  assert_true(splitter.line.cap <= 2 * KM_LOG_LINE_BYTES);
  assert_true(km_log_splitter_feed(&splitter, "y\nend\n", 6));
  km_log_splitter_done(&splitter, true);
  assert_int_equal(seen.lines, 3);
  assert_int_equal(seen.longest, KM_LOG_LINE_BYTES);
  char expected[64];
  (void)snprintf(expected, sizeof(expected), "+0|xxxxxxxxxxxxxxxxxxxx+%zu|end+0|",
                 10 * MIB - KM_LOG_LINE_BYTES);
  assert_string_equal(seen.text.data, expected);
  free(block);
  km_buf_done(&seen.text);
}

/* -- the request -------------------------------------------------------------------------------------------------- */

struct script {
  char path[2048];
  atomic_uint seen;
};

/* The pod's name says what happens. */
static bool play(struct exchange *x)
{
  struct script *script = (struct script *)(uintptr_t)x->server->data;
  atomic_fetch_add(&script->seen, 1);
  (void)snprintf(script->path, sizeof(script->path), "%s", x->path);
  if (strstr(x->path, "/broken/") != NULL) {
    (void)server_puts(x, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst\nsec");
    return false;
  }
  if (strstr(x->path, "/lost/") != NULL && atomic_load(&script->seen) == 1) {
    server_reset(x);
    return false;
  }
  if (strstr(x->path, "/waiting/") != NULL || strstr(x->path, "/first/") != NULL) {
    return server_reply(
        x, 400, "Content-Type: application/json\r\n",
        strstr(x->path, "/first/") != NULL
            ? "{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"message\":\"previous terminated "
              "container \\\"c\\\" in pod \\\"first\\\" not found\",\"code\":400}"
            : "{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"message\":\"container \\\"c\\\" in "
              "pod \\\"waiting\\\" is waiting to start: ContainerCreating\",\"code\":400}");
  }
  if (strstr(x->path, "/endless/") != NULL) {
    bool open = server_puts(x, "HTTP/1.1 200 OK\r\n\r\n");
    char block[4096];
    memset(block, 'x', sizeof(block));
    block[sizeof(block) - 1] = '\n';
    while (open && !atomic_load(&x->server->stopping)) {
      open = server_send(x, block, sizeof(block));
    }
    return false;
  }
  return server_reply(x, 200, "", "a\nb\n");
}

static enum km_rc read_logs(struct world *world, const struct km_log_query *query, struct seen *seen,
                            bool *ret_cut)
{
  struct km_kube_request request = {.deadline = km_deadline_in_ms(60000)};
  *seen = (struct seen){0};
  km_buf_init(&seen->text, 64 * MIB);
  km_error_clear(&world->err);
  return km_client_logs(world->client, query, &request, see, seen, ret_cut, &world->err);
}

static void test_query(void **state)
{
  (void)state;
  struct script script = {0};
  struct world *world = world_new(play, &script);
  world_client(world);
  struct seen seen;
  bool cut = true;
  struct km_log_query query = {.ns = "shop", .pod = "web-0", .container = "web", .tail = -1};
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_OK);
  assert_string_equal(seen.text.data, "a+0|b+0|");
  assert_false(cut);
  assert_string_equal(script.path, "/api/v1/namespaces/shop/pods/web-0/log?timestamps=true&container=web");
  km_buf_done(&seen.text);
  query.previous = true;
  query.tail = 7;
  query.since_s = 60;
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_OK);
  assert_non_null(strstr(script.path, "&container=web&previous=true&tailLines=7&sinceSeconds=60"));
  km_buf_done(&seen.text);
  query = (struct km_log_query){
      .ns = "shop", .pod = "web-0", .container = "a&b", .since_time = "2026-01-02T03:04:05+01:00"};
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_OK);
  assert_non_null(
      strstr(script.path, "container=a%26b&tailLines=0&sinceTime=2026-01-02T03%3A04%3A05%2B01%3A00"));
  km_buf_done(&seen.text);
  world_free(world);
}

static void test_broken_streams_are_not_repeated(void **state)
{
  (void)state;
  struct script script = {0};
  struct world *world = world_new(play, &script);
  world_client(world);
  struct seen seen;
  bool cut = false;
  struct km_log_query query = {.ns = "shop", .pod = "broken", .container = "c", .tail = -1};
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_E_PROTOCOL);
  assert_string_equal(seen.text.data, "first+0|sec+0|");
  assert_int_equal(script.seen, 1);
  km_buf_done(&seen.text);
  atomic_store(&script.seen, 0);
  query.pod = "lost"; /* before the first byte: that may be repeated */
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_OK);
  assert_string_equal(seen.text.data, "a+0|b+0|");
  assert_int_equal(script.seen, 2);
  km_buf_done(&seen.text);
  world_free(world);
}

static void test_absent_logs(void **state)
{
  (void)state;
  struct script script = {0};
  struct world *world = world_new(play, &script);
  world_client(world);
  struct seen seen;
  bool cut = false;
  struct km_log_query query = {.ns = "shop", .pod = "waiting", .container = "c", .tail = -1};
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_E_NOT_FOUND);
  assert_contains(world->err.message, "is waiting to start: ContainerCreating");
  assert_contains(world->err.hint, "status");
  km_buf_done(&seen.text);
  query.pod = "first";
  query.previous = true;
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_E_NOT_FOUND);
  assert_contains(world->err.hint, "previous");
  km_buf_done(&seen.text);
  world_free(world);
}

static void test_endless_logs_end(void **state)
{
  (void)state;
  struct script script = {0};
  struct world *world = world_new(play, &script);
  world_client(world);
  struct seen seen;
  bool cut = false;
  struct km_log_query query = {.ns = "shop", .pod = "endless", .container = "c", .tail = -1};
  assert_int_equal(read_logs(world, &query, &seen, &cut), KM_OK);
  assert_true(cut);
  assert_int_equal(seen.lines, KM_LOG_STREAM_BYTES / 4096);
  km_buf_done(&seen.text);
  world_free(world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines_in_any_pieces),
      cmocka_unit_test(test_long_lines_are_counted),
      cmocka_unit_test(test_query),
      cmocka_unit_test(test_broken_streams_are_not_repeated),
      cmocka_unit_test(test_absent_logs),
      cmocka_unit_test(test_endless_logs_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
