/* A listing from the first page to the text of the answer, with memory bounded by one page and one answer.
 *
 * Rows are shown until the answer's budget or the caller's limit is reached; what follows is counted and grouped, so the
 * last line says how much is missing and where it is. The cursor in it is signed and bound to the query; it names a
 * place (page token or resourceVersion, rows already shown), so it continues on the row after the last one shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#include "kube_mcp/base/banned.h"

#define CURSOR_PURPOSE "cursor"
#define CURSOR_TTL_MS  ((int64_t)60 * 60 * 1000)
#define FOOTER_BYTES   ((size_t)1536) /* kept free for the last line */
#define MAX_COUNTED    ((int64_t)50000)

/* Where a cursor continues. */
struct place {
  const char *token;            /* page token, "" = first page */
  const char *resource_version; /* of the first page, "" = any */
  int64_t skip;                 /* rows of that page shown already */
  int64_t shown_before;         /* rows shown by earlier answers */
};

struct lister {
  struct km_call *call;
  const struct listing *listing;
  struct km_path **paths;
  bool redact;            /* rows may hold Secrets */
  bool across;            /* of all namespaces */
  struct km_table *table; /* table and wide */
  struct km_buf body;     /* json, yaml, name */
  size_t budget;
  struct place start;
  int64_t shown, seen; /* rows of this answer; rows met, shown or not */
  bool first_page, complete, inconsistent, cut;
  int64_t remaining; /* after the last page met, -1 = unknown */
  struct place next; /* valid when cut */
  struct km_error *err;
};

/* --- cursors ---------------------------------------------------------------------------------------------------------- */

/* What a cursor belongs to: the same rows in the same order. */
static const char *query_digest(struct km_call *call, struct target *target, const struct listing *listing)
{
  const struct km_resource *resource = listing->resource;
  char *text = km_arena_printf(call->arena, "%s\n%s\n%s\n%s\n%s\n%s\n%s",
                               km_client_endpoint(target->client)->identity, resource->group,
                               resource->version, resource->plural, listing->ns == NULL ? "" : listing->ns,
                               listing->label_selector == NULL ? "" : listing->label_selector,
                               listing->field_selector == NULL ? "" : listing->field_selector);
  uint8_t digest[KM_SHA256_LEN];
  km_sha256(text, strlen(text), digest);
  char *hex = km_arena_alloc(call->arena, 2 * KM_SHA256_LEN + 1);
  km_hex(hex, digest, KM_SHA256_LEN);
  return hex;
}

static enum km_rc read_cursor(struct km_call *call, const char *cursor, const char *digest, struct place *ret,
                              struct km_error *err)
{
  *ret = (struct place){.token = "", .resource_version = ""};
  if (km_str_empty(cursor)) {
    return KM_OK;
  }
  const uint8_t *payload = NULL;
  size_t len = 0;
  if (km_unseal(toolbox(call)->sealer, call->arena, CURSOR_PURPOSE, digest, cursor, &payload, &len, err) !=
      KM_OK) {
    err->code = KM_E_INVALID;
    err->type = KM_TYPE_VALIDATION_ERROR;
    km_error_wrap(err, "argument 'cursor'");
    return km_error_hint(err,
                         "use it with the arguments of the listing it came from, or list again without it");
  }
  char *rest = km_arena_strndup(call->arena, (const char *)payload, len);
  const char *skip = strsep(&rest, " ");
  const char *before = strsep(&rest, " ");
  ret->resource_version = strsep(&rest, " ");
  ret->token = rest;
  if (rest == NULL || !km_parse_i64(skip, &ret->skip) || !km_parse_i64(before, &ret->shown_before)) {
    return km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "argument 'cursor' is damaged");
  }
  return KM_OK;
}

static const char *write_cursor(struct km_call *call, const struct place *place, const char *digest)
{
  char *text = km_arena_printf(call->arena, "%lld %lld %s %s", (long long)place->skip,
                               (long long)place->shown_before, place->resource_version, place->token);
  return km_seal(toolbox(call)->sealer, call->arena, CURSOR_PURPOSE, digest, CURSOR_TTL_MS, text,
                 strlen(text));
}

/* --- one page ------------------------------------------------------------------------------------------------------------ */

/* A copy of a page whose row objects are fit to be shown. */
static yyjson_doc *redact_page(yyjson_val *root)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *copy = yyjson_val_mut_copy(doc, root);
  yyjson_mut_doc_set_root(doc, copy);
  yyjson_mut_val *rows = yyjson_mut_obj_get(copy, "rows");
  size_t i, max;
  yyjson_val *row;
  yyjson_arr_foreach(km_json_arr(root, "rows"), i, max, row)
  {
    yyjson_mut_val *target = yyjson_mut_arr_get(rows, i);
    yyjson_mut_obj_put(target, yyjson_mut_str(doc, "object"),
                       km_redact_object(doc, yyjson_obj_get(row, "object")));
  }
  yyjson_doc *result = yyjson_mut_doc_imut_copy(doc, NULL);
  yyjson_mut_doc_free(doc);
  return result;
}

