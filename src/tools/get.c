/* One object into an answer: redacted, in the wanted form, cut on a line boundary when it exceeds the budget. */
#include <string.h>

#include "common.h"

#include "kube_mcp/base/banned.h"

#define NOTE_BYTES ((size_t)512)

/* Cuts TEXT to the budget on a line boundary and says so. */
static void cut_to_budget(struct km_buf *text, size_t budget)
{
  if (text->len <= budget) {
    return;
  }
  size_t total = text->len;
  size_t keep = budget > 2 * NOTE_BYTES ? budget - NOTE_BYTES : NOTE_BYTES;
  const char *newline = memrchr(text->data, '\n', keep);
  keep = newline != NULL ? (size_t)(newline - text->data) + 1 : km_utf8_prefix(text->data, text->len, keep);
  km_buf_truncate(text, keep);
  km_buf_printf(
      text,
      "# cut: %zu of %zu bytes shown. Ask for the parts you need with fields, e.g. fields=[\".spec\"] or "
      "fields=[\".status.conditions\"].\n",
      keep, total);
}

static bool append_text(yyjson_val *val, void *data)
{
  struct km_buf *text = data;
  if (yyjson_is_ctn(val)) {
    km_buf_putc(text, '\n');
    return km_yaml_write(val, text);
  }
  km_buf_putc(text, ' ');
  return km_yaml_write(val, text);
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

static enum km_rc get_table(struct km_call *call, struct target *target, const struct object_query *query,
                            struct km_path *const *paths, yyjson_val *root, struct km_result *out,
                            struct km_error *err)
{
  (void)target;
  struct km_table_options options = {
      .wide = query->output == OUTPUT_WIDE,
      .namespace_column = query->resource->namespaced,
      .extra = (const struct km_path *const *)paths,
      .extra_count = 0,
      .max_bytes = toolbox(call)->max_result_bytes,
  };
  struct km_table *table = km_table_new(call->arena, &options);
  if (km_table_add(table, root, 0) < 0) {
    return km_error_set(err, KM_E_PROTOCOL, "the server answered no Table");
  }
  struct km_buf text;
  km_buf_init(&text, toolbox(call)->max_result_bytes);
  km_table_render(table, &text);
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
  return KM_OK;
}

static void write_object(struct km_call *call, const struct object_query *query, struct km_path *const *paths,
                         yyjson_val *object, struct km_result *out)
{
  yyjson_mut_val *shown = km_redact_object(out->doc, object);
  yyjson_doc *redacted = yyjson_mut_val_imut_copy(shown, NULL);
  yyjson_val *root = yyjson_doc_get_root(redacted);
  struct km_buf text;
  km_buf_init(&text, (size_t)64 * 1024 * 1024);
  if (query->output == OUTPUT_NAME) {
    const struct km_resource *resource = query->resource;
    km_buf_printf(&text, "%s%s%s/%s\n", resource->singular, *resource->group == '\0' ? "" : ".",
                  resource->group, query->name);
  } else if (query->fields.count > 0) {
    write_fields(&query->fields, paths, root, &text);
  } else if (query->output == OUTPUT_JSON) {
    km_json_write_val(root, true, &text);
    km_buf_putc(&text, '\n');
  } else {
    km_yaml_write(root, &text);
  }
  cut_to_budget(&text, toolbox(call)->max_result_bytes);
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
  yyjson_doc_free(redacted);
}

enum km_rc run_get(struct km_call *call, struct target *target, const struct object_query *query,
                   struct km_result *out, struct km_error *err)
{
  const struct km_resource *resource = query->resource;
  const char *ns = resource->namespaced ? object_namespace(target, query->ns) : NULL;
  struct km_path **paths = NULL;
  enum km_rc rc = compile_fields(call, &query->fields, &paths, err);
  if (rc == KM_OK) {
    rc = check_read_access(call, target, resource, "get", ns, query->name, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  bool table = (query->output == OUTPUT_TABLE || query->output == OUTPUT_WIDE) && query->fields.count == 0;
  yyjson_doc *doc = NULL;
  rc = km_client_get_object(target->client, resource, ns, query->name, table, &target->request, call->arena,
                            &doc, err);
  if (rc != KM_OK) {
    if (rc == KM_E_NOT_FOUND && km_streq(err->reason, "NotFound") && ns != NULL) {
      km_error_hint(err, "looked in namespace '%s'; list with %s_list to see what exists", ns,
                    km_streq(resource->plural, "pods") ? "pods" : "resources");
    }
    return rc;
  }
  if (table) {
    return get_table(call, target, query, paths, yyjson_doc_get_root(doc), out, err);
  }
  write_object(call, query, paths, yyjson_doc_get_root(doc), out);
  return KM_OK;
}
