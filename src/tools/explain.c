/* Explaining a field: which kind is meant, its schema, the way to the field, and a text that a budget cuts on lines.
 *
 * The document of the one group and version is fetched at the path where every API server publishes it, which spares the
 * index of all of them; it is parsed into an arena of its own and gone before the answer is (core v1: 1.6 MB as text).
 * Descriptions come from whoever wrote the CRD: they are shown as data, cleaned like all text, on lines that begin with
 * blanks. */
#include "explain.h"

#include <string.h>

#include "kube_mcp/codec/schema.h"
#include "kube_mcp/kube/line.h"
#include "sheet.h"

#include "kube_mcp/base/banned.h"

#define MAX_DOCUMENT_BYTES ((size_t)32 * 1024 * 1024)
#define MAX_SENTENCE       ((size_t)200)
#define MAX_DESCRIPTION    ((size_t)2000)
#define MAX_VALUE_BYTES    ((size_t)1024)
#define MAX_TEXT_BYTES     ((size_t)1024 * 1024)
#define MAX_INDENT         ((size_t)32)

/* --- which kind --------------------------------------------------------------------------------------------------------- */

static bool is_named(const struct km_resource *resource, const char *name)
{
  for (size_t i = 0; i < resource->short_name_count; i++) {
    if (km_strcaseeq(resource->short_names[i], name)) {
      return true;
    }
  }
  return km_strcaseeq(resource->plural, name) || km_strcaseeq(resource->singular, name) ||
         km_strcaseeq(resource->kind, name);
}

/* Length of the group (or version and group) of RESOURCE at the start of REST, ".apps.spec", with its dot; else 0. */
static size_t group_at(struct km_arena *arena, const struct km_resource *resource, const char *rest)
{
  const char *const forms[] = {
      km_arena_printf(arena, ".%s.%s", resource->version, resource->group),
      km_arena_printf(arena, ".%s", resource->group),
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(forms); i++) {
    size_t len = strlen(forms[i]);
    if (km_starts_with(rest, forms[i]) && (rest[len] == '\0' || rest[len] == '.' || rest[len] == '[')) {
      return len;
    }
  }
  return 0;
}

/* Where the kind in TEXT ends: "deployments" and "deployments.apps" may both be followed by a path. */
static enum km_rc kind_length(struct km_call *call, struct target *target, const char *text, size_t *ret,
                              struct km_error *err)
{
  size_t len = strcspn(text, ".["), longest = 0;
  const char *name = km_arena_strndup(call->arena, text, len);
  if (text[len] != '\0') {
    struct km_discovery *discovery = NULL;
    enum km_rc rc = km_client_discovery(target->client, &target->request, &discovery, err);
    if (rc != KM_OK) {
      return rc;
    }
    size_t count = 0;
    const struct km_resource *items = km_discovery_items(discovery, &count);
    for (size_t i = 0; i < count; i++) {
      bool candidate = *items[i].group != '\0' && is_named(&items[i], name);
      size_t group = candidate ? group_at(call->arena, &items[i], text + len) : 0;
      longest = group > longest ? group : longest;
    }
    km_discovery_unref(discovery);
  }
  *ret = len + longest;
  return KM_OK;
}

/* --- its schema --------------------------------------------------------------------------------------------------------- */

static const char *api_version_of(struct km_arena *arena, const struct km_resource *resource)
{
  bool core = *resource->group == '\0';
  return km_arena_printf(arena, "%s%s%s", resource->group, core ? "" : "/", resource->version);
}

static enum km_rc fetch_document(struct target *target, const struct km_resource *resource,
                                 struct km_arena *arena, yyjson_doc **ret, struct km_error *err)
{
  struct km_kube_request request = target->request;
  request.path = km_arena_printf(arena, "/openapi/v3/%s/%s", *resource->group == '\0' ? "api" : "apis",
                                 api_version_of(arena, resource));
  request.max_bytes = MAX_DOCUMENT_BYTES;
  enum km_rc rc = km_client_get_json(target->client, &request, arena, ret, err);
  if (rc != KM_E_NOT_FOUND) {
    return rc;
  }
  km_error_set(err, KM_E_NOT_FOUND, "context '%.120s': no schema (OpenAPI v3) is published for %s",
               km_client_endpoint(target->client)->context, api_version_of(arena, resource));
  err->http_status = 404;
  return km_error_hint(
      err, "some aggregated APIs and servers before Kubernetes 1.24 publish none: look at an object with "
           "resources_get instead");
}

