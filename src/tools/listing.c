/* A listing from the first page to the last row that matters, with memory bounded by one page and one answer.
 *
 * The cheapest form that answers is asked for: Tables without objects where their cells suffice, metadata where paths do
 * not look further, whole objects only where the question needs them, and the cells of the few that it chooses are read
 * afterwards (listing_again.c). Rows are kept while the answer has room for them; from then on they are only counted, from
 * Tables without objects unless a condition must look into them. Invariants: the cursor continues on the row after the
 * last one dealt with, whatever size the pages have then; every answer deals with at least one row, so that walking a
 * listing ends. Runs on the worker of its call. */
#include "listing.h"
#include "parts.h"

#include "kube_mcp/base/banned.h"

#define MAX_COUNTED      ((int64_t)50000) /* rows read for the sake of counting */
#define MIN_OBJECT_BYTES 512              /* smaller ones are rare: decides how many are fetched at once */
#define MIN_LINE_BYTES   64               /* likewise, of a table's line */
#define COUNTING_FACTOR  10               /* a page without objects is so much smaller than others */

/* --- one page --------------------------------------------------------------------------------------------------------- */

static yyjson_val *page_rows(yyjson_val *root)
{
  yyjson_val *rows = km_json_arr(root, "rows");
  return rows != NULL ? rows : km_json_arr(root, "items");
}

static const struct page_ref *page_ref_new(struct lister *lister, const struct km_list_page *page)
{
  struct km_arena *arena = lister->call->arena;
  struct page_ref *ref = KM_ARENA_NEW(arena, struct page_ref);
  ref->token = km_arena_strdup(arena, page->token);
  ref->resource_version = *page->token == '\0' ? km_arena_strdup(arena, page->resource_version) : "";
  ref->rows = (int64_t)yyjson_arr_size(page_rows(page->root));
  return ref;
}

/* Takes the page's rows behind SKIP. */
static enum km_rc take_page(struct lister *lister, const struct km_list_page *page, int64_t skip)
{
  if (lister_form_is_table(lister) && !km_table_open(lister->reader, page->root)) {
    return km_error_set(lister->err, KM_E_PROTOCOL, "the server answered neither a Table nor a List");
  }
  const struct page_ref *ref = page_ref_new(lister, page);
  KM_CLEANUP(km_arena_freep) struct km_arena *arena = km_arena_new(SIZE_MAX); /* of the keys */
  size_t i, max;
  yyjson_val *row;
  yyjson_arr_foreach(page_rows(page->root), i, max, row)
  {
    if (i >= (size_t)skip) {
      enum km_rc rc = lister_take_row(lister, ref, (int64_t)i, row, arena);
      if (rc != KM_OK) {
        return rc;
      }
    }
  }
  return KM_OK;
}

/* The limit is reached at the end of a page: the next answer begins with the page behind. */
static void mark_next_page(struct lister *lister, const char *next_token)
{
  if (!lister->has_left && !lister_is_sorted(lister) && *next_token != '\0' &&
      lister->rows.count >= lister->rows.max_count) {
    lister->has_left = lister->rows.closed = true;
    lister->first_left =
        (struct place){.token = km_arena_strdup(lister->call->arena, next_token), .resource_version = ""};
  }
}

/* Is there a reason to fetch more? */
static bool wants_more(const struct lister *lister)
{
  const struct listing *listing = lister->listing;
  if (lister->groups != NULL || lister_is_sorted(lister)) {
    return true;
  }
  if (listing->output == OUTPUT_COUNT) {
    return lister->where != NULL || lister->remaining < 0;
  }
  if (!lister->has_left) {
    return true;
  }
  return listing->limit == 0 && lister->seen < MAX_COUNTED;
}

/* From here on rows are only counted, which needs no objects unless a condition looks into them. */
static bool can_drop_objects(const struct lister *lister)
{
  return lister->has_left && lister->where == NULL && !lister_is_sorted(lister) && !lister->only_counts;
}

