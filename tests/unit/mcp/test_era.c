/* Revisions, client capabilities, and the envelope that makes a request modern. */
#include "kube_mcp/mcp/era.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

static yyjson_val *parse(struct km_arena *arena, const char *json)
{
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  assert_int_equal(km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err), KM_OK);
  return yyjson_doc_get_root(doc);
}

static void test_revisions(void **state)
{
  (void)state;
  for (int revision = KM_REV_2024_11_05; revision <= (int)KM_REV_2026_07_28; revision++) {
    const char *name = km_revision_name((enum km_revision)revision);
    assert_int_equal(km_revision_parse(name), revision);
  }
  assert_int_equal(km_revision_parse("2024-10-07"), KM_REV_2024_11_05);
  assert_int_equal(km_revision_parse("2025-11-26"), KM_REV_NONE);
  assert_int_equal(km_revision_parse("2025-11-25 "), KM_REV_NONE);
  assert_int_equal(km_revision_parse(""), KM_REV_NONE);
  assert_int_equal(km_revision_parse(NULL), KM_REV_NONE);
}

static void test_capabilities(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    unsigned caps;
  } rows[] = {
      {"{}", 0},
      {"[]", 0},
      {"{\"sampling\":true,\"roots\":null,\"elicitation\":\"yes\"}", 0},
      {"{\"sampling\":{},\"roots\":{\"listChanged\":true}}", KM_CAP_SAMPLING | KM_CAP_ROOTS},
      {"{\"elicitation\":{}}", KM_CAP_ELICITATION_FORM},
      {"{\"elicitation\":{\"form\":{}}}", KM_CAP_ELICITATION_FORM},
      {"{\"elicitation\":{\"url\":{}}}", KM_CAP_ELICITATION_URL},
      {"{\"elicitation\":{\"url\":{},\"form\":{}}}", KM_CAP_ELICITATION_FORM | KM_CAP_ELICITATION_URL},
      {"{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}", KM_CAP_TASKS},
  };
  struct km_arena *arena = km_arena_new((size_t)64 * 1024);
  for (size_t i = 0; i < KM_ARRAY_LEN(rows); i++) {
    assert_int_equal(km_client_caps_parse(parse(arena, rows[i].json)), rows[i].caps);
  }
  assert_int_equal(km_client_caps_parse(NULL), 0);
  km_arena_free(arena);
}

static void test_envelope(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new((size_t)64 * 1024);
  struct km_envelope envelope;
  km_envelope_read(parse(arena, "{\"_meta\":{\"" KM_META_VERSION "\":\"2026-07-28\",\"" KM_META_CAPABILITIES
                                "\":{\"sampling\":{}},\"" KM_META_CLIENT_INFO
                                "\":{\"name\":\"n\",\"version\":\"1\"},\"" KM_META_LOG_LEVEL
                                "\":\"debug\",\"progressToken\":0}}"),
                   &envelope);
  assert_true(envelope.present);
  assert_int_equal(envelope.revision, KM_REV_2026_07_28);
  assert_int_equal(envelope.caps, KM_CAP_SAMPLING);
  assert_string_equal(envelope.client_name, "n");
  assert_string_equal(envelope.log_level, "debug");
  assert_non_null(envelope.progress_token);
  km_arena_free(arena);
}

static void test_envelope_that_is_none(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new((size_t)64 * 1024);
  struct km_envelope envelope;
  static const char *const absent[] = {"{}", "{\"_meta\":null}", "{\"_meta\":[]}",
                                       "{\"_meta\":{\"progressToken\":\"t\"}}"};
  for (size_t i = 0; i < KM_ARRAY_LEN(absent); i++) {
    km_envelope_read(parse(arena, absent[i]), &envelope);
    assert_false(envelope.present);
  }
  assert_non_null(envelope.progress_token);
  km_envelope_read(NULL, &envelope);
  assert_false(envelope.present);

  /* There, but not served: the handshake's revisions cannot be chosen through the envelope. */
  km_envelope_read(parse(arena, "{\"_meta\":{\"" KM_META_VERSION "\":\"2025-11-25\"}}"), &envelope);
  assert_true(envelope.present);
  assert_int_equal(envelope.revision, KM_REV_NONE);
  assert_null(envelope.capabilities);
  km_envelope_read(parse(arena, "{\"_meta\":{\"" KM_META_VERSION "\":5,\"progressToken\":1.5}}"), &envelope);
  assert_true(envelope.present);
  assert_null(envelope.version);
  assert_null(envelope.progress_token);
  km_arena_free(arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_revisions),
      cmocka_unit_test(test_capabilities),
      cmocka_unit_test(test_envelope),
      cmocka_unit_test(test_envelope_that_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
