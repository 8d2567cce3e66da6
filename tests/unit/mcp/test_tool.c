/* One table, two readings: the schema clients see and the strict parsing of what they send. */
#include "kube_mcp/base/str.h"
#include "kube_mcp/tool.h"
#include "testing.h"

#include "kube_mcp/base/banned.h"

struct args {
  const char *context, *name_space, *note;
  int64_t limit;
  double ratio;
  bool check;
  int output;
  struct km_arg_strings fields;
  yyjson_val *patch;
};

static const char *const outputs[] = {"table", "json", "yaml", NULL};
static const char *const context_aliases[] = {"cluster", NULL};

static const struct km_arg table[] = {
    {.name = "context",
     .description = "Which cluster",
     .type = KM_ARG_STRING,
     KM_ARG_AT(struct args, context),
     .aliases = context_aliases},
    {.name = "name_space",
     .description = "Where",
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED | KM_ARG_DNS_LABEL,
     KM_ARG_AT(struct args, name_space)},
    {.name = "note",
     .title = "Note",
     .description = "Text",
     .type = KM_ARG_STRING,
     .max = 8,
     .flags = KM_ARG_DNS_NAME,
     KM_ARG_AT(struct args, note)},
    {.name = "limit",
     .description = "Rows",
     .type = KM_ARG_INT,
     .min = 1,
     .max = 500,
     .fallback = "50",
     KM_ARG_AT(struct args, limit),
     .header = "Limit"},
    {.name = "ratio", .description = "Share", .type = KM_ARG_NUMBER, .max = 1, KM_ARG_AT(struct args, ratio)},
    {.name = "check", .description = "Whether", .type = KM_ARG_BOOL, KM_ARG_AT(struct args, check)},
    {.name = "output",
     .description = "Form",
     .type = KM_ARG_ENUM,
     .one_of = outputs,
     .fallback = "\"table\"",
     KM_ARG_AT(struct args, output)},
    {.name = "fields",
     .description = "Parts",
     .type = KM_ARG_STRINGS,
     .max = 3,
     KM_ARG_AT(struct args, fields)},
    {.name = "patch", .description = "Change", .type = KM_ARG_OBJECT, KM_ARG_AT(struct args, patch)},
};

static const struct km_tool tool = {
    .name = "things_list",
    .title = "List things",
    .description = "Lists things",
    .hints = KM_HINT_READ_ONLY | KM_HINT_IDEMPOTENT,
    .args = table,
    .arg_count = KM_ARRAY_LEN(table),
    .args_size = sizeof(struct args),
    .output_schema = "{\"type\":\"object\"}",
};

static struct km_arena *arena;
static struct km_error err;
static struct args args;

static int set_up(void **state)
{
  (void)state;
  arena = km_arena_new((size_t)1024 * 1024);
  args = (struct args){0};
  km_error_clear(&err);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  km_arena_free(arena);
  return 0;
}

static enum km_rc parse(const char *json)
{
  yyjson_doc *doc = NULL;
  km_error_clear(&err);
  assert_int_equal(km_json_parse(arena, json, strlen(json), KM_JSON_MAX_DEPTH, &doc, &err), KM_OK);
  args = (struct args){0};
  return km_tool_parse_args(&tool, yyjson_doc_get_root(doc), arena, &args, &err);
}

/* The refusal must name what is wrong. */
static void refused(const char *json, const char *part)
{
  if (parse(json) != KM_E_INVALID) {
    fail_msg("accepted: %s", json);
  }
  assert_int_equal(km_error_effective_type(&err), KM_TYPE_VALIDATION_ERROR);
  char *text = km_arena_printf(arena, "%s (%s)", err.message, err.hint);
  assert_contains(text, part);
}

static void test_every_type(void **state)
{
  (void)state;
  assert_int_equal(
      parse("{\"context\":\"\",\"name_space\":\"shop-1\",\"note\":\"a:b\",\"limit\":500,\"ratio\":0.5,"
            "\"check\":true,\"output\":\"yaml\",\"fields\":[\"a\",\"b\"],\"patch\":{\"x\":null}}"),
      KM_OK);
  assert_string_equal(args.context, "");
  assert_string_equal(args.name_space, "shop-1");
  assert_string_equal(args.note, "a:b");
  assert_int_equal(args.limit, 500);
  assert_true(args.ratio == 0.5);
  assert_true(args.check);
  assert_int_equal(args.output, 2);
  assert_int_equal(args.fields.count, 2);
  assert_string_equal(args.fields.items[1], "b");
  assert_non_null(yyjson_obj_get(args.patch, "x"));
}

