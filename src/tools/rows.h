/* The rows that may come to be shown: in the order in which they come, or the first of all in an order of their own. Bounded
 * by what an answer can hold, however many rows go by. */
#ifndef KM_TOOLS_ROWS_H
#define KM_TOOLS_ROWS_H

#include "kube_mcp/codec/value.h"
#include "kube_mcp/kube/table.h"

/* A page of a listing, so that it can be asked for again. Lives in the listing's arena. */
struct page_ref {
  const char *token, *resource_version; /* "" = first page, of that version */
  int64_t rows;
};

/* Made by row_new; its texts are its own. */
struct row {
  struct km_value key; /* what it is sorted by; KM_VALUE_NONE when it is not */
  const char *ns;      /* NULL = not known, or it has none */
  const char *name;    /* NULL = not known */
  const char *status;  /* NULL = not known */
  const struct page_ref *page;
  int64_t index;              /* on its page */
  size_t bytes;               /* the least it takes in an answer */
  struct km_table_row *cells; /* of a table: the row's; NULL until they are read */
  const char *text;           /* in other forms: all of it */
  size_t text_len;
};

/* A row like LIKE with copies of its texts; takes over LIKE's cells. */
struct row *row_new(const struct row *like);
void row_free(struct row *row); /* accepts NULL */

struct rows {
  size_t max_bytes, max_count; /* of the rows together; one row may be larger */
  bool sorted, descending;     /* rows without a key come last either way */
  struct row **items;
  size_t count, room, bytes;
  bool closed; /* unsorted: the first row found no room */
  /* Called for each row that cannot be shown any more, before it is freed. */
  void (*left_out)(void *data, const struct row *row);
  void *data;
};

void rows_done(struct rows *rows);
void rows_clear(struct rows *rows); /* and open again */
/* Takes ROW over. */
void rows_add(struct rows *rows, struct row *row);
/* Puts sorted rows in order. Nothing may be added after that. */
void rows_finish(struct rows *rows);
/* <0, 0, >0: by key, then namespace, then name. */
int row_compare(const struct row *a, const struct row *b, bool descending);

#endif
