/* One call in many contexts at once.
 *
 * Each part has a thread of the fan-out lane (the caller's among them), memory of its own and a deadline of its own, so
 * that a dead cluster costs only its own part: what the others found is the answer, and the dead are named in it. A part
 * that fails never fails the whole; only when all fail does the call, with the first one's error. */
#include "parts.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_PARTS        64
#define PART_DEADLINE_MS ((int64_t)15000)
#define MAX_ERROR_BYTES  160
#define MIN_PART_BYTES   ((size_t)1024)
#define ENDING_BYTES     ((size_t)128)
#define HEADING_BYTES    ((size_t)256) /* of one part */

/* --- choosing --------------------------------------------------------------------------------------------------------- */

static bool matches_any(const char *name, const struct km_arg_strings *globs, bool *met)
{
  bool any = false;
  for (size_t i = 0; i < globs->count; i++) {
    if (km_glob_match(globs->items[i], name)) {
      met[i] = any = true;
    }
  }
  return any;
}

static enum km_rc no_match(struct km_call *call, const struct km_context_list *list, const char *glob,
                           struct km_error *err)
{
  const char **names = KM_ARENA_ARRAY(call->arena, const char *, list->count + 1);
  for (size_t i = 0; i < list->count; i++) {
    names[i] = list->items[i].name;
  }
  const char *nearest = km_nearest(glob, names, list->count);
  km_error_set_type(err, KM_E_NOT_FOUND, KM_TYPE_UNKNOWN_CONTEXT, "no context matches '%.80s'", glob);
  return nearest != NULL ? km_error_hint(err, "did you mean '%.80s'? config_contexts_list names all", nearest)
                         : km_error_hint(err, "config_contexts_list names all");
}

static enum km_rc choose(struct km_call *call, const struct km_arg_strings *globs,
                         struct km_context_list *ret, struct km_error *err)
{
  struct km_provider *provider = km_pool_provider(toolbox(call)->pool);
  struct km_context_list list;
  enum km_rc rc = provider->ops->contexts(provider, call->arena, &list, err);
  if (rc != KM_OK) {
    return rc;
  }
  bool *met = KM_ARENA_ARRAY(call->arena, bool, globs->count);
  size_t kept = 0;
  struct km_context_info *chosen = KM_ARENA_ARRAY(call->arena, struct km_context_info, list.count + 1);
  for (size_t i = 0; i < list.count; i++) {
    if (matches_any(list.items[i].name, globs, met)) {
      chosen[kept++] = list.items[i];
    }
  }
  for (size_t i = 0; i < globs->count; i++) {
    if (!met[i]) {
      return no_match(call, &list, globs->items[i], err);
    }
  }
  if (kept > MAX_PARTS) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                      "argument 'contexts' matches %zu contexts, at most %d can be asked at once", kept,
                      MAX_PARTS);
    return km_error_hint(err, "narrow the globs");
  }
  ret->items = chosen;
  ret->count = kept;
  return KM_OK;
}

enum km_rc parts_open(struct km_call *call, const char *context, const struct km_arg_strings *globs,
                      struct parts *ret, struct km_error *err)
{
  if (!km_str_empty(context)) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                      "arguments 'context' and 'contexts' are both given");
    return km_error_hint(err, "use 'context' for one cluster, 'contexts' for several");
  }
  struct km_context_list list = {0};
  enum km_rc rc = choose(call, globs, &list, err);
  if (rc != KM_OK) {
    return rc;
  }
  *ret = (struct parts){
      .call = call, .calls = KM_ARENA_ARRAY(call->arena, struct km_call *, list.count), .count = list.count};
  for (size_t i = 0; i < list.count; i++) {
    ret->calls[i] = km_call_fork(call, PART_DEADLINE_MS);
    ret->calls[i]->cluster = list.items[i].name;
  }
  return KM_OK;
}

/* --- running ---------------------------------------------------------------------------------------------------------- */

struct job {
  const struct parts *parts;
  void (*fn)(struct km_call *part, size_t index, void *data);
  void *data;
};

static void run_part(void *data, size_t index)
{
  const struct job *job = data;
  job->fn(job->parts->calls[index], index, job->data);
}

void parts_run(const struct parts *parts, void (*fn)(struct km_call *part, size_t index, void *data),
               void *data)
{
  struct job job = {.parts = parts, .fn = fn, .data = data};
  km_lane_map(toolbox(parts->call)->fan_out, parts->count, run_part, &job);
}

