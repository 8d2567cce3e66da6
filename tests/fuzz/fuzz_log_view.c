/* Fuzzes what is shown of logs: any bytes in any pieces become clean UTF-8 within the budget, no line of which looks like
 * a remark of ours unless it is one, and every line that was read is shown, folded, left out or without a match. The first
 * bytes choose the options. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/kube/log_view.h"

#include "kube_mcp/base/banned.h"

#define OPTION_BYTES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool add(void *data, const struct km_log_line *line)
{
  struct km_error err = {0};
  return km_log_view_add(data, line, &err) == KM_OK;
}

/* The lines of OUT that are remarks and those that are not. */
static void count_lines(const struct km_buf *out, uint64_t *ret_own, uint64_t *ret_shown)
{
  const char *line = out->data;
  const char *end = out->data + out->len;
  while (line < end) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    if (newline == NULL) {
      abort();
    }
    bool own = strncmp(line, "# --\n", 5) == 0 || strncmp(line, "# +", 3) == 0;
    if ((*line == '#' && !own) || strncmp(line, "===", 3) == 0) {
      abort();
    }
    *(own ? ret_own : ret_shown) += 1;
    line = newline + 1;
  }
}

static void check(const struct km_log_view *view, size_t max_bytes, bool searched)
{
  struct km_buf out;
  struct km_log_counts counts;
  km_buf_init(&out, max_bytes);
  km_log_view_render(view, max_bytes, &out, &counts);
  if (out.failed || !km_utf8_valid(out.data, out.len)) {
    abort();
  }
  for (size_t i = 0; i < out.len; i++) {
    unsigned char c = (unsigned char)out.data[i];
    if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7F) {
      abort();
    }
  }
  uint64_t own = 0, shown = 0;
  count_lines(&out, &own, &shown);
  uint64_t accounted = counts.shown + counts.folded + counts.left_out;
  bool too_small = counts.shown == 1 && shown == 0; /* not even for the beginning of one line */
  if ((shown != counts.shown && !too_small) ||
      (searched ? accounted > counts.read : accounted != counts.read)) {
    abort();
  }
  km_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < OPTION_BYTES) {
    return 0;
  }
  struct km_arena *arena = km_arena_new(SIZE_MAX);
  struct km_error err = {0};
  struct km_log_view_options options = {
      .fold = (data[0] & 1) != 0, .timestamps = (data[0] & 2) != 0, .max_bytes = (size_t)data[1] * 16};
  bool searched = (data[0] & 4) != 0;
  if (searched) {
    options.context_lines = data[0] >> 5;
    if (km_regex_compile(arena, "[a-e]", KM_REGEX_CASELESS, &options.grep, &err) != KM_OK) {
      abort();
    }
  }
  struct km_log_view *view = km_log_view_new(arena, &options);
  struct km_log_splitter splitter;
  km_log_splitter_init(&splitter, add, view);
  const char *text = (const char *)data + OPTION_BYTES;
  size_t len = size - OPTION_BYTES, step = (size_t)data[2] + 1;
  for (size_t at = 0; at < len; at += step) {
    if (!km_log_splitter_feed(&splitter, text + at, len - at < step ? len - at : step)) {
      abort();
    }
  }
  km_log_splitter_done(&splitter, true);
  check(view, options.max_bytes, searched);
  check(view, options.max_bytes / 3, searched);
  km_arena_free(arena);
  return 0;
}