/* The parts of OBJECT that `fields` asks for, as {path: value or [values]}, beside its name. */
struct projection {
  yyjson_mut_doc *doc;
  yyjson_mut_val *values;
};

static bool add_value(yyjson_val *val, void *data)
{
  struct projection *projection = data;
  yyjson_mut_arr_append(projection->values, yyjson_val_mut_copy(projection->doc, val));
  return true;
}

static yyjson_mut_val *project(yyjson_mut_doc *doc, yyjson_val *object, const struct km_arg_strings *fields,
                               struct km_path *const *paths)
{
  yyjson_mut_val *result = yyjson_mut_obj(doc);
  static const char *const identity[] = {"namespace", "name"};
  for (size_t i = 0; i < KM_ARRAY_LEN(identity); i++) {
    const char *text = km_json_str(km_json_obj(object, "metadata"), identity[i]);
    if (text != NULL) {
      yyjson_mut_obj_add_strcpy(doc, result, identity[i], text);
    }
  }
  for (size_t i = 0; i < fields->count; i++) {
    struct projection projection = {.doc = doc, .values = yyjson_mut_arr(doc)};
    km_path_eval(paths[i], object, add_value, &projection);
    size_t count = yyjson_mut_arr_size(projection.values);
    yyjson_mut_val *shown = count == 1
                                ? yyjson_mut_val_mut_copy(doc, yyjson_mut_arr_get_first(projection.values))
                                : projection.values;
    yyjson_mut_obj_add(result, yyjson_mut_strcpy(doc, fields->items[i]), shown);
  }
  return result;
}

static void write_name(struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  yyjson_val *metadata = km_json_obj(object, "metadata");
  const char *name = km_json_str(metadata, "name");
  const char *ns = km_json_str(metadata, "namespace");
  if (lister->across && ns != NULL) {
    km_buf_printf(out, "%s/", ns);
  }
  const struct km_resource *resource = lister->listing->resource;
  km_buf_printf(out, "%s%s%s/%s\n", resource->singular, *resource->group == '\0' ? "" : ".", resource->group,
                name == NULL ? "" : name);
}

/* One object as text in the wanted form. */
static void write_item(struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  if (lister->listing->output == OUTPUT_NAME) {
    write_name(lister, object, out);
    return;
  }
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *shown = km_redact_object(doc, object);
  yyjson_doc *redacted = yyjson_mut_val_imut_copy(shown, NULL);
  if (lister->listing->fields.count > 0) {
    shown = project(doc, yyjson_doc_get_root(redacted), &lister->listing->fields, lister->paths);
    yyjson_doc_free(redacted);
    redacted = yyjson_mut_val_imut_copy(shown, NULL);
  }
  if (lister->listing->output == OUTPUT_JSON) {
    km_json_write_val(yyjson_doc_get_root(redacted), false, out);
    km_buf_putc(out, '\n');
  } else {
    km_buf_puts(out, "---\n");
    km_yaml_write(yyjson_doc_get_root(redacted), out);
  }
  yyjson_doc_free(redacted);
  yyjson_mut_doc_free(doc);
}

static int64_t add_items(struct lister *lister, yyjson_val *root, size_t skip)
{
  struct km_buf item;
  km_buf_init(&item, lister->budget);
  int64_t shown = 0;
  size_t i, max;
  yyjson_val *object;
  yyjson_arr_foreach(km_json_arr(root, "items"), i, max, object)
  {
    if (i < skip) {
      continue;
    }
    int64_t limit = lister->listing->limit;
    km_buf_clear(&item);
    write_item(lister, object, &item);
    bool fits = !item.failed && lister->body.len + item.len <= lister->budget;
    if (!fits || (limit > 0 && lister->shown + shown >= limit)) {
      break;
    }
    km_buf_append(&lister->body, item.data, item.len);
    shown++;
  }
  km_buf_done(&item);
  return shown;
}

static int64_t page_rows(yyjson_val *root)
{
  yyjson_val *rows = km_json_arr(root, "rows");
  return (int64_t)yyjson_arr_size(rows != NULL ? rows : km_json_arr(root, "items"));
}

static int64_t show_page(struct lister *lister, yyjson_val *root, size_t skip)
{
  if (lister->listing->output == OUTPUT_COUNT) {
    return page_rows(root);
  }
  if (lister->table == NULL) {
    return add_items(lister, root, skip);
  }
  yyjson_doc *redacted = lister->redact ? redact_page(root) : NULL;
  int64_t shown = km_table_add(lister->table, redacted != NULL ? yyjson_doc_get_root(redacted) : root, skip);
  yyjson_doc_free(redacted);
  return shown;
}

