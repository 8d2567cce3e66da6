/* Prompts, and completion of their arguments. Messages are JSON templates; arguments are put in through the JSON writer,
 * never pasted into text. */
#include "fixtures.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define PROMPT_GET(name)                                                                                     \
  static enum km_rc name(struct km_call *call, yyjson_val *arguments, struct km_result *out,                 \
                         struct km_error *err)

static void add_text_message(struct km_result *out, const char *text)
{
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *message = yyjson_mut_arr_add_obj(doc, out->content);
  yyjson_mut_obj_add_str(doc, message, "role", "user");
  yyjson_mut_val *content = yyjson_mut_obj_add_obj(doc, message, "content");
  yyjson_mut_obj_add_str(doc, content, "type", "text");
  yyjson_mut_obj_add_strcpy(doc, content, "text", text);
}

PROMPT_GET(get_simple)
{
  (void)call;
  (void)arguments;
  (void)err;
  add_text_message(out, "This is a simple prompt for testing.");
  return KM_OK;
}

PROMPT_GET(get_with_arguments)
{
  (void)err;
  add_text_message(out, km_arena_printf(call->arena, "Prompt with arguments: arg1='%s', arg2='%s'",
                                        km_json_str(arguments, "arg1"), km_json_str(arguments, "arg2")));
  return KM_OK;
}

PROMPT_GET(get_with_resource)
{
  (void)err;
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *message = fixture_json(call, doc,
                                         "{\"role\":\"user\",\"content\":{\"type\":\"resource\",\"resource\":"
                                         "{\"mimeType\":\"text/plain\","
                                         "\"text\":\"Embedded resource content for testing.\"}}}");
  yyjson_mut_val *resource = yyjson_mut_obj_get(yyjson_mut_obj_get(message, "content"), "resource");
  yyjson_mut_obj_add_strcpy(doc, resource, "uri", km_json_str(arguments, "resourceUri"));
  km_result_block(out, message);
  add_text_message(out, "Please process the embedded resource above.");
  return KM_OK;
}

PROMPT_GET(get_with_image)
{
  (void)arguments;
  (void)err;
  fixture_blocks(call, out,
                 "[{\"role\":\"user\",\"content\":{\"type\":\"image\",\"data\":\"" FIXTURE_PNG
                 "\",\"mimeType\":\"image/png\"}}]");
  add_text_message(out, "Please analyze the image above.");
  return KM_OK;
}

PROMPT_GET(get_after_question)
{
  (void)arguments;
  (void)err;
  static const struct question question = {
      "user_context", "elicitation/create",
      "{\"message\":\"What context should the prompt use?\",\"requestedSchema\":{\"type\":\"object\","
      "\"properties\":{\"context\":{\"type\":\"string\"}},\"required\":[\"context\"]}}"};
  yyjson_val *answer = fixture_answer(call, &question);
  if (answer == NULL) {
    fixture_ask(call, out, &question);
    return KM_OK;
  }
  const char *context = km_json_str(km_json_obj(answer, "content"), "context");
  add_text_message(out,
                   km_arena_printf(call->arena, "Use this context: %s", context == NULL ? "none" : context));
  return KM_OK;
}

static const struct km_prompt_arg two_args[] = {{"arg1", "First test argument", true},
                                                {"arg2", "Second test argument", true}};
static const struct km_prompt_arg resource_args[] = {{"resourceUri", "URI of the resource to embed", true}};

static const struct km_prompt prompts[] = {
    {.name = "test_simple_prompt", .description = "A prompt without arguments", .get = get_simple},
    {.name = "test_prompt_with_arguments",
     .description = "A prompt with two arguments",
     .args = two_args,
     .arg_count = KM_ARRAY_LEN(two_args),
     .get = get_with_arguments},
    {.name = "test_prompt_with_embedded_resource",
     .description = "A prompt that embeds a resource",
     .args = resource_args,
     .arg_count = KM_ARRAY_LEN(resource_args),
     .get = get_with_resource},
    {.name = "test_prompt_with_image", .description = "A prompt with an image", .get = get_with_image},
    {.name = "test_input_required_result_prompt",
     .description = "A prompt that asks first",
     .get = get_after_question},
};

const struct km_prompt *fixture_prompts(size_t *ret_count)
{
  *ret_count = KM_ARRAY_LEN(prompts);
  return prompts;
}

enum km_rc fixture_complete(struct km_call *call, yyjson_val *ref, const char *argument, const char *value,
                            yyjson_mut_doc *doc, yyjson_mut_val *values, struct km_error *err)
{
  (void)call;
  static const char *const words[] = {"paris", "park", "party", "test", "testing"};
  const char *type = km_json_str(ref, "type");
  if (!km_streq(type, "ref/prompt") && !km_streq(type, "ref/resource")) {
    return km_error_set(err, KM_E_INVALID, "ref.type must be ref/prompt or ref/resource");
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(words) && km_streq(argument, "arg1"); i++) {
    if (km_starts_with(words[i], value)) {
      yyjson_mut_arr_add_str(doc, values, words[i]);
    }
  }
  return KM_OK;
}
