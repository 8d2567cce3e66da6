/* Server-side Tables into aligned text within a byte budget.
 *
 * Owns nothing but memory of the caller's arena, bounded by max_bytes: a row is kept as cleaned cells until the end,
 * when the widths are known. Invariant: header and kept rows at the present widths take at most max_bytes. A row enters
 * only if that holds with the widths it would bring, so a row once kept stays and the text fits exactly; blanks
 * trimmed from line ends only make it shorter. The first row that does not fit closes the listing: what follows is
 * counted and grouped, so the rows shown are a prefix of the list and a cursor can go on behind them. Columns are
 * chosen from the first document and found by name in later ones. One thread at a time. */
#include "kube_mcp/kube/table.h"

#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/line.h"
#include "table_internal.h"

#include "kube_mcp/base/banned.h"

#define GAP              3 /* blanks between columns, and */
#define MIN_PITCH        6 /* the least a column takes with them: both as kubectl */
#define MAX_DRAFT_BYTES  ((size_t)1024 * 1024)
#define MAX_STATUS_BYTES ((size_t)4096)

struct cell {
  const char *text;
  uint32_t len, width;
};

struct row {
  struct row *next;
  struct cell cells[];
};

/* What the size of the text depends on. */
struct extent {
  size_t widths[KM_MAX_COLUMNS]; /* of the widest cell of each column */
  size_t cell_bytes;             /* of all cells */
  size_t padded_width;           /* text columns of all cells but the last of each line */
  size_t lines;
};

struct km_table {
  struct km_arena *arena;
  struct km_table_options options;
  bool started; /* columns are chosen */
  bool closed;  /* the budget is used up */
  struct km_columns columns;
  struct extent extent; /* of header and kept rows */
  struct row *first, *last;
  int64_t shown, left_out;
  struct km_tally by_namespace, by_status;
  const char *status_name; /* what by_status groups by; NULL = nothing */
};

struct km_table *km_table_new(struct km_arena *arena, const struct km_table_options *options)
{
  struct km_table *table = KM_ARENA_NEW(arena, struct km_table);
  table->arena = arena;
  table->options = *options;
  return table;
}

int64_t km_table_shown(const struct km_table *table)
{
  return table->shown;
}

int64_t km_table_left_out(const struct km_table *table)
{
  return table->left_out;
}

/* -- the budget --------------------------------------------------------------------------------------------------- */

static size_t pitch(size_t width)
{
  return width + GAP > MIN_PITCH ? width + GAP : MIN_PITCH;
}

/* Bytes of the text with every column but the last padded. */
static size_t rendered_bytes(const struct extent *extent, size_t column_count)
{
  size_t line = sizeof((char)'\n');
  for (size_t i = 0; i + 1 < column_count; i++) {
    line += pitch(extent->widths[i]);
  }
  return extent->lines * line + extent->cell_bytes - extent->padded_width;
}

/* Adds one cell. Its own width is what padding to the column's pitch saves. */
static void extend(struct extent *extent, size_t column, size_t column_count, size_t len, size_t width)
{
  extent->cell_bytes += len;
  extent->padded_width += column + 1 < column_count ? width : 0;
  if (width > extent->widths[column]) {
    extent->widths[column] = width;
  }
}

/* -- adding ------------------------------------------------------------------------------------------------------- */

/* Chooses the columns, and closes the listing at once when not even the header fits. */
static void start(struct km_table *table, const struct km_table_source *source)
{
  struct km_columns *columns = &table->columns;
  km_table_choose_columns(table->arena, &table->options, source, columns);
  for (size_t i = 0; i < columns->count; i++) {
    size_t len = strlen(columns->items[i].heading);
    extend(&table->extent, i, columns->count, len, km_utf8_width(columns->items[i].heading, len));
  }
  table->extent.lines = 1;
  table->closed =
      columns->count == 0 || rendered_bytes(&table->extent, columns->count) > table->options.max_bytes;
  table->started = true;
}

/* Makes the row that DRAFT describes permanent. */
static void keep(struct km_table *table, const struct km_draft *draft, const size_t *widths)
{
  size_t count = table->columns.count;
  /* One block per row: the cells, and behind them their text. */
  struct row *row =
      km_arena_alloc(table->arena, sizeof(*row) + count * sizeof(row->cells[0]) + draft->text.len);
  char *text = (char *)&row->cells[count];
  memcpy(text, draft->text.data, draft->text.len);
  for (size_t i = 0; i < count; i++) {
    row->cells[i] = (struct cell){.text = text + draft->cells[i].offset,
                                  .len = (uint32_t)draft->cells[i].len,
                                  .width = (uint32_t)widths[i]};
  }
  *(table->last != NULL ? &table->last->next : &table->first) = row;
  table->last = row;
  table->shown++;
}

