/* The question of a listing: its arguments checked against each other and compiled, and what they need to look at. Paths decide
 * what is asked for: nothing, the metadata, or whole objects. */
#include "listing.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

/* What PATHS look at decides what is asked for. */
static void note_paths(struct lister *lister, const struct km_path *const *paths, size_t count)
{
  static const char *const metadata[] = {"metadata"};
  static const char *const noise[] = {"metadata", "managedFields"};
  static const char *const beside[] = {"spec"}; /* one that stands for all of them */
  for (size_t i = 0; i < count; i++) {
    bool beyond = !km_path_may_reach(paths[i], metadata, 1) || km_path_may_reach(paths[i], beside, 1);
    lister->looks = true;
    lister->needs_whole = lister->needs_whole || beyond;
    lister->always_redacts = lister->always_redacts || km_path_may_reach(paths[i], noise, 2);
  }
}

/* What "now" is: by the cluster's clock, for it has stamped the objects. Only a condition on time pays for asking. */
static int64_t now_ms(struct lister *lister)
{
  if (strstr(lister->listing->where, "now") != NULL) {
    const char *version = NULL;
    struct km_error unused = {0};
    (void)km_client_version(lister->target.client, &lister->target.request, lister->call->arena, &version,
                            &unused);
  }
  return km_client_now_ms(lister->target.client, NULL);
}

static enum km_rc compile_where(struct lister *lister)
{
  const char *text = lister->listing->where;
  if (km_str_empty(text)) {
    return KM_OK;
  }
  enum km_rc rc = km_where_compile(lister->call->arena, text, now_ms(lister), &lister->where, lister->err);
  if (rc != KM_OK) {
    return km_error_wrap(lister->err, "argument 'where'");
  }
  size_t count = 0;
  const struct km_path *const *paths = km_where_paths(lister->where, &count);
  note_paths(lister, paths, count);
  return KM_OK;
}

static enum km_rc compile_sort(struct lister *lister)
{
  const char *text = lister->listing->sort_by;
  if (km_str_empty(text)) {
    return KM_OK;
  }
  if (km_path_compile(lister->call->arena, text + (*text == '-'), &lister->sort_path, lister->err) != KM_OK) {
    lister->err->type = KM_TYPE_VALIDATION_ERROR;
    return km_error_wrap(lister->err, "argument 'sort_by'");
  }
  lister->rows.sorted = true;
  lister->rows.descending = *text == '-';
  note_paths(lister, (const struct km_path *const *)&lister->sort_path, 1);
  return KM_OK;
}

static enum km_rc compile_question(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  enum km_rc rc = compile_paths(lister->call, "fields", &listing->fields, &lister->fields, lister->err);
  if (rc == KM_OK) {
    rc = compile_paths(lister->call, "group_by", &listing->group_by, &lister->group_paths, lister->err);
  }
  if (rc == KM_OK) {
    rc = compile_where(lister);
  }
  if (rc == KM_OK) {
    rc = compile_sort(lister);
  }
  if (rc == KM_OK) {
    note_paths(lister, (const struct km_path *const *)lister->fields, listing->fields.count);
    note_paths(lister, (const struct km_path *const *)lister->group_paths, listing->group_by.count);
  }
  return rc;
}

/* Arguments that mean nothing together. */
static enum km_rc check_arguments(const struct listing *listing, struct km_error *err)
{
  bool grouped = listing->group_by.count > 0;
  const char *clash = grouped && listing->fields.count > 0         ? "'fields'"
                      : grouped && !km_str_empty(listing->sort_by) ? "'sort_by'"
                      : grouped && !km_str_empty(listing->cursor)  ? "'cursor'"
                      : grouped && listing->output != OUTPUT_TABLE && listing->output != OUTPUT_JSON
                          ? "an output other than table or json"
                          : NULL;
  if (clash != NULL) {
    km_error_set_type(err, KM_E_INVALID, KM_TYPE_VALIDATION_ERROR,
                      "argument 'group_by' cannot be combined with %s", clash);
    return km_error_hint(err, "groups are counts of objects, the largest first; `where` chooses the objects");
  }
  return KM_OK;
}

enum km_rc lister_open(struct lister *lister)
{
  const struct listing *listing = lister->listing;
  enum km_rc rc = check_arguments(listing, lister->err);
  if (rc == KM_OK) {
    rc = compile_question(lister);
  }
  if (rc != KM_OK) {
    return rc;
  }
  rc = cursor_read(lister->call, &lister->target, listing, &lister->start, lister->err);
  if (rc != KM_OK) {
    return rc;
  }
  lister->narrowed = *lister->start.ns != '\0';
  lister->ns = lister->narrowed ? lister->start.ns : km_str_empty(listing->ns) ? NULL : listing->ns;
  size_t most = toolbox(lister->call)->max_result_bytes;
  lister->budget = most > FOOTER_BYTES + MIN_BUDGET_BYTES ? most - FOOTER_BYTES : MIN_BUDGET_BYTES;
  lister->rows.max_bytes = lister->budget;
  lister->rows.max_count = listing->limit > 0 ? (size_t)listing->limit : lister->budget / MIN_ROW_BYTES;
  lister->rows.left_out = lister_leave_out;
  lister->rows.data = lister;
  return KM_OK;
}

void lister_done(struct lister *lister)
{
  rows_done(&lister->rows);
}
