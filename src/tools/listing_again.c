/* Pages asked for again in another form, and other small questions beside a listing.
 *
 * A page is named by its token and its number of rows, so in any form it has the same rows; the server's snapshot behind the
 * token sees to that. This is what makes large listings cheap: 5,000 pods as a Table without objects are 0.8 MB, with
 * metadata 20 MB, whole 38 MB. What a Table without objects lacks is the namespaces of its rows. Where rows were left out,
 * the namespaces are counted one by one, a row each: rows come in the order of their namespaces, so the counts say where
 * each begins, and how many of each are left out; that they add up to the whole proves it. Where that is not possible
 * (selectors, many namespaces, no right to list them) the metadata of the rows shown is read. */
#include "listing.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

#define MAX_SPANS 24 /* namespaces that are counted one by one */

static enum km_rc list_again(struct lister *lister, const struct page_ref *page, enum km_list_form form,
                             bool (*fn)(const struct km_list_page *page, void *data), void *data)
{
  const struct listing *listing = lister->listing;
  struct km_list_query query = {
      .resource = listing->resource,
      .ns = lister->ns,
      .label_selector = listing->label_selector,
      .field_selector = listing->field_selector,
      .form = form,
      .page_size = page->rows,
      .resume_token = *page->token == '\0' ? NULL : page->token,
      .resource_version = *page->resource_version == '\0' ? NULL : page->resource_version,
  };
  return km_client_list(lister->target.client, &query, &lister->target.request, fn, data, lister->err);
}

/* --- cells ------------------------------------------------------------------------------------------------------------ */

struct cells {
  struct lister *lister;
  const struct page_ref *page;
  bool changed;
};

/* The texts of the extra columns, which lie one behind the other in the row's text. */
static const char *const *extra_texts(struct lister *lister, const struct row *row)
{
  size_t count = lister->listing->fields.count;
  const char **texts = KM_ARENA_ARRAY(lister->call->arena, const char *, count + 1);
  const char *at = row->text;
  for (size_t i = 0; i < count && at < row->text + row->text_len; i++) {
    texts[i] = at;
    at += strlen(at) + 1;
  }
  return texts;
}

static bool on_cells(const struct km_list_page *page, void *data)
{
  struct cells *cells = data;
  struct lister *lister = cells->lister;
  if (!km_table_open(lister->reader, page->root)) {
    cells->changed = true;
    return false;
  }
  yyjson_val *rows = km_table_rows(lister->reader);
  for (size_t i = 0; i < lister->rows.count; i++) {
    struct row *row = lister->rows.items[i];
    yyjson_val *val = row->page == cells->page ? yyjson_arr_get(rows, (size_t)row->index) : NULL;
    if (val == NULL) {
      continue;
    }
    const char *name = km_table_name(lister->reader, val);
    if (name == NULL || km_streq(name, row->name)) {
      const char *const *extra = lister->listing->fields.count > 0 ? extra_texts(lister, row) : NULL;
      row->cells = km_table_read(lister->reader, val, NULL, extra);
    }
  }
  return false;
}

enum km_rc lister_read_cells(struct lister *lister)
{
  for (size_t i = 0; i < lister->rows.count; i++) {
    const struct row *row = lister->rows.items[i];
    if (row->cells != NULL) {
      continue;
    }
    struct cells cells = {.lister = lister, .page = row->page};
    enum km_rc rc = list_again(lister, row->page, KM_LIST_TABLE_BARE, on_cells, &cells);
    if (rc != KM_OK) {
      return rc;
    }
    if (cells.changed || row->cells == NULL) {
      km_error_set(lister->err, KM_E_CONFLICT, "the list changed while it was read");
      return km_error_hint(lister->err, "list again");
    }
  }
  return KM_OK;
}

/* --- namespaces by counting ------------------------------------------------------------------------------------------- */

struct span {
  const char *ns;
  int64_t count; /* -1 = not known */
};

struct spans {
  struct lister *lister;
  enum km_rc (*walk)(struct lister *lister);
  enum km_rc rc; /* of the walk */
  struct span items[MAX_SPANS];
  size_t count;
  bool too_many;
};

static bool on_namespaces(const struct km_list_page *page, void *data)
{
  struct spans *spans = data;
  struct km_arena *arena = spans->lister->call->arena;
  static const struct km_table_options names_only;
  struct km_table *reader = km_table_new(arena, &names_only);
  if (*page->next_token != '\0' || !km_table_open(reader, page->root)) {
    spans->too_many = true;
    return false;
  }
  size_t i, max;
  yyjson_val *row;
  yyjson_arr_foreach(km_table_rows(reader), i, max, row)
  {
    const char *name = km_table_name(reader, row);
    if (spans->count == MAX_SPANS || name == NULL) {
      spans->too_many = true;
      return false;
    }
    spans->items[spans->count++] = (struct span){.ns = km_arena_strdup(arena, name), .count = -1};
  }
  return false;
}

static bool on_first_row(const struct km_list_page *page, void *data)
{
  struct span *span = data;
  yyjson_val *rows = km_json_arr(page->root, "rows");
  size_t here = yyjson_arr_size(rows != NULL ? rows : km_json_arr(page->root, "items"));
  bool all = *page->next_token == '\0';
  span->count = all ? (int64_t)here : page->remaining >= 0 ? (int64_t)here + page->remaining : -1;
  return false;
}