/* Keeps the row if it fits. */
static bool try_keep(struct km_table *table, const struct km_draft *draft)
{
  size_t count = table->columns.count;
  size_t widths[KM_MAX_COLUMNS] = {0};
  struct extent extent = table->extent; /* as it would be with this row */
  extent.lines++;
  for (size_t i = 0; i < count; i++) {
    widths[i] = km_utf8_width(draft->text.data + draft->cells[i].offset, draft->cells[i].len);
    extend(&extent, i, count, draft->cells[i].len, widths[i]);
  }
  bool full = table->options.max_rows > 0 && table->shown >= table->options.max_rows;
  if (full || draft->text.failed || rendered_bytes(&extent, count) > table->options.max_bytes) {
    return false;
  }
  table->extent = extent;
  keep(table, draft, widths);
  return true;
}

/* Counts a row that is not shown; of its cells only the one that groups are made of is read. */
static void leave_out(struct km_table *table, const struct km_table_source *source, yyjson_val *row)
{
  table->left_out++;
  if (table->options.namespace_column) {
    yyjson_val *object = km_table_row_object(source, row);
    const char *ns = km_json_str(km_json_obj(object, "metadata"), "namespace");
    km_tally_add(table->arena, &table->by_namespace, ns != NULL ? ns : "", ns != NULL ? strlen(ns) : 0);
  }
  if (source->status_cell != KM_NO_COLUMN) {
    struct km_buf status;
    km_buf_init(&status, MAX_STATUS_BYTES);
    km_table_put_status(source, row, &status);
    km_tally_add(table->arena, &table->by_status, status.data, status.len);
    km_buf_done(&status);
    table->status_name = source->status_name;
  }
}

static void add_row(struct km_table *table, const struct km_table_source *source, yyjson_val *row,
                    struct km_draft *draft)
{
  if (!table->closed) {
    km_table_read_row(source, &table->columns, row, draft);
    table->closed = !try_keep(table, draft);
  }
  if (table->closed) {
    leave_out(table, source, row);
  }
}

int64_t km_table_add(struct km_table *table, yyjson_val *root, size_t skip)
{
  struct km_table_source source;
  if (!km_table_source_init(&source, root)) {
    return -1;
  }
  if (!table->started) {
    start(table, &source);
  }
  km_table_map_cells(&source, &table->columns);
  int64_t shown_before = table->shown;
  struct km_draft draft;
  km_buf_init(&draft.text, MAX_DRAFT_BYTES);
  if (source.single != NULL && skip == 0) {
    add_row(table, &source, source.single, &draft);
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *row = NULL;
  yyjson_arr_foreach(source.rows, i, count, row)
  {
    if (i >= skip) {
      add_row(table, &source, row, &draft);
    }
  }
  km_buf_done(&draft.text);
  return table->shown - shown_before;
}

/* -- rendering ---------------------------------------------------------------------------------------------------- */

/* Appends one cell, padded unless it is the last of its line. */
static void put_cell(const struct km_table *table, size_t column, const struct cell *cell, struct km_buf *out)
{
  km_buf_append(out, cell->text, cell->len);
  if (column + 1 < table->columns.count) {
    km_buf_fill(out, ' ', pitch(table->extent.widths[column]) - cell->width);
  }
}

static void end_line(struct km_buf *out, size_t line_start)
{
  size_t end = out->len;
  while (end > line_start && out->data[end - 1] == ' ') {
    end--;
  }
  km_buf_truncate(out, end);
  km_buf_putc(out, '\n');
}

bool km_table_render(const struct km_table *table, struct km_buf *out)
{
  if (table->shown == 0) {
    return !out->failed;
  }
  size_t line_start = out->len;
  for (size_t i = 0; i < table->columns.count; i++) {
    const char *heading = table->columns.items[i].heading;
    size_t len = strlen(heading);
    struct cell cell = {
        .text = heading, .len = (uint32_t)len, .width = (uint32_t)km_utf8_width(heading, len)};
    put_cell(table, i, &cell, out);
  }
  end_line(out, line_start);
  for (const struct row *row = table->first; row != NULL; row = row->next) {
    line_start = out->len;
    for (size_t i = 0; i < table->columns.count; i++) {
      put_cell(table, i, &row->cells[i], out);
    }
    end_line(out, line_start);
  }
  return !out->failed;
}

static void put_lower(struct km_buf *out, const char *text)
{
  for (; *text != '\0'; text++) {
    km_buf_putc(out, *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text);
  }
}

bool km_table_groups(const struct km_table *table, struct km_buf *out)
{
  if (table->by_namespace.distinct > 0) {
    km_buf_puts(out, "by namespace: ");
    km_tally_put(table->arena, &table->by_namespace, out);
  }
  if (table->by_status.distinct > 0) {
    km_buf_puts(out, table->by_namespace.distinct > 0 ? "; by " : "by ");
    put_lower(out, table->status_name);
    km_buf_puts(out, ": ");
    km_tally_put(table->arena, &table->by_status, out);
  }
  return !out->failed;
}