/* Is there a reason to fetch more? Beyond the cut only rows of a table are worth counting. */
static bool wants_more(const struct lister *lister)
{
  if (!lister->cut) {
    return lister->listing->limit == 0 || lister->shown < lister->listing->limit;
  }
  return lister->table != NULL && lister->listing->limit == 0 && lister->seen < MAX_COUNTED;
}

static bool on_page(const struct km_list_page *page, void *data)
{
  struct lister *lister = data;
  size_t skip = lister->first_page ? (size_t)lister->start.skip : 0;
  int64_t rows = page_rows(page->root) - (int64_t)skip;
  rows = rows < 0 ? 0 : rows;
  lister->first_page = false;
  lister->inconsistent = lister->inconsistent || page->inconsistent;
  int64_t shown = show_page(lister, page->root, skip);
  if (shown < 0) {
    km_error_set(lister->err, KM_E_PROTOCOL, "the server answered neither a Table nor a List");
    return false;
  }
  lister->seen += rows;
  if (!lister->cut) {
    lister->shown += shown;
    struct km_arena *arena = lister->call->arena;
    bool limit_reached = lister->listing->limit > 0 && lister->shown >= lister->listing->limit;
    if (shown < rows) {
      lister->cut = true;
      lister->next = (struct place){.token = km_arena_strdup(arena, page->token),
                                    .resource_version = km_arena_strdup(arena, page->resource_version),
                                    .skip = (int64_t)skip + shown};
    } else if (limit_reached && *page->next_token != '\0') {
      lister->cut = true;
      lister->next =
          (struct place){.token = km_arena_strdup(arena, page->next_token), .resource_version = ""};
    }
  }
  lister->complete = *page->next_token == '\0';
  lister->remaining = lister->complete ? 0 : page->remaining;
  km_call_progress(lister->call, (double)lister->seen,
                   page->remaining >= 0 ? (double)(lister->seen + page->remaining) : -1, "listing");
  return km_call_check(lister->call, lister->err) == KM_OK && wants_more(lister);
}

/* --- the answer ------------------------------------------------------------------------------------------------------------ */

static void write_footer(struct lister *lister, const char *digest, struct km_buf *out)
{
  struct km_call *call = lister->call;
  int64_t before = lister->start.shown_before;
  km_buf_printf(out, "# context %s: ", call->cluster);
  if (lister->shown == 0 && lister->complete && before == 0) {
    km_buf_puts(out, "nothing found\n");
    return;
  }
  int64_t left_out = lister->seen - lister->shown;
  if (!lister->cut) {
    km_buf_printf(out, "%lld row%s%s\n", (long long)(lister->shown + before),
                  lister->shown + before == 1 ? "" : "s", before > 0 ? ", all shown now" : "");
    return;
  }
  km_buf_printf(out, "rows %lld-%lld shown", (long long)before + 1, (long long)(before + lister->shown));
  if (lister->remaining >= 0) {
    km_buf_printf(out, ", %lld left out", (long long)(left_out + lister->remaining));
  } else {
    km_buf_printf(out, ", more than %lld left out", (long long)left_out);
  }
  struct km_buf groups;
  km_buf_init(&groups, 768);
  if (lister->table != NULL && km_table_groups(lister->table, &groups) && groups.len > 0) {
    km_buf_printf(out, " (%s%s)", lister->remaining == 0 ? "" : "of those seen ", groups.data);
  }
  km_buf_done(&groups);
  lister->next.shown_before = before + lister->shown;
  km_buf_printf(out, "\n# next cursor: %s\n", write_cursor(call, &lister->next, digest));
  if (lister->shown == 0) {
    km_buf_puts(out,
                "# the next row alone is larger than the answer may be: ask for less of it with `fields`\n");
  }
}

static void write_answer(struct lister *lister, const char *digest, struct km_result *out)
{
  struct km_buf text;
  km_buf_init(&text, lister->budget + (size_t)64 * 1024);
  if (lister->listing->output == OUTPUT_COUNT) {
    km_buf_printf(&text, "%lld\n", (long long)(lister->seen + (lister->complete ? 0 : lister->remaining)));
    km_result_text(out, text.data, text.len);
    km_buf_done(&text);
    return;
  }
  if (lister->table != NULL) {
    km_table_render(lister->table, &text);
  } else {
    km_buf_append(&text, lister->body.data, lister->body.len);
  }
  write_footer(lister, digest, &text);
  if (lister->inconsistent) {
    km_buf_puts(&text, "# the list changed while it was read: rows may be missing or appear twice\n");
  }
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}