static bool on_page(const struct km_list_page *page, void *data)
{
  struct lister *lister = data;
  int64_t rows = (int64_t)yyjson_arr_size(page_rows(page->root));
  int64_t skip = lister->to_skip < rows ? lister->to_skip : rows;
  lister->to_skip -= skip;
  rows -= skip;
  lister->inconsistent = lister->inconsistent || page->inconsistent;
  if (lister->resource_version == NULL) {
    lister->resource_version = km_arena_strdup(lister->call->arena, page->resource_version);
  }
  lister->stopped = take_page(lister, page, skip);
  if (lister->stopped != KM_OK) {
    return false;
  }
  lister->seen += rows;
  lister->complete = *page->next_token == '\0';
  lister->remaining = lister->complete ? 0 : page->remaining;
  mark_next_page(lister, page->next_token);
  if (lister->alone) {
    km_call_progress(lister->call, (double)lister->seen,
                     page->remaining >= 0 ? (double)(lister->seen + page->remaining) : -1, "listing");
  }
  lister->stopped = km_call_check(lister->call, lister->err);
  if (lister->stopped != KM_OK || lister->complete || !wants_more(lister)) {
    return false;
  }
  if (can_drop_objects(lister)) {
    lister->resume_token = km_arena_strdup(lister->call->arena, page->next_token);
    return false;
  }
  return true;
}

int64_t lister_total(const struct lister *lister)
{
  if (lister->complete) {
    return lister->matched;
  }
  return lister->where == NULL && lister->remaining >= 0 ? lister->matched + lister->remaining : -1;
}

/* --- fetching --------------------------------------------------------------------------------------------------------- */

static enum km_list_form choose_form(const struct lister *lister)
{
  enum km_list_form looking = lister->needs_whole ? KM_LIST_OBJECTS : KM_LIST_METADATA;
  if (lister->groups != NULL) {
    return looking;
  }
  switch ((enum output)lister->listing->output) {
  case OUTPUT_JSON:
  case OUTPUT_YAML: return lister->listing->fields.count > 0 ? looking : KM_LIST_OBJECTS;
  case OUTPUT_NAME: return looking;
  case OUTPUT_COUNT: return lister->looks ? looking : KM_LIST_TABLE_BARE;
  case OUTPUT_TABLE:
  case OUTPUT_WIDE: break;
  }
  if (!lister->needs_whole) {
    return lister->looks || lister->with_metadata ? KM_LIST_TABLE : KM_LIST_TABLE_BARE;
  }
  /* Of few rows the cells are wanted too: one page with both is cheaper than two. */
  return lister->where != NULL || lister_is_sorted(lister) ? KM_LIST_OBJECTS : KM_LIST_TABLE_OBJECTS;
}

/* No more than can be shown, where that is known. */
static int64_t choose_page_size(const struct lister *lister)
{
  const struct listing *listing = lister->listing;
  int64_t size = toolbox(lister->call)->page_size;
  if (listing->output == OUTPUT_COUNT || lister->only_counts) {
    return lister->form == KM_LIST_TABLE_BARE ? size * COUNTING_FACTOR : size;
  }
  if (lister->groups != NULL || lister->where != NULL || lister_is_sorted(lister)) {
    return size;
  }
  int64_t least = lister_is_table(lister)                                         ? MIN_LINE_BYTES
                  : lister->form == KM_LIST_OBJECTS && listing->fields.count == 0 ? MIN_OBJECT_BYTES
                                                                                  : (int64_t)MIN_ROW_BYTES;
  int64_t fitting = (int64_t)lister->budget / least + lister->start.skip + 1;
  size = fitting < size ? fitting : size;
  int64_t wanted = listing->limit + lister->start.skip;
  return listing->limit > 0 && wanted < size ? wanted : size;
}

