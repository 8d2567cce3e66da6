/* Tables of our own making, for answers that no single Table of the API server gives. */
#ifndef KM_TOOLS_SHEET_H
#define KM_TOOLS_SHEET_H

#include "common.h"

/* Rows of cells in the form of a server-side Table, so that one renderer lays out all tables. Rows are added in the order
 * in which they are to be shown. */
struct sheet {
  yyjson_mut_doc *doc;
  yyjson_mut_val *root, *columns, *rows;
  yyjson_mut_val *cells; /* of the last row */
};

void sheet_init(struct sheet *sheet);
void sheet_done(struct sheet *sheet); /* accepts a zeroed struct */
void sheet_column(struct sheet *sheet, const char *heading);
/* Begins a row; NS (or NULL) is for tables with a namespace column. */
void sheet_row(struct sheet *sheet, const char *ns);
void sheet_cell(struct sheet *sheet, const char *text); /* copied; NULL = empty */
void sheet_cellf(struct sheet *sheet, const char *format, ...) KM_PRINTF(2, 3);

struct sheet_limits {
  size_t max_bytes;
  int64_t max_rows; /* 0 = no bound */
  bool namespace_column;
};
/* Appends as many rows as the limits allow, under a header; returns how many. */
int64_t sheet_render(const struct sheet *sheet, struct km_arena *arena, const struct sheet_limits *limits,
                     struct km_buf *out);

/* Appends how VALUES group, the most frequent first: "v1.36.3 2, v1.36.2 1". */
void put_groups(struct km_arena *arena, const char *const *values, size_t count, struct km_buf *out);

/* Bytes of an answer that are kept free for its last lines. */
#define SHEET_FOOTER_BYTES ((size_t)2048)
/* What of the answer's budget the rows may take. */
size_t sheet_budget(struct km_call *call);
/* "# context prod: " */
void put_context(struct km_call *call, struct km_buf *out);
/* ROWS and the lines of FOOTER behind them become the answer, whatever of FOOTER the budget has room for. */
void answer_rows(struct km_call *call, struct km_buf *rows, const struct km_buf *footer,
                 struct km_result *out);

#endif
