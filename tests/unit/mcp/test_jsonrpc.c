/* Decoding one message: what is accepted, what is refused and with which code, and that a readable id survives. */
#include "kube_mcp/mcp/jsonrpc.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

struct decoded {
  struct km_arena *arena;
  struct km_message message;
  enum km_rc rc;
  int code;
  struct km_error err;
};

static struct decoded decode(const char *json)
{
  struct decoded out = {.arena = km_arena_new((size_t)64 * 1024)};
  yyjson_doc *doc = NULL;
  assert_int_equal(km_json_parse(out.arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &out.err), KM_OK);
  out.rc = km_message_decode(yyjson_doc_get_root(doc), &out.message, &out.code, &out.err);
  return out;
}

static void test_kinds(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    enum km_message_kind kind;
  } rows[] = {
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}", KM_MESSAGE_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"m\",\"params\":{}}", KM_MESSAGE_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"unknown\":1}", KM_MESSAGE_NOTIFICATION},
      {"{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}", KM_MESSAGE_RESPONSE},
      {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"error\":{\"code\":1,\"message\":\"x\"}}", KM_MESSAGE_RESPONSE},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    struct decoded out = decode(rows[i].json);
    assert_int_equal(out.rc, KM_OK);
    assert_int_equal(out.message.kind, rows[i].kind);
    km_arena_free(out.arena);
  }
}

static void test_refusals(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    int code;
  } rows[] = {
      {"[]", KM_RPC_INVALID_REQUEST},
      {"7", KM_RPC_INVALID_REQUEST},
      {"{}", KM_RPC_INVALID_REQUEST},
      {"{\"id\":1,\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\\u0000b\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1e400,\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"m\"}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"result\":{}}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}", KM_RPC_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":null}", KM_RPC_INVALID_PARAMS},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":[]}", KM_RPC_INVALID_PARAMS},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    struct decoded out = decode(rows[i].json);
    if (out.rc != KM_E_INVALID || out.code != rows[i].code) {
      fail_msg("%s: category %d, code %d", rows[i].json, out.rc, out.code);
    }
    assert_true(out.err.message[0] != '\0');
    km_arena_free(out.arena);
  }
}

static void test_id_survives_other_mistakes(void **state)
{
  (void)state;
  struct decoded out = decode("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"m\",\"params\":7}");
  assert_int_equal(out.rc, KM_E_INVALID);
  assert_string_equal(yyjson_get_str(out.message.id), "x");
  km_arena_free(out.arena);
  out = decode("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"m\"}");
  assert_null(out.message.id);
  km_arena_free(out.arena);
}

static void test_integers_of_any_length(void **state)
{
  (void)state;
  struct decoded out =
      decode("{\"jsonrpc\":\"2.0\",\"id\":-123456789012345678901234567890,\"method\":\"m\"}");
  assert_int_equal(out.rc, KM_OK);
  struct km_buf text;
  km_buf_init(&text, 100);
  assert_true(km_json_write_val(out.message.id, false, &text));
  assert_string_equal(text.data, "-123456789012345678901234567890");
  km_buf_done(&text);
  km_arena_free(out.arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_id_survives_other_mistakes),
      cmocka_unit_test(test_integers_of_any_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
