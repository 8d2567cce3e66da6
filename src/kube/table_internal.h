/* The inside of a listing under construction, shared by the table*.c files. */
#ifndef KM_SRC_KUBE_TABLE_INTERNAL_H
#define KM_SRC_KUBE_TABLE_INTERNAL_H

#include "kube_mcp/kube/table.h"
#include "kube_mcp/kube/tally.h"

/* Columns of one listing, and cells of a row that are looked at. */
#define KM_MAX_COLUMNS ((size_t)64)
#define KM_NO_COLUMN   KM_MAX_COLUMNS

/* -- columns and documents: table_source.c ------------------------------------------------------------------------ */

/* Where the cells of a column come from. */
enum km_column_source {
  KM_COLUMN_LABEL,     /* given by the caller */
  KM_COLUMN_NAMESPACE, /* metadata.namespace of the row's object */
  KM_COLUMN_SERVER,    /* a cell of the server's Table, found by name in each document */
  KM_COLUMN_PATH,      /* a path into the row's object */
};

struct km_column {
  enum km_column_source source;
  const char *heading;
  const char *name;           /* KM_COLUMN_SERVER: as the server spells it */
  const struct km_path *path; /* KM_COLUMN_PATH */
};

struct km_columns {
  struct km_column items[KM_MAX_COLUMNS];
  size_t count;
};

/* One document: where its rows are and which of their cells belong to which column. */
struct km_table_source {
  yyjson_val *rows;                      /* an array; NULL = none */
  yyjson_val *single;                    /* the document is this one object */
  yyjson_val *definitions;               /* of a Table; NULL = rows are objects, shown with name and age */
  size_t column_of_cell[KM_MAX_COLUMNS]; /* KM_NO_COLUMN = not shown */
  size_t name_cell;                      /* KM_NO_COLUMN = none */
  size_t status_cell;                    /* the one that tells states apart; KM_NO_COLUMN = none */
  const char *status_name;
};

/* A row in the making: its cleaned cells, one after the other in one buffer. */
struct km_draft {
  struct km_buf text;
  struct km_draft_cell {
    size_t offset, len;
  } cells[KM_MAX_COLUMNS];
};

/* False when ROOT is neither Table nor List nor object. */
bool km_table_source_init(struct km_table_source *source, yyjson_val *root);
/* The columns that OPTIONS and the document call for. */
void km_table_choose_columns(struct km_arena *arena, const struct km_table_options *options,
                             const struct km_table_source *source, struct km_columns *ret);
/* Finds the columns' cells in this document. */
void km_table_map_cells(struct km_table_source *source, const struct km_columns *columns);
/* Fills DRAFT with the cells of ROW; OBJECT and EXTRA as for km_table_read. */
void km_table_read_row(const struct km_table_source *source, const struct km_columns *columns,
                       yyjson_val *row, yyjson_val *object, const char *const *extra, struct km_draft *draft);
/* The object of ROW; NULL if the server left it out. */
yyjson_val *km_table_row_object(const struct km_table_source *source, yyjson_val *row);
/* Appends the status cell of ROW, cleaned and short. */
void km_table_put_status_cell(const struct km_table_source *source, yyjson_val *row, struct km_buf *out);

#endif
