/* Rows of a listing, one at a time: does it hold the condition, where does it stand in the order, what does it show. An object
 * is looked at as it may be shown: where redaction would change it, a redacted copy takes its place, so that no condition
 * and no order can tell what a Secret holds. */
#include "listing.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_STATUS_BYTES ((size_t)4096)

/* --- what is sorted by ------------------------------------------------------------------------------------------------ */

struct key_search {
  struct km_arena *arena;
  struct km_value best;
  bool descending;
};

static struct km_value key_of(struct km_arena *arena, yyjson_val *val)
{
  struct km_value key = km_value_of(arena, val);
  if (key.text == NULL && key.type != KM_VALUE_NONE) {
    size_t len = 0;
    char *json = yyjson_val_write(val, YYJSON_WRITE_NOFLAG, &len);
    key.text = km_arena_strndup(arena, json != NULL ? json : "", len);
    key.len = len;
    free(json);
  }
  return key;
}

/* Of several values the one that comes first counts. */
static bool consider_key(yyjson_val *val, void *data)
{
  struct key_search *search = data;
  struct km_value key = key_of(search->arena, val);
  if (key.type == KM_VALUE_NONE) {
    return true;
  }
  int order = km_value_compare(&key, &search->best);
  if (search->best.type == KM_VALUE_NONE || (search->descending ? order > 0 : order < 0)) {
    search->best = key;
  }
  return true;
}

/* --- one row ---------------------------------------------------------------------------------------------------------- */

/* One object as text in the wanted form. NAME_ONLY: no more than its name, because the whole is too large. */
static void write_item(const struct lister *lister, yyjson_val *object, bool name_only, struct km_buf *out)
{
  static const struct km_arg_strings nothing = {0};
  const struct listing *listing = lister->listing;
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *shown = shown_object(doc, listing->resource, object);
  if (name_only || listing->fields.count > 0) {
    yyjson_doc *item = yyjson_mut_val_imut_copy(shown, NULL);
    shown =
        shown_fields(doc, yyjson_doc_get_root(item), name_only ? &nothing : &listing->fields, lister->fields);
    if (name_only) {
      yyjson_mut_obj_add_str(doc, shown, "left_out",
                             "larger than an answer may be: ask for parts of it with fields");
    }
    yyjson_doc_free(item);
  }
  if (!lister->alone) {
    yyjson_mut_obj_insert(shown, yyjson_mut_str(doc, "context"),
                          yyjson_mut_strcpy(doc, lister->call->cluster), 0);
  }
  if (listing->output == OUTPUT_JSON) {
    km_json_write(shown, false, out);
    km_buf_putc(out, '\n');
  } else {
    yyjson_doc *item = yyjson_mut_val_imut_copy(shown, NULL);
    km_buf_puts(out, "---\n");
    km_yaml_write(yyjson_doc_get_root(item), out);
    yyjson_doc_free(item);
  }
  yyjson_mut_doc_free(doc);
}

static void write_name(const struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  const char *ns = km_json_str(km_json_obj(object, "metadata"), "namespace");
  if (!lister->alone) {
    km_buf_printf(out, "%s: ", lister->call->cluster);
  }
  if (lister->across && ns != NULL) {
    km_buf_printf(out, "%s/", ns);
  }
  put_object_name(lister->listing->resource, object, out);
}

/* The text of OBJECT; of one that no answer can hold its name alone, if it is the first. */
static void write_text(const struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  if (lister->listing->output == OUTPUT_NAME) {
    write_name(lister, object, out);
    return;
  }
  write_item(lister, object, false, out);
  if (out->failed && (lister_is_sorted(lister) || lister->rows.count == 0)) {
    km_buf_clear(out);
    write_item(lister, object, true, out);
  }
}

/* What the extra columns show of OBJECT, each text behind the other. */
static void write_extra(const struct lister *lister, yyjson_val *object, struct km_buf *out)
{
  for (size_t i = 0; i < lister->listing->fields.count; i++) {
    struct km_buf value;
    km_buf_init(&value, (size_t)64 * 1024);
    if (!km_path_format(lister->fields[i], object, &value)) {
      km_buf_clear(&value);
      km_buf_puts(&value, KM_CELL_TOO_LARGE);
    }
    km_buf_append(out, value.data, strlen(value.data) + 1);
    km_buf_done(&value);
  }
}

/* The object of a row as it came. */
static yyjson_val *row_object(const struct lister *lister, yyjson_val *row_val)
{
  return lister_form_is_table(lister) ? km_table_object(lister->reader, row_val) : row_val;
}

/* Fills what ROW shows. ROW_VAL is the row as the page has it, OBJECT its object, fit to be shown. False when it alone is too
 * large for any answer. */
