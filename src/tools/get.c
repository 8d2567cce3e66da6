/* One object into an answer: redacted, in the wanted form, cut on a line boundary when it exceeds the budget.
 *
 * The object is held three times at most: as parsed in the call's arena, as the redacted copy, and as text, which has a
 * bound of its own; beyond that the caller is told to ask for parts. An object has no cursor: its parts are reached by
 * `fields`. Runs on the worker of its call and keeps nothing. */
#include <string.h>

#include "common.h"
#include "parts.h"

#include "kube_mcp/base/banned.h"

#define NOTE_BYTES     ((size_t)512)
#define MAX_TEXT_BYTES ((size_t)64 * 1024 * 1024)

/* Cuts TEXT to the budget and says so; PARTS: it is what fields asked for. */
static void cut_to_budget(struct km_buf *text, size_t budget, bool parts)
{
  if (text->len <= budget) {
    return;
  }
  size_t total = text->len;
  size_t keep = budget > 2 * NOTE_BYTES ? budget - NOTE_BYTES : NOTE_BYTES;
  const char *newline = memrchr(text->data, '\n', keep);
  /* On a line boundary, unless that is far away: then one line is most of the text. */
  bool near = newline != NULL && (size_t)(newline - text->data) >= keep / 2;
  keep = near ? (size_t)(newline - text->data) + 1 : km_utf8_prefix(text->data, text->len, keep);
  km_buf_truncate(text, keep);
  km_buf_printf(text, "%s# cut: %zu of %zu bytes shown. %s\n", near ? "" : "\n", keep, total,
                parts ? "Ask for less at a time: other fields, or paths that reach deeper."
                      : "Ask for the parts you need with fields, e.g. fields=[\".spec\"] or "
                        "fields=[\".status.conditions\"].");
}

static bool append_text(yyjson_val *val, void *data)
{
  return km_yaml_write(val, data);
}

static void write_fields(const struct km_arg_strings *fields, struct km_path *const *paths,
                         yyjson_val *object, struct km_buf *text)
{
  for (size_t i = 0; i < fields->count; i++) {
    size_t before = text->len;
    km_buf_printf(text, "# %s\n", fields->items[i]);
    size_t start = text->len;
    km_path_eval(paths[i], object, append_text, text);
    if (text->len == start) {
      km_buf_truncate(text, before);
      km_buf_printf(text, "# %s: not set\n", fields->items[i]);
    }
  }
}

static enum km_rc show_table(struct km_call *call, const struct object_query *query, yyjson_val *root,
                             struct km_result *out, struct km_error *err)
{
  struct km_table_options options = {
      .wide = query->output == OUTPUT_WIDE,
      .namespace_column = query->resource->namespaced,
      .max_bytes = toolbox(call)->max_result_bytes,
  };
  struct km_table *table = km_table_new(call->arena, &options);
  if (km_table_add(table, root, 0) < 0) {
    return km_error_set(err, KM_E_PROTOCOL, "the server answered neither a Table nor an object");
  }
  if (km_table_shown(table) == 0) {
    km_error_set(err, KM_E_TOO_LARGE, "the row of %s is larger than the %zu bytes of an answer", query->name,
                 options.max_bytes);
    return km_error_hint(err, "ask for the parts you need with fields");
  }
  struct km_buf text;
  km_buf_init(&text, options.max_bytes);
  km_table_render(table, &text);
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
  return KM_OK;
}

/* The object in the wanted form, whatever its size. */
static void write_object(const struct object_query *query, struct km_path *const *paths, yyjson_val *object,
                         struct km_buf *text)
{
  bool some = query->fields.count > 0;
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_doc *shown = yyjson_mut_val_imut_copy(shown_object(doc, query->resource, object), NULL);
  yyjson_val *root = yyjson_doc_get_root(shown);
  if (query->output == OUTPUT_NAME) {
    put_object_name(query->resource, root, text);
  } else if (query->output == OUTPUT_JSON && some) {
    km_json_write(shown_fields(doc, root, &query->fields, paths), true, text);
    km_buf_putc(text, '\n');
  } else if (query->output == OUTPUT_JSON) {
    km_json_write_val(root, true, text);
    km_buf_putc(text, '\n');
  } else if (some) {
    write_fields(&query->fields, paths, root, text);
  } else {
    km_yaml_write(root, text);
  }
  yyjson_doc_free(shown);
  yyjson_mut_doc_free(doc);
}

static enum km_rc show_object(struct km_call *call, const struct object_query *query,
                              struct km_path *const *paths, yyjson_val *object, struct km_result *out,
                              struct km_error *err)
{
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  write_object(query, paths, object, &text);
  enum km_rc rc = KM_OK;
  if (text.failed) {
    km_error_set(err, KM_E_TOO_LARGE, "%s takes more than %zu bytes", query->name, MAX_TEXT_BYTES);
    rc = km_error_hint(err, "ask for the parts you need with fields");
  } else {
    cut_to_budget(&text, toolbox(call)->max_result_bytes, query->fields.count > 0);
    km_result_text(out, text.data, text.len);
  }
  km_buf_done(&text);
  return rc;
}

enum km_rc fetch_object(struct km_call *call, struct target *target, const struct object_query *query,
                        const char *ns, bool table, yyjson_doc **ret, struct km_error *err)
{
  const struct km_resource *resource = query->resource;
  enum km_rc rc = check_read_access(call, target, resource, "get", ns, query->name, err);
  if (rc == KM_OK) {
    rc = km_client_get_object(target->client, resource, ns, query->name, table, &target->request, call->arena,
                              ret, err);
  }
  if (rc == KM_E_NOT_FOUND && km_streq(err->reason, "NotFound") && ns != NULL) {
    km_error_hint(err, "looked in namespace '%s'; list with %s_list to see what exists", ns,
                  km_streq(resource->plural, "pods") ? "pods" : "resources");
  }
  return rc;
}

static enum km_rc get_one(struct km_call *call, const void *data, struct km_result *out, struct km_error *err)
{
  struct object_query query = *(const struct object_query *)data;
  struct target target;
  struct km_path **paths = NULL;
  enum km_rc rc = target_open(call, query.context, &target, err);
  if (rc == KM_OK) {
    rc = target_resource(call, &target, query.kind, query.api_version, &query.resource, err);
  }
  if (rc == KM_OK) {
    rc = compile_paths(call, "fields", &query.fields, &paths, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  const char *ns = query.resource->namespaced ? object_namespace(&target, query.ns) : NULL;
  bool table = (query.output == OUTPUT_TABLE || query.output == OUTPUT_WIDE) && query.fields.count == 0;
  yyjson_doc *doc = NULL;
  rc = fetch_object(call, &target, &query, ns, table, &doc, err);
  if (rc != KM_OK) {
    return rc;
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  return table ? show_table(call, &query, root, out, err) : show_object(call, &query, paths, root, out, err);
}

RUN_IN_CONTEXTS(get_anywhere, struct object_query, get_one)

enum km_rc run_get(struct km_call *call, struct object_query query, struct km_result *out,
                   struct km_error *err)
{
  return get_anywhere(call, &query, out, err);
}
