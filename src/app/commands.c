/* call, tools and config: the product without a transport, for people and scripts. Answers go to standard output, errors
 * to standard error. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/log.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define MAX_OUTPUT ((size_t)1024 * 1024)

/* --- call ---------------------------------------------------------------------------------------------------------------- */

/* NAME with or without the configured prefix. */
static const struct km_tool *find_tool(const struct km_config *config, const char *name)
{
  const char *prefix = config->server.tool_prefix;
  if (!km_str_empty(prefix) && km_starts_with(name, prefix)) {
    name += strlen(prefix);
  }
  for (size_t i = 0; km_tools[i] != NULL; i++) {
    if (km_streq(km_tools[i]->name, name)) {
      return km_tools[i];
    }
  }
  return NULL;
}

/* TEXT as a JSON value when it is one, else as a string: the tool's parser says what is wrong with it. */
static yyjson_mut_val *json_or_string(yyjson_mut_doc *doc, const char *text)
{
  yyjson_doc *parsed = yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
  if (parsed == NULL) {
    return yyjson_mut_strcpy(doc, text);
  }
  yyjson_mut_val *value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
  yyjson_doc_free(parsed);
  return value;
}

/* Lists are given as JSON, as a,b,c, or by repeating key=value; a value with brackets or quotes is one item. */
static void add_to_list(yyjson_mut_doc *doc, yyjson_mut_val *arguments, const char *name, const char *text)
{
  yyjson_mut_val *list = yyjson_mut_obj_get(arguments, name);
  if (list == NULL && text[0] == '[') {
    yyjson_mut_obj_add(arguments, yyjson_mut_strcpy(doc, name), json_or_string(doc, text));
    return;
  }
  if (!yyjson_mut_is_arr(list)) {
    list = yyjson_mut_arr(doc);
    yyjson_mut_obj_add(arguments, yyjson_mut_strcpy(doc, name), list);
  }
  if (strpbrk(text, "[('\"") != NULL) {
    yyjson_mut_arr_add_strcpy(doc, list, text);
    return;
  }
  char *copy = strdup(text);
  char *rest = copy;
  for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
    yyjson_mut_arr_add_strcpy(doc, list, item);
  }
  free(copy);
}

static void add_argument(yyjson_mut_doc *doc, yyjson_mut_val *arguments, const struct km_tool *tool,
                         const char *name, const char *text)
{
  const struct km_arg *arg = km_tool_find_arg(tool, name);
  enum km_arg_type type = arg == NULL ? KM_ARG_STRING : arg->type;
  name = arg == NULL ? name : arg->name; /* a list may be given under several of its names */
  if (type == KM_ARG_STRINGS) {
    add_to_list(doc, arguments, name, text);
    return;
  }
  bool textual = type == KM_ARG_STRING || type == KM_ARG_ENUM;
  yyjson_mut_val *value = textual ? yyjson_mut_strcpy(doc, text) : json_or_string(doc, text);
  yyjson_mut_obj_add(arguments, yyjson_mut_strcpy(doc, name), value);
}

/* key=value operands, and --context, as the JSON the tool expects. */
static enum km_rc build_arguments(const struct options *options, const struct km_tool *tool,
                                  struct km_arena *arena, const char **ret, struct km_error *err)
{
  yyjson_mut_doc *doc = km_json_new(arena);
  yyjson_mut_val *arguments = yyjson_mut_obj(doc);
  for (int i = 1; i < options->operand_count; i++) {
    const char *equals = strchr(options->operands[i], '=');
    if (equals == NULL || equals == options->operands[i]) {
      return km_error_set(err, KM_E_INVALID, "arguments are given as key=value, not '%s'",
                          options->operands[i]);
    }
    char *name = km_arena_strndup(arena, options->operands[i], (size_t)(equals - options->operands[i]));
    add_argument(doc, arguments, tool, name, equals + 1);
  }
  if (options->context != NULL && km_tool_find_arg(tool, "context") != NULL) {
    yyjson_mut_obj_add_strcpy(doc, arguments, "context", options->context);
  }
  struct km_buf json;
  km_buf_init(&json, MAX_OUTPUT);
  enum km_rc rc = KM_OK;
  if (km_json_write(arguments, false, &json)) {
    *ret = km_arena_strndup(arena, json.data, json.len);
  } else {
    rc = km_error_set(err, KM_E_TOO_LARGE, "the arguments take more than %zu bytes", MAX_OUTPUT);
  }
  km_buf_done(&json);
  return rc;
}

static void print_content(yyjson_val *result)
{
  size_t i, max;
  yyjson_val *block;
  yyjson_arr_foreach(km_json_arr(result, "content"), i, max, block)
  {
    const char *text = km_json_str(block, "text");
    if (text != NULL) {
      (void)fputs(text, stdout);
      if (!km_ends_with(text, "\n")) {
        (void)fputc('\n', stdout);
      }
    }
  }
}

static void print_failure(yyjson_val *result)
{
  const char *text = km_json_str(yyjson_arr_get_first(km_json_arr(result, "content")), "text");
  yyjson_doc *doc = text == NULL ? NULL : yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
  yyjson_val *error = km_json_obj(yyjson_doc_get_root(doc), "error");
  const char *type = km_json_str(error, "type"), *message = km_json_str(error, "message");
  const char *hint = km_json_str(error, "hint");
  if (message == NULL) {
    message = text == NULL ? "the tool failed without a message" : text;
  }
  (void)fprintf(stderr, "kube-mcp: %s: %s\n", type == NULL ? "error" : type, message);
  if (hint != NULL) {
    (void)fprintf(stderr, "hint: %s\n", hint);
  }
  yyjson_doc_free(doc);
}

