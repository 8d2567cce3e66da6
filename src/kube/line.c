/* One line from untrusted text: what a cell, a message or a reason may show.
 *
 * Keeps no state. Works in place at the end of the caller's buffer. Input beyond what MAX_COLUMNS could show is not
 * looked at, so a cell of a megabyte costs no more than a long one. */
#include "kube_mcp/kube/line.h"

#include <string.h>

#include "kube_mcp/base/str.h"

#include "kube_mcp/base/banned.h"

#define ELLIPSIS "\xE2\x80\xA6"

/* A column of text with all its marks, and escape sequences before it, seldom takes more. Cleaning replaces one byte by
 * three at most: hence KM_LINE_ROOM. */
#define BYTES_PER_COLUMN ((size_t)8)

#define MAX_SHOWN_PATH_BYTES ((size_t)160)

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Flattens what OUT holds from START on, and trims it. */
static void flatten(struct km_buf *out, size_t start)
{
  char *data = out->data;
  size_t kept = start;
  for (size_t i = start; i < out->len; i++) {
    bool line_break = data[i] == '\n' || data[i] == '\t';
    if (line_break) {
      while (kept > start && data[kept - 1] == ' ') {
        kept--;
      }
      while (i + 1 < out->len && is_blank(data[i + 1])) {
        i++;
      }
    }
    char c = line_break ? ' ' : data[i];
    if (c != ' ' || kept > start) {
      data[kept++] = c;
    }
  }
  while (kept > start && data[kept - 1] == ' ') {
    kept--;
  }
  km_buf_truncate(out, kept);
}

/* How many of LEN bytes fit MAX_COLUMNS. */
static size_t fit_columns(const char *text, size_t len, size_t max_columns)
{
  size_t fit = 0;
  size_t columns = 0;
  while (fit < len) {
    size_t step = 1;
    while (fit + step < len && ((unsigned char)text[fit + step] & 0xC0) == 0x80) {
      step++;
    }
    columns += km_utf8_width(text + fit, step);
    if (columns > max_columns) {
      break;
    }
    fit += step;
  }
  return fit;
}

void km_put_line(struct km_buf *out, const char *text, size_t len, size_t max_columns)
{
  size_t start = out->len;
  while (len > 0 && is_blank(*text)) { /* or a page of them would hide what follows */
    text++;
    len--;
  }
  size_t taken = km_utf8_prefix(text, len, max_columns * BYTES_PER_COLUMN);
  (void)km_text_sanitize(out, text, taken);
  if (out->failed) {
    return;
  }
  flatten(out, start);
  /* No character is wider in columns than it is long in bytes. */
  if (taken == len && out->len - start <= max_columns) {
    return;
  }
  size_t whole = out->len - start;
  size_t fit = fit_columns(out->data + start, whole, max_columns);
  if (fit == whole && taken == len) {
    return;
  }
  km_buf_truncate(out, start + fit_columns(out->data + start, fit, max_columns - 1));
  (void)km_buf_puts(out, ELLIPSIS);
}

int km_shown_path_len(const char *path)
{
  size_t len = strcspn(path, "?");
  return (int)(len < MAX_SHOWN_PATH_BYTES ? len : MAX_SHOWN_PATH_BYTES);
}
