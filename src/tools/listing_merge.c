/* One answer for the same question in several contexts: one table with the context as first column, in which each context gets
 * the same share of the room as long as it has rows for it, or one common order. */
#include "listing.h"
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/banned.h"

#define PART_FOOTER_BYTES ((size_t)256) /* what is said of one context among many */
#define MAX_LABELS        KM_TABLE_MAX_LABELS
#define FAIR_ROUNDS       16

/* A row among those of all listings. */
struct candidate {
  struct yield *yield;
  const struct row *row;
};

struct merged {
  struct yield *yields; /* of the listings that succeeded */
  size_t count;
  struct candidate *candidates; /* in the order in which they are shown */
  size_t candidate_count;
  bool across, descending;
};

static int by_key(const void *a, const void *b)
{
  const struct candidate *x = a;
  const struct candidate *y = b;
  return row_compare(x->row, y->row, x->yield->lister->rows.descending);
}

/* How many rows of each listing about fill BUDGET when all get the same. */
static size_t fair_rows(const struct merged *merged, size_t budget)
{
  size_t taken = 0;
  for (size_t round = 0;; round++) {
    bool any = false;
    for (size_t i = 0; i < merged->count; i++) {
      const struct rows *rows = &merged->yields[i].lister->rows;
      if (round < rows->count) {
        any = true;
        taken += rows->items[round]->bytes + strlen(merged->yields[i].lister->call->cluster);
      }
    }
    if (!any || taken > budget) {
      return any ? round : SIZE_MAX;
    }
  }
}

/* What each of COUNT gets of WHOLE, rounded up. */
static size_t fair_share(size_t whole, size_t count)
{
  return count > 0 ? (whole + count - 1) / count : whole;
}

/* Rows by context, at most MOST of each; or all in their common order. */
static void choose_candidates(struct merged *merged, size_t most)
{
  bool sorted = merged->yields[0].lister->sort_path != NULL;
  merged->candidate_count = 0;
  for (size_t i = 0; i < merged->count; i++) {
    struct yield *yield = &merged->yields[i];
    yield->shown = 0;
    for (size_t j = 0; j < yield->lister->rows.count && (sorted || j < most); j++) {
      merged->candidates[merged->candidate_count++] =
          (struct candidate){.yield = yield, .row = yield->lister->rows.items[j]};
    }
  }
  if (sorted) {
    qsort(merged->candidates, merged->candidate_count, sizeof(*merged->candidates), by_key);
  }
}

static struct km_table *merged_table(const struct merged *merged, size_t budget)
{
  static const char *const labels[MAX_LABELS] = {"CONTEXT", "NAMESPACE"};
  struct lister *first = merged->yields[0].lister;
  struct km_table_options options = {.labels = labels,
                                     .label_count = merged->across ? 2 : 1,
                                     .max_bytes = budget,
                                     .max_rows = first->listing->limit};
  struct km_table *table = km_table_new(first->call->arena, &options);
  for (size_t i = 0; i < merged->count; i++) {
    km_table_adopt(table, merged->yields[i].lister->reader);
  }
  return table;
}

/* True when all candidates found room. */
static bool show_merged_table(struct merged *merged, size_t budget, struct km_buf *out)
{
  struct km_table *table = merged_table(merged, budget);
  size_t i = 0;
  for (; i < merged->candidate_count; i++) {
    const struct candidate *candidate = &merged->candidates[i];
    const struct lister *lister = candidate->yield->lister;
    const char *labels[MAX_LABELS] = {lister->call->cluster, candidate->row->ns};
    if (!km_table_keep(table, lister->reader, candidate->row->cells, labels)) {
      break;
    }
    candidate->yield->shown++;
  }
  km_table_render(table, out);
  return i == merged->candidate_count;
}

static bool show_merged_texts(struct merged *merged, size_t budget, struct km_buf *out)
{
  int64_t limit = merged->yields[0].lister->listing->limit;
  size_t i = 0;
  for (; i < merged->candidate_count && (limit == 0 || (int64_t)i < limit); i++) {
    const struct candidate *candidate = &merged->candidates[i];
    if (candidate->row->bytes > budget || out->len + candidate->row->text_len > budget) {
      break;
    }
    km_buf_append(out, candidate->row->text, candidate->row->text_len);
    candidate->yield->shown++;
  }
  return i == merged->candidate_count;
}

