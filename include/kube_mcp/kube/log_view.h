/* What is shown of one log: lines made harmless, searched, folded, and of those the newest that fit. Constant memory.
 *
 * The text of a container is data: it is sanitized, a line stays one line, and no line of it begins with "# " or "===", which
 * is how remarks and headings of ours begin. A line that begins with "#", "===" or "| " is shown behind "| ". */
#ifndef KM_KUBE_LOG_VIEW_H
#define KM_KUBE_LOG_VIEW_H

#include "kube_mcp/base/arena.h"
#include "kube_mcp/codec/regex.h"
#include "kube_mcp/kube/logs.h"

/* A longer line is cut and ends with "[+N bytes]". */
#define KM_LOG_SHOWN_BYTES ((size_t)2048)

struct km_log_view_options {
  struct km_regex *grep; /* only lines that match, or NULL; the view's alone while it lives */
  size_t context_lines;  /* also so many before and after each match */
  bool fold;        /* lines alike become one; not together with context_lines, where neighbours matter */
  bool timestamps;  /* show the server's */
  size_t max_bytes; /* how much km_log_view_render will be asked for at most */
};

struct km_log_view;

/* Freed with ARENA. */
struct km_log_view *km_log_view_new(struct km_arena *arena, const struct km_log_view_options *options);
/* Takes the next line, which begins with the server's timestamp. Errors: KM_E_INVALID, of the regular expression. */
enum km_rc km_log_view_add(struct km_log_view *view, const struct km_log_line *line, struct km_error *err);
/* Bytes that showing all it holds would take. */
size_t km_log_view_bytes(const struct km_log_view *view);

struct km_log_counts {
  uint64_t read;     /* lines that were added */
  uint64_t matching; /* of them; without grep, all */
  uint64_t shown;    /* as lines of their own */
  uint64_t folded;   /* counted in a remark below a line like them */
  uint64_t left_out; /* older than those, for lack of room */
  int64_t first_ms;  /* time of the first line shown and of the last one shown or folded; 0 = unknown */
  int64_t last_ms;
};
/* Appends the newest lines, at most MAX_BYTES, oldest first. */
void km_log_view_render(const struct km_log_view *view, size_t max_bytes, struct km_buf *out,
                        struct km_log_counts *ret);

/* True when two lines differ at most in numbers, times and ids, so that one may stand for both. Numbers that mean success
 * or failure count as they stand: 0 on its own, and 400 to 599 on its own. */
bool km_log_alike(const char *a, size_t a_len, const char *b, size_t b_len);
/* Equal for lines that are alike. */
uint64_t km_log_shape(const char *text, size_t len);

#endif
