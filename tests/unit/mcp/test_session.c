/* Sessions as a transport meets them: made by initialize, found by their signed id in the same or another process, ended,
 * expired, forgotten when there are too many. A fake transport collects the one answer of each exchange. */
#include "kube_mcp/base/clock.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/mcp/server.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

static int64_t now_ms;

static int64_t fake_wall_ms(void)
{
  return now_ms;
}

static uint64_t fake_monotonic_ns(void)
{
  return (uint64_t)now_ms * KM_NS_PER_MS;
}

struct answer {
  struct km_reply reply;
  int status;
  char *session_id, *json;
};

static bool no_stream(struct km_reply *reply, const char *json, size_t len)
{
  (void)reply;
  fail_msg("unexpected message: %.*s", (int)len, json);
  return false;
}

static void keep(struct km_reply *reply, const struct km_reply_head *head, const char *json, size_t len)
{
  struct answer *answer = KM_CONTAINER_OF(reply, struct answer, reply);
  answer->status = head->status;
  answer->session_id = head->session_id == NULL ? NULL : strdup(head->session_id);
  answer->json = json == NULL ? NULL : strndup(json, len);
}

static const struct km_reply_ops ops = {.send = no_stream, .finish = keep};

static void answer_done(struct answer *answer)
{
  free(answer->session_id);
  free(answer->json);
}

static struct answer ask(struct km_mcp *mcp, const char *session_id, const char *principal, const char *json)
{
  struct answer answer = {.reply = {.ops = &ops}};
  struct km_peer peer = {.http = true, .principal = principal, .session_id = session_id};
  assert_null(km_mcp_receive(mcp, &peer, json, strlen(json), &answer.reply));
  return answer;
}

static int status_of_ping(struct km_mcp *mcp, const char *session_id, const char *principal)
{
  struct answer answer =
      ask(mcp, session_id, principal, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
  int status = answer.status;
  answer_done(&answer);
  return status;
}

static char *open_session(struct km_mcp *mcp, const char *principal)
{
  struct answer answer = ask(mcp, NULL, principal,
                             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
                             "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},"
                             "\"clientInfo\":{\"name\":\"Name mit \\u00e4\",\"version\":\"1\"}}}");
  assert_int_equal(answer.status, 200);
  assert_contains(answer.json, "\"protocolVersion\":\"2025-06-18\"");
  assert_non_null(answer.session_id);
  char *id = strdup(answer.session_id);
  answer_done(&answer);
  return id;
}

static int delete_session(struct km_mcp *mcp, const char *id)
{
  struct km_peer peer = {.http = true, .principal = "", .session_id = id};
  return km_mcp_delete_session(mcp, &peer);
}

static struct km_mcp *new_server(const char *key, size_t max_sessions)
{
  static const struct km_mcp_features features = {
      .name = "test", .version = "1", .logging = true, .max_call_bytes = (size_t)1024 * 1024};
  struct km_mcp_options options = {.session_ttl_ms = 60000, .max_sessions = max_sessions};
  struct km_error err = {0};
  struct km_mcp *mcp = NULL;
  km_secret_set(&options.session_key, key, strlen(key));
  assert_int_equal(km_mcp_new(&features, &options, &mcp, &err), KM_OK);
  km_secret_done(&options.session_key);
  return mcp;
}

#define KEY "0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
  static const struct km_clock clock = {fake_monotonic_ns, fake_wall_ms};
  now_ms = 1000000;
  km_clock_install(&clock);
  *state = new_server(KEY, 4);
  return 0;
}

static int tear_down(void **state)
{
  km_mcp_free(*state);
  km_clock_install(NULL);
  return 0;
}

static void test_ids_are_printable_and_differ(void **state)
{
  char *one = open_session(*state, ""), *two = open_session(*state, "");
  assert_string_not_equal(one, two);
  for (const char *c = one; *c != '\0'; c++) {
    assert_in_range(*c, 0x21, 0x7e);
  }
  assert_int_equal(status_of_ping(*state, one, ""), 200);
  free(one);
  free(two);
}