static enum km_list_form choose_form(const struct listing *listing)
{
  switch (listing->output) {
  case OUTPUT_JSON:
  case OUTPUT_YAML: return KM_LIST_OBJECTS;
  case OUTPUT_NAME: return KM_LIST_METADATA;
  case OUTPUT_COUNT: return KM_LIST_TABLE_BARE;
  case OUTPUT_TABLE:
  case OUTPUT_WIDE: break;
  }
  return listing->fields.count > 0 ? KM_LIST_TABLE_OBJECTS : KM_LIST_TABLE;
}

static void lister_reset(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  lister->shown = lister->seen = 0;
  lister->first_page = true;
  lister->complete = lister->cut = false;
  lister->remaining = -1;
  if (listing->output == OUTPUT_TABLE || listing->output == OUTPUT_WIDE) {
    struct km_table_options options = {
        .wide = listing->output == OUTPUT_WIDE,
        .namespace_column = lister->across,
        .extra = (const struct km_path *const *)lister->paths,
        .extra_count = listing->fields.count,
        .max_bytes = lister->budget,
        .max_rows = listing->limit,
    };
    lister->table = km_table_new(lister->call->arena, &options);
  }
}

static enum km_rc list_from_place(struct lister *lister, struct target *target, struct km_error *err)
{
  const struct listing *listing = lister->listing;
  int64_t page_size = toolbox(lister->call)->page_size;
  struct km_list_query query = {
      .resource = listing->resource,
      .ns = lister->across ? NULL : listing->ns,
      .label_selector = listing->label_selector,
      .field_selector = listing->field_selector,
      .form = choose_form(listing),
      .page_size = listing->limit > 0 && listing->limit < page_size && lister->start.skip == 0
                       ? listing->limit
                       : page_size,
      .resume_token = *lister->start.token == '\0' ? NULL : lister->start.token,
      .resource_version = *lister->start.resource_version == '\0' ? NULL : lister->start.resource_version,
  };
  lister_reset(lister);
  lister->err = err;
  enum km_rc rc = km_client_list(target->client, &query, &target->request, on_page, lister, err);
  return rc != KM_OK ? rc : err->code;
}

/* Listing across all namespaces is often forbidden to people who may list in their own: then their context's namespace
 * is what they mean, and the answer says so. */
static bool narrow(struct lister *lister, const struct target *target, struct listing *narrowed,
                   const struct km_error *err)
{
  const char *ns = km_client_endpoint(target->client)->default_namespace;
  if (err->code != KM_E_FORBIDDEN || !lister->across || !lister->listing->resource->namespaced ||
      km_str_empty(ns)) {
    return false;
  }
  *narrowed = *lister->listing;
  narrowed->ns = ns;
  lister->listing = narrowed;
  lister->across = false;
  return true;
}

enum km_rc run_listing(struct km_call *call, struct target *target, const struct listing *listing,
                       struct km_result *out, struct km_error *err)
{
  struct lister lister = {
      .call = call,
      .listing = listing,
      .redact = km_streq(listing->resource->kind, "Secret") && listing->fields.count > 0,
      .across = listing->resource->namespaced && km_str_empty(listing->ns),
      .budget = toolbox(call)->max_result_bytes > 2 * FOOTER_BYTES
                    ? toolbox(call)->max_result_bytes - FOOTER_BYTES
                    : FOOTER_BYTES,
  };
  enum km_rc rc = compile_fields(call, &listing->fields, &lister.paths, err);
  if (rc == KM_OK) {
    rc = check_read_access(call, target, listing->resource, "list", listing->ns, NULL, err);
  }
  const char *digest = query_digest(call, target, listing);
  if (rc == KM_OK) {
    rc = read_cursor(call, listing->cursor, digest, &lister.start, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  km_buf_init(&lister.body, lister.budget);
  struct listing narrowed;
  rc = list_from_place(&lister, target, err);
  if (rc != KM_OK && km_streq(err->reason, "Expired") && *lister.start.resource_version != '\0') {
    /* The exact version of the first page is gone: continue on what is there now. */
    lister.start.resource_version = "";
    lister.inconsistent = true;
    km_error_clear(err);
    rc = list_from_place(&lister, target, err);
  }
  if (rc != KM_OK && narrow(&lister, target, &narrowed, err)) {
    km_error_clear(err);
    rc = list_from_place(&lister, target, err);
    if (rc == KM_OK) {
      km_result_printf(out,
                       "# listing all namespaces is forbidden here; this is the context's namespace '%s'",
                       narrowed.ns);
    }
  }
  if (rc == KM_OK) {
    write_answer(&lister, digest, out);
  }
  km_buf_done(&lister.body);
  return rc;
}