/* --- the text ----------------------------------------------------------------------------------------------------------- */

/* The first sentence of TEXT, or as much of it as fits. */
static void put_sentence(const char *text, struct km_buf *out)
{
  size_t len = strlen(text);
  for (const char *dot = text; (dot = strpbrk(dot, ".\n")) != NULL; dot++) {
    bool ends = *dot == '\n' ? dot[1] == '\n' : dot[1] == ' ' || dot[1] == '\n' || dot[1] == '\0';
    bool abbreviation = dot - text >= 3 && (memcmp(dot - 3, "e.g", 3) == 0 || memcmp(dot - 3, "i.e", 3) == 0);
    if (ends && !abbreviation) {
      len = (size_t)(dot - text) + (*dot == '.' ? 1 : 0);
      break;
    }
  }
  km_put_line(out, text, len, MAX_SENTENCE);
}

static void put_value(yyjson_val *value, struct km_buf *out)
{
  struct km_buf json;
  km_buf_init(&json, MAX_VALUE_BYTES);
  bool whole = km_json_write_val(value, false, &json);
  km_put_line(out, json.data, json.len, MAX_SENTENCE);
  km_buf_puts(out, whole ? "" : "...");
  km_buf_done(&json);
}

/* Go's generator gives every struct the default {}: that says nothing. */
static yyjson_val *telling_default(const struct km_schema *schema)
{
  yyjson_val *value = km_schema_keyword(schema, "default");
  bool empty = yyjson_is_null(value) || (yyjson_is_obj(value) && yyjson_obj_size(value) == 0) ||
               (yyjson_is_str(value) && yyjson_get_len(value) == 0);
  return empty ? NULL : value;
}

/* The values that are allowed, those of a list's elements too. */
static yyjson_val *allowed_values(const struct km_schema *schema)
{
  struct km_schema element = km_schema_element(schema);
  yyjson_val *own = km_schema_keyword(schema, "enum");
  return own != NULL ? own : km_schema_keyword(&element, "enum");
}

static void put_type(const struct km_schema *schema, struct km_buf *out)
{
  km_buf_puts(out, " <");
  km_schema_put_type(schema, out);
  km_buf_puts(out, schema->required ? "> required" : ">");
}

/* ", one of [...], default ..." */
static void put_facts(const struct km_schema *schema, struct km_buf *out)
{
  yyjson_val *allowed = allowed_values(schema), *value = telling_default(schema);
  if (yyjson_arr_size(allowed) > 0) {
    km_buf_puts(out, ", one of ");
    put_value(allowed, out);
  }
  if (value != NULL) {
    km_buf_puts(out, ", default ");
    put_value(value, out);
  }
}

/* Further keywords of the field itself, one a line. */
static void put_keywords(const struct km_schema *schema, struct km_buf *out)
{
  static const char *const keywords[][2] = {
      {"format", "format"},
      {"pattern", "pattern"},
      {"minimum", "minimum"},
      {"maximum", "maximum"},
      {"minLength", "shortest"},
      {"maxLength", "longest"},
      {"minItems", "fewest"},
      {"maxItems", "most"},
      {"nullable", "may be null"},
      {"x-kubernetes-list-map-keys", "elements are told apart by"},
      {"x-kubernetes-validations", "rules"},
      {"x-kubernetes-preserve-unknown-fields", "fields beyond these are kept"},
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(keywords); i++) {
    yyjson_val *value = km_schema_keyword(schema, keywords[i][0]);
    if (value == NULL) {
      continue;
    }
    km_buf_printf(out, "%s: ", keywords[i][1]);
    put_value(value, out);
    km_buf_putc(out, '\n');
  }
}

/* The whole description, its paragraphs as lines of their own behind two blanks. */
static void put_description(const struct km_schema *schema, struct km_buf *out)
{
  const char *text = km_schema_description(schema);
  size_t len = strlen(text);
  bool cut = len > MAX_DESCRIPTION;
  len = km_utf8_prefix(text, len, MAX_DESCRIPTION);
  for (size_t at = 0; at < len;) {
    const char *newline = memchr(text + at, '\n', len - at);
    size_t line = newline != NULL ? (size_t)(newline - text) - at : len - at;
    if (line > 0) {
      km_buf_puts(out, "  ");
      km_put_line(out, text + at, line, MAX_DESCRIPTION);
      km_buf_putc(out, '\n');
    }
    at += line + 1;
  }
  km_buf_puts(out, cut ? "  ...\n" : "");
}

