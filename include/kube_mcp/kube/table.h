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
  size_t max_bytes; /* of rendered text, header included */
  int64_t max_rows; /* 0 = no bound */
};

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

#endif
