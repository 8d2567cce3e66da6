/* A listing from the first page to the text of the answer, with memory bounded by one page and one answer.
 *
 * Rows are shown until the answer's budget or the caller's limit is reached; what follows is counted and grouped, so the
 * last lines say how much is missing, where it is, and with which cursor it continues. Invariants: an answer never takes
 * more than max_result_bytes; the cursor continues on the row after the last one dealt with, whatever size the pages
 * have then; every answer deals with at least one row, so that walking a listing ends. A row that no answer can hold is
 * named instead of shown. Runs on the worker of its call. */
#include <string.h>

#include "common.h"
#include "cursor.h"

#include "kube_mcp/base/banned.h"

#define FOOTER_BYTES     ((size_t)1536) /* the last lines without groups never take more */
#define GROUPS_BYTES     ((size_t)768)
#define MIN_BUDGET_BYTES ((size_t)512)
#define MAX_COUNTED      ((int64_t)50000)
#define MIN_OBJECT_BYTES 512 /* smaller ones are rare: decides how many are fetched at once */

struct lister {
  struct km_call *call;
  const struct listing *listing;
  const char *query; /* what cursors are bound to */
  const char *ns;    /* NULL = all namespaces, or none has a part in it */
  bool across;       /* rows of several namespaces */
  bool narrowed;     /* all were asked for, one may be listed */
  struct km_path **paths;
  struct km_table *table; /* table and wide */
  struct km_buf body;     /* json, yaml, name */
  size_t budget;
  struct place start, next; /* next is valid when cut */
  int64_t to_skip;          /* rows behind the start that are still to come */
  int64_t shown, seen;      /* rows of this answer; rows met, shown or not */
  const char *oversized;    /* the name of a row too large for any table, dealt with by naming it; or NULL */
  int64_t remaining;        /* after the last page met, -1 = unknown */
  bool complete, inconsistent, cut;
  enum km_rc stopped; /* why a page ended the listing; detail in err */
  struct km_error *err;
};

/* --- one page --------------------------------------------------------------------------------------------------------- */

static int64_t page_rows(yyjson_val *root)
{
  yyjson_val *rows = km_json_arr(root, "rows");
  return (int64_t)yyjson_arr_size(rows != NULL ? rows : km_json_arr(root, "items"));
}

static yyjson_mut_val *redact_row(yyjson_mut_doc *doc, yyjson_val *row, const char *kind)
{
  yyjson_mut_val *shown = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, shown, "cells", yyjson_val_mut_copy(doc, yyjson_obj_get(row, "cells")));
  yyjson_mut_obj_add_val(doc, shown, "object", km_redact_item(doc, yyjson_obj_get(row, "object"), kind));
  return shown;
}

/* A copy of a page whose objects are fit to be shown. A server without Tables sends a List. */
static yyjson_doc *redact_page(yyjson_val *root, const char *kind)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *copy = yyjson_mut_obj(doc);
  yyjson_val *definitions = km_json_arr(root, "columnDefinitions");
  bool table = definitions != NULL;
  if (table) {
    yyjson_mut_obj_add_str(doc, copy, "kind", "Table");
    yyjson_mut_obj_add_val(doc, copy, "columnDefinitions", yyjson_val_mut_copy(doc, definitions));
  }
  yyjson_mut_val *rows = yyjson_mut_obj_add_arr(doc, copy, table ? "rows" : "items");
  size_t i, max;
  yyjson_val *row;
  yyjson_arr_foreach(km_json_arr(root, table ? "rows" : "items"), i, max, row)
  {
    yyjson_mut_arr_append(rows, table ? redact_row(doc, row, kind) : km_redact_item(doc, row, kind));
  }
  yyjson_doc *result = yyjson_mut_val_imut_copy(copy, NULL);
  yyjson_mut_doc_free(doc);
  return result;
}

