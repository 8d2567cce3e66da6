/* Canaries: secrets put wherever objects can hold them, of which none may come out. */
#include "testing.h"

#include "kube_mcp/base/crypto.h"
#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/redact.h"

#include "kube_mcp/base/banned.h"

#define MIB ((size_t)1024 * 1024)

static struct km_arena *arena;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new(16 * MIB);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static yyjson_val *json_of(const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, copy, strlen(copy), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s in %s", err.message, copy);
  }
  return yyjson_doc_get_root(doc);
}

static const char *redact(const char *text)
{
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *copy = km_redact_object(doc, json_of(text));
  assert_true(km_json_complete(doc));
  struct km_buf out;
  km_buf_init(&out, MIB);
  assert_true(km_json_write(copy, false, &out));
  const char *shown = km_arena_strndup(arena, out.data, out.len);
  km_buf_done(&out);
  return shown;
}

/* "Q0FOQVJZ…" is the base64 of "CANARY…". */
#define CLEAR   "CANARY-secret-value"
#define ENCODED "Q0FOQVJZLXNlY3JldC12YWx1ZQ=="

static const char *expect_no_canary(const char *text)
{
  const char *shown = redact(text);
  if (strstr(shown, "CANARY") != NULL || strstr(shown, "Q0FOQVJZ") != NULL) {
    fail_msg("%s leaked from %s", shown, text);
  }
  return shown;
}

static void test_secrets(void **state)
{
  (void)state;
  static const char *const objects[] = {
      "{'apiVersion':'v1','kind':'Secret','data':{'a':'" ENCODED "'}}",
      "{'kind':'Secret','stringData':{'a':'" CLEAR "'}}",
      "{'kind':'Secret','data':{'a':{'b':'" ENCODED "'},'c':['" ENCODED "']}}",
      "{'kind':'Secret','data':'" ENCODED "'}",
      "{'kind':'Secret','data':['" ENCODED "']}",
      "{'data':{'a':'" ENCODED "'},'kind':'Secret'}",
      "{'kind':'SecretList','items':[{'metadata':{'name':'a'},'data':{'a':'" ENCODED "'}},"
      "{'metadata':{'name':'b'},'stringData':{'b':'" CLEAR "'}}]}",
      "{'items':[{'data':{'a':'" ENCODED "'}}],'kind':'SecretList'}",
      "{'kind':'List','items':[{'kind':'ConfigMap','data':{'a':'b'}},{'kind':'Secret','data':{'a':'" ENCODED
      "'}}]}",
      /* an item on its own, which in a typed list has no kind */
      "{'metadata':{'name':'a'},'type':'Opaque','data':{'a':'" ENCODED "'}}",
      /* nested */
      "{'kind':'Object','spec':{'forProvider':{'manifest':{'apiVersion':'v1','kind':'Secret','data':{'a':"
      "'" ENCODED "'}}}}}",
      "{'kind':'Template','objects':[{'kind':'Secret','stringData':{'a':'" CLEAR "'}}]}",
      "{'kind':'Whatever','spec':{'template':{'stringData':{'a':'" CLEAR "'}}}}",
      "[{'kind':'Secret','data':{'a':'" ENCODED "'}}]",
      /* rows of a Table */
      "{'kind':'Table','rows':[{'cells':['a'],'object':{'kind':'Secret','data':{'a':'" ENCODED "'}}}]}",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(objects); i++) {
    assert_contains(expect_no_canary(objects[i]), "<redacted");
  }
}

static void test_annotations(void **state)
{
  (void)state;
  static const char *const objects[] = {
      "{'kind':'Pod','metadata':{'annotations':{'kubectl.kubernetes.io/last-applied-configuration':'" CLEAR
      "'}}}",
      "{'kind':'Pod','metadata':{'annotations':{'kubernetes.io/service-account.token':'" CLEAR "'}}}",
      "{'kind':'Pod','metadata':{'annotations':{'kubernetes.io/service-account.token':{'x':'" CLEAR "'}}}}",
      "{'kind':'Pod','metadata':{'annotations':{'x':'client-key-data: " CLEAR "'}}}",
      "{'kind':'Pod','metadata':{'annotations':{'x':'apiVersion: v1 clusters: [] users: - token: " CLEAR
      "'}}}",
      "{'kind':'Pod','metadata':{'annotations':{'x':'-----BEGIN EC PRIVATE KEY----- " CLEAR "'}}}",
      "{'kind':'Pod','metadata':{'annotations':{'x':'a\\u0000client-key-data: " CLEAR "'}}}",
      "{'kind':'Secret','metadata':{'annotations':{'banzai/last':'{\\u0022data\\u0022:\\u0022" CLEAR
      "\\u0022}'}}}",
      "{'kind':'Secret','metadata':{'annotations':{'objectset.rio.cattle.io/applied':'H4sI " CLEAR "'}}}",
      "{'kind':'Deployment','spec':{'template':{'metadata':{'annotations':{"
      "'kubectl.kubernetes.io/last-applied-configuration':'" CLEAR "'}}}}}",
      "{'kind':'PodList','items':[{'metadata':{'annotations':{"
      "'kubectl.kubernetes.io/last-applied-configuration':'" CLEAR "'}}}]}",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(objects); i++) {
    (void)expect_no_canary(objects[i]);
  }
}