static void test_absent_arguments(void **state)
{
  (void)state;
  assert_int_equal(parse("{\"name_space\":\"a\",\"limit\":null,\"context\":null}"), KM_OK);
  assert_null(args.context);
  assert_int_equal(args.limit, 50);
  assert_int_equal(args.output, 0);
  assert_null(args.patch);
  assert_int_equal(args.fields.count, 0);
  refused("{}", "needs the argument 'name_space'");
  refused("{\"name_space\":null}", "name_space");
  assert_int_equal(km_tool_parse_args(&tool, NULL, arena, &args, &err), KM_E_INVALID);
}

static void test_spellings(void **state)
{
  (void)state;
  assert_int_equal(parse("{\"nameSpace\":\"a\",\"cluster\":\"c\"}"), KM_OK);
  assert_string_equal(args.name_space, "a");
  assert_string_equal(args.context, "c");
  refused("{\"NameSpace\":\"a\"}", "did you mean 'name_space'");
  refused("{\"name_space\":\"a\",\"contxt\":\"c\"}", "did you mean 'context'");
  refused("{\"name_space\":\"a\",\"zzz\":1}", "has no argument 'zzz'");
  refused("{\"name_space\":\"a\",\"context\":\"x\",\"cluster\":\"y\"}", "'context' is given twice");
  refused("{\"name_space\":\"a\",\"nameSpace\":\"b\"}", "given twice");
}

static void test_wrong_types(void **state)
{
  (void)state;
  refused("[]", "arguments must be an object");
  refused("{\"name_space\":5}", "'name_space' must be a string, not integer");
  refused("{\"name_space\":\"a\",\"limit\":\"5\"}", "'limit' must be an integer");
  refused("{\"name_space\":\"a\",\"limit\":5.5}", "'limit' must be an integer");
  refused("{\"name_space\":\"a\",\"limit\":18446744073709551615}", "limit");
  refused("{\"name_space\":\"a\",\"limit\":1e300}", "limit");
  refused("{\"name_space\":\"a\",\"check\":1}", "'check' must be true or false");
  refused("{\"name_space\":\"a\",\"check\":\"true\"}", "check");
  refused("{\"name_space\":\"a\",\"ratio\":\"0.5\"}", "'ratio' must be a number");
  refused("{\"name_space\":\"a\",\"patch\":[]}", "'patch' must be an object");
  refused("{\"name_space\":\"a\",\"fields\":{}}", "'fields' must be an array of strings");
  refused("{\"name_space\":\"a\",\"fields\":[\"a\",1]}", "'fields', item 2");
  refused("{\"name_space\":\"a\",\"output\":0}", "output");
}

static void test_what_models_write(void **state)
{
  (void)state;
  assert_int_equal(parse("{\"name_space\":\"a\",\"limit\":20.0,\"fields\":\"only\"}"), KM_OK);
  assert_int_equal(args.limit, 20);
  assert_int_equal(args.fields.count, 1);
  assert_string_equal(args.fields.items[0], "only");
}

static void test_bounds(void **state)
{
  (void)state;
  refused("{\"name_space\":\"a\",\"limit\":0}", "between 1 and 500");
  refused("{\"name_space\":\"a\",\"limit\":501}", "between 1 and 500");
  refused("{\"name_space\":\"a\",\"ratio\":1.01}", "between 0 and 1");
  refused("{\"name_space\":\"a\",\"note\":\"123456789\"}", "at most 8");
  refused("{\"name_space\":\"a\",\"fields\":[\"1\",\"2\",\"3\",\"4\"]}", "at most 3");
  refused("{\"name_space\":\"a\",\"fields\":[\"\"]}", "must not be empty");
  refused("{\"name_space\":\"a\",\"output\":\"tabel\"}", "did you mean 'table'");
}

static void test_names(void **state)
{
  (void)state;
  static const char *const labels[] = {
      "",        "A",   "-a",
      "a-",      "a.b", "a/b",
      "\\u00e4", "a b", "0123456789012345678901234567890123456789012345678901234567890123"};
  for (size_t i = 0; i < KM_ARRAY_LEN(labels); i++) {
    refused(km_arena_printf(arena, "{\"name_space\":\"%s\"}", labels[i]), "name_space");
  }
  static const char *const names[] = {"..", ".", "a/b", "a%2fb"};
  for (size_t i = 0; i < KM_ARRAY_LEN(names); i++) {
    refused(km_arena_printf(arena, "{\"name_space\":\"a\",\"note\":\"%s\"}", names[i]), "note");
  }
  refused("{\"name_space\":\"a\",\"context\":\"a\\u0000b\"}", "control character");
  refused("{\"name_space\":\"a\",\"context\":\"a\\u001bb\"}", "control character at byte 2");
}