/* "shop/web-0" of row INDEX of a page. */
static const char *row_name(struct lister *lister, yyjson_val *root, int64_t index)
{
  yyjson_val *row = yyjson_arr_get(km_json_arr(root, "rows"), (size_t)index);
  yyjson_val *object =
      row != NULL ? yyjson_obj_get(row, "object") : yyjson_arr_get(km_json_arr(root, "items"), (size_t)index);
  yyjson_val *metadata = km_json_obj(object, "metadata");
  const char *ns = km_json_str(metadata, "namespace"), *name = km_json_str(metadata, "name");
  return km_arena_printf(lister->call->arena, "%.63s%s%.80s", ns == NULL ? "" : ns, ns == NULL ? "" : "/",
                         name == NULL ? "?" : name);
}

/* Shows the rows behind SKIP in the table; returns how many found room, -1 when ROOT is no listing. */
static int64_t add_rows(struct lister *lister, yyjson_val *root, int64_t skip)
{
  /* Rows that are only counted show nothing of their objects. */
  bool redact = lister->listing->fields.count > 0 && !lister->cut;
  yyjson_doc *redacted = redact ? redact_page(root, lister->listing->resource->kind) : NULL;
  int64_t shown =
      km_table_add(lister->table, redacted != NULL ? yyjson_doc_get_root(redacted) : root, (size_t)skip);
  yyjson_doc_free(redacted);
  return shown;
}

/* One object as text in the wanted form. NAME_ONLY: no more than its name, because the whole is too large. */
static void write_item(const struct lister *lister, yyjson_val *object, bool name_only, struct km_buf *out)
{
  static const struct km_arg_strings nothing = {0};
  const struct listing *listing = lister->listing;
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *shown = shown_object(doc, listing->resource, object);
  yyjson_doc *item = yyjson_mut_val_imut_copy(shown, NULL);
  if (name_only || listing->fields.count > 0) {
    shown =
        shown_fields(doc, yyjson_doc_get_root(item), name_only ? &nothing : &listing->fields, lister->paths);
    if (name_only) {
      yyjson_mut_obj_add_str(doc, shown, "left_out",
                             "larger than an answer may be: ask for parts of it with fields");
    }
    yyjson_doc_free(item);
    item = yyjson_mut_val_imut_copy(shown, NULL);
  }
  if (listing->output == OUTPUT_JSON) {
    km_json_write_val(yyjson_doc_get_root(item), false, out);
    km_buf_putc(out, '\n');
  } else {
    km_buf_puts(out, "---\n");
    km_yaml_write(yyjson_doc_get_root(item), out);
  }
  yyjson_doc_free(item);
  yyjson_mut_doc_free(doc);
}

static void write_name(const struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  const char *ns = km_json_str(km_json_obj(object, "metadata"), "namespace");
  if (lister->across && ns != NULL) {
    km_buf_printf(out, "%s/", ns);
  }
  put_object_name(lister->listing->resource, object, out);
}

/* Appends OBJECT to the body if there is room for it. */
static bool try_item(struct lister *lister, yyjson_val *object, struct km_buf *item)
{
  km_buf_clear(item);
  if (lister->listing->output == OUTPUT_NAME) {
    write_name(lister, object, item);
  } else {
    write_item(lister, object, false, item);
    if (item->failed && lister->body.len == 0) {
      km_buf_clear(item);
      write_item(lister, object, true, item);
    }
  }
  return !item->failed && lister->body.len + item->len <= lister->budget &&
         km_buf_append(&lister->body, item->data, item->len);
}

/* As add_rows, for forms other than tables. */
static int64_t add_items(struct lister *lister, yyjson_val *root, int64_t skip)
{
  int64_t limit = lister->listing->limit;
  int64_t shown = 0;
  struct km_buf item;
  km_buf_init(&item, lister->budget);
  size_t i, max;
  yyjson_val *object;
  yyjson_arr_foreach(km_json_arr(root, "items"), i, max, object)
  {
    if (i < (size_t)skip) {
      continue;
    }
    if ((limit > 0 && lister->shown + shown >= limit) || !try_item(lister, object, &item)) {
      break;
    }
    shown++;
  }
  km_buf_done(&item);
  return shown;
}

/* Marks where the answer ends: SKIP rows behind the page that TOKEN names. */
static void cut_at(struct lister *lister, const struct km_list_page *page, const char *token, int64_t skip)
{
  struct km_arena *arena = lister->call->arena;
  lister->cut = true;
  lister->next = (struct place){
      .token = km_arena_strdup(arena, token),
      .resource_version = *token == '\0' ? km_arena_strdup(arena, page->resource_version) : "",
      .ns = lister->narrowed ? lister->ns : "",
      .skip = skip,
  };
}

