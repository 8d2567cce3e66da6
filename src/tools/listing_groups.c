/* The answer of a listing that counts objects by groups: of one context, or of several with the context as first column. */
#include "listing.h"
#include "sheet.h"

#include <inttypes.h>
#include <stdlib.h>

#include "kube_mcp/base/banned.h"

/* One group of one listing, with what orders it among others. */
struct counted {
  const struct lister *lister;
  const struct group *group;
};

static int by_count(const void *a, const void *b)
{
  const struct counted *x = a;
  const struct counted *y = b;
  return x->group->count == y->group->count ? 0 : x->group->count > y->group->count ? -1 : 1;
}

/* The columns of the groups of LISTER. */
static void put_columns(struct sheet *sheet, const struct lister *lister, bool labelled)
{
  if (labelled) {
    sheet_column(sheet, "CONTEXT");
  }
  for (size_t i = 0; i < lister->listing->group_by.count; i++) {
    sheet_column(sheet, km_path_heading(lister->group_paths[i]));
  }
  sheet_column(sheet, "COUNT");
}

/* Groups as a table within BUDGET; returns how many are shown. */
static size_t show_group_table(const struct counted *counted, size_t count, bool labelled, size_t budget,
                               struct km_buf *out)
{
  const struct lister *first = counted[0].lister;
  struct sheet sheet;
  sheet_init(&sheet);
  put_columns(&sheet, first, labelled);
  for (size_t i = 0; i < count; i++) {
    sheet_row(&sheet, NULL);
    if (labelled) {
      sheet_cell(&sheet, counted[i].lister->call->cluster);
    }
    for (size_t j = 0; j < first->listing->group_by.count; j++) {
      const char *value = counted[i].group->values[j];
      bool imitates = j == 0 && !labelled && (*value == '#' || *value == '='); /* what begins our own lines */
      sheet_cellf(&sheet, "%s%s", imitates ? "| " : "", value);
    }
    sheet_cellf(&sheet, "%" PRId64, counted[i].group->count);
  }
  const struct sheet_limits limits = {.max_bytes = budget, .max_rows = first->listing->limit};
  int64_t shown = sheet_render(&sheet, first->call->arena, &limits, out);
  sheet_done(&sheet);
  return (size_t)shown;
}

static void put_group_line(const struct counted *counted, bool labelled, struct km_buf *out)
{
  const struct km_arg_strings *paths = &counted->lister->listing->group_by;
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *line = yyjson_mut_obj(doc);
  if (labelled) {
    yyjson_mut_obj_add_strcpy(doc, line, "context", counted->lister->call->cluster);
  }
  for (size_t i = 0; i < paths->count; i++) {
    yyjson_mut_obj_add(line, yyjson_mut_strcpy(doc, paths->items[i]),
                       yyjson_mut_strcpy(doc, counted->group->values[i]));
  }
  yyjson_mut_obj_add_sint(doc, line, "count", counted->group->count);
  km_json_write(line, false, out);
  km_buf_putc(out, '\n');
  yyjson_mut_doc_free(doc);
}

/* The same as one JSON object a line. */
static size_t show_group_lines(const struct counted *counted, size_t count, bool labelled, size_t budget,
                               struct km_buf *out)
{
  int64_t limit = counted[0].lister->listing->limit;
  size_t shown = 0;
  for (; shown < count && (limit == 0 || (int64_t)shown < limit); shown++) {
    size_t before = out->len;
    put_group_line(&counted[shown], labelled, out);
    if (out->failed || out->len > budget) {
      km_buf_truncate(out, before);
      break;
    }
  }
  return shown;
}

static void write_group_extent(const struct lister *lister, size_t groups, struct km_buf *out)
{
  km_buf_printf(out, "# context %.120s: %zu group%s of %lld object%s", lister->call->cluster, groups,
                groups == 1 ? "" : "s", (long long)lister->matched, lister->matched == 1 ? "" : "s");
  if (lister->where != NULL) {
    km_buf_printf(out, " that match, %lld read", (long long)lister->seen);
  }
  if (groups_uncounted(lister->groups) > 0) {
    km_buf_printf(out, "; %lld objects have more values than can be told apart",
                  (long long)groups_uncounted(lister->groups));
  }
  km_buf_putc(out, '\n');
  lister_write_warnings(lister, out);
}

void lister_write_groups(struct lister *const *listers, size_t lister_count, bool labelled, size_t budget,
                         struct km_buf *out)
{
  struct km_arena *arena = listers[0]->call->arena;
  const struct group **groups = KM_ARENA_ARRAY(arena, const struct group *, lister_count);
  size_t *counts = KM_ARENA_ARRAY(arena, size_t, lister_count);
  size_t total = 0, at = 0;
  for (size_t i = 0; i < lister_count; i++) {
    groups[i] = groups_sorted(listers[i]->groups, &counts[i]);
    total += counts[i];
  }
  struct counted *all = KM_ARENA_ARRAY(arena, struct counted, total + 1);
  for (size_t i = 0; i < lister_count; i++) {
    for (size_t j = 0; j < counts[i]; j++) {
      all[at++] = (struct counted){.lister = listers[i], .group = &groups[i][j]};
    }
  }
  if (labelled) { /* those of one are in order, equals by their values */
    qsort(all, total, sizeof(*all), by_count);
  }
  bool json = listers[0]->listing->output == OUTPUT_JSON;
  size_t shown = total == 0 ? 0
                 : json     ? show_group_lines(all, total, labelled, budget, out)
                            : show_group_table(all, total, labelled, budget, out);
  for (size_t i = 0; i < lister_count; i++) {
    write_group_extent(listers[i], counts[i], out);
  }
  if (shown < total) {
    int64_t objects = 0;
    for (size_t i = shown; i < total; i++) {
      objects += all[i].group->count;
    }
    km_buf_printf(
        out, "# the %zu smallest groups are left out, with counts of %lld together: narrow with `where`\n",
        total - shown, (long long)objects);
  }
}