enum km_rc parts_verdict(const struct parts *parts, const struct km_error *errors, struct km_error *err)
{
  enum km_rc rc = km_call_check(parts->call, err);
  if (rc != KM_OK) {
    return rc;
  }
  for (size_t i = 0; i < parts->count; i++) {
    if (errors[i].code == KM_OK) {
      return KM_OK;
    }
  }
  parts->call->cluster = parts->calls[0]->cluster;
  *err = errors[0];
  return parts->count == 1 ? err->code : km_error_wrap(err, "all %zu contexts failed, first", parts->count);
}

void parts_done(struct parts *parts)
{
  for (size_t i = 0; i < parts->count; i++) {
    km_call_join(parts->calls[i]);
  }
}

void put_part_error(const struct km_error *err, struct km_buf *out)
{
  km_buf_printf(out, "%s: %.*s", km_error_type_name(km_error_effective_type(err)), MAX_ERROR_BYTES,
                err->message);
}

/* --- tools that answer for one context ------------------------------------------------------------------------------- */

struct sections {
  const struct in_contexts *how;
  struct km_toolbox toolbox; /* with the share of one part */
  struct km_error *errors;
};

static void run_section(struct km_call *part, size_t index, void *data)
{
  struct sections *sections = data;
  const struct in_contexts *how = sections->how;
  char *args = km_arena_alloc(part->arena, how->args_size);
  memcpy(args, how->args, how->args_size);
  memcpy(args + how->context_offset, &part->cluster, sizeof(part->cluster));
  part->app = &sections->toolbox;
  (void)how->run(part, args, &part->result, &sections->errors[index]);
}

static void put_section(const struct km_call *part, const struct km_error *err, struct km_buf *out)
{
  km_buf_printf(out, "%s=== context %.120s ===\n", out->len > 0 ? "\n" : "", part->cluster);
  if (err->code != KM_OK) {
    put_part_error(err, out);
    km_buf_putc(out, '\n');
    return;
  }
  size_t i, max;
  yyjson_mut_val *block;
  yyjson_mut_arr_foreach(part->result.content, i, max, block)
  {
    yyjson_mut_val *text = yyjson_mut_obj_get(block, "text");
    km_buf_append(out, yyjson_mut_get_str(text), yyjson_mut_get_len(text));
  }
  if (out->len > 0 && out->data[out->len - 1] != '\n') {
    km_buf_putc(out, '\n');
  }
}

/* What finds no room is named by its number. */
static void write_sections(const struct parts *parts, const struct km_error *errors, size_t most,
                           struct km_result *out)
{
  struct km_buf text;
  km_buf_init(&text, most);
  size_t shown = 0;
  for (; shown < parts->count; shown++) {
    size_t before = text.len;
    put_section(parts->calls[shown], &errors[shown], &text);
    if (text.failed || text.len + ENDING_BYTES > most) {
      km_buf_truncate(&text, before);
      text.failed = false;
      break;
    }
  }
  if (shown < parts->count) {
    km_buf_printf(&text, "# %zu contexts more found no room: narrow `contexts`\n", parts->count - shown);
  }
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}

enum km_rc run_in_contexts(struct km_call *call, const struct in_contexts *how, struct km_result *out,
                           struct km_error *err)
{
  if (how->contexts->count == 0) {
    return how->run(call, how->args, out, err);
  }
  const char *context = NULL;
  memcpy(&context, (const char *)how->args + how->context_offset, sizeof(context));
  struct parts parts;
  enum km_rc rc = parts_open(call, context, how->contexts, &parts, err);
  if (rc != KM_OK) {
    return rc;
  }
  size_t most = toolbox(call)->max_result_bytes;
  size_t share = parts.count > 0 ? most / parts.count : most;
  struct sections sections = {.how = how,
                              .toolbox = *toolbox(call),
                              .errors = KM_ARENA_ARRAY(call->arena, struct km_error, parts.count)};
  sections.toolbox.max_result_bytes =
      share > HEADING_BYTES + MIN_PART_BYTES ? share - HEADING_BYTES : MIN_PART_BYTES;
  parts_run(&parts, run_section, &sections);
  rc = parts_verdict(&parts, sections.errors, err);
  if (rc == KM_OK) {
    write_sections(&parts, sections.errors, most, out);
  }
  parts_done(&parts);
  return rc;
}
