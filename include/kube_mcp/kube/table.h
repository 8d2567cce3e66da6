/* Server-side Tables into aligned text: columns chosen once, rows appended as pages arrive. */
#ifndef KM_KUBE_TABLE_H
#define KM_KUBE_TABLE_H

#include "kube_mcp/base/buf.h"
#include "kube_mcp/codec/path.h"

/* A listing under construction: rows are kept as cells (bounded by MAX_BYTES of rendered text) so that columns can be
 * aligned at the end; rows beyond the budget are only counted and grouped. */
struct km_table;

struct km_table_options {
  bool wide;                          /* columns of priority > 0 too */
  bool namespace_column;              /* rows carry object metadata: NAMESPACE first */
  const struct km_path *const *extra; /* paths into the row's object, one column each */
  const char *const *extra_headings;  /* or NULL: km_path_heading */
  size_t extra_count;
  const char *const *labels; /* headings of leading columns whose text comes with km_table_keep */
  size_t label_count;        /* at most KM_TABLE_MAX_LABELS */
  size_t max_bytes;          /* of rendered text, header included */
  int64_t max_rows;          /* 0 = no bound */
};

#define KM_TABLE_MAX_LABELS 2
/* What stands in a cell whose value is larger than anything that is cut to a cell's length. */
#define KM_CELL_TOO_LARGE "<larger than 64 KiB>"

struct km_table *km_table_new(struct km_arena *arena, const struct km_table_options *options);
/* Adds the rows of one Table starting at row SKIP; a List or a single object (servers without Tables) appears with NAME
 * and AGE. The first row beyond the budget ends what is shown. Returns how many rows were shown of this document (the
 * rest were counted), or -1 when ROOT is none of them. */
int64_t km_table_add(struct km_table *table, yyjson_val *root, size_t skip);
int64_t km_table_shown(const struct km_table *table);
int64_t km_table_left_out(const struct km_table *table); /* seen but not shown */
/* Header and rows aligned as kubectl does it (three blanks between columns, six columns at least), trailing blanks
 * trimmed, cells sanitized. "" when there are no rows. */
bool km_table_render(const struct km_table *table, struct km_buf *out);
/* "by namespace: shop 12, payments 3; by status: Running 14, CrashLoopBackOff 1" of the rows left out; "" if none. */
bool km_table_groups(const struct km_table *table, struct km_buf *out);

/* -- row by row: for callers that choose, order or merge rows before they are shown ------------------------------- */

/* One row, read and cleaned, with the columns of the table that read it. malloc'ed: free() it. */
struct km_table_row;

/* Makes ROOT, a Table or a List, the document that rows are read from; the first one chooses the columns. False when it is
 * neither. */
bool km_table_open(struct km_table *table, yyjson_val *root);
/* The rows of that document (an array, or NULL when empty), the object of one of them (NULL if the server left it out), and
 * its name as a cell shows it (NULL if no cell does). */
yyjson_val *km_table_rows(const struct km_table *table);
yyjson_val *km_table_object(const struct km_table *table, yyjson_val *row);
const char *km_table_name(const struct km_table *table, yyjson_val *row);
/* Appends what tells this row's state ("Running"), cleaned and short; nothing if no column does. */
void km_table_put_status(const struct km_table *table, yyjson_val *row, struct km_buf *out);
/* Reads ROW. What the extra columns show comes from OBJECT if not NULL, else from EXTRA (a text each) if not NULL, else from
 * the row's own object. */
struct km_table_row *km_table_read(const struct km_table *table, yyjson_val *row, yyjson_val *object,
                                   const char *const *extra);
/* The least that ROW takes in any text. */
size_t km_table_row_bytes(const struct km_table_row *row);
/* Gives TABLE the columns of READER that it does not have yet, found by heading. Before the first row is kept. */
void km_table_adopt(struct km_table *table, const struct km_table *reader);
/* Shows a copy of ROW, which READER has read, behind the rows already there, with LABELS (as many as the options have) in its
 * leading columns. False when there is no room: the table is closed then. */
bool km_table_keep(struct km_table *table, const struct km_table *reader, const struct km_table_row *row,
                   const char *const *labels);
/* Counts a row that is not shown, under its namespace and state (NULL = not known). */
void km_table_leave_out(struct km_table *table, const char *ns, const char *status);
/* What the states of rows are called, until a document says it. */
void km_table_name_status(struct km_table *table, const char *name);
const char *
km_table_status_name(const struct km_table *table); /* in the documents opened; NULL = none has a state */
/* The same for COUNT rows of a namespace at once. */
void km_table_leave_out_of(struct km_table *table, const char *ns, int64_t count);

#endif
