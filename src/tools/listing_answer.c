/* The answer of a listing: as many rows as its budget holds, and what is to be said of the others. Invariant: an answer
 * never takes more than max_result_bytes. */
#include "listing.h"

#include <string.h>

#include "kube_mcp/base/banned.h"

void yield_count_unshown(const struct yield *yield)
{
  const struct lister *lister = yield->lister;
  size_t dealt_with = yield->shown + (yield->oversized != NULL ? 1 : 0);
  for (size_t i = dealt_with; i < lister->rows.count; i++) {
    const struct row *row = lister->rows.items[i];
    km_table_leave_out(lister->reader, row->ns, row->status);
  }
}

bool yield_is_cut(const struct yield *yield)
{
  const struct lister *lister = yield->lister;
  return yield->shown < lister->rows.count || lister->has_left ||
         (lister->sort_path != NULL && lister->matched - lister->earlier > (int64_t)lister->rows.count);
}

/* --- remarks ---------------------------------------------------------------------------------------------------------- */

void yield_write_extent(const struct yield *yield, struct km_buf *out)
{
  const struct lister *lister = yield->lister;
  int64_t before = lister->start.before, through = before + (int64_t)yield->shown;
  const char *matching = lister->where != NULL ? " match" : "";
  km_buf_printf(out, "# context %.120s: ", lister->call->cluster);
  if (!yield_is_cut(yield)) {
    if (through == 0) {
      km_buf_puts(out, lister->where != NULL && lister->seen > 0 ? "none matches" : "nothing found");
    } else {
      km_buf_printf(out, "%lld row%s%s%s", (long long)through, through == 1 ? "" : "s", matching,
                    before > 0 ? ", all shown now" : "");
    }
  } else {
    int64_t dealt_with = (int64_t)yield->shown + (yield->oversized != NULL ? 1 : 0);
    if (yield->oversized != NULL) {
      km_buf_printf(out, "row %lld (%s) is larger than an answer may be: ask for less of it with `fields`",
                    (long long)before + 1, yield->oversized);
    } else if (yield->shown == 0) {
      km_buf_puts(out, "no row shown");
    } else {
      km_buf_printf(out, "rows %lld-%lld shown", (long long)before + 1, (long long)through);
    }
    int64_t total = lister_total(lister);
    int64_t left_out = (total >= 0 ? total : lister->matched) - lister->earlier - dealt_with;
    if (total < 0 && left_out == 0) {
      km_buf_puts(out, ", more left out");
    } else {
      km_buf_printf(out, ", %s%lld left out", total >= 0 ? "" : "more than ", (long long)left_out);
    }
  }
  if (lister->where != NULL && before == 0) {
    km_buf_printf(out, " of %lld read", (long long)lister->seen);
  }
}

void yield_write_groups(const struct yield *yield, size_t room, struct km_buf *out)
{
  static const char partly[] = "of those seen ";
  const struct lister *lister = yield->lister;
  if (!yield_is_cut(yield) || lister->listing->limit > 0 || yield->oversized != NULL ||
      room < sizeof(partly) + 4) {
    return;
  }
  room -= sizeof(partly) + 4;
  struct km_buf groups;
  km_buf_init(&groups, room < GROUPS_BYTES ? room : GROUPS_BYTES);
  if (km_table_groups(lister->reader, &groups) && groups.len > 0) {
    km_buf_printf(out, " (%s%s)", lister->complete ? "" : partly, groups.data);
  }
  km_buf_done(&groups);
}

/* Where the next answer begins. */
static struct place next_place(const struct yield *yield)
{
  const struct lister *lister = yield->lister;
  const struct rows *rows = &lister->rows;
  size_t dealt_with = yield->shown + (yield->oversized != NULL ? 1 : 0);
  struct place next = {.token = "", .resource_version = ""};
  if (lister->sort_path != NULL) {
    next.resource_version = lister->resource_version != NULL ? lister->resource_version : "";
    next.after = dealt_with > 0 ? rows->items[dealt_with - 1] : lister->start.after;
  } else if (dealt_with < rows->count) {
    const struct row *row = rows->items[dealt_with];
    next = (struct place){
        .token = row->page->token, .resource_version = row->page->resource_version, .skip = row->index};
  } else {
    next = lister->first_left;
  }
  next.ns = lister->narrowed ? lister->ns : "";
  next.before = lister->start.before + (int64_t)dealt_with;
  return next;
}

