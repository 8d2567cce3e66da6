/* Tools that ask the client: for input of its user, for a completion of its model, for its roots. A tool asks by leaving
 * questions in its result and is run again with the answers, whatever the revision. Answers count only for the round they
 * were asked in, so a round with a missing or malformed answer is asked again as a whole. */
#include "fixtures.h"

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define ELICIT "elicitation/create"
#define SAMPLE "sampling/createMessage"
#define ROOTS  "roots/list"

#define TOOL_RUN(name)                                                                                       \
  static enum km_rc name(struct km_call *call, const void *args, struct km_result *out, struct km_error *err)

#define FORM(message, properties, required)                                                                  \
  "{\"message\":\"" message "\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{" properties        \
  "},\"required\":[" required "]}}"
#define SAMPLING(text, max_tokens)                                                                           \
  "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"" text "\"}}],"               \
  "\"maxTokens\":" max_tokens "}"

void fixture_ask(struct km_call *call, struct km_result *out, const struct question *question)
{
  km_result_need_input(out, question->key, question->method, fixture_json(call, out->doc, question->params));
}

yyjson_val *fixture_answer(const struct km_call *call, const struct question *question)
{
  yyjson_val *answer = km_json_obj(call->input_responses, question->key);
  bool well_formed = km_streq(question->method, ELICIT)   ? km_json_str(answer, "action") != NULL
                     : km_streq(question->method, SAMPLE) ? km_json_obj(answer, "content") != NULL
                                                          : km_json_arr(answer, "roots") != NULL;
  return well_formed ? answer : NULL;
}

/* One sentence about the answer to an elicitation. */
static void report_elicitation(struct km_result *out, const char *lead, yyjson_val *answer)
{
  struct km_buf content;
  km_buf_init(&content, (size_t)64 * 1024);
  yyjson_val *given = km_json_obj(answer, "content");
  if (given != NULL) {
    km_json_write_val(given, false, &content);
  }
  km_result_printf(out, "%s: action=%s, content=%s", lead, km_json_str(answer, "action"),
                   given == NULL ? "{}" : content.data);
  km_buf_done(&content);
}

static void report(struct km_result *out, const struct question *question, yyjson_val *answer)
{
  if (km_streq(question->method, ELICIT)) {
    const char *name = km_json_str(km_json_obj(answer, "content"), "name");
    if (name != NULL) {
      km_result_printf(out, "Hello, %s!", name);
    } else {
      report_elicitation(out, question->key, answer);
    }
  } else if (km_streq(question->method, SAMPLE)) {
    const char *text = km_json_str(km_json_obj(answer, "content"), "text");
    km_result_printf(out, "LLM response: %s", text == NULL ? "" : text);
  } else {
    size_t i, max;
    yyjson_val *root;
    yyjson_arr_foreach(km_json_arr(answer, "roots"), i, max, root)
    {
      const char *uri = km_json_str(root, "uri");
      km_result_printf(out, "Root: %s", uri == NULL ? "" : uri);
    }
  }
}

/* --- one question made of an argument ---------------------------------------------------------------------------- */

struct text_args {
  const char *text;
};

static const struct km_arg message_arg[] = {
    {.name = "message",
     .description = "What the user is asked",
     KM_ARG_AT(struct text_args, text),
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED},
};

TOOL_RUN(run_elicitation)
{
  (void)err;
  static const struct question question = {
      "user", ELICIT,
      FORM("",
           "\"username\":{\"type\":\"string\",\"description\":\"User's response\"},"
           "\"email\":{\"type\":\"string\",\"description\":\"User's email address\"}",
           "\"username\",\"email\"")};
  yyjson_val *answer = fixture_answer(call, &question);
  if (answer != NULL) {
    report_elicitation(out, "User response", answer);
    return KM_OK;
  }
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *params = fixture_json(call, doc, question.params);
  yyjson_mut_obj_put(params, yyjson_mut_str(doc, "message"),
                     yyjson_mut_strcpy(doc, ((const struct text_args *)args)->text));
  km_result_need_input(out, question.key, question.method, params);
  return KM_OK;
}

static const struct km_arg prompt_arg[] = {
    {.name = "prompt",
     .description = "What the model is asked",
     KM_ARG_AT(struct text_args, text),
     .type = KM_ARG_STRING,
     .flags = KM_ARG_REQUIRED},
};

TOOL_RUN(run_sampling)
{
  (void)err;
  static const struct question question = {"completion", SAMPLE, SAMPLING("", "100")};
  yyjson_val *answer = fixture_answer(call, &question);
  if (answer != NULL) {
    report(out, &question, answer);
    return KM_OK;
  }
  yyjson_mut_doc *doc = out->doc;
  yyjson_mut_val *params = fixture_json(call, doc, question.params);
  yyjson_mut_val *message = yyjson_mut_arr_get_first(yyjson_mut_obj_get(params, "messages"));
  yyjson_mut_obj_put(yyjson_mut_obj_get(message, "content"), yyjson_mut_str(doc, "text"),
                     yyjson_mut_strcpy(doc, ((const struct text_args *)args)->text));
  km_result_need_input(out, question.key, question.method, params);
  return KM_OK;
}