/* --- the schema ------------------------------------------------------------------------------------------------------ */

static const char *written(yyjson_mut_val *val)
{
  struct km_buf text;
  km_buf_init(&text, (size_t)64 * 1024);
  assert_true(km_json_write(val, false, &text));
  char *copy = km_arena_strdup(arena, text.data);
  km_buf_done(&text);
  return copy;
}

static void test_schema(void **state)
{
  (void)state;
  yyjson_mut_doc *doc = km_json_new(arena);
  assert_string_equal(
      written(km_tool_input_schema(doc, &tool)),
      "{\"type\":\"object\",\"properties\":{"
      "\"context\":{\"type\":\"string\",\"description\":\"Which cluster\"},"
      "\"name_space\":{\"type\":\"string\",\"description\":\"Where\",\"minLength\":1},"
      "\"note\":{\"type\":\"string\",\"title\":\"Note\",\"description\":\"Text\",\"maxLength\":8},"
      "\"limit\":{\"type\":\"integer\",\"description\":\"Rows\",\"minimum\":1,\"maximum\":500,\"default\":50,"
      "\"x-mcp-header\":\"Limit\"},"
      "\"ratio\":{\"type\":\"number\",\"description\":\"Share\",\"minimum\":0,\"maximum\":1},"
      "\"check\":{\"type\":\"boolean\",\"description\":\"Whether\"},"
      "\"output\":{\"type\":\"string\",\"description\":\"Form\",\"enum\":[\"table\",\"json\",\"yaml\"],"
      "\"default\":\"table\"},"
      "\"fields\":{\"type\":\"array\",\"description\":\"Parts\",\"items\":{\"type\":\"string\"},\"maxItems\":"
      "3},"
      "\"patch\":{\"type\":\"object\",\"description\":\"Change\",\"additionalProperties\":true}},"
      "\"required\":[\"name_space\"],\"additionalProperties\":false}");
}

static void test_description(void **state)
{
  (void)state;
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *entry = km_tool_describe(doc, &tool, "k8s_");
  assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(entry, "name")), "k8s_things_list");
  assert_string_equal(written(yyjson_mut_obj_get(entry, "annotations")),
                      "{\"title\":\"List things\",\"readOnlyHint\":true,\"destructiveHint\":false,"
                      "\"idempotentHint\":true,\"openWorldHint\":false}");
  assert_string_equal(written(yyjson_mut_obj_get(entry, "outputSchema")), "{\"type\":\"object\"}");

  static const struct km_tool plain = {.name = "ping", .description = "Pings"};
  assert_string_equal(written(km_tool_describe(doc, &plain, "")),
                      "{\"name\":\"ping\",\"description\":\"Pings\","
                      "\"inputSchema\":{\"type\":\"object\",\"additionalProperties\":false},"
                      "\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":false,"
                      "\"idempotentHint\":false,\"openWorldHint\":false}}");
}

static void test_verbatim_schema(void **state)
{
  (void)state;
  static const struct km_tool verbatim = {.name = "x",
                                          .input_schema = "{\"type\":\"object\",\"$defs\":{\"a\":1}}"};
  yyjson_mut_doc *doc = km_json_new(arena);
  assert_string_equal(written(km_tool_input_schema(doc, &verbatim)), verbatim.input_schema);
}

#define TOOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void test_finding_an_argument(void **state)
{
  (void)state;
  assert_ptr_equal(km_tool_find_arg(&tool, "context"), &table[0]);
  assert_ptr_equal(km_tool_find_arg(&tool, "cluster"), &table[0]);
  assert_ptr_equal(km_tool_find_arg(&tool, "name_space"), &table[1]);
  assert_ptr_equal(km_tool_find_arg(&tool, "nameSpace"), &table[1]);
  assert_null(km_tool_find_arg(&tool, "namespace"));
  assert_null(km_tool_find_arg(&tool, "NameSpace"));
  assert_null(km_tool_find_arg(&tool, ""));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TOOL_TEST(test_every_type),      TOOL_TEST(test_absent_arguments),
      TOOL_TEST(test_spellings),       TOOL_TEST(test_finding_an_argument),
      TOOL_TEST(test_wrong_types),     TOOL_TEST(test_what_models_write),
      TOOL_TEST(test_bounds),          TOOL_TEST(test_names),
      TOOL_TEST(test_schema),          TOOL_TEST(test_description),
      TOOL_TEST(test_verbatim_schema),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
