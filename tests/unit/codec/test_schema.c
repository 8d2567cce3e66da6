/* Walking OpenAPI schemas: references, wrappers, lists and maps, types as kubectl names them, and paths that lead nowhere. */
#include "testing.h"

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/schema.h"

#include "kube_mcp/base/banned.h"

static const char document[] =
    "{'components':{'schemas':{"
    "'io.x.v1.Pod':{'type':'object','description':'A pod.','required':['spec'],'properties':{"
    "  'spec':{'description':'What is "
    "wanted.','default':{},'allOf':[{'$ref':'#/components/schemas/io.x.v1.PodSpec'}]},"
    "  'labels':{'type':'object','additionalProperties':{'type':'string','default':''}},"
    "  'limits':{'type':'object','additionalProperties':{'$ref':'#/components/schemas/io.x.Quantity'}},"
    "  'created':{'$ref':'#/components/schemas/io.x.Time'},"
    "  'port':{'x-kubernetes-int-or-string':true},"
    "  'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
    "  'grid':{'type':'array','items':{'type':'array','items':{'type':'integer'}}},"
    "  'lost':{'$ref':'#/components/schemas/io.x.None'},"
    "  'self':{'$ref':'#/components/schemas/io.x.v1.Pod'}},"
    "  'x-kubernetes-group-version-kind':[{'group':'x','version':'v1','kind':'Pod'}]},"
    "'io.x.v1.PodSpec':{'type':'object','description':'PodSpec is.','properties':{"
    "  "
    "'containers':{'type':'array','items':{'default':{},'allOf':[{'$ref':'#/components/schemas/"
    "io.x.v1.Container'}]}},"
    "  'nodeName':{'type':'string'}}},"
    "'io.x.v1.Container':{'type':'object','description':'A container.','required':['name'],'properties':{"
    "  'name':{'type':'string','description':'Its "
    "name.'},'policy':{'type':'string','enum':['A','B'],'default':'A'}}},"
    "'io.x.Quantity':{'oneOf':[{'type':'string'},{'type':'number'}]},"
    "'io.x.Time':{'type':'string','format':'date-time','description':'Time is.'},"
    "'io.x.A':{'$ref':'#/components/schemas/io.x.B'},'io.x.B':{'allOf':[{'$ref':'#/components/schemas/"
    "io.x.A'}],"
    "  'x-kubernetes-group-version-kind':[7,{'group':5},{'version':'v1','kind':'Circle'}]}}}}";

struct fixture {
  struct km_arena *arena;
  struct km_schema pod;
  struct km_error err;
};

static yyjson_val *parse(struct km_arena *arena, const char *text)
{
  char *copy = km_arena_strdup(arena, text);
  for (char *c = copy; *c != '\0'; c++) {
    *c = *c == '\'' ? '"' : *c;
  }
  yyjson_doc *doc = NULL;
  struct km_error err = {0};
  if (km_json_parse(arena, copy, strlen(copy), KM_JSON_MAX_DEPTH, &doc, &err) != KM_OK) {
    fail_msg("%s", err.message);
  }
  return yyjson_doc_get_root(doc);
}

static int set_up(void **state)
{
  struct fixture *fixture = calloc(1, sizeof(*fixture));
  fixture->arena = km_arena_new((size_t)1024 * 1024);
  assert_true(km_schema_of_kind(parse(fixture->arena, document), "x", "v1", "Pod", &fixture->pod));
  *state = fixture;
  return 0;
}

static int tear_down(void **state)
{
  struct fixture *fixture = *state;
  km_arena_free(fixture->arena);
  free(fixture);
  return 0;
}

static void test_types(void **state)
{
  struct fixture *fixture = *state;
  static const struct {
    const char *path, *type;
    bool required;
    const char *description;
  } fields[] = {
      {"", "Pod", false, "A pod."},
      {".spec", "PodSpec", true, "What is wanted."},
      {"spec.containers", "[]Container", false, ""},
      {"spec.containers[]", "Container", false, "A container."},
      {"spec.containers[*].name", "string", true, "Its name."},
      {"spec.containers.name", "string", true, "Its name."},
      {".spec.containers[3].policy", "string", false, ""},
      {"labels", "map[string]string", false, ""},
      {"labels.any-key", "string", false, ""},
      {"labels['app.kubernetes.io/name']", "string", false, ""},
      {"labels[\"a]b\"]", "string", false, ""},
      {"limits", "map[string]Quantity", false, ""},
      {"limits.cpu", "Quantity", false, ""},
      {"created", "string", false, "Time is."},
      {"port", "IntOrString", false, ""},
      {"free", "object", false, ""},
      {"grid", "[][]integer", false, ""},
      {"grid[]", "[]integer", false, ""},
      {"grid[][]", "integer", false, ""},
      {"lost", "None", false, ""},
      {"self.self.self.spec.nodeName", "string", false, ""},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(fields); i++) {
    struct km_schema found;
    if (km_schema_walk(&fixture->pod, fields[i].path, fields[i].path, &found, &fixture->err) != KM_OK) {
      fail_msg("%s: %s", fields[i].path, fixture->err.message);
    }
    struct km_buf type;
    km_buf_init(&type, 256);
    km_schema_put_type(&found, &type);
    if (!km_streq(type.data, fields[i].type) || found.required != fields[i].required ||
        !km_streq(km_schema_description(&found), fields[i].description)) {
      fail_msg("%s: <%s> %d \"%s\"", fields[i].path, type.data, found.required,
               km_schema_description(&found));
    }
    km_buf_done(&type);
  }
}