/* Shows what fits of the page's rows behind SKIP. False when the page is no listing. */
static bool show_page(struct lister *lister, const struct km_list_page *page, int64_t skip, int64_t rows)
{
  bool as_table = lister->table != NULL;
  int64_t shown = as_table ? add_rows(lister, page->root, skip) : add_items(lister, page->root, skip);
  if (shown < 0) {
    return false;
  }
  if (lister->cut) {
    return true;
  }
  lister->shown += shown;
  if (shown < rows) {
    if (as_table && lister->shown == 0) {
      lister->oversized = row_name(lister, page->root, skip);
      shown = 1;
    }
    cut_at(lister, page, page->token, skip + shown);
  } else if (lister->listing->limit > 0 && lister->shown >= lister->listing->limit &&
             *page->next_token != '\0') {
    cut_at(lister, page, page->next_token, 0);
  }
  return true;
}

/* Is there a reason to fetch more? Beyond the cut only rows of a table are worth counting. */
static bool wants_more(const struct lister *lister)
{
  const struct listing *listing = lister->listing;
  if (listing->output == OUTPUT_COUNT) {
    return lister->remaining < 0;
  }
  if (!lister->cut) {
    return listing->limit == 0 || lister->shown < listing->limit;
  }
  return lister->table != NULL && listing->limit == 0 && lister->seen < MAX_COUNTED;
}

static bool on_page(const struct km_list_page *page, void *data)
{
  struct lister *lister = data;
  int64_t rows = page_rows(page->root);
  int64_t skip = lister->to_skip < rows ? lister->to_skip : rows;
  lister->to_skip -= skip;
  rows -= skip;
  lister->inconsistent = lister->inconsistent || page->inconsistent;
  if (lister->listing->output != OUTPUT_COUNT && !show_page(lister, page, skip, rows)) {
    lister->stopped =
        km_error_set(lister->err, KM_E_PROTOCOL, "the server answered neither a Table nor a List");
    return false;
  }
  lister->seen += rows;
  lister->complete = *page->next_token == '\0';
  lister->remaining = lister->complete ? 0 : page->remaining;
  km_call_progress(lister->call, (double)lister->seen,
                   page->remaining >= 0 ? (double)(lister->seen + page->remaining) : -1, "listing");
  lister->stopped = km_call_check(lister->call, lister->err);
  return lister->stopped == KM_OK && wants_more(lister);
}

/* --- the answer ------------------------------------------------------------------------------------------------------- */

/* What is shown and what is missing, without the end of the line. */
static void write_extent(const struct lister *lister, struct km_buf *out)
{
  int64_t before = lister->start.before, through = before + lister->shown;
  int64_t left_out = lister->seen - lister->shown;
  km_buf_printf(out, "# context %.120s: ", lister->call->cluster);
  if (!lister->cut && through == 0) {
    km_buf_puts(out, "nothing found");
    return;
  }
  if (!lister->cut) {
    km_buf_printf(out, "%lld row%s%s", (long long)through, through == 1 ? "" : "s",
                  before > 0 ? ", all shown now" : "");
    return;
  }
  if (lister->oversized != NULL) {
    left_out--;
    km_buf_printf(out, "row %lld (%s) is larger than an answer may be: ask for less of it with `fields`",
                  (long long)before + 1, lister->oversized);
  } else {
    km_buf_printf(out, "rows %lld-%lld shown", (long long)before + 1, (long long)through);
  }
  if (lister->remaining >= 0) {
    km_buf_printf(out, ", %lld left out", (long long)(left_out + lister->remaining));
  } else {
    km_buf_printf(out, ", more than %lld left out", (long long)left_out);
  }
}