static void print_result(const char *json, bool whole, enum km_rc rc)
{
  if (whole) {
    (void)puts(json);
    return;
  }
  yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
  if (rc == KM_OK) {
    print_content(yyjson_doc_get_root(doc));
  } else {
    print_failure(yyjson_doc_get_root(doc));
  }
  yyjson_doc_free(doc);
}

static enum km_rc unknown_tool(const char *name, struct km_error *err)
{
  const char *names[256];
  size_t count = 0;
  for (; count < KM_ARRAY_LEN(names) && km_tools[count] != NULL; count++) {
    names[count] = km_tools[count]->name;
  }
  const char *nearest = km_nearest(name, names, count);
  km_error_set(err, KM_E_NOT_FOUND, "there is no tool '%s'", name);
  return nearest == NULL ? km_error_hint(err, "kube-mcp tools lists them")
                         : km_error_hint(err, "did you mean '%s'?", nearest);
}

enum km_rc command_call(const struct options *options, const struct km_config *config, struct km_error *err)
{
  if (options->operand_count == 0) {
    km_error_set(err, KM_E_INVALID, "call needs the name of a tool");
    return km_error_hint(err, "kube-mcp tools lists them");
  }
  const struct km_tool *tool = find_tool(config, options->operands[0]);
  if (tool == NULL) {
    return unknown_tool(options->operands[0], err);
  }
  struct km_arena *arena = km_arena_new(MAX_OUTPUT * 4);
  const char *arguments = NULL;
  struct km_server server = {0};
  enum km_rc rc = build_arguments(options, tool, arena, &arguments, err);
  if (rc == KM_OK) {
    rc = km_server_init(&server, config, true, err);
  }
  char *json = NULL;
  enum km_rc tool_rc = KM_OK;
  if (rc == KM_OK) {
    rc = km_mcp_call_tool(server.mcp, tool->name, arguments, NULL, &json, &tool_rc, err);
  }
  if (rc == KM_OK) {
    print_result(json, options->json, tool_rc);
    rc = tool_rc;
  }
  free(json);
  km_server_done(&server);
  km_arena_free(arena);
  return rc;
}

/* --- tools --------------------------------------------------------------------------------------------------------------- */

static void print_tool_lines(const char *json)
{
  yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
  size_t i, max;
  yyjson_val *tool;
  yyjson_arr_foreach(yyjson_doc_get_root(doc), i, max, tool)
  {
    yyjson_val *hints = km_json_obj(tool, "annotations");
    const char *kind = km_json_bool(hints, "readOnlyHint", false)      ? "reads"
                       : km_json_bool(hints, "destructiveHint", false) ? "destroys"
                                                                       : "writes";
    (void)printf("%-24s %-8s %s\n", km_json_str(tool, "name"), kind, km_json_str(tool, "description"));
  }
  yyjson_doc_free(doc);
}

enum km_rc command_tools(const struct options *options, const struct km_config *config, struct km_error *err)
{
  struct km_server server = {0};
  enum km_rc rc = km_server_init(&server, config, false, err);
  if (rc == KM_OK) {
    char *json = km_mcp_list_tools(server.mcp);
    if (options->json) {
      (void)puts(json);
    } else {
      print_tool_lines(json);
    }
    free(json);
  }
  km_server_done(&server);
  return rc;
}

/* --- config -------------------------------------------------------------------------------------------------------------- */

static enum km_rc print_example(struct km_error *err)
{
  size_t count = 0;
  const struct km_config_extension *extensions = provider_extensions(&count);
  struct km_buf text;
  km_buf_init(&text, MAX_OUTPUT);
  bool complete = km_config_example(extensions, count, &text);
  (void)fputs(text.data, stdout);
  km_buf_done(&text);
  return complete ? KM_OK : km_error_set(err, KM_E_INTERNAL, "the example is larger than expected");
}

static enum km_rc show_config(const struct km_config *config, struct km_error *err)
{
  struct km_buf text;
  km_buf_init(&text, MAX_OUTPUT);
  bool complete = km_config_show(config, &text);
  (void)fputs(text.data, stdout);
  km_buf_done(&text);
  return complete
             ? KM_OK
             : km_error_set(err, KM_E_TOO_LARGE, "the configuration is larger than %zu bytes", MAX_OUTPUT);
}

static enum km_rc check_config(const struct km_config *config, struct km_error *err)
{
  enum km_rc rc = check_serve(config, err);
  if (rc != KM_OK) {
    return rc;
  }
  (void)fputs(config->sources.count == 0 ? "ok: no configuration file, built-in defaults" : "ok:", stdout);
  for (size_t i = 0; i < config->sources.count; i++) {
    (void)printf(" %s", config->sources.items[i]);
  }
  (void)puts("");
  return KM_OK;
}

enum km_rc command_config(const struct options *options, struct km_error *err)
{
  const char *what = options->operand_count == 1 ? options->operands[0] : "";
  if (km_streq(what, "example")) {
    return print_example(err);
  }
  if (!km_streq(what, "check") && !km_streq(what, "show")) {
    return km_error_set(err, KM_E_INVALID, "usage: kube-mcp config check|show|example");
  }
  struct km_config *config = NULL;
  enum km_rc rc = load_config(options, &config, err);
  if (rc != KM_OK) {
    return rc;
  }
  rc = km_streq(what, "show") ? show_config(config, err) : check_config(config, err);
  km_config_free(config);
  return rc;
}