static void test_keywords(void **state)
{
  struct fixture *fixture = *state;
  struct km_schema found;
  assert_int_equal(km_schema_walk(&fixture->pod, "spec.containers.policy", "spec.containers.policy", &found,
                                  &fixture->err),
                   KM_OK);
  assert_int_equal(yyjson_arr_size(km_schema_keyword(&found, "enum")), 2);
  assert_string_equal(yyjson_get_str(km_schema_keyword(&found, "default")), "A");
  assert_null(km_schema_keyword(&found, "format"));
  assert_int_equal(km_schema_walk(&fixture->pod, "created", "created", &found, &fixture->err), KM_OK);
  assert_string_equal(yyjson_get_str(km_schema_keyword(&found, "format")), "date-time"); /* of its type */
}

static void add_name(void *data, const char *name, const struct km_schema *field)
{
  km_buf_printf(data, "%s%s ", name, field->required ? "!" : "");
}

static void test_fields(void **state)
{
  struct fixture *fixture = *state;
  struct km_schema found;
  struct km_buf names;
  km_buf_init(&names, 256);
  assert_int_equal(km_schema_walk(&fixture->pod, "spec.containers", "spec.containers", &found, &fixture->err),
                   KM_OK);
  struct km_schema element = km_schema_element(&found);
  km_schema_each_field(&element, add_name, &names);
  assert_string_equal(names.data, "name! policy ");
  km_buf_done(&names);
}

static void test_wrong_paths(void **state)
{
  struct fixture *fixture = *state;
  static const struct {
    const char *text; /* a kind and a path */
    enum km_rc rc;
    const char *message, *hint;
  } cases[] = {
      {"pod.spce", KM_E_NOT_FOUND, "position 5: 'pod' has no field 'spce'", "did you mean 'spec'?"},
      {"pod.spec.containers[].nam", KM_E_NOT_FOUND, "position 23: 'pod.spec.containers[]' has no field 'nam'",
       "did you mean 'name'?"},
      {"pod.spec.containers.zzzz", KM_E_NOT_FOUND, "position 21", "its fields are name, policy"},
      {"pod.spec.nodeName.x", KM_E_NOT_FOUND, "position 19", "it has none: its type is string"},
      {"pod.spec[0]", KM_E_NOT_FOUND, "position 9: 'pod.spec' is no list or map", "containers, nodeName"},
      {"pod.free.thing", KM_E_NOT_FOUND, "has no field 'thing'", "any field is allowed there"},
      {"pod.lost.thing", KM_E_NOT_FOUND, "has no field 'thing'", "its type is None"},
      {"pod.spec[", KM_E_INVALID, "position 9: \"[\" has no \"]\"", ""},
      {"pod.spec['a]", KM_E_INVALID, "position 9", ""},
      {"pod..spec", KM_E_INVALID, "position 5: the name of a field is expected", ""},
      {"pod.", KM_E_INVALID, "position 5", ""},
      {"pod.spec]", KM_E_INVALID, "position 5", ""},
      {"pod.spec.containers[]x.", KM_E_NOT_FOUND, "position 22", "its fields are"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    struct km_schema untouched = {.name = "untouched"};
    km_error_clear(&fixture->err);
    enum km_rc rc = km_schema_walk(&fixture->pod, cases[i].text, cases[i].text + strlen("pod"), &untouched,
                                   &fixture->err);
    if (rc != cases[i].rc) {
      fail_msg("%s: %d, %s", cases[i].text, (int)rc, fixture->err.message);
    }
    assert_contains(fixture->err.message, cases[i].message);
    assert_contains(fixture->err.hint, cases[i].hint);
    assert_string_equal(untouched.name, "untouched");
  }
  assert_string_equal(fixture->err.reason, "UnknownField");
}

/* Circles of references end, and nonsense is nothing. */
static void test_hostile(void **state)
{
  struct fixture *fixture = *state;
  struct km_schema found;
  assert_true(km_schema_of_kind(fixture->pod.document, "", "v1", "Circle", &found));
  struct km_buf type;
  km_buf_init(&type, 256);
  km_schema_put_type(&found, &type);
  assert_string_equal(type.data, "Circle");
  km_buf_done(&type);
  static const char *const bodies[] = {
      "5", "[]", "{}", "{'components':[]}",
      "{'components':{'schemas':{'a':7,'b':{'x-kubernetes-group-version-kind':{}}}}}"};
  for (size_t i = 0; i < KM_ARRAY_LEN(bodies); i++) {
    assert_false(km_schema_of_kind(parse(fixture->arena, bodies[i]), "", "v1", "Pod", &found));
  }
  struct km_schema odd = {
      .document = fixture->pod.document,
      .field =
          parse(fixture->arena, "{'properties':[],'items':{'items':{'items':5}},'required':7,'enum':8}")};
  odd.type = odd.field;
  struct km_schema element = km_schema_element(&odd);
  assert_null(element.name);
  assert_int_equal(km_schema_walk(&odd, "a", "a", &found, &fixture->err), KM_E_NOT_FOUND);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_types, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_keywords, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_fields, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_wrong_paths, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