static void test_other_ids(void **state)
{
  assert_int_equal(status_of_ping(*state, NULL, ""), 400);
  assert_int_equal(status_of_ping(*state, "", ""), 404);
  assert_int_equal(status_of_ping(*state, "made-up", ""), 404);
}

static void test_a_session_belongs_to_its_caller(void **state)
{
  char *id = open_session(*state, "ann");
  assert_int_equal(status_of_ping(*state, id, "ann"), 200);
  assert_int_equal(status_of_ping(*state, id, "bob"), 404);
  assert_int_equal(status_of_ping(*state, id, ""), 404);
  free(id);
}

static void test_another_process_knows_it(void **state)
{
  char *id = open_session(*state, "");
  struct km_mcp *replica = new_server(KEY, 4), *stranger = new_server(KEY "x", 4);
  assert_int_equal(status_of_ping(replica, id, ""), 200);
  assert_int_equal(status_of_ping(stranger, id, ""), 404);
  km_mcp_free(replica);
  km_mcp_free(stranger);
  free(id);
}

static void test_ended(void **state)
{
  char *id = open_session(*state, "");
  assert_int_equal(delete_session(*state, NULL), 400);
  assert_int_equal(delete_session(*state, "made-up"), 404);
  assert_int_equal(delete_session(*state, id), 204);
  assert_int_equal(status_of_ping(*state, id, ""), 404);
  assert_int_equal(delete_session(*state, id), 404);
  free(id);
}

static void test_expired(void **state)
{
  char *id = open_session(*state, "");
  now_ms += 59999;
  assert_int_equal(status_of_ping(*state, id, ""), 200);
  now_ms += 1;
  assert_int_equal(status_of_ping(*state, id, ""), 404);
  free(id);
}

/* Forgetting an open session costs nothing; forgetting that one was ended would let it live again. */
static void test_too_many_sessions(void **state)
{
  char *ended = open_session(*state, "");
  assert_int_equal(delete_session(*state, ended), 204);
  char *ids[20];
  for (size_t i = 0; i < KM_ARRAY_LEN(ids); i++) {
    ids[i] = open_session(*state, "");
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(ids); i++) {
    assert_int_equal(status_of_ping(*state, ids[i], ""), 200);
    free(ids[i]);
  }
  assert_int_equal(status_of_ping(*state, ended, ""), 404);
  free(ended);
}

static void test_stdio_has_one_session_per_connection(void **state)
{
  struct answer answer = {.reply = {.ops = &ops}};
  int connection = 0;
  struct km_peer peer = {.connection = &connection, .principal = ""};
  static const char list[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";
  static const char initialize[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\","
                                   "\"params\":{\"protocolVersion\":\"2024-11-05\"}}";
  assert_null(km_mcp_receive(*state, &peer, list, strlen(list), &answer.reply));
  assert_contains(answer.json, "-32600");
  answer_done(&answer);
  assert_null(km_mcp_receive(*state, &peer, initialize, strlen(initialize), &answer.reply));
  assert_contains(answer.json, "\"protocolVersion\":\"2024-11-05\"");
  assert_null(answer.session_id);
  answer_done(&answer);
  assert_null(km_mcp_receive(*state, &peer, list, strlen(list), &answer.reply));
  assert_contains(answer.json, "\"tools\":[]");
  answer_done(&answer);
  km_mcp_connection_closed(*state, &connection);
  assert_null(km_mcp_receive(*state, &peer, list, strlen(list), &answer.reply));
  assert_contains(answer.json, "-32600");
  answer_done(&answer);
}

#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      SESSION_TEST(test_ids_are_printable_and_differ),
      SESSION_TEST(test_other_ids),
      SESSION_TEST(test_a_session_belongs_to_its_caller),
      SESSION_TEST(test_another_process_knows_it),
      SESSION_TEST(test_ended),
      SESSION_TEST(test_expired),
      SESSION_TEST(test_too_many_sessions),
      SESSION_TEST(test_stdio_has_one_session_per_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
