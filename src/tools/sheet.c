/* Tables of our own making: a Table document that km_table lays out, cuts to the budget and cleans like any other.
 *
 * Owns one document until sheet_done. Cells are copied as they are; what is untrusted in them is cleaned when they are
 * laid out. One thread at a time. */
#include "sheet.h"

#include <string.h>

#include "kube_mcp/kube/tally.h"

#include "kube_mcp/base/banned.h"

#define MAX_CELL_BYTES   ((size_t)2048)
#define MIN_BUDGET_BYTES ((size_t)512)

void sheet_init(struct sheet *sheet)
{
  yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
  yyjson_mut_val *root = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, root, "kind", "Table");
  *sheet = (struct sheet){
      .doc = doc,
      .root = root,
      .columns = yyjson_mut_obj_add_arr(doc, root, "columnDefinitions"),
      .rows = yyjson_mut_obj_add_arr(doc, root, "rows"),
  };
}

void sheet_done(struct sheet *sheet)
{
  yyjson_mut_doc_free(sheet->doc);
  *sheet = (struct sheet){0};
}

void sheet_column(struct sheet *sheet, const char *heading)
{
  yyjson_mut_val *column = yyjson_mut_arr_add_obj(sheet->doc, sheet->columns);
  yyjson_mut_obj_add_strcpy(sheet->doc, column, "name", heading);
}

void sheet_row(struct sheet *sheet, const char *ns)
{
  yyjson_mut_doc *doc = sheet->doc;
  yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, sheet->rows);
  sheet->cells = yyjson_mut_obj_add_arr(doc, row, "cells");
  if (ns != NULL) {
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, row, "object");
    yyjson_mut_val *metadata = yyjson_mut_obj_add_obj(doc, object, "metadata");
    yyjson_mut_obj_add_strcpy(doc, metadata, "namespace", ns);
  }
}

void sheet_cell(struct sheet *sheet, const char *text)
{
  yyjson_mut_arr_add_strcpy(sheet->doc, sheet->cells, text != NULL ? text : "");
}

void sheet_cellf(struct sheet *sheet, const char *format, ...)
{
  struct km_buf text;
  km_buf_init(&text, MAX_CELL_BYTES);
  va_list args;
  va_start(args, format);
  km_buf_vprintf(&text, format, args);
  va_end(args);
  sheet_cell(sheet, text.data);
  km_buf_done(&text);
}

int64_t sheet_render(const struct sheet *sheet, struct km_arena *arena, const struct sheet_limits *limits,
                     struct km_buf *out)
{
  struct km_table_options options = {
      .wide = true,
      .namespace_column = limits->namespace_column,
      .max_bytes = limits->max_bytes,
      .max_rows = limits->max_rows,
  };
  struct km_table *table = km_table_new(arena, &options);
  yyjson_doc *document = yyjson_mut_val_imut_copy(sheet->root, NULL);
  (void)km_table_add(table, yyjson_doc_get_root(document), 0);
  yyjson_doc_free(document);
  km_table_render(table, out);
  return km_table_shown(table);
}

/* --- groups ------------------------------------------------------------------------------------------------------------ */

void put_groups(struct km_arena *arena, const char *const *values, size_t count, struct km_buf *out)
{
  struct km_tally tally = {0};
  for (size_t i = 0; i < count; i++) {
    km_tally_add(arena, &tally, values[i], strlen(values[i]), 1);
  }
  km_tally_put(arena, &tally, out);
}

/* --- the answer -------------------------------------------------------------------------------------------------------- */

size_t sheet_budget(struct km_call *call)
{
  size_t most = toolbox(call)->max_result_bytes;
  return most > SHEET_FOOTER_BYTES + MIN_BUDGET_BYTES ? most - SHEET_FOOTER_BYTES : MIN_BUDGET_BYTES;
}

void put_context(struct km_call *call, struct km_buf *out)
{
  km_buf_printf(out, "# context %.120s: ", call->cluster);
}

void answer_rows(struct km_call *call, struct km_buf *rows, const struct km_buf *footer,
                 struct km_result *out)
{
  size_t most = toolbox(call)->max_result_bytes;
  size_t room = most > rows->len ? most - rows->len : 0;
  size_t keep = footer->len;
  if (keep > room) { /* whole lines only */
    const char *newline = memrchr(footer->data, '\n', room);
    keep = newline != NULL ? (size_t)(newline - footer->data) + 1 : 0;
  }
  km_buf_append(rows, footer->data, keep);
  km_result_text(out, rows->data, rows->len);
}