/* --- forms ------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *tool;
  struct question question;
} forms[] = {
    {"test_elicitation_sep1034_defaults",
     {"form", ELICIT,
      FORM("Please check the values",
           "\"name\":{\"type\":\"string\",\"description\":\"Name\",\"default\":\"John Doe\"},"
           "\"age\":{\"type\":\"integer\",\"description\":\"Age\",\"default\":30},"
           "\"score\":{\"type\":\"number\",\"description\":\"Score\",\"default\":95.5},"
           "\"status\":{\"type\":\"string\",\"description\":\"Status\","
           "\"enum\":[\"active\",\"inactive\",\"pending\"],\"default\":\"active\"},"
           "\"verified\":{\"type\":\"boolean\",\"description\":\"Verified\",\"default\":true}",
           "")}},
    {"test_elicitation_sep1330_enums",
     {"form", ELICIT,
      FORM("Please choose",
           "\"untitledSingle\":{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]},"
           "\"titledSingle\":{\"type\":\"string\",\"oneOf\":["
           "{\"const\":\"value1\",\"title\":\"First Option\"},"
           "{\"const\":\"value2\",\"title\":\"Second Option\"},"
           "{\"const\":\"value3\",\"title\":\"Third Option\"}]},"
           "\"legacyEnum\":{\"type\":\"string\",\"enum\":[\"opt1\",\"opt2\",\"opt3\"],"
           "\"enumNames\":[\"Option One\",\"Option Two\",\"Option Three\"]},"
           "\"untitledMulti\":{\"type\":\"array\",\"items\":"
           "{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]}},"
           "\"titledMulti\":{\"type\":\"array\",\"items\":{\"anyOf\":["
           "{\"const\":\"value1\",\"title\":\"First Choice\"},"
           "{\"const\":\"value2\",\"title\":\"Second Choice\"},"
           "{\"const\":\"value3\",\"title\":\"Third Choice\"}]}}",
           "")}},
    {"test_streaming_elicitation",
     {"form", ELICIT, FORM("Go on?", "\"ok\":{\"type\":\"boolean\"}", "\"ok\"")}},
};

TOOL_RUN(run_form)
{
  (void)args;
  for (size_t i = 0; i < KM_ARRAY_LEN(forms); i++) {
    if (!km_streq(call->tool->name, forms[i].tool)) {
      continue;
    }
    yyjson_val *answer = fixture_answer(call, &forms[i].question);
    km_call_progress(call, answer == NULL ? 1 : 2, 2, "asking");
    if (answer == NULL) {
      fixture_ask(call, out, &forms[i].question);
    } else {
      report_elicitation(out, "Elicitation completed", answer);
    }
    return KM_OK;
  }
  return km_error_set(err, KM_E_INTERNAL, "no form for %s", call->tool->name);
}

/* --- one round of questions -------------------------------------------------------------------------------------- */

static const struct question ask_name = {
    "user_name", ELICIT, FORM("What is your name?", "\"name\":{\"type\":\"string\"}", "\"name\"")};
static const struct question ask_capital = {"capital_question", SAMPLE,
                                            SAMPLING("What is the capital of France?", "100")};
static const struct question ask_greeting = {"greeting", SAMPLE, SAMPLING("Generate a greeting", "50")};
static const struct question ask_roots = {"client_roots", ROOTS, "{}"};
static const struct question ask_confirm = {
    "confirm", ELICIT, FORM("Please confirm", "\"ok\":{\"type\":\"boolean\"}", "\"ok\"")};

#define MAX_QUESTIONS 3

static const struct interview {
  const char *tool;
  const struct question *questions[MAX_QUESTIONS];
  const char *state; /* must come back with the answers; NULL = none */
} interviews[] = {
    {"test_input_required_result_elicitation", {&ask_name}, NULL},
    {"test_input_required_result_sampling", {&ask_capital}, NULL},
    {"test_input_required_result_list_roots", {&ask_roots}, NULL},
    {"test_input_required_result_request_state", {&ask_confirm}, "state-ok"},
    {"test_input_required_result_multiple_inputs", {&ask_name, &ask_greeting, &ask_roots}, "three"},
    {"test_input_required_result_tampered_state", {&ask_confirm}, "untouched"},
};

static bool answered(const struct km_call *call, const struct interview *interview)
{
  for (size_t i = 0; i < MAX_QUESTIONS && interview->questions[i] != NULL; i++) {
    if (fixture_answer(call, interview->questions[i]) == NULL) {
      return false;
    }
  }
  return interview->state == NULL || km_streq(call->request_state, interview->state);
}