static bool fill_row(const struct lister *lister, yyjson_val *row_val, yyjson_val *object, struct row *row,
                     struct km_buf *text)
{
  if (lister_form_is_table(lister) && lister_is_table(lister)) {
    row->cells = km_table_read(lister->reader, row_val, lister->looks ? object : NULL, NULL);
    row->bytes = km_table_row_bytes(row->cells);
    return true;
  }
  if (lister_reads_cells_later(lister)) {
    write_extra(lister, object, text);
    row->bytes = MIN_ROW_BYTES + (row->name != NULL ? strlen(row->name) : 0);
  } else {
    write_text(lister, row_object(lister, row_val), text); /* which redacts it */
    row->bytes = text->len;
  }
  row->text = text->data;
  row->text_len = text->len;
  return !text->failed;
}

static void put_status(const struct lister *lister, yyjson_val *row_val, yyjson_val *object,
                       struct km_buf *out)
{
  if (lister_form_is_table(lister)) {
    km_table_put_status(lister->reader, row_val, out);
  } else {
    const char *phase = km_json_str(km_json_obj(object, "status"), "phase");
    km_buf_puts(out, phase != NULL ? phase : "");
  }
}

/* Called for every row that cannot be shown: it is counted, and the first of them is where the next answer begins. */
void lister_leave_out(void *data, const struct row *row)
{
  struct lister *lister = data;
  km_table_leave_out(lister->reader, row->ns, row->status);
  if (!lister->has_left && !lister_is_sorted(lister)) {
    lister->has_left = true;
    lister->first_left = (struct place){
        .token = row->page->token, .resource_version = row->page->resource_version, .skip = row->index};
  }
}

/* Has an earlier answer dealt with this row of a sorted listing? */
static bool is_behind(const struct lister *lister, const struct row *row)
{
  const struct row *after = lister->start.after;
  return after != NULL && row_compare(row, after, lister->rows.descending) <= 0;
}

/* Takes a row that holds the condition. */
static void take_match(struct lister *lister, yyjson_val *row_val, yyjson_val *object, struct row *row,
                       struct km_arena *arena)
{
  yyjson_val *metadata = km_json_obj(object, "metadata");
  row->name = metadata != NULL ? km_json_str(metadata, "name") : km_table_name(lister->reader, row_val);
  row->ns = lister->across ? km_json_str(metadata, "namespace") : NULL;
  if (lister_is_sorted(lister)) {
    struct key_search search = {.arena = arena, .descending = lister->rows.descending};
    km_path_eval(lister->sort_path, object, consider_key, &search);
    row->key = search.best;
    if (is_behind(lister, row)) {
      lister->earlier++;
      return;
    }
  }
  struct km_buf status;
  km_buf_init(&status, MAX_STATUS_BYTES);
  put_status(lister, row_val, object, &status);
  row->status = status.len > 0 ? status.data : NULL;
  if (lister->rows.closed) {
    lister_leave_out(lister, row);
  } else {
    struct km_buf text;
    km_buf_init(&text, lister->budget);
    if (!fill_row(lister, row_val, object, row, &text)) {
      row->bytes = lister->budget + 1;
    }
    rows_add(&lister->rows, row_new(row));
    km_buf_done(&text);
  }
  km_buf_done(&status);
}

/* A copy of OBJECT that is fit to be looked at, unless it is so itself. */
static yyjson_doc *redacted_copy(const struct lister *lister, yyjson_val *object)
{
  const char *kind = lister->listing->resource->kind;
  if (!lister->looks || (!lister->always_redacts && !km_redact_changes(object, kind))) {
    return NULL;
  }
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_doc *copy = yyjson_mut_val_imut_copy(km_redact_item(doc, object, kind), NULL);
  yyjson_mut_doc_free(doc);
  return copy;
}

enum km_rc lister_take_row(struct lister *lister, const struct page_ref *page, int64_t index,
                           yyjson_val *row_val, struct km_arena *arena)
{
  yyjson_val *object = row_object(lister, row_val);
  yyjson_doc *copy = redacted_copy(lister, object);
  object = copy != NULL ? yyjson_doc_get_root(copy) : object;
  bool holds = true;
  enum km_rc rc = lister->where != NULL ? km_where_test(lister->where, object, &holds, lister->err) : KM_OK;
  if (rc == KM_OK && holds) {
    lister->matched++;
    if (lister->groups != NULL) {
      groups_add(lister->groups, object);
    } else if (lister->listing->output != OUTPUT_COUNT) {
      struct row row = {.page = page, .index = index};
      take_match(lister, row_val, object, &row, arena);
    }
  }
  yyjson_doc_free(copy);
  return rc;
}