/* Alignment takes room that only shows when the rows are chosen: with less and less of them until all chosen fit. */
static void show_merged(struct merged *merged, size_t budget, struct km_buf *out)
{
  bool table = lister_is_table(merged->yields[0].lister);
  bool sorted = merged->yields[0].lister->sort_path != NULL;
  int64_t limit = merged->yields[0].lister->listing->limit;
  size_t guess = budget;
  for (int round = 0; round < FAIR_ROUNDS; round++, guess -= guess / 6) {
    km_buf_clear(out);
    size_t most = fair_rows(merged, guess);
    size_t fair_limit = limit > 0 ? fair_share((size_t)limit, merged->count) : SIZE_MAX;
    choose_candidates(merged, most < fair_limit ? most : fair_limit);
    bool all = table ? show_merged_table(merged, budget, out) : show_merged_texts(merged, budget, out);
    if (all || sorted || limit > 0) {
      return;
    }
  }
}

static void write_part(const struct yield *yield, struct km_buf *out)
{
  yield_write_extent(yield, out);
  yield_write_groups(yield, PART_FOOTER_BYTES, out);
  km_buf_puts(out, yield_is_cut(yield) ? ": list it alone, with `context`, to continue\n" : "\n");
  lister_write_warnings(yield->lister, out);
}

static void write_counts(const struct merged *merged, struct km_buf *out)
{
  int64_t total = 0;
  for (size_t i = 0; i < merged->count; i++) {
    const struct lister *lister = merged->yields[i].lister;
    km_buf_printf(out, "%.120s: %lld\n", lister->call->cluster, (long long)lister_total(lister));
    total += lister_total(lister);
    lister_write_warnings(lister, out);
  }
  km_buf_printf(out, "all: %lld\n", (long long)total);
}

static void write_merged_rows(struct merged *merged, size_t budget, struct km_buf *out)
{
  size_t rows = 0;
  for (size_t i = 0; i < merged->count; i++) {
    const struct lister *lister = merged->yields[i].lister;
    rows += lister->rows.count;
    merged->across = merged->across || lister->across;
  }
  merged->candidates = KM_ARENA_ARRAY(merged->yields[0].lister->call->arena, struct candidate, rows + 1);
  show_merged(merged, budget, out);
  for (size_t i = 0; i < merged->count; i++) {
    yield_count_unshown(&merged->yields[i]);
    write_part(&merged->yields[i], out);
  }
}

static void write_merged_groups(const struct merged *merged, size_t budget, struct km_buf *out)
{
  struct lister **listers =
      KM_ARENA_ARRAY(merged->yields[0].lister->call->arena, struct lister *, merged->count);
  for (size_t i = 0; i < merged->count; i++) {
    listers[i] = merged->yields[i].lister;
  }
  lister_write_groups(listers, merged->count, true, budget, out);
}

void write_listings(struct lister *listers, const struct km_error *errors, size_t count,
                    struct km_result *out)
{
  struct km_arena *arena = listers[0].call->arena;
  struct merged merged = {.yields = KM_ARENA_ARRAY(arena, struct yield, count)};
  for (size_t i = 0; i < count; i++) {
    if (errors[i].code == KM_OK) {
      merged.yields[merged.count++] = (struct yield){.lister = &listers[i]};
    }
  }
  struct lister *first = merged.yields[0].lister;
  size_t most = toolbox(first->call)->max_result_bytes, said = count * PART_FOOTER_BYTES;
  size_t budget = most > said + MIN_BUDGET_BYTES ? most - said : MIN_BUDGET_BYTES;
  struct km_buf text;
  km_buf_init(&text, most);
  if (first->groups != NULL) {
    write_merged_groups(&merged, budget, &text);
  } else if (first->listing->output == OUTPUT_COUNT) {
    write_counts(&merged, &text);
  } else {
    write_merged_rows(&merged, budget, &text);
  }
  for (size_t i = 0; i < count; i++) {
    if (errors[i].code != KM_OK) {
      km_buf_printf(&text, "# context %.120s: ", listers[i].call->cluster);
      put_part_error(&errors[i], &text);
      km_buf_putc(&text, '\n');
    }
  }
  km_result_text(out, text.data, text.len);
  km_buf_done(&text);
}