static void lister_reset(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  struct km_arena *arena = lister->call->arena;
  lister->across = listing->resource->namespaced && lister->ns == NULL;
  lister->to_skip = lister->start.skip;
  lister->seen = lister->matched = lister->earlier = 0;
  lister->complete = lister->has_left = lister->only_counts = false;
  lister->remaining = -1;
  lister->stopped = KM_OK;
  lister->resume_token = lister->start.token;
  lister->resource_version = NULL;
  lister->spans = NULL;
  lister->form = choose_form(lister);
  rows_clear(&lister->rows);
  if (listing->group_by.count > 0) {
    lister->groups = groups_new(arena, lister->group_paths, listing->group_by.count);
  }
  struct km_table_options options = {
      .wide = listing->output == OUTPUT_WIDE,
      .extra = (const struct km_path *const *)lister->fields,
      .extra_count = listing->fields.count,
  };
  lister->reader = km_table_new(arena, &options);
  km_table_name_status(lister->reader, "phase"); /* of objects; Tables say what theirs is */
}

static enum km_rc walk_form(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  bool from_start = lister->resume_token == lister->start.token;
  struct km_list_query query = {
      .resource = listing->resource,
      .ns = lister->ns,
      .label_selector = listing->label_selector,
      .field_selector = listing->field_selector,
      .form = lister->form,
      .page_size = choose_page_size(lister),
      .resume_token = *lister->resume_token == '\0' ? NULL : lister->resume_token,
      .resource_version =
          from_start && *lister->start.resource_version != '\0' ? lister->start.resource_version : NULL,
  };
  lister->resume_token = NULL;
  enum km_rc rc =
      km_client_list(lister->target.client, &query, &lister->target.request, on_page, lister, lister->err);
  return rc != KM_OK ? rc : lister->stopped;
}

static enum km_rc list_from_start(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  km_error_clear(lister->err);
  lister_reset(lister);
  enum km_rc rc = check_read_access(lister->call, &lister->target, listing->resource, "list", lister->ns,
                                    NULL, lister->err);
  if (rc == KM_OK) {
    rc = walk_form(lister);
  }
  if (rc == KM_OK && lister->resume_token != NULL) {
    lister->only_counts = true;
    lister->form = KM_LIST_TABLE_BARE;
    rc = lister_count_rest(lister, walk_form);
  }
  return rc;
}

static bool narrow(struct lister *lister)
{
  const char *ns = lister->across ? narrower_namespace(&lister->target, lister->err) : NULL;
  lister->ns = ns != NULL ? ns : lister->ns;
  lister->narrowed = lister->narrowed || ns != NULL;
  return ns != NULL;
}

static enum km_rc list_somehow(struct lister *lister)
{
  struct km_error *err = lister->err;
  enum km_rc rc = list_from_start(lister);
  if (rc != KM_OK && narrow(lister)) {
    rc = list_from_start(lister);
  }
  if (rc != KM_OK && err->http_status == 410 && *lister->start.token == '\0') {
    /* The version of the first page is gone: today's takes its place, which an earlier answer did not show. */
    lister->start.resource_version = "";
    lister->inconsistent = lister->start.before > 0;
    rc = list_from_start(lister);
  }
  if (rc != KM_OK && err->http_status == 410) {
    km_error_hint(err, "the listing is too old to be continued: list again without cursor");
  }
  return rc;
}

/* Walks the pages; the yield is complete then, and in order. */
static enum km_rc lister_walk(struct lister *lister)
{
  enum km_rc rc = list_somehow(lister);
  if (rc != KM_OK) {
    return rc;
  }
  rows_finish(&lister->rows);
  if (lister_reads_cells_later(lister)) {
    return lister_read_cells(lister);
  }
  bool found = true;
  if (lister->across && lister->form == KM_LIST_TABLE_BARE && lister->listing->output != OUTPUT_COUNT) {
    rc = lister_find_namespaces(lister, &found);
  }
  if (rc == KM_OK && !found) {
    lister->with_metadata = true;
    rc = list_somehow(lister);
  }
  return rc;
}