/* The fields of an object, each on a line; with DEPTH > 1 those in them below. */
struct fields {
  struct km_buf *out;
  int64_t depth;
  size_t indent;
  size_t count;
};

static void put_fields(const struct km_schema *schema, struct fields *fields);

static void put_field(void *data, const char *name, const struct km_schema *field)
{
  struct fields *fields = data;
  struct km_buf *out = fields->out;
  const char *text = km_schema_description(field);
  if (fields->count++ == 0 && fields->indent == 2) {
    km_buf_puts(out, "fields:\n");
  }
  km_buf_fill(out, ' ', fields->indent);
  km_put_line(out, name, strlen(name), MAX_SENTENCE);
  put_type(field, out);
  put_facts(field, out);
  if (*text != '\0' && fields->indent == 2) {
    km_buf_puts(out, ": ");
    put_sentence(text, out);
  }
  km_buf_putc(out, '\n');
  struct fields inner = {.out = out, .depth = fields->depth - 1, .indent = fields->indent + 2};
  if (inner.depth > 0 && inner.indent < MAX_INDENT && !out->failed) {
    put_fields(field, &inner);
  }
}

static void put_fields(const struct km_schema *schema, struct fields *fields)
{
  struct km_schema element = km_schema_element(schema);
  km_schema_each_field(&element, put_field, fields);
}

static void put_explanation(const struct km_schema *schema, const char *name, const char *api_version,
                            int64_t depth, struct km_buf *out)
{
  km_buf_puts(out, name);
  put_type(schema, out);
  put_facts(schema, out);
  km_buf_printf(out, " (%s)\n", api_version);
  put_description(schema, out);
  put_keywords(schema, out);
  struct fields fields = {.out = out, .depth = depth, .indent = 2};
  put_fields(schema, &fields);
}

static void answer(struct km_call *call, struct km_buf *text, const char *api_version, struct km_result *out)
{
  size_t budget = sheet_budget(call);
  struct km_buf footer;
  km_buf_init(&footer, SHEET_FOOTER_BYTES);
  put_context(call, &footer);
  km_buf_puts(&footer, api_version);
  if (text->failed || text->len > budget) {
    size_t keep = text->len < budget ? text->len : budget;
    const char *newline = memrchr(text->data, '\n', keep);
    km_buf_truncate(text, newline != NULL ? (size_t)(newline - text->data) + 1 : 0);
    km_buf_puts(&footer, ", cut: explain a field further down, or less depth");
  }
  km_buf_putc(&footer, '\n');
  answer_rows(call, text, &footer, out);
  km_buf_done(&footer);
}

enum km_rc explain(struct km_call *call, struct target *target, const char *field, const char *api_version,
                   int64_t depth, struct km_result *out, struct km_error *err)
{
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(0);
  struct km_resource resource;
  size_t kind_len = 0;
  yyjson_doc *doc = NULL;
  enum km_rc rc = kind_length(call, target, field, &kind_len, err);
  if (rc == KM_OK) {
    rc = km_client_resolve_kind(target->client, km_arena_strndup(call->arena, field, kind_len), api_version,
                                &target->request, call->arena, &resource, err);
  }
  if (rc == KM_OK) {
    rc = fetch_document(target, &resource, arena, &doc, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  const char *version = api_version_of(call->arena, &resource);
  struct km_schema schema;
  if (!km_schema_of_kind(yyjson_doc_get_root(doc), resource.group, resource.version, resource.kind,
                         &schema)) {
    return km_error_set(err, KM_E_PROTOCOL,
                        "context '%.120s': what is published as the schema of %s does not describe %s",
                        call->cluster, version, resource.kind);
  }
  rc = km_schema_walk(&schema, field, field + kind_len, &schema, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct km_buf text;
  km_buf_init(&text, MAX_TEXT_BYTES);
  put_explanation(&schema, km_arena_printf(call->arena, "%s%s", resource.kind, field + kind_len), version,
                  depth, &text);
  answer(call, &text, version, out);
  km_buf_done(&text);
  return KM_OK;
}