static void test_values_are_measured_and_comparable(void **state)
{
  (void)state;
  char fingerprint[17];
  km_fingerprint(fingerprint, CLEAR, strlen(CLEAR));
  char expected[256];
  (void)snprintf(expected, sizeof(expected), "<redacted 19 bytes, fingerprint %s>", fingerprint);
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *copy = km_redact_object(doc, json_of("{'kind':'Secret','data':{'a':'" ENCODED
                                                       "','broken':'%%%','empty':'','null':null},"
                                                       "'stringData':{'a':'" CLEAR "'}}"));
  yyjson_mut_val *data = yyjson_mut_obj_get(copy, "data");
  assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(data, "a")), expected);
  assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_obj_get(copy, "stringData"), "a")),
                      expected);
  assert_contains(yyjson_mut_get_str(yyjson_mut_obj_get(data, "broken")), "<redacted 3 bytes, ");
  assert_contains(yyjson_mut_get_str(yyjson_mut_obj_get(data, "empty")), "<redacted 0 bytes, ");
  assert_true(yyjson_mut_is_null(yyjson_mut_obj_get(data, "null")));
}

static void test_everything_else_stays(void **state)
{
  (void)state;
  assert_string_equal(
      redact("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','managedFields':[{'manager':'x'}],"
             "'annotations':{'kubectl.kubernetes.io/restartedAt':'now','kubectl.kubernetes.io/"
             "default-container':'c',"
             "'note':'{\\u0022a\\u0022:1}','kubectl.kubernetes.io/last-applied-configuration':'{}'}},"
             "'data':{'key':'value','managedFields':'kept','stringData':'kept'},'n':[1,1.5,true,null,-7]}"),
      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"annotations\":{"
      "\"kubectl.kubernetes.io/restartedAt\":\"now\",\"kubectl.kubernetes.io/default-container\":\"c\","
      "\"note\":\"{\\\"a\\\":1}\"}},\"data\":{\"key\":\"value\",\"managedFields\":\"kept\",\"stringData\":"
      "\"kept\"},"
      "\"n\":[1,1.5,true,null,-7]}");
  assert_string_equal(
      redact("{'kind':'Secret','metadata':{'name':'s'},'type':'Opaque','immutable':true}"),
      "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\",\"immutable\":true}");
  /* A literal environment value is the pod's own business. */
  const char *pod =
      redact("{'kind':'Pod','spec':{'containers':[{'env':[{'name':'PASSWORD','value':'x'}]}]}}");
  assert_contains(pod, "\"value\":\"x\"");
  assert_string_equal(redact("5"), "5");
  assert_string_equal(redact("{'kind':'PodList','items':[{'metadata':{'managedFields':[1]}}]}"),
                      "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{}}]}");
}

/* Keys that a document repeats, and text with NUL characters, are no way round. */
static void test_tricks(void **state)
{
  (void)state;
  (void)expect_no_canary("{'kind':'Secret','kind':'Pod','data':{'a':'" ENCODED "'}}");
  (void)expect_no_canary("{'kind':'Secret','data':{'a':'" ENCODED "'},'data':{'a':'" ENCODED "'}}");
  (void)expect_no_canary("{'kind':'Secret','data':{'a\\u0000b':'" ENCODED "'}}");
  (void)expect_no_canary("{'kind':'Secret','metadata':{'annotations':{'x':'  {" CLEAR "'}}}");
}

/* An item that says neither its kind nor its type is told by the list it comes from. */
static void test_items_of_a_list(void **state)
{
  (void)state;
  yyjson_val *item = json_of("{'metadata':{'name':'a'},'data':{'a':'" ENCODED "'}}");
  struct km_buf out;
  km_buf_init(&out, MIB);
  assert_true(km_json_write(km_redact_item(km_json_new(arena), item, "Secret"), false, &out));
  assert_contains(out.data, "<redacted");
  assert_null(strstr(out.data, ENCODED));
  km_buf_clear(&out);
  assert_true(km_json_write(km_redact_item(km_json_new(arena), item, "ConfigMap"), false, &out));
  assert_contains(out.data, ENCODED);
  km_buf_done(&out);
}

static void test_source_is_untouched_and_memory_bounded(void **state)
{
  (void)state;
  struct km_arena *small = km_arena_new(2000);
  yyjson_mut_doc *doc = km_json_new(small);
  struct km_buf text;
  km_buf_init(&text, MIB);
  km_buf_puts(&text, "{'kind':'Secret','data':{'k':'");
  km_buf_fill(&text, 'A', 100000);
  km_buf_puts(&text, "'},'big':'");
  km_buf_fill(&text, 'b', 100000);
  km_buf_puts(&text, "'}");
  yyjson_val *root = json_of(text.data);
  (void)km_redact_object(doc, root);
  assert_false(km_json_complete(doc));
  assert_int_equal(yyjson_get_len(yyjson_obj_get(yyjson_obj_get(root, "data"), "k")), 100000);
  km_buf_done(&text);
  km_arena_free(small);
}

/* Escaped in JSON they would get past the cleaning of text. */
static void test_controls_are_removed(void **state)
{
  (void)state;
  const char *shown = redact(
      "{'metadata':{'annotations':{'a\\u001b[31mb':'\\u001b]8;;http://x\\u0007click\\u001b]8;;\\u0007'}},"
      "'data':{'text':'two\\nlines\\tand\\u001b[1m more'}}");
  assert_null(strstr(shown, "\\u00"));
  assert_contains(shown, "click");
  assert_contains(shown, "two\\nlines\\tand more");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_secrets, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_annotations, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_values_are_measured_and_comparable, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_everything_else_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_tricks, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_controls_are_removed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_items_of_a_list, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_source_is_untouched_and_memory_bounded, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