/* Paths of the condition that say nothing, or nothing of some objects. */
static void write_missing(const struct lister *lister, struct km_buf *out)
{
  int64_t objects = 0;
  const char *path = km_where_never_found(lister->where);
  if (path != NULL) {
    km_buf_printf(out, "# `where`: no object read has %.120s: is the path right?\n", path);
    return;
  }
  path = km_where_often_missing(lister->where, &objects);
  if (path != NULL) {
    km_buf_printf(out,
                  "# `where`: %lld of the objects read ha%s no %.120s, where < and > do not hold; a number "
                  "that is 0 is often "
                  "left out: add `or not exists`\n",
                  (long long)objects, objects == 1 ? "s" : "ve", path);
  }
}

void lister_write_warnings(const struct lister *lister, struct km_buf *out)
{
  if (lister->narrowed) {
    put_narrowed(lister->ns, out);
  }
  if (lister->inconsistent) {
    km_buf_puts(out, "# the list changed while it was read: rows may be missing or appear twice\n");
  }
  if (lister->where != NULL && lister->seen > 0) {
    write_missing(lister, out);
  }
}

/* The lines behind the extent's. */
static void write_remarks(const struct yield *yield, struct km_buf *out)
{
  struct lister *lister = yield->lister;
  km_buf_putc(out, '\n');
  if (!yield_is_cut(yield)) {
    lister_write_warnings(lister, out);
    return;
  }
  struct place next = next_place(yield);
  const char *cursor = cursor_write(lister->call, &lister->target, lister->listing, &next);
  if (cursor != NULL) {
    km_buf_printf(out, "# next cursor: %s\n", cursor);
  } else {
    km_buf_puts(out, "# it cannot be continued, the server's page token is too long: narrow the listing\n");
  }
  lister_write_warnings(lister, out);
}

/* --- rows of one listing ---------------------------------------------------------------------------------------------- */

/* "shop/web-0" */
static const char *row_name(struct lister *lister, const struct row *row)
{
  return km_arena_printf(lister->call->arena, "%.63s%s%.80s", row->ns == NULL ? "" : row->ns,
                         row->ns == NULL ? "" : "/", row->name == NULL ? "?" : row->name);
}

static size_t show_table(struct lister *lister, struct km_buf *out)
{
  static const char *const labels[] = {"NAMESPACE"};
  struct km_table_options options = {
      .labels = labels, .label_count = lister->across ? 1 : 0, .max_bytes = lister->budget};
  struct km_table *table = km_table_new(lister->call->arena, &options);
  km_table_adopt(table, lister->reader);
  size_t shown = 0;
  for (; shown < lister->rows.count; shown++) {
    const struct row *row = lister->rows.items[shown];
    if (!km_table_keep(table, lister->reader, row->cells, &row->ns)) {
      break;
    }
  }
  km_table_render(table, out);
  return shown;
}

static size_t show_texts(const struct lister *lister, struct km_buf *out)
{
  size_t shown = 0;
  for (; shown < lister->rows.count; shown++) {
    const struct row *row = lister->rows.items[shown];
    if (row->bytes > lister->budget || out->len + row->text_len > lister->budget) {
      break;
    }
    km_buf_append(out, row->text, row->text_len);
  }
  return shown;
}

static void write_rows(struct lister *lister, struct km_buf *out)
{
  struct yield yield = {.lister = lister};
  yield.shown = lister_is_table(lister) ? show_table(lister, out) : show_texts(lister, out);
  if (yield.shown == 0 && lister->rows.count > 0) {
    yield.oversized = row_name(lister, lister->rows.items[0]);
  }
  yield_count_unshown(&yield);
  struct km_buf remarks;
  km_buf_init(&remarks, FOOTER_BYTES);
  write_remarks(&yield, &remarks);
  yield_write_extent(&yield, out);
  size_t most = toolbox(lister->call)->max_result_bytes, taken = out->len + remarks.len;
  yield_write_groups(&yield, most > taken ? most - taken : 0, out);
  km_buf_append(out, remarks.data, remarks.len);
  km_buf_done(&remarks);
}

static void write_count(const struct lister *lister, struct km_buf *out)
{
  km_buf_printf(out, "%lld\n", (long long)(lister->start.before + lister_total(lister)));
  lister_write_warnings(lister, out);
}

/* --- one listing ------------------------------------------------------------------------------------------------------ */

void write_listing(struct lister *lister, struct km_result *out)
{
  struct km_buf text;
  km_buf_init(&text, lister->budget + FOOTER_BYTES + GROUPS_BYTES);
  if (lister->groups != NULL) {
    lister_write_groups(&lister, 1, false, lister->budget, &text);
  } else if (lister->listing->output == OUTPUT_COUNT) {
    write_count(lister, &text);
  } else {
    write_rows(lister, &text);
  }
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}
