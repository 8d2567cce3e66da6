/* Server-side Tables into aligned text within a byte budget.
 *
 * Owns nothing but memory of the caller's arena, bounded by max_bytes: a row is kept as cleaned cells until the end,
 * when the widths are known. Invariant: header and kept rows at the present widths take at most max_bytes. A row enters
 * only if that holds with the widths it would bring, so a row once kept stays and the text fits exactly; blanks
 * trimmed from line ends only make it shorter. The first row that does not fit closes the listing: what follows is
 * counted and grouped, so the rows shown are a prefix of the list and a cursor can go on behind them. Columns are
 * chosen from the first document and found by name in later ones. One thread at a time. */
#include "kube_mcp/kube/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
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

/* Of the listing, or of nobody yet: then it is the caller's. The text of the cells lies behind them. */
struct km_table_row {
  struct km_table_row *next;
  size_t count;
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
  bool chosen;  /* columns are */
  bool started; /* so no more may come */
  bool closed;  /* the budget is used up */
  struct km_columns columns;
  struct km_table_source source; /* the document at hand */
  const struct km_table *reader; /* whose columns COLUMN_OF are mapped; NULL = nobody's */
  size_t column_of[KM_MAX_COLUMNS];
  struct extent extent; /* of header and kept rows */
  struct km_table_row *first, *last;
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

/* -- reading ------------------------------------------------------------------------------------------------------ */

static void open_document(struct km_table *table, struct km_table_source *source)
{
  if (!table->chosen) {
    km_table_choose_columns(table->arena, &table->options, source, &table->columns);
    table->chosen = true;
  }
  km_table_map_cells(source, &table->columns);
  table->status_name = source->status_name != NULL ? source->status_name : table->status_name;
}

bool km_table_open(struct km_table *table, yyjson_val *root)
{
  struct km_table_source source;
  if (!km_table_source_init(&source, root) || source.single != NULL) {
    return false;
  }
  open_document(table, &source);
  table->source = source;
  return true;
}

yyjson_val *km_table_rows(const struct km_table *table)
{
  return table->source.rows;
}

yyjson_val *km_table_object(const struct km_table *table, yyjson_val *row)
{
  return km_table_row_object(&table->source, row);
}

const char *km_table_name(const struct km_table *table, yyjson_val *row)
{
  const struct km_table_source *source = &table->source;
  if (source->definitions == NULL) {
    return km_json_str(km_json_obj(row, "metadata"), "name");
  }
  return source->name_cell != KM_NO_COLUMN
             ? yyjson_get_str(yyjson_arr_get(km_json_arr(row, "cells"), source->name_cell))
             : NULL;
}

void km_table_put_status(const struct km_table *table, yyjson_val *row, struct km_buf *out)
{
  if (table->source.status_cell != KM_NO_COLUMN) {
    km_table_put_status_cell(&table->source, row, out);
  }
}

/* A row of its own from DRAFT; NULL when a cell found no room in the draft. */
static struct km_table_row *row_of(const struct km_draft *draft, size_t count)
{
  struct km_table_row *row = km_alloc(sizeof(*row) + count * sizeof(row->cells[0]) + draft->text.len);
  char *text = (char *)&row->cells[count];
  memcpy(text, draft->text.data, draft->text.len);
  row->next = NULL;
  row->count = count;
  for (size_t i = 0; i < count; i++) {
    const char *cell = text + draft->cells[i].offset;
    size_t len = draft->cells[i].len;
    row->cells[i] =
        (struct cell){.text = cell, .len = (uint32_t)len, .width = (uint32_t)km_utf8_width(cell, len)};
  }
  return row;
}

static struct km_table_row *read_row(const struct km_table *table, const struct km_table_source *source,
                                     yyjson_val *row, yyjson_val *object, const char *const *extra)
{
  struct km_draft draft;
  km_buf_init(&draft.text, MAX_DRAFT_BYTES);
  km_table_read_row(source, &table->columns, row, object, extra, &draft);
  struct km_table_row *read = row_of(&draft, table->columns.count);
  km_buf_done(&draft.text);
  return read;
}

struct km_table_row *km_table_read(const struct km_table *table, yyjson_val *row, yyjson_val *object,
                                   const char *const *extra)
{
  return read_row(table, &table->source, row, object, extra);
}

size_t km_table_row_bytes(const struct km_table_row *row)
{
  size_t bytes = sizeof((char)'\n');
  for (size_t i = 0; i < row->count; i++) {
    bytes += row->cells[i].len + (i + 1 < row->count ? GAP : 0);
  }
  return bytes;
}

/* -- keeping ------------------------------------------------------------------------------------------------------ */

static size_t find_column(const struct km_columns *columns, const char *heading, const bool *taken)
{
  for (size_t i = 0; i < columns->count; i++) {
    if (!taken[i] && columns->items[i].source != KM_COLUMN_LABEL &&
        km_streq(columns->items[i].heading, heading)) {
      return i;
    }
  }
  return KM_NO_COLUMN;
}

/* Where the columns of READER go; headings may repeat, each is taken once. ADD: those that are new become columns. */
static void map_columns(struct km_table *table, const struct km_table *reader, bool add)
{
  bool taken[KM_MAX_COLUMNS] = {false};
  for (size_t i = 0; i < reader->columns.count; i++) {
    const struct km_column *column = &reader->columns.items[i];
    size_t at = find_column(&table->columns, column->heading, taken);
    if (at == KM_NO_COLUMN && add && table->columns.count < KM_MAX_COLUMNS) {
      at = table->columns.count++;
      table->columns.items[at] = *column;
    }
    table->column_of[i] = at;
    if (at != KM_NO_COLUMN) {
      taken[at] = true;
    }
  }
  table->reader = reader;
}

void km_table_adopt(struct km_table *table, const struct km_table *reader)
{
  if (!table->chosen) {
    table->columns.count = 0;
    for (size_t i = 0; i < table->options.label_count && i < KM_TABLE_MAX_LABELS; i++) {
      table->columns.items[table->columns.count++] =
          (struct km_column){.source = KM_COLUMN_LABEL, .heading = table->options.labels[i]};
    }
    table->chosen = true;
  }
  map_columns(table, reader, true);
}

/* Closes the listing at once when not even the header fits. */
static void start(struct km_table *table)
{
  struct km_columns *columns = &table->columns;
  for (size_t i = 0; i < columns->count; i++) {
    size_t len = strlen(columns->items[i].heading);
    extend(&table->extent, i, columns->count, len, km_utf8_width(columns->items[i].heading, len));
  }
  table->extent.lines = 1;
  table->closed =
      columns->count == 0 || rendered_bytes(&table->extent, columns->count) > table->options.max_bytes;
  table->started = true;
}

/* The cells of ROW in the columns of TABLE. */
static void arrange(const struct km_table *table, const struct km_table_row *row, const char *const *labels,
                    struct cell *cells)
{
  memset(cells, 0, table->columns.count * sizeof(*cells));
  for (size_t i = 0; i < row->count; i++) {
    size_t column = table == table->reader ? i : table->column_of[i];
    if (column != KM_NO_COLUMN) {
      cells[column] = row->cells[i];
    }
  }
  for (size_t i = 0; labels != NULL && i < table->options.label_count; i++) {
    const char *text = labels[i] != NULL ? labels[i] : "";
    size_t len = strlen(text);
    cells[i] = (struct cell){.text = text, .len = (uint32_t)len, .width = (uint32_t)km_utf8_width(text, len)};
  }
}

/* Makes the row of CELLS permanent: one block, the cells, and behind them their text. */
static void append(struct km_table *table, const struct cell *cells, size_t text_len)
{
  size_t count = table->columns.count;
  struct km_table_row *row =
      km_arena_alloc(table->arena, sizeof(*row) + count * sizeof(row->cells[0]) + text_len);
  char *text = (char *)&row->cells[count];
  row->count = count;
  for (size_t i = 0; i < count; i++) {
    row->cells[i] = cells[i];
    row->cells[i].text = text;
    if (cells[i].len > 0) {
      memcpy(text, cells[i].text, cells[i].len);
    }
    text += cells[i].len;
  }
  *(table->last != NULL ? &table->last->next : &table->first) = row;
  table->last = row;
  table->shown++;
}

bool km_table_keep(struct km_table *table, const struct km_table *reader, const struct km_table_row *row,
                   const char *const *labels)
{
  if (!table->started) {
    start(table);
  }
  if (table->reader != reader && table != reader) {
    map_columns(table, reader, false);
  }
  table->reader = reader;
  struct cell cells[KM_MAX_COLUMNS];
  arrange(table, row, labels, cells);
  size_t count = table->columns.count, text_len = 0;
  struct extent extent = table->extent; /* as it would be with this row */
  extent.lines++;
  for (size_t i = 0; i < count; i++) {
    extend(&extent, i, count, cells[i].len, cells[i].width);
    text_len += cells[i].len;
  }
  bool full = table->options.max_rows > 0 && table->shown >= table->options.max_rows;
  if (table->closed || full || rendered_bytes(&extent, count) > table->options.max_bytes) {
    table->closed = true;
    return false;
  }
  table->extent = extent;
  append(table, cells, text_len);
  return true;
}

void km_table_leave_out(struct km_table *table, const char *ns, const char *status)
{
  table->left_out++;
  if (ns != NULL) {
    km_tally_add(table->arena, &table->by_namespace, ns, strlen(ns), 1);
  }
  if (status != NULL) {
    km_tally_add(table->arena, &table->by_status, status, strlen(status), 1);
  }
}

void km_table_leave_out_of(struct km_table *table, const char *ns, int64_t count)
{
  km_tally_add(table->arena, &table->by_namespace, ns, strlen(ns), count);
}

void km_table_name_status(struct km_table *table, const char *name)
{
  table->status_name = name;
}

/* -- whole documents ---------------------------------------------------------------------------------------------- */

/* Counts a row that is not shown; of its cells only the one that groups are made of is read. */
static void leave_out(struct km_table *table, const struct km_table_source *source, yyjson_val *row)
{
  const char *ns = NULL;
  if (table->options.namespace_column) {
    ns = km_json_str(km_json_obj(km_table_row_object(source, row), "metadata"), "namespace");
    ns = ns != NULL ? ns : "";
  }
  struct km_buf status;
  km_buf_init(&status, MAX_STATUS_BYTES);
  if (source->status_cell != KM_NO_COLUMN) {
    km_table_put_status_cell(source, row, &status);
  }
  km_table_leave_out(table, ns, source->status_cell != KM_NO_COLUMN ? status.data : NULL);
  km_buf_done(&status);
}

static void add_row(struct km_table *table, const struct km_table_source *source, yyjson_val *row)
{
  bool kept = false;
  if (!table->closed) {
    struct km_table_row *read = read_row(table, source, row, NULL, NULL);
    kept = km_table_keep(table, table, read, NULL);
    free(read);
  }
  if (!kept) {
    leave_out(table, source, row);
  }
}

int64_t km_table_add(struct km_table *table, yyjson_val *root, size_t skip)
{
  struct km_table_source source;
  if (!km_table_source_init(&source, root)) {
    return -1;
  }
  open_document(table, &source);
  int64_t shown_before = table->shown;
  if (source.single != NULL && skip == 0) {
    add_row(table, &source, source.single);
  }
  size_t i = 0;
  size_t count = 0;
  yyjson_val *row = NULL;
  yyjson_arr_foreach(source.rows, i, count, row)
  {
    if (i >= skip) {
      add_row(table, &source, row);
    }
  }
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
  for (const struct km_table_row *row = table->first; row != NULL; row = row->next) {
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
  /* Of some rows the namespace is not known: then where the others are says little. */
  bool by_namespace = table->by_namespace.distinct > 0 && table->by_namespace.total == table->left_out;
  if (by_namespace) {
    km_buf_puts(out, "by namespace: ");
    km_tally_put(table->arena, &table->by_namespace, out);
  }
  if (table->by_status.distinct > 0) {
    km_buf_puts(out, by_namespace ? "; by " : "by ");
    put_lower(out, table->status_name != NULL ? table->status_name : "status");
    km_buf_puts(out, ": ");
    km_tally_put(table->arena, &table->by_status, out);
    if (table->by_status.total < table->left_out) {
      km_buf_printf(out, ", not read %" PRId64, table->left_out - table->by_status.total);
    }
  }
  return !out->failed;
}
