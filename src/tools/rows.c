/* Rows in a bounded store. Unsorted, it takes rows until one finds no room and is closed then, so that what it holds is a
 * beginning of the list. Sorted, it is a heap with the last row in order on top: whenever the others fill the answer by
 * themselves, the last cannot be shown any more and goes. Either way it holds at most max_bytes and one row more, and at
 * most max_count rows. Rows are equal only when they are the same object, so the order is total. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/alloc.h"
#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

/* -- one row ------------------------------------------------------------------------------------------------------ */

static size_t text_size(const char *text)
{
  return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies TEXT (or NULL) to *AT and moves it on. */
static const char *put_text(char **at, const char *text)
{
  if (text == NULL) {
    return NULL;
  }
  char *copy = *at;
  size_t size = strlen(text) + 1;
  memcpy(copy, text, size);
  *at += size;
  return copy;
}

static const char *put_bytes(char **at, const char *data, size_t len)
{
  char *copy = *at;
  if (len > 0) {
    memcpy(copy, data, len);
  }
  copy[len] = '\0';
  *at += len + 1;
  return copy;
}

struct row *row_new(const struct row *like)
{
  size_t texts = text_size(like->ns) + text_size(like->name) + text_size(like->status);
  struct row *row = km_alloc(sizeof(*row) + texts + like->key.len + 1 + like->text_len + 1);
  char *at = (char *)(row + 1);
  *row = *like;
  row->ns = put_text(&at, like->ns);
  row->name = put_text(&at, like->name);
  row->status = put_text(&at, like->status);
  row->key.text = put_bytes(&at, like->key.text, like->key.len);
  row->text = put_bytes(&at, like->text, like->text_len);
  return row;
}

void row_free(struct row *row)
{
  if (row != NULL) {
    free(row->cells);
    free(row);
  }
}

static int compare_text(const char *a, const char *b)
{
  return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

int row_compare(const struct row *a, const struct row *b, bool descending)
{
  bool none_a = a->key.type == KM_VALUE_NONE, none_b = b->key.type == KM_VALUE_NONE;
  if (none_a != none_b) {
    return none_a ? 1 : -1;
  }
  int order = km_value_compare(&a->key, &b->key);
  order = descending ? -order : order;
  order = order != 0 ? order : compare_text(a->ns, b->ns);
  return order != 0 ? order : compare_text(a->name, b->name);
}

/* -- the store ---------------------------------------------------------------------------------------------------- */

void rows_clear(struct rows *rows)
{
  for (size_t i = 0; i < rows->count; i++) {
    row_free(rows->items[i]);
  }
  rows->count = rows->bytes = 0;
  rows->closed = false;
}

void rows_done(struct rows *rows)
{
  rows_clear(rows);
  free(rows->items);
  rows->items = NULL;
  rows->room = 0;
}

static void leave_out(struct rows *rows, struct row *row)
{
  rows->left_out(rows->data, row);
  row_free(row);
}

static void append(struct rows *rows, struct row *row)
{
  if (rows->count == rows->room) {
    size_t room = rows->room > 0 ? 2 * rows->room : 64;
    struct row **items = km_alloc(room * sizeof(struct row *));
    if (rows->count > 0) {
      memcpy(items, rows->items, rows->count * sizeof(struct row *));
    }
    free(rows->items);
    rows->items = items;
    rows->room = room;
  }
  rows->items[rows->count++] = row;
  rows->bytes += row->bytes;
}

static bool later(const struct rows *rows, size_t i, size_t j)
{
  return row_compare(rows->items[i], rows->items[j], rows->descending) > 0;
}

static void swap(struct rows *rows, size_t i, size_t j)
{
  struct row *row = rows->items[i];
  rows->items[i] = rows->items[j];
  rows->items[j] = row;
}

static void sift_up(struct rows *rows, size_t i)
{
  for (size_t parent = (i - 1) / 2; i > 0 && later(rows, i, parent); i = parent, parent = (i - 1) / 2) {
    swap(rows, i, parent);
  }
}

static void sift_down(struct rows *rows, size_t i)
{
  for (;;) {
    size_t last = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < rows->count; child++) {
      last = later(rows, child, last) ? child : last;
    }
    if (last == i) {
      return;
    }
    swap(rows, i, last);
    i = last;
  }
}

static bool overfull(const struct rows *rows)
{
  return rows->count > rows->max_count ||
         (rows->count > 1 && rows->bytes - rows->items[0]->bytes >= rows->max_bytes);
}

static void add_sorted(struct rows *rows, struct row *row)
{
  append(rows, row);
  sift_up(rows, rows->count - 1);
  while (overfull(rows)) {
    struct row *last = rows->items[0];
    rows->items[0] = rows->items[--rows->count];
    rows->bytes -= last->bytes;
    sift_down(rows, 0);
    leave_out(rows, last);
  }
}

void rows_add(struct rows *rows, struct row *row)
{
  if (rows->sorted) {
    add_sorted(rows, row);
    return;
  }
  rows->closed = rows->closed || rows->count >= rows->max_count ||
                 (rows->count > 0 && rows->bytes + row->bytes > rows->max_bytes);
  if (rows->closed) {
    leave_out(rows, row);
  } else {
    append(rows, row);
  }
}

void rows_finish(struct rows *rows)
{
  if (!rows->sorted) {
    return;
  }
  size_t count = rows->count;
  while (rows->count > 1) { /* heapsort: the last in order goes behind what is left of the heap */
    swap(rows, 0, --rows->count);
    sift_down(rows, 0);
  }
  rows->count = count;
}