/* The lines behind the extent's. */
static void write_remarks(struct lister *lister, struct km_buf *out)
{
  km_buf_putc(out, '\n');
  if (lister->narrowed) {
    km_buf_printf(out,
                  "# listing all namespaces is forbidden here: this is the context's namespace '%.63s'\n",
                  lister->ns);
  }
  if (lister->inconsistent) {
    km_buf_puts(out, "# the list changed while it was read: rows may be missing or appear twice\n");
  }
  if (!lister->cut) {
    return;
  }
  lister->next.before = lister->start.before + lister->shown + (lister->oversized != NULL ? 1 : 0);
  const char *cursor = cursor_write(lister->call, lister->query, &lister->next);
  if (cursor != NULL) {
    km_buf_printf(out, "# next cursor: %s\n", cursor);
  } else {
    km_buf_puts(out, "# it cannot be continued, the server's page token is too long: narrow the listing\n");
  }
}

/* Where the rows left out are, in what room there is. */
static void write_groups(const struct lister *lister, size_t room, struct km_buf *out)
{
  static const char partly[] = "of those seen ";
  if (!lister->cut || lister->table == NULL || lister->oversized != NULL || room < sizeof(partly) + 4) {
    return;
  }
  room -= sizeof(partly) + 4;
  struct km_buf groups;
  km_buf_init(&groups, room < GROUPS_BYTES ? room : GROUPS_BYTES);
  if (km_table_groups(lister->table, &groups) && groups.len > 0) {
    km_buf_printf(out, " (%s%s)", lister->remaining == 0 ? "" : partly, groups.data);
  }
  km_buf_done(&groups);
}

static void write_rows(struct lister *lister, struct km_buf *out)
{
  struct km_buf remarks;
  km_buf_init(&remarks, FOOTER_BYTES);
  if (lister->table != NULL) {
    km_table_render(lister->table, out);
  } else {
    km_buf_append(out, lister->body.data, lister->body.len);
  }
  write_remarks(lister, &remarks);
  write_extent(lister, out);
  size_t most = toolbox(lister->call)->max_result_bytes, taken = out->len + remarks.len;
  write_groups(lister, most > taken ? most - taken : 0, out);
  km_buf_append(out, remarks.data, remarks.len);
  km_buf_done(&remarks);
}

static void write_answer(struct lister *lister, struct km_result *out)
{
  struct km_buf text;
  km_buf_init(&text, lister->budget + FOOTER_BYTES + GROUPS_BYTES);
  if (lister->listing->output == OUTPUT_COUNT) {
    km_buf_printf(&text, "%lld\n", (long long)(lister->start.before + lister->seen + lister->remaining));
  } else {
    write_rows(lister, &text);
  }
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}

/* --- fetching --------------------------------------------------------------------------------------------------------- */

static enum km_list_form choose_form(const struct listing *listing)
{
  switch ((enum output)listing->output) {
  case OUTPUT_JSON:
  case OUTPUT_YAML: return KM_LIST_OBJECTS;
  case OUTPUT_NAME: return KM_LIST_METADATA;
  case OUTPUT_COUNT: return KM_LIST_TABLE_BARE;
  case OUTPUT_TABLE:
  case OUTPUT_WIDE: break;
  }
  return listing->fields.count > 0 ? KM_LIST_TABLE_OBJECTS : KM_LIST_TABLE;
}

/* No more than can be shown, where that is known. */
static int64_t choose_page_size(const struct lister *lister, enum km_list_form form)
{
  const struct listing *listing = lister->listing;
  int64_t size = toolbox(lister->call)->page_size;
  if (listing->output == OUTPUT_COUNT) {
    return size;
  }
  if (form == KM_LIST_OBJECTS && listing->fields.count == 0) {
    int64_t fitting = (int64_t)(lister->budget / MIN_OBJECT_BYTES) + lister->start.skip + 1;
    size = fitting < size ? fitting : size;
  }
  int64_t wanted = listing->limit + lister->start.skip;
  return listing->limit > 0 && wanted < size ? wanted : size;
}