static void hold(struct km_call *call, struct km_result *out, const struct interview *interview)
{
  bool complete = answered(call, interview);
  for (size_t i = 0; i < MAX_QUESTIONS && interview->questions[i] != NULL; i++) {
    const struct question *question = interview->questions[i];
    if (complete) {
      report(out, question, fixture_answer(call, question));
    } else {
      fixture_ask(call, out, question);
    }
  }
  if (complete && interview->state != NULL) {
    km_result_printf(out, "State: %s", call->request_state);
  } else if (!complete) {
    out->request_state = interview->state;
  }
}

TOOL_RUN(run_interview)
{
  (void)args;
  for (size_t i = 0; i < KM_ARRAY_LEN(interviews); i++) {
    if (km_streq(call->tool->name, interviews[i].tool)) {
      hold(call, out, &interviews[i]);
      return KM_OK;
    }
  }
  return km_error_set(err, KM_E_INTERNAL, "no interview for %s", call->tool->name);
}

/* --- two rounds, and a round that depends on the client ---------------------------------------------------------- */

TOOL_RUN(run_two_rounds)
{
  (void)args;
  (void)err;
  static const struct question first = {
      "step1", ELICIT, FORM("Step 1: What is your name?", "\"name\":{\"type\":\"string\"}", "\"name\"")};
  static const struct question second = {
      "step2", ELICIT,
      FORM("Step 2: What is your favorite color?", "\"color\":{\"type\":\"string\"}", "\"color\"")};
  static const char in_first[] = "first", in_second[] = "second:";
  const char *state = call->request_state == NULL ? "" : call->request_state;
  yyjson_val *name = km_streq(state, in_first) ? fixture_answer(call, &first) : NULL;
  yyjson_val *color = km_starts_with(state, in_second) ? fixture_answer(call, &second) : NULL;
  if (color != NULL) {
    const char *chosen = km_json_str(km_json_obj(color, "content"), "color");
    km_result_printf(out, "%s likes %s", state + sizeof(in_second) - 1, chosen == NULL ? "none" : chosen);
  } else if (name != NULL || km_starts_with(state, in_second)) {
    const char *given = km_json_str(km_json_obj(name, "content"), "name");
    out->request_state =
        name == NULL ? state
                     : km_arena_printf(call->arena, "%s%.100s", in_second, given == NULL ? "" : given);
    fixture_ask(call, out, &second);
  } else {
    out->request_state = in_first;
    fixture_ask(call, out, &first);
  }
  return KM_OK;
}

TOOL_RUN(run_by_capability)
{
  (void)args;
  (void)err;
  static const struct {
    enum km_client_cap cap;
    const struct question *question;
  } offers[] = {
      {KM_CAP_ELICITATION_FORM, &ask_name}, {KM_CAP_SAMPLING, &ask_capital}, {KM_CAP_ROOTS, &ask_roots}};
  bool asked = false;
  for (size_t i = 0; i < KM_ARRAY_LEN(offers); i++) {
    if ((call->client_caps & offers[i].cap) == 0) {
      continue;
    }
    yyjson_val *answer = fixture_answer(call, offers[i].question);
    if (answer == NULL) {
      fixture_ask(call, out, offers[i].question);
      asked = true;
    } else {
      report(out, offers[i].question, answer);
    }
  }
  if (!asked) {
    km_result_printf(out, "Nothing more to ask");
  }
  return KM_OK;
}

#define INTERVIEW(tool_name, about)                                                                          \
  {                                                                                                          \
    .name = (tool_name), .description = (about), .run = run_interview                                        \
  }

static const struct km_tool tools[] = {
    {.name = "test_elicitation",
     .description = "Asks the user",
     .args = message_arg,
     .arg_count = 1,
     .args_size = sizeof(struct text_args),
     .run = run_elicitation},
    {.name = "test_sampling",
     .description = "Asks the model",
     .args = prompt_arg,
     .arg_count = 1,
     .args_size = sizeof(struct text_args),
     .run = run_sampling},
    {.name = "test_elicitation_sep1034_defaults",
     .description = "Asks with a default of each kind",
     .run = run_form},
    {.name = "test_elicitation_sep1330_enums",
     .description = "Asks with an enumeration of each kind",
     .run = run_form},
    {.name = "test_streaming_elicitation", .description = "Reports progress, then asks", .run = run_form},
    INTERVIEW("test_input_required_result_elicitation", "Asks for a name"),
    INTERVIEW("test_input_required_result_sampling", "Asks the model for a capital"),
    INTERVIEW("test_input_required_result_list_roots", "Asks for the roots"),
    INTERVIEW("test_input_required_result_request_state", "Asks with a state"),
    INTERVIEW("test_input_required_result_multiple_inputs", "Asks three things at once"),
    INTERVIEW("test_input_required_result_tampered_state", "Asks with a state that must come back unchanged"),
    {.name = "test_input_required_result_multi_round",
     .description = "Asks, and asks again",
     .run = run_two_rounds},
    {.name = "test_input_required_result_capabilities",
     .description = "Asks what the client can answer",
     .run = run_by_capability},
};

struct fixture_tools fixture_input_tools(void)
{
  return (struct fixture_tools){tools, KM_ARRAY_LEN(tools)};
}
