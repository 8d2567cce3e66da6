/* Tools whose answer never changes: one table of tools, one table of their content blocks as JSON. Also the small helpers
 * that turn such text into protocol values. Broken JSON in here is a bug of the fixture and aborts. */
#include "fixtures.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define IMAGE_BLOCK "{\"type\":\"image\",\"data\":\"" FIXTURE_PNG "\",\"mimeType\":\"image/png\"}"

yyjson_mut_val *fixture_json(struct km_call *call, yyjson_mut_doc *doc, const char *json)
{
  yyjson_doc *parsed = NULL;
  struct km_error err = {0};
  KM_ASSERT(km_json_parse(call->arena, json, strlen(json), KM_JSON_MAX_DEPTH, &parsed, &err) == KM_OK);
  return yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
}

void fixture_blocks(struct km_call *call, struct km_result *out, const char *json_array)
{
  yyjson_mut_val *blocks = fixture_json(call, out->doc, json_array);
  while (yyjson_mut_arr_size(blocks) > 0) {
    km_result_block(out, yyjson_mut_arr_remove_first(blocks));
  }
}

static const struct {
  const char *tool, *blocks;
} contents[] = {
    {"test_simple_text", "[{\"type\":\"text\",\"text\":\"This is a simple text response for testing.\"}]"},
    {"test_image_content", "[" IMAGE_BLOCK "]"},
    {"test_audio_content", "[{\"type\":\"audio\",\"data\":\"" FIXTURE_WAV "\",\"mimeType\":\"audio/wav\"}]"},
    {"test_embedded_resource",
     "[{\"type\":\"resource\",\"resource\":{\"uri\":\"test://embedded-resource\",\"mimeType\":\"text/plain\","
     "\"text\":\"This is an embedded resource content.\"}}]"},
    {"test_multiple_content_types",
     "[{\"type\":\"text\",\"text\":\"Multiple content types test:\"}," IMAGE_BLOCK ","
     "{\"type\":\"resource\",\"resource\":{\"uri\":\"test://mixed-content-resource\","
     "\"mimeType\":\"application/json\",\"text\":\"{\\\"test\\\":\\\"data\\\",\\\"value\\\":123}\"}}]"},
};

static enum km_rc run_content(struct km_call *call, const void *args, struct km_result *out,
                              struct km_error *err)
{
  (void)args;
  for (size_t i = 0; i < KM_ARRAY_LEN(contents); i++) {
    if (km_streq(call->tool->name, contents[i].tool)) {
      fixture_blocks(call, out, contents[i].blocks);
      return KM_OK;
    }
  }
  return km_error_set(err, KM_E_INTERNAL, "no content for %s", call->tool->name);
}

/* --- the tool whose schema must reach the client as it is -------------------------------------------------------- */

struct contact_args {
  const char *name;
  yyjson_val *address;
  int contact_method;
  const char *phone, *email;
};

static const char *const contact_methods[] = {"phone", "email", NULL};

static const struct km_arg contact_arg_table[] = {
    {.name = "name", .description = "Name", KM_ARG_AT(struct contact_args, name), .type = KM_ARG_STRING},
    {.name = "address",
     .description = "Address",
     KM_ARG_AT(struct contact_args, address),
     .type = KM_ARG_OBJECT},
    {.name = "contactMethod",
     .description = "How to reach them",
     KM_ARG_AT(struct contact_args, contact_method),
     .type = KM_ARG_ENUM,
     .one_of = contact_methods},
    {.name = "phone", .description = "Phone", KM_ARG_AT(struct contact_args, phone), .type = KM_ARG_STRING},
    {.name = "email", .description = "Email", KM_ARG_AT(struct contact_args, email), .type = KM_ARG_STRING},
};

static const char contact_schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"$defs\":{\"address\":{\"$anchor\":\"addressDef\",\"type\":\"object\","
    "\"properties\":{\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\"}}}},"
    "\"properties\":{\"name\":{\"type\":\"string\"},\"address\":{\"$ref\":\"#/$defs/address\"},"
    "\"contactMethod\":{\"type\":\"string\",\"enum\":[\"phone\",\"email\"]},"
    "\"phone\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}},"
    "\"allOf\":[{\"anyOf\":[{\"required\":[\"phone\"]},{\"required\":[\"email\"]}]}],"
    "\"if\":{\"properties\":{\"contactMethod\":{\"const\":\"phone\"}},\"required\":[\"contactMethod\"]},"
    "\"then\":{\"required\":[\"phone\"]},\"else\":{\"required\":[\"email\"]},"
    "\"additionalProperties\":false}";

static enum km_rc run_contact(struct km_call *call, const void *args, struct km_result *out,
                              struct km_error *err)
{
  (void)call;
  (void)err;
  const struct contact_args *contact = args;
  km_result_printf(out, "Contact: %s", contact->name == NULL ? "unnamed" : contact->name);
  return KM_OK;
}

#define CONTENT_TOOL(tool_name, about)                                                                       \
  {                                                                                                          \
    .name = (tool_name), .description = (about), .hints = KM_HINT_READ_ONLY, .run = run_content              \
  }

/* The suite's header cases call the first tool of the list without arguments: it must be one that always succeeds. */
static const struct km_tool tools[] = {
    CONTENT_TOOL("test_simple_text", "Answers with a sentence"),
    CONTENT_TOOL("test_image_content", "Answers with an image"),
    CONTENT_TOOL("test_audio_content", "Answers with a sound"),
    CONTENT_TOOL("test_embedded_resource", "Answers with a resource"),
    CONTENT_TOOL("test_multiple_content_types", "Answers with a sentence, an image and a resource"),
    {.name = "json_schema_2020_12_tool",
     .description = "Tool with JSON Schema 2020-12 features",
     .hints = KM_HINT_READ_ONLY,
     .args = contact_arg_table,
     .arg_count = KM_ARRAY_LEN(contact_arg_table),
     .args_size = sizeof(struct contact_args),
     .input_schema = contact_schema,
     .run = run_contact},
};

struct fixture_tools fixture_content_tools(void)
{
  return (struct fixture_tools){tools, KM_ARRAY_LEN(tools)};
}