static void lister_reset(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  lister->across = listing->resource->namespaced && lister->ns == NULL;
  lister->to_skip = lister->start.skip;
  lister->shown = lister->seen = 0;
  lister->complete = lister->cut = false;
  lister->oversized = NULL;
  lister->remaining = -1;
  lister->stopped = KM_OK;
  km_buf_clear(&lister->body);
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

static enum km_rc list_from_start(struct lister *lister, struct target *target, struct km_error *err)
{
  const struct listing *listing = lister->listing;
  km_error_clear(err);
  lister->err = err;
  lister_reset(lister);
  enum km_rc rc = check_read_access(lister->call, target, listing->resource, "list", lister->ns, NULL, err);
  if (rc != KM_OK) {
    return rc;
  }
  enum km_list_form form = choose_form(listing);
  struct km_list_query query = {
      .resource = listing->resource,
      .ns = lister->ns,
      .label_selector = listing->label_selector,
      .field_selector = listing->field_selector,
      .form = form,
      .page_size = choose_page_size(lister, form),
      .resume_token = *lister->start.token == '\0' ? NULL : lister->start.token,
      .resource_version = *lister->start.resource_version == '\0' ? NULL : lister->start.resource_version,
  };
  rc = km_client_list(target->client, &query, &target->request, on_page, lister, err);
  return rc != KM_OK ? rc : lister->stopped;
}

/* Listing across all namespaces is often forbidden to people who may list in their own: then their context's namespace
 * is what they mean, and the answer says so. */
static bool narrow(struct lister *lister, const struct target *target, const struct km_error *err)
{
  const char *ns = km_client_endpoint(target->client)->default_namespace;
  if (err->code != KM_E_FORBIDDEN || !lister->across || km_str_empty(ns)) {
    return false;
  }
  lister->ns = ns;
  lister->narrowed = true;
  return true;
}

static enum km_rc list_somehow(struct lister *lister, struct target *target, struct km_error *err)
{
  enum km_rc rc = list_from_start(lister, target, err);
  if (rc != KM_OK && narrow(lister, target, err)) {
    rc = list_from_start(lister, target, err);
  }
  if (rc != KM_OK && err->http_status == 410 && *lister->start.token == '\0') {
    /* The version of the first page is gone: today's takes its place, which an earlier answer did not show. */
    lister->start.resource_version = "";
    lister->inconsistent = lister->start.before > 0;
    rc = list_from_start(lister, target, err);
  }
  if (rc != KM_OK && err->http_status == 410) {
    km_error_hint(err, "the listing is too old to be continued: list again without cursor");
  }
  return rc;
}

static enum km_rc lister_init(struct lister *lister, struct target *target, struct km_error *err)
{
  struct km_call *call = lister->call;
  const struct listing *listing = lister->listing;
  enum km_rc rc = compile_fields(call, &listing->fields, &lister->paths, err);
  if (rc != KM_OK) {
    return rc;
  }
  lister->query = cursor_query(call, target, listing);
  rc = cursor_read(call, lister->query, listing->cursor, &lister->start, err);
  if (rc != KM_OK) {
    return rc;
  }
  lister->narrowed = *lister->start.ns != '\0';
  lister->ns = lister->narrowed ? lister->start.ns : km_str_empty(listing->ns) ? NULL : listing->ns;
  size_t most = toolbox(call)->max_result_bytes;
  lister->budget = most > FOOTER_BYTES + MIN_BUDGET_BYTES ? most - FOOTER_BYTES : MIN_BUDGET_BYTES;
  km_buf_init(&lister->body, lister->budget);
  return KM_OK;
}

enum km_rc run_listing(struct km_call *call, struct listing listing, struct km_result *out,
                       struct km_error *err)
{
  struct target target;
  enum km_rc rc = target_open(call, listing.context, &target, err);
  if (rc == KM_OK) {
    rc = target_resource(call, &target, listing.kind, listing.api_version, &listing.resource, err);
  }
  if (rc != KM_OK) {
    return rc;
  }
  if (!listing.resource->namespaced && !km_str_empty(listing.ns)) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "%s are not in namespaces",
                      km_resource_display(call->arena, listing.resource));
    return km_error_hint(err, "leave out the argument 'namespace'");
  }
  struct lister lister = {.call = call, .listing = &listing};
  rc = lister_init(&lister, &target, err);
  if (rc == KM_OK) {
    rc = list_somehow(&lister, &target, err);
  }
  if (rc == KM_OK) {
    write_answer(&lister, out);
  }
  km_buf_done(&lister.body);
  return rc;
}