static void count_namespace(void *data, size_t index)
{
  struct spans *spans = data;
  struct lister *lister = spans->lister;
  struct km_kube_request request = lister->target.request;
  request.observer = NULL; /* the call is another thread's */
  struct km_list_query query = {
      .resource = lister->listing->resource,
      .ns = spans->items[index].ns,
      .form = KM_LIST_TABLE_BARE,
      .page_size = 1,
      .resource_version = lister->resource_version,
  };
  struct km_error err = {0};
  if (km_client_list(lister->target.client, &query, &request, on_first_row, &spans->items[index], &err) !=
      KM_OK) {
    spans->items[index].count = -1;
  }
}

/* Rows are numbered from the very first of the listing. */
static const char *namespace_at(const struct spans *spans, int64_t number)
{
  for (size_t i = 0; i < spans->count; i++) {
    if (number < spans->items[i].count) {
      return spans->items[i].ns;
    }
    number -= spans->items[i].count;
  }
  return NULL;
}

/* The rows left out are those from NUMBER on. */
static void count_left_out(struct lister *lister, const struct spans *spans, int64_t number)
{
  for (size_t i = 0; i < spans->count; i++) {
    int64_t count = spans->items[i].count, before = number < count ? number : count;
    if (count > before) {
      km_table_leave_out_of(lister->reader, spans->items[i].ns, count - before);
    }
    number -= before;
  }
}

/* Only where something was left out for lack of room, and where the counts are those of the whole list. */
static bool may_count(const struct lister *lister)
{
  const struct listing *listing = lister->listing;
  return lister->across && lister->has_left && listing->limit == 0 && !lister->inconsistent &&
         km_str_empty(listing->label_selector) && km_str_empty(listing->field_selector) &&
         !km_str_empty(lister->resource_version);
}

/* The namespaces that may have rows; none when they are too many or may not be listed. */
static void list_namespaces(struct lister *lister, struct spans *spans)
{
  struct km_list_query query = {
      .resource = &namespaces_resource, .form = KM_LIST_TABLE_BARE, .page_size = MAX_SPANS + 1};
  struct km_error unused = {0};
  if (km_client_list(lister->target.client, &query, &lister->target.request, on_namespaces, spans, &unused) !=
          KM_OK ||
      spans->too_many) {
    spans->count = 0;
  }
}

/* The rest of the list is item 0, a namespace each of the others. */
static void count_one(void *data, size_t index)
{
  struct spans *spans = data;
  if (index == 0) {
    spans->rc = spans->walk(spans->lister);
  } else {
    count_namespace(spans, index - 1);
  }
}

enum km_rc lister_count_rest(struct lister *lister, enum km_rc (*walk)(struct lister *lister))
{
  struct spans *spans = KM_ARENA_NEW(lister->call->arena, struct spans);
  *spans = (struct spans){.lister = lister, .walk = walk};
  if (may_count(lister)) {
    list_namespaces(lister, spans);
  }
  km_lane_map(toolbox(lister->call)->fan_out, 1 + spans->count, count_one, spans);
  lister->spans = spans;
  return spans->rc;
}

static bool find_by_counting(struct lister *lister)
{
  const struct spans *spans = lister->spans;
  if (spans == NULL || spans->count == 0 || lister->inconsistent || lister_total(lister) < 0) {
    return false;
  }
  int64_t total = 0, before = lister->start.before;
  for (size_t i = 0; i < spans->count; i++) {
    if (spans->items[i].count < 0) {
      return false;
    }
    total += spans->items[i].count;
  }
  if (total != before + lister_total(lister)) {
    return false;
  }
  struct rows *rows = &lister->rows;
  for (size_t i = 0; i < rows->count; i++) {
    rows->items[i]->ns = namespace_at(spans, before + (int64_t)i);
  }
  count_left_out(lister, spans, before + (int64_t)rows->count);
  return true;
}

/* --- namespaces by metadata ------------------------------------------------------------------------------------------- */

struct whereabouts {
  struct lister *lister;
  const struct page_ref *page;
  bool changed;
};

static bool on_metadata(const struct km_list_page *page, void *data)
{
  struct whereabouts *whereabouts = data;
  struct lister *lister = whereabouts->lister;
  yyjson_val *items = km_json_arr(page->root, "items");
  for (size_t i = 0; i < lister->rows.count; i++) {
    struct row *row = lister->rows.items[i];
    if (row->page != whereabouts->page) {
      continue;
    }
    yyjson_val *metadata = km_json_obj(yyjson_arr_get(items, (size_t)row->index), "metadata");
    const char *ns = km_json_str(metadata, "namespace");
    const char *name = km_json_str(metadata, "name");
    if (ns == NULL || (row->name != NULL && !km_streq(name, row->name))) {
      whereabouts->changed = true;
      return false;
    }
    row->ns = km_arena_strdup(lister->call->arena, ns);
    row->name = km_arena_strdup(lister->call->arena, name);
  }
  return false;
}

static bool find_by_metadata(struct lister *lister)
{
  for (size_t i = 0; i < lister->rows.count; i++) {
    const struct row *row = lister->rows.items[i];
    if (row->ns != NULL) {
      continue;
    }
    struct whereabouts whereabouts = {.lister = lister, .page = row->page};
    if (list_again(lister, row->page, KM_LIST_METADATA, on_metadata, &whereabouts) != KM_OK ||
        whereabouts.changed || row->ns == NULL) {
      return false;
    }
  }
  return true;
}

enum km_rc lister_find_namespaces(struct lister *lister, bool *ret_found)
{
  const struct rows *rows = &lister->rows;
  bool missing = false;
  for (size_t i = 0; i < rows->count; i++) {
    missing = missing || rows->items[i]->ns == NULL;
  }
  *ret_found = find_by_counting(lister) || !missing || find_by_metadata(lister);
  return km_call_check(lister->call, lister->err);
}