/* The resource that LISTING means in the cluster of TARGET. */
static enum km_rc find_resource(struct km_call *call, struct target *target, struct listing *listing,
                                struct km_error *err)
{
  enum km_rc rc = target_resource(call, target, listing->kind, listing->api_version, &listing->resource, err);
  if (rc == KM_OK && !listing->resource->namespaced && !km_str_empty(listing->ns)) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR, "%s are not in namespaces",
                      km_resource_display(call->arena, listing->resource));
    return km_error_hint(err, "leave out the argument 'namespace'");
  }
  return rc;
}

static enum km_rc list_alone(struct km_call *call, struct listing *listing, struct km_result *out,
                             struct km_error *err)
{
  struct lister lister = {.call = call, .listing = listing, .err = err, .alone = true};
  enum km_rc rc = target_open(call, listing->context, &lister.target, err);
  if (rc == KM_OK) {
    rc = find_resource(call, &lister.target, listing, err);
  }
  if (rc == KM_OK) {
    rc = lister_open(&lister);
  }
  if (rc == KM_OK) {
    rc = lister_walk(&lister);
  }
  if (rc == KM_OK) {
    write_listing(&lister, out);
  }
  lister_done(&lister);
  return rc;
}

/* --- many contexts ---------------------------------------------------------------------------------------------------- */

/* The same question in several contexts, each by a thread with memory of its own. */
struct survey {
  struct lister *listers;
  struct listing *listings; /* the resource may be another one in each */
  struct km_error *errors;
};

static enum km_rc list_one(struct lister *lister, struct listing *listing)
{
  enum km_rc rc = target_open(lister->call, listing->context, &lister->target, lister->err);
  if (rc == KM_OK) {
    lister->target.request.observer = NULL;
    rc = find_resource(lister->call, &lister->target, listing, lister->err);
  }
  if (rc == KM_OK) {
    rc = lister_open(lister);
  }
  return rc == KM_OK ? lister_walk(lister) : rc;
}

static void list_in_context(struct km_call *part, size_t index, void *data)
{
  struct survey *survey = data;
  struct lister *lister = &survey->listers[index];
  struct listing *listing = &survey->listings[index];
  listing->context = part->cluster;
  *lister = (struct lister){.call = part, .listing = listing, .err = &survey->errors[index]};
  (void)list_one(lister, listing);
}

static enum km_rc list_everywhere(struct km_call *call, const struct listing *listing, struct km_result *out,
                                  struct km_error *err)
{
  if (!km_str_empty(listing->cursor)) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                      "argument 'cursor' cannot be combined with 'contexts'");
    return km_error_hint(err, "continue in one context at a time, with the argument 'context'");
  }
  struct parts parts;
  enum km_rc rc = parts_open(call, listing->context, &listing->contexts, &parts, err);
  if (rc != KM_OK) {
    return rc;
  }
  struct survey survey = {
      .listers = KM_ARENA_ARRAY(call->arena, struct lister, parts.count),
      .listings = KM_ARENA_ARRAY(call->arena, struct listing, parts.count),
      .errors = KM_ARENA_ARRAY(call->arena, struct km_error, parts.count),
  };
  for (size_t i = 0; i < parts.count; i++) {
    survey.listings[i] = *listing;
  }
  parts_run(&parts, list_in_context, &survey);
  rc = parts_verdict(&parts, survey.errors, err);
  if (rc == KM_OK) {
    write_listings(survey.listers, survey.errors, parts.count, out);
  }
  for (size_t i = 0; i < parts.count; i++) {
    lister_done(&survey.listers[i]);
  }
  parts_done(&parts);
  return rc;
}

enum km_rc run_listing(struct km_call *call, struct listing listing, struct km_result *out,
                       struct km_error *err)
{
  return listing.contexts.count > 0 ? list_everywhere(call, &listing, out, err)
                                    : list_alone(call, &listing, out, err);
}
